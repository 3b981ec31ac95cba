"""The whole run: what a decoder claims is found out first, then every case is judged, whatever happens in it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sseor.conformance.case_file import load_cases
from sseor.conformance.cases import FEATURES, Case
from sseor.conformance.judging import Result, Verdict, judge_case
from sseor.conformance.process import AdapterError, AdapterProcess, bridge_command
from sseor.conformance.protocol import GotComment, GotEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Self

__all__ = ["Judge", "Report", "UnknownFeatureError", "judge"]

TIMEOUT = 2.0
"""Seconds for one play of up to 20 000 reads."""

HANGS = 3
"""After so many hangs in a row less patience is shown, so that a decoder which always hangs ends in minutes."""

PROBE = (b": probe\nid: 1\nretry: 1\ndata: probe\n\n",)


class UnknownFeatureError(ValueError):
    """A feature is named that no case knows of."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found: `claims` are the features that were judged, `date` and `seconds` when and how long."""

    decoder: str
    version: str
    claims: frozenset[str]
    results: tuple[Result, ...]
    date: datetime
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether no case went wrong."""
        return all(result.verdict in (Verdict.PASS, Verdict.SKIPPED) for result in self.results)

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many cases had each verdict."""
        counted = Counter(result.verdict for result in self.results)
        return {verdict: counted[verdict] for verdict in Verdict}


class Judge:
    """A decoder under judgement: case by case with `case`, or all with `judge`. Use it with `with`.

    `decoder` is `module:factory`, or the command of an adapter as a list. `claimed` are features to judge even if the
    decoder does not show them, `without` those not to judge; what neither names is judged if a probe shows it.
    """

    def __init__(
        self,
        decoder: str | Sequence[str],
        *,
        claimed: Collection[str] = (),
        without: Collection[str] = (),
        timeout: float = TIMEOUT,
    ) -> None:
        for feature in (*claimed, *without):
            if feature not in FEATURES:
                raise UnknownFeatureError(f"there is no feature {feature}; there are {', '.join(FEATURES)}")
        self._adapter = AdapterProcess(bridge_command(decoder) if isinstance(decoder, str) else decoder)
        self._named = decoder if isinstance(decoder, str) else " ".join(decoder)
        self._claimed, self._without = frozenset(claimed), frozenset(without)
        self._timeout = timeout
        self._hangs = 0
        self._claims: frozenset[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the decoder's process."""
        self._adapter.close()

    @property
    def name(self) -> str:
        """What is judged, as the adapter calls it."""
        hello = self._adapter.hello
        return (hello and hello.name) or self._named

    @property
    def version(self) -> str:
        """The version that the adapter told."""
        hello = self._adapter.hello
        return hello.version if hello else ""

    @property
    def claims(self) -> frozenset[str]:
        """The features to judge; the first time the decoder is shown a probe.

        `AdapterError`: no adapter can be started at all.
        """
        if self._claims is None:
            shown = frozenset(self._probe() | {"replacement"})
            self._claims = (shown | self._claimed) - self._without
        return self._claims

    def case(self, case: Case) -> Result:
        """Return the verdict on a case."""
        claims = self.claims
        patience = self._timeout if self._hangs < HANGS else self._timeout / 4
        result = judge_case(case, self._adapter, claims, patience)
        self._hangs = self._hangs + 1 if result.verdict is Verdict.HANG else 0
        return result

    def _probe(self) -> set[str]:
        try:
            answer = self._adapter.ask(PROBE, self._timeout)
        except AdapterError:
            if self._adapter.hello is None:
                raise
            return set(FEATURES)  # it cannot even do this; the cases will say so
        shown: set[str] = set()
        if any(isinstance(item, GotComment) for item in answer.items):
            shown.add("comments")
        if any(isinstance(item, GotEvent) and item.id is not None for item in answer.items):
            shown.add("id")
        if "last_event_id" in answer.knows:
            shown.add("last-event-id")
        if "reconnection_time" in answer.knows:
            shown.add("retry")
        return shown


def judge(
    decoder: str | Sequence[str],
    cases: Sequence[Case] | None = None,
    *,
    claimed: Collection[str] = (),
    without: Collection[str] = (),
    timeout: float = TIMEOUT,
    progress: Callable[[int, int, Result], None] | None = None,
) -> Report:
    """Judge a decoder by all cases, or by those given; see `Judge`. `progress` is told of each result.

    `AdapterError`: the adapter cannot be started. Whatever it does later is a verdict.
    """
    cases = load_cases() if cases is None else cases
    began, date = time.monotonic(), datetime.now(UTC)
    results = []
    with Judge(decoder, claimed=claimed, without=without, timeout=timeout) as under_judgement:
        claims = under_judgement.claims
        for case in cases:
            results.append(under_judgement.case(case))
            if progress is not None:
                progress(len(results), len(cases), results[-1])
        name, version = under_judgement.name, under_judgement.version
    return Report(name, version, claims, tuple(results), date, time.monotonic() - began)
