"""`sseor chat` and `sseor demo`: one code path, two base URLs."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import sseor
from sseor.chat import Heartbeat, Reasoning, Refusal, Restarted, Resumed, Retrying, Text
from sseor.chat.text import printable
from sseor.cli.exit_codes import COMPLETE, INTERRUPTED
from sseor.cli.prompt import read_prompt
from sseor.cli.stats import open_log
from sseor.cli.summary import verdict
from sseor.cli.terminal import Answer, StatusLine
from sseor.errors import ConfigError, ResumeError, SseorError
from sseor.testing import LoopbackServer, OpenRouter

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

__all__ = ["chat", "demo", "key_for", "no_proxy"]

KEY_VARIABLE = "OPENROUTER_API_KEY"
CUT_AFTER = 60
"""Words after which the demo loses its connection, to show that the answer goes on."""
LOG_SECONDS = 1.0


def demo(options: argparse.Namespace) -> int:
    """Ask the loopback server; return the exit code."""
    prompt = read_prompt(options.prompt, sys.stdin, must_wait=False)
    with no_proxy(), LoopbackServer(OpenRouter(cut_after=CUT_AFTER)) as server:
        return _ask(options, prompt, server.base_url, None)


@contextlib.contextmanager
def no_proxy() -> Iterator[None]:
    """Keep the proxy of the environment out of it: it cannot reach this machine's own loopback."""
    before = os.environ.get("no_proxy")
    os.environ["no_proxy"] = "*"
    try:
        yield
    finally:
        if before is None:
            del os.environ["no_proxy"]
        else:
            os.environ["no_proxy"] = before


def chat(options: argparse.Namespace) -> int:
    """Ask a model; return the exit code."""
    key = key_for(options.key_env, options.base_url)
    if options.resume is not None:
        if options.prompt is not None or options.save is not None:
            raise ConfigError("--resume FILE has its own prompt, and goes on saving to FILE")
        return _ask(options, "", options.base_url, key)
    if options.model is None:
        raise ConfigError("which model? name it with --model, such as -m openai/gpt-5-mini")
    return _ask(options, read_prompt(options.prompt, sys.stdin), options.base_url, key)


def key_for(variable: str | None, base_url: str) -> str | None:
    """Return the key of the named variable; None leaves the choice to the client."""
    if variable is not None:
        key = os.environ.get(variable, "")
        if not key.strip():
            raise ConfigError("no API key: the environment variable of --key-env is not set")
        return key
    if _is_openrouter(base_url) and not os.environ.get(KEY_VARIABLE, "").strip():
        raise ConfigError(f"no API key: set {KEY_VARIABLE} to yours (sseor demo needs none)")
    return None


def _is_openrouter(base_url: str) -> bool:
    try:
        return urlsplit(base_url).hostname == "openrouter.ai"
    except ValueError:
        return False


def _ask(options: argparse.Namespace, prompt: str, base_url: str, key: str | None) -> int:
    timeouts = sseor.Timeouts(
        connect=options.connect,
        silence=options.silence,
        first_token=options.first_token,
        stall=options.stall,
        total=options.total,
    )
    retries = sseor.RetryPolicy(attempts=options.attempts)
    # What a restart makes void cannot be taken back from a pipe or a file.
    holds = options.on_cut == "restart" and not sys.stdout.isatty()
    answer = Answer(_tolerant(sys.stdout), None if options.quiet else sys.stderr, holds=holds)
    status = StatusLine(None if options.quiet else sys.stderr)
    log = open_log(wanted=not options.no_metrics)
    client = sseor.Client(api_key=key, base_url=base_url, timeouts=timeouts, retries=retries, metrics=log)
    with _closing(log), client, _stream(client, options, prompt) as stream:
        status.show(f"connecting to {urlsplit(base_url).netloc}")
        try:
            answer.write(stream.completion.text)  # what a saved answer begins with
            _show(stream, answer, status)
            code, line = verdict(stream.completion)
        except KeyboardInterrupt:
            kept = len(stream.completion.text)
            answer.write(stream.completion.text[answer.taken :])  # came in one piece with what was shown last
            code, line = (
                INTERRUPTED,
                f"sseor: interrupted; {kept} characters were kept{_how_to_go_on(options)}",
            )
        except SseorError as error:
            if error.partial is not None and error.partial.text:
                error.detail += _how_to_go_on(options)
            raise
        finally:
            status.clear()
            answer.end()
    # What is not whole is told in any case.
    (status if code == COMPLETE else StatusLine(sys.stderr)).end(line)
    return code


def _stream(client: sseor.Client, options: argparse.Namespace, prompt: str) -> sseor.Stream:
    after_a_cut = {"on_cut": options.on_cut, "continue_on_length": options.continue_on_length}
    if options.resume is not None:
        try:
            return client.resume(options.resume, model=options.model, **after_a_cut)
        except ResumeError as error:  # nothing was sent: the file is a wrong argument
            raise ConfigError(error.detail) from error
    messages: list[dict[str, Any]] = [{"role": "user", "content": prompt}]
    if options.system is not None:
        messages.insert(0, {"role": "system", "content": options.system})
    parameters = {"max_tokens": options.max_tokens, "temperature": options.temperature}
    given = {name: value for name, value in parameters.items() if value is not None}
    return client.stream(model=options.model, messages=messages, save_to=options.save, **after_a_cut, **given)


def _how_to_go_on(options: argparse.Namespace) -> str:
    file = options.resume or options.save
    return "" if file is None else f"; to go on: sseor chat --resume {shlex.quote(file)}"


@contextlib.contextmanager
def _closing(log: sseor.MetricsLog | None) -> Iterator[None]:
    """Write what was logged, without making anyone wait for a log that cannot be written."""
    try:
        yield
    finally:
        if log is not None:
            log.close(LOG_SECONDS)


def _show(stream: sseor.Stream, answer: Answer, status: StatusLine) -> None:
    """Write the answer as it comes, and beside it how it goes."""
    heartbeats = pieces = 0
    for event in stream:
        match event:
            case Text(delta, 0) | Refusal(delta, 0):
                pieces += 1
                if answer.is_terminal:
                    status.clear()
                answer.write(delta)
                state = f"answering · piece {pieces}"
            case Reasoning():
                pieces += 1
                state = f"thinking · piece {pieces}"
            case Heartbeat(waited):
                heartbeats += 1
                state = f"waiting {waited:.1f} s · heartbeat {heartbeats}"
            case Retrying(wait, cause):
                state = f"next attempt in {wait:.1f} s, because: {_told(cause)}"
            case Resumed(_, cause):
                if cause is not None:
                    status.note(f"cut: {_told(cause)}; the answer goes on", answer.breaks_line())
                continue
            case Restarted(_, cause):
                status.note(f"cut: {_told(cause)}; the answer begins again", answer.breaks_line())
                answer.begin_again()
                continue
            case _:
                continue
        if not (answer.is_terminal and answer.begun):
            status.show(printable(state, 200))


def _told(cause: Exception) -> str:
    return cause.detail if isinstance(cause, SseorError) else type(cause).__name__


def _tolerant(stdout: Any) -> Any:
    """Return stdout, made to write a question mark for what its encoding lacks."""
    if stdout is None:
        raise ConfigError("standard output is closed")
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="replace")
    return stdout
