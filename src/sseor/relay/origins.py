"""Which pages of other origins may use the relay: by default none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sseor.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Origins"]

ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?|https?://\[[0-9a-f:.]+\](:[0-9]+)?", re.ASCII)
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Content-Type, Idempotency-Key, Last-Event-ID, Authorization",
    "Access-Control-Max-Age": "600",
}


class Origins:
    """The origins that are let in, each written as a browser sends it: `https://my.app`."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origins)
        for origin in self._origins:
            if not ORIGIN.fullmatch(origin):
                raise ConfigError("an origin is written https://host or https://host:port, in lower case")

    def admits(self, origin: str) -> bool:
        """Tell whether pages of this origin are let in."""
        return origin in self._origins

    def headers(self, origin: str) -> dict[str, str]:
        """Return what to add to an answer to a page of this origin."""
        if not self._origins:
            return {}
        if not self.admits(origin):
            return {"Vary": "Origin"}
        return {
            "Vary": "Origin",
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Expose-Headers": "X-Sseor-Stream, Location, Retry-After",
        }
