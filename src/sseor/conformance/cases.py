"""The cases: what a decoder is given, what must come of it, and which paragraph of the standard says so.

`cases.jsonl` holds them as JSON lines, `case_file` reads it, and `docs/conformance.md` describes its format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["ANY_TIME", "FEATURES", "Case", "ExpectedComment", "ExpectedEvent", "Paragraph"]

ANY_TIME: Final = "any"
"""An expected reconnection time where the standard leaves no sensible one, and only a failure would be wrong."""

FEATURES = {
    "comments": "comments are delivered",
    "id": "events carry the last event ID",
    "last-event-id": "the last event ID is known after the stream",
    "retry": "the reconnection time is known after the stream",
    "replacement": "bytes that are no UTF-8 become U+FFFD",
}
"""What a decoder may claim beyond data and event types."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of the WHATWG HTML standard: its section and its words."""

    section: str
    text: str


@dataclass(frozen=True, slots=True)
class ExpectedEvent:
    """An event that must come out once `earliest` bytes were fed, and no later than when `latest` were.

    The two differ where CRLF ends the block: it may be dispatched at the CR already.
    """

    data: str
    event: str
    id: str
    earliest: int
    latest: int


@dataclass(frozen=True, slots=True)
class ExpectedComment:
    """A comment; `text` is all that follows the colon. A decoder may leave out one space at its start."""

    text: str
    earliest: int
    latest: int


@dataclass(frozen=True, slots=True)
class Case:
    """One fact about decoders.

    `items` are in the order of the bytes; `last_event_id` and `reconnection_time` hold at the end of the stream.
    `needs` names the features without which the case shows nothing, `browser` says where browsers knowingly differ.
    `growth` is None, or the size of the reads (0: one read) for which the time must not outgrow the input;
    `eighth` is then the same stream with an eighth of its repeats.
    """

    id: str
    group: str
    title: str
    paragraph: Paragraph
    stream: bytes
    items: tuple[ExpectedEvent | ExpectedComment, ...]
    last_event_id: str
    reconnection_time: int | str | None
    needs: frozenset[str]
    browser: str
    growth: int | None
    eighth: bytes
