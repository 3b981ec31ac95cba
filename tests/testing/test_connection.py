"""`sseor.testing.connection`: bytes both ways, and the moment when the peer lets go."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import pytest
import trustme

from sseor.testing.connection import Connection, PeerGoneError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Yield a connection and the socket of its peer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    connection = Connection(accepted, 7)
    with peer:
        yield connection, peer
    connection.close()


Pair = tuple[Connection, socket.socket]


def test_lines_and_bytes(pair: Pair) -> None:
    """Lines end with LF or CRLF, and bytes behind them stay for the next read."""
    connection, peer = pair
    peer.sendall(b"one\r\ntwo\nabc")
    assert connection.read_line(100) == b"one"
    assert connection.read_line(100) == b"two"
    peer.sendall(b"de")
    assert connection.read_exactly(5) == b"abcde"


def test_a_line_may_come_in_pieces(pair: Pair) -> None:
    """A line is put together from as many reads as it takes."""
    connection, peer = pair
    peer.sendall(b"on")
    threading.Timer(0.05, peer.sendall, [b"e\n"]).start()
    assert connection.read_line(100) == b"one"


def test_a_line_has_a_limit(pair: Pair) -> None:
    """A line without an end is refused, not collected."""
    connection, peer = pair
    peer.sendall(b"x" * 101)
    with pytest.raises(ValueError, match="too long"):
        connection.read_line(100)


def test_a_close_before_a_line_is_none_and_within_one_an_error(pair: Pair) -> None:
    """Only a close between requests is a proper one."""
    connection, peer = pair
    peer.sendall(b"half")
    peer.shutdown(socket.SHUT_WR)
    with pytest.raises(PeerGoneError):
        connection.read_line(100)
    assert connection.read_exactly(4) == b"half"
    assert connection.read_line(100) is None


def test_wait_lets_time_pass(pair: Pair) -> None:
    """`wait` is True after its time, and what arrives meanwhile is kept for the next read."""
    connection, peer = pair
    peer.sendall(b"next\n")
    begun = time.monotonic()
    assert connection.wait(0.1)
    assert time.monotonic() - begun >= 0.1
    assert connection.read_line(100) == b"next"
    assert connection.wait(0)


def test_wait_ends_when_the_peer_closes(pair: Pair) -> None:
    """`wait` is False at once when the peer goes, however long it was to last, and the moment is noted."""
    connection, peer = pair
    begun = time.monotonic()
    threading.Timer(0.05, peer.shutdown, [socket.SHUT_RDWR]).start()
    assert not connection.wait(float("inf"))
    assert connection.peer_closed_at is not None
    assert 0.04 <= connection.peer_closed_at - begun < 1
    assert repr(connection) == "<Connection 7, closed by the peer>"


def test_a_wait_longer_than_a_socket_allows(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait is put together from several timeouts when one may not be that long."""
    monkeypatch.setattr("sseor.testing.connection.LONGEST_SLEEP", 0.02)
    connection, _ = pair
    begun = time.monotonic()
    assert connection.wait(0.1)
    assert time.monotonic() - begun >= 0.1
    assert repr(connection) == "<Connection 7, open>"


def test_cut_is_fin(pair: Pair) -> None:
    """After `cut` the peer reads the end, and may still send."""
    connection, peer = pair
    connection.send(b"bye")
    connection.cut()
    assert peer.recv(10) == b"bye"
    assert peer.recv(10) == b""
    peer.sendall(b"still here")
    assert connection.read_exactly(10) == b"still here"


def test_reset_is_rst(pair: Pair) -> None:
    """After `reset` the peer's read fails."""
    connection, peer = pair
    connection.reset()
    with pytest.raises(ConnectionResetError):
        peer.recv(10)
    assert connection.peer_closed_at is None


def test_await_peer_ends_with_the_peer(pair: Pair) -> None:
    """`await_peer` swallows what still comes, and returns when the peer has closed."""
    connection, peer = pair
    peer.sendall(b"late")
    threading.Timer(0.05, peer.close).start()
    connection.await_peer()
    assert connection.peer_closed_at is not None


def test_a_send_to_nobody_is_an_error(pair: Pair) -> None:
    """Sending to a peer that has reset the connection raises `PeerGoneError`."""
    connection, peer = pair
    Connection(peer, 8).reset()
    with pytest.raises(PeerGoneError, match="the peer has gone"):
        connection.send(b"x")


def test_a_reset_by_the_peer_is_a_close(pair: Pair) -> None:
    """A peer that resets the connection has gone like one that closes it."""
    connection, peer = pair
    Connection(peer, 8).reset()
    assert not connection.wait(5)
    assert connection.peer_closed_at is not None


def test_wake_ends_a_wait_from_another_thread(pair: Pair) -> None:
    """`wake` ends what the connection's thread waits for; that is not the peer's doing."""
    connection, _ = pair
    threading.Timer(0.05, connection.wake).start()
    with pytest.raises(PeerGoneError, match="the server is closing"):
        connection.read_exactly(1)
    assert connection.peer_closed_at is None


def test_tls(pair: Pair) -> None:
    """Over TLS bytes go both ways, and time may pass before and between them."""
    connection, peer = pair
    authority = trustme.CA()
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(ours)
    authority.configure_trust(theirs)
    handshake = threading.Thread(target=connection.start_tls, args=[ours])
    handshake.start()
    with theirs.wrap_socket(peer, server_hostname="127.0.0.1") as secure:
        handshake.join()
        assert connection.wait(0)
        assert connection.wait(0.01)
        secure.sendall(b"ping\n")
        assert connection.read_line(10) == b"ping"
        connection.send(b"pong")
        assert secure.recv(4) == b"pong"
    assert not connection.wait(5)


def test_a_handshake_that_fails(pair: Pair) -> None:
    """A peer that speaks no TLS is as good as gone."""
    connection, peer = pair
    peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(PeerGoneError):
        connection.start_tls(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def test_everything_may_be_done_after_close(pair: Pair) -> None:
    """A closed connection takes further cuts, resets and wake-ups without complaint."""
    connection, _ = pair
    connection.close()
    connection.cut()
    connection.reset()
    connection.wake()
    connection.close()
