"""The decision about the next request, played by hand at invented times; see also tests/client/test_after_a_cut.py."""

from __future__ import annotations

from typing import Any

import pytest
from stages import DONE, EXPIRY, OK, REQUEST, USAGE, Stage, delta, event, with_settings

from sseor.chat import Completion, Finished, Restarted, Resumed, Retrying, UsageReport
from sseor.chat.request import chat_request
from sseor.errors import (
    ConnectError,
    ConnectionLostError,
    DeadlineError,
    ResumeError,
    StallError,
    StatusError,
)
from sseor.stream import RetryPolicy, Settings, Timeouts

FIRST, SECOND = "The tide follows the moo", "n, and the harbour knows it."
PREFILL_REFUSED = {
    "error": {"code": 400, "message": "This model does not support assistant message prefill."}
}


def resuming(**options: Any) -> Settings:
    """Return settings that resume, without waits."""
    defaults = {"on_cut": "resume", "retries": RetryPolicy(base=0)}
    return with_settings(**{**defaults, **options})


def play(*answers: Any, **options: Any) -> Stage:
    """Play answers; the settings resume unless told otherwise."""
    return Stage(*answers, **{"settings": resuming(), **options}).play()


def lost() -> ConnectionLostError:
    """Return a cut; each needs an error of its own, since a stream fills it in."""
    return ConnectionLostError("lost")


def test_a_cut_is_announced_waited_for_and_mended() -> None:
    """The wait comes first, then the notice that the answer goes on, then its text."""
    settings = resuming(retries=RetryPolicy(base=4, jitter=lambda: 0.5))
    stage = play(OK, delta(FIRST), lost(), OK, delta(SECOND, "stop"), DONE, b"", settings=settings)
    assert stage.error is None
    assert stage.text == FIRST + SECOND
    (retrying,), (resumed,) = stage.of(Retrying), stage.of(Resumed)
    assert retrying.wait == 2
    assert (resumed.attempt, resumed.cause) == (2, retrying.cause)
    assert stage.requests[1]["messages"][-1] == {"role": "assistant", "content": FIRST}
    assert stage.script.completion.text == FIRST + SECOND


def test_a_model_known_to_refuse_prefill_is_instructed_at_once() -> None:
    """The table saves the request that would be refused."""
    request = chat_request(model="anthropic/claude-opus-4.6", messages=REQUEST.messages, parameters={})
    stage = play(OK, delta(FIRST), lost(), OK, delta(SECOND, "stop"), DONE, b"", request=request)
    assert stage.text == FIRST + SECOND
    assert [message["role"] for message in stage.requests[1]["messages"]] == ["user", "assistant", "user"]


def test_a_refused_instruction_ends_it() -> None:
    """When the instruction, too, is refused, the first partial is kept and the refusal is the cause."""
    body = b'{"error":{"code":400,"message":"prefill is not supported"}}'
    stage = play(OK, delta(FIRST), lost(), (400, {}), body, b"", (400, {}), body, b"")
    assert isinstance(stage.error, ResumeError)
    assert isinstance(stage.error.__cause__, StatusError)
    assert stage.error.partial is not None
    assert stage.error.partial.text == FIRST
    assert stage.settings.learned_forms == {"m": "instruction"}


def test_the_caps_hold_before_an_instruction_is_tried() -> None:
    """A refused prefill is not followed by an instruction when no further request is allowed."""
    body = b'{"error":{"code":400,"message":"prefill is not supported"}}'
    settings = resuming(retries=RetryPolicy(base=0, max_attempts=2))
    stage = play(OK, delta(FIRST), lost(), (400, {}), body, b"", settings=settings)
    assert isinstance(stage.error, ResumeError)
    assert len(stage.requests) == 2


def test_max_attempts_bounds_retries_too() -> None:
    """Before the first token as after it, no more requests are sent than that."""
    settings = resuming(retries=RetryPolicy(base=0, attempts=9, max_attempts=2))
    stage = play(OK, lost(), OK, lost(), settings=settings)
    assert isinstance(stage.error, ConnectionLostError)
    assert len(stage.requests) == 2


def test_one_attempt_means_one_request() -> None:
    """A policy of one attempt resumes nothing."""
    stage = play(OK, delta(FIRST), lost(), settings=resuming(retries=RetryPolicy(attempts=1)))
    assert isinstance(stage.error, ConnectionLostError)
    assert len(stage.requests) == 1


def test_the_total_budget_ends_a_continuation_as_itself() -> None:
    """Time that is spent is no refusal: the deadline is the error, and the partial is kept."""
    settings = resuming(timeouts=Timeouts(total=10, first_token=None))
    stage = play(OK, delta(FIRST), lost(), OK, EXPIRY, settings=settings)
    assert isinstance(stage.error, DeadlineError)
    assert stage.error.partial is not None
    assert stage.error.partial.text == FIRST


def test_a_wait_that_does_not_fit_is_not_begun() -> None:
    """The cut itself is raised when the time left is shorter than the wait."""
    settings = resuming(
        timeouts=Timeouts(total=10), retries=RetryPolicy(base=100, longest=100, jitter=lambda: 0.9)
    )
    stage = play(OK, delta(FIRST), lost(), settings=settings)
    assert isinstance(stage.error, ConnectionLostError)
    assert not stage.of(Retrying)


def test_a_stall_may_come_again_after_progress() -> None:
    """The kinds of failures are counted anew once a request has brought text."""
    settings = resuming(timeouts=Timeouts(stall=30))
    stage = play(
        OK, delta("a b c d "), EXPIRY, OK, delta("e f g h "), EXPIRY, OK, delta("i.", "stop"), DONE, b"",
        settings=settings,
    )  # fmt: skip
    assert stage.error is None
    assert stage.text == "a b c d e f g h i."
    assert [type(item.cause) for item in stage.of(Resumed)] == [StallError, StallError]


def test_an_error_that_no_retry_mends_is_raised_as_it_is() -> None:
    """A permanent failure after the first token is not resumed."""
    failure = event(error={"code": 403, "message": "flagged"}, choices=[])
    stage = play(OK, delta(FIRST), failure)
    assert stage.error is not None
    assert not stage.error.retryable
    assert len(stage.requests) == 1


def test_a_restart_within_the_caps() -> None:
    """A restart asks the same question, lowered to what the budget of tokens leaves, and gives up without any."""
    settings = with_settings(on_cut="restart", retries=RetryPolicy(base=0, attempts=9, max_output_tokens=10))
    stage = play(OK, delta("x" * 20), lost(), OK, delta("y" * 30), lost(), settings=settings)
    assert isinstance(stage.error, ConnectionLostError)
    assert [request.get("max_tokens") for request in stage.requests] == [None, 5]
    assert [item.attempt for item in stage.of(Restarted)] == [2]
    assert stage.error.partial is not None
    assert stage.error.partial.text == "y" * 30


def test_a_restart_waits_like_a_retry_and_gives_up_like_one() -> None:
    """Restarts are bounded by the attempts, whatever each of them brought."""
    settings = with_settings(on_cut="restart", retries=RetryPolicy(base=0, attempts=2))
    stage = play(OK, delta("a"), lost(), OK, delta("b"), lost(), settings=settings)
    assert isinstance(stage.error, ConnectionLostError)
    assert len(stage.requests) == 2


def test_usage_is_summed_over_the_requests() -> None:
    """Each report of usage covers all requests so far."""
    limited = (OK, delta(FIRST, "length"), USAGE, DONE, b"")
    stage = play(
        *limited, OK, delta(SECOND, "stop"), USAGE, DONE, b"", settings=with_settings(continue_on_length=1)
    )
    assert [report.usage.total_tokens for report in stage.of(UsageReport)] == [3, 6]
    completion = stage.script.completion
    assert completion.usage is not None
    assert completion.usage.total_tokens == 6
    assert [item.reason for item in stage.of(Finished)] == ["stop"]
    assert [generation.characters for generation in completion.generations] == [len(FIRST), len(SECOND)]
    assert completion.verdict.saw_usage


def test_an_answer_at_its_limit_survives_a_failed_continuation() -> None:
    """What ended properly stays a success, its finish is told at the end, and the verdict says what failed."""
    limited = (OK, delta(FIRST, "length"), USAGE, DONE, b"")
    settings = with_settings(continue_on_length=1, retries=RetryPolicy(base=0, attempts=1))
    stage = play(*limited, ConnectError("no"), settings=settings)
    assert stage.error is None
    completion = stage.script.completion
    assert (completion.text, completion.finish_reason) == (FIRST, "length")
    assert completion.verdict.complete
    assert completion.verdict.not_continued == "the request to continue failed: no"
    assert [item.reason for item in stage.of(Finished)] == ["length"]


def test_a_limit_without_text_is_explained_not_continued() -> None:
    """Reasoning alone gives nothing to go on from: the finish is told at the end, with the reason in the verdict."""
    limited = (OK, delta(reasoning="So much to think of", finish="length"), USAGE, DONE, b"")
    stage = play(*limited, settings=with_settings(continue_on_length=1))
    assert stage.error is None
    assert "reasoning" in stage.script.completion.verdict.not_continued
    assert [item.reason for item in stage.of(Finished)] == ["length"]


def test_a_refused_prefill_is_followed_by_an_instruction() -> None:
    """The refusal is announced like a retry, without a wait, and the instruction brings the rest."""
    body = b'{"error":{"code":400,"message":"prefill is not supported"}}'
    stage = play(OK, delta(FIRST), lost(), (400, {}), body, b"", OK, delta(SECOND, "stop"), DONE, b"")
    assert stage.error is None
    assert stage.text == FIRST + SECOND
    assert [type(item.cause) for item in stage.of(Retrying)] == [ConnectionLostError, StatusError]
    assert stage.requests[2]["messages"][-1]["role"] == "user"


def test_a_refusal_inside_the_stream_counts_too() -> None:
    """A failure as the first event of a 200 may speak of the prefill."""
    refusal = event(error=PREFILL_REFUSED["error"], choices=[])
    stage = play(OK, delta(FIRST), lost(), OK, refusal, OK, delta(SECOND, "stop"), DONE, b"")
    assert stage.text == FIRST + SECOND


def test_a_continuation_that_brings_nothing_is_tried_again() -> None:
    """A transient failure before the continuation's first text is retried like any other."""
    stage = play(OK, delta(FIRST), lost(), ConnectError("no"), OK, delta(SECOND, "stop"), DONE, b"")
    assert stage.text == FIRST + SECOND
    assert [item.attempt for item in stage.of(Resumed)] == [3]


def test_half_a_tool_call_is_not_continued() -> None:
    """The reason is said, the cut is its cause."""
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "now", "arguments": '{"zo'}}
    stage = play(OK, delta(FIRST), delta(tool_calls=[call]), lost())
    assert isinstance(stage.error, ResumeError)
    assert isinstance(stage.error.__cause__, ConnectionLostError)
    assert "tool call" in stage.error.detail


@pytest.mark.parametrize(
    ("caps", "why"),
    [
        ({"max_cost": 0.5}, "max_cost"),
        ({"max_output_tokens": 2}, "max_output_tokens"),
        ({"max_attempts": 1}, "max_att"),
    ],
)
def test_the_spend_is_capped(caps: dict[str, Any], why: str) -> None:
    """What was spent, as reported or estimated, ends the continuing, and the verdict says so."""
    usage = event(id="gen-2", choices=[], usage={"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.5})
    limited = (OK, delta(FIRST, "length"), usage, DONE, b"")
    settings = with_settings(continue_on_length=1, retries=RetryPolicy(base=0, **caps))
    stage = play(*limited, settings=settings)
    assert why in stage.script.completion.verdict.not_continued
    assert len(stage.requests) == 1


def test_a_saved_answer_is_continued() -> None:
    """A script that begins with a partial sends a continuation first, and hands out what is new."""
    first = play(OK, delta(FIRST), lost(), settings=with_settings())
    assert first.error is not None
    partial = first.error.partial
    assert isinstance(partial, Completion)
    stage = play(OK, delta(SECOND, "stop"), DONE, b"", before=partial, settings=with_settings())
    assert stage.error is None
    assert stage.text == SECOND
    assert stage.script.completion.text == FIRST + SECOND
    assert [item.cause for item in stage.of(Resumed)] == [None]
    assert [item.attempt for item in stage.of(Resumed)] == [2]


def test_a_saved_answer_of_which_nothing_came_is_asked_for_again() -> None:
    """The question goes out as it was, and what ran before stays on the list."""
    first = play(OK, delta(""), lost(), settings=with_settings(retries=RetryPolicy(attempts=1)))
    assert first.error is not None
    stage = play(OK, delta(FIRST, "stop"), DONE, b"", before=first.error.partial, settings=with_settings())
    assert stage.error is None
    assert stage.requests == first.requests
    assert not stage.of(Resumed)
    assert stage.text == stage.script.completion.text == FIRST
    assert len(stage.script.completion.generations) == 2


def test_before_it_runs_a_saved_answer_shows_what_it_has() -> None:
    """The completion of a script that has not started is the partial's."""
    first = play(OK, delta(FIRST), lost(), settings=with_settings())
    assert first.error is not None
    assert Stage(before=first.error.partial).script.completion.text == FIRST
