"""Faults of time: silence, empty bytes, endless answers, slow callers, odd clocks, and a network that misbehaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from catalogue import (
    CHUNKED_HEAD,
    ENDING,
    LOW,
    Seen,
    across_shells,
    body,
    chunk,
    chunked,
    each_shell,
    for_ever,
    look_at,
    nothing_is_left,
    raw,
    retrying,
    sse,
)
from faults import in_chunks
from shells import in_time

import sseor
from sseor.errors import ConnectionLostError, DeadlineError, EndedEarlyError, SseorError, StallError
from sseor.testing import Exchange, in_turn

__all__ = ["nothing_is_left"]
pytestmark = pytest.mark.usefixtures("nothing_is_left")

ANSWER = body(sse(LOW) + ENDING)
LIMIT = 0.15
LATE = 0.25
COMMENT = in_chunks(b": OPENROUTER PROCESSING\n\n")
ROLE = chunked(chunk(delta={"role": "assistant", "content": ""}))
EMPTY = chunked(chunk(delta={"content": ""}), chunk(delta={"content": None}), chunk(delta={}))
TOKEN = CHUNKED_HEAD + chunked(LOW)


def prompt(seen: Seen) -> bool:
    """Tell whether the head came in time, and what expired after it was noticed in time."""
    expired: list[Any] = [item.cause for item in seen.of(sseor.Retrying)] or [seen.error]
    return all(
        getattr(error, "waited", 0.0) < LIMIT + LATE and getattr(error, "phase", "") != "headers"
        for error in expired
    )


def stalled(error: object, timer: str, phase: str) -> StallError:
    """Return this error as the expiry it must be, in time."""
    assert type(error) is StallError, repr(error)
    assert (error.timer, error.phase, error.retryable) == (timer, phase, True)
    assert LIMIT <= error.waited < LIMIT + LATE
    assert isinstance(error, TimeoutError)
    return error


@each_shell
@pytest.mark.parametrize(
    ("row", "tease"),
    [(53, b""), (54, COMMENT), (55, ROLE), (55, EMPTY), (55, chunked({"id": "gen-1", "choices": []}))],
    ids=["row_53_silence", "row_54_comments", "row_55_roles", "row_55_empty_deltas", "row_55_no_choices"],
)
def test_rows_53_to_55_no_token(shell: str, row: int, tease: bytes) -> None:
    """A 200 without a token ends by `first_token`, whatever else comes; one more attempt is made."""
    respond = for_ever(tease, first=CHUNKED_HEAD)
    limits = sseor.Timeouts(first_token=LIMIT, silence=5, stall=5)
    seen = in_time(
        lambda: look_at(shell, in_turn(respond, ANSWER), timeouts=limits, retries=retrying(3)),
        lambda seen: seen.error is None and prompt(seen),
    )
    assert seen.whole.text == "Low"
    (retry,) = seen.of(sseor.Retrying)
    stalled(retry.cause, "first_token", "first_token")
    assert bool(seen.of(sseor.Heartbeat)) is (row == 54)


@each_shell
def test_row_54_comments_again(shell: str) -> None:
    """A second expiry of `first_token` is the end, since each attempt may be billed."""
    respond = for_ever(COMMENT, first=CHUNKED_HEAD)
    limits = sseor.Timeouts(first_token=LIMIT)
    seen = in_time(lambda: look_at(shell, respond, timeouts=limits, retries=retrying(3)), prompt)
    stalled(seen.error, "first_token", "first_token")
    assert (seen.attempts, seen.kept) == (2, 0)


def stall_after_a_token(shell: str, tease: bytes) -> None:
    """Read an answer that stalls after its first token, and check that the token is kept and nothing sent again."""
    limits = sseor.Timeouts(first_token=5, silence=5, stall=LIMIT)
    respond = for_ever(tease, first=TOKEN)
    seen = in_time(lambda: look_at(shell, respond, timeouts=limits, retries=retrying(3)), prompt)
    error = stalled(seen.error, "stall", "streaming")
    assert (seen.text, seen.attempts, error.attempts, seen.kept) == ("Low", 1, 1, 0)
    assert (error.generation_id, error.partial and error.partial.text) == ("gen-1", "Low")


@each_shell
@pytest.mark.parametrize(
    "tease",
    [b"", COMMENT, in_chunks(b"x"), b"0"],
    ids=["row_56_silence", "row_57_comments", "row_57_half_event", "row_58_chunk_header"],
)
def test_rows_56_to_58_a_stall_after_a_token(shell: str, tease: bytes) -> None:
    """After a token the same ends by `stall`: nothing is sent again, and the token is kept."""
    stall_after_a_token(shell, tease)


@across_shells("tease", [EMPTY, in_chunks(b"data: {"), in_chunks(b"\n"), in_chunks(b"event: x\n\n")])
def test_row_57_other_bytes_without_progress(shell: str, tease: bytes) -> None:
    """Empty deltas, half lines, blank lines and events without data are no progress either."""
    stall_after_a_token(shell, tease)


@each_shell
def test_row_56_silence_of_a_connection_that_lived(shell: str) -> None:
    """No byte at all is `silence`, told from a stall where its limit is the nearer one."""
    limits = sseor.Timeouts(silence=LIMIT, stall=5)
    seen = in_time(lambda: look_at(shell, for_ever(b"", first=TOKEN), timeouts=limits), prompt)
    stalled(seen.error, "silence", "streaming")


@each_shell
def test_row_59_tokens_without_end(shell: str) -> None:
    """Only `total` ends an answer that goes on for ever; it is never tried again."""
    respond = for_ever(chunked(chunk("x")), first=CHUNKED_HEAD, every=0.005)
    limits = sseor.Timeouts(total=LIMIT)
    seen = in_time(
        lambda: look_at(shell, respond, timeouts=limits, retries=retrying(3)),
        lambda seen: bool(seen.text) and prompt(seen),
    )
    assert type(seen.error) is DeadlineError
    assert LIMIT <= seen.error.waited < LIMIT + LATE
    assert (seen.attempts, seen.error.retryable, set(seen.text)) == (1, False, {"x"})


@each_shell
def test_row_59_content_after_the_finish_without_end(shell: str) -> None:
    """Nor does content after a finish reason go on beyond `total`; the finished answer is not turned into an error."""
    respond = for_ever(chunked(chunk("x")), first=CHUNKED_HEAD + chunked(LOW, chunk(finish_reason="stop")))
    limits = sseor.Timeouts(total=LIMIT)
    seen = in_time(
        lambda: look_at(shell, respond, timeouts=limits), lambda seen: seen.error is None and seen.elapsed < 1
    )
    assert seen.whole.text.startswith("Low")
    assert seen.elapsed < 1


@each_shell
def test_row_60_a_slow_caller(shell: str) -> None:
    """The caller's own time is nobody's stall, however long it takes over an item."""

    def respond(exchange: Exchange) -> None:
        exchange.head()
        for piece in (b": hello\n\n", sse(LOW), sse(chunk(" water")) + ENDING):
            exchange.send(piece)
            exchange.wait(0.05)

    limits = sseor.Timeouts(first_token=0.18, silence=0.18, stall=0.18)
    seen = look_at(shell, respond, think=0.2, timeouts=limits)
    assert seen.whole.text.endswith("Low water")
    assert seen.elapsed > 0.7


@each_shell
def test_row_60_total_is_wall_time(shell: str) -> None:
    """Against `total` the caller's time does count."""
    respond = for_ever(chunked(chunk("x")), first=CHUNKED_HEAD, every=0.005)
    seen = look_at(shell, respond, think=0.3, timeouts=sseor.Timeouts(total=0.2))
    assert type(seen.error) is DeadlineError


@across_shells("jump", [-86_400.0, 86_400.0, -1e9])
def test_row_61_the_wall_clock_jumps(shell: str, jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting the clock back or forward within a stream has no effect."""
    true_time = time.time
    moved = {"by": 0.0}

    def respond(exchange: Exchange) -> None:
        exchange.head()
        exchange.send(sse(LOW))
        exchange.wait(0.05)
        moved["by"] = jump
        exchange.send(sse(chunk(" water")))
        exchange.wait(0.05)
        exchange.send(ENDING)

    monkeypatch.setattr(time, "time", lambda: true_time() + moved["by"])
    seen = look_at(shell, respond, timeouts=sseor.Timeouts(silence=2, stall=2, first_token=2, total=4))
    assert seen.whole.text == "Low water"
    assert seen.whole.timeline is not None
    assert 0.09 < (seen.whole.timeline.ended or 0) < 2


# What Toxiproxy can do to a connection, done by the server itself.

WORDS = [f" word{number}" for number in range(20)]
TRUTH = "".join(WORDS)
BODY = b"".join(sse(chunk(word)) for word in WORDS) + ENDING
WIRE = CHUNKED_HEAD + in_chunks(BODY) + b"0\r\n\r\n"


def _latency(exchange: Exchange) -> None:
    exchange.wait(0.15)
    exchange.head()
    for word in WORDS[:5]:
        exchange.wait(0.03)
        exchange.send(sse(chunk(word)))
    exchange.send(b"".join(sse(chunk(word)) for word in WORDS[5:]) + ENDING)


def _bandwidth(exchange: Exchange) -> None:
    for start in range(0, len(WIRE), 200):
        exchange.raw(WIRE[start : start + 200])
        exchange.wait(0.005)


def _slicer(exchange: Exchange) -> None:
    for start in range(0, len(WIRE), 7):
        exchange.raw(WIRE[start : start + 7])
        if start % 70 == 0:
            exchange.wait(0.001)


def _slow_close(exchange: Exchange) -> None:
    exchange.head(framing="close")
    exchange.send(BODY)
    exchange.wait(0.3)


def _down(exchange: Exchange) -> None:
    exchange.cut()


def _timeout(exchange: Exchange) -> None:
    exchange.raw(WIRE[: len(WIRE) // 2])
    exchange.wait(0.1)
    exchange.cut()


def _reset_peer(exchange: Exchange) -> None:
    exchange.raw(WIRE[: len(WIRE) // 2])
    exchange.wait(0.05)
    exchange.reset()


def _limit_data(exchange: Exchange) -> None:
    exchange.head(framing="close")
    exchange.send(BODY[:1000])


@each_shell
@pytest.mark.parametrize(
    ("toxic", "error"),
    [
        (_latency, None),
        (_bandwidth, None),
        (_slicer, None),
        (_slow_close, None),
        (_down, sseor.errors.ConnectError),
        (_timeout, ConnectionLostError),
        (_reset_peer, ConnectionLostError),
        (_limit_data, EndedEarlyError),
    ],
    ids=["latency", "bandwidth", "slicer", "slow_close", "down", "timeout", "reset_peer", "limit_data"],
)
def test_a_toxic_network(
    shell: str, toxic: Callable[[Exchange], None], error: type[SseorError] | None
) -> None:
    """What only delays or slices the bytes changes nothing; what cuts them gives a prefix and a typed error."""
    seen = look_at(shell, toxic)
    assert type(seen.error) is (error or type(None)), repr(seen.error)
    assert TRUTH.startswith(seen.text)
    assert (seen.text == TRUTH) is (error is None)


@each_shell
def test_a_toxic_network_healed_by_retries(shell: str) -> None:
    """Down, then reset before a byte, then slow: the third attempt's answer is whole, and comes once."""
    seen = look_at(shell, in_turn(_down, raw(b"", last=Exchange.reset), _bandwidth), retries=retrying(3))
    assert (seen.whole.text, seen.attempts, len(seen.of(sseor.Retrying))) == (TRUTH, 3, 2)
    assert [item for item in seen.items if isinstance(item, sseor.Text)] == [
        sseor.Text(word) for word in WORDS
    ]


def every_word(items: list[Any]) -> list[str]:
    """Return the deltas of the text events."""
    return [item.delta for item in items if isinstance(item, sseor.Text)]


@each_shell
def test_a_total_over_all_attempts(shell: str) -> None:
    """`total` spans the attempts and the waits between them: no wait is begun that cannot end in time."""
    policy = sseor.RetryPolicy(attempts=50, base=0.1, longest=0.1, jitter=lambda: 1.0)
    limits = sseor.Timeouts(total=0.35)
    seen = in_time(
        lambda: look_at(shell, _down, retries=policy, timeouts=limits),
        lambda seen: seen.attempts >= 2 and seen.elapsed < 0.6,
    )
    assert seen.error is not None
    assert 2 <= seen.error.attempts <= 5
    assert seen.elapsed < 0.6
    assert every_word(seen.items) == []
