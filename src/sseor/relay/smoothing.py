"""Pieces of text held until they end where a reader sees an end: a character, a word, a sentence or a line.

What goes out is what came in, cut elsewhere. Nothing is held longer than `max_delay` or beyond `max_characters`; only
these two ever cut inside a grapheme cluster. Where a cut is safe is known once the next character is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from sseor.chat import Reasoning, Refusal, Text
from sseor.errors import ConfigError
from sseor.relay.graphemes import boundaries

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Boundary", "Smoother", "Smoothing"]

Boundary: TypeAlias = Literal["grapheme", "word", "sentence", "line"]
Piece: TypeAlias = Text | Reasoning | Refusal

# Han, kana and bopomofo are written without blanks: each character may end a word, with the marks that belong to it.
IDEOGRAPH = "\u3005-\u3007\u3041-\u3096\u309d-\u30fa\u30fc-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"  # noqa: E501
OPENING = "\u3008\u300a\u300c\u300e\u3010\u3014\u3016\uff08\uff3b\uff5b(\\[{\u201c\u2018"
CLOSING = "\u3001\u3002\u3009\u300b\u300d\u300f\u3011\u3015\u3017\uff01\uff09\uff0c\uff0e\uff1a\uff1b\uff1f\uff3d\uff5d\u2019\u201d)\\]}.,!?:;"  # noqa: E501

ENDS: dict[Boundary, re.Pattern[str]] = {
    "word": re.compile(
        rf"\S\s+(?=\S)|[{IDEOGRAPH}][{CLOSING}]*(?=[^{CLOSING}\s])|[^\s{OPENING}{IDEOGRAPH}](?=[{IDEOGRAPH}])"
    ),
    "sentence": re.compile(
        r"[.!?\u2026]+[\"'\u201d\u2019)\]]*\s+(?=\S)|[\u3002\uff01\uff1f]+[\u300d\u300f\uff09\u201d\u2019]*"
        r"(?=[^\u3002\uff01\uff1f\u300d\u300f\uff09\u201d\u2019])|\n"
    ),
    "line": re.compile(r"\n|\r(?=[^\n])|[\u2028\u2029]"),
}
CONTEXT = 128
"""Characters kept of each end of a cluster that was cut: enough to see where any sane one ends."""


@dataclass(frozen=True, slots=True)
class Smoothing:
    """How text is held: up to which end, for how many seconds and to how many characters at most."""

    boundary: Boundary = "word"
    max_delay: float = 0.08
    max_characters: int = 64

    def __post_init__(self) -> None:
        """Check the values."""
        if self.boundary != "grapheme" and self.boundary not in ENDS:
            raise ConfigError(f"a boundary is grapheme, word, sentence or line, not {self.boundary!r}")
        if not self.max_delay > 0 or self.max_characters < 1:
            raise ConfigError("max_delay and max_characters must be above 0")


class _Held:
    """What is held of one kind of text of one choice."""

    __slots__ = ("context", "since", "text")

    def __init__(self) -> None:
        self.text = ""
        self.since = 0.0
        self.context = ""  # what has gone out of a cluster that is perhaps not complete

    def take(self, end: int, *, safe: bool) -> str:
        """Take the first `end` characters; without `safe` what follows may belong to the last cluster of them."""
        taken, self.text = self.text[:end], self.text[end:]
        if safe:
            self.context = ""
            return taken
        whole = self.context + taken
        ends = boundaries(whole)
        begin = ends[-2] if len(ends) > 1 else 0
        cluster = whole[begin:]
        self.context = cluster if len(cluster) <= 2 * CONTEXT else cluster[:CONTEXT] + cluster[-CONTEXT:]
        return taken


class Smoother:
    """Cuts the text of one stream anew. It reads no clock: `now` is an argument, `due` says when to come back."""

    def __init__(self, smoothing: Smoothing) -> None:
        self._smoothing = smoothing
        self._held: dict[tuple[int, type[Piece]], _Held] = {}

    @property
    def due(self) -> float | None:
        """When `late` will have something to give; None while nothing is held."""
        waiting = [held.since for held in self._held.values() if held.text]
        return min(waiting) + self._smoothing.max_delay if waiting else None

    def add(self, piece: Piece, now: float) -> list[Piece]:
        """Take a piece that came at `now`; return what may go out."""
        kind, choice = type(piece), piece.choice
        ready = [
            other
            for (number, held_kind) in self._held
            if number == choice and held_kind is not kind
            for other in self._flush(number, held_kind)
        ]
        held = self._held.setdefault((choice, kind), _Held())
        before = len(held.text)
        if not before:
            held.since = now
        held.text += piece.delta
        end, safe = self._end(held)
        if end:
            if end >= before:
                held.since = now
            ready.append(kind(held.take(end, safe=safe), choice))
        return ready

    def late(self, now: float) -> list[Piece]:
        """Return what has been held for `max_delay` at `now`."""
        delay = self._smoothing.max_delay
        return [
            piece
            for (choice, kind), held in self._held.items()
            if held.text and held.since + delay <= now
            for piece in self._flush(choice, kind)
        ]

    def flush(self) -> list[Piece]:
        """Return all that is held."""
        return [piece for choice, kind in self._held for piece in self._flush(choice, kind)]

    def _flush(self, choice: int, kind: type[Piece]) -> Iterator[Piece]:
        held = self._held[choice, kind]
        if held.text:
            yield kind(held.take(len(held.text), safe=False), choice)

    def _end(self, held: _Held) -> tuple[int, bool]:
        """Return how many of the held characters may go out, and whether that is a safe cut."""
        text, limit = held.text, self._smoothing.max_characters
        safe = self._safe_ends(held)
        end = 0
        if safe and self._smoothing.boundary != "grapheme":
            ends = [match.end() for match in ENDS[self._smoothing.boundary].finditer(text)]
            end = next((end for end in reversed(ends) if end in safe), 0)
        if self._smoothing.boundary == "grapheme" or len(text) - end >= limit:
            end = max(safe, default=0)
        return (end, True) if len(text) - end < limit else (len(text), False)

    def _safe_ends(self, held: _Held) -> range | set[int]:
        """Return the offsets at which a cluster surely ends."""
        text = held.text
        whole = (
            len(text) if text.endswith("\n") else len(text) - 1
        )  # a line feed joins with nothing that follows
        if not held.context and text.isascii() and "\r" not in text:
            return range(1, whole + 1)
        shift = len(held.context)
        return {end - shift for end in boundaries(held.context + text) if 0 < end - shift <= whole}
