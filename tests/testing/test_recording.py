"""`sseor.testing.recording`: requests as they came, and refusals of what is none."""

from __future__ import annotations

import socket

import pytest

from sseor.testing import LoopbackServer
from sseor.testing.recording import LINE_LIMIT, Request


def send(data: bytes) -> tuple[bytes, list[Request]]:
    """Send `data` to a server that answers `ok`; return all it said, and what it recorded."""
    with LoopbackServer(lambda exchange: exchange.reply(200, "ok")) as server:
        host, port = server.origin.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as peer:
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
            said = b"".join(iter(lambda: peer.recv(65536), b""))
        assert server.wait_idle(5)
        return said, server.requests


def test_a_request_is_recorded_whole() -> None:
    """Method, target, header fields and body are kept; header names are case-insensitive."""
    said, [request] = send(b'POST /a/b?x=1&y=2&x=3 HTTP/1.1\r\nX-Key: v\r\nContent-Length: 8\r\n\r\n{"a":[]}')
    assert (request.method, request.target) == ("POST", "/a/b?x=1&y=2&x=3")
    assert (request.path, request.query) == ("/a/b", {"x": "3", "y": "2"})
    assert request.headers["x-key"] == "v"
    assert request.body == b'{"a":[]}'
    assert request.json() == {"a": []}
    assert request.at >= request.connection.opened_at
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_chunked_body_is_put_together() -> None:
    """A request's chunked body is read with its extensions and trailers dropped."""
    _, [request] = send(
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n"
    )
    assert request.body == b"abcde"


def test_several_requests_share_a_connection() -> None:
    """Requests sent one behind the other on one connection are all answered, in order."""
    said, [first, second] = send(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert (first.target, second.target) == ("/1", "/2")
    assert first.connection is second.connection
    assert said.count(b"200 OK") == 2


@pytest.mark.parametrize(
    ("head", "answers"),
    [
        ("HTTP/1.1\r\n", 2),
        ("HTTP/1.1\r\nConnection: Close\r\n", 1),
        ("HTTP/1.0\r\n", 1),
        ("HTTP/1.0\r\nConnection: keep-alive\r\n", 2),
    ],
)
def test_who_keeps_the_connection(head: str, answers: int) -> None:
    """HTTP/1.1 keeps a connection unless told to close it, HTTP/1.0 closes it unless told to keep it."""
    said, _ = send(f"GET / {head}\r\n".encode() * 2)
    assert said.count(b"200 OK") == answers


def test_expect_is_answered() -> None:
    """A client that waits for `100 Continue` gets it before its body is read."""
    said, [request] = send(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok")
    assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert request.body == b"ok"


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"\xff / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + (b"A: " + b"b" * 1000 + b"\r\n") * 300 + b"\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n",
        b"x" * (LINE_LIMIT + 70000),
    ],
    ids=["words", "version", "bytes", "negative", "huge", "chunk", "fields", "block", "early end", "line"],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    """Anything but an HTTP/1 request is answered by 400 and recorded nowhere."""
    said, requests = send(data)
    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert requests == []


def test_a_client_that_leaves_within_its_request_is_let_go() -> None:
    """A request that is cut off is no failure of the server."""
    said, requests = send(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")
    assert said == b""
    assert requests == []
