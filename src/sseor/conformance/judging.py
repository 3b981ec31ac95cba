"""The verdict on one case: every play is asked for, and what came is held against what was expected."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sseor.conformance.comparing import difference, expected_lines, got_lines
from sseor.conformance.plays import Play, evenly, plays
from sseor.conformance.process import AdapterError, HungError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sseor.conformance.cases import Case
    from sseor.conformance.protocol import Answer

__all__ = ["Adapter", "Finding", "Result", "Verdict", "judge_case"]

READS_PER_TIMEOUT = 20_000
BYTES_PER_TIMEOUT = 256 << 10
"""A play of so many reads, or so many bytes, may take the timeout once more."""

GROWTH = 16.0
"""How many times as long eight times the input may take: linear is 8, quadratic 64."""

NOTICEABLE = 0.4
"""Seconds of CPU below which growth is no matter."""


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
    """What was wrong: the point in a phrase, in which play, what was expected and what came, a line an item."""

    point: str
    play: Play
    expected: tuple[str, ...]
    got: tuple[str, ...] = ()


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
    expected = expected_lines(case, claims)
    late: Finding | None = None
    for number, play in enumerate(plays(case)):
        try:
            answer = adapter.ask(play.reads, seconds_for(play, timeout))
        except AdapterError as error:
            verdict = Verdict.HANG if isinstance(error, HungError) else Verdict.CRASH
            return Result(case, verdict, Finding(str(error), play, expected))
        got = got_lines(answer, claims)
        if answer.error is not None:
            if may_refuse:
                continue
            finding = Finding(f"it raised {answer.error}", play, expected, got)
            return Result(case, Verdict.CRASH, finding)
        differs = difference(case, play, answer, claims)
        if differs and not differs.late:
            verdict = Verdict.CUT if number else Verdict.FAIL
            return Result(case, verdict, Finding(differs.point, play, expected, got))
        if differs:
            late = late or Finding(differs.point, play, expected, got)
    if case.growth is not None and (slow := _growth(case, case.growth, adapter, timeout)):
        return Result(case, Verdict.SLOW, slow)
    return Result(case, Verdict.LATE, late) if late else Result(case, Verdict.PASS)


def seconds_for(play: Play, timeout: float) -> float:
    """Return how long a play may take."""
    size = sum(map(len, play.reads))
    return timeout * (1 + len(play.reads) / READS_PER_TIMEOUT + size / BYTES_PER_TIMEOUT)


def _growth(case: Case, read_size: int, adapter: Adapter, timeout: float) -> Finding | None:
    """Return what to say if the time grows faster than the input; twice, since one figure may be an accident."""
    large, small = evenly(case.stream, read_size), evenly(case.eighth, read_size)
    ratios = []
    for _ in range(2):
        try:
            whole = adapter.ask(large.reads, seconds_for(large, timeout)).cpu or 0.0
            eighth = adapter.ask(small.reads, seconds_for(small, timeout)).cpu or 0.0
        except AdapterError as error:
            return Finding(str(error), large, ())
        ratios.append(whole / max(eighth, 1e-6))
        if whole < NOTICEABLE or ratios[-1] <= GROWTH:
            return None
    told = f"{min(ratios):.0f} times the time"
    return Finding(
        f"eight times the input took {told}, {whole:.1f} s", large, (f"at most {GROWTH:.0f} times",), (told,)
    )
