"""Sockets for asyncio with nothing in between: a network backend for httpcore that keeps the deadlines itself.

With one event per read, what lies between the event loop and its caller is most of the cost. Here it is one future:
all connections of a loop receive into one buffer, and one timer per connection, moved only when it fires, keeps the
deadline of whatever read is at hand. No cancel scope, no timeout context and no `epoll_ctl` is paid for a read.

TLS runs over memory BIOs, not in the loop: so a handshake ends on time, closing never waits for the peer, and TLS
inside TLS (an https proxy) is one stream over another, on every loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import selectors
import socket
import ssl
import warnings
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any
from weakref import WeakKeyDictionary

import anyio
import anyio.lowlevel
import httpcore

from .budget import current_budget

READ_BYTES = 1 << 16
UNREAD_BYTES = 2 * READ_BYTES
"""Reading pauses when so much waits to be taken: never while a reader keeps up, whose most is one read."""

HAPPY_EYEBALLS_SECONDS = 0.25
"""The wait before the next address is tried beside the one under way (RFC 8305, section 5)."""

_Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
_buffers: WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview] = WeakKeyDictionary()
# Where there is no poll(), select() must do, and knows no file descriptor above 1023.
_Poll = getattr(selectors, "PollSelector", selectors.SelectSelector)


class AsyncioBackend(httpcore.AsyncNetworkBackend):
    """Connects, on asyncio: happy eyeballs, with DNS, within the time that the budget leaves for connecting."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return a connection to the first address that answers."""
        budget = current_budget()
        budget.dial()
        try:
            with anyio.fail_after(budget.left_to_connect(timeout)):
                found = await _resolved(host, port)
                return await _opened(await _first_connected(found, local_address, socket_options or ()))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("no connection in time") from error
        except (OSError, UnicodeError, ExceptionGroup) as error:
            raise httpcore.ConnectError(str(error)) from error


class AsyncioStream(httpcore.AsyncNetworkStream):
    """One TCP connection. Cancelled anywhere it loses no byte; dropped unclosed it closes its socket and warns."""

    def __init__(self, sock: socket.socket, transport: asyncio.Transport, inbox: _Inbox) -> None:
        self._sock = sock
        self._transport = transport
        self._inbox = inbox
        self._closed = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return at most `max_bytes` bytes, b"" at the end; a read that begins after its deadline gets nothing.

        What has been received is returned without a turn of the loop. That starves nobody: at most
        `UNREAD_BYTES` and one read more are there to be taken, and then the loop must run to receive more.
        """
        inbox = self._inbox
        # The clock of a budget on asyncio is the loop's.
        now, deadline = inbox.loop.time(), current_budget().deadline
        if timeout is not None:
            deadline = min(deadline, now + timeout)
        if deadline <= now:
            raise httpcore.ReadTimeout("no time left to read")
        if inbox.is_empty:
            waiter = inbox.expect(deadline)
            try:
                await waiter
            finally:
                inbox.waiter = None
            if inbox.is_empty:
                raise httpcore.ReadTimeout("nothing to read in time")
        return inbox.take(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send `buffer`; return when all but what the transport may hold back is sent."""
        inbox = self._inbox
        left = current_budget().left(timeout)
        if left is not None and left <= 0:
            raise httpcore.WriteTimeout("no time left to write")
        if inbox.failure is None:
            self._transport.write(buffer)
            if inbox.writable.is_set():
                return
            try:
                with anyio.fail_after(left):
                    await inbox.writable.wait()
            except TimeoutError as error:
                raise httpcore.WriteTimeout("the peer takes no more bytes") from error
        if inbox.failure is not None:
            raise httpcore.WriteError(str(inbox.failure)) from inbox.failure

    async def aclose(self) -> None:
        """Close at once, with no await that a cancellation could strike; the loop's next turn frees the socket."""
        if self._inbox.loop.is_closed():
            self._sock.close()
        elif not self._closed:
            self._inbox.close()
            self._transport.abort()
        self._closed = True

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Return the stream inside TLS."""
        return await TlsStream.over(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        """Return an address, the `socket`, or whether an idle connection `is_readable`, as httpcore asks."""
        match info:
            case "client_addr":
                return self._transport.get_extra_info("sockname")
            case "server_addr":
                return self._transport.get_extra_info("peername")
            case "socket":
                return self._sock
            case "is_readable":
                return not self._inbox.is_empty or _is_readable(self._sock)
        return None

    def __del__(self) -> None:
        if self._closed:
            return
        warnings.warn("a connection was dropped unclosed", ResourceWarning, source=self, stacklevel=1)
        if self._inbox.loop.is_closed():
            self._sock.close()
        else:  # the collector may run in any thread
            self._inbox.loop.call_soon_threadsafe(self._transport.abort)


class TlsStream(httpcore.AsyncNetworkStream):
    """TLS over a stream, which may be one of TLS itself."""

    def __init__(
        self, below: httpcore.AsyncNetworkStream, context: ssl.SSLContext, server_hostname: str | None
    ) -> None:
        self._below = below
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)

    @classmethod
    async def over(
        cls,
        below: httpcore.AsyncNetworkStream,
        context: ssl.SSLContext,
        server_hostname: str | None,
        timeout: float | None,
    ) -> TlsStream:
        """Do the handshake, in what is left of the time for connecting; whatever fails, `below` is closed."""
        try:
            with anyio.fail_after(current_budget().left_to_connect(timeout)):
                stream = cls(below, context, server_hostname)
                await stream._shake_hands()
                await _struck_here()
        except BaseException as error:
            await below.aclose()
            if isinstance(error, (TimeoutError, httpcore.TimeoutException)):
                raise httpcore.ConnectTimeout("no TLS handshake in time") from error
            # A host name that TLS cannot take is a ValueError.
            if isinstance(error, (ssl.SSLError, httpcore.NetworkError, ValueError)):
                raise httpcore.ConnectError(str(error)) from error
            raise
        return stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return at most `max_bytes` bytes, b"" at the end, be it announced by the peer or not."""
        starved = not self._incoming.pending and not self._tls.pending()
        while True:
            if starved:
                await self._receive(timeout)
            try:
                return self._tls.read(max_bytes)
            except ssl.SSLWantReadError:
                starved = True
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                return b""
            except ssl.SSLError as error:
                raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of `buffer`."""
        left = memoryview(buffer)
        try:
            while left:
                left = left[self._tls.write(left) :]
        except ssl.SSLError as error:
            raise httpcore.WriteError(str(error)) from error
        await self._below.write(self._outgoing.read(), timeout)

    async def aclose(self) -> None:
        """Close the connection; the peer is not asked."""
        await self._below.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Return the stream inside TLS once more."""
        return await TlsStream.over(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        """Return the `ssl_object`, or what the stream below knows."""
        return self._tls if info == "ssl_object" else self._below.get_extra_info(info)

    async def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._receive(None)
            except ssl.SSLError:
                await self._flush()  # the alert that tells the peer why
                raise
            else:
                await self._flush()
                return

    async def _receive(self, timeout: float | None) -> None:
        await self._flush()
        data = await self._below.read(READ_BYTES, timeout)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._below.write(self._outgoing.read())


class _Inbox(asyncio.BufferedProtocol):
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
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._buffer[:nbytes])
        self._unread = self._unread + data if self._unread else data
        self._tell()
        if len(self._unread) >= UNREAD_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._ended = True
        self._tell()
        return True  # the other direction stays open

    def connection_lost(self, exc: Exception | None) -> None:
        if self.failure is None:
            self.failure = exc or ConnectionAbortedError("the connection is closed")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.writable.set()
        self._tell()

    def pause_writing(self) -> None:
        self.writable = anyio.Event()

    def resume_writing(self) -> None:
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


async def _resolved(host: str, port: int) -> list[_Address]:
    """Return the addresses of a host, one of each family in turn (RFC 8305, section 4)."""
    found: Any = []
    with contextlib.suppress(socket.gaierror):  # what is an address already needs no thread
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    found = found or await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    families: dict[int, list[_Address]] = {}
    for address in found:
        families.setdefault(address[0], []).append(address)
    return [address for turn in zip_longest(*families.values()) for address in turn if address]


async def _first_connected(
    addresses: Iterable[_Address], local_address: str | None, options: Iterable[Any]
) -> socket.socket:
    """Return the first socket to connect, each address beginning when those before failed or have had their time."""
    connected: list[socket.socket] = []
    failures: list[OSError] = []

    async def attempt(address: _Address, failed: anyio.Event) -> None:
        try:
            connected.append(await _connected(address, local_address, options))
            group.cancel_scope.cancel()
        except OSError as error:
            failures.append(error)
            failed.set()

    try:
        async with anyio.create_task_group() as group:
            for address in addresses:
                failed = anyio.Event()
                group.start_soon(attempt, address, failed)
                with anyio.move_on_after(HAPPY_EYEBALLS_SECONDS):
                    await failed.wait()
    except BaseException:
        _close_all(connected)
        raise
    if not connected:
        raise ExceptionGroup("no address answered", failures)
    _close_all(connected[1:])
    return connected[0]


async def _connected(address: _Address, local_address: str | None, options: Iterable[Any]) -> socket.socket:
    family, kind, protocol, _, peer = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        for option in options:
            sock.setsockopt(*option)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if local_address is not None:
            sock.bind((local_address, 0))
        await asyncio.get_running_loop().sock_connect(sock, peer)
    except BaseException:
        sock.close()
        raise
    return sock


async def _opened(sock: socket.socket) -> AsyncioStream:
    loop = asyncio.get_running_loop()
    inbox = _Inbox(loop)
    try:
        transport, _ = await loop.create_connection(lambda: inbox, sock=sock)
    except BaseException:
        sock.close()
        raise
    stream = AsyncioStream(sock, transport, inbox)
    try:
        await _struck_here()
    except BaseException:
        await stream.aclose()
        raise
    return stream


async def _struck_here() -> None:
    """Let a cancel that came in this turn strike now: a moment later httpcore would forget the new connection."""
    await anyio.lowlevel.checkpoint_if_cancelled()


def _close_all(sockets: Iterable[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


def _buffer_of(loop: asyncio.AbstractEventLoop) -> memoryview:
    if loop not in _buffers:
        _buffers[loop] = memoryview(bytearray(READ_BYTES))
    return _buffers[loop]


def _is_readable(sock: Any) -> bool:
    with _Poll() as poll:
        poll.register(sock, selectors.EVENT_READ)
        return bool(poll.select(0))
