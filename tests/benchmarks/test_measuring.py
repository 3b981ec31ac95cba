"""The measuring core: turns, ratios, and what is left out; the server of the clients' benchmark."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from benchmarks import sync_readers
from benchmarks.clients import row
from benchmarks.measuring import Figures, Row, Table, as_plain, cpu_microseconds, measure, ratio
from benchmarks.readers import ASYNC
from benchmarks.reading import check
from benchmarks.seen import Seen
from benchmarks.server import server


def table(*rows: Row, rounds: int = 3) -> Table:
    """Return a table of these rows; the first is the base."""
    return Table("t", "T", "note", {"cost": "µs"}, list(rows), rows[0].name, rounds)


def costing(name: str, costs: list[float], log: list[str] | None = None) -> Row:
    """Return a row that gives these figures, one a round."""
    given = iter(costs)

    def take() -> Figures:
        if log is not None:
            log.append(name)
        return {"cost": next(given)}

    return Row(name, take)


def test_rows_take_turns_within_each_round() -> None:
    """A slow minute of the machine strikes all rows alike."""
    log: list[str] = []
    measure(table(costing("a", [1, 2, 3], log), costing("b", [1, 2, 3], log)))
    assert log == ["a", "b"] * 3


def test_a_ratio_is_the_median_of_the_rounds_own() -> None:
    """Rounds in which the machine was ten times as slow leave it as it is."""
    told = table(costing("a", [1, 10, 100]), costing("b", [2, 20, 230]))
    figures = as_plain(told, measure(told))["rows"]
    assert figures["b"]["cost"]["ratio"] == 2
    assert figures["b"]["cost"]["median"] == 20
    assert ratio([1.0], []) is None


def fails(error: Exception) -> Callable[[], None]:
    """Return what raises the error."""

    def act() -> None:
        raise error

    return act


def test_what_is_wrong_or_not_installed_is_left_out_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    """No figure of a row that failed its check, or that failed while it was measured, is ever told."""
    wrong = Row("wrong", lambda: {"cost": 1.0}, fails(AssertionError("wrong text")))
    absent = Row("absent", lambda: {"cost": 1.0}, fails(ModuleNotFoundError("No module", name="absent")))
    outcome = measure(table(costing("a", [1, 1, 1]), wrong, absent, costing("ends", [1])))
    assert set(outcome.figures) == {"a"}
    assert outcome.left_out["wrong"] == "AssertionError: wrong text"
    assert outcome.left_out["absent"] == "not installed: absent"
    assert outcome.left_out["ends"].startswith("StopIteration")
    assert "left out: wrong" in capsys.readouterr().err


def test_only_the_second_call_is_timed() -> None:
    """What warms the caches is not counted."""
    calls: list[float] = []

    def act() -> None:
        calls.append(time.process_time())
        while len(calls) == 1 and time.process_time() - calls[0] < 0.05:
            pass

    assert cpu_microseconds(act, 1) < 50_000
    assert len(calls) == 2


def test_a_reader_that_loses_text_is_wrong() -> None:
    """The check before each figure compares the whole text."""
    with server() as base_url, sync_readers.sseor(base_url) as read:
        seen = Seen(keeps=True)
        read("whole", seen)
        check(seen, raw=False)
        seen.texts.pop()
        with pytest.raises(AssertionError, match="wrong text"):
            check(seen, raw=False)


@pytest.mark.parametrize(("reader", "loop"), [("sseor", "asyncio"), ("sseor", "trio"), ("sseor", "threads")])
def test_a_paced_client_is_measured_in_a_process_of_its_own(reader: str, loop: str) -> None:
    """Events come at their pace, each dated: the figures are a cost, and delays that are not negative."""
    with server() as base_url:
        figures = row(reader, loop, base_url=base_url, way="paced", streams=4, rate=20, seconds=1.5).take()
    assert figures["cpu"] > 0
    assert 0 < figures["p50"] <= figures["p99"]


def test_a_client_is_measured_over_tls() -> None:
    """The certificate is trusted by the client's process, and no longer once the server is gone."""
    with server(tls=True) as base_url:
        sseor = row("sseor", "asyncio", base_url=base_url, way="paced", streams=2, rate=20, seconds=1.5)
        assert sseor.take()["cpu"] > 0
        assert "SSL_CERT_FILE" in os.environ
    assert "SSL_CERT_FILE" not in os.environ


@pytest.mark.parametrize("way", ["first", "memory"])
def test_the_other_ways_to_measure(way: str) -> None:
    """The first text takes some time, an open stream some memory; bare readers are measured alike."""
    with server() as base_url:
        for reader in ("sseor", "httpx, aiter_raw", "floor: asyncio sockets"):
            assert reader in ASYNC
            (figure,) = (
                row(reader, "asyncio", base_url=base_url, way=way, requests=8, streams=30).take().values()
            )
            assert figure > 0
