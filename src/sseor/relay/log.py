"""The replay log: all that the relay asks of the place where streams are kept.

One `Writer` writes a stream; each process that has viewers of it follows it into a `Tail`. A log never loses a record
silently: what it no longer holds one by one stands in a snapshot. `tests/relay/log_contract.py` says the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sseor.relay.tail import Tail

__all__ = ["FencedError", "FullError", "Log", "StreamExistsError", "Writer"]


class StreamExistsError(Exception):
    """There is a stream of that ID already."""


class FullError(Exception):
    """The log has no room for another stream."""


class FencedError(Exception):
    """The stream was ended by somebody else, or is to be: nothing more may be written."""


class Writer(Protocol):
    """The one who writes a stream."""

    async def append(self, records: Sequence[bytes]) -> None:
        """Keep the next records, JSON objects on one line each; nobody sees one before it is kept.

        A cancellation waits until it is known whether they are kept. Raises FencedError when the stream has ended
        otherwise.
        """

    async def end(self, terminal: bytes) -> None:
        """Keep the terminal record and end the stream; nothing happens when it has ended otherwise."""


class Log(Protocol):
    """Where streams are kept."""

    async def open(self, stream: str, owner: str, on_cancel: Callable[[], None]) -> Writer:
        """Begin a stream that belongs to `owner`.

        `on_cancel` is called, in this event loop, once the stream is cancelled, or in other hands. Raises
        StreamExistsError, or FullError. Here and below, a log that cannot be reached raises RefusedError.
        """

    async def owner(self, stream: str) -> str | None:
        """Return whose stream it is; None when there is none of that ID, or no longer."""

    async def follow(self, stream: str) -> Tail | None:
        """Return the stream from its beginning, and on as it grows until it has ended; None when there is none.

        All who follow a stream in one process share one tail. Whoever has called this calls `unfollow` once.
        """

    def unfollow(self, tail: Tail) -> None:
        """Say that one of those who follow the tail does so no longer."""

    async def unwatched(self, stream: str) -> float:
        """Return for how many seconds nobody, in any process, has followed the stream; 0 while somebody does.

        0 also while that cannot be known.
        """

    async def cancel(self, stream: str) -> None:
        """Ask whoever writes the stream, in any process, to end it; nothing happens when it has ended."""

    async def aclose(self) -> None:
        """Let go of what the log holds open. What is kept stays."""
