"""`sseor.conformance.judging`: each verdict, and a named case for each bug that a decoder may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from conformance import toys
from conformance.local import Local

from sseor.conformance import FEATURES, Case, Verdict, load_cases
from sseor.conformance.judging import NOTICEABLE, Result, judge_case, seconds_for
from sseor.conformance.plays import Play
from sseor.conformance.process import AdapterError, CrashedError, HungError
from sseor.conformance.protocol import Answer

BY_ID = {case.id: case for case in load_cases()}
ALL = frozenset(FEATURES)


def judged(name: str, decoder: type, claims: frozenset[str] = ALL) -> Result:
    """Return the result of a case."""
    return judge_case(BY_ID[name], Local(decoder), claims, 2.0)


@pytest.mark.parametrize(
    "case", [case for case in BY_ID.values() if case.group != "sizes"], ids=lambda case: case.id
)
def test_what_keeps_to_the_standard_passes(case: Case) -> None:
    """A decoder without a bug passes every case, so that a failure means something."""
    assert judge_case(case, Local(toys.Toy), ALL, 2.0) == Result(case, Verdict.PASS)


FAIL, CUT, LATE, CRASH = Verdict.FAIL, Verdict.CUT, Verdict.LATE, Verdict.CRASH


@pytest.mark.parametrize(
    ("decoder", "verdict", "name"),
    [
        (toys.BomKept, FAIL, "bom/removed"),
        (toys.BomOfEachRead, CUT, "bom/after-event"),
        (toys.BomOfEachLine, FAIL, "bom/second-line"),
        (toys.CrIsNoEnd, FAIL, "line-ends/cr"),
        (toys.CrIsNoEnd, FAIL, "line-ends/cr-before-field"),
        (toys.CrlfCutIsTwoEnds, CUT, "line-ends/crlf"),
        (toys.CrHeld, LATE, "timing/at-cr"),
        (toys.CrAlwaysPairs, FAIL, "timing/at-cr-each"),
        (toys.AllSpacesRemoved, FAIL, "fields/two-spaces"),
        (toys.ValuesStripped, FAIL, "fields/trailing-space-stays"),
        (toys.SpaceKept, FAIL, "fields/space-removed"),
        (toys.DataJoinedByNothing, FAIL, "data/joined"),
        (toys.LastLineOfDataWins, FAIL, "data/joined"),
        (toys.TrailingLfKept, FAIL, "data/no-trailing-lf"),
        (toys.TrailingLfsRemoved, FAIL, "data/trailing-empty"),
        (toys.EmptyDataDropped, FAIL, "data/empty"),
        (toys.BlankLineIsEvent, FAIL, "event/alone"),
        (toys.TypeNotReset, FAIL, "event/reset"),
        (toys.TypeNotResetByBlankBlock, FAIL, "event/reset-by-blank-block"),
        (toys.IdWithNul, FAIL, "id/nul-ignored"),
        (toys.IdOfItsEventOnly, FAIL, "id/stays"),
        (toys.IdNeedsData, FAIL, "id/block-without-data"),
        (toys.IdAtOnce, FAIL, "id/uncommitted"),
        (toys.IdNotEmptied, FAIL, "id/empty-resets"),
        (toys.RetryByInt, FAIL, "retry/plus"),
        (toys.RetryByInt, FAIL, "retry/underscore"),
        (toys.RetryByIsdigit, FAIL, "retry/arabic-digits"),
        (toys.RetryByIsdigit, CRASH, "retry/superscript"),
        (toys.RetryAtDispatch, FAIL, "retry/at-line-end"),
        (toys.CommentsAreData, FAIL, "comments/between-data"),
        (toys.CommentsAreEvents, FAIL, "comments/alone"),
        (toys.EndDispatches, FAIL, "end/no-blank-line"),
        (toys.EndDispatches, FAIL, "end/no-line-end"),
        (toys.Splitlines, FAIL, "line-ends/no-end-ls"),
        (toys.Splitlines, FAIL, "line-ends/no-end-vt"),
        (toys.Splitlines, FAIL, "line-ends/no-end-ff"),
        (toys.Splitlines, FAIL, "line-ends/no-end-nel"),
        (toys.Utf8OfEachRead, CUT, "utf-8/three-bytes-cut"),
        (toys.StrictUtf8, CRASH, "utf-8/bad-byte"),
        (toys.Utf8Ignored, FAIL, "utf-8/bad-byte"),
        (toys.Latin1, FAIL, "utf-8/all-lengths"),
        (toys.NamesFolded, FAIL, "fields/capital"),
        (toys.NamesStripped, FAIL, "fields/space-before-colon"),
        (toys.NoColonIgnored, FAIL, "data/empty-no-colon"),
        (toys.SplitAtEachColon, FAIL, "fields/first-colon"),
        (toys.ColonSpaceNeeded, FAIL, "fields/no-space"),
        (toys.PendingLfForgotten, CUT, "line-ends/crlf"),
        (toys.BomOfFirstReadOnly, CUT, "bom/removed"),
        (toys.BomsRemoved, FAIL, "bom/in-data"),
        (toys.ReadIsLine, CUT, "data/joined"),
        (toys.ReadIsEvent, CUT, "data/joined"),
        (toys.ReadIsEvent, FAIL, "end/no-blank-line"),
        (toys.CommentsLast, FAIL, "comments/between-events"),
        (toys.CommentsEndEvents, FAIL, "comments/between-data"),
        (toys.CommentsStripped, FAIL, "comments/two-spaces"),
        (toys.EachBadByteReplaced, FAIL, "utf-8/cut-three"),
        (toys.EachBadByteReplaced, FAIL, "utf-8/table-of-unicode"),
        (toys.BadRunsReplaced, FAIL, "utf-8/lone-continuation"),
        (toys.BadRunsReplaced, FAIL, "utf-8/wrong-second-of-four"),
        (toys.SurrogatesPass, FAIL, "utf-8/surrogate-pair"),
        (toys.NulEndsId, FAIL, "id/nul-ignored"),
        (toys.NulEmptiesId, FAIL, "id/nul-keeps-earlier"),
        (toys.RetryOf32Bits, FAIL, "retry/above-32-bits"),
        (toys.RetryByFloat, FAIL, "retry/exponent"),
        (toys.RetryByInt, FAIL, "retry/minus"),
        (toys.RetryByInt, FAIL, "retry/leading-space"),
        (toys.RetryCut, FAIL, "retry/digits-then-letters"),
        (toys.RetryOfEventsOnly, FAIL, "retry/no-event"),
        (toys.RetryUnreadable, CRASH, "sizes/retry-of-5000-digits"),
        (toys.FirstTypeWins, FAIL, "event/last-wins"),
        (toys.TypesFolded, FAIL, "event/case-kept"),
        (toys.NamesByTheirStart, FAIL, "fields/longer-name"),
        (toys.NoColonIsData, FAIL, "fields/unknown-no-colon"),
        (toys.BlanksAreBlankLine, FAIL, "line-ends/no-blank-line-spaces"),
        (toys.DataOutlivesItsEvent, FAIL, "data/reset"),
        (toys.DataJoinedByCrlf, FAIL, "data/joined"),
        (toys.DataNormalised, FAIL, "data/unicode-stays"),
        (toys.EqualEventsOnce, FAIL, "data/same-twice"),
        (toys.DoneSwallowed, FAIL, "llm/done"),
        (toys.ErrorsSwallowed, FAIL, "llm/error-event"),
        (toys.Held, LATE, "timing/one-not-held-for-two"),
        (toys.EmptyReadIsEnd, CUT, "line-ends/lf"),
        (toys.OneEventEachRead, FAIL, "llm/burst"),
        (toys.SmallBuffer, CRASH, "sizes/value-of-1-mib"),
        (toys.Crashing, CRASH, "event/set"),
        (toys.Numbers, FAIL, "data/joined"),
        (toys.BytesData, FAIL, "data/joined"),
    ],
)
def test_each_bug_is_caught_by_a_named_case(decoder: type, verdict: Verdict, name: str) -> None:
    """A decoder with one rule broken gets its verdict from a case whose name says which, explained by both sides."""
    result = judged(name, decoder)
    assert result.verdict is verdict
    assert result.finding is not None
    assert result.finding.point
    assert result.finding.expected != result.finding.got or verdict in (LATE, CRASH)


def test_a_quadratic_decoder_is_slow() -> None:
    """A decoder that looks at all it has, in each read or at each line, is told apart from one that does not."""
    for decoder, name in [
        (toys.Quadratic, "sizes/growth-long-line"),
        (toys.QuadraticData, "sizes/growth-many-lines"),
    ]:
        result = judged(name, decoder)
        assert result.verdict is Verdict.SLOW
        assert result.finding is not None
        assert "times the time" in result.finding.point
        assert judged(name, toys.Toy).verdict is Verdict.PASS


def test_strict_utf_8_may_refuse_what_it_does_not_claim_to_mend() -> None:
    """Without `replacement` a decoder may raise at bytes that are no UTF-8, but what it gives out must be right."""
    without = ALL - {"replacement"}
    assert judged("utf-8/bad-byte", toys.StrictUtf8, without).verdict is Verdict.PASS
    assert judged("utf-8/bad-byte", toys.Utf8Ignored, without).verdict is FAIL
    assert judged("utf-8/all-lengths", toys.Latin1, without).verdict is FAIL


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("id/set", "id"),
        ("id/uncommitted", "last-event-id"),
        ("retry/set", "retry"),
        ("comments/tab", "comments"),
    ],
)
def test_what_is_not_claimed_is_not_judged(name: str, missing: str) -> None:
    """A case that is about a feature is skipped without it, and judged with it."""
    assert judged(name, toys.Toy, ALL - {missing}) == Result(BY_ID[name], Verdict.SKIPPED)
    assert judged(name, toys.Toy).verdict is Verdict.PASS


class Scripted:
    """An adapter that answers all plays alike but for errors and seconds of CPU."""

    def __init__(self, *answers: AdapterError | float) -> None:
        self._answers = list(answers)
        self.asked = 0

    def ask(self, reads: Sequence[bytes], seconds: float) -> Answer:
        """Return what the toy gives, with the seconds that the script says."""
        self.asked += 1
        said = self._answers.pop(0)
        if isinstance(said, AdapterError):
            raise said
        return replace(Local(toys.Toy).ask(reads, seconds), cpu=said)


@pytest.mark.parametrize(
    ("error", "verdict"), [(HungError("no answer in time"), Verdict.HANG), (CrashedError("it ended"), CRASH)]
)
def test_no_answer_is_a_verdict_at_once(error: AdapterError, verdict: Verdict) -> None:
    """A hang or a crash ends the case at the play that showed it."""
    adapter = Scripted(0.0, error)
    result = judge_case(BY_ID["line-ends/lf"], adapter, ALL, 2.0)
    assert (result.verdict, adapter.asked) == (verdict, 2)
    assert result.finding is not None
    assert (result.finding.point, result.finding.play.name) == (str(error), "byte by byte")


def growing() -> Case:
    """Return a case of growth that is quickly played."""
    return replace(BY_ID["line-ends/lf"], growth=3, eighth=b"data: x\n\n")


@pytest.mark.parametrize(
    ("times", "verdict", "asked"),
    [
        ((NOTICEABLE / 2, 0.001), Verdict.PASS, 4),  # too short to matter
        ((NOTICEABLE, NOTICEABLE / 10), Verdict.PASS, 4),  # linear
        ((3.0, 0.1, NOTICEABLE, 0.1), Verdict.PASS, 6),  # the first was an accident
        ((3.0, 0.1, 2.0, 0.0), Verdict.SLOW, 6),
        ((3.0, HungError("no answer in time")), Verdict.SLOW, 4),
    ],
)
def test_growth_is_measured_until_it_is_certain(
    times: tuple[float | AdapterError, ...], verdict: Verdict, asked: int
) -> None:
    """Slow is only what is noticeable, far above linear, and twice so."""
    adapter = Scripted(0.0, 0.0, *times)
    assert judge_case(growing(), adapter, ALL, 2.0).verdict is verdict
    assert adapter.asked == asked


def test_long_plays_have_more_time() -> None:
    """The deadline grows with reads and bytes, by once the timeout for 20 000 reads and for 256 KiB."""
    assert seconds_for(Play("whole", ()), 2.0) == 2.0
    assert seconds_for(Play("", (b"",) * 20_000), 2.0) == 4.0
    assert seconds_for(Play("", (b"x" * (256 << 10),)), 3.0) == pytest.approx(6.0, rel=1e-3)
