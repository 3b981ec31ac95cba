"""Typed looks at untyped JSON: the base of the views, and values of a wrong type read as absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sseor.chat.text import clean, clean_value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

__all__ = ["View", "as_index", "json_object", "json_objects", "keep_other_fields"]


class View:
    """Typed glasses over one JSON object; equal when the objects are, and one kind of view is the other's too."""

    __slots__ = ("raw",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw

    def __eq__(self, other: object) -> bool:
        if isinstance(other, View) and (isinstance(other, type(self)) or isinstance(self, type(other))):
            return self.raw == other.raw
        return NotImplemented

    def _text(self, name: str) -> str | None:
        value = self.raw.get(name)
        return clean(value) if type(value) is str and value else None


def as_index(value: object) -> int | None:
    """Return an index as servers write it (0, "0", 0.0), or None for anything else."""
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return None


def json_object(value: object) -> dict[str, Any]:
    """Return an object, or an empty one for anything else."""
    return value if type(value) is dict else {}


def json_objects(value: object) -> list[dict[str, Any]]:
    """Return the objects in an array, none for anything else."""
    return [item for item in value if type(item) is dict] if type(value) is list else []


def keep_other_fields(kept: dict[str, Any], raw: Mapping[str, Any], known: AbstractSet[str]) -> None:
    """Put the fields of an object that are not `known`, and not null, into `kept`."""
    if raw.keys() <= known:
        return
    for key, value in raw.items():
        if key not in known and value is not None:
            kept[clean(key)] = clean_value(value)
