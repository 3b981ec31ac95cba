"""How a stream is written for a viewer: as the log has it, or for readers that know another format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from sseor.chat import codec
from sseor.relay.refusal import RefusedError
from sseor.relay.tail import payload_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sseor.relay.tail import Batch

__all__ = ["FORMATS", "HEARTBEAT", "Format", "format_named"]

HEARTBEAT = b":\n\n"
RECONNECTION = b"retry: 1000\n"


class Format(Protocol):
    """One viewer's way of writing. `over` says that nothing more may be written, whatever the stream holds."""

    prelude: bytes
    over: bool

    def write(self, batch: Batch) -> bytes:
        """Return the bytes that stand for these events, perhaps none."""


class SseorFormat:
    """The events as they are: all viewers send the same bytes."""

    prelude = RECONNECTION + b": sseor\n\n"
    over = False

    def write(self, batch: Batch) -> bytes:
        """Return the events."""
        return batch.data


class TokenFormat:
    """`data: {"token": …}` for each piece of the first choice's text, `data: [DONE]` once the answer is whole."""

    prelude = b": sseor\n\n"

    def __init__(self) -> None:
        self.over = False
        self._sent = 0

    def write(self, batch: Batch) -> bytes:
        """Return the tokens."""
        return b"".join(
            self._token(codec.loads(payload_of(block))) for block in batch.blocks if not self.over
        )

    def _token(self, record: dict[str, Any]) -> bytes:
        match record["type"]:
            case "text" if "choice" not in record:
                return self._text(record["text"])
            case "snapshot":
                texts = [choice["text"] for choice in record["choices"] if choice["choice"] == 0]
                return self._text("".join(texts)[self._sent :])
            case "restarted" if self._sent:  # a token cannot be taken back
                return self._end(record["code"])
            case "done":
                return b"data: [DONE]\n\n"
            case "error":
                return self._end(record["code"])
            case "cancelled" | "interrupted" as code:
                return self._end(code)
        return b""

    def _text(self, text: str) -> bytes:
        self._sent += len(text)
        return _data({"token": text}) if text else b""

    def _end(self, code: str) -> bytes:
        self.over = True
        return _data({"token": "", "error": code})


def _data(value: dict[str, str]) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


FORMATS: dict[str, Callable[[], Format]] = {"sseor": SseorFormat, "token": TokenFormat}


def format_named(name: str) -> Format:
    """Return the format of this name, for one viewer; RefusedError when there is none."""
    if name not in FORMATS:
        raise RefusedError("bad_request")
    return FORMATS[name]()
