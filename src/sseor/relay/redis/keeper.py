"""What has to be done again and again: leases renewed, the dead found, and who looks noted."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from sseor.relay.records import INTERRUPTED
from sseor.relay.redis.commands import UnavailableError
from sseor.relay.redis.scripts import INTERRUPT, WATCH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sseor.relay.redis.commands import Commands
    from sseor.relay.redis.era import Era
    from sseor.relay.redis.place import Keys, Place
    from sseor.relay.redis.reader import Followed
    from sseor.relay.redis.writer import RedisWriter

__all__ = ["Keeper"]

LOOK = 0.4
"""Seconds between two looks; whose lease is missing twice running is dead, so a second passes at most."""

AT_ONCE = 1000
"""Leases in one question."""


class Keeper:
    """Keeps the streams that one process writes, and watches over those that it reads, of one shard."""

    def __init__(
        self,
        commands: Commands,
        place: Place,
        wake_key: str,
        era: Era,
        *,
        followed: Mapping[str, Followed],
        writers: Mapping[str, RedisWriter],
    ) -> None:
        self._commands = commands
        self._place = place
        self._wake_key = wake_key
        self._era = era
        self._followed = followed
        self._writers = writers
        self._step = min(LOOK, place.lease / 6)
        self._renewals: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Keep for ever."""
        loop = asyncio.get_running_loop()
        noted = -self._place.lease
        while True:
            await asyncio.sleep(self._step)
            for writer in self._writers.values():
                task = loop.create_task(writer.renew())
                self._renewals.add(task)
                task.add_done_callback(self._renewals.discard)
            if loop.time() - noted > self._place.lease / 3:
                noted = loop.time()
                self._note_watching()
                with contextlib.suppress(UnavailableError):
                    await self._era.look()
            await self._look()

    def watch(self, keys: Keys, seconds: float) -> None:
        """Note that this process follows a stream, for so long; 0: no longer."""
        self._commands.send("EVAL", WATCH.text, 1, keys.watchers, self._place.worker, round(seconds * 1000))

    def _note_watching(self) -> None:
        for one in self._followed.values():
            if one.followers and not one.tail.ended:
                self.watch(one.keys, self._place.lease)
        self._commands.send("PEXPIRE", self._wake_key, round(self._place.live * 1000))

    async def _look(self) -> None:
        """End streams whose writers are dead, and those that are gone from Redis."""
        reading = [one for one in self._followed.values() if one.is_read]
        try:
            for start in range(0, len(reading), AT_ONCE):
                await self._look_at(reading[start : start + AT_ONCE])
        except UnavailableError:
            # Who could not be heard is not dead: its writer gets as long as we to come back.
            for one in reading:
                one.absences = 0

    async def _look_at(self, reading: list[Followed]) -> None:
        leases = await self._commands.ask("MGET", *(one.keys.lease for one in reading))
        for one, lease in zip(reading, leases, strict=True):
            one.absences = 0 if lease == one.tail.generation.encode() else one.absences + 1
            if one.absences >= 2:
                await self._interrupt(one)

    async def _interrupt(self, one: Followed) -> None:
        meta, log, lease, _ = one.keys
        keep = round(self._place.keep * 1000)
        arguments = (one.tail.generation, INTERRUPTED, keep)
        found = await self._commands.run(INTERRUPT, (meta, log, lease), *arguments)
        # A writer may yet write anew what Redis has lost, as long as its lease would last.
        patience = 1.5 * self._place.lease
        if found < 0 and one.absences * self._step > patience and not one.tail.ended:
            one.tail.end(INTERRUPTED)
