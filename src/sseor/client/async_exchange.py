"""One HTTP exchange after another, for asyncio and trio: open, read up to a deadline, let go.

A native `task.cancel()` of asyncio can strike inside the clean-up of httpcore, whose shield stops only scope cancels,
and then leaks the connection. So the request is sent, and the response closed, in a child task: what reaches httpcore
there is always a scope cancel. Reads need no child: a cancellation that strikes one is held back (see `held`), and
what it interrupted is ended by the close that follows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.lowlevel

from sseor.stream import Expired, Head, Open, Pause, Read

from .budget import Budget, Clock, spending
from .held import Held
from .http import body_of, head_of, request_for
from .link import Link
from .network import on_asyncio

CLOSE_SECONDS = 1.0
"""How long letting go of a connection may take, whatever the peer does."""


class AsyncExchange:
    """The exchange at hand of one stream; `open` lets go of the one before."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._response: Any = None
        self._body: AsyncIterator[bytes] | None = None
        self._failure: Exception | None = None
        self._now: Clock = anyio.current_time
        self._keeps_deadlines = False
        self._budget = Budget(self._now, None)
        self._reading: Held[bytes] | None = None

    def now(self) -> float:
        """Return the reading of the event loop's clock."""
        return self._now()

    def enter(self) -> None:
        """Learn from the running event loop its clock, and whether the sockets end reads by themselves.

        `anyio.current_time` asks for the loop's library at each call, which costs microseconds at every read.
        """
        self._link.check_loop()
        if on_asyncio():
            self._now = asyncio.get_running_loop().time
            self._keeps_deadlines = self._link.owned

    async def perform(self, step: Open | Read | Pause) -> Any:
        """Do what a step asks for and return the answer to it; raises `Expired` or `Failed`."""
        if isinstance(step, Read):
            return await self.read(step.deadline)
        if isinstance(step, Open):
            return await self.open(step)
        await anyio.sleep_until(step.until)
        return self.now()

    async def open(self, step: Open) -> Head:
        """Send the request and return the head of its response; raises `Expired` or `Failed`."""
        await self.close()
        self._link.check()
        budget = self._budget = Budget(self._now, step.connect)
        while self._response is None:
            request = request_for(self._link.http, self._link.endpoint, step)
            with spending(budget, step.deadline), anyio.CancelScope(deadline=step.deadline) as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._send, request)
            if scope.cancelled_caught:
                raise Expired(self._now())
            if self._failure is not None:
                signal = self._link.signal(self._failure, self._now(), step.deadline, in_body=False)
                if not self._link.was_stale(signal, budget):
                    raise signal from self._failure
        self._body = aiter(body_of(self._response))
        return head_of(self._response, self._now())

    async def read(self, deadline: float) -> tuple[bytes, float]:
        """Return the next bytes of the body, b"" at its end, and when they came; raises `Expired` or `Failed`."""
        assert self._body is not None
        data = b""
        try:
            if self._keeps_deadlines:
                with spending(self._budget, deadline):
                    self._reading = Held(self._body.__anext__())
                    data = await self._reading
            else:
                with anyio.CancelScope(deadline=deadline) as scope:
                    data = await anext(self._body, b"")
                if scope.cancelled_caught:
                    raise Expired(self._now())
        except StopAsyncIteration:
            pass
        except Expired:
            raise
        except Exception as error:
            raise self._link.signal(error, self._now(), deadline, in_body=True) from error
        return data, self._now()

    async def close(self) -> None:
        """Close the response: its connection goes back to the pool when it is at its end, else it is closed."""
        response, self._response = self._response, None
        body, self._body = self._body, None
        reading, self._reading = self._reading, None
        if response is not None:
            async with anyio.create_task_group() as group:
                group.start_soon(_close, response, body, reading)

    async def _send(self, request: Any) -> None:
        self._failure = None
        try:
            self._response = await self._link.http.send(request, stream=True, follow_redirects=False)
        except Exception as error:
            self._failure = error


async def _close(response: Any, body: Any, reading: Held[bytes] | None) -> None:
    with anyio.CancelScope(shield=True, deadline=anyio.current_time() + CLOSE_SECONDS):
        if reading is not None:
            await reading.end()
        with contextlib.suppress(Exception):
            await response.aclose()
        if body is not None:
            with contextlib.suppress(Exception):
                await body.aclose()
        # asyncio frees an aborted socket in its next turn.
        await anyio.lowlevel.checkpoint()
