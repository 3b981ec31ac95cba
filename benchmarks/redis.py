"""The log on Redis: from a writer in one process to a viewer in another, one read for all streams, batches.

Each row has a redis-server of its own, at a Unix socket and without persistence, and the writer and the reader in a
process each. Before a figure counts, each tail must hold each record.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measuring import ROOT, Figures, Row, Table, ask
from sseor.relay.redis import RedisLog
from sseor.relay.redis.commands import connect
from sseor.relay.tail import Tail, payload_of

EVERY: dict[str, Any] = {"lease": 60.0, "max_records": 1 << 20, "max_bytes": 1 << 30}
"""Settings with which nothing is folded while it is measured."""

TEXT = "x" * 240
ALL, EACH = "sseor: one blocking read for all", "redis-py: one blocking read per stream"
BATCHES = (1, 20, 100)


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Run a server; give its URL."""
    with tempfile.TemporaryDirectory(prefix="sseor-benchmark-") as folder:
        path = f"{folder}/r.sock"
        command = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            while not Path(path).exists():
                time.sleep(0.02)
            try:
                yield f"unix://{path}"
            finally:
                process.kill()


@contextlib.contextmanager
def writer(url: str, streams: int, count: int, pause: float) -> Iterator[None]:
    """Run the process that writes; it begins once the readers have had two seconds."""
    plan = {"role": "write", "url": url, "streams": streams, "count": count, "pause": pause}
    with subprocess.Popen([sys.executable, "-m", "benchmarks.redis", json.dumps(plan)], cwd=ROOT) as process:
        try:
            yield
            process.wait()
        finally:
            process.kill()


async def write(plan: dict[str, Any]) -> None:
    """Append a record to each stream in turn, at an even pace; each tells when that was."""
    log = RedisLog(plan["url"], **EVERY)
    writers = [await log.open(f"s{number}", "", lambda: None) for number in range(plan["streams"])]
    client = connect(plan["url"])
    await client.set("open", "1")
    await asyncio.sleep(2)
    due = time.monotonic()
    for _ in range(plan["count"]):
        for one in writers:
            due += plan["pause"] / len(writers)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            record = json.dumps({"type": "text", "text": TEXT, "at": time.monotonic()}).encode()
            await one.append([record])
    for one in writers:
        await one.end(b'{"type":"done"}')
    await client.aclose()
    await log.aclose()


async def opened(url: str) -> None:
    """Wait until the writer has opened its streams."""
    client = connect(url)
    while not await client.get("open"):  # noqa: ASYNC110 (another process says so)
        await asyncio.sleep(0.02)
    await client.aclose()


async def delays(url: str, streams: int) -> list[float]:
    """Return the milliseconds from each append to a viewer of the first stream, in a process that follows all."""
    await opened(url)
    log = RedisLog(url, **EVERY)
    tail, *_ = [await log.follow(f"s{number}") for number in range(streams)]
    assert tail is not None
    found, place = [], 0
    while not (tail.ended and place == tail.last):
        await tail.changed()
        now = time.monotonic()
        while (batch := tail.after(place)) is not None:
            place = batch.last
            records = [json.loads(payload_of(block)) for block in batch.blocks]
            found += [(now - record["at"]) * 1000 for record in records if "at" in record]
    await log.aclose()
    return found


async def read_for_all(url: str, streams: int) -> list[Tail]:
    """Follow all streams to their ends with a log."""
    log = RedisLog(url, **EVERY)
    tails = [await log.follow(f"s{number}") for number in range(streams)]
    while not all(tail.ended for tail in tails if tail):  # noqa: ASYNC110 (many at once)
        await asyncio.sleep(0.05)
    await log.aclose()
    return [tail for tail in tails if tail]


async def read_each(url: str, streams: int) -> list[Tail]:
    """Follow each stream to its end with a connection of its own."""
    client: Any = connect(url)

    async def follow(name: str) -> Tail:
        tail, key, position = Tail(name, "g", **_bounds()), f"{{sseor:0}}:{name}:log", b"0"
        while not tail.ended:
            for _, entries in await client.xread({key: position}, count=100, block=1000):
                for position, fields in entries:  # noqa: B007 (it is where the next read begins)
                    if b"e" in fields:
                        tail.end(fields[b"e"])
                    else:
                        tail.add(fields[b"r"].split(b"\n"))
        return tail

    found = await asyncio.gather(*(follow(f"s{number}") for number in range(streams)))
    await client.aclose()
    return found


def _bounds() -> dict[str, Any]:
    return {name: EVERY[name] for name in ("max_records", "max_bytes")}


async def read(plan: dict[str, Any]) -> Figures:
    """Read all streams; return the CPU microseconds per event of this process, and of Redis."""
    url, streams = plan["url"], plan["streams"]
    await opened(url)
    client = connect(url)
    before, own = await client.info("cpu"), time.process_time()
    tails = await (read_for_all if plan["row"] == ALL else read_each)(url, streams)
    after, used = await client.info("cpu"), time.process_time() - own
    await client.aclose()
    events = streams * (plan["count"] + 1)
    if sum(tail.last for tail in tails) != events:
        raise AssertionError("records are missing")
    spent = sum(float(after[name]) - float(before[name]) for name in ("used_cpu_user", "used_cpu_sys"))
    return {"reader": used / events * 1e6, "Redis": spent / events * 1e6}


async def append(url: str, batch: int) -> float:
    """Return the thousands of events per second that eight streams of one process take, in batches."""
    log = RedisLog(url, lease=60.0)
    writers = [await log.open(f"s{number}", "", lambda: None) for number in range(8)]
    records = [json.dumps({"type": "text", "text": TEXT}).encode()] * batch
    rounds = 6000 // batch if batch > 1 else 1500

    async def fill(one: Any) -> None:
        for _ in range(rounds):
            await one.append(records)

    began = time.monotonic()
    await asyncio.gather(*map(fill, writers))
    taken = time.monotonic() - began
    if any(one.tail.last != rounds * batch for one in writers):
        raise AssertionError("records are missing")
    await log.aclose()
    return 8 * rounds * batch / taken / 1000


def take_delay(streams: int, count: int, pause: float) -> Figures:
    """Measure streams of so many events, with a pause between two of a stream."""
    with server() as url, writer(url, streams, count, pause):
        found = asyncio.run(delays(url, streams))
    if len(found) != count:
        raise AssertionError(f"{len(found)} of {count} events came")
    return {"p50": statistics.median(found), "p99": statistics.quantiles(found, n=100)[98]}


def take_reading(row: str) -> Figures:
    """Measure a hundred streams of 20 events a second each."""
    with server() as url, writer(url, 100, 100, 0.05):
        return ask("redis", {"role": "read", "url": url, "streams": 100, "count": 100, "row": row})


def take_appending() -> Figures:
    """Measure batches of several sizes."""
    found = {}
    for batch in BATCHES:
        with server() as url:
            found[f"batches of {batch}"] = asyncio.run(append(url, batch))
    return found


def check() -> None:
    """Raise when there is no server."""
    if shutil.which("redis-server") is None:
        raise ModuleNotFoundError("redis-server")


def tables(scale: float) -> Iterator[Table]:
    """Return tables of delay, reading and appending."""
    rounds = max(1, round(3 * scale))
    yield Table(
        "redis-delay",
        "Redis: from an append to a viewer in another process",
        "The clock is the machine's own.",
        {"p50": "ms", "p99": "ms"},
        [
            Row("one stream, 200 events a second", partial(take_delay, 1, 1000, 0.005), check),
            Row("a hundred streams, 20 a second each", partial(take_delay, 100, 100, 0.05), check),
        ],
        "one stream, 200 events a second",
        rounds,
    )
    yield Table(
        "redis-reading",
        "Redis: a hundred streams of 20 events a second each, followed by one process",
        "CPU time. That of Redis includes the appending, which is the same for both.",
        {"reader": "µs per event", "Redis": "µs per event"},
        [Row(row, partial(take_reading, row), check) for row in (EACH, ALL)],
        EACH,
        rounds,
    )
    yield Table(
        "redis-appending",
        "Redis: thousands of events appended per second, by eight writers of one process",
        "Events of 270 bytes; each batch is in Redis before the next is sent.",
        {f"batches of {batch}": "k/s" for batch in BATCHES},
        [Row("sseor", take_appending, check)],
        "sseor",
        rounds,
        less_is_more=False,
    )


def main() -> None:
    """Be the process that writes, or one that reads."""
    plan = json.loads(sys.argv[1])
    if plan["role"] == "write":
        asyncio.run(write(plan))
    else:
        print(json.dumps(asyncio.run(read(plan))))


if __name__ == "__main__":
    main()
