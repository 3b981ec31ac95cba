"""`sseor.relay.redis.reader`: what a process follows is read once, in order, whatever it missed meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from relay.log_contract import DONE, followed, nothing, read, state, text
from relay.redis_logs import Logs, logs, own_logs, own_redis, payloads, redis_program, redis_server, until

from sseor.relay.redis import RedisLog
from sseor.relay.redis.place import Place
from sseor.relay.redis.reader import Followed, Reader
from sseor.relay.tail import Tail

__all__ = ["logs", "own_logs", "own_redis", "redis_program", "redis_server"]

pytestmark = pytest.mark.anyio
PLACE = Place("p", 1, 10.0, 900.0, 600.0, 1024, 1 << 18)


@pytest.fixture
def anyio_backend() -> str:
    """Redis is for asyncio."""
    return "asyncio"


def one_stream() -> Followed:
    """Return a stream that is followed, of epoch 5, with two records."""
    one = Followed(Tail("a", "g"), PLACE.keys("a"), "5", b"0")
    one.take([(b"5-2", b"r", b"one\ntwo")])
    return one


def test_entries_are_taken_once() -> None:
    """Batches that come again, whole or in part, add nothing; the position follows."""
    one = one_stream()
    one.take([(b"5-2", b"r", b"one\ntwo"), (b"5-3", b"r", b"two\nthree"), (b"5-4", b"e", b"end")])
    assert payloads(one.tail) == [b"one", b"two", b"three", b"end"]
    assert one.tail.ended
    assert not one.is_read


@pytest.mark.parametrize(
    "entry", [(b"5-5", b"r", b"four\nfive"), (b"5-4", b"e", b"end"), (b"6-4", b"e", b"end")]
)
def test_what_is_missing_is_noticed(entry: tuple[bytes, bytes, bytes]) -> None:
    """Nothing is taken after a gap, not even an end, whoever wrote it."""
    one = one_stream()
    one.take([entry])
    assert one.is_behind
    assert (one.tail.last, one.position) == (2, b"5-2")


def test_an_end_by_others_may_know_less() -> None:
    """After a failover the end may stand before what has been read: it ends the stream all the same."""
    one = one_stream()
    one.take([(b"6-1", b"e", b"end")])
    assert payloads(one.tail) == [b"one", b"two", b"end"]


@pytest.mark.parametrize(
    "entry", [(b"9-3", b"r", b"x"), (b"9-3", b"e", b"x"), (b"6-3", b"r", b"x"), (b"4-3", b"e", b"x")]
)
def test_another_stream_of_the_same_name_is_not_spliced(entry: tuple[bytes, bytes, bytes]) -> None:
    """Its entries end the one that was lost, as interrupted."""
    one = one_stream()
    one.take([entry])
    assert payloads(one.tail) == [b"one", b"two", b'{"type":"interrupted"}']


def reader_of(log: RedisLog) -> Any:
    """Return the reader of a log, which must have been used."""
    return log._shards[0]._reader


async def stalled(log: RedisLog) -> None:
    """Stop the reading of a log, as if its process were stopped."""
    log._shards[0]._reader.close()
    task = log._shards[0]._tasks[0]
    task.cancel()
    await asyncio.wait([task])


def revived(log: RedisLog) -> None:
    """Let it go on."""
    shard = log._shards[0]
    shard._reader._is_closed = False
    shard._tasks[0] = asyncio.create_task(shard._reader.run())


async def test_a_reader_that_lags_gets_the_snapshot(logs: Logs) -> None:
    """Redis gives what is left after a trim without a word: the gap is noticed, and filled with the snapshot."""
    one, other = logs(max_records=4), logs(max_records=4)
    writer = await one.open("a", "ann", nothing)
    await writer.append([text("0 ")])
    tail = await followed(other, "a")
    await until(lambda: tail.last == 1)
    before = await read(tail, until=1)
    await stalled(other)
    for number in range(1, 60):
        await writer.append([text(f"{number} ")])
    assert int(await logs.ask("XLEN", logs.key("a", "log"))) < 50
    revived(other)
    await writer.end(DONE)
    rest = await read(tail, 1)
    assert rest[0][1]["type"] == "snapshot"
    assert state(before + rest)["choices"][0]["text"] == "".join(f"{number} " for number in range(60))


async def test_records_that_were_evicted_end_the_stream(logs: Logs) -> None:
    """Where neither the log nor the snapshot has them, viewers get `interrupted` instead of a gap."""
    one, other = logs(), logs()
    writer = await one.open("a", "ann", nothing)
    await writer.append([text("a")])
    tail = await followed(other, "a")
    await stalled(other)
    await writer.append([text("b")])
    await writer.append([text("c")])
    await logs.ask("XDEL", logs.key("a", "log"), f"{writer.epoch}-2")
    revived(other)
    assert [record["type"] for _, record in await read(tail)] == ["text", "interrupted"]


async def test_a_stream_that_is_gone_when_its_gap_is_to_be_filled(logs: Logs) -> None:
    """It may be written anew; another of that name ends it, and one that has ended needs nothing any more."""
    log = logs()
    await log.owner("a")
    one = Followed(Tail("a", "g"), log._place.keys("a"), "5", b"0")
    one.take([(b"5-2", b"r", b"one\ntwo"), (b"5-4", b"r", b"four")])
    await reader_of(log).catch_up(one)
    assert one.is_behind
    assert payloads(one.tail) == [b"one", b"two"]
    await logs().open("a", "ann", nothing)
    for _ in range(2):
        await reader_of(log).catch_up(one)
    assert payloads(one.tail) == [b"one", b"two", b'{"type":"interrupted"}']


async def test_hundreds_of_streams_are_read_with_one_connection(own_logs: Logs) -> None:
    """Two connections serve a worker, whatever it follows."""
    one, other = own_logs(), own_logs()
    writers = [await one.open(f"s{number}", "ann", nothing) for number in range(300)]
    tails = [await followed(other, f"s{number}") for number in range(300)]
    for writer in writers:
        await writer.append([text("a")])
    await until(lambda: all(tail.last == 1 for tail in tails))
    listed = (await own_logs.ask("CLIENT", "LIST")).splitlines()
    clients = [line for line in listed if "cmd=client" not in line]
    assert len(clients) == 4
    blocked = [line for line in clients if "cmd=xread" in line]
    assert len(blocked) == 2


async def test_a_reading_that_was_not_to_be_cancelled_ends_all_the_same(logs: Logs) -> None:
    """The cancellation got lost: the log closes within about the time of a read."""
    log = logs()
    await log.owner("a")
    reader, ask = reader_of(log), reader_of(log)._ask
    lost: list[bool] = []

    class Swallowing:
        aclose = ask.aclose

        async def __call__(self, *arguments: Any) -> Any:
            task = asyncio.create_task(ask(*arguments))
            while True:
                try:
                    return await asyncio.shield(task)
                except asyncio.CancelledError:
                    lost.append(True)

    reader._ask = Swallowing()
    await asyncio.sleep(1.2)
    async with asyncio.timeout(20):
        await log.aclose()
    assert lost


async def test_a_wake_that_is_lost_costs_a_second(own_logs: Logs) -> None:
    """Where Redis is full a reading cannot be interrupted: it goes on by itself with what is followed since."""
    one, other = own_logs(lease=30.0), own_logs(lease=30.0)
    writer = await one.open("a", "ann", nothing)
    await followed(other, "a")
    await writer.append([text("a")])
    later = await one.open("b", "ann", nothing)
    await asyncio.sleep(0.2)
    await own_logs.ask("CONFIG", "SET", "maxmemory", "1")
    tail = await followed(other, "b")
    await later.end(DONE)
    assert [record["type"] for _, record in await read(tail)] == ["done"]


async def test_a_reading_survives_whatever_redis_answers(own_logs: Logs) -> None:
    """A key of another type fails the read until it is gone; the streams go on then."""
    one, other = own_logs(lease=30.0), own_logs(lease=30.0)
    writer = await one.open("a", "ann", nothing)
    tail = await followed(other, "a")
    await writer.append([text("a")])
    await until(lambda: tail.last == 1)
    wake = reader_of(other)._wake_key.decode()
    await own_logs.ask("SET", wake, "x")
    await writer.append([text("b")])
    await asyncio.sleep(1.5)
    await own_logs.ask("DEL", wake)
    await writer.end(DONE)
    assert [record["type"] for _, record in await read(tail)] == ["text", "text", "done"]
    assert isinstance(reader_of(other), Reader)
