"""`sseor.relay.formats.token`: text and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from relay.formats.writing import DONE, RESTARTED, text, written


def test_tokens() -> None:
    """Each piece of the first choice's text is one ASCII line of JSON, and `[DONE]` follows a whole answer."""
    others: list[Mapping[str, Any]] = [
        text("no", choice=1),
        {"type": "reasoning", "text": "no"},
        {"type": "usage"},
    ]
    reader = written([*others, text("Low"), text(" café\n👋"), text(""), DONE], "token")
    lines = reader.data.decode("ascii").split("\n\n")
    assert lines[0] == 'data: {"token": "Low"}'
    assert json.loads(lines[1].removeprefix("data: ")) == {"token": " café\n👋"}
    assert lines[2:] == ["data: [DONE]", ""]


@pytest.mark.parametrize(
    ("terminal", "code"),
    [
        ({"type": "error", "code": "cut", "retryable": True, "partial": True}, "cut"),
        ({"type": "cancelled"}, "cancelled"),
        ({"type": "interrupted"}, "interrupted"),
        ({"type": "done", "finish_reason": "error"}, "generation"),
        (RESTARTED, "stalled"),
    ],
)
def test_what_is_not_whole_has_no_done(terminal: Mapping[str, Any], code: str) -> None:
    """A failure is an empty token with a code, and nothing follows it."""
    reader = written([text("Low"), terminal, text("High"), DONE], "token")
    assert reader.events == [{"token": "Low"}, {"token": "", "error": code}]
    assert reader.writing.over


def test_a_reader_of_tokens_that_lags_gets_the_rest() -> None:
    """From a snapshot it is given the text that it has not had."""
    reader = written([text("Low"), *map(text, "abcdef"), DONE], "token", kept=2, looks=[0])
    assert [event["token"] for event in reader.events[:2]] == ["Low", "abcde"]
    assert "".join(event["token"] for event in reader.events[:-1]) == "Lowabcdef"
