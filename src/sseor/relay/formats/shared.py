"""Encoding once for all viewers of a stream who have had the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sseor.relay.formats.encoder import Encoder
    from sseor.relay.tail import Batch, Tail

__all__ = ["Latest", "Shared"]


class Latest:
    """The batch of a stream that was encoded last, what it became, and the encoder before and after it."""

    __slots__ = ("after", "batch", "before", "data")

    def __init__(self, batch: Batch, before: Encoder) -> None:
        self.batch = batch
        self.before = before
        self.after = before.copy()
        self.data = self.after.write(batch)


class Shared:
    """One viewer's encoder. It is never changed, only followed by another, which all who were as far as this one take.

    A viewer who came later, or was given a snapshot, is as far as the others once its encoder is equal to theirs.
    """

    resumes = False

    def __init__(self, encoder: Encoder, headers: dict[str, str], tail: Tail, name: str) -> None:
        self.prelude = encoder.prelude()
        self.headers = headers
        self.over = False
        self._encoder = encoder
        self._tail = tail
        self._name = name

    def write(self, batch: Batch) -> bytes:
        """Return the bytes that stand for these events, perhaps none."""
        latest = self._tail.encoded.get(self._name)
        if latest is None or latest.batch is not batch or latest.before != self._encoder:
            latest = self._tail.encoded[self._name] = Latest(batch, self._encoder)
        self._encoder = latest.after
        self.over = self._encoder.over
        return latest.data

    def cut(self) -> bytes:
        """Return an error, unless the stream has ended."""
        self._encoder = self._encoder.copy()
        self.over = True
        return self._encoder.cut()
