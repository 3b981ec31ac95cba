"""The best object that a growing text allows."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseor.chat.partial_json import partial_object


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("[1", {}),
        ("{", {}),
        ('{"ci', {}),
        ('{"city', {}),
        ('{"city"', {}),
        ('{"city":', {}),
        ('{"city": "Nan', {"city": "Nan"}),
        ('{"city": "Nan\\', {"city": "Nan"}),
        ('{"city": "Nan\\u00', {"city": "Nan"}),
        ('{"city": "Nan\\u00e9', {"city": "Nané"}),
        ('{"city": "\\\\u12', {"city": "\\u12"}),
        ('{"city": "Nantes"', {"city": "Nantes"}),
        ('{"n": 12', {}),
        ('{"n": 12,', {"n": 12}),
        ('{"n": 12, "m', {"n": 12}),
        ('{"ok": tru', {}),
        ('{"ok": true}', {"ok": True}),
        ('{"a": [1, 2', {"a": [1]}),
        ('{"a": [', {"a": []}),
        ('{"a": {"b": [{"c": "d', {"a": {"b": [{"c": "d"}]}}),
        ('{"a": {"b": 1}, "c": [] } trailing', {"a": {"b": 1}, "c": []}),
        ('{"a": 1]', {"a": 1}),
        ('{"a" "b": 1,', {}),
        ("}", {}),
        ('{"half": "\\ud83e', {"half": "\ufffd"}),
    ],
)
def test_what_is_sure_is_shown(text: str, value: dict[str, Any]) -> None:
    """Strings show as far as they came, other values once they are final, keys once they have a value."""
    assert partial_object(text) == value


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.recursive(
            st.integers() | st.text() | st.none(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    ),
    st.data(),
)
def test_any_beginning_of_any_object_gives_an_object(value: dict[str, Any], data: st.DataObject) -> None:
    """Every beginning of a document gives an object, the whole document gives the value itself."""
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()))
    cut = data.draw(st.integers(0, len(text)))
    assert type(partial_object(text[:cut])) is dict
    assert partial_object(text) == value


def test_a_long_string_takes_linear_time() -> None:
    """A megabyte of growing string is scanned at once, not backtracked over."""
    text = '{"a": "' + "x\\n" * 300_000
    start = time.process_time()
    assert len(partial_object(text)["a"]) == 600_000
    assert time.process_time() - start < 5
