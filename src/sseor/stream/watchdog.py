"""When waiting means failure: five deadlines, computed without a clock.

Two clocks run in a stream. *Silence* is about bytes: any byte, a heartbeat included, proves that the connection
lives. *Progress* is about the answer: generated content, reasoning, a tool-call fragment, a finish reason, usage
or an error. Heartbeats, empty deltas and half events are bytes but no progress, so a server that only keeps the
connection warm runs into `first_token` or `stall`. The caller's own time moves both clocks forward; only `total`
is wall time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

from sseor.errors import ConfigError, DeadlineError, StallError

FINISH_GRACE = 2.0
"""Seconds that a finished answer is given for its usage and `[DONE]`; then it is a success without them."""

Phase = Literal["headers", "first_token", "streaming", "finished"]
Timer = Literal["silence", "first_token", "stall", "total", "grace"]

_TIMERS: dict[Phase, Timer] = {
    "headers": "first_token",
    "first_token": "first_token",
    "streaming": "stall",
    "finished": "grace",
}
_SENTENCES: dict[str, str] = {
    "silence": "the connection fell silent: not a byte, not even a heartbeat",
    "first_token": "no first token",
    "stall": "the answer stalled: no progress",
}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Deadlines in seconds; None switches one off.

    `connect` bounds TCP and TLS of each attempt. `silence` is the longest time without any byte, armed once the body
    has shown a sign of life. `first_token` runs from the start of each attempt until the first progress, `stall`
    between two signs of progress. `total` is the wall time of the whole stream with all its attempts.
    """

    connect: float | None = 10.0
    silence: float | None = 30.0
    first_token: float | None = 120.0
    stall: float | None = 120.0
    total: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not _is_duration(value):
                raise ConfigError(
                    f"Timeouts.{field.name} must be a positive number of seconds or None, not {value!r:.40}"
                )


def _is_duration(value: object) -> bool:
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    )


class Watchdog:
    """The deadlines of one stream: told what happened and when, it says when to wake and what an expiry means."""

    def __init__(self, timeouts: Timeouts, now: float) -> None:
        self.timeouts = timeouts
        self.phase: Phase
        self._began = now
        self._total_at = now + _seconds(timeouts.total)
        self.attempt(now)

    def attempt(self, now: float) -> None:
        """Note that a request is about to be sent."""
        self._progress_at = now
        self._byte_at = math.inf  # until the first sign of life
        self._enter("headers", _seconds(self.timeouts.first_token))
        self._silence = _seconds(self.timeouts.silence)

    def head(self) -> None:
        """Note that the response head came: a sign of life, but no progress."""
        self.phase = "first_token"

    def alive(self, now: float) -> None:
        """Note a sign of life in the body, a heartbeat or a chunk; it arms `silence`."""
        self._byte_at = now

    def bytes(self, now: float) -> None:
        """Note that bytes of the body came, whatever they are."""
        if self._byte_at < math.inf:
            self._byte_at = now

    def progress(self, now: float) -> None:
        """Note that the answer moved on."""
        self._progress_at = now
        if self.phase not in ("streaming", "finished"):
            self._enter("streaming", _seconds(self.timeouts.stall))

    def finished(self, now: float) -> None:
        """Note that every choice has its finish reason: what is still missing gets a short grace."""
        if self.phase != "finished":
            self._progress_at = now
            self._enter("finished", FINISH_GRACE)
            self._silence = math.inf

    def caller_took(self, seconds: float) -> None:
        """Leave the caller's own time out of every timer but `total`."""
        self._progress_at += seconds
        self._byte_at += seconds

    def left(self, now: float) -> float:
        """Return the seconds left of the whole budget."""
        return self._total_at - now

    def waited(self, now: float) -> float:
        """Return the seconds without progress."""
        return now - self._progress_at

    def deadline(self) -> float:
        """Return when to wake, on the clock of `now`; infinity when no timer runs."""
        return min(self._total_at, self._progress_at + self._patience, self._byte_at + self._silence)

    def nearest(self) -> Timer:
        """Return the timer that `deadline` belongs to."""
        deadline = self.deadline()
        if deadline == self._total_at:
            return "total"
        if deadline < self._progress_at + self._patience:
            return "silence"
        return _TIMERS[self.phase]

    def expired(self, now: float) -> StallError | DeadlineError:
        """Return the error for the deadline that has passed."""
        timer = self.nearest()
        if timer == "total":
            waited = now - self._began
            return DeadlineError(f"the total deadline passed after {waited:.1f} s", waited=waited)
        waited = now - (self._byte_at if timer == "silence" else self._progress_at)
        return StallError(f"{_SENTENCES[timer]} for {waited:.1f} s", timer=timer, waited=waited)

    def _enter(self, phase: Phase, patience: float) -> None:
        self.phase = phase
        self._patience = patience


def _seconds(limit: float | None) -> float:
    return math.inf if limit is None else limit
