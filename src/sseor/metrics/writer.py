"""The thread that writes the log: a stream hands its record over and goes on; the disk is waited for here.

A record that cannot be written is counted as lost, and the first one is told as a warning; whatever is wrong with the
file, no stream is harmed and nothing waits for ever.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from sseor.metrics import database

if TYPE_CHECKING:
    from pathlib import Path

    from sseor.metrics.record import Record

__all__ = ["Writer"]

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
        self.process = os.getpid()
        self.lost = 0
        self._waiting: deque[Record] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
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
                self._thread = threading.Thread(target=self._run, name="sseor-metrics", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until all is written or lost, at most `timeout` seconds; say whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, timeout)

    def close(self, timeout: float) -> None:
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
            self._disconnect()
            self._thread = None
            self._changed.notify_all()
            return None

    def _write(self, record: Record) -> None:
        until = time.monotonic() + self._patience
        while True:
            try:
                database.insert(self._connected(), record)
            except _GoneError as error:
                # Not closed: SQLite would delete the WAL at this path, which may be that of a new file by now.
                with self._changed:
                    self._lose(str(error))
            except Exception as error:
                # Opened anew next time: the cause may be gone by then.
                self._disconnect()
                if _is_locked(error) and time.monotonic() < until and not self._too_late():
                    time.sleep(_PAUSE)
                    continue
                self._patience = 0.0
                with self._changed:
                    self._lose(str(error))
            else:
                self._patience = LOCKED_SECONDS
            return

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


def _is_at(path: Path, file: os.stat_result | None) -> bool:
    with suppress(OSError):
        return file is not None and os.path.samestat(file, os.stat(path))
    return False


def _is_locked(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    )
