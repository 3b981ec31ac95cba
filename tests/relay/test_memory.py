"""The log in memory keeps the contract, and bounds what it keeps."""

from __future__ import annotations

import anyio
import pytest
from relay.log_contract import DONE, KEPT, LogContract, followed, nothing, text

from sseor.relay.log import FullError
from sseor.relay.memory import MemoryLog


class TestMemoryLog(LogContract):
    """The contract, on the log in memory."""

    @pytest.fixture
    def log(self) -> MemoryLog:
        """Return a fresh log."""
        return MemoryLog(max_records=KEPT)


async def finished(log: MemoryLog, stream: str, size: int = 1) -> None:
    """Write a whole stream."""
    writer = await log.open(stream, "ann", nothing)
    await writer.append([text("x" * size)])
    await writer.end(DONE)


@pytest.mark.anyio
async def test_an_ended_stream_expires() -> None:
    """It is kept for its time and no longer; one that lives does not expire."""
    log = MemoryLog(keep=0.2)
    await log.open("living", "ann", nothing)
    await finished(log, "a")
    assert await log.owner("a") == "ann"
    await anyio.sleep(0.4)
    await finished(log, "b")
    assert await log.owner("a") is None
    assert await log.follow("a") is None
    assert await log.owner("b") == "ann"
    assert await log.owner("living") == "ann"


@pytest.mark.anyio
async def test_the_oldest_ended_streams_make_room() -> None:
    """Beyond its limit the log forgets what ended first, and refuses new streams while all of it lives."""
    log = MemoryLog(max_total=10_000)
    for number in range(20):
        await finished(log, str(number), 1000)
    assert await log.owner("0") is None
    assert await log.owner("19") == "ann"
    living = await log.open("living", "ann", nothing)
    await living.append([text("x" * 20_000)])
    assert await log.owner("19") is None
    with pytest.raises(FullError):
        await log.open("more", "ann", nothing)
    await living.end(DONE)
    assert await log.owner("living") == "ann"
    await log.open("more", "ann", nothing)
    assert await log.owner("living") is None


@pytest.mark.anyio
async def test_a_long_stream_takes_little_more_than_its_text() -> None:
    """Folding bounds what a stream takes: a hundred thousand records of one character are not kept one by one."""
    log = MemoryLog(max_records=64)
    writer = await log.open("a", "ann", nothing)
    for _ in range(1000):
        await writer.append([text("x")] * 100)
    tail = await followed(log, "a")
    assert tail.size < 100_000 + 64 * 80
    await log.aclose()
    assert await log.owner("a") is None


@pytest.mark.anyio
async def test_a_closed_log_knows_nothing() -> None:
    """Whoever followed or wrote a stream until then may still say that it does so no longer."""
    log = MemoryLog()
    writer = await log.open("a", "ann", nothing)
    tail = await followed(log, "a")
    await log.aclose()
    log.unfollow(tail)
    await writer.end(DONE)
    assert tail.ended
    assert await log.owner("a") is None
