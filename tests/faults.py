"""Ways for a server to keep a client waiting, in each phase of an answer."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from functools import cache

import trustme

from sseor.testing import Exchange, LoopbackServer, Reply, Role
from sseor.testing.shapes import Generation

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVERY = 0.05

Respond = Callable[[Exchange], None]
Tease = Callable[[Exchange], None]


def in_chunks(data: bytes) -> bytes:
    """Return bytes of a body in one HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def silence(exchange: Exchange) -> None:
    """Say nothing at all."""


def comments(exchange: Exchange) -> None:
    """Send one heartbeat."""
    exchange.raw(in_chunks(b": OPENROUTER PROCESSING\n\n"))


def empty_deltas(exchange: Exchange) -> None:
    """Send one delta that holds nothing but a role."""
    reply = Reply(_Collector(exchange), Generation("m"))  # type: ignore[arg-type]
    reply.role()


def half_event(exchange: Exchange) -> None:
    """Send one more byte of an event that never ends."""
    exchange.raw(in_chunks(b"x"))


def chunk_header(exchange: Exchange) -> None:
    """Send one more byte of an HTTP chunk header: bytes that the HTTP layer never shows."""
    exchange.raw(b"0")


def header_trickle(exchange: Exchange) -> None:
    """Send one more byte of a header field."""
    exchange.raw(b"x")


def interim(exchange: Exchange) -> None:
    """Send one more interim response."""
    exchange.raw(b"HTTP/1.1 100 Continue\r\n\r\n")


class _Collector:
    """Stands for an exchange whose pieces of the body go out raw, in HTTP chunks."""

    begun = True

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def send(self, data: bytes) -> None:
        """Send a piece of the body."""
        self._exchange.raw(in_chunks(data))


def before_the_head(tease: Tease) -> Respond:
    """Tease for ever instead of answering."""
    opening = b"HTTP/1.1 200 OK\r\nX-Slow: " if tease is header_trickle else b""

    def respond(exchange: Exchange) -> None:
        exchange.raw(opening)
        _for_ever(exchange, tease)

    return respond


def before_the_first_token(tease: Tease) -> Respond:
    """Send the head, then tease for ever."""

    def respond(exchange: Exchange) -> None:
        exchange.raw(HEAD)
        _for_ever(exchange, tease)

    return respond


def after_a_token(tease: Tease) -> Respond:
    """Send a first token, then tease for ever."""

    def respond(exchange: Exchange) -> None:
        exchange.raw(HEAD)
        reply = Reply(_Collector(exchange), Generation("m"))  # type: ignore[arg-type]
        Role().perform(reply)
        reply.text("Low")
        _for_ever(exchange, tease)

    return respond


def _for_ever(exchange: Exchange, tease: Tease) -> None:
    while exchange.wait(EVERY):
        tease(exchange)


@cache
def _certificates() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


def certificates() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server on 127.0.0.1 and of a client that trusts it; the same pair in every thread."""
    with _lock:
        return _certificates()


_lock = threading.Lock()


def serve(respond: Respond, *, tls: bool = False) -> LoopbackServer:
    """Return a loopback server, plain or inside TLS."""
    return LoopbackServer(respond, ssl_context=certificates()[0] if tls else None)
