"""The thread that ends a blocked read on a socket that is not ours."""

from __future__ import annotations

import socket
import time
from types import SimpleNamespace
from typing import Any

import pytest

from sseor.client.cutoff import Cutoff

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")


def response_over(sock: socket.socket) -> Any:
    """Return what stands for a response on this socket."""
    stream = SimpleNamespace(get_extra_info=lambda name: sock if name == "socket" else None)
    return SimpleNamespace(extensions={"network_stream": stream})


def test_a_blocked_read_is_woken_at_the_deadline() -> None:
    """recv returns at the deadline, and the cutoff says that it was the reason."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        cutoff = Cutoff()
        cutoff.watch(response_over(ours))
        began = time.monotonic()
        with cutoff.armed(began + 0.2):
            assert ours.recv(1) == b""
        assert cutoff.fired
        assert 0.2 <= time.monotonic() - began < 10
        cutoff.cancel()


def test_a_deadline_that_moves_or_is_lifted_does_not_fire() -> None:
    """Later deadlines move the alarm, earlier ones wake the thread, and none at all keeps it still."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        cutoff = Cutoff()
        cutoff.watch(response_over(ours))
        with cutoff.armed(time.monotonic() + 0.3):
            pass
        time.sleep(0.4)
        assert not cutoff.fired
        with cutoff.armed(time.monotonic() + 60):
            pass
        began = time.monotonic()
        with cutoff.armed(began + 0.1):
            assert ours.recv(1) == b""
        assert time.monotonic() - began < 10
        cutoff.cancel()


def test_without_a_deadline_there_is_no_thread() -> None:
    """A stream without limits costs no thread."""
    cutoff = Cutoff()
    with cutoff.armed(float("inf")):
        pass
    cutoff.cancel()
    assert not cutoff.fired


def test_it_learns_of_a_new_connection_while_the_request_is_sent() -> None:
    """Before the head there is no response to take the socket from; the trace of the library tells."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        request = SimpleNamespace(extensions={"timeout": {}})
        cutoff = Cutoff.watching(request)
        stream = response_over(ours).extensions["network_stream"]
        request.extensions["trace"]("http11.send_request_headers.started", {})
        request.extensions["trace"]("connection.connect_tcp.complete", {"return_value": stream})
        with cutoff.armed(time.monotonic() + 0.05):
            assert ours.recv(1) == b""
        assert cutoff.fired
        cutoff.cancel()


def test_without_a_socket_it_still_says_that_it_fired() -> None:
    """A transport without a socket (a mock) cannot be woken; the expiry shows when the read returns."""
    cutoff = Cutoff()
    cutoff.watch(SimpleNamespace(extensions={}))
    with cutoff.armed(time.monotonic() - 1):
        time.sleep(0.05)
    assert cutoff.fired
    cutoff.cancel()


def test_a_socket_that_is_gone_already() -> None:
    """Shutting down a closed socket is no error."""
    ours, theirs = socket.socketpair()
    cutoff = Cutoff()
    cutoff.watch(response_over(ours))
    ours.close()
    theirs.close()
    with cutoff.armed(time.monotonic() - 1):
        time.sleep(0.05)
    assert cutoff.fired
    cutoff.cancel()
