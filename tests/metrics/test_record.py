"""What the log keeps of a stream, and what it does not."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseor.chat import CompletedChoice, Completion, Timeline, Usage, Verdict
from sseor.errors import ConnectError, SseorError, StallError
from sseor.metrics.record import Record, record_of

WHOLE = Verdict(saw_finish=True, saw_done=True)
KEY = "sk-or-v1-CANARY-0123456789abcdef"


def completion(text: str = "", finish: str | None = None, **fields: Any) -> Completion:
    """Return a completion with one choice."""
    choices = [CompletedChoice(text=text, finish_reason=finish)]
    return Completion(choices=choices, **{"timeline": timeline(), **fields})


def timeline(token: float | None = None) -> Timeline:
    """Return the timeline of a stream with at most one token."""
    told = Timeline()
    told.attempt(0.0)
    if token is not None:
        told.chunk(token)
        told.token(token, visible=True)
    return told


def test_the_figures_are_kept() -> None:
    """Everything that `metrics()` tells and the log has a column for is in the record, with the wall clock."""
    told = timeline(0.5)
    told.model_asked, told.server, told.ended = "a/b", "host", 1.5
    usage = Usage({"prompt_tokens": 3, "completion_tokens": 2, "cost": 0.25})
    before = time.time()
    kept = record_of(completion("Low", "stop", timeline=told, usage=usage, model="a/c", verdict=WHOLE), None)
    assert before <= kept.at <= time.time()
    assert (kept.outcome, kept.error, kept.finish_reason) == ("complete", None, "stop")
    assert (kept.model_asked, kept.model, kept.server) == ("a/b", "a/c", "host")
    assert (kept.ttft_ms, kept.total_ms, kept.attempts, kept.chunks) == (500, 1500, 1, 1)
    assert (kept.input_tokens, kept.output_tokens, kept.cost) == (3, 2, 0.25)
    assert (kept.tokens_estimated, kept.cache_hit, kept.not_streamed) == (False, False, False)


@pytest.mark.parametrize(
    ("ended", "error", "outcome"),
    [
        (completion("Low", "stop", verdict=WHOLE), None, "complete"),
        (completion("Low", "length", verdict=WHOLE), None, "limited"),
        (completion("Low", "content_filter", verdict=WHOLE), None, "limited"),
        (completion("Low", timeline=timeline(1.0)), StallError("stalled", timer="stall", waited=9.0), "cut"),
        (completion(), ConnectError("refused"), "failed"),
        (completion("Low"), None, "left"),
    ],
)
def test_how_a_stream_ended(ended: Completion, error: SseorError | None, outcome: str) -> None:
    """The outcome tells whole, limited, cut, failed and left apart; of the error only the class is kept."""
    kept = record_of(ended, error)
    assert kept.outcome == outcome
    assert kept.error == (error and type(error).__name__)


def test_nothing_of_prompt_answer_or_key_is_kept() -> None:
    """Text, reasoning, messages of errors and keys in names do not get into a record."""
    ended = completion(
        "CANARY answer", f"CANARY {KEY}", model=f"a/{KEY}", provider=KEY, generation_id=f"gen-{KEY}"
    )
    kept = record_of(ended, ConnectError(f"CANARY {KEY}"))
    assert "CANARY" not in repr(kept)
    assert kept.finish_reason == "other"


def test_names_are_one_short_printable_line() -> None:
    """Half surrogates, NUL, line ends, escapes and a million letters do no harm."""
    kept = record_of(completion(model="a\x00b\n\x1b[2J\ud83dc", provider="x" * 1_000_000), None)
    assert kept.model == "a b  [2J\ufffdc"
    assert kept.provider is not None
    assert len(kept.provider) == 200
    assert (kept.model + kept.provider).encode().isascii() is False


numbers = st.one_of(st.floats(), st.integers(), st.none(), st.booleans(), st.text(), st.just(1 << 80))


@given(st.dictionaries(st.sampled_from(["prompt_tokens", "completion_tokens", "cost"]), numbers), st.floats())
def test_absurd_numbers_read_as_absent(usage: dict[str, Any], ended: float) -> None:
    """Whatever a provider says and however a clock jumps, each number is finite, not negative and below 2^63."""
    told = timeline(0.5)
    told.ended = ended
    kept = record_of(completion(usage=Usage(usage), timeline=told), None)
    for value in dataclasses.astuple(kept):
        if isinstance(value, (int, float)):
            assert 0 <= value < 1 << 63


class Row(dict[str, Any]):
    """A row, as SQLite gives it."""


def test_a_row_that_another_hand_wrote_is_read_with_care() -> None:
    """Values of a wrong kind, absurd numbers, unknown columns and missing ones do no harm."""
    row = Row(at="soon", outcome=5, model=b"x", ttft_ms="fast", cost=-1.0, chunks=math.inf, cache_hit=1)
    kept = Record.from_row(Row(row, newer="x", provider="a\x1b[2Jb", tokens_estimated=None))
    expected = Record(0.0, "failed", cache_hit=True, provider="a [2Jb")
    assert kept == expected
