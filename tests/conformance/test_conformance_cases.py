"""The cases themselves: the file is the source of truth, and three readers of the standard agree with it."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from reference import interpret

from sseor.conformance import FEATURES, Case, load_cases
from sseor.conformance.cases import ANY_TIME, ExpectedComment, ExpectedEvent
from sseor.wire import Comment, Decoder, Event

CASES = load_cases()
GROUPS = (
    *("line-ends", "bom", "comments", "fields", "data", "event", "id", "retry", "utf-8", "end", "timing"),
    *("sizes", "llm"),
)


def as_wire(item: ExpectedEvent | ExpectedComment) -> Event | Comment:
    """Return an expected item as our decoder gives it."""
    if isinstance(item, ExpectedComment):
        return Comment(item.text.removeprefix(" "))
    return Event(item.data, item.event, item.id)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_transcription_of_the_standard_agrees(case: Case) -> None:
    """The literal reference gives the events, comments, last event ID and reconnection time of each case."""
    stream = interpret(case.stream)
    assert stream.items == [as_wire(item) for item in case.items]
    assert stream.last_event_id == case.last_event_id
    assert case.reconnection_time in (ANY_TIME, stream.reconnection_time)


@pytest.mark.parametrize(
    "case", [case for case in CASES if len(case.stream) < 200_000], ids=lambda case: case.id
)
def test_each_item_is_out_when_it_is_said_to_be(case: Case) -> None:
    """Fed byte by byte, our decoder gives out each item within its bounds, which are a CRLF apart at most."""
    decoder, out = Decoder(), []
    for fed in range(1, len(case.stream) + 1):
        out += [(item, fed) for item in decoder.feed(case.stream[fed - 1 : fed])]
    assert [item for item, _ in out] == [as_wire(item) for item in case.items]
    for (_, fed), item in zip(out, case.items, strict=True):
        assert item.earliest == fed
        assert case.stream[fed - 1 : item.latest] in (b"\r", b"\n", b"\r\n")


def test_there_are_enough_cases_in_every_group() -> None:
    """At least 250 cases, in all thirteen groups."""
    counted = Counter(case.group for case in CASES)
    assert len(CASES) >= 250
    assert tuple(counted) == GROUPS
    assert min(counted.values()) >= 15


def test_each_case_states_its_own_fact() -> None:
    """Ids and titles are unique, ids can stand in a command line, titles say a sentence."""
    assert len({case.title for case in CASES}) == len(CASES)
    for case in CASES:
        assert re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+", case.id)
        assert len(case.title.split()) >= 3


def test_streams_repeat_only_where_what_is_looked_at_differs() -> None:
    """A stream that stands twice is looked at from two sides: its groups differ."""
    seen = Counter((case.stream, case.group) for case in CASES if case.growth is None)
    assert [stream for stream, count in seen.items() if count > 1] == []


def test_each_feature_is_needed_by_some_case() -> None:
    """Every feature that can be left out has cases of its own; most cases need none."""
    assert {need for case in CASES for need in case.needs} == set(FEATURES)
    assert sum(not case.needs for case in CASES) > len(CASES) / 2
