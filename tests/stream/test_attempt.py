"""One attempt, played by hand: its steps answered with plain values at invented times."""

from __future__ import annotations

import json
from typing import Any

import pytest
from stages import DONE, EXPIRY, HEARTBEAT, OK, SECRET, USAGE, Stage, delta, event, play, with_settings

from sseor.chat import Chunk, Finished, Heartbeat, Text, ToolCallDone, UsageReport
from sseor.errors import (
    ChunkError,
    ConnectionLostError,
    ContentTypeError,
    DeadlineError,
    EndedEarlyError,
    EventTooLargeError,
    GenerationError,
    SseorError,
    StallError,
    StatusError,
)
from sseor.stream import (
    Deliver,
    Read,
    Timeouts,
)
from sseor.stream.attempt import DRAIN_BYTES, DRAIN_SECONDS
from sseor.stream.watchdog import FINISH_GRACE


def test_an_answer_to_its_end() -> None:
    """Text, finish, usage and [DONE] come out in order; the verdict holds all the evidence."""
    stage = play(HEARTBEAT, delta("Low"), delta(" water", "stop"), USAGE, DONE, b"")
    assert stage.error is None
    assert [type(item) for item in stage.delivered] == [Heartbeat, Text, Text, Finished, UsageReport]
    completion = stage.script.completion
    verdict = completion.verdict
    assert (completion.text, completion.generation_id, completion.finish_reason) == (
        "Low water",
        "gen-2",
        "stop",
    )
    assert verdict is not None
    assert verdict.complete
    assert (verdict.saw_finish, verdict.saw_done, verdict.saw_usage, verdict.clean_end) == (True,) * 4


def test_a_read_is_delivered_as_one_batch() -> None:
    """What one read completes is handed over together."""
    stage = play(delta("a") + delta("b") + delta("c", "stop") + DONE, b"")
    batches = [step.batch for step in stage.steps if isinstance(step, Deliver)]
    assert [len(batch) for batch in batches] == [4]


def test_chunks_instead_of_events() -> None:
    """A reader of chunks gets every chunk, and no heartbeat or retry among them."""
    stage = Stage(OK, HEARTBEAT, delta("Low", "stop"), USAGE, DONE, b"").play(as_chunks=True)
    assert [isinstance(item, Chunk) for item in stage.delivered] == [True, True]
    assert stage.script.completion.text == "Low"


@pytest.mark.parametrize("end", [b"", ConnectionLostError("lost"), EXPIRY])
def test_a_finished_answer_is_never_turned_into_an_error(end: Any) -> None:
    """After the finish reason a clean end, a loss and silence are all success, usage unknown."""
    stage = play(delta("Low", "stop"), end)
    assert stage.error is None
    verdict = stage.script.completion.verdict
    assert verdict is not None
    assert verdict.complete
    assert not verdict.saw_usage
    assert verdict.clean_end is (end == b"")
    assert stage.now <= 1002 + FINISH_GRACE


def test_heartbeats_do_not_extend_the_grace() -> None:
    """A finished answer whose server goes on with heartbeats ends when its grace does."""
    stage = play(delta("Low", "stop"), HEARTBEAT, EXPIRY, tick=0.5)
    assert stage.error is None
    assert stage.now == pytest.approx(1001 + FINISH_GRACE)


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([b""], EndedEarlyError),
        ([HEARTBEAT, b""], EndedEarlyError),
        ([delta("Low"), b""], EndedEarlyError),
        ([delta("Low"), DONE], EndedEarlyError),
        ([DONE], EndedEarlyError),
        ([delta("Low") + b"data: {", b""], EndedEarlyError),
        ([delta("Low"), ConnectionLostError("lost")], ConnectionLostError),
        ([delta("Low"), EXPIRY], StallError),
        ([EXPIRY], StallError),
        ([HEARTBEAT, EXPIRY], StallError),
    ],
)
def test_without_a_finish_reason_every_end_is_an_error(answers: list[Any], kind: type[SseorError]) -> None:
    """Clean end, [DONE], loss and silence raise, and the error carries what had come."""
    stage = play(*answers)
    assert type(stage.error) is kind
    assert stage.error is not None
    assert stage.error.partial is not None
    assert stage.error.partial.text == stage.text
    assert stage.error.generation_id in ("gen-1", "gen-2")
    assert stage.error.attempts == 1
    assert stage.error.partial.verdict is not None
    assert not stage.error.partial.verdict.complete


def test_done_completes_where_that_is_the_policy() -> None:
    """For servers that send no finish reason, [DONE] may count; a clean end alone still does not."""
    settings = with_settings(complete_when="done")
    assert play(delta("Low"), DONE, b"", settings=settings).error is None
    assert isinstance(play(delta("Low"), b"", settings=settings).error, EndedEarlyError)


def test_a_last_event_without_its_blank_line_counts_when_it_is_whole() -> None:
    """[DONE] or a whole object cut off before its blank line is accepted, and flagged."""
    stage = play(delta("Low"), delta(" water", "stop").rstrip(), b"")
    assert stage.error is None
    assert stage.text == "Low water"
    assert stage.script.completion.verdict is not None
    assert stage.script.completion.verdict.unterminated
    assert play(delta("Low", "stop"), DONE.rstrip(), b"").error is None


def test_what_precedes_an_error_is_handed_out_first() -> None:
    """Text of the same read comes out before the broken event raises."""
    stage = play(delta("Low") + b"data: {broken\n\n")
    assert stage.text == "Low"
    assert isinstance(stage.error, ChunkError)
    assert stage.error.number == 2


def test_an_event_beyond_the_limit() -> None:
    """What was complete before it is handed out, then one typed error."""
    settings = with_settings(max_event_bytes=400)
    stage = play(delta("Low") + b"data: " + b"x" * 500, settings=settings)
    assert stage.text == "Low"
    assert isinstance(stage.error, EventTooLargeError)
    assert stage.error.limit == 400


def test_a_lenient_stream_counts_what_it_skips() -> None:
    """A malformed event is left out and counted."""
    stage = play(
        delta("Low") + b"data: {broken\n\n",
        delta("", "stop"),
        DONE,
        b"",
        settings=with_settings(lenient=True),
    )
    assert stage.error is None
    assert stage.script.completion.verdict is not None
    assert stage.script.completion.verdict.skipped_events == 1


def test_a_failure_in_the_stream() -> None:
    """The text of the error's own chunk comes first; the error has the provider's words without the key."""
    failing = event(
        id="gen-2",
        provider="P",
        error={
            "code": 502,
            "message": f"bad key {SECRET}",
            "metadata": {"error_type": "provider_unavailable"},
        },
        choices=[{"index": 0, "delta": {"content": " water"}, "finish_reason": "error"}],
    )
    stage = play(delta("Low"), failing)
    assert stage.text == "Low water"
    error = stage.error
    assert isinstance(error, GenerationError)
    assert (error.code, error.error_type, error.provider, error.retryable) == (
        502,
        "provider_unavailable",
        "P",
        True,
    )
    assert SECRET not in f"{error!r} {error} {error.message}"
    assert error.partial is not None
    assert error.partial.text == "Low water"
    assert error.partial.verdict is not None
    assert error.partial.verdict.failed


def test_a_failure_that_only_the_end_reveals() -> None:
    """A provider's network error behind a benign finish without content is a failure."""
    choice = {
        "index": 0,
        "delta": {"content": ""},
        "finish_reason": "stop",
        "native_finish_reason": "network_error",
    }
    stage = play(event(id="gen-2", choices=[choice]), DONE, b"")
    assert isinstance(stage.error, GenerationError)


def test_tool_calls_are_announced_when_they_are_whole() -> None:
    """An open call is closed by the finish or, under the [DONE] policy, by the end."""
    call = {"index": 0, "id": "call_1", "function": {"name": "now", "arguments": "{}"}}
    stage = play(delta(tool_calls=[call]), delta(finish="tool_calls"), DONE, b"")
    assert [item.call.name for item in stage.delivered if isinstance(item, ToolCallDone)] == ["now"]
    stage = play(delta(tool_calls=[call]), DONE, b"", settings=with_settings(complete_when="done"))
    assert [item.call.name for item in stage.delivered if isinstance(item, ToolCallDone)] == ["now"]
    assert (
        Stage(OK, delta(tool_calls=[call]), DONE, b"", settings=with_settings(complete_when="done"))
        .play(as_chunks=True)
        .error
        is None
    )


@pytest.mark.parametrize("after", [EXPIRY, ConnectionLostError("lost"), b"x" * DRAIN_BYTES])
def test_after_done_a_little_is_drained(after: Any) -> None:
    """The rest of the body is read for at most 50 ms and 16 KiB, whatever comes of it."""
    stage = play(delta("Low", "stop"), DONE, after)
    assert stage.error is None
    drain = stage.steps[-1]
    assert isinstance(drain, Read)
    assert drain.deadline <= 1003 + DRAIN_SECONDS


def test_nothing_is_drained_without_done() -> None:
    """An answer whose body has ended needs no drain."""
    stage = play(delta("Low", "stop"), b"")
    assert sum(isinstance(step, Read) for step in stage.steps) == 2


def test_the_callers_time_is_not_the_servers() -> None:
    """A caller that takes ten minutes for each item causes no stall, but spends the total budget."""
    stage = Stage(OK, delta("a"), delta("b"), delta("c", "stop"), DONE, b"").play(caller=600)
    assert stage.error is None
    assert stage.script.timeline.longest_gap == pytest.approx(1)
    assert stage.script.timeline.caller == pytest.approx(1800)
    stage = Stage(OK, delta("a"), EXPIRY, settings=with_settings(timeouts=Timeouts(total=610))).play(
        caller=600
    )
    assert isinstance(stage.error, DeadlineError)


def test_the_timeline() -> None:
    """Moments are told in seconds since the first request."""
    stage = play(HEARTBEAT, delta(None, reasoning="Hm"), delta("Low"), delta("", "stop"), USAGE, DONE, b"")
    timeline = stage.script.completion.timeline
    assert timeline is not None
    assert (timeline.head, timeline.first_byte, timeline.first_chunk) == (1, 2, 3)
    assert (timeline.first_token, timeline.first_text, timeline.last_token) == (3, 4, 4)
    assert (timeline.heartbeats, timeline.chunks, timeline.attempts, timeline.ended) == (1, 4, 1, 8)


@pytest.mark.parametrize("end", [EXPIRY, ConnectionLostError("lost"), b"x" * (1 << 17), b""])
def test_the_body_of_a_refusal_is_read_a_little(end: Any) -> None:
    """An endless, stalled or cut error body costs at most a second and 64 KiB; the status is what counts."""
    stage = Stage((500, {}), b"{", end).play()
    assert isinstance(stage.error, StatusError)
    assert stage.error.status == 500
    assert len(stage.error.body) <= 200


def test_a_whole_document_is_an_answer() -> None:
    """A server that ignores `stream` gives one chunk, flagged as not streamed."""
    message = {"index": 0, "message": {"role": "assistant", "content": "Low"}, "finish_reason": "stop"}
    body = json.dumps({"id": "gen-3", "choices": [message], "usage": {"prompt_tokens": 1}}).encode()
    stage = Stage((200, {"content-type": "application/json"}), body[:20], body[20:], b"").play()
    assert stage.error is None
    assert stage.text == "Low"
    assert stage.script.completion.generation_id == "gen-3"
    assert stage.script.completion.verdict is not None
    assert stage.script.completion.verdict.not_streamed


def test_a_page_is_no_answer() -> None:
    """HTML under 200 is a ContentTypeError with an extract."""
    stage = Stage((200, {"content-type": "text/html"}), b"<h1>Welcome</h1>").play()
    assert isinstance(stage.error, ContentTypeError)
    assert stage.error.body == "<h1>Welcome</h1>"
