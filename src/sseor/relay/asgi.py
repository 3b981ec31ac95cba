"""The relay as an ASGI application, which any server runs and any framework mounts; no framework is needed."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import parse_qs

import anyio

from sseor.chat import codec
from sseor.errors import ConfigError
from sseor.relay.background import spawn
from sseor.relay.files import PAGE, browser_files
from sseor.relay.formats import check_format
from sseor.relay.formats.openai import error_body
from sseor.relay.origins import PREFLIGHT, Origins
from sseor.relay.records import Relayed
from sseor.relay.refusal import RefusedError
from sseor.relay.request import (
    ClientGoneError,
    Receive,
    Scope,
    Send,
    header,
    read_json,
    respond,
    route_of,
    start,
)

if TYPE_CHECKING:
    from sseor.relay.relay import Relay
    from sseor.relay.viewer import Viewer

__all__ = ["Answer", "Application", "Authorize", "Question"]

NO_STREAM = "/streams/"
"""Where a client asks for its stream that has none."""

CHAT = "/chat/completions"
BEGINNINGS = {"/streams": "sseor", CHAT: "openai"}
"""The paths where streams are begun, and the format there."""

STREAM = re.compile(r"/streams/([^/]+)(/stop)?")
RETRY_AFTER = {429: "2", 503: "1"}

logger = logging.getLogger("sseor.relay")

Action: TypeAlias = Literal["start", "attach", "stop"]
Authorize: TypeAlias = Callable[[Scope, str, Action], "Awaitable[str | bool | None] | str | bool | None"]
"""Who is asking: a name, under which a stream is begun and which others do not get at; True where any stream is
allowed that the function has looked at itself; None or False to refuse. The stream is "" for `start`."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was posted: the JSON object, who asks, and the ASGI scope of the request."""

    body: Mapping[str, Any]
    owner: str
    scope: Scope


Showing: TypeAlias = "tuple[Viewer, dict[str, str]]"
Answer: TypeAlias = Callable[[Question], "AsyncIterable[Relayed] | Awaitable[AsyncIterable[Relayed]]"]


class Application:
    """The routes of `docs/relay.md`; made by `Relay.asgi`."""

    def __init__(
        self,
        relay: Relay,
        answer: Answer,
        *,
        authorize: Authorize | None,
        allow_anonymous: bool,
        origins: Iterable[str],
        settings: Mapping[str, Any] | None,
    ) -> None:
        if (authorize is None) is not allow_anonymous:
            raise ConfigError("give authorize, or allow_anonymous=True for a relay that anybody may use")
        self._relay = relay
        self._answer = answer
        self._authorize = authorize
        self._origins = Origins(origins)
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the life of the server."""
        if scope["type"] == "http":
            showing = await self._respond(scope, receive, send)
            if showing is not None:
                await _show(*showing, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await self._relay.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> Showing | None:
        """Answer the request; return what is to be shown where that is a stream."""
        allowing = self._origins.headers(header(scope, b"origin"))
        try:
            return await self._route(scope, receive, send, allowing)
        except ClientGoneError:
            return None
        except RefusedError as refusal:
            of_openai = route_of(scope)[1] == CHAT
            body = error_body(refusal) if of_openai else codec.dumps({"error": {"code": refusal.code}})
            headers = {"Content-Type": "application/json", "Cache-Control": "no-store", **allowing}
            if refusal.status in RETRY_AFTER:
                headers["Retry-After"] = RETRY_AFTER[refusal.status]
            await respond(send, refusal.status, headers, body, with_body=scope["method"] != "HEAD")
            return None

    async def _route(
        self, scope: Scope, receive: Receive, send: Send, allowing: dict[str, str]
    ) -> Showing | None:
        root, path = route_of(scope)
        method = scope["method"]
        if method == "OPTIONS":
            await self._preflight(scope, send, allowing)
        elif path in BEGINNINGS:
            _expect(method, "POST")
            viewer = await self._begin(scope, receive, BEGINNINGS[path])
            return viewer, {**allowing, "Location": f"{root}/streams/{viewer.tail.stream}"}
        elif (match := STREAM.fullmatch(path)) and match[2]:
            _expect(method, "POST")
            await self._relay.stop(match[1], owner=await self._owner(scope, match[1], "stop"))
            await respond(send, 204, allowing)
        elif path == NO_STREAM:
            _expect(method, "GET", "HEAD")
            await respond(send, 204, {**allowing, "Cache-Control": "no-store"})
        elif match:
            _expect(method, "GET", "HEAD")
            return await self._reattach(scope, send, match[1], allowing)
        else:
            _expect(method, "GET", "HEAD")
            await self._file(scope, send, path.removeprefix("/") or PAGE, allowing)
        return None

    async def _preflight(self, scope: Scope, send: Send, allowing: dict[str, str]) -> None:
        if not self._origins.admits(header(scope, b"origin")):
            raise RefusedError("method_not_allowed")
        await respond(send, 204, {**allowing, **PREFLIGHT})

    async def _owner(self, scope: Scope, stream: str, action: Action) -> str | None:
        """Return who asks, None for one who may do this to anybody's stream; RefusedError for all others."""
        if self._authorize is None:
            return ""
        found = self._authorize(scope, stream, action)
        if inspect.isawaitable(found):
            found = await found
        if not found:
            raise RefusedError("forbidden" if action == "start" else "not_found")
        return found if isinstance(found, str) else None

    async def _begin(self, scope: Scope, receive: Receive, usual_format: str) -> Viewer:
        owner = await self._owner(scope, "", "start") or ""
        key = header(scope, b"idempotency-key")
        format_ = check_format(_parameter(scope, "format") or usual_format)
        body = await read_json(scope, receive, self._relay.limits.max_body)
        if usual_format == "openai" and body.get("stream") is not True:
            raise RefusedError("not_streamed")
        stream = self._relay.new_id(owner, key or None)
        view = partial(self._relay.attach, stream, owner=owner, format=format_, question=body)
        if key and (viewer := await _begun(view)) is not None:
            return viewer
        self._relay.check_room(owner)
        events = await self._events(Question(body, owner, scope))
        try:
            await self._relay.start(events, owner=owner, stream=stream)
        except RefusedError as refusal:
            if refusal.code != "wrong_stream":  # begun meanwhile, by the same request sent twice
                raise
        return await view()

    async def _events(self, question: Question) -> AsyncIterable[Relayed]:
        try:
            events = self._answer(question)
            return await events if inspect.isawaitable(events) else events
        except RefusedError:
            raise
        except ConfigError as error:
            logger.warning("a question was refused: %s", error)
            raise RefusedError("bad_request") from None
        except Exception as error:
            logger.error("a question could not be answered", exc_info=error)
            raise RefusedError("internal") from None

    async def _reattach(
        self, scope: Scope, send: Send, stream: str, allowing: dict[str, str]
    ) -> Showing | None:
        owner = await self._owner(scope, stream, "attach")
        after = header(scope, b"last-event-id") or _parameter(scope, "last_event_id")
        format_ = _parameter(scope, "format") or "sseor"
        viewer = await self._relay.attach(stream, owner=owner, after=after, format=format_)
        if viewer.is_done:
            viewer.leave()
            await respond(send, 204, {**allowing, "Cache-Control": "no-store"})
        elif scope["method"] == "HEAD":
            viewer.leave()
            await send(start(200, _stream_headers(viewer, allowing)))
            await send({"type": "http.response.body"})
        else:
            return viewer, allowing
        return None

    async def _file(self, scope: Scope, send: Send, name: str, allowing: dict[str, str]) -> None:
        with_body = scope["method"] != "HEAD"
        if name == "settings" and self._settings is not None:
            headers = {"Content-Type": "application/json", "Cache-Control": "no-store", **allowing}
            await respond(send, 200, headers, codec.dumps(self._settings), with_body=with_body)
            return
        file = browser_files().get(name)
        if file is None or (file.of_page and self._settings is None):
            raise RefusedError("not_found")
        known = header(scope, b"if-none-match") == file.headers["ETag"]
        body = b"" if known else file.data
        await respond(send, 304 if known else 200, {**file.headers, **allowing}, body, with_body=with_body)


async def _begun(view: Callable[[], Awaitable[Viewer]]) -> Viewer | None:
    """Return a viewer of the stream that this request has begun before, or None."""
    try:
        return await view()
    except RefusedError as refusal:
        if refusal.code == "not_found":
            return None
        raise


async def _show(viewer: Viewer, headers: dict[str, str], receive: Receive, send: Send) -> None:
    """Send what the viewer gives until it ends, or the client has gone."""
    # A scope and a task: a task group would take 1.1 KiB more for each idle connection.
    with anyio.CancelScope() as scope:
        viewer.cut_by(scope)
        leave_alone = spawn(partial(_wait_for_end, receive, scope))
        try:
            await send(start(200, _stream_headers(viewer, headers)))
            async for data in viewer:
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body"})
        except OSError:  # how servers of ASGI 2.4 and later say that the client has gone
            pass
        finally:
            leave_alone()
            viewer.leave()


async def _wait_for_end(receive: Receive, scope: anyio.CancelScope) -> None:
    """Cancel the sending once the client has gone."""
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    except Exception as error:
        logger.warning("a server cannot tell whether its client is there: %r", error)
    scope.cancel()


def _stream_headers(viewer: Viewer, others: dict[str, str]) -> dict[str, str]:
    return {**viewer.headers, "X-Sseor-Stream": viewer.tail.stream, **others}


def _expect(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise RefusedError("method_not_allowed")


def _parameter(scope: Scope, name: str) -> str:
    """Return a parameter of the query, "" when there is none."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=20)
    return str(query.get(name, [""])[0])
