"""Thousands of cancels at random moments leave no connection, no slot and no socket behind."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from conftest import open_sockets
from shells import KEY, PROMPT

import sseor
from sseor.client.asynchronous import AsyncClient
from sseor.testing import LoopbackServer, Role, Say, Silence, play

CANCELS = 1000
TOGETHER = 20
REQUEST: dict[str, Any] = {"model": "m", "messages": PROMPT}
LASTING = play(Role(), Say("Low", " water", pace=0.002), Silence())


def pool_of(client: AsyncClient) -> Any:
    """Return the pool of httpcore below a client."""
    return client._link.http._transport._pool


async def read_for_ever(client: AsyncClient) -> None:
    """Read one stream until somebody stops it."""
    async with client.stream(**REQUEST) as stream:
        async for _ in stream:
            pass


async def cancel_twice(client: AsyncClient, chance: random.Random) -> None:
    """Cancel by asyncio's own task.cancel(), and often once more while the first is being cleaned up."""
    await cancel_natively(client, chance, twice=0.5)


async def cancel_natively(client: AsyncClient, chance: random.Random, twice: float = 0.0) -> None:
    """Cancel by asyncio's own task.cancel()."""
    task = asyncio.ensure_future(read_for_ever(client))
    await asyncio.sleep(chance.random() * 0.05)
    task.cancel()
    if chance.random() < twice:
        await asyncio.sleep(0)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancel_by_scope(client: AsyncClient, chance: random.Random) -> None:
    """Cancel by a scope whose deadline passes."""
    with anyio.move_on_after(chance.random() * 0.05):
        await read_for_ever(client)


@pytest.mark.parametrize(
    ("library", "backend", "cancel"),
    [(None, "asyncio", cancel_twice)]
    + [
        (library, backend, cancel)
        for library in (None, httpx, httpx2)
        for backend, cancel in (
            ("asyncio", cancel_natively),
            ("asyncio", cancel_by_scope),
            ("trio", cancel_by_scope),
        )
    ],
)
def test_cancels_leave_nothing(library: Any, backend: str, cancel: Callable[..., Any]) -> None:
    """After all the cancels the pool is empty, the server sees no connection, and the client still works."""
    chance = random.Random(7)

    async def one_after_the_other(client: AsyncClient) -> None:
        for _ in range(CANCELS // TOGETHER):
            await cancel(client, chance)

    async def main() -> None:
        http = None
        if library is not None:
            http = library.AsyncClient(limits=library.Limits(max_connections=None))
        async with AsyncClient(api_key=KEY, base_url=server.base_url, http_client=http) as client:
            async with anyio.create_task_group() as group:
                for _ in range(TOGETHER):
                    group.start_soon(one_after_the_other, client)
            assert pool_of(client).connections == []
            async with client.stream(**REQUEST) as stream:
                assert await anext(stream) == sseor.Text("Low")
        if http is not None:
            await http.aclose()

    gc.collect()
    before = open_sockets()
    with LoopbackServer(LASTING) as server:
        anyio.run(main, backend=backend)
        assert server.wait_idle(5)
    until = time.monotonic() + 2
    while open_sockets() - before and time.monotonic() < until:
        gc.collect()
    assert open_sockets() <= before
