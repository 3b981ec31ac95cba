"""`sseor stats`, and the log that `sseor chat` and `sseor demo` keep for it."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import pwd
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from metrics.recorded import DAY, record, rows

from sseor.cli import main
from sseor.cli.stats import groups, open_log, period
from sseor.metrics.database import insert, open_for_writing
from sseor.testing import Cut, LoopbackServer, Say, answer, play

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give each test a state folder of its own, and return the log in it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("SSEOR_METRICS", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    return tmp_path / "sseor" / "metrics.sqlite3"


def fill(path: Path) -> None:
    """Write a log: two models in the last days, one of them in the month before too."""
    shift = time.time() - record(days_ago=0).at
    with closing(open_for_writing(path)) as connection:
        for name, days, ttft in [("a/slow", 1, 900.0), ("a/slow", 2, 1100.0), ("b/fast", 1, 100.0)]:
            insert(connection, record(name, days - shift / DAY, ttft_ms=ttft, cost=0.5, provider="P"))
        insert(connection, record("a/slow", 40 - shift / DAY, ttft_ms=500.0))


def ask(*options: str, acts: tuple[object, ...] = ()) -> int:
    """Ask a loopback server by `sseor chat`."""
    with LoopbackServer(play(*(acts or answer("Low water")))) as server:  # type: ignore[arg-type]
        return main(["chat", "-m", "a/b", "--base-url", server.base_url, *options, "PROMPT-CANARY"])


def test_chat_logs_and_stats_shows(state: Path, capsys: Capture) -> None:
    """A stream of `sseor chat` is in the log without being asked for, a cut one too, and `sseor stats` counts them."""
    assert ask() == 0
    assert ask(acts=(Say("Low"), Cut())) == 6
    capsys.readouterr()
    assert main(["stats", "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)["groups"]
    assert (found["model"], found["count"], found["cut_rate"]) == ("a/b", 2, 0.5)
    assert found["ttft_ms_p50"] > 0
    assert b"CANARY" not in b"".join(file.read_bytes() for file in state.parent.iterdir())


@pytest.mark.parametrize("value", ["off", "0", "", " No ", "FALSE"])
def test_logging_can_be_turned_off(
    state: Path, value: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """By an option for once, by the environment for ever: then no file is made, and stats says why it has none."""
    assert ask("--no-metrics") == 0
    monkeypatch.setenv("SSEOR_METRICS", value)
    assert ask() == 0
    assert not state.parent.exists()
    assert main(["stats"]) == 2
    assert "metrics are off (SSEOR_METRICS)" in capsys.readouterr().err


def test_the_environment_names_another_log(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path in SSEOR_METRICS is where the log is written and read."""
    monkeypatch.setenv("SSEOR_METRICS", str(tmp_path / "other"))
    assert ask() == 0
    assert len(rows(tmp_path / "other")) == 1
    assert not state.exists()


def test_a_user_without_a_home_has_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no folder can be found, nothing is logged, and the answer comes all the same."""

    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert open_log(wanted=True) is None
    assert ask() == 0


def test_a_damaged_log_harms_no_answer(state: Path, capsys: Capture) -> None:
    """The answer is whole and the code 0; `sseor stats` tells in one sentence what is wrong."""
    state.parent.mkdir()
    state.write_bytes(b"no database" * 1000)
    assert ask() == 0
    assert capsys.readouterr().out == "Low water"
    assert main(["stats"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "cannot be read: file is not a database" in err


def test_a_locked_log_does_not_keep_the_user_waiting(state: Path, capsys: Capture) -> None:
    """While another program holds the lock for good, `sseor chat` ends within seconds."""
    state.parent.mkdir()
    open_for_writing(state).close()
    with closing(sqlite3.connect(state, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert ask() == 0
        assert time.monotonic() - began < 25  # a record waits for 30 seconds
    assert capsys.readouterr().out == "Low water"


def test_nothing_logged_yet(state: Path, capsys: Capture) -> None:
    """Before the first stream a sentence says so, and where the log will be."""
    assert main(["stats", "--since", "all"]) == 0
    assert capsys.readouterr().out == f"No streams in this period. The log is {state}\n"


def test_the_table(state: Path, tmp_path: Path, capsys: Capture) -> None:
    """Each model has a row with its figures, the most used first; `--model` keeps some, `--log` reads another file."""
    fill(tmp_path / "log")
    assert main(["stats", "--log", str(tmp_path / "log")]) == 0
    out = capsys.readouterr().out
    assert out.index("a/slow") < out.index("b/fast")
    assert "+100%" in out
    assert main(["stats", "--log", str(tmp_path / "log"), "--model", "fast", "--since", "7d"]) == 0
    out = capsys.readouterr().out
    assert "b/fast" in out
    assert "a/slow" not in out


def test_all_figures_for_programs(tmp_path: Path, capsys: Capture) -> None:
    """JSON and CSV hold the same rows, with a name for each figure; without rows CSV still has its names."""
    fill(tmp_path / "log")
    options = ["stats", "--log", str(tmp_path / "log"), "--by", "provider,model,provider", "--since", "all"]
    assert main([*options, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["by"] == ["provider", "model"]
    assert [(row["model"], row["count"]) for row in told["groups"]] == [
        ("a/slow", 2),
        ("a/slow", 1),
        ("b/fast", 1),
    ]
    assert main([*options, "--csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["ttft_ms_p50"] for row in table] == ["1000.0", "500.0", "100.0"]
    assert list(table[0]) == list(told["groups"][0])
    assert main([*options, "--csv", "--model", "none"]) == 0
    assert capsys.readouterr().out.startswith("provider,model,count,")


def test_the_page_is_written(tmp_path: Path, capsys: Capture) -> None:
    """`--html` writes the page and says so on stderr; where it cannot, that is a wrong option."""
    fill(tmp_path / "log")
    page = tmp_path / "page.html"
    assert main(["stats", "--log", str(tmp_path / "log"), "--html", str(page)]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"sseor: {page} is written\n")
    assert page.read_text().startswith("<!doctype html>")
    assert main(["stats", "--log", str(tmp_path / "log"), "--html", str(tmp_path / "no" / "page")]) == 2
    assert "page cannot be written: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--log", "/nowhere/log"], "there is no /nowhere/log"),
        (["--since", "yesterday"], "a period is"),
        (["--since", "99999-01-01"], "a period is"),
        (["--by", "colour"], "one or more of model,provider,day"),
        (["--json", "--csv"], "not allowed with"),
    ],
)
def test_wrong_options_are_one_sentence(options: list[str], told: str, capsys: Capture) -> None:
    """What cannot be meant ends with 2 and one sentence."""
    assert main(["stats", *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert told in err


def test_periods() -> None:
    """Hours, days and weeks back from now, a date, or all."""
    now = time.time()
    assert period("24h") == pytest.approx(now - DAY, abs=60)
    assert period("7d") == pytest.approx(now - 7 * DAY, abs=60)
    assert period("2w") == pytest.approx(now - 14 * DAY, abs=60)
    assert period("all") == period("999999999w") == 0
    assert period("2026-11-01T00:00:00+00:00") == 1_793_491_200
    with pytest.raises(argparse.ArgumentTypeError):
        period("-5d")
    assert groups("day,model,day") == ("day", "model")


def test_a_period_that_has_not_begun_is_empty(tmp_path: Path, capsys: Capture) -> None:
    """A date to come is no error, and has no streams."""
    fill(tmp_path / "log")
    assert main(["stats", "--log", str(tmp_path / "log"), "--since", "2126-01-01"]) == 0
    assert "No streams" in capsys.readouterr().out


class Unwritable(io.StringIO):
    """An output that fails."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        """Fail."""
        raise self.error


def test_outputs_that_cannot_be_written(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """A full disk and a closed stdout have their codes; letters that stdout lacks become question marks."""
    monkeypatch.setattr(sys, "stdout", Unwritable(OSError(28, "No space left on device")))
    monkeypatch.setattr("sseor.cli.program._forget_stdout", lambda: None)
    assert main(["stats"]) == 10
    monkeypatch.setattr(sys, "stdout", Unwritable(BrokenPipeError()))
    assert main(["stats"]) == 141
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["stats"]) == 2
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    state.parent.mkdir()
    fill(state)
    assert main(["stats"]) == 0
    assert b"?" in raw.getvalue()


def test_on_a_terminal_it_is_as_wide_as_that(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """The width of the terminal decides how many columns are shown, and no line is longer."""
    state.parent.mkdir()
    fill(state)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

        def fileno(self) -> int:
            return 1

    shown = Terminal()
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setattr(os, "get_terminal_size", lambda number: os.terminal_size((80, 24)))
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["stats"]) == 0
    assert "TTFO" not in shown.getvalue()
    assert "a/slow" in shown.getvalue()
