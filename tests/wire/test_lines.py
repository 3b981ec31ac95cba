"""The buffer between reads and lines, on its own."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sseor.wire.lines import LineBuffer


@given(st.binary(max_size=6), st.lists(st.integers(0, 6), max_size=4))
def test_one_bom_however_it_is_cut(start: bytes, cuts: list[int]) -> None:
    """What is admitted of a stream is the stream, without one BOM at its start."""
    for stream in (start, b"\xef\xbb\xbf" + start, b"\xef\xbb\xbf\xef\xbb\xbf" + start):
        buffer = LineBuffer(100)
        edges = [0, *sorted(cuts), len(stream)]
        admitted = b"".join(buffer._after_line_end(stream[i:j]) for i, j in pairwise(edges))
        held = buffer._start or b""
        assert admitted + held == stream.removeprefix(b"\xef\xbb\xbf")
        assert held in (b"", b"\xef", b"\xef\xbb")


def test_the_lf_of_a_crlf() -> None:
    """After a CR one LF is dropped, an empty read does not count, and any other byte is kept."""
    buffer = LineBuffer(100)
    buffer._after_line_end(b"x" * 3)
    for data, admitted in [(b"\n", b""), (b"\n\n", b"\n"), (b"x\n", b"x\n"), (b"\r", b"\r")]:
        buffer._after_cr = True
        assert buffer._after_line_end(b"") == b""
        assert buffer._after_line_end(data) == admitted
        assert not buffer._after_cr
    assert buffer._after_line_end(b"\n") == b"\n"


@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=12), st.binary(max_size=3))
def test_an_unfinished_line_comes_back_whole(sizes: list[int], end: bytes) -> None:
    """However many reads a line takes, large and small, it is taken as one, and the buffer is empty then."""
    buffer = LineBuffer(1 << 20)
    reads = [bytes([65 + i]) * size for i, size in enumerate(sizes)]
    assert all(buffer._keep(data) for data in reads)
    assert buffer._take(end) == b"".join(reads) + end
    assert buffer._take(b"next") == b"next"
    assert buffer._room == 0


def test_small_reads_are_joined_before_they_are_many() -> None:
    """A long line of small reads waits as few objects: at most one piece and 16 KiB of single reads."""
    buffer = LineBuffer(1 << 30)
    for _ in range(100_000):
        buffer._keep(b"0123456789abcdef")
    assert len(buffer._parts) < 100_000 * 16 / (16 << 10) + 1024
    assert buffer._take() == b"0123456789abcdef" * 100_000


@given(st.integers(1, 40_000), st.integers(1, 9_000))
def test_the_limit_is_exact(limit: int, read: int) -> None:
    """A line may be as long as the limit, and not one byte longer."""
    buffer = LineBuffer(limit)
    for start in range(0, limit, read):
        assert buffer._keep(b"x" * min(read, limit - start))
    assert not buffer._keep(b"x")
