"""All who look at the streams of one relay: counted, given heartbeats, and let go when they take nothing."""

from __future__ import annotations

import math
import weakref
from collections import Counter
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from sseor.relay.background import spawn
from sseor.relay.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sseor.relay.limits import Limits
    from sseor.relay.tail import Tail
    from sseor.relay.viewer import Viewer

__all__ = ["Viewers"]

AT_ONCE = 64
"""Streams that beat before others get their turn."""


class Viewers:
    """Looks after all viewers with one task, which lives as long as there are any."""

    def __init__(self, limits: Limits, *, heartbeat: float, send_timeout: float) -> None:
        self._limits = limits
        self._heartbeat = heartbeat
        self._send_timeout = send_timeout
        self._all: weakref.WeakSet[Viewer] = weakref.WeakSet()  # one that is dropped leaves
        self._counts: Counter[str] = Counter()
        self._quiet: dict[Tail, tuple[int, int]] = {}  # the last number seen, and for how many looks
        self._looking = False

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Viewer]:
        return iter(list(self._all))

    def of(self, owner: str) -> int:
        """Return how many there are of this owner."""
        return self._counts[owner]

    def check_room(self, owner: str) -> None:
        """Raise RefusedError unless this owner may have another one; "" is nobody, whom only the total binds."""
        own = self._counts[owner] if owner else 0
        if len(self._all) >= self._limits.viewers or own >= self._limits.owner_viewers:
            raise RefusedError("too_many")

    def add(self, viewer: Viewer) -> None:
        """Look after one more."""
        self._all.add(viewer)
        self._counts[viewer.owner] += 1
        if not self._looking:
            self._looking = True
            spawn(self._look_after)

    def left(self, viewer: Viewer) -> None:
        """Forget one, and stop the run that served it alone."""
        viewer.log.unfollow(viewer.tail)
        self._all.discard(viewer)
        self._counts[viewer.owner] -= 1
        if not self._counts[viewer.owner]:
            del self._counts[viewer.owner]
        if viewer.run is not None:
            viewer.run.stop()

    async def _look_after(self) -> None:
        """Send heartbeats and let go of those who take nothing, for all of them at once; ends with the last."""
        step = min(self._heartbeat, self._send_timeout) / 3
        try:
            while self._all:
                await anyio.sleep(step)
                self._let_go_of_slow()
                await self._beat(round(self._heartbeat / step) - 1)
        finally:
            self._looking = False

    def _let_go_of_slow(self) -> None:
        limit = anyio.current_time() - self._send_timeout
        for viewer in self:
            if (viewer.sending_since or math.inf) < limit:
                viewer.drop()

    async def _beat(self, looks: int) -> None:
        """Beat in each stream that has been quiet for so many looks, a number of them at a time."""
        before, self._quiet = self._quiet, {}
        for number, tail in enumerate({viewer.tail for viewer in self._all}):
            last, quiet = before.get(tail, (-1, 0))
            quiet = quiet + 1 if last == tail.last else 0
            if quiet >= looks:
                tail.beat()
                quiet = 0
            self._quiet[tail] = (tail.last, quiet)
            if number % AT_ONCE == AT_ONCE - 1:
                await anyio.lowlevel.checkpoint()
