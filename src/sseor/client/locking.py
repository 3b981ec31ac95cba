"""A lock between processes, which the system frees when its holder dies."""

from __future__ import annotations

import contextlib
import os
from importlib import import_module
from typing import Any

ON_WINDOWS = os.name == "nt"


class FileLock:
    """Holds the lock file at `path` from the moment it is made until `close`, which removes the file.

    Raises BlockingIOError at once when another holder is alive, in this process or in another.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._number = _locked_file(path)

    def close(self) -> None:
        """Let go, and leave no file behind."""
        if ON_WINDOWS:  # an open file cannot be removed there
            os.close(self._number)
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        if not ON_WINDOWS:  # closed first, the file could be another's by the time it is removed
            os.close(self._number)


def _locked_file(path: str) -> int:
    while True:
        number = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            _lock(number)
            if _is_still_at(path, number):
                return number
        except BaseException:
            os.close(number)
            raise
        os.close(number)


def _lock(number: int) -> None:
    if ON_WINDOWS:
        msvcrt = _system("msvcrt")
        try:
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, "locked by another process") from error
    else:
        fcntl = _system("fcntl")
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_still_at(path: str, number: int) -> bool:
    """Tell whether the file just locked is the one that others find: its last holder may have removed it meanwhile."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(number))
    except FileNotFoundError:
        return False


def _system(name: str) -> Any:
    """Return a module that only one kind of system has."""
    return import_module(name)
