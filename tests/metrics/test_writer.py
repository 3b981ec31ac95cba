"""The writer against files that cannot be written: nothing waits for ever, one warning, the rest is counted."""

from __future__ import annotations

import importlib
import logging
import os
import sqlite3
import stat
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from metrics.recorded import record, rows

from sseor.metrics import database, writer
from sseor.metrics.database import open_for_writing
from sseor.metrics.writer import Writer

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Writer]]:
    """Make writers that are closed when the test ends."""
    made = []

    def make_one(path: Path = tmp_path / "m") -> Writer:
        made.append(Writer(path))
        return made[-1]

    yield make_one
    for one in made:
        one.close(60)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Hold the write lock of `m`, as another process would; the test may let go of it."""
    path = tmp_path / "m"
    open_for_writing(path).close()
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield holder


def test_what_is_put_is_written_in_order(make: Callable[..., Writer], tmp_path: Path) -> None:
    """Each record is a row of its own; after `close` the file is whole, and a later record opens it again."""
    one = make()
    for number in range(50):
        one.put(record(f"m{number}"))
    one.close(60)
    assert rows(tmp_path / "m", "model") == [(f"m{number}",) for number in range(50)]
    assert [file.name for file in tmp_path.iterdir()] == ["m"]  # the last one out folds the WAL away
    one.put(record("later"))
    assert one.flush(60)
    assert len(rows(tmp_path / "m")) == 51
    assert one.lost == 0


def test_closing_what_never_began_is_nothing(make: Callable[..., Writer], tmp_path: Path) -> None:
    """Without a record there is no thread and no file."""
    make().close(0)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_waited_for_in_the_background(
    make: Callable[..., Writer], locked: sqlite3.Connection, tmp_path: Path
) -> None:
    """While another process holds the lock `put` returns at once, and the record is written when it lets go."""
    one = make()
    began = time.monotonic()
    one.put(record())
    assert time.monotonic() - began < 10  # of the 30 seconds that a record waits
    assert not one.flush(0.4)
    locked.execute("ROLLBACK")
    assert one.flush(60)
    assert (one.lost, len(rows(tmp_path / "m"))) == (0, 1)


def test_a_lock_that_is_never_released_is_given_up(
    make: Callable[..., Writer],
    locked: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A record waits for a bounded time, those after it no longer, and one warning is told."""
    monkeypatch.setattr(writer, "LOCKED_SECONDS", 0.1)
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    one = make()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            one.put(record())
        assert one.flush(60)
    assert one.lost == 3
    [warning] = caplog.messages
    assert warning == f"metrics are not kept in {one.path}: database is locked"


def test_closing_waits_no_longer_than_it_was_told(
    make: Callable[..., Writer], locked: sqlite3.Connection
) -> None:
    """A hundred records before a locked file cost the time given once, not a hundred times, and are counted."""
    one = make()
    for _ in range(100):
        one.put(record())
    began = time.monotonic()
    one.close(0.3)
    assert time.monotonic() - began < 20  # a hundred times would be 30
    assert one.lost == 100


def test_the_queue_is_bounded(
    make: Callable[..., Writer], locked: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a lock so many records wait, and what comes then is counted as lost."""
    monkeypatch.setattr(writer, "MOST_WAITING", 10)
    one = make()
    for _ in range(15):
        one.put(record())
    assert one.lost == 5
    locked.execute("ROLLBACK")
    assert one.flush(60)
    assert one.lost == 5


def test_a_full_disk_loses_and_recovers(
    make: Callable[..., Writer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """SQLite's own word that the disk is full is told once; when there is room again, records are kept again."""
    room = {"pages": 12}
    connect = sqlite3.connect

    def with_little_room(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.execute(f"PRAGMA max_page_count = {room['pages']}")
        return connection

    monkeypatch.setattr(sqlite3, "connect", with_little_room)
    one = make()
    with caplog.at_level(logging.WARNING):
        for _ in range(300):
            one.put(record("x" * 200))
        assert one.flush(60)
    assert 0 < one.lost < 300
    assert caplog.messages == [f"metrics are not kept in {one.path}: database or disk is full"]
    lost, room["pages"] = one.lost, 10_000
    one.put(record())
    assert one.flush(60)
    assert (one.lost, len(rows(tmp_path / "m"))) == (lost, 301 - lost)


def damaged(path: Path) -> None:
    """Make a file that is no database."""
    path.write_bytes(b"no database" * 1000)


def foreign(path: Path) -> None:
    """Make a database of another program."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE other (x)")


def newer(path: Path) -> None:
    """Make a log of a newer version."""
    with closing(open_for_writing(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize("spoil", [damaged, foreign, newer, Path.mkdir])
def test_a_file_that_cannot_be_used_is_told_once(
    make: Callable[..., Writer], tmp_path: Path, spoil: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Damaged, of another program, of a newer version, a folder: one warning, and what it holds stays."""
    path = tmp_path / "m"
    spoil(path)
    before = path.read_bytes() if path.is_file() else b""
    one = make()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            one.put(record())
        assert one.flush(60)
    assert one.lost == 3
    assert len(caplog.messages) == 1
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_file_that_is_gone_is_told_once(
    make: Callable[..., Writer], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is written to a deleted file, or beside one that took its place, is counted as lost."""
    path, one = tmp_path / "m", make()
    one.put(record())
    assert one.flush(60)
    with caplog.at_level(logging.WARNING):
        path.unlink()
        one.put(record())
        assert one.flush(60)
        path.write_bytes(b"")
        one.put(record())
        assert one.flush(60)
    assert one.lost == 2
    assert len(caplog.messages) == 1
    assert path.read_bytes() == b""


@pytest.fixture
def nobody() -> Iterator[None]:
    """Be a user without rights, if the tests run as one with all of them."""
    if os.geteuid() == 0:
        os.seteuid(65534)
        yield
        os.seteuid(0)
    else:
        yield


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_read_only_file_is_told_once(
    what: str, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    """A log that may be read and not written, and a folder where none may be made, harm nothing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "m"
        if what == "file":
            open_for_writing(path).close()
            path.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        folder.chmod(0o555)
        request.getfixturevalue("nobody")
        one = Writer(path)
        with caplog.at_level(logging.WARNING):
            one.put(record())
            one.put(record())
            one.close(60)
        if os.getuid() == 0:
            os.seteuid(0)
        folder.chmod(0o755)
    assert one.lost == 2
    [warning] = caplog.messages
    assert "readonly" in warning or "Permission denied" in warning


def test_many_threads_put_into_one_writer(make: Callable[..., Writer], tmp_path: Path) -> None:
    """Eight threads that close it now and then lose nothing."""
    one = make()

    def put_many(name: str) -> None:
        for number in range(60):
            one.put(record(f"{name}-{number}"))
            if number % 20 == 0:
                one.close(60)

    threads = [threading.Thread(target=put_many, args=[str(number)]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one.close(60)
    assert one.lost == 0
    found = [model for (model,) in rows(tmp_path / "m", "model")]
    assert sorted(found) == sorted(f"{name}-{number}" for name in range(8) for number in range(60))


def child_of(work: Callable[[], None]) -> int:
    """Do this in a fork of this process, and return how that ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork of a program that has threads
        process = os.fork()
    if process == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(process, 0)[1]


def test_a_fork_begins_anew_and_its_parent_goes_on(make: Callable[..., Writer], tmp_path: Path) -> None:
    """Child and parent write to the same file at once, each with a connection of its own, and nothing is lost."""
    one = make()
    one.put(record("parent"))

    def work() -> None:
        for number in range(20):
            one.put(record(f"child-{number}"))
        one.close(60)
        assert one.lost == 0

    for _ in range(3):
        assert child_of(work) == 0
        one.put(record("parent"))
    assert one.flush(60)
    models = [model for (model,) in rows(tmp_path / "m", "model")]
    assert sorted(models) == sorted(["parent"] * 4 + [f"child-{number}" for number in range(20)] * 3)


def test_what_waits_at_a_fork_is_the_parents_to_write(
    make: Callable[..., Writer], locked: sqlite3.Connection, tmp_path: Path
) -> None:
    """A child has neither the records that wait for a lock nor the connection, and may write at once."""
    one = make()
    for _ in range(5):
        one.put(record("parent"))
    one.before_fork()
    assert one._connection is None
    one.after_fork(child=False)
    locked.execute("ROLLBACK")
    assert one.flush(60)
    one.close(60)
    one.before_fork()
    one.after_fork(child=True)
    one.put(record("child"))
    assert one.flush(60)
    assert [model for (model,) in rows(tmp_path / "m", "model")] == ["parent"] * 5 + ["child"]


@pytest.mark.parametrize("loaded", [True, False])
def test_multiprocessing_is_told_only_where_it_is_used(
    loaded: bool, make: Callable[..., Writer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It closes the log where a child ends; a program without it does not load it, and an ended thread is forgotten."""
    util: Any = importlib.import_module("multiprocessing.util")
    if not loaded:
        monkeypatch.delitem(sys.modules, "multiprocessing.util")
    before = len(util._finalizer_registry)
    one = make()
    one.put(record())
    assert len(util._finalizer_registry) == before + loaded
    one.close(60)
    assert len(util._finalizer_registry) == before
