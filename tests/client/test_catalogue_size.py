"""Faults of size: events without end, large ones, many small ones, and compressed bodies."""

from __future__ import annotations

import gzip
import sys
import zlib
from typing import Any

import pytest
from catalogue import (
    CHUNKED_HEAD,
    ENDING,
    FINISH,
    LOW,
    across_shells,
    body,
    chunk,
    chunked,
    each_shell,
    for_ever,
    look_at,
    nothing_is_left,
    retrying,
    sse,
)
from faults import in_chunks
from shells import KEY, PROMPT

import sseor
from sseor.errors import EndedEarlyError, EventTooLargeError, ProtocolError, SseorError
from sseor.testing import Exchange, LoopbackServer

__all__ = ["nothing_is_left"]
pytestmark = pytest.mark.usefixtures("nothing_is_left")

LIMIT = 64 << 10
FLOOD = b"x" * 8192


@each_shell
@pytest.mark.parametrize(
    ("opening", "more"),
    [
        (b"data: ", FLOOD),
        (b"", b"data: " + FLOOD + b"\n"),
        (b": ", FLOOD),
        (b"", FLOOD),
        (b"event: ", FLOOD),
        (b"id: ", FLOOD),
    ],
    ids=["line", "event", "comment", "field_name", "event_name", "id"],
)
def test_row_62_without_end(shell: str, opening: bytes, more: bytes) -> None:
    """A line, an event or a comment without end meets `max_event_bytes`; what came before is kept."""
    respond = for_ever(
        in_chunks(more), first=CHUNKED_HEAD + chunked(LOW) + in_chunks(opening or b":\n"), every=0.0005
    )
    seen = look_at(shell, respond, max_event_bytes=LIMIT, retries=retrying(3))
    assert type(seen.error) is EventTooLargeError
    assert (seen.error.limit, seen.error.retryable) == (LIMIT, False)
    assert (seen.text, seen.attempts, seen.kept) == ("Low", 1, 0)


@each_shell
def test_row_62_many_short_lines(shell: str) -> None:
    """Many empty data lines in one event meet the limit as well."""
    respond = for_ever(in_chunks(b"data:\n" * 4000), first=CHUNKED_HEAD + chunked(LOW), every=0.0005)
    seen = look_at(shell, respond, max_event_bytes=LIMIT)
    assert type(seen.error) is EventTooLargeError


@each_shell
def test_row_62_in_the_read_that_completes_an_event(shell: str) -> None:
    """What the same bytes had completed is handed out before the error."""
    data = sse(LOW, chunk(" water")) + b"data: " + b"x" * (LIMIT + 1)
    seen = look_at(shell, body(data), max_event_bytes=LIMIT)
    assert type(seen.error) is EventTooLargeError
    assert seen.text == "Low water"


@each_shell
def test_row_63_one_large_delta(shell: str) -> None:
    """A delta of four megabytes comes whole and in no noteworthy time."""
    large = "0123456789abcdef" * (4 << 16)
    seen = look_at(shell, body(sse(chunk(large), chunk("!")) + ENDING))
    assert seen.whole.text == large + "!"
    assert len(seen.of(sseor.Text)) == 2
    assert seen.elapsed < 20


def test_row_64_many_comments() -> None:
    """A hundred thousand comments in a row leave nothing in memory."""
    comments, rounds = b": OPENROUTER PROCESSING\n\n" * 1000, 100
    counts: list[int] = []

    def respond(exchange: Exchange) -> None:
        exchange.head()
        for _ in range(rounds):
            exchange.send(comments)
        exchange.send(sse(LOW) + ENDING)

    with LoopbackServer(respond) as server, sseor.Client(api_key=KEY, base_url=server.base_url) as client:
        heartbeats = 0
        for event in client.stream(model="m", messages=PROMPT):
            if isinstance(event, sseor.Heartbeat):
                heartbeats += 1
                if heartbeats % 20_000 == 1_000:
                    counts.append(sys.getallocatedblocks())
    assert heartbeats == 1000 * rounds
    assert counts[-1] - counts[0] < 30_000, counts


@pytest.mark.parametrize("shell", ["asyncio", "trio"])
def test_row_64_many_comments_in_async(shell: str) -> None:
    """On asyncio and trio twenty thousand of them are no obstacle either."""
    seen = look_at(
        shell, body(b": OPENROUTER PROCESSING\n\n" * 20_000 + sse(LOW) + ENDING), lens=lambda s: s.text
    )
    assert (seen.whole.text, seen.items) == ("Low", ["Low"])
    assert seen.whole.timeline is not None
    assert seen.whole.timeline.heartbeats == 20_000


@each_shell
def test_row_65_one_byte_at_a_time(shell: str) -> None:
    """Split into single bytes, an answer gives the same events as in one piece."""
    data = (
        b"\xef\xbb\xbf: hi\r\n\r\n" + sse(chunk("Lo\N{OTTER}w"), chunk(" é")).replace(b"\n", b"\r\n") + ENDING
    )

    def respond(exchange: Exchange) -> None:
        exchange.head()
        for byte in data:
            exchange.send(bytes([byte]))

    pieces, whole = look_at(shell, respond), look_at(shell, body(data))
    assert [item for item in pieces.items if not isinstance(item, sseor.Heartbeat)] == [
        item for item in whole.items if not isinstance(item, sseor.Heartbeat)
    ]
    assert pieces.whole.text == "Lo\N{OTTER}w é"


@each_shell
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_row_66_a_document_beyond_the_limit(shell: str, kind: str) -> None:
    """An answer that is not streamed is kept whole, so the limit bounds it too."""

    def respond(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Type": kind})
        exchange.send(b'{"choices":[{"message":{"content":"')
        while exchange.wait(0.0005):
            exchange.send(FLOOD)

    seen = look_at(shell, respond, max_event_bytes=LIMIT, retries=retrying(3))
    assert type(seen.error) is EventTooLargeError
    assert (seen.attempts, seen.kept) == (1, 0)


def coded(coding: str, data: bytes) -> bytes:
    """Return the data compressed."""
    if coding.endswith("gzip"):
        return gzip.compress(data)
    if coding == "raw_deflate":
        return zlib.compress(data)[2:-4]
    return zlib.compress(data)


def compressed(data: bytes, coding: str, pieces: int = 1) -> Any:
    """Return a `respond` that sends this body under this content coding."""

    def respond(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Type": "text/event-stream", "Content-Encoding": coding})
        size = -(-len(data) // pieces)
        for start in range(0, len(data), size):
            exchange.send(data[start : start + size])
            exchange.wait(0.002)

    return respond


@across_shells("coding", ["gzip", "x-gzip", "GZIP", "deflate", "identity", ""])
@pytest.mark.parametrize("pieces", [1, 30])
def test_row_67_a_compressed_body(shell: str, coding: str, pieces: int) -> None:
    """A body that is compressed although identity was asked for is read all the same."""
    data = sse(LOW, chunk(" water")) + ENDING
    plain = coding in ("", "identity")
    seen = look_at(shell, compressed(data if plain else coded(coding.lower(), data), coding, pieces))
    assert seen.whole.text == "Low water"


@each_shell
def test_row_67_two_members(shell: str) -> None:
    """A gzip body of several members is one body."""
    seen = look_at(shell, compressed(gzip.compress(sse(LOW)) + gzip.compress(ENDING), "gzip"))
    assert seen.whole.text == "Low"


@each_shell
@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "\x01"])
def test_row_67_a_coding_not_asked_for(shell: str, coding: str) -> None:
    """Any other coding is refused for good; its bytes are never taken for text."""
    seen = look_at(shell, compressed(b"\x8b\x03" * 50, coding), retries=retrying(3))
    assert isinstance(seen.error, ProtocolError)
    assert (seen.attempts <= 2, seen.text) == (True, "")


@each_shell
@pytest.mark.parametrize(
    "data", [b"plain text", sse(LOW) + ENDING, gzip.compress(sse(LOW))[:12] + b"\xff" * 90]
)
def test_row_67_damaged(shell: str, data: bytes) -> None:
    """What claims to be gzip and is damaged, or plain, breaks the protocol."""
    seen = look_at(shell, compressed(data, "gzip"))
    assert type(seen.error) is ProtocolError
    assert seen.text == ""


@each_shell
def test_row_67_damaged_after_a_token(shell: str) -> None:
    """Damage in the middle keeps what had been inflated before it."""
    packer = zlib.compressobj(wbits=31)
    good = packer.compress(sse(LOW)) + packer.flush(zlib.Z_SYNC_FLUSH)
    seen = look_at(shell, compressed(good + b"\xff" * 50, "gzip"))
    assert type(seen.error) is ProtocolError
    assert (seen.text, seen.error.phase) == ("Low", "streaming")


@each_shell
def test_row_67_a_decompression_bomb(shell: str) -> None:
    """A bomb meets the limit of an event before it fills the memory."""
    packer = zlib.compressobj(wbits=31)
    bomb = (
        packer.compress(b"data: ")
        + b"".join(packer.compress(bytes(1 << 20)) for _ in range(16))
        + packer.flush()
    )
    seen = look_at(shell, compressed(bomb, "gzip"), max_event_bytes=1 << 20)
    assert type(seen.error) is EventTooLargeError
    assert seen.elapsed < 10


@each_shell
@pytest.mark.parametrize("lost", [1, 9, 20])
def test_row_68_compressed_and_truncated(shell: str, lost: int) -> None:
    """A compressed body that ends too soon under good framing ended early; what could be inflated is kept."""
    packer = zlib.compressobj(wbits=31)
    data = packer.compress(sse(LOW)) + packer.flush(zlib.Z_SYNC_FLUSH)
    rest = packer.compress(sse(chunk(" water"))) + packer.flush()
    seen = look_at(shell, compressed(data + rest[:-lost], "gzip"))
    assert type(seen.error) is EndedEarlyError
    assert seen.text in ("Low", "Low water")


@each_shell
def test_row_68_truncated_after_the_finish(shell: str) -> None:
    """Without its trailer, but after the finish reason, it is whole."""
    data = gzip.compress(sse(LOW, FINISH))
    packer = zlib.compressobj(wbits=31)
    data = packer.compress(sse(LOW, FINISH)) + packer.flush(zlib.Z_SYNC_FLUSH)
    assert look_at(shell, compressed(data, "gzip")).whole.text == "Low"


def test_limits_are_typed_errors() -> None:
    """A limit that is met is one of our errors, a broken protocol."""
    assert issubclass(EventTooLargeError, ProtocolError)
    assert issubclass(EventTooLargeError, SseorError)
