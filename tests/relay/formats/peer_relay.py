"""A relay between the loopback OpenRouter and the clients of others: the question names what upstream plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from relay.serving import serving

from sseor.client.asynchronous import AsyncClient
from sseor.relay import Question, RefusedError, Relay
from sseor.stream import RetryPolicy
from sseor.testing import (
    Act,
    Call,
    Cut,
    Done,
    Event,
    Exchange,
    Fail,
    Finish,
    Heartbeats,
    LoopbackServer,
    Say,
    Status,
    Think,
    Usage,
    in_turn,
    play,
)

TEXT = "Les marées 🌊 潮の満ち引き, مدّ, and 👩‍👩‍👧‍👦 watch."
WORDS = [f"{word} " for word in TEXT.split(" ")]

ENDED = (Finish("stop"), Usage(prompt=7, cost=0.25), Done())
SLOW = Say(*WORDS, pace=0.02)

IMAGE = "data:image/png;base64,iVBORw0KGgo="
NOTE = {"type": "url_citation", "url_citation": {"url": "https://shom.example/brest", "title": "Brest"}}
FILE = {"type": "file", "file": {"hash": "9f2c", "name": "tides.pdf"}}


RESTART = "restart"
"""The question whose answer begins anew, once, after all of its text."""


def chunk(**delta: Any) -> Event:
    """Return a chunk with this delta."""
    return Event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


PLAYS: dict[str, tuple[Act, ...]] = {
    "text": (Heartbeats(0.02, every=0.01), Think("Hm", ", so"), Say(*WORDS), *ENDED),
    "slow": (SLOW, *ENDED),
    "tools": (
        Say("I look."),
        Call("tide_at", '{"port":', '"Brest"}', id="call_1"),
        Call("now", id="call_2"),
        Finish("tool_calls"),
        Usage(prompt=7, cost=0.25),
        Done(),
    ),
    "rich": (
        chunk(images=[{"type": "image_url", "image_url": {"url": IMAGE}}]),
        Say("Low."),
        chunk(annotations=[NOTE, FILE]),
        chunk(refusal="No."),
        chunk(audio={"data": "AAAA", "transcript": "low"}),
        *ENDED,
    ),
    "length": (Say("Low water"), Finish("length"), Usage(), Done()),
    "failing": (Say("Low ", "water"), Fail(message="CANARY")),
    "cut": (SLOW, Cut()),
    "refused": (Status(401, {"error": {"code": 401, "message": "CANARY"}}),),
    "stuck": (Say("Low "), Heartbeats(600)),
}


def upstream() -> Callable[[Exchange], None]:
    """Return a `respond` that performs the play that the question names; the first answer to `restart` is cut."""
    restarting = in_turn(play(SLOW, Cut()), play(SLOW, *ENDED))

    def respond(exchange: Exchange) -> None:
        question = exchange.request.json()["messages"][-1]["content"]
        (restarting if question == RESTART else play(*PLAYS[question]))(exchange)

    return respond


def plain(message: dict[str, Any]) -> dict[str, str]:
    """Return a message as OpenRouter takes it, also one of the AI SDK's."""
    parts = message.get("parts", [{"type": "text", "text": message.get("content")}])
    text = "".join(part["text"] for part in parts if part["type"] == "text")
    return {"role": message["role"], "content": text}


@contextmanager
def peer_relay(**options: Any) -> Iterator[tuple[Relay, int]]:
    """Serve such a relay; give it and its port."""
    relay = Relay(**options)
    with LoopbackServer(upstream()) as server:
        client = AsyncClient(base_url=server.base_url, retries=RetryPolicy(attempts=2, base=0))

        def answer(question: Question) -> Any:
            messages = [plain(message) for message in question.body["messages"] if message["role"] == "user"]
            if messages[-1]["content"] not in (*PLAYS, RESTART):
                raise RefusedError("no-tides", 422)
            model = str(question.body.get("model", "sseor/demo"))
            if messages[-1]["content"] == RESTART:
                return client.stream(model=model, messages=messages, on_cut="restart")
            return client.stream(model=model, messages=messages)

        served = relay.asgi(answer, allow_anonymous=True)

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await served(scope, receive, send)
            if scope["type"] == "lifespan":
                await client.aclose()

        with serving(application, lifespan="on") as port:
            yield relay, port
        assert server.wait_idle(20)
