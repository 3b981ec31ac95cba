"""The shapes that are cut without a look at each line: exactly theirs, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseor.wire.shapes import cut_headed, cut_row

_bits = st.sampled_from([b"data: ", b"event: ", b"id: ", b"\n", b"\n\n", b"\r", b"x", b" "])


@given(st.lists(_bits, max_size=12).map(b"".join))
def test_a_row_is_put_together_again(bits: bytes) -> None:
    """What is cut into a row is that row of plain events and a rest without a line end, or it is not cut."""
    text = b"data: " + bits
    values, rest = cut_row(text)
    assert b"".join(b"data: " + value + b"\n\n" for value in values) + rest == text
    assert not any(end in value for value in values for end in (b"\n", b"\r"))
    assert not values or (b"\n" not in rest and b"\r" not in rest)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        (b"data: x\n\n", ([b"x"], b"")),
        (b"data: x\n\ndata: y\n\n", ([b"x", b"y"], b"")),
        (b"data: x\n\ndata: y\n\nda", ([b"x", b"y"], b"da")),
        (b"data: x\n", ([], b"data: x\n")),
        (b"data: x\n\ndata: y\n", ([], b"data: x\n\ndata: y\n")),
        (b"data: x\r\n\n", ([], b"data: x\r\n\n")),
        (b"data: x\n\n: y\n\n", ([], b"data: x\n\n: y\n\n")),
    ],
)
def test_rows(text: bytes, cut: tuple[list[bytes], bytes]) -> None:
    """Whole events of one data line each are a row; one other line, or a CR, and it is none."""
    assert cut_row(text) == cut


@given(st.lists(_bits, max_size=12).map(b"".join))
def test_a_headed_event_is_put_together_again(text: bytes) -> None:
    """What has a name was one line of that name, one data line and a blank line."""
    name, value, data = cut_headed(text)
    if name:
        assert name + b": " + value + b"\ndata: " + data + b"\n\n" == text
        assert not any(end in part for part in (value, data) for end in (b"\n", b"\r"))


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        (b"event: e\ndata: x\n\n", (b"event", b"e", b"x")),
        (b"id: 1: 2\ndata: \n\n", (b"id", b"1: 2", b"")),
        (b"event: e\ndata: x\n", (b"", b"", b"")),
        (b"event: e\ndata: x\n\n\n", (b"", b"", b"")),
        (b"event: e\n\ndata: x\n\n", (b"", b"", b"")),
        (b"event: e\rf\ndata: x\n\n", (b"", b"", b"")),
        (b"event: e\ndata: x\n\ndata: y\n\n", (b"", b"", b"")),
        (b": ping\n\n", (b"", b"", b"")),
        (b"event\ndata: x\n\n", (b"", b"", b"")),
        (b"\nevent: e\ndata: x\n\n", (b"", b"", b"")),
    ],
)
def test_headed_events(text: bytes, cut: tuple[bytes, bytes, bytes]) -> None:
    """One line before the data line, LF at each end: anything else has no name."""
    assert cut_headed(text) == cut
