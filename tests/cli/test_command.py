"""The command as a user runs it: a process of its own, real pipes, a real terminal, real signals."""

from __future__ import annotations

import contextlib
import json
import math
import os
import pty
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from sseor.testing import (
    Cut,
    Done,
    Event,
    Fail,
    Finish,
    Head,
    Heartbeats,
    LoopbackServer,
    OpenRouter,
    Raw,
    Reset,
    Role,
    Say,
    Silence,
    Status,
    Usage,
    answer,
    play,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sseor.testing import Act

KEY = "sk-or-v1-CANARY-0123456789"
PROGRAM = [sys.executable, "-m", "sseor"]
HTML = "<!doctype html><title>Bad gateway</title>"
SURROUNDINGS = {name: value for name, value in os.environ.items() if name != "OPENROUTER_API_KEY"} | {
    "CANARY": KEY,
    "no_proxy": "127.0.0.1",
}


@contextlib.contextmanager
def started(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start the program with SIGINT as a terminal leaves it, and end it with the test whatever happens.

    A test run in the background has SIGINT ignored, and its children would inherit that; a signal that is caught
    here has its default effect there.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, **options) as child:
        try:
            yield child
        finally:
            child.kill()


def to(server: LoopbackServer, *options: str) -> list[str]:
    """Return a command line that asks this server, with the key and short deadlines."""
    ask = [*PROGRAM, "chat", "-m", "a/b", "--base-url", server.base_url, "--key-env", "CANARY"]
    return [*ask, "--attempts", "1", "--first-token", "0.4", "--stall", "0.4", *options, "Why?"]


def run(command: list[str], stdin: bytes = b"", **surroundings: str) -> tuple[int, str, str]:
    """Run a command to its end; return code, stdout and stderr, in which no key and no traceback stands."""
    done = subprocess.run(
        command, input=stdin, capture_output=True, env=SURROUNDINGS | surroundings, timeout=30, check=False
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "CANARY" not in out + err
    assert "Traceback" not in err
    return done.returncode, out, err


def wait_until(condition: Any) -> None:
    """Wait until a condition holds, at most five seconds."""
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def error(code: int, **metadata: object) -> dict[str, object]:
    """Return an error body that quotes the key, as a careless server does."""
    return {"error": {"code": code, "message": f"No, {KEY}!\x1b[31m", "metadata": metadata}}


STATUSES: dict[str, tuple[list[Act], int, str]] = {
    f"{status} {name}": ([Status(status, body, {"Content-Type": kind} if kind else {})], 4, "")
    for status in (401, 404, 429, 500)
    for name, body, kind in (("json", error(status), ""), ("html", HTML, "text/html"), ("empty", b"", ""))
}

FAULTS: dict[str, tuple[list[Act], int, str]] = {
    **STATUSES,
    "redirect": ([Status(307, b"", {"Location": "https://elsewhere.example/"})], 4, ""),
    "200 html": ([Status(200, HTML, {"Content-Type": "text/html"})], 5, ""),
    "200 json error": ([Status(200, error(502))], 8, ""),
    "broken json": ([Event("{nope")], 5, ""),
    "nothing": ([Raw(b"")], 3, ""),
    "no http": ([Raw(b"SSH-2.0-OpenSSH\r\n")], 3, ""),
    "half a head": ([Raw(b"HTTP/1.1 200 OK\r\nContent-Ty")], 3, ""),
    "cut": ([Say("Low", " wat"), Cut()], 6, "Low wat"),
    "reset": ([Say("Low", " wat"), Reset()], 6, "Low wat"),
    "no finish": ([Say("Low", " wat")], 6, "Low wat"),
    "no finish but done": ([Say("Low", " wat"), Done()], 6, "Low wat"),
    "stall": ([Say("Low"), Silence()], 7, "Low"),
    "stall with heartbeats": ([Say("Low"), Heartbeats(math.inf, 0.05)], 7, "Low"),
    "heartbeats for ever": ([Heartbeats(math.inf, 0.05)], 7, ""),
    "role, then heartbeats": ([Role(), Heartbeats(math.inf, 0.05)], 7, ""),
    "silence before the head": ([Silence()], 7, ""),
    "silence after the head": ([Head(), Silence()], 7, ""),
    "error chunk": ([Say("Low"), Fail(502, f"{KEY}\x1b[2J")], 8, "Low"),
    "error chunk without choices": ([Say("Low"), Fail(502, KEY, choices=False), Done()], 8, "Low"),
    "error as the first event": ([Fail(400, KEY)], 8, ""),
    "length": ([Say("Low"), Finish("length"), Usage(), Done()], 9, "Low"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_its_code_and_its_sentence(name: str) -> None:
    """Whatever the server does, there is one line on stderr, what came is on stdout, and the client lets go."""
    acts, code, kept = FAULTS[name]
    with LoopbackServer(play(*acts)) as server:
        got, out, err = run(to(server))
        assert server.wait_idle(5)
        assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    assert (got, out) == (code, kept)
    assert err.count("\n") == 1
    assert err.rstrip("\n").isprintable()


def test_an_unreachable_port() -> None:
    """A port where nobody listens is no connection."""
    server = LoopbackServer()
    server.close()
    code, out, err = run(to(server))
    assert (code, out) == (3, "")
    assert err.startswith("sseor: ")


def test_no_key() -> None:
    """Without a key for openrouter.ai the code is 2, and one sentence names the variable and the demo."""
    code, out, err = run([*PROGRAM, "chat", "-m", "a/b", "Why?"])
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "OPENROUTER_API_KEY" in err
    assert "sseor demo" in err


@pytest.mark.parametrize("key", ["", "  ", "sk-or-CANÄRY", "sk-or-\x01CANARY", "sk or CANARY"])
def test_a_key_that_is_none(key: str) -> None:
    """A blank key and one with letters that no key has are refused without being shown."""
    code, out, err = run([*PROGRAM, "chat", "-m", "a/b", "Why?"], OPENROUTER_API_KEY=key)
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_a_prompt_that_is_no_text() -> None:
    """Bytes that are no UTF-8 are refused, on the command line and in a pipe."""
    with LoopbackServer() as server:
        command = [os.fsencode(word) for word in to(server)[:-1]] + [b"\xff"]
        done = subprocess.run(
            command, input=b"", capture_output=True, env=SURROUNDINGS, timeout=30, check=False
        )
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
        code, out, err = run(to(server), b"\xff")
        assert (code, out, err) == (2, "", "sseor: standard input is not UTF-8 text\n")
        assert server.requests == []


def test_stdin_is_joined_to_the_prompt() -> None:
    """What is piped in stands behind the prompt."""
    with LoopbackServer(play(*answer("x"))) as server:
        assert run(to(server), "Wässer\n".encode())[0] == 0
        assert server.requests[0].json()["messages"] == [{"role": "user", "content": "Why?\n\nWässer\n"}]


def test_a_prompt_from_stdin_alone() -> None:
    """A pipe can be the whole prompt."""
    with LoopbackServer(play(*answer("x"))) as server:
        assert run(to(server)[:-1], b"What?")[0] == 0
        assert server.requests[0].json()["messages"][0]["content"] == "What?"


def test_text_arrives_in_a_pipe_as_it_comes() -> None:
    """The first piece can be read while the server still holds back the second."""
    with LoopbackServer(play(Say("Low"), Heartbeats(0.3, 0.1), Say(" water"), Finish(), Done())) as server:
        with started(
            to(server),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=SURROUNDINGS,
        ) as child:
            assert child.stdout is not None
            assert os.read(child.stdout.fileno(), 100) == b"Low"
            assert child.poll() is None
            assert child.stdout.read() == b" water"
        assert child.returncode == 0


def test_ctrl_c_lets_go_at_once() -> None:
    """SIGINT in the middle closes the connection within a second, keeps the text, and ends with 130."""
    with LoopbackServer(play(Say("Low"), Heartbeats(math.inf, 0.1))) as server:
        command = to(server, "--stall", "off")
        with started(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=SURROUNDINGS,
        ) as child:
            assert child.stdout is not None
            assert os.read(child.stdout.fileno(), 100) == b"Low"
            child.send_signal(signal.SIGINT)
            interrupted = time.monotonic()
            out, err = child.communicate(timeout=10)
        assert server.wait_idle(5)
        closed = server.requests[0].connection.peer_closed_at
    assert (child.returncode, out) == (130, b"")
    assert err == b"sseor: interrupted; 3 characters were kept\n"
    assert closed is not None
    assert closed - interrupted < 1


def test_ctrl_c_before_anything_came() -> None:
    """SIGINT while the server is silent, head or no head, ends with 130 too."""
    with LoopbackServer(play(Silence())) as server:
        with started(
            to(server, "--first-token", "off"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=SURROUNDINGS,
        ) as child:
            wait_until(lambda: server.requests)
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=10)
        assert server.wait_idle(5)
    assert (child.returncode, out, err) == (130, b"", b"sseor: interrupted; 0 characters were kept\n")


def test_ctrl_c_while_stdin_is_awaited() -> None:
    """SIGINT while nothing is piped in yet ends with 130."""
    with started(
        [*PROGRAM, "chat", "-m", "a/b", "--base-url", "http://127.0.0.1:1", "Why?"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=SURROUNDINGS,
    ) as child:
        assert child.stderr is not None
        assert b"waiting for standard input" in child.stderr.readline()
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == 130
        assert child.stderr.read() == b"sseor: interrupted\n"


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    """As behind `| head -1`: the connection is closed, nothing is said, and the code is 141."""
    with LoopbackServer(OpenRouter(thinking=0, pace=0.01)) as server:
        with started(
            to(server),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=SURROUNDINGS,
        ) as child:
            assert child.stdout is not None
            assert os.read(child.stdout.fileno(), 100)
            child.stdout.close()
            assert child.stderr is not None
            assert child.stderr.read() == b""
        assert server.wait_idle(5)
    assert child.returncode == 141


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_disk() -> None:
    """An answer that cannot be written is said so, with a code of its own."""
    with LoopbackServer(play(*answer("x"))) as server, open("/dev/full", "wb") as full:
        done = subprocess.run(
            to(server),
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            env=SURROUNDINGS,
            check=False,
        )
    assert done.returncode == 10
    assert done.stderr == b"sseor: the answer could not be written: No space left on device\n"


def test_closed_standard_streams() -> None:
    """A shell may close stdin, stdout or stderr: the answer or the code is still right."""
    with LoopbackServer(play(*answer("Low water"))) as server:
        line = " ".join(f"'{word}'" for word in to(server))
        for redirection, expected in (
            (">&-", (2, b"")),
            ("<&-", (0, b"Low water")),
            ("2>&-", (0, b"Low water")),
        ):
            done = subprocess.run(
                ["/bin/sh", "-c", f"exec {line} {redirection}"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=SURROUNDINGS,
                timeout=30,
                check=False,
            )
            assert (done.returncode, done.stdout) == expected


def test_the_demo() -> None:
    """The demo needs no key, streams, quotes the prompt, and ends with the figures."""
    code, out, err = run([*PROGRAM, "demo", "Why is the sea salty?"])
    assert code == 0
    assert out.startswith("You asked: “Why is the sea salty?”")
    cut, last = err.splitlines()
    assert cut.startswith("[cut: ")
    assert last.startswith("complete (stop) · first token 1.")
    assert "heartbeats" in last
    assert "2 attempts" in last
    assert "tokens · $0.000" in err


def on_a_terminal(command: list[str], *, interrupt_at: bytes = b"") -> tuple[int, bytes]:
    """Run a command on a pseudo-terminal, press Ctrl-C when `interrupt_at` shows; return code and screen."""
    pid, screen = pty.fork()
    if pid == 0:  # pragma: no cover (another process)
        os.execve(command[0], command, SURROUNDINGS)
    shown = b""
    try:
        while select.select([screen], [], [], 20)[0]:
            shown += os.read(screen, 65536)
            if interrupt_at and interrupt_at in shown:
                os.write(screen, b"\x03")
                interrupt_at = b""
    except OSError:  # how Linux tells that the last process has left the terminal
        pass
    os.close(screen)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


def test_on_a_terminal() -> None:
    """Waiting is drawn and taken away again, control characters of the model do not reach the terminal."""
    acts = (Heartbeats(0.3, 0.1), Say("Low\x1b[2J", "\x07 water"), Finish(), Usage(), Done())
    with LoopbackServer(play(*acts)) as server:
        code, screen = on_a_terminal(to(server))
    assert code == 0
    assert b"\r\x1b[Kwaiting " in screen
    assert b"\r\x1b[KLow[2J water\r\ncomplete (stop)" in screen


def test_ctrl_c_on_a_terminal() -> None:
    """The key Ctrl-C ends the answer where it is, on a line of its own, with 130."""
    with LoopbackServer(play(Say("Low"), Heartbeats(math.inf, 0.1))) as server:
        code, screen = on_a_terminal(to(server, "--stall", "off"), interrupt_at=b"Low")
        assert server.wait_idle(5)
    assert code == 130
    assert b"Low^C\r\nsseor: interrupted; 3 characters were kept" in screen


def test_json_of_the_request_is_what_openrouter_reads() -> None:
    """The request is a POST to the chat route, streamed, with usage asked for."""
    with LoopbackServer(play(*answer("x"))) as server:
        run(to(server))
        [request] = server.requests
    assert (request.method, request.target) == ("POST", "/api/v1/chat/completions")
    body = json.loads(request.body)
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
