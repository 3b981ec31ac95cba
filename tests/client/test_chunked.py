"""Chunked bodies read past h11: the same bytes, the same failures and the same connections kept as through it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from typing import Any

import anyio
import httpcore
import httpx
import pytest
from faults import certificates
from hypothesis import example, given
from hypothesis import strategies as st
from shells import PROMPT, SHELLS, read

import sseor
from sseor.client.chunked import AsyncTap, ChunkedBody, Dechunker, SyncTap
from sseor.client.http import AsyncTransport, Transport, body_of
from sseor.testing import LoopbackServer, answer, play

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """Return data as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Scripted(httpcore.NetworkStream):
    """A connection that gives these reads, then its end."""

    def __init__(self, reads: Iterable[bytes]) -> None:
        self.left = [data for data in reads if data]
        self.closed = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return the next read."""
        return self.left.pop(0) if self.left else b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send nothing."""

    def close(self) -> None:
        """Note that it is closed."""
        self.closed = True

    def get_extra_info(self, info: str) -> Any:
        """Return that nothing came meanwhile."""
        return False if info == "is_readable" else None


class AsyncScripted(httpcore.AsyncNetworkStream):
    """The same for async."""

    def __init__(self, below: Scripted) -> None:
        self.below = below
        self.get_extra_info = below.get_extra_info  # type: ignore[method-assign]

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return the next read."""
        return self.below.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send nothing."""

    async def aclose(self) -> None:
        """Note that it is closed."""
        self.below.close()


class Backend(httpcore.NetworkBackend):
    """Connects to a scripted connection, through a tap or not."""

    def __init__(self, stream: Scripted, *, tapped: bool) -> None:
        self.stream = stream
        self.tapped = tapped

    def connect_tcp(self, *_: Any, **options: Any) -> Any:
        """Return the connection."""
        return SyncTap(self.stream) if self.tapped else self.stream


class AsyncBackend(httpcore.AsyncNetworkBackend):
    """The same for async."""

    def __init__(self, stream: Scripted, *, tapped: bool) -> None:
        self.stream = stream
        self.tapped = tapped

    async def connect_tcp(self, *_: Any, **options: Any) -> Any:
        """Return the connection."""
        stream = AsyncScripted(self.stream)
        return AsyncTap(stream) if self.tapped else stream


Seen = tuple[bytes, str, bool]
REQUEST = httpx.Request("POST", "http://host.example/", content=b"{}")


def what_comes(reads: Iterable[bytes], *, tapped: bool = True, past_h11: bool | None = None) -> Seen:
    """Return body, failure, and whether the connection was kept; check by which way it was read."""
    body, failure = b"", ""
    pool = httpcore.ConnectionPool(network_backend=Backend(Scripted(reads), tapped=tapped))
    with httpx.Client(transport=Transport(pool)) as client:
        try:
            response = client.send(REQUEST, stream=True)
            source = iter(body_of(response))
            if past_h11 is not None:
                assert isinstance(source, ChunkedBody) == past_h11
            try:
                for data in source:
                    body += data
            finally:
                response.close()
        except httpcore.RemoteProtocolError as error:
            failure = type(error).__name__
        seen = body, failure, any(one.is_idle() for one in pool.connections)
    assert asyncio.run(what_comes_async(list(reads), tapped=tapped)) == seen
    return seen


async def what_comes_async(reads: Iterable[bytes], *, tapped: bool) -> Seen:
    """Return the same, as an async client sees it."""
    body, failure = b"", ""
    pool = httpcore.AsyncConnectionPool(network_backend=AsyncBackend(Scripted(reads), tapped=tapped))
    async with httpx.AsyncClient(transport=AsyncTransport(pool)) as client:
        try:
            response = await client.send(REQUEST, stream=True)
            try:
                async for data in body_of(response):
                    body += data
            finally:
                await response.aclose()
        except httpcore.RemoteProtocolError as error:
            failure = type(error).__name__
        return body, failure, any(one.is_idle() for one in pool.connections)


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut data at these places."""
    marks = sorted({0, len(data), *(place for place in places if place <= len(data))})
    return [data[start:stop] for start, stop in itertools.pairwise(marks)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_body_is_the_same_however_it_is_cut(size: int) -> None:
    """Whole, byte by byte, and in between: the body, and a connection that is kept."""
    stream = HEAD + chunk(b"data: Low\n\n") + chunk(b"\r\n" * 20) + chunk(b"x") + END
    reads = [stream[at : at + size] for at in range(0, len(stream), size)]
    wanted = (b"data: Low\n\n" + b"\r\n" * 20 + b"x", "", True)
    assert what_comes(reads, past_h11=True) == wanted
    assert what_comes(reads, tapped=False, past_h11=False) == wanted


@pytest.mark.parametrize(
    ("rest", "body", "kept"),
    [
        (chunk(b"Low") + b"0\r\nx-sum: 1\r\n\r\n", b"Low", True),
        (b"3;name=value\r\nLow\r\n" + chunk(b"er") + END, b"Lower", True),
        (b"0003\r\nLow\r\n" + END, b"Low", True),
        (b"000000003\r\nLow\r\n" + END, b"Low", True),
        (b"3 \r\nLow\r\n" + END, b"Low", True),
        (END, b"", True),
    ],
)
def test_what_is_not_plain_is_left_to_h11(rest: bytes, body: bytes, kept: bool) -> None:
    """Trailers, extensions, long sizes: h11 takes over where a chunk begins, and nothing is lost or doubled."""
    for reads in ([HEAD + rest], [bytes([byte]) for byte in HEAD + rest]):
        assert what_comes(reads, past_h11=True) == (body, "", kept)


@pytest.mark.parametrize(
    ("rest", "body"),
    [
        (chunk(b"Low") + b"5\r\nwa", b"Lowwa"),
        (chunk(b"Low") + b"5\r\nwater", b"Lowwater"),
        (chunk(b"Low") + b"5", b"Low"),
        (chunk(b"Low"), b"Low"),
        (b"3\r\nLower\r\n" + END, b"Low"),
        (b"3\r\nLow\rer\r\n" + END, b"Low"),
        (b"3\r\nLow5\r\n" + END, b"Low"),
        (chunk(b"Low") + b"-3\r\nLow\r\n" + END, b"Low"),
        (chunk(b"Low") + b"water water water", b"Low"),
        (chunk(b"Low") + b"0x3\r\nLow\r\n" + END, b"Low"),
    ],
)
def test_a_broken_body_fails_after_all_that_came(rest: bytes, body: bytes) -> None:
    """Cut or malformed: what was whole before is given out, then h11's own failure, and nothing is kept."""
    for reads in ([HEAD + rest], [HEAD, rest], [bytes([byte]) for byte in HEAD + rest]):
        assert what_comes(reads, past_h11=True) == (body, "RemoteProtocolError", False)


@pytest.mark.parametrize("end", [END, b"0\r\nx-sum: 1\r\n\r\n"])
def test_a_connection_that_brings_more_than_its_body_is_not_kept(end: bytes) -> None:
    """What comes in one read with the end, and which h11 would take for the next response."""
    assert what_comes([HEAD + chunk(b"Low") + end + b"H"], past_h11=True) == (b"Low", "", False)


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=30), max_size=5),
    end=st.sampled_from([END, b"0\r\na: b\r\n\r\n", b"", b"5;x=y\r\nwater\r\n" + END, b"\r\n"]),
    change=st.tuples(
        st.integers(0, 300), st.sampled_from([b"", b"\r", b"\n", b"\r\n", b"0", b"f", b";", b"\xff"])
    ),
    changed=st.booleans(),
    places=st.lists(st.integers(0, 300), max_size=8),
)
@example([b"Low"], END, (len(HEAD) + 6, b"\n"), True, [])
def test_any_body_is_what_h11_makes_of_it(
    pieces: list[bytes], end: bytes, change: tuple[int, bytes], changed: bool, places: list[int]
) -> None:
    """For any chunks, any damage to head or body and any reads: the same failure, and the same connections kept.

    Of a broken body h11 withholds bytes that came in one read with what is wrong; past it they are given out first. A
    connection that brought more than its body is not kept, though h11 would keep it.
    """
    stream = HEAD + b"".join(map(chunk, pieces)) + end
    if changed:
        at, instead = change
        stream = stream[:at] + instead + stream[at + 1 :]
    reads = cut(stream, places)
    body, failure, kept = what_comes(reads)
    through, same_failure, same_kept = what_comes(reads, tapped=False)
    assert failure == same_failure
    assert kept == same_kept or (changed and same_kept)
    assert body == through or (failure and body.startswith(through))


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 429 Too Many\r\ncontent-length: 16\r\n\r\n",
    ],
)
def test_other_bodies_go_through_h11(head: bytes) -> None:
    """A length, the end of the connection, a refusal: nothing there is read past h11."""
    assert what_comes([head + b"\r\n\r\ndata: x\n\n\r\n\r\n"], past_h11=False)[0].startswith(b"\r\n\r\nda")


def test_a_head_that_came_after_another_is_not_read_past_h11() -> None:
    """After `103 Early Hints` the body may have begun in h11's hands, and so it stays there."""
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    reads = [hints + HEAD + chunk(b"Low") + END]
    assert what_comes(reads, past_h11=False) == (b"Low", "", True)


def test_what_follows_a_whole_answer_spoils_the_connection() -> None:
    """Bytes after an empty body belong to no request: they are never taken for the next answer."""
    tap = SyncTap(Scripted([b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nforged"]))
    tap.write(b"POST / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert not tap.get_extra_info("is_readable")
    assert tap.read(100).endswith(b"\r\n\r\n")
    assert tap.at_body
    assert tap.get_extra_info("is_readable")
    assert tap.read(4) == b"HTTP"
    assert not tap.at_body


def test_no_byte_is_held_back_outside_of_heads() -> None:
    """What is no answer to a request of HTTP/1.1, as the talk of a SOCKS proxy, is given out as it came."""
    tap = SyncTap(Scripted([b"\5\0\0\1\r\n\r\nmore"]))
    tap.write(b"\5\1\0")
    assert tap.read(100) == b"\5\0\0\1\r\n\r\nmore"


def test_a_chunk_in_one_read_is_not_copied_together() -> None:
    """The plain case gives the one slice that it is."""
    dechunker = Dechunker()
    assert dechunker.feed(chunk(b"data: Low\n\n")) == b"data: Low\n\n"
    assert dechunker.feed(chunk(b"a") + chunk(b"b")) == b"ab"
    assert dechunker.rest is None


def test_a_body_that_is_left_early_closes_its_connection() -> None:
    """h11 has not seen the end of the body, so nothing of it can be taken for the next answer."""
    reads = [HEAD, chunk(b"Low"), chunk(b" water"), END]

    async def leave(stream: Scripted) -> None:
        pool = httpcore.AsyncConnectionPool(network_backend=AsyncBackend(stream, tapped=True))
        async with httpx.AsyncClient(transport=AsyncTransport(pool)) as client:
            response = await client.send(REQUEST, stream=True)
            assert await anext(aiter(body_of(response))) == b"Low"
            await response.aclose()
            assert stream.closed
            assert not pool.connections

    asyncio.run(leave(Scripted(reads)))
    stream = Scripted(reads)
    pool = httpcore.ConnectionPool(network_backend=Backend(stream, tapped=True))
    with httpx.Client(transport=Transport(pool)) as client:
        response = client.send(REQUEST, stream=True)
        assert next(iter(body_of(response))) == b"Low"
        response.close()
        assert stream.closed
        assert not pool.connections


def test_an_answer_over_tls_is_read_past_h11(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over TLS the tap lies over the encrypted connection, and reads its plain text."""
    taken: list[bytes] = []
    feed = Dechunker.feed

    def noted(self: Dechunker, data: bytes) -> bytes:
        taken.append(data)
        return feed(self, data)

    monkeypatch.setattr(Dechunker, "feed", noted)
    monkeypatch.setattr(httpx, "create_ssl_context", lambda: certificates()[1])
    with LoopbackServer(play(*answer("Low", " water")), ssl_context=certificates()[0]) as server:
        for shell in SHELLS:
            taken.clear()
            assert read(shell, server.base_url).text == "Low water"
            assert b"Low" in b"".join(taken)


@pytest.mark.parametrize("shell", SHELLS)
def test_connections_are_kept_after_answers_read_past_h11(shell: str) -> None:
    """Three answers, one connection."""

    async def ask_async(base_url: str) -> None:
        async with sseor.AsyncClient(api_key="none", base_url=base_url) as client:
            for _ in range(3):
                stream = client.stream(model="m", messages=PROMPT)
                assert [text async for text in stream.text] == ["Low", " water"]

    with LoopbackServer(play(*answer("Low", " water"))) as server:
        if shell == "threads":
            with sseor.Client(api_key="none", base_url=server.base_url) as client:
                for _ in range(3):
                    assert list(client.stream(model="m", messages=PROMPT).text) == ["Low", " water"]
        else:
            anyio.run(ask_async, server.base_url, backend=shell)
        assert len({request.connection for request in server.requests}) == 1
