"""Where a new text repeats an earlier one: its end, or all of it from the beginning.

A passage counts as a repetition only when it can be nothing else: long enough, found once in the earlier text, and
not of a pattern that a writer may well go on with. The new text comes in pieces, and any pieces give the same
answer. Text that agrees with the beginning is compared once; text that agrees with the end is bounded by `WINDOW`.
"""

from __future__ import annotations

__all__ = ["CERTAIN", "PASSAGE", "WINDOW", "Repetition", "common_prefix", "is_periodic", "overlap"]

WINDOW = 2000  # characters of the end that are searched
CERTAIN = 12  # characters that do not coincide by chance at the end of a text
PASSAGE = 24  # … and anywhere in it


class Repetition:
    """Follows a new text as long as it may repeat `before[:end]`.

    `pending`: more text decides · `length`: characters of the new text that certainly are a repetition, to be
    left out · `started_over`: the new text began like the old one and went on otherwise.
    """

    def __init__(self, before: str, end: int) -> None:
        self.length = 0
        self.started_over = False
        self._before = before
        self._end = end
        self._from_start: int | None = 0 if _may_repeat(before[:end]) else None  # characters that agree
        self._head = ""
        self._at: int | None = max(1, end - WINDOW)  # the leftmost place from which the end may be repeated
        self._checked = False

    @property
    def pending(self) -> bool:
        """Whether a repetition is in progress that may yet prove certain, or a new beginning."""
        return not (self.length or self.started_over) and (
            self._from_start is not None or self._at is not None
        )

    def add(self, piece: str) -> None:
        """Take the next piece of the new text; it is not empty."""
        if self._from_start is not None:
            self._follow_start(piece, self._from_start)
        if self._at is not None and not self.length:
            self._head += piece
            self._follow_end(self._at)

    def end(self) -> None:
        """Note that the new text is over: what only began like the old text has started over."""
        if self._from_start is not None:
            self._diverge(self._from_start)

    def _follow_start(self, piece: str, agreed: int) -> None:
        expected = self._before[agreed : min(agreed + len(piece), self._end)]
        if not piece.startswith(expected):
            self._diverge(agreed + common_prefix(piece, expected))
        elif agreed + len(expected) == self._end:
            self._from_start, self.length = None, self._end
        else:
            self._from_start = agreed + len(piece)

    def _diverge(self, agreed: int) -> None:
        """Judge a text that agreed with the beginning so far; a refrain may well begin a continuation."""
        self._from_start = None
        enough = min(PASSAGE, max(8, len(self._before) // 2))
        self.started_over = agreed >= enough and self._before.find(self._before[:agreed], 1) < 0

    def _follow_end(self, at: int) -> None:
        while self._end - at >= CERTAIN:
            wanted = self._end - at
            if self._before.startswith(self._head[:wanted], at):
                passage = self._before[at : self._end]
                if not self._checked and self._before.find(passage) != at:
                    break  # the shorter passages occur elsewhere too
                if self._checked or not is_periodic(passage):
                    self._at, self._checked = at, True
                    self.length = wanted if len(self._head) >= wanted else 0
                    return
            self._checked = False
            at = self._before.find(self._head[:CERTAIN], at + 1, self._end)
            if at < 0:
                break
        self._at = None


def _may_repeat(text: str) -> bool:
    """Tell whether a whole text, however short, comes again only by being repeated."""
    return len("".join(text.split())) >= 4 and not is_periodic(text)


def is_periodic(text: str) -> bool:
    """Tell whether a text is one piece at least twice, the last perhaps in part."""
    # The first place where its first half comes again is the only period to try: a longer one of at most half
    # the text would be a multiple of it (Fine and Wilf).
    half = (len(text) + 1) // 2
    period = text.find(text[:half], 1, len(text) // 2 + half)
    return period > 0 and text.startswith(text[period:])


def common_prefix(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def overlap(before: str, after: str) -> int:
    """Return the length of the longest end of `before` that begins `after`, within `WINDOW`."""
    longest = min(len(before), len(after), WINDOW)
    return next((length for length in range(longest, 0, -1) if before.endswith(after[:length])), 0)
