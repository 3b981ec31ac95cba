"""`sseor.relay.snapshot`: folding records, in whatever portions, leads to one state."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sseor.relay.snapshot import Snapshot

words = st.sampled_from(["a", "bc", "ü", "世界"])
choices = st.sampled_from([{}, {"choice": 1}])


def record(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return records of one type, of either choice."""
    whole = st.fixed_dictionaries({"type": st.just(kind), **fields})
    return st.builds(lambda one, choice: {**one, **choice}, whole, choices)


index = st.integers(0, 1)
ANY = st.one_of(
    record("text", text=words),
    record("reasoning", text=words),
    record("refusal", text=words),
    record("tool_delta", index=index, id=words, name=words, arguments=words),
    record("tool_delta", index=index, arguments=words),
    record("tool_call", index=index, id=words, name=words, arguments=words, complete=st.booleans()),
    record("image", url=words),
    record("audio", data=words, transcript=words),
    record("annotation", annotation=st.just({"type": "file"})),
    record("finish", reason=st.just("stop")),
    record("usage", prompt_tokens=index),
    record("retrying", wait=st.just(1.0), code=st.just("cut")),
    record("resumed", attempt=index, code=st.just("cut")),
    record("restarted", attempt=index, code=st.just("cut")),
    record("step", name=words),
)


def fold(records: list[dict[str, Any]], *, settle_every: int = 1000) -> dict[str, Any]:
    """Return the state that records lead to, as it comes out of JSON."""
    snapshot = Snapshot()
    for number, one in enumerate(records):
        snapshot.fold(one)
        if number % settle_every == 0:
            snapshot.settle()
    found: dict[str, Any] = json.loads(json.dumps(snapshot.to_record()))
    return found


@given(st.lists(ANY, max_size=30), st.integers(0, 30), st.integers(1, 5))
def test_a_snapshot_stands_for_the_records_before_it(
    records: list[dict[str, Any]], cut: int, settle_every: int
) -> None:
    """A reader that begins with the snapshot of any prefix ends in the state of one that read everything."""
    whole = fold(records)
    assert fold([fold(records[:cut]), *records[cut:]]) == whole
    assert fold(records, settle_every=settle_every) == whole


def test_the_shape_of_a_snapshot() -> None:
    """It has the fields of the page, and of an application's own records the last of each type."""
    folded = fold(
        [
            {"type": "reasoning", "text": "Hm"},
            {"type": "text", "text": "Low"},
            {"type": "text", "text": " water"},
            {"type": "tool_delta", "index": 0, "id": "c", "name": "look", "arguments": "{"},
            {"type": "tool_delta", "index": 0, "arguments": "}"},
            {"type": "step", "name": "one"},
            {"type": "step", "name": "two"},
            {"type": "usage", "prompt_tokens": 3},
        ]
    )
    call = {"index": 0, "id": "c", "name": "look", "arguments": "{}", "complete": False}
    choice = {
        "choice": 0,
        "text": "Low water",
        "reasoning": "Hm",
        "refusal": "",
        "tool_calls": [call],
        "images": [],
        "audio": None,
        "annotations": [],
        "finish_reason": None,
    }
    assert folded == {
        "type": "snapshot",
        "choices": [choice],
        "usage": {"prompt_tokens": 3},
        "records": [{"type": "step", "name": "two"}],
        "restarted": None,
    }


def test_a_restart_forgets_everything() -> None:
    """After `restarted` nothing of what came before is left."""
    folded = fold(
        [
            {"type": "text", "text": "Low"},
            {"type": "usage", "prompt_tokens": 3},
            {"type": "restarted", "attempt": 2, "code": "cut"},
            {"type": "text", "text": "High"},
        ]
    )
    assert [choice["text"] for choice in folded["choices"]] == ["High"]
    assert folded["usage"] is None
    assert folded["restarted"] == {"attempt": 2, "code": "cut", "times": 1}
    assert fold([folded, {"type": "restarted", "attempt": 3, "code": "stalled"}])["restarted"] == {
        "attempt": 3,
        "code": "stalled",
        "times": 2,
    }


def test_the_name_of_a_call_may_come_in_pieces() -> None:
    """They are joined; one that is the name so far is a repetition."""
    pieces = [{"type": "tool_delta", "index": 0, "name": name, "arguments": ""} for name in ("get_", "tide")]
    repeated = {"type": "tool_delta", "index": 0, "name": "get_tide", "id": "c", "arguments": "{}"}
    (choice,) = fold([*pieces, repeated])["choices"]
    assert choice["tool_calls"] == [
        {"index": 0, "id": "c", "name": "get_tide", "arguments": "{}", "complete": False}
    ]
