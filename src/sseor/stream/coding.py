"""Content codings: `identity` is asked for; gzip and deflate are undone when they come all the same."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator

from sseor.errors import ProtocolError

_PIECE = 1 << 16
"""Bytes inflated at a time, so that a decompression bomb meets the event limit before it fills the memory."""


class Inflater:
    """Undoes gzip or deflate (RFC 9110 §8.4.1) piece by piece."""

    def __init__(self, window_bits: int) -> None:
        self._zlib = zlib.decompressobj(window_bits)
        self._window_bits = window_bits

    @classmethod
    def for_coding(cls, coding: str) -> Inflater | None:
        """Return what undoes this `content-encoding`, None for identity; another one is a `ProtocolError`."""
        match coding.strip().lower():
            case "" | "identity":
                return None
            case "gzip" | "x-gzip":
                return cls(zlib.MAX_WBITS | 16)
            case "deflate":
                return cls(zlib.MAX_WBITS)
            case _:
                raise ProtocolError("the server compressed its answer with a coding that was not asked for")

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the inflated bytes in pieces of at most 64 KiB."""
        while True:
            before = self._zlib.copy()
            try:
                piece = self._zlib.decompress(data, _PIECE)
            except zlib.error as error:
                yield from _up_to_the_damage(before, data)
                raise ProtocolError("the compressed answer is damaged") from error
            if piece:
                yield piece
            data = self._zlib.unconsumed_tail
            if self._zlib.eof:
                data = self._zlib.unused_data
                self._zlib = zlib.decompressobj(self._window_bits)
            if not data and len(piece) < _PIECE:
                return


def _up_to_the_damage(inflater: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """Yield what precedes the damage: zlib gives nothing of a call that fails, so it is called byte by byte."""
    with contextlib.suppress(zlib.error):
        yield from (inflater.decompress(bytes([byte])) for byte in data)
