"""`python -m benchmarks`: measure all parts, or some, and tell the figures; `--write` puts them into README.md."""

from __future__ import annotations

import argparse
import os
import sys
import time

from benchmarks import report
from benchmarks.measuring import Interpreters, as_plain, machine, measure, needed, versions

PARTS = {
    "framing": "framing.tables",
    "assembly": "assembly.tables",
    "client": "clients.tables",
    "capacity": "clients.capacity",
    "imports": "imports.tables",
    "memory": "memory.tables",
    "metrics": "metrics.tables",
    "relay": "relay.tables",
    "redis": "redis.tables",
}
"""Each part's function, which is given a scale (1: all rounds) and yields its tables."""
QUICK = 0.2


def run(part: str, *, quick: bool) -> report.Part:
    """Measure one part, and print its tables as they come."""
    module, _, function = PARTS[part].partition(".")
    tables = getattr(needed(f"benchmarks.{module}"), function)
    told: report.Part = {"machine": machine(), "versions": versions(), "quick": quick, "tables": []}
    began = time.monotonic()
    for table in tables(QUICK if quick else 1.0):
        plain = as_plain(table, measure(table))
        told["tables"].append(plain)
        print(f"\n{report.table_as_markdown(plain)}", flush=True)
    print(f"\n{part}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return told


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", metavar="PART", choices=PARTS, help=f"some of {', '.join(PARTS)}"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few rounds: to see that all runs, not to be quoted"
    )
    parser.add_argument(
        "--write", action="store_true", help="write results.json, the plots, and README.md's tables"
    )
    parser.add_argument(
        "--render", action="store_true", help="measure nothing, write README.md from results.json"
    )
    parser.add_argument(
        "--node", metavar="FOLDER", help="in which `npm install eventsource-parser openai` has run"
    )
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        help="another environment's interpreter, for peers that this one lacks; may be repeated",
    )
    options = parser.parse_args()
    if options.node:
        os.environ["SSEOR_NODE_PACKAGES"] = os.path.abspath(options.node)
    Interpreters.others = tuple(options.python)
    parts = report.load()
    for part in () if options.render else options.only or PARTS:
        try:
            parts[part] = run(part, quick=options.quick)
        except ModuleNotFoundError as error:
            print(f"\n{part}: left out, {error.name} is not installed", file=sys.stderr)
            continue
        if options.write:
            report.write(parts)
    if options.render:
        report.write(parts)
    print(f"\n{report.goals_as_markdown(parts)}")


if __name__ == "__main__":
    main()
