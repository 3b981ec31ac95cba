"""Attempt after attempt, played by hand: the steps answered with plain values at invented times."""

from __future__ import annotations

from typing import Any

import pytest
from stages import DONE, EXPIRY, HEARTBEAT, OK, REQUEST, Stage, delta, event, with_settings

from sseor.chat import Chunk, Retrying
from sseor.errors import (
    ConnectError,
    ConnectionLostError,
    SseorError,
    StatusError,
)
from sseor.stream import (
    RetryPolicy,
    Script,
    Settings,
    Timeouts,
)


def retrying(attempts: int = 3, **options: Any) -> Settings:
    """Return settings that wait exactly half of each backoff."""
    timeouts = options.pop("timeouts", Timeouts())
    return with_settings(
        retries=RetryPolicy(attempts=attempts, jitter=lambda: 0.5, **options), timeouts=timeouts
    )


@pytest.mark.parametrize(
    "first",
    [
        [ConnectError("refused")],
        [EXPIRY],
        [(503, {}), b""],
        [OK, HEARTBEAT, b""],
        [OK, HEARTBEAT, ConnectionLostError("lost")],
        [OK, event(error={"code": 502, "message": "down"}, choices=[])],
        [OK, delta(""), EXPIRY],
        [(204, {}), b""],
    ],
)
def test_before_the_first_token_a_transient_failure_is_tried_again(first: list[Any]) -> None:
    """The retry is announced, its answer is the whole answer, and the attempts are counted."""
    stage = Stage(*first, OK, delta("Low", "stop"), DONE, b"", settings=retrying()).play()
    assert stage.error is None
    assert stage.text == "Low"
    announced = [item for item in stage.delivered if isinstance(item, Retrying)]
    assert [notice.wait for notice in announced] == [0.25]
    assert isinstance(announced[0].cause, SseorError)
    assert announced[0].cause.attempts == 1
    assert stage.script.completion.timeline is not None
    assert stage.script.completion.timeline.attempts == 2


def test_after_the_first_token_nothing_is_sent_again() -> None:
    """A cut after a token raises, however many attempts are left."""
    stage = Stage(OK, delta("Low"), ConnectionLostError("lost"), settings=retrying()).play()
    assert isinstance(stage.error, ConnectionLostError)
    assert stage.error.attempts == 1


def test_the_last_real_error_is_raised() -> None:
    """When the attempts run out, the error of the last one is raised, with their number."""
    answers = [ConnectError("first"), ConnectError("second"), (500, {}), b""]
    stage = Stage(*answers, settings=retrying()).play()
    assert isinstance(stage.error, StatusError)
    assert stage.error.attempts == 3


def test_a_wait_that_does_not_fit_is_not_begun() -> None:
    """When Retry-After goes beyond the total budget, the error comes at once and keeps the number."""
    settings = retrying(timeouts=Timeouts(total=20))
    stage = Stage((429, {"retry-after": "30"}), b"", settings=settings).play()
    assert isinstance(stage.error, StatusError)
    assert stage.error.retry_after == 30
    assert stage.now < 1010


def test_chunks_are_retried_without_a_notice() -> None:
    """A reader of chunks gets chunks only."""
    stage = Stage(ConnectError("no"), OK, delta("Low", "stop"), DONE, b"", settings=retrying()).play(
        as_chunks=True
    )
    assert [isinstance(item, Chunk) for item in stage.delivered] == [True]


def test_nothing_is_known_before_the_first_step() -> None:
    """A script can be looked at before it runs."""
    script = Script(REQUEST, with_settings())
    assert script.completion.text == ""
    assert script.completion.verdict is not None
    assert not script.completion.verdict.complete
