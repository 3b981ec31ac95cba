"""Hours of an upstream's misfortunes, run in moments on trio's mock clock."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from shells import PROMPT

import sseor
from sseor.errors import StallError, StatusError

HOUR = 3600.0
TRUTH = " ".join(f"{number}:{word}" for number, word in enumerate(["tide", "moon", "harbour", "sail"] * 2000))

Answer = Callable[[dict[str, Any]], httpx.Response]


def run(answer: Answer, policy: sseor.RetryPolicy, timeouts: sseor.Timeouts, **parameters: Any) -> Any:
    """Read one stream on virtual time; return its items, its stream, the error and the virtual seconds that passed."""

    async def main() -> Any:
        transport = httpx.MockTransport(lambda request: answer(json.loads(request.content)))
        items: list[Any] = []
        error: sseor.SseorError | None = None
        began = trio.current_time()
        async with httpx.AsyncClient(transport=transport) as http:
            client = sseor.AsyncClient(
                base_url="http://127.0.0.1:9/v1", retries=policy, timeouts=timeouts, http_client=http
            )
            async with client.stream(model="a/model", messages=PROMPT, **parameters) as stream:
                try:
                    async for item in stream:
                        items.append(item)  # noqa: PERF401 (what came before an error is wanted too)
                except sseor.SseorError as failure:
                    error = failure
        return items, stream, error, trio.current_time() - began

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def busy(wait: float) -> httpx.Response:
    """Return a refusal that asks for patience."""
    return httpx.Response(
        503, headers={"retry-after": str(wait)}, json={"error": {"code": 503, "message": "busy"}}
    )


def test_days_of_retries() -> None:
    """Each wait is the one that the server asked for, and all of them fit into the total budget."""
    policy = sseor.RetryPolicy(attempts=50, max_attempts=50, longest_hint=2 * HOUR)
    items, _, error, passed = run(lambda _: busy(HOUR), policy, sseor.Timeouts(total=30.5 * HOUR))
    assert isinstance(error, StatusError)
    assert error.retry_after == HOUR
    assert [item.wait for item in items] == [HOUR] * 30
    assert passed == pytest.approx(30 * HOUR)


def test_backoff_grows_to_its_longest() -> None:
    """Without a hint the waits double up to the longest; a night of them costs moments here."""
    policy = sseor.RetryPolicy(attempts=100, max_attempts=100, base=1, longest=600, jitter=lambda: 0.5)
    refusal = {"error": {"code": 502, "message": "down"}}
    items, _, error, passed = run(lambda _: httpx.Response(502, json=refusal), policy, sseor.Timeouts())
    assert isinstance(error, StatusError)
    waits = [item.wait for item in items]
    assert waits[:5] == [0.5, 1, 2, 4, 8]
    assert set(waits[11:]) == {300}
    assert passed == pytest.approx(sum(waits))
    assert error.attempts == 100


class Telling(httpx.AsyncByteStream):
    """Tells the truth from `at`, slowly, with heartbeats; breaks off or falls silent after `length` characters."""

    def __init__(self, at: int, length: int, chance: random.Random) -> None:
        self.at, self.length, self.chance = at, length, chance

    async def __aiter__(self) -> AsyncIterator[bytes]:
        end = min(len(TRUTH), self.at + self.length)
        for at in range(self.at, end, 50):
            await trio.sleep(self.chance.uniform(0, 20))
            yield b": OPENROUTER PROCESSING\n\n"
            await trio.sleep(self.chance.uniform(0, 20))
            yield chunk({"content": TRUTH[at : min(at + 50, end)]})
        if end == len(TRUTH):
            yield chunk({}, "stop")
        elif self.chance.random() < 0.3:
            while True:
                await trio.sleep(15)
                yield b": OPENROUTER PROCESSING\n\n"
        elif self.chance.random() < 0.5:
            raise httpx.ReadError("reset")


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    """Return one chunk as an event."""
    return b"data: %b\n\n" % json.dumps({"choices": [{"delta": delta, "finish_reason": finish}]}).encode()


@pytest.mark.parametrize("seed", range(3))
def test_an_answer_of_hours_survives_everything(seed: int) -> None:
    """Cut, reset, silenced by heartbeats and refused, hundreds of times: one text, each character once."""
    chance = random.Random(seed)

    def answer(body: dict[str, Any]) -> httpx.Response:
        begun = body["messages"][1]["content"] if len(body["messages"]) > 1 else ""
        assert TRUTH.startswith(begun)
        if chance.random() < 0.2:
            return busy(chance.uniform(1, 50))
        headers = {"content-type": "text/event-stream"}
        return httpx.Response(
            200, headers=headers, stream=Telling(len(begun), chance.randrange(2000), chance)
        )

    policy = sseor.RetryPolicy(attempts=12, max_attempts=2000, jitter=chance.random, first_token_expiries=9)
    items, stream, error, passed = run(
        answer, policy, sseor.Timeouts(first_token=90, stall=60), on_cut="resume"
    )
    assert error is None
    assert "".join(item.delta for item in items if isinstance(item, sseor.Text)) == TRUTH
    assert stream.completion.text == TRUTH
    assert stream.completion.verdict.complete
    assert any(isinstance(item.cause, StallError) for item in items if isinstance(item, sseor.Resumed))
    assert sum(isinstance(item, sseor.Resumed) for item in items) > 20
    assert passed > HOUR
