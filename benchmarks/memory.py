"""What chunks, answers and open streams take: bytes that Python allocates, and memory of a process."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks import workloads
from benchmarks.clients import OURS, RAW, row
from benchmarks.framing import PEERS, as_text, httpx_sse_bare
from benchmarks.measuring import Figures, Row, Table, expect, needed
from benchmarks.server import server
from benchmarks.workloads import Workload
from sseor.chat import Accumulator, Chunk, Reader, codec
from sseor.wire import Decoder, Event

CHUNKS = 2_000
Keep = Callable[[list[bytes]], list[Any]]


def traced(act: Callable[[], object]) -> tuple[int, int]:
    """Return how many bytes are held by what a call returns, and at its peak."""
    gc.collect()
    tracemalloc.start()
    kept = act()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return held, peak


def our_chunks(parser: str, blocks: list[bytes]) -> list[Chunk]:
    """Keep our chunks."""
    codec.select(parser)
    try:
        decoder, reader = Decoder(), Reader()
        events = (item for block in blocks for item in decoder.feed(block))
        return [chunk for event in events if isinstance(event, Event) for chunk in reader.read(event)]
    finally:
        codec.select()


def openai_chunks(blocks: list[bytes]) -> list[Any]:
    """Keep the openai SDK's chunks, built as its stream builds them."""
    construct = needed("openai._models").construct_type
    kind = needed("openai.types.chat").ChatCompletionChunk
    return [construct(type_=kind, value=json.loads(block[6:])) for block in blocks]


def openrouter_chunks(blocks: list[bytes]) -> list[Any]:
    """Keep the openrouter SDK's chunks, validated as its stream does."""
    kind = needed("openrouter.components").ChatStreamChunk
    return [kind.model_validate(json.loads(block[6:])) for block in blocks]


def dictionaries(parser: str, blocks: list[bytes]) -> list[Any]:
    """Keep what a JSON parser gives."""
    loads = needed(parser).loads
    return [loads(block[6:]) for block in blocks]


def retained(name: str, keep: Keep, workload: Workload) -> Row:
    """Return the row of one kind of chunk."""

    def take() -> Figures:
        return {"memory": traced(partial(keep, workload.blocks))[0] / len(workload.blocks) / 1024}

    return Row(
        name, take, lambda: expect(len(keep(workload.blocks)), len(workload.blocks), "number of chunks")
    )


def answer(workload: Workload) -> Accumulator:
    """Assemble an answer, and keep what a client keeps of it."""
    decoder, reader, accumulator = Decoder(), Reader(), Accumulator()
    for block in workload.blocks:
        for item in decoder.feed(block):
            if isinstance(item, Event):
                for chunk in reader.read(item):
                    accumulator.add(chunk)
    return accumulator


def peak(name: str, frames: Callable[[list[Any]], int]) -> Row:
    """Return the row of the peak of one large event, as a multiple of its size."""
    blocks = workloads.image().blocks
    size = len(blocks[0])

    def reads() -> Iterator[Any]:
        pieces = (blocks[0][at : at + (16 << 10)] for at in range(0, size, 16 << 10))
        return (piece.decode() for piece in pieces) if frames is httpx_sse_bare else pieces

    def take() -> Figures:
        given: Any = reads()  # cut while they are read, as they would come
        return {"peak": traced(lambda: frames(given))[1] / size}

    return Row(
        name,
        take,
        lambda: expect(frames(as_text(blocks) if frames is httpx_sse_bare else blocks), 1, "events"),
    )


def tables(scale: float) -> Iterator[Table]:
    """Return the tables of chunks, of long answers, of one large event and of open streams."""
    rounds = 1 if scale < 1 else 2
    workload = workloads.deltas(CHUNKS)
    kinds: dict[str, Keep] = {
        "sseor with json": partial(our_chunks, "json"),
        "sseor with orjson": partial(our_chunks, "orjson"),
        "sseor with msgspec": partial(our_chunks, "msgspec"),
        "dict of json": partial(dictionaries, "json"),
        "dict of orjson": partial(dictionaries, "orjson"),
        "openai": openai_chunks,
        "openrouter": openrouter_chunks,
    }
    yield Table(
        "memory-chunk",
        "Memory of a chunk that is kept",
        f"Mean of {CHUNKS} chunks of about 280 bytes, as Python's allocator counts it.",
        {"memory": "KiB"},
        [retained(name, keep, workload) for name, keep in kinds.items()],
        "openai",
        rounds,
    )
    many = workloads.one_character(round(100_000 * min(scale, 1)))

    def state(keep: Callable[[Workload], object]) -> Figures:
        return {"memory": traced(partial(keep, many))[0] / 1024}

    yield Table(
        "memory-answer",
        f"Memory of an answer of {len(many.blocks)} chunks",
        "What assembling it holds when all have come; the answer itself is a byte a chunk.",
        {"memory": "KiB"},
        [
            Row(
                "sseor",
                partial(state, answer),
                lambda: expect(answer(many).completion().text, many.text, "text"),
            ),
        ],
        "sseor",
        1,
    )
    yield Table(
        "memory-large-event",
        "Peak memory of one event of 8 MB in 16 KiB reads",
        "As a multiple of the event; the reads come one at a time.",
        {"peak": "times its size"},
        [
            peak(name, frames)
            for name, frames in PEERS.items()
            if name not in ("httpx-sse, iter_sse", "httpx2, EventSource")
        ],
        "sseor",
        1,
    )
    with server() as base_url:
        plan = {"base_url": base_url, "way": "memory", "streams": 300}
        names = (RAW, OURS, "aiohttp and orjson", "openai", "openrouter")
        yield Table(
            "memory-stream",
            "Memory of an open stream",
            "Private memory of the client's process on asyncio, per stream that has begun and waits; of 300.",
            {"memory": "KiB"},
            [row(name, "asyncio", **plan) for name in names],
            RAW,
            rounds,
        )
