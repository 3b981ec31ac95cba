"""A stream for one viewer alone, who takes it along when it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Self

    from sseor.relay.viewer import Viewer

__all__ = ["Forwarding"]


class Forwarding:
    """The bytes of one stream, for one viewer: an async iterator. `headers` go with them."""

    def __init__(self, begin: Callable[[], Awaitable[Viewer]], headers: dict[str, str]) -> None:
        self.headers = headers
        self._begin = begin
        self._viewer: Viewer | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._viewer is None:
            self._viewer = await self._begin()
        return await anext(self._viewer)

    async def aclose(self) -> None:
        """Stop the stream."""
        if self._viewer is not None:
            self._viewer.leave()
