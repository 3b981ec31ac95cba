"""The prompt: the words of the command line, and what is piped in."""

from __future__ import annotations

import io
import select
import sys
from typing import TextIO

from sseor.errors import ConfigError

__all__ = ["read_prompt"]

PATIENCE = 3.0
"""Seconds until a user is told that standard input is being waited for."""

NOTICE = "sseor: waiting for standard input to end (</dev/null stands for none)"


def read_prompt(words: str | None, stdin: TextIO | None, *, must_wait: bool = True) -> str:
    """Return `words` and behind them, after a blank line, what stdin holds, unless it is a terminal.

    Without `must_wait` an open pipe that says nothing for `PATIENCE` seconds is left alone. `ConfigError`: there is
    no prompt at all, or the input is not UTF-8.
    """
    piped = "" if stdin is None or stdin.isatty() else _read(stdin, must_wait)
    prompt = "\n\n".join(part for part in (words or "", piped) if part.strip())
    if not prompt:
        raise ConfigError('no prompt: write one, as in sseor chat -m MODEL "Why?", or pipe one in')
    return prompt


def _read(stdin: TextIO, must_wait: bool) -> str:
    if not _speaks(stdin):
        if not must_wait:
            return ""
        print(NOTICE, file=sys.stderr)
    try:
        return stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError("standard input is not UTF-8 text") from error


def _speaks(stdin: TextIO) -> bool:
    """Return whether there is something to read, or the end, within `PATIENCE` seconds."""
    try:
        return bool(select.select([stdin], [], [], PATIENCE)[0])
    except (OSError, io.UnsupportedOperation):  # no descriptor, or a system that selects sockets only
        return True
