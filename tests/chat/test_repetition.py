"""Repetitions: what certainly comes again, however the text is cut."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sseor.chat.repetition import CERTAIN, PASSAGE, WINDOW, Repetition, common_prefix, is_periodic, overlap

WORDS = st.text("ab ", max_size=40)


def smallest_period(text: str) -> int:
    """Return by trying all."""
    return next(size for size in range(1, len(text) + 1) if text[size:] == text[: len(text) - size])


def expected(before: str, after: str) -> tuple[int, bool]:
    """Return, by trying every place, what is repeated, and whether the text started over."""
    for at in range(len(before)):
        passage = before[at:]
        if not after.startswith(passage) or smallest_period(passage) <= len(passage) / 2:
            continue
        whole = at == 0 and len(passage.replace(" ", "")) >= 4
        tail = 0 < len(passage) <= WINDOW and at > 0
        if whole or (tail and len(passage) >= CERTAIN and before.find(passage) == at):
            return len(passage), False
    same = common_prefix(before, after)
    repeats_itself = bool(before) and smallest_period(before) <= len(before) / 2
    over = (
        len(before.replace(" ", "")) >= 4
        and not repeats_itself
        and same < len(before)
        and same >= min(PASSAGE, max(8, len(before) // 2))
        and before.find(before[:same], 1) < 0
    )
    return 0, over


@given(st.text("ab", min_size=1, max_size=14))
@example("a")
def test_a_period_is_found(text: str) -> None:
    """A text is periodic when its smallest period is at most half of it."""
    assert is_periodic(text) == (smallest_period(text) <= len(text) / 2)


@given(WORDS, WORDS)
def test_the_overlap_is_the_longest(before: str, after: str) -> None:
    """The longest end of the one that begins the other."""
    sizes = [size for size in range(len(after) + 1) if size <= len(before) and before.endswith(after[:size])]
    assert overlap(before, after) == max(sizes)
    assert after[: common_prefix(before, after)] == before[: common_prefix(before, after)]


@given(st.data(), st.text("abc ", max_size=60))
def test_any_pieces_give_what_trying_all_places_gives(data: st.DataObject, before: str) -> None:
    """The search agrees with the definition, for continuations made of what came before."""
    start = data.draw(st.integers(0, len(before)))
    after = before[start:] + data.draw(st.text("abc ", max_size=30))
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(after))), max_size=8)))
    repetition = Repetition(before, len(before))
    for first, last in zip([0, *cuts], [*cuts, len(after)], strict=True):
        if after[first:last] and repetition.pending:
            repetition.add(after[first:last])
    repetition.end()
    assert (repetition.length, repetition.started_over) == expected(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("the quick brown fox jumps", "quick brown fox jumps over"),
        ("the quick brown fox jumps", "quick brown fox sits"),
        ("the quick brown fox, the quick brown fox", "quick brown fox jumps"),
        ("the quick brown fox, the quick brown fox", "the quick brown fox, the cat"),
        ("See: abcabcabcabcabc", "abcabcabcabcabcd"),
        ("the quick brown fox jumps", "the quick brown fox sits"),
        ("the quick brown fox jumps", "the quick brown fox jumps over"),
    ],
)
def test_ends_whole_texts_and_new_beginnings(before: str, after: str) -> None:
    """A repetition that is unique is found, one that may be a pattern is not, letter by letter too."""
    for size in (1, 5, 100):
        repetition = Repetition(before, len(before))
        for start in range(0, len(after), size):
            if repetition.pending:
                repetition.add(after[start : start + size])
        repetition.end()
        assert (repetition.length, repetition.started_over) == expected(before, after)


def test_a_whole_repetition_is_no_new_beginning() -> None:
    """What has come again to its end has not diverged, also when nothing follows."""
    repetition = Repetition("aaaaaaaa ", 9)
    for piece in ("aaaaaaaa", " "):
        repetition.add(piece)
    repetition.end()
    assert (repetition.length, repetition.started_over) == (9, False)


def test_a_refrain_is_no_new_beginning() -> None:
    """Lines that all begin alike are gone on with like that."""
    line = '{"prompt": "Translate the word '
    before = f'{line}one"}}\n{line}two"}}\n'
    repetition = Repetition(before, len(before))
    repetition.add(f'{line}three"}}\n')
    assert not repetition.started_over
    assert not repetition.pending


@pytest.mark.parametrize("before", ["word " * 20_000 + "end.", "".join(map(str, range(20_000)))])
def test_the_time_is_linear(before: str) -> None:
    """A long answer repeated letter by letter takes seconds only if each letter looks at all of them."""
    repetition = Repetition(before, len(before))
    started = time.process_time()
    for letter in before:
        repetition.add(letter)
    assert repetition.length == len(before)
    assert time.process_time() - started < 5
