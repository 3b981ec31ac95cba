"""The client on asyncio, one event per read: CPU time per event, against bare httpx.

Run `python -m benchmarks.bench_client`; `--help` tells the options. A server process paces each stream, an event a
write, the streams out of step with each other. Each row is read in a process of its own, and the rows take turns,
round after round. The figures are medians of the reading process's CPU time (user and system) per event while all
streams are open; the factor is the median of each round's own. What opens and ends a stream is outside the clock.
httpx's rows only count the events that they read; sseor's row decodes them, hands out their text, keeps the answer
and watches its deadlines. Before a figure counts, each stream must have brought the text that the server sent.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import importlib
import itertools
import json
import os
import platform
import pstats
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import httpcore
import httpx

import sseor
from benchmarks import workloads
from sseor.client.asyncio_network import AsyncioBackend
from sseor.client.http import AsyncTransport

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
BLOCKS = workloads.deltas(500).blocks
TEXTS = [json.loads(block[6:])["choices"][0]["delta"]["content"] for block in BLOCKS]
SETTLE_SECONDS = 0.5
BODY = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": True}


class Progress:
    """How many events came, on all streams, and whether each stream has begun."""

    def __init__(self, streams: int) -> None:
        self.events = 0
        self.all_begun = asyncio.Event()
        self._missing = streams

    def begin(self) -> None:
        """Note that one more stream has begun."""
        self._missing -= 1
        if not self._missing:
            self.all_begun.set()

    def count(self, events: int) -> None:
        """Note that events came."""
        self.events += events


async def read_raw(client: httpx.AsyncClient, base_url: str, progress: Progress) -> None:
    """Read one stream as httpx gives it, and look at what came first for being what was sent."""
    async with client.stream("POST", f"{base_url}/chat/completions", json=BODY, timeout=None) as response:
        body = response.aiter_raw()
        first = await anext(body)
        if first != BLOCKS[0]:
            raise AssertionError("this is not what the server sent")
        progress.begin()
        async for data in body:
            progress.count(data.count(b"\n\n"))


async def read_text(client: sseor.AsyncClient, _: str, progress: Progress) -> None:
    """Read one stream as events with their text."""
    expected = itertools.cycle(TEXTS)
    async with client.stream(model="m", messages=[{"role": "user", "content": "Hello"}]) as stream:
        await anext(stream)
        next(expected)
        progress.begin()
        async for event in stream:
            if isinstance(event, sseor.Text) and event.delta != next(expected):
                raise AssertionError("this is not what the server sent")
            progress.count(1)


def bare(_: str) -> tuple[Any, Any]:
    """Return httpx as it comes, without its limit of 100 connections."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    return httpx.AsyncClient(limits=limits), read_raw


def on_our_sockets(_: str) -> tuple[Any, Any]:
    """Return httpx over a pool whose sockets are ours."""
    pool = httpcore.AsyncConnectionPool(
        ssl_context=httpx.create_ssl_context(),
        max_connections=None,
        max_keepalive_connections=20,
        network_backend=AsyncioBackend(),
    )
    return httpx.AsyncClient(transport=AsyncTransport(pool)), read_raw


def whole(base_url: str) -> tuple[Any, Any]:
    """Return the whole client."""
    return sseor.AsyncClient(api_key="none", base_url=base_url), read_text


ROWS: dict[str, Callable[[str], tuple[Any, Any]]] = {
    "httpx aiter_raw": bare,
    "httpx aiter_raw, our sockets": on_our_sockets,
    "sseor AsyncClient": whole,
}
BASE = "httpx aiter_raw"


async def measure(row: str, base_url: str, options: argparse.Namespace) -> float:
    """Return the CPU microseconds per event of one row."""
    client, read = ROWS[row](base_url)
    progress = Progress(options.streams)
    async with client, asyncio.TaskGroup() as group:
        readers = [group.create_task(read(client, base_url, progress)) for _ in range(options.streams)]
        await progress.all_begun.wait()
        await caught_up(progress, options.streams * options.rate)
        profile = cProfile.Profile() if options.profile else None
        with profile or contextlib.nullcontext():
            events, used, wall = progress.events, time.process_time(), time.perf_counter()
            await asyncio.sleep(options.seconds)
            events, used = progress.events - events, time.process_time() - used
            wall = time.perf_counter() - wall
        for reader in readers:
            reader.cancel()
    if profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
    if not 0.75 < events / (options.streams * options.rate * wall) < 1.1:
        raise AssertionError(f"{row} read {events} events: it or the server did not keep pace")
    return used / events * 1e6


async def caught_up(progress: Progress, rate: float) -> None:
    """Wait until what piled up while the streams were opened has been read: events then come at the server's rate."""
    for _ in range(20):
        events = progress.events
        await asyncio.sleep(SETTLE_SECONDS)
        if progress.events - events < 1.05 * rate * SETTLE_SECONDS:
            return


async def serve(options: argparse.Namespace) -> None:
    """Answer each request with events at an even pace until the peer leaves; tell the port on stdout."""
    numbers = itertools.count()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            writer.write(HEAD)
            loop, pace = asyncio.get_running_loop(), 1 / options.rate
            at = loop.time() + pace * (next(numbers) % options.streams) / options.streams
            for block in itertools.cycle(BLOCKS):
                at = max(at + pace, loop.time())  # what was late is not made up for by a burst
                await asyncio.sleep(at - loop.time())
                writer.write(b"%x\r\n%b\r\n" % (len(block), block))
                if writer.is_closing():
                    break
        writer.close()

    context = None
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


@contextlib.contextmanager
def server_process(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Run the server in a process of its own; give its base URL."""
    command = [sys.executable, "-m", "benchmarks.bench_client", *sys.argv[1:], "--serve"]
    scheme = "http"
    if options.tls:
        import trustme

        authority, scheme = trustme.CA(), "https"
        authority.cert_pem.write_to_path(str(folder / "authority.pem"))
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
            str(folder / "own.pem")
        )
        os.environ["SSL_CERT_FILE"] = str(folder / "authority.pem")  # for httpx
        command += ["--certificate", str(folder / "own.pem")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"{scheme}://127.0.0.1:{process.stdout.readline().strip()}/api/v1"
        finally:
            process.terminate()


def compare(options: argparse.Namespace) -> None:
    """Measure each row in turn, round after round, and print the table."""
    times: dict[str, list[float]] = {row: [] for row in ROWS}
    with tempfile.TemporaryDirectory() as folder, server_process(options, Path(folder)) as base_url:
        for _ in range(options.rounds):
            for row, own in times.items():
                command = [sys.executable, "-m", "benchmarks.bench_client", *sys.argv[1:]]
                command += ["--row", row, "--base-url", base_url]
                own.append(float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("httpx", "httpcore", "anyio", "h11"))
    print(f"CPython {platform.python_version()}, {versions}, {os.cpu_count()} x {platform.machine()}")
    print(
        f"{options.streams} streams x {options.rate} events/s{', TLS' * options.tls}"
        f"{', uvloop' * options.uvloop}; CPU µs per event, and its factor; median of {options.rounds}"
    )
    for row, own in times.items():
        factor = statistics.median(a / b for a, b in zip(own, times[BASE], strict=True))
        print(f"  {row:30} {statistics.median(own):7.1f} {factor:6.2f}x   ({min(own):.1f} to {max(own):.1f})")


def run(main: Any, options: argparse.Namespace) -> Any:
    """Run a coroutine on the loop that the options ask for."""
    if not options.uvloop:
        return asyncio.run(main)
    uvloop: Any = importlib.import_module("uvloop")
    return uvloop.run(main)


def main() -> None:
    """Compare the rows; or be one of the processes of a comparison."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="per row and round")
    parser.add_argument("--streams", type=int, default=60)
    parser.add_argument("--rate", type=float, default=50.0, help="events per second and stream")
    parser.add_argument("--tls", action="store_true", help="needs trustme")
    parser.add_argument("--uvloop", action="store_true", help="the reading processes run on uvloop")
    parser.add_argument("--profile", metavar="ROW", choices=list(ROWS), help="profile one row instead")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--certificate", help=argparse.SUPPRESS)
    parser.add_argument("--row", help=argparse.SUPPRESS)
    parser.add_argument("--base-url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options))
    elif options.row:
        print(run(measure(options.row, options.base_url, options), options))
    elif options.profile:
        with tempfile.TemporaryDirectory() as folder, server_process(options, Path(folder)) as base_url:
            print(
                run(measure(options.profile, base_url, options), options), "µs per event under the profiler"
            )
    else:
        compare(options)


if __name__ == "__main__":
    main()
