"""What one process holds of one stream: its last records as bytes, a snapshot of those before, and who waits for more.

Records are numbered from 1 and written as events once; all viewers share the bytes. Each viewer keeps its own place, so
that a slow one costs nothing but its place: when that has been folded, it gets the snapshot and goes on from there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import anyio

from sseor.chat import codec
from sseor.relay.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Iterator

    from sseor.relay.formats.shared import Latest

__all__ = ["Batch", "Tail", "payload_of"]

RESTARTED = b'{"type":"restarted",'
TEXT, TEXT_END = b'{"type":"text","text":"', b'"}'
"""Around the text of choice 0; that of another has its number at the end."""

WRITE = 64 * 1024
"""Bytes in one write, unless a single event is larger."""


class Batch(NamedTuple):
    """Events to send: each as its bytes, all as one, and the number of the last."""

    blocks: list[bytes]
    data: bytes
    last: int


class Tail:
    """The end of one stream. `max_records` and `max_bytes` bound what is not folded."""

    def __init__(
        self, stream: str, generation: str, *, max_records: int = 1024, max_bytes: int = 256 * 1024
    ) -> None:
        self.stream = stream
        self.generation = generation
        self.created = int(time.time())
        self.ended = False
        self.is_cut = False
        self.beats = 0
        self.last = 0
        self.void = 0  # the number of the last restart: what came before is void
        self.restarts = 0
        self.encoded: dict[str, Latest] = {}  # by format, what its viewers share
        self._head = b"id: %b." % generation.encode()
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._blocks: list[bytes] = []
        self._block_bytes = 0
        self._snapshot = Snapshot()
        self._folded_bytes = 0
        self._snapshot_block = b""
        self._newest: tuple[int, Batch] | None = None
        self._change: anyio.Event | None = None

    @property
    def size(self) -> int:
        """The bytes that it holds, about."""
        return self._block_bytes + self._folded_bytes

    @property
    def folded_bytes(self) -> int:
        """The bytes of the snapshot, about."""
        return self._folded_bytes

    @property
    def folded(self) -> int:
        """The number of the last record that only the snapshot holds; 0 when there is none."""
        return self.last - len(self._blocks)

    def add(self, records: Iterable[bytes]) -> int:
        """Add the next records, as `encode` wrote them, and wake all who wait; return by how much `size` grew."""
        before = self._block_bytes + self._folded_bytes
        for record in records:
            self.last += 1
            if record.startswith(RESTARTED):
                self.void = self.last
                self.restarts += 1
            block = b"%b%d\ndata: %b\n\n" % (self._head, self.last, record)
            self._blocks.append(block)
            self._block_bytes += len(block)
        if len(self._blocks) > self._max_records or self._block_bytes > self._max_bytes:
            self._fold()
        self.wake()
        return self._block_bytes + self._folded_bytes - before

    def end(self, terminal: bytes) -> int:
        """Add the terminal record: nothing follows; return by how much `size` grew."""
        self.ended = True
        return self.add([terminal])

    def restore(self, snapshot: bytes, last: int) -> None:
        """Take a snapshot record, which holds everything up to number `last`, for all that there is."""
        self._snapshot.fold(codec.loads(snapshot))
        self.restarts = self._snapshot.restarts
        self._folded_bytes = len(snapshot)
        self._snapshot_block = b""
        self._blocks.clear()
        self._block_bytes = 0
        self.last = last
        self.wake()

    def snapshot(self) -> bytes:
        """Return the record that stands for all up to number `folded`."""
        return codec.dumps(self._snapshot.to_record())

    def cut(self) -> None:
        """Have those who read it come back: what becomes of the stream cannot be told here."""
        self.is_cut = True
        self.wake()

    def beat(self) -> None:
        """Wake all who wait, so that they send a heartbeat."""
        self.beats += 1
        self.wake()

    def after(self, number: int) -> Batch | None:
        """Return what follows record `number`, as much as one write takes; None when there is nothing yet."""
        if number >= self.last:
            return None
        if self._newest is None or self._newest[0] != number:
            self._newest = number, self._cut(number)
        return self._newest[1]

    def blocks_after(self, number: int) -> list[bytes]:
        """Return the events after record `number`, which is not folded."""
        return self._blocks[number - self.folded :]

    def changed(self) -> Awaitable[None]:
        """Wait for the next record, or beat."""
        if self._change is None:
            self._change = anyio.Event()
        return self._change.wait()  # no coroutine of its own: an idle viewer holds all that it waits in

    def _cut(self, number: int) -> Batch:
        if number < self.folded:
            if not self._snapshot_block:
                self._snapshot_block = b"%b%d\ndata: %b\n\n" % (self._head, self.folded, self.snapshot())
            return Batch([self._snapshot_block], self._snapshot_block, self.folded)
        start = number - self.folded
        end, size = start, 0
        while end < len(self._blocks) and (size == 0 or size + len(self._blocks[end]) <= WRITE):
            size += len(self._blocks[end])
            end += 1
        blocks = self._blocks[start:end]
        return Batch(blocks, b"".join(blocks), self.folded + end)

    def _fold(self) -> None:
        """Fold until half of each bound is left, so that folding is rare; the newest record always stays."""
        count, left = 0, self._block_bytes
        most = self._max_records // 2
        while len(self._blocks) - count > 1 and (
            left > self._max_bytes // 2 or len(self._blocks) - count > most
        ):
            left -= len(self._blocks[count])
            count += 1
        for payload in _joined(self._blocks[:count]):
            record = codec.loads(payload)
            self._snapshot.fold(record)
            self._folded_bytes += len(record.get("text") or payload)
        del self._blocks[:count]
        self._block_bytes = left
        self._snapshot_block = b""
        self._snapshot.settle()

    def wake(self) -> None:
        """Wake all who wait, for whatever reason."""
        self.unshare()
        if self._change is not None:
            change, self._change = self._change, None
            change.set()

    def unshare(self) -> None:
        """Let go of what viewers shared: there is something newer, or nobody looks."""
        self._newest = None
        self.encoded.clear()


def payload_of(block: bytes) -> bytes:
    """Return the record that an event of a tail bears."""
    return block[block.index(b"\ndata: ") + 7 : -2]


def _joined(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the records of these events, texts that follow each other as one: that is quicker to parse."""
    texts: list[bytes] = []
    for block in blocks:
        payload = payload_of(block)
        if payload.startswith(TEXT) and payload.endswith(TEXT_END):
            texts.append(payload[len(TEXT) : -len(TEXT_END)])
            continue
        if texts:
            yield b"%b%b%b" % (TEXT, b"".join(texts), TEXT_END)
            texts.clear()
        yield payload
    if texts:
        yield b"%b%b%b" % (TEXT, b"".join(texts), TEXT_END)
