"""The timeline against a server that dates what it sends, on a real socket and in all three shells.

Server and reader share one clock, and what the machine adds is measured: a figure must lie between what the dates of
sending and of seeing allow, on a loaded machine as well. `python -m benchmarks --only metrics` tells how close it is.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from shells import SHELLS, read

from sseor.chat import Metrics, Timeline
from sseor.chat.timeline import AT_ONCE, SHARE
from sseor.testing import Exchange, LoopbackServer
from sseor.testing.shapes import data_event

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")

READING = 1e-6
"""Seconds by which readings of the clock and sums of floats may differ."""


@dataclass
class Dated:
    """A server that waits so long before each of its chunks, and writes down when it sent them."""

    waits: tuple[float, ...]
    asked: float = 0.0
    sent: list[float] = field(default_factory=list)

    def __call__(self, exchange: Exchange) -> None:
        """Answer a request."""
        self.asked = time.monotonic()
        exchange.head()
        for number, wait in enumerate(self.waits):
            exchange.wait(wait)
            last = number == len(self.waits) - 1
            choice = {"index": 0, "delta": {"content": "x"}, "finish_reason": "stop" if last else None}
            self.sent.append(time.monotonic())
            exchange.send(data_event({"choices": [choice]}))
        exchange.send(b"data: [DONE]\n\n")


class Seen:
    """One answer of a dated server: its dates, those of a reader who takes so long for each text, and the figures."""

    def __init__(self, shell: str, server: Dated, caller: float = 0.0) -> None:
        self.server = server
        self.came: list[float] = []
        self.left: list[float] = []

        def take(item: Any) -> None:
            if getattr(item, "delta", ""):
                self.came.append(time.monotonic())
                time.sleep(caller)
                self.left.append(time.monotonic())

        with LoopbackServer(server) as running:
            self.began = time.monotonic()
            completion = read(shell, running.base_url, on_item=take).completion
        assert completion is not None
        assert len(self.came) == len(server.waits)
        self.timeline: Timeline = completion.timeline
        self.metrics: Metrics = completion.timeline.metrics()

    def first_token_is_true(self) -> None:
        """Check it: not shorter than the server knows it was, nor longer than its reader does."""
        assert self.timeline.first_token is not None
        least, most = self.server.sent[0] - self.server.asked, self.came[0] - self.began
        assert least - READING <= self.timeline.first_token <= most + READING

    @property
    def shortest(self) -> list[float]:
        """What each gap was at least, for a reader that waited: from the sight of one to the sending of the next."""
        pairs = zip(self.came, self.server.sent[1:], strict=False)
        return [max(sent - came - self.timeline.caller, 0.0) for came, sent in pairs]

    @property
    def longest(self) -> list[float]:
        """What each gap was at most: from the sending of one chunk to the sight of the next."""
        return [came - sent for sent, came in zip(self.server.sent, self.came[1:], strict=False)]


@pytest.mark.parametrize("shell", SHELLS)
def test_who_waits_in_next_sees_what_the_server_did(shell: str) -> None:
    """First token, longest gap, all gaps together and their median are those of the server."""
    seen = Seen(shell, Dated((0.3, 0.05, 0.5, 0.05)))
    seen.first_token_is_true()
    least, most, gaps = seen.shortest, seen.longest, seen.timeline.gaps
    assert max(least) - READING <= gaps.longest <= max(most) + READING
    assert sum(least) - READING <= gaps.total <= sum(most) + READING
    assert seen.metrics.gap_p50_ms is not None
    assert (
        sorted(least)[1] * 0.95 - READING
        <= seen.metrics.gap_p50_ms / 1000
        <= sorted(most)[1] * 1.05 + READING
    )
    assert (seen.timeline.chunks, gaps.count) == (4, 3)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("caller", [0.05, 0.18])
def test_a_caller_who_is_back_in_time_sees_the_gaps_whole(shell: str, caller: float) -> None:
    """Work between two chunks takes nothing off a gap, also where it fills most of it."""
    seen = Seen(shell, Dated((0.1, 0.2, 0.4, 0.2)), caller)
    seen.first_token_is_true()
    # What the timeline counts for the caller beyond that is how late the machine was.
    late = seen.timeline.caller - sum(left - came for came, left in zip(seen.came, seen.left, strict=True))
    in_time = all(
        sent - left - late > max(AT_ONCE, SHARE * (left - came + late))
        for came, left, sent in zip(seen.came, seen.left, seen.server.sent[1:], strict=False)
    )
    gaps = seen.timeline.gaps
    assert gaps.longest <= max(seen.longest) + READING
    assert gaps.total <= sum(seen.longest) + READING
    if in_time:  # else the machine was so late that the caller was away when a chunk came
        whole = [sent - came for came, sent in zip(seen.came, seen.server.sent[1:], strict=False)]
        assert gaps.longest >= max(whole) - READING
        assert gaps.total >= sum(whole) - READING
        assert seen.timeline.hidden == 0.0


@pytest.mark.parametrize("shell", SHELLS)
def test_a_slow_caller_makes_no_gap_longer(shell: str) -> None:
    """What came while the caller was away was there when it came back: only what it waited then is a gap."""
    seen = Seen(shell, Dated((0.1, 0.05, 0.05, 0.05)), caller=0.4)
    seen.first_token_is_true()
    bounds = []
    for came, left, then in zip(seen.came, seen.left, seen.came[1:], strict=False):
        waited, took = then - left, left - came
        at_once = waited < SHARE * took  # else the machine was so late that it looks like a silent server
        bounds.append(waited if at_once else then - seen.server.sent[0])
    assert seen.timeline.longest_gap <= max(bounds) + READING
    assert (
        seen.timeline.caller
        >= sum(left - came for came, left in zip(seen.came, seen.left, strict=True)) - READING
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_all_figures_are_in_order(shell: str) -> None:
    """Head, first byte, first chunk, first token, first text, last token, end: none is before the one before it."""
    seen = Seen(shell, Dated((0.05, 0.05)))
    [attempt] = seen.timeline.each_attempt
    for times in (seen.timeline, attempt):
        moments = [times.head, times.first_byte, times.first_chunk, times.first_token, times.first_text]
        moments += [times.last_token, times.ended]
        assert all(
            before is not None and after is not None and before <= after
            for before, after in itertools.pairwise([0.0, *moments])
        )
