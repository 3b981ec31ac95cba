"""Which failures are tried again, and after what wait."""

from __future__ import annotations

from typing import Any

import pytest

from sseor.errors import (
    ConfigError,
    ConnectError,
    ContentTypeError,
    DeadlineError,
    EndedEarlyError,
    ProtocolError,
    StallError,
    StatusError,
)
from sseor.stream.retrying import RetryPolicy


def certain(**options: Any) -> RetryPolicy:
    """Return a policy whose jitter is always one half."""
    return RetryPolicy(jitter=lambda: 0.5, **options)


def test_backoff_doubles_up_to_its_longest() -> None:
    """Waits are jitter times base times a power of two, capped."""
    policy = certain(attempts=9, base=1, longest=4)
    assert [policy.wait(ConnectError(), attempt, 0) for attempt in (1, 2, 3, 4)] == [0.5, 1, 2, 2]


def test_attempts_count_the_first_request() -> None:
    """Three attempts are at most three requests."""
    policy = certain(attempts=3)
    assert policy.wait(ConnectError(), 2, 0) is not None
    assert policy.wait(ConnectError(), 3, 0) is None


@pytest.mark.parametrize("error", [ContentTypeError(), DeadlineError(), StatusError(retryable=False)])
def test_what_is_not_transient_is_not_tried_again(error: Any) -> None:
    """A failure that would repeat itself ends the stream at once."""
    assert certain().wait(error, 1, 0) is None


def test_the_servers_hint_replaces_the_backoff() -> None:
    """Retry-After is honoured exactly, and one beyond the longest hint is not waited for."""
    policy = certain(longest_hint=30)
    assert policy.wait(StatusError(retryable=True, retry_after=7), 1, 0) == 7
    assert policy.wait(StatusError(retryable=True, retry_after=0), 1, 0) == 0
    assert policy.wait(StatusError(retryable=True, retry_after=31), 1, 0) is None


def test_an_expired_first_token_is_tried_again_once() -> None:
    """Each such retry may be billed, so the second expiry is final by default."""
    policy = certain(attempts=9)
    assert policy.wait(StallError(timer="first_token"), 1, 0) is not None
    assert policy.wait(StallError(timer="first_token"), 2, 1) is None
    assert policy.wait(StallError(timer="stall"), 2, 1) is not None
    assert certain(first_token_expiries=0).wait(StallError(timer="silence"), 1, 0) is not None


def test_a_broken_format_is_tried_again_once() -> None:
    """Garbage may be an accident of a proxy; twice it is not."""
    broken = ProtocolError(retryable=True)
    assert certain(attempts=9).wait(broken, 1, 0) is not None
    assert certain(attempts=9).wait(broken, 2, 1) is None
    assert certain(attempts=9).wait(EndedEarlyError(), 2, 1) is not None


@pytest.mark.parametrize(
    "options",
    [{"attempts": 0}, {"attempts": 1.5}, {"attempts": True}, {"base": -1}, {"longest": float("nan")}],
)
def test_a_policy_of_nonsense_is_refused(options: dict[str, Any]) -> None:
    """Attempts below one and waits that are no durations are a ConfigError."""
    with pytest.raises(ConfigError):
        RetryPolicy(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"max_attempts": 0},
        {"max_attempts": True},
        {"max_output_tokens": 0},
        {"max_output_tokens": 1.5},
        {"max_cost": -1},
        {"max_cost": float("nan")},
    ],
)
def test_caps_that_cannot_be_meant(options: dict[str, Any]) -> None:
    """A cap is a positive number of its kind, or absent."""
    with pytest.raises(ConfigError):
        RetryPolicy(**options)
