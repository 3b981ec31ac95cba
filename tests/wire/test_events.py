"""Events and comments as values."""

from __future__ import annotations

import copy
import pickle

import pytest

from sseor.wire import Comment, Decoder, Event


def received(stream: bytes) -> Event | Comment:
    """Return the one item that a decoder makes of a stream."""
    (item,) = Decoder().feed(stream)
    return item


EVENTS = [
    (Event("é"), received("data: é\n\n".encode()), Event("é".encode())),
    (
        Event("a\nb", "e", "1"),
        received(b"event: e\nid: 1\ndata: a\ndata: b\n\n"),
        Event(b"a\nb", event="e", id="1"),
    ),
    (Comment("é"), received(": é\n".encode()), Comment("é".encode())),
]


@pytest.mark.parametrize("alike", EVENTS)
def test_a_value_is_equal_however_it_was_made(alike: tuple[object, ...]) -> None:
    """Made of text, made of bytes and received: equal, of equal hash, of equal repr."""
    assert len(set(alike)) == 1
    assert len({repr(item) for item in alike}) == 1
    for one in alike:
        for other in alike:
            assert one == other
            assert (one != other) is False


@pytest.mark.parametrize("item", [item for alike in EVENTS for item in alike])
def test_a_value_survives_copies(item: Event | Comment) -> None:
    """Pickle, copy and deepcopy give an equal value."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(item, protocol)) == item
    assert copy.copy(item) == item == copy.deepcopy(item)


def test_what_makes_events_differ() -> None:
    """Data, type and ID each make a difference; an event is no comment and no tuple."""
    event = Event("x", "e", "1")
    for other in (
        Event("y", "e", "1"),
        Event("x", "f", "1"),
        Event("x", "e", "2"),
        Comment("x"),
        ("x", "e", "1"),
        "x",
    ):
        assert event != other
    assert Comment("x") not in (Comment("y"), Event("x"), "x")


def test_equal_text_is_equal_data() -> None:
    """What counts is the text: bytes that are not UTF-8 equal the U+FFFD they are read as."""
    assert Event(b"\xff") == Event("\ufffd")
    assert hash(Event(b"\xff")) == hash(Event("\ufffd"))
    assert Event(b"\xff").data_bytes == b"\xff"


def test_fields() -> None:
    """The fields, their defaults, and an empty type that is `message` as in the standard."""
    event = Event("é")
    assert (event.data, event.data_bytes, event.event, event.id) == ("é", "é".encode(), "message", "")
    assert Event("x", event="").event == "message"
    assert type(Event(bytearray(b"x")).data_bytes) is bytes
    assert Comment(b" x").text == " x"


@pytest.mark.parametrize("name", ["data", "data_bytes", "event", "id", "other"])
def test_an_event_does_not_change(name: str) -> None:
    """No field can be set, and none added."""
    for event in (Event("x"), received(b"data: x\n\n")):
        with pytest.raises(AttributeError):
            setattr(event, name, "y")
    with pytest.raises(AttributeError):
        Comment("x").text = "y"  # type: ignore[misc]


def test_events_are_made_for_match() -> None:
    """The fields can be matched by position and by name, on received items too."""
    match received(b"event: e\nid: 1\ndata: x\n\n"):
        case Event(data, "e", id="1"):
            assert data == "x"
        case _:
            pytest.fail("no match")
    match received(b":x\n"):
        case Comment(text):
            assert text == "x"
        case _:
            pytest.fail("no match")


def test_repr_is_short_and_says_what_is_unusual() -> None:
    """The usual type and ID are left out, a long text is cut."""
    assert repr(Event("x")) == "Event('x')"
    assert repr(Event("x", "e", "1")) == "Event('x', event='e', id='1')"
    assert repr(Comment("it's")) == 'Comment("it\'s")'
    assert repr(Event("é" * 80)) == f"Event('{'é' * 80}')"
    for long in (Event("😀" * 1000), Comment("x" * 81)):
        assert len(repr(long)) < 100
        assert repr(long).endswith("…')")


@pytest.mark.parametrize("kind", [Event, Comment])
def test_text_that_utf_8_cannot_carry(kind: type[Event] | type[Comment]) -> None:
    """A lone surrogate is refused where it enters, not where it is sent."""
    with pytest.raises(ValueError, match="surrogates"):
        kind("\ud83d")


@pytest.mark.parametrize("data", [None, 5, ["x"]])
@pytest.mark.parametrize("kind", [Event, Comment])
def test_only_text_and_bytes_make_a_value(kind: type[Event] | type[Comment], data: object) -> None:
    """Anything else is refused; a number is not taken for a count of zero bytes."""
    with pytest.raises(TypeError, match="text or bytes"):
        kind(data)  # type: ignore[arg-type]
