"""The life of one stream, readable from top to bottom: open, read, deliver, try again, end.

A generator of steps (see `steps`), driven by a thin shell for threads and one for async. Flow is written here once.
Three rules carry it. An answer is complete only when a finish reason came; every other end is an error that carries
the partial. Before the first token a transient failure may be tried again, after it nothing is sent twice. What the
bytes complete before they fail is handed out before the failure is raised.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from sseor.chat import (
    Accumulator,
    Chunk,
    Completion,
    Finished,
    Heartbeat,
    Retrying,
    StreamEvent,
    Text,
    Timeline,
    UsageReport,
    Verdict,
)
from sseor.errors import EndedEarlyError, SseorError
from sseor.wire import Comment

from .body import Body
from .refusals import failed_generation, refused
from .retrying import RetryPolicy
from .secrets import redact, redacted, without_echo
from .steps import Deliver, Expired, Failed, Head, Open, Pause, Read, Step
from .watchdog import Timeouts, Watchdog

CompleteWhen = Literal["finish", "done"]
Life = Generator[Step, Any, None]

DRAIN_SECONDS = 0.05
DRAIN_BYTES = 1 << 14
"""How long and how far to read past `[DONE]` for the end of the HTTP body, which keeps the connection for reuse."""

_GENERATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_REFUSAL_SECONDS = 1.0
_REFUSAL_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Settings:
    """What one stream is told beforehand."""

    timeouts: Timeouts
    retries: RetryPolicy
    max_event_bytes: int
    lenient: bool = False
    complete_when: CompleteWhen = "finish"
    secret: str = ""
    """The API key, taken out of every text that a server sends back."""


class Script:
    """One stream: its state, open to be looked at while it grows, and the generator that moves it."""

    def __init__(self, body: bytes, settings: Settings) -> None:
        self.settings = settings
        self.timeline = Timeline()
        self._promised_id: str | None = None
        self._request_body = body
        self._accumulator = Accumulator()
        self._response: Body | None = None
        self._clean_end = False
        self._failure: SseorError | None = None
        self._watchdog = Watchdog(settings.timeouts, 0.0)
        self._now = 0.0
        self._as_chunks = False

    @property
    def completion(self) -> Completion:
        """What has arrived so far, with the evidence for how it ended."""
        completion = self._accumulator.completion(verdict=self._verdict(), timeline=self.timeline.copy())
        if completion.generation_id is None and self._promised_id is not None:
            completion = replace(completion, generation_id=self._promised_id)
        return without_echo(completion, self.settings.secret)

    def run(self, now: float, *, as_chunks: bool = False) -> Life:
        """Yield the steps of the whole stream; the caller gets stream events, or chunks if it asked for them."""
        self._as_chunks = as_chunks
        self._watchdog = Watchdog(self.settings.timeouts, now)
        self.timeline.started = now
        failures: Counter[tuple[type, str]] = Counter()
        while True:
            try:
                now = yield from self._attempt(now)
                self.timeline.ended = self.timeline.since_start(now)
                return
            except SseorError as error:
                failure, now = error, self._now
                wait = self._wait_before_retry(error, failures, now)
                self.timeline.ended = self.timeline.since_start(now) if wait is None else None
                self._dress(error)
                if wait is None:
                    raise
            if not self._as_chunks:
                now = yield from self._deliver([Retrying(wait, failure)], now)
            now = yield Pause(now + wait)

    def _attempt(self, now: float) -> Generator[Step, Any, float]:
        """Send the request once and read its answer to the end; return when that was."""
        self._accumulator = Accumulator()
        self._response = None
        self._clean_end = False
        self._failure = None
        self._now = now
        self.timeline.attempt()
        self._watchdog.attempt(now)
        head = yield from self._open()
        if head.status != 200:
            raise (yield from self._refusal(head))
        self._response = Body(
            head.headers, max_event_bytes=self.settings.max_event_bytes, lenient=self.settings.lenient
        )
        while not self._response.done and (data := (yield from self._read_more())) is not None:
            items = self._response.feed(data) if data else self._response.end()
            batch = self._take(items)
            if batch:
                yield from self._deliver(batch, self._now)
            if self._failure is not None:
                raise self._failure
            if not data:
                self._clean_end = True
                break
        yield from self._finish()
        return self._now

    def _open(self) -> Generator[Step, Any, Head]:
        connect = self.settings.timeouts.connect
        try:
            head: Head = yield Open(self._request_body, connect, self._watchdog.deadline())
        except Expired as expiry:
            self._now = expiry.now
            raise self._watchdog.expired(expiry.now) from None
        except Failed as failure:
            self._now = failure.now
            raise failure.error from failure.error.__cause__
        self._now = head.now
        self._watchdog.head()
        if self.timeline.head is None:
            self.timeline.head = self.timeline.since_start(head.now)
        # Known before the first chunk: the only handle for the cost of an answer that dies at once.
        promised = head.headers.get("x-generation-id", "")
        if _GENERATION_ID.fullmatch(promised) and redacted(promised, self.settings.secret) == promised:
            self._promised_id = promised
        return head

    def _read_more(self) -> Generator[Step, Any, bytes | None]:
        """Read once: bytes, b"" at the end of the body, or None when a finished answer needs no more waiting."""
        try:
            data, self._now = yield Read(self._watchdog.deadline())
        except Expired as expiry:
            self._now = expiry.now
            if self._watchdog.phase == "finished":
                return None
            raise self._watchdog.expired(expiry.now) from None
        except Failed as failure:
            self._now = failure.now
            if self._watchdog.phase == "finished":
                return None
            raise failure.error from failure.error.__cause__
        if self.timeline.first_byte is None and data:
            self.timeline.first_byte = self.timeline.since_start(self._now)
        self._watchdog.bytes(self._now)
        return bytes(data)

    def _take(self, items: Iterable[Comment | Chunk]) -> list[Any]:
        """Add what came to the answer and return what the caller is to get; a failure waits until that is delivered."""
        batch: list[Any] = []
        try:
            for item in items:
                self._watchdog.alive(self._now)
                if isinstance(item, Comment):
                    self.timeline.heartbeats += 1
                    if not self._as_chunks:
                        batch.append(Heartbeat(self._watchdog.waited(self._now), self._watchdog.phase))
                    continue
                events = self._accumulator.add(item)
                self._note(events)
                if self._as_chunks:
                    batch.append(item)
                else:
                    batch.extend(events)
                failure = self._accumulator.failure
                if failure is not None:
                    raise failed_generation(failure)
        except SseorError as error:
            self._failure = error
        return batch

    def _note(self, events: Iterable[StreamEvent]) -> None:
        """Tell the timeline and the watchdog what a chunk brought."""
        timeline, now = self.timeline, self.timeline.since_start(self._now)
        timeline.chunk(now)
        for event in events:
            self._watchdog.progress(self._now)
            if not isinstance(event, (Finished, UsageReport)):
                timeline.token(now, visible=isinstance(event, Text))
        if self._accumulator.finished:
            self._watchdog.finished(self._now)

    def _deliver(self, batch: list[Any], since: float) -> Generator[Step, Any, float]:
        self._now = yield Deliver(batch)
        took = self._now - since
        self.timeline.caller_took(took)
        self._watchdog.caller_took(took)
        return self._now

    def _finish(self) -> Generator[Step, Any, None]:
        """Judge how the body ended; after `[DONE]` read a little on, so that the connection can be used again."""
        last = self._accumulator.end()
        if last and not self._as_chunks:
            yield from self._deliver(last, self._now)
        verdict = self._verdict()
        if not verdict.complete:
            raise self._ended_early(verdict)
        if not self._clean_end and verdict.saw_done:
            yield from self._drain()

    def _drain(self) -> Generator[Step, Any, None]:
        until, drained = self._now + DRAIN_SECONDS, 0
        while drained < DRAIN_BYTES:
            try:
                data, self._now = yield Read(until)
            except (Expired, Failed):
                return
            if not data:
                self._clean_end = True
                return
            drained += len(data)

    def _refusal(self, head: Head) -> Generator[Step, Any, SseorError]:
        """Read the body of an answer that is not a 200, a little and not for long, and return its error."""
        data = bytearray()
        until = min(self._now + _REFUSAL_SECONDS, self._watchdog.deadline())
        while len(data) < _REFUSAL_BYTES:
            try:
                piece, self._now = yield Read(until)
            except Expired as expiry:
                self._now = expiry.now
                break
            except Failed as failure:
                self._now = failure.now
                break
            if not piece:
                break
            data += piece
        return refused(head, bytes(data[:_REFUSAL_BYTES]))

    def _wait_before_retry(
        self, error: SseorError, failures: Counter[tuple[type, str]], now: float
    ) -> float | None:
        """Return the wait before the next attempt, or None when this failure is the end."""
        if self._accumulator.generated or self._accumulator.finished:
            return None
        kind = (type(error), getattr(error, "timer", ""))
        wait = self.settings.retries.wait(error, self.timeline.attempts, failures[kind])
        failures[kind] += 1
        return wait if wait is not None and wait < self._watchdog.left(now) else None

    def _ended_early(self, verdict: Verdict) -> SseorError:
        if verdict.saw_done:
            return EndedEarlyError("the stream said [DONE] without a finish reason: the answer may be cut")
        if not self._accumulator.generated:
            return EndedEarlyError("the stream ended before the first token")
        return EndedEarlyError("the stream ended without a finish reason: the answer is cut")

    def _verdict(self) -> Verdict:
        response, reader = self._response, self._response and self._response.reader
        return Verdict(
            saw_finish=self._accumulator.finished,
            saw_done=reader.done if reader else False,
            saw_usage=self._accumulator.usage is not None,
            clean_end=self._clean_end,
            failed=self._accumulator.failure is not None,
            unterminated=reader.unterminated if reader else False,
            skipped_events=reader.skipped if reader else 0,
            not_streamed=response.whole if response else False,
            complete_when=self.settings.complete_when,
        )

    def _dress(self, error: SseorError) -> None:
        """Fill in what only the stream knows."""
        error.partial = self.completion
        error.generation_id = error.partial.generation_id
        error.attempts = self.timeline.attempts
        error.phase = error.phase or self._watchdog.phase
        error.last_event_id = (self._response and self._response.last_event_id) or None
        redact(error, self.settings.secret)
