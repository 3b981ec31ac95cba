"""Streams, each named after the rule it needs: take any one rule from a decoder, and a named case fails.

The expectations are written by hand from WHATWG HTML §9.2.5 and §9.2.6; comments are expected as they come.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sseor.wire import Comment, Event


@dataclass(frozen=True)
class Case:
    """A stream, and all that is known after it; `left` is what its end cut off: the event and the line."""

    name: str
    stream: bytes
    items: list[Event | Comment] = field(default_factory=list)
    last_event_id: str = ""
    reconnection_time: int | None = None
    left: tuple[Event | None, bytes] | None = None


_X = Event("x")
_Y = Event("y")
_NO_LINE_ENDS = "a\x0bb\x0cc\x1cd\x1ee\x85f\u2028g\u2029h"

_BYTE_ORDER_MARK = [
    Case("one BOM at the start is removed", b"\xef\xbb\xbfdata: x\n\n", [_X]),
    Case("a second BOM belongs to the field name", b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\n"),
    Case("a BOM after the first event is no BOM", b"data: x\n\n\xef\xbb\xbfdata: y\n\n", [_X]),
    Case("a BOM inside data stays", b"data: \xef\xbb\xbfx\n\n", [Event("\ufeffx")]),
    Case("a BOM after a blank line stays", b"\n\xef\xbb\xbfdata: x\n\n"),
    Case("a BOM alone leaves nothing", b"\xef\xbb\xbf"),
    Case("two bytes of a BOM are a line", b"\xef\xbb", left=(None, b"\xef\xbb")),
    Case("two bytes of a BOM are a field name", b"\xef\xbbdata: x\n\n"),
    Case("the BOM of UTF-16 is a field name", b"\xff\xfedata: x\n\n"),
    Case("a BOM before a comment is removed", b"\xef\xbb\xbf:x\n", [Comment("x")]),
    Case("a BOM before a blank line is removed", b"\xef\xbb\xbf\n\ndata: x\n\n", [_X]),
    Case("a BOM and no line end", b"\xef\xbb\xbfdata: x", left=(_X, b"data: x")),
]

_LINE_ENDS = [
    Case("LF ends a line", b"data: x\n\n", [_X]),
    Case("CR ends a line", b"data: x\r\r", [_X]),
    Case("CRLF ends one line", b"data: x\r\ndata: y\r\n\r\n", [Event("x\ny")]),
    Case("an event whose lines end in CRLF", b"data: x\r\n\r\n", [_X]),
    Case("a CR inside such an event", b"data: x\rdata: y\r\n\r\n", [Event("x\ny")]),
    Case("an LF inside such an event", b"data: x\ndata: y\r\n\r\n", [Event("x\ny")]),
    Case("a CR before two LF is one end with the first", b"data: x\r\n\ndata: y\n\n", [_X, _Y]),
    Case("line ends mix", b"data: x\r\n\rdata: y\n\r\n", [_X, _Y]),
    Case("LF CR are two line ends", b"data: x\n\rdata: y\n\n", [_X, _Y]),
    Case("CR CRLF are two line ends", b"data: x\r\r\ndata: y\n\n", [_X, _Y]),
    Case("CRLF LF are two line ends", b"data: x\r\n\ndata: y\n\n", [_X, _Y]),
    Case(
        "a CR among events that end in LF",
        b"data: x\n\ndata: a\rdata: b\n\ndata: y\n\n",
        [_X, Event("a\nb"), _Y],
    ),
    Case("a CR inside the data of one read", b"data: x\n\ndata: a\rid: 1\n\n", [_X, Event("a", id="1")], "1"),
    Case(
        "two data lines among events of one",
        b"data: x\n\ndata: a\ndata: b\n\ndata: y\n\n",
        [_X, Event("a\nb"), _Y],
    ),
    Case("no other character ends a line", f"data: {_NO_LINE_ENDS}\n\n".encode(), [Event(_NO_LINE_ENDS)]),
    Case("blank lines alone dispatch nothing", b"\n\r\n\r\n\n"),
    Case("many blank lines between events", b"data: x\n\n\n\n\r\r\ndata: y\n\n\n", [_X, _Y]),
]

_FIELDS = [
    Case("one space after the colon is removed", b"data: x\n\n", [_X]),
    Case("only one space is removed", b"data:  x\n\n", [Event(" x")]),
    Case("no space after the colon", b"data:x\n\n", [_X]),
    Case("a tab is not a space", b"data:\tx\n\n", [Event("\tx")]),
    Case("a space at the end stays", b"data: x \n\n", [Event("x ")]),
    Case("the first colon divides", b"data: a: b:c\n\n", [Event("a: b:c")]),
    Case("two colons: the second is data", b"data::x\n\n", [Event(":x")]),
    Case("no colon: the line is the name, the value is empty", b"data\n\n", [Event("")]),
    Case("an unknown field is ignored", b"date: 1\ndata: x\nfoo\n\n", [_X]),
    Case("names are lower case", b"Data: x\nDATA: x\nData\nEvent: e\nID: 1\nRetry: 1\n\n"),
    Case("a space before the name makes it another", b" data: x\n\n"),
    Case("a space before the colon makes it another", b"data : x\n\n"),
    Case("a longer name is another", b"data2: x\ndatas\n\n"),
    Case("a NUL in the name makes it another", b"data\0: x\n\n"),
]

_DATA = [
    Case("data lines are joined with LF", b"data: x\ndata: y\ndata: z\n\n", [Event("x\ny\nz")]),
    Case("an empty value dispatches", b"data:\n\n", [Event("")]),
    Case("a space alone is an empty value", b"data: \n\n", [Event("")]),
    Case("two empty values make one LF", b"data\ndata:\n\n", [Event("\n")]),
    Case("an empty line of data at the end stays", b"data: x\ndata:\n\n", [Event("x\n")]),
    Case("an empty line of data at the start stays", b"data\ndata: x\n\n", [Event("\nx")]),
    Case("three empty values", b"data\ndata\ndata\n\n", [Event("\n\n")]),
    Case("empty data among plain events", b"data: x\n\ndata: \n\ndata: y\n\n", [_X, Event(""), _Y]),
    Case("data does not outlive its event", b"data: x\n\ndata: y\n\n", [_X, _Y]),
    Case("NUL in data stays", b"data: a\0b\n\n", [Event("a\0b")]),
    Case(
        "other fields between data lines", b"data: x\nfoo: 1\n:c\ndata: y\n\n", [Comment("c"), Event("x\ny")]
    ),
]

_EVENT_TYPE = [
    Case("event sets the type", b"event: e\ndata: x\n\n", [Event("x", "e")]),
    Case("event may follow the data", b"data: x\nevent: e\n\n", [Event("x", "e")]),
    Case("the last event field wins", b"event: a\nevent: b\ndata: x\n\n", [Event("x", "b")]),
    Case("an empty type is message", b"event: a\nevent:\ndata: x\n\n", [_X]),
    Case("event without colon is message", b"event\ndata: x\n\n", [_X]),
    Case("the type does not outlive its event", b"event: e\ndata: x\n\ndata: y\n\n", [Event("x", "e"), _Y]),
    Case("a block without data resets the type", b"event: e\n\ndata: x\n\n", [_X]),
    Case("a type with a space more", b"event:  e\ndata: x\n\n", [Event("x", " e")]),
    Case("NUL in the type stays", b"event: a\0b\ndata: x\n\n", [Event("x", "a\0b")]),
    Case("a type that ends in CR", b"event: e\rdata: x\n\n", [Event("x", "e")]),
    Case("a type, a CR, and data", b"event: e\rfoo\ndata: x\n\n", [Event("x", "e")]),
    Case("a type and two data lines", b"event: e\ndata: x\ndata: y\n\n", [Event("x\ny", "e")]),
    Case("an empty type after a space is message", b"event: \ndata: x\n\n", [_X]),
    Case("an unknown field and data", b"events: e\ndata: x\n\n", [_X]),
    Case("message may be said", b"event: message\ndata: x\n\n", [_X]),
]

_ID = [
    Case("id sets the last event ID", b"id: 1\ndata: x\n\n", [Event("x", id="1")], "1"),
    Case(
        "the ID stays in force",
        b"id: 1\ndata: x\n\ndata: y\n\n",
        [Event("x", id="1"), Event("y", id="1")],
        "1",
    ),
    Case("id may follow the data", b"data: x\nid: 1\n\n", [Event("x", id="1")], "1"),
    Case("an empty id clears it", b"id: 1\n\nid\ndata: x\n\n", [_X]),
    Case("a block without data commits its id", b"id: 1\n\ndata: x\n\n", [Event("x", id="1")], "1"),
    Case(
        "an ID is committed by the blank line",
        b"id: 1\ndata: x\n\nid: 2\n",
        [Event("x", id="1")],
        "1",
        left=(None, b""),
    ),
    Case(
        "an ID of an event that never came is not in force",
        b"id: 1\ndata: x",
        left=(Event("x", id="1"), b"data: x"),
    ),
    Case("id with NUL is ignored", b"id: a\0b\ndata: x\n\n", [_X]),
    Case("id with NUL leaves the earlier one", b"id: 1\nid: a\0\ndata: x\n\n", [Event("x", id="1")], "1"),
    Case("the last id field wins", b"id: 1\nid: 2\ndata: x\n\n", [Event("x", id="2")], "2"),
    Case("an ID is any text", "id: é 1:2 \ndata: x\n\n".encode(), [Event("x", id="é 1:2 ")], "é 1:2 "),
    Case(
        "an ID of each event",
        b"id: 1\ndata: x\n\nid: 2\ndata: y\n\n",
        [Event("x", id="1"), Event("y", id="2")],
        "2",
    ),
    Case(
        "the ID stays in force over a row of events",
        b"id: 1\ndata: x\n\ndata: y\n\ndata: x\n\ndata: y\n\n",
        [Event(data, id="1") for data in "xyxy"],
        "1",
    ),
    Case(
        "a blank line more leaves the ID",
        b"id: 1\ndata: x\n\n\ndata: y\n\n",
        [Event("x", id="1"), Event("y", id="1")],
        "1",
    ),
    Case("an ID that is not UTF-8", b"id: \xff\ndata: x\n\n", [Event("x", id="\ufffd")], "\ufffd"),
]

_RETRY = [
    Case("retry sets the reconnection time", b"retry: 1500\n", reconnection_time=1500),
    Case("retry needs no event", b"retry: 7\ndata: x", reconnection_time=7, left=(_X, b"data: x")),
    Case("retry is in force when its line ends", b"retry: 7", left=(None, b"retry: 7")),
    Case("retry right after an event", b"data: x\n\nretry: 7\n", [_X], reconnection_time=7),
    Case("the last valid retry holds", b"retry: 1\nretry: 2\nretry: x\n", reconnection_time=2),
    Case("retry may begin with zeros", b"retry: 0010\n", reconnection_time=10),
    Case("retry may be zero", b"retry:0\r", reconnection_time=0),
    Case("retry of other digits is ignored", "retry: ²\nretry: \u0661\nretry: \uff11\n".encode()),
    Case("retry with a sign is ignored", b"retry: +1\nretry: -1\n"),
    Case("retry with an underscore is ignored", b"retry: 1_0\n"),
    Case("retry with blanks is ignored", b"retry:  1\nretry: 1 \nretry: 1\t\n"),
    Case("retry with a fraction is ignored", b"retry: 1.5\nretry: 1e3\nretry: 0x1\n"),
    Case("retry without a value is ignored", b"retry\nretry:\nretry: \n"),
    Case("retry with a NUL is ignored", b"retry: 1\0\n"),
    Case("retry of twenty digits", b"retry: 99999999999999999999\n", reconnection_time=99999999999999999999),
    Case("retry of 5000 digits is ignored", b"retry: " + b"9" * 5000 + b"\n"),
]

_COMMENTS = [
    Case("a comment is delivered", b": ping\n", [Comment("ping")]),
    Case("a comment loses one space", b":  ping \n\n", [Comment(" ping ")]),
    Case("a comment needs no space", b":ping\n", [Comment("ping")]),
    Case("a colon alone is a comment", b":\n\n", [Comment("")]),
    Case("a colon in a comment", b"::data: x\n\n", [Comment(":data: x")]),
    Case("a comment is no data", b":data: x\n\n", [Comment("data: x")]),
    Case("a comment does not end a block", b"data: x\n: ping\ndata: y\n\n", [Comment("ping"), Event("x\ny")]),
    Case(
        "comments and events keep their order", b":a\n\ndata: x\n\n:b\n\n", [Comment("a"), _X, Comment("b")]
    ),
    Case("a comment right after an event", b"data: x\n\n: a\n", [_X, Comment("a")]),
    Case("a comment that is not UTF-8", b":\xff\n", [Comment("\ufffd")]),
    Case("a comment leaves the block closed", b": a\n", [Comment("a")]),
    Case("a comment without its end", b": a", left=(None, b": a")),
]

_UTF_8 = [
    Case("text of all lengths", "data: aé€😀\n\n".encode(), [Event("aé€😀")]),
    Case("a byte that begins nothing", b"data: a\xffb\n\n", [Event("a\ufffdb")]),
    Case("a lone continuation byte", b"data: \x80\x80\n\n", [Event("\ufffd\ufffd")]),
    Case("a sequence cut short is one", b"data: \xf0\x9f\x98x\n\n", [Event("\ufffdx")]),
    Case("a sequence cut by the line end", b"data: \xe2\x82\ndata: \xac\n\n", [Event("\ufffd\n\ufffd")]),
    Case("an overlong form is no character", b"data: \xe0\x80\xaf\n\n", [Event("\ufffd" * 3)]),
    Case("a surrogate is no character", b"data: \xed\xa0\x80\n\n", [Event("\ufffd" * 3)]),
    Case("beyond U+10FFFF is no character", b"data: \xf4\x90\x80\x80\n\n", [Event("\ufffd" * 4)]),
    Case("an event type that is not UTF-8", b"event: \xc3\ndata: x\n\n", [Event("x", "\ufffd")]),
]

_END = [
    Case("an event without its blank line is not dispatched", b"data: x\n", left=(_X, b"")),
    Case(
        "an event without its line end is not dispatched",
        b"data: [DONE]",
        left=(Event("[DONE]"), b"data: [DONE]"),
    ),
    Case("an event ended by CR without blank line", b"data: x\r", left=(_X, b"")),
    Case("what is left knows its type", b"event: e\ndata: x\ndata: y", left=(Event("x\ny", "e"), b"data: y")),
    Case("a type alone is left", b"event: e\n", left=(None, b"")),
    Case("half a field name is left", b"data: x\n\ndat", [_X], left=(None, b"dat")),
    Case("a name without value is left as data", b"data", left=(Event(""), b"data")),
    Case("an empty stream leaves nothing", b""),
    Case("an unknown field leaves nothing", b"foo: bar\n"),
    Case(
        "a read of events and the start of one",
        b"data: x\n\ndata: y\n\ndata: z",
        [_X, _Y],
        left=(Event("z"), b"data: z"),
    ),
]

NAMED_CASES = [
    *_BYTE_ORDER_MARK,
    *_LINE_ENDS,
    *_FIELDS,
    *_DATA,
    *_EVENT_TYPE,
    *_ID,
    *_RETRY,
    *_COMMENTS,
    *_UTF_8,
    *_END,
]
