"""One reader of one stream: an async iterator of bytes, for any server that can send them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio

from sseor.relay.formats import HEARTBEAT

if TYPE_CHECKING:
    from typing import Self

    from sseor.relay.formats import Format
    from sseor.relay.log import Log
    from sseor.relay.run import Run
    from sseor.relay.tail import Tail

__all__ = ["Viewer"]


class Viewer:
    """Gives whole events, the first bytes at once; ends after the terminal record, or when it is told to leave.

    It keeps its place in the stream and nothing else: one that is slow holds up nobody. `headers` go with an answer
    that has its bytes as the body. `run` is the run that serves this viewer alone.
    """

    __slots__ = (
        "__weakref__",
        "_begun",
        "_leave",
        "_left",
        "_place",
        "_scope",
        "_writing",
        "headers",
        "log",
        "owner",
        "run",
        "sending_since",
        "tail",
    )

    def __init__(
        self,
        tail: Tail,
        place: int,
        writing: Format,
        leave: Callable[[Viewer], None],
        *,
        log: Log,
        owner: str,
        run: Run | None = None,
    ) -> None:
        self.tail = tail
        self.headers = writing.headers
        self.log = log
        self.owner = owner
        self.run = run
        self.sending_since: float | None = None
        self._place = place
        self._writing = writing
        self._leave = leave
        self._begun = False
        self._left = False
        self._scope: anyio.CancelScope | None = None

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to give, now or later."""
        return self.tail.ended and self._place == self.tail.last

    def cut_by(self, scope: anyio.CancelScope) -> None:
        """Cancel this scope when dropped: it encloses the sending."""
        self._scope = scope

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self.sending_since = None
        data = b"" if self._begun else self._writing.prelude
        self._begun = True
        try:
            while not self._left and not self._writing.over:
                if (batch := self.tail.after(self._place)) is not None:
                    self._place = batch.last
                    data += self._writing.write(batch)
                if data:
                    break
                if batch is None:
                    if self.tail.ended or self.tail.is_cut:
                        break
                    beats = self.tail.beats
                    await self.tail.changed()
                    if beats != self.tail.beats:
                        data = HEARTBEAT
        except BaseException:
            self.leave()
            raise
        if self._left or not (data or self.tail.ended):
            data = self._writing.cut()
        if not data:
            self.leave()
            raise StopAsyncIteration
        self.sending_since = anyio.current_time()
        return data

    def leave(self) -> None:
        """Look no longer; the stream goes on."""
        if not self._left:
            self._left = True
            self._leave(self)

    def drop(self) -> None:
        """End it from outside, also while it waits or its bytes are being sent."""
        self.leave()
        self.tail.wake()
        if self._scope is not None:
            self._scope.cancel()

    async def aclose(self) -> None:
        """Look no longer."""
        self.leave()

    def __del__(self) -> None:
        self.leave()
