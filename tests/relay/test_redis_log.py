"""`sseor.relay.redis.log` and `.shard`: the contract, and streams of several workers."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from relay.log_contract import DONE, KEPT, LogContract, followed, nothing, read, text
from relay.redis_logs import Logs, logs, own_logs, own_redis, payloads, redis_program, redis_server, until
from relay.redis_server import RedisServer

from sseor.relay import RefusedError
from sseor.relay.log import FencedError, FullError, StreamExistsError
from sseor.relay.records import CANCELLED, INTERRUPTED
from sseor.relay.redis import RedisLog

__all__ = ["logs", "own_logs", "own_redis", "redis_program", "redis_server"]

pytestmark = pytest.mark.anyio


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


class TestRedisLogOfSeveralShards(LogContract):
    """The contract, with streams on several hash tags, and with a client of the caller's own that speaks RESP3."""

    @pytest.fixture
    async def log(self, redis_server: RedisServer) -> AsyncIterator[RedisLog]:
        """Return a fresh log."""
        client = Redis.from_url(redis_server.url, protocol=3)
        log = RedisLog(client, prefix=secrets.token_hex(8), shards=3, max_records=KEPT)
        yield log
        await log.aclose()
        assert await client.ping()
        await client.aclose()


class TestWithAnotherWorker(LogContract):
    """The contract, where the writer is in one worker and everything else is asked of another."""

    @pytest.fixture
    async def log(self, redis_server: RedisServer) -> AsyncIterator[RedisLog]:
        """Return a fresh log whose streams are opened in another."""
        prefix = secrets.token_hex(8)
        other = RedisLog(redis_server.url, prefix=prefix, max_records=KEPT)

        class Reading(RedisLog):
            open = other.open

        log = Reading(redis_server.url, prefix=prefix, max_records=KEPT)
        yield log
        await log.aclose()
        await other.aclose()


async def test_all_followers_in_a_process_share_one_tail(logs: Logs) -> None:
    """Also when they come at once; another worker has a tail of its own, with the same generation and records."""
    writing, reading = logs(), logs()
    writer = await writing.open("a", "ann", nothing)
    tails = await asyncio.gather(*(reading.follow("a") for _ in range(5)))
    assert len(set(map(id, tails))) == 1
    local = await followed(writing, "a")
    assert local is writer.tail
    assert tails[0] is not None
    assert tails[0].generation == local.generation
    await writer.append([text("a"), text("b")])
    await until(lambda: tails[0] is not None and tails[0].last == 2)
    assert payloads(tails[0]) == payloads(local)


async def test_a_viewer_is_ahead_of_its_next_worker(logs: Logs) -> None:
    """Whatever it has been given on one worker is in the tail that the next one returns."""
    one, other = logs(), logs()
    writer = await one.open("a", "ann", nothing)
    await followed(other, "a")
    for number in range(1, 200):
        await writer.append([text("x")])
        assert (await followed(other, "a")).last >= number
    assert (await followed(one, "a")).last == 199


async def test_a_stream_is_opened_once_among_workers(logs: Logs) -> None:
    """The second opening is refused in whichever process."""
    one, other = logs(), logs()
    await one.open("a", "ann", nothing)
    for log in (one, other):
        with pytest.raises(StreamExistsError):
            await log.open("a", "bob", nothing)
    assert await other.owner("a") == "ann"


async def test_any_worker_cancels(logs: Logs) -> None:
    """The writer is asked at once, once, and viewers elsewhere get its terminal record."""
    one, other = logs(), logs()
    asked: list[str] = []
    writer = await one.open("a", "ann", lambda: asked.append("asked"))
    tail = await followed(other, "a")
    await other.cancel("a")
    await until(lambda: asked)
    await other.cancel("a")
    await one.cancel("a")
    await writer.end(CANCELLED)
    assert [record["type"] for _, record in await read(tail)] == ["cancelled"]
    await other.cancel("a")
    await asyncio.sleep(0.1)
    assert asked == ["asked"]


async def test_a_cancellation_whose_message_is_lost(logs: Logs) -> None:
    """The next renewal or record tells the writer."""
    asked: list[str] = []
    writer = await logs().open("a", "ann", lambda: asked.append("asked"))
    await logs.ask("HSET", logs.key("a", "meta"), "cancelled", "1")
    await writer.append([text("a")])
    assert asked == ["asked"]


async def test_who_looks_is_known_to_all_workers(logs: Logs) -> None:
    """A stream is unwatched once nobody looks in any process; a worker that died counts for a lease at most."""
    one, two, three = logs(lease=1.5), logs(lease=1.5), logs(lease=1.5)
    await one.open("a", "ann", nothing)
    mine, other = await followed(two, "a"), await followed(three, "a")
    await asyncio.sleep(2.0)
    assert await one.unwatched("a") == 0
    two.unfollow(mine)
    assert await one.unwatched("a") == 0
    three.unfollow(other)
    await asyncio.sleep(0.2)
    assert 0.1 < await two.unwatched("a") < 5
    await followed(three, "a")
    assert await one.unwatched("a") == 0
    await three.aclose()
    await asyncio.sleep(1.7)
    assert await one.unwatched("a") > 0
    assert await one.unwatched("none") == 0


async def test_an_ended_stream_is_kept_for_its_time(logs: Logs) -> None:
    """While it lives its keys live long, after its end for `keep`, whoever ended it; then there is no such stream."""
    log = logs(lease=1.0, keep=0.5, live=100.0)
    writer = await log.open("a", "ann", nothing)
    await writer.append([text("a")])
    for part in ("meta", "log", "watchers"):
        assert 90_000 < int(await logs.ask("PTTL", logs.key("a", part))) <= 100_000
    assert 0 < int(await logs.ask("PTTL", logs.key("a", "lease"))) <= 1000
    await writer.end(DONE)
    for part in ("meta", "log", "watchers", "lease"):
        assert int(await logs.ask("PTTL", logs.key("a", part))) <= 500
    await asyncio.sleep(0.7)
    assert await log.owner("a") is None
    assert await log.follow("a") is None
    assert await logs.ask("KEYS", logs.key("a", "*")) == ""


async def test_a_closed_log_leaves_its_streams_to_the_others(logs: Logs) -> None:
    """They end as interrupted with the lease, once though several workers watch; the writer may write no more."""
    one, others = logs(lease=1.0), [logs(lease=1.0) for _ in range(3)]
    asked: list[str] = []
    writer = await one.open("a", "ann", lambda: asked.append("asked"))
    await writer.append([text("a")])
    tails = [await followed(other, "a") for other in others]
    await one.aclose()
    with pytest.raises(FencedError):
        await writer.append([text("b")])
    await writer.end(DONE)
    assert asked == ["asked"]
    for tail in tails:
        assert [record["type"] for _, record in await read(tail)] == ["text", "interrupted"]
    assert await logs.ask("XLEN", logs.key("a", "log")) == "2"


async def test_a_stream_without_an_owner_to_be_found_ends_when_somebody_looks(logs: Logs) -> None:
    """A writer may have died while nobody looked: the first who does sees that within a second."""
    writer = await (one := logs(lease=0.5)).open("a", "ann", nothing)
    await writer.append([text("a")])
    await one.aclose()
    await asyncio.sleep(0.7)
    tail = await followed(logs(lease=0.5), "a")
    assert [record["type"] for _, record in await read(tail)] == ["text", "interrupted"]


async def test_streams_stay_readable_after_their_end(logs: Logs) -> None:
    """An ended stream is read anew by each worker that is asked, and no longer held when nobody looks."""
    one, other = logs(), logs()
    writer = await one.open("a", "ann", nothing)
    local = await followed(one, "a")
    await writer.append([text("a")])
    await writer.end(DONE)
    for log in (one, other):
        for _ in range(2):
            tail = await followed(log, "a")
            assert [record["type"] for _, record in await read(tail)] == ["text", "done"]
            log.unfollow(tail)
    one.unfollow(local)
    fresh = await followed(one, "a")
    assert fresh is not local
    assert payloads(fresh) == payloads(local)


async def test_redis_that_is_away_refuses(own_logs: Logs) -> None:
    """Opening, looking and cancelling are refused as unavailable, within the time of a command; then all goes on."""
    log = own_logs(lease=1.0)
    await log.open("mine", "ann", nothing)
    own_logs.redis.kill()
    for asking in (log.owner("a"), log.follow("a"), log.cancel("a"), log.open("a", "ann", nothing)):
        async with asyncio.timeout(10):
            with pytest.raises(RefusedError, match="unavailable"):
                await asking
    assert await log.unwatched("mine") == 0
    await asyncio.to_thread(own_logs.redis.start)
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(RefusedError):
                assert await log.owner("a") is None
                break
            await asyncio.sleep(0.1)
    await log.open("a", "ann", nothing)


async def test_redis_that_is_full_takes_no_stream(own_logs: Logs) -> None:
    """Opening raises FullError; one that is being written ends as interrupted for all, once its writer has waited."""
    one, other = own_logs(lease=1.0), own_logs(lease=1.0)
    asked: list[str] = []
    writer = await one.open("a", "ann", lambda: asked.append("asked"))
    await writer.append([text("a")])
    tails = [await followed(log, "a") for log in (one, other)]
    await own_logs.ask("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(FullError):
        await one.open("b", "ann", nothing)
    async with asyncio.timeout(20):
        with pytest.raises(FencedError):
            await writer.append([text("b")])
    await writer.end(DONE)
    for tail in tails:
        assert [record["type"] for _, record in await read(tail)] == ["text", "interrupted"]
    assert asked == ["asked"]


async def test_a_full_redis_lets_a_stream_end(own_logs: Logs) -> None:
    """A terminal record is kept also then, and looking, cancelling and renewing go on."""
    one, other = own_logs(lease=2.5), own_logs(lease=2.5)
    asked: list[str] = []
    writer = await one.open("a", "ann", lambda: asked.append("asked"))
    await writer.append([text("a")])
    await own_logs.ask("CONFIG", "SET", "maxmemory", "1")
    await asyncio.sleep(4.0)
    tail = await followed(other, "a")
    await other.cancel("a")
    await until(lambda: asked)
    await writer.end(DONE)
    assert [record["type"] for _, record in await read(tail)] == ["text", "done"]


async def test_a_name_that_is_taken_anew(own_logs: Logs) -> None:
    """Where Redis lost a stream and another of that name begins, viewers of the first get its end, not the second."""
    one, other, third = (own_logs(lease=1.0) for _ in range(3))
    lost = await one.open("a", "ann", nothing)
    await lost.append([text("a")])
    tails = [await followed(log, "a") for log in (other, third)]
    await one.aclose()
    await own_logs.ask("FLUSHALL")
    again = await third.open("a", "ann", nothing)
    await again.append([text("b"), text("c")])
    for tail in tails:
        assert [record["type"] for _, record in await read(tail)] == ["text", "interrupted"]
    assert tails[1] is not again.tail
    await again.end(DONE)
    assert [record.get("text") for _, record in await read(await followed(other, "a"))] == ["b", "c", None]


async def test_a_name_that_is_taken_anew_before_anybody_noticed(own_logs: Logs) -> None:
    """Who comes then gets the second stream, those of the first its end."""
    one, other = own_logs(), own_logs()
    lost = await one.open("a", "ann", nothing)
    await lost.append([text("a")])
    tail = await followed(other, "a")
    other._shards[0]._reader.close()
    for task in other._shards[0]._tasks:
        task.cancel()
    await asyncio.wait(other._shards[0]._tasks)
    await own_logs.ask("FLUSHALL")
    again = await own_logs().open("a", "ann", nothing)
    await again.append([text("b")])
    assert payloads(await followed(other, "a")) == [text("b")]
    assert payloads(tail) == [text("a"), INTERRUPTED]
    with pytest.raises(FencedError):
        await lost.append([text("c")])


async def test_what_others_have_read_before_the_writer_knew(logs: Logs) -> None:
    """A viewer that comes to the writer's worker waits for a record that is on its way."""
    log = logs()
    writer = await log.open("a", "ann", nothing)
    async with writer._turn:
        await logs.ask("HSET", logs.key("a", "meta"), "last", "1")
        following = asyncio.create_task(log.follow("a"))
        await asyncio.sleep(0.3)
        assert not following.done()
    assert await following is writer.tail


async def test_a_cancellation_that_went_astray(logs: Logs) -> None:
    """A worker that is asked to cancel what it does not write does nothing."""
    one, other = logs(), logs()
    writer = await one.open("a", "ann", nothing)
    await other.owner("a")
    await logs.ask("HSET", logs.key("a", "meta"), "worker", other._place.worker)
    await one.open("b", "ann", nothing)
    await logs().cancel("a")
    reader = other._shards[0]._reader
    await until(lambda: reader._wake_position != b"0")
    assert not writer.over


async def test_leaving_a_log_that_is_closed(logs: Logs) -> None:
    """It is no matter."""
    log = logs()
    await log.open("a", "ann", nothing)
    tail = await followed(log, "a")
    await log.aclose()
    log.unfollow(tail)


async def test_what_is_missed_after_a_loss_may_come_back(own_logs: Logs) -> None:
    """For a lease a stream that is not there is unavailable instead of unknown; its writer writes it anew meanwhile."""
    one, other = own_logs(lease=20.0), own_logs(lease=20.0)
    await other.owner("b")
    writer = await one.open("a", "ann", nothing)
    await writer.append([text("a")])
    await own_logs.ask("FLUSHALL")
    for asking in (other.owner("a"), other.follow("a")):
        with pytest.raises(RefusedError, match="unavailable"):
            await asking
    assert await one.owner("a") == "ann"
    await writer.append([text("b")])
    assert await other.owner("a") == "ann"
    assert payloads(await followed(other, "a")) == [text("a"), text("b")]
    other._shards[0]._era._began -= 20
    assert await other.owner("b") is None


async def test_a_stream_that_is_lost_with_its_writer(own_logs: Logs) -> None:
    """Viewers get `interrupted` when nobody can bring it back any more."""
    one, other = own_logs(lease=0.5), own_logs(lease=0.5)
    writer = await one.open("a", "ann", nothing)
    await writer.append([text("a")])
    tail = await followed(other, "a")
    await one.aclose()
    await own_logs.ask("FLUSHALL")
    assert [record["type"] for _, record in await read(tail)] == ["text", "interrupted"]
    other.unfollow(tail)
    assert await other.follow("a") is None
    assert INTERRUPTED in payloads(tail)


async def test_a_tail_that_was_cut_may_be_left(own_logs: Logs) -> None:
    """Viewers of a Redis that is away come back later: their tail is cut, a new one is made for them, none is hung."""
    one, other = own_logs(lease=0.6), own_logs(lease=0.6)
    writer = await one.open("a", "ann", nothing)
    await writer.append([text("a")])
    tails = [(log, await followed(log, "a")) for log in (one, other)]
    own_logs.redis.pause()
    await until(lambda: all(tail.is_cut for _, tail in tails))
    own_logs.redis.resume()
    for log, tail in tails:
        fresh = await followed(log, "a")
        assert fresh is not tail
        log.unfollow(tail)
        assert [record["type"] for _, record in await read(fresh)] == ["text", "interrupted"]
