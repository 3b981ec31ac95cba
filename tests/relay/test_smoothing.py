"""`sseor.relay.smoothing`: what goes out is what came in, cut where a reader sees an end, and never late."""

from __future__ import annotations

from typing import Any

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from sseor.chat import Reasoning, Refusal, Text
from sseor.errors import ConfigError
from sseor.relay.smoothing import Boundary, Smoother, Smoothing

BOUNDARIES: tuple[Boundary, ...] = ("grapheme", "word", "sentence", "line")
each_boundary = pytest.mark.parametrize("boundary", BOUNDARIES)

CLUSTERS = [
    *"abc .,!?\n",
    " ",
    "e\u0301",
    "\r\n",
    "👩‍👩‍👧",
    "👋🏽",
    "🇩🇪",
    "각",
    "क्षि",
    "世",
    "界",
    "。",
    "「",
    "」",
    "かな",
    "שלום",
    "ש\u05b8",
]
texts = st.lists(st.sampled_from(CLUSTERS), max_size=30).map("".join)


@st.composite
def pieces(draw: st.DrawFn) -> list[str]:
    """Return a text, cut anywhere, also inside clusters."""
    text = draw(texts)
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=12)))
    return [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def run(smoother: Smoother, parts: list[str], now: float = 0.0) -> list[str]:
    """Return what goes out for these pieces, all at one time."""
    return [piece.delta for part in parts for piece in smoother.add(Text(part), now)]


@each_boundary
@given(parts=pieces())
def test_text_is_the_same_and_cut_at_clusters(boundary: Boundary, parts: list[str]) -> None:
    """The concatenation is identical, nothing is empty, and without haste no cut is inside a cluster of the whole."""
    smoother = Smoother(Smoothing(boundary, max_characters=10_000))
    out = run(smoother, parts)
    text = "".join(parts)
    rest = "".join(piece.delta for piece in smoother.flush())
    assert "".join(out) + rest == text
    assert all(out)
    safe = {match.end() for match in regex.finditer(r"\X", text)}
    assert {len("".join(out[: number + 1])) for number in range(len(out))} <= safe
    assert smoother.due is None


@each_boundary
@given(
    parts=pieces(),
    steps=st.lists(st.sampled_from([0.0, 0.03, 0.079, 0.081]), min_size=13, max_size=13),
    most=st.integers(1, 8),
)
def test_nothing_is_held_too_long(
    boundary: Boundary, parts: list[str], steps: list[float], most: int
) -> None:
    """Whatever comes when, no more than `max_characters` are held, and none beyond `max_delay`."""
    smoother = Smoother(Smoothing(boundary, max_characters=most))
    now, out = 0.0, ""
    came: list[float] = []  # when each character came
    for part, step in zip(parts, steps, strict=False):
        now += step
        out += "".join(piece.delta for piece in smoother.late(now))
        came += [now] * len(part)
        out += "".join(piece.delta for piece in smoother.add(Text(part), now))
        held = came[len(out) :]
        assert len(held) < max(most, 2)
        assert all(now - when < 0.08 + 1e-9 for when in held)
        assert (smoother.due is None) == (not held)
        if held:
            assert smoother.due is not None
            assert smoother.due <= held[0] + 0.08 + 1e-9
    out += "".join(piece.delta for piece in smoother.flush())
    assert out == "".join(parts)


@given(parts=pieces(), late=st.integers(0, 12))
def test_a_forced_cut_spoils_no_later_one(parts: list[str], late: int) -> None:
    """After text was forced out inside a cluster the cuts that follow are again at clusters of the whole text."""
    smoother = Smoother(Smoothing("grapheme", max_characters=10_000))
    done, forced = 0, 0
    ends = set()
    for number, part in enumerate(parts):
        for piece in smoother.add(Text(part), 0.0):
            done += len(piece.delta)
            ends.add(done)
        if number == late:
            done += sum(len(piece.delta) for piece in smoother.late(1.0))
            forced = done
    safe = {match.end() for match in regex.finditer(r"\X", "".join(parts))}
    assert ends - {forced} <= safe


@pytest.mark.parametrize(
    ("boundary", "parts", "out"),
    [
        ("grapheme", ["Lo", "w"], ["L", "o"]),
        ("grapheme", ["🇩", "🇪🇫", "🇷!"], ["🇩🇪", "🇫🇷"]),
        ("grapheme", ["👩", "\u200d", "👧 "], ["👩\u200d👧"]),
        ("word", ["Low", " water", ", and", " more"], ["Low ", "water, ", "and "]),
        ("word", [" ", "Low", " "], []),
        ("word", ["世界は", "広い。", "a"], ["世界", "は広", "い。"]),
        ("word", ["ab世", "「", "界」", "c"], ["ab", "世", "「界」"]),
        ("word", ["a\r", "\nb"], ["a\r\n"]),
        ("sentence", ["Hi! How", " are you? ", "Fine"], ["Hi! ", "How are you? "]),
        ("sentence", ["日本語。", "「はい。」", "次"], ["日本語。", "「はい。」"]),
        ("sentence", ["one\ntwo"], ["one\n"]),
        ("line", ["one\ntw", "o\r", "\n", "three\r", "x\u2028y"], ["one\n", "two\r\n", "three\rx\u2028"]),
    ],
)  # fmt: skip
def test_where_it_cuts(boundary: Boundary, parts: list[str], out: list[str]) -> None:
    """Words with the blanks behind them, ideographs with their marks, sentences and lines with their ends."""
    assert run(Smoother(Smoothing(boundary)), parts) == out


def test_a_monster_cluster_is_cut_by_force() -> None:
    """A letter under more marks than may be held goes out in pieces, and memory stays small."""
    smoother = Smoother(Smoothing("word", max_characters=64))
    out = run(smoother, ["a" + "\u0301" * 40] + ["\u0301" * 40] * 20)
    assert len("".join(out)) > 700
    out += run(smoother, ["b c"])
    out += [piece.delta for piece in smoother.flush()]
    assert "".join(out) == "a" + "\u0301" * 840 + "b c"


def test_other_kinds_and_choices() -> None:
    """Another kind of text in the same choice flushes what is held of it; another choice does not."""
    smoother = Smoother(Smoothing())
    assert smoother.add(Reasoning("Hm"), 0.0) == []
    assert smoother.add(Text("a", 1), 0.0) == []
    assert smoother.add(Text("b"), 0.01) == [Reasoning("Hm")]
    assert smoother.add(Refusal("c"), 0.02) == [Text("b")]
    assert smoother.due == pytest.approx(0.08)
    assert smoother.late(0.09) == [Text("a", 1)]
    assert smoother.flush() == [Refusal("c")]
    assert smoother.flush() == []


@pytest.mark.parametrize(
    "wrong", [{"boundary": "page"}, {"max_delay": 0}, {"max_characters": 0}, {"max_delay": float("nan")}]
)
def test_wrong_values_are_refused(wrong: dict[str, Any]) -> None:
    """At once, with a sentence."""
    with pytest.raises(ConfigError):
        Smoothing(**wrong)


def test_what_stays_is_as_old_as_its_arrival() -> None:
    """A part goes out because there is too much; the rest, which came before, is not held the longer for it."""
    smoother = Smoother(Smoothing("line", max_delay=1, max_characters=5))
    assert smoother.add(Text("abcd"), 0.0) == []
    assert smoother.add(Text("\u0301\u0301"), 0.5) == [Text("abc")]
    assert smoother.due == 1.0
    assert smoother.late(1.0) == [Text("d\u0301\u0301")]
