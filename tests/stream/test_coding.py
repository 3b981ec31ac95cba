"""Content codings that come although none was asked for."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseor.errors import ProtocolError
from sseor.stream.coding import Inflater


def inflate(coding: str, pieces: list[bytes]) -> bytes:
    """Return what the pieces hold."""
    inflater = Inflater.for_coding(coding)
    assert inflater is not None
    return b"".join(part for piece in pieces for part in inflater.feed(piece))


@given(st.binary(max_size=3000), st.integers(1, 700))
def test_any_split_gives_the_same_bytes(data: bytes, size: int) -> None:
    """gzip and deflate are undone whatever the reads."""
    for coding, packed in (("gzip", gzip.compress(data)), ("Deflate ", zlib.compress(data))):
        pieces = [packed[i : i + size] for i in range(0, len(packed), size)]
        assert inflate(coding, pieces) == data


def test_identity_needs_nothing() -> None:
    """No coding, no work."""
    assert Inflater.for_coding("") is None
    assert Inflater.for_coding("identity") is None


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br"])
def test_an_unknown_coding_is_refused(coding: str) -> None:
    """What cannot be undone within limits is a ProtocolError."""
    with pytest.raises(ProtocolError):
        Inflater.for_coding(coding)


def test_a_bomb_comes_in_small_pieces() -> None:
    """A megabyte of zeros is handed out 64 KiB at a time, so that a limit can stop it."""
    inflater = Inflater.for_coding("gzip")
    assert inflater is not None
    pieces = list(inflater.feed(gzip.compress(bytes(1 << 20))))
    assert sum(map(len, pieces)) == 1 << 20
    assert max(map(len, pieces)) <= 1 << 16


def test_members_follow_one_another() -> None:
    """Two gzip members in one read are one body."""
    assert inflate("gzip", [gzip.compress(b"low ") + gzip.compress(b"water")]) == b"low water"


def test_damage_is_a_protocol_error() -> None:
    """Bytes that are not compressed at all are reported, not passed on."""
    with pytest.raises(ProtocolError, match="damaged"):
        inflate("gzip", [b"data: plain\n\n"])


def test_what_precedes_the_damage_is_kept() -> None:
    """A token whose flush lies in the same read as the damage is handed out before the error."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    packed = packer.compress(b"data: Low\n\n") + packer.flush(zlib.Z_SYNC_FLUSH)
    inflater = Inflater.for_coding("gzip")
    assert inflater is not None
    kept: list[bytes] = []
    with pytest.raises(ProtocolError, match="damaged"):
        kept.extend(inflater.feed(packed + b"\xff" * 40))
    assert b"".join(kept) == b"data: Low\n\n"
