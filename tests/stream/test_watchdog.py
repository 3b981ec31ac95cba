"""The watchdog, told what happened at invented times."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseor.errors import ConfigError, DeadlineError, StallError
from sseor.stream.watchdog import FINISH_GRACE, Timeouts, Watchdog

LIMITS = Timeouts(connect=1, silence=3, first_token=10, stall=5, total=100)


@pytest.mark.parametrize("name", ["connect", "silence", "first_token", "stall", "total"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "5", True, [1]])
def test_a_deadline_is_a_positive_finite_number(name: str, value: Any) -> None:
    """Zero, negative, NaN, infinite and non-numeric deadlines are refused by name."""
    with pytest.raises(ConfigError, match=name):
        Timeouts(**{name: value})


def test_before_the_head_only_first_token_and_total_run() -> None:
    """Silence before the head is not silence of a living connection."""
    watchdog = Watchdog(LIMITS, 50)
    assert (watchdog.deadline(), watchdog.nearest(), watchdog.phase) == (60, "first_token", "headers")


def test_silence_is_armed_by_the_first_sign_of_life() -> None:
    """Bytes alone do not arm silence; a heartbeat or a chunk does, and every later byte postpones it."""
    watchdog = Watchdog(LIMITS, 0)
    watchdog.head()
    watchdog.bytes(1)
    assert watchdog.nearest() == "first_token"
    watchdog.alive(2)
    assert (watchdog.deadline(), watchdog.nearest()) == (5, "silence")
    watchdog.bytes(4)
    assert watchdog.deadline() == 7


def test_heartbeats_do_not_postpone_the_first_token() -> None:
    """However often the connection shows life, first_token runs from the start of the attempt."""
    watchdog = Watchdog(LIMITS, 0)
    watchdog.head()
    for now in range(1, 10):
        watchdog.alive(now)
    assert (watchdog.deadline(), watchdog.nearest()) == (10, "first_token")


def test_progress_turns_first_token_into_stall() -> None:
    """After the first progress each wait is bounded by stall."""
    watchdog = Watchdog(LIMITS, 0)
    watchdog.progress(8)
    assert watchdog.phase == "streaming"
    watchdog.alive(12)
    assert (watchdog.deadline(), watchdog.nearest()) == (13, "stall")


def test_a_new_attempt_starts_its_own_first_token_but_not_total() -> None:
    """first_token is per attempt, total is for the whole stream."""
    watchdog = Watchdog(LIMITS, 0)
    watchdog.progress(8)
    watchdog.attempt(95)
    assert (watchdog.phase, watchdog.deadline(), watchdog.nearest()) == ("headers", 100, "total")
    assert watchdog.left(95) == 5


def test_the_callers_time_moves_every_timer_but_total() -> None:
    """A slow reader is not an upstream stall; it does spend the total budget."""
    watchdog = Watchdog(LIMITS, 0)
    watchdog.caller_took(1)
    assert watchdog.deadline() == 11
    watchdog.alive(2)
    watchdog.progress(2)
    watchdog.caller_took(90)
    assert (watchdog.deadline(), watchdog.nearest()) == (95, "silence")
    watchdog.caller_took(90)
    assert (watchdog.deadline(), watchdog.nearest()) == (100, "total")


def test_a_finished_answer_has_a_grace_and_no_stall() -> None:
    """From the finish reason on, only the grace and total run; later progress does not extend the grace."""
    watchdog = Watchdog(Timeouts(stall=0.1), 0)
    watchdog.progress(1)
    watchdog.finished(1)
    watchdog.progress(1.05)
    watchdog.finished(1.5)
    assert watchdog.phase == "finished"
    assert watchdog.nearest() == "grace"
    assert watchdog.deadline() <= 1.05 + FINISH_GRACE


def test_without_limits_nothing_wakes() -> None:
    """Every timer can be switched off."""
    watchdog = Watchdog(Timeouts(None, None, None, None, None), 0)
    watchdog.alive(1)
    assert watchdog.deadline() == math.inf
    watchdog.progress(2)
    assert watchdog.deadline() == math.inf
    assert watchdog.left(10) == math.inf


def test_an_expiry_names_its_timer_and_the_wait() -> None:
    """The error says which timer it was and how long was waited."""
    watchdog = Watchdog(LIMITS, 0)
    first_token = watchdog.expired(10)
    assert isinstance(first_token, StallError)
    assert (first_token.timer, first_token.waited, first_token.retryable) == ("first_token", 10, True)
    watchdog.alive(5)
    silence = watchdog.expired(8.5)
    assert isinstance(silence, StallError)
    assert (silence.timer, silence.waited) == ("silence", 3.5)
    watchdog.progress(99)
    watchdog.alive(99)
    total = watchdog.expired(100)
    assert isinstance(total, DeadlineError)
    assert (total.waited, total.retryable) == (100, False)
    assert watchdog.waited(100) == 1


MOMENTS = st.lists(
    st.tuples(st.sampled_from(["bytes", "alive", "progress", "caller_took"]), st.floats(0, 20)), max_size=30
)


@given(MOMENTS)
def test_it_never_fires_early_nor_later_than_its_limits(moments: list[tuple[str, float]]) -> None:
    """Whatever happens, the deadline is the last progress, plus the caller's time, plus the limit at hand."""
    watchdog, now, last, progressed = (
        Watchdog(Timeouts(silence=None, first_token=10, stall=5), 0),
        0.0,
        0.0,
        False,
    )
    for name, seconds in moments:
        now += seconds
        if name == "caller_took":
            last += seconds
            watchdog.caller_took(seconds)
            continue
        getattr(watchdog, name)(now)
        if name == "progress":
            last, progressed = now, True
    assert watchdog.deadline() == pytest.approx(last + (5 if progressed else 10))
