"""The verdict: evidence, and what follows from it."""

from __future__ import annotations

import json

import pytest

from sseor.chat import SeamReport, Verdict


@pytest.mark.parametrize(
    ("verdict", "complete"),
    [
        (Verdict(), False),
        (Verdict(clean_end=True, saw_usage=True), False),
        (Verdict(saw_done=True, clean_end=True), False),
        (Verdict(saw_finish=True), True),
        (Verdict(saw_finish=True, failed=True), False),
        (Verdict(saw_done=True, complete_when="done"), True),
        (Verdict(saw_finish=True, complete_when="done"), True),
        (Verdict(clean_end=True, complete_when="done"), False),
    ],
)
def test_only_a_finish_reason_makes_an_answer_complete(verdict: Verdict, complete: bool) -> None:
    """A clean end and `[DONE]` prove nothing, unless the policy says so for `[DONE]`."""
    assert verdict.complete is complete


def test_a_verdict_round_trips() -> None:
    """`complete` is written for readers; unknown fields are left out."""
    seams = (SeamReport(5, 2, "preamble", "instruction"), SeamReport(9))
    verdict = Verdict(True, True, True, True, False, True, 2, True, "done", seams, "nobody wanted it")
    written = json.loads(json.dumps(verdict.to_dict()))
    assert written["complete"] is True
    assert Verdict.from_dict({**written, "later": 1}) == verdict
    del written["seams"], written["not_continued"]
    assert Verdict.from_dict(written).seams == ()


def test_a_doubtful_seam_stands_out() -> None:
    """`doubtful_seams` are those around which the text may be wrong."""
    sure, doubtful = SeamReport(5, removed=3), SeamReport(9, doubtful="overlap of 2 characters")
    assert Verdict(seams=(sure, doubtful)).doubtful_seams == (doubtful,)
    assert Verdict(seams=(sure,)).doubtful_seams == ()
