"""A real HTTP/1.1 server on 127.0.0.1, for tests and demonstrations: sockets and threads, nothing else."""

from __future__ import annotations

import contextlib
import itertools
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sseor.testing.connection import Connection, PeerGoneError
from sseor.testing.exchange import Exchange
from sseor.testing.openrouter import OpenRouter
from sseor.testing.recording import BadRequestError, Request, read_request, refuse

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

__all__ = ["LoopbackServer", "Respond"]

Respond = Callable[[Exchange], None]


class LoopbackServer:
    """Serves from the moment it is made until `close`, which leaves no thread and no socket.

    `respond` answers each request, in the thread of its connection; without it the server behaves like
    OpenRouter (`sseor.testing.OpenRouter`). An exception that `respond` raises is raised again where the
    `with` block ends, so that an `assert` in it fails the test. With `ssl_context` it speaks TLS.
    """

    def __init__(self, respond: Respond | None = None, *, ssl_context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.failures: list[Exception] = []
        self._respond = OpenRouter() if respond is None else respond
        self._ssl_context = ssl_context
        self._open: dict[Connection, threading.Thread] = {}
        self._changed = threading.Condition()
        self._numbers = itertools.count(1)
        self._closing = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.setblocking(False)
        self._port: int = self._listener.getsockname()[1]
        self._woken, self._waker = socket.socketpair()
        self._acceptor = threading.Thread(target=self._accept, name="sseor-loopback", daemon=True)
        self._acceptor.start()

    def __enter__(self) -> LoopbackServer:
        """Return the server itself, which is already serving."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, and raise what `respond` raised unless something else is being raised."""
        self.close()
        if failure is None and self.failures:
            raise self.failures[0]

    @property
    def origin(self) -> str:
        """`http://127.0.0.1:PORT`, or https."""
        return f"http{'' if self._ssl_context is None else 's'}://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        """The origin with OpenRouter's path, `/api/v1`."""
        return f"{self.origin}/api/v1"

    @property
    def open_connections(self) -> int:
        """How many connections are open; one that we cut counts until the peer closes it too."""
        with self._changed:
            return len(self._open)

    def wait_idle(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the peers to close every connection; say whether they did."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout)

    def close(self, timeout: float = 5.0) -> None:
        """Stop: close all sockets and end all threads, a `respond` that hangs in foreign code excepted."""
        with self._changed:
            self._closing = True
            threads = [self._acceptor, *self._open.values()]
            for connection in self._open:
                connection.wake()
        self._waker.close()
        until = time.monotonic() + timeout
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0.0))

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector, self._listener, self._woken:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while all(key.fileobj is self._listener for key, _ in selector.select()):
                with contextlib.suppress(OSError):  # the client was gone before it was accepted
                    sock, _ = self._listener.accept()
                    self._adopt(sock)

    def _adopt(self, sock: socket.socket) -> None:
        connection = Connection(sock, next(self._numbers))
        thread = threading.Thread(
            target=self._serve, args=[connection], name=f"sseor-loopback-{connection.number}", daemon=True
        )
        with self._changed:
            if self._closing:
                connection.close()
                return
            self._open[connection] = thread
            thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            if self._ssl_context is not None:
                connection.start_tls(self._ssl_context)
            while (request := read_request(connection)) is not None:
                self.requests.append(request)
                exchange = Exchange(request, connection)
                self._respond(exchange)
                if not exchange.conclude():
                    connection.cut()
                    connection.await_peer()
                    break
        except PeerGoneError:
            pass
        except BadRequestError as reason:
            refuse(connection, str(reason))
        except Exception as failure:
            self.failures.append(failure)
        finally:
            connection.close()
            with self._changed:
                self._open.pop(connection, None)
                self._changed.notify_all()
