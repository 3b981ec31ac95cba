"""The life of one stream, readable from top to bottom: request after request, until the answer is whole or given up.

A generator of steps (see `steps`), driven by a thin shell for threads and one for async. Flow is written here once;
`attempt` is one request, `resuming` decides about the next.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from sseor.chat import Completion, Retrying, Timeline
from sseor.chat.request import ChatRequest
from sseor.errors import SseorError

from .attempt import Attempt
from .keeping import with_saves
from .resuming import Next, Recovery, generation_of
from .secrets import redact, redacted, without_echo
from .settings import Settings
from .steps import Pause, Step
from .watchdog import Watchdog

Life = Generator[Step, Any, None]


class Script:
    """One stream: its state, open to be looked at while it grows, and the generator that moves it.

    `before` is an answer that was saved unfinished, and is continued.
    """

    def __init__(self, request: ChatRequest, settings: Settings, before: Completion | None = None) -> None:
        self.settings = settings
        self.timeline = Timeline()
        self._request = request
        self._recovery = Recovery(request, settings, before)
        self._watchdog = Watchdog(settings.timeouts, 0.0)
        self._next = self._recovery.first()
        self._attempt = self._new_attempt(self._next, as_chunks=False)
        self._over = False

    @property
    def completion(self) -> Completion:
        """What has arrived so far, with the evidence for how it ended."""
        recovery, own = self._recovery, self._attempt.own
        completion = self._attempt.whole(own) if recovery.final is None else recovery.final
        generations = [*recovery.generations, *([] if self._over else generation_of(own, None))]
        completion = replace(
            completion,
            generation_id=completion.generation_id or (generations[-1].id if generations else None),
            generations=generations,
            request=self._request.fields,
            timeline=self.timeline.copy(),
            verdict=replace(completion.verdict, not_continued=recovery.not_continued),
        )
        return without_echo(completion, self.settings.secret)

    def run(self, now: float, *, as_chunks: bool = False) -> Life:
        """Yield the steps of the whole stream; the caller gets stream events, or chunks if it asked for them."""
        life = self._run(now, as_chunks=as_chunks)
        return with_saves(life, lambda: self.completion) if self.settings.saves else life

    def _run(self, now: float, *, as_chunks: bool) -> Life:
        self._watchdog = Watchdog(self.settings.timeouts, now)
        self.timeline.started = now
        request: Next | None = self._next
        while request is not None:
            attempt = self._attempt = self._new_attempt(request, as_chunks=as_chunks)
            self._over = False
            try:
                yield from attempt.run(now)
                request = self._after_end()
            except SseorError as error:
                request = self._after_failure(error)
            now = attempt.now
            if request is not None and request.cause is not None:
                if not as_chunks:
                    yield from attempt.deliver([Retrying(request.wait, request.cause)])
                now = yield Pause(attempt.now + request.wait)
        if self._recovery.withheld:
            yield from self._attempt.deliver(self._recovery.withheld)

    def _after_end(self) -> Next | None:
        request = self._recovery.after_end(self._attempt)
        self._ended(for_good=request is None)
        return request

    def _after_failure(self, error: SseorError) -> Next | None:
        """Return the next request after this failure; raises how the stream fails when there is none."""
        attempt = self._attempt
        error.detail = redacted(error.detail, self.settings.secret)  # it is quoted from now on
        outcome = self._recovery.after_failure(attempt, error, self._watchdog.left(attempt.now))
        self._ended(for_good=not isinstance(outcome, Next))
        self._dress(error)
        if not isinstance(outcome, SseorError):
            return outcome
        if outcome is error:
            raise error
        self._dress(outcome)
        raise outcome from error

    def _ended(self, *, for_good: bool) -> None:
        self._over = True
        at = self.timeline.since_start(self._attempt.now)
        self.timeline.attempt_ended(at)
        self.timeline.ended = at if for_good else None

    def _new_attempt(self, request: Next, *, as_chunks: bool) -> Attempt:
        return Attempt(
            request.body,
            self.settings,
            self.timeline,
            self._watchdog,
            as_chunks=as_chunks,
            splice=request.splice,
        )

    def _dress(self, error: SseorError) -> None:
        """Fill in what only the stream knows."""
        error.partial = self.completion
        error.generation_id = error.partial.generation_id
        error.attempts = self.timeline.attempts
        error.phase = error.phase or self._watchdog.phase
        error.last_event_id = self._attempt.last_event_id
        redact(error, self.settings.secret)
