"""`benchmarks.decoders`: the table of today's decoders says what the verdicts say, and is of today's cases."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from browser.node_tools import npm_install

from benchmarks import decoders
from benchmarks.decoder_peers import PEERS
from sseor.conformance import Report, Verdict, judge, load_cases

ROOT = Path(__file__).parents[2]
CASES = {case.id: case for case in load_cases()}
SHOWN = [case for cause in decoders.CAUSES for case, _, _ in cause]


def report(toy: str, *names: str) -> Report:
    """Judge a toy decoder by the cases that show causes, without those of megabytes, or by those named."""
    chosen = names or [name for name in dict.fromkeys(SHOWN) if not name.startswith("sizes/")]
    return judge(f"conformance.toys:{toy}", [CASES[name] for name in chosen], timeout=20)


@pytest.mark.parametrize(
    ("toy", "told"),
    [
        ("Toy", ""),
        ("BomKept", "loses the first field to a BOM"),
        ("CrHeld", "holds an event whose blank line ends in CR"),
        ("CrlfCutIsTwoEnds", "takes a CRLF that two reads bring for two line ends"),
        ("StrictUtf8", "raises on bytes that are no UTF-8"),
        ("AllSpacesRemoved", "removes every space before a value"),
        ("IdWithNul", "takes an ID with NUL"),
        ("RetryAtDispatch", "tells a reconnection time only with an event"),
        ("RetryByIsdigit", "raises on `retry: ²`"),
        ("EndDispatches", "dispatches what the end cut off"),
    ],
)
def test_the_phrase_tells_the_bug(toy: str, told: str) -> None:
    """A decoder with one bug is told by the phrase of that bug alone, one without bugs by none."""
    assert decoders.reasons(report(toy)) == told


def test_every_cause_is_shown_by_a_case() -> None:
    """The cases that causes name are there, and each phrase is told once."""
    assert CASES.keys() >= set(SHOWN)
    phrases = [phrase for cause in decoders.CAUSES for _, _, phrase in cause]
    assert len(set(phrases)) == len(phrases)


def test_a_row_counts_each_verdict() -> None:
    """A row has a count for each verdict, nothing for none; one that could not be judged says why."""
    assert set(decoders.COLUMNS) == set(Verdict)
    row = decoders.row("toy", report("CrIsNoEnd", "line-ends/cr", "line-ends/lf", "timing/at-cr-after-crlf"))
    assert row.startswith("| toy |  | 1 | 2 |  |")
    assert row.endswith("| knows no CR as line end |")
    missing = decoders.row("toy", "not installed")
    assert missing.endswith("| not installed |")
    assert missing.count("|") == row.count("|")


def test_the_peers_live_in_an_extra_of_their_own() -> None:
    """Each is in the extra `decoders`, and in it is nothing else; without them they are known as not installed."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {requirement.partition(">=")[0] for requirement in extras["decoders"]} == PEERS.keys()
    assert all(isinstance(factory.version, str) for factory in PEERS.values())  # type: ignore[attr-defined]


def test_the_committed_page_is_of_todays_cases() -> None:
    """The page has a row for each decoder, made with the cases that there are now."""
    page = decoders.TABLE.read_text()
    assert f"By the {len(CASES)} cases" in page
    for name in ("sseor", *PEERS, *decoders.NODE_PEERS):
        assert f"\n| {name} | " in page
    assert "not installed" not in page


def test_the_adapters_of_node(tmp_path: Path) -> None:
    """The two decoders of Node are installed, and each is judged through its adapter."""
    npm_install(tmp_path, *decoders.NODE_PEERS)
    commands = decoders.node_adapters(tmp_path)
    chosen = [
        CASES["data/joined"],
        CASES["comments/between-data"],
        CASES["id/set"],
        CASES["fields/unknown-alone"],
    ]
    wrong = {}
    for name, command in commands.items():
        found = judge(command, chosen, timeout=20)
        assert found.version
        wrong[name] = [result.case.id for result in found.results if result.finding is not None]
    assert wrong == {"eventsource-parser": [], "@microsoft/fetch-event-source": ["fields/unknown-alone"]}
