"""Asking the server what an answer cost: a script without I/O and without a clock, as that of a stream.

The record of a generation (OpenRouter docs, "Get a generation") appears minutes after the answer, later still after
one that was cut; until then the server says 404. So it is asked again and again, with patience.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from itertools import chain, repeat
from typing import Any
from urllib.parse import quote

from sseor.chat import Completion, codec
from sseor.errors import ConfigError, SseorError, StallError

from .coding import Inflater
from .refusals import refused
from .secrets import redact, redacted
from .settings import Settings
from .settlement import Seen, Settlement, in_total, record_in, seen_in
from .steps import Expired, Failed, Head, Open, Pause, Read

PATIENCE = 600.0
"""Seconds: records are said to appear after one to eight minutes, the last after fifty."""
WAITS = (2.0, 5.0, 15.0, 60.0)
LATER_WAIT = 180.0
ASK_SECONDS = 30.0
"""How long one request may take, its answer included."""
NOT_YET = 404
_RECORD_BYTES = 1 << 20
_LONGEST_ID = 256


class Settling:
    """The settling of one answer, named by a generation id or by what a stream left of it.

    Raises `ConfigError` for an id that cannot be one, and for a patience that is no number of seconds.
    """

    def __init__(self, what: str | Completion, patience: float, settings: Settings) -> None:
        if not _is_patience(patience):
            raise ConfigError(f"patience must be a number of seconds, 0 to ask once, not {patience!r:.40}")
        if isinstance(what, Completion):
            self._seen = seen_in(what)
        elif isinstance(what, str) and _may_be_asked(what) and redacted(what, settings.secret) == what:
            self._seen = [Seen(what)]
        else:
            raise ConfigError("settle() takes a generation id or a Completion")
        self._settlements = [seen.final() for seen in self._seen]
        self._reasons = ["the stream had no generation id"] * len(self._seen)
        self._patience = patience
        self._settings = settings
        self._hint = 0.0
        self._now = 0.0

    def run(self, now: float) -> Generator[Open | Read | Pause, Any, Settlement]:
        """Yield the steps, and return the settlement; raises what asking again cannot cure, for instance a 401."""
        self._now = now
        until = now + self._patience
        waits = chain(WAITS, repeat(LATER_WAIT))
        while True:
            self._hint = 0.0
            for number in self._pending():
                yield from self._ask(number)
            if not self._pending() or self._now >= until or self._now + self._hint > until:
                break
            self._now = yield Pause(min(self._now + max(next(waits), self._hint), until))
        return in_total(
            [
                settlement or seen.without_record(reason)
                for seen, settlement, reason in zip(self._seen, self._settlements, self._reasons, strict=True)
            ]
        )

    def _pending(self) -> list[int]:
        """Return the places of the generations whose record is still to be had."""
        return [
            number
            for number, seen in enumerate(self._seen)
            if self._settlements[number] is None and _may_be_asked(seen.generation_id)
        ]

    def _ask(self, number: int) -> Generator[Open | Read | Pause, Any, None]:
        """Ask once for one record; an error that may pass becomes the reason why there is none."""
        seen = self._seen[number]
        generation_id = seen.generation_id or ""
        try:
            document = yield from self._fetch(f"/generation?id={quote(generation_id, safe='')}")
        except SseorError as error:
            error.generation_id = generation_id
            redact(error, self._settings.secret)
            if getattr(error, "status", 0) == NOT_YET:
                self._reasons[number] = "the server has no record of it yet"
            elif error.retryable:
                self._reasons[number] = f"asking for its record failed: {error.detail}"
            else:
                raise
            hint = getattr(error, "retry_after", None)
            if hint:
                self._reasons[number] += f"; it asks for a wait of {hint:g} s"
                self._hint = max(self._hint, hint)
            return
        record = record_in(document, generation_id)
        if record is None:
            self._reasons[number] = "the server's answer held no record of it"
        else:
            self._settlements[number] = seen.settlement_of(record)

    def _fetch(self, path: str) -> Generator[Open | Read | Pause, Any, object]:
        """Return the JSON at this path, None when it is none; every failure is an error of ours."""
        began, deadline = self._now, self._now + ASK_SECONDS
        try:
            head: Head = yield Open(None, self._settings.timeouts.connect, deadline, path)
            self._now = head.now
            body = yield from self._body(head, deadline)
        except Expired as expiry:
            self._now = expiry.now
            waited = expiry.now - began
            raise StallError(f"no answer for {waited:.1f} s", timer="first_token", waited=waited) from None
        except Failed as failure:
            self._now = failure.now
            raise failure.error from failure.error.__cause__
        if head.status != 200:
            raise refused(head, body)
        try:
            return codec.loads(body)
        except ValueError:
            return None

    def _body(self, head: Head, deadline: float) -> Generator[Open | Read | Pause, Any, bytes]:
        inflater = Inflater.for_coding(head.headers.get("content-encoding", ""))
        body = bytearray()
        while len(body) < _RECORD_BYTES:
            data, self._now = yield Read(deadline)
            if not data:
                break
            for piece in (data,) if inflater is None else inflater.feed(data):
                body += piece
                if len(body) >= _RECORD_BYTES:
                    break
        return bytes(body[:_RECORD_BYTES])


def _is_patience(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf


def _may_be_asked(generation_id: str | None) -> bool:
    return bool(
        generation_id
        and len(generation_id) <= _LONGEST_ID
        and generation_id.isascii()
        and generation_id.isprintable()
    )
