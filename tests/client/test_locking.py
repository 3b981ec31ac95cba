"""`sseor.client.locking`: one holder at a time, in one process and in two, dead or alive."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sseor.client import locking
from sseor.client.locking import FileLock

HOLD = """
import sys
from sseor.client.locking import FileLock
lock = FileLock(sys.argv[1])
print(1, flush=True)
input()
"""


@contextlib.contextmanager
def another_process(path: str) -> Any:
    """Yield a process that holds the lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        try:
            yield process
        finally:
            process.kill()


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    """A second one is told at once; after the first has closed, the lock is free and its file is gone."""
    path = str(tmp_path / "lock")
    first = FileLock(path)
    assert Path(path).stat().st_mode & 0o777 == 0o600
    with pytest.raises(BlockingIOError):
        FileLock(path)
    first.close()
    assert not os.path.exists(path)
    FileLock(path).close()
    assert os.listdir(tmp_path) == []


def test_two_processes(tmp_path: Path) -> None:
    """A lock of another process counts, and is free as soon as that process is killed, its file still there."""
    path = str(tmp_path / "lock")
    with another_process(path) as process:
        with pytest.raises(BlockingIOError):
            FileLock(path)
        process.kill()
        process.wait()
        assert os.path.exists(path)
        FileLock(path).close()
    assert not os.path.exists(path)


def test_a_forked_child_does_not_keep_it(tmp_path: Path) -> None:
    """After `close` the lock is free, although a copy of the open file lives on elsewhere."""
    path = str(tmp_path / "lock")
    lock = FileLock(path)
    copy = os.dup(lock._number)
    lock.close()
    assert not os.path.exists(path)
    FileLock(path).close()
    os.close(copy)


def test_a_file_that_was_removed_meanwhile_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When its last holder removes the file between our opening and our locking it, it is made anew."""
    path = str(tmp_path / "lock")
    flock = fcntl.flock
    removed: list[str] = []

    def late(number: int, operation: int) -> None:
        flock(number, operation)
        if not removed:
            removed.append(path)
            os.unlink(path)

    monkeypatch.setattr(fcntl, "flock", late)
    lock = FileLock(path)
    monkeypatch.undo()
    with pytest.raises(BlockingIOError):
        FileLock(path)
    lock.close()


def test_what_cannot_be_locked_stays_an_error_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system without locks, and a folder that is not there, are told as they are; nothing stays open."""

    def no_locks(number: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="no locks"):
        FileLock(str(tmp_path / "lock"))
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(FileNotFoundError):
        FileLock(str(tmp_path / "none" / "lock"))


def test_a_lock_file_that_somebody_removed(tmp_path: Path) -> None:
    """It is let go of all the same, and not kept open."""
    path = str(tmp_path / "lock")
    lock = FileLock(path)
    os.unlink(path)
    lock.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(lock._number)


def test_the_calls_of_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the first byte is locked by `msvcrt`, and the file is closed before it is removed."""
    path = str(tmp_path / "lock")
    holders: list[int] = []

    def locking_of_windows(number: int, mode: int, length: int) -> None:
        assert (mode, length) == (2, 1)
        if holders:
            raise PermissionError(errno.EACCES, "denied")
        holders.append(number)

    def unlink(name: str) -> None:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(holders[0])
        os.remove(name)

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking_of_windows, LK_NBLCK=2))
    monkeypatch.setattr(locking, "ON_WINDOWS", True)
    lock = FileLock(path)
    with pytest.raises(BlockingIOError, match="another process"):
        FileLock(path)
    monkeypatch.setattr(os, "unlink", unlink)
    lock.close()
    assert not os.path.exists(path)
