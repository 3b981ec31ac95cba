"""What the tests of the catalogue of faults share: a reader that looks at everything a reader can see.

`look_at` answers one stream by `respond`, reads it to its end and once more, and checks what holds for every row: the
connection is let go while the client is still open, no text comes twice or differs from the partial, a further read
gives the same error again, all text is encodable, and the key shows in no text, log or chained cause.
"""

from __future__ import annotations

import gc
import json
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from conftest import open_sockets, running_threads
from faults import in_chunks, serve
from shells import KEY, PROMPT, SHELLS, Outcome

import sseor
from sseor.errors import SseorError
from sseor.testing import Exchange, LoopbackServer, Reply, Request
from sseor.testing.shapes import Generation, data_event

OTHER_KEY = "canary.of.another/provider=0123456789"
"""A key that does not look like OpenRouter's: no pattern can find it, only a comparison."""

PATIENT = sseor.Timeouts(connect=5, silence=8, first_token=8, stall=8)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED_HEAD = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

Respond = Callable[[Exchange], None]
each_shell = pytest.mark.parametrize("shell", SHELLS)
each_client = pytest.mark.parametrize("client", [sseor.Client, sseor.AsyncClient])


def across_shells(
    names: str | tuple[str, ...],
    cases: Sequence[Any],
    ids: Callable[[Any], Any] | list[str] | None = None,
) -> pytest.MarkDecorator:
    """Return a mark as `parametrize` makes it that gives each case one of the shells, in turn.

    For long lists of cases that differ only above the shells, which share all of that.
    """
    rows = []
    for number, case in enumerate(cases):
        values = (case,) if isinstance(names, str) else case
        shell = SHELLS[number % len(SHELLS)]
        shown = [ids[number]] if isinstance(ids, list) else [str((ids or _shown)(value)) for value in values]
        rows.append(pytest.param(shell, *values, id="-".join([shell, *shown])))
    return pytest.mark.parametrize(("shell", *((names,) if isinstance(names, str) else names)), rows)


def _shown(value: Any) -> str:
    return ascii(value)[:30]


@dataclass
class Seen(Outcome):
    """What a reader saw, and besides: how a further read ended, what was logged, and what the server was asked."""

    again: object = None
    log: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    kept: int = 0
    """Connections that the client still keeps for reuse."""

    @property
    def whole(self) -> sseor.Completion:
        """The completion of an answer that ended well."""
        assert self.error is None, repr(self.error)
        assert self.completion is not None
        return self.completion

    @property
    def attempts(self) -> int:
        """How many requests the server got."""
        return len(self.requests)


def retrying(attempts: int = 3, **options: Any) -> sseor.RetryPolicy:
    """Return a policy that tries again at once."""
    return sseor.RetryPolicy(attempts=attempts, base=0.0, **options)


def chunk(text: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return a chunk with one choice; `delta`, `finish_reason` and other fields as keywords."""
    delta = fields.pop("delta", {} if text is None else {"content": text})
    choice = {"index": 0, "delta": delta, "finish_reason": fields.pop("finish_reason", None)}
    return {"id": "gen-1", "model": "m", "provider": "P", "choices": [choice], **fields}


def sse(*events: Any) -> bytes:
    """Return the bytes of these events: dicts as JSON, text as it is."""
    return b"".join(data_event(event) for event in events)


FINISH = chunk(finish_reason="stop")
LOW = chunk("Low")
ENDING = sse(FINISH, "[DONE]")


def body(data: bytes, *, headers: dict[str, str] | None = None, pause: float = 0.0) -> Respond:
    """Return a `respond` that sends this body in one piece, ends it after `pause` seconds and keeps the connection."""

    def respond(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Type": "text/event-stream"} if headers is None else headers)
        exchange.send(data)
        if pause:
            exchange.wait(pause)

    return respond


def raw(*pieces: bytes, pause: float = 0.005, last: Callable[[Exchange], None] = Exchange.cut) -> Respond:
    """Return a `respond` that sends raw bytes, `pause` seconds apart, then does `last`: FIN, or RST a little later."""

    def respond(exchange: Exchange) -> None:
        for piece in pieces:
            exchange.raw(piece)
            exchange.wait(pause)
        if last is Exchange.reset:
            exchange.wait(0.03)  # so that the bytes are read before
        last(exchange)

    return respond


def for_ever(
    data: bytes | Callable[[], bytes], *, first: bytes = CHUNKED_HEAD, every: float = 0.02
) -> Respond:
    """Return a `respond` that sends `first`, then `data` again and again until the client leaves."""

    def respond(exchange: Exchange) -> None:
        exchange.raw(first)
        while exchange.wait(every):
            exchange.raw(data if isinstance(data, bytes) else data())

    return respond


def chunked(*events: Any) -> bytes:
    """Return these events as one HTTP chunk."""
    return in_chunks(sse(*events))


def reply_in(exchange: Exchange) -> Reply:
    """Return a reply over this exchange."""
    return Reply(exchange, Generation("m"))


def look_at(shell: str, respond: Respond, *, tls: bool = False, key: str = KEY, **options: Any) -> Seen:
    """Read one stream that `respond` answers, check what holds for every row, and return what was seen."""
    with serve(respond, tls=tls) as server:
        seen = watch(shell, server.base_url, server=server, key=key, **options)
        seen.requests = list(server.requests)
    return seen


def watch(
    shell: str,
    base_url: str,
    *,
    server: LoopbackServer | None = None,
    key: str = KEY,
    lens: Callable[[Any], Any] = lambda stream: stream,
    think: float = 0.0,
    without_logs_of: str = "-",
    parameters: dict[str, Any] | None = None,
    **options: Any,
) -> Seen:
    """Read one stream from `base_url` as `look_at` does; `think` is the caller's own time after each item.

    `parameters` are those of the stream, `options` those of the client.
    """
    seen = Seen()
    asked = {"model": "m", "messages": PROMPT, **(parameters or {})}
    options = {"api_key": key, "retries": retrying(1), "timeouts": PATIENT, **options}
    with logged(seen.log):
        if shell == "threads":
            _watch_in_thread(seen, dict(options, base_url=base_url), asked, server, lens, think)
        else:
            arguments = (seen, dict(options, base_url=base_url), asked, server, lens, think)
            anyio.run(_watch_async, *arguments, backend=shell)
    seen.log = [record for record in seen.log if not record.startswith(without_logs_of)]
    check(seen, key)
    return seen


def _watch_in_thread(
    seen: Seen,
    options: dict[str, Any],
    asked: dict[str, Any],
    server: LoopbackServer | None,
    lens: Any,
    think: float,
) -> None:
    with sseor.Client(**options) as client:
        stream = client.stream(**asked)
        reader = iter(lens(stream))
        began = time.monotonic()
        try:
            for item in reader:
                seen.items.append(item)
                time.sleep(think)
        except SseorError as error:
            seen.error = error
        seen.elapsed = time.monotonic() - began
        try:
            next(reader)
        except (StopIteration, SseorError) as end:
            seen.again = end
        seen.completion = stream.completion
        _see_connections(seen, client, server)


async def _watch_async(
    seen: Seen,
    options: dict[str, Any],
    asked: dict[str, Any],
    server: LoopbackServer | None,
    lens: Any,
    think: float,
) -> None:
    async with sseor.AsyncClient(**options) as client:
        stream = client.stream(**asked)
        reader = aiter(lens(stream))
        began = time.monotonic()
        try:
            async for item in reader:
                seen.items.append(item)
                if think:
                    await anyio.sleep(think)
        except SseorError as error:
            seen.error = error
        seen.elapsed = time.monotonic() - began
        try:
            await anext(reader)
        except (StopAsyncIteration, SseorError) as end:
            seen.again = end
        seen.completion = stream.completion
        _see_connections(seen, client, server)


def _see_connections(seen: Seen, client: Any, server: LoopbackServer | None) -> None:
    """Check that the connection is closed, or back in the pool at rest, though the client is still open."""
    pool = client._link.http._transport._pool
    assert all(connection.is_idle() for connection in pool.connections), pool.connections
    seen.kept = len(pool.connections)
    if server is not None:
        assert comes_true(lambda: server.open_connections == seen.kept), (server.open_connections, seen.kept)


def comes_true(condition: Callable[[], bool], within: float = 10.0) -> bool:
    """Wait for something that another thread brings about."""
    until = time.monotonic() + within
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.002)
    return True


def check(seen: Seen, key: str = KEY) -> None:
    """Check what holds for every row."""
    completion = seen.completion
    assert completion is not None
    texts: list[str] = [item.delta for item in seen.of(sseor.Text) if item.choice == 0]
    if texts:
        assert "".join(texts) == completion.text
    if seen.error is None:
        assert isinstance(seen.again, (StopIteration, StopAsyncIteration))
        assert completion.verdict.complete
    else:
        assert seen.again is seen.error
        partial = seen.error.partial
        assert partial is not None
        assert _facts(partial) == _facts(completion)
        assert seen.error.phase in {"connect", "headers", "first_token", "streaming", "finished"}
        assert seen.error.attempts >= 1
    for text in all_texts(seen):
        assert key.lower() not in text.lower(), text
        text.encode()


def _facts(completion: sseor.Completion) -> dict[str, Any]:
    return {name: value for name, value in completion.to_dict().items() if name != "timeline"}


def all_texts(seen: Seen) -> Iterator[str]:
    """Yield every text that a reader, a log or a traceback could show."""
    yield from seen.log
    yield repr(seen.completion)
    yield json.dumps(seen.completion.to_dict() if seen.completion else None, ensure_ascii=False, default=repr)
    for item in seen.items:
        yield repr(item) if not isinstance(item, sseor.Text) or len(item.delta) < 10_000 else item.delta
        if isinstance(item, sseor.Retrying):
            yield from texts_of(item.cause)
    if seen.error is not None:
        yield from texts_of(seen.error)


def texts_of(error: BaseException) -> Iterator[str]:
    """Yield all texts of an exception and of what it is chained to."""
    yield "".join(traceback.format_exception(error))
    pending: list[BaseException | None] = [error]
    known: list[BaseException] = []
    while pending:
        one = pending.pop()
        if one is None or one in known:
            continue
        known.append(one)
        yield from (str(one), repr(one), repr(one.args), repr(vars(one)), *getattr(one, "__notes__", ()))
        pending += [one.__cause__, one.__context__]
        pending += one.exceptions if isinstance(one, BaseExceptionGroup) else []


@contextmanager
def logged(records: list[str]) -> Iterator[None]:
    """Collect all that is logged within, at any level and by any library."""

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(f"{record.name} {record.getMessage()} {record.args!r} {record.exc_text or ''}")

    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    root.handlers = [Collector()]  # the test runner's own would format each record once more
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.handlers = handlers
        root.setLevel(level)


@pytest.fixture(scope="module")
def nothing_is_left() -> Iterator[None]:
    """Fail a module that leaves a socket or a thread behind: cheaper than to look after each of its tests."""
    gc.collect()
    sockets, threads = open_sockets(), running_threads()
    yield
    gc.collect()
    assert comes_true(lambda: open_sockets() <= sockets), "sockets were left open"
    assert comes_true(lambda: running_threads() <= threads), "threads were left running"
