"""The relay under uvicorn, within Starlette, FastAPI, Litestar and Django: as bytes of an answer, and mounted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from relay.frameworks import FRAMEWORKS
from relay.serving import Upstream, Visit, serving, until

from sseor.errors import ConnectionLostError
from sseor.relay import HEADERS, Relay

SURFACES = [
    (framework, surface)
    for framework in FRAMEWORKS
    for surface in ("forward", "attach", "mounted")
    if framework != "bare" or surface == "mounted"
]
LARGE = 7 << 20
"""More than all buffers between a server and a client hold, and less than one stream may have."""

everywhere = pytest.mark.parametrize(("framework", "surface"), SURFACES)


class Place(NamedTuple):
    """A server with one stream to be had, at one of its surfaces."""

    relay: Relay
    upstream: Upstream
    port: int
    surface: str

    def visit(self, window: int | None = None) -> Visit:
        """Ask for the stream."""
        path = "/chat/streams" if self.surface == "mounted" else f"/{self.surface}"
        return Visit(self.port, "POST", path, body=b"{}", window=window)


@contextmanager
def placed(framework: str, surface: str) -> Iterator[Place]:
    """Serve one stream; a visitor that left is missed at once."""
    relay, upstream = Relay(smoothing=None, heartbeat=0.3, grace=0.1), Upstream()
    with serving(FRAMEWORKS[framework](relay, lambda: upstream)) as port:
        yield Place(relay, upstream, port, surface)


@everywhere
def test_an_answer_comes_as_it_is_made(framework: str, surface: str) -> None:
    """The head and the first bytes before anything is known, heartbeats while nothing comes, each piece by itself."""
    with placed(framework, surface) as place, place.visit() as visit:
        visit.until(b"retry: 1000\n: sseor\n\n")
        assert visit.status == 200
        assert {name.lower(): visit.headers[name.lower()] for name in HEADERS} == {
            name.lower(): value for name, value in HEADERS.items()
        }
        assert not {"content-length", "content-encoding"} & visit.headers.keys()
        visit.until(b"\n:\n\n", 2)
        for word in ("Low", " water"):
            assert word.encode() not in visit.received
            place.upstream.say(word)
            visit.until(b'"text":"%b"' % word.encode())
        place.upstream.end()
        assert visit.rest().count(b'{"type":"done","finish_reason":"stop"}\n\n') == 1
        until(lambda: place.upstream.closed)
        assert not place.upstream.cancelled


@everywhere
@pytest.mark.parametrize("when", ["silent", "not reading"])
def test_a_visitor_who_leaves_is_noticed(framework: str, surface: str, when: str) -> None:
    """Upstream is cancelled and closed: while it is silent, and while the server cannot get rid of its bytes."""
    with placed(framework, surface) as place:
        with place.visit(window=4096) as visit:
            visit.until(b": sseor")
            if when == "not reading":
                place.upstream.say(*["x" * (1 << 20)] * (LARGE >> 20))
                until(lambda: [one.sending_since for one in place.relay._viewers] != [None])
            assert not place.upstream.cancelled
        until(lambda: place.upstream.closed)
        assert place.upstream.cancelled
        until(lambda: not len(place.relay._viewers))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_mounted_relay_says_where_a_stream_is(framework: str) -> None:
    """`Location` leads to it whatever a framework does to paths, and so do the other routes."""
    with placed(framework, "mounted") as place, place.visit() as visit:
        visit.until(b": sseor")
        path = visit.headers["location"]
        assert path == f"/chat/streams/{visit.headers['x-sseor-stream']}"
        with Visit(place.port, "GET", path) as other, Visit(place.port, "POST", f"{path}/stop") as stop:
            assert stop.rest().startswith(b"HTTP/1.1 204")
            assert other.rest().count(b'{"type":"cancelled"}') == 1
        with Visit(place.port, "GET", "/chat/sseor.js") as script:
            assert b"export function attach" in script.rest()


@everywhere
def test_a_failure_is_the_last_record(framework: str, surface: str) -> None:
    """What came before stays, one record tells of it, and nothing that upstream said gets out."""
    with placed(framework, surface) as place, place.visit() as visit:
        place.upstream.say("Low")
        place.upstream.fail(ConnectionLostError("CANARY"))
        body = visit.rest()
        assert b'"text":"Low"' in body
        assert body.count(b'{"type":"error","code":"cut","retryable":true,"partial":true}\n\n') == 1
        assert b"CANARY" not in body


def test_a_server_that_ends_lets_go() -> None:
    """Told to end in the middle of a stream, uvicorn cuts it after its time, and the relay lets go of upstream."""
    upstream = Upstream()
    application = Relay(smoothing=None).asgi(lambda question: upstream, allow_anonymous=True)
    with serving(application, lifespan="on", timeout_graceful_shutdown=1, log_level="critical") as port:
        visit = Visit(port, "POST", "/streams", body=b"{}")
        visit.until(b": sseor")
    with visit:
        assert b'"type"' not in visit.rest()
    assert upstream.closed
