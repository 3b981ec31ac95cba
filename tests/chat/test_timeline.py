"""The timeline, told when things happened."""

from __future__ import annotations

import json

import pytest

from sseor.chat.timeline import AttemptTimes, Timeline


def started() -> Timeline:
    """Return the timeline of a stream whose first request is about to be sent."""
    timeline = Timeline(started=100.0)
    timeline.attempt(0.0)
    return timeline


def test_the_first_moments_stay_and_the_last_ones_move() -> None:
    """Head, first byte, first token and first text are set once, the last token each time."""
    timeline = started()
    assert [timeline.ttft_ms, timeline.ttfo_ms, timeline.total_ms] == [None, None, None]
    timeline.head_came(0.5, cache_hit=False)
    timeline.byte_came(0.75)
    timeline.chunk(1.0)
    timeline.token(1.0, visible=False)
    timeline.chunk(1.5)
    timeline.token(1.5, visible=True)
    timeline.token(2.0, visible=True)
    timeline.ended = timeline.since_start(103.0)
    assert (timeline.head, timeline.first_byte) == (0.5, 0.75)
    assert (timeline.ttft_ms, timeline.ttfo_ms, timeline.total_ms) == (1000, 1500, 3000)
    assert (timeline.first_chunk, timeline.last_token, timeline.chunks) == (1.0, 2.0, 2)


def test_gaps_leave_out_the_callers_time_and_new_attempts() -> None:
    """A gap is the wait for the server between two chunks of one attempt."""
    timeline = started()
    timeline.caller_took(1.0)
    timeline.chunk(1.0)
    timeline.caller_took(5.0)
    timeline.chunk(6.125)
    assert (timeline.longest_gap, timeline.caller) == (0.125, 6.0)
    timeline.attempt(50.0)
    timeline.chunk(60.0)
    assert (timeline.longest_gap, timeline.first_chunk) == (0.125, 1.0)


@pytest.mark.parametrize(
    ("took", "waited", "whole"),
    [
        (0.1, 0.2, True),
        (0.015, 0.005, True),
        (5.0, 0.5, True),
        (0.4, 0.019, False),
        (0.010, 0.0009, False),
        (60.0, 2.0, False),
    ],
)
def test_who_has_to_wait_after_his_own_time_found_nothing_there(
    took: float, waited: float, whole: bool
) -> None:
    """Then the server was silent all along, and the gap counts whole; a chunk that is there at once came meanwhile."""
    timeline = started()
    timeline.chunk(1.0)
    timeline.token(1.0, visible=True)
    timeline.caller_took(took)
    timeline.chunk(1.0 + took + waited)
    assert timeline.longest_gap == pytest.approx(took + waited if whole else waited)
    assert timeline.hidden == (0.0 if whole else took)
    assert timeline.stalls == (timeline.longest_gap >= 5)


def test_a_callers_time_that_hides_when_chunks_came_is_told() -> None:
    """Within the answer, time that says nothing about the server is summed up as hidden."""
    timeline = started()
    timeline.chunk(1.0)
    timeline.token(1.0, visible=True)
    timeline.caller_took(2.0)
    timeline.chunk(3.0)
    timeline.caller_took(1.0)
    timeline.chunk(6.0)
    assert (timeline.hidden, timeline.caller) == (2.0, 3.0)


def test_stalls_are_long_gaps_within_the_answer() -> None:
    """A gap of five seconds is a stall after the first token, and none before it."""
    timeline = started()
    timeline.chunk(1.0)
    timeline.chunk(7.0)
    timeline.token(7.0, visible=False)
    assert timeline.stalls == 0
    timeline.chunk(12.0)
    timeline.chunk(16.9)
    assert (timeline.stalls, timeline.longest_gap) == (1, 6.0)


def test_the_time_spent_on_heartbeats() -> None:
    """Heartbeats are charged with the time since the last sign of life, the last one's wait for a chunk is not."""
    timeline = started()
    timeline.heartbeat(0.5)
    timeline.heartbeat(1.0)
    timeline.chunk(1.4)
    timeline.heartbeat(1.6)
    assert timeline.heartbeats == 3
    assert timeline.heartbeat_seconds == pytest.approx(1.2)
    timeline.heartbeat(1.5)  # a clock that went back
    assert timeline.heartbeat_seconds == pytest.approx(1.2)


def test_each_attempt_has_its_own_times() -> None:
    """An attempt tells when it was sent, what came of it and when, and how many chunks and heartbeats it brought."""
    timeline = started()
    timeline.head_came(0.1, cache_hit=False)
    timeline.byte_came(0.2)
    timeline.heartbeat(0.2)
    timeline.chunk(0.3)
    timeline.attempt_ended(0.4)
    timeline.attempt(1.0)
    timeline.head_came(1.1, cache_hit=True)
    timeline.byte_came(1.2)
    for at in (1.2, 1.3):
        timeline.chunk(at)
        timeline.token(at, visible=True)
    timeline.ended = 1.5
    first, second = timeline.copy().each_attempt
    assert first == AttemptTimes(0.0, 0.1, 0.2, 0.3, ended=0.4, chunks=1, heartbeats=1)
    assert second == AttemptTimes(1.0, 1.1, 1.2, 1.2, 1.2, 1.2, 1.3, 1.5, chunks=2)
    assert (timeline.head, timeline.first_byte, timeline.first_chunk) == (0.1, 0.2, 0.3)
    assert (timeline.first_token, timeline.attempts, timeline.cache_hit) == (1.2, 2, True)


def test_an_attempt_can_end_before_the_stream() -> None:
    """What is known of an attempt's own end is kept where the stream ended later."""
    timeline = started()
    timeline.attempt_ended(1.0)
    timeline.ended = 2.0
    assert [attempt.ended for attempt in timeline.copy().each_attempt] == [1.0]


def test_a_copy_no_longer_grows() -> None:
    """A snapshot is independent of the timeline that goes on."""
    timeline = started()
    snapshot = timeline.copy()
    timeline.chunk(1.0)
    timeline.chunk(2.0)
    assert (snapshot.chunks, snapshot.gaps.count, snapshot.each_attempt[0].chunks) == (0, 0, 0)


def test_a_clock_that_goes_back_makes_no_negative_gap() -> None:
    """A step back counts as no time at all."""
    timeline = started()
    timeline.chunk(5.0)
    timeline.chunk(4.0)
    assert (timeline.gaps.shortest, timeline.longest_gap, timeline.gaps.total) == (0.0, 0.0, 0.0)


def test_it_survives_a_file() -> None:
    """from_dict gives back what to_dict wrote, and leaves out what a newer version added."""
    timeline = started()
    timeline.heartbeat(0.5)
    for at in (1.0, 2.0, 2.5):
        timeline.chunk(at)
        timeline.token(at, visible=True)
    timeline.model_asked = "a/b"
    timeline = timeline.copy()
    written = json.loads(json.dumps(timeline.to_dict()))
    assert Timeline.from_dict(written) == timeline
    written["each_attempt"][0]["newer"] = 1
    assert Timeline.from_dict({**written, "newer": 1}) == timeline
    assert Timeline.from_dict({"heartbeats": 3}) == Timeline(heartbeats=3)
