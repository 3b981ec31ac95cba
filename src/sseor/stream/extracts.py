"""Short printable extracts of what a peer sent, fit for an error message."""

from __future__ import annotations

from sseor.chat.text import printable

LONGEST = 200


def extract(data: bytes | bytearray | str) -> str:
    """Return the beginning of `data` as one printable line of at most 200 characters, blanks folded."""
    text = data if isinstance(data, str) else data[: LONGEST * 8].decode("utf-8", "replace")
    return printable(" ".join(text[: LONGEST * 8].split()), LONGEST)
