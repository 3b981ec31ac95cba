"""The relay within web frameworks, as their users would write it: its bytes in an answer, and mounted at `/chat`.

Each application has `POST /forward`, `POST /attach`, which begins a stream and attaches to it, and below `/chat` the
relay itself.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterable, Callable
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path
from fastapi import FastAPI
from fastapi.responses import StreamingResponse as FastAPIStreamingResponse
from litestar import Litestar, asgi, post
from litestar.response import Stream
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Mount, Route

from sseor.relay import HEADERS, Application, Relay
from sseor.relay.records import Relayed

Next = Callable[[], AsyncIterable[Relayed]]


def bare(relay: Relay, upstream: Next) -> Any:
    """Return a hand-written ASGI application that passes everything below `/chat` on."""
    mounted = _mounted(relay, upstream)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"].startswith("/chat/")
        await mounted({**scope, "root_path": "/chat"}, receive, send)

    return application


def starlette(relay: Relay, upstream: Next) -> Any:
    """Return an application of Starlette."""

    async def forward(request: Request) -> StreamingResponse:
        return StreamingResponse(relay.forward(upstream()), headers=HEADERS)

    async def attach(request: Request) -> StreamingResponse:
        return StreamingResponse(await relay.attach(await relay.start(upstream())), headers=HEADERS)

    return Starlette(
        routes=[
            Route("/forward", forward, methods=["POST"]),
            Route("/attach", attach, methods=["POST"]),
            Mount("/chat", _mounted(relay, upstream)),
        ]
    )


def fastapi(relay: Relay, upstream: Next) -> Any:
    """Return an application of FastAPI."""
    app = FastAPI()

    @app.post("/forward")
    async def forward() -> FastAPIStreamingResponse:
        return FastAPIStreamingResponse(relay.forward(upstream()), headers=HEADERS)

    @app.post("/attach")
    async def attach() -> FastAPIStreamingResponse:
        viewer = await relay.attach(await relay.start(upstream()))
        return FastAPIStreamingResponse(viewer, headers=HEADERS)

    app.mount("/chat", _mounted(relay, upstream))
    return app


def litestar(relay: Relay, upstream: Next) -> Any:
    """Return an application of Litestar."""

    @post("/forward", status_code=200)
    async def forward() -> Stream:
        return Stream(relay.forward(upstream()), headers=HEADERS)

    @post("/attach", status_code=200)
    async def attach() -> Stream:
        return Stream(await relay.attach(await relay.start(upstream())), headers=HEADERS)

    mounted = asgi("/chat", is_mount=True, copy_scope=True)(_mounted(relay, upstream))
    return Litestar([forward, attach, mounted], openapi_config=None)


class _Views:
    """Django has one table of URLs in a process; its views find here what they serve."""

    relay: Relay
    upstream: Next


async def _forward(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(_Views.relay.forward(_Views.upstream()), headers=HEADERS)


async def _attach(request: HttpRequest) -> StreamingHttpResponse:
    relay = _Views.relay
    return StreamingHttpResponse(await relay.attach(await relay.start(_Views.upstream())), headers=HEADERS)


@functools.cache
def _django_application() -> Any:
    views = (path("forward", _forward), path("attach", _attach))
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=views,
        LOGGING_CONFIG=None,
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    )
    django.setup()
    return get_asgi_application()


def django_(relay: Relay, upstream: Next) -> Any:
    """Return an application of Django, with the relay beside it as `asgi.py` puts it there."""
    _Views.relay, _Views.upstream = relay, upstream
    views, mounted = _django_application(), _mounted(relay, upstream)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith("/chat/"):
            await mounted({**scope, "root_path": "/chat"}, receive, send)
        else:
            await views(scope, receive, send)

    return application


def _mounted(relay: Relay, upstream: Next) -> Application:
    return relay.asgi(lambda question: upstream(), allow_anonymous=True)


FRAMEWORKS = {
    "bare": bare,
    "starlette": starlette,
    "fastapi": fastapi,
    "litestar": litestar,
    "django": django_,
}
