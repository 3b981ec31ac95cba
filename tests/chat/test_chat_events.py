"""The events: immutable, made for `match`, told apart by kind."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any, get_args

import pytest

from sseor.chat import (
    Annotation,
    AudioDelta,
    Finished,
    Heartbeat,
    Image,
    Reasoning,
    Refusal,
    Restarted,
    Resumed,
    Retrying,
    StreamEvent,
    Text,
    ToolCall,
    ToolCallDelta,
    ToolCallDone,
    Usage,
    UsageReport,
)

CAUSE = ValueError("x")
EVENTS: list[Any] = [
    Text("a"),
    Reasoning("a"),
    Refusal("a"),
    ToolCallDelta(0, "A", "f", "{"),
    ToolCallDone(ToolCall(0, "A", "f", "{}", True)),
    Image("u"),
    AudioDelta("AA", "a"),
    Annotation({"type": "file"}),
    Heartbeat(1.5, "first_token"),
    Retrying(2.0, CAUSE),
    Restarted(2, CAUSE),
    Resumed(2, CAUSE),
    Finished("stop"),
    UsageReport(Usage({"total_tokens": 1})),
]


def test_the_union_names_every_event() -> None:
    """`StreamEvent` is the union of all kinds."""
    assert {type(event) for event in EVENTS} == set(get_args(StreamEvent))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_events_are_immutable_slotted_and_equal_by_value(event: Any) -> None:
    """No attribute can be set, none added; a copy is equal; kinds do not mix."""
    name = event.__match_args__[0]
    with pytest.raises(AttributeError):
        setattr(event, name, None)
    with pytest.raises((AttributeError, TypeError)):
        event.other = 1
    assert not hasattr(event, "__dict__")
    assert copy.copy(event) == event
    assert [other == event for other in EVENTS].count(True) == 1
    assert repr(event).startswith(type(event).__name__ + "(")


@pytest.mark.parametrize("kind", [Text, Reasoning, Refusal])
def test_pieces_of_text_are_values(kind: type[Any]) -> None:
    """Pieces are equal and hash alike by kind, delta and choice; they print, match, copy and pickle."""
    piece = kind("a", 1)
    assert piece == kind("a", choice=1)
    assert piece != kind("a")
    assert piece != "a"
    assert len({piece, kind("a", 1), kind("b", 1)}) == 2
    assert repr(piece) == f"{kind.__name__}(delta='a', choice=1)"
    assert pickle.loads(pickle.dumps(piece)) == piece
    match piece:
        case Text(delta, choice) | Reasoning(delta, choice) | Refusal(delta, choice):
            assert (delta, choice) == ("a", 1)


def test_text_and_reasoning_of_the_same_words_differ() -> None:
    """The kind is part of the value."""
    assert Text("a") != Reasoning("a")
    assert hash(Text("a")) != hash(Reasoning("a"))


def test_matching() -> None:
    """A `match` takes events apart by position or by name."""
    found: list[Any] = []
    for event in EVENTS[:5]:
        match event:
            case Text(delta):
                found.append(delta)
            case ToolCallDelta(index=index, arguments=arguments):
                found.append((index, arguments))
            case ToolCallDone(call):
                found.append(call.parsed)
    assert found == ["a", (0, "{"), {}]


@pytest.mark.parametrize(
    ("url", "media_type", "data"),
    [
        ("data:image/png;base64,AAEC", "image/png", b"\x00\x01\x02"),
        ("data:image/png;base64,A*", "image/png", None),
        ("data:;base64,AAEC", None, b"\x00\x01\x02"),
        ("data:text/plain,hi", "text/plain", None),
        ("https://i.example/a.png", None, None),
        ("data:no comma", None, None),
    ],
)
def test_data_urls_of_images(url: str, media_type: str | None, data: bytes | None) -> None:
    """Media type and bytes come from a base64 data URL; other URLs have neither."""
    assert (Image(url).media_type, Image(url).data) == (media_type, data)


def test_a_frozen_event_cannot_be_changed() -> None:
    """The dataclasses among the events are frozen."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Finished("stop").reason = "length"  # type: ignore[misc]
