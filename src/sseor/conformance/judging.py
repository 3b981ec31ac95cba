"""The verdict on one case: every play is asked for, and what came is held against what was expected."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sseor.conformance.cases import ANY_TIME, Case, ExpectedComment, ExpectedEvent
from sseor.conformance.plays import Play, plays
from sseor.conformance.process import AdapterError, HungError
from sseor.conformance.protocol import EXACT, Answer, GotComment, GotEvent, Malformed

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Adapter", "Finding", "Result", "Verdict", "judge_case"]

READS_PER_TIMEOUT = 20_000
BYTES_PER_TIMEOUT = 256 << 10
"""A play of more reads or bytes than these has a longer deadline, in proportion."""

GROWTH = 8.0
"""How many times as long four times the input may take: linear is 4, quadratic 16."""

NOTICEABLE = 0.4
"""Seconds below which growth is no matter."""


class Verdict(enum.Enum):
    """How a decoder did in a case, from worst to best."""

    HANG = "hang"
    CRASH = "crash"
    FAIL = "fail"
    CUT = "wrong only when cut up"
    SLOW = "slow"
    LATE = "late"
    PASS = "pass"  # noqa: S105 - no password
    SKIPPED = "not judged"


class Adapter(Protocol):
    """What can be asked for plays: an `AdapterProcess`, or a stand-in of a test."""

    def ask(self, reads: Sequence[bytes], seconds: float) -> Answer:
        """Return the answer to a play; `AdapterError` if there is none in time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was wrong: in which play, what was expected and what came, one line an item, and the point in a phrase."""

    play: Play
    point: str
    expected: tuple[str, ...]
    got: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict on a case; `finding` is None for a pass, and where nothing was judged."""

    case: Case
    verdict: Verdict
    finding: Finding | None = None


def judge_case(case: Case, adapter: Adapter, claims: frozenset[str], timeout: float) -> Result:
    """Ask for the plays of a case until the verdict is certain.

    A stream that comes out wrong in one read is a fail, and no more is asked; one that is right then may still be
    wrong when cut up, which counts more than late. `timeout` is in seconds a play.
    """
    if not case.needs - {"replacement"} <= claims:
        return Result(case, Verdict.SKIPPED)
    may_refuse = "replacement" in case.needs - claims
    late: Finding | None = None
    answers: list[Answer] = []
    for play in plays(case):
        try:
            answer = adapter.ask(play.reads, seconds_for(play, timeout))
        except AdapterError as error:
            verdict = Verdict.HANG if isinstance(error, HungError) else Verdict.CRASH
            return Result(case, verdict, Finding(play, str(error), _expected(case, claims), ()))
        answers.append(answer)
        if answer.error is not None:
            if may_refuse:
                continue
            return Result(
                case, Verdict.CRASH, _finding(case, play, answer, claims, f"it raised {answer.error}")
            )
        point, is_late = _compare(case, play, answer, claims)
        if point and not is_late:
            verdict = Verdict.CUT if len(answers) > 1 else Verdict.FAIL
            return Result(case, verdict, _finding(case, play, answer, claims, point))
        if point:
            late = late or _finding(case, play, answer, claims, point)
    if case.growth is not None and (slow := _growth(case, answers[-1], adapter, timeout)):
        return Result(case, Verdict.SLOW, slow)
    return Result(case, Verdict.LATE, late) if late else Result(case, Verdict.PASS)


def seconds_for(play: Play, timeout: float) -> float:
    """Return how long a play may take."""
    size = sum(map(len, play.reads))
    return timeout * (1 + len(play.reads) / READS_PER_TIMEOUT + size / BYTES_PER_TIMEOUT)


def _compare(case: Case, play: Play, answer: Answer, claims: frozenset[str]) -> tuple[str, bool]:
    """Return the point in which the answer is wrong, if any, and whether it is only late."""
    wanted = [item for item in case.items if "comments" in claims or isinstance(item, ExpectedEvent)]
    came = [item for item in answer.items if "comments" in claims or not isinstance(item, GotComment)]
    late = ""
    fed = [0]
    for read in play.reads:
        fed.append(fed[-1] + len(read))
    for number, (item, got) in enumerate(zip(wanted, came, strict=False), start=1):
        if point := _difference(item, got, claims):
            return f"item {number}: {point}", False
        after = got.after
        if after > len(play.reads) or (after > 1 and fed[after - 1] >= item.latest):
            late = (
                late or f"item {number} is complete after {item.latest} bytes, and came {_when(after, fed)}"
            )
        elif after < 1 or fed[after] < item.earliest:
            return (
                f"item {number} is complete after {item.earliest} bytes, and came {_when(after, fed)}",
                False,
            )
    if len(came) < len(wanted):
        return f"item {len(came) + 1} did not come", False
    if len(came) > len(wanted):
        return f"item {len(wanted) + 1} should not have come", False
    if "last-event-id" in claims and (answer.last_event_id or "") != case.last_event_id:
        return "the last event ID after the stream is another", False
    if "retry" in claims and not _same_time(case.reconnection_time, answer.reconnection_time):
        return "the reconnection time after the stream is another", False
    return late, bool(late)


def _difference(item: ExpectedEvent | ExpectedComment, got: object, claims: frozenset[str]) -> str:
    """Return in what the two differ."""
    if isinstance(got, Malformed):
        return f"it is {got.what}"
    if isinstance(item, ExpectedComment):
        if not isinstance(got, GotComment):
            return "an event came where a comment was expected"
        same = got.text in (item.text, item.text.removeprefix(" "))
        return "" if same else "the text of the comment is another"
    if not isinstance(got, GotEvent):
        return "a comment came where an event was expected"
    if got.data != item.data:
        return "the data is another"
    if got.event != item.event:
        return "the event type is another"
    if "id" in claims and (got.id or "") != item.id:
        return "the last event ID is another"
    return ""


def _same_time(expected: int | str | None, got: int | None) -> bool:
    if expected in (ANY_TIME, got):
        return True
    return (
        isinstance(expected, int) and expected >= EXACT and got is not None and float(expected) == float(got)
    )


def _when(after: int, fed: list[int]) -> str:
    return f"after {fed[after]}" if 0 <= after < len(fed) else "at the end of the stream"


def _growth(case: Case, answer: Answer, adapter: Adapter, timeout: float) -> Finding | None:
    """Return what to say if the time grows faster than the input, measured thrice at most to be sure of it."""
    *_, large = plays(case)
    small = Play(large.name, tuple(_like(case.quarter, case.growth)))
    whole = answer.cpu or 0.0
    ratio = 0.0
    for _ in range(3):
        if whole < NOTICEABLE:
            return None
        try:
            quarter = adapter.ask(small.reads, seconds_for(small, timeout)).cpu or 0.0
            ratio = whole / max(quarter, 1e-6)
            if ratio <= GROWTH:
                return None
            whole = adapter.ask(large.reads, seconds_for(large, timeout)).cpu or 0.0
        except AdapterError as error:
            return Finding(large, str(error), (), ())
    point = f"four times the input took {ratio:.0f} times the time, {whole:.2f} s of CPU"
    return Finding(large, point, (f"at most {GROWTH:.0f} times the time",), (f"{ratio:.0f} times",))


def _like(stream: bytes, size: int | None) -> list[bytes]:
    return [stream[start : start + size] for start in range(0, len(stream), size)] if size else [stream]


def _finding(case: Case, play: Play, answer: Answer, claims: frozenset[str], point: str) -> Finding:
    got = [
        _shown(item, "id" in claims)
        for item in answer.items
        if "comments" in claims or not isinstance(item, GotComment)
    ]
    if "last-event-id" in claims:
        got.append(f"last event ID {_short(answer.last_event_id or '')}")
    if "retry" in claims:
        got.append(f"reconnection time {answer.reconnection_time}")
    return Finding(play, point, _expected(case, claims), tuple(got))


def _expected(case: Case, claims: frozenset[str]) -> tuple[str, ...]:
    lines = [
        _shown(item, "id" in claims)
        for item in case.items
        if "comments" in claims or isinstance(item, ExpectedEvent)
    ]
    if "last-event-id" in claims:
        lines.append(f"last event ID {_short(case.last_event_id)}")
    if "retry" in claims:
        lines.append(f"reconnection time {case.reconnection_time}")
    return tuple(lines)


def _shown(item: object, with_id: bool) -> str:
    match item:
        case ExpectedEvent() | GotEvent():
            last_event_id = f", id {_short(item.id or '')}" if with_id and item.id else ""
            return f"event {_short(item.event)}, data {_short(item.data)}{last_event_id}"
        case ExpectedComment() | GotComment():
            return f"comment {_short(item.text)}"
        case _:
            assert isinstance(item, Malformed)
            return item.what


def _short(text: str) -> str:
    """Return a text in quotes, on one line, long ones with their middle left out."""
    if len(text) <= 160:
        return ascii(text) if not text.isprintable() else repr(text)
    return f"{text[:60]!a} … {text[-20:]!a} ({len(text)} characters)"
