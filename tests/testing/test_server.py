"""`sseor.testing.server`: real sockets, counted connections, and an end that leaves nothing behind."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import pytest
import trustme

from sseor.testing import Exchange, LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Each test of this module must end with the threads it began with."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def connect(server: LoopbackServer) -> http.client.HTTPConnection:
    """Return a client of the server."""
    return http.client.HTTPConnection(server.origin.removeprefix("http://"), timeout=5)


def got(server: LoopbackServer) -> str:
    """Return the body of the answer, or `cut`."""
    with contextlib.closing(connect(server)) as client:
        client.request("GET", "/")
        try:
            return client.getresponse().read().decode()
        except http.client.RemoteDisconnected:
            return "cut"


def hello(exchange: Exchange) -> None:
    """Answer anything."""
    exchange.reply(200, "hello")


def test_addresses() -> None:
    """The server is found at an unused port of 127.0.0.1, under OpenRouter's path."""
    with LoopbackServer(hello) as server:
        assert server.base_url == f"{server.origin}/api/v1"
        assert server.origin.startswith("http://127.0.0.1:")


def test_connections_are_kept_and_counted() -> None:
    """Two requests use one connection, which is open until the client closes it."""
    with LoopbackServer(hello) as server:
        client = connect(server)
        for _ in range(2):
            client.request("GET", "/")
            assert client.getresponse().read() == b"hello"
        assert server.open_connections == 1
        assert not server.wait_idle(0.01)
        client.close()
        assert server.wait_idle(5)
        assert [request.connection.number for request in server.requests] == [1, 1]


def test_requests_are_answered_side_by_side() -> None:
    """Each connection has a thread of its own: all of twenty clients are within `respond` at once."""
    barrier = threading.Barrier(20)

    def respond(exchange: Exchange) -> None:
        barrier.wait(10)
        exchange.reply(200, "together")

    with LoopbackServer(respond) as server:
        clients = [connect(server) for _ in range(20)]
        for client in clients:
            client.request("GET", "/")
        assert [client.getresponse().read() for client in clients] == [b"together"] * 20
        for client in clients:
            client.close()


def test_close_ends_what_is_under_way() -> None:
    """`close` takes no time although one client is idle and another one is being served."""

    def respond(exchange: Exchange) -> None:
        exchange.head()
        exchange.wait(float("inf"))

    server = LoopbackServer(respond)
    idle, busy = connect(server), connect(server)
    idle.connect()
    busy.request("GET", "/")
    assert busy.getresponse().status == 200
    begun = time.monotonic()
    server.close()
    assert time.monotonic() - begun < 4
    server.close()
    with pytest.raises(ConnectionRefusedError):
        connect(server).connect()
    idle.close()
    busy.close()


def test_close_ends_a_send_that_nobody_reads() -> None:
    """`close` also ends a thread whose client takes no more bytes."""
    begun = threading.Event()

    def respond(exchange: Exchange) -> None:
        begun.set()
        while True:
            exchange.send(b"x" * (1 << 20))

    with LoopbackServer(respond) as server:
        client = connect(server)
        client.request("GET", "/")
        assert begun.wait(5)
    client.close()


def test_nonsense_is_refused_and_the_server_lives_on() -> None:
    """What is no request gets a 400, what breaks off gets nothing, and the next client is served."""
    with LoopbackServer(hello) as server:
        host, port = server.origin.removeprefix("http://").split(":")
        said = []
        for data in (b"nonsense\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"):
            with socket.create_connection((host, int(port)), timeout=5) as peer:
                peer.sendall(data)
                peer.shutdown(socket.SHUT_WR)
                said.append(b"".join(iter(lambda peer=peer: peer.recv(65536), b""))[:12])  # type: ignore[misc]
        assert said == [b"HTTP/1.1 400", b""]
        assert got(server) == "hello"


def test_an_answer_can_end_the_connection() -> None:
    """After `Connection: close` the server closes, and counts the connection until the client closes too."""
    with LoopbackServer(lambda exchange: exchange.head(headers={"Connection": "close"})) as server:
        client = connect(server)
        client.request("GET", "/")
        response = client.getresponse()
        assert server.open_connections == 1
        assert response.read() == b""
        client.close()
        assert server.wait_idle(5)


def test_a_failure_of_respond_is_raised_at_the_end() -> None:
    """What `respond` raises cuts the connection and is raised again where the `with` ends."""

    def respond(exchange: Exchange) -> None:
        assert exchange.request.method == "POST", "must be a POST"

    server = LoopbackServer(respond)
    with pytest.raises(AssertionError, match="must be a POST"), server:
        assert got(server) == "cut"


def test_a_failure_of_the_test_itself_comes_first() -> None:
    """An exception of the `with` block is not hidden by one of `respond`, which stays in `failures`."""

    def respond(exchange: Exchange) -> None:
        raise ValueError("in respond")

    server = LoopbackServer(respond)
    with pytest.raises(LookupError), server:
        raise LookupError(got(server))
    assert [str(failure) for failure in server.failures] == ["in respond"]


def test_a_client_that_leaves_before_it_is_accepted() -> None:
    """A reset in the queue of new connections does not end the server."""
    with LoopbackServer(hello) as server:
        host, port = server.origin.removeprefix("http://").split(":")
        for _ in range(20):
            peer = socket.create_connection((host, int(port)))
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()
        assert got(server) == "hello"


def test_a_connection_that_comes_while_the_server_closes_is_dropped() -> None:
    """What is accepted after `close` has begun is closed, and no thread is started for it."""
    server = LoopbackServer(hello)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    server.close()
    server._adopt(accepted)
    with peer:
        assert peer.recv(1) == b""
    assert server.open_connections == 0


def test_tls() -> None:
    """With a context the server speaks TLS, notices a client's leaving, and survives a failed handshake."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting, suspicious = ssl.create_default_context(), ssl.create_default_context()
    authority.configure_trust(trusting)
    noticed: list[bool] = []

    def respond(exchange: Exchange) -> None:
        exchange.head()
        exchange.send(b"hello")
        noticed.append(exchange.wait(0.05))
        noticed.append(exchange.peer_gone)
        noticed.append(exchange.wait(30))

    with LoopbackServer(respond, ssl_context=context) as server:
        assert server.origin.startswith("https://127.0.0.1:")
        address = server.origin.removeprefix("https://")
        with pytest.raises(ssl.SSLCertVerificationError):
            http.client.HTTPSConnection(address, context=suspicious).request("GET", "/")
        client = http.client.HTTPSConnection(address, context=trusting)
        client.request("GET", "/")
        response = client.getresponse()
        assert response.read(5) == b"hello"
        deadline = time.monotonic() + 5
        while len(noticed) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        response.close()
        client.close()
        assert server.wait_idle(5)
        assert noticed == [True, False, False]


def test_close_ends_a_tls_connection_in_use() -> None:
    """`close` ends a TLS connection whose thread waits, without an error."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with LoopbackServer(hello, ssl_context=context) as server:
        client = http.client.HTTPSConnection(server.origin.removeprefix("https://"), context=trusting)
        client.request("GET", "/")
        assert client.getresponse().read() == b"hello"
    assert server.failures == []
    client.close()
