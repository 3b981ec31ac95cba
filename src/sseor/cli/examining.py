"""What a recorded answer says about the server that sent it, and about whatever lies between: findings, no I/O."""

from __future__ import annotations

import enum
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from sseor.chat import Accumulator, Finished, UsageReport
from sseor.chat.text import printable
from sseor.errors import SseorError
from sseor.stream.body import Body
from sseor.wire import Comment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sseor.chat import Chunk
    from sseor.testing import Tape

__all__ = ["Finding", "Grade", "examine"]

LONG_SILENCE = 15.0
"""Seconds without a byte from which a shorter-tempered proxy than most may cut; nginx and many balancers take 60."""

LINGERING = 2.0
"""Seconds after the last event that a connection may stay open."""

AT_ONCE = 0.02
"""Seconds within which pieces count as one clump."""

ENOUGH = 5
"""Pieces below which nothing can be said of how they are delivered."""

NOTICEABLE = 0.2
"""Seconds that an answer must take for its clumps to mean something."""

MAX_EVENT_BYTES = 64 << 20


class Grade(enum.Enum):
    """How a check went."""

    GOOD = "ok"
    DOUBT = "doubt"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked: its name, how it went, and a sentence."""

    check: str
    grade: Grade
    told: str


def examine(tape: Tape) -> Iterator[Finding]:
    """Yield a finding for each check, from the head to the end; of an answer that is none only its head."""
    after = f"after {tape.head_at:.2f} s"
    if tape.status != 200:
        yield Finding(
            "head",
            Grade.BAD,
            f"status {tape.status} {after}: {printable(tape.body.decode('utf-8', 'replace'), 120)}",
        )
        return
    yield Finding("head", Grade.GOOD, f"200 {after}")
    headers = {name.lower(): value for name, value in tape.headers.items()}
    yield from _headers(headers)
    seen = _Seen(tape, headers)
    yield _events(seen)
    yield _first_token(seen)
    yield _silence(tape, seen)
    yield _delivery(seen.pieces)
    yield from _evidence(seen)
    yield _end(tape, seen)


def _headers(headers: dict[str, str]) -> Iterator[Finding]:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        yield Finding("type", Grade.GOOD, kind)
    else:
        yield Finding(
            "type", Grade.BAD, f"{printable(kind, 80) or 'no content type'}, where text/event-stream is due"
        )
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        told = f"{printable(coding, 40)}, unasked: a compressor that does not flush holds back what it has"
        yield Finding("compression", Grade.DOUBT, told)
    caching = headers.get("cache-control", "").lower()
    if not any(word in caching for word in ("no-cache", "no-store", "no-transform")):
        yield Finding(
            "caching", Grade.DOUBT, "no Cache-Control: no-cache, so that a proxy may keep the answer back"
        )


class _Seen:
    """What an answer was made of: when heartbeats and pieces of content came, and what broke it."""

    def __init__(self, tape: Tape, headers: dict[str, str]) -> None:
        self.accumulator = Accumulator()
        self.heartbeats = self.chunks = 0
        self.pieces: list[float] = []
        self.last_at = tape.head_at
        self.failure = ""
        self.whole = False
        self._body = Body(headers, max_event_bytes=MAX_EVENT_BYTES, lenient=False)
        try:
            for at, data in tape.reads:
                self._add(at, self._body.feed(data))
            self._add(tape.ended_at, self._body.end())
        except SseorError as error:
            self.failure = error.detail
        self.done, self.whole = self._body.done, self._body.whole

    def _add(self, at: float, items: Iterable[Comment | Chunk]) -> None:
        for item in items:
            if isinstance(item, Comment):
                self.heartbeats += 1
                continue
            self.chunks += 1
            self.last_at = at
            self.pieces += [
                at for event in self.accumulator.add(item) if not isinstance(event, Finished | UsageReport)
            ]
            if self.accumulator.failure is not None:
                self.failure = f"the provider reported a failure: {self.accumulator.failure.message}"


def _events(seen: _Seen) -> Finding:
    if seen.failure:
        return Finding("events", Grade.BAD, printable(seen.failure, 200))
    if seen.whole:
        return Finding("events", Grade.BAD, "one JSON document: the server does not stream")
    return Finding(
        "events", Grade.GOOD, f"{_count(seen.chunks, 'chunk')}, {_count(seen.heartbeats, 'heartbeat')}"
    )


def _first_token(seen: _Seen) -> Finding:
    if not seen.pieces:
        return Finding("first token", Grade.BAD, "none came: the answer is empty")
    return Finding("first token", Grade.GOOD, f"after {seen.pieces[0]:.2f} s")


def _silence(tape: Tape, seen: _Seen) -> Finding:
    signs = [0.0, tape.head_at, *(at for at, _ in tape.reads)]
    longest = max(later - earlier for earlier, later in pairwise(signs))
    if longest < LONG_SILENCE:
        return Finding("silence", Grade.GOOD, f"never more than {longest:.2f} s without a byte")
    heartbeats = "its heartbeats are too rare" if seen.heartbeats else "it sends no heartbeats"
    told = (
        f"{longest:.1f} s without a byte, and {heartbeats}: proxies cut silent connections, many after 60 s"
    )
    return Finding("silence", Grade.DOUBT, told)


def _delivery(pieces: list[float]) -> Finding:
    """Tell whether pieces came one by one, or were held back and let go at once."""
    if len(pieces) < ENOUGH:
        return Finding("delivery", Grade.GOOD, f"{_count(len(pieces), 'piece')}, too few to tell")
    took = pieces[-1] - pieces[0]
    clump = max(bisect_right(pieces, at + AT_ONCE) - number for number, at in enumerate(pieces))
    if pieces[-1] < NOTICEABLE:
        return Finding(
            "delivery", Grade.GOOD, f"{len(pieces)} pieces in {pieces[-1]:.2f} s, too fast to tell"
        )
    if took <= AT_ONCE:
        told = (
            f"all {len(pieces)} pieces came at once, after {pieces[0]:.2f} s: something holds the answer back"
        )
        return Finding("delivery", Grade.BAD, told)
    told = f"{len(pieces)} pieces over {took:.2f} s, {clump} of them at once"
    return Finding("delivery", Grade.DOUBT if clump > len(pieces) / 2 else Grade.GOOD, told)


def _evidence(seen: _Seen) -> Iterator[Finding]:
    """Yield what the answer ended with: finish reason, usage, `[DONE]`."""
    completion = seen.accumulator.completion()
    if seen.accumulator.finished:
        yield Finding("finish", Grade.GOOD, f"finish reason {completion.finish_reason}")
    else:
        yield Finding("finish", Grade.BAD, "no finish reason: a cut answer cannot be told from a whole one")
    usage = completion.usage
    if usage is None:
        yield Finding("usage", Grade.DOUBT, "none, so that the cost of an answer is unknown")
    else:
        tokens = f"{usage.prompt_tokens or 0} + {usage.completion_tokens or 0} tokens"
        cost = "" if completion.cost is None else f", ${float(completion.cost):.6f}"
        yield Finding("usage", Grade.GOOD, tokens + cost)
    if seen.done:
        yield Finding("[DONE]", Grade.GOOD, "it came")
    else:
        yield Finding("[DONE]", Grade.DOUBT, "it did not come")


def _end(tape: Tape, seen: _Seen) -> Finding:
    if tape.cut is not None:
        return Finding("end", Grade.BAD, printable(tape.cut, 200))
    waited = tape.ended_at - seen.last_at
    if waited > LINGERING:
        return Finding("end", Grade.DOUBT, f"the body stays open for {waited:.1f} s after its last chunk")
    return Finding("end", Grade.GOOD, "the body ended properly")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
