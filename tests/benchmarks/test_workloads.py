"""The workloads: what is measured is what its name says."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from benchmarks import workloads
from benchmarks.assembly import joined
from benchmarks.workloads import Workload
from sseor.chat import Accumulator, Reader
from sseor.wire import Comment, Decoder, Event


@pytest.mark.parametrize(
    "make", [*workloads.SMALL, lambda count: workloads.image(count), workloads.many_lines]
)
@pytest.mark.parametrize("size", [None, 16, 1000])
def test_a_workload_is_the_same_each_time_and_in_any_reads(
    make: Callable[[int], Workload], size: int | None
) -> None:
    """Workloads are seeded, and their reads make up their stream."""
    workload = make(50)
    assert workload.stream == make(50).stream == b"".join(workload.reads(size))


@pytest.mark.parametrize("make", workloads.SMALL)
def test_each_block_is_one_item(make: Callable[[int], Workload]) -> None:
    """A block gives exactly one event or comment, so that figures per block are figures per item."""
    decoder = Decoder()
    assert all(len(decoder.feed(block)) == 1 for block in make(50).blocks)


@pytest.mark.parametrize(
    "make", [workloads.deltas, workloads.multibyte, workloads.typed, workloads.numbered, workloads.crlf]
)
def test_deltas_are_chunks(make: Callable[[int], Workload]) -> None:
    """Each event's data is a chunk of the usual size, with text in it."""
    for item in Decoder().feed(make(50).stream):
        assert isinstance(item, Event)
        assert 260 < len(item.data_bytes) < 300
        assert json.loads(item.data)["choices"][0]["delta"]["content"]


def test_what_the_names_say() -> None:
    """Each workload has the trait that it is named after."""
    assert not workloads.multibyte(50).stream.isascii()
    assert workloads.deltas(50).stream.isascii()
    typed, numbered = (Decoder().feed(make(3).stream) for make in (workloads.typed, workloads.numbered))
    assert {item.event for item in typed if isinstance(item, Event)} == {"content_block_delta"}
    assert [item.id for item in numbered if isinstance(item, Event)] == ["0", "1", "2"]
    assert workloads.crlf(50).stream.count(b"\r\n") == workloads.crlf(50).stream.count(b"\n") == 100
    kinds = [type(item) for item in Decoder().feed(workloads.waiting(8).stream)]
    assert sum(issubclass(kind, Comment) for kind in kinds) == 2
    assert Decoder().feed(workloads.heartbeats(1).stream) == [Comment("OPENROUTER PROCESSING")]
    (image,) = Decoder().feed(workloads.image(1000).stream)
    assert isinstance(image, Event)
    assert len(image.data) == 1000
    (lines,) = Decoder().feed(workloads.many_lines(9).stream)
    assert isinstance(lines, Event)
    assert lines.data.count("\n") == 8


@pytest.mark.parametrize(
    "make",
    [workloads.deltas, workloads.multibyte, workloads.one_character, workloads.reasoning, workloads.tools],
)
def test_an_answer_says_what_its_workload_says(make: Callable[[int], Workload]) -> None:
    """Joined by hand from the chunks, text, reasoning and arguments are what contenders have to give."""
    workload = make(50)
    said = joined(json.loads(data)["choices"][0]["delta"] for data in workload.payloads)
    assert said == (workload.text, workload.reasoning, list(workload.arguments))
    assert any(said)


def test_what_the_names_of_answers_say() -> None:
    """Each delta of one character has one; reasoning has details; arguments are objects in several fragments."""
    chunks = [json.loads(data) for data in workloads.one_character(50).payloads]
    assert {len(chunk["choices"][0]["delta"]["content"]) for chunk in chunks} == {1}
    for data in workloads.reasoning(50).payloads:
        delta = json.loads(data)["choices"][0]["delta"]
        assert delta["reasoning_details"][0]["text"] == delta["reasoning"]
    tools = workloads.tools(50)
    assert [set(json.loads(arguments)) for arguments in tools.arguments] == [{"query"}] * 3
    assert len(tools.blocks) == 50
    assert len(workloads.one_character().blocks) == 100_000


def test_an_ending_finishes_an_answer() -> None:
    """After it, ours is complete, with a finish reason and usage."""
    decoder, reader, accumulator = Decoder(), Reader(), Accumulator()
    for block in [*workloads.deltas(3).blocks, *workloads.ending()]:
        for item in decoder.feed(block):
            assert isinstance(item, Event)
            for chunk in reader.read(item):
                accumulator.add(chunk)
    assert accumulator.finished
    assert reader.done
    assert accumulator.usage is not None
