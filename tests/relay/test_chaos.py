"""The relay on several workers and Redis, while all of them are killed, stopped and paused; a checker decides."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

from relay.chaos import Chaos, Worker, entries_of
from relay.history import judge, judge_log
from relay.redis_server import RedisServer, redis_program

__all__ = ["redis_program"]

SECONDS = float(os.environ.get("SSEOR_CHAOS_SECONDS", "8"))
SEED = int(os.environ.get("SSEOR_CHAOS_SEED", "0")) or time.time_ns() % 1_000_000
LEASE = 1.0


def test_whatever_breaks_each_viewer_gets_each_record_once_and_one_end(redis_program: str) -> None:
    """No gap, no duplicate, one terminal each, the same for all; stale writers are refused, and no source stays open.

    `SSEOR_CHAOS_SECONDS` makes it longer, `SSEOR_CHAOS_SEED` chooses what breaks when.
    """
    with tempfile.TemporaryDirectory(prefix="sseor-chaos-") as folder:
        with RedisServer(Path(folder), program=redis_program) as redis:
            workers = [Worker(redis.url, LEASE, 64) for _ in range(3)]
            try:
                for worker in workers:
                    worker.start()
                chaos = Chaos(redis, workers, SEED, LEASE)
                faults = asyncio.run(judged(chaos, redis))
            finally:
                for worker in workers:
                    worker.close()
    seen = [one for stream in chaos.streams.values() for one in stream.viewers]
    ends = {end: sum(one.terminal == end for one in seen) for end in ("done", "interrupted", "")}
    print(f"seed {SEED}: {len(chaos.streams)} streams, {len(seen)} viewers ended {ends}, {chaos.done}")
    assert not faults, f"seed {SEED}: {len(faults)} faults, {faults[:10]}"
    assert ends["done"]


async def judged(chaos: Chaos, redis: RedisServer) -> list[str]:
    """Make the chaos and return all that is wrong."""
    await chaos.run(SECONDS, patience=60)
    emptied = chaos.emptied()
    counts = {name: stream.count for name, stream in chaos.streams.items()}
    seen = [one for stream in chaos.streams.values() for one in stream.viewers]
    faults = judge(seen, counts, emptied)
    for name in chaos.streams.keys() - emptied:
        entries, folded = entries_of(redis, name)
        faults += judge_log(name, entries, folded, chaos.streams[name].viewers)
    left = time.monotonic() + 30
    while (still_open := await chaos.open_sources()) and time.monotonic() < left:
        await asyncio.sleep(0.2)
    if still_open:
        faults.append(f"{still_open} sources are still open")
    return faults
