"""Today's decoders under the conformance suite: `python -m benchmarks.decoders` writes the table of `decoders.md`.

It wants Python 3.12 (for axio-sse), `pip install -e '.[decoders]'`, and Node with npm, which installs its two peers in
a temporary folder. No network is used beyond that: each decoder gets its bytes from the suite.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import sseor.conformance
from benchmarks.decoder_peers import PEERS
from sseor.conformance import AdapterError, Report, Verdict, judge, load_cases

HERE = Path(__file__).parent
TABLE = HERE / "decoders.md"

NODE_PEERS = {
    "eventsource-parser": Path(sseor.conformance.__file__).with_name("eventsource_parser.mjs"),
    "@microsoft/fetch-event-source": HERE / "node" / "fetch_event_source.mjs",
}

TIMEOUT = 5.0
"""Seconds a play may take; the suite's own 2 are for machines that do nothing else."""

CAUSES: tuple[tuple[tuple[str, str, str], ...], ...] = (
    (("bom/second-stays", "data", "removes two BOMs"), ("bom/removed", "", "loses the first field to a BOM")),
    (("bom/in-type", "", "removes BOMs within the stream"),),
    (
        ("line-ends/cr", "did not come", "knows no CR as line end"),
        ("line-ends/lf-cr", "data", "knows no blank line after a line that ended otherwise"),
        ("line-ends/crlf", "", "takes a CRLF that two reads bring for two line ends"),
    ),
    (("timing/at-cr-after-lf", "complete", "holds an event whose blank line ends in CR"),),
    (("utf-8/bad-byte", "raised", "raises on bytes that are no UTF-8"),),
    (("utf-8/bad-byte", "data", "replaces bad UTF-8 otherwise"),),
    (("fields/two-spaces", "data", "removes every space before a value"),),
    (("data/trailing-empty", "data", "removes empty lines at the end of data"),),
    (("data/leading-empty", "data", "loses empty lines at the start of data"),),
    (
        ("fields/unknown-alone", "", "dispatches every block without data"),
        ("event/alone", "", "dispatches blocks of a type or an ID without data"),
    ),
    (("event/empty-is-message", "type", "gives an empty type where it is `message`"),),
    (
        ("id/stays", "ID", "has no ID on events that bring none"),
        ("id/survives-comments", "data", "dispatches an empty event at each blank line once there was an ID"),
    ),
    (("id/nul-ignored", "ID", "takes an ID with NUL"),),
    (
        ("retry/plus", "time", "takes `+5` for a reconnection time"),
        ("retry/digits-then-letters", "time", "takes `5ms` for a reconnection time"),
    ),
    (
        ("retry/superscript", "raised", "raises on `retry: ²`"),
        ("sizes/retry-of-5000-digits", "raised", "raises on a retry of 5000 digits"),
    ),
    (("retry/at-line-end", "time", "tells a reconnection time only with an event"),),
    (
        ("end/no-blank-line", "should not", "dispatches what the end cut off"),
        (
            "end/cr-of-data-only",
            "should not",
            "dispatches at the end what lacks its blank line but ends in CR",
        ),
    ),
    (("sizes/value-of-1-mib", "raised", "refuses an event of 1 MiB"),),
    (
        ("sizes/growth-long-line", "time", "takes quadratic time for a long line"),
        ("sizes/growth-cr", "time", "takes quadratic time for events that end in CR"),
    ),
)
"""Each cause: the case that shows it, a word of what was wrong there, and the phrase. Of a row the first is told."""


def reasons(report: Report) -> str:
    """Return why a decoder fails, in phrases, by what was wrong in the cases that show it."""
    points = {result.case.id: result.finding.point for result in report.results if result.finding is not None}
    phrases = []
    for cause in CAUSES:
        told = [phrase for case, word, phrase in cause if case in points and word in points[case]]
        phrases += told[:1]
    return "; ".join(phrases)


def node_adapters(folder: Path) -> dict[str, list[str]]:
    """Install the peers of Node below `folder`; return the command of each one's adapter."""
    quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts", "--loglevel=error")
    packages = [f"{name}@latest" for name in NODE_PEERS]
    subprocess.run(["npm", "install", "--prefix", str(folder), *quiet, *packages], check=True, cwd=folder)
    commands = {}
    for name, source in NODE_PEERS.items():
        adapter = folder / source.name
        adapter.write_bytes(source.read_bytes())
        commands[name] = ["node", str(adapter)]
    return commands


def judged(folder: Path) -> Iterator[tuple[str, Report | str]]:
    """Yield the name of each decoder and its report, or why there is none."""
    subjects: dict[str, str | list[str]] = {"sseor": "sseor.wire:Decoder"}
    for name, factory in PEERS.items():
        subjects[name] = f"{factory.__module__}:{factory.__name__}"
    for name, subject in {**subjects, **node_adapters(folder)}.items():
        print(f"judging {name}", file=sys.stderr)
        if name in PEERS and not PEERS[name].version:  # type: ignore[attr-defined] # set by `peer`
            yield name, "not installed"
            continue
        try:
            yield name, judge(subject, timeout=TIMEOUT)
        except AdapterError as error:
            yield name, str(error)


def row(name: str, report: Report | str) -> str:
    """Return a decoder's line of the table."""
    if isinstance(report, str):
        return f"| {name} | {'| ' * len(COLUMNS)}| {report} |"
    counts = [str(report.counts[verdict] or "") for verdict in COLUMNS]
    return " | ".join([f"| {name}", report.version, *counts, f"{reasons(report)} |"])


COLUMNS = {
    Verdict.PASS: "pass",
    Verdict.FAIL: "fail",
    Verdict.CUT: "cut up",
    Verdict.CRASH: "crash",
    Verdict.HANG: "hang",
    Verdict.SLOW: "slow",
    Verdict.LATE: "late",
    Verdict.SKIPPED: "not claimed",
}


PAGE = """\
# Today's decoders

By the {cases} cases of [the conformance suite](../docs/conformance.md) of sseor {version}, {date}, on CPython {python}
and Node {node}. Made by `python -m benchmarks.decoders`; the adapters are `decoder_peers.py` and
`node/fetch_event_source.mjs`.

{table}

*cut up*: right in one read, wrong when the same bytes come in several. *late*: all came, after more bytes than were
needed. *slow*: the time grows faster than the input. *not claimed*: about what the decoder does not show, such as
comments. A decoder of strict UTF-8 may mean to refuse what is none; here that is a crash. assel was given a UTF-8
decoder of its own for each stream: its parsers share one, and half a character of one stream breaks the next.
"""


def page(rows: list[str], node: str) -> str:
    """Return the whole page."""
    head = " | ".join(["| decoder", "version", *COLUMNS.values(), "what was wrong |"])
    return PAGE.format(
        cases=len(load_cases()),
        version=sseor.__version__,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        python=platform.python_version(),
        node=node,
        table="\n".join([head, "|" + "---|" * (len(COLUMNS) + 3), *rows]),
    )


def main() -> None:
    """Judge all, and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [row(name, report) for name, report in judged(Path(folder))]
    node = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout.strip()
    TABLE.write_text(page(rows, node.removeprefix("v")), encoding="utf-8")
    print(f"wrote {TABLE}")


if __name__ == "__main__":
    main()
