"""The relay against sse-starlette: the same events, the same bytes on the wire, the same server, one run.

Each row is a uvicorn (httptools, uvloop) in a
process of its own; readers in another process take the bytes off their sockets and count events. Figures are the
server's CPU time, user and system, medians over rounds in which the rows take turns. `one stream` is a source that
always has another event; `fan-out` is one source and 200 viewers, flat out or 100 events a second in bursts of ten,
where sse-starlette gets a queue for each viewer; `idle` is the memory (PSS) of an open connection that waits, with
heartbeats and a watch for disconnects. Before a figure counts, each reader must have got each event.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks.measuring import ROOT, Figures, Row, Table, version
from sseor.chat import Text
from sseor.relay import Limits, Relay
from sseor.relay.asgi import Question

GENERATION = "abcd1234"
LAST = b'"done"'
ROWS = ("sse-starlette, events", "sse-starlette, ready bytes", "sseor")
DONE = '{"type":"done","finish_reason":null}'


async def source(plan: dict[str, Any]) -> AsyncIterator[Text]:
    """Give the events of a plan: `count` of `size` characters, `burst` at once each `pause` seconds (0: flat out)."""
    event = Text("x" * plan["size"])
    await asyncio.sleep(plan["delay"])
    for number in range(plan["count"]):
        if plan["pause"] and number % plan["burst"] == 0:
            await asyncio.sleep(plan["pause"])
        yield event


def relay_application() -> Any:
    """Return the relay, with nothing in the way of a benchmark's own limits."""
    limits = Limits(max_bytes=1 << 40, max_duration=1e6)
    relay = Relay(smoothing=None, limits=limits)

    def answer(question: Question) -> AsyncIterator[Text]:
        return source(dict(question.body))

    return relay.asgi(answer, allow_anonymous=True)


def peer_application(row: str) -> Any:
    """Return the same on sse-starlette: POST begins a stream, GET joins it, each viewer has a queue."""
    responses: Any = import_module("sse_starlette")
    applications: Any = import_module("starlette.applications")
    routing: Any = import_module("starlette.routing")
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    queues: dict[str, list[asyncio.Queue[Any]]] = {}
    tasks: set[asyncio.Task[None]] = set()

    def item(number: int, data: str) -> Any:
        if row.endswith("events"):
            return {"id": f"{GENERATION}.{number}", "data": data}
        return f"id: {GENERATION}.{number}\ndata: {data}\n\n".encode()

    async def items(plan: dict[str, Any]) -> AsyncIterator[Any]:
        number = 0
        async for event in source(plan):
            number += 1
            yield item(number, encode({"type": "text", "text": event.delta}))
            if number % 64 == 0:
                await asyncio.sleep(0)
        yield item(number + 1, DONE)

    async def publish(name: str, plan: dict[str, Any]) -> None:
        async for one in items(plan):
            for queue in queues[name]:
                queue.put_nowait(one)

    async def take(queue: asyncio.Queue[Any], last: int) -> AsyncIterator[Any]:
        for _ in range(last + 1):
            yield await queue.get()

    async def begin(request: Any) -> Any:
        plan = await request.json()
        if not plan["shared"]:
            return responses.EventSourceResponse(items(plan), sep="\n")
        name = str(len(queues))
        queues[name] = []
        task = asyncio.create_task(publish(name, plan))
        tasks.add(task)
        headers = {"X-Sseor-Stream": name}
        return responses.EventSourceResponse(join(name, plan), sep="\n", headers=headers)

    def join(name: str, plan: dict[str, Any]) -> AsyncIterator[Any]:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        queues[name].append(queue)
        return take(queue, plan["count"])

    async def attach(request: Any) -> Any:
        plan = {"count": int(request.query_params["count"])}
        return responses.EventSourceResponse(join(request.path_params["name"], plan), sep="\n")

    route = routing.Route
    return applications.Starlette(
        routes=[route("/streams", begin, methods=["POST"]), route("/streams/{name}", attach)]
    )


def with_meters(application: Any) -> Any:
    """Return an application that also tells the CPU time and the memory of its process."""

    async def metered(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != "/meters":
            await application(scope, receive, send)
            return
        with open("/proc/self/smaps_rollup", encoding="ascii") as rollup:  # noqa: ASYNC230 (the kernel's own)
            pss = next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        body = json.dumps({"cpu": time.process_time(), "pss": pss}).encode()
        headers = [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return metered


def serve(row: str) -> None:
    """Be the server of one row; tell the port on stdout."""
    uvicorn: Any = import_module("uvicorn")
    application = relay_application() if row == "sseor" else peer_application(row)

    class Server(uvicorn.Server):  # type: ignore[misc]
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            print(self.servers[0].sockets[0].getsockname()[1], flush=True)

    config = uvicorn.Config(
        with_meters(application), port=0, log_level="error", access_log=False, lifespan="off", backlog=4096
    )
    Server(config).run()


class Reader(asyncio.Protocol):
    """One connection: sends a request, counts blank lines, looks for the terminal record."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.head: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.events = 0
        self._last = b""

    def connection_made(self, transport: Any) -> None:
        """Ask."""
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count."""
        if not self.head.done():
            self.head.set_result(data)
        self.events += data.count(b"\nid: ") + data.startswith(b"id: ")
        if LAST in self._last + data and not self.ended.done():
            self.ended.set_result(None)
        self._last = data[-len(LAST) :]

    def connection_lost(self, exception: Exception | None) -> None:  # noqa: ARG002 (asyncio's)
        """Say that it is over."""
        for future in (self.head, self.ended):
            future.cancel()


async def ask(port: int, method: str, path: str, body: bytes = b"") -> Reader:
    """Send one request; return its reader once the head has come."""
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    _, reader = await asyncio.get_running_loop().create_connection(
        lambda: Reader(head.encode() + body), "127.0.0.1", port
    )
    await reader.head
    return reader


async def path_of(first: Reader, plan: dict[str, Any]) -> str:
    """Return where others join the stream that the first reader has begun."""
    head = await first.head
    begin = head.lower().index(b"\r\nx-sseor-stream: ") + 18
    name = head[begin:].partition(b"\r")[0].decode()
    return f"/streams/{name}?count={plan['count']}"


async def meters(port: int) -> dict[str, float]:
    """Return what the server says of itself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /meters HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return dict(json.loads(answer.partition(b"\r\n\r\n")[2]))


async def read(port: int, plan: dict[str, Any], viewers: int) -> float:
    """Return the server's CPU microseconds per event delivered to one of `viewers`."""
    body = json.dumps(plan).encode()
    before = await meters(port)
    first = await ask(port, "POST", "/streams", body)
    others = [await ask(port, "GET", await path_of(first, plan)) for _ in range(viewers - 1)]
    readers = [first, *others]
    opened = await meters(port)
    await asyncio.gather(*(reader.ended for reader in readers))
    after = await meters(port)
    for reader in readers:
        reader.transport.close()
    expected = viewers * (plan["count"] + 1)
    events = sum(reader.events for reader in readers)
    if not 0.97 * expected <= events <= expected:  # an `id:` cut in two by a read is not counted
        raise AssertionError(f"{events} of {expected} events came")
    used = after["cpu"] - (opened if viewers > 1 else before)["cpu"]
    return float(used / expected * 1e6)


async def idle(port: int, connections: int) -> float:
    """Return the KiB that one open connection takes."""
    plan = {"size": 1, "count": 1, "burst": 1, "pause": 0, "delay": 600, "shared": True}
    first = await ask(port, "POST", "/streams", json.dumps(plan).encode())
    path = await path_of(first, plan)
    warm = [await ask(port, "GET", path) for _ in range(50)]
    before = await meters(port)
    readers = [await ask(port, "GET", path) for _ in range(connections)]
    after = await meters(port)
    for reader in [first, *warm, *readers]:
        reader.transport.close()
    return (after["pss"] - before["pss"]) / connections


PLANS: dict[str, tuple[str, dict[str, Any], int]] = {
    "one stream, 300-byte events": ("k events per CPU second", {"size": 245, "count": 60_000}, 1),
    "one stream, 60-byte events": ("k events per CPU second", {"size": 5, "count": 60_000}, 1),
    "fan-out to 200, flat out": ("CPU µs per delivered event", {"size": 245, "count": 1_000}, 200),
    "fan-out to 200, 100 a second": (
        "CPU µs per delivered event",
        {"size": 245, "count": 300, "pause": 0.1},
        200,
    ),
}


def measure(port: int, name: str) -> float:
    """Return one figure of one row."""
    if name == "idle":
        return asyncio.run(idle(port, 2_000))
    unit, plan, viewers = PLANS[name]
    whole = {"burst": 10, "pause": 0, "delay": 2.0 if viewers > 1 else 0.0, "shared": viewers > 1, **plan}
    cost = asyncio.run(read(port, whole, viewers))
    return 1e3 / cost if unit.startswith("k events") else cost


@contextlib.contextmanager
def server(row: str) -> Iterator[int]:
    """Run the server of a row; give its port."""
    command = [sys.executable, "-m", "benchmarks.relay", row]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def tables(scale: float) -> Iterator[Table]:
    """Return a table for each plan, and one of idle connections."""
    units = {name: plan[0] for name, plan in PLANS.items()} | {"idle": "KiB per connection"}
    for name, unit in units.items():
        yield Table(
            f"relay-{name.partition(',')[0].replace(' ', '-')}{len(name)}",
            f"Relay: {name}",
            "Server side, uvicorn with httptools and uvloop; the same events and the same bytes on the wire.",
            {name: unit},
            [Row(row, partial(take, row, name), check) for row in ROWS],
            "sse-starlette, ready bytes",
            max(1, round(2 * scale)),
            less_is_more=not unit.startswith("k events"),
        )


def check() -> None:
    """Raise when the peer is not installed."""
    for package in ("sse-starlette", "uvicorn", "httptools", "uvloop"):
        version(package)


def take(row: str, name: str) -> Figures:
    """Return one figure of one row."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with server(row) as port:
        return {name: measure(port, name)}


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    serve(sys.argv[1])
