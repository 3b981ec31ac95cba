"""`sseor.cli.exit_codes`: every error has a code and a sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sseor import errors
from sseor.chat import CompletedChoice, Completion
from sseor.cli import exit_codes
from sseor.cli.exit_codes import exit_code, sentence
from sseor.errors import SseorError

KINDS = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("kind", KINDS)
def test_each_error_of_the_tree_has_a_code(kind: type[SseorError]) -> None:
    """Only the root itself is unexpected; every class of the tree has a code of its kind."""
    assert (exit_code(kind("x")) == exit_codes.UNEXPECTED) == (kind is SseorError)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.ConfigError, 2),
        (errors.ConnectTimeoutError, 3),
        (errors.StatusError, 4),
        (errors.ChunkError, 5),
        (errors.EndedEarlyError, 6),
        (errors.ConnectionLostError, 6),
        (errors.StallError, 7),
        (errors.DeadlineError, 7),
        (errors.GenerationError, 8),
    ],
)
def test_the_codes(kind: type[SseorError], code: int) -> None:
    """The nearest class decides: a stall is a cut too, but has the code of deadlines."""
    assert exit_code(kind("x")) == code


def test_the_documentation_lists_them_all() -> None:
    """The table in docs/cli.md has a row for each exit code, and no other row."""
    page = Path(__file__).parents[2] / "docs" / "cli.md"
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", page.read_text("utf-8"), re.MULTILINE)}
    named = {value for value in vars(exit_codes).values() if isinstance(value, int)}
    assert listed == named | {code for _, code in exit_codes.CODES}


def test_the_sentence_says_what_was_kept() -> None:
    """The sentence is the library's, then what there is to know and to do."""
    error = errors.StatusError("the key was refused", status=401)
    assert sentence(error) == "the key was refused; check the API key"
    cut = errors.EndedEarlyError("cut")
    cut.attempts, cut.generation_id = 2, "gen-1"
    assert sentence(cut) == "cut; 2 attempts; generation gen-1"
    cut.partial = Completion(choices=[CompletedChoice(text="Low")])
    assert sentence(cut) == "cut; 3 characters were kept; 2 attempts; generation gen-1"
    assert sentence(errors.StatusError("teapot", status=418)) == "teapot"
    assert sentence(SseorError()) == "SseorError"
