"""JSON in one place: the same result from every decoder."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseor.chat import codec

CODECS = ("json", "orjson", "msgspec")


@pytest.fixture(params=CODECS)
def selected(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test with each decoder."""
    codec.select(request.param)
    yield request.param
    codec.select()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, null, true, "é"]}', {"a": [1, 2.5, None, True, "é"]}),
        (' {"a":1} ', {"a": 1}),
        ('"\\ud83e\\udd8a"', "🦊"),
        ('"\\ud83e"', "\ud83e"),
        ("12345678901234567890", 12345678901234567890),
        ("123456789012345678901", 1.2345678901234568e20),
        ("-9223372036854775808", -(2**63)),
        ("-9223372036854775809", -9.223372036854775809e18),
        ("1.123456789012345678901234567890", 1.1234567890123457),
        ('"1234567890123456789012345"', "1234567890123456789012345"),
        ("5.505e-05", 5.505e-05),
        ('{"a":1,"a":2}', {"a": 2}),
        ("[" * codec.MAX_DEPTH + "]" * codec.MAX_DEPTH, None),
        ('["' + "[{" * 400 + '"]', ["[{" * 400]),
        ('{"a": ' + '[{"b": [1]},' * 1 + "2" + ", []" * 300 + "]}", {"a": [{"b": [1]}, 2] + [[]] * 300}),
    ],
)
def test_every_decoder_reads_the_same(selected: str, text: str, value: Any) -> None:
    """A document gives the same value, and of the same types, whichever decoder reads it and from text or bytes."""
    assert codec.selected() == selected
    for data in (text, text.encode("utf-8", "surrogatepass")):
        found = codec.loads(data)
        if value is not None:
            assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[DONE]",
        "NaN",
        "[Infinity]",
        "-Infinity",
        "1e999",
        "1" + "0" * 400,
        "1" * 5000,
        "[" * 100_000,
        "[" * 2000 + "]" * 2000,
        "[" * (codec.MAX_DEPTH + 1) + "]" * (codec.MAX_DEPTH + 1),
        '{"a":' * 300 + "1" + "}" * 300,
        '"\x01"',
        "{}{}",
    ],
)
def test_every_decoder_refuses_the_same(selected: str, text: str) -> None:
    """What is no JSON, or too deep or too large, is a ValueError and nothing else."""
    for data in (text, text.encode()):
        with pytest.raises(ValueError):
            codec.loads(data)
    if text:
        with pytest.raises(ValueError):
            codec.loads_exact(text) if not text.startswith("1") else codec.loads(text)


def test_invalid_utf_8_becomes_the_replacement_character(selected: str) -> None:
    """Bytes that are no UTF-8 do not break a document."""
    assert codec.loads(b'"a\xff\xed\xa0\x80b"').startswith("a\ufffd")


def test_nesting_near_the_end_of_the_stack_is_read_or_a_value_error() -> None:
    """When the caller has used up the stack, no RecursionError escapes: Python 3.11 refuses, later ones may read."""
    text = " " + "[" * 200 + "]" * 200

    def deeper(levels: int) -> object:
        return deeper(levels - 1) if levels else codec.loads_exact(text)

    frame, used = sys._getframe(), 0
    while frame.f_back is not None:
        frame, used = frame.f_back, used + 1
    try:
        found = deeper(sys.getrecursionlimit() - 150 - used)
    except ValueError as error:
        assert "deep" in str(error)  # noqa: PT017
    else:
        assert type(found) is list


def test_exact_integers_for_arguments() -> None:
    """`loads_exact` keeps integers that no float can hold."""
    assert codec.loads_exact('{"id": 12345678901234567890123}') == {"id": 12345678901234567890123}


def test_the_fastest_importable_decoder_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """`orjson` first, then `msgspec`, then the standard library; a named one that is missing is an error."""
    assert codec.select() == "orjson"
    monkeypatch.setitem(sys.modules, "orjson", None)
    assert codec.select() == "msgspec"
    monkeypatch.setitem(sys.modules, "msgspec", None)
    assert codec.select() == codec.selected() == "json"
    with pytest.raises(ImportError):
        codec.select("orjson")
    monkeypatch.undo()
    assert codec.select() == "orjson"


def test_dumps_is_compact_utf_8() -> None:
    """Encoding gives compact UTF-8; NaN, lone surrogates and endless nesting are ValueErrors."""
    assert codec.dumps({"a": ["é", 1]}) == '{"a":["é",1]}'.encode()
    for wrong in (float("nan"), "\ud800"):
        with pytest.raises(ValueError):
            codec.dumps(wrong)
    nested: list[Any] = []
    for _ in range(5000):
        nested = [nested]
    with pytest.raises(ValueError, match="deep"):
        codec.dumps(nested)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_the_decoders_agree_on_any_document(value: Any) -> None:
    """Any JSON value reads the same with each decoder."""
    text = json.dumps(value)
    found = []
    for name in CODECS:
        codec.select(name)
        found.append(codec.loads(text.encode()))
    codec.select()
    assert found[0] == found[1] == found[2]
    assert repr(found[0]) == repr(found[1]) == repr(found[2])
