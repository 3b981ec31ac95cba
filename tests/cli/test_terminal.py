"""`sseor.cli.terminal`: what reaches a terminal, what reaches a pipe."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from sseor.cli import terminal
from sseor.cli.terminal import Answer, StatusLine, UnwritableError, write_file, write_out
from sseor.errors import ConfigError


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class Failing(io.StringIO):
    """A text stream that fails in the given way."""

    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self.failure = failure

    def write(self, text: str) -> int:
        """Fail."""
        raise self.failure


HOSTILE = "a\x1b[2Jb\x07\x9b31m\x7f\tc\r\nd"


def test_a_terminal_gets_no_controls() -> None:
    """C0, DEL and C1 are left out on a terminal, but for line ends and tabs."""
    stream = Terminal()
    Answer(stream).write(HOSTILE)
    assert stream.getvalue() == "a[2Jb31m\tc\nd"


def test_a_pipe_gets_everything() -> None:
    """Into a pipe the text goes unchanged, and no line end is added."""
    stream = io.StringIO(newline="")
    answer = Answer(stream)
    answer.write(HOSTILE)
    answer.end()
    assert stream.getvalue() == HOSTILE


@pytest.mark.parametrize(("pieces", "shown"), [(["a"], "a\n"), (["a\n"], "a\n"), ([], ""), (["\x07"], "")])
def test_a_terminal_gets_a_last_line_end(pieces: list[str], shown: str) -> None:
    """On a terminal the line is ended where the text did not do it, and only if something was shown."""
    stream = Terminal()
    answer = Answer(stream)
    for piece in pieces:
        answer.write(piece)
    answer.end()
    assert stream.getvalue() == shown
    assert answer.begun == bool(shown)


def test_a_status_in_the_same_file_has_its_own_line() -> None:
    """Where stdout and stderr are one pipe, as after `2>&1`, the answer's last line is ended before the status."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stdout, os.fdopen(os.dup(writing), "w") as stderr:
        answer = Answer(stdout, stderr)
        answer.write("piece")
        answer.end()
        StatusLine(stderr).end("complete")
        assert os.read(reading, 100) == b"piece\ncomplete\n"
    os.close(reading)


def test_streams_without_descriptors_are_apart() -> None:
    """Streams of a program's own are not taken for one file."""
    stream = io.StringIO()
    answer = Answer(stream, io.StringIO())
    answer.write("piece")
    answer.end()
    assert stream.getvalue() == "piece"


def test_each_piece_is_flushed() -> None:
    """A reader at the other end of a pipe has each piece at once."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        Answer(stream).write("piece")
        assert os.read(reading, 100) == b"piece"
    os.close(reading)


def test_a_failed_write_says_why() -> None:
    """A full disk is told in the system's words, a broken pipe stays what it is."""
    with pytest.raises(UnwritableError, match="No space left"):
        Answer(Failing(OSError(28, "No space left on device"))).write("x")
    with pytest.raises(UnwritableError, match="OSError"):
        Answer(Failing(OSError())).write("x")
    with pytest.raises(BrokenPipeError):
        Answer(Failing(BrokenPipeError())).write("x")


def test_a_status_line_is_redrawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal each state replaces the one before, cut to the width, and the last one stays."""
    monkeypatch.setattr(terminal, "REDRAW", 0.0)
    monkeypatch.setenv("COLUMNS", "8")
    stream = Terminal()
    status = StatusLine(stream)
    status.show("waiting")
    status.show("thinking hard")
    status.clear()
    status.clear()
    status.end("complete as can be")
    clear = "\r\x1b[K"
    assert stream.getvalue() == f"{clear}waiting{clear}thinkin{clear}complete as can be\n"


def test_a_status_line_is_not_redrawn_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """States that follow one another too fast are left out."""
    monkeypatch.setattr(terminal, "REDRAW", 1000.0)
    monkeypatch.setattr("time.monotonic", lambda: 5000.0)
    stream = Terminal()
    status = StatusLine(stream)
    for number in range(100):
        status.show(str(number))
    assert stream.getvalue() == "\r\x1b[K0"


def test_elsewhere_only_the_last_state_is_written() -> None:
    """In a file the status is one line."""
    stream = io.StringIO()
    status = StatusLine(stream)
    status.show("waiting")
    status.clear()
    status.end("complete")
    assert stream.getvalue() == "complete\n"


@pytest.mark.parametrize("stream", [None, Failing(OSError("gone")), Failing(ValueError("closed"))])
def test_a_status_that_cannot_be_written_is_left_out(stream: io.StringIO | None) -> None:
    """A closed stderr costs nobody the answer."""
    StatusLine(stream).end("complete")


def test_a_report_goes_to_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report is flushed, and what the encoding of stdout lacks becomes a question mark."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    write_out("a·b\n")
    assert raw.getvalue() == b"a?b\n"
    text = io.StringIO()
    monkeypatch.setattr(sys, "stdout", text)
    write_out("a·b\n")
    assert text.getvalue() == "a·b\n"


@pytest.mark.parametrize(
    ("stdout", "error", "told"),
    [
        (None, ConfigError, "standard output is closed"),
        (Failing(BrokenPipeError()), BrokenPipeError, None),
        (Failing(OSError(28, "No space left on device")), UnwritableError, "No space left on device"),
        (Failing(OSError()), UnwritableError, "OSError"),
    ],
)
def test_a_report_that_nobody_gets(
    stdout: io.StringIO | None, error: type[Exception], told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stdout that is closed, full or no longer read is each told by its own error."""
    monkeypatch.setattr(sys, "stdout", stdout)
    with pytest.raises(error, match=told):
        write_out("x")


def test_a_file_of_the_users(tmp_path: Path) -> None:
    """A file is written in UTF-8; one that cannot be is the user's mistake, told by its name."""
    write_file(tmp_path / "x", "a·b")
    assert (tmp_path / "x").read_bytes() == "a·b".encode()
    with pytest.raises(ConfigError, match=r"/none/x cannot be written: No such file"):
        write_file(tmp_path / "none" / "x", "")
