"""Records written for readers that cannot take back what they had: what all such formats have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from sseor.chat import codec
from sseor.relay.formats.news import News
from sseor.relay.formats.state import State
from sseor.relay.snapshot import PASSING
from sseor.relay.tail import payload_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sseor.relay.tail import Batch, Tail

__all__ = ["Encoder", "event"]


class Encoder(State):
    """Writes what is new in each record. A restart ends the stream as an error if it comes after content.

    A kind of its own says how content is written, and the three ways to end. `question` is the body that
    was posted for the stream, empty where none was.
    """

    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, tail: Tail, question: Mapping[str, Any]) -> None:  # noqa: ARG002 (for some of them)
        self.over = False
        self._news = News(tail.restarts)
        self._wrote = False

    def prelude(self) -> bytes:
        """Return what goes out at once."""
        return b": sseor\n\n"

    def write(self, batch: Batch) -> bytes:
        """Return the bytes that stand for these events."""
        return b"".join(
            data
            for block in batch.blocks
            for record in self._news.of(codec.loads(payload_of(block)))
            if not self.over
            for data in self._written(record)
        )

    def cut(self) -> bytes:
        """Return the error for a stream that is lost, unless it has ended."""
        return b"" if self.over else self._end(self.fail("interrupted"))

    def _written(self, record: Mapping[str, Any]) -> Iterator[bytes]:
        match record["type"]:
            case "restarted" if self._wrote:
                yield self._end(self.fail(record["code"]))
            case "restarted":
                pass
            case "error":
                yield self._end(self.fail(record["code"]))
            case "interrupted":
                yield self._end(self.fail("interrupted"))
            case "cancelled":
                yield self._end(self.cancel())
            case "done" if record["finish_reason"] == "error":  # said without an error: whole it is not
                yield self._end(self.fail("generation"))
            case "done":
                yield self._end(self.finish(record["finish_reason"] or "stop"))
            case name:
                data = self.encode(record)
                self._wrote = self._wrote or (bool(data) and name not in PASSING)
                yield data

    def _end(self, data: bytes) -> bytes:
        self.over = True
        return data

    @abstractmethod
    def encode(self, record: Mapping[str, Any]) -> bytes:
        """Return the bytes for what a record brings, perhaps none."""

    @abstractmethod
    def finish(self, reason: str) -> bytes:
        """Return what ends an answer that is whole; `reason` is the finish reason of choice 0."""

    @abstractmethod
    def fail(self, code: str) -> bytes:
        """Return what ends an answer that is not."""

    def cancel(self) -> bytes:
        """Return what ends an answer that somebody stopped."""
        return self.fail("cancelled")


def event(value: Mapping[str, Any]) -> bytes:
    """Return an event whose data is this object."""
    return b"data: %b\n\n" % codec.dumps(value)
