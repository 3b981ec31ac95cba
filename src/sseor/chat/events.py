"""What a stream hands out: immutable events, made for `match`.

Every event that bears text bears only what is new; all text encodes as UTF-8. `choice` is the index of the
choice it belongs to. `StreamEvent` is the union of all.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from sseor.chat.tool_calls import ToolCall, ToolCallDelta

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sseor.chat.usage import Usage

__all__ = [
    "Annotation",
    "AudioDelta",
    "Finished",
    "Heartbeat",
    "Image",
    "Reasoning",
    "Refusal",
    "Restarted",
    "Resumed",
    "Retrying",
    "StreamEvent",
    "Text",
    "ToolCallDelta",
    "ToolCallDone",
    "UsageReport",
]


class _Piece:
    """A piece of text; read-only by properties, since a frozen dataclass takes 2.5 times as long to make."""

    __slots__ = ("_choice", "_delta")
    __match_args__ = ("delta", "choice")

    def __init__(self, delta: str, choice: int = 0) -> None:
        self._delta = delta
        self._choice = choice

    @property
    def delta(self) -> str:
        """The piece."""
        return self._delta

    @property
    def choice(self) -> int:
        """The index of the choice."""
        return self._choice

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Piece) or type(other) is not type(self):
            return NotImplemented
        return self._delta == other._delta and self._choice == other._choice

    def __hash__(self) -> int:
        return hash((type(self), self._delta, self._choice))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(delta={self._delta!r}, choice={self._choice!r})"


class Text(_Piece):
    """A piece of the visible answer."""

    __slots__ = ()


class Reasoning(_Piece):
    """A piece of the reasoning."""

    __slots__ = ()


class Refusal(_Piece):
    """A piece of a refusal."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ToolCallDone:
    """A tool call to which nothing more will be added; run it only when `call.complete`."""

    call: ToolCall
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Image:
    """A whole image: its URL, mostly a data URL. `raw` is the object that the provider sent."""

    url: str
    choice: int = 0
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def media_type(self) -> str | None:
        """The media type of a data URL, such as `image/png`; None for another URL."""
        head, comma, _ = self.url[:200].partition(",")
        return head[len("data:") :].split(";")[0] or None if comma and head.startswith("data:") else None

    @property
    def data(self) -> bytes | None:
        """The bytes of a base64 data URL; None for another URL or for damaged base64."""
        head, _, encoded = self.url.partition(",")
        if not (head.startswith("data:") and head.endswith(";base64")):
            return None
        try:
            return base64.b64decode(encoded, validate=True)
        except binascii.Error:
            return None


@dataclass(frozen=True, slots=True)
class AudioDelta:
    """A piece of audio: base64 as sent (join the strings, then decode), and a piece of its transcript."""

    data: str
    transcript: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Annotation:
    """A citation, a parsed file or a reference, as the provider sent it."""

    annotation: Mapping[str, Any]
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A comment: the server lives, `waited` seconds after the last progress, in the given `phase`."""

    waited: float
    phase: str


@dataclass(frozen=True, slots=True)
class Retrying:
    """Another request follows in `wait` seconds because of `cause`."""

    wait: float
    cause: Exception


@dataclass(frozen=True, slots=True)
class Restarted:
    """The answer begins again with request `attempt`: what was handed out before is void. `cause` cut it."""

    attempt: int
    cause: Exception


@dataclass(frozen=True, slots=True)
class Resumed:
    """The answer goes on with request `attempt`.

    `cause` cut it; None for an answer that had stopped at the length limit, or that was saved earlier.
    """

    attempt: int
    cause: Exception | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The finish reason of a choice; given once."""

    reason: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Usage as the provider counts it; a later report replaces an earlier one."""

    usage: Usage


StreamEvent: TypeAlias = (
    Text
    | Reasoning
    | Refusal
    | ToolCallDelta
    | ToolCallDone
    | Image
    | AudioDelta
    | Annotation
    | Heartbeat
    | Retrying
    | Restarted
    | Resumed
    | Finished
    | UsageReport
)
