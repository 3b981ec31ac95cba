"""`sseor.cli.chat`: one answer from a real socket to stdout, in this process."""

from __future__ import annotations

import io
import math
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from sseor.chat import Retrying
from sseor.cli import main, terminal
from sseor.cli.chat import _show
from sseor.cli.terminal import Answer, StatusLine
from sseor.testing import (
    Body,
    Cut,
    Done,
    Event,
    Finish,
    Generation,
    Heartbeats,
    LoopbackServer,
    OpenRouter,
    Say,
    Status,
    Think,
    Usage,
    answer,
    in_turn,
    play,
)
from sseor.testing.shapes import data_event

if TYPE_CHECKING:
    from sseor.testing import Act

KEY = "sk-or-v1-CANARY-0123456789"


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, leaves_nothing_open: None) -> None:
    """Each test has a key, an empty stdin, no proxy, and leaves no socket and no thread."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def ask(server: LoopbackServer, *options: str, prompt: str = "Why?") -> int:
    """Ask the server, and see that the connection was let go; return the exit code."""
    code = main(["chat", "-m", "a/b", "--base-url", server.base_url, *options, prompt])
    assert server.wait_idle(5)
    return code


def test_text_on_stdout_and_status_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """The answer and nothing else is on stdout, one line of status on stderr, and the code is 0."""
    with LoopbackServer(play(Heartbeats(0.1, 0.05), Think("hm"), *answer("Low", " water"))) as server:
        assert ask(server) == 0
    out, err = capsys.readouterr()
    assert out == "Low water"
    assert err.startswith("complete (stop) · first token ")
    assert "2 heartbeats · 0 + 3 tokens · $0.0" in err
    assert err.count("\n") == 1


def test_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Model, system message, prompt with piped input, and parameters are sent; nothing that was not asked for."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"data\n")))
    with LoopbackServer(play(*answer("x"))) as server:
        assert ask(server, "--system", "Be brief.", "--max-tokens", "9", "--temperature", "0") == 0
        assert ask(server) == 0
    first, second = (request.json() for request in server.requests)
    assert first["model"] == "a/b"
    assert first["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why?\n\ndata\n"},
    ]
    assert (first["max_tokens"], first["temperature"]) == (9, 0)
    assert second["messages"] == [{"role": "user", "content": "Why?"}]
    assert not {"max_tokens", "temperature"} & second.keys()


def test_the_key_of_openrouter_goes_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another server gets no key, unless `--key-env` names one."""
    monkeypatch.setenv("OTHER_KEY", "other")
    with LoopbackServer(play(*answer("x"))) as server:
        ask(server)
        ask(server, "--key-env", "OTHER_KEY")
    assert [request.headers["Authorization"] for request in server.requests] == [None, "Bearer other"]


@pytest.mark.parametrize("value", [None, "", " \n"])
@pytest.mark.parametrize("url", [[], ["--base-url", "https://openrouter.ai/api/v1/"]])
def test_no_key_for_openrouter(
    value: str | None, url: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a key one sentence says what to set and what needs none."""
    monkeypatch.delenv("OPENROUTER_API_KEY")
    if value is not None:
        monkeypatch.setenv("OPENROUTER_API_KEY", value)
    assert main(["chat", "-m", "a/b", *url, "Why?"]) == 2
    assert capsys.readouterr() == (
        "",
        "sseor: no API key: set OPENROUTER_API_KEY to yours (sseor demo needs none)\n",
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--key-env", "NOT_SET_ANYWHERE"], "--key-env is not set"),
        (["--base-url", "localhost:1"], "base_url"),
        (["--base-url", "http://[::1"], "base_url"),
        (["--base-url", "http://example.com/v1", "--key-env", "OPENROUTER_API_KEY"], "plain http"),
        (["--stall", "0"], "stall"),
        (["--total", "nan"], "total"),
        (["--attempts", "0"], "attempts"),
        (["--temperature", "nan"], "JSON"),
        (["--key-env", "BAD_KEY"], "API key"),
    ],
)
def test_wrong_options_are_one_sentence(
    options: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be meant ends with 2 and one sentence, before any network and without the key."""
    monkeypatch.setenv("BAD_KEY", f"{KEY}\x01ä")
    assert main(["chat", "-m", "a/b", *options, "Why?"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert told in err
    assert "CANARY" not in err


def test_a_closed_stdout(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a stdout nothing is asked."""
    monkeypatch.setattr(sys, "stdout", None)
    with LoopbackServer() as server:
        assert ask(server) == 2
    assert server.requests == []
    assert capsys.readouterr().err == "sseor: standard output is closed\n"


def test_stdout_may_be_any_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that a program put in stdout's place is written to."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    with LoopbackServer(play(*answer("wäter"))) as server:
        assert ask(server) == 0
    assert stream.getvalue() == "wäter"


def test_an_encoding_that_lacks_a_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stdout's encoding cannot hold becomes a question mark, not a crash."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    with LoopbackServer(play(*answer("wäter"))) as server:
        assert ask(server) == 0
    assert raw.getvalue() == b"w?ter"


def test_a_cut_keeps_what_came(capsys: pytest.CaptureFixture[str]) -> None:
    """A cut answer is on stdout as far as it came, the code is 6, and the sentence counts what was kept."""
    with LoopbackServer(play(Say("Low", " wat"), Cut())) as server:
        assert ask(server) == 6
    out, err = capsys.readouterr()
    assert out == "Low wat"
    assert "7 characters were kept; generation gen-" in err
    assert err.count("\n") == 1


def test_quiet_says_nothing_of_success_and_all_of_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """With `-q` a whole answer has no status, and one that is not whole is still told."""
    whole, part = play(*answer("x")), play(*answer("x", finish="length"))
    with LoopbackServer(in_turn(whole, part)) as server:
        assert ask(server, "-q") == 0
        assert capsys.readouterr() == ("x", "")
        assert ask(server, "-q") == 9
    out, err = capsys.readouterr()
    assert out == "x"
    assert err.startswith("not whole (length)")


def test_a_terminal_shows_how_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting, thinking and retries are drawn on stderr; the answer, once begun, has the terminal to itself."""
    monkeypatch.setattr(terminal, "REDRAW", 0.0)
    monkeypatch.setenv("COLUMNS", "200")
    stdout, stderr = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(sys, "stderr", stderr)
    busy = play(Status(503, {"error": {"code": 503, "message": "full\x1b[2J"}}, {"Retry-After": "0"}))
    good = play(
        Heartbeats(0.01), Think("hm"), Say("a\x07"), Heartbeats(0.01), Say("b"), Finish(), Usage(), Done()
    )
    with LoopbackServer(in_turn(busy, good)) as server:
        assert ask(server) == 0
    assert stdout.getvalue() == "ab\n"
    drawn = stderr.getvalue().split("\r\x1b[K")
    begun = [state.split(" ")[0] for state in drawn]
    assert [word for word in begun if word] == ["connecting", "next", "waiting", "thinking", "complete"]
    assert "because:" in drawn[2]
    assert "\x1b" not in drawn[2]
    assert drawn[-1].startswith("complete (stop)")
    assert "2 attempts" in drawn[-1]


def test_a_pipe_beside_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where stdout is a pipe and stderr a terminal, the status goes on while the answer comes."""
    monkeypatch.setattr(terminal, "REDRAW", 0.0)
    stdout, stderr = io.StringIO(), Terminal()
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(sys, "stderr", stderr)
    with LoopbackServer(play(*answer("a", "b"))) as server:
        assert ask(server) == 0
    assert stdout.getvalue() == "ab"
    assert "answering · piece 1\r\x1b[Kanswering · piece 2\r\x1b[K" in stderr.getvalue()


def test_a_retry_that_has_no_sentence_of_ours() -> None:
    """The cause of a retry is told by its sentence, or by the name of its class."""
    stderr = Terminal()
    stream: Any = iter([Retrying(1.25, ValueError("sk-secret"))])
    _show(stream, Answer(io.StringIO()), StatusLine(stderr))
    assert stderr.getvalue() == "\r\x1b[Knext attempt in 1.2 s, because: ValueError"


def test_other_choices_and_refusals(capsys: pytest.CaptureFixture[str]) -> None:
    """A refusal is an answer; a second choice, which nobody asked for, is not printed."""

    def delta(index: int, **fields: str) -> Act:
        return Event({"choices": [{"index": index, "delta": fields, "finish_reason": None}]})

    ends = Event({"choices": [{"index": index, "delta": {}, "finish_reason": "stop"} for index in (0, 1)]})
    with LoopbackServer(play(delta(0, refusal="No."), delta(1, content="Yes."), ends, Done())) as server:
        assert ask(server) == 0
    assert capsys.readouterr().out == "No."


class Interrupted(io.StringIO):
    """A stdout during whose first flush the user presses Ctrl-C; any further one may fail."""

    def __init__(self, then: type[Exception] | None = None) -> None:
        super().__init__()
        self.failures: list[type[BaseException]] = [KeyboardInterrupt] + ([then] if then else [])

    def flush(self) -> None:
        """Interrupt, or fail."""
        if self.failures:
            raise self.failures.pop(0)

    def fileno(self) -> int:
        """Return a descriptor that may be lost."""
        return self.spare.fileno()

    spare: IO[str]


def two_pieces_at_once() -> Body:
    """Return a body whose two pieces of text arrive in one read."""
    generation = Generation("a/b")
    return Body(b"".join(data_event(generation.chunk({"content": piece})) for piece in ("Low", " water")))


def test_ctrl_c_keeps_what_came(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An interrupt closes the connection at once and ends with 130; all that had arrived is on stdout."""
    stdout = Interrupted()
    monkeypatch.setattr(sys, "stdout", stdout)
    with LoopbackServer(play(two_pieces_at_once(), Heartbeats(math.inf, 0.05))) as server:
        assert ask(server, "-q") == 130
    assert stdout.getvalue() == "Low water"
    assert capsys.readouterr().err == "sseor: interrupted; 9 characters were kept\n"


def test_ctrl_c_in_a_pipeline(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C that also ends the reader of the pipe is an interrupt, not a broken pipe."""
    stdout = Interrupted(BrokenPipeError)
    monkeypatch.setattr(sys, "stdout", stdout)
    with (
        open(os.devnull, "w") as stdout.spare,
        LoopbackServer(play(two_pieces_at_once(), Heartbeats(math.inf, 0.05))) as server,
    ):
        assert ask(server) == 130
    assert capsys.readouterr().err == ""


def test_a_reader_that_leaves(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """When nobody reads stdout any more, the connection is closed and nothing is said."""
    reading, writing = os.pipe()
    os.close(reading)
    with monkeypatch.context() as patch, os.fdopen(writing, "w") as stdout:
        patch.setattr(sys, "stdout", stdout)
        with LoopbackServer(play(Say("Low"), Heartbeats(math.inf, 0.05))) as server:
            assert ask(server) == 141
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("exempt", [None, "example.com"])
def test_demo_needs_no_proxy(exempt: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment does not come between the demo and its server, and the environment is kept."""
    monkeypatch.setattr("sseor.cli.chat.LoopbackServer", lambda _: LoopbackServer(play(*answer("x"))))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    if exempt is not None:
        monkeypatch.setenv("no_proxy", exempt)
    assert main(["demo"]) == 0
    assert os.environ.get("no_proxy") == exempt


def test_demo_is_chat_with_another_base_url(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`demo` and `chat` send the same request and print the same answer; the demo needs no key."""
    servers: list[LoopbackServer] = []

    def quick(_: object = None) -> LoopbackServer:
        servers.append(LoopbackServer(OpenRouter(thinking=0.1, pace=0.0)))
        return servers[-1]

    monkeypatch.setattr("sseor.cli.chat.LoopbackServer", quick)
    with quick() as server:
        options = ["chat", "-m", "sseor/demo", "--base-url", server.base_url]
        assert main([*options, "Why?"]) == 0
        chatted = capsys.readouterr()
    monkeypatch.delenv("OPENROUTER_API_KEY")
    assert main(["demo", "Why?"]) == 0
    shown = capsys.readouterr()
    assert shown.out == chatted.out
    assert "You asked: “Why?”" in shown.out
    assert shown.err.startswith("complete (stop)")
    first, second = (server.requests[0] for server in servers)
    assert first.body == second.body
    assert [name for name, _ in first.headers.items()] == [name for name, _ in second.headers.items()]


def test_an_error_without_any_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing came, nothing is said of going on."""
    with LoopbackServer(play(Status(401, {"error": {"code": 401, "message": "no"}}))) as server:
        assert ask(server, "--attempts", "1") == 4
    assert "to go on" not in capsys.readouterr()[1]


ANSWER = "The tide follows the moon, which passes overhead later each day, and so does low water."


def cut_at(at: int) -> tuple[Act, ...]:
    """Return an answer that is cut there."""
    return (Say(ANSWER[:at]), Cut())


def test_an_answer_that_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    """With --on-cut resume a cut is a line on stderr in the middle, and stdout holds one whole answer."""
    with LoopbackServer(in_turn(play(*cut_at(40)), play(*answer(ANSWER[40:])))) as server:
        assert ask(server, "--on-cut", "resume") == 0
    out, err = capsys.readouterr()
    assert out == ANSWER
    first, last = err.splitlines()
    assert first.startswith("[cut: ")
    assert first.endswith("; the answer goes on]")
    assert last.startswith("complete (stop)")
    assert "2 attempts" in last


def test_the_length_limit_is_passed(capsys: pytest.CaptureFixture[str]) -> None:
    """With --continue an answer at its limit goes on; what may be wrong at the seam is told."""
    limited = play(Say(ANSWER[:40]), Finish("length"), Usage(), Done())
    with LoopbackServer(in_turn(limited, play(*answer(ANSWER[36:])))) as server:
        assert ask(server, "--continue", "1") == 0
    out, err = capsys.readouterr()
    assert out == ANSWER[:40] + ANSWER[36:]
    assert "1 seam in doubt" in err


def test_a_limit_that_cannot_be_passed_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing but reasoning cannot be continued: code 9, and why."""
    with LoopbackServer(play(Think("hm"), Finish("length"), Usage(), Done())) as server:
        assert ask(server, "--continue", "1") == 9
    assert "nothing but reasoning" in capsys.readouterr()[1]


def test_save_and_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cut answer is kept in the file, the sentence says how to go on, and --resume prints the whole of it."""
    file = str(tmp_path / "tides.json")
    with LoopbackServer(in_turn(play(*cut_at(40)), play(*answer(ANSWER[40:])))) as server:
        assert ask(server, "--save", file) == 6
        out, err = capsys.readouterr()
        assert out == ANSWER[:40]
        assert f"to go on: sseor chat --resume {file}" in err
        assert main(["chat", "--base-url", server.base_url, "--resume", file]) == 0
        assert server.wait_idle(5)
    out, err = capsys.readouterr()
    assert out == ANSWER
    assert os.listdir(tmp_path) == ["tides.json"]
    assert KEY not in (tmp_path / "tides.json").read_text()


def test_ctrl_c_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An interrupted answer is in its file, too."""
    file = tmp_path / "tides.json"
    monkeypatch.setattr(sys, "stdout", Interrupted())
    with LoopbackServer(play(two_pieces_at_once(), Heartbeats(math.inf))) as server:
        assert ask(server, "-q", "--save", str(file)) == 130
    assert f"sseor chat --resume {file}" in capsys.readouterr()[1]
    assert file.exists()


@pytest.mark.parametrize("on_terminal", [False, True])
def test_a_restart(on_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a restart makes void never reaches a pipe; a terminal is told."""
    out, err = Terminal() if on_terminal else io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with LoopbackServer(in_turn(play(*cut_at(40)), play(*answer("Another answer.")))) as server:
        assert ask(server, "--on-cut", "restart") == 0
    assert "the answer begins again]\n" in err.getvalue()
    assert out.getvalue() == (ANSWER[:40] + "Another answer.\n" if on_terminal else "Another answer.")


def test_a_restart_that_fails_gives_what_there_was(capsys: pytest.CaptureFixture[str]) -> None:
    """When the new answer never begins, the pipe gets the first part after all."""
    busy = play(Status(503, {"error": {"code": 503, "message": "busy"}}))
    with LoopbackServer(in_turn(play(*cut_at(40)), busy)) as server:
        assert ask(server, "--on-cut", "restart", "--attempts", "2") == 4
    assert capsys.readouterr()[0] == ANSWER[:40]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chat", "Why?"], "which model?"),
        (["chat", "--resume", "a.json", "Why?"], "has its own prompt"),
        (["chat", "--resume", "a.json", "--save", "b.json"], "has its own prompt"),
        (["chat", "--resume", "no/such.json", "--base-url", "http://127.0.0.1:9/v1"], "there is no file"),
        (["chat", "-m", "m", "--on-cut", "repeat", "Why?"], "invalid choice"),
        (
            ["chat", "-m", "m", "--continue", "-1", "--base-url", "http://127.0.0.1:9/v1", "Why?"],
            "whole number",
        ),
    ],
)
def test_what_cannot_be_gone_on_with(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is one sentence, and an exit code that says that nothing was sent."""
    assert main(arguments) == 2
    err = capsys.readouterr()[1]
    assert told in err
    assert err.count("\n") == 1
