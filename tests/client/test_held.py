"""A cancellation that is kept from what is awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sseor.client.held import Held


def test_a_value_and_an_error_come_through() -> None:
    """Without a cancellation it is a plain await."""

    async def value() -> int:
        await asyncio.sleep(0)
        return await asyncio.sleep(0.001, 5)

    async def error() -> None:
        await asyncio.sleep(0.001)
        raise ZeroDivisionError

    async def main() -> None:
        held: Held[int] = Held(value())
        assert await held == 5
        await held.end()
        with pytest.raises(ZeroDivisionError):
            await Held(error())

    asyncio.run(main())


@pytest.mark.parametrize("cancels", [1, 2, 3])
def test_what_is_struck_is_ended_elsewhere(cancels: int) -> None:
    """However often the reader is cancelled, the clean-up runs once and to its end, in the task that calls `end`."""
    log: list[str] = []
    cleaner: list[Any] = []

    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.sleep(60)
            yield b"never"
        finally:
            cleaner.append(asyncio.current_task())
            await asyncio.sleep(0.01)
            log.append("cleaned")

    async def main() -> None:
        iterator = body().__aiter__()
        assert await Held(iterator.__anext__()) == b"first"
        held: Held[bytes] = Held(iterator.__anext__())

        async def read() -> None:
            await held

        task = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        for _ in range(cancels):
            task.cancel()
            await asyncio.sleep(0)
        assert task.cancelled()
        assert log == []
        await held.end()
        await held.end()
        assert log == ["cleaned"]
        assert cleaner == [asyncio.current_task()]

    asyncio.run(main())


def test_a_failing_clean_up_is_no_failure_of_the_close() -> None:
    """What goes wrong while it is being ended has nobody to be told to."""

    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise ZeroDivisionError

    async def main() -> None:
        held: Held[None] = Held(stubborn())

        async def read() -> None:
            await held

        task = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        assert held.struck
        await held.end()

    asyncio.run(main())
