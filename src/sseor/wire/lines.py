"""What lies between reads and lines: the byte-order mark, a CRLF cut in two, a line whose end is to come."""

from __future__ import annotations

BOM = b"\xef\xbb\xbf"
CR = 0x0D
LF = 0x0A

# Reads of an unfinished line wait one by one until they make this many bytes, then as one piece: one object
# per 16-byte read takes four times the memory of its bytes.
_PIECE = 16 << 10


class LineBuffer:
    """Keeps an unfinished line between reads until its end comes, and at most `line_limit` bytes of it.

    A CR ends its line at once; should the next byte be LF, that is dropped when it comes. The parts of an
    unfinished line are joined once, when it ends: to join them at each read would take quadratic time.
    """

    __slots__ = ("_after_cr", "_line_limit", "_parts", "_pieces", "_pieces_size", "_room", "_start")

    def __init__(self, line_limit: int) -> None:
        self._line_limit = line_limit
        self._start: bytes | None = b""  # what may yet become a BOM, until that is decided
        self._after_cr = False
        self._parts: list[bytes] = []  # of the unfinished line: joined pieces, then the latest reads
        self._pieces = 0
        self._pieces_size = 0
        self._room = 0  # bytes that the latest reads may still add before `_keep` looks at the line again

    def _after_line_end(self, data: bytes) -> bytes:
        """Return `data` without what is no content: the BOM of the stream, or the LF of a CRLF that was cut."""
        if self._start is not None:
            data = self._start + data
            if len(data) < len(BOM) and BOM.startswith(data):
                self._start = data
                return b""
            self._start = None
            return data.removeprefix(BOM)
        if self._after_cr and data:
            self._after_cr = False
            return data.removeprefix(b"\n")
        return data

    def _take(self, end: bytes = b"") -> bytes:
        """Remove and return the unfinished line, with `end` joined to it."""
        parts = self._parts
        if not parts:
            return end
        parts.append(end)
        line = b"".join(parts)
        parts.clear()
        self._room = 0
        if self._pieces:
            self._pieces = self._pieces_size = 0
        return line

    def _keep(self, data: bytes) -> bool:
        """Add `data` to the unfinished line; False if the line has outgrown its limit."""
        parts = self._parts
        room = self._room
        if not parts:
            room = self._line_limit
            if room > _PIECE:
                room = _PIECE
        parts.append(data)
        self._room = room = room - len(data)
        return room > 0 or self._join()

    def _join(self) -> bool:
        """Make one piece of the latest reads, and count it; False if the line has outgrown its limit."""
        piece = b"".join(self._parts[self._pieces :])
        self._parts[self._pieces :] = [piece]
        self._pieces += 1
        self._pieces_size += len(piece)
        left = self._line_limit - self._pieces_size
        self._room = min(_PIECE, left)
        return left >= 0
