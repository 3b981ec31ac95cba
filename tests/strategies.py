"""Hypothesis strategies for event streams, and for the reads that bring them."""

from __future__ import annotations

from hypothesis import strategies as st

from sseor.wire import Comment, Event

# What a stream is made of, so that the rules meet each other often; any bytes at all come in between.
_MORSELS = st.sampled_from(
    [
        *(
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"\r\r",
            b"\r\n\r\n",
            b":",
            b" ",
            b"\0",
            b"\xef\xbb\xbf",
            b"\xef",
            b"\xbb\xbf",
        ),
        *(
            b"data: ",
            b"data:",
            b"data",
            b"Data: x",
            b"data: {}\n\n",
            b"data: x\n\ndata: y\n\n",
            b": ping\n\n",
            b":\n",
        ),
        *(
            b"id: 1\n",
            b"id\n",
            b"id: a\0b\n",
            b"event: e\n",
            b"event\n",
            b"retry: 10\n",
            b"retry: +1\n",
            b"retry:\n",
        ),
        *(
            "é".encode(),
            "€".encode(),
            "😀".encode(),
            b"\xe2\x82",
            b"\xf0\x9f",
            b"\xff",
            "\u2028\x85\x0b\x0c".encode(),
        ),
    ]
)

streams = st.lists(_MORSELS | st.binary(max_size=8), max_size=24).map(b"".join)
"""Bytes that look like an event stream to various degrees."""


@st.composite
def split_streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """Draw a stream, and the same stream cut into reads, some of them empty."""
    stream = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return stream, [stream[i:j] for i, j in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_one_line = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=8)

# Whatever survives a round trip unchanged: the format has no CR inside data, and no line end inside a comment.
events = st.builds(Event, _text.map(lambda text: text.replace("\r", "\n")), _one_line, _one_line)
comments = st.builds(Comment, _one_line)
