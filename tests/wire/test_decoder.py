"""The decoder: the whole standard, any split, linear time, bounded memory."""

from __future__ import annotations

import copy
import random
import time
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import interpret
from strategies import split_streams, streams
from wire.named_cases import NAMED_CASES, Case

from sseor.wire import Comment, Decoder, Event, EventTooLargeError, Unfinished


def decode(reads: Iterable[bytes], max_event_bytes: int = 64 << 20) -> tuple[list[Event | Comment], Decoder]:
    """Feed all reads; return what came of them, and the decoder."""
    decoder = Decoder(max_event_bytes)
    return [item for data in reads for item in decoder.feed(data)], decoder


def feed_until_refused(
    decoder: Decoder, reads: list[bytes]
) -> tuple[list[Event | Comment], EventTooLargeError | None]:
    """Feed until an event is too large; return what came in all, and the error."""
    items: list[Event | Comment] = []
    for data in reads:
        try:
            items += decoder.feed(data)
        except EventTooLargeError as error:
            return items + error.events, error
    return items, None


def segmentations(stream: bytes) -> Iterable[list[bytes]]:
    """Yield the stream whole, byte by byte, in each two parts, in parts of each small size, and cut at random."""
    yield [stream]
    yield [stream[i : i + 1] for i in range(len(stream))]
    yield [part for i in range(len(stream)) for part in (b"", stream[i : i + 1], b"")]
    for i in range(len(stream) + 1):
        yield [stream[:i], stream[i:]]
    for size in (2, 3, 5, 16):
        yield [stream[i : i + size] for i in range(0, len(stream), size)]
    dice = random.Random(stream)
    for _ in range(20):
        cuts = sorted(dice.randrange(len(stream) + 1) for _ in range(dice.randrange(1, 8)))
        yield [stream[i:j] for i, j in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


# What begins with a BOM, or half of one, means something else later in a stream.
_LATER_CASES = [case for case in NAMED_CASES if not case.stream.startswith(b"\xef\xbb")]


@pytest.mark.parametrize("case", NAMED_CASES, ids=lambda case: case.name)
def test_named_cases_however_they_are_cut(case: Case) -> None:
    """Each rule of the standard holds whatever the reads."""
    for reads in segmentations(case.stream):
        check(case, [], reads)


@pytest.mark.parametrize("case", _LATER_CASES, ids=lambda case: case.name)
def test_named_cases_after_an_event(case: Case) -> None:
    """Each rule holds as well where a decoder is in its stride, and takes its short cuts."""
    for reads in segmentations(case.stream):
        check(case, [Event("before")], [b"data: before\n\n", *reads])


def check(case: Case, before: list[Event | Comment], reads: list[bytes]) -> None:
    """Assert all that the case says, after events that came before it."""
    items, decoder = decode(reads)
    assert items == before + case.items, reads
    assert decoder.last_event_id == case.last_event_id, reads
    left = decoder.end()
    assert left == (None if case.left is None else Unfinished(*case.left)), reads
    assert decoder.reconnection_time == case.reconnection_time, reads
    assert decoder.last_event_id == case.last_event_id, reads


@given(split_streams())
def test_any_split_of_anything_is_what_the_reference_says(drawn: tuple[bytes, list[bytes]]) -> None:
    """Any bytes in any reads give what the literal transcription of the standard gives."""
    stream, reads = drawn
    expected = interpret(stream)
    items, decoder = decode(reads)
    left = decoder.end()
    assert items == expected.items
    assert decoder.last_event_id == expected.last_event_id
    assert decoder.reconnection_time == expected.reconnection_time
    unfinished = Unfinished(expected.unfinished_event, expected.unfinished_line)
    assert left == (unfinished if expected.left_something else None)


@given(split_streams(), st.integers(1, 24))
def test_the_limit_falls_at_the_same_event_however_the_stream_is_cut(
    drawn: tuple[bytes, list[bytes]], limit: int
) -> None:
    """Under any limit the same events come before the error, or none is too large, whatever the reads."""
    stream, reads = drawn

    def outcome(reads: list[bytes]) -> tuple[list[Event | Comment], bool]:
        items, error = feed_until_refused(Decoder(limit), reads)
        return items, error is not None

    assert outcome(reads) == outcome([stream]) == outcome([stream[i : i + 1] for i in range(len(stream))])


@given(streams)
def test_every_byte_counts_at_once(stream: bytes) -> None:
    """After each byte, what has come is what a whole stream that stops there would give: nothing waits."""
    decoder = Decoder()
    items: list[Event | Comment] = []
    for end in range(1, len(stream) + 1):
        items += decoder.feed(stream[end - 1 : end])
        assert items == interpret(stream[:end]).items


@pytest.mark.parametrize(
    ("reads", "came"),
    [
        ([b"data: x\r\r"], [1]),
        ([b"data: x\r", b"\r"], [0, 1]),
        ([b"data: x\r\n\r", b"\n", b"data: y\n\n"], [1, 0, 1]),
        ([b"data: x\r\n\r", b"", b"\n", b"data: y\n\n"], [1, 0, 0, 1]),
        ([b": x\r", b"\n"], [1, 0]),
        ([b"data: x\n\r", b"\ndata: y\n", b"\n"], [1, 0, 1]),
    ],
)
def test_a_cr_ends_its_line_at_once(reads: list[bytes], came: list[int]) -> None:
    """What a CR completes is delivered with it; only the possible LF is awaited, and an empty read keeps it so."""
    decoder = Decoder()
    assert [len(decoder.feed(data)) for data in reads] == came


def test_buffers_other_than_bytes() -> None:
    """A bytearray or memoryview may be reused by the caller: the decoder keeps no reference to it."""
    stream = b"\xef\xbb\xbfdata: one\n\n: two\ndata: three\n\n"
    for kind in (bytearray, lambda data: memoryview(bytearray(data)), type("Read", (bytes,), {})):
        decoder = Decoder()
        items: list[Event | Comment] = []
        for i in range(0, len(stream), 4):
            data = kind(stream[i : i + 4])
            items += decoder.feed(data)
            if not isinstance(data, bytes):
                data[:] = b"\n" * len(data)
        assert items == [Event("one"), Comment("two"), Event("three")]
        assert type(items[0]) is type(decode([b"data: x\n\n"])[0][0])


@pytest.mark.parametrize("pause", [[], [b""]], ids=["at once", "after an empty read"])
def test_a_cr_is_forgotten_when_the_next_line_begins(pause: list[bytes]) -> None:
    """The LF that a CR may be followed by is awaited only until the next byte, whatever the buffers."""
    decoder = Decoder()
    assert decoder.feed(b"data: x\n\n: c\r") == [Event("x"), Comment("c")]
    for data in [*pause, b"data: y"]:
        assert decoder.feed(data) == []
    assert decoder.feed(bytearray(b"\n\n")) == [Event("y")]


def test_a_whole_event_in_another_buffer() -> None:
    """A whole event given as a bytearray comes out as bytes that nobody else can change."""
    decoder = Decoder()
    decoder.feed(b"data: x\n\n")
    (event,) = decoder.feed(bytearray(b"data: y\n\n"))
    assert isinstance(event, Event)
    assert type(event.data_bytes) is bytes


@pytest.mark.parametrize("data", ["data: x\n\n", 5, None, [100]])
@pytest.mark.parametrize("before", [b"", b"data: x\n\n", b"data: x\n\ndata: y"])
def test_only_bytes_are_fed(data: object, before: bytes) -> None:
    """Anything but bytes is refused in a sentence, and the decoder goes on unharmed."""
    decoder = Decoder()
    decoder.feed(before)
    with pytest.raises(TypeError, match="feed\\(\\) takes bytes"):
        decoder.feed(data)  # type: ignore[arg-type]
    assert decoder.feed(b"\n\ndata: z\n\n")[-1] == Event("z")


@pytest.mark.parametrize("stream", [b"", b"data: x", b"data: x\n\n", b"data: x\r", b"data: x\n\n: c"])
@pytest.mark.parametrize("late", [b"data: y\n\n", b"", b"x"])
def test_feeding_after_the_end(stream: bytes, late: bytes) -> None:
    """A decoder reads one stream: feeding after `end` is refused in a sentence; a second `end` does nothing."""
    decoder = Decoder()
    decoder.feed(stream)
    decoder.end()
    assert decoder.end() is None
    for _ in range(2):
        with pytest.raises(RuntimeError, match="after end"):
            decoder.feed(late)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_forbids_everything(limit: int) -> None:
    """A limit under one byte is a mistake, said at once."""
    with pytest.raises(ValueError, match="max_event_bytes"):
        Decoder(limit)


@pytest.mark.parametrize(
    "stream",
    [
        b"data: " + b"x" * 40,
        b"data: " + b"x" * 40 + b"\n\n",
        b"data: " + b"x" * 40 + b"\r\n\r\n",
        b": " + b"x" * 40,
        b": " + b"x" * 40 + b"\n",
        b"x" * 41,
        b"id: " + b"x" * 40 + b"\n",
        b"data: 0123456789\n" * 4,
        b"data\n" * 60,
        b"data: x\nevent: " + b"y" * 33,
    ],
    ids=lambda stream: stream[:12].decode(),
)
def test_what_grows_beyond_the_limit(stream: bytes) -> None:
    """A line, an event and a comment count alike; the error carries what came before and stays for good."""
    before = b"data: a\n\n: b\n\nid: 7\ndata: c\n\n"
    complete = [Event("a"), Comment("b"), Event("c", id="7")]
    whole = before + stream
    cuts = [[before, stream], [whole], *([whole[i : i + n] for i in range(0, len(whole), n)] for n in (1, 7))]
    for reads in cuts:
        decoder = Decoder(40)
        items, error = feed_until_refused(decoder, reads)
        assert items == complete
        assert error is not None
        assert error.limit == 40
        assert decoder.last_event_id == "7"
        for _ in range(2):
            with pytest.raises(EventTooLargeError, match="limit of 40 bytes") as again:
                decoder.feed(b"data: y\n\n")
            assert again.value.events == []
        assert decoder.end() is None
        with pytest.raises(EventTooLargeError):
            decoder.feed(b"")


@pytest.mark.parametrize("size", [1 << 16, 3 << 16])
def test_one_large_event_in_one_read(size: int) -> None:
    """A read of any size that is one event gives that event, also where events came before."""
    decoder = Decoder()
    for data in ("x" * size, "y" * size):
        assert decoder.feed(f"data: {data}\n\n".encode()) == [Event(data)]


_LONG = "x" * 39_994


@pytest.mark.parametrize("read", [100, 16 << 10, 20_000])
@pytest.mark.parametrize(
    ("stream", "items"),
    [
        (f"data: {_LONG}\n\n", [Event(_LONG)]),
        (f"data:  {_LONG[1:]}\n\n", [Event(" " + _LONG[1:])]),
        (f"data:{_LONG}\n\n", [Event(_LONG)]),
        (f"data: {_LONG}\r\r", [Event(_LONG)]),
        (f"data: {_LONG}\r\n\n", [Event(_LONG)]),
        (f"data: {_LONG}\n:c\n\n", [Comment("c"), Event(_LONG)]),
        (f"data: {_LONG}\n\ndata: y\n\n", [Event(_LONG), Event("y")]),
        (f": {_LONG}\n\n", [Comment(_LONG)]),
        (f"event: e\ndata: {_LONG}\n\n", [Event(_LONG, "e")]),
        (f"id: 1\n\ndata: {_LONG}\n\n", [Event(_LONG, id="1")]),
        (f"data: {_LONG[9:]}\ndata: y\n\n", [Event(_LONG[9:] + "\ny")]),
        (f"data: {_LONG[9:]}\r\n\n", [Event(_LONG[9:])]),
        (f"data: {_LONG[9:]}\rid: 1\n\n", [Event(_LONG[9:], id="1")]),
        (f"data: {_LONG}x\n\n", None),
        (f"data: {_LONG}\ndata: y\n\n", None),
    ],
    ids=range(15),
)
def test_long_lines(stream: str, items: list[Event | Comment] | None, read: int) -> None:
    """A line that takes many reads means what a short one means, and may be as long as the limit, no longer."""
    data = stream.encode()
    for before in (b"", b"data: before\n\n"):
        decoder = Decoder(40_000)
        first = decoder.feed(before)
        came, error = feed_until_refused(decoder, [data[i : i + read] for i in range(0, len(data), read)])
        assert (error is None) == (items is not None)
        assert came == (items or [])
        assert first == ([Event("before")] if before else [])
        if items:
            assert decoder.feed(b"data: after\n\n") == [Event("after", id=decoder.last_event_id)]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_just_fits(size: int) -> None:
    """Lines of exactly the limit pass, any number of them and of comments."""
    stream = (
        b"data: " + b"x" * 34 + b"\n\n" + b": " + b"y" * 38 + b"\n" + b"data: 0123456789\n" * 2 + b":z\n\n"
    )
    items, _ = decode([stream[i : i + size] for i in range(0, 2 * len(stream), size)], max_event_bytes=40)
    assert items == [Event("x" * 34), Comment("y" * 38), Comment("z"), Event("0123456789\n0123456789")]


@pytest.mark.parametrize("stream", [b"data: " + b"x" * (4 << 20), (b"data: " + b"x" * 1000 + b"\n") * 5000])
def test_what_was_too_large_is_let_go(stream: bytes) -> None:
    """After the error the decoder holds nothing any more of what was pending."""
    decoder = Decoder((4 << 20) - 100_000)
    tracemalloc.start()
    try:
        _, error = feed_until_refused(
            decoder, [stream[i : i + 10_000] for i in range(0, len(stream), 10_000)]
        )
        assert error is not None
        error.__traceback__ = None
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1 << 20
    with pytest.raises(EventTooLargeError):
        decoder.feed(b"")


def test_the_error_is_a_value() -> None:
    """The error survives a copy, with its facts."""
    error = EventTooLargeError(5, [Event("x")])
    twin = copy.copy(error)
    assert (twin.limit, twin.events, str(twin)) == (
        5,
        [Event("x")],
        "an event is larger than the limit of 5 bytes",
    )
    assert isinstance(error, ValueError)


def test_what_is_unfinished_is_a_value() -> None:
    """Equal when event and line are, usable as a key, readable, and copied whole."""
    left = Unfinished(Event("x"), b"data")
    assert left == Unfinished(Event("x"), b"data") == copy.copy(left)
    assert left not in (Unfinished(None, b"data"), Unfinished(Event("x"), b""), (Event("x"), b"data"))
    assert {left: 1}[Unfinished(Event("x"), b"data")] == 1
    assert repr(left) == "Unfinished(event=Event('x'), line=b'data')"


def test_comments_for_ever_do_not_grow() -> None:
    """Heartbeats inside an open block, and lines that mean nothing, are not held against the limit."""
    decoder = Decoder(64)
    decoder.feed(b"data: x\n")
    for _ in range(1000):
        assert decoder.feed(b": ping\nfoo: bar\n\r"[:-1]) == [Comment("ping")]
    assert decoder.feed(b"\n") == [Event("x")]


def _seconds(reads: list[bytes]) -> float:
    decoder = Decoder()
    start = time.process_time()
    came = sum(len(decoder.feed(data)) for data in reads)
    seconds = time.process_time() - start
    assert came == 1
    return seconds


_SHAPES = {
    "one line": lambda size: b"data: " + b"x" * size + b"\n\n",
    "many lines": lambda size: (b"data: " + b"x" * 63 + b"\n") * (size // 70) + b"\n",
    "one line, CRLF": lambda size: b"data:" + b"x" * size + b"\r\n\r\n",
}


@pytest.mark.parametrize("size", [1 << 20, 4 << 20])
@pytest.mark.parametrize("read", [16 << 10, 64])
@pytest.mark.parametrize("shape", _SHAPES)
def test_twice_the_bytes_take_twice_the_time(shape: str, read: int, size: int) -> None:
    """To double an event doubles its time, within a quarter; the best of turns, since others use the machine."""
    streams = [_SHAPES[shape](size), _SHAPES[shape](2 * size)]
    small, large = ([stream[i : i + read] for i in range(0, len(stream), read)] for stream in streams)
    once = twice = float("inf")
    for _ in range(20):
        once, twice = min(once, _seconds(small)), min(twice, _seconds(large))
        if twice < 2.5 * once:
            break
    assert twice < 2.5 * once


@pytest.mark.parametrize("read", [16 << 10, 64, 8])
@pytest.mark.parametrize("shape", _SHAPES)
def test_memory_stays_near_the_size_of_the_event(shape: str, read: int) -> None:
    """At its peak the decoder holds at most 2.2 times the event, the event itself included."""
    size = 8 << 20 if read > 64 else 1 << 20
    stream = _SHAPES[shape](size)
    view = memoryview(stream)
    decoder = Decoder()
    tracemalloc.start()
    try:
        came = sum(len(decoder.feed(bytes(view[i : i + read]))) for i in range(0, len(stream), read))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert came == 1
    assert peak < 2.2 * len(stream)
