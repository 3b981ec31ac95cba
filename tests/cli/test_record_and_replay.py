"""`sseor record` and `sseor replay`: what came is kept, without the key, and comes again."""

from __future__ import annotations

import http.client
import io
import math
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from sseor.cli import main
from sseor.cli import record as module
from sseor.testing import (
    Comment,
    Cut,
    Heartbeats,
    LoopbackServer,
    Raw,
    Reset,
    Say,
    Silence,
    Stall,
    Status,
    Tape,
    answer,
    play,
)
from sseor.testing.acts import Act

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")
Capture = pytest.CaptureFixture[str]

LOST = "the connection was lost in the middle of the answer"
KEY = "sk-or-v1-CANARY-0123456789"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give each test a key, no proxy, no input, and a state folder of its own."""
    monkeypatch.setenv("CANARY", KEY)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("SSEOR_METRICS", "off")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))


def recorded(tape: Path, *acts: Act, options: tuple[str, ...] = ()) -> tuple[int, str]:
    """Record what a play answers; return the code and the body of the request."""
    with LoopbackServer(play(*acts)) as server:
        command = ["record", "-m", "a/b", "--base-url", server.base_url, "--key-env", "CANARY"]
        code = main([*command, "-o", str(tape), *options, "Why?"])
        assert server.wait_idle(30)
        return code, server.requests[0].body.decode() if server.requests else ""


def test_an_answer_is_kept(tmp_path: Path, capsys: Capture) -> None:
    """Head, comments and events are on the tape as they came, with rising times; the request was a streamed one."""
    file = tmp_path / "a.tape"
    code, body = recorded(
        file, Heartbeats(0.2, 0.1), Say("Low", pace=0.1), *answer("x"), options=("--max-tokens", "9")
    )
    assert code == 0
    assert '"stream":true' in body
    assert '"max_tokens":9' in body
    tape = Tape.load(file)
    assert (tape.status, tape.headers["content-type"], tape.cut) == (200, "text/event-stream", None)
    assert tape.body.startswith(b": OPENROUTER PROCESSING\n\n")
    assert tape.body.endswith(b"data: [DONE]\n\n")
    times = [tape.head_at, *(at for at, _ in tape.reads), tape.ended_at]
    assert times == sorted(times)
    assert tape.ended_at >= 0.3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"sseor: {file}: {len(tape.reads)} reads · {len(tape.body)} bytes · ")
    assert "cut" not in err


@pytest.mark.parametrize(
    ("acts", "options", "cut"),
    [
        ((Say("Low"), Cut()), (), LOST),
        ((Say("Low"), Stall(0.1), Reset()), (), LOST),
        ((Say("Low"), Silence()), ("--patience", "0.3"), "no byte for 0.3 s"),
    ],
)
def test_a_cut_is_kept_too(
    acts: tuple[Act, ...], options: tuple[str, ...], cut: str, tmp_path: Path, capsys: Capture
) -> None:
    """How a body broke is on the tape and told; to have it is what was asked for, so the code is 0."""
    file = tmp_path / "a.tape"
    assert recorded(file, *acts, options=options)[0] == 0
    tape = Tape.load(file)
    assert b"Low" in tape.body
    assert tape.cut == cut
    assert f"cut: {tape.cut}" in capsys.readouterr().err


def test_a_refusal_is_kept_without_the_key(tmp_path: Path, capsys: Capture) -> None:
    """Another status is an answer as well; a key that it quotes is crossed out."""
    file = tmp_path / "a.tape"
    assert recorded(file, Status(401, f"no such key: {KEY}"))[0] == 0
    assert Tape.load(file).status == 401
    assert "CANARY" not in file.read_text()
    assert "status 401 · " in capsys.readouterr().err


def test_ctrl_c_keeps_what_came(tmp_path: Path) -> None:
    """An interrupt ends the recording, not its file; the connection is closed at once."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    class Interrupt:
        def perform(self, reply: object) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    file = tmp_path / "a.tape"
    try:
        code, _ = recorded(file, Say("Low"), Stall(0.2), Interrupt(), Heartbeats(math.inf, 0.1))
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 130
    assert Tape.load(file).cut == "interrupted"
    assert b"Low" in Tape.load(file).body


@pytest.mark.parametrize(
    ("acts", "options", "code", "told"),
    [
        ((Raw(b""),), (), 3, ""),
        ((Silence(),), ("--patience", "0.3"), 7, "no answer within 0.3 s"),
        ((), ("--patience", "0"), 2, "--patience takes a number of seconds above 0"),
        ((*answer("x"),), ("-o", "/no/such/folder/a.tape"), 2, "/no/such/folder/a.tape cannot be written"),
    ],
)
def test_what_gives_no_tape(
    acts: tuple[Act, ...], options: tuple[str, ...], code: int, told: str, tmp_path: Path, capsys: Capture
) -> None:
    """Where no head came, or nothing can be written, one sentence says why, and there is no file."""
    file = tmp_path / "a.tape"
    assert recorded(file, *acts, options=options)[0] == code
    assert not file.exists()
    assert told in capsys.readouterr().err


def test_progress_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal sees what has come so far."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr("sseor.cli.terminal.REDRAW", 0.0)
    recorded(tmp_path / "a.tape", Comment("x"), Stall(0.1), *answer("x"))
    assert re.search(r"recording · \d+ reads · \d+ bytes", screen.getvalue())


def test_a_tape_is_replayed_to_one_client(tmp_path: Path, capsys: Capture) -> None:
    """What was recorded is an answer to any client, as fast as is wanted; `--once` ends with its first client."""
    file = tmp_path / "a.tape"
    recorded(file, Heartbeats(0.2, 0.1), *answer("Low", " water"))
    capsys.readouterr()
    codes: list[int] = []
    asking = threading.Thread(target=lambda: codes.append(ask_what_is_told(file)))
    asking.start()
    asking.join(60)
    assert codes == [0]


def ask_what_is_told(file: Path) -> int:
    """Replay in a process of its own, and ask it by `sseor chat`; return the code of the replay."""
    command = [sys.executable, "-m", "sseor", "replay", str(file), "--speed", "inf", "--once"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        url = child.stderr.readline().partition("base URL ")[2].split()[0]
        done = subprocess.run(
            [sys.executable, "-m", "sseor", "chat", "-m", "any", "--base-url", url, "Hello"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
        assert (done.returncode, done.stdout) == (0, b"Low water")
        return child.wait(60)


def test_ctrl_c_ends_a_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Without `--once` it serves until it is interrupted, which is how it is meant to end."""
    Tape(200, {}, 0.0, (), 0.0).save(tmp_path / "a.tape")

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=interrupt))
    assert main(["replay", str(tmp_path / "a.tape")]) == 0
    assert "0 reads · 0 bytes · 0.00 s; base URL http://127.0.0.1:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["/no/such/file"], "/no/such/file cannot be read: No such file"),
        ([__file__], f"{Path(__file__).name}, line 1: this is no JSON"),
        ([__file__, "--speed", "0"], "--speed takes a number above 0, or inf"),
        ([__file__, "--speed", "nan"], "--speed takes a number above 0, or inf"),
    ],
)
def test_what_cannot_be_replayed(arguments: list[str], told: str, capsys: Capture) -> None:
    """A file that is no tape is one sentence."""
    assert main(["replay", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_once_waits_for_a_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--once` it serves on while nobody has come, and ends when its client has gone."""
    Tape(200, {}, 0.0, ((0.0, b"data: x\n\n"),), 0.0).save(tmp_path / "a.tape")
    waits: list[float] = []
    served: list[LoopbackServer] = []

    class Watched(LoopbackServer):
        def __enter__(self) -> LoopbackServer:
            served.append(self)
            return super().__enter__()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            peer = http.client.HTTPConnection(urlsplit(served[0].origin).netloc, timeout=30)
            peer.request("GET", "/")
            assert peer.getresponse().read() == b"data: x\n\n"
            peer.close()

    monkeypatch.setattr("sseor.testing.LoopbackServer", Watched)
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=sleep))
    assert main(["replay", str(tmp_path / "a.tape"), "--once"]) == 0
    assert len(waits) >= 2
