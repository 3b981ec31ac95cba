"""The seam: each character once, and no doubt unsaid."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sseor.chat.repetition import CERTAIN
from sseor.chat.seam import PREAMBLE, Seam, SeamReport, StartedOver

FOX = "The quick brown fox jumps over the lazy dog and"


def pieces_of(text: str, size: int) -> list[str]:
    """Return the text in pieces of this size."""
    return [text[start : start + size] for start in range(0, len(text), size)]


def passed(
    before: str, pieces: list[str], *, sent: str | None = None, finished: bool = True
) -> tuple[str, Seam]:
    """Return what a seam lets through, and the seam."""
    seam = Seam(before, before if sent is None else sent, "prefill")
    shown = "".join([seam.add(piece) for piece in pieces])
    return shown + seam.end(finished), seam


def in_any_pieces(before: str, after: str, *, sent: str | None = None) -> tuple[str, SeamReport | None]:
    """Return what is shown of a whole follow-up and the report, which no cutting changes."""
    results = []
    for size in (1, 2, 3, 7, 1000):
        shown, seam = passed(before, pieces_of(after, size), sent=sent)
        results.append((shown, seam.report))
    assert all(result == results[0] for result in results)
    return results[0]


def doubt(report: SeamReport | None) -> str:
    """Return why the seam is doubtful."""
    assert report is not None
    return report.doubtful


@pytest.mark.parametrize(
    ("before", "after", "shown", "removed", "doubtful"),
    [
        (FOX, " sleeps.", " sleeps.", 0, ""),
        (FOX, "over the lazy dog and sleeps.", " sleeps.", 21, ""),
        (FOX, "and sleeps.", "and sleeps.", 0, "overlap of 3 characters"),
        (FOX, "down it goes", "down it goes", 0, "overlap of 1 character"),
        (FOX, FOX + " sleeps.", " sleeps.", len(FOX), ""),
        (FOX, FOX, "", len(FOX), ""),
        (FOX, "\n\n" + FOX + " sleeps.", " sleeps.", len(FOX) + 2, ""),
        (FOX, " the lazy dog and sleeps.", " sleeps.", 17, ""),
        ("Hello", "Hello there", " there", 5, ""),
        ("Yes", "Yes, I do", "Yes, I do", 0, "overlap of 3 characters"),
        ("ha " * 30, "ha ha ha stop", "ha ha ha stop", 0, "overlap of 9 characters"),
        ("-" * 40, "-" * 20 + "x", "-" * 20 + "x", 0, "overlap of 20 characters"),
        (
            FOX,
            "brown fox jumps over the moon",
            "brown fox jumps over the moon",
            0,
            "repetition of 25 characters",
        ),
        (FOX, "brown fox jumps over a moon", "brown fox jumps over a moon", 0, ""),
        (FOX, "Something else.", "Something else.", 0, ""),
        (FOX, "the lazy dog and" * 2, "the lazy dog and", 16, "overlap of 16 characters"),
        ("ha ha ha ha ", " ha ha ha ha x", " ha ha ha ha x", 0, "overlap of 12 characters"),
        (FOX, " down it goes", " down it goes", 0, ""),
        ("See: " + "abc" * 5, "abc" * 5 + "d", "abc" * 5 + "d", 0, "overlap of 15 characters"),
        ("", "Hello", "Hello", 0, ""),
    ],
)
def test_what_comes_again(before: str, after: str, shown: str, removed: int, doubtful: str) -> None:
    """A certain repetition is left out, an uncertain one is shown and flagged, anything else just shown."""
    text, report = in_any_pieces(before, after)
    assert (text, report) == (shown, SeamReport(len(before), removed, doubtful))


@pytest.mark.parametrize(
    "preamble",
    [
        "Sure, continuing:\n\n",
        "Sure, continuing: ",
        "Certainly! Here is the rest:\n",
        "Continuing from where I left off…\n\n",
        "Here\u2019s the continuation: ",
        "(continued)\n",
        "**Continuing:**\n\n",
        "Apologies for the interruption. ",
        "\n\nOf course. Here is the rest of the answer: ",
    ],
)
def test_a_preamble_is_not_let_in_unsaid(preamble: str) -> None:
    """Before a certain repetition it is left out with it; else it is shown, and flagged."""
    text, report = in_any_pieces(FOX, preamble + "the lazy dog and sleeps.")
    assert text == " sleeps."
    assert report == SeamReport(len(FOX), len(preamble) + 16)
    text, report = in_any_pieces(FOX, preamble + "it sleeps.")
    assert text == preamble + "it sleeps."
    assert "preamble" in doubt(report)
    text, report = in_any_pieces(FOX, preamble + FOX + " sleeps.")
    assert text == " sleeps."


@pytest.mark.parametrize(
    "after",
    [" sure, it sleeps", "surely.", "Okapis sleep.", "continuing to sleep", "Sur", "Surely", " Of courses"],
)
def test_ordinary_words_are_no_preamble(after: str) -> None:
    """Only the opening words of one, with a capital and their mark, count."""
    text, report = in_any_pieces("It is not ", after)
    assert text == after
    assert "preamble" not in doubt(report)


def test_a_preamble_without_an_end_is_let_in() -> None:
    """Nothing is held longer than a preamble can be."""
    seam = Seam(FOX, FOX, "instruction")
    held = "Sure, I go on now" + " and on" * 99
    assert seam.add(held[: PREAMBLE - 1]) == ""
    assert seam.add(held[PREAMBLE - 1 : PREAMBLE]) == held[:PREAMBLE]
    assert seam.report == SeamReport(len(FOX), 0, "preamble", "instruction")
    assert seam.add(" more") == " more"


@pytest.mark.parametrize(
    ("tail", "after", "shown", "removed", "doubtful"),
    [
        (" ", " sleeps", "sleeps", 1, ""),
        (" ", "sleeps", "sleeps", 0, ""),
        ("\n\n", "\n\nIt", "It", 2, ""),
        ("\n\n", "\nIt", "It", 1, ""),
        (" \n", "the lazy dog and \nIt", "It", 18, ""),
        (" \n", "the lazy dog andIt", "It", 16, ""),
        (" \n", "It", "It", 0, ""),
        ("\ufffd", "\U0001f30a!", "\U0001f30a!", 0, "cut back"),
        (" \ufffd", " \U0001f30a!", "\U0001f30a!", 1, "cut back"),
        ("\ufffd", "\ufffd!", "!", 1, ""),
    ],
)
def test_what_was_not_sent_may_come_again(
    tail: str, after: str, shown: str, removed: int, doubtful: str
) -> None:
    """Blanks that were trimmed are shown once; half a character stays where it is, and is told."""
    text, report = in_any_pieces(FOX + tail, after, sent=FOX)
    assert (text, report) == (shown, SeamReport(len(FOX + tail), removed, doubtful))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (FOX, "The quick brown fox jumps over a cat"),
        (FOX, "The quick brown fox jumps"),
        (FOX, "Sure!\nThe quick brown fox jumps over a cat"),
        (FOX, "\nThe quick brown fox jumps over a cat"),
        ("Once upon a time", "Once upon the hill"),
    ],
)
def test_a_new_beginning_is_no_continuation(before: str, after: str) -> None:
    """Nothing of it is shown, and what came is in the exception; also where it just ends."""
    for size in (1, 2, 7, 1000):
        seam = Seam(before, before, "prefill")
        with pytest.raises(StartedOver) as caught:
            for piece in pieces_of(after, size):
                assert seam.add(piece) == ""
            seam.end(True)
        assert after.startswith(caught.value.text)
        assert not seam.decided


def test_what_is_held_of_a_cut_follow_up_is_dropped() -> None:
    """It was a repetition in progress, or will be generated again; the seam then says nothing."""
    shown, seam = passed(FOX, ["the lazy", " dog"], finished=False)
    assert (shown, seam.decided, seam.report) == ("", False, None)


def test_what_is_held_of_a_finished_follow_up_is_shown() -> None:
    """The answer may end so."""
    shown, seam = passed(FOX, ["", "the lazy", " dog"])
    assert (shown, seam.decided, doubt(seam.report)) == ("the lazy dog", True, "")


def test_an_empty_follow_up_has_no_seam() -> None:
    """Without text there is nothing to report."""
    shown, seam = passed(FOX, [])
    assert (shown, seam.report) == ("", None)


def test_text_is_held_no_longer_than_needed() -> None:
    """The first letter that fits no repetition lets everything through."""
    seam = Seam(FOX, FOX, "prefill")
    assert seam.add(" the") == ""
    assert seam.add("n") == " then"
    assert seam.decided
    assert seam.add(" brown fox") == " brown fox"


def test_a_long_answer_that_comes_again_whole() -> None:
    """However long it is, it is left out, and what follows is shown in full."""
    before = " ".join(map(str, range(2000)))
    rest = " ".join(map(str, range(2000, 4000)))
    shown, seam = passed(before, pieces_of(f"{before} {rest}", 50))
    assert shown == f" {rest}"
    assert seam.report == SeamReport(len(before), len(before))


def test_a_report_is_json() -> None:
    """It goes into a file and back; fields of newer versions are left out."""
    report = SeamReport(3, 1, "preamble", "instruction")
    written = json.loads(json.dumps(report.to_dict()))
    assert SeamReport.from_dict({**written, "later": 1}) == report


texts = st.text("abcdefgh .\n", min_size=1, max_size=80)
cuttings = st.sets(st.integers(1, 200), max_size=6)


def cut_at(text: str, cuts: set[int]) -> list[str]:
    """Return the text cut at these places."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    return [text[first:last] for first, last in pairwise(edges)]


@given(texts, texts, cuttings)
def test_a_follow_up_that_shares_nothing_is_shown_as_it_is(before: str, after: str, cuts: set[int]) -> None:
    """An exact continuation without a coincidence is let through unchanged and undoubted."""
    after = after.upper().replace(" ", "_").replace(".", "!").replace("\n", "/")
    shown, seam = passed(before, cut_at(after, cuts))
    assert shown == after
    assert seam.report == SeamReport(len(before))


@given(texts, texts, st.integers(0, 80), cuttings, st.sampled_from(["", "Sure, continuing: ", "\n"]))
def test_each_character_is_shown_once_or_flagged(
    before: str, rest: str, start: int, cuts: set[int], opening: str
) -> None:
    """A follow-up that repeats any end of the text gives the truth, or says that it may not.

    After a blank a few letters say nothing: every fifteenth word begins as the one before ends.
    """
    repeated = before[start:]
    after = opening + repeated + rest.upper()
    try:
        shown, seam = passed(before, cut_at(after, cuts))
    except StartedOver:
        assume(False)
        raise
    assert seam.report is not None
    if shown != rest.upper() and (len(repeated) >= CERTAIN or opening.strip() or (repeated and not opening)):
        assert seam.report.doubtful
    assert after.endswith(shown)
    assert seam.report.removed == len(after) - len(shown)


@given(texts, st.text("abcdefgh .\nS,u", max_size=60), cuttings, cuttings, st.integers(0, 80))
def test_cutting_changes_nothing(before: str, after: str, one: set[int], other: set[int], start: int) -> None:
    """Whatever a follow-up holds, the same is shown, reported or refused for any pieces."""
    after = before[start:] + after
    results: list[tuple[str, SeamReport | None] | None] = []
    for cuts in (one, other):
        try:
            shown, seam = passed(before + " \n", cut_at(after, cuts), sent=before)
        except StartedOver:
            results.append(None)
        else:
            results.append((shown, seam.report))
    assert results[0] == results[1]
