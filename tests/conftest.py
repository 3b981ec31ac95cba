"""What every test stands on: Hypothesis profiles, and a look at what a test left open."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# What is logged by default goes to a folder of these tests, never to the one of their user.
_STATE = tempfile.TemporaryDirectory(prefix="sseor-tests-")
os.environ["XDG_STATE_HOME"] = _STATE.name

_QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile("quick", max_examples=50, deadline=None, suppress_health_check=_QUIET)
# A gate asks the same of every change: always the same examples. What looks further is the soak.
settings.register_profile(
    "thorough", max_examples=400, deadline=None, derandomize=True, suppress_health_check=_QUIET
)
settings.register_profile("soak", max_examples=20_000, deadline=None, suppress_health_check=_QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "thorough" if os.environ.get("CI") else "quick"))


def pytest_collection_finish() -> None:
    """Leave out of later collections what all tests share: each would cost 40 ms more, and there are two a test."""
    gc.collect()
    gc.freeze()


def open_sockets() -> set[str]:
    """Return the sockets of this process, by their kernel names."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


def running_threads() -> set[threading.Thread]:
    """Return the threads of this process, without those that trio keeps for later work."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith("Trio thread")}


@pytest.fixture
def leaves_nothing_open() -> Iterator[None]:
    """Fail the test when it leaves a socket or a thread behind."""
    gc.collect()
    sockets, threads = open_sockets(), running_threads()
    yield
    until = time.monotonic() + 2
    while time.monotonic() < until:
        gc.collect()
        if open_sockets() <= sockets and running_threads() <= threads:
            return
        time.sleep(0.01)
    assert not open_sockets() - sockets, "sockets were left open"
    assert not running_threads() - threads, "threads were left running"
