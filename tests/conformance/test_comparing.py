"""`sseor.conformance.comparing`: every way in which an answer can differ, and how both sides are written down."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sseor.conformance import FEATURES, load_cases
from sseor.conformance.cases import Case
from sseor.conformance.comparing import Difference, difference, expected_lines, got_lines
from sseor.conformance.plays import Play
from sseor.conformance.protocol import Answer, GotComment, GotEvent, Malformed

ALL = frozenset(FEATURES)
BY_ID = {case.id: case for case in load_cases()}
STREAM = b": c\ndata: x\nid: 1\nretry: 5\n\r\n"
CASE = replace(BY_ID["comments/before-data"], stream=STREAM)
PLAY = Play("in two", (b": ping\ndata: x\n", b"\n"))
COMMENT, EVENT = GotComment("ping", 1), GotEvent("x", "message", "", 2)


def answer(
    *items: GotEvent | GotComment | Malformed, last_event_id: str | None = "", time: int | None = None
) -> Answer:
    """Return an answer of these items."""
    return Answer(items, frozenset(), last_event_id, time, None, None)


@pytest.mark.parametrize(
    ("items", "point"),
    [
        ((COMMENT, EVENT), None),
        ((GotComment(" ping", 1), EVENT), None),
        ((GotComment("pong", 1), EVENT), "item 1: the text is another"),
        ((EVENT, COMMENT), "item 1: an event came where a comment was expected"),
        ((COMMENT, COMMENT), "item 2: a comment came where an event was expected"),
        ((COMMENT, GotEvent("y", "message", "", 2)), "item 2: the data is another"),
        ((COMMENT, GotEvent("x", "e", "", 2)), "item 2: the event type is another"),
        ((COMMENT, GotEvent("x", "message", "1", 2)), "item 2: the last event ID is another"),
        ((COMMENT, GotEvent("x", "message", None, 2)), None),
        ((Malformed("odd", 1),), "item 1: it is odd"),
        ((COMMENT,), "item 2 did not come"),
        ((), "item 1 did not come"),
        ((COMMENT, EVENT, EVENT), "item 3 should not have come"),
        ((COMMENT, replace(EVENT, after=1)), "item 2 is not complete before 16 bytes, and came after 15"),
        ((COMMENT, replace(EVENT, after=0)), "item 2 is not complete before 16 bytes, and came after 0"),
    ],
)
def test_items(items: tuple[GotEvent | GotComment | Malformed, ...], point: str | None) -> None:
    """Kind, data, type, ID, number and order count, and nothing may come before its bytes."""
    assert difference(BY_ID["comments/before-data"], PLAY, answer(*items), ALL) == (
        point and Difference(point)
    )


@pytest.mark.parametrize(
    ("after", "point"),
    [
        ((2, 3), None),
        ((3, 3), "item 1 is complete after 7 bytes, and came after 16"),
        ((2, 4), "item 2 is complete after 16 bytes, and came at the end of the stream"),
        ((3, 4), "item 1 is complete after 7 bytes, and came after 16"),
    ],
)
def test_late_items(after: tuple[int, int], point: str | None) -> None:
    """Late is what comes in a later read than the one that completed it; the first such item is told."""
    play = Play("in three", (b": ping", b"\ndata: x\n", b"\n"))
    late = answer(replace(COMMENT, after=after[0]), replace(EVENT, after=after[1]))
    told = difference(BY_ID["comments/before-data"], play, late, ALL)
    assert told == (Difference(point, late=True) if point else None)


@pytest.mark.parametrize(("after", "late"), [(10, False), (11, False), (12, True)])
def test_a_crlf_gives_two_chances(after: int, late: bool) -> None:
    """A blank line that ends in CRLF may dispatch at its CR or at its LF."""
    case = BY_ID["line-ends/crlf-event"]
    play = Play("byte by byte", tuple(case.stream[at : at + 1] for at in range(len(case.stream))))
    told = difference(case, play, answer(GotEvent("x", "message", "", after)), ALL)
    assert (told is not None and told.late) is late


def test_wrong_counts_more_than_late() -> None:
    """A late item does not hide a wrong one behind it."""
    play = Play("whole", (BY_ID["comments/before-data"].stream,))
    wrong = answer(replace(COMMENT, after=2), GotEvent("y", "message", "", 2))
    assert difference(BY_ID["comments/before-data"], play, wrong, ALL) == Difference(
        "item 2: the data is another"
    )


def test_what_is_not_claimed_is_not_compared() -> None:
    """Comments, IDs and state are looked at only with their features."""
    odd = answer(GotComment("?", 1), GotEvent("x", "message", "?", 2), last_event_id="?", time=7)
    assert difference(BY_ID["comments/before-data"], PLAY, odd, frozenset()) is None
    for feature in ("comments", "id", "last-event-id", "retry"):
        assert difference(BY_ID["comments/before-data"], PLAY, odd, frozenset({feature})) is not None


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        (None, None, True),
        (None, 0, False),
        (5, 5, True),
        (5, None, False),
        (5, 6, False),
        ("any", 7, True),
        ("any", None, True),
        (2**64, 2**64, True),
        (2**64, 18446744073709552000, True),
        (2**64, None, False),
        (2**64, 2**65, False),
        (2**53 - 1, 2**53 - 2, False),
    ],
)
def test_reconnection_times(expected: int | str | None, got: int | None, same: bool) -> None:
    """Times are equal as numbers; above 2^53, as doubles, since JavaScript has no others."""
    case = replace(BY_ID["end/empty-stream"], reconnection_time=expected)
    told = difference(case, Play("whole", ()), answer(time=got), ALL)
    assert (told is None) is same


def test_an_unknown_last_event_id_is_none() -> None:
    """A decoder that says null for the last event ID says that there is none."""
    case: Case = BY_ID["end/empty-stream"]
    assert difference(case, Play("whole", ()), answer(last_event_id=None), ALL) is None
    told = difference(replace(case, last_event_id="1"), Play("whole", ()), answer(last_event_id=None), ALL)
    assert told == Difference("the last event ID after the stream is another")


def test_both_sides_as_lines() -> None:
    """Each item is a line; what is unusual is told, what is not printable is escaped, long texts lose their middle."""
    case = BY_ID["id/set"]
    assert expected_lines(case, ALL) == (
        "event 'message', data 'x', id '1'",
        "last event ID '1'",
        "reconnection time None",
    )
    assert expected_lines(case, frozenset()) == ("event 'message', data 'x'",)
    got = answer(
        GotComment("a\u2028", 1),
        GotEvent("x" * 500, "e", None, 1),
        Malformed("odd", 1),
        last_event_id="é",
        time=5,
    )
    assert got_lines(got, ALL) == (
        "comment 'a\\u2028'",
        f"event 'e', data '{'x' * 60}' … '{'x' * 20}' (500 characters)",
        "odd",
        "last event ID 'é'",
        "reconnection time 5",
    )
    assert got_lines(got, frozenset())[:1] == (
        f"event 'e', data '{'x' * 60}' … '{'x' * 20}' (500 characters)",
    )
    assert expected_lines(BY_ID["sizes/thousand-events"], ALL)[12] == "… and 988 more"
