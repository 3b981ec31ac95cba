"""`sseor.testing.exchange`: framing, faults, and what becomes of the connection."""

from __future__ import annotations

import http.client
import socket
import time
from typing import TYPE_CHECKING

import pytest

from sseor.testing import Exchange, LoopbackServer, PeerGoneError

if TYPE_CHECKING:
    from collections.abc import Callable


def connect(server: LoopbackServer) -> socket.socket:
    """Return a socket to the server."""
    host, port = server.origin.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=5)


def told(
    respond: Callable[[Exchange], None], request: bytes = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
) -> bytes:
    """Return all bytes that a client gets until the server closes."""
    with LoopbackServer(respond) as server, connect(server) as peer:
        peer.sendall(request)
        return b"".join(iter(lambda: peer.recv(65536), b""))


def test_chunked_is_the_ordinary_framing() -> None:
    """Each piece is one HTTP chunk, an empty one is none, and the last chunk comes when `respond` returns."""

    def respond(exchange: Exchange) -> None:
        exchange.head()
        for piece in (b"one", b"", b"two"):
            exchange.send(piece)

    assert told(respond) == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    )


def test_a_body_without_a_head_gets_one() -> None:
    """`send` sends the ordinary head first."""
    assert told(lambda exchange: exchange.send(b"x")).startswith(b"HTTP/1.1 200 OK\r\n")


def test_close_framing_ends_with_the_connection() -> None:
    """With `close` the body is as it is, and its end is the connection's."""

    def respond(exchange: Exchange) -> None:
        exchange.head(framing="close")
        exchange.send(b"body")

    said = told(respond, b"GET / HTTP/1.1\r\n\r\n")
    assert said.endswith(b"Connection: close\r\n\r\nbody")
    assert b"Transfer-Encoding" not in said


def test_http_1_0_is_never_answered_in_chunks() -> None:
    """A client of HTTP/1.0 knows no chunks, so its body ends with the connection."""
    said = told(lambda exchange: exchange.send(b"body"), b"GET / HTTP/1.0\r\n\r\n")
    assert said.endswith(b"\r\n\r\nbody")


@pytest.mark.parametrize(
    ("length", "kept"), [(4, True), (5, False)], ids=["all that was promised", "one byte short"]
)
def test_length_framing(length: int, kept: bool) -> None:
    """A connection lives on after a whole body, and is cut after one that is short of its Content-Length."""

    def respond(exchange: Exchange) -> None:
        exchange.head(framing="length", length=length)
        exchange.send(b"body")

    with LoopbackServer(respond) as server, connect(server) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\n\r\n" * 2)
        peer.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: peer.recv(65536), b""))
    assert said.count(b"Content-Length: %d\r\n" % length) == (2 if kept else 1)


@pytest.mark.parametrize(
    ("headers", "line"),
    [
        ({"X-A": "1"}, b"X-A: 1"),
        ([("X-A", "1"), ("X-A", "2")], b"X-A: 1\r\nX-A: 2"),
    ],
)
def test_header_fields_of_your_own(headers: dict[str, str], line: bytes) -> None:
    """Header fields come as a mapping or as pairs, and replace the ordinary ones."""
    said = told(lambda exchange: exchange.head(201, headers))
    assert line in said
    assert said.startswith(b"HTTP/1.1 201 Created\r\n")
    assert b"event-stream" not in said


@pytest.mark.parametrize(
    ("status", "reason", "line"),
    [(529, None, b"HTTP/1.1 529 Unknown"), (200, "Fine", b"HTTP/1.1 200 Fine"), (200, "", b"HTTP/1.1 200 ")],
)
def test_status_lines(status: int, reason: str | None, line: bytes) -> None:
    """Any status can be sent, with any words behind it or none."""
    assert told(lambda exchange: exchange.head(status, reason=reason)).split(b"\r\n")[0] == line


def test_a_server_may_ask_to_close() -> None:
    """`Connection: close` among the header fields is kept to."""
    said = told(lambda exchange: exchange.head(headers={"Connection": "close"}), b"GET / HTTP/1.1\r\n\r\n")
    assert said.count(b"Connection: close") == 1


@pytest.mark.parametrize(
    ("body", "kind", "data"),
    [
        (b"\x00", b"application/octet-stream", b"\x00"),
        ("ö", b"text/plain; charset=utf-8", "ö".encode()),
        ({"a": "\ud83e"}, b"application/json", b'{"a": "\\ud83e"}'),
    ],
)
def test_reply_is_a_whole_answer(body: object, kind: bytes, data: bytes) -> None:
    """`reply` frames bytes, text and JSON by their length and names their type."""
    head, _, sent = told(lambda exchange: exchange.reply(200, body)).partition(b"\r\n\r\n")
    assert b"Content-Type: " + kind in head
    assert b"Content-Length: %d" % len(data) in head
    assert sent == data


def test_reply_with_a_type_of_its_own() -> None:
    """A Content-Type among the header fields is not doubled."""
    said = told(lambda exchange: exchange.reply(502, "<h1>", {"content-type": "text/html"}))
    assert said.lower().count(b"content-type") == 1


def test_raw_bytes_are_sent_as_they_are() -> None:
    """`raw` can be all that is ever said, and the connection ends after it."""
    assert (
        told(lambda exchange: exchange.raw(b"HTTP/1.1 garbage"), b"GET / HTTP/1.1\r\n\r\n")
        == b"HTTP/1.1 garbage"
    )


def test_raw_within_a_body_leaves_it_unfinished() -> None:
    """After `raw` no last chunk is sent."""

    def respond(exchange: Exchange) -> None:
        exchange.send(b"one")
        exchange.raw(b"ffff\r\n")

    assert told(respond).endswith(b"3\r\none\r\nffff\r\n")


def test_nothing_said_is_a_close_before_the_head() -> None:
    """A `respond` that does nothing closes the connection."""
    assert told(lambda exchange: None, b"GET / HTTP/1.1\r\n\r\n") == b""


def test_end_then_nothing_more() -> None:
    """`end` finishes the body once, whoever calls it again."""

    def respond(exchange: Exchange) -> None:
        exchange.send(b"one")
        exchange.end()
        exchange.end()

    assert told(respond).endswith(b"3\r\none\r\n0\r\n\r\n")


def test_cut_leaves_the_body_unfinished() -> None:
    """A cut in a chunked body shows as an incomplete read."""

    def respond(exchange: Exchange) -> None:
        exchange.send(b"one")
        exchange.cut()

    with LoopbackServer(respond) as server:
        client = http.client.HTTPConnection(server.origin.removeprefix("http://"))
        client.request("GET", "/")
        response = client.getresponse()
        with pytest.raises(http.client.IncompleteRead):
            response.read()
        assert server.open_connections == 1
        response.close()
        client.close()
        assert server.wait_idle(5)


def test_reset_is_seen_as_a_reset() -> None:
    """`reset` makes the client's read fail."""
    with pytest.raises(ConnectionResetError):
        told(lambda exchange: exchange.reset())


def test_a_client_that_leaves_is_noticed() -> None:
    """`wait` and `peer_gone` tell a `respond` at once that the client has closed."""
    seen: list[object] = []

    def respond(exchange: Exchange) -> None:
        seen.extend([exchange.begun, exchange.peer_gone])
        exchange.head()
        seen.extend([exchange.begun, exchange.wait(30), exchange.peer_gone])
        try:
            while True:
                exchange.send(b"x" * 65536)
        except PeerGoneError as gone:
            seen.append(str(gone))

    with LoopbackServer(respond) as server:
        with connect(server) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert peer.recv(4) == b"HTTP"
            left = time.monotonic()
        assert server.wait_idle(5)
        closed = server.requests[0].connection.peer_closed_at
    assert seen == [False, False, True, False, True, "the peer has gone"]
    assert closed is not None
    assert 0 <= closed - left < 1
