"""`sseor.relay.redis.commands`: questions travel together, and each has an answer in time."""

from __future__ import annotations

import asyncio
import time

import pytest
from redis.asyncio.cluster import RedisCluster
from relay.redis_logs import Logs, logs, own_logs, own_redis, redis_program, redis_server

from sseor.relay.log import FullError
from sseor.relay.redis.commands import TOGETHER, Commands, UnavailableError, connect
from sseor.relay.redis.scripts import Script

__all__ = ["logs", "own_logs", "own_redis", "redis_program", "redis_server"]

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Redis is for asyncio."""
    return "asyncio"


async def test_questions_of_one_moment_travel_together(own_logs: Logs) -> None:
    """However many they are, one connection serves them, in order."""
    client = connect(own_logs.redis.url)
    commands = Commands(client, 10)
    replies = [commands.send("INCR", "n") for _ in range(2 * TOGETHER + 1)]
    assert await asyncio.gather(*replies) == list(range(1, 2 * TOGETHER + 2))
    clients = (await own_logs.ask("CLIENT", "LIST")).splitlines()
    assert len([line for line in clients if "cmd=incr" in line]) == len(clients) - 1 == 1
    await client.aclose()


async def test_a_script_is_sent_once(logs: Logs) -> None:
    """Redis remembers it; one that forgot it gets it again."""
    client = connect(logs.redis.url)
    commands, script = Commands(client, 10), Script("return {KEYS[1], ARGV[1]}")
    for _ in range(2):
        assert await commands.run(script, ("k",), "x") == [b"k", b"x"]
    await logs.ask("SCRIPT", "FLUSH")
    assert await commands.run(script, ("k",), "y") == [b"k", b"y"]
    await client.aclose()


async def test_an_error_belongs_to_its_question(logs: Logs) -> None:
    """What Redis refuses is unavailable, what was asked with it is answered, what is asked later as well."""
    client = connect(logs.redis.url)
    commands = Commands(client, 10)
    good, bad = commands.send("ECHO", "a"), commands.send("NONSENSE")
    assert await good == b"a"
    assert isinstance(await bad, Exception)
    with pytest.raises(UnavailableError, match="unknown command"):
        await commands.ask("NONSENSE")
    assert await commands.ask("ECHO", "x") == b"x"
    await client.aclose()


async def test_what_cannot_be_sent(logs: Logs) -> None:
    """It has an answer as well."""
    client = connect(logs.redis.url)
    with pytest.raises(UnavailableError):
        await Commands(client, 10).ask("ECHO", object())
    await client.aclose()


async def test_the_client_of_a_cluster_looks_for_its_masters_itself() -> None:
    """Where a node no longer takes writes nothing is done here."""
    client = RedisCluster(host="127.0.0.1", port=1)
    await Commands(client, 10)._connect_anew()
    await client.aclose()


async def test_a_full_redis_is_told_apart(own_logs: Logs) -> None:
    """What has no room raises FullError."""
    client = connect(own_logs.redis.url)
    commands = Commands(client, 10)
    await own_logs.ask("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(FullError):
        await commands.ask("SET", "a", "b")
    await client.aclose()


async def test_a_lost_connection_is_tried_once_more(own_logs: Logs) -> None:
    """A Redis that was restarted answers the next question; one that is away is unavailable."""
    client = connect(own_logs.redis.url)
    commands = Commands(client, 10)
    assert await commands.ask("ECHO", "x") == b"x"
    own_logs.redis.kill()
    with pytest.raises(UnavailableError):
        await commands.ask("PING")
    await asyncio.to_thread(own_logs.redis.start)
    assert await commands.ask("ECHO", "x") == b"x"
    own_logs.redis.kill()
    await asyncio.to_thread(own_logs.redis.start)
    assert await commands.ask("ECHO", "x") == b"x"
    await client.aclose()


async def test_a_redis_that_answers_nothing(own_logs: Logs) -> None:
    """The wait is limited, and the answer that comes too late is not taken for that to another question."""
    client = connect(own_logs.redis.url)
    commands = Commands(client, 0.5)
    assert await commands.ask("ECHO", "x") == b"x"
    own_logs.redis.pause()
    begun = time.monotonic()
    with pytest.raises(UnavailableError):
        await commands.ask("ECHO", "early")
    assert time.monotonic() - begun < 20
    own_logs.redis.resume()
    while True:
        try:
            assert await commands.ask("ECHO", "late") == b"late"
            break
        except UnavailableError:
            pass
    await client.aclose()


async def test_whoever_waits_no_longer_is_no_matter(logs: Logs) -> None:
    """The replies of others come all the same."""
    client = connect(logs.redis.url)
    commands = Commands(client, 10)
    waiting, other = commands.send("ECHO", "a"), commands.send("ECHO", "b")
    waiting.cancel()
    assert await other == b"b"
    await client.aclose()


async def test_closed(logs: Logs) -> None:
    """What was asked is done before it closes, what is asked then is not."""
    client = connect(logs.redis.url)
    commands = Commands(client, 10)
    last = commands.send("ECHO", "a")
    await commands.aclose()
    assert last.result() == b"a"
    with pytest.raises(UnavailableError, match="closed"):
        await commands.ask("PING")
    await commands.aclose()
    await client.aclose()
