"""Saving an answer while it grows."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from sseor.chat import Completion

from .steps import Deliver, Expired, Failed, Save, Step

SAVE_SECONDS = 0.5
"""How much of an answer a crash may cost, in seconds; each save writes all of it and waits for the disk."""


def with_saves(
    life: Generator[Step, Any, None], snapshot: Callable[[], Completion]
) -> Generator[Step, Any, None]:
    """Return the same life with a `Save` after a delivery, at most one each `SAVE_SECONDS`."""
    saved_at = float("-inf")
    try:
        step = next(life)
        while True:
            try:
                answer = yield step
            except (Expired, Failed) as signal:
                step = life.throw(signal)
                continue
            if isinstance(step, Deliver) and answer - saved_at >= SAVE_SECONDS:
                answer = saved_at = yield Save(snapshot())
            step = life.send(answer)
    except StopIteration:
        return
