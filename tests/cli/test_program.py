"""`sseor.cli.program`: every way to end has its code, one sentence, and no traceback."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from sseor.cli import chat, main
from sseor.cli.terminal import UnwritableError
from sseor.errors import EndedEarlyError

if TYPE_CHECKING:
    import argparse


def failing(monkeypatch: pytest.MonkeyPatch, failure: BaseException) -> None:
    """Make the command `demo` fail like this."""

    def fail(options: argparse.Namespace) -> int:
        raise failure

    monkeypatch.setattr(chat, "demo", fail)


def test_help_and_version_end_well(capsys: pytest.CaptureFixture[str]) -> None:
    """`sseor`, `--help` and `--version` end with 0 and speak on stdout."""
    for arguments in ([], ["--help"], ["--version"]):
        assert main(arguments) == 0
        out, err = capsys.readouterr()
        assert out.startswith(("usage: sseor", "sseor "))
        assert err == ""


def test_the_code_of_the_command_is_the_code_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command returns is returned."""
    monkeypatch.setattr(chat, "demo", lambda options: 9)
    assert main(["demo"]) == 9


@pytest.mark.parametrize(
    ("failure", "code", "told"),
    [
        (EndedEarlyError("cut\x1b[2J short\nwith sk-or-v1-CANARY00"), 6, "sseor: cut [2J short with sk-…\n"),
        (KeyboardInterrupt(), 130, "sseor: interrupted\n"),
        (RuntimeError("CANARY"), 1, "sseor: this is a bug in sseor (RuntimeError); please report it\n"),
    ],
)
def test_one_sentence_and_one_code(
    failure: BaseException,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each failure is one printable line on stderr, without what looks like a key."""
    failing(monkeypatch, failure)
    assert main(["demo"]) == code
    assert capsys.readouterr() == ("", told)


@pytest.mark.parametrize(
    ("failure", "code", "told"),
    [
        (BrokenPipeError(), 141, ""),
        (UnwritableError("No space left"), 10, "sseor: the answer could not be written: No space left\n"),
    ],
)
def test_what_cannot_be_written_is_forgotten(
    failure: Exception,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After a failed write nothing more is tried on stdout, so that the interpreter ends without a word."""
    reading, writing = os.pipe()
    stdout = os.fdopen(writing, "w")
    failing(monkeypatch, failure)
    with monkeypatch.context() as patch, stdout:
        patch.setattr(sys, "stdout", stdout)
        stdout.write("still buffered")
        os.close(reading)
        assert main(["demo"]) == code
    assert capsys.readouterr().err == told


def test_python_m_sseor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m sseor` is the program."""
    monkeypatch.setattr(sys, "argv", ["sseor", "--version"])
    with pytest.raises(SystemExit) as done:
        runpy.run_module("sseor", run_name="__main__")
    assert done.value.code == 0
    assert capsys.readouterr().out.startswith("sseor ")


def test_a_look_at_the_version_is_quick() -> None:
    """The version is told without loading the HTTP library."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "sseor", "--version"], capture_output=True
    )
    assert done.returncode == 0
    assert done.stdout.startswith(b"sseor ")
    assert b"httpx" not in done.stderr
    assert b"sseor.cli.program" in done.stderr
