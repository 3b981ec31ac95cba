"""The ways in which a stream is cut into reads: none of them may change what comes out."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sseor.conformance.cases import Case

__all__ = ["Play", "evenly", "plays"]

SHORT = 160
"""Bytes up to which a stream is also cut in two at every place."""

BYTEWISE = 8 << 10
"""Bytes up to which a stream is also fed byte by byte."""

RANDOM_PLAYS = 8


@dataclass(frozen=True, slots=True)
class Play:
    """One stream as reads; `name` says how they were cut."""

    name: str
    reads: tuple[bytes, ...]


def plays(case: Case) -> Iterator[Play]:
    """Yield the plays of a case; the whole stream in one read comes first. The same case has the same plays."""
    stream, size = case.stream, len(case.stream)
    yield evenly(stream, 0)
    if case.growth:
        yield evenly(stream, case.growth)
    if case.growth is not None:
        return
    if size <= BYTEWISE:
        yield evenly(stream, 1)
    if size <= SHORT:
        for cut in range(1, size):
            yield Play(f"cut at byte {cut}", (stream[:cut], stream[cut:]))
    dice = random.Random(case.id)  # noqa: S311 - the same cuts each time are wanted
    for _ in range(RANDOM_PLAYS if size > 1 else 0):
        cuts = sorted(dice.sample(range(1, size), min(size - 1, dice.randint(2, 9))))
        reads = tuple(stream[start:end] for start, end in pairwise([0, *cuts, size]))
        yield Play(f"cut at bytes {', '.join(map(str, cuts))}", reads)
    yield Play("whole, between empty reads", (b"", stream, b""))
    if size <= SHORT:
        reads = tuple(read for start in range(size) for read in (stream[start : start + 1], b""))
        yield Play("byte by byte, an empty read after each", reads)


def evenly(stream: bytes, size: int) -> Play:
    """Return the play of a stream in reads of one size; 0: in one read."""
    if not size:
        return Play("whole", (stream,) if stream else ())
    reads = tuple(stream[start : start + size] for start in range(0, len(stream), size))
    return Play("byte by byte" if size == 1 else f"in reads of {size} bytes", reads)
