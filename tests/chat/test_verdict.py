"""The verdict: evidence, and what follows from it."""

from __future__ import annotations

import pytest

from sseor.chat import Verdict


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
    verdict = Verdict(True, True, True, True, False, True, 2, True, "done")
    assert verdict.to_dict()["complete"] is True
    assert Verdict.from_dict({**verdict.to_dict(), "later": 1}) == verdict
