"""An await whose cancellation is kept from what is awaited, so that it can be ended in another task.

A native `task.cancel()` of asyncio may come again while the clean-up after the first one still awaits something, and
no shield stops it. What httpcore holds is then lost. So a cancellation that strikes a read is not passed on into
httpcore; the read stays suspended where it is, and is cancelled in the child task that closes the response, which
nobody else can reach. Only for coroutines that hold no cancel scope open: a scope is left in the task that entered it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Held(Generic[T]):
    """Await it for the value of `suspended` (an object with `send` and `throw`); await `end()` when that was struck."""

    __slots__ = ("_suspended", "struck")

    def __init__(self, suspended: Any) -> None:
        self._suspended = suspended
        self.struck = False

    def __await__(self) -> Generator[Any, Any, T]:
        suspended = self._suspended
        try:
            awaited = suspended.send(None)
            while True:
                try:
                    sent = yield awaited
                except BaseException:
                    self.struck = True
                    raise
                awaited = suspended.send(sent)
        except StopIteration as stop:
            value: T = stop.value
            return value

    async def end(self) -> None:
        """Cancel what was left suspended, and let it clean up."""
        if self.struck:
            self.struck = False
            await _Ending(self._suspended)


class _Ending:
    __slots__ = ("_suspended",)

    def __init__(self, suspended: Any) -> None:
        self._suspended = suspended

    def __await__(self) -> Generator[Any, Any, None]:
        suspended = self._suspended
        try:
            awaited = suspended.throw(asyncio.CancelledError())
            while True:
                awaited = suspended.send((yield awaited))
        except (StopIteration, StopAsyncIteration, asyncio.CancelledError, Exception):
            return
