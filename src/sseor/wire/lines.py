"""Bytes to whole lines: one byte-order mark, and CR, LF or CRLF as the line end (WHATWG HTML §9.2.5)."""

from __future__ import annotations

BOM = b"\xef\xbb\xbf"
CR = 0x0D
LF = 0x0A


class LineBuffer:
    """Keeps what is unfinished between reads, and hands out whole lines as soon as they are whole.

    A CR ends its line at once; should the next byte be LF, it is dropped then.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at_start = True
        self._after_cr = False
        self.size = 0

    def add(self, data: bytes) -> bytes:
        """Return the lines that `data` completes, line ends included, as one piece for `bytes.splitlines`."""
        if not data:
            return b""
        if self._at_start:
            data = self.take() + data
            if len(data) < len(BOM) and BOM.startswith(data):
                self._keep(data)
                return b""
            self._at_start = False
            data = data.removeprefix(BOM)
        elif self._after_cr and data[0] == LF:
            data = data[1:]
        self._after_cr = False
        end = data.rfind(LF) + 1
        end = data.rfind(CR, end) + 1 or end
        if not end:
            self._keep(data)
            return b""
        whole = self.take() + data[:end]
        self._keep(data[end:])
        self._after_cr = data[end - 1] == CR and end == len(data)
        return whole

    def take(self) -> bytes:
        """Remove and return the unfinished line."""
        line = b"".join(self._parts)
        self._parts.clear()
        self.size = 0
        return line

    def _keep(self, data: bytes) -> None:
        if data:
            self._parts.append(data)
            self.size += len(data)
