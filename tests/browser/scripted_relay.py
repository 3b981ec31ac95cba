"""A relay that does what a test scripts, faults among them: the protocol of `docs/relay.md` on the loopback server.

The body of a `POST` says what is to happen: `{"scenario": {…}}` as `Scenario` reads it, or, from the page, `messages`
whose last one names one of `PAGE_SCENARIOS`.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sseor.testing import Exchange

FILES = Path(__file__).parent.parent.parent / "src" / "sseor" / "browser"
KINDS = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
DONE = {"type": "done", "finish_reason": "stop"}
USAGE = {
    "type": "usage",
    "prompt_tokens": 24,
    "completion_tokens": 187,
    "total_tokens": 211,
    "reasoning_tokens": 42,
    "cost": 0.000386,
}
HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    "<a href=\"javascript:document.title='owned'\">here</a> & so on"
)
EXPLANATION = (
    "HTTP streaming sends an answer in pieces while it is still being made. The server keeps the response open "
    "and writes a little at a time; the browser reads each piece as it arrives and shows it at once.\n\n"
    "That is why these words appear one after the other instead of all together at the end. If the connection "
    "breaks, the browser asks again, says which piece it saw last, and the answer goes on from there: "
    "nothing twice, nothing lost."
)


def words(text: str) -> list[dict[str, str]]:
    """Return a `text` record for each word."""
    pieces = text.split(" ")
    return [{"type": "text", "text": f"{piece} "} for piece in pieces[:-1]] + [
        {"type": "text", "text": pieces[-1]}
    ]


CODE = (
    "Read it event by event:\n\n```python\nwith client.stream(model=model, messages=messages) as stream:\n"
    "    for event in stream:  # typed events, each as soon as it has come, and nothing is lost on the way\n"
    "        print(event)\n```\nThe ``` in a line is none, and <b>this</b> is text.\n```\nunfinished"
)

THOUGHTS = [
    {"type": "reasoning", "text": f"{word} "}
    for word in ["One", "paragraph,", "plain", "words;", "say", "what", "a", "client", "sees."]
]

PAGE_SCENARIOS: dict[str, dict[str, Any]] = {
    "explain": {
        "records": [
            *THOUGHTS,
            *words(EXPLANATION),
            {"type": "finish", "reason": "stop"},
            USAGE,
            DONE,
        ]
    },
    "code": {"records": [*words(CODE), DONE]},
    "wait": {"records": [], "hold": True},
    "think": {"records": THOUGHTS, "hold": True},
    "slow": {"records": words(EXPLANATION)[:12], "hold": True},
    "cut": {"records": [*words(EXPLANATION), USAGE, DONE], "cuts": [150, 400, 900, 1600]},
    "hostile": {"records": [{"type": "reasoning", "text": HOSTILE}, *words(HOSTILE), DONE]},
    "down": {"records": [{"type": "error", "code": "unavailable", "retryable": True, "partial": False}]},
    "length": {"records": [*words("The coast of Brittany is"), {"type": "done", "finish_reason": "length"}]},
}


@dataclass
class Scenario:
    """What a stream does.

    `cuts`: bytes after which each connection in turn is cut · `holds`: how many records each connection in turn gets
    before it falls silent · `statuses`: answered to the first requests instead of the stream · `hold`: after the
    records wait for `stop` · `snapshot`: a cursor before this number gets a snapshot of all records up to it · `skip`:
    a record left out, once · `headers`: of the answers in `statuses`.
    """

    records: list[dict[str, Any]]
    cuts: list[int] = field(default_factory=list)
    holds: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    hold: bool = False
    pace: float = 0.0
    snapshot: int = 0
    skip: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    retry: int = 20


class Stream:
    """One stream under way: its script, and what has been asked of it."""

    def __init__(self, scenario: Scenario) -> None:
        self.id = secrets.token_urlsafe(16)
        self.generation = secrets.token_hex(4)
        self.scenario = scenario
        self.connections = 0
        self.stopped = threading.Event()

    def frame(self, number: int, record: Mapping[str, Any]) -> bytes:
        """Return a record as bytes."""
        data = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        return f"id: {self.generation}.{number}\ndata: {data}\n\n".encode()

    def frames(self, after: int) -> Iterator[bytes]:
        """Yield the frames behind a number."""
        records = self.scenario.records
        snapshot = self.scenario.snapshot
        if snapshot and after < snapshot:
            text = "".join(
                record.get("text", "") for record in records[:snapshot] if record["type"] == "text"
            )
            choice = {
                "choice": 0,
                "text": text,
                "reasoning": "",
                "refusal": "",
                "tool_calls": [],
                "images": [],
            }
            choice |= {"audio": None, "annotations": [], "finish_reason": None}
            own = {record["type"]: record for record in records[:snapshot] if record["type"] == "step"}
            state = {"choices": [choice], "usage": None, "records": list(own.values()), "restarted": None}
            yield self.frame(snapshot, {"type": "snapshot", **state})
            after = snapshot
        for number, record in enumerate(records, start=1):
            if number == self.scenario.skip:
                self.scenario.skip = 0
            elif number > after:
                yield self.frame(number, record)


class ScriptedRelay:
    """A `respond` of the loopback server. `log` holds method, path and last event ID of each request, in order."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str, str]] = []
        self.questions: list[dict[str, Any]] = []
        self.streams: dict[str, Stream] = {}
        self._by_key: dict[str, Stream] = {}
        self._lock = threading.Lock()

    def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        request = exchange.request
        last_event_id = request.headers.get("last-event-id", "")
        self.log.append((request.method, request.path, last_event_id))
        parts = request.path.strip("/").split("/")
        if request.path == "/log":
            exchange.reply(200, self.log)
        elif request.path == "/settings":
            exchange.reply(200, {"demo": True, "models": ["sseor/demo", "openai/gpt-5-mini"]})
        elif request.method == "GET" and parts[0] != "streams":
            self._file(exchange, parts[0] or "index.html")
        elif len(parts) == 1:
            self._follow(exchange, self._begin(exchange), 0)
        elif parts[1] not in self.streams:
            exchange.reply(404, {"error": {"code": "not_found"}})
        elif parts[2:] == ["stop"]:
            self.streams[parts[1]].stopped.set()
            exchange.reply(204)
        else:
            self._follow(exchange, self.streams[parts[1]], int(last_event_id.partition(".")[2] or 0))

    def _file(self, exchange: Exchange, name: str) -> None:
        if not (FILES / name).is_file():
            exchange.reply(404, {"error": {"code": "not_found"}})
            return
        kind = KINDS[Path(name).suffix]
        exchange.reply(
            200, (FILES / name).read_bytes(), {"Content-Type": kind, "Content-Security-Policy": POLICY}
        )

    def _begin(self, exchange: Exchange) -> Stream:
        question = exchange.request.json()
        self.questions.append(question)
        key = exchange.request.headers["idempotency-key"]
        with self._lock:
            if key not in self._by_key:
                wanted = question.get("scenario")
                if wanted is None:
                    wanted = PAGE_SCENARIOS.get(
                        question["messages"][-1]["content"], PAGE_SCENARIOS["explain"]
                    )
                stream = Stream(Scenario(**json.loads(json.dumps(wanted))))
                self._by_key[key] = self.streams[stream.id] = stream
            return self._by_key[key]

    def _follow(self, exchange: Exchange, stream: Stream, after: int) -> None:
        scenario = stream.scenario
        if scenario.statuses:
            exchange.reply(scenario.statuses.pop(0), {"error": {"code": "too_many"}}, scenario.headers)
            return
        if after >= len(scenario.records) and not scenario.hold:
            exchange.reply(204)
            return
        turn, stream.connections = stream.connections, stream.connections + 1
        room = scenario.cuts[turn] if turn < len(scenario.cuts) else 1 << 30
        held_at = scenario.holds[turn] if turn < len(scenario.holds) else 1 << 30
        exchange.head(
            headers={"Content-Type": "text/event-stream; charset=utf-8", "X-Sseor-Stream": stream.id}
        )
        for number, frame in enumerate(
            [f"retry: {scenario.retry}\n: sseor\n\n".encode(), *stream.frames(after)]
        ):
            if number > held_at:
                while exchange.wait(1):
                    pass
                return
            exchange.send(frame[:room])
            room -= len(frame)
            if room <= 0:
                exchange.cut()
                return
            exchange.wait(scenario.pace)
        if scenario.hold:
            self._await_stop(exchange, stream)

    def _await_stop(self, exchange: Exchange, stream: Stream) -> None:
        while not stream.stopped.is_set():
            if not exchange.wait(0.02):
                return
        exchange.send(stream.frame(len(stream.scenario.records) + 1, {"type": "cancelled"}))
