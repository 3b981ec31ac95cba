"""What the loopback server plays for the Node tests: the model that a request names is the play."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import TYPE_CHECKING

from sseor.testing import (
    Body,
    Call,
    Comment,
    Cut,
    Done,
    Event,
    Fail,
    Finish,
    Head,
    Heartbeats,
    Raw,
    Reset,
    Role,
    Say,
    Silence,
    Stall,
    Status,
    Think,
    Usage,
    answer,
    in_turn,
    play,
    replay,
)

if TYPE_CHECKING:
    from sseor.testing import Exchange, Respond

STREAMS = Path(__file__).parent.parent / "data" / "streams"
ACCENTED = 'data: {"choices":[{"index":0,"delta":{"content":"Marée 🌊 basse"}}]}\n\n'.encode()
DONE_AND_MORE = b'data: [DONE]\n\ndata: {"choices":[{"delta":{"content":"never"}}]}\n\n'
BUSY = {"error": {"code": 429, "message": "Provider returned error", "metadata": {"provider_name": "Chutes"}}}
WHOLE = {
    "object": "chat.completion",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Low water"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
AGAIN = play(*answer("Low", " water"))
CUT_ANYWHERE = (
    ACCENTED + b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)
EMPTY_CALL = Event(
    {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"name": ""}}]}}]}
)


def chunk(content: object, **choice: object) -> Event:
    """Return an event with one chunk whose delta holds this content."""
    return Event({"choices": [{"index": 0, "delta": {"content": content}, **choice}]})


def fragments(*calls: dict[str, object]) -> Event:
    """Return an event with one chunk that holds these fragments of tool calls."""
    return Event({"choices": [{"index": 0, "delta": {"tool_calls": list(calls)}}]})


PLAYS: dict[str, Respond] = {
    "answer": play(Heartbeats(0.1, every=0.05), Think("Hm."), *answer("Low", " water")),
    "slow": play(Role(), Say("Low", " water", pace=0.2), Finish(), Usage(), Done()),
    "long": play(Role(), Say(*["word "] * 3000), Finish(), Usage(), Done()),
    "cut": play(Say("Low", " wat"), Cut()),
    "reset": play(Say("Low", " wat"), Stall(0.1), Reset()),
    "cut-mid-character": play(Body(ACCENTED), Body(ACCENTED[: ACCENTED.index("🌊".encode()) + 2]), Cut()),
    "reads-mid-character": play(
        Body(ACCENTED, tuple(range(1, len(ACCENTED))), pace=0.001), Finish(), Usage(), Done()
    ),
    "ended": play(Say("Low", " wat")),
    "done-without-finish": play(Say("Low"), Done()),
    "finish-then-cut": play(Say("Low", " water"), Finish(), Cut()),
    "finish-then-heartbeats": play(Say("Low", " water"), Finish(), Heartbeats(math.inf, every=0.1)),
    "unterminated-done": play(Say("Low"), Finish(), Body(b"data: [DONE]")),
    "unterminated-chunk": play(
        Say("Low"), Body(b'data: {"choices":[{"delta":{"content":" water"},"finish_reason":"stop"}]}')
    ),
    "unterminated-half": play(Say("Low"), Finish(), Body(b'data: {"choices":[{"delta":{"cont')),
    "after-done": play(Say("Low"), Finish(), Body(DONE_AND_MORE), Silence()),
    "heartbeats": play(Heartbeats(math.inf, every=0.05)),
    "empty-deltas": play(*[act for _ in range(200) for act in (Role(), Stall(0.05))]),
    "empty-calls": play(*[act for _ in range(200) for act in (EMPTY_CALL, Stall(0.05))]),
    "flood": play(*[Body(b": x\n\n" * 2000)] * 100_000),
    "blank-lines": play(*[act for _ in range(200) for act in (Body(b"\n"), Stall(0.05))]),
    "steady": play(*[act for _ in range(30) for act in (Say("x"), Stall(0.05))], Finish(), Done()),
    "stall": play(Say("Low"), Heartbeats(math.inf, every=0.05)),
    "stall-empty-deltas": play(Say("Low"), *[act for _ in range(200) for act in (Role(), Stall(0.05))]),
    "silence": play(Comment(), Silence()),
    "no-head": play(Silence()),
    "unauthorized": play(Status(401, {"error": {"code": 401, "message": "User not found."}})),
    "busy": play(Status(429, BUSY, {"Retry-After": "3600"})),
    "busy-once": in_turn(play(Status(429, BUSY, {"Retry-After": "0.4"})), AGAIN),
    "busy-until-a-date": in_turn(
        play(Status(503, {}, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"})), AGAIN
    ),
    "in-flight-budget": in_turn(
        play(Status(402, {"error": {"message": "budget"}}, {"Retry-After": "0"})), AGAIN
    ),
    "payment": play(Status(402, {"error": {"code": 402, "message": "Insufficient credits"}})),
    "down": play(Status(502, "error code: 502")),
    "down-in-html": play(Status(502, b"<html><h1>Bad gateway</h1></html>", {"Content-Type": "text/html"})),
    "drip": play(
        Raw(b"HTTP/1.1 503 Busy\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n"),
        *[act for _ in range(1000) for act in (Raw(b"x"), Stall(0.1))],
    ),
    "nothing": play(Status(200, b"", {"Content-Type": "text/event-stream"})),
    "gzip": play(
        Head(200, {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}),
        Body(gzip.compress(CUT_ANYWHERE), (5, 30)),
    ),
    "gzip-cut": play(
        Head(200, {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}),
        Body(gzip.compress(ACCENTED)[:-12]),
        Cut(),
    ),
    "redirect": play(Status(307, b"", {"Location": "http://127.0.0.1:9/elsewhere"})),
    "error-first": in_turn(
        play(
            Fail(
                429,
                "slow down",
                {"error_type": "rate_limit_exceeded", "retry_after_seconds": 0.2},
                choices=False,
            )
        ),
        AGAIN,
    ),
    "error-after-text": play(
        Say("Low"), Fail(502, "Upstream closed", {"provider_name": "Novita"}), Silence()
    ),
    "error-as-text": play(Event({"error": "the model has gone"})),
    "error-null": play(Event({"error": None, "choices": [{"delta": {"content": "Low"}}]}), Finish()),
    "finish-error": play(Say("Low"), Finish("error")),
    "hidden-failure": in_turn(play(Finish("stop", "network_error"), Usage()), AGAIN),
    "stall-once": in_turn(play(Heartbeats(math.inf, every=0.05)), AGAIN),
    "cut-before-token-once": in_turn(play(Comment(), Cut()), AGAIN),
    "html": play(Status(200, b"<html>Log in to the hotel</html>", {"Content-Type": "text/html"})),
    "whole": play(Status(200, WHOLE)),
    "whole-error": play(Status(200, BUSY | {"user_id": "u"})),
    "wrong-type": play(Head(200, {"Content-Type": "text/plain"}), *answer("Low", " water")),
    "garbage": play(Say("Low"), Event("this is no JSON")),
    "not-a-number": play(
        Event('{"choices":[{"delta":{"content":"NaN is \\"NaN\\""},"logprobs":{"v":NaN}}]}'), Finish()
    ),
    "noise": play(
        Event(""), Event(": OPENROUTER PROCESSING"), Body(b"event: ping\ndata: {}\n\n"), *answer("Low")
    ),
    "no-blank-lines": play(
        Body(
            b'data: {"choices":[{"delta":{"content":"Low"}}]}\ndata: {"choices":[{"delta":{"content":" water"}}]}\n\n'
        ),
        Finish(),
    ),
    "parts": play(
        chunk(
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                {"type": "text", "text": "Low"},
            ]
        ),
        chunk([{"type": "reference", "reference_ids": [1]}]),
        Finish(),
    ),
    "half-pairs": play(
        Event('{"choices":[{"delta":{"content":"\\ud83c"}}]}'),
        Event('{"choices":[{"delta":{"content":"\\udf0a"}}]}'),
        Finish(),
    ),
    "tool-call": play(Call("tide_at", "", '{"port":', '"Brest"}', id="call_1"), Finish("stop")),
    "tools-all-at-0": play(
        fragments({"index": 0, "id": "a", "function": {"name": "one", "arguments": "{}"}}),
        fragments({"index": 0, "id": "b", "function": {"name": "two", "arguments": {"x": 1}}}),
        Finish("tool_calls"),
    ),
    "tools-without-index": play(
        fragments({"id": "a", "function": {"name": "one", "arguments": '{"x"'}}),
        fragments({"function": {"arguments": ":1}"}}, {"id": "b", "function": {"name": "two"}}),
        fragments({"id": "a", "function": {"name": "one"}}),
        Finish("tool_calls"),
    ),
    "two-choices": play(
        chunk("Low", index=0),
        chunk("High", index=1),
        Event({"choices": [{"index": 0, "finish_reason": "stop"}]}),
    ),
    "running-usage": play(
        Event({"choices": [{"delta": {"content": "Low"}}], "usage": {"completion_tokens": 1}}),
        Event({"choices": [{"delta": {}}], "usage": {"completion_tokens": 1}}),
        Event(
            {
                "choices": [{"delta": {"content": " water"}, "finish_reason": "STOP"}],
                "usage": {"completion_tokens": 2},
            }
        ),
    ),
    "huge": play(Say("Low"), Say("x" * 5000), Finish()),
    "broken-http": play(
        Raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nZZ")
    ),
}


def respond(exchange: Exchange) -> None:
    """Play what the model names: a play above, or an example body, `whole/NAME` or `bytewise/NAME`.

    `cut/N` breaks the connection after N bytes of an answer, `end/N` closes the body properly there.
    """
    model = exchange.request.json()["model"]
    way, _, name = model.partition("/")
    if not name:
        PLAYS[model](exchange)
        return
    if way == "echo":
        key = exchange.request.headers["Authorization"]
        exchange.reply(401, {"error": {"code": 401, "message": f"bad header: {key}"}})
        return
    if way in ("cut", "end"):
        play(Body(CUT_ANYWHERE[: int(name)]), *([Cut()] if way == "cut" else []))(exchange)
        return
    body = (STREAMS / f"{name}.sse").read_bytes()
    replay(body, range(1, len(body)) if way == "bytewise" else ())(exchange)
