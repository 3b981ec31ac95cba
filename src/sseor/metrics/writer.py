"""The thread that writes the log: a stream hands its record over and goes on; the disk is waited for here.

A record that cannot be written is counted as lost, and the first one is told as a warning; whatever is wrong with the
file, no stream is harmed and nothing waits for ever.

A connection of SQLite must not be carried across a fork: the child would believe to hold locks that it has not, and
records would be lost. So it is closed before one, and opened anew by whoever writes next.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from sseor.metrics import database

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sseor.metrics.record import Record

__all__ = ["CLOSE_SECONDS", "Writer"]

CLOSE_SECONDS = 5.0
"""How long a log waits at its end for what is still to be written."""

LOCKED_SECONDS = 30.0
"""How long a record waits for a lock that another process holds."""

MOST_WAITING = 10_000
"""Records kept while the file is locked: some 10 MB."""

_PAUSE = 0.01

_logger = logging.getLogger("sseor")


class _GoneError(Exception):
    """The file is no longer the one that is written to."""


class Writer:
    """Writes records to one file, in the order of `put`; the thread lives from the first one until `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin()
        _writers.add(self)

    def _begin(self) -> None:
        self.lost = 0
        self._waiting: deque[Record] = deque()
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._end: Any = None
        self._closing_at: float | None = None
        self._told = False
        self._patience = LOCKED_SECONDS
        self._connection: sqlite3.Connection | None = None
        self._file: os.stat_result | None = None

    def put(self, record: Record) -> None:
        """Hand over a record, without waiting."""
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                self._lose("too many wait for a locked file")
                return
            self._waiting.append(record)
            if self._thread is None:
                self._closing_at = None
                self._end = _at_the_end_of_a_child(self.close)
                self._thread = threading.Thread(target=self._run, name="sseor-metrics", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until all is written or lost, at most `timeout` seconds; say whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, timeout)

    def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """Write what waits, for at most `timeout` seconds, and end the thread; what is left then is lost."""
        with self._changed:
            thread = self._thread
            self._closing_at = time.monotonic() + timeout
            self._changed.notify_all()
        if thread is not None:
            thread.join(timeout + 4 * database.BUSY_SECONDS)

    def _run(self) -> None:
        while (record := self._next()) is not None:
            self._write(record)
            with self._changed:
                self._waiting.popleft()
                self._changed.notify_all()

    def _next(self) -> Record | None:
        """Return the record to write, which stays in the queue until it is; None at the end of this thread."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing_at is not None)
            while self._waiting and self._too_late():
                self._waiting.popleft()
                self._lose("there was no time left to write it")
            if self._waiting:
                return self._waiting[0]
            with self._writing:
                self._disconnect()
            if self._end is not None:
                self._end.cancel()
            self._thread = None
            self._changed.notify_all()
            return None

    def _write(self, record: Record) -> None:
        until = time.monotonic() + self._patience
        while True:
            try:
                with self._writing:
                    self._insert(record)
            except Exception as error:
                if _is_locked(error) and time.monotonic() < until and not self._too_late():
                    time.sleep(_PAUSE)
                    continue
                self._patience = 0.0
                with self._changed:
                    self._lose(str(error))
            else:
                self._patience = LOCKED_SECONDS
            return

    def _insert(self, record: Record) -> None:
        try:
            database.insert(self._connected(), record)
        except _GoneError:
            # Not closed: SQLite would delete the WAL at this path, which may be that of a new file by now.
            raise
        except Exception:
            # Opened anew next time: the cause may be gone by then.
            self._disconnect()
            raise

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = database.open_for_writing(self.path)
            self._file = os.stat(self.path)
        elif not _is_at(self.path, self._file):
            raise _GoneError("it was deleted or moved while in use; a new program begins anew")
        return self._connection

    def _too_late(self) -> bool:
        return self._closing_at is not None and time.monotonic() >= self._closing_at

    def _lose(self, reason: str) -> None:
        self.lost += 1
        if not self._told:
            self._told = True
            _logger.warning("metrics are not kept in %s: %s", self.path, reason)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def before_fork(self) -> None:
        """Let go of the file, and do not write until `after_fork`."""
        self._writing.acquire()
        self._disconnect()

    def after_fork(self, *, child: bool) -> None:
        """Go on; in the child with nothing, for what waits is the parent's to write, and has no thread."""
        if child:
            self._begin()
        else:
            self._writing.release()


_writers: weakref.WeakSet[Writer] = weakref.WeakSet()
_forking = threading.Lock()
_paused: list[Writer] = []


def _before_fork() -> None:
    _forking.acquire()
    _paused[:] = _writers
    for one in _paused:
        one.before_fork()


def _after_fork(*, child: bool) -> None:
    for one in _paused:
        one.after_fork(child=child)
    _paused.clear()
    _forking.release()


# A system without forks has nothing to register with.
getattr(os, "register_at_fork", dict)(
    before=_before_fork,
    after_in_parent=partial(_after_fork, child=False),
    after_in_child=partial(_after_fork, child=True),
)


def _at_the_end_of_a_child(close: Callable[[], None]) -> Any:
    """Have it called where a child of multiprocessing ends: without what Python does at the end of a program."""
    util = sys.modules.get("multiprocessing.util")
    return None if util is None else util.Finalize(None, close, exitpriority=0)


def _is_at(path: Path, file: os.stat_result | None) -> bool:
    with suppress(OSError):
        return file is not None and os.path.samestat(file, os.stat(path))
    return False


def _is_locked(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    )
