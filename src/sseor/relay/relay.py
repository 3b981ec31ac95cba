"""The relay: streams begun, looked at and stopped, in one process."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from functools import partial
from typing import TYPE_CHECKING

import anyio

from sseor.errors import ConfigError
from sseor.relay import records
from sseor.relay.asgi import Application
from sseor.relay.background import spawn
from sseor.relay.formats import check_format, format_headers, open_format
from sseor.relay.forwarding import Forwarding
from sseor.relay.limits import Limits
from sseor.relay.log import FullError, StreamExistsError
from sseor.relay.memory import MemoryLog
from sseor.relay.refusal import RefusedError
from sseor.relay.run import Run
from sseor.relay.smoothing import Boundary, Smoothing
from sseor.relay.viewer import Viewer
from sseor.relay.viewers import Viewers

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Mapping
    from types import TracebackType
    from typing import Any, Self

    from sseor.relay.asgi import Answer, Authorize
    from sseor.relay.formats import Format
    from sseor.relay.log import Log
    from sseor.relay.records import Relayed
    from sseor.relay.tail import Tail

__all__ = ["Relay"]

STREAM_ID = re.compile(r"[A-Za-z0-9_-]{22,64}", re.ASCII)
EVENT_ID = re.compile(r"([a-z0-9]{1,16})\.(0|[1-9][0-9]{0,14})", re.ASCII)
FAREWELL = 2.0
"""Seconds that viewers have for the terminal record when the relay closes."""

KEY = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)


class Relay:
    """Serves streams to browsers.

    `log` keeps the streams (a `MemoryLog`), `smoothing` cuts text anew (at words; None: as it comes). A `heartbeat`
    goes to viewers before so many seconds have passed without a byte; a stream that nobody has looked at for `grace`
    seconds is cancelled (None: never); a viewer that takes nothing for `send_timeout` seconds is let go. All in one
    event loop. `secret` hides which stream an idempotency key stands for; relays that share a log need the same one.
    """

    def __init__(
        self,
        *,
        log: Log | None = None,
        smoothing: Smoothing | Boundary | None = "word",
        heartbeat: float = 15.0,
        grace: float | None = 30.0,
        send_timeout: float = 30.0,
        limits: Limits | None = None,
        secret: bytes | None = None,
    ) -> None:
        if not heartbeat > 0 or not send_timeout > 0 or (grace is not None and not grace >= 0):
            raise ConfigError("heartbeat and send_timeout must be above 0, grace at least 0")
        self.limits = limits or Limits()
        self._log: Log = MemoryLog() if log is None else log
        self._smoothing = Smoothing(smoothing) if isinstance(smoothing, str) else smoothing
        self._grace = grace
        self._secret = secrets.token_bytes(32) if secret is None else secret
        self._runs: set[Run] = set()
        self._viewers = Viewers(self.limits, heartbeat=heartbeat, send_timeout=send_timeout)
        self._closing = False

    def new_id(self, owner: str = "", key: str | None = None) -> str:
        """Return the ID of a stream to begin: random, or the same for the same owner and idempotency key."""
        if key is None:
            return secrets.token_urlsafe(24)
        if not KEY.fullmatch(key):
            raise RefusedError("bad_request")
        digest = hmac.digest(self._secret, f"{owner}\0{key}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:24]).decode()

    def check_room(self, owner: str = "") -> None:
        """Raise RefusedError unless this owner may begin another stream now."""
        if self._closing:
            raise RefusedError("draining")
        limits = self.limits
        own = sum(run.owner == owner for run in self._runs) if owner else 0
        if len(self._runs) >= limits.streams or own >= limits.owner_streams:
            raise RefusedError("too_many")
        self._viewers.check_room(owner)

    async def start(
        self, events: AsyncIterable[Relayed], *, owner: str = "", stream: str | None = None
    ) -> str:
        """Begin to read `events` into the log, whoever looks; return the ID of the stream.

        RefusedError: there is no room, or (`wrong_stream`) a stream of that ID exists.
        """
        self.check_room(owner)
        run = self._run(events, self._log, self.new_id() if stream is None else stream, owner, self._grace)
        await self._begin(run)
        return run.stream

    async def attach(
        self,
        stream: str,
        *,
        owner: str | None = "",
        after: str = "",
        format: str = "sseor",  # noqa: A002
        question: Mapping[str, Any] | None = None,
    ) -> Viewer:
        """Return a viewer that begins after the event ID `after`; owner None stands for any.

        Only `sseor` knows event IDs: in other formats a viewer begins where the answer does. `question` is the body
        that was posted, of which some formats repeat a part.

        RefusedError: `not_found`, also when it is another's; `bad_event_id`, `wrong_stream`, `too_many`, `draining`.
        """
        check_format(format)
        generation, number = _place(after if format == "sseor" else "")
        if self._closing:
            raise RefusedError("draining")
        await self._check_owner(stream, owner)
        self._viewers.check_room(owner or "")
        tail = await self._follow(self._log, stream, generation, number)
        return self._view(self._log, tail, number, open_format(format, tail, question), owner or "")

    async def stop(self, stream: str, *, owner: str | None = "") -> None:
        """Cancel a stream; nothing happens when it has ended. RefusedError: `not_found`, also when it is another's."""
        await self._check_owner(stream, owner)
        await self._log.cancel(stream)

    def forward(
        self,
        events: AsyncIterable[Relayed],
        *,
        format: str = "sseor",  # noqa: A002
        question: Mapping[str, Any] | None = None,
    ) -> Forwarding:
        """Return the bytes of a stream for one viewer, as an async iterator; it is cancelled when the viewer leaves.

        Nothing is read before the first bytes are asked for. RefusedError: there is no room.
        """
        self.check_room()
        begin = partial(self._begin_forwarding, events, check_format(format), question)
        return Forwarding(begin, format_headers(format))

    def asgi(
        self,
        answer: Answer,
        *,
        authorize: Authorize | None = None,
        allow_anonymous: bool = False,
        origins: Iterable[str] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> Application:
        """Return the ASGI application, to be served or mounted.

        `answer` makes of a `Question` the events to relay; it may be a coroutine function, and may raise RefusedError.
        `authorize(scope, stream, action)` says who asks, and is required; `allow_anonymous=True` stands for having
        none. `origins` lists the other origins that may use it. `settings` switches the page on, and is what it reads.
        """
        return Application(
            self,
            answer,
            authorize=authorize,
            allow_anonymous=allow_anonymous,
            origins=origins,
            settings=settings,
        )

    async def aclose(self) -> None:
        """End all streams as `interrupted`, let viewers take that, and refuse what comes after."""
        self._closing = True
        for run in list(self._runs):
            run.stop(records.INTERRUPTED)
        with anyio.move_on_after(FAREWELL):
            while self._runs or any(viewer.tail.ended for viewer in self._viewers):  # noqa: ASYNC110 (once)
                await anyio.sleep(0.01)
        for viewer in self._viewers:
            viewer.drop()
        await self._log.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _begin_forwarding(
        self, events: AsyncIterable[Relayed], name: str, question: Mapping[str, Any] | None
    ) -> Viewer:
        run = self._run(events, MemoryLog(), self.new_id(), "", None)
        await self._begin(run)
        tail = await self._follow(run.log, run.stream, None, 0)
        return self._view(run.log, tail, 0, open_format(name, tail, question), "", run)

    def _run(
        self, events: AsyncIterable[Relayed], log: Log, stream: str, owner: str, grace: float | None
    ) -> Run:
        return Run(
            stream, events, log, owner=owner, smoothing=self._smoothing, grace=grace, limits=self.limits
        )

    async def _begin(self, run: Run) -> None:
        self._runs.add(run)
        try:
            await run.open()
        except BaseException as error:
            self._runs.discard(run)
            if isinstance(error, StreamExistsError):
                raise RefusedError("wrong_stream") from None
            if isinstance(error, FullError):
                raise RefusedError("too_many") from None
            raise

        async def read() -> None:
            try:
                await run.read()
            finally:
                self._runs.discard(run)

        spawn(read)

    async def _check_owner(self, stream: str, owner: str | None) -> None:
        found = await self._log.owner(stream) if STREAM_ID.fullmatch(stream) else None
        if found is None or owner not in (None, found):
            raise RefusedError("not_found")

    async def _follow(self, log: Log, stream: str, generation: str | None, number: int) -> Tail:
        tail = await log.follow(stream)
        if tail is None:
            raise RefusedError("not_found")
        if number > tail.last or generation not in (None, tail.generation):
            log.unfollow(tail)
            raise RefusedError("wrong_stream")
        return tail

    def _view(
        self, log: Log, tail: Tail, number: int, writing: Format, owner: str, own_run: Run | None = None
    ) -> Viewer:
        place = number if writing.resumes else tail.void
        viewer = Viewer(tail, place, writing, self._viewers.left, log=log, owner=owner, run=own_run)
        self._viewers.add(viewer)
        return viewer


def _place(after: str) -> tuple[str | None, int]:
    """Return the generation and the number of an event ID; RefusedError for what is none."""
    if not after:
        return None, 0
    match = EVENT_ID.fullmatch(after)
    if match is None:
        raise RefusedError("bad_event_id")
    return match[1], int(match[2])
