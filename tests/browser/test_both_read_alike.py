"""The library and `streamChat` make the same of any body: each is the judge of the other."""

from __future__ import annotations

import base64
import itertools
import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from browser.node_tools import node

from sseor.chat import Accumulator, Reasoning, Text
from sseor.errors import SseorError
from sseor.stream.body import Body
from sseor.wire import Comment

ADAPTER = Path(__file__).parent / "reading_adapter.mjs"
TEXTS = ["a", "b ", "é", "🌊", "", "\ud83c", "\udf0a", "x\ud83c", "[DONE]", "NaN", "{"]
PARTS = [
    [{"type": "text", "text": "t"}],
    [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}],
    [{"type": "reference", "reference_ids": [1]}],
    ["s"],
    [],
    None,
]
DETAILS = [
    [],
    [{"type": "reasoning.text", "text": "d"}],
    [{"type": "reasoning.summary", "summary": "s"}],
    [{"type": "reasoning.encrypted", "data": "x"}],
]
ERRORS = [
    "boom",
    {"message": "boom"},
    {"code": 429, "message": "m"},
    {"code": "server_error"},
    {"code": "503", "metadata": {"error_type": "provider_overloaded"}},
    {"http_status": 504, "error_type": "timeout"},
    {"code": 402, "metadata": {"limit_source": "openrouter_in_flight_budget"}},
    {"availability": {"retryable": False, "code": "capacity_exhausted"}},
    {"code": 524},
    17,
]
FINISHES = ["stop", "length", "STOP", "eos", "function_call", "", " ", "error", "content_filter", "odd", None]
NOISE = [
    b": heartbeat\n\n",
    b"data\n\n",
    b"data: : OPENROUTER PROCESSING\n\n",
    b"event: ping\ndata: {}\n\n",
    b"event: error\ndata: null\n\n",
    b"retry: 5\nid: 1\n\n",
]
BROKEN = [
    b"data: {\n\n",
    b"data: [1]\n\n",
    b'data: {"choices":[{"delta":{"content":1}}]}\n\n',
    b'event: error\ndata: {"message":"down"}\n\n',
    b'data: [{"error":{"code":429}}]\n\n',
]


class Bodies:
    """Makes bodies of odd chunks, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._pick = self._chance.choice

    def _some(self, **fields: tuple[float, Callable[[], Any]]) -> dict[str, Any]:
        return {name: make() for name, (share, make) in fields.items() if self._chance.random() < share}

    def _fragment(self) -> dict[str, Any]:
        pieces = ["", '{"x"', ":1}", "{}", '{"x":1}', {"x": 1}, {}, None]
        inner = self._some(
            name=(0.5, lambda: self._pick(["f", "g", ""])), arguments=(0.7, lambda: self._pick(pieces))
        )
        outer = self._some(
            index=(0.8, lambda: self._pick([0, 0, 1, 2, "1", None])),
            id=(0.5, lambda: self._pick(["A", "B", "C", "", None])),
        )
        return {**outer, "function": inner} if self._chance.random() < 0.85 else {**outer, **inner}

    def _delta(self) -> dict[str, Any]:
        return self._some(
            role=(0.3, lambda: self._pick(["assistant", "", None])),
            content=(0.6, lambda: self._pick([*TEXTS, *PARTS])),
            reasoning=(0.2, lambda: self._pick(["r", "", None])),
            reasoning_content=(0.2, lambda: self._pick(["r", "", None])),
            reasoning_details=(0.15, lambda: self._pick(DETAILS)),
            tool_calls=(0.3, lambda: [self._fragment() for _ in range(self._chance.randint(0, 3))]),
        )

    def _choice(self) -> dict[str, Any]:
        return self._some(
            index=(0.8, lambda: self._pick([0, 0, 0, "0", None, 1, "1", "x", -1])),
            delta=(0.9, self._delta),
            finish_reason=(0.15, lambda: self._pick(FINISHES)),
            usage=(0.03, lambda: {"total_tokens": 4}),
            error=(0.02, lambda: self._pick([None, *ERRORS])),
        )

    def _chunk(self) -> bytes:
        chunk = self._some(
            id=(0.7, lambda: self._pick(["gen-1", "gen-2", "", None])),
            choices=(0.95, lambda: [self._choice() for _ in range(self._pick([1, 1, 1, 1, 2, 0]))]),
            usage=(0.15, lambda: self._pick([None, {"total_tokens": 1}, {"total_tokens": 2}, {}, "x"])),
            error=(0.03, lambda: self._pick([None, {}, *ERRORS])),
        )
        return json.dumps(chunk).encode()

    def _frame(self) -> bytes:
        kind = self._chance.random()
        if kind < 0.1:
            return self._pick(NOISE)
        if kind < 0.12:
            return self._pick(BROKEN)
        if kind < 0.16:
            return b"data: [DONE]\n\n"
        if kind < 0.2:  # no blank line between
            return b"data: " + self._chunk() + b"\ndata:" + self._chunk() + b"\r\n\r\n"
        return b"data: " + self._chunk() + b"\n\n"

    def body(self) -> bytes:
        """Return the next body; some are cut off."""
        body = b"".join(self._frame() for _ in range(self._chance.randint(1, 8)))
        return body[: self._chance.randint(0, len(body))] if self._chance.random() < 0.15 else body


def read(data: bytes) -> dict[str, Any]:
    """Return what the library makes of a body, in the form of the adapter."""
    body, accumulator = (
        Body({"content-type": "text/event-stream"}, max_event_bytes=1 << 20, lenient=False),
        Accumulator(),
    )
    events: list[Any] = []
    broken = False
    try:
        for item in itertools.chain(body.feed(data), body.end()):
            events += () if isinstance(item, Comment) else accumulator.add(item)
            if accumulator.failure is not None:
                break
    except SseorError:
        broken = True
    if accumulator.failure is None and not broken:
        events += accumulator.end()
    completion, failure = accumulator.completion(), accumulator.failure
    first = completion.choices[0] if completion.choices else None
    told = [
        "".join(e.delta for e in events if isinstance(e, kind) and e.choice == 0)
        for kind in (Text, Reasoning)
    ]
    return {
        "text": completion.text,
        "reasoning": completion.reasoning,
        "usage": completion.usage and dict(completion.usage.raw),
        "id": completion.generation_id,
        "done": body.reader.done,
        "complete": accumulator.finished and failure is None and not broken,
        "finish": first and first.raw_finish_reason and first.finish_reason,
        "told": told,
        "calls": [[call.index, call.id, call.name, call.arguments] for call in completion.tool_calls],
        "failure": failure and [failure.code, failure.error_type, failure.retryable],
    }


def test_any_body_is_read_alike() -> None:
    """Text, reasoning, tool calls, usage, finish, failure and whether it is complete agree, for 1500 odd bodies."""
    node("--version")
    bodies = Bodies(seed=11)
    data = [bodies.body() for _ in range(1500)]
    done = subprocess.run(
        ["node", str(ADAPTER)],
        input="".join(base64.b64encode(one).decode() + "\n" for one in data),
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(data)
    complete = 0
    for one, theirs in zip(data, found, strict=True):
        ours = read(one)
        for call, their_call in zip(ours["calls"], theirs["calls"], strict=True):
            call[1] = (
                call[1] if their_call[1] else ""
            )  # an id that never came is invented by the library alone
        assert theirs == ours, one
        complete += ours["complete"]
    assert 100 < complete < 1400
