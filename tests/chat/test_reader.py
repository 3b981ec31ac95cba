"""One event to chunks: the end, noise, broken events, and the tail of a body."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from chat.assembling import read_body, sse
from hypothesis import given
from hypothesis import strategies as st

from sseor.chat import Reader, Text, codec
from sseor.errors import ChunkError
from sseor.wire import Event, Unfinished

PLAIN = {"id": "g", "choices": [{"index": 0, "delta": {"content": "a"}}]}


@pytest.fixture(params=["json", "orjson", "msgspec"], autouse=True)
def _each_decoder(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run every test with each JSON decoder."""
    codec.select(request.param)
    yield
    codec.select()


def text_of(body: bytes, *, lenient: bool = False) -> str:
    """Return the text of a body."""
    return read_body(body, lenient=lenient).completion.text


def with_text(text: str) -> dict[str, Any]:
    """Return a chunk that says `text`."""
    return {"choices": [{"index": 0, "delta": {"content": text}}]}


@pytest.mark.parametrize("done", ["[DONE]", " [DONE]  ", "[DONE]\n"])
def test_done_is_exact_and_trimmed(done: str) -> None:
    """`[DONE]` with blanks around it is the end."""
    reader = Reader()
    assert reader.read(Event(done)) == ()
    assert reader.done


@pytest.mark.parametrize("text", ["[DONE]", "[DONE", "a [DONE]", "[DONE]!", "data: [DONE]"])
def test_done_in_the_content_is_text(text: str) -> None:
    """What the model says is never the end."""
    assembled = read_body(sse(with_text(text), with_text("b")))
    assert assembled.completion.text == text + "b"
    assert not assembled.reader.done


@pytest.mark.parametrize("data", ["[DONE]!", "[DONE] {}", "[done]", "DONE"])
def test_a_payload_that_only_begins_like_done_is_broken(data: str) -> None:
    """No prefix match: what is neither `[DONE]` nor JSON is a ChunkError."""
    reader = Reader()
    with pytest.raises(ChunkError):
        reader.read(Event(data))
    assert not reader.done


def test_everything_after_done_is_ignored() -> None:
    """Chunks, broken events and a second `[DONE]` after the end change nothing."""
    assembled = read_body(sse(with_text("a"), "[DONE]", with_text("b"), "{broken", "[DONE]") + b"data: {tail")
    assert assembled.completion.text == "a"
    assert not assembled.reader.truncated


@pytest.mark.parametrize("data", ["", " ", ": OPENROUTER PROCESSING", ":", "  : keepalive"])
def test_empty_payloads_and_echoed_comments_are_skipped(data: str) -> None:
    """Proxies send comments on as data; they are no chunks and no errors."""
    reader = Reader()
    assert not reader.read(Event(data))
    assert (reader.number, reader.skipped) == (1, 0)


def test_leading_blanks_before_the_json() -> None:
    """Blanks before the object, and after it, do not matter."""
    assert text_of(sse("  \t" + json.dumps(with_text("a")) + " ")) == "a"


def test_several_objects_without_blank_lines_between() -> None:
    """Objects on separate data lines of one event are all read, up to `[DONE]`."""
    lines = [json.dumps(with_text("a")), ": note", "", json.dumps(with_text("b")), "[DONE]", "{"]
    body = "".join(f"data: {line}\n" for line in lines).encode() + b"\n"
    assembled = read_body(body)
    assert (assembled.completion.text, assembled.reader.done) == ("ab", True)


def test_one_object_over_several_data_lines() -> None:
    """An object that the server broke into lines is one object."""
    body = "".join(f"data: {line}\n" for line in json.dumps(with_text("a"), indent=1).split("\n")).encode()
    assert text_of(body + b"\n") == "a"


BROKEN = [
    "{",
    '{"choices": [',
    "[1, 2]",
    "[]",
    "null",
    "12",
    '"text"',
    "true",
    '{"a": NaN}',
    '{"a": 1e999}',
    '{"a": ' + "1" * 5000 + "}",
    "[" * 100_000,
    '{"a":' * 5000 + "1" + "}" * 5000,
    '{"choices": "abc"}',
    '{"choices": [1]}',
    '{"choices": [{"delta": "abc"}]}',
    '{"choices": [{"delta": {"content": 12}}]}',
    '{"choices": [{"delta": {"content": true}}]}',
    '{"choices": [{"delta": null, "message": "x"}]}',
    '{"choices": [{"delta": {"tool_calls": "x"}}]}',
    '{"choices": [{"delta": {"tool_calls": {"index": 0}}}]}',
    "<html>502</html>",
    "{'a': 1}",
    '{"a": "\x1b[31m"}',
]


@pytest.mark.parametrize("data", BROKEN)
def test_what_is_no_chunk_is_one_typed_error(data: str) -> None:
    """The error names the event's number and shows a short printable extract; the reader goes on afterwards."""
    reader = Reader()
    reader.read(Event(json.dumps(PLAIN)))
    with pytest.raises(ChunkError) as caught:
        reader.read(Event(data))
    assert caught.value.number == 2
    assert "event 2" in str(caught.value)
    assert 0 < len(caught.value.extract) <= 200
    assert caught.value.extract.isprintable()
    assert len(list(reader.read(Event(json.dumps(PLAIN))))) == 1


@pytest.mark.parametrize("data", BROKEN)
def test_a_lenient_reader_skips_and_counts(data: str) -> None:
    """With `lenient` the good events before and after a broken one are kept."""
    assembled = read_body(sse(with_text("a"), data.replace("\n", " "), with_text("b")), lenient=True)
    assert (assembled.completion.text, assembled.reader.skipped) == ("ab", 1)


def test_a_lenient_reader_keeps_the_good_lines() -> None:
    """Of several objects in one event only the broken ones are skipped."""
    body = (
        f"data: {json.dumps(with_text('a'))}\ndata: {{broken\ndata: {json.dumps(with_text('b'))}\n\n".encode()
    )
    assembled = read_body(body, lenient=True)
    assert (assembled.completion.text, assembled.reader.skipped) == ("ab", 1)
    with pytest.raises(ChunkError):
        read_body(body)


def test_a_strict_reader_gives_what_precedes_the_broken_line() -> None:
    """Whole objects before a broken one in the same event come first, then the error; what follows is not read."""
    good = [json.dumps(with_text("a")), json.dumps(with_text("b"))]
    reader = Reader()
    chunks = iter(reader.read(Event("\n".join([*good, "{broken", good[0], "[DONE]"]))))
    assert [next(chunks).raw, next(chunks).raw] == [with_text("a"), with_text("b")]
    with pytest.raises(ChunkError, match=r"event 1 is no chunk: .*\{broken"):
        next(chunks)
    assert not reader.done


def test_an_error_with_nothing_before_it_is_raised_at_once() -> None:
    """A caller that does not look at the chunks still learns that there are none."""
    with pytest.raises(ChunkError):
        Reader().read(Event("{broken\n" + json.dumps(PLAIN)))


def test_an_extract_hides_keys() -> None:
    """An API key that a server echoes is in no error."""
    with pytest.raises(ChunkError) as caught:
        Reader().read(Event("unauthorized: Bearer sk-or-v1-0123456789abcdef"))
    assert "0123456789" not in str(caught.value) + caught.value.extract


def test_invalid_utf_8_becomes_the_replacement_character() -> None:
    """A broken character in the data is U+FFFD, the rest is kept."""
    body = sse(with_text("aXb")).replace(b"X", b"\xff")
    assert text_of(body) == "a\ufffdb"


@pytest.mark.parametrize("name", ["ping", "keepalive", "thread.created"])
def test_an_unknown_event_name_is_skipped_unless_it_bears_a_chunk(name: str) -> None:
    """Noise under a name of its own is skipped, JSON or not; a chunk or an error under it is read."""
    reader = Reader()
    for data in ("ping", "{}", '{"type": "ping"}', ""):
        assert not reader.read(Event(data, name))
    assert len(list(reader.read(Event(json.dumps({"choices": []}), name)))) == 1
    (failed,) = reader.read(Event(json.dumps({"error": "down"}), name))
    assert failed.error is not None


def test_chunks_on_separate_lines_under_an_unknown_event_name() -> None:
    """Several chunks in an event with a name of its own are all read, the noise between them skipped."""
    lines = [json.dumps(with_text("a")), "note", '{"type": "ping"}', json.dumps(with_text("b"))]
    chunks = list(Reader().read(Event("\n".join(lines), "completion")))
    assert [chunk.raw for chunk in chunks] == [with_text("a"), with_text("b")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"error": {"message": "down", "code": 503}}', "down"),
        ('{"message": "down"}', "down"),
        ('"down"', "down"),
        ("down", "down"),
        ("[1]", "[1]"),
        ("upstream\nfailed", "upstream failed"),
        ('{"error": "down"}\n{"error": "again"}', "down"),
    ],
)
def test_an_event_named_error_is_a_failure(data: str, message: str) -> None:
    """`event: error` is a failure whatever its data is."""
    failed, *_ = Reader().read(Event(data, "error"))
    assert failed.error is not None
    assert failed.error.message == message


@pytest.mark.parametrize("text", ["a", "a" * codec.SHALLOW, "a\ud83e"])
def test_text_under_the_name_of_error_is_text(text: str) -> None:
    """What a chunk says is not lost, however it is named and read; without a finish reason it is no success."""
    (chunk,) = Reader().read(Event(json.dumps(with_text(text)), "error"))
    assert (chunk.raw, chunk.error) == (with_text(text), None)


@pytest.mark.parametrize("data", ["", "null", "{}"])
def test_an_event_named_error_without_data_says_nothing(data: str) -> None:
    """Without data there is nothing to report."""
    assert not Reader().read(Event(data, "error"))


def test_an_error_in_an_array_is_a_failure() -> None:
    """Gemini wraps its error in an array."""
    (failed,) = Reader().read(Event('[{"error": {"code": 429, "message": "slow"}}]'))
    assert failed.error is not None
    assert failed.error.code == 429


def test_the_last_event_without_its_blank_line() -> None:
    """A whole object or `[DONE]` at the end is accepted and flagged."""
    assembled = read_body(sse(with_text("a")) + b"data: " + json.dumps(with_text("b")).encode())
    assert assembled.completion.text == "ab"
    assert (assembled.reader.unterminated, assembled.reader.truncated) == (True, False)
    assembled = read_body(sse(with_text("a")) + b"data: [DONE]\n")
    assert (assembled.reader.done, assembled.reader.unterminated) == (True, True)


@pytest.mark.parametrize(
    "tail",
    [b'data: {"choices": [', b"data: [DON", b"dat", b"event: message\n", b"data: \xe2\x82", b"data: [1]"],
)
def test_a_truncated_tail_is_dropped_and_said(tail: bytes) -> None:
    """What the end cut off is dropped, flagged, and no error of its own."""
    assembled = read_body(sse(with_text("a")) + tail)
    assert assembled.completion.text == "a"
    assert (assembled.reader.truncated, assembled.reader.unterminated) == (True, False)


@pytest.mark.parametrize("tail", [b"", b": OPENROUTER PROC", b":"])
def test_half_a_comment_is_no_truncation(tail: bytes) -> None:
    """A body that ends between events, or inside a comment, lost nothing."""
    assembled = read_body(sse(with_text("a")) + tail)
    assert (assembled.reader.truncated, assembled.reader.unterminated) == (False, False)


def test_good_lines_of_a_truncated_tail_are_kept() -> None:
    """Whole objects before the cut count, and the cut is said."""
    tail = f"data: {json.dumps(with_text('b'))}\ndata: {{".encode()
    assembled = read_body(sse(with_text("a")) + tail)
    assert assembled.completion.text == "ab"
    assert (assembled.reader.truncated, assembled.reader.unterminated) == (True, True)


def test_finish_without_a_rest() -> None:
    """Nothing unfinished, or an end already seen, gives nothing."""
    reader = Reader()
    assert reader.finish(None) == ()
    reader.read(Event("[DONE]"))
    assert reader.finish(Unfinished(Event("{"), b"")) == ()
    assert not reader.truncated


def test_a_whole_document() -> None:
    """A JSON body is one chunk, with a message for a delta; so is JSON before a blank line; other bodies are none."""
    whole = {"object": "chat.completion", "choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}
    found = Reader.read_document(b"  " + json.dumps(whole, indent=1).encode())
    assert found is not None
    assert found.choices[0].delta.content == "a"
    found = Reader.read_document(json.dumps({"error": {"code": 502}}).encode() + b"\n\ndata: [DONE]\n\n")
    assert found is not None
    assert found.error is not None
    assert Reader.read_document(b'{"choices": [null, {"delta": null}]}') is not None
    for body in (b"", b"<html>", b"12", b'{"choices": "a"}'):
        assert Reader.read_document(body) is None


def test_the_number_counts_events() -> None:
    """Events are counted from 1, noise included, `[DONE]` included."""
    reader = Reader()
    for data in ("", ": x", json.dumps(PLAIN), "[DONE]"):
        reader.read(Event(data))
    assert reader.number == 4


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "content", "error", "usage", "index", "message", "tool_calls", "x"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(json_values, st.sampled_from(["message", "error", "ping"]))
def test_any_document_gives_chunks_or_the_one_error(value: Any, name: str) -> None:
    """Any JSON at all is chunks or a ChunkError, nothing else."""
    try:
        chunks = list(Reader().read(Event(json.dumps(value), name)))
    except ChunkError:
        return
    for one in chunks:
        assert type(one.raw) is dict


@pytest.mark.parametrize("text", ["", "a\ud83e"])
def test_text_that_is_not_plain_is_read_too(text: str) -> None:
    """A chunk with an empty text, or with half a surrogate pair, is the object that was sent."""
    (chunk,) = Reader().read(Event(json.dumps(with_text(text))))
    assert chunk.raw == with_text(text)


def test_text_is_not_lost_between_the_short_and_the_long_way() -> None:
    """A text chunk beyond the size for the short way is read alike."""
    long = "x" * (codec.SHALLOW + 1)
    assembled = read_body(sse(with_text(long), with_text("y")))
    assert assembled.of(Text) == [Text(long), Text("y")]
