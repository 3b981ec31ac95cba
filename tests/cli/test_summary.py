"""`sseor.cli.summary`: the last line of an answer that ended properly."""

from __future__ import annotations

from typing import Any

import pytest

from sseor.chat import CompletedChoice, Completion, Generation, Timeline, Usage
from sseor.cli.summary import verdict


def completion(finish: str | None = "stop", text: str = "x", **fields: Any) -> Completion:
    """Return a completion with one choice."""
    return Completion(choices=[CompletedChoice(text=text, finish_reason=finish)], **fields)


def test_all_figures() -> None:
    """Verdict, times, heartbeats, tokens, cost and attempts stand in one line."""
    timeline = Timeline(first_token=0.514, ended=2.0, heartbeats=3, attempts=2)
    usage = Usage({"prompt_tokens": 14, "completion_tokens": 9, "cost": 0.0000247})
    assert verdict(completion(timeline=timeline, usage=usage)) == (
        0,
        (
            "complete (stop) · first token 0.51 s · 2.00 s in all · 3 heartbeats · 14 + 9 tokens · $0.000025"
            " · 2 attempts"
        ),
    )


def test_what_is_not_known_is_left_out() -> None:
    """Without times and usage the verdict and the unknown cost remain."""
    assert verdict(completion()) == (0, "complete (stop) · cost unknown")
    assert verdict(completion(timeline=Timeline(heartbeats=1)))[1] == (
        "complete (stop) · 1 heartbeat · cost unknown"
    )
    assert verdict(completion(usage=Usage({})))[1] == "complete (stop) · 0 + 0 tokens · cost unknown"


def test_a_part_without_usage_leaves_the_cost_open() -> None:
    """What an answer took that was cut and resumed is known of its last part alone, and the line says so."""
    usage = Usage({"prompt_tokens": 5, "completion_tokens": 9, "cost": 0.25})
    parts = [Generation(id="gen-1"), Generation(id="gen-2", usage=usage)]
    assert verdict(completion(usage=usage, generations=parts))[1].endswith("5 + 9 tokens · $0.250000 or more")
    assert verdict(completion(usage=usage, generations=parts[1:]))[1].endswith("· $0.250000")


def test_a_free_answer_has_a_cost() -> None:
    """A cost of zero is a cost that is known."""
    assert verdict(completion(usage=Usage({"cost": 0})))[1].endswith("$0.000000")


@pytest.mark.parametrize(
    ("finish", "told"),
    [("length", "the limit of tokens was reached"), ("content_filter", "a content filter ended the text")],
)
def test_a_part_is_not_called_complete(finish: str, told: str) -> None:
    """A limit or a filter gives another code, and says why the text is not whole."""
    assert verdict(completion(finish)) == (9, f"not whole ({finish}): {told} · cost unknown")


def test_an_empty_answer_is_named() -> None:
    """An answer without text is complete, but said to be empty; a refusal is an answer."""
    assert verdict(completion(text=""))[1] == "complete (stop) · the answer is empty · cost unknown"
    refused = Completion(choices=[CompletedChoice(refusal="no", finish_reason="stop")])
    assert verdict(refused)[1] == "complete (stop) · cost unknown"


def test_a_server_without_finish_reasons() -> None:
    """Where the mark `[DONE]` was accepted as the end, that is the reason given."""
    assert verdict(completion(None)) == (0, "complete (done) · cost unknown")
