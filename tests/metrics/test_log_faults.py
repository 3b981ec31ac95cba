"""Streams whose log cannot be written, on real files: answers are whole, one warning is told, losses are counted."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from metrics.recorded import completion, rows
from shells import KEY, PROMPT, SHELLS, read

from sseor.metrics import MetricsLog
from sseor.metrics.database import open_for_writing
from sseor.testing import Cut, Exchange, LoopbackServer, Say, answer, play

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")


def damaged(path: Path) -> Path:
    """Make a file that is no database."""
    path.write_bytes(b"no database" * 1000)
    return path


def halved(path: Path) -> Path:
    """Make a log whose second half is lost."""
    with MetricsLog(path) as log:
        for _ in range(200):
            log.record(completion())
    os.truncate(path, path.stat().st_size // 2)
    return path


def newer(path: Path) -> Path:
    """Make a log of a newer version."""
    with closing(open_for_writing(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    return path


def a_folder(path: Path) -> Path:
    """Make a folder in its place."""
    path.mkdir()
    return path


def below_a_file(path: Path) -> Path:
    """Name a log whose folder is a file."""
    path.write_bytes(b"")
    return path / "log"


def a_full_device(path: Path) -> Path:
    """Name the device that is always full."""
    return Path("/dev/full")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("spoil", [damaged, halved, newer, a_folder, below_a_file, a_full_device])
def test_a_log_that_cannot_be_written_harms_no_stream(
    shell: str, spoil: Callable[[Path], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A whole answer comes whole, a cut one raises as ever; of both losses tells one warning, which quotes nothing."""
    with caplog.at_level(logging.WARNING), MetricsLog(spoil(tmp_path / "m")) as log:
        with LoopbackServer(play(*answer("Low", " water"))) as server:
            assert read(shell, server.base_url, metrics=log).text == "Low water"
        with LoopbackServer(play(Say("Low"), Cut())) as server:
            outcome = read(shell, server.base_url, metrics=log)
        assert log.flush(60)
        assert log.lost == 2
    assert type(outcome.error).__name__ == "ConnectionLostError"
    [warning] = caplog.messages
    assert warning.startswith(f"metrics are not kept in {log.path}: ")
    assert "Low" not in warning
    assert KEY not in warning


FULL = f"""
import json, logging, resource, sys
from pathlib import Path
import sseor
from metrics.recorded import completion
from sseor.testing import LoopbackServer, answer, play
told = []
class Keep(logging.Handler):
    def emit(self, record):
        told.append(record.getMessage())
logging.getLogger("sseor").addHandler(Keep())
log = sseor.MetricsLog(sys.argv[1])
for _ in range(20):
    log.record(completion())
assert log.flush(60)
# The system itself refuses to let a file of this process grow further, as a full disk does.
room = Path(sys.argv[1]).stat().st_size + 40_000
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))
with LoopbackServer(play(*answer("Low"))) as server:
    with sseor.Client(api_key="{KEY}", base_url=server.base_url, metrics=log) as client:
        texts = {{client.complete(model="a" * 150, messages={PROMPT!r}).text for _ in range(5)}}
for _ in range(400):
    log.record(completion("b" * 150))
assert log.flush(60)
lost = log.lost
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
for _ in range(5):
    log.record(completion("c"))
log.close()
print(json.dumps({{"texts": sorted(texts), "lost": lost, "lost_after": log.lost, "told": told}}))
"""


def test_a_full_file_system_loses_what_does_not_fit_and_no_more(tmp_path: Path) -> None:
    """When files may not grow the streams go on; what was written stays whole, and with room again all is kept."""
    path = tmp_path / "m"
    child = subprocess.run(
        [sys.executable, "-c", FULL, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": "tests"},
    )
    assert child.returncode == 0, child.stderr
    found = json.loads(child.stdout)
    assert found["texts"] == ["Low"]
    assert 0 < found["lost"] == found["lost_after"]
    [warning] = found["told"]
    assert warning.startswith(f"metrics are not kept in {path}: ")
    kept = [model for (model,) in rows(path, "model")]
    assert len(kept) == 20 + 5 + 400 + 5 - found["lost"]
    assert kept[-5:] == ["c"] * 5
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("how", [Path.unlink, lambda path: path.rename(path.with_name("moved"))])
def test_a_log_that_is_deleted_is_not_written_unseen(
    how: Callable[[Path], Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A stream after the file was deleted or moved is counted as lost, with a warning; a new log begins anew."""
    path = tmp_path / "m"
    with caplog.at_level(logging.WARNING), MetricsLog(path) as log:
        log.record(completion("before"))
        assert log.flush(60)
        how(path)
        for _ in range(2):
            log.record(completion("after"))
        assert log.flush(60)
        assert log.lost == 2
    assert caplog.messages == [
        f"metrics are not kept in {path}: it was deleted or moved while in use; a new program begins anew"
    ]
    with MetricsLog(path) as log:
        log.record(completion("anew"))
        assert [record.model for record in log.records()] == ["anew"]


NAMES = r'"id": "gen-\ud83d", "model": "a/b\u0000\ud800", "provider": "P\u001b[2J"'
ENDLESS = ("NaN", "-Infinity", "1e999", "1" + "0" * 400)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("number", ["-1", "-1e300", "9223372036854775808", '"many"', "[1]", *ENDLESS])
def test_absurd_figures_of_a_provider_are_not_kept(shell: str, number: str, tmp_path: Path) -> None:
    """Negative, beyond 2^63, no number at all: the log has none; endless ones, no JSON either, are the stream's end."""
    usage = f'{{"prompt_tokens": {number}, "completion_tokens": {number}, "cost": {number}}}'

    def respond(exchange: Exchange) -> None:
        exchange.head()
        spoken = '"choices": [{"index": 0, "delta": {"content": "Low"}, "finish_reason": "stop"}]'
        exchange.send(f"data: {{{NAMES}, {spoken}}}\n\n".encode())
        exchange.send(f'data: {{"choices": [], "usage": {usage}}}\n\ndata: [DONE]\n\n'.encode())

    with MetricsLog(tmp_path / "m") as log:
        with LoopbackServer(respond) as server:
            outcome = read(shell, server.base_url, metrics=log)
        [record] = log.records()
        assert log.lost == 0
    assert outcome.text == "Low"
    assert (record.outcome, record.error) == (
        ("cut", "ChunkError") if number in ENDLESS else ("complete", None)
    )
    assert (record.input_tokens, record.output_tokens, record.tokens_estimated) == (None, 1, True)
    assert (record.model, record.provider, record.generation_id) == ("a/b \ufffd", "P [2J", "gen-\ufffd")
    assert record.cost is None
