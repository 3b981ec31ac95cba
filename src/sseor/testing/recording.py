"""A recorded request, and how one is read from a connection."""

from __future__ import annotations

import contextlib
import io
import json
import time
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage, parse_headers
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sseor.testing.connection import Connection, PeerGoneError

__all__ = ["BadRequestError", "Request", "read_request", "refuse"]

LINE_LIMIT = 256 << 10
BODY_LIMIT = 256 << 20


class BadRequestError(Exception):
    """What came is no HTTP/1.1 request."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One request as it came; `headers` is case-insensitive, `at` a reading of `time.monotonic`."""

    method: str
    target: str
    version: str
    headers: HTTPMessage
    body: bytes
    connection: Connection
    at: float = field(default_factory=time.monotonic)

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; of a repeated one the last value."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def keeps_alive(self) -> bool:
        """Whether the client may send another request on this connection."""
        wish = self.headers.get("Connection", "").lower()
        return wish == "keep-alive" if self.version == "HTTP/1.0" else wish != "close"

    def json(self) -> Any:
        """Return the body as JSON; `ValueError` when it is none."""
        return json.loads(self.body)


def read_request(connection: Connection) -> Request | None:
    """Return the next request, or None when the peer closed before one began.

    `BadRequestError`: not HTTP; `PeerGoneError`: the peer left within a request.
    """
    try:
        first = connection.read_line(LINE_LIMIT)
        if first is None:
            return None
        method, target, version = first.decode("ascii").split(" ")
        if version not in ("HTTP/1.0", "HTTP/1.1"):
            raise ValueError(f"{version} is not spoken here")
        headers = _read_headers(connection)
        if headers.get("Expect", "").lower() == "100-continue":
            connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Request(method, target, version, headers, _read_body(connection, headers), connection)
    except (ValueError, HTTPException) as reason:
        raise BadRequestError(str(reason)) from reason


def refuse(connection: Connection, reason: str) -> None:
    """Answer what was no request with 400, and wait for the peer to leave."""
    body = reason.encode("utf-8", "replace")
    head = f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    with contextlib.suppress(PeerGoneError):
        connection.send(head.encode() + body)
        connection.cut()
        connection.await_peer()


def _read_headers(connection: Connection) -> HTTPMessage:
    block = bytearray()
    while line := _read_line(connection):
        block += line + b"\r\n"
        if len(block) > LINE_LIMIT:
            raise ValueError("the header block is too long")
    return parse_headers(io.BytesIO(block + b"\r\n"))


def _read_body(connection: Connection, headers: HTTPMessage) -> bytes:
    if headers.get("Transfer-Encoding", "").lower() != "chunked":
        return connection.read_exactly(_within(int(headers.get("Content-Length", "0")), BODY_LIMIT))
    body = bytearray()
    while size := int(_read_line(connection).split(b";")[0], 16):
        body += connection.read_exactly(_within(size, BODY_LIMIT - len(body)))
        _read_line(connection)
    while _read_line(connection):  # trailer fields
        pass
    return bytes(body)


def _read_line(connection: Connection) -> bytes:
    line = connection.read_line(LINE_LIMIT)
    if line is None:
        raise ValueError("the request ends too early")
    return line


def _within(size: int, limit: int) -> int:
    if not 0 <= size <= limit:
        raise ValueError(f"a body of {size} bytes is refused")
    return size
