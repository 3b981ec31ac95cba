"""TLS over a stream: handshakes on time, broken and late records, ends with and without notice."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Awaitable
from typing import Any

import httpcore
import pytest
from client.asyncio_peers import (
    LATE,
    LIMIT,
    Peer,
    Run,
    cancelled_in_any_turn,
    connected,
    end,
    first_byte,
    loop_runner,
    read_to_the_end,
    reset,
)
from faults import certificates

from sseor.client.asyncio_network import AsyncioBackend
from sseor.client.budget import Budget, spending
from sseor.client.tls_stream import TlsStream
from sseor.testing import Exchange, LoopbackServer

__all__ = ["loop_runner"]  # fixtures

pytestmark = [pytest.mark.usefixtures("leaves_nothing_open")]


# The handshake


def handshake(peer: Peer, context: ssl.SSLContext, name: str = "127.0.0.1") -> Awaitable[Any]:
    """Connect to the peer and begin TLS."""

    async def shake() -> httpcore.AsyncNetworkStream:
        stream = await AsyncioBackend().connect_tcp("127.0.0.1", peer.port)
        return await stream.start_tls(context, name)

    return shake()


def test_a_certificate_that_is_not_trusted_is_refused(run: Run) -> None:
    """The handshake fails as a ConnectError with the verification error as its cause, and the peer is told why."""
    told: list[Exception] = []

    def talk(sock: socket.socket) -> None:
        try:
            certificates()[0].wrap_socket(sock, server_side=True).recv(1)
        except OSError as error:
            told.append(error)

    async def main() -> None:
        with pytest.raises(httpcore.ConnectError) as failed:
            await handshake(peer, ssl.create_default_context())
        assert isinstance(failed.value.__cause__, ssl.SSLCertVerificationError)

    with Peer(talk) as peer:
        run(main())
    assert len(told) == 1


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], ids=["plain text", "nothing"])
def test_a_peer_that_does_not_speak_tls_is_told(run: Run, answer: bytes) -> None:
    """Plain text or an end instead of a handshake is a ConnectError with TLS's own error as its cause."""

    async def main() -> None:
        with pytest.raises(httpcore.ConnectError) as failed:
            await handshake(peer, certificates()[1])
        assert isinstance(failed.value.__cause__, ssl.SSLError)

    with Peer(first_byte, answer, end, "wait") as peer:
        run(main())


def test_a_reset_in_the_handshake_is_told(run: Run) -> None:
    """A RST instead of a handshake is a ConnectError."""

    async def main() -> None:
        with pytest.raises(httpcore.ConnectError):
            await handshake(peer, certificates()[1])

    with Peer(first_byte, reset) as peer:
        run(main())


def test_a_name_that_tls_cannot_take_is_told(run: Run) -> None:
    """A host name that is none is a ConnectError, and the socket is closed."""

    async def main() -> None:
        with pytest.raises(httpcore.ConnectError):
            await handshake(peer, certificates()[1], ".invalid")

    with Peer(read_to_the_end) as peer:
        run(main())


@pytest.mark.parametrize("bound", ["limit", "connect", "deadline"])
def test_a_handshake_that_stalls_ends_by_what_is_left(run: Run, bound: str) -> None:
    """A silent handshake ends by its limit, by the connect time shared with TCP, or by the deadline."""

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        budget = Budget(clock, LIMIT if bound == "connect" else None)
        with spending(budget, began + (LIMIT if bound == "deadline" else 60)):
            stream = await AsyncioBackend().connect_tcp("127.0.0.1", peer.port)
            await asyncio.sleep(LIMIT / 2)
            left = LIMIT / 2 if bound == "limit" else None
            with pytest.raises(httpcore.ConnectTimeout):
                await stream.start_tls(certificates()[1], "127.0.0.1", left)
        assert LIMIT - 0.001 <= clock() - began <= LIMIT + LATE

    with Peer(read_to_the_end) as peer:
        run(main())


@pytest.mark.parametrize("native", [True, False], ids=["task.cancel", "scope"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_cancelled_in_any_turn_a_handshake_leaves_no_socket(run: Run, native: bool, host: str) -> None:
    """Cancelled after n turns of the loop, for n = 0, 1, 2 …, no socket stays open when TLS is asked for."""
    cancelled_in_any_turn(run, host, tls=True, native=native)


# Records


def test_broken_records_are_read_errors(run: Run) -> None:
    """Bytes that are no TLS record fail the read, and later writes, with TLS's own error as the cause."""

    async def main() -> None:
        async with connected(peer, tls=True) as stream:
            assert isinstance(stream, TlsStream)
            assert stream.get_extra_info("ssl_object").version().startswith("TLS")
            with pytest.raises(httpcore.ReadError) as failed:
                await stream.read(100)
            assert isinstance(failed.value.__cause__, ssl.SSLError)
            with pytest.raises(httpcore.WriteError) as unsent:
                await stream.write(b"x")
            assert isinstance(unsent.value.__cause__, ssl.SSLError)

    def talk(sock: socket.socket) -> None:
        socket.socket.send(sock, b"this is not a TLS record, not at all")
        peer.go_on.wait(5)

    with Peer(talk, tls=True) as peer:
        run(main())


def test_an_end_without_notice_is_an_end(run: Run) -> None:
    """TLS cut by FIN without its closing alert reads as an end, as it does in httpcore."""

    async def main() -> None:
        async with connected(peer, tls=True) as stream:
            assert await stream.read(100) == b"all"
            assert await stream.read(100) == b""

    with Peer(b"all", end, "wait", tls=True) as peer:
        run(main())


def test_an_end_with_notice_is_an_end(run: Run) -> None:
    """The closing alert of TLS is an end, and closing does not answer it nor wait."""

    async def main() -> None:
        async with connected(peer, tls=True) as stream:
            assert await stream.read(100) == b"all"
            assert await stream.read(100) == b""

    def talk(sock: socket.socket) -> None:
        sock.sendall(b"all")
        with contextlib.suppress(OSError):
            sock.unwrap()  # type: ignore[attr-defined]

    with Peer(talk, tls=True) as peer:
        run(main())


def test_half_a_record_waits_for_its_other_half(run: Run) -> None:
    """A record that comes in pieces, a byte at a time, is one read."""
    server, client = certificates()
    sent = b"data: [DONE]\n\n"

    def talk(sock: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(1 << 16))
        tls.write(sent)
        for number in outgoing.read():
            sock.sendall(bytes([number]))
            time.sleep(0.0002)
        peer.go_on.wait(5)

    async def main() -> None:
        stream = await handshake(peer, client)
        assert await stream.read(100) == sent
        peer.go_on.set()
        await stream.aclose()

    with Peer(talk) as peer:
        run(main())


def test_an_https_proxy_carries_tls_inside_tls(run: Run) -> None:
    """Through a proxy that speaks TLS itself, an https request works: TLS inside TLS."""

    def respond(exchange: Exchange) -> None:
        exchange.reply(200, b"z" * 100_000)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        there = await asyncio.open_connection(*target.split(":"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(relay(reader, there[1]), relay(there[0], writer))

    async def main() -> None:
        listening = await asyncio.start_server(proxy, "127.0.0.1", 0, ssl=certificates()[0])
        port = listening.sockets[0].getsockname()[1]
        async with (
            listening,
            httpcore.AsyncHTTPProxy(
                f"https://127.0.0.1:{port}/",
                ssl_context=certificates()[1],
                proxy_ssl_context=certificates()[1],
                network_backend=AsyncioBackend(),
            ) as pool,
        ):
            assert (await pool.request("GET", f"{server.origin}/")).content == b"z" * 100_000
        await asyncio.sleep(0.05)

    with LoopbackServer(respond, ssl_context=certificates()[0]) as server:
        run(main())
