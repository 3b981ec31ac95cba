"""Chunked bodies read past h11, which would cost more for each chunk than all that we do with it.

A tap lies between httpcore and a connection. It gives h11 the head of a response and not a byte more, so that the
body can be read from the tap itself. Whatever is not plain there, its end included, is given back to h11 where a chunk
begins: h11 then sees a response with the rest of a body, judges it as always, and the connection can be kept.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpcore

from .inbox import READ_BYTES

_BLANK_LINE = re.compile(rb"\n\r?\n")  # where h11 ends a head
_END = re.compile(rb"0+\r\n(?:[^\r\n]+\r\n)*\r\n")  # the last chunk, with its trailer
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")
_CHUNK_BYTES = 10
"""The longest head of a chunk that is taken here; one with an extension is not."""


class Dechunker:
    """Takes the transfer coding off a body, as long as it is plain; `rest` is then what h11 has to judge."""

    __slots__ = ("_footer", "_left", "_opening", "rest")

    def __init__(self) -> None:
        self.rest: bytes | None = None
        self._left = 0  # bytes of the chunk at hand
        self._footer = b""  # the line end after it, as far as it is to come
        self._opening = b""  # the head of a chunk, as far as it came

    def feed(self, data: bytes) -> bytes:
        """Return what `data` brings of the body; b"" is the end of the connection."""
        if not data:
            self.rest = self._opening
        pieces: list[bytes] = []
        at, data = 0, self._opening + data if self._opening else data
        self._opening = b""
        while at < len(data):
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                self._left -= len(piece)
                at += len(piece)
            elif self._footer:
                came = data[at : at + len(self._footer)]
                if not self._footer.startswith(came):
                    self.rest = b"\r\n" + data[at:]  # a line that is no head of a chunk: h11 refuses it
                    break
                self._footer = self._footer[len(came) :]
                at += len(came)
            else:
                head = _CHUNK.match(data, at)
                self._left = int(head[1], 16) if head else 0
                if head is None or not self._left:
                    self._stop(data[at:])
                    break
                self._footer = b"\r\n"
                at = head.end()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _stop(self, opening: bytes) -> None:
        """Wait for the rest of a chunk's head, or leave it to h11."""
        if len(opening) < _CHUNK_BYTES and b"\n" not in opening:
            self._opening = opening
        else:
            self.rest = opening


class Tap:
    """Gives out the head of each response by itself, as far as it is the first after a request.

    `at_body` tells whether all that was given out since the request is the head, to its last byte.
    """

    def __init__(self, below: Any) -> None:
        self.at_body = False
        self._below = below
        self._kept = b""
        self._tail: bytes | None = (
            None  # the last bytes of a head that is still to end; None outside of heads
        )

    def give_back(self, data: bytes) -> None:
        """Take back what was read: it is what the next read returns."""
        self._kept = data + self._kept

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows."""
        if info == "is_readable" and self._kept:
            return True
        return self._below.get_extra_info(info)

    def _sends(self, buffer: bytes) -> None:
        if b" HTTP/1.1\r\n" in buffer:
            self._tail = b""

    def _again(self, max_bytes: int) -> bytes:
        """Return what was kept, b"" for nothing; the end of a body by itself, since what follows it answers nothing.

        h11 would take that for the next answer. Kept here it shows as readable, and the connection is not used again.
        """
        self.at_body = False
        if not self._kept:
            return b""
        end = _END.match(self._kept)
        size = min(max_bytes, end.end()) if end else max_bytes
        data, self._kept = self._kept[:size], self._kept[size:]
        return data

    def _first(self, data: bytes) -> bytes:
        """Return what to give out of a read."""
        if self._tail is None:
            return data
        end = _BLANK_LINE.search(self._tail + data)
        if end is None:
            self._tail = (self._tail + data)[-2:]
            return data
        at = end.end() - len(self._tail)
        self._tail, self._kept = None, data[at:]
        self.at_body = True
        return data[:at]


class AsyncTap(Tap, httpcore.AsyncNetworkStream):
    """A tap for asyncio and trio."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return at most `max_bytes` bytes, b"" at the end."""
        return self._again(max_bytes) or self._first(await self._below.read(max_bytes, timeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of `buffer`."""
        self._sends(buffer)
        await self._below.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._below.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Return the stream inside TLS."""
        return AsyncTap(await self._below.start_tls(ssl_context, server_hostname, timeout))


class SyncTap(Tap, httpcore.NetworkStream):
    """A tap for threads."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return at most `max_bytes` bytes, b"" at the end."""
        return self._again(max_bytes) or self._first(self._below.read(max_bytes, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of `buffer`."""
        self._sends(buffer)
        self._below.write(buffer, timeout)

    def close(self) -> None:
        """Close the connection."""
        self._below.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Return the stream inside TLS."""
        return SyncTap(self._below.start_tls(ssl_context, server_hostname, timeout))


class ChunkedBody:
    """The body of a response, read from its tap, and from what httpcore gives of it once it is not plain."""

    def __init__(self, tap: Any, stream: Any) -> None:
        self._tap = tap
        self._stream = stream
        self._rest: Any = None
        self._dechunker = Dechunker()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while self._rest is None:
            data = self._dechunker.feed(self._tap.read(READ_BYTES))
            if self._dechunker.rest is not None:
                self._tap.give_back(self._dechunker.rest)
                self._rest = iter(self._stream)
            if data:
                return data
        piece: bytes = next(self._rest)
        return piece

    async def __anext__(self) -> bytes:
        while self._rest is None:
            data = self._dechunker.feed(await self._tap.read(READ_BYTES))
            if self._dechunker.rest is not None:
                self._tap.give_back(self._dechunker.rest)
                self._rest = aiter(self._stream)
            if data:
                return data
        return await anext(self._rest)

    def close(self) -> None:
        """Let go of the connection."""
        if self._rest is not None:
            self._rest.close()
        self._stream.close()

    async def aclose(self) -> None:
        """Let go of the connection."""
        if self._rest is not None:
            await self._rest.aclose()
        await self._stream.aclose()
