"""`sseor.cli.prompt`: words and piped input become one prompt."""

from __future__ import annotations

import io
import os
import time
from typing import TYPE_CHECKING, TextIO

import pytest

from sseor.cli import prompt
from sseor.cli.prompt import read_prompt
from sseor.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator


def piped(data: bytes) -> TextIO:
    """Return a stdin that holds this."""
    return io.TextIOWrapper(io.BytesIO(data))


@pytest.fixture
def open_pipe() -> Iterator[tuple[TextIO, TextIO]]:
    """Yield both ends of a pipe that nobody has closed."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "w") as other_end:
        yield stdin, other_end


@pytest.mark.parametrize(
    ("words", "data", "result"),
    [
        ("Why?", b"", "Why?"),
        (None, b"from a pipe\n", "from a pipe\n"),
        ("Sum up:", b"a\nb\n", "Sum up:\n\na\nb\n"),
        ("Sum up:", b" \n", "Sum up:"),
        ("", "ö".encode(), "ö"),
    ],
)
def test_words_and_input_are_joined(words: str | None, data: bytes, result: str) -> None:
    """What is piped in follows the words after a blank line; blank parts are left out."""
    assert read_prompt(words, piped(data)) == result


def test_a_closed_stdin_is_none() -> None:
    """Without a stdin the words are the prompt."""
    assert read_prompt("Why?", None) == "Why?"


def test_a_terminal_is_not_read() -> None:
    """Nobody is made to type where stdin is a terminal."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs) as terminal:
        assert read_prompt("Why?", terminal) == "Why?"
        with pytest.raises(ConfigError, match="no prompt"):
            read_prompt(None, terminal)
    os.close(ours)


@pytest.mark.parametrize("words", [None, "", " \n"])
def test_nothing_to_ask_is_an_error(words: str | None) -> None:
    """A prompt of nothing is refused."""
    with pytest.raises(ConfigError, match="no prompt"):
        read_prompt(words, piped(b"\n"))


def test_input_must_be_text() -> None:
    """Bytes that are no UTF-8 are refused, not mangled."""
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_prompt("Why?", piped(b"\xff\xfe"))


def test_a_pipe_that_speaks_is_read_to_its_end(open_pipe: tuple[TextIO, TextIO]) -> None:
    """A real pipe is read until its other end is closed."""
    stdin, other_end = open_pipe
    other_end.write("data")
    other_end.close()
    assert read_prompt("Why?", stdin, must_wait=False) == "Why?\n\ndata"


def test_a_mute_pipe_is_left_alone_or_named(
    open_pipe: tuple[TextIO, TextIO], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipe that says nothing is left alone where it may be, and else the user is told what is waited for."""
    monkeypatch.setattr(prompt, "PATIENCE", 0.05)
    stdin, other_end = open_pipe
    begun = time.monotonic()
    assert read_prompt("Why?", stdin, must_wait=False) == "Why?"
    assert 0.05 <= time.monotonic() - begun < 2
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(
        prompt, "print", lambda text, file: (print(text, file=file), other_end.close()), raising=False
    )
    assert read_prompt("Why?", stdin) == "Why?"
    assert capsys.readouterr().err == f"{prompt.NOTICE}\n"
