"""The body of one response: what it is, and what comes out of it in any pieces."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseor.errors import ContentTypeError, EventTooLargeError, ProtocolError, SseorError
from sseor.stream.body import Body
from sseor.wire import Comment

CHUNK = {"id": "gen-1", "choices": [{"index": 0, "delta": {"content": "Low"}}]}
EVENT = b"data: " + json.dumps(CHUNK).encode() + b"\n\n"
WHOLE = {"id": "gen-1", "choices": [{"index": 0, "message": {"content": "Low"}, "finish_reason": "stop"}]}


def body(content_type: str = "text/event-stream", limit: int = 1 << 20, coding: str = "") -> Body:
    """Return the reader of a body with this content type."""
    return Body(
        {"content-type": content_type, "content-encoding": coding}, max_event_bytes=limit, lenient=False
    )


def read(reader: Body, *pieces: bytes) -> list[Any]:
    """Return all that the pieces and the end give: comments as text, chunks as their content."""
    items: list[Any] = [item for piece in pieces for item in reader.feed(piece)]
    items += reader.end()
    return [item.text if isinstance(item, Comment) else item.choices[0].delta.content for item in items]


@pytest.mark.parametrize(
    "content_type",
    ["text/event-stream", "Text/Event-Stream; charset=utf-8", "", "text/plain", "application/json"],
)
@pytest.mark.parametrize(
    "opening", [b"", b": ping\n\n", b"\n\n", b"\xef\xbb\xbf", b"event: message\n", b"id: 1\n"]
)
def test_an_event_stream_under_any_type(content_type: str, opening: bytes) -> None:
    """Bytes that begin like an event stream are one, whatever the header says, also bytewise."""
    data = opening + EVENT
    whole = read(body(content_type), data)
    assert whole[-1] == "Low"
    assert read(body(content_type), *(data[i : i + 1] for i in range(len(data)))) == whole


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream", "", "text/plain"])
def test_a_document_under_any_type(content_type: str) -> None:
    """A body that begins with a brace is one document, complete at the end of the body."""
    data = b" \n" * (content_type != "text/event-stream") + json.dumps(WHOLE).encode()
    for pieces in ([data], [data[i : i + 1] for i in range(len(data))]):
        reader = body(content_type)
        assert read(reader, *pieces) == ["Low"]
        assert reader.whole


@pytest.mark.parametrize("data", [b"<html>", b"error code: 502", b"da", b"datum", b"\xef\xbb"])
def test_something_else_is_refused(data: bytes) -> None:
    """What is neither an event stream nor JSON is a ContentTypeError with an extract."""
    for content_type in ("text/html", ""):
        reader = body(content_type)
        with pytest.raises(ContentTypeError) as caught:
            read(reader, data)
        assert caught.value.content_type == content_type
        assert caught.value.body


@pytest.mark.parametrize("data", [b"{", b"[1, 2]", b'{"a": 1}x'])
def test_a_document_that_is_no_answer(data: bytes) -> None:
    """JSON that is no completion and no error, or is cut, is refused by a typed error."""
    with pytest.raises(SseorError):
        read(body("application/json"), data)


def test_an_empty_body_gives_nothing() -> None:
    """No bytes, or blanks alone, are no error here: the script knows that the answer is missing."""
    assert read(body("text/plain")) == []
    assert read(body(""), b"\n \n") == []


def test_limits() -> None:
    """An event and a document beyond the limit are one typed error, after all that was complete."""
    reader = body(limit=100)
    seen = []
    with pytest.raises(EventTooLargeError) as caught:
        for item in reader.feed(EVENT + b": ok\n\ndata: " + b"x" * 200):
            seen.append(isinstance(item, Comment))  # noqa: PERF401 - the list must hold what came first
    assert caught.value.limit == 100
    assert seen == [False, True]
    with pytest.raises(EventTooLargeError):
        list(body("application/json", limit=100).feed(b"{" + b" " * 200))


def test_a_compressed_body_is_undone() -> None:
    """gzip that nobody asked for is read all the same; another coding is refused."""
    packed = gzip.compress(EVENT)
    assert read(body(coding="gzip"), *(packed[i : i + 3] for i in range(0, len(packed), 3))) == ["Low"]
    with pytest.raises(ProtocolError):
        body(coding="br")


def test_a_bomb_meets_the_limit() -> None:
    """A compressed line of a megabyte stops at the limit of one event."""
    with pytest.raises(EventTooLargeError):
        list(body(limit=1 << 17, coding="gzip").feed(gzip.compress(b"data: " + bytes(1 << 20))))


def test_the_last_event_id_is_known() -> None:
    """What the decoder has committed can be asked for."""
    reader = body()
    list(reader.feed(b"id: 7\ndata: [DONE]\n\n"))
    assert (reader.last_event_id, reader.done) == ("7", True)


@given(st.binary(max_size=300), st.sampled_from(["text/event-stream", "application/json", ""]))
def test_any_bytes_give_items_or_one_of_our_errors(data: bytes, content_type: str) -> None:
    """Nothing but items and our own errors comes out, in one piece and bytewise alike."""
    results: list[object] = []
    for pieces in ([data], [data[i : i + 1] for i in range(len(data))]):
        reader = body(content_type)
        try:
            results.append(
                (None, len([item for piece in pieces for item in reader.feed(piece)] + list(reader.end())))
            )
        except SseorError as error:
            results.append((type(error), 0))
    assert results[0] == results[1]
