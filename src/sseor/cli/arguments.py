"""What may be written behind `sseor`, and the help texts."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NoReturn

from sseor._version import __version__
from sseor.cli.conform import add_conform
from sseor.cli.decode import add_decode
from sseor.cli.doctor import add_doctor
from sseor.cli.record import add_record
from sseor.cli.serve import add_serve
from sseor.cli.stats import VARIABLE, add_stats
from sseor.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["OPENROUTER", "parse"]

OPENROUTER = "https://openrouter.ai/api/v1"
DEMO_PROMPT = "What am I looking at?"

DEADLINES = {
    "connect": (10, "for a connection, TLS included"),
    "silence": (30, "without any byte, once the answer has shown a sign of life"),
    "first-token": (120, "until the answer begins; heartbeats do not count"),
    "stall": (120, "without progress within the answer; heartbeats do not count"),
    "total": (None, "for everything, retries included"),
}

STYLE: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}

DESCRIPTION = """\
Streams answers of language models from OpenRouter, or any server that speaks the same protocol.
It never takes a cut answer for a whole one, never waits for ever, and keeps every word that came."""

EPILOG = """\
begin here:
  sseor demo                                        no key and no network needed
  export OPENROUTER_API_KEY=sk-or-…                 a key from https://openrouter.ai/keys
  sseor chat -m openai/gpt-5-mini "Why is the sea salty?"
  git diff | sseor chat -m openai/gpt-5-mini "Write a commit message" > message.txt

The answer goes to standard output, the status to standard error.
Exit code 0 means that the answer is whole; sseor chat --help lists the others."""

EXIT_CODES = """\
exit codes:
   0  the answer is whole            7  a deadline passed: silence, first token, stall, total
   1  a bug in sseor                 8  the provider reported a failure
   2  usage, options or key          9  token limit or content filter ended the text
   3  no connection                 10  the answer could not be written
   4  refused with an HTTP status  130  interrupted by Ctrl-C
   5  the server broke protocol    141  nobody reads the output any more
   6  the answer was cut short"""

CHAT = """\
Asks one question and prints the answer as it comes.
What is piped in is put behind the prompt. With openrouter.ai the key is taken from OPENROUTER_API_KEY;
with another --base-url no key is sent unless --key-env names one."""

DEMO = """\
Starts sseor's own server on 127.0.0.1, which behaves like OpenRouter, and asks it: the same command as
sseor chat, with another base URL. No key and no network are needed."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one sentence, told where all others are."""

    def error(self, message: str) -> NoReturn:
        """Raise `ConfigError`."""
        raise ConfigError(f"{message} (see {self.prog} --help)")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what the arguments ask for; `ConfigError`: it cannot be understood, `SystemExit`: it is done.

    A word that is not understood is not repeated: it may be a key.
    """
    parser = _parser()
    options, others = parser.parse_known_args(arguments)
    for other in others:
        if other.startswith("-"):
            parser.error(f"unknown option {other.split('=')[0]}")
        parser.error("too many words: put the prompt in quotes")
    if options.command is None:
        parser.print_help()
        parser.exit()
    return options


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="sseor", description=DESCRIPTION, epilog=EPILOG, **STYLE)
    parser.add_argument("--version", action="version", version=f"sseor {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    asking: dict[str, Any] = {"epilog": EXIT_CODES, **STYLE}
    chat = commands.add_parser("chat", help="ask a model, stream its answer", description=CHAT, **asking)
    chat.add_argument("prompt", nargs="?", help="the question; may also be piped in")
    chat.add_argument("-m", "--model", help="the model, such as openai/gpt-5-mini")
    chat.add_argument(
        "--base-url", default=OPENROUTER, metavar="URL", help=f"another server (default: {OPENROUTER})"
    )
    chat.add_argument("--key-env", metavar="NAME", help="the environment variable that holds the API key")
    chat.add_argument("--resume", metavar="FILE", help="go on with the unfinished answer in FILE")
    _add_common(chat, on_cut="raise")
    demo = commands.add_parser("demo", help="watch a stream: no key, no network", description=DEMO, **asking)
    demo.add_argument("prompt", nargs="?", default=DEMO_PROMPT, help=f"default: {DEMO_PROMPT}")
    demo.set_defaults(model="sseor/demo", key_env=None, resume=None)
    _add_common(demo, on_cut="resume")
    add_serve(commands, STYLE, OPENROUTER)
    add_record(commands, STYLE, OPENROUTER)
    add_doctor(commands, STYLE, OPENROUTER)
    add_conform(commands, STYLE)
    add_decode(commands, STYLE)
    add_stats(commands, STYLE)
    return parser


def _add_common(parser: argparse.ArgumentParser, on_cut: str) -> None:
    parser.add_argument("--system", metavar="TEXT", help="a system message, put before the prompt")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="end the answer after N tokens")
    parser.add_argument("--temperature", type=float, metavar="T", help="0 (sober) to 2 (wild)")
    parser.add_argument("--attempts", type=int, default=3, metavar="N", help="requests at most (3)")
    parser.add_argument(
        "--on-cut",
        choices=("raise", "resume", "restart"),
        default=on_cut,
        help=f"when the answer is cut: end there, go on from what came, or begin again ({on_cut})",
    )
    parser.add_argument(
        "--continue",
        type=int,
        default=0,
        dest="continue_on_length",
        metavar="N",
        help="go on up to N times where the length limit ended the answer (0)",
    )
    parser.add_argument("--save", metavar="FILE", help="keep the growing answer in FILE, for chat --resume")
    parser.add_argument("-q", "--quiet", action="store_true", help="no status line; errors are still told")
    parser.add_argument(
        "--no-metrics", action="store_true", help=f"log no figures for sseor stats ({VARIABLE}=off: never)"
    )
    group = parser.add_argument_group("deadlines", "seconds, or off")
    for name, (default, meaning) in DEADLINES.items():
        shown = "off" if default is None else default
        group.add_argument(
            f"--{name}",
            type=seconds,
            default=default,
            metavar="S",
            help=f"at most S seconds {meaning} (default: {shown})",
        )


def seconds(text: str) -> float | None:
    """Return a number of seconds, or None for `off`; whether it is a sensible one is checked by the library."""
    return None if text == "off" else float(text)
