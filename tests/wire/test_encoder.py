"""The encoder: what it writes is read as what it was given, and nothing can be smuggled in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import interpret
from strategies import comments, events

from sseor.wire import Comment, Decoder, Event, encode


@given(events | comments)
def test_round_trip(item: Event | Comment) -> None:
    """What is encoded and decoded is what it was, by our decoder and by the letter of the standard."""
    assert Decoder().feed(encode(item)) == [item]
    assert interpret(encode(item)).items == [item]


@given(st.lists(events.map(lambda event: Event(event.data, event.event, "7")) | comments, max_size=5))
def test_encoded_items_stand_in_a_row(items: list[Event | Comment]) -> None:
    """Each item ends what it began: a row of them is decoded as that row."""
    assert Decoder().feed(b"".join(map(encode, items))) == items


@given(
    st.text(st.sampled_from("a:\r\n \0\ufeff\u2028é")),
    st.text(st.sampled_from("ab \ufeff"), min_size=1, max_size=3),
)
def test_any_data_comes_back_with_lf(data: str, event: str) -> None:
    """Data holds one kind of line end: CRLF and CR come back as LF, and no line becomes a field of its own."""
    item = Event(data, event)
    normal = data.replace("\r\n", "\n").replace("\r", "\n")
    assert Decoder().feed(encode(item)) == [Event(normal, event)]


@given(st.text(st.sampled_from("a:\r\n \0dt")))
def test_every_line_of_a_comment_is_a_comment(text: str) -> None:
    """A comment of several lines comes back as one comment a line: it cannot turn into a field."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert Decoder().feed(encode(Comment(text))) == [Comment(line) for line in lines]


@pytest.mark.parametrize(
    ("item", "stream"),
    [
        (Event("x"), b"data: x\n\n"),
        (Event(""), b"data: \n\n"),
        (Event("{}", "delta", "a:1"), b"event: delta\nid: a:1\ndata: {}\n\n"),
        (Event("a\r\nb\rc\nd"), b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
        (Event("\n"), b"data: \ndata: \n\n"),
        (Event(b"\xff\xe2\x82"), b"data: \xff\xe2\x82\n\n"),
        (Event("x", "message"), b"data: x\n\n"),
        (Comment("ping"), b": ping\n\n"),
        (Comment(""), b": \n\n"),
        (Comment("a\nb"), b": a\n: b\n\n"),
    ],
)
def test_the_bytes(item: Event | Comment, stream: bytes) -> None:
    """The usual spelling: LF, one space, no field that says what is so anyway; bytes go out as they came."""
    assert encode(item) == stream


@pytest.mark.parametrize("forbidden", ["\r", "\n", "\0", "\r\n", "a\ndata: injected", "x\r\rdata: y"])
@pytest.mark.parametrize("field", ["event", "id"])
def test_what_would_begin_another_field_is_refused(field: str, forbidden: str) -> None:
    """CR, LF and NUL in a type or ID are refused, not stripped."""
    for value in (forbidden, "a" + forbidden, forbidden + "b"):
        with pytest.raises(ValueError, match=f"the {field} of an event must not contain CR, LF or NUL"):
            encode(Event("x", **{field: value}))


@pytest.mark.parametrize("item", ["x", b"x", None, ("x", "message", "")])
def test_only_events_and_comments_are_encoded(item: object) -> None:
    """Anything else is refused in a sentence."""
    with pytest.raises(TypeError, match="takes an Event or a Comment"):
        encode(item)  # type: ignore[arg-type]
