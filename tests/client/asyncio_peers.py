"""What the tests of asyncio's sockets share: each loop, a peer that takes steps, a deadline, a connection."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Literal

import anyio
import httpcore
import pytest
from conftest import open_sockets
from faults import certificates, serve, silence

from sseor.client.asyncio_network import AsyncioBackend
from sseor.client.budget import Budget

LIMIT = 0.1
LATE = 3.0
"""Seconds that a busy machine may be late; how exact an expiry is, `test_deadlines` proves."""

certificates()  # made before two threads ask for them at once
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
LOOPS = ["asyncio", *(["uvloop"] if importlib.util.find_spec("uvloop") else [])]

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(name="run", params=LOOPS)
def loop_runner(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine on the loop of asyncio, and on uvloop's where it is installed."""
    factory = None
    if request.param == "uvloop":
        factory = importlib.import_module("uvloop").new_event_loop

    def run(main: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main)

    return run


@pytest.fixture(name="tls", params=[False, True], ids=["plain", "tls"])
def plain_or_tls(request: pytest.FixtureRequest) -> bool:
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


def pool_of_ours(**options: Any) -> httpcore.AsyncConnectionPool:
    """Return a pool whose sockets are ours."""
    return httpcore.AsyncConnectionPool(
        ssl_context=certificates()[1], network_backend=AsyncioBackend(), **options
    )


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until the condition holds, 5 s at most."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.001)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error, its cause and what they group, as far down as they go."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for part in error.exceptions:
                yield from causes(part)
        error = error.__cause__


def cancelled_in_any_turn(run: Run, host: str, *, tls: bool, native: bool) -> None:
    """Connect and cancel after n turns of the loop, for n = 0, 1, 2 …: no socket stays open, on either side."""

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
            for turn in range(turns):
                await asyncio.sleep(0.0005 if turn > 15 else 0)
            task.cancel() if native else scope.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or task.exception() is None
            await until(lambda: open_sockets() <= before)  # the server's sockets are among them

    with serve(silence, tls=tls) as server:
        port = int(server.origin.rpartition(":")[2])
        run(main())
