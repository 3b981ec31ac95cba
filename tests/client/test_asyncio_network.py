"""The sockets of asyncio: exact limits, errors told, and nothing left open however a connection is let go."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import socket
import threading
import time
import warnings
from contextlib import ExitStack

import anyio
import httpcore
import pytest
from client.asyncio_peers import (
    LATE,
    LIMIT,
    Peer,
    Run,
    budget_until,
    cancelled_in_any_turn,
    connected,
    loop_runner,
    plain_or_tls,
    pool_of_ours,
    read_to_the_end,
    reset,
    until,
)
from faults import (
    HEAD,
    after_a_token,
    before_the_first_token,
    before_the_head,
    certificates,
    chunk_header,
    comments,
    header_trickle,
    in_chunks,
    interim,
    serve,
    silence,
)

from sseor.client.asyncio_network import AsyncioBackend
from sseor.client.budget import spending
from sseor.testing import Exchange, LoopbackServer

__all__ = ["loop_runner", "plain_or_tls"]  # fixtures

pytestmark = [pytest.mark.usefixtures("leaves_nothing_open")]


# Under a pool


def test_a_pool_works_over_it(run: Run, tls: bool) -> None:
    """Requests get their whole answers, and the connection is used again."""

    def respond(exchange: Exchange) -> None:
        for number in range(50):
            exchange.send(b"data: %d\n\n" % number)

    async def main() -> None:
        async with pool_of_ours() as pool:
            for _ in range(3):
                response = await pool.request("POST", f"{server.origin}/", content=b"x" * 300_000)
                assert response.content == b"".join(b"data: %d\n\n" % number for number in range(50))
            (connection,) = pool.connections
            assert connection.is_idle()

    with LoopbackServer(respond, ssl_context=certificates()[0] if tls else None) as server:
        run(main())
        assert [len(request.body) for request in server.requests] == [300_000] * 3
        assert server.wait_idle(5)


def test_a_deadline_is_kept(run: Run, tls: bool) -> None:
    """Whatever trickles, a request ends by the deadline of its budget, and the pool is empty."""
    faults = {
        "no head": before_the_head(silence),
        "header trickle": before_the_head(header_trickle),
        "interim": before_the_head(interim),
        "no body": before_the_first_token(silence),
        "chunk header": before_the_first_token(chunk_header),
        "comments": after_a_token(comments),
    }

    async def late(server: LoopbackServer) -> float:
        budget, deadline = budget_until(2 * LIMIT)
        async with pool_of_ours() as pool:
            with spending(budget, deadline), pytest.raises(httpcore.ReadTimeout):
                await pool.request("POST", f"{server.origin}/", content=b"{}")
            late = asyncio.get_running_loop().time() - deadline
            assert pool.connections == []
        return late

    async def main() -> list[float]:
        return await asyncio.gather(*map(late, servers))

    with ExitStack() as stack:
        servers = [stack.enter_context(serve(respond, tls=tls)) for respond in faults.values()]
        for fault, seconds in zip(faults, run(main()), strict=True):
            assert 0 <= seconds <= LATE, fault
        assert all(server.wait_idle(5) for server in servers)


def test_cancelled_at_random_it_leaks_nothing(run: Run, tls: bool) -> None:
    """Requests cancelled at random moments, 400 of them, leave an empty pool and no socket."""

    def respond(exchange: Exchange) -> None:
        while exchange.wait(0.002):
            exchange.send(b": still here\n\n")

    async def ask(pool: httpcore.AsyncConnectionPool) -> None:
        # What the shells do: a native cancel reaches httpcore as the cancel of a scope.
        async with anyio.create_task_group() as group:
            group.start_soon(pool.request, "GET", f"{server.origin}/")

    async def main() -> None:
        dice = random.Random(7)
        async with pool_of_ours(max_connections=None, max_keepalive_connections=20) as pool:
            for _ in range(40):
                tasks = [asyncio.create_task(ask(pool)) for _ in range(10)]
                for task in tasks:
                    await asyncio.sleep(dice.random() * 0.004)
                    task.cancel()
                await asyncio.wait(tasks)
            assert pool.connections == []

    with serve(respond, tls=tls) as server:
        run(main())
        assert server.wait_idle(5)


def test_the_head_may_come_with_the_body(run: Run) -> None:
    """A response in one piece is read whole although the loop turns only once."""

    async def main() -> None:
        async with pool_of_ours() as pool:
            response = await pool.request("GET", f"{server.origin}/")
            assert response.content == b"x" * 10

    with serve(lambda exchange: exchange.raw(HEAD + in_chunks(b"x" * 10) + b"0\r\n\r\n")) as server:
        run(main())


# Connecting


def test_a_slow_resolver_is_inside_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting ends by its limit although the resolver has not answered."""

    async def main() -> float:
        async def never(*_: object, **__: object) -> None:
            await asyncio.sleep(60)

        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "getaddrinfo", never)
        began = loop.time()
        with pytest.raises(httpcore.ConnectTimeout):
            await AsyncioBackend().connect_tcp("host.invalid", 80, timeout=LIMIT)
        return loop.time() - began

    assert LIMIT <= asyncio.run(main()) <= LIMIT + LATE


def test_an_unknown_host_is_told(run: Run) -> None:
    """A name that cannot be resolved is a ConnectError caused by the resolver; so is one that is no name."""

    async def main() -> None:
        with pytest.raises(httpcore.ConnectError) as failed:
            await AsyncioBackend().connect_tcp("no-such-host.invalid", 80)
        assert isinstance(failed.value.__cause__, socket.gaierror)
        with pytest.raises(httpcore.ConnectError) as failed:
            await AsyncioBackend().connect_tcp(f"{'x' * 70}.invalid", 80)
        assert isinstance(failed.value.__cause__, UnicodeError)

    run(main())


def test_a_connection_tells_its_two_addresses(run: Run) -> None:
    """Both ends of a connection can be asked for, and there is no TLS object without TLS."""

    async def main() -> None:
        async with connected(peer) as stream:
            here = stream.get_extra_info("socket").getsockname()
            assert stream.get_extra_info("client_addr") == here
            assert stream.get_extra_info("server_addr") == ("127.0.0.1", peer.port)
            assert stream.get_extra_info("ssl_object") is None

    with Peer(read_to_the_end) as peer:
        run(main())


@pytest.mark.parametrize("native", [True, False], ids=["task.cancel", "scope"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_cancelled_in_any_turn_connecting_leaves_no_socket(run: Run, native: bool, host: str) -> None:
    """Cancelled after n turns of the loop, for n = 0, 1, 2 …, no socket stays open."""
    cancelled_in_any_turn(run, host, tls=False, native=native)


# Reading


def test_what_is_there_is_returned_without_a_turn_of_the_loop() -> None:
    """A read of received bytes does not suspend."""

    async def main() -> None:
        async with connected(peer) as stream:
            await until(lambda: bool(stream.get_extra_info("is_readable")))
            await asyncio.sleep(0.02)
            reading = stream.read(2)
            with pytest.raises(StopIteration) as stopped:
                reading.send(None)
            assert stopped.value.value == b"he"
            assert await stream.read(10) == b"llo"

    with Peer(b"hello", "wait") as peer:
        asyncio.run(main())


def test_the_nearer_of_limit_and_deadline_holds(run: Run, tls: bool) -> None:
    """A read ends by its own limit or the budget's deadline, whichever is nearer."""

    async def timed(stream: httpcore.AsyncNetworkStream, limit: float | None, deadline: float) -> float:
        began = time.monotonic()
        with spending(*budget_until(deadline)), pytest.raises(httpcore.ReadTimeout):
            await stream.read(100, limit)
        return time.monotonic() - began

    async def main() -> None:  # the clock of uvloop has whole milliseconds
        async with connected(peer, tls=tls) as stream:
            assert 0.099 <= await timed(stream, 0.1, 5) <= 0.1 + LATE
            assert 0.099 <= await timed(stream, 5, 0.1) <= 0.1 + LATE
            assert 0.099 <= await timed(stream, None, 0.1) <= 0.1 + LATE

    with Peer("wait", tls=tls) as peer:
        run(main())


def test_bytes_without_end_do_not_outlast_the_deadline(run: Run, tls: bool) -> None:
    """A flood that always has bytes ready ends by the deadline, and other tasks get their turns."""

    def talk(sock: socket.socket) -> None:
        while not peer.go_on.is_set():
            sock.sendall(bytes(1 << 16))

    async def main() -> None:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        async def read_on(stream: httpcore.AsyncNetworkStream) -> None:
            while await stream.read(1 << 14):
                pass

        async with connected(peer, tls=tls) as stream:
            other = asyncio.create_task(others())
            budget, deadline = budget_until(LIMIT)
            with spending(budget, deadline), pytest.raises(httpcore.ReadTimeout):
                await read_on(stream)
            assert 0 <= budget.clock() - deadline <= LATE
            assert turns > 20
            other.cancel()
        peer.go_on.set()

    with Peer(talk, tls=tls) as peer:
        run(main())


# Writing


def test_a_write_waits_for_the_peer(run: Run) -> None:
    """A write of more than the sockets hold returns once the peer begins to read, and not before."""

    async def main() -> None:
        async with connected(peer) as stream:
            writing = asyncio.create_task(stream.write(bytes(16 << 20)))
            assert await asyncio.wait([writing], timeout=0.05) == (set(), {writing})
            peer.go_on.set()
            await writing

    with Peer("wait", read_to_the_end) as peer:
        run(main())


def test_a_write_ends_by_its_limit(run: Run, tls: bool) -> None:
    """A peer that takes no bytes is waited for no longer than the limit or the deadline, and not at all after it."""

    async def main() -> None:
        async with connected(peer, tls=tls) as stream:
            budget, deadline = budget_until(LIMIT)
            with spending(budget, deadline):
                with pytest.raises(httpcore.WriteTimeout):
                    await stream.write(bytes(16 << 20), 5)
                assert 0 <= budget.clock() - deadline <= LATE
                with pytest.raises(httpcore.WriteTimeout, match="no time left"):
                    await stream.write(b"x")

    with Peer("wait", tls=tls) as peer:
        run(main())


def test_a_reset_ends_a_write(run: Run) -> None:
    """A write that waits when the RST comes fails, and so does every later one, with the cause chained."""

    async def main() -> None:
        async with connected(peer) as stream:
            asyncio.get_running_loop().call_later(0.05, peer.go_on.set)
            for _ in range(2):
                with pytest.raises(httpcore.WriteError) as failed:
                    await stream.write(bytes(32 << 20))
                assert isinstance(failed.value.__cause__, ConnectionError)

    with Peer("wait", reset) as peer:
        run(main())


# Closing


def test_closing_needs_no_turn_and_no_peer(run: Run, tls: bool) -> None:
    """`aclose` does not suspend, ends a waiting read, may be repeated, and afterwards nothing can be done."""

    async def main() -> None:
        async with connected(peer, tls=tls) as stream:
            reading = asyncio.create_task(stream.read(100))
            await asyncio.sleep(0.02)
            for _ in range(2):
                with pytest.raises(StopIteration):
                    stream.aclose().send(None)
            with pytest.raises(httpcore.ReadError, match="closed"):
                await reading
            with pytest.raises(httpcore.ReadError, match="closed"):
                await stream.read(1)
            with pytest.raises(httpcore.WriteError, match="closed"):
                await stream.write(b"x")

    with Peer(read_to_the_end, lambda _: closed.set(), tls=tls) as peer:
        closed = threading.Event()
        run(main())
        assert closed.wait(1) or tls


@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")  # asyncio's own
def test_closing_is_safe_when_the_loop_is_gone() -> None:
    """A stream that outlived its loop can be closed, and its socket is."""

    async def main() -> httpcore.AsyncNetworkStream:
        return await AsyncioBackend().connect_tcp("127.0.0.1", peer.port)

    with Peer(read_to_the_end) as peer:
        stream = asyncio.run(main())
        for _ in range(2):
            with pytest.raises(StopIteration):
                stream.aclose().send(None)
        assert stream.get_extra_info("socket").fileno() == -1
        del stream
        gc.collect()


def test_a_dropped_stream_closes_its_socket(run: Run, tls: bool) -> None:
    """A stream that nobody holds any more warns and closes its socket, and its timer holds up nothing."""

    async def main() -> None:
        stream = await AsyncioBackend().connect_tcp("127.0.0.1", peer.port)
        if tls:
            stream = await stream.start_tls(certificates()[1], "127.0.0.1")
        with spending(*budget_until(3600)):
            assert await stream.read(1) == b"a"
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            del stream
            gc.collect()
        assert [str(warning.message) for warning in seen] == ["a connection was dropped unclosed"]
        await until(closed.is_set)

    closed = threading.Event()

    def ended(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            read_to_the_end(sock)
        closed.set()

    with Peer(b"a", ended, tls=tls) as peer:
        began = time.monotonic()
        run(main())
        assert time.monotonic() - began < 20


@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")  # asyncio's own
def test_a_stream_dropped_after_its_loop_closes_its_socket() -> None:
    """The collector may meet a stream whose loop is closed: it warns, and the socket is closed."""

    async def main() -> list[httpcore.AsyncNetworkStream]:
        return [await AsyncioBackend().connect_tcp("127.0.0.1", peer.port)]

    def drop(streams: list[httpcore.AsyncNetworkStream]) -> None:
        streams.clear()
        gc.collect()

    with Peer(read_to_the_end) as peer:
        kept = asyncio.run(main())
        sock = kept[0].get_extra_info("socket")
        with pytest.warns(ResourceWarning, match="dropped unclosed"):
            drop(kept)
        assert sock.fileno() == -1


# Idle connections


def test_an_idle_connection_shows_what_happened_to_it(run: Run, tls: bool) -> None:
    """`is_readable` is false while a connection is idle and true once the peer has closed it."""

    async def main() -> None:
        async with connected(peer, tls=tls) as stream:
            assert await stream.read(1) == b"a"
            assert not stream.get_extra_info("is_readable")
            peer.go_on.set()
            await until(lambda: bool(stream.get_extra_info("is_readable")))
            assert await stream.read(1) == b""
            assert stream.get_extra_info("is_readable")

    with Peer(b"a", "wait", tls=tls) as peer:
        run(main())


def test_an_end_is_seen_before_the_loop_has_seen_it(run: Run) -> None:
    """A program that blocked its loop still learns that the peer has closed."""

    async def main() -> None:
        async with connected(peer) as stream:
            assert not stream.get_extra_info("is_readable")
            peer.go_on.set()
            time.sleep(0.1)
            assert stream._inbox.is_empty  # type: ignore[attr-defined]
            assert stream.get_extra_info("is_readable")

    with Peer("wait") as peer:
        run(main())
