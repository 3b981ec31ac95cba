"""`sseor.relay.tail`: records numbered and written once, folded when they are too many, and whoever waits is woken."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseor.chat import Reasoning, Text
from sseor.relay.records import Record, Relayed, encode
from sseor.relay.snapshot import Snapshot
from sseor.relay.tail import WRITE, Tail, payload_of
from sseor.wire import Decoder, Event


def text(word: str) -> bytes:
    """Return a record of text."""
    return json.dumps({"type": "text", "text": word}).encode()


def rest(tail: Tail, after: int) -> list[Event]:
    """Return the events that follow a number, as a decoder sees them."""
    data = b""
    while (batch := tail.after(after)) is not None:
        assert batch.data == b"".join(batch.blocks)
        data += batch.data
        after = batch.last
    return [event for event in Decoder().feed(data) if isinstance(event, Event)]


@given(st.lists(st.text(max_size=5), max_size=60), st.integers(1, 20), st.integers(0, 60))
def test_nothing_is_lost_wherever_a_reader_begins(words: list[str], kept: int, begin: int) -> None:
    """What a reader had and gets is the whole text, numbers have no gap, and a snapshot stands only at the start."""
    tail = Tail("s", "g", max_records=kept)
    for word in words:
        tail.add([text(word)])
    begin = min(begin, len(words))
    events = rest(tail, begin)
    numbers = [int(str(event.id).partition(".")[2]) for event in events]
    if not events:
        assert begin == len(words)
        return
    kinds = [json.loads(event.data)["type"] for event in events]
    assert numbers == list(range(numbers[0], len(words) + 1))
    assert set(kinds[1:]) <= {"text"}
    assert (kinds[0] == "snapshot") == (begin < tail.folded)
    snapshot = Snapshot()
    for event in [
        *({"type": "text", "text": word} for word in words[:begin]),
        *(json.loads(e.data) for e in events),
    ]:
        snapshot.fold(event)
    assert snapshot.to_record()["choices"][0]["text"] == "".join(words)


def test_bytes_bound_what_is_kept() -> None:
    """Large records are folded before there are many; the newest stays whatever its size."""
    tail = Tail("s", "g", max_bytes=1000)
    for _ in range(10):
        tail.add([text("x" * 300)])
    assert tail.last - tail.folded <= 3
    tail.add([text("y" * 5000)])
    assert tail.folded == 10
    assert [json.loads(event.data)["type"] for event in rest(tail, 10)] == ["text"]
    assert tail.size > 8000


@given(st.lists(st.sampled_from(['a"}', "\\", "é\n", '"}', "", "x"]), max_size=8), st.randoms())
def test_texts_that_are_folded_together_are_the_same_texts(words: list[str], chance: Random) -> None:
    """Whatever stands in them, whichever choice they belong to, and whatever comes between."""
    records: list[Relayed] = [Text(word, chance.randrange(2)) for word in words]
    records.insert(chance.randrange(len(words) + 1), Reasoning("hm"))
    records.append(Record("weather", {"text": "}"}))
    tail, one_by_one = Tail("s", "g", max_records=1), Snapshot()
    tail.add([encode(record) for record in records] + [encode("newest")])
    for record in records:
        one_by_one.fold(json.loads(encode(record)))
    assert tail.folded == len(records)
    assert json.loads(tail.snapshot()) == one_by_one.to_record()


def test_one_write_is_bounded_and_shared() -> None:
    """A batch holds what fits into one write, or one event; viewers at the same place get the same bytes object."""
    tail = Tail("s", "g", max_bytes=1 << 20)
    tail.add([text("x" * 30_000)] * 4)
    batch = tail.after(0)
    assert batch is not None
    assert (len(batch.blocks), batch.last) == (2, 2)
    assert len(batch.data) <= WRITE
    assert tail.after(0) is batch
    tail.add([text("x" * 200_000)])
    large = tail.after(4)
    assert large is not None
    assert len(large.data) > WRITE
    assert tail.after(5) is None


def test_a_tail_knows_what_is_void() -> None:
    """The last restart's number and how many there were, also where a snapshot holds them."""
    tail = Tail("s", "g", max_records=2)
    restarted = b'{"type":"restarted","attempt":2,"code":"cut"}'
    tail.add([text("a")])
    assert (tail.void, tail.restarts) == (0, 0)
    tail.add([restarted, text("b"), restarted, text("c"), text("d")])
    assert (tail.void, tail.restarts) == (4, 2)
    second = Tail("s", "g")
    second.restore(tail.snapshot(), tail.folded)
    assert (second.void, second.restarts) == (0, 2)


def test_a_tail_begins_with_a_snapshot_that_was_kept() -> None:
    """Restored, it numbers on from there, and gives the snapshot to whoever needs it."""
    first = Tail("s", "g", max_records=2)
    for word in "abcdef":
        first.add([text(word)])
    second = Tail("s", "g")
    second.restore(first.snapshot(), first.folded)
    second.add([payload_of(block) for block in first.after(first.folded).blocks])  # type: ignore[union-attr]
    assert [event.data for event in rest(second, 0)] == [event.data for event in rest(first, 0)]
    assert (second.last, second.folded) == (first.last, first.folded)


def test_a_tail_that_missed_records_goes_on_from_a_snapshot() -> None:
    """Restored in the middle, it gives those who read on the snapshot, and then what follows that."""
    whole, behind = Tail("s", "g", max_records=4), Tail("s", "g")
    for word in "abcdefghij":
        whole.add([text(word)])
        if word < "c":
            behind.add([text(word)])
    assert len(rest(behind, 0)) == 2
    behind.restore(whole.snapshot(), whole.folded)
    behind.add([payload_of(block) for block in whole.blocks_after(whole.folded)])
    assert [event.data for event in rest(behind, 2)] == [event.data for event in rest(whole, 2)]
    assert (behind.last, behind.folded) == (whole.last, whole.folded)
    assert behind.folded_bytes == len(whole.snapshot())


@pytest.mark.anyio
async def test_whoever_waits_is_woken() -> None:
    """A record, the end, a beat, a cut and a bare wake each wake all who wait."""
    tail = Tail("s", "g")
    woken: list[int] = []

    async def wait(number: int) -> None:
        for _ in range(5):
            await tail.changed()
            woken.append(number)

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(wait, number)
        acts: list[Callable[[], object]] = [
            lambda: tail.add([text("a")]),
            tail.beat,
            tail.wake,
            tail.cut,
            lambda: tail.end(b'{"type":"done"}'),
        ]
        for act in acts:
            await anyio.wait_all_tasks_blocked()
            act()
    assert len(woken) == 15
    assert tail.ended
    assert tail.beats == 1
