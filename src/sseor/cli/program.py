"""`main`: the command line from its arguments to its exit code; whatever goes wrong is one sentence."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from sseor.cli.arguments import parse
from sseor.cli.conform import conform
from sseor.cli.decode import decode
from sseor.cli.exit_codes import (
    BROKEN_PIPE,
    COMPLETE,
    INTERRUPTED,
    UNEXPECTED,
    UNWRITABLE,
    exit_code,
    sentence,
)
from sseor.cli.terminal import StatusLine, UnwritableError
from sseor.errors import SseorError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

LIGHT = {"conform": conform, "decode": decode}
"""The commands that need no HTTP library."""

SENTENCE = 600
"""Characters at most; a server's own words are part of it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (those of the process by default) ask for; return its exit code.

    `docs/cli.md` lists the codes.
    """
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return _end(INTERRUPTED, "interrupted")
    except SseorError as error:
        return _end(exit_code(error), sentence(error))
    except BrokenPipeError as error:
        _forget_stdout()
        # Ctrl-C also ends the reader at the other end of a pipeline.
        return INTERRUPTED if isinstance(error.__context__, KeyboardInterrupt) else BROKEN_PIPE
    except UnwritableError as error:
        _forget_stdout()
        return _end(UNWRITABLE, f"the answer could not be written: {error}")
    except Exception as error:  # the last wall: a newcomer is told that it is our fault, without a traceback
        return _end(UNEXPECTED, f"this is a bug in sseor ({type(error).__name__}); please report it")


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = parse(arguments)
    except SystemExit:  # --help and --version, which have said all
        return COMPLETE
    if options.command in LIGHT:
        return LIGHT[options.command](options)
    # Imported here, so that a mistyped command or --help does not wait for the HTTP library.
    from sseor.cli.chat import chat, demo
    from sseor.cli.doctor import doctor
    from sseor.cli.record import record, replay
    from sseor.cli.serve import serve
    from sseor.cli.stats import stats

    commands = {
        "chat": chat,
        "demo": demo,
        "doctor": doctor,
        "record": record,
        "replay": replay,
        "serve": serve,
        "stats": stats,
    }
    return commands[options.command](options)


def _end(code: int, text: str) -> int:
    from sseor.chat.text import printable

    StatusLine(sys.stderr).end(f"sseor: {printable(text, SENTENCE)}")
    return code


def _forget_stdout() -> None:
    """Let what is still buffered go nowhere, or the interpreter would complain about it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
