"""Connecting a socket on asyncio: names looked up, and happy eyeballs over their addresses (RFC 8305)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

import anyio

HAPPY_EYEBALLS_SECONDS = 0.25
"""The wait before the next address is tried beside the one under way (RFC 8305, section 5)."""

_Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]


async def connected_socket(
    host: str, port: int, local_address: str | None, options: Iterable[Any]
) -> socket.socket:
    """Return a socket connected to the first address of the host that answers.

    Raises OSError or UnicodeError for a name that cannot be resolved, and an ExceptionGroup of the failures when no
    address answers.
    """
    return await _first_connected(await _resolved(host, port), local_address, options)


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


def _close_all(sockets: Iterable[socket.socket]) -> None:
    for sock in sockets:
        sock.close()
