"""One client in a process of its own: checked, then measured in one of several ways; the parent gives the plan.

`paced` gives CPU time (user and system) per event and how late events are, `ladder` how many streams are read in
time, `memory` what an open stream takes, `first` how long the first text takes. What opens and ends streams is outside
the clock of the first three.
"""

from __future__ import annotations

import contextlib
import cProfile
import json
import os
import pstats
import resource
import statistics
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio

from benchmarks import readers, server, sync_readers
from benchmarks.measuring import Figures, expect
from benchmarks.seen import Seen

SETTLE_SECONDS = 0.4
LATEST = 0.05
LADDER = (50, 75, 100, 150, 200, 250, 300, 400, 500, 600, 800, 1000)
"""Steps that are far enough apart for a run of some seconds to tell them apart."""
OPEN_AT_ONCE = 50

Seens = list[Seen]
Open = Callable[[str, Seen], Awaitable[None]]


def check(seen: Seen, *, raw: bool) -> None:
    """Raise unless the answer `whole` was read as it was sent."""
    blocks = server.WHOLE.blocks
    if raw:
        expect("".join(seen.texts).startswith(server.WHOLE.stream.decode()), True, "bytes")
    else:
        expect("".join(seen.texts), server.WHOLE.text, "text")
        expect(seen.events, len(blocks), "number of events")


def percentile(values: list[float], percent: int) -> float:
    """Return a percentile of some values."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


class Window:
    """What happens between its making and `figures`: CPU time, events, and how late they are."""

    def __init__(self, seens: Seens, rate: float) -> None:
        self._seens = seens
        self._rate = rate
        for seen in seens:
            seen.late.clear()
        self._events = sum(seen.events for seen in seens)
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def figures(self) -> Figures:
        """Return microseconds per event, milliseconds late, and the share of the events due that came."""
        used, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        events = sum(seen.events for seen in self._seens) - self._events
        late = [moment * 1000 for seen in self._seens for moment in seen.late] or [float("inf")] * 2
        return {
            "cpu": used / max(events, 1) * 1e6,
            "p50": percentile(late, 50),
            "p99": percentile(late, 99),
            "came": events / (len(self._seens) * self._rate * wall),
        }


def kept_pace(figures: Figures) -> Figures:
    """Return the figures; raises when reader or server did not keep the pace that they are meant for."""
    if not 0.8 < figures.pop("came") < 1.1:
        raise AssertionError("the reader or the server did not keep pace")
    return figures


class Streams:
    """Streams of one reader that are open at the same time, read by tasks of a group."""

    def __init__(self, group: Any, read: Open, model: str) -> None:
        self.seens: Seens = []
        self._group = group
        self._read = read
        self._model = model

    async def grow(self, number: int) -> None:
        """Open streams until there are so many, and wait until each has begun."""
        while len(self.seens) < number:
            fresh = [Seen() for _ in range(min(OPEN_AT_ONCE, number - len(self.seens)))]
            for seen in fresh:
                self._group.start_soon(self._read, self._model, seen)
            self.seens += fresh
            until = time.monotonic() + 20
            while not all(seen.events for seen in fresh):
                if time.monotonic() > until:
                    raise TimeoutError("streams do not begin")
                await anyio.sleep(0.02)


async def measure_async(plan: dict[str, Any]) -> Figures:
    """Measure a client for asyncio or trio."""
    _, make, raw = readers.ASYNC[plan["reader"]]
    async with make(plan["base_url"]) as read:
        seen = Seen(keeps=True)
        await read("whole", seen)
        check(seen, raw=raw)
        if plan["way"] == "first":
            return await first_async(read, plan["requests"])
        async with anyio.create_task_group() as group:
            streams = Streams(group, read, "held" if plan["way"] == "memory" else f"paced-{plan['rate']}")
            figures = await WAYS[plan["way"]](streams, plan)
            if plan["way"] == "ladder":
                # Closing a thousand streams is slow with some clients, and not what is measured.
                finish(figures)
            group.cancel_scope.cancel()
    return figures


async def paced(streams: Streams, plan: dict[str, Any]) -> Figures:
    """Return CPU time per event, and how late events are."""
    await streams.grow(plan["streams"])
    await anyio.sleep(SETTLE_SECONDS)
    profile = cProfile.Profile() if plan.get("profile") else None
    with profile or contextlib.nullcontext():
        window = Window(streams.seens, plan["rate"])
        await anyio.sleep(plan["seconds"])
        figures = window.figures()
    if profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
    return kept_pace(figures)


async def ladder(streams: Streams, plan: dict[str, Any]) -> Figures:
    """Return the last number of streams of which 99 in 100 events came in time; each step may be tried twice."""
    holds = 0
    server.pin(-1)
    for number in LADDER:
        try:
            await streams.grow(number)
        except TimeoutError:
            break
        for _ in range(2):
            await anyio.sleep(SETTLE_SECONDS)
            window = Window(streams.seens, plan["rate"])
            await anyio.sleep(plan["seconds"])
            figures = window.figures()
            in_time = figures["p99"] <= LATEST * 1000 and figures["came"] > 0.95
            if in_time:
                break
        if not in_time:
            break
        holds = number
    return {"streams": holds}


async def memory(streams: Streams, plan: dict[str, Any]) -> Figures:
    """Return the KiB of this process that one more open stream takes."""
    await streams.grow(20)
    before = resident_kib()
    await streams.grow(20 + plan["streams"])
    return {"memory": (resident_kib() - before) / plan["streams"]}


WAYS = {"paced": paced, "ladder": ladder, "memory": memory}


def resident_kib() -> int:
    """Return the memory of this process that it shares with nobody."""
    rollup = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_"))


async def first_async(read: Open, requests: int) -> Figures:
    """Return how long the first text takes, from the call on, over a connection that is kept."""
    waits = []
    for _ in range(requests):
        seen = Seen(keeps=True)
        asked = time.perf_counter()
        await read("first", seen)
        assert seen.began is not None
        waits.append((seen.began - asked) * 1000)
    return {"first": statistics.median(waits[requests // 4 :])}


def measure_sync(plan: dict[str, Any]) -> Figures:
    """Measure a client for threads, by one thread for each stream."""
    _, make, raw = sync_readers.SYNC[plan["reader"]]
    with make(plan["base_url"]) as read:
        seen = Seen(keeps=True)
        read("whole", seen)
        check(seen, raw=raw)
        if plan["way"] == "first":
            return first_sync(read, plan["requests"])
        seens = [Seen() for _ in range(plan["streams"])]
        for seen in seens:
            model = f"paced-{plan['rate']}"
            threading.Thread(target=read, args=(model, seen), daemon=True).start()
        while not all(seen.events for seen in seens):
            time.sleep(0.02)
        time.sleep(SETTLE_SECONDS)
        window = Window(seens, plan["rate"])
        time.sleep(plan["seconds"])
        finish(kept_pace(window.figures()))  # the threads still read
    return {}


def first_sync(read: sync_readers.Read, requests: int) -> Figures:
    """Return how long the first text takes, from the call on, over a connection that is kept."""
    waits = []
    for _ in range(requests):
        seen = Seen(keeps=True)
        asked = time.perf_counter()
        read("first", seen)
        assert seen.began is not None
        waits.append((seen.began - asked) * 1000)
    return {"first": statistics.median(waits[requests // 4 :])}


def finish(figures: Figures) -> None:
    """Print the figures and end the process at once, whatever is still open."""
    print(json.dumps(figures), flush=True)
    os._exit(0)


def main() -> None:
    """Measure as the plan says."""
    plan = json.loads(sys.argv[1])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        if plan["loop"] == "threads":
            finish(measure_sync(plan))
        options = {"use_uvloop": True} if plan["loop"] == "uvloop" else {}
        backend = "trio" if plan["loop"] == "trio" else "asyncio"
        finish(anyio.run(measure_async, plan, backend=backend, backend_options=options))
    except Exception as error:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        traceback.print_exception(error)
        sys.exit(1)


if __name__ == "__main__":
    main()
