"""The one who writes a stream, as long as its lease holds."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import anyio

from sseor.relay.log import FencedError, FullError
from sseor.relay.redis.commands import UnavailableError
from sseor.relay.redis.scripts import APPEND, END, FENCED, KEPT, LOST, REWRITE
from sseor.relay.tail import payload_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sseor.relay.redis.commands import Commands
    from sseor.relay.redis.place import Place
    from sseor.relay.redis.scripts import Script
    from sseor.relay.tail import Tail

__all__ = ["RedisWriter"]

RETRY = 0.1
"""Seconds between two attempts."""


class RedisWriter:
    """Keeps records in Redis first, then in the tail that this process's viewers read.

    Each answer of Redis renews the lease. A writer that has had none for so long gives up: others may have ended the
    stream meanwhile. Within that time it writes anew whatever Redis has lost.
    """

    def __init__(
        self,
        tail: Tail,
        commands: Commands,
        place: Place,
        *,
        owner: str,
        epoch: str,
        on_cancel: Callable[[], None],
        on_over: Callable[[RedisWriter], None],
    ) -> None:
        self.tail = tail
        self.epoch = epoch
        self.owner = owner
        self.over = False
        self._commands = commands
        self._place = place
        self._keys = place.keys(tail.stream)
        self._on_cancel = on_cancel
        self._on_over = on_over
        self._cancelled = False
        self._turn = asyncio.Lock()
        self._folded = 0  # what Redis has as a snapshot, and the bytes that it has got since
        self._since = 0
        self._answered = asyncio.get_running_loop().time()

    async def append(self, records: Sequence[bytes]) -> None:
        """Keep the next records."""
        with anyio.CancelScope(shield=True):
            async with self._turn:
                await self._keep(APPEND, b"r", records)
                self.tail.add(records)

    async def end(self, terminal: bytes) -> None:
        """Keep the terminal record."""
        with anyio.CancelScope(shield=True):
            async with self._turn:
                try:
                    await self._keep(END, b"e", [terminal])
                except FencedError:
                    return
                self.tail.end(terminal)
                self._let_go()

    async def renew(self) -> None:
        """Renew the lease when a third of it has passed; unless a record is on its way, which does so as well."""
        waited = asyncio.get_running_loop().time() - self._answered
        if waited < self._place.lease / 3 or self._turn.locked():
            return
        async with self._turn:
            with contextlib.suppress(FencedError):  # its source has been told
                await self._attempt(END, b"r", ())

    async def settled(self) -> None:
        """Wait until what is on its way has arrived, or never will."""
        async with self._turn:
            pass

    def cancel(self) -> None:
        """Tell the source that it is to end, once."""
        if not self._cancelled:
            self._cancelled = True
            self._on_cancel()

    def give_up(self) -> None:
        """Write nothing more: the stream is in other hands."""
        self._let_go()
        self.cancel()

    def _let_go(self) -> None:
        if not self.over:
            self.over = True
            self._on_over(self)

    async def _keep(self, script: Script, field: bytes, records: Sequence[bytes]) -> None:
        # Nothing tells when Redis is back.
        while not await self._attempt(script, field, records):  # noqa: ASYNC110
            await asyncio.sleep(RETRY)

    async def _attempt(self, script: Script, field: bytes, records: Sequence[bytes]) -> bool:
        """Return whether the records are kept, which is not known otherwise; FencedError when they will never be."""
        if self.over:
            raise FencedError
        asked = asyncio.get_running_loop().time()
        try:
            status, *rest = await self._ask(script, field, records)
            if status == LOST and not self._is_late():
                status, *rest = await self._rewrite(records if field == b"r" else ())
                if status == KEPT and field == b"e":
                    return False
        except (UnavailableError, FullError):
            if not self._is_late():
                return False
            status = FENCED
        if status != KEPT:
            self.give_up()
            raise FencedError
        self._answered = asked
        if rest[0]:
            self.cancel()
        return True

    def _is_late(self) -> bool:
        return asyncio.get_running_loop().time() - self._answered > self._place.lease

    async def _ask(self, script: Script, field: bytes, records: Sequence[bytes]) -> list[int]:
        place, tail, data = self._place, self.tail, b"\n".join(records)
        life = place.keep if field == b"e" else place.live
        # A snapshot is written when it stands for as much as it takes: a long stream is not written over and over.
        folding = tail.folded > self._folded and self._since >= tail.folded_bytes
        fold = (tail.folded, tail.snapshot()) if folding else ()
        reply: list[int] = await self._commands.run(
            script,
            self._keys,
            tail.generation,
            tail.last,
            tail.last + len(records),
            field,
            data,
            _ms(place.lease),
            _ms(life),
            *fold,
        )
        if reply[0] == KEPT:
            self._since += len(data)
            if fold:
                self._folded, self._since = fold[0], 0
        return reply

    async def _rewrite(self, records: Sequence[bytes]) -> list[int]:
        """Write all that there is, and these: somebody may have read them before they were lost."""
        place, tail = self._place, self.tail
        whole = [*map(payload_of, tail.blocks_after(tail.folded)), *records]
        reply: list[int] = await self._commands.run(
            REWRITE,
            self._keys,
            tail.generation,
            self.owner,
            place.worker,
            _ms(place.lease),
            _ms(place.live),
            self.epoch,
            tail.last + len(records),
            tail.folded,
            tail.snapshot() if tail.folded else b"",
            b"\n".join(whole),
        )
        if reply[0] == KEPT:
            self._folded, self._since = tail.folded, sum(map(len, whole))
        return reply


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
