"""Commands to Redis: what is asked in one moment travels together, and every question is answered in time."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeAlias

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnectedError
from redis.exceptions import NoScriptError, OutOfMemoryError, ReadOnlyError, RedisError

from sseor.relay.log import FullError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio.cluster import RedisCluster

    from sseor.relay.redis.scripts import Script

    Client: TypeAlias = Redis | RedisCluster

__all__ = ["Commands", "UnavailableError", "connect"]

TOGETHER = 500
"""Commands in one pipeline, at most."""

Command: TypeAlias = "tuple[Any, ...]"


class UnavailableError(Exception):
    """Redis does not answer, or refuses: whether the command was done is not known."""


def connect(url: str) -> Redis:
    """Return a client that neither repeats a command nor gives up a blocking one by itself."""
    return Redis.from_url(url, socket_timeout=None, retry=Retry(NoBackoff(), 0), protocol=2)


class Commands:
    """Asks for all that one process wants of one shard, over one connection, in order.

    No answer takes more than `patience` seconds. A lost connection is tried once more: each command may be repeated.
    """

    def __init__(self, client: Client, patience: float) -> None:
        self._client = client
        self._patience = patience
        self._waiting: list[tuple[Command, asyncio.Future[Any]]] = []
        self._sending: asyncio.Task[None] | None = None
        self._closed = False

    def send(self, *command: Any) -> asyncio.Future[Any]:
        """Ask, and return the reply to come, which is an exception where there is none; nobody need wait for it."""
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Any] = loop.create_future()
        if self._closed:
            reply.set_result(UnavailableError("the log is closed"))
            return reply
        self._waiting.append((command, reply))
        if self._sending is None:
            self._sending = loop.create_task(self._send_all())
        return reply

    async def ask(self, *command: Any) -> Any:
        """Ask, and return the reply. Raises UnavailableError; FullError: Redis has no memory for it."""
        return _answered(await self.send(*command))

    async def run(self, script: Script, keys: Sequence[str], *arguments: Any) -> Any:
        """Run a script; as `ask`."""
        rest = (len(keys), *keys, *arguments)
        reply = await self.send("EVALSHA", script.sha, *rest)
        if isinstance(reply, NoScriptError):
            reply = await self.send("EVAL", script.text, *rest)
        return _answered(reply)

    async def aclose(self) -> None:
        """Take no more; wait for what has been asked."""
        self._closed = True
        if self._sending is not None:
            await self._sending

    async def _send_all(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
            replies = await self._replies([command for command, _ in asked])
            for (_, waiting), reply in zip(asked, replies, strict=True):
                if not waiting.done():
                    waiting.set_result(reply)
            if any(isinstance(reply, ReadOnlyError) for reply in replies):
                await self._connect_anew()
        self._sending = None

    async def _replies(self, commands: list[Command]) -> list[Any]:
        error: Exception
        for _ in range(2):
            try:
                async with asyncio.timeout(self._patience):
                    pipeline = self._client.pipeline(transaction=False)
                    for command in commands:
                        pipeline.execute_command(*command)
                    return await pipeline.execute(raise_on_error=False)
            except (NotConnectedError, OSError) as lost:
                error = lost
                if isinstance(lost, TimeoutError):
                    break
            except Exception as refused:
                error = refused
                break
        return [error] * len(commands)

    async def _connect_anew(self) -> None:
        """Leave a server that is no longer the one that takes writes; a cluster's client does so by itself."""
        if isinstance(self._client, Redis):
            with contextlib.suppress(RedisError, OSError):
                await self._client.connection_pool.disconnect(inuse_connections=True)


def _answered(reply: Any) -> Any:
    if isinstance(reply, OutOfMemoryError):
        raise FullError(str(reply)) from reply
    if isinstance(reply, UnavailableError):
        raise reply
    if isinstance(reply, Exception):
        raise UnavailableError(str(reply) or type(reply).__name__) from reply
    return reply
