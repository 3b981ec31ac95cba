"""The oracle, held against the cases that were written by hand."""

from __future__ import annotations

import pytest
from reference import interpret
from wire.named_cases import NAMED_CASES, Case


@pytest.mark.parametrize("case", NAMED_CASES, ids=lambda case: case.name)
def test_the_reference_agrees_with_the_hand(case: Case) -> None:
    """The transcription of the standard gives what a reader of the standard expects."""
    stream = interpret(case.stream)
    assert stream.items == case.items
    assert stream.last_event_id == case.last_event_id
    assert stream.reconnection_time == case.reconnection_time
    assert (stream.unfinished_event, stream.unfinished_line) == (case.left or (None, b""))
    assert stream.left_something == (case.left is not None)


def test_names_are_unique() -> None:
    """A case is found by its name alone."""
    assert len({case.name for case in NAMED_CASES}) == len(NAMED_CASES)
