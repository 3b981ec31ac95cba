"""Faults of events: odd framing, odd JSON, odd chunks; what is read all the same, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from catalogue import CHUNKED_HEAD as HEAD
from catalogue import (
    ENDING,
    FINISH,
    LOW,
    OTHER_KEY,
    across_shells,
    body,
    chunk,
    each_shell,
    look_at,
    nothing_is_left,
    raw,
    retrying,
    sse,
)
from faults import in_chunks
from shells import KEY

import sseor
from sseor.errors import ChunkError, ConnectionLostError, EndedEarlyError
from sseor.testing import Exchange

__all__ = ["nothing_is_left"]
pytestmark = pytest.mark.usefixtures("nothing_is_left")

LOW_JSON = json.dumps(LOW)
FINISH_JSON = json.dumps(FINISH)


def read_text(shell: str, data: bytes, **options: Any) -> str:
    """Return the text of a whole answer with this body."""
    return look_at(shell, body(data), **options).whole.text


@each_shell
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"], ids=["lf", "cr", "crlf"])
def test_row_69_line_ends(shell: str, end: str) -> None:
    """LF, CR and CRLF end lines alike, also when CR and LF come in different reads."""
    data = (sse(LOW, chunk(" water")) + ENDING).decode().replace("\n", end).encode()
    assert read_text(shell, data) == "Low water"

    def split_after_each_cr(exchange: Exchange) -> None:
        exchange.head()
        for piece in data.replace(b"\r", b"\r|").split(b"|"):
            exchange.send(piece)
            exchange.wait(0.002)

    assert look_at(shell, split_after_each_cr).whole.text == "Low water"


@across_shells(
    "data",
    [
        b"\xef\xbb\xbf" + sse(LOW),
        f"data:{LOW_JSON}\n\n".encode(),
        ("data: " + json.dumps(LOW, indent=1).replace("\n", "\ndata: ") + "\n\n").encode(),
        f"x: 1\nfoo\n: c\nid: 7\nretry: 10\nevent: message\ndata: {LOW_JSON}\nbar: 2\n\n".encode(),
        f"event:\ndata: {LOW_JSON}\n\n".encode(),
        f"data: {LOW_JSON}\r\n\n".encode(),
        f"data: {LOW_JSON}\n\r\n".encode(),
        f"data: {LOW_JSON}\r\r\n".encode(),
        f"\n\n\ndata: {LOW_JSON}\n\n\n\n".encode(),
        f"data:\t {LOW_JSON} \n\n".encode(),
        f"event: data\ndata: {LOW_JSON}\n\n".encode(),
        f"data: {LOW_JSON}\ndata: {json.dumps(chunk(delta={}))}\n\n".encode(),
    ],
    ids=[
        "bom", "no_space", "many_data_lines", "other_fields", "empty_event", "crlf_lf", "lf_crlf", "cr_crlf",
        "blank_lines", "tab", "event_data", "no_blank_line_between",
    ],
)  # fmt: skip
def test_row_69_shapes_of_an_event(shell: str, data: bytes) -> None:
    """However an event is written down, its text is the same."""
    assert read_text(shell, data + ENDING) == "Low"


@each_shell
def test_row_69_the_last_event_id(shell: str) -> None:
    """The last event ID in force is a fact of the error."""
    seen = look_at(shell, body(b"id: 41\n" + sse(LOW) + b"id: 42\n" + sse(chunk(" water")) + b"id: 43\n"))
    assert type(seen.error) is EndedEarlyError
    assert seen.error.last_event_id == "42"


@across_shells("letter", ["\u2028", "\u2029", "\u0085", "\v", "\f", "\x1c", "\x1e"], ids=ascii)
def test_row_70_what_is_no_line_end(shell: str, letter: str) -> None:
    """Other characters that some libraries split lines at are text."""
    text = f"a{letter}b"
    escaped = letter < " "
    data = "data: " + json.dumps(chunk(text), ensure_ascii=escaped) + "\n\n"
    assert read_text(shell, data.encode() + ENDING) == text


@across_shells(
    "noise",
    [
        b"retry: 5\n\n",
        b"data:\n\n",
        b"data: \n\n",
        b"data\n\n",
        b"event: x\n\n",
        b"id: 1\n\n",
        b": x\n\n",
        b"x\n\n",
        b"data:\ndata:\n\n",
    ],
)
def test_row_71_noise(shell: str, noise: bytes) -> None:
    """Events without data are ignored, wherever they stand."""
    assert read_text(shell, noise + sse(LOW) + noise + sse(FINISH) + noise + sse("[DONE]")) == "Low"


@across_shells(
    "field",
    [
        b"retry: " + b"9" * 5000,
        b"retry: \xc2\xb2",
        b"retry: -1",
        b"retry: 1_0",
        b"retry: 1e3",
        b"retry:",
        b"id: a\0b",
        b"id: \xff\xfe",
    ],
    ids=lambda field: field[:14],
)
def test_row_72_fields_to_be_ignored(shell: str, field: bytes) -> None:
    """A reconnection time that is none and an ID with NUL are ignored, the rest of the event is not."""
    assert read_text(shell, field + b"\n" + sse(LOW) + ENDING) == "Low"


@each_shell
def test_row_73_unknown_event_names(shell: str) -> None:
    """Under a name that nobody knows, noise is skipped, a chunk is read, and an error is an error."""
    noise = b"event: ping\ndata: {}\n\nevent: info\ndata: not json\n\nevent: x\ndata: [1]\n\n"
    assert read_text(shell, noise + b"event: delta\n" + sse(LOW) + noise + ENDING) == "Low"
    seen = look_at(shell, body(sse(LOW) + b"event: oops\n" + sse({"error": {"code": 400, "message": "no"}})))
    assert type(seen.error) is sseor.errors.GenerationError


@each_shell
def test_row_74_invalid_utf8_in_a_comment(shell: str) -> None:
    """Comments are not looked at."""
    assert read_text(shell, b": \xff\xfe\x80\n\n" + sse(LOW) + ENDING) == "Low"


@across_shells("wrong", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc0\xaf"])
def test_row_75_invalid_utf8_in_data(shell: str, wrong: bytes) -> None:
    """Bytes that are no UTF-8 become U+FFFD, and the text around them is kept."""
    text = read_text(shell, sse(chunk("a#b")).replace(b"#", wrong) + ENDING)
    assert (text[0], text[-1], set(text[1:-1])) == ("a", "b", {"\ufffd"})


BROKEN = [
    b'{"choices":[{"delta":{"content":"lo',
    b"{'choices': []}",
    b'{"choices":[{"delta":{"content":"a\x01b"}}]}',
    b"not json \x1b[31m" + b"x" * 500,
    b"{}}",
    b"{,}",
    b"\xff\xff",
]
NO_OBJECTS = [b"[]", b"[1,2]", b"null", b"5", b'"text"', b"true"]
BOMBS = [
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"[" * 3000 + b"]" * 3000,
    b'{"choices":[],"x":' + b"9" * 5000 + b"}x",
    b'{"choices":[{"delta":{"content":NaN}}]}',
    b'{"a":Infinity}',
    b'{"a":1e999}',
]


@across_shells(
    ("row", "data"),
    [(76, one) for one in BROKEN] + [(77, one) for one in NO_OBJECTS] + [(78, one) for one in BOMBS],
    ids=lambda value: f"row_{value}" if isinstance(value, int) else ascii(value[:16]),
)
def test_rows_76_to_78_no_chunk(shell: str, row: int, data: bytes) -> None:
    """Data that is no chunk is an error that names the event and shows a short extract; lenient skips and counts it."""
    whole = sse(LOW) + b"data: " + data + b"\n\n" + sse(chunk(" water")) + ENDING
    seen = look_at(shell, body(whole), retries=retrying(3))
    assert type(seen.error) is ChunkError
    assert (seen.error.number, seen.text, seen.attempts, seen.error.retryable) == (2, "Low", 1, False)
    assert 0 < len(seen.error.extract) <= 200
    assert str(seen.error).isprintable()
    lenient = look_at(shell, body(whole), lenient=True)
    assert lenient.whole.text == "Low water"
    assert lenient.whole.verdict.skipped_events == 1


@each_shell
@pytest.mark.parametrize("key", [KEY, OTHER_KEY], ids=["known_form", "any_form"])
def test_row_76_an_extract_with_the_key(shell: str, key: str) -> None:
    """The extract of broken data shows no key."""
    seen = look_at(shell, body(sse(LOW) + f"data: {{broken {key}\n\n".encode()), key=key)
    assert type(seen.error) is ChunkError


@across_shells(
    "odd",
    [
        {"id": "gen-1"},
        {"choices": None},
        {"choices": []},
        {"choices": [None]},
        {"choices": [{}]},
        {"choices": [{"index": 0, "delta": None}]},
        {"choices": [{"index": 0, "delta": {}}]},
        {"choices": [{"index": 0, "delta": {"content": None}}]},
        {"choices": [{"index": 0, "delta": {"content": []}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": None}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": []}}]},
        {},
    ],
    ids=json.dumps,
)
def test_row_79_chunks_without_content(shell: str, odd: dict[str, Any]) -> None:
    """A chunk that brings nothing is ignored, but for its usage."""
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.25}
    seen = look_at(shell, body(sse(LOW, odd | {"usage": usage}, chunk(" water")) + ENDING))
    assert (seen.whole.text, seen.whole.cost) == ("Low water", 0.25)


@across_shells(
    "odd",
    [
        {"choices": {}} | {"x": 1},
        {"choices": {"0": 1}},
        {"choices": "text"},
        {"choices": [5]},
        {"choices": ["text"]},
        {"choices": [{"delta": "text"}]},
        {"choices": [{"delta": [1]}]},
        {"choices": [{"delta": {"content": 5}}]},
        {"choices": [{"delta": {"content": True}}]},
        {"choices": [{"delta": {"tool_calls": {"index": 0}}}]},
    ],
    ids=json.dumps,
)
def test_rows_79_and_80_wrong_types(shell: str, odd: dict[str, Any]) -> None:
    """What might hold text and has a wrong type is refused rather than overlooked; an empty object holds none."""
    seen = look_at(shell, body(sse(LOW, odd, chunk(" water")) + ENDING))
    if odd["choices"] == {}:
        assert seen.whole.text == "Low water"
    else:
        assert type(seen.error) is ChunkError
        assert (seen.text, seen.error.number) == ("Low", 2)


@each_shell
def test_row_80_content_in_parts(shell: str) -> None:
    """Content as a list of parts is joined."""
    parts = [{"type": "text", "text": "Lo"}, {"type": "text", "text": "w"}]
    assert read_text(shell, sse(chunk(delta={"content": parts})) + ENDING) == "Low"


@across_shells("index", [None, -1, 10**12, "0", 1.5, True, [], "missing"], ids=repr)
def test_row_81_odd_indices(shell: str, index: Any) -> None:
    """An index that is none is the place in the list; a huge one costs no memory."""
    choice = {"index": index, "delta": {"content": "Low"}, "finish_reason": "stop"}
    if index == "missing":
        del choice["index"]
    seen = look_at(shell, body(sse({"id": "gen-1", "choices": [choice]}, "[DONE]")))
    assert len(seen.whole.choices) == 1
    assert seen.whole.choices[0].text == "Low"
    assert seen.whole.choices[0].index in (0, 1)


@each_shell
def test_row_82_two_choices(shell: str) -> None:
    """Interleaved choices are kept apart, and the stream is complete when both are."""

    def of(index: int, **fields: Any) -> dict[str, Any]:
        made = chunk(**fields)
        made["choices"][0]["index"] = index
        return made

    pieces = [
        of(0, text="a"),
        of(1, text="1"),
        of(1, text="2"),
        of(0, text="b"),
        of(1, finish_reason="length"),
    ]
    seen = look_at(shell, body(sse(*pieces, of(0, finish_reason="stop"), "[DONE]")))
    assert [(one.index, one.text, one.finish_reason) for one in seen.whole.choices] == [
        (0, "ab", "stop"),
        (1, "12", "length"),
    ]
    cut = look_at(shell, body(sse(*pieces)))
    assert type(cut.error) is EndedEarlyError
    only = look_at(
        shell, body(sse(*pieces, of(0, finish_reason="stop"), "[DONE]")), lens=lambda s: s.text.of(1)
    )
    assert only.items == ["1", "2"]


@each_shell
def test_row_83_usage_again_and_again(shell: str) -> None:
    """Of many reports of usage the last valid one counts; nothing is summed."""
    reports: list[Any] = [{"completion_tokens": number, "cost": number / 8} for number in (1, 2, 3)]
    odd: list[Any] = [None, 5, "x", [], {}]
    events = [chunk("x", usage=usage) for usage in [*reports, *odd]]
    seen = look_at(shell, body(sse(*events) + ENDING))
    assert seen.whole.usage is not None
    assert (seen.whole.usage.completion_tokens, seen.whole.cost, seen.whole.text) == (3, 0.375, "x" * 8)


@across_shells(
    "figures",
    [
        {"cost": "free"},
        {"prompt_tokens": -1},
        {"completion_tokens": 1e300},
        {"cost": None},
        {"cost_details": 5},
    ],
)
def test_row_83_odd_figures(shell: str, figures: dict[str, Any]) -> None:
    """Figures of a wrong type do no harm."""
    seen = look_at(shell, body(sse(LOW, FINISH, {"choices": [], "usage": figures}, "[DONE]")))
    assert seen.whole.text == "Low"
    repr(seen.whole.usage)


@across_shells(
    "word", ["banana", "STOP", "\u202e", "x" * 5000, "stop\x00"], ids=lambda word: ascii(word)[:12]
)
def test_row_84_unknown_finish_reasons(shell: str, word: str) -> None:
    """A finish reason that nobody knows is passed on and completes the answer."""
    seen = look_at(shell, body(sse(LOW, chunk(finish_reason=word), "[DONE]")))
    assert seen.whole.text == "Low"
    assert seen.whole.finish_reason in (word, "stop")
    assert seen.whole.choices[0].raw_finish_reason == word


@each_shell
def test_row_85_finish_twice(shell: str) -> None:
    """The first finish reason wins, is told once, and text after it is kept."""
    seen = look_at(shell, body(sse(LOW, FINISH, chunk(" water"), chunk(finish_reason="length"), "[DONE]")))
    assert (seen.whole.text, seen.whole.finish_reason) == ("Low water", "stop")
    assert [item.reason for item in seen.of(sseor.Finished)] == ["stop"]


@each_shell
def test_row_86_id_and_model_change(shell: str) -> None:
    """The last id and model count, the first are noted, and the text is one."""
    second = chunk(" water") | {"id": "gen-2", "model": "other"}
    seen = look_at(shell, body(sse(LOW, second)))
    assert seen.error is not None
    assert seen.error.partial is not None
    assert (seen.text, seen.error.generation_id, seen.error.partial.model) == ("Low water", "gen-2", "other")
    assert seen.error.partial.changed_from == {"generation_id": "gen-1", "model": "m"}


@across_shells("error", [None, "", {}, False, {"code": None, "message": None}], ids=json.dumps)
def test_row_87_errors_that_are_none(shell: str, error: Any) -> None:
    """An `error` field that says nothing is no error."""
    assert read_text(shell, sse(chunk("Low", error=error)) + ENDING) == "Low"


def fragments(*calls: Any) -> bytes:
    """Return events that bring these fragments of tool calls."""
    return sse(*(chunk(delta={"tool_calls": [call]}) for call in calls))


@across_shells(
    "calls",
    [
        [{"function": {"name": "f", "arguments": '{"a'}}, {"function": {"arguments": '":1}'}}],
        [
            {"index": 7, "id": "c", "function": {"name": "f", "arguments": '{"a'}},
            {"index": 7, "function": {"arguments": '":1}'}},
        ],
        [
            {"index": -3, "function": {"name": "f", "arguments": '{"a'}},
            {"index": -3, "function": {"arguments": '":1}'}},
        ],
        [{"index": 10**12, "id": "c", "function": {"name": "f", "arguments": '{"a":1}'}}],
        [{"index": None, "id": None, "function": {"name": "f", "arguments": {"a": 1}}}],
    ],
    ids=["no_index", "odd_index", "negative", "huge", "object"],
)  # fmt: skip
def test_row_88_odd_tool_calls(shell: str, calls: list[Any]) -> None:
    """Fragments with odd indices or none are merged into one call."""
    seen = look_at(shell, body(fragments(*calls) + sse(chunk(finish_reason="tool_calls"), "[DONE]")))
    (call,) = seen.whole.tool_calls
    assert (call.name, call.parsed, call.complete) == ("f", {"a": 1}, True)
    assert len(seen.of(sseor.ToolCallDone)) == 1


@each_shell
def test_row_88_null_among_tool_calls(shell: str) -> None:
    """Null and scalars among the fragments are not calls."""
    seen = look_at(shell, body(fragments(None, 5, "x", []) + sse(LOW, FINISH, "[DONE]")))
    assert (seen.whole.text, seen.whole.tool_calls) == ("Low", [])


@each_shell
@pytest.mark.parametrize("end", ["clean", "fin", "rst"])
def test_row_89_cut_in_tool_arguments(shell: str, end: str) -> None:
    """Half a call is kept, marked as incomplete, and never told as done."""
    data = fragments({"index": 0, "id": "c", "function": {"name": "rm", "arguments": '{"path": "/tm'}})
    last = {"clean": None, "fin": Exchange.cut, "rst": Exchange.reset}[end]
    respond = body(data) if last is None else raw(HEAD + in_chunks(data), last=last)
    seen = look_at(shell, respond, retries=retrying(3))
    assert type(seen.error) is (ConnectionLostError if last else EndedEarlyError)
    assert seen.error.partial is not None
    (call,) = seen.error.partial.tool_calls
    assert (call.complete, call.parsed, call.arguments) == (False, None, '{"path": "/tm')
    assert not [item for item in seen.of(sseor.ToolCallDone) if item.call.complete]
    assert (seen.attempts, seen.error.phase) == (1, "streaming")
