"""Connecting: which address is tried when, what is told when none answers, and one socket in the end."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import anyio
import httpcore
import pytest
from client.asyncio_peers import (
    LATE,
    LIMIT,
    Peer,
    Run,
    causes,
    connected,
    loop_runner,
    read_to_the_end,
)
from faults import serve, silence

from sseor.client import dialing
from sseor.client.asyncio_network import AsyncioBackend
from sseor.client.budget import Budget, spending

__all__ = ["loop_runner"]  # fixtures

pytestmark = [pytest.mark.usefixtures("leaves_nothing_open")]


class Dialing:
    """Addresses of our choice: those in `silent` never answer, the others are what they are."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *hosts: str, silent: tuple[str, ...] = ()) -> None:
        self.tried: list[tuple[str, float]] = []
        self.hosts = hosts
        self.silent = silent
        monkeypatch.setattr(dialing, "_resolved", self._resolved)
        monkeypatch.setattr(asyncio.BaseEventLoop, "sock_connect", self._connect, raising=False)
        monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", self._connect)
        self._began = time.monotonic()

    async def _resolved(self, _: str, port: int) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port)) for host in self.hosts]

    async def _connect(self, sock: socket.socket, address: tuple[str, int]) -> None:
        self.tried.append((address[0], time.monotonic() - self._began))
        if address[0] in self.silent:
            await asyncio.sleep(60)
        sock.setblocking(True)
        sock.connect(address)
        sock.setblocking(False)


def test_a_silent_address_does_not_hold_up_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next address is tried after 250 ms beside a silent one, and after a refusal at once."""
    addresses = Dialing(monkeypatch, "127.0.0.2", "127.0.0.3", "127.0.0.1", silent=("127.0.0.2",))

    async def main() -> None:
        async with connected(peer) as stream:
            assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"

    with Peer(read_to_the_end) as peer:
        asyncio.run(main())
    (first, _), (second, second_at), (third, third_at) = addresses.tried
    assert (first, second, third) == ("127.0.0.2", "127.0.0.3", "127.0.0.1")
    assert 0.24 <= second_at <= third_at <= second_at + 0.1


def test_of_two_that_connect_one_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two addresses that answer in the same turn give one connection; the other socket is closed."""
    monkeypatch.setattr(dialing, "HAPPY_EYEBALLS_SECONDS", 0.0)
    answered = asyncio.Event()
    original = asyncio.SelectorEventLoop.sock_connect

    async def together(loop: Any, sock: socket.socket, address: Any) -> None:
        await original(loop, sock, address)
        tried.append(sock)
        if len(tried) == 2:
            answered.set()
        with anyio.CancelScope(shield=True):
            await answered.wait()

    tried: list[socket.socket] = []
    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", together)

    async def main() -> None:
        stream = await AsyncioBackend().connect_tcp("127.0.0.1", port)
        assert sorted(sock.fileno() < 0 for sock in tried) == [False, True]
        await stream.aclose()

    with serve(silence) as server:
        port = int(server.origin.rpartition(":")[2])
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))] * 2

        async def resolved(*_: object) -> list[Any]:
            return found

        monkeypatch.setattr(dialing, "_resolved", resolved)
        asyncio.run(main())
        assert server.wait_idle(5)


def test_a_cancel_that_meets_the_connection_closes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled in the turn in which an address answered, the socket is closed."""
    Dialing(monkeypatch, "127.0.0.1")
    original = dialing._connected

    async def connected_and_cancelled(*arguments: Any) -> socket.socket:
        sock = await original(*arguments)
        callers[0].cancel()
        opened.append(sock)
        return sock

    opened: list[socket.socket] = []
    callers: list[asyncio.Task[Any]] = []
    monkeypatch.setattr(dialing, "_connected", connected_and_cancelled)

    async def main() -> None:
        callers.append(asyncio.create_task(AsyncioBackend().connect_tcp("127.0.0.1", peer.port)))
        await asyncio.wait(callers)
        assert callers[0].cancelled()
        assert [sock.fileno() for sock in opened] == [-1]

    with Peer(read_to_the_end) as peer:
        asyncio.run(main())


def test_families_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses are tried one of each family in turn, in the resolver's order."""

    async def main() -> list[Any]:
        async def answer(*_: object, **__: object) -> list[Any]:
            return [(family, 1, 6, "", name) for family, name in found]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", answer)
        return await dialing._resolved("host.invalid", 443)

    found = [(10, "six a"), (10, "six b"), (10, "six c"), (2, "four a"), (2, "four b")]
    assert [address[4] for address in asyncio.run(main())] == ["six a", "four a", "six b", "four b", "six c"]


def test_a_refusal_is_told(run: Run) -> None:
    """A closed port is a ConnectError with the refusal among its causes, whether a name or an address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    async def main() -> None:
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(httpcore.ConnectError) as failed:
                await AsyncioBackend().connect_tcp(host, port)
            assert any(isinstance(cause, ConnectionRefusedError) for cause in causes(failed.value))

    run(main())


def test_silent_addresses_share_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many addresses stay silent, the connect limit of the budget ends it once for all."""
    hosts = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
    Dialing(monkeypatch, *hosts, silent=hosts)

    async def main() -> float:
        clock = asyncio.get_running_loop().time
        began = clock()
        with spending(Budget(clock, LIMIT), began + 60), pytest.raises(httpcore.ConnectTimeout):
            await AsyncioBackend().connect_tcp("host.invalid", 80)
        return clock() - began

    assert LIMIT <= asyncio.run(main()) <= LIMIT + LATE


def test_options_and_local_address_are_set(run: Run) -> None:
    """Socket options and the local address are set, and small writes are not held back."""

    async def main() -> None:
        option = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        stream = await AsyncioBackend().connect_tcp(
            "127.0.0.1", peer.port, local_address="127.0.0.9", socket_options=[option]
        )
        sock = stream.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockname()[0] == "127.0.0.9"
        await stream.aclose()

    with Peer(read_to_the_end) as peer:
        run(main())
