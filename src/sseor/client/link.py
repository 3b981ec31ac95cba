"""The way to one endpoint: an HTTP client, ours or the caller's, and whether it may still be used."""

from __future__ import annotations

import os
from typing import Any

import anyio.lowlevel
from anyio.lowlevel import RunVar

from sseor.errors import ConfigError, ConnectError, MisuseError
from sseor.stream import Expired, Failed

from .budget import Budget
from .endpoint import Endpoint
from .failures import translated
from .http import new_async_client, new_client, proxy_for, without_credentials
from .logs import KeyFilter

_LIBRARIES = ("httpx", "httpx2")


class Link:
    """An HTTP client bound to an endpoint; `owned` when it is ours to close."""

    def __init__(self, http: Any, endpoint: Endpoint, *, owned: bool) -> None:
        self.http = http
        self.endpoint = endpoint
        self.owned = owned
        self.proxy = without_credentials(proxy_for(endpoint)) if owned else ""
        self._key_filter = KeyFilter(endpoint.key)
        if not owned:
            self._key_filter.install()
        self._process = os.getpid()
        self._home: RunVar[bool] | None = None
        self._closed = False

    @classmethod
    def for_threads(cls, endpoint: Endpoint, theirs: Any) -> Link:
        """Return a link over a client for threads."""
        if theirs is None:
            return cls(new_client(endpoint), endpoint, owned=True)
        return cls(_checked(theirs, "Client"), endpoint, owned=False)

    @classmethod
    def for_async(cls, endpoint: Endpoint, theirs: Any) -> Link:
        """Return a link over a client for asyncio and trio."""
        if theirs is None:
            return cls(new_async_client(endpoint), endpoint, owned=True)
        return cls(_checked(theirs, "AsyncClient"), endpoint, owned=False)

    def check(self) -> None:
        """Raise `MisuseError` when no request may be sent any more."""
        if self._closed:
            raise MisuseError("the client has been closed")
        if self._process != os.getpid():
            raise MisuseError("the client was made in another process: make a new one after a fork")

    def check_loop(self) -> None:
        """Bind the link to the event loop that runs, or raise `MisuseError` in another one.

        Kept connections belong to their loop; in another they fail in ways that say nothing of the cause.
        """
        if self._home is None:
            self._home = RunVar("sseor_home")
            self._home.set(True)
        elif not self._home.get(False):
            raise MisuseError("the client belongs to another event loop: make a new one in each loop")

    def signal(self, error: Exception, now: float, deadline: float, *, in_body: bool) -> Exception:
        """Return what to tell the script of an exception: an expiry, a failure, or the exception itself if foreign."""
        if now >= deadline:
            return Expired(now)
        ours = translated(error, in_body=in_body, proxy=self.proxy)
        return error if ours is None else Failed(ours, now)

    def was_stale(self, signal: Exception, budget: Budget) -> bool:
        """Tell whether a kept connection was found dead: the request may then go out again at once, on another.

        Known only of our own client, whose sockets tell the budget when they dial. Each such failure takes one dead
        connection out of the pool, so this ends.
        """
        return (
            self.owned
            and not budget.dialed
            and isinstance(signal, Failed)
            and isinstance(signal.error, ConnectError)
        )

    def close(self) -> None:
        """Close the connections of a client of ours."""
        self._closed = True
        self._key_filter.remove()
        if self.owned:
            self.http.close()

    async def aclose(self) -> None:
        """Close the connections of a client of ours."""
        self._closed = True
        self._key_filter.remove()
        if self.owned:
            await self.http.aclose()
            # asyncio frees an aborted socket in its next turn.
            await anyio.lowlevel.checkpoint()


def _checked(theirs: Any, kind: str) -> Any:
    names = {(base.__module__.partition(".")[0], base.__name__) for base in type(theirs).__mro__}
    if not any((library, kind) in names for library in _LIBRARIES):
        raise ConfigError(f"http_client must be a {kind} of httpx or httpx2")
    return theirs
