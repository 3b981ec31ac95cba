"""`sseor.conformance.protocol`: what is said is understood, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sseor.conformance.protocol import (
    Answer,
    GotComment,
    GotEvent,
    Hello,
    Malformed,
    MalformedError,
    parse_answer,
    parse_hello,
    request,
)


def said(**fields: Any) -> bytes:
    """Return a line of these fields."""
    return json.dumps(fields).encode() + b"\n"


def test_a_request() -> None:
    """Reads are base64, empty ones included, on one line."""
    line = request(3, [b"data: \xff\n", b""])
    assert json.loads(line) == {"play": 3, "reads": ["ZGF0YTog/wo=", ""]}
    assert line.count(b"\n") == 1


def test_a_hello() -> None:
    """Name and version are texts, whatever was sent; another version is refused; all else is no hello."""
    assert parse_hello(said(protocol=1, name="x", version=2)) == Hello("x", "2")
    assert parse_hello(said(protocol=1)) == Hello("", "")
    for noise in (b"", b"noise\n", b"[1]\n", b"{\n", b'{"x": 1}\n', b"{" + b'"a":[' * 100_000):
        assert parse_hello(noise) is None
    with pytest.raises(MalformedError, match="protocol 2, not 1"):
        parse_hello(said(protocol=2))


def test_an_answer_in_full() -> None:
    """Events, comments and state come back typed."""
    items = [
        {"data": "x", "event": "e", "id": "1", "after": 1},
        {"data": "", "after": 2},
        {"data": "", "event": None, "id": None, "after": 2},
        {"comment": "c", "after": 3},
    ]
    answer = parse_answer(
        said(play=1, items=items, last_event_id="1", reconnection_time=5, error="E", cpu=1), 1
    )
    assert answer == Answer(
        (
            GotEvent("x", "e", "1", 1),
            GotEvent("", "message", None, 2),
            GotEvent("", "message", "", 2),
            GotComment("c", 3),
        ),
        frozenset({"last_event_id", "reconnection_time"}),
        "1",
        5,
        "E",
        1.0,
    )


def test_an_answer_that_says_nothing() -> None:
    """Everything but the number of the play may be left out; null state is known state."""
    assert parse_answer(said(play=1), 1) == Answer((), frozenset(), None, None, None, None)
    told = parse_answer(said(play=1, last_event_id=None, cpu="fast"), 1)
    assert told == Answer((), frozenset({"last_event_id"}), None, None, None, None)


@pytest.mark.parametrize("line", [b"", b"noise", b"{", b"[]", said(play=2), said(items=[])])
def test_noise(line: bytes) -> None:
    """What does not answer this play is no answer."""
    assert parse_answer(line, 1) is None


@pytest.mark.parametrize(
    ("item", "what", "after"),
    [
        (5, "an item that is no object", 0),
        ({"data": "x"}, "an item without its number of reads in `after`", 0),
        ({"data": "x", "after": True}, "an item without its number of reads in `after`", 0),
        ({"comment": 5, "after": 2}, "a comment is 5, not text", 2),
        ({"data": {"type": "bytes"}, "after": 2}, "an event whose data is of type bytes, not text", 2),
        ({"data": [1], "after": 2}, "an event whose data is [1], not text", 2),
        ({"data": "x", "event": 5, "after": 2}, "an event whose type is 5, not text", 2),
        ({"data": "x", "id": {"x": 1}, "after": 2}, 'an event whose id is {"x": 1}, not text', 2),
        ({"unknown": "a list", "after": 2}, "neither event nor comment but a list", 2),
        ({"after": 2}, "neither event nor comment but an object without data", 2),
    ],
)
def test_items_of_other_types(item: object, what: str, after: int) -> None:
    """An item of another form is kept as what it is, so that the verdict can say so."""
    answer = parse_answer(said(play=1, items=[item]), 1)
    assert answer is not None
    assert answer.items == (Malformed(what, after),)


@pytest.mark.parametrize(
    "fields",
    [
        {"items": {}},
        {"last_event_id": 5},
        {"reconnection_time": "5"},
        {"reconnection_time": True},
        {"reconnection_time": 1.5},
        {"reconnection_time": 5.0},
    ],
)
def test_state_of_other_types(fields: dict[str, Any]) -> None:
    """State of another type breaks the protocol."""
    with pytest.raises(MalformedError):
        parse_answer(said(play=1, **fields), 1)


def test_large_numbers_of_javascript() -> None:
    """JavaScript writes what is above 2^53 as it likes; as a number it is still whole."""
    answer = parse_answer(b'{"play": 1, "reconnection_time": 1.8446744073709552e19}', 1)
    assert answer is not None
    assert answer.reconnection_time == 2**64
