"""State that is copied and compared by what it holds, so that viewers of one stream can share what was made of it."""

from __future__ import annotations

from typing import Self

__all__ = ["State"]


class State:
    """Attributes are immutable values, dicts of such, or states."""

    def copy(self) -> Self:
        """Return another of the same kind, with the same attributes."""
        twin = object.__new__(type(self))
        for name, value in vars(self).items():
            setattr(twin, name, value.copy() if isinstance(value, (dict, State)) else value)
        return twin

    def __eq__(self, other: object) -> bool:
        return self is other or (type(self) is type(other) and vars(self) == vars(other))
