"""The file of the log: who may read it, its schema, and files that are none."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from metrics.recorded import NOW, record, rows

from sseor.errors import ConfigError
from sseor.metrics import database
from sseor.metrics.database import UnusableError, insert, open_for_writing, read


def test_it_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """The file, its WAL and its index have mode 0600, the folder 0700, whatever the umask says."""
    path = tmp_path / "new" / "metrics.sqlite3"
    before = os.umask(0)
    try:
        with closing(open_for_writing(path)) as connection:
            insert(connection, record())
            modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
            assert len(list(path.parent.iterdir())) == 3
    finally:
        os.umask(before)
    assert modes == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """A record comes back as it was, in the order of time, from `since` on, also while a writer has the file open."""
    path = tmp_path / "m"
    late, early = (
        record(days_ago=1, ttft_ms=1.5, cache_hit=True, tokens_estimated=False, not_streamed=False),
        record(days_ago=3, tokens_estimated=True, cache_hit=False, not_streamed=False),
    )
    with closing(open_for_writing(path)) as connection:
        insert(connection, late)
        insert(connection, early)
        assert read(path) == [early, late]
        assert read(path, since=late.at) == [late]
    with closing(open_for_writing(path)) as connection:
        [mode] = connection.execute("PRAGMA journal_mode").fetchone()
    assert mode == "wal"


def test_no_file_holds_nothing(tmp_path: Path) -> None:
    """Before the first stream there is nothing to read, and reading makes no file."""
    assert read(tmp_path / "m") == []
    assert list(tmp_path.iterdir()) == []


def test_an_older_schema_is_brought_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of an older version keeps its rows, gets the new column, and is readable before that."""
    path = tmp_path / "m"
    with closing(open_for_writing(path)) as connection:
        insert(connection, record())
    added = "ALTER TABLE streams ADD COLUMN newer TEXT; UPDATE streams SET newer = 'x'"
    monkeypatch.setattr(database, "MIGRATIONS", [*database.MIGRATIONS, added])
    assert len(read(path)) == 1
    with closing(open_for_writing(path)) as connection:
        insert(connection, record())
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    assert rows(path, "newer") == [("x",), (None,)]
    monkeypatch.undo()
    with pytest.raises(UnusableError, match="newer sseor"):
        open_for_writing(path)
    with pytest.raises(ConfigError, match="newer sseor"):
        read(path)


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema changes whole or not at all."""
    path = tmp_path / "m"
    open_for_writing(path).close()
    broken = "ALTER TABLE streams ADD COLUMN newer TEXT; NONSENSE"
    monkeypatch.setattr(database, "MIGRATIONS", [*database.MIGRATIONS, broken])
    with pytest.raises(sqlite3.OperationalError, match="syntax"):
        open_for_writing(path)
    monkeypatch.undo()
    with closing(open_for_writing(path)) as connection:
        insert(connection, record())
    assert [found.at for found in read(path)] == [NOW - 43_200]


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """A database that is not ours is neither written nor read."""
    path = tmp_path / "m"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE streams (at REAL)")
    before = path.read_bytes()
    with pytest.raises(UnusableError, match="another program"):
        open_for_writing(path)
    with pytest.raises(ConfigError, match="another program"):
        read(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"not a database at all " * 50, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_damaged_file_is_left_alone(tmp_path: Path, content: bytes) -> None:
    """What is no database, or no longer one, is said so and stays as it is."""
    path = tmp_path / "m"
    path.write_bytes(content)
    with pytest.raises(sqlite3.DatabaseError):
        open_for_writing(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read(path)
    assert path.read_bytes() == content
