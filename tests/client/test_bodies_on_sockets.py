"""The example bodies through the client, over a real socket, whole and in awkward pieces."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from shells import SHELLS, Outcome, read

import sseor
from sseor.errors import EndedEarlyError, GenerationError, SseorError
from sseor.testing import LoopbackServer, replay

STREAMS = Path(__file__).parent.parent / "data" / "streams"
NAMES = {path.name[:2]: path for path in sorted(STREAMS.glob("[01]*.sse"))}

TEXTS = {
    "01": "Les marées de vive-eau reviennent tous les 14,8 jours 🌊.",
    "02": "Yes: 289 is 17 squared.",
    "03": "Let me look.",
    "04": "",
    "05": "Spring tides happen when the Sun, the Moon",
    "06": "",
    "07": "",
    "08": "42",
    "09": "The coefficient is 92 on Tuesday. Beware of gales.",
    "10": "Hi!",
    "11": "1. Check the moorings.\n2. Double",
    "12": "Here is a red pixel.",
    "13": "",
}
ERRORS: dict[str, type[SseorError]] = {"05": GenerationError, "06": GenerationError, "11": EndedEarlyError}
FINISHES = {"03": "tool_calls", "04": "tool_calls", "07": "length"}
USAGES = {
    "01": (21, 17, 38),
    "02": (38, 46, 84),
    "03": (212, 31, 243),
    "04": (98, 40, 138),
    "07": (33, 64, 97),
    "08": (9, 2, 11),
    "09": (1420, 22, 1442),
    "10": (11, 2, 13),
    "12": (12, 1296, 1308),
    "13": (19, 28, 47),
}


def play(number: str, shell: str, pieces: str) -> Outcome:
    """Stream a body whole, bytewise, or cut at random."""
    body = NAMES[number].read_bytes()
    chance = random.Random(number + shell)
    cuts: Any = {
        "whole": (),
        "bytewise": range(1, len(body)),
        "random": sorted(chance.sample(range(1, len(body)), 40)),
    }[pieces]
    with LoopbackServer(replay(body, tuple(cuts))) as server:
        outcome = read(shell, server.base_url)
        assert server.wait_idle(5)
    return outcome


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("pieces", ["whole", "bytewise", "random"])
@pytest.mark.parametrize("number", TEXTS)
def test_each_body(number: str, pieces: str, shell: str) -> None:
    """Text, finish, usage and error are those of the table, whatever the pieces and the shell."""
    outcome = play(number, shell, pieces)
    completion = outcome.completion
    assert completion is not None
    assert outcome.text == completion.text == TEXTS[number]
    assert type(outcome.error) is ERRORS.get(number, type(None))
    usage = completion.usage
    counts = usage and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    assert counts == USAGES.get(number)
    assert completion.generation_id is not None
    if outcome.error is None:
        assert completion.finish_reason == FINISHES.get(number, "stop")
        assert [finish.reason for finish in outcome.of(sseor.Finished)] == [completion.finish_reason]
        assert completion.verdict is not None
        assert completion.verdict.complete
    else:
        assert outcome.error.partial == completion
        assert outcome.error.generation_id == completion.generation_id


def test_the_facts_of_the_errors() -> None:
    """05 fails with the provider's code in the middle, 06 before any output, and both may be tried again in kind."""
    middle = play("05", "threads", "whole").error
    assert isinstance(middle, GenerationError)
    assert (middle.code, middle.error_type, middle.retryable) == (502, "provider_unavailable", True)
    first = play("06", "threads", "whole").error
    assert isinstance(first, GenerationError)
    assert (first.code, first.error_type, first.retry_after) == (429, "rate_limit_exceeded", 9)


def test_what_is_no_text() -> None:
    """Reasoning once, tool calls parsed, annotations, image and audio come out as events and in the completion."""
    reasoning = play("02", "threads", "random")
    assert (
        "".join(event.delta for event in reasoning.of(sseor.Reasoning)) == "17 is odd, and 289 = 17², so yes."
    )
    calls = [event.call for event in play("04", "threads", "random").of(sseor.ToolCallDone)]
    assert [(call.name, call.parsed) for call in calls] == [
        ("weather", {"city": "Nantes"}),
        ("weather", {"city": "Łódź"}),
        ("now", {}),
    ]
    assert len(play("09", "threads", "random").of(sseor.Annotation)) == 2
    assert len(play("12", "threads", "random").of(sseor.Image)) == 1
    audio = play("13", "threads", "random").completion
    assert audio is not None
    assert audio.audio is not None
    assert audio.audio.data == bytes(range(30))
