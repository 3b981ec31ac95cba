"""Streams of records as they may come, for any format to write; and which part of each is not void."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from relay.formats.writing import RESTARTED

__all__ = ["answers", "looks", "not_void"]

Records = list[Mapping[str, Any]]

words = st.sampled_from(["a", "bc", "ü", "世界", "\u2028", '"\\\n'])
choices = st.sampled_from([{}, {"choice": 1}, {"choice": 2}])


def of(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Mapping[str, Any]]:
    """Return records of one type, of any choice."""
    whole = st.fixed_dictionaries({"type": st.just(kind), **fields})
    return st.builds(lambda one, choice: {**one, **choice}, whole, choices)


def fragment(index: int, piece: str) -> Mapping[str, Any]:
    """Return a fragment of one of three calls."""
    return {"type": "tool_delta", "index": index, "id": f"c{index}", "name": f"f{index}", "arguments": piece}


content = st.one_of(
    of("text", text=words),
    of("text", text=words),
    of("reasoning", text=words),
    of("refusal", text=words),
    st.builds(fragment, st.integers(0, 2), st.sampled_from(["", "{", "}"])),
    of("image", url=st.sampled_from(["https://a.example/1", "data:image/png;base64,AAAA"])),
    of("audio", data=words, transcript=words),
    of("annotation", annotation=st.just({"type": "x", "title": "ü"})),
    st.just({"type": "usage", "prompt_tokens": 3}),
    st.just({"type": "retrying", "wait": 0.5, "code": "cut"}),
    st.just({"type": "step", "name": "one"}),
)
answers = st.lists(st.one_of(content, content, content, content, content, st.just(RESTARTED)), max_size=30)
looks = st.lists(st.integers(0, 30))


def not_void(records: Records) -> Records:
    """Return what follows the last restart."""
    begins = [number for number, record in enumerate(records, 1) if record["type"] == "restarted"]
    return records[begins[-1] if begins else 0 :]
