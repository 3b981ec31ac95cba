"""`sseor.conformance.plays`: every play brings the same bytes, and the plays are those that hurt."""

from __future__ import annotations

import pytest

from sseor.conformance import load_cases
from sseor.conformance.cases import Case
from sseor.conformance.plays import plays

BY_ID = {case.id: case for case in load_cases()}


@pytest.mark.parametrize("case", BY_ID.values(), ids=lambda case: case.id)
def test_every_play_brings_the_same_bytes(case: Case) -> None:
    """However a stream is cut, its reads joined are the stream; the whole comes first; all names differ from it."""
    first, *others = plays(case)
    assert first.name == "whole"
    assert len(first.reads) == (1 if case.stream else 0)
    for play in (first, *others):
        assert b"".join(play.reads) == case.stream
    assert "whole" not in {play.name for play in others}


def test_the_plays_of_a_short_stream() -> None:
    """A short stream is cut everywhere in two, bytewise, at random places, and has empty reads around and between."""
    case = BY_ID["line-ends/lf"]
    played = {play.name: play.reads for play in plays(case)}
    assert all(played[f"cut at byte {cut}"] == (case.stream[:cut], case.stream[cut:]) for cut in range(1, 9))
    assert played["byte by byte"] == tuple(case.stream[at : at + 1] for at in range(9))
    assert played["whole, between empty reads"] == (b"", case.stream, b"")
    assert b"" in played["byte by byte, an empty read after each"]
    assert any(name.startswith("cut at bytes ") for name in played)


def test_random_cuts_are_the_same_each_time() -> None:
    """A failure can be looked at again: the same case has the same plays."""
    for name in ("line-ends/lf", "sizes/value-of-1-mib"):
        assert list(plays(BY_ID[name])) == list(plays(BY_ID[name]))


def test_long_streams_are_spared_what_would_take_too_long() -> None:
    """A megabyte is not fed byte by byte; a case of growth is fed whole and in its own reads alone."""
    assert all(len(play.reads) < 20 for play in plays(BY_ID["sizes/value-of-1-mib"]))
    assert [play.name for play in plays(BY_ID["sizes/growth-long-line"])] == ["whole", "in reads of 16 bytes"]
    assert [play.name for play in plays(BY_ID["sizes/growth-one-read"])] == ["whole"]


def test_streams_of_no_and_one_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be cut in them, and nothing breaks."""
    assert [play.reads for play in plays(BY_ID["end/empty-stream"])] == [(), (), (b"", b"", b""), ()]
