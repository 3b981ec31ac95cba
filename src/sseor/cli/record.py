"""`sseor record` and `sseor replay`: an answer as it came, kept in a file and served again with its times."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any

from sseor.cli.exit_codes import COMPLETE, INTERRUPTED
from sseor.cli.prompt import read_prompt
from sseor.cli.terminal import StatusLine
from sseor.errors import ConfigError, StallError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from sseor.client.endpoint import Endpoint
    from sseor.testing import Tape

__all__ = ["add_question", "add_record", "load_tape", "question", "record", "replay", "take", "told"]

RECORD = """\
Asks a model and writes its answer to a file as it comes over the network: status, header fields, and each read of the
body with its time. The API key, and cookies, are not in the file."""

REPLAY = """\
Serves a recorded answer on 127.0.0.1, read by read and in its own time, to every request, until Ctrl-C: any client can
be tried against it again and again, without a key and at no cost."""

EXAMPLE = """\
begin here:
  sseor record -m openai/gpt-5-mini -o answer.tape "Why is the sea salty?"
  sseor replay answer.tape                          it prints a base URL
  sseor chat -m any --base-url http://127.0.0.1:PORT/api/v1 "Hello"
"""

STOPPED = "interrupted"
TICK = 0.1


def add_record(commands: Any, style: dict[str, Any], base_url: str) -> None:
    """Add both commands; `base_url` is the server that is asked by default."""
    record = commands.add_parser(
        "record", help="keep an answer as it came", description=RECORD, epilog=EXAMPLE, **style
    )
    record.add_argument("prompt", nargs="?", help="the question; may also be piped in")
    record.add_argument(
        "--base-url", default=base_url, metavar="URL", help=f"another server (default: {base_url})"
    )
    add_question(record)
    record.add_argument("-o", "--output", required=True, metavar="FILE", help="where the recording goes")
    replay = commands.add_parser(
        "replay", help="serve a recorded answer", description=REPLAY, epilog=EXAMPLE, **style
    )
    replay.add_argument("file", metavar="FILE", help="what sseor record wrote")
    replay.add_argument(
        "--speed", type=float, default=1.0, metavar="X", help="so many times as fast; inf: at once (1)"
    )
    replay.add_argument("--once", action="store_true", help="end when one client has been served")


def add_question(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that sends one request and takes its answer."""
    parser.add_argument("-m", "--model", help="the model, such as openai/gpt-5-mini")
    parser.add_argument("--key-env", metavar="NAME", help="the environment variable that holds the API key")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="end the answer after N tokens")
    parser.add_argument(
        "--patience", type=float, default=120.0, metavar="S", help="seconds without a byte (120)"
    )


def record(options: argparse.Namespace) -> int:
    """Ask, and write the tape of the answer; return the exit code."""
    where, body = question(options, read_prompt(options.prompt, sys.stdin))
    status = StatusLine(sys.stderr)

    def progress(reads: int, size: int) -> None:
        status.show(f"recording · {reads} reads · {size} bytes")

    try:
        tape = take(where, body, options.patience, progress)
    finally:
        status.clear()
    try:
        tape.save(options.output)
    except OSError as error:
        raise ConfigError(f"{options.output} cannot be written: {error.strerror}") from None
    status.end(f"sseor: {options.output}: {told(tape)}")
    return INTERRUPTED if tape.cut == STOPPED else COMPLETE


def question(options: argparse.Namespace, prompt: str) -> tuple[Endpoint, bytes]:
    """Return where a question goes, and the body of its request."""
    from sseor.chat.request import chat_request
    from sseor.cli.chat import key_for
    from sseor.client.endpoint import endpoint

    if options.model is None:
        raise ConfigError("which model? name it with --model, such as -m openai/gpt-5-mini")
    if not options.patience > 0:
        raise ConfigError("--patience takes a number of seconds above 0")
    where = endpoint(api_key=key_for(options.key_env, options.base_url), base_url=options.base_url)
    given = {} if options.max_tokens is None else {"max_tokens": options.max_tokens}
    messages = [{"role": "user", "content": prompt}]
    return where, chat_request(model=options.model, messages=messages, parameters=given).body


def take(
    where: Endpoint, body: bytes, patience: float, progress: Callable[[int, int], None] = lambda *_: None
) -> Tape:
    """Send one request and return its answer; what ends the body is on the tape, Ctrl-C too.

    `patience` is in seconds without a byte; `progress` is told of reads and bytes. `SseorError`: no head came.
    """
    from sseor.client.exchange import Exchange
    from sseor.client.link import Link
    from sseor.stream import Expired, Failed, Open
    from sseor.testing import Tape

    link = Link.for_threads(where, None)
    exchange = Exchange(link)
    reads: list[tuple[float, bytes]] = []
    cut = None
    began = time.monotonic()
    try:
        try:
            head = exchange.open(Open(body, patience, began + patience))
        except Expired:
            raise StallError(f"no answer within {patience:g} s", timer="silence", waited=patience) from None
        except Failed as failure:
            raise failure.error from failure.error.__cause__
        try:
            size = 0
            while (read := exchange.read(time.monotonic() + patience))[0]:
                data, now = read
                reads.append((now - began, data))
                size += len(data)
                progress(len(reads), size)
        except Expired:
            cut = f"no byte for {patience:g} s"
        except Failed as failure:
            cut = failure.error.detail
        except KeyboardInterrupt:
            cut = STOPPED
        ended_at = time.monotonic() - began
    finally:
        exchange.close()
        link.close()
    return Tape(head.status, head.headers, head.now - began, tuple(reads), ended_at, cut).without(where.key)


def told(tape: Tape) -> str:
    """Return what is on a tape, in a few words."""
    parts = [] if tape.status == 200 else [f"status {tape.status}"]
    parts += [f"{len(tape.reads)} reads", f"{len(tape.body)} bytes", f"{tape.ended_at:.2f} s"]
    return " · ".join([*parts, *([] if tape.cut is None else [f"cut: {tape.cut}"])])


def replay(options: argparse.Namespace) -> int:
    """Serve a tape until Ctrl-C; return the exit code."""
    from sseor.testing import LoopbackServer

    if not options.speed > 0:
        raise ConfigError("--speed takes a number above 0, or inf")
    tape = load_tape(options.file)
    with LoopbackServer(tape.respond(options.speed)) as server:
        StatusLine(sys.stderr).end(f"sseor: {told(tape)}; base URL {server.base_url} (Ctrl-C ends)")
        with contextlib.suppress(KeyboardInterrupt):
            while not (options.once and server.requests and server.wait_idle(TICK)):
                time.sleep(TICK)
    return COMPLETE


def load_tape(path: str) -> Tape:
    """Return the tape in a file of the user's; `ConfigError` when it is none."""
    from sseor.testing import Tape, TapeError

    try:
        return Tape.load(path)
    except TapeError as error:
        raise ConfigError(str(error)) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
