"""The life of one stream, readable from top to bottom: attempt, try again, end.

A generator of steps (see `steps`), driven by a thin shell for threads and one for async. Flow is written here once.
Before the first token a transient failure may be tried again, after it nothing is sent twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from sseor.chat import Completion, Retrying, Timeline
from sseor.errors import SseorError

from .attempt import Attempt
from .secrets import redact, without_echo
from .settings import Settings
from .steps import Pause, Step
from .watchdog import Watchdog

Life = Generator[Step, Any, None]


class Script:
    """One stream: its state, open to be looked at while it grows, and the generator that moves it."""

    def __init__(self, body: bytes, settings: Settings) -> None:
        self.settings = settings
        self.timeline = Timeline()
        self._request_body = body
        self._watchdog = Watchdog(settings.timeouts, 0.0)
        self._promised_id: str | None = None
        self._attempt = self._new_attempt(as_chunks=False)

    @property
    def completion(self) -> Completion:
        """What has arrived so far, with the evidence for how it ended."""
        attempt = self._attempt
        completion = attempt.accumulator.completion(verdict=attempt.verdict, timeline=self.timeline.copy())
        promised_id = attempt.promised_id or self._promised_id
        if completion.generation_id is None and promised_id is not None:
            completion = replace(completion, generation_id=promised_id)
        return without_echo(completion, self.settings.secret)

    def run(self, now: float, *, as_chunks: bool = False) -> Life:
        """Yield the steps of the whole stream; the caller gets stream events, or chunks if it asked for them."""
        self._watchdog = Watchdog(self.settings.timeouts, now)
        self.timeline.started = now
        failures: Counter[tuple[type, str]] = Counter()
        while True:
            attempt = self._attempt = self._new_attempt(as_chunks=as_chunks)
            try:
                yield from attempt.run(now)
                self.timeline.ended = self.timeline.since_start(attempt.now)
                return
            except SseorError as error:
                failure = error
                self.timeline.attempt_ended(self.timeline.since_start(attempt.now))
                wait = self._wait_before_retry(error, failures)
                self.timeline.ended = self.timeline.since_start(attempt.now) if wait is None else None
                self._dress(error)
                if wait is None:
                    raise
            self._promised_id = attempt.promised_id or self._promised_id
            if not as_chunks:
                yield from attempt.deliver([Retrying(wait, failure)])
            now = yield Pause(attempt.now + wait)

    def _new_attempt(self, *, as_chunks: bool) -> Attempt:
        return Attempt(self._request_body, self.settings, self.timeline, self._watchdog, as_chunks=as_chunks)

    def _wait_before_retry(self, error: SseorError, failures: Counter[tuple[type, str]]) -> float | None:
        """Return the wait before the next attempt, or None when this failure is the end."""
        if self._attempt.accumulator.generated or self._attempt.accumulator.finished:
            return None
        kind = (type(error), getattr(error, "timer", ""))
        wait = self.settings.retries.wait(error, self.timeline.attempts, failures[kind])
        failures[kind] += 1
        return wait if wait is not None and wait < self._watchdog.left(self._attempt.now) else None

    def _dress(self, error: SseorError) -> None:
        """Fill in what only the stream knows."""
        error.partial = self.completion
        error.generation_id = error.partial.generation_id
        error.attempts = self.timeline.attempts
        error.phase = error.phase or self._watchdog.phase
        error.last_event_id = self._attempt.last_event_id
        redact(error, self.settings.secret)
