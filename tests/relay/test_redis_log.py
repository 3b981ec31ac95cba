"""The log on Redis keeps the contract."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest
from relay.log_contract import KEPT, LogContract
from relay.redis_server import RedisServer, redis_program, redis_server

from sseor.relay.redis import RedisLog

__all__ = ["redis_program", "redis_server"]


@pytest.fixture
def anyio_backend() -> str:
    """Redis is for asyncio."""
    return "asyncio"


class TestRedisLog(LogContract):
    """The contract, on the log in Redis."""

    @pytest.fixture
    async def log(self, redis_server: RedisServer) -> AsyncIterator[RedisLog]:
        """Return a fresh log."""
        log = RedisLog(redis_server.url, prefix=secrets.token_hex(8), max_records=KEPT)
        yield log
        await log.aclose()
