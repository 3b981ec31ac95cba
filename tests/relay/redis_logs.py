"""Several logs on one Redis within a test, each as if it were a worker process of its own."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from relay.redis_server import RedisServer, redis_program, redis_server

from sseor.relay.redis import RedisLog
from sseor.relay.tail import Tail, payload_of

__all__ = ["Logs", "logs", "own_logs", "own_redis", "redis_program", "redis_server", "until"]


class Logs:
    """Makes logs that share a Redis and a prefix; `redis` is the server."""

    def __init__(self, redis: RedisServer) -> None:
        self.redis = redis
        self.prefix = secrets.token_hex(6)
        self.made: list[RedisLog] = []

    def __call__(self, **options: Any) -> RedisLog:
        """Return another log."""
        log = RedisLog(self.redis.url, prefix=self.prefix, **options)
        self.made.append(log)
        return log

    def key(self, stream: str, part: str) -> str:
        """Return one of a stream's keys."""
        return f"{{{self.prefix}:0}}:{stream}:{part}"

    async def ask(self, *command: str) -> str:
        """Ask Redis with its own client."""
        return await asyncio.to_thread(self.redis.ask, *command)

    async def aclose(self) -> None:
        """Close all."""
        for log in self.made:
            await log.aclose()


@pytest.fixture
async def logs(redis_server: RedisServer) -> AsyncIterator[Logs]:
    """Return a maker of logs on the shared server."""
    made = Logs(redis_server)
    yield made
    await made.aclose()


@pytest.fixture
def own_redis(redis_program: str) -> Iterator[RedisServer]:
    """Return a server that the test may break."""
    with tempfile.TemporaryDirectory(prefix="sseor-redis-") as folder:
        with RedisServer(Path(folder), program=redis_program) as server:
            yield server


@pytest.fixture
async def own_logs(own_redis: RedisServer) -> AsyncIterator[Logs]:
    """Return a maker of logs on a server that the test may break."""
    made = Logs(own_redis)
    yield made
    await made.aclose()


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def payloads(tail: Tail, after: int = 0) -> list[bytes]:
    """Return the records that a tail holds after a number."""
    found = []
    while (batch := tail.after(after)) is not None:
        found += [payload_of(block) for block in batch.blocks]
        after = batch.last
    return found
