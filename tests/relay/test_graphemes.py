r"""`sseor.relay.graphemes`: the boundaries of UAX #29, as the `regex` package finds them with `\X`."""

from __future__ import annotations

import re

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from sseor.relay.grapheme_table import RANGES
from sseor.relay.graphemes import boundaries

PROPERTIES = {
    "CONTROL": r"\p{GCB=Control}",
    "EXTEND": r"\p{GCB=Extend}",
    "SPACING_MARK": r"\p{GCB=SpacingMark}",
    "PREPEND": r"\p{GCB=Prepend}",
    "L": r"\p{GCB=L}",
    "V": r"\p{GCB=V}",
    "T": r"\p{GCB=T}",
    "PICTOGRAPHIC": r"\p{Extended_Pictographic}",
    "CONSONANT": r"\p{InCB=Consonant}",
    "LINKER": r"[\p{InCB=Linker}&&\p{GCB=Extend}]",
}
EVERYTHING = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))

WHOLE = [
    "e\u0301",
    "\r\n",
    "👩‍👩‍👧‍👦",
    "👋🏽",
    "❤️",
    "🇩🇪",
    "1️⃣",
    "각",
    "\u1112\u1161\u11ab",
    "क्षि",
    "த்",
    "ส้",
    "ก็",
    "ش\u0651",
    "\u0600\u0661",
    "🏴\U000e0067\U000e0062\U000e007f",
    "Z\u0351\u036b\u0343",
]
"""Each is one cluster."""


def reference(text: str) -> list[int]:
    r"""Return where `\X` ends."""
    return [match.end() for match in regex.finditer(r"\X", text)]


@pytest.mark.parametrize("name", RANGES)
def test_the_table_has_the_property(name: str) -> None:
    """A row of the table holds exactly the code points that have its property."""
    found = set()
    for part in RANGES[name].split():
        first, _, last = part.partition("-")
        found |= set(range(int(first, 16), int(last or first, 16) + 1))
    expected = "".join(regex.findall(PROPERTIES[name] + "+", EVERYTHING, regex.V1))
    assert found == set(map(ord, expected))


@pytest.mark.parametrize("cluster", WHOLE)
def test_a_cluster_is_not_cut(cluster: str) -> None:
    """Alone, repeated, and between letters of any kind."""
    assert boundaries(cluster) == [len(cluster)]
    assert boundaries(cluster * 3) == [len(cluster) * number for number in (1, 2, 3)]
    for before, after in (("a", "b"), ("世", "界"), ("ש", "ל")):
        assert boundaries(before + cluster + after) == [1, 1 + len(cluster), 2 + len(cluster)]


# Linkers stand only in the conjuncts above: after anything but a consonant `regex` joins more than the standard.
LINKERS = re.compile(
    "[" + "".join(rf"\U{int(part.partition('-')[0], 16):08x}" for part in RANGES["LINKER"].split()) + "]"
)
EDGES = [
    chr(int(edge, 16))
    for name, ranges in RANGES.items()
    if name != "LINKER"
    for part in ranges.split()
    for edge in part.split("-")
    if not LINKERS.match(chr(int(edge, 16)))
]


@given(
    st.lists(st.sampled_from([*WHOLE, *EDGES, "a", " ", "\r", "\n", "\u200d", "\u200c", "世"]), max_size=12)
)
def test_any_text_is_cut_where_the_reference_cuts(parts: list[str]) -> None:
    """Clusters, halves of clusters and the edges of all ranges, in any order."""
    text = "".join(parts)
    assert boundaries(text) == reference(text)


def test_a_linker_joins_consonants_only() -> None:
    """GB9c: after a consonant, with what extends it between; not after another letter, nor at the start."""
    assert boundaries("क्\u200dष") == [4]
    assert boundaries("a्ष") == [2, 3]
    assert boundaries("्ष") == [1, 2]
    assert boundaries("क\u0300ष") == [2, 3]


def test_long_clusters_take_linear_time() -> None:
    """Half a million marks on one letter are one cluster, found at once."""
    for mark in ("\u0301", "\u094d", "\u200d"):
        text = "क" + mark * 500_000
        assert boundaries(text) == [len(text)]
