"""Deadlines on real sockets: every way to keep a client waiting, in every phase, on every shell, plain and in TLS."""

from __future__ import annotations

from typing import Any

import pytest
from faults import (
    after_a_token,
    before_the_first_token,
    before_the_head,
    chunk_header,
    comments,
    empty_deltas,
    half_event,
    header_trickle,
    interim,
    serve,
    silence,
)
from shells import LATE, SHELLS, in_time, read, within

import sseor
from sseor.errors import DeadlineError, StallError

LIMIT = 0.3

pytestmark = [pytest.mark.usefixtures("leaves_nothing_open")]


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def tls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the connection is inside TLS, which the client then trusts."""
    if request.param:
        import httpx
        from faults import certificates

        monkeypatch.setattr(httpx, "create_ssl_context", lambda: certificates()[1])
    return bool(request.param)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("tease", [silence, header_trickle, interim])
def test_before_the_head(shell: str, tease: object, tls: bool) -> None:
    """Silence, a header that trickles and endless interim responses end by first_token."""
    limits = sseor.Timeouts(first_token=LIMIT)
    with serve(before_the_head(tease), tls=tls) as server:  # type: ignore[arg-type]
        outcome = in_time(lambda: read(shell, server.base_url, timeouts=limits), within(LIMIT, "headers"))
        assert server.wait_idle(5)
    assert isinstance(outcome.error, StallError)
    assert (outcome.error.timer, outcome.error.phase) == ("first_token", "headers")
    assert LIMIT <= outcome.error.waited <= LIMIT + LATE


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("tease", [silence, comments, empty_deltas, half_event, chunk_header])
def test_before_the_first_token(shell: str, tease: object, tls: bool) -> None:
    """Whatever comes without a token, heartbeats and empty deltas included, first_token ends it."""
    limits = sseor.Timeouts(first_token=LIMIT)
    with serve(before_the_first_token(tease), tls=tls) as server:  # type: ignore[arg-type]
        outcome = in_time(lambda: read(shell, server.base_url, timeouts=limits), within(LIMIT, "first_token"))
        assert server.wait_idle(5)
    assert isinstance(outcome.error, StallError)
    assert (outcome.error.timer, outcome.error.phase) == ("first_token", "first_token")
    assert LIMIT <= outcome.error.waited <= LIMIT + LATE
    assert bool(outcome.of(sseor.Heartbeat)) is (tease is comments)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("tease", [silence, comments, empty_deltas, half_event, chunk_header])
def test_after_a_token(shell: str, tease: object, tls: bool) -> None:
    """After a token the same ends by stall, and the token is kept."""
    limits = sseor.Timeouts(stall=LIMIT)
    with serve(after_a_token(tease), tls=tls) as server:  # type: ignore[arg-type]
        outcome = in_time(lambda: read(shell, server.base_url, timeouts=limits), within(LIMIT, "streaming"))
        assert server.wait_idle(5)
    assert isinstance(outcome.error, StallError)
    assert (outcome.error.timer, outcome.error.phase) == ("stall", "streaming")
    assert LIMIT <= outcome.error.waited <= LIMIT + LATE
    assert outcome.text == "Low"
    assert outcome.error.partial is not None
    assert outcome.error.partial.text == "Low"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("respond", "phase", "text"),
    [
        (before_the_head(interim), "headers", ""),
        (before_the_first_token(comments), "first_token", ""),
        (after_a_token(chunk_header), "streaming", "Low"),
    ],
    ids=["head", "first_token", "token"],
)
def test_total(shell: str, respond: object, phase: str, text: str) -> None:
    """The total budget ends a stream in every phase, for good."""
    options: dict[str, Any] = {
        "timeouts": sseor.Timeouts(total=LIMIT),
        "retries": sseor.RetryPolicy(attempts=3),
    }
    with serve(respond) as server:  # type: ignore[arg-type]
        outcome = in_time(lambda: read(shell, server.base_url, **options), within(LIMIT, phase))
        assert server.wait_idle(5)
    assert isinstance(outcome.error, DeadlineError)
    assert LIMIT <= outcome.error.waited <= LIMIT + LATE
    assert outcome.error.attempts == 1
    assert outcome.text == text


@pytest.mark.parametrize("shell", SHELLS)
def test_silence_of_a_connection_that_has_lived(shell: str) -> None:
    """Once a heartbeat came, no byte at all for `silence` seconds means a dead connection."""

    def one_heartbeat(exchange: object) -> None:
        comments(exchange)  # type: ignore[arg-type]
        while exchange.wait(1):  # type: ignore[attr-defined]
            pass

    for tease, timer in ((silence, "first_token"), (one_heartbeat, "silence")):
        with serve(before_the_first_token(tease)) as server:
            timeouts = sseor.Timeouts(silence=LIMIT, first_token=LIMIT * 3)
            outcome = read(shell, server.base_url, timeouts=timeouts)
            assert server.wait_idle(5)
        assert isinstance(outcome.error, StallError)
        assert outcome.error.timer == timer
