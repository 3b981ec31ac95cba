"""One blocking read for all streams that a process follows."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from sseor.relay.records import INTERRUPTED
from sseor.relay.redis.blocking import BlockingRead, packed
from sseor.relay.redis.scripts import FOLLOW
from sseor.relay.tail import Tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sseor.relay.redis.blocking import Entry
    from sseor.relay.redis.commands import Client, Commands
    from sseor.relay.redis.place import Keys, Place

__all__ = ["Followed", "Reader"]

BLOCK = 1.0
"""Seconds until a read returns by itself: a wake that was lost costs no more."""

PAUSE, PAUSE_PER_STREAM = 0.002, 0.00002
"""Seconds between two reads, at most, and for each stream: a read names them all, so that its cost grows with them."""

RETRY = 0.1
"""Seconds until another attempt to reach Redis."""

logger = logging.getLogger("sseor.relay")


class Followed:
    """One stream as this process follows it. `position` is the last entry read; None: a writer here fills the tail."""

    def __init__(self, tail: Tail, keys: Keys, epoch: str, position: bytes | None) -> None:
        self.tail = tail
        self.keys = keys
        self.log_key = keys.log.encode()
        self.packed_key = packed(self.log_key)
        self.epoch = epoch
        self.position = position
        self.followers = 0
        self.absences = 0
        self.is_behind = False

    @property
    def is_read(self) -> bool:
        """Whether more is to come, from Redis."""
        return self.position is not None and not self.tail.ended

    def take(self, entries: Iterable[Entry]) -> None:
        """Take entries into the tail; `is_behind` afterwards where some before them are missing."""
        for entry, field, data in entries:
            epoch, _, last = entry.decode().partition("-")
            records = [data] if field == b"e" else data.split(b"\n")
            missed = int(last) - len(records) - self.tail.last
            # Whoever ends a stream in its writer's place uses the next epoch. Any other is that of another stream of
            # the same name: this one was lost.
            age = int(epoch) - int(self.epoch)
            if age and (field, age) != (b"e", 1):
                self.tail.end(INTERRUPTED)
                return
            if missed > 0:
                self.is_behind = True
                return
            self.position = entry
            if field == b"e":
                # Who ended it in the writer's place may know less of it than was read before a failover.
                self.tail.end(data)
                return
            if fresh := records[-missed:] if missed else records:
                self.tail.add(fresh)


class Reader:
    """Follows streams of one shard, with one connection; a viewer more costs Redis nothing."""

    def __init__(
        self,
        client: Client,
        commands: Commands,
        place: Place,
        wake_key: str,
        on_cancel: Callable[[str], None],
    ) -> None:
        self.followed: dict[str, Followed] = {}
        self._ask = BlockingRead(client, BLOCK)
        self._commands = commands
        self._place = place
        self._wake_key = wake_key.encode()
        self._on_cancel = on_cancel
        self._wake_position = b"0"
        self._is_waiting = False
        self._is_closed = False
        self._heard = asyncio.get_running_loop().time()

    async def load(self, stream: str) -> Followed | None:
        """Read a stream as it is now; None when there is none. Raises UnavailableError."""
        keys, place = self._place.keys(stream), self._place
        found = await self._load(keys)
        if found is None:
            return None
        generation, epoch, folded, snapshot, entries = found
        tail = Tail(stream, generation.decode(), max_records=place.max_records, max_bytes=place.max_bytes)
        if int(folded):
            tail.restore(snapshot, int(folded))
        followed = Followed(tail, keys, epoch.decode(), b"0")
        followed.take(_flat(entries))
        return followed

    def wake(self) -> None:
        """Have the reading go on with what is followed now."""
        if self._is_waiting:
            self._is_waiting = False
            self._commands.send("XADD", self._wake_key, "MAXLEN", "~", 1000, "*", "f", "")

    async def run(self) -> None:
        """Read until it is closed."""
        try:
            await self._read_on()
        finally:
            await self._ask.aclose()

    def close(self) -> None:
        """Read no more; to be cancelled as well, lest it takes as long as a read."""
        self._is_closed = True

    async def _read_on(self) -> None:
        # A client with a time limit of its own may swallow a cancellation (asyncio.wait_for of Python 3.11).
        while not self._is_closed:
            try:
                for followed in [one for one in self.followed.values() if one.is_behind and one.is_read]:
                    await self.catch_up(followed)
                self._take(await self._read())
                await asyncio.sleep(min(PAUSE, PAUSE_PER_STREAM * len(self.followed)))
            except Exception as error:
                self._cut_when_lost(error)
                await asyncio.sleep(RETRY)

    async def _load(self, keys: Keys) -> Any:
        watched = round(self._place.lease * 1000)
        return await self._commands.run(
            FOLLOW, (keys.meta, keys.log, keys.watchers), self._place.worker, watched
        )

    async def catch_up(self, followed: Followed) -> None:
        """Take what there is, with the snapshot in the place of what Redis no longer has one by one."""
        found, tail = await self._load(followed.keys), followed.tail
        if found is None or tail.ended:  # what Redis has lost may be written anew
            return
        followed.is_behind = False
        if found[0].decode() != tail.generation:
            tail.end(INTERRUPTED)
            return
        if int(found[2]) > tail.last:
            tail.restore(found[3], int(found[2]))
        followed.take(_flat(found[4]))
        if followed.is_behind:  # evicted, against all rules
            tail.end(INTERRUPTED)

    async def _read(self) -> Iterable[tuple[bytes, list[Entry]]]:
        keys, packed_keys, positions = [self._wake_key], [packed(self._wake_key)], [self._wake_position]
        for one in self.followed.values():
            if (position := one.position) is not None and not one.tail.ended:
                keys.append(one.log_key)
                packed_keys.append(one.packed_key)
                positions.append(position)
        self._is_waiting = True
        try:
            async with asyncio.timeout(BLOCK + self._place.patience):
                found = await self._ask(keys, packed_keys, positions)
        finally:
            self._is_waiting = False
        self._heard = asyncio.get_running_loop().time()
        return found

    def _take(self, found: Iterable[tuple[bytes, list[Entry]]]) -> None:
        of_key = {one.log_key: one for one in self.followed.values()}
        for key, entries in found:
            if key == self._wake_key:
                self._take_wakes(entries)
            elif (followed := of_key.get(key)) is not None and followed.is_read:
                followed.take(entries)

    def _take_wakes(self, entries: Iterable[Entry]) -> None:
        for entry, field, data in entries:
            self._wake_position = entry
            if field == b"c":
                self._on_cancel(data.decode())

    def _cut_when_lost(self, error: Exception) -> None:
        """Cut what viewers read once Redis has been away for as long as a lease: they shall come back."""
        if asyncio.get_running_loop().time() - self._heard < self._place.lease:
            return
        cut = [name for name, one in self.followed.items() if one.is_read]
        if cut:
            logger.warning("Redis is away, %d streams are cut: %r", len(cut), error)
        for name in cut:
            self.followed.pop(name).tail.cut()


def _flat(entries: list[Any]) -> list[Entry]:
    return [(entry, fields[0], fields[1]) for entry, fields in entries]
