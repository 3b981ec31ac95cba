"""The formats by their names. A stream is written in one of them for a viewer, and never in two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sseor.relay.formats.ai_sdk import AISDKEncoder
from sseor.relay.formats.openai import OpenAIEncoder
from sseor.relay.formats.shared import Shared
from sseor.relay.formats.token import TokenEncoder
from sseor.relay.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sseor.relay.formats.encoder import Encoder
    from sseor.relay.tail import Batch, Tail

__all__ = ["HEADERS", "HEARTBEAT", "Format", "SseorFormat", "check_format", "format_headers", "open_format"]

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}
"""The headers of an answer that has a stream as its body; `format_headers` adds those of a format."""

HEARTBEAT = b":\n\n"
RECONNECTION = b"retry: 1000\n"


class Format(Protocol):
    """One viewer's way of writing.

    `prelude` goes out at once, `headers` are those of the HTTP answer. `resumes` says whether a viewer may begin behind
    an event; all others begin where the answer does. `over` says that nothing more may be written, whatever follows.
    """

    prelude: bytes
    headers: dict[str, str]
    resumes: bool
    over: bool

    def write(self, batch: Batch) -> bytes:
        """Return the bytes that stand for these events, perhaps none."""

    def cut(self) -> bytes:
        """Return what tells a viewer that cannot come back that the stream ends here for it, though not elsewhere."""


class SseorFormat:
    """The events as they are: all viewers send the same bytes."""

    prelude = RECONNECTION + b": sseor\n\n"
    headers = HEADERS
    resumes = True
    over = False

    def write(self, batch: Batch) -> bytes:
        """Return the events."""
        return batch.data

    def cut(self) -> bytes:
        """Return nothing: a viewer knows by that, and comes back."""
        return b""


ENCODERS: dict[str, type[Encoder]] = {
    "token": TokenEncoder,
    "openai": OpenAIEncoder,
    "ai-sdk": AISDKEncoder,
}


def check_format(name: str) -> str:
    """Return the name of a format; RefusedError when there is none of that name."""
    if name != "sseor" and name not in ENCODERS:
        raise RefusedError("bad_request")
    return name


def open_format(name: str, tail: Tail, question: Mapping[str, Any] | None = None) -> Format:
    """Return the format of this name, for one viewer of a stream; `question` is the body that asks for it, if any."""
    if name == "sseor":
        return SseorFormat()
    return Shared(ENCODERS[name](tail, question or {}), format_headers(name), tail, name)


def format_headers(name: str) -> dict[str, str]:
    """Return the headers of an answer in the format of this name."""
    return HEADERS if name == "sseor" else {**HEADERS, **ENCODERS[name].headers}
