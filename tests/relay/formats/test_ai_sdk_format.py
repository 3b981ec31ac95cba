"""`sseor.relay.formats.ai_sdk`: the events of a UI message stream, and the message that they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relay.formats.any_records import answers, looks, not_void
from relay.formats.writing import DONE, RESTARTED, Reader, lines, text, written

from sseor.relay.snapshot import Snapshot
from sseor.relay.tail import Tail
from sseor.wire import Decoder, Event

ERROR = {"type": "error", "code": "cut", "retryable": True, "partial": True}
ENDS = [{"type": "finish-step"}, {"type": "finish", "finishReason": "stop"}, "[DONE]"]


def events(*records: Mapping[str, Any]) -> list[Any]:
    """Return the events that records become."""
    return written(records, "ai-sdk").events


def test_the_beginning() -> None:
    """The message begins at once and bears the stream's ID; the header of the format goes with it."""
    reader = written([], "ai-sdk", question={"messages": [{"role": "user"}]})
    assert reader.writing.headers["X-Vercel-AI-UI-Message-Stream"] == "v1"
    begin = [item.data for item in Decoder().feed(reader.writing.prelude) if isinstance(item, Event)]
    assert begin == ['{"type":"start","messageId":"the-stream"}', '{"type":"start-step"}']


@pytest.mark.parametrize(
    ("messages", "begins"),
    [
        ([{"role": "user"}, {"role": "assistant"}], b'{"type":"start"}'),
        ([{"role": "assistant"}, {"role": "user"}], b'"messageId"'),
        ([], b'"messageId"'),
        (["assistant"], b'"messageId"'),
        ({"role": "assistant"}, b'"messageId"'),
    ],
)
def test_a_message_that_goes_on_keeps_its_id(messages: Any, begins: bytes) -> None:
    """The client says so with its last message, that of the assistant; the ID is left out then."""
    assert begins in written([], "ai-sdk", question={"messages": messages}).writing.prelude


def test_parts_in_the_order_in_which_they_come() -> None:
    """Each kind of text is a part of its own, ended where another begins; empty pieces are none."""
    pieces = [
        {"type": "reasoning", "text": "Hm"},
        {"type": "reasoning", "text": ""},
        text("Low"),
        text(" water"),
        {"type": "refusal", "text": "no"},
        {"type": "audio", "data": "AAAA", "transcript": "low"},
        text("other", choice=1),
    ]
    assert events(*pieces, DONE) == [
        {"type": "reasoning-start", "id": "0"},
        {"type": "reasoning-delta", "id": "0", "delta": "Hm"},
        {"type": "reasoning-end", "id": "0"},
        {"type": "text-start", "id": "1"},
        {"type": "text-delta", "id": "1", "delta": "Low"},
        {"type": "text-delta", "id": "1", "delta": " water"},
        {"type": "text-end", "id": "1"},
        {"type": "text-start", "id": "2"},
        {"type": "text-delta", "id": "2", "delta": "no"},
        {"type": "text-end", "id": "2"},
        {"type": "text-start", "id": "3"},
        {"type": "text-delta", "id": "3", "delta": "low"},
        {"type": "text-end", "id": "3"},
        *ENDS,
    ]


def test_tool_calls() -> None:
    """A call is begun, grows, and is there to be run once it is complete; what is not complete never is."""
    call = {"id": "c", "name": "now", "arguments": '{"a":1}', "complete": True}
    half = {"id": "d", "name": "now", "arguments": "{", "complete": False}
    found = events(
        text("I look"),
        {"type": "tool_delta", "index": 0, "id": "c", "name": "now", "arguments": '{"a"'},
        {"type": "tool_delta", "index": 0, "id": "c", "arguments": ":1}"},
        {"type": "tool_call", "index": 0, **call},
        {"type": "tool_call", "index": 1, **half},
        {"type": "tool_call", "index": 2, **call, "id": "e", "arguments": ""},
        {"type": "tool_delta", "index": 3, "id": "f", "name": "now", "arguments": "{"},
        {"type": "tool_delta", "index": 3, "id": "g", "name": "now", "arguments": "{", "choice": 1},
        {"type": "finish", "reason": "tool_calls"},
        {"type": "done", "finish_reason": "tool_calls"},
    )
    known = {"toolCallId": "c", "toolName": "now"}
    error = {"type": "tool-input-error", "toolName": "now", "errorText": "incomplete"}
    assert found[2:] == [
        {"type": "text-end", "id": "0"},
        {"type": "tool-input-start", **known},
        {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": '{"a"'},
        {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": ":1}"},
        {"type": "tool-input-available", **known, "input": {"a": 1}},
        {"type": "tool-input-start", "toolCallId": "d", "toolName": "now"},
        {"type": "tool-input-delta", "toolCallId": "d", "inputTextDelta": "{"},
        {**error, "toolCallId": "d", "input": "{"},
        {"type": "tool-input-start", "toolCallId": "e", "toolName": "now"},
        {"type": "tool-input-available", "toolCallId": "e", "toolName": "now", "input": {}},
        {"type": "tool-input-start", "toolCallId": "f", "toolName": "now"},
        {"type": "tool-input-delta", "toolCallId": "f", "inputTextDelta": "{"},
        {**error, "toolCallId": "f", "input": ""},
        {"type": "finish-step"},
        {"type": "finish", "finishReason": "tool-calls"},
        "[DONE]",
    ]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("data:image/PNG;base64,AA", {"type": "file", "mediaType": "image/png"}),
        ("data:image/svg+xml,AA", {"type": "file", "mediaType": "image/svg+xml"}),
        ("https://a.example/1", {"type": "file", "mediaType": "image/*"}),
        ("javascript:alert(1)", {"type": "data-image"}),
        ("data:text/html,AA", {"type": "data-image"}),
        (" https://a.example/1", {"type": "data-image"}),
    ],
)
def test_images(url: str, expected: Mapping[str, Any]) -> None:
    """They are files; what a page must not follow is none. A text that goes on behind one is another part."""
    found = events(text("a"), {"type": "image", "url": url}, text("b"))
    assert found[3] == {**expected, **({"url": url} if "mediaType" in expected else {"data": {"url": url}})}
    assert [one["type"] for one in found[2:5]] == ["text-end", expected["type"], "text-start"]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (
            {"type": "url_citation", "url_citation": {"url": "https://a.example/", "title": "A"}},
            {"type": "source-url", "url": "https://a.example/", "title": "A", "sourceId": "1"},
        ),
        (
            {"type": "url_citation", "url_citation": {"url": "http://a.example/", "title": 1}},
            {"type": "source-url", "url": "http://a.example/", "sourceId": "1"},
        ),
        (
            {"type": "file", "file": {"name": "tides.pdf"}},
            {
                "type": "source-document",
                "mediaType": "application/pdf",
                "title": "tides.pdf",
                "filename": "tides.pdf",
                "sourceId": "1",
            },
        ),
        (
            {"type": "file", "file": {"name": "tides"}},
            {
                "type": "source-document",
                "mediaType": "application/octet-stream",
                "title": "tides",
                "filename": "tides",
                "sourceId": "1",
            },
        ),
        ({"type": "url_citation", "url_citation": {"url": "javascript:alert(1)"}}, None),
        ({"type": "url_citation", "url_citation": {"url": 1}}, None),
        ({"type": "url_citation", "url_citation": "https://a.example/"}, None),
        ({"type": "file", "file": {"hash": "h"}}, None),
        ({"type": "note"}, None),
        ({"type": 1}, None),
    ],
)
def test_sources(annotation: Mapping[str, Any], expected: Mapping[str, Any] | None) -> None:
    """Citations of the web and files are sources; all else is data, above all what a page must not follow."""
    data = {"type": "data-annotation", "data": annotation}
    record = {"type": "annotation", "annotation": annotation}
    assert events(record) == [expected or data]
    if expected is not None:
        assert events(record, record)[1] == {**expected, "sourceId": "2"}


def test_what_has_no_part_of_its_own_is_data() -> None:
    """The last of each type stays in the message, what passes does not; none of them interrupts a text."""
    found = events(
        text("a"),
        {"type": "step", "name": "one", "choice": 2},
        {"type": "usage", "prompt_tokens": 3},
        {"type": "retrying", "wait": 0.5, "code": "cut"},
        text("b"),
    )
    assert found[2:] == [
        {"type": "data-step", "id": "step", "data": {"name": "one", "choice": 2}},
        {"type": "data-usage", "id": "usage", "data": {"prompt_tokens": 3}},
        {"type": "data-retrying", "transient": True, "data": {"wait": 0.5, "code": "cut"}},
        {"type": "text-delta", "id": "0", "delta": "b"},
    ]


@pytest.mark.parametrize(
    ("terminal", "last"),
    [
        (ERROR, {"type": "error", "errorText": "cut"}),
        ({"type": "interrupted"}, {"type": "error", "errorText": "interrupted"}),
        ({"type": "cancelled"}, {"type": "abort", "reason": "cancelled"}),
        ({"type": "done", "finish_reason": "error"}, {"type": "error", "errorText": "generation"}),
        (RESTARTED, {"type": "error", "errorText": "stalled"}),
    ],
)
def test_an_answer_that_is_not_whole(terminal: Mapping[str, Any], last: Mapping[str, Any]) -> None:
    """Its parts are not ended, nor is the message; there is no mark, and nothing follows."""
    assert events(text("Low"), terminal, text("High"), DONE)[2:] == [last]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [(None, "stop"), ("length", "length"), ("content_filter", "content-filter"), ("other", "other")],
)
def test_finish_reasons(reason: str | None, expected: str) -> None:
    """In the words of the AI SDK."""
    assert events({"type": "done", "finish_reason": reason})[1]["finishReason"] == expected


def test_nothing_but_what_passes_can_be_void_unseen() -> None:
    """After that alone a restart changes nothing; after a piece of data it does."""
    retrying = {"type": "retrying", "wait": 0.5, "code": "cut"}
    assert events(retrying, RESTARTED, DONE)[-1] == "[DONE]"
    assert events({"type": "step"}, RESTARTED, DONE)[-1] == {"type": "error", "errorText": "stalled"}


def message(reader: Reader) -> dict[str, Any]:
    """Return what a client makes of the events; an event out of place is an error."""
    made: dict[str, Any] = {"text": "", "reasoning": "", "calls": {}, "files": [], "data": {}, "notes": 0}
    growing: dict[str, str] = {}
    for event in reader.events[:-1]:
        kind, _, step = event["type"].partition("-")
        if step == "start" and kind in ("text", "reasoning"):
            assert event["id"] not in growing
            growing[event["id"]] = kind
        elif step == "delta" and kind in ("text", "reasoning"):
            assert growing[event["id"]] == kind
            made[kind] += event["delta"]
        elif step == "end":
            assert growing.pop(event["id"]) == kind
        elif event["type"] == "tool-input-start":
            made["calls"][event["toolCallId"]] = ""
        elif event["type"] == "tool-input-delta":
            made["calls"][event["toolCallId"]] += event["inputTextDelta"]
        elif kind == "file":
            made["files"].append(event["url"])
        elif event["type"] == "data-annotation":
            made["notes"] += 1
        elif kind == "data" and "id" in event:
            made["data"][step] = event["data"]
    assert not growing
    return made


@given(answers, st.integers(2, 40), looks)
def test_events_lead_to_the_answer(records: list[Mapping[str, Any]], kept: int, looked: list[int]) -> None:
    """Whenever a reader looked, and though it lagged: the events make what the records make, or end in an error."""
    # Texts of three kinds become parts of one, so that their order among each other is left out here.
    records = [record for record in records if record["type"] not in ("refusal", "audio")]
    reader = written([*records, DONE], "ai-sdk", kept=kept, looks=looked)
    if reader.events[-1] != "[DONE]":
        assert reader.events[-1] == {"type": "error", "errorText": "stalled"}
        assert RESTARTED in records
        return
    folded = Snapshot()
    for record in not_void(records):
        folded.fold(record)
    whole = folded.to_record()
    state = next((one for one in whole["choices"] if one["choice"] == 0), None)
    made = message(reader)
    if state is not None:
        assert [made["text"], made["reasoning"], made["files"]] == [
            state["text"],
            state["reasoning"],
            state["images"],
        ]
        assert made["calls"] == {call["id"]: call["arguments"] for call in state["tool_calls"]}
        assert made["notes"] == len(state["annotations"])
    usage = {} if whole["usage"] is None else {"usage": whole["usage"]}
    own = {record["type"]: {"name": record["name"]} for record in whole["records"]}
    assert made["data"] == {**usage, **own}


def test_a_reader_that_was_told_of_a_restart_may_come_again() -> None:
    """The same stream, asked for anew, begins behind the restart."""
    tail = Tail("the-stream", "g")
    first = Reader(tail, "ai-sdk")
    tail.add(lines([text("Low")]))
    first.read()
    tail.add(lines([RESTARTED, text("High")]))
    assert first.read().events[-1] == {"type": "error", "errorText": "stalled"}
    again = Reader(tail, "ai-sdk").read()
    tail.end(*lines([DONE]))
    assert message(again.read())["text"] == "High"
