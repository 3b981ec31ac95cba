"""The sockets of asyncio: whole data, exact deadlines, and nothing left open however a connection is let go."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.util
import random
import socket
import ssl
import struct
import threading
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, Literal

import anyio
import httpcore
import pytest
from conftest import open_sockets
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

from sseor.client import asyncio_network
from sseor.client.asyncio_network import UNREAD_BYTES, AsyncioBackend, AsyncioStream, TlsStream
from sseor.client.budget import Budget, spending
from sseor.testing import Exchange, LoopbackServer

LIMIT = 0.2
LATE = 0.05
SLACK = 0.1
"""An expiry is noticed within 50 ms; a busy machine is given more."""

certificates()  # made before two threads ask for them at once
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
LOOPS = ["asyncio", *(["uvloop"] if importlib.util.find_spec("uvloop") else [])]

pytestmark = [pytest.mark.usefixtures("leaves_nothing_open")]

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine on the loop of asyncio, and on uvloop's where it is installed."""
    factory = None
    if request.param == "uvloop":
        factory = importlib.import_module("uvloop").new_event_loop

    def run(main: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main)

    return run


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def tls(request: pytest.FixtureRequest) -> bool:
    """Whether the connection is inside TLS."""
    return bool(request.param)


class Peer:
    """A server for one connection, in a thread that takes steps: send bytes, wait for `go_on`, call with its socket."""

    def __init__(
        self, *steps: bytes | Literal["wait"] | Callable[[socket.socket], object], tls: bool = False
    ) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(10)
        self.port: int = self._listener.getsockname()[1]
        self.go_on = threading.Event()
        self._steps = steps
        self._tls = tls
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Peer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self._thread.join(10)
        self._listener.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        sock, _ = self._listener.accept()
        sock.settimeout(10)
        with contextlib.suppress(OSError):
            if self._tls:
                sock = certificates()[0].wrap_socket(sock, server_side=True)
            with sock:
                for step in self._steps:
                    if step == "wait":
                        self.go_on.wait(5)
                    elif isinstance(step, bytes):
                        sock.sendall(step)
                    else:
                        step(sock)
        sock.close()


def reset(sock: socket.socket) -> None:
    """Close with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    sock.close()


def end(sock: socket.socket) -> None:
    """Send FIN, below TLS."""
    socket.socket.shutdown(sock, socket.SHUT_WR)


def first_byte(sock: socket.socket) -> None:
    """Wait until the peer has sent something."""
    sock.recv(1)


def read_to_the_end(sock: socket.socket) -> bytes:
    """Return all that the peer sends until it closes."""
    received = bytearray()
    while data := sock.recv(1 << 16):
        received += data
    return bytes(received)


@contextlib.asynccontextmanager
async def connected(peer: Peer, *, tls: bool = False) -> AsyncIterator[httpcore.AsyncNetworkStream]:
    """Give a connection to the peer, and close it."""
    stream = await AsyncioBackend().connect_tcp("127.0.0.1", peer.port)
    if tls:
        stream = await stream.start_tls(certificates()[1], "127.0.0.1")
    try:
        yield stream
    finally:
        await stream.aclose()


def budget_until(seconds: float) -> tuple[Budget, float]:
    """Return a budget of the running loop and a deadline so many seconds away."""
    clock = asyncio.get_running_loop().time
    return Budget(clock, None), clock() + seconds


def pool_over(backend: AsyncioBackend | None = None, **options: Any) -> httpcore.AsyncConnectionPool:
    """Return a pool whose sockets are ours."""
    backend = backend or AsyncioBackend()
    return httpcore.AsyncConnectionPool(ssl_context=certificates()[1], network_backend=backend, **options)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until the condition holds, 5 s at most."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error, its cause and what they group, as far down as they go."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for part in error.exceptions:
                yield from causes(part)
        error = error.__cause__


# Under a pool


def test_a_pool_works_over_it(run: Run, tls: bool) -> None:
    """Requests get their whole answers, and the connection is used again."""

    def respond(exchange: Exchange) -> None:
        for number in range(50):
            exchange.send(b"data: %d\n\n" % number)

    async def main() -> None:
        async with pool_over() as pool:
            for _ in range(3):
                response = await pool.request("POST", f"{server.origin}/", content=b"x" * 300_000)
                assert response.content == b"".join(b"data: %d\n\n" % number for number in range(50))
            (connection,) = pool.connections
            assert connection.is_idle()

    with LoopbackServer(respond, ssl_context=certificates()[0] if tls else None) as server:
        run(main())
        assert [len(request.body) for request in server.requests] == [300_000] * 3
        assert server.wait_idle(1)


@pytest.mark.parametrize(
    "respond",
    [
        before_the_head(silence),
        before_the_head(header_trickle),
        before_the_head(interim),
        before_the_first_token(silence),
        before_the_first_token(chunk_header),
        after_a_token(comments),
    ],
    ids=["no head", "header trickle", "interim", "no body", "chunk header", "comments"],
)
def test_a_deadline_is_kept(run: Run, tls: bool, respond: Callable[[Exchange], None]) -> None:
    """Whatever trickles, a request ends by the deadline of its budget, and the pool is empty."""

    async def main() -> float:
        budget, deadline = budget_until(LIMIT)
        async with pool_over() as pool:
            with spending(budget, deadline), pytest.raises(httpcore.ReadTimeout):
                await pool.request("POST", f"{server.origin}/", content=b"{}")
            late = asyncio.get_running_loop().time() - deadline
            assert pool.connections == []
        return late

    with serve(respond, tls=tls) as server:
        assert 0 <= run(main()) <= LATE + SLACK
        assert server.wait_idle(1)


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
        async with pool_over(max_connections=None, max_keepalive_connections=20) as pool:
            for _ in range(40):
                tasks = [asyncio.create_task(ask(pool)) for _ in range(10)]
                for task in tasks:
                    await asyncio.sleep(dice.random() * 0.004)
                    task.cancel()
                await asyncio.wait(tasks)
            assert pool.connections == []

    with serve(respond, tls=tls) as server:
        run(main())
        assert server.wait_idle(2)


def test_an_https_proxy_carries_tls_inside_tls(run: Run) -> None:
    """Through a proxy that speaks TLS itself, an https request works: TLS inside TLS."""

    def respond(exchange: Exchange) -> None:
        exchange.reply(200, b"z" * 100_000)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        there = await asyncio.open_connection(*target.split(":"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(relay(reader, there[1]), relay(there[0], writer))

    async def main() -> None:
        listening = await asyncio.start_server(proxy, "127.0.0.1", 0, ssl=certificates()[0])
        port = listening.sockets[0].getsockname()[1]
        async with (
            listening,
            httpcore.AsyncHTTPProxy(
                f"https://127.0.0.1:{port}/",
                ssl_context=certificates()[1],
                proxy_ssl_context=certificates()[1],
                network_backend=AsyncioBackend(),
            ) as pool,
        ):
            assert (await pool.request("GET", f"{server.origin}/")).content == b"z" * 100_000
        await asyncio.sleep(0.05)

    with LoopbackServer(respond, ssl_context=certificates()[0]) as server:
        run(main())


# Reading


def test_every_byte_arrives_in_order(run: Run, tls: bool) -> None:
    """Megabytes come whole, whatever the reader asks for at a time and however long it pauses."""
    sent = random.Random(1).randbytes(3 << 20)

    async def main() -> bytes:
        dice, received = random.Random(2), bytearray()
        async with connected(peer, tls=tls) as stream:
            while data := await stream.read(dice.choice([1, 1000, 1 << 16, 1 << 20])):
                received += data
                if dice.random() < 0.05:
                    await asyncio.sleep(0.002)
            assert await stream.read(10) == b""
        return bytes(received)

    with Peer(sent, tls=tls) as peer:
        assert run(main()) == sent


def test_a_sender_waits_for_a_slow_reader(run: Run) -> None:
    """While nobody reads, no more than the limit is taken from the socket; what was held back comes later."""
    sent = random.Random(3).randbytes(24 << 20)

    async def main() -> bytes:
        async with connected(peer) as stream:
            await asyncio.sleep(0.3)
            unread = stream._inbox._unread  # type: ignore[attr-defined]
            assert UNREAD_BYTES <= len(unread) < 2 * UNREAD_BYTES
            received = [await stream.read(1000)]
            while data := await stream.read(1 << 20):
                received.append(data)
        return b"".join(received)

    with Peer(sent) as peer:
        assert run(main()) == sent


def test_a_reader_that_keeps_up_never_pauses_the_socket(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading is paused only when unread bytes pile up."""
    pauses = []
    monkeypatch.setattr(
        asyncio.selector_events._SelectorTransport,  # type: ignore[attr-defined]
        "pause_reading",
        lambda transport: pauses.append(transport),
    )

    async def main() -> None:
        async with connected(peer) as stream:
            while await stream.read(1 << 16):
                pass

    with Peer(bytes(8 << 20)) as peer:
        run(main())
    assert pauses == []


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


def test_a_reset_comes_after_the_bytes_before_it(run: Run, tls: bool) -> None:
    """What came before a RST is delivered; then each read fails, with the cause chained."""

    async def main() -> None:
        async with connected(peer, tls=tls) as stream:
            await asyncio.sleep(0.05)
            peer.go_on.set()
            await asyncio.sleep(0.05)
            assert await stream.read(100) == b"last words"
            for _ in range(2):
                with pytest.raises(httpcore.ReadError) as failed:
                    await stream.read(100)
                assert any(isinstance(cause, ConnectionResetError) for cause in causes(failed.value))

    with Peer(b"last words", "wait", reset, tls=tls) as peer:
        run(main())


def test_a_reset_wakes_the_reader(run: Run) -> None:
    """A read that waits when the RST comes fails at once."""

    async def main() -> None:
        async with connected(peer) as stream:
            reading = asyncio.create_task(stream.read(100))
            await asyncio.sleep(0.02)
            peer.go_on.set()
            with pytest.raises(httpcore.ReadError):
                await asyncio.wait_for(reading, 2)

    with Peer("wait", reset) as peer:
        run(main())


def test_two_readers_are_refused(run: Run) -> None:
    """A second task that reads gets an error, and the first its bytes."""

    async def main() -> None:
        async with connected(peer) as stream:
            first = asyncio.create_task(stream.read(100))
            await asyncio.sleep(0)
            with pytest.raises(httpcore.ReadError, match="two tasks"):
                await stream.read(100)
            peer.go_on.set()
            assert await first == b"for the first"

    with Peer("wait", b"for the first") as peer:
        run(main())


# Deadlines


def test_the_nearer_of_limit_and_deadline_holds(run: Run, tls: bool) -> None:
    """A read ends by its own limit or the budget's deadline, whichever is nearer."""

    async def timed(stream: httpcore.AsyncNetworkStream, limit: float | None, deadline: float) -> float:
        began = time.monotonic()
        with spending(*budget_until(deadline)), pytest.raises(httpcore.ReadTimeout):
            await stream.read(100, limit)
        return time.monotonic() - began

    async def main() -> None:
        async with connected(peer, tls=tls) as stream:
            assert 0.1 <= await timed(stream, 0.1, 5) <= 0.1 + LATE + SLACK
            assert 0.1 <= await timed(stream, 5, 0.1) <= 0.1 + LATE + SLACK
            assert 0.1 <= await timed(stream, None, 0.1) <= 0.1 + LATE + SLACK

    with Peer("wait", tls=tls) as peer:
        run(main())


def test_one_timer_follows_a_deadline_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline that moves on costs no new timer per read, and is kept where it is last."""

    def talk(sock: socket.socket) -> None:
        for _ in range(40):
            sock.sendall(b"x")
            time.sleep(0.01)
        peer.go_on.wait(5)

    async def main() -> None:
        loop, timers = asyncio.get_running_loop(), []
        call_at = loop.call_at

        def counted(when: float, *rest: Any) -> asyncio.TimerHandle:
            timers.append(when)
            return call_at(when, *rest)

        async with connected(peer) as stream:
            monkeypatch.setattr(loop, "call_at", counted)
            reads, expired = 0, False
            while not expired:
                budget, deadline = budget_until(0.15)
                try:
                    with spending(budget, deadline):
                        await stream.read(1)
                    reads += 1
                except httpcore.ReadTimeout:
                    expired = True
            assert reads == 40
            assert 0 <= loop.time() - deadline <= LATE + SLACK
            assert len(timers) <= 8

    with Peer(talk) as peer:
        asyncio.run(main())


def test_a_deadline_that_moves_nearer_is_kept(run: Run) -> None:
    """A read with a nearer deadline than the one before ends by it; one without a deadline outlasts the timer."""

    async def main() -> None:
        async with connected(peer) as stream:
            for seconds in (0.3, 0.1):
                budget, deadline = budget_until(seconds)
                with spending(budget, deadline):
                    if seconds == 0.3:
                        assert await stream.read(1) == b"a"
                    else:
                        with pytest.raises(httpcore.ReadTimeout):
                            await stream.read(1)
                        assert 0 <= budget.clock() - deadline <= LATE + SLACK
            with spending(*budget_until(0.05)), pytest.raises(TimeoutError):
                await asyncio.wait_for(stream.read(1), 0.02)
            reading = asyncio.create_task(stream.read(1))
            await asyncio.sleep(0.1)
            peer.go_on.set()
            assert await reading == b"b"

    with Peer(b"a", "wait", b"b") as peer:
        run(main())


def test_a_timer_that_nobody_waits_for_is_forgotten(run: Run) -> None:
    """A deadline that passes between two reads harms neither."""

    async def main() -> None:
        async with connected(peer) as stream:
            with spending(*budget_until(0.05)):
                assert await stream.read(1) == b"a"
            await asyncio.sleep(0.1)
            peer.go_on.set()
            with spending(*budget_until(5)):
                assert await stream.read(1) == b"b"

    with Peer(b"a", "wait", b"b") as peer:
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
            assert 0 <= budget.clock() - deadline <= LATE + SLACK
            assert turns > 20
            other.cancel()
        peer.go_on.set()

    with Peer(talk, tls=tls) as peer:
        run(main())


# Cancellation and closing


@pytest.mark.parametrize("native", [True, False], ids=["task.cancel", "scope"])
def test_a_cancelled_read_loses_nothing(run: Run, tls: bool, native: bool) -> None:
    """After a cancelled read the next one gets the bytes, also when they came in the very same turn."""

    async def cancelled_read(stream: httpcore.AsyncNetworkStream) -> None:
        with anyio.CancelScope() as scope:
            reading = asyncio.current_task()
            asyncio.get_running_loop().call_later(0.02, reading.cancel if native else scope.cancel)  # type: ignore[union-attr]
            await stream.read(100)

    async def main() -> None:
        async with connected(peer, tls=tls) as stream:
            task = asyncio.create_task(cancelled_read(stream))
            await asyncio.wait([task])
            assert task.cancelled() is native
            reading = asyncio.create_task(stream.read(100))
            await asyncio.sleep(0.01)
            peer.go_on.set()
            inbox: Any = getattr(stream, "_below", stream)._inbox  # type: ignore[union-attr]
            while inbox.is_empty:
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait([reading])
            assert (await stream.read(100) if reading.cancelled() else reading.result()) == b"kept"

    with Peer("wait", b"kept", "wait", tls=tls) as peer:
        run(main())


def test_bytes_that_came_with_the_cancel_are_kept() -> None:
    """A reader that was woken and cancelled before it ran leaves the bytes to the next."""

    async def main() -> None:
        async with connected(peer) as stream:
            assert isinstance(stream, AsyncioStream)
            reading = asyncio.create_task(stream.read(100))
            await asyncio.sleep(0)
            stream._inbox.get_buffer(-1)[:4] = b"kept"
            stream._inbox.buffer_updated(4)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert await stream.read(100) == b"kept"

    with Peer("wait") as peer:
        asyncio.run(main())


@pytest.mark.parametrize("native", [True, False], ids=["task.cancel", "scope"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_cancelled_in_any_turn_connecting_leaves_no_socket(
    run: Run, tls: bool, native: bool, host: str
) -> None:
    """Cancelled after n turns of the loop, for n = 0, 1, 2 …, no socket stays open."""

    async def connect(scope: anyio.CancelScope) -> None:
        with scope:
            stream = await AsyncioBackend().connect_tcp(host, port)
            if tls:
                stream = await stream.start_tls(certificates()[1], "127.0.0.1")
            await stream.aclose()

    async def main() -> None:
        before = open_sockets()
        for turns in range(40):
            scope = anyio.CancelScope()
            task = asyncio.create_task(connect(scope))
            for _ in range(turns):
                await asyncio.sleep(0.0005 if turns > 15 else 0)
            task.cancel() if native else scope.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or task.exception() is None
            await until(lambda: open_sockets() <= before)  # the server's sockets are among them

    with serve(silence, tls=tls) as server:
        port = int(server.origin.rpartition(":")[2])
        run(main())


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
        assert time.monotonic() - began < 2


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


# Writing


def test_a_large_body_is_sent_whole(run: Run, tls: bool) -> None:
    """A write that the peer reads slowly goes out whole, with the transport's buffer bounded."""
    sent, received = random.Random(4).randbytes(4 << 20), []

    async def main() -> None:
        async with connected(peer, tls=tls) as stream:
            await stream.write(b"")
            await stream.write(sent)
            assert await stream.read(10) == b"thanks"

    def talk(sock: socket.socket) -> None:
        left = len(sent)
        while left:
            time.sleep(0.001)
            received.append(sock.recv(1 << 16))
            left -= len(received[-1])
        sock.sendall(b"thanks")

    with Peer(talk, tls=tls) as peer:
        run(main())
    assert b"".join(received) == sent


def test_a_write_ends_by_its_limit(run: Run, tls: bool) -> None:
    """A peer that takes no bytes is waited for no longer than the limit or the deadline, and not at all after it."""

    async def main() -> None:
        async with connected(peer, tls=tls) as stream:
            budget, deadline = budget_until(LIMIT)
            with spending(budget, deadline):
                with pytest.raises(httpcore.WriteTimeout):
                    await stream.write(bytes(16 << 20), 5)
                assert 0 <= budget.clock() - deadline <= LATE + SLACK
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


# Connecting


class Dialing:
    """Addresses of our choice: those in `silent` never answer, the others are what they are."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *hosts: str, silent: tuple[str, ...] = ()) -> None:
        self.tried: list[tuple[str, float]] = []
        self.hosts = hosts
        self.silent = silent
        monkeypatch.setattr(asyncio_network, "_resolved", self._resolved)
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
    dialing = Dialing(monkeypatch, "127.0.0.2", "127.0.0.3", "127.0.0.1", silent=("127.0.0.2",))

    async def main() -> None:
        async with connected(peer) as stream:
            assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"

    with Peer(read_to_the_end) as peer:
        asyncio.run(main())
    (first, _), (second, second_at), (third, third_at) = dialing.tried
    assert (first, second, third) == ("127.0.0.2", "127.0.0.3", "127.0.0.1")
    assert 0.24 <= second_at <= third_at <= second_at + 0.1


def test_of_two_that_connect_one_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two addresses that answer in the same turn give one connection; the other socket is closed."""
    monkeypatch.setattr(asyncio_network, "HAPPY_EYEBALLS_SECONDS", 0.0)
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

        monkeypatch.setattr(asyncio_network, "_resolved", resolved)
        asyncio.run(main())
        assert server.wait_idle(1)


def test_a_cancel_that_meets_the_connection_closes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled in the turn in which an address answered, the socket is closed."""
    Dialing(monkeypatch, "127.0.0.1")
    original = asyncio_network._connected

    async def connected_and_cancelled(*arguments: Any) -> socket.socket:
        sock = await original(*arguments)
        callers[0].cancel()
        opened.append(sock)
        return sock

    opened: list[socket.socket] = []
    callers: list[asyncio.Task[Any]] = []
    monkeypatch.setattr(asyncio_network, "_connected", connected_and_cancelled)

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
        return await asyncio_network._resolved("host.invalid", 443)

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

    assert LIMIT <= asyncio.run(main()) <= LIMIT + LATE + SLACK


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

    assert LIMIT <= asyncio.run(main()) <= LIMIT + LATE + SLACK


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
        assert stream.get_extra_info("client_addr")[0] == "127.0.0.9"
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", peer.port)
        assert stream.get_extra_info("ssl_object") is None
        await stream.aclose()

    with Peer(read_to_the_end) as peer:
        run(main())


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


# TLS


def handshake(peer: Peer, context: ssl.SSLContext, name: str = "127.0.0.1") -> Awaitable[Any]:
    """Connect to the peer and begin TLS."""

    async def shake() -> httpcore.AsyncNetworkStream:
        stream = await AsyncioBackend().connect_tcp("127.0.0.1", peer.port)
        return await stream.start_tls(context, name)

    return shake()


def test_a_certificate_that_is_not_trusted_is_refused(run: Run) -> None:
    """The handshake fails as a ConnectError with the verification error as its cause, and the peer is told why."""
    told: list[Exception] = []

    def talk(sock: socket.socket) -> None:
        try:
            certificates()[0].wrap_socket(sock, server_side=True).recv(1)
        except OSError as error:
            told.append(error)

    async def main() -> None:
        with pytest.raises(httpcore.ConnectError) as failed:
            await handshake(peer, ssl.create_default_context())
        assert isinstance(failed.value.__cause__, ssl.SSLCertVerificationError)

    with Peer(talk) as peer:
        run(main())
    assert len(told) == 1


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], ids=["plain text", "nothing"])
def test_a_peer_that_does_not_speak_tls_is_told(run: Run, answer: bytes) -> None:
    """Plain text or an end instead of a handshake is a ConnectError with TLS's own error as its cause."""

    async def main() -> None:
        with pytest.raises(httpcore.ConnectError) as failed:
            await handshake(peer, certificates()[1])
        assert isinstance(failed.value.__cause__, ssl.SSLError)

    with Peer(first_byte, answer, end, "wait") as peer:
        run(main())


def test_a_reset_in_the_handshake_is_told(run: Run) -> None:
    """A RST instead of a handshake is a ConnectError."""

    async def main() -> None:
        with pytest.raises(httpcore.ConnectError):
            await handshake(peer, certificates()[1])

    with Peer(first_byte, reset) as peer:
        run(main())


def test_a_name_that_tls_cannot_take_is_told(run: Run) -> None:
    """A host name that is none is a ConnectError, and the socket is closed."""

    async def main() -> None:
        with pytest.raises(httpcore.ConnectError):
            await handshake(peer, certificates()[1], ".invalid")

    with Peer(read_to_the_end) as peer:
        run(main())


@pytest.mark.parametrize("bound", ["limit", "connect", "deadline"])
def test_a_handshake_that_stalls_ends_by_what_is_left(run: Run, bound: str) -> None:
    """A silent handshake ends by its limit, by the connect time shared with TCP, or by the deadline."""

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        budget = Budget(clock, LIMIT if bound == "connect" else None)
        with spending(budget, began + (LIMIT if bound == "deadline" else 60)):
            stream = await AsyncioBackend().connect_tcp("127.0.0.1", peer.port)
            await asyncio.sleep(LIMIT / 2)
            left = LIMIT / 2 if bound == "limit" else None
            with pytest.raises(httpcore.ConnectTimeout):
                await stream.start_tls(certificates()[1], "127.0.0.1", left)
        assert LIMIT - 0.001 <= clock() - began <= LIMIT + LATE + SLACK

    with Peer(read_to_the_end) as peer:
        run(main())


def test_broken_records_are_read_errors(run: Run) -> None:
    """Bytes that are no TLS record fail the read, and later writes, with TLS's own error as the cause."""

    async def main() -> None:
        async with connected(peer, tls=True) as stream:
            assert isinstance(stream, TlsStream)
            assert stream.get_extra_info("ssl_object").version().startswith("TLS")
            with pytest.raises(httpcore.ReadError) as failed:
                await stream.read(100)
            assert isinstance(failed.value.__cause__, ssl.SSLError)
            with pytest.raises(httpcore.WriteError) as unsent:
                await stream.write(b"x")
            assert isinstance(unsent.value.__cause__, ssl.SSLError)

    def talk(sock: socket.socket) -> None:
        socket.socket.send(sock, b"this is not a TLS record, not at all")
        peer.go_on.wait(5)

    with Peer(talk, tls=True) as peer:
        run(main())


def test_an_end_without_notice_is_an_end(run: Run) -> None:
    """TLS cut by FIN without its closing alert reads as an end, as it does in httpcore."""

    async def main() -> None:
        async with connected(peer, tls=True) as stream:
            assert await stream.read(100) == b"all"
            assert await stream.read(100) == b""

    with Peer(b"all", end, "wait", tls=True) as peer:
        run(main())


def test_an_end_with_notice_is_an_end(run: Run) -> None:
    """The closing alert of TLS is an end, and closing does not answer it nor wait."""

    async def main() -> None:
        async with connected(peer, tls=True) as stream:
            assert await stream.read(100) == b"all"
            assert await stream.read(100) == b""

    def talk(sock: socket.socket) -> None:
        sock.sendall(b"all")
        with contextlib.suppress(OSError):
            sock.unwrap()  # type: ignore[attr-defined]

    with Peer(talk, tls=True) as peer:
        run(main())


def test_half_a_record_waits_for_its_other_half(run: Run) -> None:
    """A record that comes in pieces, a byte at a time, is one read."""
    server, client = certificates()
    sent = b"data: [DONE]\n\n"

    def talk(sock: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(1 << 16))
        tls.write(sent)
        for number in outgoing.read():
            sock.sendall(bytes([number]))
            time.sleep(0.0002)
        peer.go_on.wait(5)

    async def main() -> None:
        stream = await handshake(peer, client)
        assert await stream.read(100) == sent
        peer.go_on.set()
        await stream.aclose()

    with Peer(talk) as peer:
        run(main())


def test_the_head_may_come_with_the_body(run: Run) -> None:
    """A response in one piece is read whole although the loop turns only once."""

    async def main() -> None:
        async with pool_over() as pool:
            response = await pool.request("GET", f"{server.origin}/")
            assert response.content == b"x" * 10

    with serve(lambda exchange: exchange.raw(HEAD + in_chunks(b"x" * 10) + b"0\r\n\r\n")) as server:
        run(main())
