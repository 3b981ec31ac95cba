"""The views: OpenAI-shaped, lossless, and nothing raised for a wrong type."""

from __future__ import annotations

from typing import Any

import pytest
from chat.assembling import call, chunk

from sseor.chat import Choice, Chunk, Delta


def test_a_chunk_reads_as_in_other_clients() -> None:
    """The usual paths give the usual values, and `raw` is the object itself."""
    raw = {
        "id": "gen-1",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "m",
        "provider": "P",
        "service_tier": "flex",
        "system_fingerprint": "fp",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "a"}, "finish_reason": "STOP"}],
        "usage": {"prompt_tokens": 3, "cost": 1e-06},
    }
    one = Chunk(raw)
    assert one.raw is raw
    assert (one.id, one.object, one.created, one.model, one.provider) == ("gen-1", raw["object"], 5, "m", "P")
    assert (one.service_tier, one.system_fingerprint, one.error) == ("flex", "fp", None)
    assert one.choices[0].delta.content == "a"
    assert one.choices[0].delta.role == "assistant"
    assert (one.choices[0].index, one.choices[0].finish_reason) == (0, "stop")
    assert one.usage is not None
    assert (one.usage.prompt_tokens, one.usage.cost) == (3, 1e-06)


@pytest.mark.parametrize("wrong", [None, 7, "", [], {}, True])
def test_wrong_types_read_as_absent(wrong: Any) -> None:
    """Every field of every view may be of any type."""
    names = [
        "id",
        "object",
        "model",
        "provider",
        "service_tier",
        "system_fingerprint",
        "created",
        "choices",
        "usage",
        "x_groq",
    ]
    one = Chunk(dict.fromkeys(names, wrong))
    assert (one.choices, one.usage) == ([], None)
    assert {getattr(one, name) for name in names[:6]} == {None}
    names = [
        "role",
        "content",
        "reasoning",
        "reasoning_details",
        "refusal",
        "tool_calls",
        "images",
        "audio",
        "annotations",
    ]
    view = Delta(dict.fromkeys(names, wrong))
    assert (view.role, view.refusal, view.reasoning) == (None, None, None)
    assert view.content in (None, "")
    assert (view.reasoning_details, view.tool_calls, view.images, view.annotations, view.audio) == (
        [],
        [],
        [],
        [],
        {},
    )
    choice = Choice(
        dict.fromkeys(["index", "delta", "logprobs", "finish_reason", "native_finish_reason"], wrong)
    )
    assert (choice.finish_reason, choice.native_finish_reason, choice.logprobs) == (None, None, {})
    assert choice.index == (7 if wrong == 7 and wrong is not True else 0)


def test_the_short_way_to_a_choice_is_the_long_way() -> None:
    """The view of an ordinary choice equals the one that the constructors make, in every attribute."""
    for text in ("a", "é", "\ud83e", "🦊"):
        raw = {"index": 0, "delta": {"content": text}}
        (short,), long = Chunk({"choices": [raw]}).choices, Choice(raw)
        assert short == long
        assert (short.index, short.delta) == (long.index, long.delta)
        assert short.delta.content == long.delta.content
        assert short.delta.content is not None
        short.delta.content.encode()


def test_parts_of_a_delta() -> None:
    """Reasoning, refusal, calls, images, audio, annotations and log probabilities as sent."""
    details = [{"type": "reasoning.text", "text": "r"}]
    one = chunk(
        {
            "reasoning_content": "r",
            "reasoning_details": details,
            "refusal": "no",
            "tool_calls": [call("{", "f", "A", index=0)],
            "images": [{"image_url": {"url": "u"}}],
            "audio": {"data": "AA"},
            "annotations": [{"type": "file"}],
        },
        choice={"logprobs": {"content": []}, "native_finish_reason": "end"},
    )
    (choice,) = one.choices
    delta = choice.delta
    assert (delta.reasoning, delta.refusal, delta.content) == ("r", "no", None)
    assert delta.reasoning_details == details
    assert [(t.index, t.id, t.function.name, t.function.arguments) for t in delta.tool_calls] == [
        (0, "A", "f", "{")
    ]
    assert delta.tool_calls[0].raw == call("{", "f", "A", index=0)
    assert (delta.images, delta.audio) == ([{"image_url": {"url": "u"}}], {"data": "AA"})
    assert delta.annotations == [{"type": "file"}]
    assert (choice.logprobs, choice.native_finish_reason) == ({"content": []}, "end")


def test_what_stands_in_place_of_the_delta() -> None:
    """`message`, `text` and reasoning beside it are read as the delta."""
    assert Choice({"message": {"content": "a"}}).message.content == "a"
    assert Choice({"text": "a"}).delta.content == "a"
    assert Choice({"text": "b", "delta": {"content": "a"}}).delta.content == "a"
    assert Choice({"text": "", "delta": {"content": ""}}).delta.content == ""
    assert Choice({"text": "a", "reasoning": "r"}).delta.reasoning == "r"
    assert Choice({"delta": {"content": "a", "reasoning": "s"}, "reasoning": "r"}).delta.reasoning == "s"
    assert Choice({"delta": {"content": "a", "reasoning": ""}, "reasoning": "r"}).delta.reasoning == "r"
    assert Choice({"delta": {"reasoning_content": "s"}, "reasoning": "r"}).delta.reasoning == "s"
    beside = {"index": 0, "delta": {"content": "a"}, "reasoning": "r"}
    assert Chunk({"choices": [beside]}).choices[0].delta.reasoning == "r"


def test_the_older_function_call_reads_as_a_fragment() -> None:
    """`function_call` is one fragment with index 0, unless there are tool calls."""
    assert [one.index for one in Delta({"function_call": {"name": "f"}}).tool_calls] == [0]
    assert [one.id for one in Delta({"function_call": {}, "tool_calls": [{"id": "A"}]}).tool_calls] == ["A"]


def test_a_choice_that_is_not_ordinary_takes_the_long_way() -> None:
    """An empty text or another index is read as well."""
    (empty,) = Chunk({"choices": [{"index": 0, "delta": {"content": ""}}]}).choices
    (second,) = Chunk({"choices": [{"index": 1, "delta": {"content": "a"}}]}).choices
    assert (empty.delta.content, second.index, second.delta.content) == ("", 1, "a")


def test_choices_without_an_index_take_their_places() -> None:
    """Two choices without an index are not one."""
    one = Chunk({"choices": [{"delta": {"content": "a"}}, None, {"delta": {"content": "b"}}]})
    assert [choice.index for choice in one.choices] == [0, 2]


def test_usage_from_its_three_places() -> None:
    """The top level comes before `x_groq`, this before a choice."""
    places: dict[str, Any] = {
        "usage": {"total_tokens": 1},
        "x_groq": {"usage": {"total_tokens": 2}},
        "choices": [{"usage": {"total_tokens": 3}}],
    }
    for total in (1, 2, 3):
        usage = Chunk(places).usage
        assert usage is not None
        assert usage.total_tokens == total
        places.pop(next(iter(places)))


def test_reprs_are_short_and_keep_the_prompt_out() -> None:
    """A chunk's repr tells its id and its size only; deltas and choices are cut."""
    debug = Chunk({"id": "g", "choices": [], "debug": {"prompt": "secret"}})
    assert repr(debug) == "<Chunk g, 0 choices>"
    assert repr(Chunk({"error": "x"})) == "<Chunk without id, 0 choices, error>"
    assert len(repr(chunk({"content": "x" * 9999}).choices[0])) < 200


def test_equality_is_that_of_the_objects() -> None:
    """Views are equal when kind and object are, and cannot be hashed."""
    assert chunk({"content": "a"}) == chunk({"content": "a"})
    assert chunk({"content": "a"}) != chunk({"content": "b"})
    assert Delta({}) != Choice({})
    assert Delta({}) != {}
    with pytest.raises(TypeError):
        hash(Delta({}))
