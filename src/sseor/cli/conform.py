"""`sseor conform`: the conformance suite for SSE decoders."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sseor.cli.exit_codes import COMPLETE, NOT_CONFORMING
from sseor.cli.terminal import StatusLine, write_file, write_out
from sseor.errors import ConfigError

if TYPE_CHECKING:
    from sseor.conformance import Case, Result

__all__ = ["add_conform", "conform"]

FEATURES = ("comments", "id", "last-event-id", "retry", "replacement")
FORMATS = ("text", "json", "markdown", "junit")

DESCRIPTION = """\
Judges a decoder of server-sent events by the WHATWG HTML standard, with more than 250 cases, each whole, byte by
byte and cut in many ways. The decoder runs in a process of its own: whatever it does, the run goes on."""

DECODER_EPILOG = """\
what module:factory names, in the current folder or installed:
  a class or function of no arguments, which gives an object with feed(bytes), a list of events or comments, or
  a generator function, plain or async, which takes an iterable of bytes and yields them
  An event has data, event and id, a comment has text; as attributes or in a dict. docs/conformance.md says more.

begin here:
  sseor conform decoder sseor.wire:Decoder                        our own
  sseor conform adapter > adapter.mjs                             an example for Node, for eventsource-parser
  sseor conform decoder --command "node adapter.mjs" --format junit -o report.xml

exit codes: 0 no case went wrong, 11 at least one did, 2 there is no such decoder, case or file"""


def add_conform(commands: Any, style: dict[str, Any]) -> None:
    """Add the command and its options to the command line."""
    conform = commands.add_parser("conform", help="judge an SSE decoder", description=DESCRIPTION, **style)
    subjects = conform.add_subparsers(dest="subject", metavar="SUBJECT", required=True)
    decoder = subjects.add_parser(
        "decoder", help="judge a decoder", description=DESCRIPTION, epilog=DECODER_EPILOG, **style
    )
    decoder.add_argument("factory", nargs="?", metavar="module:factory", help="a decoder written in Python")
    decoder.add_argument("--command", dest="adapter", metavar="COMMAND", help="an adapter in any language")
    decoder.add_argument(
        "--without",
        type=features,
        default=(),
        metavar="LIST",
        help=f"what is not claimed: {','.join(FEATURES)}",
    )
    decoder.add_argument(
        "--claim",
        type=features,
        default=(),
        metavar="LIST",
        help="what is claimed, although a probe shows no sign",
    )
    decoder.add_argument(
        "--timeout", type=float, default=2.0, metavar="S", help="seconds a play may take (2)"
    )
    decoder.add_argument("--format", choices=FORMATS, default="text", help="form of the report (text)")
    decoder.add_argument("-o", "--output", metavar="FILE", help="where the report goes (standard output)")
    decoder.add_argument("-q", "--quiet", action="store_true", help="no status line")
    cases = subjects.add_parser("cases", help="list the cases", description="Lists the cases.", **style)
    for parser in (decoder, cases):
        parser.add_argument("--cases", metavar="FILE", help="a case file of your own")
        parser.add_argument(
            "--only", metavar="TEXT", help="only cases whose id begins with this, such as bom/"
        )
    subjects.add_parser(
        "adapter",
        help="print the adapter for Node",
        description="Prints an adapter for eventsource-parser.",
        **style,
    )


def features(text: str) -> tuple[str, ...]:
    """Return the features of a list with commas."""
    named = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in named:
        if name not in FEATURES:
            raise argparse.ArgumentTypeError(f"no feature {name}; there are {', '.join(FEATURES)}")
    return named


def conform(options: argparse.Namespace) -> int:
    """Do what was asked; return the exit code."""
    if options.subject == "adapter":
        import sseor.conformance

        write_out((Path(sseor.conformance.__file__).with_name("eventsource_parser.mjs")).read_text())
        return COMPLETE
    cases = _cases(options)
    if options.subject == "cases":
        write_out("".join(f"{case.id:<40} {case.title}\n" for case in cases))
        return COMPLETE
    return _decoder(options, cases)


def _cases(options: argparse.Namespace) -> list[Case]:
    from sseor.conformance import CaseFileError, load_cases, read_cases

    try:
        cases = read_cases(options.cases) if options.cases else load_cases()
    except CaseFileError as error:
        raise ConfigError(str(error)) from None
    except OSError as error:
        raise ConfigError(f"{options.cases} cannot be read: {error.strerror}") from None
    chosen = [case for case in cases if case.id.startswith(options.only or "")]
    if not chosen:
        raise ConfigError(f"no case begins with {options.only}")
    return chosen


def _decoder(options: argparse.Namespace, cases: list[Case]) -> int:
    from sseor.conformance import AdapterError, judge
    from sseor.conformance.reports import FORMATS as WRITERS
    from sseor.conformance.reports import headline

    if bool(options.factory) == bool(options.adapter):
        raise ConfigError("a decoder is wanted: module:factory, or --command with the command of an adapter")
    if not options.timeout > 0:
        raise ConfigError("--timeout takes a number above 0")
    status = StatusLine(None if options.quiet else sys.stderr)
    wrong = 0

    def progress(done: int, total: int, result: Result) -> None:
        nonlocal wrong
        wrong += result.finding is not None
        status.show(f"{done} of {total} cases · {wrong} wrong · {result.case.id}")

    try:
        report = judge(
            options.factory or shlex.split(options.adapter),
            cases,
            claimed=options.claim,
            without=options.without,
            timeout=options.timeout,
            progress=progress,
        )
    except AdapterError as error:
        status.clear()
        raise ConfigError(f"the decoder cannot be started: {error}") from None
    status.clear()
    text = WRITERS[options.format](report)
    if options.output is None:
        write_out(text)
    else:
        write_file(Path(options.output), text)
    if options.output or options.format != "text":
        status.end(headline(report))
    return COMPLETE if report.passed else NOT_CONFORMING
