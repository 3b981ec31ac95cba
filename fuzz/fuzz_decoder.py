"""Invariant: any bytes in any reads give what the standard's letter gives, or EventTooLargeError, and nothing else.

Coverage-guided, for developers: `pip install atheris`, then `python fuzz/fuzz_decoder.py -max_total_time=60 [CORPUS]`.
The first bytes of an input say where to cut and which limit to set; the rest is the stream.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["sseor.wire"]):
    from sseor.wire import Comment, Decoder, Event, EventTooLargeError, Unfinished, encode

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from reference import interpret


def check(fuzzed: bytes) -> None:
    """Raise AssertionError where the decoder departs from the reference, from itself, or from its encoder."""
    provider = atheris.FuzzedDataProvider(fuzzed)
    limit = provider.ConsumeIntInRange(1, 64)
    sizes = [provider.ConsumeIntInRange(0, 20) for _ in range(provider.ConsumeIntInRange(0, 8))]
    stream = provider.ConsumeBytes(provider.remaining_bytes())

    reads, start = [], 0
    for size in sizes:
        reads.append(stream[start : start + size])
        start += size
    reads.append(stream[start:])

    decoder = Decoder()
    items = [item for data in reads for item in decoder.feed(data)]
    left = decoder.end()
    expected = interpret(stream)
    assert items == expected.items
    assert decoder.last_event_id == expected.last_event_id
    assert decoder.reconnection_time == expected.reconnection_time
    unfinished = Unfinished(expected.unfinished_event, expected.unfinished_line)
    assert left == (unfinished if expected.left_something else None)

    assert limited(reads, limit) == limited([stream], limit)
    for item in items:
        if isinstance(item, Comment) or "\0" not in item.event:
            assert Decoder().feed(encode(item)) == [item]


def limited(reads: list[bytes], limit: int) -> tuple[list[Event | Comment], bool]:
    """Return what comes under a limit, and whether the limit was met."""
    decoder = Decoder(limit)
    items: list[Event | Comment] = []
    for data in reads:
        try:
            items += decoder.feed(data)
        except EventTooLargeError as error:
            return items + error.events, True
    return items, False


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
