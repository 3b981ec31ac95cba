"""The log of streams: `Client(metrics=MetricsLog())`."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sseor.metrics import database
from sseor.metrics.record import Record, record_of
from sseor.metrics.writer import CLOSE_SECONDS, Writer

if TYPE_CHECKING:
    from types import TracebackType

    from sseor.chat import Completion
    from sseor.errors import SseorError

__all__ = ["MetricsLog", "default_path"]


def default_path() -> Path:
    """Return the file of the user's own log: `sseor/metrics.sqlite3` in `XDG_STATE_HOME`, or in `~/.local/state`."""
    state = os.environ.get("XDG_STATE_HOME", "")
    folder = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    return folder / "sseor" / "metrics.sqlite3"


class MetricsLog:
    """Keeps the figures of every stream in an SQLite file; no prompt, no answer, no key.

    `path` is the file, by default the one that `sseor stats` reads. One log may serve many clients and threads, and
    many processes one file, forks included. A record is handed to a thread of the log's own, so that no stream waits
    for the disk; what waits is written at `close`, when the log is dropped and when the program ends. A file that is
    locked, read-only, full, damaged or of a newer sseor harms no stream: the logger `sseor` warns once, and `lost`
    counts.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = default_path() if path is None else Path(path)
        self._writer = Writer(self.path)
        weakref.finalize(self, self._writer.close, CLOSE_SECONDS)

    @property
    def lost(self) -> int:
        """How many streams could not be written."""
        return self._writer.lost

    def record(self, completion: Completion, error: SseorError | None = None) -> None:
        """Keep the figures of a stream that has just ended, be it by `error`."""
        self._writer.put(record_of(completion, error))

    def records(self, *, since: float = 0.0) -> list[Record]:
        """Return what the file holds of streams that ended at or after `since` (seconds since 1970), in that order."""
        self.flush()
        return database.read(self.path, since=since)

    def flush(self, timeout: float = CLOSE_SECONDS) -> bool:
        """Wait until all is written, at most `timeout` seconds; say whether it is."""
        return self._writer.flush(timeout)

    def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """Write what waits, for at most `timeout` seconds, and let go of the file; a later record opens it again."""
        self._writer.close(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<MetricsLog {self.path}>"
