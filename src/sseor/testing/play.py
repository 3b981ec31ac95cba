"""Answers written down as data: a play is a row of acts.

with LoopbackServer(play(Heartbeats(2), Say("Low", " water"), Cut())) as server: ...
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sseor.testing.acts import Act, Body, Done, Finish, Role, Say, Usage
from sseor.testing.reply import Reply
from sseor.testing.shapes import Generation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sseor.testing.exchange import Exchange

__all__ = ["answer", "in_turn", "play", "replay"]


def play(*acts: Act) -> Callable[[Exchange], None]:
    """Return a `respond` that performs the acts for each request, then ends the body properly."""

    def respond(exchange: Exchange) -> None:
        reply = Reply(exchange, Generation(_model_of(exchange)))
        for act in acts:
            act.perform(reply)

    return respond


def replay(body: bytes, cuts: Iterable[int] = (), *, pace: float = 0.0) -> Callable[[Exchange], None]:
    """Return a `respond` that answers with this event-stream body, split at the offsets `cuts`."""
    return play(Body(body, tuple(cuts), pace))


def in_turn(*responds: Callable[[Exchange], None]) -> Callable[[Exchange], None]:
    """Return a `respond` that answers the first request by the first, and so on; the last one stays."""
    lock = threading.Lock()
    waiting = list(responds)

    def respond(exchange: Exchange) -> None:
        with lock:
            chosen = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        chosen(exchange)

    return respond


def answer(*pieces: str, finish: str = "stop") -> tuple[Act, ...]:
    """Return the acts of an ordinary answer: role, text, finish, usage, `[DONE]`."""
    return (Role(), Say(*pieces), Finish(finish), Usage(), Done())


def _model_of(exchange: Exchange) -> str:
    try:
        return str(exchange.request.json()["model"])
    except (ValueError, LookupError, TypeError):
        return "sseor/demo"
