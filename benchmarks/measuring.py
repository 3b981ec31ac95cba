"""The measuring core: rows that take turns, round after round, and what becomes of their figures.

A machine that is shared, throttled or warm changes from second to second, so single figures mean little. Rows that
are compared are measured in turn within each round, and their ratio is the median of the rounds' own ratios.
"""

from __future__ import annotations

import datetime
import gc
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

Figures = dict[str, float]
ROOT = Path(__file__).parent.parent


def nothing_to_check() -> None:
    """Accept a row without output."""


@dataclass(frozen=True)
class Row:
    """One contender: `check` raises when its output is wrong or it is not installed; `take` measures one round."""

    name: str
    take: Callable[[], Figures]
    check: Callable[[], None] = nothing_to_check


@dataclass(frozen=True)
class Table:
    """Rows to compare. `columns` are the names and units of their figures; ratios are to the row `base`.

    `less_is_more` tells whether smaller figures are the better ones. `note` says what is measured, and its bias.
    """

    name: str
    title: str
    note: str
    columns: Mapping[str, str]
    rows: list[Row]
    base: str
    rounds: int
    less_is_more: bool = True


@dataclass
class Outcome:
    """The figures of each row that could be measured, round by round, and why the others could not."""

    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


class ChildError(Exception):
    """A process failed; the message is the last line that it wrote."""


def measure(table: Table) -> Outcome:
    """Check every row, then measure those that are right, in turn; a row that fails later is left out, and says so."""
    outcome = Outcome()
    rows = {row.name: row for row in table.rows}
    for row in table.rows:
        if _failed(outcome, row, row.check):
            del rows[row.name]
    gc.collect()
    gc.freeze()  # what the peers' modules hold is no part of anybody's garbage
    for _ in range(table.rounds):
        for row in list(rows.values()):
            if not _failed(outcome, row, lambda row=row: _note(outcome, row)):  # type: ignore[misc]
                continue
            del rows[row.name]
            outcome.figures.pop(row.name, None)
    return outcome


def _note(outcome: Outcome, row: Row) -> None:
    columns = outcome.figures.setdefault(row.name, {})
    for column, value in row.take().items():
        columns.setdefault(column, []).append(value)


def _failed(outcome: Outcome, row: Row, act: Callable[[], None]) -> bool:
    try:
        act()
    except ModuleNotFoundError as error:
        outcome.left_out[row.name] = f"not installed: {error.name or error}"
    except Exception as error:
        told = str(error) if isinstance(error, ChildError) else f"{type(error).__name__}: {error}"
        outcome.left_out[row.name] = " ".join(told.split())[:200]
    else:
        return False
    print(f"  left out: {row.name}: {outcome.left_out[row.name]}", file=sys.stderr, flush=True)
    return True


def as_plain(table: Table, outcome: Outcome) -> dict[str, Any]:
    """Return a table and its figures as JSON values: each round, the median, and the ratio to the base."""
    rows = {}
    for name, columns in outcome.figures.items():
        base = outcome.figures.get(table.base, {})
        rows[name] = {
            column: {
                "median": statistics.median(values),
                "ratio": ratio(values, base.get(column, [])),
                "values": values,
            }
            for column, values in columns.items()
        }
    return {
        "name": table.name,
        "title": table.title,
        "note": table.note,
        "columns": dict(table.columns),
        "base": table.base,
        "less_is_more": table.less_is_more,
        "rows": rows,
        "left_out": outcome.left_out,
    }


def ratio(values: Iterable[float], base: Iterable[float]) -> float | None:
    """Return the median of the rounds' own ratios; None without a base."""
    ratios = [own / other for own, other in zip(values, base, strict=False) if other]
    return statistics.median(ratios) if ratios else None


def cpu_microseconds(act: Callable[[], object], items: int) -> float:
    """Return the CPU time, user and system, of one call per item: of the second call, since the first warms caches.

    What has just come from a network is in the caches, too.
    """
    act()
    start = time.process_time_ns()
    act()
    return (time.process_time_ns() - start) / 1000 / items


def expect(given: object, wanted: object, what: str) -> None:
    """Raise when a contender's output is not what was sent."""
    if given != wanted:
        raise AssertionError(f"wrong {what}: {str(given)[:80]!r} in place of {str(wanted)[:80]!r}")


class Interpreters:
    """The Pythons at hand: this one, and those of other environments, for peers that do not fit into this one."""

    others: tuple[str, ...] = ()

    @classmethod
    def having(cls, module: str) -> str:
        """Return the first interpreter that can import a module; raises ModuleNotFoundError."""
        find = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
        for python in (sys.executable, *cls.others):
            if not subprocess.run([python, "-c", find], cwd=ROOT, check=False).returncode:
                return python
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)


def ask(module: str, plan: Mapping[str, Any], python: str = sys.executable) -> Figures:
    """Run a module of this package in a process of its own, with a plan; return the figures that it prints last."""
    command = [python, "-m", f"benchmarks.{module}", json.dumps(plan)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        raise ChildError("no figures within a minute") from None
    if done.returncode:
        raise ChildError(done.stderr.strip().rpartition("\n")[2] or f"exit {done.returncode}")
    figures: Figures = json.loads(done.stdout.strip().rpartition("\n")[2])
    return figures


def versions() -> dict[str, str]:
    """Return the versions of all that is compared, in whichever environment it is."""
    found = {}
    for name in PACKAGES:
        for python in (sys.executable, *Interpreters.others):
            code = f"from importlib import metadata; print(metadata.version({name!r}))"
            done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
            if not done.returncode:
                found[name] = done.stdout.strip()
                break
    return found


PACKAGES = (
    *(
        "sseor",
        "httpx",
        "httpcore",
        "h11",
        "anyio",
        "trio",
        "uvloop",
        "orjson",
        "msgspec",
        "httpx-sse",
        "httpx2",
    ),
    *("aiohttp", "openai", "openrouter", "anthropic", "litellm", "pydantic", "uvicorn", "sse-starlette"),
    "opentelemetry-sdk",
)


def machine() -> dict[str, Any]:
    """Return what the figures were taken on, and how busy it was otherwise."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "taken": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def version(package: str) -> str:
    """Return the version of a package in this environment; raises ModuleNotFoundError."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package) from None


def needed(module: str) -> Any:
    """Import a peer by name, so that the types of what is not installed need not be known."""
    return importlib.import_module(module)
