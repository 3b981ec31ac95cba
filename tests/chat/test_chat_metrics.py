"""The figures of a stream, from what was told to its timeline and what came."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from sseor.chat import CompletedChoice, Completion, Timeline, ToolCall, Usage, Verdict
from sseor.chat.metrics import Metrics

WHOLE = Verdict(saw_finish=True)


def timeline(*tokens: float, caller: float = 0.0, **fields: Any) -> Timeline:
    """Return a timeline with a token at each of these moments; the caller takes `caller` after each."""
    told = Timeline(**fields)
    told.attempt(0.0)
    for at in tokens:
        told.chunk(at)
        told.token(at, visible=True)
        told.caller_took(caller)
    told.ended = tokens[-1] if tokens else 0.0
    return told


def metrics(told: Timeline, text: str = "", usage: dict[str, Any] | None = None, **choice: Any) -> Metrics:
    """Return the metrics of a completion with one choice."""
    choices = [CompletedChoice(text=text, finish_reason="stop", **choice)]
    found = Completion(
        choices=choices,
        usage=None if usage is None else Usage(usage),
        model="served/model",
        provider="Host",
        generation_id="gen-1",
        verdict=WHOLE,
        timeline=told,
    )
    return found.timeline.metrics()


def test_the_figures_of_an_ordinary_stream() -> None:
    """Times are in milliseconds, tokens and cost are the provider's, the speed counts from the first token."""
    told = timeline(1.0, 1.1, 1.3, model_asked="asked/model", server="host:443", heartbeats=2)
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 31,
        "cost": 0.002,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    found = metrics(told, "Low water", usage)
    assert (found.model_asked, found.model, found.provider) == ("asked/model", "served/model", "Host")
    assert (found.server, found.generation_id, found.finish_reason) == ("host:443", "gen-1", "stop")
    assert (found.ttft_ms, found.ttfo_ms, found.total_ms) == (1000, 1000, 1300)
    assert (found.input_tokens, found.output_tokens, found.cached_tokens) == (10, 31, 4)
    assert found.tokens_per_second == pytest.approx(100)
    assert found.gap_p50_ms == pytest.approx(100, rel=0.05)
    assert found.gap_max_ms == pytest.approx(200)
    assert (found.cost, found.tokens_estimated, found.complete) == (0.002, False, True)
    assert (found.attempts, found.chunks, found.heartbeats, found.stalls) == (1, 3, 2, 0)


def test_a_timeline_alone_has_the_times() -> None:
    """Without a completion the figures that need one are absent, and nothing is complete."""
    found = timeline(1.0).metrics()
    assert (found.ttft_ms, found.model, found.output_tokens, found.complete) == (1000, None, None, False)
    assert Timeline().metrics().gap_max_ms is None
    assert json.loads(json.dumps(found.to_dict()))["verdict"]["complete"] is False


@pytest.mark.parametrize(
    "count", [None, 0, -5, 10**30, float("nan"), float("inf"), 1e300, "many", True, [], {}]
)
def test_without_a_count_tokens_are_estimated_and_marked(count: Any) -> None:
    """Four characters are a token, of text, reasoning, refusals and tool calls, where no sane count came."""
    call = ToolCall(0, "id", "name", "{}", complete=True)
    told = timeline(1.0, 2.0)
    found = metrics(told, "x" * 10, {"completion_tokens": count}, reasoning="y" * 20, tool_calls=[call])
    assert (found.output_tokens, found.tokens_estimated) == (9, True)
    assert found.tokens_per_second == pytest.approx(8)


def test_zero_tokens_from_the_cache_are_no_error() -> None:
    """A replay from OpenRouter's cache costs nothing: zero is the count, and its pace is not the model's speed."""
    found = metrics(timeline(0.1, 0.2, cache_hit=True), "Low water", {"completion_tokens": 0, "cost": 0})
    assert (found.output_tokens, found.tokens_estimated, found.cost) == (0, False, 0.0)
    assert (found.tokens_per_second, found.cache_hit) == (None, True)


def test_reasoning_that_was_not_streamed_is_not_in_the_speed() -> None:
    """Hidden reasoning tokens were made before the first token came, and would make the model look too fast."""
    usage = {"completion_tokens": 1011, "completion_tokens_details": {"reasoning_tokens": 1000}}
    assert metrics(timeline(9.0, 10.0), "text", usage).tokens_per_second == pytest.approx(10)
    seen = metrics(timeline(9.0, 10.0), "text", usage, reasoning="Hm")
    assert seen.tokens_per_second == pytest.approx(1010)
    assert seen.reasoning_tokens == 1000


def test_a_speed_that_cannot_be_known_is_absent() -> None:
    """One token, one moment, or time hidden behind the caller: no speed is better than a wrong one."""
    usage = {"completion_tokens": 100}
    assert metrics(timeline(1.0), "text", usage).tokens_per_second is None
    assert metrics(timeline(1.0, 1.0), "text", usage).tokens_per_second is None
    assert metrics(timeline(1.0, 2.0), "text", {"completion_tokens": 1}).tokens_per_second is None
    assert metrics(timeline(1.0, 2.0, caller=0.97), "text", usage).tokens_per_second is None
    assert metrics(timeline(1.0, 2.0, caller=0.1), "text", usage).tokens_per_second == pytest.approx(99)


@pytest.mark.parametrize("cost", [math.nan, math.inf, -0.5, 2e6, 10**400, "0.5", None])
def test_a_cost_that_cannot_be_is_absent(cost: Any) -> None:
    """NaN, infinity, less than nothing, millions and words are no cost."""
    assert metrics(timeline(1.0), "text", {"cost": cost}).cost is None


def test_an_answer_in_one_piece_has_no_first_token() -> None:
    """What was not streamed has a total time, and no first token that could be compared with others."""
    told = timeline(2.0)
    found = Completion(timeline=told, verdict=Verdict(saw_finish=True, not_streamed=True)).timeline.metrics()
    assert (found.ttft_ms, found.ttfo_ms, found.first_chunk_ms, found.total_ms) == (None, None, None, 2000)


def test_an_answer_without_choices() -> None:
    """A stream that failed before its first chunk has figures too."""
    found = Completion(timeline=timeline()).timeline.metrics()
    assert (found.finish_reason, found.output_tokens, found.ttft_ms) == (None, None, None)
