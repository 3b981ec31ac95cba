"""The blocking read: XREAD over many streams, sent as bytes that are mostly there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from redis.asyncio import Redis

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sseor.relay.redis.commands import Client

__all__ = ["BlockingRead", "Entry", "packed"]

Entry: TypeAlias = "tuple[bytes, bytes, bytes]"
"""The ID, the field and the data."""

COUNT = 100
"""Batches of one stream in one read, at most."""


def packed(word: bytes) -> bytes:
    """Return a word of a command as it is sent."""
    return b"$%d\r\n%b\r\n" % (len(word), word)


class BlockingRead:
    """Asks for what follows some positions, and waits until there is something, `block` seconds at most.

    A client packs each word of each command anew, which took most of the time with a hundred streams: 440 of 600 µs.
    The client of a cluster has no connection to give; there it is left to do that.
    """

    def __init__(self, client: Client, block: float) -> None:
        self._client = client
        self._head = (b"XREAD", b"COUNT", b"%d" % COUNT, b"BLOCK", b"%d" % round(block * 1000), b"STREAMS")
        self._packed_head = b"".join(map(packed, self._head))
        self._own: Any = None
        if isinstance(client, Redis):
            self._own = Redis(connection_pool=client.connection_pool, single_connection_client=True)

    async def __call__(
        self, keys: Sequence[bytes], packed_keys: Sequence[bytes], positions: Sequence[bytes]
    ) -> Iterable[tuple[bytes, list[Entry]]]:
        """Return the entries after these positions, by the keys of their streams."""
        if self._own is None:
            words = [word.decode() for word in (*self._head, *keys, *positions)]
            found = await self._client.execute_command(*words)
            return [(key, _parsed(entries)) for key, entries in _pairs(found)]
        size = b"*%d\r\n" % (len(self._head) + 2 * len(positions))
        command = b"".join([size, self._packed_head, *packed_keys, *map(packed, positions)])
        await self._own.initialize()
        await self._own.connection.send_packed_command(command)
        found = await self._own.connection.read_response()
        return [
            (key, [(entry, fields[0], fields[1]) for entry, fields in entries])
            for key, entries in _pairs(found)
        ]

    async def aclose(self) -> None:
        """Give the connection back."""
        if self._own is not None:
            await self._own.aclose()


def _pairs(found: Any) -> Iterable[tuple[bytes, Any]]:
    return (found.items() if isinstance(found, dict) else found) or ()


def _parsed(listed: Any) -> list[Entry]:
    """Return entries as a client has parsed them, of RESP3 with a list around them."""
    entries = listed[0] if isinstance(listed[0], list) else listed
    return [(entry, *next(iter(fields.items()))) for entry, fields in entries]
