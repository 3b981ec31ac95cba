"""Faults in the head of a response: silence, trickles, garbage, floods and cuts."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from catalogue import (
    ENDING,
    LOW,
    Respond,
    Seen,
    across_shells,
    body,
    each_shell,
    for_ever,
    look_at,
    nothing_is_left,
    raw,
    retrying,
    sse,
)
from shells import in_time

import sseor
from sseor.errors import ConnectError, ProtocolError, StallError
from sseor.testing import in_turn

__all__ = ["nothing_is_left"]
pytestmark = pytest.mark.usefixtures("nothing_is_left")

ANSWER = body(sse(LOW) + ENDING)
LIMIT = 0.15
HASTY = sseor.Timeouts(first_token=LIMIT)


def expired_in_time(error: object, seconds: float, phase: str) -> bool:
    """Tell whether this is an expiry of `first_token` in this phase, not much later than `seconds`."""
    assert isinstance(error, StallError), repr(error)
    assert (error.timer, error.phase, error.retryable) == ("first_token", phase, True)
    return seconds <= error.waited < seconds + 0.25


def look_promptly(shell: str, respond: Respond, *, attempts: int = 1) -> Seen:
    """Look at an answer whose head does not come; what expires is noticed in time."""
    return in_time(
        lambda: look_at(shell, respond, timeouts=HASTY, retries=retrying(attempts)),
        lambda seen: getattr(seen.error, "waited", 0.0) < LIMIT + 0.25 and seen.elapsed < 2 * LIMIT + 0.4,
    )


@each_shell
def test_row_18_silence(shell: str) -> None:
    """Without a head `first_token` ends the attempt; one more is made, and its answer is whole."""
    seen = in_time(
        lambda: look_at(
            shell, in_turn(for_ever(b"", first=b""), ANSWER), timeouts=HASTY, retries=retrying(3)
        ),
        lambda seen: seen.error is None and seen.of(sseor.Retrying)[0].cause.waited < LIMIT + 0.25,
    )
    assert seen.whole.text == "Low"
    (retry,) = seen.of(sseor.Retrying)
    assert expired_in_time(retry.cause, LIMIT, "headers")


@each_shell
def test_row_18_silence_again(shell: str) -> None:
    """A second expiry of `first_token` is the end, since each attempt may be billed."""
    seen = look_promptly(shell, for_ever(b"", first=b""), attempts=3)
    assert expired_in_time(seen.error, LIMIT, "headers")
    assert (seen.attempts, seen.error.attempts) == (2, 2)  # type: ignore[union-attr]
    assert seen.elapsed < 2 * LIMIT + 0.4


@across_shells(
    ("first", "more"),
    [(b"", b"H"), (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"), (b"HTTP/1.1 200 OK\r\n", b"X-Slow: x\r\n")],
    ids=["status_line", "field", "fields"],
)
def test_row_19_one_byte_now_and_then(shell: str, first: bytes, more: bytes) -> None:
    """A head that trickles does not put the deadline off."""
    seen = look_promptly(shell, for_ever(more, first=first))
    assert expired_in_time(seen.error, LIMIT, "headers")


@across_shells(
    "garbage",
    [
        b"\x00\xff\x16\x03\x01 garbage\r\n\r\n",
        b"<html><body>HTTP/0.9</body></html>\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    ],
)
def test_row_20_garbage(shell: str, garbage: bytes) -> None:
    """What is no HTTP response is a broken protocol, tried once again and no more."""
    seen = look_at(shell, raw(garbage), retries=retrying(3))
    assert type(seen.error) is ProtocolError
    assert (seen.attempts, seen.error.attempts) == (2, 2)
    assert "garbage" not in str(seen.error)


@each_shell
def test_row_20_garbage_once(shell: str) -> None:
    """One garbled answer is healed by the next attempt."""
    assert look_at(shell, in_turn(raw(b"garbage\r\n\r\n"), ANSWER), retries=retrying(3)).whole.text == "Low"


@each_shell
def test_row_21_a_header_without_end(shell: str) -> None:
    """A header field beyond 100 KiB is refused for good."""
    seen = look_at(
        shell, raw(b"HTTP/1.1 200 OK\r\nX-Large: " + b"x" * 300_000 + b"\r\n\r\n"), retries=retrying(3)
    )
    assert type(seen.error) is ProtocolError
    assert seen.attempts == 1


@each_shell
def test_row_21_header_fields_without_end(shell: str) -> None:
    """So are header fields that never stop coming."""
    numbers = itertools.count()

    def fields() -> bytes:
        return b"".join(b"X-%d: x\r\n" % next(numbers) for _ in range(2000))

    seen = look_at(shell, for_ever(fields, first=b"HTTP/1.1 200 OK\r\n", every=0.001), retries=retrying(3))
    assert type(seen.error) is ProtocolError
    assert seen.attempts == 1


@each_shell
@pytest.mark.parametrize("status", [b"100 Continue", b"103 Early Hints"])
def test_row_21_interim_responses_without_end(shell: str, status: bytes) -> None:
    """Interim responses without end run into `first_token`."""
    respond = for_ever(b"HTTP/1.1 " + status + b"\r\n\r\n", first=b"", every=0.001)
    seen = look_promptly(shell, respond)
    assert expired_in_time(seen.error, LIMIT, "headers")


@each_shell
def test_row_21_some_interim_responses(shell: str) -> None:
    """A few interim responses before the answer do no harm."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    data = sse(LOW) + ENDING
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(data)
    assert look_at(shell, raw(interim * 3, head + data)).whole.text == "Low"


@across_shells("head", [b"H", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Ty"])
@pytest.mark.parametrize("end", ["fin", "rst"])
def test_row_22_cut_inside_the_head(shell: str, head: bytes, end: str) -> None:
    """A head that is cut is a connection without an answer: tried again, and healed by the next attempt."""
    from sseor.testing import Exchange

    cut: Any = raw(head, last=Exchange.cut if end == "fin" else Exchange.reset)
    seen = look_at(shell, cut, retries=retrying(2))
    assert type(seen.error) is ConnectError, repr(seen.error)
    assert (seen.attempts, seen.error.retryable) == (2, True)
    assert look_at(shell, in_turn(cut, ANSWER), retries=retrying(2)).whole.text == "Low"
