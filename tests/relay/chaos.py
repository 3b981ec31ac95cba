"""Workers that are killed and stopped, a Redis that is paused and emptied, viewers that come and go: all at random."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
from relay.history import Seen
from relay.redis_server import RedisServer

from sseor.wire import Decoder, Event

__all__ = ["Chaos", "Worker"]

SILENCE = 3.0
"""Seconds without a byte after which a viewer tries another worker; heartbeats come every half second."""


class Worker:
    """A worker process that can be killed, stopped and started again at the same address."""

    def __init__(self, url: str, lease: float, max_records: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.base = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        descriptor = str(self._listener.fileno())
        self._command = [sys.executable, "-m", "relay.chaos_worker", url, descriptor, str(lease)]
        self._command.append(str(max_records))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        tests = os.path.dirname(os.path.dirname(__file__))
        path = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            self._command,
            pass_fds=[self._listener.fileno()],
            env={**os.environ, "PYTHONPATH": path},
            stderr=subprocess.DEVNULL,
        )

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Kill it for good."""
        self.kill()
        self._listener.close()


@dataclass
class Stream:
    """A stream that was asked for: when, and of how many texts."""

    count: int
    begun: float = field(default_factory=time.monotonic)
    viewers: list[Seen] = field(default_factory=list)


class Chaos:
    """Begins streams and looks at them for some seconds while things break, then waits for all to end."""

    def __init__(self, redis: RedisServer, workers: list[Worker], seed: int, lease: float) -> None:
        self.streams: dict[str, Stream] = {}
        self.done: dict[str, int] = {}
        self.emptied_at: list[float] = []
        self._redis = redis
        self._workers = workers
        self._random = random.Random(seed)
        self._lease = lease
        self._viewing: set[asyncio.Task[None]] = set()

    def emptied(self) -> set[str]:
        """Return the streams that were there when Redis lost everything."""
        return {name for name, one in self.streams.items() if any(at > one.begun for at in self.emptied_at)}

    async def run(self, seconds: float, patience: float) -> None:
        """Make chaos for so long; give the viewers time to see the end."""
        async with httpx.AsyncClient(
            timeout=httpx.Timeout(SILENCE), limits=httpx.Limits(max_connections=None)
        ) as client:
            ends = time.monotonic() + seconds
            beginning = asyncio.create_task(self._begin_streams(client, ends))
            await self._break_things(ends)
            await beginning
            if self._viewing:
                await asyncio.wait(self._viewing, timeout=patience)
            for task in self._viewing:
                task.cancel()

    async def open_sources(self) -> int:
        """Return how many sources the workers still read."""
        async with httpx.AsyncClient(timeout=30) as client:
            return sum([(await client.get(f"{one.base}/open")).json() for one in self._workers])

    async def _begin_streams(self, client: httpx.AsyncClient, ends: float) -> None:
        while time.monotonic() < ends:
            task = asyncio.create_task(self._one_stream(client))
            self._viewing.add(task)
            task.add_done_callback(self._viewing.discard)
            await asyncio.sleep(self._random.uniform(0.0, 0.2))

    async def _one_stream(self, client: httpx.AsyncClient) -> None:
        """Ask a question, as often as it takes, with one key; then look at the answer, several times at once."""
        key = secrets.token_urlsafe(24)
        dice = random.Random(self._random.random())
        stream = Stream(count=dice.choice([3, 30, 150, 400]))
        question = {"count": stream.count, "pause": dice.choice([0.0, 0.003, 0.02])}
        while True:
            with contextlib.suppress(httpx.HTTPError):
                base = dice.choice(self._workers).base
                headers = {"Idempotency-Key": key}
                async with client.stream("POST", f"{base}/streams", json=question, headers=headers) as answer:
                    if answer.status_code == 200:
                        name = answer.headers["x-sseor-stream"]
                        break
                    assert answer.status_code in (429, 503), answer.status_code
            await asyncio.sleep(0.1)
        self.streams[name] = stream
        stream.viewers = [Seen(name) for _ in range(3)]
        await asyncio.gather(
            *(self._look(client, one, random.Random(dice.random())) for one in stream.viewers)
        )

    async def _look(self, client: httpx.AsyncClient, seen: Seen, dice: random.Random) -> None:
        while not seen.is_over:
            base, most = dice.choice(self._workers).base, dice.choice([1, 7, 40, 10_000])
            before = seen.last
            with contextlib.suppress(httpx.HTTPError):
                await self._read(client, f"{base}/streams/{seen.stream}", seen, most)
            if seen.last == before:  # else at once: the next worker may not have read as far
                await asyncio.sleep(dice.uniform(0.0, 0.2))

    async def _read(self, client: httpx.AsyncClient, url: str, seen: Seen, most: int) -> None:
        """Process up to so many events of one connection."""
        headers = {"Last-Event-ID": seen.event_id} if seen.event_id else {}
        async with client.stream("GET", url, headers=headers) as answer:
            self.done[str(answer.status_code)] = self.done.get(str(answer.status_code), 0) + 1
            if answer.status_code in (404, 204, 409):
                seen.gone = True
                if answer.status_code != 404:
                    seen.faults.append(f"{seen.stream}: {answer.status_code} after {seen.event_id}")
            if answer.status_code != 200:
                return
            decoder = Decoder()
            async for data in answer.aiter_raw():
                for item in decoder.feed(data):
                    if isinstance(item, Event):
                        seen.take(str(item.id), item.data)
                        most -= 1
                        if not most or seen.terminal:
                            return

    async def _break_things(self, ends: float) -> None:
        acts: list[tuple[Callable[[], Awaitable[None]], int]] = [
            (self._kill_worker, 4),
            (self._stop_worker, 4),
            (self._pause_redis, 3),
            (self._empty_redis, 2),
        ]
        while time.monotonic() < ends:
            await asyncio.sleep(self._random.uniform(0.3, 1.5))
            act = self._random.choices([act for act, _ in acts], [weight for _, weight in acts])[0]
            self.done[act.__name__] = self.done.get(act.__name__, 0) + 1
            await act()

    async def _kill_worker(self) -> None:
        worker = self._random.choice(self._workers)
        worker.kill()
        await asyncio.sleep(self._random.choice([0.0, 0.5]))
        worker.start()

    async def _stop_worker(self) -> None:
        worker = self._random.choice(self._workers)
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(self._random.choice([0.2, 0.8, 2.5]) * self._lease)
        worker.signal(signal.SIGCONT)

    async def _pause_redis(self) -> None:
        self._redis.pause()
        await asyncio.sleep(self._random.choice([0.1, 0.5, 1.5]) * self._lease)
        self._redis.resume()

    async def _empty_redis(self) -> None:
        self.emptied_at.append(time.monotonic())
        await asyncio.to_thread(self._redis.kill)
        await asyncio.sleep(self._random.choice([0.0, 0.3, 1.5]) * self._lease)
        await asyncio.to_thread(self._redis.start)
        self.emptied_at.append(time.monotonic())


def entries_of(redis: RedisServer, stream: str) -> tuple[list[tuple[str, str, str]], int]:
    """Return the entries of a stream's log in Redis, and the number of the last record that was folded."""
    script = "return cjson.encode(redis.call('XRANGE', KEYS[1], '-', '+'))"
    head = f"{{sseor:0}}:{stream}"
    found = json.loads(redis.ask("EVAL", script, "1", f"{head}:log"))
    folded = redis.ask("HGET", f"{head}:meta", "folded")
    return [(entry, fields[0], fields[1]) for entry, fields in found], int(folded or 0)
