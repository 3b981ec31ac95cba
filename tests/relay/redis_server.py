"""Real servers for the tests: Redis, and Valkey where it is installed, each in a folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["PROGRAMS", "RedisServer", "redis_program", "redis_server"]

PROGRAMS = [name for name in ("redis-server", "valkey-server") if shutil.which(name)] or ["redis-server"]


class RedisServer:
    """A server at a Unix socket, without persistence; it may be killed, paused and started again."""

    def __init__(self, folder: Path, name: str = "r", *options: str, program: str = "redis-server") -> None:
        self.socket = folder / f"{name}.sock"
        self.url = f"unix://{self.socket}"
        self._command = [program, "--port", "0", "--unixsocket", str(self.socket), "--dir", str(folder)]
        self._command += ["--save", "", "--appendonly", "no", "--loglevel", "warning", *options]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, empty."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        for _ in range(600):
            asked = self.ask("PING", check=False)
            if asked == "PONG":
                return
            assert self._process.poll() is None, "the server ended"
            time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def ask(self, *command: str, check: bool = True) -> str:
        """Ask with the server's own client."""
        asked = subprocess.run(
            ["redis-cli", "-s", str(self.socket), *command], capture_output=True, text=True, timeout=30
        )
        assert not check or asked.returncode == 0, asked.stderr
        return asked.stdout.strip()

    def kill(self) -> None:
        """Kill it, with all that it holds."""
        if self._process is not None:
            self.resume()
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Stop it: it takes connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def require_redis() -> None:
    """Skip the test where there is no server; fail where everything has to be there."""
    if shutil.which("redis-server") is None:
        reason = "redis-server is not installed"
        if os.environ.get("SSEOR_REQUIRE_ALL"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session", params=PROGRAMS)
def redis_program(request: pytest.FixtureRequest) -> str:
    """Return the name of a server."""
    require_redis()
    return str(request.param)


@pytest.fixture(scope="session")
def redis_server(redis_program: str) -> Iterator[RedisServer]:
    """Return a server that all tests share: they take names of their own."""
    with tempfile.TemporaryDirectory(prefix="sseor-redis-") as folder:
        with RedisServer(Path(folder), program=redis_program) as server:
            yield server
