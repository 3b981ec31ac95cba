"""The seam between a cut answer and the request that continues it: each character is shown once.

What a model repeats is left out when it is certainly a repetition: of the end, of the whole, or after a preamble
such as "Sure, continuing:". What may be one is shown and flagged. An answer that begins again with another text is
no continuation.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from sseor.chat.repetition import CERTAIN, PASSAGE, WINDOW, Repetition, common_prefix, overlap
from sseor.chat.text import REPLACEMENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sseor.chat.continuation import Form

__all__ = ["Seam", "SeamReport", "StartedOver"]

PREAMBLE = 120  # characters within which a preamble must end

# Words with which a model answers the request to go on, instead of going on.
_ANSWERS = (
    "sure", "certainly", "of course", "absolutely", "okay", "ok", "understood", "got it", "no problem",
    "sorry", "apologies", "my apologies",
)  # fmt: skip
_OPENINGS = (
    *(word + mark for word in _ANSWERS for mark in (",", "!", ".", ":", ";", "…", " -", " \u2013", " \u2014")),
    "continuing", "continued", "resuming", "picking up", "here is the rest", "here's the rest",
    "here is the remain", "here's the remain", "here is the continu", "here's the continu", "here continues",
    "i'll continue", "i will continue", "let me continue", "let's continue", "to continue", "as i was saying",
    "sorry for", "sorry about", "apologies for", "i apologi",
)  # fmt: skip
_MARKUP = " \t\r\n*_>#-\u2013\u2014\u2026.\"'«\u201c(["
_BOUNDARY = re.compile(r"[:;,.!\u2026\u2013\u2014-]\s+|\n\s*")


@dataclass(frozen=True, slots=True)
class SeamReport:
    """What is known of one seam.

    `position` is its index in the joined text, `removed` the characters of the follow-up that were left out as a
    repetition, `doubtful` why the text around it may be wrong: what coincides and was kept, a preamble that was
    let in, a half character. `form` says how the model was asked to go on; after an instruction it may begin a
    new word without its space, which nobody can see.
    """

    position: int
    removed: int = 0
    doubtful: str = ""
    form: str = "prefill"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SeamReport:
        """Return the report that `to_dict` wrote; fields of newer versions are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})


class StartedOver(Exception):  # noqa: N818 - it says what the model did
    """The follow-up is no continuation but another answer; `text` is what came of it."""

    def __init__(self, text: str) -> None:
        super().__init__("the continuation started over with another text")
        self.text = text


class Seam:
    """Filters the text of a follow-up, so that it can be appended to `before`.

    `sent` is the beginning of `before` that the model was given; the rest, blanks that no provider takes at the
    end or half a character, may come again. Text is held back only while it may yet prove a repetition.
    """

    def __init__(self, before: str, sent: str, form: Form) -> None:
        self.decided = False
        self._before = before
        self._sent = sent
        self._form = form
        self._unsent = before[len(sent) :]
        self._regained = 0  # characters of it that came again
        self._regaining = True
        self._held: list[str] = []
        self._head = ""  # the beginning of the follow-up
        self._shown = ""  # the beginning of what was shown of it
        self._repetitions = {0: Repetition(before, len(sent))}  # by where in the follow-up they begin
        self._removed = 0
        self._repeated = False

    def add(self, piece: str) -> str:
        """Take the next piece and return what may be shown now; raises `StartedOver`, having shown nothing."""
        if self.decided:
            return self._show(piece)
        if not piece:
            return ""
        self._held.append(piece)
        for repetition in self._repetitions.values():
            if repetition.pending:
                repetition.add(piece)
        more = self._look_for_openings(piece)
        for start, repetition in self._repetitions.items():
            if repetition.started_over:
                raise StartedOver("".join(self._held))
            if repetition.length:
                return self._decide(start + repetition.length)
            if repetition.pending:
                return ""
        return "" if more else self._decide(0)

    def end(self, finished: bool) -> str:
        """Return what is still held: nothing of a follow-up that was cut, since it will come again.

        Raises `StartedOver` when a finished one gave but the beginning of the answer.
        """
        if self.decided or not finished or not self._held:
            return ""
        for repetition in self._repetitions.values():
            repetition.end()
            if repetition.started_over:
                raise StartedOver("".join(self._held))
        return self._decide(0)

    @property
    def report(self) -> SeamReport | None:
        """What is known so far; None while nothing is decided."""
        if not self.decided:
            return None
        removed = self._removed + self._regained
        return SeamReport(len(self._before), removed, "; ".join(self._doubts()), self._form)

    def _look_for_openings(self, piece: str) -> bool:
        """Follow the text from each place where a repetition may begin; tell whether others may come."""
        if len(self._head) == PREAMBLE:
            return False
        self._head = (self._head + piece)[:PREAMBLE]
        starts, more = _openings(self._head)
        for start in starts:
            if start not in self._repetitions:
                self._repetitions[start] = Repetition(self._before, len(self._sent))
                self._repetitions[start].add("".join(self._held)[start:])
        return more and len(self._head) < PREAMBLE

    def _decide(self, repeated: int) -> str:
        self.decided = True
        self._repeated = repeated > 0
        self._removed = repeated
        text = "".join(self._held)[repeated:]
        self._held.clear()
        self._repetitions.clear()
        return self._show(text)

    def _show(self, text: str) -> str:
        """Return the text without what was shown already but not sent."""
        if self._regaining:
            again = common_prefix(text, self._unsent[self._regained :])
            self._regained += again
            self._regaining = again == len(text)
            text = text[again:]
        if len(self._shown) < WINDOW:
            self._shown += text[: WINDOW - len(self._shown)]
        return text

    def _doubts(self) -> list[str]:
        """Return why the text around the seam may be wrong."""
        doubts = []
        if _is_preamble(self._head) and not self._repeated:
            doubts.append("preamble")
        if REPLACEMENT in self._unsent[self._regained :]:
            doubts.append("cut back")
        same = max(overlap(self._before, self._shown), overlap(self._sent, self._shown))
        if self._shown[:1].isspace():  # one letter after a blank says nothing
            spaced = overlap(self._before, self._shown.lstrip())
            same = max(same, spaced if spaced >= CERTAIN else 0)
        if same >= (CERTAIN if self._repeated else 1):
            doubts.append(f"overlap of {same} character{'s' * (same > 1)}")
        elif same := _known_passage(self._before, self._shown):
            doubts.append(f"repetition of {same} characters")
        return doubts


def _known_passage(before: str, after: str) -> int:
    """Return how far `after` begins like a passage that occurs once in `before`; 0 when it may be chance."""
    passage = after[:PASSAGE]
    at = before.find(passage)
    if len(passage) < PASSAGE or at < 0 or before.find(passage, at + 1) >= 0:
        return 0
    return common_prefix(after, before[at : at + WINDOW])


def _openings(head: str) -> tuple[list[int], bool]:
    """Return where in a follow-up, after its first character, the answer itself may begin; whether to wait for more."""
    start = len(head) - len(head.lstrip())
    if start == len(head):
        return [], True
    starts = [start] if start else []
    preamble = _is_preamble(head)
    if preamble:
        for boundary in _BOUNDARY.finditer(head, start):
            if boundary.end() == len(head):
                break
            starts.append(boundary.end())
            if "\n" in boundary[0]:
                return starts, False
    return starts, preamble is not False


def _is_preamble(head: str) -> bool | None:
    """Tell whether a text opens like a preamble; None when more of it decides."""
    words = head.lstrip(_MARKUP)
    bracketed = head[: len(head) - len(words)].strip()[-1:] in ("(", "[")
    if words and not (words[0].isupper() or bracketed):
        return False
    words = words.casefold().replace("\u2019", "'")
    if words.startswith(_OPENINGS):
        return True
    return None if any(opening.startswith(words) for opening in _OPENINGS) else False
