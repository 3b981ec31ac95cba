"""Extracts of what a peer sent."""

from __future__ import annotations

from sseor.stream.extracts import LONGEST, extract


def test_one_printable_line() -> None:
    """Controls vanish, blanks fold, broken UTF-8 is replaced."""
    assert extract(b"<h1>\r\n  502\x1b[31m \xff </h1>").isprintable()
    assert extract("a\n\n b") == "a b"


def test_it_is_short() -> None:
    """However long the body, the extract is at most 200 characters."""
    assert len(extract(b"x" * 100_000)) == LONGEST
    assert extract(b"x" * 100_000).endswith("…")
