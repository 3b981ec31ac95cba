"""What the runner and a decoder's adapter say to each other: one JSON object a line, on standard input and output.

The adapter begins with a hello, then answers each request. `docs/conformance.md` describes both for other languages.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "PROTOCOL_VERSION",
    "Answer",
    "GotComment",
    "GotEvent",
    "Hello",
    "Malformed",
    "MalformedError",
    "parse_answer",
    "parse_hello",
    "request",
]

PROTOCOL_VERSION = 1

EXACT = 2**53
"""Above it numbers of JavaScript are not exact, and neither is the comparison."""


class MalformedError(ValueError):
    """An answer does not have the documented form."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first line of an adapter: what it drives."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class GotEvent:
    """An event that a decoder gave out after so many reads; `id` is None where it has none to tell."""

    data: str
    event: str
    id: str | None
    after: int


@dataclass(frozen=True, slots=True)
class GotComment:
    """A comment that a decoder gave out after so many reads."""

    text: str
    after: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something that is neither: `what` says what is wrong with it."""

    what: str
    after: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a decoder made of one play.

    `knows` names what it told of its state: `last_event_id`, `reconnection_time`. `error` is the exception that
    ended it, or None; `cpu` the seconds that the decoding took, or None where the adapter did not measure.
    """

    items: tuple[GotEvent | GotComment | Malformed, ...]
    knows: frozenset[str]
    last_event_id: str | None
    reconnection_time: int | None
    error: str | None
    cpu: float | None


def request(play: int, reads: Sequence[bytes]) -> bytes:
    """Return the line that asks for a play: its number, and the reads in base64."""
    encoded = [base64.b64encode(read).decode("ascii") for read in reads]
    return json.dumps({"play": play, "reads": encoded}).encode() + b"\n"


def parse_hello(line: bytes) -> Hello | None:
    """Return the hello of a line, None if it is none; `MalformedError`: of another version."""
    hello = _object(line)
    if hello is None or "protocol" not in hello:
        return None
    if hello["protocol"] != PROTOCOL_VERSION:
        raise MalformedError(f"the adapter speaks protocol {hello['protocol']!r}, not {PROTOCOL_VERSION}")
    return Hello(str(hello.get("name", "")), str(hello.get("version", "")))


def parse_answer(line: bytes, play: int) -> Answer | None:
    """Return the answer of a line to the play of this number, None if it is noise."""
    answer = _object(line)
    if answer is None or answer.get("play") != play:
        return None
    items = answer.get("items", [])
    if not isinstance(items, list):
        raise MalformedError("items is no list")
    cpu = answer.get("cpu")
    error = answer.get("error")
    return Answer(
        items=tuple(_item(item) for item in items),
        knows=frozenset({"last_event_id", "reconnection_time"} & answer.keys()),
        last_event_id=_state_text(answer.get("last_event_id")),
        reconnection_time=_state_number(answer.get("reconnection_time")),
        error=None if error is None else str(error),
        cpu=float(cpu) if isinstance(cpu, int | float) else None,
    )


def _object(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object of a line; None for anything else, which some program may print."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _item(item: object) -> GotEvent | GotComment | Malformed:
    if not isinstance(item, dict):
        return Malformed("an item that is no object", 0)
    after = item.get("after")
    if not isinstance(after, int) or isinstance(after, bool):
        return Malformed("an item without its number of reads in `after`", 0)
    if "comment" in item:
        text = item["comment"]
        return (
            GotComment(text, after) if isinstance(text, str) else Malformed(f"a comment {_kind(text)}", after)
        )
    if "data" not in item:
        return Malformed(
            f"neither event nor comment but {item.get('unknown', 'an object without data')}", after
        )
    data, event, last_event_id = item["data"], item.get("event"), item.get("id", None)
    if not isinstance(data, str):
        return Malformed(f"an event whose data {_kind(data)}", after)
    if not (event is None or isinstance(event, str)):
        return Malformed(f"an event whose type {_kind(event)}", after)
    if not (last_event_id is None or isinstance(last_event_id, str)):
        return Malformed(f"an event whose id {_kind(last_event_id)}", after)
    told = (last_event_id or "") if "id" in item else None
    return GotEvent(data, "message" if event is None else event, told, after)


def _kind(value: object) -> str:
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        return f"is of type {value['type']}, not text"
    return f"is {json.dumps(value)[:80]}, not text"


def _state_text(value: object) -> str | None:
    if not (value is None or isinstance(value, str)):
        raise MalformedError(f"last_event_id {_kind(value)}")
    return value


def _state_number(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, float) and value.is_integer() and value >= EXACT:
        return int(value)  # how JavaScript writes what is large
    raise MalformedError(f"reconnection_time is {json.dumps(value)[:80]}, not a whole number of milliseconds")
