"""Headless Chromium's own `EventSource` as the final referee of the cases."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest
from conformance.browser import Seen, referee

from sseor.conformance import Case, load_cases
from sseor.conformance.cases import ANY_TIME, ExpectedEvent

CASES = load_cases()
DEFAULT = 3000
"""Milliseconds that Chromium waits when no retry has told otherwise."""

ROUNDS = 3
"""A loaded machine delays reconnections, so a case that differs is asked about again."""


def differs(case: Case, seen: Seen) -> str:
    """Return in what the browser differs from the case; waits are told apart as short, usual or long."""
    events = [(item.data, item.event, item.id) for item in case.items if isinstance(item, ExpectedEvent)]
    if seen.events != events:
        return f"events {seen.events[:3]} instead of {events[:3]}"
    time = DEFAULT if case.reconnection_time is None else case.reconnection_time
    if time == ANY_TIME:
        return ""
    assert isinstance(time, int)
    if time > 2 * DEFAULT:
        return "" if seen.waited is None else f"came back after {seen.waited:.1f} s"
    if seen.waited is None or (time < DEFAULT) != (seen.waited < 0.8 * DEFAULT / 1000):
        return f"waited {seen.waited} s instead of {time} ms"
    if seen.last_event_id != case.last_event_id:
        return f"last event ID {seen.last_event_id!r} instead of {case.last_event_id!r}"
    return ""


def test_the_browser_agrees_with_every_case() -> None:
    """Each case, served from loopback, gives the expected events, last event ID and wait, or its note says why not."""
    if shutil.which("chromium") is None:
        assert os.environ.get("SSEOR_REQUIRE_ALL") != "1", "chromium is not installed"
        pytest.skip("chromium is not installed")
    left = list(CASES)
    for _ in range(ROUNDS):
        told = {case.id: differs(case, seen) for case, seen in zip(left, referee(left), strict=True)}
        left = [case for case in left if told[case.id] and not case.browser]
        if not left:
            break
    assert [f"{case.id}: {told[case.id]}" for case in left] == []


RIGHT = Seen([("x", "message", "1")], "1", 3.01)
ONE = next(case for case in CASES if case.id == "id/set")


@pytest.mark.parametrize(
    ("changes", "seen", "told"),
    [
        ({}, RIGHT, ""),
        ({}, replace(RIGHT, events=[]), "events"),
        ({}, replace(RIGHT, events=[("x", "message", "")]), "events"),
        ({}, replace(RIGHT, last_event_id=""), "last event ID ''"),
        ({}, replace(RIGHT, waited=0.1), "waited 0.1 s"),
        ({}, replace(RIGHT, waited=None), "waited None"),
        ({"reconnection_time": 100}, replace(RIGHT, waited=1.5), ""),
        ({"reconnection_time": 100}, RIGHT, "waited 3.01 s"),
        ({"reconnection_time": 2**64}, replace(RIGHT, waited=None, last_event_id=None), ""),
        ({"reconnection_time": 2**64}, RIGHT, "came back"),
        ({"reconnection_time": ANY_TIME}, replace(RIGHT, waited=None, last_event_id=None), ""),
    ],
)
def test_a_difference_is_seen(changes: dict[str, int | str], seen: Seen, told: str) -> None:
    """Events, last event ID and wait are each compared, so that the referee can disagree."""
    said = differs(replace(ONE, **changes), seen)  # type: ignore[arg-type]
    assert said.startswith(told)
    assert bool(said) == bool(told)


def test_browsers_differ_where_the_text_leaves_them_no_doubt() -> None:
    """Notes on browsers are few: empty and huge retries, spaces around an ID in a header, a line end after a BOM."""
    noted = {case.id for case in CASES if case.browser}
    assert noted == {
        *("retry/empty", "retry/no-colon", "retry/two-to-the-64"),
        *("id/two-spaces", "id/trailing-space", "bom/before-blank-line"),
    }
