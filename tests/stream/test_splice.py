"""How the events of a follow-up are edited."""

from __future__ import annotations

import pytest

from sseor.chat import (
    CompletedChoice,
    Completion,
    Finished,
    Reasoning,
    Resumed,
    Text,
    ToolCallDelta,
    Usage,
    UsageReport,
)
from sseor.chat.seam import Seam
from sseor.errors import ResumeError
from sseor.stream.splice import Splice

BEFORE = "The tide follows the moon, which passes overhead"
PART = Completion(choices=[CompletedChoice(text=BEFORE)])


def splice(**options: bool) -> Splice:
    """Return the splice of a continuation."""
    return Splice(PART, Seam(BEFORE, BEFORE, "prefill"), Resumed(2, None), **options)


def test_the_notice_goes_ahead_of_the_first_event() -> None:
    """It is given once, and not before there is something to give."""
    join = splice()
    assert join.pass_on([]) == []
    assert join.pass_on([Reasoning("hm")]) == [Resumed(2, None), Reasoning("hm")]
    assert join.pass_on([Text("! Next.")]) == [Text("! Next.")]
    assert join.shown
    assert join.continues


def test_text_that_is_held_back_comes_before_what_follows_it() -> None:
    """A tool call, a finish and the end decide a seam that was still open."""
    call = ToolCallDelta(0, "c", "now", "")
    for last in (call, Finished("stop")):
        join = splice()
        assert join.pass_on([Text(BEFORE[4:9])]) == []
        assert join.pass_on([last]) == [Resumed(2, None), Text(BEFORE[4:9]), last]
    join = splice()
    assert join.end([Text(BEFORE[4:9])], complete=True)[-1] == Text(BEFORE[4:9])
    join = splice()
    assert join.end([Text(BEFORE[4:9])], complete=False) == []


def test_other_choices_pass_untouched() -> None:
    """Only choice 0 is continued."""
    assert splice().pass_on([Text("x", 1)]) == [Resumed(2, None), Text("x", 1)]


@pytest.mark.parametrize("last", [Text(" of it all, and nobody else."), Finished("stop")])
def test_another_answer_is_an_error_with_its_text(last: Text | Finished) -> None:
    """Whether it shows at once or at the end, an answer that starts over is not handed out."""
    join = splice()
    start = BEFORE[:30] if isinstance(last, Text) else BEFORE[:40]
    assert join.pass_on([Text(start)]) == []
    with pytest.raises(ResumeError) as failed:
        join.pass_on([last])
    assert failed.value.continuation.startswith(BEFORE[:30])


def test_a_finish_by_length_may_be_withheld() -> None:
    """Withheld is what may be continued, and nothing else."""
    join = Splice(holds_length=True)
    assert join.pass_on([Text("a"), Finished("length"), Finished("stop", 1)]) == [
        Text("a"),
        Finished("stop", 1),
    ]
    assert join.withheld == [Finished("length")]
    assert not join.continues
    join = Splice()
    assert join.pass_on([Finished("length")]) == [Finished("length")]


def test_usage_is_the_sum_for_a_continuation_alone() -> None:
    """A first request and a restart report their own."""
    usage = Usage({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
    before = Completion(choices=PART.choices, usage=usage)
    join = Splice(before, Seam(BEFORE, BEFORE, "prefill"))
    (report,) = join.pass_on([UsageReport(usage)])
    assert report.usage.total_tokens == 6
    (report,) = Splice(before).pass_on([UsageReport(usage)])
    assert report.usage.total_tokens == 3


def test_the_whole_answer() -> None:
    """A continuation is joined to what was there; a restart replaces it once it has begun."""
    after = Completion(choices=[CompletedChoice(text="! Next.")])
    assert Splice().whole(after) == after
    join = splice()
    assert join.whole(Completion()).text == BEFORE
    join.pass_on([Text("! Next.")])
    assert join.whole(after).text == BEFORE + "! Next."
    assert len(join.whole(after).verdict.seams) == 1
    restart = Splice(PART, notice=Resumed(2, None))
    assert restart.whole(Completion()).text == BEFORE
    restart.pass_on([Text("! Next.")])
    assert restart.whole(after) == after
