"""One answer held against what its case expects: the first point in which they differ, and both as lines to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sseor.conformance.cases import ANY_TIME, Case, ExpectedComment, ExpectedEvent
from sseor.conformance.protocol import EXACT, Answer, GotComment, GotEvent, Malformed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sseor.conformance.plays import Play

__all__ = ["Difference", "difference", "expected_lines", "got_lines"]

LISTED = 12
"""Items that a list shows before it says how many there are."""

Item = ExpectedEvent | ExpectedComment | GotEvent | GotComment | Malformed


class Difference(NamedTuple):
    """In which point an answer is not what was expected, and whether it only came late."""

    point: str
    late: bool = False


def difference(case: Case, play: Play, answer: Answer, claims: frozenset[str]) -> Difference | None:
    """Return the first point in which the answer is wrong; late ones only if there is no other."""
    expected, came = _judged(case.items, claims), _judged(answer.items, claims)
    fed = [0]
    for read in play.reads:
        fed.append(fed[-1] + len(read))
    late = None
    for number, (item, got) in enumerate(zip(expected, came, strict=False), start=1):
        if point := _unlike(item, got, claims):
            return Difference(f"item {number}: {point}")
        assert isinstance(item, ExpectedEvent | ExpectedComment)
        assert isinstance(got, GotEvent | GotComment)
        when = f"after {fed[got.after]}" if 0 <= got.after < len(fed) else "at the end of the stream"
        if got.after >= len(fed) or (got.after > 0 and fed[got.after - 1] >= item.latest):
            point = f"item {number} is complete after {item.latest} bytes, and came {when}"
            late = late or Difference(point, late=True)
        elif fed[max(got.after, 0)] < item.earliest:
            return Difference(f"item {number} is not complete before {item.earliest} bytes, and came {when}")
    if len(came) < len(expected):
        return Difference(f"item {len(came) + 1} did not come")
    if len(came) > len(expected):
        return Difference(f"item {len(expected) + 1} should not have come")
    if "last-event-id" in claims and (answer.last_event_id or "") != case.last_event_id:
        return Difference("the last event ID after the stream is another")
    if "retry" in claims and not _same_time(case.reconnection_time, answer.reconnection_time):
        return Difference("the reconnection time after the stream is another")
    return late


def expected_lines(case: Case, claims: frozenset[str]) -> tuple[str, ...]:
    """Return what the case expects, a line an item."""
    return _lines(case.items, case.last_event_id, case.reconnection_time, claims)


def got_lines(answer: Answer, claims: frozenset[str]) -> tuple[str, ...]:
    """Return what came, a line an item."""
    return _lines(answer.items, answer.last_event_id or "", answer.reconnection_time, claims)


def _judged(items: Sequence[Item], claims: frozenset[str]) -> list[Item]:
    """Return the items that count."""
    if "comments" in claims:
        return list(items)
    return [item for item in items if not isinstance(item, ExpectedComment | GotComment)]


def _unlike(item: Item, got: Item, claims: frozenset[str]) -> str:
    """Return in what the two differ, if they do."""
    if isinstance(got, Malformed):
        return f"it is {got.what}"
    if isinstance(item, ExpectedComment):
        if not isinstance(got, GotComment):
            return "an event came where a comment was expected"
        return "" if got.text in (item.text, item.text.removeprefix(" ")) else "the text is another"
    assert isinstance(item, ExpectedEvent)
    if not isinstance(got, GotEvent):
        return "a comment came where an event was expected"
    if got.data != item.data:
        return "the data is another"
    if got.event != item.event:
        return "the event type is another"
    if "id" in claims and (got.id or "") != item.id:
        return "the last event ID is another"
    return ""


def _same_time(expected: int | str | None, got: int | None) -> bool:
    if expected in (ANY_TIME, got):
        return True
    return (
        isinstance(expected, int) and expected >= EXACT and got is not None and float(expected) == float(got)
    )


def _lines(
    items: Sequence[Item], last_event_id: str, reconnection_time: int | str | None, claims: frozenset[str]
) -> tuple[str, ...]:
    judged = _judged(items, claims)
    lines = [_shown(item, "id" in claims) for item in judged[:LISTED]]
    if len(judged) > LISTED:
        lines.append(f"… and {len(judged) - LISTED} more")
    if "last-event-id" in claims:
        lines.append(f"last event ID {_short(last_event_id)}")
    if "retry" in claims:
        lines.append(f"reconnection time {reconnection_time}")
    return tuple(lines)


def _shown(item: Item, with_id: bool) -> str:
    if isinstance(item, Malformed):
        return item.what
    if isinstance(item, ExpectedComment | GotComment):
        return f"comment {_short(item.text)}"
    last_event_id = f", id {_short(item.id)}" if with_id and item.id else ""
    return f"event {_short(item.event)}, data {_short(item.data)}{last_event_id}"


def _short(text: str) -> str:
    """Return a text in quotes, on one line, long ones with their middle left out."""
    if len(text) <= 160:
        return repr(text) if text.isprintable() else ascii(text)
    return f"{text[:60]!a} … {text[-20:]!a} ({len(text)} characters)"
