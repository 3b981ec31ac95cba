"""The replay log of one process: streams live in its memory, for a while after their end."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import anyio

from sseor.relay.log import FencedError, FullError, StreamExistsError
from sseor.relay.tail import Tail

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["MemoryLog"]


class _Stream:
    """One stream, and the writer of it."""

    def __init__(self, log: MemoryLog, owner: str, on_cancel: Callable[[], None], tail: Tail) -> None:
        self.owner = owner
        self.on_cancel = on_cancel
        self.tail = tail
        self.followers = 0
        self.unwatched_since = anyio.current_time()
        self._log = log

    async def append(self, records: Sequence[bytes]) -> None:
        """Keep the next records."""
        if self.tail.ended:
            raise FencedError
        self._log.grew(self.tail.add(records))

    async def end(self, terminal: bytes) -> None:
        """Keep the terminal record."""
        if self.tail.ended:
            return
        self._log.grew(self.tail.end(terminal))
        self._log.ended(self.tail)


class MemoryLog:
    """Keeps streams in memory: ended ones for `keep` seconds, or less where all would take more than `max_total`.

    Of each stream the last `max_records`, or `max_bytes`, are kept one by one, those before as a snapshot.
    """

    def __init__(
        self,
        *,
        keep: float = 600.0,
        max_records: int = 1024,
        max_bytes: int = 256 * 1024,
        max_total: int = 256 * 1024 * 1024,
    ) -> None:
        self._keep = keep
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._max_total = max_total
        self._streams: dict[str, _Stream] = {}
        self._expiries: dict[str, float] = {}  # of ended streams, the first to expire first
        self._size = 0

    async def open(self, stream: str, owner: str, on_cancel: Callable[[], None]) -> _Stream:
        """Begin a stream."""
        self._expire()
        if stream in self._streams:
            raise StreamExistsError
        self.grew(0)
        if self._size >= self._max_total:
            raise FullError
        tail = Tail(stream, secrets.token_hex(4), max_records=self._max_records, max_bytes=self._max_bytes)
        opened = self._streams[stream] = _Stream(self, owner, on_cancel, tail)
        return opened

    async def owner(self, stream: str) -> str | None:
        """Return whose stream it is, or None."""
        self._expire()
        found = self._streams.get(stream)
        return None if found is None else found.owner

    async def follow(self, stream: str) -> Tail | None:
        """Return the stream's tail, or None."""
        self._expire()
        found = self._streams.get(stream)
        if found is None:
            return None
        found.followers += 1
        return found.tail

    def unfollow(self, tail: Tail) -> None:
        """Count one follower less."""
        found = self._streams.get(tail.stream)
        if found is not None:
            found.followers -= 1
            found.unwatched_since = anyio.current_time()
            if not found.followers:
                tail.unshare()

    async def unwatched(self, stream: str) -> float:
        """Return for how long nobody has followed the stream."""
        found = self._streams[stream]
        return 0.0 if found.followers else anyio.current_time() - found.unwatched_since

    async def cancel(self, stream: str) -> None:
        """Ask the writer to end the stream."""
        found = self._streams.get(stream)
        if found is not None and not found.tail.ended:
            found.on_cancel()

    async def aclose(self) -> None:
        """Forget all streams."""
        self._streams.clear()
        self._expiries.clear()
        self._size = 0

    def grew(self, by: int) -> None:
        """Count bytes, and forget the oldest of the ended streams while there are too many."""
        self._size += by
        while self._size > self._max_total and self._expiries:
            self._forget(next(iter(self._expiries)))

    def ended(self, tail: Tail) -> None:
        """Note that a stream is kept for a limited time from now on."""
        if tail.stream in self._streams:
            self._expiries[tail.stream] = anyio.current_time() + self._keep

    def _expire(self) -> None:
        now = anyio.current_time()
        while self._expiries:
            stream, expiry = next(iter(self._expiries.items()))
            if expiry > now:
                break
            self._forget(stream)

    def _forget(self, stream: str) -> None:
        del self._expiries[stream]
        self._size -= self._streams.pop(stream).tail.size
