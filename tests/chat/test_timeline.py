"""The timeline, told when things happened."""

from __future__ import annotations

from sseor.chat.timeline import Timeline


def test_the_first_moments_stay_and_the_last_ones_move() -> None:
    """First token and first text are set once, the last token each time."""
    timeline = Timeline(started=100.0)
    timeline.attempt()
    assert [timeline.ttft_ms, timeline.ttfo_ms, timeline.total_ms] == [None, None, None]
    timeline.chunk(1.0)
    timeline.token(1.0, visible=False)
    timeline.chunk(1.5)
    timeline.token(1.5, visible=True)
    timeline.token(2.0, visible=True)
    timeline.ended = timeline.since_start(103.0)
    assert (timeline.ttft_ms, timeline.ttfo_ms, timeline.total_ms) == (1000, 1500, 3000)
    assert (timeline.first_chunk, timeline.last_token, timeline.chunks) == (1.0, 2.0, 2)


def test_gaps_leave_out_the_callers_time_and_new_attempts() -> None:
    """The longest gap is the longest wait for the server between two chunks of one attempt."""
    timeline = Timeline()
    timeline.caller_took(1.0)
    timeline.chunk(1.0)
    timeline.caller_took(5.0)
    timeline.chunk(6.5)
    assert (timeline.longest_gap, timeline.caller) == (0.5, 6.0)
    timeline.attempt()
    timeline.chunk(60.0)
    assert (timeline.longest_gap, timeline.first_chunk) == (0.5, 1.0)


def test_a_copy_no_longer_grows() -> None:
    """A snapshot is independent of the timeline that goes on."""
    timeline = Timeline()
    snapshot = timeline.copy()
    timeline.chunk(1.0)
    assert snapshot.chunks == 0


def test_it_survives_a_file() -> None:
    """from_dict gives back what to_dict wrote, and leaves out what a newer version added."""
    timeline = Timeline(started=5.0, heartbeats=3)
    assert Timeline.from_dict({**timeline.to_dict(), "newer": 1}) == timeline
