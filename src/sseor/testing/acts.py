"""What a server may do within an answer, as data: each act is one thing, `play` makes a `respond` of a row.

An act is anything with `perform(reply)`; bring your own where these do not suffice.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sseor.testing.exchange import EVENT_STREAM, Fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sseor.testing.reply import Reply
    from sseor.testing.shapes import Json

__all__ = [
    "Act",
    "Body",
    "Call",
    "Comment",
    "Cut",
    "Done",
    "Event",
    "Fail",
    "Finish",
    "Head",
    "Heartbeats",
    "Raw",
    "Reset",
    "Role",
    "Say",
    "Silence",
    "Stall",
    "Status",
    "Think",
    "Usage",
]


class Act(Protocol):
    """One thing that a server does within an answer."""

    def perform(self, reply: Reply) -> None:
        """Do it; `PeerGoneError` when the client has left."""


@dataclass(frozen=True)
class Head:
    """The head alone. Any other act that writes sends it first, if it has not been sent."""

    status: int = 200
    headers: Fields = EVENT_STREAM

    def perform(self, reply: Reply) -> None:
        """Send the head."""
        reply.head(self.status, self.headers)


@dataclass(frozen=True)
class Comment:
    """One comment."""

    text: str = "OPENROUTER PROCESSING"

    def perform(self, reply: Reply) -> None:
        """Send it."""
        reply.comment(self.text)


@dataclass(frozen=True)
class Heartbeats:
    """A comment at once, then each `every` seconds, for `seconds` (`math.inf`: until the client leaves)."""

    seconds: float
    every: float = 0.5
    text: str = "OPENROUTER PROCESSING"

    def perform(self, reply: Reply) -> None:
        """Send them."""
        left = self.seconds
        while left > 0:
            reply.comment(self.text)
            reply.pause(min(self.every, left))
            left -= self.every


@dataclass(frozen=True)
class Role:
    """A delta that holds nothing but `role`."""

    def perform(self, reply: Reply) -> None:
        """Send it."""
        reply.role()


@dataclass(frozen=True, init=False)
class Say:
    """Pieces of the answer's text, one chunk each, `pace` seconds apart."""

    pieces: tuple[str, ...]
    pace: float

    def __init__(self, *pieces: str, pace: float = 0.0) -> None:
        object.__setattr__(self, "pieces", pieces)
        object.__setattr__(self, "pace", pace)

    def perform(self, reply: Reply) -> None:
        """Send them."""
        for piece in self.pieces:
            reply.text(piece)
            reply.pause(self.pace)


@dataclass(frozen=True, init=False)
class Think(Say):
    """Pieces of reasoning, one chunk each, `pace` seconds apart."""

    def perform(self, reply: Reply) -> None:
        """Send them."""
        for piece in self.pieces:
            reply.reasoning(piece)
            reply.pause(self.pace)


@dataclass(frozen=True, init=False)
class Call:
    """A tool call in fragments: its name, then each slice of its arguments' JSON text."""

    name: str
    slices: tuple[str, ...]
    id: str | None = None

    def __init__(self, name: str, *slices: str, id: str | None = None) -> None:  # noqa: A002 (the field's name)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "slices", slices)
        object.__setattr__(self, "id", id)

    def perform(self, reply: Reply) -> None:
        """Send them."""
        reply.tool_call(self.name, self.slices, self.id)


@dataclass(frozen=True)
class Finish:
    """The chunk with the finish reason."""

    reason: str = "stop"
    native: str | None = None

    def perform(self, reply: Reply) -> None:
        """Send it."""
        reply.finish(self.reason, self.native)


@dataclass(frozen=True)
class Usage:
    """The usage chunk, which repeats the finish reason; figures left out are counted (a piece is a token)."""

    prompt: int | None = None
    completion: int | None = None
    reasoning: int | None = None
    cost: float | None = None

    def perform(self, reply: Reply) -> None:
        """Send it."""
        reply.report_usage(
            prompt=self.prompt, completion=self.completion, reasoning=self.reasoning, cost=self.cost
        )


@dataclass(frozen=True)
class Done:
    """`data: [DONE]`."""

    def perform(self, reply: Reply) -> None:
        """Send it."""
        reply.done()


@dataclass(frozen=True)
class Event:
    """Any event: a dict is sent as JSON, text as it is."""

    data: Json | str

    def perform(self, reply: Reply) -> None:
        """Send it."""
        reply.event(self.data)


@dataclass(frozen=True)
class Fail:
    """An error chunk; `metadata` as in OpenRouter's errors (`error_type`, `provider_name`, …)."""

    code: int | str = 502
    message: str = "Upstream closed the connection"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    choices: bool = True

    def perform(self, reply: Reply) -> None:
        """Send it."""
        reply.fail(self.code, self.message, choices=self.choices, **self.metadata)


@dataclass(frozen=True)
class Stall:
    """Not a byte for `seconds`; then the play goes on."""

    seconds: float

    def perform(self, reply: Reply) -> None:
        """Wait."""
        reply.pause(self.seconds)


@dataclass(frozen=True)
class Silence:
    """Not a byte any more: as the first act the client gets no head, after `Head()` no body."""

    def perform(self, reply: Reply) -> None:
        """Wait until the client leaves."""
        reply.pause(math.inf)


@dataclass(frozen=True)
class Cut:
    """FIN in the middle: the body's framing stays unfinished."""

    def perform(self, reply: Reply) -> None:
        """Cut."""
        reply.exchange.cut()


@dataclass(frozen=True)
class Reset:
    """RST."""

    def perform(self, reply: Reply) -> None:
        """Reset."""
        reply.exchange.reset()


@dataclass(frozen=True)
class Raw:
    """Bytes outside all framing (a broken head or chunk, interim answers); the connection ends after it."""

    data: bytes

    def perform(self, reply: Reply) -> None:
        """Send them."""
        reply.exchange.raw(self.data)


@dataclass(frozen=True)
class Status:
    """A whole answer with this status: bytes and text as they are, anything else as JSON."""

    status: int
    body: Any = b""
    headers: Fields = ()

    def perform(self, reply: Reply) -> None:
        """Send it."""
        reply.exchange.reply(self.status, self.body, self.headers)


@dataclass(frozen=True)
class Body:
    """The body's bytes in pieces: `cuts` are the offsets where one ends and the next begins."""

    data: bytes
    cuts: tuple[int, ...] = ()
    pace: float = 0.0

    def perform(self, reply: Reply) -> None:
        """Send them."""
        edges = [0, *self.cuts, len(self.data)]
        for start, end in itertools.pairwise(edges):
            reply.send(self.data[start:end])
            reply.pause(self.pace)
