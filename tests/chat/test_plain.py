"""The plain chunk: which chunks are plain, and that its views show what those of any other chunk show."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chat.assembling import received
from hypothesis import assume, given
from hypothesis import strategies as st

from sseor.chat import Choice, Chunk, Delta, codec
from sseor.chat.plain import PlainChunk


def with_choice(**choice: Any) -> dict[str, Any]:
    """Return a chunk with this choice."""
    return {"id": "g", "choices": [choice]}


@pytest.mark.parametrize("text", ["a", " ", "é", "水", "🦊", "\x00", "[DONE]"])
def test_one_choice_with_clean_text_is_plain(text: str) -> None:
    """Any text that encodes as UTF-8 makes a chunk plain, whatever else is in it."""
    raw = with_choice(index=3, delta={"content": text, "role": "x"}, x=1)
    one = received({**raw, "usage": {"total_tokens": 1}, "error": None})
    assert isinstance(one, PlainChunk)
    assert (one.plain_text, one.plain_choice) == (text, raw["choices"][0])


@pytest.mark.parametrize(
    "raw",
    [
        with_choice(delta={"content": ""}),
        with_choice(delta={"content": None}),
        with_choice(delta={"content": ["a"]}),
        with_choice(delta={"content": {"type": "text", "text": "a"}}),
        with_choice(delta={"content": "a\ud83e"}),
        with_choice(delta={}),
        with_choice(delta=None),
        with_choice(message={"content": "a"}),
        {"choices": []},
        {"choices": None},
        {"choices": [None]},
        {"choices": [{"delta": {"content": "a"}}, {"delta": {"content": "b"}}]},
        {"usage": {}},
        with_choice(delta={"content": "a" * codec.SHALLOW}),
    ],
)
def test_every_other_chunk_is_not(raw: dict[str, Any]) -> None:
    """Empty, odd or long content, half a pair, another number of choices: the general views read these."""
    one = received(raw)
    assert type(one) is Chunk
    assert one.raw == raw


def seen(one: Chunk) -> list[Any]:
    """Return all that the views of a chunk show."""
    views: list[tuple[type, Any]] = [(Chunk, one)]
    for choice in one.choices:
        views += [(Choice, choice), (Delta, choice.delta), (Delta, choice.message)]
    names = [
        (view, name)
        for kind, view in views
        for base in kind.__mro__[:-1]
        for name in [*vars(base), "raw"]
        if not name.startswith("_") and name != "plain_text"
    ]
    return [(name, getattr(view, name)) for view, name in names] + [repr(view) for _, view in views]


texts = st.text(max_size=5).filter(bool)
odd = st.none() | st.booleans() | st.integers(-2, 3) | texts | st.lists(texts, max_size=2)


@given(
    st.fixed_dictionaries(
        {
            "delta": st.fixed_dictionaries(
                {"content": texts}, optional={"role": odd, "reasoning": odd, "refusal": odd}
            )
        },
        optional={
            "index": odd,
            "finish_reason": odd,
            "native_finish_reason": odd,
            "logprobs": odd,
            "reasoning": odd,
            "text": texts,
        },
    ),
    st.dictionaries(st.sampled_from(["id", "model", "created", "error", "usage"]), odd),
)
def test_the_views_show_what_the_general_ones_show(choice: dict[str, Any], top: dict[str, Any]) -> None:
    """Every attribute and repr of chunk, choice and delta are those of `Chunk`, and the views compare equal."""
    raw = {**top, "choices": [choice]}
    assume(len(json.dumps(raw)) < codec.SHALLOW)
    one, other = received(raw), Chunk(json.loads(json.dumps(raw)))
    assert isinstance(one, PlainChunk)
    assert seen(one) == seen(other)
    assert one == other
    assert other.choices == one.choices
