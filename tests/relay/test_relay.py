"""`sseor.relay.relay`, `.viewer` and `.viewers`: streams begun, looked at, stopped and forwarded, without HTTP."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest
from relay.asking import Source, whole
from relay.log_contract import DONE, nothing

from sseor.chat import Text
from sseor.errors import ConfigError
from sseor.relay import Limits, MemoryLog, RefusedError, Relay, Viewer
from sseor.relay.relay import STREAM_ID
from sseor.wire import Comment, Decoder, Event

pytestmark = pytest.mark.anyio


async def everything(viewer: Any) -> bytes:
    """Return all bytes of a viewer."""
    with anyio.fail_after(10):
        return b"".join([data async for data in viewer])


def types(data: bytes) -> list[str]:
    """Return the types of the records, and `heartbeat` for each of those."""
    found = []
    for item in Decoder().feed(data):
        if isinstance(item, Event):
            found.append(item.data.partition('"type":"')[2].partition('"')[0])
        elif isinstance(item, Comment) and not item.text:
            found.append("heartbeat")
    return found


async def until(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    with anyio.fail_after(10):
        while not condition():
            await anyio.sleep(0.005)


async def refused(awaitable: Any) -> str:
    """Return the code with which something is refused."""
    with pytest.raises(RefusedError) as refusal:
        await awaitable
    return refusal.value.code


async def test_a_stream_for_several_viewers() -> None:
    """Each gets the first bytes before anything is known, then the same events, then the end."""
    relay = Relay(smoothing=None)
    source = Source()
    stream = await relay.start(source)
    assert STREAM_ID.fullmatch(stream)
    viewers = [await relay.attach(stream) for _ in range(3)]
    for viewer in viewers:
        assert await anext(viewer) == b"retry: 1000\n: sseor\n\n"
    source.give(Text("Low"), Text(" water"))
    source.end()
    bodies = [await everything(viewer) for viewer in viewers]
    assert len(set(bodies)) == 1
    assert types(bodies[0]) == ["text", "text", "finish", "done"]
    late = await relay.attach(stream)
    assert await everything(late) == b"retry: 1000\n: sseor\n\n" + bodies[0]
    await relay.aclose()


async def test_events_that_come_together_are_sent_together() -> None:
    """A viewer gets in one piece all that has come since the last."""
    relay = Relay(smoothing=None)
    source = Source(*[Text("x")] * 50)
    viewer = await relay.attach(await relay.start(source))
    first = await anext(viewer)
    assert types(first) == []
    assert types(await anext(viewer)) == ["text"] * 50
    await relay.aclose()


async def test_a_viewer_returns_with_any_event_id() -> None:
    """It gets each later event once, and nothing after the last."""
    relay = Relay(smoothing=None)
    stream = await relay.start(whole("a", "b", "c"))
    data = await everything(await relay.attach(stream))
    events = [item for item in Decoder().feed(data) if isinstance(item, Event)]
    for number, event in enumerate(events):
        viewer = await relay.attach(stream, after=event.id)
        again = [item for item in Decoder().feed(await everything(viewer)) if isinstance(item, Event)]
        assert again == events[number + 1 :]
        assert viewer.is_done
    await relay.aclose()


async def test_a_tail_that_is_cut_sends_its_viewers_back() -> None:
    """They get what is there, then the end of the body without a terminal record."""
    log = MemoryLog()
    relay = Relay(log=log, smoothing=None)
    stream = await relay.start(Source(Text("a")))
    viewer = await relay.attach(stream)
    assert types(await anext(viewer)) == []
    assert types(await anext(viewer)) == ["text"]
    tail = await log.follow(stream)
    assert tail is not None
    async with anyio.create_task_group() as group:

        async def read_on() -> None:
            assert await everything(viewer) == b""

        group.start_soon(read_on)
        await anyio.wait_all_tasks_blocked()
        tail.cut()
    assert not viewer.is_done
    await relay.aclose()


async def test_relays_of_one_secret_know_each_others_keys() -> None:
    """The same owner and key make the same ID there, and another one with a secret of its own."""
    one, other, third = (Relay(secret=b"s" * 32), Relay(secret=b"s" * 32), Relay())
    assert one.new_id("ann", "k" * 16) == other.new_id("ann", "k" * 16) != third.new_id("ann", "k" * 16)


async def test_what_is_refused() -> None:
    """Unknown and another's are not to be told apart; event IDs of other streams and of nobody are."""
    relay = Relay()
    stream = await relay.start(Source(), owner="ann")
    other = await relay.start(whole("a", "b"), owner="ann")
    first = next(
        item.id
        for item in Decoder().feed(await everything(await relay.attach(other, owner="ann")))
        if isinstance(item, Event)
    )
    for name, owner in ((stream, "bob"), (stream, ""), ("A" * 32, "ann"), ("../etc", "ann")):
        assert await refused(relay.attach(name, owner=owner)) == "not_found"
        assert await refused(relay.stop(name, owner=owner)) == "not_found"
    assert await refused(relay.attach(stream, owner="ann", after=str(first))) == "wrong_stream"
    assert (
        await refused(relay.attach(other, owner="ann", after=str(first).partition(".")[0] + ".99"))
        == "wrong_stream"
    )
    for wrong in ("x", "1", "g.01", "g.-1", "g.1\n", "G.1", "g." + "9" * 16):
        assert await refused(relay.attach(stream, owner="ann", after=wrong)) == "bad_event_id"
    assert await refused(relay.attach(stream, owner="ann", format="xml")) == "bad_request"
    assert await refused(relay.start(whole("a"), stream=stream)) == "wrong_stream"
    assert types(await everything(await relay.attach(other, owner=None)))[-1] == "done"
    await relay.aclose()
    assert await refused(relay.start(whole("a"))) == "draining"
    assert await refused(relay.attach(stream, owner="ann")) == "draining"


async def test_what_is_no_id_reaches_no_log() -> None:
    """A log is asked only for IDs of the fixed alphabet, so that nothing else becomes a part of its keys."""
    asked: list[str] = []

    class Noting(MemoryLog):
        async def owner(self, stream: str) -> str | None:
            asked.append(stream)
            return await super().owner(stream)

    relay = Relay(log=Noting())
    for wrong in (
        "",
        "short",
        "A" * 21,
        "A" * 65,
        "A" * 31 + "\n",
        "A" * 30 + "{}",
        "\u0661" * 30,
        "../" * 10,
    ):
        assert await refused(relay.attach(wrong)) == "not_found"
        assert await refused(relay.stop(wrong, owner=None)) == "not_found"
    assert asked == []
    await refused(relay.attach("A" * 22))
    assert asked == ["A" * 22]


async def test_a_stream_that_vanishes_between_two_looks() -> None:
    """A log that expires it in that moment makes it unknown."""

    class Forgetful(MemoryLog):
        async def follow(self, stream: str) -> None:
            return None

    relay = Relay(log=Forgetful())
    stream = await relay.start(Source())
    assert await refused(relay.attach(stream)) == "not_found"
    await relay.aclose()


async def test_room() -> None:
    """Streams and viewers are limited in all and for each owner; what has ended makes room."""
    relay = Relay(limits=Limits(streams=3, owner_streams=2, viewers=4, owner_viewers=2))
    streams = [await relay.start(Source(), owner="ann") for _ in range(2)]
    assert await refused(relay.start(Source(), owner="ann")) == "too_many"
    viewers = [await relay.attach(streams[0], owner="ann") for _ in range(2)]
    assert await refused(relay.attach(streams[0], owner="ann")) == "too_many"
    free = await relay.start(Source())
    assert await refused(relay.start(Source())) == "too_many"
    assert await refused(relay.start(Source(), owner="bob")) == "too_many"
    with pytest.raises(RefusedError):
        relay.forward(Source())
    more = [await relay.attach(free) for _ in range(2)]
    assert await refused(relay.attach(free)) == "too_many"
    for viewer in (*viewers, *more):
        viewer.leave()
        await viewer.aclose()
    again = await relay.attach(streams[0], owner="ann")
    await relay.stop(streams[0], owner="ann")
    assert types(await everything(again)) == ["cancelled"]
    await anyio.wait_all_tasks_blocked()
    await relay.start(Source(), owner="ann")
    await relay.aclose()


async def test_a_log_without_room() -> None:
    """Its refusal is one of ours; any other failure of it is raised, and neither counts as a stream."""
    log = MemoryLog(max_total=10)
    writer = await log.open("x", "", nothing)
    await writer.append([DONE])
    relay = Relay(log=log, limits=Limits(streams=1))
    assert await refused(relay.start(Source())) == "too_many"
    log.open = None  # type: ignore[assignment, method-assign]
    with pytest.raises(TypeError):
        await relay.start(Source())
    with pytest.raises(TypeError):
        await relay.start(Source())


async def test_keys_make_the_same_id() -> None:
    """For one owner and one relay; nobody can tell an ID from a key, and short keys are refused."""
    relay = Relay()
    key = "a-key-of-sixteen"
    assert STREAM_ID.fullmatch(relay.new_id("ann", key))
    assert relay.new_id("ann", key) == relay.new_id("ann", key)
    assert (
        len({relay.new_id("ann", key), relay.new_id("bob", key), Relay().new_id("ann", key), relay.new_id()})
        == 4
    )
    for wrong in ("short", "x" * 65, "white space in it, too", ""):
        with pytest.raises(RefusedError):
            relay.new_id("ann", wrong)


async def test_heartbeats() -> None:
    """All viewers of a quiet stream get one before the time is over, those of a busy one none."""
    relay = Relay(heartbeat=0.6, smoothing=None)
    quiet, busy = Source(), Source()
    viewers = [await relay.attach(await relay.start(quiet))]
    viewers.append(await relay.attach(viewers[0].tail.stream))
    active = await relay.attach(await relay.start(busy))
    seen: list[str] = []
    beats: list[bytes] = []

    async def take() -> None:
        async for data in active:
            seen.extend(types(data))

    async def wait(viewer: Viewer) -> None:
        await anext(viewer)
        beats.append(await anext(viewer))

    async with anyio.create_task_group() as group:
        group.start_soon(take)
        for viewer in viewers:
            group.start_soon(wait, viewer)
        for _ in range(14):
            busy.give(Text("x"))
            await anyio.sleep(0.1)
        busy.end()
        await until(lambda: len(beats) == 2)
    assert beats == [b":\n\n"] * 2
    assert "heartbeat" not in seen
    await relay.aclose()


async def test_heartbeats_of_many_streams() -> None:
    """Each of two hundred quiet streams gets one, from the one timer."""
    relay = Relay(heartbeat=0.3, smoothing=None)
    viewers = [await relay.attach(await relay.start(Source())) for _ in range(200)]
    beats = 0

    async def wait(viewer: Viewer) -> None:
        nonlocal beats
        await anext(viewer)
        assert await anext(viewer) == b":\n\n"
        beats += 1

    async with anyio.create_task_group() as group:
        for viewer in viewers:
            group.start_soon(wait, viewer)
    assert beats == 200
    await relay.aclose()


async def test_a_viewer_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time it is at its end, the stream goes on, and one that waits for bytes stays."""
    relay = Relay(send_timeout=0.3, heartbeat=60)
    stream = await relay.start(Source(Text("Low ")))
    slow, patient = await relay.attach(stream), await relay.attach(stream)
    await anext(slow)
    results: list[str] = []

    async def wait() -> None:
        results.append((await everything(patient)).decode())

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.sleep(0.8)
        assert results == []
        assert await everything(slow) == b""
        assert not slow.tail.ended
        await relay.stop(stream)
    assert types(results[0].encode())[-1] == "cancelled"
    await relay.aclose()


async def test_a_viewer_that_is_dropped_leaves() -> None:
    """Neither closed nor read to its end: it counts no longer, wherever it was."""
    relay = Relay(limits=Limits(viewers=1))
    stream = await relay.start(Source())
    for _ in range(3):
        viewer: Viewer | None = await relay.attach(stream)
        del viewer
        gc.collect()
    viewer = await relay.attach(stream)
    with anyio.move_on_after(0.05):
        await everything(viewer)
    await relay.attach(stream)
    await relay.aclose()


async def test_forwarding() -> None:
    """One viewer, whose leaving stops the stream; nothing begins before the first bytes are asked for."""
    relay = Relay()
    data = await everything(relay.forward(whole("Low", " water"), format="token"))
    assert data == b': sseor\n\ndata: {"token": "Low "}\n\ndata: {"token": "water"}\n\ndata: [DONE]\n\n'

    idle = Source()
    await relay.forward(idle).aclose()
    assert not idle.begun

    for leave in ("close", "drop", "cancel"):
        source = Source(Text("Low"))
        forwarding = relay.forward(source)
        await anext(forwarding)
        await anyio.wait_all_tasks_blocked()
        if leave == "close":
            await forwarding.aclose()
        elif leave == "cancel":
            with anyio.move_on_after(0.2):
                await everything(forwarding)
        del forwarding
        gc.collect()
        await until(partial(getattr, source, "closed"))
        assert source.cancelled, leave
    await relay.aclose()


async def test_a_token_reader_is_cut_off_after_a_failure() -> None:
    """The bytes end with the error, although the log goes on."""
    relay = Relay()
    source = Source(Text("Low "), Text("x"))
    source.give(ValueError("CANARY"))
    data = await everything(relay.forward(source, format="token"))
    assert data.endswith(b'data: {"token": "", "error": "internal"}\n\n')
    assert b"CANARY" not in data


async def test_closing_interrupts() -> None:
    """Every stream ends as interrupted, its viewers get that, and those of streams elsewhere are let go."""
    log = MemoryLog()
    await log.open("A" * 32, "", nothing)
    source = Source(Text("Low "), Text("x"))
    seen: list[bytes] = []
    async with anyio.create_task_group() as group:

        async def take(viewer: Viewer) -> None:
            seen.append(await everything(viewer))

        async with Relay(log=log) as relay:
            group.start_soon(take, await relay.attach(await relay.start(source)))
            group.start_soon(take, await relay.attach("A" * 32))
            await anyio.wait_all_tasks_blocked()
    assert sorted(map(types, seen)) == [[], ["text", "text", "interrupted"]]
    assert source.closed


@pytest.mark.parametrize(
    "wrong", [{"heartbeat": 0}, {"send_timeout": -1}, {"grace": -1}, {"smoothing": "page"}]
)
async def test_wrong_arguments_are_refused(wrong: dict[str, Any]) -> None:
    """At once."""
    with pytest.raises(ConfigError):
        Relay(**wrong)
