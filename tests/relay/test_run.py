"""`sseor.relay.run`: whatever a source does, its stream has exactly one terminal record, and the source is let go."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from relay.asking import Source, whole
from relay.log_contract import read

from sseor.chat import (
    Finished,
    Heartbeat,
    Reasoning,
    Restarted,
    Retrying,
    Text,
    ToolCallDelta,
    Usage,
    UsageReport,
)
from sseor.errors import ConnectError, EndedEarlyError, StatusError
from sseor.relay.limits import Limits
from sseor.relay.memory import MemoryLog
from sseor.relay.run import Run
from sseor.relay.smoothing import Smoothing

pytestmark = pytest.mark.anyio
SECRET = "CANARY of upstream"


def made(source: Any, log: MemoryLog, **options: Any) -> Run:
    """Return a run that is not smoothed and never abandoned, unless the options say otherwise."""
    given = {"owner": "", "smoothing": None, "grace": None, "limits": Limits(), **options}
    return Run("s", source, log, **given)


async def ran(source: Any, log: MemoryLog | None = None, **options: Any) -> list[dict[str, Any]]:
    """Run a source to its end; return the records."""
    log = log or MemoryLog()
    run = made(source, log, **options)
    await run.open()
    with anyio.fail_after(10):
        await run.read()
    tail = await log.follow("s")
    assert tail is not None
    assert tail.ended
    return [record for _, record in await read(tail)]


async def test_a_whole_answer_is_done() -> None:
    """Its events become records in order, heartbeats none, and the finish reason of choice 0 is in the terminal one."""
    source = Source(
        Heartbeat(0.5, "first_token"), Text("Low"), Text(" x", 1), Finished("stop"), Finished("length", 1)
    )
    source.give(UsageReport(Usage({"prompt_tokens": 1})), None)
    records = await ran(source)
    assert [record["type"] for record in records] == ["text", "text", "finish", "finish", "usage", "done"]
    assert records[-1] == {"type": "done", "finish_reason": "stop"}
    assert source.closed


async def test_plain_text_and_no_finish_reason() -> None:
    """An iterator of strings is relayed as text; its end is the end."""

    async def words() -> AsyncIterator[str]:
        yield "Low"
        yield " water"

    for smoothing in (None, Smoothing()):
        records = await ran(words(), smoothing=smoothing)
        assert "".join(record["text"] for record in records[:-1]) == "Low water"
        assert records[-1] == {"type": "done", "finish_reason": None}


async def test_a_source_that_cannot_be_closed() -> None:
    """An iterator with nothing but its two methods will do."""

    class Bare:
        def __init__(self) -> None:
            self._words = ["Low", " water"]

        def __aiter__(self) -> Bare:
            return self

        async def __anext__(self) -> str:
            if not self._words:
                raise StopAsyncIteration
            return self._words.pop(0)

    assert [record.get("text") for record in await ran(Bare(), smoothing=None)] == ["Low", " water", None]


def failure(code: str, retryable: bool, partial: bool) -> dict[str, Any]:
    """Return the terminal record of a failure."""
    return {"type": "error", "code": code, "retryable": retryable, "partial": partial}


CUT = EndedEarlyError(SECRET)


@pytest.mark.parametrize(
    ("events", "error", "terminal"),
    [
        ([], ConnectError(SECRET), failure("unreachable", True, False)),
        ([Text("a")], CUT, failure("cut", True, True)),
        (["a"], StatusError(SECRET, status=401), failure("unauthorized", False, True)),
        ([Reasoning("a")], RuntimeError(SECRET), failure("internal", False, True)),
        ([Retrying(0.1, ConnectError(SECRET))], ValueError(SECRET), failure("internal", False, False)),
        ([Text("a"), Restarted(2, CUT)], CUT, failure("cut", True, True)),
    ],
)
async def test_a_failure_is_one_code(
    events: list[Any], error: Exception, terminal: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """What came before stays, nothing of the error's text is in any record, and the operator is told by the log."""
    source = Source(*events)
    source.give(error)
    with caplog.at_level(logging.WARNING, "sseor.relay"):
        records = await ran(source)
    assert records[-1] == terminal
    assert SECRET not in str(records)
    assert len(caplog.records) == 1
    assert source.closed


async def test_what_is_no_event_fails_the_stream() -> None:
    """An object that cannot be relayed ends it as internal, and the source is closed."""
    source = Source(Text("a"), object())  # type: ignore[arg-type]
    records = await ran(source)
    assert [record.get("code") for record in records] == [None, "internal"]
    assert source.closed


@pytest.mark.parametrize("smoothing", [None, Smoothing()])
async def test_stopping_cancels_upstream(smoothing: Smoothing | None) -> None:
    """The source is cancelled where it waits, and closed; what was held goes out first; a second stop does nothing."""
    source, log = Source(Text("Low wat")), MemoryLog()
    run = made(source, log, smoothing=smoothing)
    await run.open()
    async with anyio.create_task_group() as group:
        group.start_soon(run.read)
        await anyio.wait_all_tasks_blocked()
        await log.cancel("s")
        await log.cancel("s")
    tail = await log.follow("s")
    assert tail is not None
    records = [record for _, record in await read(tail)]
    assert "".join(record.get("text", "") for record in records) == "Low wat"
    assert records[-1] == {"type": "cancelled"}
    assert source.cancelled
    assert source.closed


async def test_a_run_that_is_cancelled_from_outside_is_interrupted() -> None:
    """When the event loop ends, the stream still gets its terminal record and the source is closed."""
    source, log = Source(Text("Low")), MemoryLog()
    run = made(source, log)
    await run.open()
    async with anyio.create_task_group() as group:
        group.start_soon(run.read)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    tail = await log.follow("s")
    assert tail is not None
    assert [record["type"] for _, record in await read(tail)] == ["text", "interrupted"]
    assert source.closed


async def test_nobody_looks() -> None:
    """After the grace period without a viewer the stream is cancelled, and not while somebody looks."""
    source, log = Source(Text("Low")), MemoryLog()
    run = made(source, log, grace=0.3)
    await run.open()
    async with anyio.create_task_group() as group:
        group.start_soon(run.read)
        tail = await log.follow("s")
        assert tail is not None
        await anyio.sleep(0.7)
        assert not tail.ended
        log.unfollow(tail)
        with anyio.fail_after(5):
            records = [record for _, record in await read(tail)]
    assert records[-1] == {"type": "cancelled"}
    assert source.cancelled


async def test_limits() -> None:
    """Too many bytes, or too long a time, end the stream with a code of their own."""
    source = Source(*[Text("x" * 100) for _ in range(50)])
    records = await ran(source, limits=Limits(max_bytes=1000))
    assert records[-1] == failure("too_large", False, True)
    assert sum(len(record.get("text", "")) for record in records) <= 1000
    assert source.closed
    source = Source(Text("Low"))
    records = await ran(source, limits=Limits(max_duration=0.1))
    assert records[-1] == failure("deadline", False, True)


async def test_text_is_held_for_its_time_although_nothing_comes() -> None:
    """Half a word goes out after the delay, long before the next event; and again after the next."""
    source, log = Source(Text("Lo")), MemoryLog()
    run = made(source, log, smoothing=Smoothing(max_delay=0.05))
    await run.open()
    async with anyio.create_task_group() as group:
        group.start_soon(run.read)
        tail = await log.follow("s")
        assert tail is not None
        assert [record["text"] for _, record in await read(tail, until=1)] == ["Lo"]
        source.give(Text("w"))
        assert [record["text"] for _, record in await read(tail, 1, until=2)] == ["w"]
        source.give(Text(" wat"), ToolCallDelta(0, "c", "look"), Text("er"))
        source.end()
        records = [record for _, record in await read(tail, 2)]
    assert [record["type"] for record in records] == ["text", "tool_delta", "text", "finish", "done"]
    assert [record.get("text") for record in records][:3] == [" wat", None, "er"]


async def test_a_source_that_never_waits_leaves_others_their_turn() -> None:
    """While it gives thousands of events another task goes on."""
    turns = 0

    async def endless() -> AsyncIterator[Text]:
        for _ in range(5000):
            yield Text("x")

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        await ran(endless())
        group.cancel_scope.cancel()
    assert turns > 20


class FailingLog(MemoryLog):
    """Fails in one of its methods."""

    def __init__(self, method: str, begin: int = 0) -> None:
        super().__init__()
        self._method = method
        self._left = begin

    async def open(self, *args: Any) -> Any:
        """Return a writer that fails."""
        writer = await super().open(*args)

        async def fail(*_: Any) -> None:
            if self._left:
                self._left -= 1
                return
            setattr(writer, self._method, original)
            raise ConnectionError(SECRET)

        original = getattr(writer, self._method)
        setattr(writer, self._method, fail)
        return writer


@pytest.mark.parametrize("smoothing", [None, Smoothing(max_delay=0.02)])
async def test_a_log_that_fails_ends_the_stream(
    smoothing: Smoothing | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Upstream is let go and the stream ends as internal, if the log still takes that."""
    source, log = Source(Text("Low")), FailingLog("append")
    run = made(source, log, smoothing=smoothing)
    await run.open()
    with anyio.fail_after(5):
        await run.read()
    tail = await log.follow("s")
    assert tail is not None
    assert [record for _, record in await read(tail)][-1]["code"] == "internal"
    assert source.closed


async def test_a_stream_that_others_ended(caplog: pytest.LogCaptureFixture) -> None:
    """Upstream is let go as soon as the log refuses a record, without a word of a failure in here."""

    class Fencing(MemoryLog):
        async def open(self, stream: str, owner: str, on_cancel: Any) -> Any:
            writer = await super().open(stream, owner, on_cancel)
            await writer.end(b'{"type":"interrupted"}')
            return writer

    log, source = Fencing(), Source(Text("a"))
    with caplog.at_level(logging.WARNING, "sseor.relay"):
        assert await ran(source, log) == [{"type": "interrupted"}]
    assert source.closed
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_a_log_that_fails_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """Neither that nor a source that cannot be closed raises; both are logged."""

    class Stubborn(Source):
        async def aclose(self) -> None:
            await super().aclose()
            raise OSError(SECRET)

    source = Stubborn(Text("Low"), None)
    run = made(source, FailingLog("end"))
    await run.open()
    with anyio.fail_after(5):
        await run.read()
    assert len(caplog.records) == 2
    held = Source(Text("Low"), None)
    run = made(held, FailingLog("append"), smoothing=Smoothing("line", max_delay=60))
    await run.open()
    await run.read()
    assert held.closed


async def test_appends_do_not_overtake_each_other() -> None:
    """While the log is busy what comes is gathered and goes with its next batch, in order."""
    batches: list[int] = []

    class SlowLog(MemoryLog):
        async def open(self, *args: Any) -> Any:
            writer = await super().open(*args)
            original = writer.append

            async def append(records: Any) -> None:
                with anyio.CancelScope(shield=True):  # as the contract has it
                    await anyio.sleep(0.05)
                    batches.append(len(records))
                    await original(records)

            writer.append = append  # type: ignore[method-assign]
            return writer

    log = SlowLog()
    source = Source(Text("a"))
    run = made(source, log, smoothing=Smoothing("line", max_delay=0.01))
    await run.open()
    async with anyio.create_task_group() as group:
        group.start_soon(run.read)
        await anyio.sleep(0.03)
        source.give(Text("b\n"), Text("c\n"), Text("d\n"))
        source.end()
    tail = await log.follow("s")
    assert tail is not None
    records = [record for _, record in await read(tail)]
    assert "".join(record.get("text", "") for record in records) == "ab\nc\nd\n"
    assert max(batches) > 1


async def test_a_run_of_words() -> None:
    """Smoothed at words, no record ends inside one."""
    records = await ran(whole("Lo", "w wa", "ter an", "d sand"), smoothing=Smoothing(max_delay=60))
    assert [record["text"] for record in records if record["type"] == "text"] == [
        "Low ",
        "water ",
        "and ",
        "sand",
    ]
