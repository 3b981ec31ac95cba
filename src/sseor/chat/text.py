"""Text that arrives in pieces: joined once, and always encodable as UTF-8."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["GrowingText", "clean", "clean_value", "printable"]

REPLACEMENT = "\ufffd"
BLOCK = 1024
_KEY = re.compile(r"\bsk-[A-Za-z0-9_-]{6,}")


def clean(text: str) -> str:
    """Return `text` with surrogate pairs joined and lone halves replaced by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def clean_value(value: Any) -> Any:
    """Return a copy of a JSON value in which every string, keys included, is clean."""
    if type(value) is str:
        return clean(value)
    if type(value) is dict:
        copy = {}
        for key, item in value.items():
            copy[clean(key)] = clean_value(item)
        return copy
    if type(value) is list:
        # A plain loop costs one frame a level; a comprehension costs two on Python 3.11.
        items = []
        for item in value:
            items.append(clean_value(item))  # noqa: PERF401
        return items
    return value


def printable(text: str, limit: int) -> str:
    """Return one line of at most `limit` printable characters, for errors and reprs; API keys are blotted out."""
    # The slack lets a key that the cut would halve be seen whole.
    shown = clean(text[: limit + 200])
    if not shown.isprintable():
        shown = "".join(one if one.isprintable() else " " for one in shown)
    shown = _KEY.sub("sk-…", shown)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


class GrowingText:
    """A text that grows by deltas; `str()` is what has been handed out so far.

    JavaScript servers cut strings between the halves of a surrogate pair, so a high half at the end of a
    delta is held back until the next one: `held`. Deltas wait in `parts` and are joined once, in blocks: a
    string object weighs ten times the few letters in it.
    """

    __slots__ = ("_blocks", "held", "parts")

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self.parts: list[str] = []
        self.held = ""

    def add(self, delta: str) -> str:
        """Take the next delta and return what may be handed out now."""
        if self.held:
            delta, self.held = self.held + delta, ""
        if not delta.isascii():
            if "\ud800" <= delta[-1] <= "\udbff":
                delta, self.held = delta[:-1], delta[-1]
            delta = clean(delta)
        self.parts.append(delta)
        if len(self.parts) >= BLOCK:
            self.join()
        return delta

    def join(self) -> None:
        """Make a block of the parts; whoever appends to them asks for it when there are `BLOCK`."""
        self._blocks.append("".join(self.parts))
        self.parts.clear()

    def end(self) -> str:
        """Give up waiting for a second half: return U+FFFD for a held one, else an empty string."""
        if not self.held:
            return ""
        self.held = ""
        self.parts.append(REPLACEMENT)
        return REPLACEMENT

    def __str__(self) -> str:
        self.join()
        self._blocks = ["".join(self._blocks)]
        return self._blocks[0]
