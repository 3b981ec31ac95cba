"""Short printable extracts of what a peer sent, fit for an error message."""

from __future__ import annotations


def extract(data: bytes | bytearray | str, *, longest: int = 200) -> str:
    """Return the beginning of `data` as one printable line of at most `longest` characters."""
    text = data if isinstance(data, str) else data[: longest * 4].decode("utf-8", "replace")
    printable = "".join(character if character.isprintable() else " " for character in text[: longest * 4])
    line = " ".join(printable.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
