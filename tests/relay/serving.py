"""ASGI applications on real sockets, and a client that sees each byte as it comes."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import uvicorn

from sseor.chat import Finished, Text
from sseor.relay.records import Relayed

PATIENCE = 30.0


def until(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.005)


@contextmanager
def serving(application: Any, *, lifespan: Any = "off", **options: Any) -> Iterator[int]:
    """Run an application under uvicorn in a thread of its own; give the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    given = {"log_level": "error", "ws": "none", "timeout_graceful_shutdown": 10, **options}
    config = uvicorn.Config(application, lifespan=lifespan, **given)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        until(lambda: server.started)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()
    assert not thread.is_alive()


class Upstream:
    """Events that the test's thread gives to a server's; knows whether it was begun, cancelled and closed."""

    def __init__(self, *events: Relayed | Exception | None) -> None:
        self._events: deque[Relayed | Exception | None] = deque(events)
        self.begun = self.cancelled = self.closed = False

    def say(self, *words: str) -> None:
        """Give pieces of text."""
        self._events.extend(map(Text, words))

    def fail(self, error: Exception) -> None:
        """Raise an error after what was given."""
        self._events.append(error)

    def end(self) -> None:
        """End well."""
        self._events.extend([Finished("stop"), None])

    def __aiter__(self) -> Upstream:
        return self

    async def __anext__(self) -> Relayed:
        self.begun = True
        try:
            while not self._events:
                await anyio.sleep(0.005)
        except BaseException:
            self.cancelled = True
            raise
        event = self._events.popleft()
        if event is None:
            raise StopAsyncIteration
        if isinstance(event, Exception):
            raise event
        return event

    async def aclose(self) -> None:
        """Close."""
        self.closed = True


class Visit:
    """One request on a connection of its own, and the raw bytes of its answer so far; use it with `with`.

    Each event stands in `received` in one piece: a server frames what the application sent at once as one chunk.
    """

    def __init__(
        self,
        address: int | str,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        *,
        window: int | None = None,
    ) -> None:
        family = socket.AF_INET if isinstance(address, int) else socket.AF_UNIX
        self._socket = socket.socket(family)
        if window is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(("127.0.0.1", address) if isinstance(address, int) else address)
        given = {"Host": "localhost", "Connection": "close", **(headers or {})}
        if body:
            given = {"Content-Type": "application/json", "Content-Length": str(len(body)), **given}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
        self._socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        self.received = b""

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def read(self) -> bytes:
        """Return the next bytes, none at the end."""
        data = self._socket.recv(65536)
        self.received += data
        return data

    def until(self, sign: bytes, times: int = 1) -> None:
        """Read until this has come so many times."""
        while self.received.count(sign) < times:
            assert self.read(), f"{sign!r} did not come: {self.received[-500:]!r}"

    def rest(self) -> bytes:
        """Read to the end; return everything."""
        while self.read():
            pass
        return self.received

    @property
    def status(self) -> int:
        """The status."""
        return int(self.received.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        """The header fields, names in lower case."""
        head = self.received.partition(b"\r\n\r\n")[0].decode("latin-1")
        fields = (line.partition(": ") for line in head.split("\r\n")[1:])
        return {name.lower(): value for name, _, value in fields}
