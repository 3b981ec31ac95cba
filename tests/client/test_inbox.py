"""What a connection receives: every byte, in order, by its deadline, whoever is cancelled."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from typing import Any

import anyio
import httpcore
import pytest
from client.asyncio_peers import (
    LATE,
    Peer,
    Run,
    budget_until,
    causes,
    connected,
    loop_runner,
    plain_or_tls,
    reset,
    until,
)

from sseor.client.asyncio_network import AsyncioStream
from sseor.client.budget import spending
from sseor.client.inbox import UNREAD_BYTES

__all__ = ["loop_runner", "plain_or_tls"]  # fixtures

pytestmark = [pytest.mark.usefixtures("leaves_nothing_open")]


# What comes


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


def test_connections_of_a_loop_keep_their_bytes_apart(run: Run) -> None:
    """Two connections that receive into the one buffer of their loop give each reader its own bytes."""

    async def main() -> None:
        async with connected(ones) as first, connected(twos) as second:
            for _ in range(16):
                assert set(await first.read(1 << 16)) == {ord("1")}
                assert set(await second.read(1 << 16)) == {ord("2")}

    with Peer(b"1" * (1 << 20)) as ones, Peer(b"2" * (1 << 20)) as twos:
        run(main())


def test_a_sender_waits_for_a_slow_reader(run: Run) -> None:
    """While nobody reads, no more than the limit is taken from the socket; what was held back comes later."""
    sent = random.Random(3).randbytes(12 << 20)

    async def main() -> bytes:
        async with connected(peer) as stream:
            inbox = stream._inbox  # type: ignore[attr-defined]
            await until(lambda: len(inbox._unread) >= UNREAD_BYTES)
            await asyncio.sleep(0.1)
            assert UNREAD_BYTES <= len(inbox._unread) < 2 * UNREAD_BYTES
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


# The timer


def test_one_timer_follows_a_deadline_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline that moves on costs no new timer per read, and is kept where it is last."""

    def talk(sock: socket.socket) -> None:
        for _ in range(40):
            sock.sendall(b"x")
            time.sleep(0.005)
        peer.go_on.wait(5)

    async def main() -> None:
        loop, timers = asyncio.get_running_loop(), []
        began = loop.time()
        call_at = loop.call_at

        def counted(when: float, *rest: Any) -> asyncio.TimerHandle:
            timers.append(when)
            return call_at(when, *rest)

        async with connected(peer) as stream:
            monkeypatch.setattr(loop, "call_at", counted)
            reads, expired = 0, False
            while not expired:
                budget, deadline = budget_until(0.5)
                try:
                    with spending(budget, deadline):
                        await stream.read(1)
                    reads += 1
                except httpcore.ReadTimeout:
                    expired = True
            assert reads == 40
            assert 0 <= loop.time() - deadline <= LATE
            assert len(timers) <= 4 + 4 * (loop.time() - began)

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
                        assert 0 <= budget.clock() - deadline <= LATE
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


# Cancelled readers


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
