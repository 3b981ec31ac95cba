"""The two outputs: the answer on stdout, a status line on stderr."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TextIO

from sseor.chat.text import printable
from sseor.errors import ConfigError

__all__ = ["Answer", "StatusLine", "UnwritableError", "write_file", "write_out"]

CONTROLS = dict.fromkeys(code for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t")
"""C0 and C1 but for line ends and tabs: a terminal obeys them, so none may come from a model."""

REDRAW = 0.1
"""Seconds between two states of the status line."""

CLEAR_LINE = "\r\x1b[K"


class UnwritableError(Exception):
    """The answer could not be written; the text says why."""


def write_out(text: str) -> None:
    """Write a report to stdout, what its encoding lacks as a question mark; `BrokenPipeError` when nobody reads it."""
    if sys.stdout is None:
        raise ConfigError("standard output is closed")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UnwritableError(error.strerror or type(error).__name__) from error


def write_file(path: Path, text: str) -> None:
    """Write a file of the user's, in UTF-8; `ConfigError` when it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or type(error).__name__}") from error


class Answer:
    """Writes the text as it comes, at once; to a terminal without control characters, into a pipe as it is.

    `status` is the stream of the status line. `taken` counts the characters that were given to be written, `begun`
    says whether any were to be seen. One that `holds` keeps the text to itself until `end`.
    """

    def __init__(self, stream: TextIO, status: TextIO | None = None, *, holds: bool = False) -> None:
        self.is_terminal = stream.isatty()
        self._ends_line = self.is_terminal or _same_place(stream, status)
        self.begun = False
        self.taken = 0
        self._stream = stream
        self._last = ""
        self._held: list[str] | None = [] if holds else None

    def write(self, text: str) -> None:
        """Write a piece of the answer and flush it; `BrokenPipeError` when nobody reads it any more."""
        self.taken += len(text)
        if self._held is not None:
            self._held.append(text)
            return
        shown = text.translate(CONTROLS) if self.is_terminal else text
        if shown:
            # Before the write: an interrupt may come within it, and what was buffered is still written at exit.
            self.begun, self._last = True, shown[-1]
            try:
                self._stream.write(shown)
                self._stream.flush()
            except BrokenPipeError:
                raise
            except OSError as error:
                raise UnwritableError(error.strerror or type(error).__name__) from error

    def begin_again(self) -> None:
        """Forget what was held: the answer begins again."""
        self.taken = 0
        if self._held is not None:
            self._held.clear()

    def breaks_line(self) -> bool:
        """Return whether a note would stand behind the last word of the answer."""
        return self._ends_line and self.begun and self._last != "\n"

    def end(self) -> None:
        """End the line on a terminal and where the status follows in the same file; else nothing is added."""
        held, self._held = self._held, None
        self.write("".join(held or []))
        if self.breaks_line():
            self.write("\n")


def _same_place(one: TextIO, other: TextIO | None) -> bool:
    try:
        return other is not None and os.path.sameopenfile(one.fileno(), other.fileno())
    except (OSError, ValueError):  # no descriptor, or a closed one
        return False


class StatusLine:
    """One line that is drawn again and again on a terminal; elsewhere only its last state is written.

    `stream` may be None (a closed stderr); what cannot be written is left out: no answer is lost for a status.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._is_terminal = stream is not None and stream.isatty()
        self._drawn_at = 0.0
        self._visible = False

    def show(self, text: str) -> None:
        """Draw a passing state, one printable line; too soon after the last one it is left out."""
        now = time.monotonic()
        if self._is_terminal and now - self._drawn_at >= REDRAW:
            width = shutil.get_terminal_size().columns - 1
            self._write(CLEAR_LINE + text[:width])
            self._drawn_at, self._visible = now, True

    def note(self, text: str, on_a_new_line: bool) -> None:
        """Write a line that stays in the middle of the answer."""
        self.clear()
        self._write("\n" * on_a_new_line + printable(f"[{text}]", 200) + "\n")

    def clear(self) -> None:
        """Take the line away, to make room for the answer."""
        if self._visible:
            self._write(CLEAR_LINE)
            self._visible = False

    def end(self, text: str) -> None:
        """Write the last state, as a line that stays."""
        self.clear()
        self._write(text + "\n")

    def _write(self, text: str) -> None:
        if self._stream is not None:
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(text)
                self._stream.flush()
