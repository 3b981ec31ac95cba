"""`reasoning_details` merged into the entries that go back unmodified."""

from __future__ import annotations

from typing import Any

import pytest
from chat.assembling import assemble, chunk

from sseor.chat import Reasoning
from sseor.chat.reasoning import ReasoningDetails


def text(piece: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return a `reasoning.text` fragment."""
    return {"type": "reasoning.text", **({} if piece is None else {"text": piece}), **fields}


def merged(*fragments: Any) -> list[dict[str, Any]]:
    """Return the entries that these fragments, one a delta, give."""
    details = ReasoningDetails()
    for fragment in fragments:
        details.add([fragment])
    details.end()
    return details.snapshot()


def test_runs_of_text_are_one_entry() -> None:
    """Consecutive `reasoning.text` fragments join; id and index stay the first's."""
    assert merged(text("a", index=0, id="r1"), text("b", index=1, id="r2"), text("c", index=0)) == [
        text("abc", index=0, id="r1")
    ]


def test_the_index_is_no_key() -> None:
    """Different indexes join, the same index after another type does not."""
    assert len(merged(text("a", index=0), text("b", index=5))) == 1
    assert (
        len(
            merged(
                text("a", index=0),
                {"type": "reasoning.encrypted", "data": "x", "index": 0},
                text("b", index=0),
            )
        )
        == 3
    )


def test_a_late_signature_joins_its_entry() -> None:
    """A fragment without text brings signature and format; the first that is not null stays."""
    found = merged(
        text("a", signature=None), text(signature="s", format="anthropic-claude-v1"), text(signature="t")
    )
    assert found == [text("a", signature="s", format="anthropic-claude-v1")]


def test_text_after_a_signature_begins_an_entry() -> None:
    """Two signed blocks back to back keep both signatures."""
    found = merged(text("a"), text(signature="s1"), text("b"), text(signature="s2"))
    assert found == [text("a", signature="s1"), text("b", signature="s2")]


def test_summaries_join() -> None:
    """Consecutive `reasoning.summary` fragments join their summaries."""
    summary = {"type": "reasoning.summary", "summary": "x"}
    assert merged(summary, summary, text("a")) == [{"type": "reasoning.summary", "summary": "xx"}, text("a")]


@pytest.mark.parametrize(
    "kind", ["reasoning.encrypted", "reasoning.server_tool_call", "reasoning.new", None, 7]
)
def test_other_types_are_kept_as_they_are(kind: Any) -> None:
    """Encrypted entries, server tools and unknown types are pushed as sent, each on its own."""
    entry = {"type": kind, "data": "x", "id": None}
    assert merged(entry, entry) == [entry, entry]


def test_a_later_id_fills_an_empty_one() -> None:
    """An id that the first fragment lacked is taken from a later one."""
    assert merged(text("a", id=None), text("b", id="r")) == [text("ab", id="r")]


def test_texts_that_are_null_or_empty() -> None:
    """Null and empty texts keep their place and add nothing."""
    assert merged(text(""), text("")) == [text("")]
    assert merged({"type": "reasoning.text", "text": None}) == [{"type": "reasoning.text", "text": None}]
    assert merged({"type": "reasoning.text", "text": None}, text("a")) == [text("a")]


def test_what_is_no_object_is_left_out() -> None:
    """Entries of a wrong type are no entries."""
    assert merged(None, "x", 3) == []


def test_halves_of_a_pair_join_within_an_entry() -> None:
    """A pair cut over two fragments is joined; a half that stays alone is U+FFFD, also when an entry ends."""
    assert merged(text("\ud83e"), text("\udd8a")) == [text("🦊")]
    assert merged(text("a\ud83e"), {"type": "x"}) == [text("a\ufffd"), {"type": "x"}]
    assert merged(text("a\ud83e")) == [text("a\ufffd")]


def test_the_explicit_empty_array_is_kept() -> None:
    """An empty `reasoning_details` is sent back as such; without the field nothing is."""
    sent = assemble(chunk({"content": "a", "reasoning_details": []}), chunk(finish="stop")).completion
    assert (sent.reasoning_details, sent.choices[0].reasoning_details_sent) == ([], True)
    assert sent.message["reasoning_details"] == []
    assert "reasoning_details" not in assemble(chunk({"content": "a"})).completion.message


@pytest.mark.parametrize(
    ("delta", "shown"),
    [
        ({"reasoning": "a", "reasoning_details": [text("a")]}, "a"),
        ({"reasoning": "a", "reasoning_content": "a"}, "a"),
        ({"reasoning": "", "reasoning_content": "a"}, "a"),
        ({"reasoning": None, "reasoning_details": [text("a"), text("b")]}, "ab"),
        ({"reasoning_details": [{"type": "reasoning.summary", "summary": "a"}]}, "a"),
        ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "a"}, "x", text(None)]}, ""),
        ({"reasoning_details": "x", "content": [{"type": "thinking", "thinking": 7}]}, ""),
    ],
)
def test_reasoning_is_shown_once(delta: dict[str, Any], shown: str) -> None:
    """However many fields carry the same reasoning, it is one text."""
    assembled = assemble(chunk(delta))
    assert assembled.completion.reasoning == shown
    assert [event.delta for event in assembled.of(Reasoning)] == ([shown] if shown else [])
