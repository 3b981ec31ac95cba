"""The replay log of many processes: streams live in Redis, or Valkey."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sseor.relay.redis.commands import UnavailableError, connect
from sseor.relay.redis.place import Place
from sseor.relay.redis.shard import Shard
from sseor.relay.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    from sseor.relay.redis.commands import Client
    from sseor.relay.redis.writer import RedisWriter
    from sseor.relay.tail import Tail

    T = TypeVar("T")

__all__ = ["RedisLog"]


class RedisLog:
    """Keeps streams in Redis 7 or later, or Valkey, for all processes that use the same `prefix` and `shards`.

    `redis` is a URL (`redis://`, `rediss://`, `unix://`), or a client of redis.asyncio, such as a cluster's or one of
    a sentinel, which stays the caller's. A stream whose writer has not been heard of for `lease` seconds ends as
    `interrupted`; one that has ended is kept for `keep` seconds, one that nobody ends for `live`. `max_records` and
    `max_bytes` are as those of `MemoryLog`. With more `shards` a cluster has streams on so many of its nodes, and each
    process two connections for each. For asyncio, in one event loop.

    Where Redis cannot be reached, RefusedError (`unavailable`) is raised.
    """

    def __init__(
        self,
        redis: str | Client,
        *,
        prefix: str = "sseor",
        shards: int = 1,
        lease: float = 10.0,
        keep: float = 600.0,
        live: float = 900.0,
        max_records: int = 1024,
        max_bytes: int = 256 * 1024,
    ) -> None:
        self._place = Place(prefix, shards, lease, live, keep, max_records, max_bytes)
        self._is_own = isinstance(redis, str)
        self._client: Client = connect(redis) if isinstance(redis, str) else redis
        self._shards: dict[int, Shard] = {}

    async def open(self, stream: str, owner: str, on_cancel: Callable[[], None]) -> RedisWriter:
        """Begin a stream."""
        return await _reached(self._shard(stream).open(stream, owner, secrets.token_hex(4), on_cancel))

    async def owner(self, stream: str) -> str | None:
        """Return whose stream it is, or None."""
        return await _reached(self._shard(stream).owner(stream))

    async def follow(self, stream: str) -> Tail | None:
        """Return the stream's tail, or None."""
        return await _reached(self._shard(stream).follow(stream))

    def unfollow(self, tail: Tail) -> None:
        """Count one follower less."""
        if self._shards:
            self._shard(tail.stream).unfollow(tail)

    async def unwatched(self, stream: str) -> float:
        """Return for how long nobody, in any process, has followed the stream; 0 also while Redis is away."""
        try:
            return await self._shard(stream).unwatched(stream)
        except UnavailableError:
            return 0.0

    async def cancel(self, stream: str) -> None:
        """Ask the writer, wherever it is, to end the stream."""
        await _reached(self._shard(stream).cancel(stream))

    async def aclose(self) -> None:
        """Let go of the connections. Streams that this process still writes end as `interrupted` with their lease."""
        shards, self._shards = self._shards, {}
        for shard in shards.values():
            await shard.aclose()
        if self._is_own:
            await self._client.aclose()

    def _shard(self, stream: str) -> Shard:
        number = self._place.shard(stream)
        if number not in self._shards:
            self._shards[number] = Shard(self._client, self._place, number)
        return self._shards[number]


async def _reached(asking: Awaitable[T]) -> T:
    try:
        return await asking
    except UnavailableError:
        raise RefusedError("unavailable") from None
