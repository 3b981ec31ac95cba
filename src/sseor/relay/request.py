"""What an ASGI server hands over, and what goes back whole: bodies in, short answers out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

import anyio

from sseor.chat import codec
from sseor.relay.refusal import RefusedError

__all__ = ["ClientGoneError", "Receive", "Scope", "Send", "header", "read_json", "respond", "route_of"]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_SECONDS = 30.0
"""A body has to come in this time."""


class ClientGoneError(Exception):
    """The client left before it had sent its request."""


def header(scope: Scope, name: bytes) -> str:
    """Return the value of a header, "" when there is none; `name` in lower case."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name), "")


def route_of(scope: Scope) -> tuple[str, str]:
    """Return where the application is mounted, as it is written in a URL, and the path below that."""
    root, path = str(scope.get("root_path", "")).rstrip("/"), str(scope["path"])
    asked = unquote(scope.get("raw_path", b"").decode("latin-1"))
    if path.endswith("/") and asked and not asked.endswith("/"):
        path = path[:-1]  # Litestar adds it below a mount
    if root and (path == root or path.startswith(root + "/")):
        path = path[len(root) :]
    elif asked.endswith(path):
        root = asked.removesuffix(path) or root  # Litestar does not tell where it mounts
    return quote(root), path or "/"


async def read_json(scope: Scope, receive: Receive, limit: int) -> dict[str, Any]:
    """Return the JSON object that is the body; RefusedError for anything else, or more than `limit` bytes."""
    if header(scope, b"content-type").partition(";")[0].strip().lower() != "application/json":
        raise RefusedError("unsupported_media_type")
    declared = header(scope, b"content-length")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limit:
        raise RefusedError("too_large")
    body = bytearray()
    with anyio.move_on_after(BODY_SECONDS) as patience:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            body += message.get("body", b"")
            if len(body) > limit:
                raise RefusedError("too_large")
            if not message.get("more_body", False):
                break
    if patience.cancelled_caught:
        raise RefusedError("bad_request", 408)
    try:
        value = codec.loads(bytes(body))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise RefusedError("bad_request")
    return value


async def respond(
    send: Send, status: int, headers: Mapping[str, str], body: bytes = b"", *, with_body: bool = True
) -> None:
    """Send a whole answer; without its body where the request was a HEAD."""
    length = {} if status in (204, 304) else {"Content-Length": str(len(body))}
    await send(start(status, {**headers, **length}))
    await send({"type": "http.response.body", "body": body if with_body else b""})


def start(status: int, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the message that begins an answer."""
    return {"type": "http.response.start", "status": status, "headers": list(_pairs(headers))}


def _pairs(headers: Mapping[str, str]) -> Iterable[tuple[bytes, bytes]]:
    return ((name.lower().encode(), value.encode("latin-1")) for name, value in headers.items())
