"""Chunks to an answer: framing, JSON, views and assembly per chunk, against the JSON decoder alone.

Run `python benchmarks/bench_assembly.py`. Every row is measured in turn, round after round, on one body of
OpenRouter-like text chunks; the figures are medians of CPU time. The floor decodes the same payloads with `json.loads`
(or `orjson.loads`, `msgspec.json.decode`) and does nothing else. `bulk` feeds 64 KiB reads, `paced` one event per read,
as servers send them.
"""

from __future__ import annotations

import json
import platform
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module, metadata

from sseor.chat import Accumulator, Reader, codec
from sseor.wire import Decoder, Event

CHUNKS = 2_000
ROUNDS = 25

_WORDS = [
    "tide",
    " rises",
    " at",
    " the harbour",
    ",",
    " marée",
    " basse",
    " und",
    " 14:07",
    ".",
    "\n",
    " 水",
    " ebb",
]


def text_payloads(count: int, seed: int = 7) -> list[bytes]:
    """Return `count` text chunks of about 290 bytes, as OpenRouter writes them."""
    chance = random.Random(seed)
    payloads = []
    for _ in range(count):
        chunk = {
            "id": "gen-1795352401-Hd82mQz0LrVt5KxWnB3y",
            "object": "chat.completion.chunk",
            "created": 1795352401,
            "model": "moonshotai/kimi-k2-0905",
            "provider": "DeepInfra",
            "system_fingerprint": None,
            "choices": [
                {
                    "index": 0,
                    "delta": {"role": "assistant", "content": chance.choice(_WORDS)},
                    "finish_reason": None,
                    "native_finish_reason": None,
                    "logprobs": None,
                }
            ],
        }
        payloads.append(json.dumps(chunk, ensure_ascii=False, separators=(",", ":")).encode())
    return payloads


def assemble(reads: Iterable[bytes]) -> str:
    """Read a body as a client does, look at each chunk's content, and return the answer."""
    decoder, reader, accumulator = Decoder(), Reader(), Accumulator()
    looked_at = 0
    for data in reads:
        for item in decoder.feed(data):
            if isinstance(item, Event):
                for chunk in reader.read(item):
                    looked_at += len(chunk.choices[0].delta.content or "")
                    accumulator.add(chunk)
    text = accumulator.completion().text
    assert looked_at == len(text)
    return text


FLOORS: dict[str, Callable[[], Callable[[bytes], object]]] = {
    "json": lambda: json.loads,
    "orjson": lambda: import_module("orjson").loads,
    "msgspec": lambda: import_module("msgspec.json").decode,
}


def decode_alone(loads: Callable[[bytes], object], payloads: Iterable[bytes]) -> None:
    """Decode the payloads and drop them."""
    for payload in payloads:
        loads(payload)


def cpu_medians(tasks: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Run the tasks in turn and return each one's median CPU time in seconds."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.process_time()
            task()
            times[name].append(time.process_time() - start)
    return {name: statistics.median(measured) for name, measured in times.items()}


def bytes_of_state(chunks: int) -> int:
    """Return what an accumulator holds after `chunks` text chunks."""
    decoder, reader = Decoder(), Reader()
    payloads = text_payloads(chunks)
    tracemalloc.start()
    accumulator = Accumulator()
    for payload in payloads:
        for item in decoder.feed(b"data: " + payload + b"\n\n"):
            assert isinstance(item, Event)
            for chunk in reader.read(item):
                accumulator.add(chunk)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held


def main() -> None:
    """Print the table."""
    payloads = text_payloads(CHUNKS)
    events = [b"data: " + payload + b"\n\n" for payload in payloads]
    body = b"".join(events)
    reads = [body[at : at + 65536] for at in range(0, len(body), 65536)]
    mean = sum(map(len, payloads)) // CHUNKS
    print(f"{platform.python_implementation()} {platform.python_version()}, {CHUNKS} chunks of {mean} bytes")
    for name in ("json", "orjson", "msgspec"):
        try:
            codec.select(name)
        except ImportError:
            print(f"{name}: not installed")
            continue
        medians = cpu_medians(
            {
                "alone": partial(decode_alone, FLOORS[name](), payloads),
                "bulk": partial(assemble, reads),
                "paced": partial(assemble, events),
            }
        )
        version = "" if name == "json" else f" {metadata.version(name)}"
        alone, bulk, paced = (medians[row] / CHUNKS * 1e6 for row in ("alone", "bulk", "paced"))
        print(
            f"{name}{version}: alone {alone:.2f} µs, bulk {bulk:.2f} µs ({bulk / alone:.2f}x), "
            f"paced {paced:.2f} µs ({paced / alone:.2f}x)"
        )
    codec.select()
    print(f"state after 10 000 chunks: {bytes_of_state(10_000) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
