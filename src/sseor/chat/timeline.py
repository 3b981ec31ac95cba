"""What happened when in one stream, told in seconds since its start.

A plain record without a clock: whoever drives the stream says when things happened. It stands on this floor and
not with the watchdog because a `Completion` carries it, also into a file and back. `docs/metrics.md` defines every
figure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from sseor.chat.gaps import Gaps
from sseor.chat.metrics import Answer, Metrics, measure

STALL_SECONDS = 5.0
"""A gap within the answer that is at least so long is counted as a stall."""

AT_ONCE, SHARE = 0.001, 0.05
"""Seconds, and share of the caller's time, within which a chunk after it counts as one that had come meanwhile."""


@dataclasses.dataclass(slots=True)
class AttemptTimes:
    """One request of a stream; moments in seconds since the stream's start, None for what has not happened."""

    started: float = 0.0
    head: float | None = None
    first_byte: float | None = None
    first_chunk: float | None = None
    first_token: float | None = None
    first_text: float | None = None
    last_token: float | None = None
    ended: float | None = None
    chunks: int = 0
    heartbeats: int = 0


@dataclasses.dataclass(slots=True)
class Timeline:
    """Moments as seconds since the first request was sent; None for what has not happened.

    `first_token` is the first generated piece of any kind, reasoning included; `first_text` the first visible text.
    `gaps` are the waits between two chunks of one attempt; when a chunk came that the caller, back from its own work,
    found there nobody knows, and only what it waited counts. `stalls` counts gaps of 5 seconds and more after the first
    token. `heartbeat_seconds` is the time that ended in nothing but a heartbeat, `caller` the caller's own time, and
    `hidden` what of that lies within the answer and hides when its chunks came. `started` is the reading of the shell's
    monotonic clock: differences between two timelines of one process are meaningful, the value is not.
    """

    started: float = 0.0
    head: float | None = None
    first_byte: float | None = None
    first_chunk: float | None = None
    first_token: float | None = None
    first_text: float | None = None
    last_token: float | None = None
    ended: float | None = None
    attempts: int = 0
    last_chunk: float | None = None
    chunks: int = 0
    heartbeats: int = 0
    heartbeat_seconds: float = 0.0
    stalls: int = 0
    caller: float = 0.0
    hidden: float = 0.0
    gaps: Gaps = dataclasses.field(default_factory=Gaps)
    each_attempt: list[AttemptTimes] = dataclasses.field(default_factory=list)
    model_asked: str | None = None
    server: str | None = None
    cache_hit: bool = False
    answer: Answer | None = dataclasses.field(default=None, compare=False, repr=False)
    """What came, for `metrics`; the completion that carries this timeline tells it."""
    awaits_byte: bool = dataclasses.field(default=False, compare=False, repr=False)
    """Whether the first byte of the attempt's body is still to come."""
    _taken: float = dataclasses.field(default=0.0, compare=False, repr=False)
    _last_sign: float = dataclasses.field(default=0.0, compare=False, repr=False)
    _awaited: bool = dataclasses.field(default=False, compare=False, repr=False)

    @property
    def longest_gap(self) -> float:
        """The longest wait between two chunks, in seconds."""
        return self.gaps.longest

    @property
    def ttft_ms(self) -> float | None:
        """Time to first token in milliseconds, counted from the first request."""
        return _milliseconds(self.first_token)

    @property
    def ttfo_ms(self) -> float | None:
        """Time to first visible text in milliseconds."""
        return _milliseconds(self.first_text)

    @property
    def total_ms(self) -> float | None:
        """Time to the end of the stream in milliseconds; None while it runs."""
        return _milliseconds(self.ended)

    def metrics(self) -> Metrics:
        """Return the figures of this stream, so far: times, speed, gaps, tokens, cost, and how it ended."""
        return measure(self, self.answer or Answer())

    def attempt(self, at: float) -> None:
        """Note that a request is about to be sent; the wait before its first chunk is no gap."""
        self._settle_attempt()
        self.attempts += 1
        self.last_chunk = None
        self._taken = 0.0
        self._last_sign = at
        self._awaited = self.awaits_byte = True
        self.each_attempt.append(AttemptTimes(at))

    def head_came(self, at: float, *, cache_hit: bool) -> None:
        """Note that a response head came, and whether it says that the answer is from OpenRouter's cache."""
        self.each_attempt[-1].head = at
        self.cache_hit = cache_hit
        if self.head is None:
            self.head = at

    def byte_came(self, at: float) -> None:
        """Note that the first bytes of a body came."""
        self.awaits_byte = False
        self.each_attempt[-1].first_byte = at
        if self.first_byte is None:
            self.first_byte = at

    def heartbeat(self, at: float) -> None:
        """Note that a comment came: a sign of life, and nothing else."""
        self.heartbeats += 1
        since = self._last_sign if self.last_chunk is None else max(self._last_sign, self.last_chunk)
        self.heartbeat_seconds += max(at - since, 0.0)
        self._last_sign = at

    def chunk(self, at: float) -> None:
        """Note that a chunk came."""
        self.chunks += 1
        if self.last_chunk is None:
            self._first_chunk(at)
        else:
            gap = at - self.last_chunk
            # Had the chunk come while the caller was away, it was there at once; else all of the gap is the server's.
            if gap - self._taken < max(AT_ONCE, SHARE * self._taken):
                gap -= self._taken
                if self.first_token is not None:
                    self.hidden += self._taken
            if gap >= STALL_SECONDS and self.first_token is not None:
                self.stalls += 1
            self.gaps.add(gap)
        self._taken = 0.0
        self.last_chunk = at

    def token(self, at: float, *, visible: bool) -> None:
        """Note that something generated came; `visible` when it is text of the answer."""
        self.last_token = at
        if self._awaited:
            self._first_token(at, visible)

    def caller_took(self, seconds: float) -> None:
        """Note time that the caller took for what it had been given."""
        self.caller += seconds
        self._taken += seconds

    def attempt_ended(self, at: float) -> None:
        """Note that the attempt at hand is over, be the stream or not."""
        self.each_attempt[-1].ended = at

    def since_start(self, now: float) -> float:
        """Return `now`, a reading of the shell's clock, as seconds since the start."""
        return now - self.started

    def copy(self) -> Timeline:
        """Return a snapshot that no longer grows."""
        self._settle_attempt()
        attempts = [dataclasses.replace(attempt) for attempt in self.each_attempt]
        if attempts and attempts[-1].ended is None:
            attempts[-1].ended = self.ended
        return dataclasses.replace(self, gaps=self.gaps.copy(), each_attempt=attempts)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain = {name: getattr(self, name) for name in _PLAIN_FIELDS}
        each_attempt = [dataclasses.asdict(attempt) for attempt in self.each_attempt]
        return {**plain, "gaps": self.gaps.to_dict(), "each_attempt": each_attempt}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Timeline:
        """Return the timeline that `to_dict` wrote; fields of newer versions are left out."""
        known = {field.name for field in dataclasses.fields(AttemptTimes)}
        return cls(
            **{name: data[name] for name in _PLAIN_FIELDS if name in data},
            gaps=Gaps.from_dict(data["gaps"]) if "gaps" in data else Gaps(),
            each_attempt=[
                AttemptTimes(**{name: value for name, value in attempt.items() if name in known})
                for attempt in data.get("each_attempt", ())
            ],
        )

    def _first_chunk(self, at: float) -> None:
        if self.first_chunk is None:
            self.first_chunk = at
        self.each_attempt[-1].first_chunk = at

    def _first_token(self, at: float, visible: bool) -> None:
        """Set what is still missing, of the stream and of the attempt at hand."""
        for times in (self, self.each_attempt[-1]):
            if times.first_token is None:
                times.first_token = at
            if visible and times.first_text is None:
                times.first_text = at
        self._awaited = not visible

    def _settle_attempt(self) -> None:
        """Give the attempt at hand its share of what is counted for the whole stream alone."""
        if self.each_attempt:
            attempt, before = self.each_attempt[-1], self.each_attempt[:-1]
            attempt.chunks = self.chunks - sum(earlier.chunks for earlier in before)
            attempt.heartbeats = self.heartbeats - sum(earlier.heartbeats for earlier in before)
            attempt.last_token = None if attempt.first_token is None else self.last_token


_PLAIN_FIELDS = tuple(
    field.name
    for field in dataclasses.fields(Timeline)
    if field.compare and field.name not in ("gaps", "each_attempt")
)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
