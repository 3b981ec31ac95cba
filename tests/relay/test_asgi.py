"""`sseor.relay.asgi` and `.request`: the routes of the page, request by request, without a server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from relay.asking import Reply, Source, asked, asking, whole

from sseor.chat import Text
from sseor.errors import ConfigError
from sseor.relay import Application, Limits, Question, RefusedError, Relay
from sseor.relay.records import Relayed

pytestmark = pytest.mark.anyio

STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
}


def relaying(*sources: Any, relay: Relay | None = None, **options: Any) -> Application:
    """Return an application that answers with one source after the other."""
    left = list(sources)
    given = {
        "allow_anonymous": True,
        **({} if "authorize" not in options else {"allow_anonymous": False}),
        **options,
    }
    return (relay or Relay(smoothing=None)).asgi(lambda question: left.pop(0), **given)


def by_header(scope: Any, stream: str, action: str) -> str | None:
    """Authorize by the name in a header."""
    return dict(scope["headers"]).get(b"x-user", b"").decode() or None


ANN, BOB = {"x-user": "ann"}, {"x-user": "bob"}


async def test_a_question_and_its_answer() -> None:
    """The body reaches the application; the stream comes at once with its headers, and its terminal record ends it."""
    source = Source()
    questions: list[Question] = []

    async def answer(question: Question) -> AsyncIterator[Relayed]:
        questions.append(question)
        return source

    app = Relay(smoothing=None).asgi(answer, allow_anonymous=True)
    async with asking(
        app, body=b'{"prompt":"\\u00fc"}', parts=5, root_path="/chat", path="/chat/streams"
    ) as reply:
        await reply.until(lambda one: one.body)
        assert reply.body == b"retry: 1000\n: sseor\n\n"
        assert reply.status == 200
        assert {name: reply.headers[name] for name in STREAM_HEADERS} == STREAM_HEADERS
        assert "connection" not in reply.headers
        assert reply.headers["location"] == f"/chat/streams/{reply.stream}"
        source.give(Text("Low"))
        source.end()
        await reply.until(lambda one: one.ended)
    assert [record["type"] for record in reply.records] == ["text", "finish", "done"]
    assert questions[0].body == {"prompt": "ü"}
    assert questions[0].owner == ""


async def test_reattaching() -> None:
    """By header or query the rest comes; 204 when there is none; HEAD gives the head alone."""
    app = relaying(whole("a", "b"))
    first = await asked(app)
    path = first.headers["location"]
    ids = [str(event.id) for event in first.events]
    for reply in (
        await asked(app, "GET", path, {"last-event-id": ids[0]}),
        await asked(app, "GET", path, query=f"x=1&last_event_id={ids[0]}"),
    ):
        assert [event.id for event in reply.events] == ids[1:]
        assert {name: reply.headers[name] for name in STREAM_HEADERS} == STREAM_HEADERS
    assert [event.id for event in (await asked(app, "GET", path)).events] == ids
    over = await asked(app, "GET", path, {"last-event-id": ids[-1]})
    assert (over.status, over.body) == (204, b"")
    head = await asked(app, "HEAD", path)
    assert (head.status, head.body, head.stream) == (200, b"", first.stream)
    tokens = await asked(app, "GET", path, query="format=token")
    assert tokens.body.endswith(b"data: [DONE]\n\n")


async def test_leaving_is_not_stopping() -> None:
    """When the client leaves the stream goes on, and it can come back; stop ends it for all."""
    source = Source(Text("a"))
    app = relaying(source)
    async with asking(app) as reply:
        await reply.until(lambda one: one.events)
    assert not reply.ended
    path = reply.headers["location"]
    source.give(Text("b"))
    async with asking(app, "GET", path) as again:
        await again.until(lambda one: one.text == "ab")
        stopped = await asked(app, "POST", f"{path}/stop", {"content-type": ""}, body=b"")
        assert (stopped.status, stopped.body) == (204, b"")
        await again.until(lambda one: one.ended)
    assert again.records[-1] == {"type": "cancelled"}
    assert source.cancelled
    assert (await asked(app, "POST", f"{path}/stop")).status == 204


async def test_the_last_one_to_leave() -> None:
    """When nobody has come back for the grace period upstream is cancelled."""
    source = Source(Text("a"))
    app = relaying(source, relay=Relay(grace=0.2))
    async with asking(app) as reply:
        await reply.until(lambda one: one.body)
    assert not source.cancelled
    with anyio.fail_after(5):
        while not source.closed:
            await anyio.sleep(0.01)


async def test_a_question_sent_twice_is_answered_once() -> None:
    """With the same key the second request is given the first one's stream, also when both come at once."""
    began: list[Source] = []

    async def answer(question: Question) -> Source:
        await anyio.sleep(0.05)
        began.append(whole("a", "b"))
        return began[-1]

    app = Relay(smoothing=None).asgi(answer, authorize=by_header)
    key = {"idempotency-key": "0123456789abcdef"}
    replies: list[Reply] = []

    async def ask() -> None:
        replies.append(await asked(app, headers={**key, **ANN}))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        group.start_soon(ask)
    await ask()
    assert len({reply.stream for reply in replies}) == 1
    assert len({reply.body for reply in replies}) == 1
    assert sum(source.begun for source in began) == 1
    assert (await asked(app, headers={**key, **BOB})).stream != replies[0].stream
    assert (await asked(app, headers={"idempotency-key": "short", **ANN})).code == "bad_request"
    refused = await asked(app, headers={**key, **ANN}, query="format=xml")
    assert (refused.status, refused.code) == (400, "bad_request")


async def test_a_question_in_an_unknown_format_begins_nothing() -> None:
    """It is refused before the application is asked, for an answer that nobody can read costs as much."""
    source = whole("a")
    reply = await asked(relaying(source), query="format=xml")
    assert (reply.status, reply.code) == (400, "bad_request")
    await anyio.wait_all_tasks_blocked()
    assert not source.begun


async def test_room_that_is_taken_while_an_answer_is_sought() -> None:
    """Of two questions that come at once only one begins where there is room for one; the other is told to wait."""
    sources = [Source(), Source()]
    left = list(sources)

    async def answer(question: Question) -> Source:
        await anyio.sleep(0.02)
        return left.pop()

    app = Relay(limits=Limits(streams=1)).asgi(answer, allow_anonymous=True)
    async with asking(app) as one, asking(app) as other:
        await one.until(lambda _: one.messages and other.messages)
        assert sorted((one.status, other.status)) == [200, 429]
        path = (one if one.status == 200 else other).headers["location"]
        assert (await asked(app, "POST", f"{path}/stop")).status == 204
    assert sum(source.begun for source in sources) == 1


async def test_who_may_do_what() -> None:
    """Without a name nothing begins; another's stream and an unknown one look alike; True stands for anybody's."""
    app = relaying(Source(Text("a")), whole("b"), authorize=by_header)
    assert ((reply := await asked(app)).status, reply.code) == (403, "forbidden")
    async with asking(app, headers=ANN) as reply:
        await reply.until(lambda one: one.events)
        path = reply.headers["location"]
        for method, tail in (("GET", ""), ("HEAD", ""), ("POST", "/stop")):
            for where, who in ((path, BOB), (path, {}), (f"/streams/{'A' * 32}", ANN), ("/streams/x", ANN)):
                refused = await asked(app, method, where + tail, who)
                assert refused.status == 404
                assert method == "HEAD" or refused.code == "not_found"
        assert not reply.ended
        assert (await asked(app, "POST", f"{path}/stop", ANN)).status == 204

    async def anybody(scope: Any, stream: str, action: str) -> bool:
        return True

    app = relaying(whole("c"), authorize=anybody)
    first = await asked(app)
    assert (await asked(app, "GET", first.headers["location"])).body == first.body


async def test_authorize_is_required() -> None:
    """A relay for anybody has to be asked for, and not together with a function."""
    relay = Relay()
    with pytest.raises(ConfigError, match="authorize"):
        relay.asgi(lambda question: whole())
    with pytest.raises(ConfigError, match="authorize"):
        relay.asgi(lambda question: whole(), authorize=by_header, allow_anonymous=True)


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", {}, 400, "bad_request"),
        (b"{", {}, 400, "bad_request"),
        (b"[]", {}, 400, "bad_request"),
        (b"\xff", {}, 400, "bad_request"),
        (b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}", {}, 400, "bad_request"),
        (b'{"a":"' + b"x" * 3000 + b'"}', {}, 413, "too_large"),
        (b"{}", {"content-length": "99999999999999999999999"}, 413, "too_large"),
        (b"{}", {"content-type": "text/plain"}, 415, "unsupported_media_type"),
        (b"{}", {"content-type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
    ],
)
async def test_bodies_that_are_refused(body: bytes, headers: dict[str, str], status: int, code: str) -> None:
    """Before the application sees them, whether they come whole or in pieces."""
    app = relaying(relay=Relay(limits=Limits(max_body=2500)))
    for parts in (1, 7):
        reply = await asked(app, headers=headers, body=body, parts=parts)
        assert (reply.status, reply.code) == (status, code)
        assert reply.headers["content-type"] == "application/json"


async def test_a_body_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time it is refused; a client that leaves meanwhile gets nothing."""
    monkeypatch.setattr("sseor.relay.request.BODY_SECONDS", 0.1)
    app = relaying()

    async def never() -> Any:
        await anyio.sleep_forever()

    reply = Reply(b"", 1)
    scope = {"type": "http", "method": "POST", "path": "/streams", "query_string": b""}
    scope["headers"] = [(b"Content-Type", b"Application/JSON; charset=utf-8")]
    await app(scope, never, reply.send)
    assert (reply.status, reply.code) == (408, "bad_request")
    gone = Reply(b"", 1)
    gone.go()
    await app(scope, gone.receive, gone.send)
    assert gone.messages == []


class TeapotError(Exception):
    """A failure of the application."""


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RefusedError("no_more_today", 402), 402, "no_more_today"),
        (RefusedError("too_many"), 429, "too_many"),
        (RefusedError("draining"), 503, "draining"),
        (ConfigError("CANARY"), 400, "bad_request"),
        (TeapotError("CANARY"), 500, "internal"),
    ],
)
async def test_an_application_that_refuses(error: Exception, status: int, code: str) -> None:
    """Its own code goes out, or one of ours, and nothing of an exception's text."""

    def answer(question: Question) -> Source:
        raise error

    reply = await asked(Relay().asgi(answer, allow_anonymous=True))
    assert (reply.status, reply.code) == (status, code)
    assert ("retry-after" in reply.headers) == (status in (429, 503))
    assert b"CANARY" not in reply.body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/streams", 405),
        ("PUT", "/streams", 405),
        ("DELETE", "/streams/" + "A" * 32, 405),
        ("GET", "/streams/" + "A" * 32 + "/stop", 405),
        ("POST", "/", 405),
        ("OPTIONS", "/streams", 405),
        ("GET", "/", 404),
        ("GET", "/index.html", 404),
        ("GET", "/settings", 404),
        ("GET", "/../pyproject.toml", 404),
        ("GET", "/streams/a/b", 404),
        ("HEAD", "/nothing", 404),
    ],
)
async def test_routes_that_are_not_there(method: str, path: str, status: int) -> None:
    """Nothing but what the page lists is answered; the page itself only where it is switched on."""
    assert (await asked(relaying(), method, path)).status == status


async def test_the_page_and_its_files() -> None:
    """With settings it is there, under a strict policy; a browser that knows a file is told so."""
    app = relaying(settings={"demo": True, "models": ["a/b"]})
    page = await asked(app, "GET", "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "require-trusted-types-for 'script'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert json.loads((await asked(app, "GET", "/settings")).body) == {"demo": True, "models": ["a/b"]}
    assert (await asked(app, "GET", "", root_path="/chat")).body == page.body
    assert (await asked(app, "GET", "/chat/", root_path="/chat")).body == page.body
    script = await asked(app, "GET", "/sseor.js")
    assert script.headers["x-content-type-options"] == "nosniff"
    assert int(script.headers["content-length"]) == len(script.body)
    known = await asked(app, "GET", "/sseor.js", {"if-none-match": script.headers["etag"]})
    assert (known.status, known.body) == (304, b"")
    assert (await asked(app, "HEAD", "/sseor.js")).body == b""
    assert (await asked(relaying(), "GET", "/sseor.js")).body == script.body


async def test_other_origins() -> None:
    """Closed by default; those that are listed get what a script needs, on refusals too, and others get nothing."""
    mine = {"origin": "https://my.app"}
    closed = await asked(relaying(whole("a")), headers=mine)
    assert not [name for name in closed.headers if name.startswith("access-control")]
    app = relaying(whole("a"), origins=["https://my.app"])
    reply = await asked(app, headers=mine)
    assert reply.headers["access-control-allow-origin"] == "https://my.app"
    assert "X-Sseor-Stream" in reply.headers["access-control-expose-headers"]
    preflight = await asked(app, "OPTIONS", "/streams", mine)
    assert preflight.status == 204
    assert "Last-Event-ID" in preflight.headers["access-control-allow-headers"]
    assert (await asked(app, "OPTIONS", "/streams", {"origin": "https://evil.example"})).status == 405
    refused = await asked(app, "GET", "/streams/x", mine)
    assert refused.headers["access-control-allow-origin"] == "https://my.app"
    assert refused.headers["vary"] == "Origin"


async def test_a_client_that_takes_nothing_is_let_go() -> None:
    """The sending is cancelled after its time, without an end of the body; others go on."""
    source = Source(Text("a"))
    app = relaying(source, relay=Relay(send_timeout=0.2, smoothing=None))

    async def stuck() -> None:
        await anyio.sleep_forever()

    async with asking(app) as reply:
        await reply.until(lambda one: one.events)
        async with asking(app, "GET", reply.headers["location"]) as slow:
            await slow.until(lambda one: one.messages)
            slow.sending = stuck
            source.give(Text("b"))
            with anyio.fail_after(5):
                while app._relay._viewers.of("") > 1:
                    await anyio.sleep(0.01)
        assert not slow.ended
        source.end()
        await reply.until(lambda one: one.ended)
    assert reply.text == "ab"


@pytest.mark.parametrize("broken", ["send", "receive"])
async def test_servers_that_raise(broken: str) -> None:
    """An OSError of `send`, and anything of `receive`, mean that the client has gone: nothing is raised or left."""
    relay = Relay(smoothing=None)
    app = relaying(Source(Text("a")), relay=relay)
    failed = anyio.Event()

    async def fail() -> None:
        failed.set()
        raise OSError

    with anyio.fail_after(10):
        async with asking(app) as reply:
            if broken == "send":
                reply.sending = fail
                await failed.wait()
            else:
                await reply.until(lambda one: one.events)
                assert len(relay._viewers) == 1
                reply.go(RuntimeError("the connection is no more"))
            while len(relay._viewers):
                await anyio.sleep(0.005)


async def test_the_life_of_a_server() -> None:
    """Startup is answered, shutdown ends the streams first; a websocket is refused."""
    source = Source(Text("a"))
    app = relaying(source)
    sent: list[str] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    begin, end = anyio.Event(), anyio.Event()

    async def receive() -> Any:
        if not begin.is_set():
            begin.set()
            return {"type": "lifespan.startup"}
        await end.wait()
        return {"type": "lifespan.shutdown"}

    async with anyio.create_task_group() as group:
        group.start_soon(app, {"type": "lifespan"}, receive, send)
        async with asking(app) as reply:
            await reply.until(lambda one: one.events)
            end.set()
            await reply.until(lambda one: one.ended)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert reply.records[-1] == {"type": "interrupted"}
    assert source.closed
    await app({"type": "websocket"}, receive, send)
    assert sent[-1] == "websocket.close"
