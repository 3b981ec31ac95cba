"""One accepted connection: bytes in, bytes out, and when the peer let go.

Only the connection's own thread reads and writes; `wake` alone may be called from another one.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import threading
import time

__all__ = ["Connection", "PeerGoneError"]

LONGEST_SLEEP = 3600.0
"""A socket's timeout must be finite; a longer wait is made of several."""

RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class PeerGoneError(ConnectionError):
    """The peer closed or reset the connection, or the server is being closed."""


class Connection:
    """`number` counts from 1; `opened_at` and `peer_closed_at` are readings of `time.monotonic`."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = number
        self.opened_at = time.monotonic()
        self.peer_closed_at: float | None = None
        self._sock = sock
        self._received = bytearray()
        self._closing = False
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        """Return the number and whether the peer has closed."""
        return (
            f"<Connection {self.number}, {'open' if self.peer_closed_at is None else 'closed by the peer'}>"
        )

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Do the server's part of a TLS handshake."""
        try:
            wrapped = context.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
            with self._lock:
                self._sock = wrapped
            wrapped.settimeout(None)
            wrapped.do_handshake()
        except OSError as failure:
            raise self._gone() from failure

    def read_line(self, limit: int) -> bytes | None:
        """Return the next line without its end; None when the peer closed before its first byte.

        `ValueError`: longer than `limit` bytes, or closed within the line.
        """
        begun = 0
        while (end := self._received.find(b"\n", begun)) < 0:
            begun = len(self._received)
            if begun > limit:
                raise ValueError("a line of the request is too long")
            try:
                self._receive(None)
            except PeerGoneError:
                if begun:
                    raise
                return None
        line = bytes(self._received[:end]).removesuffix(b"\r")
        del self._received[: end + 1]
        return line

    def read_exactly(self, size: int) -> bytes:
        """Return `size` bytes."""
        while len(self._received) < size:
            self._receive(None)
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def send(self, data: bytes) -> None:
        """Send all of `data`; as long as the peer takes none, this waits."""
        try:
            self._sock.settimeout(None)
            self._sock.sendall(data)
        except OSError as failure:
            raise self._gone() from failure

    def wait(self, seconds: float) -> bool:
        """Let `seconds` pass and return True, or return False as soon as the peer is gone."""
        until = time.monotonic() + seconds
        while True:
            left = max(until - time.monotonic(), 0.0)
            try:
                self._receive(min(left, LONGEST_SLEEP))
            except TimeoutError:
                if left <= LONGEST_SLEEP:
                    return True
            except PeerGoneError:
                return False

    def cut(self) -> None:
        """Send FIN. The peer may still write, and the connection counts as open until it closes too."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_WR)

    def reset(self) -> None:
        """Send RST: close at once, unsent bytes are dropped."""
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.close()

    def await_peer(self) -> None:
        """Read and forget until the peer closes: the proof that it let go."""
        with contextlib.suppress(PeerGoneError):
            while True:
                self._received.clear()
                self._receive(None)

    def close(self) -> None:
        """Close the socket."""
        with self._lock:
            self._closing = True
            self._sock.close()

    def wake(self) -> None:
        """End whatever the connection's thread waits for; safe from any thread."""
        with self._lock, contextlib.suppress(OSError):
            self._closing = True
            # Not the method of an SSL socket: that one would forget its TLS state under the reader's feet.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def _receive(self, timeout: float | None) -> None:
        """Add what comes to the received bytes; `TimeoutError` when nothing does."""
        try:
            self._sock.settimeout(timeout)
            data = self._sock.recv(65536)
        except (TimeoutError, BlockingIOError, ssl.SSLWantReadError) as nothing:
            raise TimeoutError from nothing
        except OSError as failure:
            raise self._gone() from failure
        if not data:
            raise self._gone()
        self._received += data

    def _gone(self) -> PeerGoneError:
        if self.peer_closed_at is None and not self._closing:
            self.peer_closed_at = time.monotonic()
        return PeerGoneError("the server is closing" if self._closing else "the peer has gone")
