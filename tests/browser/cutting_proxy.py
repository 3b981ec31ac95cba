"""A TCP proxy that cuts connections in the middle: what a bad network does to a good server."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress
from types import TracebackType


class CuttingProxy:
    """Passes bytes to a port of this machine; answers are cut after random numbers of bytes, `cuts` times in all.

    Use it with `with`; `connections` counts those that were accepted, `cut` those that were cut.
    """

    def __init__(self, port: int, *, cuts: int, least: int, most: int, seed: int = 0) -> None:
        self.connections = 0
        self.cut = 0
        self._target = port
        self._cuts, self._least, self._most = cuts, least, most
        self._chance = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> CuttingProxy:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        for opened in (self._listener, *self._open):
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for opened in (self._listener, *self._open):
            opened.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                browser, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self.connections += 1
                self._open += [browser, server]
                for source, target, is_answer in ((browser, server, False), (server, browser, True)):
                    thread = threading.Thread(target=self._pump, args=(source, target, is_answer))
                    self._threads.append(thread)
                    thread.start()

    def _pump(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        """Pass bytes on until the end, or until an event stream has had its share."""
        room: int | None = None
        with suppress(OSError):
            while data := source.recv(65536):
                if (
                    is_answer
                    and room is None
                    and b"\ncontent-type: text/event-stream" in data
                    and self.cut < self._cuts
                ):
                    room = data.index(b"\r\n\r\n") + self._chance.randrange(self._least, self._most)
                if room is not None and len(data) >= room:
                    self.cut += 1
                    target.sendall(data[:room])
                    break
                room = None if room is None else room - len(data)
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
