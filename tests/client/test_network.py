"""Sockets that keep to the budget of the exchange at hand."""

from __future__ import annotations

import socket
import ssl
import threading
import time

import anyio
import httpcore
import pytest
from faults import certificates

from sseor.client.budget import Budget, spending
from sseor.client.network import KEEP_ALIVE, AnyioBackend, DeadlineBackend

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")


def budget(connect: float | None = None) -> Budget:
    """Return a budget on the clock of threads."""
    return Budget(time.monotonic, connect)


def test_reads_and_writes_end_by_the_deadline() -> None:
    """A read waits for what is left, and a call after the deadline does not start."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = DeadlineBackend().connect_tcp(
            "127.0.0.1", listener.getsockname()[1], socket_options=KEEP_ALIVE
        )
        peer, _ = listener.accept()
        with peer:
            began = time.monotonic()
            with spending(budget(), began + 0.1):
                with pytest.raises(httpcore.ReadTimeout):
                    stream.read(10, timeout=60)
                assert 0.1 <= time.monotonic() - began < 10
                with pytest.raises(httpcore.ReadTimeout):
                    stream.read(10)
                with pytest.raises(httpcore.WriteTimeout):
                    stream.write(b"late")
            stream.write(b"in time")
            assert peer.recv(100) == b"in time"
            sock = stream.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        stream.close()


def test_all_addresses_share_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses that do not answer are tried in turn, within the limit of one connection; a good one is found."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
            for host in ("127.0.0.2", "127.0.0.3", "127.0.0.1")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: list(found))
        with spending(budget(connect=1), time.monotonic() + 9):
            DeadlineBackend().connect_tcp("host.example", port, socket_options=[]).close()
        found.pop()
        with spending(budget(connect=1), time.monotonic() + 9), pytest.raises(httpcore.ConnectError):
            DeadlineBackend().connect_tcp("host.example", port, socket_options=[])
        found.clear()
        with pytest.raises(httpcore.ConnectError, match="no address"):
            DeadlineBackend().connect_tcp("host.example", port, socket_options=[])


def test_an_unknown_host() -> None:
    """A name that does not resolve is a ConnectError with its cause."""
    with pytest.raises(httpcore.ConnectError) as caught:
        DeadlineBackend().connect_tcp("nowhere.invalid", 80, socket_options=[])
    assert isinstance(caught.value.__cause__, socket.gaierror)


def test_a_connection_after_the_deadline_is_not_begun() -> None:
    """When the time is up, no socket is opened."""
    with spending(budget(), time.monotonic() - 1), pytest.raises(httpcore.ConnectTimeout):
        DeadlineBackend().connect_tcp("127.0.0.1", 9, socket_options=[])


def test_tls_gets_what_tcp_left_on_threads() -> None:
    """A handshake that stalls ends with the limit of the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with spending(budget(connect=0.2), time.monotonic() + 9):
            began = time.monotonic()
            stream = DeadlineBackend().connect_tcp("127.0.0.1", listener.getsockname()[1], socket_options=[])
            time.sleep(0.1)
            with pytest.raises(httpcore.ConnectTimeout):
                stream.start_tls(ssl.create_default_context(), "host.example", timeout=60)
            assert time.monotonic() - began < 10
        stream.close()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_tls_gets_what_tcp_left_in_async(backend: str) -> None:
    """The same on asyncio and trio."""

    async def main() -> None:
        with spending(Budget(anyio.current_time, connect=0.2), anyio.current_time() + 9):
            began = anyio.current_time()
            stream = await AnyioBackend().connect_tcp("127.0.0.1", port, socket_options=KEEP_ALIVE)
            await anyio.sleep(0.1)
            with pytest.raises(httpcore.ConnectTimeout):
                await stream.start_tls(ssl.create_default_context(), "host.example", timeout=60)
            assert anyio.current_time() - began < 10
        await stream.aclose()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_connection_in_tls(backend: str) -> None:
    """Reads, writes and what lies below are those of the TLS stream."""

    server_side, client_side = certificates()

    def serve() -> None:
        peer, _ = listener.accept()
        with server_side.wrap_socket(peer, server_side=True) as inside:
            inside.sendall(inside.recv(100))
            inside.recv(1)

    async def main() -> None:
        plain = await AnyioBackend().connect_tcp("127.0.0.1", port, socket_options=KEEP_ALIVE)
        stream = await plain.start_tls(client_side, "127.0.0.1")
        await stream.write(b"echo")
        assert await stream.read(100) == b"echo"
        assert stream.get_extra_info("ssl_object") is not None
        await stream.aclose()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=serve)
        thread.start()
        anyio.run(main, backend=backend)
        thread.join()
