"""`sseor.relay.formats.openai`: chunks that clients of OpenAI's API join to the answer that the records make."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relay.formats.any_records import answers, looks, not_void
from relay.formats.writing import DONE, RESTARTED, Reader, lines, text, written

from sseor.relay.formats.openai import error_body
from sseor.relay.refusal import RefusedError
from sseor.relay.snapshot import Snapshot
from sseor.relay.tail import Tail

ERROR = {"type": "error", "code": "cut", "retryable": True, "partial": True}


def deltas(reader: Reader) -> list[tuple[int, Any, str | None]]:
    """Return index, delta and finish reason of each chunk."""
    choices = [chunk["choices"] for chunk in reader.events if chunk != "[DONE]"]
    assert all(len(found) == 1 for found in choices)
    return [(found["index"], found["delta"], found["finish_reason"]) for (found,) in choices]


def test_an_answer() -> None:
    """The first chunk bears the role, the last the finish reason and the usage, and `[DONE]` follows."""
    usage = {"type": "usage", "prompt_tokens": 3, "reasoning_tokens": 1, "cached_tokens": 2, "cost": 0.1}
    finish = {"type": "finish", "reason": "length"}
    records = [{"type": "reasoning", "text": "Hm"}, text("Low"), text(" 👋"), {"type": "step"}, finish, usage]
    done = {"type": "done", "finish_reason": "length"}
    reader = written([*records, done], "openai", question={"model": "openai/gpt-5-mini"})
    *chunks, mark = reader.events
    assert mark == "[DONE]"
    assert deltas(reader) == [
        (0, {"role": "assistant", "content": "", "reasoning": "Hm"}, None),
        (0, {"content": "Low"}, None),
        (0, {"content": " 👋"}, None),
        (0, {}, "length"),
    ]
    assert [chunk.get("usage") for chunk in chunks[:-1]] == [None] * 3
    assert chunks[-1]["usage"] == {
        "prompt_tokens": 3,
        "completion_tokens": None,
        "total_tokens": None,
        "completion_tokens_details": {"reasoning_tokens": 1},
        "prompt_tokens_details": {"cached_tokens": 2},
        "cost": 0.1,
    }
    heads = [{name: chunk[name] for name in ("id", "object", "created", "model")} for chunk in chunks]
    head = {"id": "the-stream", "object": "chat.completion.chunk", "model": "openai/gpt-5-mini"}
    assert heads == [{**head, "created": chunks[0]["created"]}] * 4
    assert reader.writing.prelude == b": sseor\n\n"


@pytest.mark.parametrize(
    ("question", "model"),
    [(None, "sseor"), ({"model": 1}, "sseor"), ({"model": ""}, "sseor"), ({"model": "m" * 999}, "m" * 256)],
)
def test_the_model_is_what_was_asked_for(question: Mapping[str, Any] | None, model: str) -> None:
    """As far as that is a name; it is never what a client could make large."""
    assert written([text("Low")], "openai", question=question).events[0]["model"] == model


def test_an_empty_answer() -> None:
    """One chunk with the role, one with a finish reason: a source that ends as it should without saying one stopped."""
    reader = written([{"type": "done", "finish_reason": None}], "openai")
    assert deltas(reader) == [(0, {"role": "assistant", "content": ""}, None), (0, {}, "stop")]


def test_choices_begin_in_order() -> None:
    """One that comes before its time is preceded by the roles of those before it, and each ends with its own reason."""
    reader = written(
        [
            text("c", choice=2),
            text("b", choice=1),
            {"type": "finish", "reason": "length", "choice": 1},
            {"type": "usage", "cost": 0.5},
            DONE,
        ],
        "openai",
    )
    assert [chunk["usage"]["cost"] for chunk in reader.events[:-1] if "usage" in chunk] == [0.5]
    assert "usage" in reader.events[-2]
    assert deltas(reader) == [
        (0, {"role": "assistant", "content": ""}, None),
        (1, {"role": "assistant", "content": ""}, None),
        (2, {"role": "assistant", "content": "c"}, None),
        (1, {"content": "b"}, None),
        (0, {}, "stop"),
        (1, {}, "length"),
        (2, {}, "stop"),
    ]


def test_a_tool_call() -> None:
    """Its first fragment bears ID, type and name, all others arguments alone; no text reads as null."""
    call = {"index": 0, "id": "c", "name": "now", "arguments": "{}", "complete": True}
    fragments = [
        {"type": "tool_delta", "index": 0, "id": "c", "name": "now", "arguments": "{"},
        {"type": "tool_delta", "index": 0, "id": "c", "arguments": "}"},
        {"type": "tool_call", **call},
    ]
    first, second = (delta for _, delta, _ in deltas(written(fragments, "openai")))
    function = {"name": "now", "arguments": "{"}
    calls = [{"index": 0, "id": "c", "type": "function", "function": function}]
    assert first == {"role": "assistant", "content": None, "tool_calls": calls}
    assert second == {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}


def test_images_audio_and_annotations() -> None:
    """As OpenRouter sends them; entries of lists have their place."""
    note = {"type": "url_citation", "url_citation": {"url": "https://a.example/"}}
    reader = written(
        [
            text("Low"),
            {"type": "image", "url": "data:image/png;base64,AA"},
            {"type": "image", "url": "https://a.example/2"},
            {"type": "annotation", "annotation": note},
            {"type": "audio", "data": "AAAA", "transcript": ""},
        ],
        "openai",
    )
    link = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}, "index": 0}
    found = [delta for _, delta, _ in deltas(reader)][1:]
    assert found[0] == {"images": [link]}
    assert found[1]["images"][0]["index"] == 1
    assert found[2:] == [{"annotations": [{**note, "index": 0}]}, {"audio": {"data": "AAAA"}}]


@pytest.mark.parametrize(
    ("terminal", "code", "message"),
    [
        (ERROR, "cut", "the answer was cut short"),
        ({"type": "cancelled"}, "cancelled", "the answer was stopped"),
        ({"type": "interrupted"}, "interrupted", "the server lost the answer"),
        ({"type": "done", "finish_reason": "error"}, "generation", "the provider failed while it answered"),
        (RESTARTED, "stalled", "the provider stopped making progress"),
    ],
)
def test_an_answer_that_is_not_whole(terminal: Mapping[str, Any], code: str, message: str) -> None:
    """Its last chunk bears an error; there was no finish reason before, although a choice had one; and no mark."""
    finish = {"type": "finish", "reason": "stop"}
    reader = written([text("Low"), finish, terminal, text("High"), DONE], "openai")
    assert deltas(reader) == [
        (0, {"role": "assistant", "content": "Low"}, None),
        (0, {"content": ""}, "error"),
    ]
    assert reader.events[-1]["error"] == {"code": code, "message": message}
    assert b"DONE" not in reader.data


def test_a_refused_request() -> None:
    """Has the shape of OpenAI's errors, and the relay's code, also one of the application's own."""
    error = json.loads(error_body(RefusedError("too_many")))["error"]
    message = "too many streams at once: ask again later"
    assert error == {
        "message": message,
        "type": "invalid_request_error",
        "param": None,
        "code": "too_many",
    }
    assert json.loads(error_body(RefusedError("internal")))["error"]["type"] == "server_error"
    assert json.loads(error_body(RefusedError("no-tides", 410)))["error"]["message"] == "no-tides"


def joined(reader: Reader) -> dict[int, dict[str, Any]]:
    """Return what a client makes of the chunks, by choice, as far as a snapshot has the same."""
    choices: dict[int, dict[str, Any]] = {}
    for index, delta, _ in deltas(reader):
        empty = {
            "text": "",
            "reasoning": "",
            "refusal": "",
            "calls": {},
            "images": [],
            "notes": 0,
            "audio": "",
        }
        choice = choices.setdefault(index, empty)
        for name, field in (("text", "content"), ("reasoning", "reasoning"), ("refusal", "refusal")):
            choice[name] += delta.get(field) or ""
        for call in delta.get("tool_calls", ()):
            known = choice["calls"].setdefault(call["index"], {"id": call.get("id"), "arguments": ""})
            known["arguments"] += call["function"]["arguments"]
        choice["images"] += [image["image_url"]["url"] for image in delta.get("images", ())]
        choice["notes"] += len(delta.get("annotations", ()))
        choice["audio"] += delta.get("audio", {}).get("data", "")
    return choices


@given(answers, st.integers(2, 40), looks)
def test_chunks_lead_to_the_answer(records: list[Mapping[str, Any]], kept: int, looked: list[int]) -> None:
    """Whenever a reader looked, and though it lagged: the chunks make what the records make, or end in an error."""
    reader = written([*records, DONE], "openai", kept=kept, looks=looked)
    if reader.events[-1] != "[DONE]":
        assert reader.events[-1]["error"]["code"] == "stalled"
        assert RESTARTED in records
        return
    folded = Snapshot()
    for record in not_void(records):
        folded.fold(record)
    found = joined(reader)
    expected = {state["choice"]: state for state in folded.to_record()["choices"]}
    assert set(expected) <= set(found)
    for number, choice in found.items():
        if number not in expected:
            assert not any(choice.values())
            continue
        state = expected[number]
        assert [choice[name] for name in ("text", "reasoning", "refusal", "images")] == [
            state[name] for name in ("text", "reasoning", "refusal", "images")
        ]
        assert choice["notes"] == len(state["annotations"])
        assert choice["audio"] == (state["audio"] or {"data": ""})["data"]
        calls = {call["id"]: call["arguments"] for call in choice["calls"].values()}
        assert calls == {call["id"]: call["arguments"] for call in state["tool_calls"]}


def test_a_late_reader_begins_behind_a_restart() -> None:
    """Nothing void is sent to it, so that nothing has to be taken back."""
    tail = Tail("the-stream", "g")
    tail.add(lines([text("Low"), RESTARTED, text("High")]))
    tail.end(*lines([DONE]))
    reader = Reader(tail, "openai").read()
    assert reader.events[-1] == "[DONE]"
    assert joined(reader)[0]["text"] == "High"


def test_a_late_reader_that_lags_knows_of_the_restart() -> None:
    """The snapshot that it is given tells of the one that it began behind, which is nothing new to it."""
    tail = Tail("the-stream", "g", max_records=4)
    tail.add(lines([text("Low"), RESTARTED, text("High")]))
    reader = Reader(tail, "openai").read()
    tail.add(lines(map(text, "abcdef")))
    tail.end(*lines([DONE]))
    assert reader.read().events[-1] == "[DONE]"
    assert joined(reader)[0]["text"] == "Highabcdef"
