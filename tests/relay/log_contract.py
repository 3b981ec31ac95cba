"""What every replay log keeps to: subclass `LogContract` with a `log` fixture that gives a fresh log.

The log is to keep at most `KEPT` records of a stream one by one (`max_records=KEPT`).
"""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from sseor.relay.log import FencedError, Log, StreamExistsError, Writer
from sseor.relay.snapshot import Snapshot
from sseor.relay.tail import Tail, payload_of

KEPT = 8
DONE = b'{"type":"done","finish_reason":"stop"}'


def text(word: str) -> bytes:
    """Return a record of text."""
    return json.dumps({"type": "text", "text": word}).encode()


def nothing() -> None:
    """Do nothing when a stream is cancelled."""


async def read(tail: Tail, after: int = 0, until: int | None = None) -> list[tuple[int, dict[str, Any]]]:
    """Return the records after a number with their numbers, up to the end, or up to a number at least."""
    found: list[tuple[int, dict[str, Any]]] = []
    with anyio.fail_after(10):
        while True:
            while (batch := tail.after(after)) is None:
                if tail.ended or (until is not None and after >= until):
                    return found
                await tail.changed()
            assert batch.data == b"".join(batch.blocks)
            for block in batch.blocks:
                head, _, _ = block.partition(b"\n")
                generation, _, number = head.removeprefix(b"id: ").partition(b".")
                assert generation.decode() == tail.generation
                found.append((int(number), json.loads(payload_of(block))))
            assert found[-1][0] == batch.last
            after = batch.last


def state(records: list[tuple[int, dict[str, Any]]]) -> dict[str, Any]:
    """Return what records lead to, whether they were folded or not."""
    snapshot = Snapshot()
    for _, record in records:
        if record["type"] != "done":
            snapshot.fold(record)
    return snapshot.to_record()


async def followed(log: Log, stream: str) -> Tail:
    """Return the tail of a stream that there is."""
    tail = await log.follow(stream)
    assert tail is not None
    return tail


@pytest.mark.anyio
class LogContract:
    """The contract."""

    async def test_a_stream_that_nobody_opened_is_unknown(self, log: Log) -> None:
        """Neither an owner nor a tail is given, and cancelling it does nothing."""
        assert await log.owner("none") is None
        assert await log.follow("none") is None
        await log.cancel("none")

    async def test_an_opened_stream_has_its_owner(self, log: Log) -> None:
        """The owner is the one it was opened for."""
        await log.open("a", "ann", nothing)
        await log.open("b", "", nothing)
        assert await log.owner("a") == "ann"
        assert await log.owner("b") == ""

    async def test_a_stream_is_opened_once(self, log: Log) -> None:
        """A second opening is refused, also after the end."""
        writer = await log.open("a", "ann", nothing)
        with pytest.raises(StreamExistsError):
            await log.open("a", "bob", nothing)
        await writer.end(DONE)
        with pytest.raises(StreamExistsError):
            await log.open("a", "ann", nothing)
        assert await log.owner("a") == "ann"

    async def test_records_are_numbered_from_one(self, log: Log) -> None:
        """They come in order, without a gap, the terminal one last."""
        writer = await log.open("a", "ann", nothing)
        await writer.append([text("Low"), text(" water")])
        await writer.append([text("!")])
        await writer.end(DONE)
        tail = await followed(log, "a")
        records = await read(tail)
        assert [number for number, _ in records] == [1, 2, 3, 4]
        assert [record.get("text", "") for _, record in records] == ["Low", " water", "!", ""]
        assert records[-1][1] == json.loads(DONE)
        assert tail.ended
        log.unfollow(tail)

    @pytest.mark.parametrize("after", range(6))
    async def test_a_reader_gets_what_follows_its_number(self, log: Log, after: int) -> None:
        """Strictly after it, each record once."""
        writer = await log.open("a", "ann", nothing)
        await writer.append([text(word) for word in "abcd"])
        await writer.end(DONE)
        tail = await followed(log, "a")
        assert [number for number, _ in await read(tail, after)] == list(range(after + 1, 6))
        log.unfollow(tail)

    async def test_readers_wait_for_what_is_written_later(self, log: Log) -> None:
        """Each of several readers gets each record, whenever it began."""
        writer = await log.open("a", "ann", nothing)
        got: list[list[int]] = []

        async def follow(from_number: int) -> None:
            tail = await followed(log, "a")
            got.append([number for number, _ in await read(tail, from_number)])
            log.unfollow(tail)

        async with anyio.create_task_group() as group:
            group.start_soon(follow, 0)
            group.start_soon(follow, 0)
            for word in "abc":
                await anyio.sleep(0.01)
                await writer.append([text(word)])
            group.start_soon(follow, 2)
            await anyio.sleep(0.01)
            await writer.end(DONE)
        assert sorted(got) == [[1, 2, 3, 4], [1, 2, 3, 4], [3, 4]]

    async def test_old_records_are_folded_not_lost(self, log: Log) -> None:
        """A reader from the beginning gets a snapshot and what follows it: the same state, without a gap."""
        writer = await log.open("a", "ann", nothing)
        words = [f"{number} " for number in range(50)]
        for word in words:
            await writer.append([text(word)])
        await writer.end(DONE)
        tail = await followed(log, "a")
        records = await read(tail)
        assert records[0][1]["type"] == "snapshot"
        assert len(records) <= KEPT + 2
        assert [number for number, _ in records] == list(range(records[0][0], 52))
        assert state(records)["choices"][0]["text"] == "".join(words)
        log.unfollow(tail)

    async def test_a_slow_reader_gets_a_snapshot(self, log: Log) -> None:
        """A reader whose place has been folded meanwhile goes on from a snapshot that holds all it missed."""
        writer = await log.open("a", "ann", nothing)
        await writer.append([text("a"), text("b")])
        tail = await followed(log, "a")
        before = await read(tail, until=2)
        for number in range(40):
            await writer.append([text(f" {number}")])
        await writer.end(DONE)
        rest = await read(tail, before[-1][0])
        assert rest[0][1]["type"] == "snapshot"
        assert rest[0][0] > 2
        expected = "ab" + "".join(f" {number}" for number in range(40))
        assert state(before + rest)["choices"][0]["text"] == expected
        log.unfollow(tail)

    async def test_a_log_knows_for_how_long_nobody_looks(self, log: Log) -> None:
        """The time counts from the opening, or from when the last follower left; it is 0 while there is one."""
        writer = await log.open("a", "ann", nothing)
        await anyio.sleep(0.2)
        assert await log.unwatched("a") > 0.1
        one, other = await followed(log, "a"), await followed(log, "a")
        assert await log.unwatched("a") == 0
        log.unfollow(one)
        assert await log.unwatched("a") == 0
        log.unfollow(other)
        assert await log.unwatched("a") < 0.15
        await anyio.sleep(0.2)
        assert await log.unwatched("a") > 0.1
        await writer.end(DONE)

    async def test_cancelling_asks_the_writer(self, log: Log) -> None:
        """The writer is asked while the stream lives, and not after its end."""
        asked = anyio.Event()
        writer = await log.open("a", "ann", asked.set)
        await log.cancel("a")
        with anyio.fail_after(5):
            await asked.wait()
        await writer.end(b'{"type":"cancelled"}')

        again: list[str] = []
        other = await log.open("b", "ann", lambda: again.append("asked"))
        await other.end(DONE)
        await log.cancel("b")
        await anyio.sleep(0.05)
        assert again == []

    async def test_nothing_is_written_after_the_end(self, log: Log) -> None:
        """An append is refused, a second end changes nothing: there is one terminal record."""
        writer = await log.open("a", "ann", nothing)
        await writer.append([text("a")])
        await writer.end(DONE)
        with pytest.raises(FencedError):
            await writer.append([text("b")])
        await writer.end(b'{"type":"interrupted"}')
        tail = await followed(log, "a")
        assert [record["type"] for _, record in await read(tail)] == ["text", "done"]
        log.unfollow(tail)

    async def test_a_cancellation_does_not_tear_an_append(self, log: Log) -> None:
        """A writer that is cancelled while it appends has appended: it need not ask what became of it."""
        writer = await log.open("a", "ann", nothing)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await writer.append([text("a")])
        await writer.append([text("b")])
        await writer.end(DONE)
        tail = await followed(log, "a")
        assert [record.get("text") for _, record in await read(tail)] == ["a", "b", None]
        log.unfollow(tail)

    async def test_streams_do_not_mix(self, log: Log) -> None:
        """Each has its own records and its own generation, which is fit for an event ID."""
        writers: dict[str, Writer] = {name: await log.open(name, "ann", nothing) for name in "ab"}
        for number in range(3):
            for name, writer in writers.items():
                await writer.append([text(f"{name}{number}")])
        for writer in writers.values():
            await writer.end(DONE)
        tails = {name: await followed(log, name) for name in "ab"}
        for name, tail in tails.items():
            assert [record.get("text") for _, record in await read(tail)][:-1] == [
                f"{name}{n}" for n in range(3)
            ]
            assert tail.generation.isalnum()
            assert len(tail.generation) <= 16
            log.unfollow(tail)
        assert tails["a"].generation != tails["b"].generation
