"""The streams of one shard, as one process has to do with them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from sseor.relay.log import StreamExistsError
from sseor.relay.records import INTERRUPTED
from sseor.relay.redis.commands import Commands, UnavailableError
from sseor.relay.redis.era import Era
from sseor.relay.redis.keeper import Keeper
from sseor.relay.redis.reader import Followed, Reader
from sseor.relay.redis.scripts import CANCEL, OPEN, UNWATCHED
from sseor.relay.redis.writer import RedisWriter
from sseor.relay.tail import Tail

if TYPE_CHECKING:
    from collections.abc import Callable

    from sseor.relay.redis.commands import Client
    from sseor.relay.redis.place import Place

__all__ = ["Shard"]


class Shard:
    """Holds two connections: one for the blocking read, one for everything else."""

    def __init__(self, client: Client, place: Place, number: int) -> None:
        self._place = place
        self._number = number
        self._commands = Commands(client, place.patience)
        self._writers: dict[str, RedisWriter] = {}
        wake_key = place.wake_key(number, place.worker)
        self._reader = Reader(client, self._commands, place, wake_key, self._cancel_here)
        self._followed = self._reader.followed
        self._era = Era(self._commands, place.era_key(number), place.lease)
        self._keeper = Keeper(
            self._commands, place, wake_key, self._era, followed=self._followed, writers=self._writers
        )
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(one.run()) for one in (self._reader, self._keeper)]

    async def open(
        self, stream: str, owner: str, generation: str, on_cancel: Callable[[], None]
    ) -> RedisWriter:
        """Begin a stream."""
        if stream in self._writers:
            raise StreamExistsError
        place, keys = self._place, self._place.keys(stream)
        times = (round(place.lease * 1000), round(place.live * 1000))
        epoch = await self._commands.run(OPEN, keys, generation, owner, place.worker, *times)
        if not epoch:
            raise StreamExistsError
        if stream in self._followed:  # Redis has lost the one of that name
            self._followed.pop(stream).tail.end(INTERRUPTED)
        tail = Tail(stream, generation, max_records=place.max_records, max_bytes=place.max_bytes)
        writer = RedisWriter(
            tail,
            self._commands,
            place,
            owner=owner,
            epoch=epoch.decode(),
            on_cancel=on_cancel,
            on_over=self._hand_over,
        )
        self._writers[stream] = writer
        self._followed[stream] = Followed(tail, keys, writer.epoch, None)
        return writer

    async def owner(self, stream: str) -> str | None:
        """Return whose stream it is."""
        if stream in self._writers:
            return self._writers[stream].owner
        found = await self._commands.ask("HGET", self._place.keys(stream).meta, "owner")
        if found is None:
            await self._miss()
            return None
        return str(found, "utf-8")

    async def follow(self, stream: str) -> Tail | None:
        """Return the stream's tail, counting one follower more."""
        if (followed := self._followed.get(stream)) is not None:
            await self._freshen(stream, followed)
            followed = self._followed.get(stream)  # the last follower may have left meanwhile
        if followed is None:
            if (loaded := await self._reader.load(stream)) is None:
                await self._miss()
                return None
            followed = self._followed.setdefault(stream, loaded)  # somebody may have loaded it meanwhile
            self._reader.wake()
        followed.followers += 1
        if followed.followers == 1:
            self._keeper.watch(followed.keys, self._place.lease)
        return followed.tail

    async def _freshen(self, stream: str, followed: Followed) -> None:
        """Have the tail hold all that any process may have given to a viewer, who comes here next."""
        tail = followed.tail
        generation, last = await self._commands.ask("HMGET", followed.keys.meta, "generation", "last")
        is_behind = last is not None and int(last) > tail.last and not tail.ended
        if stream in self._writers:
            if is_behind:
                await self._writers[stream].settled()
        elif generation not in (None, tail.generation.encode()):  # it was lost, and another has its name
            if not tail.ended:
                tail.end(INTERRUPTED)
            self._followed.pop(stream, None)
        elif is_behind:
            await self._reader.catch_up(followed)

    async def _miss(self) -> None:
        """Raise UnavailableError where a stream that is not there may be written anew."""
        await self._era.look()
        if self._era.is_new:
            raise UnavailableError("Redis has lost what it had")

    def unfollow(self, tail: Tail) -> None:
        """Count one follower less."""
        followed = self._followed.get(tail.stream)
        if followed is None or followed.tail is not tail:  # it was cut
            return
        followed.followers -= 1
        if not followed.followers:
            self._keeper.watch(followed.keys, 0)
            if tail.stream not in self._writers:
                del self._followed[tail.stream]

    async def unwatched(self, stream: str) -> float:
        """Return for how many seconds nobody has followed the stream."""
        found = await self._commands.run(UNWATCHED, (self._place.keys(stream).watchers,))
        return (found or 0) / 1000

    async def cancel(self, stream: str) -> None:
        """Ask the writer to end the stream."""
        if stream in self._writers:
            self._cancel_here(stream)
            return
        worker = await self._commands.run(CANCEL, (self._place.keys(stream).meta,))
        if worker is not None:
            key = self._place.wake_key(self._number, worker.decode())
            self._commands.send("XADD", key, "MAXLEN", "~", 1000, "*", "c", stream)

    async def aclose(self) -> None:
        """Let go of everything; what this process still wrote is in other hands."""
        self._reader.close()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for writer in list(self._writers.values()):
            writer.give_up()
        await self._commands.aclose()

    def _cancel_here(self, stream: str) -> None:
        if stream in self._writers:
            self._writers[stream].cancel()

    def _hand_over(self, writer: RedisWriter) -> None:
        """Read from Redis what else becomes of a stream that is written here no longer."""
        tail = writer.tail
        del self._writers[tail.stream]
        followed = self._followed[tail.stream]
        if not followed.followers:
            del self._followed[tail.stream]
        elif not tail.ended:
            followed.position = f"{writer.epoch}-{tail.last}".encode()
            self._reader.wake()
