"""One story told in three ways: read a stream on threads, on asyncio and on trio, and say what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio

import sseor
from sseor.errors import SseorError

SHELLS = ("threads", "asyncio", "trio")
PROMPT = [{"role": "user", "content": "Hello"}]
KEY = "sk-or-v1-canary-0123456789"
LATE = 0.05
"""Seconds within which the expiry of a deadline is noticed."""
TRIES = 6

Anything = TypeVar("Anything", bound="Outcome")


@dataclass
class Outcome:
    """What a reader got: the items in order, the completion, how it failed, and after how many seconds."""

    items: list[Any] = field(default_factory=list)
    completion: sseor.Completion | None = None
    error: SseorError | None = None
    elapsed: float = 0.0

    @property
    def text(self) -> str:
        """The text of the items: of events, or of a text lens."""
        pieces = (item.delta if isinstance(item, sseor.Text) else item for item in self.items)
        return "".join(piece for piece in pieces if isinstance(piece, str))

    def of(self, kind: type[Any]) -> list[Any]:
        """Return the items of one kind."""
        return [item for item in self.items if isinstance(item, kind)]


Look = Callable[[Any], Any]


def in_time(read_once: Callable[[], Anything], was: Callable[[Anything], bool]) -> Anything:
    """Return the first of a few outcomes that was in time, else the last: a busy machine is late once, a defect always.

    So a bound on time may be tight, and holds on a machine that has other things to do.
    """
    for _ in range(TRIES - 1):
        outcome = read_once()
        if was(outcome):
            return outcome
    return read_once()


def within(limit: float, phase: str) -> Callable[[Outcome], bool]:
    """Return whether an outcome is an expiry in this phase, noticed in time; `limit` is that of its timer."""

    def was(outcome: Outcome) -> bool:
        error = outcome.error
        return error is not None and error.phase == phase and getattr(error, "waited", 0.0) <= limit + LATE

    return was


def read(
    shell: str,
    base_url: str,
    *,
    lens: Look = lambda stream: stream,
    on_item: Callable[[Any], None] = lambda item: None,
    parameters: dict[str, Any] | None = None,
    **options: Any,
) -> Outcome:
    """Read one stream to its end on this shell; the error that ended it is part of the outcome."""
    outcome = Outcome()
    options = {"api_key": KEY, "base_url": base_url, "retries": sseor.RetryPolicy(attempts=1), **options}
    request = {"model": "sseor/demo", "messages": PROMPT, **(parameters or {})}
    began = time.monotonic()
    if shell == "threads":
        _read_in_thread(outcome, options, request, lens, on_item)
    else:
        anyio.run(_read_async, outcome, options, request, lens, on_item, backend=shell)
    outcome.elapsed = time.monotonic() - began
    return outcome


def _read_in_thread(
    outcome: Outcome, options: dict[str, Any], request: dict[str, Any], lens: Look, on_item: Any
) -> None:
    with sseor.Client(**options) as client, client.stream(**request) as stream:
        try:
            for item in lens(stream):
                outcome.items.append(item)
                on_item(item)
        except SseorError as error:
            outcome.error = error
        outcome.completion = stream.completion


async def _read_async(
    outcome: Outcome, options: dict[str, Any], request: dict[str, Any], lens: Look, on_item: Any
) -> None:
    async with sseor.AsyncClient(**options) as client, client.stream(**request) as stream:
        try:
            async for item in lens(stream):
                outcome.items.append(item)
                on_item(item)
        except SseorError as error:
            outcome.error = error
        outcome.completion = stream.completion
