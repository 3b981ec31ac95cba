"""`sseor.cli.examining`: what a recorded answer says about its server, check by check."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sseor.cli.examining import Grade, examine
from sseor.testing import Tape

GOOD, DOUBT, BAD = Grade.GOOD, Grade.DOUBT, Grade.BAD
STREAM = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
STREAMS = Path(__file__).parents[1] / "data" / "streams"


def event(delta: Mapping[str, object], finish: str | None = None, **others: object) -> bytes:
    """Return a chunk."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps({'id': 'gen-1', 'choices': [choice], **others})}\n\n".encode()


USAGE = {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11, "cost": 0.5}


def tape(times: Iterable[float] = (0.5, 0.7, 0.9, 1.1, 1.3, 1.5)) -> Tape:
    """Return a good answer whose pieces come at these times."""
    reads = [(0.3, b": OPENROUTER PROCESSING\n\n"), *((at, event({"content": "x"})) for at in times)]
    last = reads[-1][0]
    reads += [(last, event({}, "stop")), (last, event({}, "stop", usage=USAGE)), (last, b"data: [DONE]\n\n")]
    return Tape(200, STREAM, 0.2, tuple(reads), last + 0.01)


def findings(examined: Tape) -> dict[str, tuple[Grade, str]]:
    """Return grade and sentence of each check."""
    return {finding.check: (finding.grade, finding.told) for finding in examine(examined)}


def test_a_good_answer() -> None:
    """Nothing is in doubt, and each figure is told."""
    assert findings(tape()) == {
        "head": (GOOD, "200 after 0.20 s"),
        "type": (GOOD, "text/event-stream"),
        "events": (GOOD, "8 chunks, 1 heartbeat"),
        "first token": (GOOD, "after 0.50 s"),
        "silence": (GOOD, "never more than 0.20 s without a byte"),
        "delivery": (GOOD, "6 pieces over 1.00 s, 1 of them at once"),
        "finish": (GOOD, "finish reason stop"),
        "usage": (GOOD, "5 + 6 tokens, $0.500000"),
        "[DONE]": (GOOD, "it came"),
        "end": (GOOD, "the body ended properly"),
    }


def test_another_status() -> None:
    """Of an answer that is none only the head is told, with its words."""
    examined = Tape(503, {}, 0.2, ((0.2, b"upstream\x1bis down"),), 0.3)
    assert findings(examined) == {"head": (BAD, "status 503 after 0.20 s: upstream is down")}


@pytest.mark.parametrize(
    ("headers", "check", "grade", "told"),
    [
        ({"Content-Type": "text/plain"}, "type", BAD, "text/plain, where text/event-stream is due"),
        ({}, "type", BAD, "no content type, where text/event-stream is due"),
        (STREAM | {"content-encoding": "GZIP"}, "compression", DOUBT, "gzip, unasked"),
        (STREAM | {"cache-control": "private"}, "caching", DOUBT, "no Cache-Control: no-cache"),
    ],
)
def test_headers(headers: Mapping[str, str], check: str, grade: Grade, told: str) -> None:
    """A header that misleads clients or proxies is told."""
    found = findings(replace(tape(), headers=headers))
    assert found[check][0] is grade
    assert found[check][1].startswith(told)


@pytest.mark.parametrize(
    ("times", "grade", "told"),
    [
        ([2.0] * 6, BAD, "all 6 pieces came at once, after 2.00 s: something holds the answer back"),
        ([2.0] * 5 + [2.5], DOUBT, "6 pieces over 0.50 s, 5 of them at once"),
        ([2.0, 2.0, 2.0, 2.5, 2.5, 2.5], GOOD, "6 pieces over 0.50 s, 3 of them at once"),
        ([0.1] * 6, GOOD, "6 pieces in 0.10 s, too fast to tell"),
        ([2.0] * 4, GOOD, "4 pieces, too few to tell"),
    ],
)
def test_delivery(times: list[float], grade: Grade, told: str) -> None:
    """Pieces that come in one clump are told from pieces that come one by one, where that can be told at all."""
    assert findings(tape(times))["delivery"] == (grade, told)


def test_silence() -> None:
    """A silence that proxies may cut is in doubt, and whether heartbeats could have filled it is told."""
    found = findings(tape([20.0, 20.1]))
    assert found["silence"][0] is DOUBT
    assert found["silence"][1].startswith("19.7 s without a byte, and its heartbeats are too rare")
    silent = tape([20.0, 20.1])
    found = findings(replace(silent, reads=silent.reads[1:]))
    assert found["silence"][1].startswith("19.8 s without a byte, and it sends no heartbeats")


def test_an_answer_without_its_end() -> None:
    """A cut is bad, and so is a missing finish reason; usage and [DONE] are in doubt."""
    whole = tape()
    found = findings(replace(whole, reads=whole.reads[:-3], cut="the connection was\x1blost"))
    assert found["finish"] == (BAD, "no finish reason: a cut answer cannot be told from a whole one")
    assert found["usage"][0] is DOUBT
    assert found["[DONE]"] == (DOUBT, "it did not come")
    assert found["end"] == (BAD, "the connection was lost")


def test_a_body_that_stays_open() -> None:
    """A connection that lingers after the last chunk is in doubt."""
    found = findings(replace(tape(), ended_at=9.0))
    assert found["end"] == (DOUBT, "the body stays open for 7.5 s after its last chunk")


def test_usage_without_a_cost() -> None:
    """Usage is good without a cost too."""
    whole = tape()
    usage = event({}, "stop", usage={"prompt_tokens": 5})
    found = findings(replace(whole, reads=(*whole.reads[:-2], (1.5, usage))))
    assert found["usage"] == (GOOD, "5 + 0 tokens")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"data: {nope\n\n", ""),
        (b'data: {"error": {"code": 502, "message": "gone"}}\n\n', "the provider reported a failure: gone"),
        (b"<!doctype html>", "the server answered text/event-stream"),
    ],
)
def test_what_are_no_events(body: bytes, told: str) -> None:
    """Broken JSON, a failure within the stream and a web page are bad."""
    found = findings(
        Tape(200, STREAM if body[:1] != b"<" else {"content-type": "text/html"}, 0.1, ((0.2, body),), 0.3)
    )
    assert found["events"][0] is BAD
    assert found["events"][1].startswith(told.replace("text/event-stream", "text/html"))
    assert found["first token"] == (BAD, "none came: the answer is empty")


def test_a_document_instead_of_a_stream() -> None:
    """A server that ignores `stream` is told as such."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
    body = json.dumps({"id": "gen-1", "choices": [choice], "usage": USAGE}).encode()
    found = findings(Tape(200, {"content-type": "application/json"}, 0.1, ((0.2, body),), 0.3))
    assert found["events"] == (BAD, "one JSON document: the server does not stream")
    assert found["finish"] == (GOOD, "finish reason stop")


@pytest.mark.parametrize("file", sorted(STREAMS.glob("*.sse")), ids=lambda file: file.stem)
def test_any_stream_is_examined_to_its_end(file: Path) -> None:
    """Whatever a provider sends, every check is told once, in one printable line."""
    found = list(examine(Tape(200, STREAM, 0.0, ((0.1, file.read_bytes()),), 0.2)))
    assert len({finding.check for finding in found}) == len(found)
    assert found[-1].check == "end"
    assert all(finding.told.isprintable() for finding in found)
