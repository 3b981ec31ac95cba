"""An exact end for a blocked read on a socket that is not ours: shut down from a watching thread.

A client that the caller brings bounds each socket call by a limit fixed beforehand, and a peer that drips bytes
below the HTTP body can stretch even that. Only a shutdown of the socket wakes the reader at once; closing the
response from another thread does not.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any


class Cutoff:
    """Watches one exchange: when an armed deadline passes, the socket is shut down and `fired` is true."""

    def __init__(self) -> None:
        self.fired = False
        self._socket: socket.socket | None = None
        self._deadline = math.inf
        self._asleep_until = -math.inf
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._cancelled = False

    @classmethod
    def watching(cls, request: Any) -> Cutoff:
        """Return a cutoff that learns of a new connection while `request` (of httpx or httpx2) is sent."""
        cutoff = cls()
        request.extensions = {**request.extensions, "trace": cutoff._connected}
        return cutoff

    def watch(self, response: Any) -> None:
        """Take the connection of this response, whose head is there."""
        stream = response.extensions.get("network_stream")
        if stream is not None:
            self._socket = stream.get_extra_info("socket")

    @contextlib.contextmanager
    def armed(self, deadline: float) -> Iterator[None]:
        """Shut the socket down if the block is still running at `deadline` (monotonic clock)."""
        with self._changed:
            self._deadline = deadline
            if deadline < self._asleep_until:
                self._changed.notify()
            if self._thread is None and deadline < math.inf:
                self._thread = threading.Thread(target=self._watch, name="sseor-cutoff", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._deadline = math.inf

    def cancel(self) -> None:
        """End the watch."""
        with self._changed:
            self._cancelled = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _connected(self, name: str, info: dict[str, Any]) -> None:
        if name in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")

    def _watch(self) -> None:
        with self._changed:
            while not self._cancelled:
                wait = self._deadline - time.monotonic()
                if wait <= 0:
                    self._cut()
                    return
                # Sleeping on without a deadline at hand: the next one is seldom earlier, and then it notifies.
                wait = min(wait, 3600.0)
                self._asleep_until = time.monotonic() + wait
                self._changed.wait(wait)

    def _cut(self) -> None:
        self.fired = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
