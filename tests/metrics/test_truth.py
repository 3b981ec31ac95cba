"""The timeline against a server that writes down when it sends, on a real socket and in all three shells.

The bounds are wide, since the tests share their machine; `benchmarks/bench_metrics.py` measures how close it is.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field

import pytest
from shells import SHELLS, read

from sseor.chat import Metrics, Timeline
from sseor.testing import Exchange, LoopbackServer
from sseor.testing.shapes import data_event

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")
SLACK = 0.15


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

    @property
    def gaps(self) -> list[float]:
        """The times between two chunks."""
        return [after - before for before, after in itertools.pairwise(self.sent)]


def seen(shell: str, server: Dated, caller: float = 0.0) -> tuple[Timeline, Metrics]:
    """Return what the client says of an answer that its caller reads, taking so long for each item."""
    with LoopbackServer(server) as running:
        completion = read(shell, running.base_url, on_item=lambda item: time.sleep(caller)).completion
    assert completion is not None
    return completion.timeline, completion.timeline.metrics()


@pytest.mark.parametrize("shell", SHELLS)
def test_who_waits_in_next_sees_what_the_server_did(shell: str) -> None:
    """First token and gaps are those of the server, as far as loopback and a busy machine allow."""
    server = Dated((0.3, 0.05, 0.5, 0.05))
    timeline, metrics = seen(shell, server)
    assert timeline.first_token == pytest.approx(server.sent[0] - server.asked, abs=SLACK)
    assert timeline.longest_gap == pytest.approx(max(server.gaps), abs=SLACK)
    assert timeline.gaps.total == pytest.approx(sum(server.gaps), abs=SLACK)
    assert metrics.gap_p50_ms == pytest.approx(sorted(server.gaps)[1] * 1000, abs=SLACK * 1000)
    assert (timeline.chunks, timeline.gaps.count) == (4, 3)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_slow_caller_makes_no_gap_longer(shell: str) -> None:
    """A caller that takes longer than the server's gaps does not make them look longer than they are."""
    server = Dated((0.1, 0.05, 0.05, 0.05))
    timeline, _ = seen(shell, server, caller=0.4)
    assert timeline.longest_gap < max(server.gaps) + SLACK
    assert timeline.caller > 0.7
    assert timeline.first_token == pytest.approx(server.sent[0] - server.asked, abs=SLACK)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_pause_of_the_server_is_seen_whole_by_a_slow_caller(shell: str) -> None:
    """Where the caller comes back before the server goes on, the pause counts from the chunk before."""
    server = Dated((0.1, 0.8))
    timeline, _ = seen(shell, server, caller=0.2)
    assert timeline.longest_gap == pytest.approx(server.gaps[0], abs=SLACK)
