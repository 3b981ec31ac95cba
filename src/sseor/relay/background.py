"""Tasks that outlive the request that began them."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["spawn"]

_tasks: set[asyncio.Task[None]] = set()  # an event loop alone would not keep a task alive


def spawn(function: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], object]:
    """Run a function, which is not to raise, beside everything else; return what cancels it.

    It runs until it returns or the event loop ends. Not in a task group: an application that is mounted in another is
    told of no beginning and no end.
    """
    context = contextvars.copy_context()
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        import trio

        scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                await function()

        trio.lowlevel.spawn_system_task(run, context=context)
        return scope.cancel
    task = loop.create_task(function(), context=context)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return task.cancel
