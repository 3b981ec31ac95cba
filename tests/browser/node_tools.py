"""Node and its packages for tests: bounded runs, and packages installed in a folder of the test session."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
MODULES = ROOT / "src" / "sseor" / "browser"


def missing(what: str) -> None:
    """Skip the test, or fail it where everything must be there."""
    if os.environ.get("SSEOR_REQUIRE_ALL") == "1":
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing")


def node(*arguments: str | Path, cwd: Path = ROOT, timeout: float = 90, **environment: str) -> str:
    """Run Node and return what it printed; what it did wrong is the failure of the test."""
    return run("node", *arguments, cwd=cwd, timeout=timeout, environment=environment)


def run(
    program: str,
    *arguments: str | Path,
    cwd: Path,
    timeout: float = 90,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program and return what it printed."""
    if shutil.which(program) is None:
        missing(program)
    done = subprocess.run(
        [program, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "NO_PROXY": "127.0.0.1", "NO_COLOR": "1", **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{program} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def npm_install(folder: Path, *packages: str) -> None:
    """Install packages below `folder`; skip the test where the registry cannot be reached."""
    if shutil.which("npm") is None:
        missing("npm")
    quiet = ("--no-package-lock", "--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts")
    done = subprocess.run(
        ["npm", "install", "--prefix", str(folder), *quiet, *packages],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
    )
    if done.returncode != 0:
        missing(f"what npm should install ({' '.join(packages)}: {done.stderr[-300:]})")
