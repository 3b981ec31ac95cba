"""The HTTP library, imported here and nowhere else: clients fit for streams, and requests made with them.

A client that the caller brings may be one of httpx or of httpx2: only methods that both have are used on it.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from sseor.errors import ConfigError
from sseor.stream import Head, Open

from .chunked import ChunkedBody, Tap
from .endpoint import Endpoint
from .network import KEEP_ALIVE, AsyncBackend, DeadlineBackend

# The pool of httpcore is quadratic in idle connections; a stream is never made to queue for a slot.
_KEPT_ALIVE = 20
_KEPT_ALIVE_SECONDS = 5.0

_LOCATION = "sseor.location"
_BODY = "sseor.body"


class Bytes(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The raw body of a response, as httpcore gives it.

    A body of `length` bytes is not read to the end that h11 sees, so its connection is closed and not kept: bytes
    beyond that length would be taken for the next answer.
    """

    def __init__(self, body: Any, length: int | None) -> None:
        self._body = body
        self._length = length

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body) if self._length is None else self._counted(self._length)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._body) if self._length is None else self._acounted(self._length)

    def _counted(self, left: int) -> Iterator[bytes]:
        for data in self._body:
            yield data
            left -= len(data)
            if left <= 0:
                return

    async def _acounted(self, left: int) -> AsyncIterator[bytes]:
        async for data in self._body:
            yield data
            left -= len(data)
            if left <= 0:
                return

    def close(self) -> None:
        """Let go of the connection."""
        self._body.close()

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._body.aclose()


class Transport(httpx.BaseTransport):
    """Sends requests of httpx through a pool of httpcore whose sockets know the deadline."""

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self._pool = pool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response once its head is there."""
        return _response(self._pool.handle_request(_core_request(request)))

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


class AsyncTransport(httpx.AsyncBaseTransport):
    """The same on asyncio and trio."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response once its head is there."""
        return _response(await self._pool.handle_async_request(_core_request(request)))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


def new_client(endpoint: Endpoint) -> httpx.Client:
    """Return a client for threads whose transport keeps deadlines exactly."""
    pool = _pool(
        endpoint, DeadlineBackend(), httpcore.ConnectionPool, httpcore.HTTPProxy, httpcore.SOCKSProxy
    )
    return httpx.Client(transport=Transport(pool), trust_env=False)


def new_async_client(endpoint: Endpoint) -> httpx.AsyncClient:
    """Return a client for asyncio and trio."""
    pool = _pool(
        endpoint,
        AsyncBackend(),
        httpcore.AsyncConnectionPool,
        httpcore.AsyncHTTPProxy,
        httpcore.AsyncSOCKSProxy,
    )
    return httpx.AsyncClient(transport=AsyncTransport(pool), trust_env=False)


def proxy_for(endpoint: Endpoint) -> str:
    """Return the URL of the proxy that the environment names for this endpoint, "" for none."""
    host = endpoint.host
    if proxy_bypass(host) or proxy_bypass(host.rpartition(":")[0] or host):
        return ""
    proxies = getproxies()
    proxy = proxies.get("https" if endpoint.is_tls else "http") or proxies.get("all") or ""
    proxy = proxy if "://" in proxy or not proxy else f"http://{proxy}"
    try:
        urlsplit(proxy)
    except ValueError as error:
        raise ConfigError("the proxy that the environment names is not a valid URL") from error
    return proxy


def tls_context() -> ssl.SSLContext:
    """Return what checks the certificates of servers: the authorities that httpx trusts, or `SSL_CERT_FILE`."""
    return httpx.create_ssl_context()


def without_credentials(url: str) -> str:
    """Return scheme, host and port of a URL: what may be shown of a proxy."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if url else ""


def request_for(client: Any, endpoint: Endpoint, step: Open) -> Any:
    """Return the request of an `Open` step, built by the caller's client's own library.

    The time limits are what bounds the client of a caller, whose sockets do not know the deadline.
    """
    limits = {"connect": step.connect, "read": None, "write": None, "pool": step.connect}
    method, headers = ("GET", endpoint.get_headers) if step.body is None else ("POST", endpoint.headers)
    return client.build_request(
        method, endpoint.url(step.path), headers=headers, content=step.body, extensions={"timeout": limits}
    )


def head_of(response: Any, now: float) -> Head:
    """Return status and header fields of a response."""
    headers = dict(response.headers)
    if _LOCATION in response.extensions:
        headers["location"] = response.extensions[_LOCATION]
    return Head(response.status_code, headers, now, time.time())


def body_of(response: Any) -> Any:
    """Return the raw body of a response: of our own transport as httpcore gives it, which saves a generator a read."""
    return response.extensions.get(_BODY, response.stream)


def _pool(endpoint: Endpoint, backend: Any, direct: Any, http_proxy: Any, socks_proxy: Any) -> Any:
    options: dict[str, Any] = {
        "ssl_context": tls_context() if endpoint.is_tls else None,
        "max_connections": None,
        "max_keepalive_connections": _KEPT_ALIVE,
        "keepalive_expiry": _KEPT_ALIVE_SECONDS,
        "network_backend": backend,
    }
    proxy = proxy_for(endpoint)
    if not proxy:
        return direct(socket_options=KEEP_ALIVE, **options)
    try:
        parsed = httpx.Proxy(proxy)
    except (ValueError, httpx.InvalidURL) as error:
        raise ConfigError("the proxy that the environment names cannot be used") from error
    if parsed.url.scheme.startswith("socks"):
        try:
            return socks_proxy(str(parsed.url), proxy_auth=parsed.raw_auth, **options)
        except (ImportError, RuntimeError) as error:
            raise ConfigError(
                "a SOCKS proxy needs the package socksio: pip install 'httpx[socks]'"
            ) from error
    return http_proxy(
        str(parsed.url),
        proxy_auth=parsed.raw_auth,
        proxy_headers=parsed.headers.raw,
        socket_options=KEEP_ALIVE,
        **options,
    )


def _core_request(request: httpx.Request) -> httpcore.Request:
    url = request.url
    return httpcore.Request(
        method=request.method,
        url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=cast("Any", request.stream),
        extensions=request.extensions,
    )


def _response(response: httpcore.Response) -> httpx.Response:
    headers, extensions = httpx.Headers(response.headers), dict(response.extensions)
    if "location" in headers:
        # httpx builds the next request of a redirect although it is not to follow it, and fails on an odd target.
        extensions[_LOCATION] = headers.pop("location")
    stream = extensions[_BODY] = Bytes(_body_of(response, headers), _length_of_stream(headers))
    return httpx.Response(status_code=response.status, headers=headers, stream=stream, extensions=extensions)


def _body_of(response: httpcore.Response, headers: httpx.Headers) -> Any:
    """Return the body, read past h11 where it is chunked and nothing of it has been read."""
    tap = response.extensions.get("network_stream")
    framing = headers.get("transfer-encoding", "").lower(), headers.get("content-length")
    plain = response.status == 200 and response.extensions.get("http_version") == b"HTTP/1.1"
    if plain and framing == ("chunked", None) and isinstance(tap, Tap) and tap.at_body:
        return ChunkedBody(tap, response.stream)
    return response.stream


def _length_of_stream(headers: httpx.Headers) -> int | None:
    """Return the Content-Length of an event stream: servers that stream have no honest one."""
    length = headers.get("content-length", "")
    is_stream = headers.get("content-type", "").startswith("text/event-stream")
    counts = length.isascii() and length.isdigit() and "transfer-encoding" not in headers
    return int(length) if is_stream and counts else None
