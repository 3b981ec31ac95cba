"""The plain chunk, as nearly all of a text stream are: its only choice brings clean text as a string.

The views are made bare and filled in, since a Python `__init__` is half of what an object costs. What they show
is what the views of `Chunk` show.
"""

from __future__ import annotations

from typing import Any

from sseor.chat.chunks import Choice, Chunk, Delta

__all__ = ["PlainChunk"]


class PlainDelta(Delta):
    """The delta of a plain chunk."""

    __slots__ = ()
    __init__ = object.__init__


class PlainChoice(Choice):
    """The choice of a plain chunk."""

    __slots__ = ()
    __init__ = object.__init__


class PlainChunk(Chunk):
    """A chunk with one choice, `plain_choice`, whose `delta.content` is a string, `plain_text`, clean and not empty."""

    __slots__ = ("plain_choice", "plain_text")
    __init__ = object.__init__

    plain_choice: dict[str, Any]
    plain_text: str

    @property
    def choices(self) -> list[Choice]:
        """The choice."""
        raw = self.plain_choice
        if "reasoning" in raw:  # it belongs to the delta
            return super().choices
        delta = PlainDelta()
        delta.raw = raw["delta"]
        delta.content = self.plain_text
        choice = PlainChoice()
        choice.raw = raw
        choice.position = 0
        choice.delta = delta
        return [choice]
