"""One answer on its way into the log: read, smoothed, numbered, and ended with exactly one terminal record."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from sseor.chat import Finished, Heartbeat, Reasoning, Refusal, Text
from sseor.errors import SseorError
from sseor.relay import records
from sseor.relay.codes import code_of
from sseor.relay.log import FencedError
from sseor.relay.smoothing import Smoother

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from sseor.relay.limits import Limits
    from sseor.relay.log import Log, Writer
    from sseor.relay.records import Relayed
    from sseor.relay.smoothing import Smoothing

__all__ = ["Run"]

TURN = 128
"""Events after which others get their turn, although the source has more at once: half a millisecond."""

PARTING = 5.0
"""Seconds at most for the terminal record, and again for upstream to close."""

PIECES = (Text, Reasoning, Refusal)
CONTENT = (*PIECES, str)

logger = logging.getLogger("sseor.relay")


class Run:
    """Reads `events` to their end, into the log; `stop` ends it before."""

    def __init__(
        self,
        stream: str,
        events: AsyncIterable[Relayed],
        log: Log,
        *,
        owner: str,
        smoothing: Smoothing | None,
        grace: float | None,
        limits: Limits,
    ) -> None:
        self.stream = stream
        self.owner = owner
        self._events = events
        self.log = log
        self._smoother = None if smoothing is None else Smoother(smoothing)
        self._grace = grace
        self._limits = limits
        self._scope = anyio.CancelScope()
        self._terminal: bytes | None = None
        self._finish_reason: str | None = None
        self._partial = False
        self._bytes = 0
        self._pending: list[bytes] = []
        self._appending = False
        self._holding: anyio.Event | None = None
        self._writer: Writer

    async def open(self) -> None:
        """Begin the stream in the log."""
        self._writer = await self.log.open(self.stream, self.owner, self.stop)

    def stop(self, terminal: bytes = records.CANCELLED) -> None:
        """End it, with this terminal record unless it has ended already."""
        self._terminal = self._terminal or terminal
        self._scope.cancel()

    async def read(self) -> None:
        """Read to the end, whatever it is; raises nothing but the cancellation of the event loop itself."""
        self._scope.deadline = anyio.current_time() + self._limits.max_duration
        try:
            with self._scope:
                async with anyio.create_task_group() as group:
                    if self._smoother is not None:
                        group.start_soon(self._flush_late, self._smoother)
                    if self._grace is not None:
                        group.start_soon(self._watch, self._grace)
                    await self._pull()
                    group.cancel_scope.cancel()
            if self._terminal is None:
                self._fail("deadline", retryable=False)
        finally:
            await self._conclude()

    async def _pull(self) -> None:
        turn = 0
        try:
            async for event in self._events:
                self._take(event)
                if self._pending:
                    await self._append()
                turn += 1
                if turn == TURN:
                    turn = 0
                    await anyio.lowlevel.checkpoint()
            self._terminal = self._terminal or records.done(self._finish_reason)
        except Exception as error:
            self._fail_by(error)

    def _take(self, event: Relayed) -> None:
        if isinstance(event, Heartbeat):
            return
        if self._smoother is None:
            self._add(event)
        else:
            self._smooth(self._smoother, Text(event) if isinstance(event, str) else event)

    def _smooth(self, smoother: Smoother, event: Relayed) -> None:
        if isinstance(event, PIECES):
            for piece in smoother.add(event, anyio.current_time()):
                self._add(piece)
            if self._holding is not None and smoother.due is not None:
                self._holding.set()
        else:
            for piece in smoother.flush():
                self._add(piece)
            self._add(event)

    def _add(self, event: Relayed) -> None:
        record = records.encode(event)
        if isinstance(event, Finished):
            if event.choice == 0:
                self._finish_reason = records.finish_word(event.reason)
        elif not self._partial:
            self._partial = isinstance(event, CONTENT)
        self._bytes += len(record)
        if self._bytes <= self._limits.max_bytes:
            self._pending.append(record)
        else:
            self._fail("too_large", retryable=False)
            self._scope.cancel()

    async def _append(self) -> None:
        """Put what is pending into the log; what comes while the log is busy goes with its next batch."""
        if self._appending:
            return
        self._appending = True
        try:
            while self._pending:
                batch, self._pending = self._pending, []
                await self._writer.append(batch)
        finally:
            self._appending = False

    async def _flush_late(self, smoother: Smoother) -> None:
        """Give what has been held for too long, although nothing comes."""
        try:
            while True:
                due = smoother.due
                if due is None:
                    self._holding = anyio.Event()
                    await self._holding.wait()
                else:
                    await anyio.sleep_until(due)
                    for piece in smoother.late(anyio.current_time()):
                        self._add(piece)
                    await self._append()
        except Exception as error:
            self._fail_by(error)
            self._scope.cancel()

    async def _watch(self, grace: float) -> None:
        """Stop once nobody has looked for the grace period."""
        # A log may live elsewhere: it is asked.
        while (left := grace - await self.log.unwatched(self.stream)) > 0:  # noqa: ASYNC110
            await anyio.sleep(left)
        self.stop()

    def _fail(self, code: str, *, retryable: bool) -> None:
        failed = records.failed(code, retryable=retryable, partial=self._partial)
        self._terminal = self._terminal or failed

    def _fail_by(self, error: Exception) -> None:
        code = code_of(error)
        if isinstance(error, FencedError):  # the log has the end of it, or will have
            logger.warning("a relayed stream was ended by others, or its log cannot be reached")
        elif code == "internal":
            logger.error("a relayed stream failed", exc_info=error)
        else:
            logger.warning("a relayed stream ended with %s: %r", code, error)
        self._fail(code, retryable=isinstance(error, SseorError) and error.retryable)

    async def _conclude(self) -> None:
        with anyio.CancelScope(deadline=anyio.current_time() + PARTING, shield=True):
            try:
                for piece in self._smoother.flush() if self._smoother is not None else ():
                    self._add(piece)
                await self._append()
            except Exception as error:
                self._fail_by(error)
            try:
                await self._writer.end(self._terminal or records.INTERRUPTED)
            except Exception as error:
                logger.error("the end of a relayed stream could not be kept", exc_info=error)
        with anyio.CancelScope(deadline=anyio.current_time() + PARTING, shield=True):
            await _close(self._events)


async def _close(events: Any) -> None:
    """Let go of the source, if it can be told to."""
    try:
        if hasattr(events, "aclose"):
            await events.aclose()
    except Exception as error:
        logger.warning("a relayed stream could not be closed: %r", error)
