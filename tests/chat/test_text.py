"""Pieces of text: halves of surrogate pairs, blocks, and what may be shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sseor.chat.text import BLOCK, GrowingText, clean, clean_value, printable

anything = st.text(st.characters(codec=None) | st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF))


@given(st.lists(anything))
def test_the_pieces_handed_out_are_the_clean_whole(deltas: list[str]) -> None:
    """However a text is cut, what is handed out joins to the text with pairs joined and lone halves replaced."""
    growing = GrowingText()
    shown = [growing.add(delta) for delta in deltas]
    shown.append(growing.end())
    assert "".join(shown) == str(growing) == clean("".join(deltas))
    for piece in shown:
        piece.encode()


def test_a_pair_cut_in_two_is_joined() -> None:
    """A high half waits for its low half and nothing is handed out before."""
    growing = GrowingText()
    assert growing.add("a\ud83e") == "a"
    assert str(growing) == "a"
    assert growing.add("\udd8a!") == "🦊!"
    assert growing.end() == ""


def test_a_half_that_stays_alone_is_replaced() -> None:
    """At the end a held half becomes U+FFFD, once."""
    growing = GrowingText()
    growing.add("\ud83e")
    assert (growing.end(), growing.end(), str(growing)) == ("\ufffd", "", "\ufffd")


def test_many_deltas_are_kept_in_blocks() -> None:
    """Deltas are joined block by block, and looking at the text between changes nothing."""
    growing = GrowingText()
    for number in range(3 * BLOCK + 5):
        growing.add("xy")
        assert len(growing.parts) < BLOCK
        if number == BLOCK + 7:
            assert str(growing) == str(growing) == "xy" * (BLOCK + 8)
    assert str(growing) == "xy" * (3 * BLOCK + 5)


def test_clean_value_reaches_keys_and_nested_strings() -> None:
    """Every string of a JSON value is cleaned, keys included, and the value is a copy."""
    value = {"a\ud800": ["\udc00", {"b": 1, "c": None}], "d": 0.5}
    assert clean_value(value) == {"a\ufffd": ["\ufffd", {"b": 1, "c": None}], "d": 0.5}
    assert clean_value(value["d"]) == 0.5


def test_printable_is_one_short_line_without_keys() -> None:
    """Control characters become blanks, API keys are blotted out even at the cut, and the rest is cut."""
    assert printable("a\x1b[31m\nb", 20) == "a [31m b"
    assert printable("x" * 30, 10) == "x" * 9 + "…"
    assert printable("key sk-or-v1-0123456789abcdef sent", 100) == "key sk-… sent"
    assert "0123" not in printable("12345 sk-or-v1-0123456789abcdef", 18)
    assert printable("\ud800", 5) == "\ufffd"
