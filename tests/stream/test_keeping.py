"""Saving while an answer grows."""

from __future__ import annotations

from typing import Any

import pytest

from sseor.chat import Completion
from sseor.errors import ConnectionLostError
from sseor.stream import Deliver, Expired, Pause, Save
from sseor.stream.keeping import SAVE_SECONDS, with_saves

ANSWER = Completion(model="m")


def life(log: list[Any], *steps: Any) -> Any:
    """Yield steps and note what they are answered with; an exception among them is raised."""
    for step in steps:
        if isinstance(step, Exception):
            raise step
        try:
            log.append((yield step))
        except Expired as expiry:
            log.append(expiry)


def test_a_delivery_is_followed_by_a_save_but_not_too_often() -> None:
    """The first is saved at once, later ones at most each half second, and the life goes on with the latest time."""
    log: list[Any] = []
    steps = with_saves(life(log, Deliver([1]), Deliver([2]), Pause(0), Deliver([3])), lambda: ANSWER)
    assert next(steps) == Deliver([1])
    assert steps.send(10.0) == Save(ANSWER)
    assert steps.send(10.1) == Deliver([2])
    assert steps.send(10.2) == Pause(0)
    assert steps.send(10.3) == Deliver([3])
    assert steps.send(10.1 + SAVE_SECONDS) == Save(ANSWER)
    with pytest.raises(StopIteration):
        steps.send(10.2 + SAVE_SECONDS)
    assert log == [10.1, 10.2, 10.3, 10.2 + SAVE_SECONDS]


def test_signals_and_errors_pass() -> None:
    """An expiry is thrown into the life, its errors come out."""
    log: list[Any] = []
    steps = with_saves(life(log, Pause(0), Pause(1), ConnectionLostError("lost")), lambda: ANSWER)
    next(steps)
    expiry = Expired(1.0)
    assert steps.throw(expiry) == Pause(1)
    with pytest.raises(ConnectionLostError):
        steps.send(2.0)
    assert log == [expiry, 2.0]
