"""Scripts that deliver nothing and return one result, performed on threads and in async."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from sseor.stream import Expired, Failed, Open, Pause, Read

from .async_exchange import AsyncExchange
from .exchange import Exchange
from .link import Link

T = TypeVar("T")
Step = Open | Read | Pause
Errand = Callable[[float], Generator[Step, Any, T]]
"""A script that is started with the reading of the clock."""


def run_errand(errand: Errand[T], link: Link) -> T:
    """Perform an errand and return its result; the exchange is let go of however it ends."""
    exchange = Exchange(link)
    script = errand(time.monotonic())
    with contextlib.closing(exchange), contextlib.closing(script):
        move: Callable[[Any], Step] = script.send
        answer: Any = None
        while True:
            try:
                step = move(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                move, answer = script.send, exchange.perform(step)
            except (Expired, Failed) as signal:
                move, answer = script.throw, signal


async def arun_errand(errand: Errand[T], link: Link) -> T:
    """Perform an errand on asyncio or trio."""
    exchange = AsyncExchange(link)
    exchange.enter()
    script = errand(exchange.now())
    move: Callable[[Any], Step] = script.send
    answer: Any = None
    try:
        while True:
            try:
                step = move(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                move, answer = script.send, await exchange.perform(step)
            except (Expired, Failed) as signal:
                move, answer = script.throw, signal
    finally:
        script.close()
        await exchange.close()
