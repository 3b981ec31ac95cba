"""The file of the log: an SQLite database in WAL mode, which many processes write and read at once.

Its schema has a version; an older one is brought up when it is opened for writing, a newer one is left alone.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import astuple, fields
from typing import TYPE_CHECKING

from sseor.errors import ConfigError
from sseor.metrics.record import Record

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["UnusableError", "insert", "open_for_writing", "read"]

APPLICATION_ID = 0x73736F72
"""`ssor` in ASCII: SQLite's place to say whose file it is."""

BUSY_SECONDS = 0.25
_PRIVATE = 0o600

_COLUMNS = tuple(field.name for field in fields(Record))
_INSERT = f"INSERT INTO streams ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608

MIGRATIONS: list[str] = [
    """
    CREATE TABLE streams (
        id INTEGER PRIMARY KEY,
        at REAL NOT NULL, outcome TEXT NOT NULL, error TEXT, finish_reason TEXT,
        model_asked TEXT, model TEXT, provider TEXT, server TEXT, generation_id TEXT,
        head_ms REAL, first_byte_ms REAL, first_chunk_ms REAL, ttft_ms REAL, ttfo_ms REAL, total_ms REAL,
        caller_ms REAL, heartbeat_ms REAL, gap_p50_ms REAL, gap_p95_ms REAL, gap_max_ms REAL,
        tokens_per_second REAL, cost REAL,
        heartbeats INTEGER, attempts INTEGER, chunks INTEGER, stalls INTEGER,
        input_tokens INTEGER, output_tokens INTEGER, reasoning_tokens INTEGER, cached_tokens INTEGER,
        tokens_estimated INTEGER, cache_hit INTEGER, not_streamed INTEGER
    );
    CREATE INDEX streams_at ON streams (at);
    """,
]
"""The script at index n brings a database of version n to version n + 1."""


class UnusableError(Exception):
    """The file is no log that this version may write; the text says why."""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the log, which is made if it is missing, for its owner alone; one thread at a time may use it.

    Raises `sqlite3.Error`, `OSError` or `UnusableError`.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE))
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("BEGIN")
        version = _version(connection)
        connection.execute("COMMIT")
        if version != len(MIGRATIONS):
            _migrate(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def insert(connection: sqlite3.Connection, record: Record) -> None:
    """Write one record, in a transaction of its own."""
    connection.execute(_INSERT, astuple(record))


def read(path: Path, *, since: float = 0.0) -> list[Record]:
    """Return the records of streams that ended at or after `since`, in that order; `ConfigError` says why it cannot."""
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("BEGIN")
            _version(connection)
            connection.row_factory = sqlite3.Row
            rows = connection.execute("SELECT * FROM streams WHERE at >= ? ORDER BY at, id", (since,))
            return [Record.from_row(row) for row in rows]
    except (sqlite3.Error, UnusableError) as error:
        raise ConfigError(f"the metrics in {path} cannot be read: {error}") from error


def _version(connection: sqlite3.Connection) -> int:
    """Return the version of the schema, 0 for an empty file; `UnusableError` for what is not ours or too new.

    To be called within a transaction: another process may be making the file.
    """
    [application] = connection.execute("PRAGMA application_id").fetchone()
    [version] = connection.execute("PRAGMA user_version").fetchone()
    [tables] = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise UnusableError("it is a database of another program")
    if version > len(MIGRATIONS):
        raise UnusableError("a newer sseor wrote it")
    return int(version)


def _migrate(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Asked again: another process may have been quicker.
        for script in MIGRATIONS[_version(connection) :]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
