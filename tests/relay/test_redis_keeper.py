"""`sseor.relay.redis.keeper`: who is dead is found, who cannot be heard is not taken for dead."""

from __future__ import annotations

import time

import pytest
from relay.log_contract import followed, nothing, read, text
from relay.redis_logs import Logs, logs, own_logs, own_redis, redis_program, redis_server

__all__ = ["logs", "own_logs", "own_redis", "redis_program", "redis_server"]

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Redis is for asyncio."""
    return "asyncio"


async def test_a_redis_that_is_away_makes_nobody_dead(own_logs: Logs) -> None:
    """What was counted against a writer is forgotten where Redis does not answer."""
    one, other = own_logs(lease=30.0), own_logs(lease=30.0)
    await one.open("a", "ann", nothing)
    await followed(other, "a")
    keeper, entry = other._shards[0]._keeper, other._shards[0]._followed["a"]
    other._shards[0]._tasks[1].cancel()
    entry.absences = 1
    own_logs.redis.kill()
    await keeper._look()
    assert entry.absences == 0


async def test_one_missing_lease_is_no_proof(logs: Logs) -> None:
    """The writer may renew it until the next look; the second time running it is dead."""
    one, other = logs(lease=30.0), logs(lease=30.0)
    await one.open("a", "ann", nothing)
    tail = await followed(other, "a")
    keeper, entry = other._shards[0]._keeper, other._shards[0]._followed["a"]
    other._shards[0]._tasks[1].cancel()
    lease = await logs.ask("GET", logs.key("a", "lease"))
    await logs.ask("DEL", logs.key("a", "lease"))
    await keeper._look()
    assert entry.absences == 1
    await logs.ask("SET", logs.key("a", "lease"), lease)
    await keeper._look()
    assert entry.absences == 0
    await logs.ask("DEL", logs.key("a", "lease"))
    await keeper._look()
    await keeper._look()
    assert [record["type"] for _, record in await read(tail)] == ["interrupted"]


async def test_a_dead_writer_is_found_within_the_lease_and_a_second(logs: Logs) -> None:
    """Counted from its last word; twice that is left to a busy machine."""
    one, other = logs(lease=2.0), logs(lease=2.0)
    writer = await one.open("a", "ann", nothing)
    tail = await followed(other, "a")
    await writer.append([text("a")])
    died = time.monotonic()
    await one.aclose()
    assert [record["type"] for _, record in await read(tail)] == ["text", "interrupted"]
    assert 1.0 < time.monotonic() - died < 6.0
