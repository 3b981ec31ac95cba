"""Typed looks at untyped JSON."""

from __future__ import annotations

from typing import Any

import pytest

from sseor.chat.view import View, as_index, json_object, json_objects, keep_other_fields


@pytest.mark.parametrize(
    ("value", "index"),
    [
        (0, 0),
        (-3, -3),
        (7.0, 7),
        ("12", 12),
        (1.5, None),
        (float("inf"), None),
        (float("nan"), None),
        (True, None),
        ("²", None),
        ("-1", None),
        ("9" * 5000, None),
        ("", None),
        (None, None),
        ([], None),
    ],
)
def test_indexes_as_servers_write_them(value: Any, index: int | None) -> None:
    """Whole numbers and short digit strings are indexes, nothing else is."""
    assert as_index(value) == index


def test_objects_and_arrays() -> None:
    """What is no object reads as an empty one; of an array only the objects count."""
    assert (json_object({"a": 1}), json_object([1]), json_object(None)) == ({"a": 1}, {}, {})
    assert (json_objects([{"a": 1}, 2, None]), json_objects({"a": 1}), json_objects(None)) == (
        [{"a": 1}],
        [],
        [],
    )


def test_views_are_equal_when_kind_and_object_are() -> None:
    """A view compares with its own kind and what derives from it, has no hash, and reads clean text."""

    class Kind(View):
        __slots__ = ()

    class OtherKind(View):
        __slots__ = ()

    class SubKind(Kind):
        __slots__ = ()

    assert View({"a": 1}) == View({"a": 1})
    assert View({"a": 1}) != View({"a": 2})
    assert Kind({}) != OtherKind({})
    assert Kind({"a": 1}) == SubKind({"a": 1}) == Kind({"a": 1})
    assert Kind({"a": 1}) != SubKind({"a": 2})
    assert View({}) != {}
    with pytest.raises(TypeError):
        hash(View({}))
    assert (View({"a": "\ud800"})._text("a"), View({"a": 1})._text("a"), View({})._text("a")) == (
        "\ufffd",
        None,
        None,
    )


def test_other_fields_are_kept() -> None:
    """The last value of each field that is not known, and not null, stays, as clean text."""
    kept: dict[str, Any] = {}
    for raw in ({"id": 1}, {"id": 1, "x": "\ud800", "y": None, "\ud800": [1]}, {"x": 2, "y": 3}, {"y": None}):
        keep_other_fields(kept, raw, {"id"})
    assert kept == {"x": 2, "\ufffd": [1], "y": 3}
