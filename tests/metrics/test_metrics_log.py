"""The log as a client's user has it, from one process and from four."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest
from metrics.recorded import completion, rows
from shells import KEY, PROMPT, SHELLS, read

import sseor
from sseor.errors import ConnectError
from sseor.metrics import MetricsLog, default_path
from sseor.testing import Act, Cut, Heartbeats, LoopbackServer, Say, Status, Think, answer, play

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")

STREAMS = 10_000
PROCESSES = 4


@pytest.mark.parametrize("shell", SHELLS)
def test_a_client_logs_each_stream(shell: str, tmp_path: Path) -> None:
    """A whole answer, a cut one and a refusal are a row each, with the model that was asked."""
    plays = [play(*answer("Low", " water")), play(Say("Low"), Cut()), play(Status(503, {}))]
    with MetricsLog(tmp_path / "m") as log:
        for one in plays:
            with LoopbackServer(one) as server:
                read(shell, server.base_url, metrics=log)
        kept = log.records()
    assert [record.outcome for record in kept] == ["complete", "cut", "failed"]
    assert [record.error for record in kept] == [None, "ConnectionLostError", "StatusError"]
    assert {record.model_asked for record in kept} == {"sseor/demo"}
    assert log.lost == 0


@pytest.mark.parametrize("shell", SHELLS)
def test_no_prompt_no_answer_and_no_key_is_in_the_file(shell: str, tmp_path: Path) -> None:
    """Not a byte of them is in the database, its WAL or its index, whatever the server echoes."""
    prompt = [{"role": "user", "content": "PROMPT-CANARY"}]
    acts: tuple[Act, ...] = (
        Heartbeats(0.1, text="ANSWER-CANARY"),
        Think("ANSWER-CANARY"),
        *answer("ANSWER-CANARY", KEY),
    )
    with MetricsLog(tmp_path / "m") as log:
        with LoopbackServer(play(*acts)) as server:
            read(
                shell, server.base_url, metrics=log, parameters={"messages": prompt, "user": "PROMPT-CANARY"}
            )
        with LoopbackServer(play(Status(400, {"error": {"message": f"PROMPT-CANARY {KEY}"}}))) as server:
            read(shell, server.base_url, metrics=log, parameters={"messages": prompt})
        assert log.flush(60)
        content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        assert len(log.records()) == 2
    assert b"sseor/demo" in content
    assert b"CANARY" not in content.upper()


@pytest.mark.parametrize("shell", ["asyncio", "trio"])
def test_a_locked_file_does_not_hold_up_the_event_loop(shell: str, tmp_path: Path) -> None:
    """While another process holds the lock, streams end and other tasks run on as ever."""
    import sqlite3

    path = tmp_path / "m"
    with MetricsLog(path) as log:
        log.record(completion())
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    async def ask(base_url: str) -> None:
        async with sseor.AsyncClient(api_key=KEY, base_url=base_url, metrics=log) as client:
            for _ in range(5):
                assert (await client.complete(model="m", messages=PROMPT)).text == "Low"

    with LoopbackServer(play(*answer("Low"))) as server:
        began = time.monotonic()
        anyio.run(ask, server.base_url, backend=shell)
        assert time.monotonic() - began < 20  # a record waits for 30 seconds
    holder.execute("ROLLBACK")
    holder.close()
    log.close(60)
    assert (log.lost, len(rows(path))) == (0, 6)


def test_a_log_that_is_dropped_writes_what_waits(tmp_path: Path) -> None:
    """The collector ends its thread, after all is written."""
    log = MetricsLog(tmp_path / "m")
    for _ in range(20):
        log.record(completion())
    del log
    gc.collect()
    assert len(rows(tmp_path / "m")) == 20


PROGRAM = f"""
import sys
from metrics.recorded import completion
from sseor.metrics import MetricsLog
log = MetricsLog(sys.argv[1])
for number in range({STREAMS // PROCESSES}):
    log.record(completion(f"{{sys.argv[2]}}-{{number}}"))
    if number % 100 == 0:
        log.flush(60)
"""


REAL_STREAMS = int(os.environ.get("SSEOR_STREAMS", "400"))
"""Streams that are really read; 10 000 take a few minutes."""

READER = f"""
import sys
import anyio
import sseor
from sseor.testing import LoopbackServer, answer, play

async def main():
    log = sseor.MetricsLog(sys.argv[1])
    with LoopbackServer(play(*answer("Low", " water"))) as server:
        async with sseor.AsyncClient(api_key="none", base_url=server.base_url, metrics=log) as client:
            async def ask(share):
                for number in share:
                    model = f"{{sys.argv[2]}}-{{number}}"
                    async with client.stream(model=model, messages=[{{"role": "user", "content": "Hi"}}]) as stream:
                        async for _ in stream:
                            pass
            async with anyio.create_task_group() as group:
                for first in range(8):
                    group.start_soon(ask, range(first, {REAL_STREAMS // PROCESSES}, 8))

anyio.run(main)
"""


@pytest.mark.parametrize(
    ("program", "streams", "column"), [(PROGRAM, STREAMS, "model"), (READER, REAL_STREAMS, "model_asked")]
)
def test_four_processes_lose_none_of_ten_thousand_streams(
    program: str, streams: int, column: str, tmp_path: Path
) -> None:
    """Four programs that write at once, and end without closing the log, have every stream in the file once."""
    path = tmp_path / "m"
    environment = {**os.environ, "PYTHONPATH": "tests"}
    children = [
        subprocess.Popen([sys.executable, "-c", program, str(path), str(number)], env=environment)
        for number in range(PROCESSES)
    ]
    assert [child.wait(600) for child in children] == [0] * PROCESSES
    found = [model for (model,) in rows(path, column)]
    expected = {f"{child}-{number}" for child in range(PROCESSES) for number in range(streams // PROCESSES)}
    assert len(found) == streams
    assert set(found) == expected


WORKERS = """
import multiprocessing, sys
from metrics.recorded import completion
from sseor.metrics import MetricsLog

log = MetricsLog(sys.argv[1])
log.record(completion("parent"))

def work(name):
    own = MetricsLog(sys.argv[1])
    for number in range(50):
        log.record(completion(f"{name}-{number}"))
        own.record(completion(f"{name}-own-{number}"))

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[2])
    children = [context.Process(target=work, args=[str(number)]) for number in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_multiprocessing_lose_nothing(method: str, tmp_path: Path) -> None:
    """They end without closing the log, and without what Python does at the end of a program: all is in the file."""
    program = tmp_path / "program.py"
    program.write_text(WORKERS)
    subprocess.run(
        [sys.executable, program, tmp_path / "m", method],
        env={**os.environ, "PYTHONPATH": "tests"},
        check=True,
        timeout=300,
    )
    found = [model for (model,) in rows(tmp_path / "m", "model")]
    names = {f"{child}{own}-{number}" for child in range(4) for own in ("", "-own") for number in range(50)}
    # What a program does at its top each child does that begins anew.
    assert sorted(found) == sorted([*names, *["parent"] * (1 if method == "fork" else 5)])


def test_where_the_users_own_log_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_STATE_HOME decides, as far as it is an absolute path; else it is ~/.local/state."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert default_path() == tmp_path / "state" / "sseor" / "metrics.sqlite3"
    assert repr(MetricsLog()) == f"<MetricsLog {default_path()}>"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert default_path() == tmp_path / ".local" / "state" / "sseor" / "metrics.sqlite3"


def test_a_clock_that_was_set_changes_no_duration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clock gives a row its date, and nothing else: a step of years leaves times as they were."""
    jumps = iter([-1e9, 1e9])
    monkeypatch.setattr(time, "time", lambda: 1.8e9 + next(jumps))
    with MetricsLog(tmp_path / "m") as log:
        log.record(completion(ttft=0.25))
        log.record(completion(ttft=0.25), ConnectError("x"))
        kept = log.records()
    assert [record.at for record in kept] == [0.8e9, 2.8e9]
    assert [(record.ttft_ms, record.total_ms) for record in kept] == [(250, 1250)] * 2
