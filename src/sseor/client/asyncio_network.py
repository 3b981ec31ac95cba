"""Sockets for asyncio with nothing in between: a network backend for httpcore that keeps the deadlines itself.

With one event per read, what lies between the event loop and its caller is most of the cost. Here it is one future,
that of the `inbox`: no cancel scope, no timeout context and no `epoll_ctl` is paid for a read.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import ssl
import warnings
from typing import Any

import anyio
import anyio.lowlevel
import httpcore

from .budget import current_budget
from .dialing import connected_socket
from .inbox import Inbox
from .tls_stream import TlsStream

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
                return await _opened(await connected_socket(host, port, local_address, socket_options or ()))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("no connection in time") from error
        except (OSError, UnicodeError, ExceptionGroup) as error:
            raise httpcore.ConnectError(str(error)) from error


class AsyncioStream(httpcore.AsyncNetworkStream):
    """One TCP connection. Cancelled anywhere it loses no byte; dropped unclosed it closes its socket and warns."""

    def __init__(self, sock: socket.socket, transport: asyncio.Transport, inbox: Inbox) -> None:
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


async def _opened(sock: socket.socket) -> AsyncioStream:
    loop = asyncio.get_running_loop()
    inbox = Inbox(loop)
    try:
        transport, _ = await loop.create_connection(lambda: inbox, sock=sock)
    except BaseException:
        sock.close()
        raise
    stream = AsyncioStream(sock, transport, inbox)
    try:
        # A cancel that came in this turn strikes now: a moment later httpcore would forget the connection.
        await anyio.lowlevel.checkpoint_if_cancelled()
    except BaseException:
        await stream.aclose()
        raise
    return stream


def _is_readable(sock: Any) -> bool:
    with _Poll() as poll:
        poll.register(sock, selectors.EVENT_READ)
        return bool(poll.select(0))
