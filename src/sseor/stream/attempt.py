"""One request and the reading of its answer: open, read, deliver, judge the end.

An answer is complete only when a finish reason came; every other end is an error. What the bytes complete before
they fail is handed out before the failure is raised.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from sseor.chat import (
    Accumulator,
    Completion,
    Finished,
    Heartbeat,
    Text,
    Timeline,
    UsageReport,
    Verdict,
)
from sseor.errors import EndedEarlyError, SseorError
from sseor.wire import Comment

from .body import Body
from .refusals import failed_generation, refused
from .secrets import events_without, redacted
from .settings import Settings
from .splice import Splice
from .steps import Deliver, Expired, Failed, Head, Open, Read, Step
from .watchdog import Watchdog

DRAIN_SECONDS = 0.05
DRAIN_BYTES = 1 << 14
"""How long and how far to read past `[DONE]` for the end of the HTTP body, which keeps the connection for reuse."""

_GENERATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_REFUSAL_SECONDS = 1.0
_REFUSAL_BYTES = 1 << 16


class Attempt:
    """One request of a stream: what came of it, open to be looked at while it grows, and the generator that moves it.

    `now` is the last reading of the shell's clock. `promised_id` is the generation id of the response head.
    """

    def __init__(
        self,
        request_body: bytes,
        settings: Settings,
        timeline: Timeline,
        watchdog: Watchdog,
        *,
        as_chunks: bool,
        splice: Splice | None = None,
    ) -> None:
        self.accumulator = Accumulator()
        self.promised_id: str | None = None
        self.now = 0.0
        self._request_body = request_body
        self._settings = settings
        self._timeline = timeline
        self._watchdog = watchdog
        self._as_chunks = as_chunks
        self.splice = splice
        self._response: Body | None = None
        self._clean_end = False
        self._failure: SseorError | None = None

    def run(self, now: float) -> Generator[Step, Any, None]:
        """Send the request once and read its answer to the end."""
        self.now = now
        self._timeline.attempt(self._timeline.since_start(now))
        self._watchdog.attempt(now)
        head = yield from self._open()
        if head.status != 200:
            raise (yield from self._refusal(head))
        response = self._response = Body(
            head.headers, max_event_bytes=self._settings.max_event_bytes, lenient=self._settings.lenient
        )
        while not response.done:
            try:
                data, self.now = yield Read(self._watchdog.deadline())
            except (Expired, Failed) as signal:
                self.now = signal.now
                if self._watchdog.phase == "finished":  # a finished answer needs no more waiting
                    break
                error = self._error_of(signal)
                raise error from error.__cause__
            batch = self._take(data)
            if batch:
                self._caller_is_back((yield Deliver(batch)))
            if self._failure is not None:
                raise self._failure
            if not data:
                self._clean_end = True
                break
        yield from self._finish()

    def deliver(self, batch: list[Any]) -> Generator[Step, Any, None]:
        """Hand these to the caller."""
        self._caller_is_back((yield Deliver(batch)))

    def _caller_is_back(self, now: float) -> None:
        """Note that the caller wants more: its own time counts for nobody."""
        took = now - self.now
        self.now = now
        self._timeline.caller_took(took)
        self._watchdog.caller_took(took)

    @property
    def verdict(self) -> Verdict:
        """The evidence for how the answer ended, so far."""
        response, reader = self._response, self._response and self._response.reader
        return Verdict(
            saw_finish=self.accumulator.finished,
            saw_done=reader.done if reader else False,
            saw_usage=self.accumulator.usage is not None,
            clean_end=self._clean_end,
            failed=self.accumulator.failure is not None,
            unterminated=reader.unterminated if reader else False,
            skipped_events=reader.skipped if reader else 0,
            not_streamed=response.whole if response else False,
            complete_when=self._settings.complete_when,
        )

    @property
    def brought_something(self) -> bool:
        """Whether anything was generated or finished: what was handed out cannot be taken back."""
        return self.accumulator.generated or self.accumulator.finished

    @property
    def own(self) -> Completion:
        """What this request brought, repetitions included."""
        own = self.accumulator.completion(verdict=self.verdict, timeline=self._timeline.copy())
        if own.generation_id is None and self.promised_id is not None:
            own = replace(own, generation_id=self.promised_id)
        return own

    def whole(self, own: Completion) -> Completion:
        """Return the answer so far: what earlier requests left of it, and `own`, what this one brought."""
        return own if self.splice is None else self.splice.whole(own)

    @property
    def last_event_id(self) -> str | None:
        """The last event ID in force, None when there is none."""
        return (self._response and self._response.last_event_id) or None

    def _open(self) -> Generator[Step, Any, Head]:
        connect = self._settings.timeouts.connect
        try:
            head: Head = yield Open(self._request_body, connect, self._watchdog.deadline())
        except (Expired, Failed) as signal:
            self.now = signal.now
            error = self._error_of(signal)
            raise error from error.__cause__
        self.now = head.now
        self._watchdog.head()
        cache_hit = head.headers.get("x-openrouter-cache-status", "").strip().upper() == "HIT"
        self._timeline.head_came(self._timeline.since_start(head.now), cache_hit=cache_hit)
        # Known before the first chunk: the only handle for the cost of an answer that dies at once.
        promised = head.headers.get("x-generation-id", "")
        if _GENERATION_ID.fullmatch(promised) and redacted(promised, self._settings.secret) == promised:
            self.promised_id = promised
        return head

    def _error_of(self, signal: Expired | Failed) -> SseorError:
        return self._watchdog.expired(signal.now) if isinstance(signal, Expired) else signal.error

    def _take(self, data: bytes) -> list[Any]:
        """Add what came to the answer and return what the caller is to get; a failure waits until that is delivered."""
        response, timeline, watchdog, now = self._response, self._timeline, self._watchdog, self.now
        assert response is not None
        accumulator, as_chunks, splice = self.accumulator, self._as_chunks, self.splice
        moment = timeline.since_start(now)
        if timeline.awaits_byte and data:
            timeline.byte_came(moment)
        watchdog.bytes(now)
        batch: list[Any] = []
        try:
            for item in response.feed(data) if data else response.end():
                watchdog.alive(now)
                if isinstance(item, Comment):
                    timeline.heartbeat(moment)
                    if not as_chunks:
                        batch.append(Heartbeat(watchdog.waited(now), watchdog.phase))
                    continue
                events = accumulator.add(item)
                timeline.chunk(moment)
                for event in events:
                    watchdog.progress(now)
                    if not isinstance(event, (Finished, UsageReport)):
                        timeline.token(moment, visible=isinstance(event, Text))
                if accumulator.finished:
                    watchdog.finished(now)
                    events = events_without(events, self._settings.secret)
                if as_chunks:
                    batch.append(item)
                else:
                    batch += events if splice is None else splice.pass_on(events)
                if accumulator.failure is not None:
                    raise failed_generation(accumulator.failure)
        except SseorError as error:
            self._failure = error
        return batch

    def _finish(self) -> Generator[Step, Any, None]:
        """Judge how the body ended; after `[DONE]` read a little on, so that the connection can be used again."""
        last = events_without(self.accumulator.end(), self._settings.secret)
        verdict = self.verdict
        if self.splice is not None:
            last = self.splice.end(last, complete=verdict.complete)
        if last and not self._as_chunks:
            yield from self.deliver(last)
        if not verdict.complete:
            raise self._ended_early(verdict)
        if not self._clean_end and verdict.saw_done:
            yield from self._drain()

    def _drain(self) -> Generator[Step, Any, None]:
        until, drained = self.now + DRAIN_SECONDS, 0
        while drained < DRAIN_BYTES:
            try:
                data, self.now = yield Read(until)
            except (Expired, Failed):
                return
            if not data:
                self._clean_end = True
                return
            drained += len(data)

    def _refusal(self, head: Head) -> Generator[Step, Any, SseorError]:
        """Read the body of an answer that is not a 200, a little and not for long, and return its error."""
        data = bytearray()
        until = min(self.now + _REFUSAL_SECONDS, self._watchdog.deadline())
        while len(data) < _REFUSAL_BYTES:
            try:
                piece, self.now = yield Read(until)
            except Expired as expiry:
                self.now = expiry.now
                break
            except Failed as failure:
                self.now = failure.now
                break
            if not piece:
                break
            data += piece
        return refused(head, bytes(data[:_REFUSAL_BYTES]))

    def _ended_early(self, verdict: Verdict) -> SseorError:
        if verdict.saw_done:
            return EndedEarlyError("the stream said [DONE] without a finish reason: the answer may be cut")
        if not self.accumulator.generated:
            return EndedEarlyError("the stream ended before the first token")
        return EndedEarlyError("the stream ended without a finish reason: the answer is cut")
