"""The command line: `sseor demo`, `sseor chat`."""

from sseor.cli.program import main

__all__ = ["main"]
