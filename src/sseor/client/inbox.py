"""What a connection of asyncio receives: all connections of a loop into one buffer, each with one timer.

The timer keeps the deadline of whatever read is at hand, and is moved only when it fires.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any
from weakref import WeakKeyDictionary

import anyio
import httpcore

READ_BYTES = 1 << 16
UNREAD_BYTES = 2 * READ_BYTES
"""Reading pauses when so much waits to be taken: never while a reader keeps up, whose most is one read."""

_buffers: WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview] = WeakKeyDictionary()


class Inbox(asyncio.BufferedProtocol):
    """What a connection has received, how it ended, and who waits; it outlives a stream that was dropped."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.is_empty = True
        """Whether there is nothing to tell a reader: no bytes, no end, no failure."""
        self.failure: Exception | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.writable = anyio.Event()
        self.writable.set()
        self._transport: Any = None
        self._buffer = _buffer_of(loop)
        self._unread = b""
        self._ended = False
        self._paused = False
        self._deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf

    def expect(self, deadline: float) -> asyncio.Future[None]:
        """Return the future that is done when there is something to take, or when `deadline` has passed."""
        if self.waiter is not None:
            raise httpcore.ReadError("two tasks read one connection")
        self._deadline = deadline
        if deadline < self._rings_at:
            self._ring_at(deadline)
        self.waiter = self.loop.create_future()
        return self.waiter

    def take(self, max_bytes: int) -> bytes:
        """Return what came, first the bytes, then how it ended; there must be something."""
        data = self._unread
        if not data:
            if self.failure is not None:
                raise httpcore.ReadError(str(self.failure)) from self.failure
            return b""
        self._unread = data[max_bytes:]
        self.is_empty = not (self._unread or self._ended or self.failure)
        if self._paused and len(self._unread) < READ_BYTES:
            self._paused = False
            self._transport.resume_reading()
        return data[:max_bytes]

    def close(self) -> None:
        """Forget what came and let nobody wait any more."""
        self._unread = b""
        self.connection_lost(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, to pause and resume it."""
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Return the buffer that the loop receives into."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Copy what was received, wake the reader, and pause when too much waits."""
        data = bytes(self._buffer[:nbytes])
        self._unread = self._unread + data if self._unread else data
        self._tell()
        if len(self._unread) >= UNREAD_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Tell the end after the bytes."""
        self._ended = True
        self._tell()
        return True  # the other direction stays open

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the first failure after the bytes, and let nobody wait any more."""
        if self.failure is None:
            self.failure = exc or ConnectionAbortedError("the connection is closed")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.writable.set()
        self._tell()

    def pause_writing(self) -> None:
        """Let writers wait."""
        self.writable = anyio.Event()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self.writable.set()

    def _tell(self) -> None:
        self.is_empty = False
        self._wake()

    def _wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def _ring_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = when
        self._timer = self.loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._timer, self._rings_at = None, math.inf
        if self.waiter is None:
            return
        if self._deadline <= self.loop.time():
            self._wake()
        elif self._deadline < math.inf:
            self._ring_at(self._deadline)


def _buffer_of(loop: asyncio.AbstractEventLoop) -> memoryview:
    if loop not in _buffers:
        _buffers[loop] = memoryview(bytearray(READ_BYTES))
    return _buffers[loop]
