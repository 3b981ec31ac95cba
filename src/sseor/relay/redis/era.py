"""Whether Redis has lost everything lately."""

from __future__ import annotations

import asyncio
import math
import secrets
from typing import TYPE_CHECKING

from sseor.relay.redis.scripts import ERA

if TYPE_CHECKING:
    from sseor.relay.redis.commands import Commands

__all__ = ["Era"]


class Era:
    """Notices that what was there has gone: for a lease after that, what is missing may yet be written anew."""

    def __init__(self, commands: Commands, key: str, lease: float) -> None:
        self._commands = commands
        self._key = key
        self._lease = lease
        self._name: bytes | None = None
        self._began = -math.inf

    async def look(self) -> None:
        """Ask Redis. Raises UnavailableError."""
        name = await self._commands.run(ERA, (self._key,), secrets.token_hex(8))
        if self._name not in (None, name):
            self._began = asyncio.get_running_loop().time()
        self._name = name

    @property
    def is_new(self) -> bool:
        """Whether writers may still be at it."""
        return asyncio.get_running_loop().time() - self._began < self._lease
