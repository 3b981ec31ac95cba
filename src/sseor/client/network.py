"""Sockets with a deadline: network backends for httpcore that keep to the budget of the exchange at hand.

Threads: each socket call gets what is left, so an expiry is exact to a few milliseconds in every phase except DNS
(`getaddrinfo` cannot be bounded). asyncio: see `asyncio_network`. trio: a connection gets one limit for TCP and TLS
together, reads and writes are bounded by the cancel scope of the shell.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore

from .asyncio_network import AsyncioBackend
from .budget import current_budget
from .chunked import AsyncTap, SyncTap

# A peer behind a NAT that forgot the connection answers no probe: found dead after 30 + 3 * 10 s.
KEEP_ALIVE: list[tuple[int, int, int]] = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
]

SocketOptions = Iterable[Any] | None


def _positive(seconds: float | None, expired: type[Exception]) -> float | None:
    if seconds is not None and seconds <= 0:
        raise expired
    return seconds


class DeadlineStream(httpcore.NetworkStream):
    """One connection; each call ends by the deadline of the budget."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return at most `max_bytes` bytes, b"" at the end."""
        return self._stream.read(max_bytes, _positive(current_budget().left(timeout), httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of `buffer`."""
        self._stream.write(buffer, _positive(current_budget().left(timeout), httpcore.WriteTimeout))

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Return the stream inside TLS; the handshake shares the time of the connection."""
        left = _positive(current_budget().left_to_connect(timeout), httpcore.ConnectTimeout)
        return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        """Return what the stream below knows, such as its `socket`."""
        return self._stream.get_extra_info(info)


class DeadlineBackend(httpcore.NetworkBackend):
    """Connects, for threads: every address of a host within one limit, IPv6 and IPv4 as the resolver orders them."""

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore.NetworkStream:
        """Return a connection to the first address that answers."""
        budget = current_budget()
        budget.dial()
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(error) from error
        failure: Exception = httpcore.ConnectError("the host has no address")
        for _, _, _, _, address in found:
            left = _positive(budget.left_to_connect(timeout), httpcore.ConnectTimeout)
            try:
                stream = self._backend.connect_tcp(str(address[0]), port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return SyncTap(DeadlineStream(stream))
        raise failure


class AnyioStream(httpcore.AsyncNetworkStream):
    """One connection whose TLS handshake shares the time of its TCP connection."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self.read = stream.read  # type: ignore[method-assign]
        self.write = stream.write  # type: ignore[method-assign]
        self.aclose = stream.aclose  # type: ignore[method-assign]

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Return the stream inside TLS."""
        left = _positive(current_budget().left_to_connect(timeout), httpcore.ConnectTimeout)
        return AnyioStream(await self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        """Return what the stream below knows, such as its `socket`."""
        return self._stream.get_extra_info(info)


class AnyioBackend(httpcore.AsyncNetworkBackend):
    """Connects through anyio, for trio (happy eyeballs, DNS inside the limit)."""

    def __init__(self) -> None:
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return a connection to the first address that answers."""
        budget = current_budget()
        budget.dial()
        left = _positive(budget.left_to_connect(timeout), httpcore.ConnectTimeout)
        return AnyioStream(await self._backend.connect_tcp(host, port, left, local_address, socket_options))


class AsyncBackend(httpcore.AsyncNetworkBackend):
    """Connects by the means of the event loop that runs: sockets of our own on asyncio, those of anyio on trio."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return a connection to the first address that answers."""
        backend = AsyncioBackend() if on_asyncio() else AnyioBackend()
        return AsyncTap(await backend.connect_tcp(host, port, timeout, local_address, socket_options))


def on_asyncio() -> bool:
    """Tell whether a task of asyncio is running."""
    try:
        # trio may run as a guest on a loop of asyncio; then no task of asyncio is at work.
        return asyncio.current_task() is not None
    except RuntimeError:
        return False
