"""Completions and records for the tests of the log and what is made of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sseor.chat import CompletedChoice, Completion, Timeline, Verdict
from sseor.metrics.record import Record

NOW = 1_795_000_000.0
DAY = 86_400.0


def completion(model: str = "a/b", ttft: float = 0.5) -> Completion:
    """Return a whole answer of this model."""
    told = Timeline()
    told.attempt(0.0)
    told.chunk(ttft)
    told.token(ttft, visible=True)
    told.ended = ttft + 1
    choices = [CompletedChoice(text="Low water", finish_reason="stop")]
    return Completion(choices=choices, model=model, timeline=told, verdict=Verdict(saw_finish=True))


def record(model: str = "a/b", days_ago: float = 0.5, **fields: Any) -> Record:
    """Return the record of a stream of `model` that ended so many days before `NOW`."""
    return Record(**{"at": NOW - days_ago * DAY, "outcome": "complete", "model": model, **fields})


def rows(path: Path, what: str = "*") -> list[tuple[Any, ...]]:
    """Return what the table of the file holds."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT {what} FROM streams ORDER BY id").fetchall()
