"""The examples, each run as a program of its own against the loopback server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sseor.testing import Heartbeats, LoopbackServer, answer, play

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(example: Path) -> None:
    """Each is under 40 lines and prints the answer."""
    assert len(example.read_text().splitlines()) < 40
    with LoopbackServer(play(Heartbeats(0.1), *answer("Low", " water"))) as server:
        environment = {**os.environ, "SSEOR_BASE_URL": server.base_url, "no_proxy": "127.0.0.1"}
        done = subprocess.run(
            [sys.executable, example], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
    assert "Low water" in done.stdout
    assert done.stderr == ""
