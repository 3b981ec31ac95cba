"""One request and the answer under way: framed for the ordinary case, raw for faults."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sseor.testing.connection import Connection
    from sseor.testing.recording import Request

__all__ = ["EVENT_STREAM", "Exchange", "Framing"]

Framing = Literal["chunked", "length", "close"]
Fields = Mapping[str, str] | Iterable[tuple[str, str]]

EVENT_STREAM: Fields = (("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache"))


class Exchange:
    """What a `respond` callable is given; it runs in the connection's own thread.

    Everything that writes raises `PeerGoneError` when the peer has gone; a `respond` need not catch it.
    When `respond` returns, an answer that was begun by `head` is ended properly and the connection is kept
    for the next request; without a head, or after `raw`, the connection is cut instead.
    """

    def __init__(self, request: Request, connection: Connection) -> None:
        self.request = request
        self._connection = connection
        self._framing: Framing | None = None
        self._left = 0  # bytes that the Content-Length still promises
        self._over = False
        self._last = not request.keeps_alive

    @property
    def peer_gone(self) -> bool:
        """Whether the peer has closed its side by now."""
        return not self._connection.wait(0)

    @property
    def begun(self) -> bool:
        """Whether the head of the answer has been sent."""
        return self._framing is not None

    def head(
        self,
        status: int = 200,
        headers: Fields = EVENT_STREAM,
        framing: Framing = "chunked",
        *,
        length: int = 0,
        reason: str | None = None,
    ) -> None:
        """Send the status line and the header fields, with those that `framing` asks for.

        `length` is the Content-Length of `framing="length"`; send fewer bytes and the body is cut short.
        """
        if framing == "chunked" and self.request.version == "HTTP/1.0":
            framing = "close"
        fields = list(headers.items() if isinstance(headers, Mapping) else headers)
        if framing == "chunked":
            fields.append(("Transfer-Encoding", "chunked"))
        elif framing == "length":
            fields.append(("Content-Length", str(length)))
        self._framing, self._left = framing, length
        self._last |= framing == "close" or any(
            name.lower() == "connection" and value.lower() == "close" for name, value in fields
        )
        if self._last and not any(name.lower() == "connection" for name, _ in fields):
            fields.append(("Connection", "close"))
        lines = [f"HTTP/1.1 {status} {_reason(status) if reason is None else reason}"]
        lines += [f"{name}: {value}" for name, value in fields]
        self._connection.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def send(self, data: bytes) -> None:
        """Send a piece of the body in the framing of the head; each piece is one write and one HTTP chunk."""
        if self._framing is None:
            self.head()
        if not data:
            return
        if self._framing == "chunked":
            data = b"%x\r\n%b\r\n" % (len(data), data)
        elif self._framing == "length":
            self._left -= len(data)
        self._connection.send(data)

    def raw(self, data: bytes) -> None:
        """Send bytes as they are, outside all framing; afterwards the connection is not used again."""
        self._last = self._over = True
        self._connection.send(data)

    def wait(self, seconds: float) -> bool:
        """Let `seconds` pass (`math.inf` too): True when they did, False at once when the peer has gone.

        So `while exchange.wait(0.5): exchange.send(heartbeat)` lasts until the client leaves.
        """
        return self._connection.wait(seconds)

    def end(self) -> None:
        """End the body properly."""
        if self._framing == "chunked" and not self._over:
            self._connection.send(b"0\r\n\r\n")
        self._over = True

    def reply(self, status: int, body: bytes | str | Any = b"", headers: Fields = ()) -> None:
        """Send a whole answer with its Content-Length; a body that is neither bytes nor text becomes JSON."""
        fields = list(headers.items() if isinstance(headers, Mapping) else headers)
        if isinstance(body, str):
            data, kind = body.encode(), "text/plain; charset=utf-8"
        elif isinstance(body, bytes):
            data, kind = body, "application/octet-stream"
        else:
            data, kind = json.dumps(body).encode(), "application/json"
        if not any(name.lower() == "content-type" for name, _ in fields):
            fields.append(("Content-Type", kind))
        self.head(status, fields, "length", length=len(data))
        self.send(data)

    def cut(self) -> None:
        """Close our side with FIN wherever the answer stands."""
        self._last = self._over = True
        self._connection.cut()

    def reset(self) -> None:
        """Reset the connection with RST."""
        self._last = self._over = True
        self._connection.reset()

    def conclude(self) -> bool:
        """End what `respond` left open; return whether the connection can carry another request."""
        if self.begun:
            self.end()
        return self.begun and not self._last and self._left == 0


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
