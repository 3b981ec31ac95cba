"""`sseor stats`: how fast the models were, from the log of metrics; and where that log is."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import re
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sseor.cli.exit_codes import COMPLETE
from sseor.cli.terminal import StatusLine, write_file, write_out
from sseor.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sseor.metrics import MetricsLog, Record, Summary

__all__ = ["add_stats", "open_log", "stats"]

VARIABLE = "SSEOR_METRICS"
OFF = {"", "0", "off", "no", "false"}
UNITS = {"h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}
GROUPS = ("model", "provider", "day")

DESCRIPTION = f"""\
Shows what was logged of every stream: time to first token, speed, cost, cuts and stalls, per model, for a
period and against the one before it. sseor chat, demo and serve log by themselves ({VARIABLE}=off turns that off, and
--no-metrics for once); programs do with sseor.Client(metrics=sseor.MetricsLog()). No prompt, answer or key is kept."""

EPILOG = """\
begin here:
  sseor stats                                       the last 30 days
  sseor stats --since 24h --by model,provider
  sseor stats --html metrics.html                   plots, in one file that opens offline"""


def add_stats(commands: Any, style: dict[str, Any]) -> None:
    """Add the command and its options to the command line."""
    parser = commands.add_parser(
        "stats", help="see how fast the models were", description=DESCRIPTION, epilog=EPILOG, **style
    )
    parser.add_argument(
        "--since",
        type=period,
        default=period("30d"),
        metavar="PERIOD",
        help="24h, 7d, 4w, a date such as 2026-11-01, or all (default: 30d)",
    )
    parser.add_argument("--model", metavar="TEXT", help="only models whose name contains TEXT")
    parser.add_argument(
        "--by",
        type=groups,
        default=("model",),
        metavar="LIST",
        help=f"what to group by: {','.join(GROUPS)} (default: model)",
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help=f"another log than yours (or {VARIABLE})")
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument("--json", action="store_true", help="all figures, for programs")
    formats.add_argument("--csv", action="store_true", help="all figures, for spreadsheets")
    formats.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots")


def period(text: str) -> float:
    """Return when a period begins, in seconds since 1970."""
    if text == "all":
        return 0.0
    if found := re.fullmatch(r"([0-9]{1,9})([hdw])", text):
        return max(0.0, time.time() - int(found[1]) * UNITS[found[2]])
    try:
        return max(0.0, datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError("a period is 24h, 7d, 4w, a date or all") from None


def groups(text: str) -> tuple[str, ...]:
    """Return what to group by, each once."""
    names = tuple(dict.fromkeys(text.split(",")))
    if not set(names) <= set(GROUPS):
        raise argparse.ArgumentTypeError(f"one or more of {','.join(GROUPS)}")
    return names


def open_log(*, wanted: bool) -> MetricsLog | None:
    """Return the user's log, or None where it is not wanted or there is no place for it."""
    from sseor.metrics import MetricsLog

    path = _path() if wanted else None
    return None if path is None else MetricsLog(path)


def stats(options: argparse.Namespace) -> int:
    """Show the figures; return the exit code."""
    from sseor.metrics import summarize
    from sseor.metrics.database import read

    path = options.log or _path()
    if path is None:
        raise ConfigError(f"metrics are off ({VARIABLE}); name a log with --log")
    if options.log is not None and not path.exists():
        raise ConfigError(f"there is no {path}")
    now = time.time()
    records = _of_model(read(path, since=2 * options.since - now), options.model)
    since = options.since or (records[0].at if records else now)
    until = max(now, since + 1)
    found = summarize(records, by=options.by, since=since, until=until)
    if options.html is not None:
        return _write_page(options.html, records, options.by, since, until)
    if options.json:
        text = _json(found, options.by, since, until)
    elif options.csv:
        text = _csv(found, options.by)
    elif found:
        text = _table(found, records, options.by, since, until)
    else:
        text = f"No streams in this period. The log is {path}\n"
    write_out(text)
    return COMPLETE


def _path() -> Path | None:
    from sseor.metrics import default_path

    told = os.environ.get(VARIABLE)
    if told is not None:
        return None if told.strip().lower() in OFF else Path(told)
    try:
        return default_path()
    except RuntimeError:  # a user without a home
        return None


def _of_model(records: list[Record], part: str | None) -> list[Record]:
    return [
        record for record in records if part is None or part in (record.model or record.model_asked or "")
    ]


def _table(
    found: Sequence[Summary], records: Sequence[Record], by: Sequence[str], since: float, until: float
) -> str:
    from sseor.cli.stats_table import table

    width = os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else None
    return table(found, records, by, since, until, width)


def _json(found: Sequence[Summary], by: Sequence[str], since: float, until: float) -> str:
    rows = [summary.to_dict(by) for summary in found]
    return json.dumps({"since": since, "until": until, "by": list(by), "groups": rows}, indent=2) + "\n"


def _csv(found: Sequence[Summary], by: Sequence[str]) -> str:
    from sseor.metrics import Summary

    out = io.StringIO()
    writer = csv.DictWriter(out, list(Summary(tuple(by)).to_dict(by)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(summary.to_dict(by) for summary in found)
    return out.getvalue()


def _write_page(path: Path, records: Sequence[Record], by: Sequence[str], since: float, until: float) -> int:
    from sseor.metrics.page import page

    write_file(path, page(records, by=by, since=since, until=until))
    StatusLine(sys.stderr).end(f"sseor: {path} is written")
    return COMPLETE
