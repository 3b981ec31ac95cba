"""`sseor.relay.redis.writer`: each record is kept once, whatever becomes of Redis, or the writer knows."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import time
from pathlib import Path

import pytest
from relay.log_contract import DONE, followed, nothing, read, state, text
from relay.redis_logs import Logs, logs, own_logs, own_redis, payloads, redis_program, redis_server, until
from relay.redis_server import RedisServer

from sseor.relay.log import FencedError
from sseor.relay.redis import RedisLog

__all__ = ["logs", "own_logs", "own_redis", "redis_program", "redis_server"]

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Redis is for asyncio."""
    return "asyncio"


async def test_redis_itself_refuses_what_was_kept_and_who_is_stale(logs: Logs) -> None:
    """An ID that was used cannot be used again, nor any of the writer's once another has ended the stream."""
    one, other = logs(lease=30.0), logs(lease=30.0)
    asked: list[str] = []
    writer = await one.open("a", "ann", lambda: asked.append("asked"))
    await writer.append([text("a")])
    tails = [await followed(log, "a") for log in (one, other)]
    key = logs.key("a", "log")
    refusal = "equal or smaller"
    assert refusal in await logs.ask("XADD", key, f"{writer.epoch}-1", "r", "x")
    await logs.ask("DEL", logs.key("a", "lease"))
    await until(lambda: tails[1].ended)
    assert refusal in await logs.ask("XADD", key, f"{writer.epoch}-2", "r", "x")
    with pytest.raises(FencedError):
        await writer.append([text("b")])
    await writer.end(DONE)
    assert asked == ["asked"]
    for tail in tails:
        assert [record["type"] for _, record in await read(tail)] == ["text", "interrupted"]


async def test_a_stale_writer_of_a_silent_source_is_told(logs: Logs) -> None:
    """The renewal of the lease finds that others have ended the stream."""
    asked = asyncio.Event()
    writer = await logs(lease=1.0).open("a", "ann", asked.set)
    await logs.ask("HSET", logs.key("a", "meta"), "ended", "1")
    async with asyncio.timeout(20):
        await asked.wait()
    assert writer.over


async def test_a_lease_outlasts_silence(logs: Logs) -> None:
    """A source that says nothing for several leases is not taken for dead."""
    one, other = logs(lease=1.5), logs(lease=1.5)
    writer = await one.open("a", "ann", nothing)
    await writer.append([text("a")])
    tail = await followed(other, "a")
    await asyncio.sleep(4.0)
    assert not tail.ended
    await writer.end(DONE)
    assert [record["type"] for _, record in await read(tail)] == ["text", "done"]


async def test_what_was_kept_before_the_answer_got_lost_is_not_kept_twice(logs: Logs) -> None:
    """The same records, sent again by a writer that never heard of them, are there once."""
    log = logs()
    writer = await log.open("a", "ann", nothing)
    await writer.append([text("a")])
    await logs.ask(
        "XADD",
        logs.key("a", "log"),
        f"{writer.epoch}-3",
        "r",
        '{"type":"text","text":"b"}\n{"type":"text","text":"c"}',
    )
    await logs.ask("HSET", logs.key("a", "meta"), "last", "3")
    await writer.append([b'{"type":"text","text":"b"}', b'{"type":"text","text":"c"}'])
    await writer.end(DONE)
    records = await read(await followed(logs(), "a"))
    assert [number for number, _ in records] == [1, 2, 3, 4]
    assert await logs.ask("XLEN", logs.key("a", "log")) == "3"


async def test_an_end_whose_answer_got_lost(logs: Logs) -> None:
    """It was kept: the writer, told that the stream has ended, gives its viewers that end from Redis."""
    log = logs()
    writer = await log.open("a", "ann", nothing)
    tail = await followed(log, "a")
    await logs.ask("XADD", logs.key("a", "log"), f"{writer.epoch}-1", "e", DONE.decode())
    await logs.ask("HSET", logs.key("a", "meta"), "last", "1", "ended", "1")
    await writer.end(DONE)
    assert [record["type"] for _, record in await read(tail)] == ["done"]


@pytest.mark.parametrize("kept", [1000, 4])
async def test_a_redis_that_restarts_empty(own_logs: Logs, kept: int) -> None:
    """Its streams go on: writers write anew what was lost; viewers on all workers see neither gap nor duplicate."""
    one, other = own_logs(max_records=kept), own_logs(max_records=kept)
    writer = await one.open("a", "ann", nothing)
    for word in "abcdefghij":
        await writer.append([text(word)])
    tails = [await followed(log, "a") for log in (one, other)]
    await until(lambda: tails[1].last == 10)
    own_logs.redis.kill()
    await asyncio.to_thread(own_logs.redis.start)
    for word in "klm":
        await writer.append([text(word), text("-")])
    assert kept < 10 or payloads(tails[0], 10) == [text(word) for word in "k-l-m-"]
    fresh = await followed(own_logs(max_records=kept), "a")
    await own_logs.ask("FLUSHALL")
    await writer.end(DONE)
    for tail in (*tails, fresh, await followed(own_logs(), "a")):
        records = await read(tail)
        assert state(records)["choices"][0]["text"] == "abcdefghijk-l-m-"
        assert records[-1][0] == 17
        assert records[-1][1]["type"] == "done"


async def test_a_redis_that_is_emptied_while_a_source_is_silent(own_logs: Logs) -> None:
    """The renewal finds it out, in time for others not to take the stream for lost."""
    one, other = own_logs(lease=2.5), own_logs(lease=2.5)
    writer = await one.open("a", "ann", nothing)
    await writer.append([text("a")])
    tail = await followed(other, "a")
    await own_logs.ask("FLUSHALL")
    await asyncio.sleep(5.0)
    assert not tail.ended
    assert await other.unwatched("a") == 0
    assert payloads(await followed(own_logs(), "a")) == [text("a")]
    await writer.end(DONE)
    assert [record["type"] for _, record in await read(tail)] == ["text", "done"]


async def test_a_log_that_was_evicted(own_logs: Logs) -> None:
    """A writer that misses its records in Redis writes them anew, also where the rest of the stream is there."""
    writer = await own_logs().open("a", "ann", nothing)
    await writer.append([text("a")])
    await own_logs.ask("DEL", own_logs.key("a", "log"))
    await writer.append([text("b")])
    assert payloads(await followed(own_logs(), "a")) == [text("a"), text("b")]


@pytest.mark.parametrize("failing", ["kill", "pause"])
async def test_a_redis_that_stays_away(own_logs: Logs, failing: str) -> None:
    """The writer gives up within about a lease, and its source is told: upstream does not wait for ever."""
    log = own_logs(lease=1.0)
    asked: list[str] = []
    writer = await log.open("a", "ann", lambda: asked.append("asked"))
    await writer.append([text("a")])
    getattr(own_logs.redis, failing)()
    async with asyncio.timeout(20):
        with pytest.raises(FencedError):
            await writer.append([text("b")])
        await writer.end(DONE)
    assert asked == ["asked"]
    if failing == "pause":
        own_logs.redis.resume()


async def test_a_silent_source_whose_redis_stays_away(own_logs: Logs) -> None:
    """It is told as well, by the renewal that fails for a lease."""
    asked = asyncio.Event()
    await own_logs(lease=0.6).open("a", "ann", asked.set)
    own_logs.redis.kill()
    async with asyncio.timeout(20):
        await asked.wait()


async def test_a_writer_that_was_away_too_long_does_not_bring_back_what_is_lost(own_logs: Logs) -> None:
    """Once its lease is over, a stream that Redis has lost stays lost: others may have told of its end."""
    log = own_logs(lease=30.0)
    writer = await log.open("a", "ann", nothing)
    await writer.append([text("a")])
    await own_logs.ask("FLUSHALL")
    writer._answered -= 31
    with pytest.raises(FencedError):
        await writer.append([text("b")])
    assert await own_logs.ask("KEYS", own_logs.key("a", "*")) == ""


async def test_a_writer_that_comes_too_late_to_write_anew(logs: Logs) -> None:
    """Somebody has ended the stream in that moment: nothing is written over it, and giving up twice is once."""
    asked: list[str] = []
    writer = await logs().open("a", "ann", lambda: asked.append("asked"))
    await writer.append([text("a")])
    await logs.ask("HSET", logs.key("a", "meta"), "ended", "1")
    assert await writer._rewrite(()) == [0]
    writer.give_up()
    writer.give_up()
    assert asked == ["asked"]


async def test_a_pause_shorter_than_the_lease_loses_nothing(own_logs: Logs) -> None:
    """Records wait for Redis, then go on their way; nobody takes the writer for dead."""
    one, other = own_logs(lease=6.0), own_logs(lease=6.0)
    writer = await one.open("a", "ann", nothing)
    tail = await followed(other, "a")
    own_logs.redis.pause()
    appending = asyncio.create_task(writer.append([text("a")]))
    await asyncio.sleep(3.0)
    assert not appending.done()
    own_logs.redis.resume()
    await appending
    await writer.end(DONE)
    assert [record["type"] for _, record in await read(tail)] == ["text", "done"]


async def test_a_long_stream_is_not_written_over_and_over(logs: Logs) -> None:
    """Snapshots in Redis cost no more than a few times what they stand for, and bound what a stream takes there."""
    writer = await logs(max_records=64).open("a", "ann", nothing)
    sent = 0
    run = writer._commands.run

    async def counted(script: object, keys: object, *arguments: object) -> object:
        nonlocal sent
        sent += sum(len(one) for one in arguments if isinstance(one, bytes))
        return await run(script, keys, *arguments)  # type: ignore[arg-type]

    writer._commands.run = counted  # type: ignore[method-assign]
    for _ in range(300):
        await writer.append([text("x" * 10)] * 20)
    raw = 6000 * len(text("x" * 10))
    assert sent < 3 * raw
    used = [int(await logs.ask("MEMORY", "USAGE", logs.key("a", part))) for part in ("meta", "log")]
    assert sum(used) < 4 * 60_000
    await writer.end(DONE)
    records = await read(await followed(logs(max_records=64), "a"))
    assert state(records)["choices"][0]["text"] == "x" * 60_000


async def test_a_failover_that_loses_the_tail(redis_program: str) -> None:
    """A replica takes over that lacks the newest records: the writer sends them again, and nobody notices."""
    with tempfile.TemporaryDirectory(prefix="sseor-redis-") as name:
        folder = Path(name)
        port = free_port()
        first = RedisServer(folder, "first", "--port", str(port), program=redis_program)
        second = RedisServer(folder, "second", "--replicaof", "127.0.0.1", str(port), program=redis_program)
        address = folder / "address"
        with first, second:
            address.symlink_to(first.socket)
            await asyncio.to_thread(wait_for, second, "master_link_status:up")
            one, other = (RedisLog(f"unix://{address}") for _ in range(2))
            writer = await one.open("a", "ann", nothing)
            tail = await followed(other, "a")
            await writer.append([text("a")])
            assert first.ask("WAIT", "1", "10000") == "1"
            second.pause()
            await writer.append([text("b")])
            await until(lambda: tail.last == 2)
            first.kill()
            second.resume()
            second.ask("REPLICAOF", "NO", "ONE")
            os.replace(swapped(folder, second.socket), address)
            await writer.append([text("c")])
            await writer.end(DONE)
            for log in (one, other):
                records = await read(await followed(log, "a"))
                assert [record.get("text") for _, record in records] == ["a", "b", "c", None]
                await log.aclose()


async def test_a_server_that_became_a_replica_is_left(redis_program: str) -> None:
    """A writer that is told so connects anew, and finds the one that takes writes now."""
    with tempfile.TemporaryDirectory(prefix="sseor-redis-") as name:
        folder = Path(name)
        port = free_port()
        first = RedisServer(folder, "first", program=redis_program)
        second = RedisServer(folder, "second", "--port", str(port), program=redis_program)
        address = folder / "address"
        with first, second:
            address.symlink_to(first.socket)
            log = RedisLog(f"unix://{address}")
            writer = await log.open("a", "ann", nothing)
            await writer.append([text("a")])
            os.replace(swapped(folder, second.socket), address)
            first.ask("REPLICAOF", "127.0.0.1", str(port))
            await writer.append([text("b")])
            await writer.end(DONE)
            assert [record.get("text") for _, record in await read(await followed(log, "a"))] == [
                "a",
                "b",
                None,
            ]
            assert second.ask("EXISTS", "{sseor:0}:a:log") == "1"
            await log.aclose()


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def swapped(folder: Path, target: Path) -> Path:
    """Return a new link to put into the place of another."""
    link = folder / "swap"
    link.symlink_to(target)
    return link


def wait_for(redis: RedisServer, word: str) -> None:
    """Wait until a server says so of its replication."""
    for _ in range(600):
        if word in redis.ask("INFO", "replication"):
            return
        time.sleep(0.05)
    raise AssertionError(word)
