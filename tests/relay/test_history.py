"""The checker of the chaos finds what it is there to find."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from relay.history import Entry, Seen, judge, judge_log


def text(number: int) -> str:
    """Return a record of text."""
    return json.dumps({"type": "text", "text": f"{number} "})


def seen(*events: tuple[int, str], generation: str = "g") -> Seen:
    """Return a viewer that has processed these events."""
    one = Seen("s")
    for number, data in events:
        one.take(f"{generation}.{number}", data)
    return one


DONE = '{"type":"done"}'
SNAPSHOT = '{"type":"snapshot","choices":[{"text":"0 1 "}]}'
WHOLE = ((1, text(0)), (2, text(1)), (3, DONE))


def test_what_is_right() -> None:
    """Viewers that saw the same, one of them from a snapshot on, and a stream that Redis lost."""
    assert judge([seen(*WHOLE), seen((2, SNAPSHOT), (3, DONE))], {"s": 2}, set()) == []
    gone = seen((1, text(0)))
    gone.gone = True
    assert judge([gone], {"s": 2}, {"s"}) == []
    early = seen((1, text(0)), (2, '{"type":"interrupted"}'))
    assert judge([early, seen(*WHOLE)], {"s": 2}, {"s"}) == []
    assert judge([seen(*WHOLE), seen((1, text(0)), (2, DONE))], {"s": 2}, {"s"})
    assert gone.event_id == "g.1"
    assert Seen("s").event_id == ""


def altered(*events: tuple[int, str], other: str = "g") -> Callable[[], list[Seen]]:
    """Return what makes two viewers, of which the second has seen these events."""
    return lambda: [seen(*WHOLE), seen(*events, generation=other)]


def mixed() -> list[Seen]:
    """Return a viewer of two generations."""
    one = seen((1, text(0)))
    one.take("h.2", text(1))
    one.take("h.3", DONE)
    return [one]


def gone() -> list[Seen]:
    """Return a viewer whose stream was not there."""
    one = Seen("s")
    one.gone = True
    return [one]


@pytest.mark.parametrize(
    ("viewers", "fault"),
    [
        (altered((1, text(0)), (3, DONE)), "a gap"),
        (altered((1, text(0)), (1, text(0)), (2, text(1)), (3, DONE)), "number 1 after 1"),
        (altered((1, text(1)), (2, text(0)), (3, DONE)), "the text is"),
        (altered((1, text(0)), (2, DONE)), "done after 1 of 2"),
        (altered(*WHOLE, (4, text(2))), "after the terminal record"),
        (altered((1, text(0))), "never saw the end"),
        (altered(*WHOLE[:2], (3, '{"type":"interrupted"}')), "ended as"),
        (altered(*WHOLE[:2], (3, '{"type":"cancelled"}')), "ended as cancelled"),
        (altered(*WHOLE, other="h"), "ended as"),
        (altered((1, text(0)), (2, text(1).replace(" ", "  ")), (3, DONE)), "number 2 is"),
        (mixed, "generation h after g"),
        (gone, "has lost nothing"),
    ],
)
def test_what_is_wrong(viewers: Callable[[], list[Seen]], fault: str) -> None:
    """Each fault is found and named."""
    found = judge(viewers(), {"s": 2}, set())
    assert any(fault in one for one in found), found


LOG: list[Entry] = [("5-2", "r", f"{text(0)}\n{text(1)}"), ("5-3", "e", DONE)]


@pytest.mark.parametrize(
    ("entries", "folded", "fault"),
    [
        (LOG, 0, ""),
        (LOG, 1, ""),
        (LOG[1:], 2, ""),
        (LOG[1:], 0, "after number 0"),
        (LOG[:1], 0, "has no end"),
        ([*LOG, ("6-4", "e", DONE)], 0, "after the end"),
        ([*LOG, ("5-4", "r", text(2))], 0, "after the end"),
        ([LOG[0], LOG[0], LOG[1]], 0, "after number 2"),
        ([("5-2", "r", f"{text(0)}\n{text(2)}"), LOG[1]], 0, "to a viewer"),
        ([("5-3", "r", f"{text(0)}\n{text(1)}\n{text(2)}"), ("5-4", "e", DONE)], 0, "a viewer ended at 3"),
    ],
)
def test_a_log_is_judged(entries: list[Entry], folded: int, fault: str) -> None:
    """Gaps, duplicates, and whatever stands after the end are found, and what viewers saw otherwise."""
    found = judge_log("s", entries, folded, [seen(*WHOLE)])
    assert any(fault in one for one in found) if fault else found == []
