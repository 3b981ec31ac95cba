"""The verdict on a stream: the evidence for its completeness, not a guess."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from sseor.chat.seam import SeamReport

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was seen of a stream's end.

    `saw_finish`: every choice gave a finish reason · `saw_done`: `[DONE]` came · `saw_usage` · `clean_end`:
    the body ended as HTTP says it should. `failed`: the provider reported a failure · `unterminated`: the
    last event lacked its blank line and was accepted · `skipped_events`: malformed events left out by a
    lenient reader · `not_streamed`: the answer came in one piece · `seams`: one for each follow-up request that
    went on with the text · `not_continued`: why an answer that ended by `length` was not continued, empty when it
    was or nobody asked for it. `complete_when` is the policy: `finish`, or
    `done` for servers without finish reasons.
    """

    saw_finish: bool = False
    saw_done: bool = False
    saw_usage: bool = False
    clean_end: bool = False
    failed: bool = False
    unterminated: bool = False
    skipped_events: int = 0
    not_streamed: bool = False
    complete_when: str = "finish"
    seams: tuple[SeamReport, ...] = ()
    not_continued: str = ""

    @property
    def complete(self) -> bool:
        """Whether the answer is whole: a finish reason came (or `[DONE]`, under that policy), and no failure."""
        return not self.failed and (self.saw_finish or (self.complete_when == "done" and self.saw_done))

    @property
    def doubtful_seams(self) -> tuple[SeamReport, ...]:
        """The seams around which the text may be wrong."""
        return tuple(seam for seam in self.seams if seam.doubtful)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `complete` is written for readers and derived again when read."""
        return {**asdict(self), "seams": [seam.to_dict() for seam in self.seams], "complete": self.complete}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Verdict:
        """Return the verdict that `to_dict` wrote; fields of newer versions are left out."""
        known = {field.name for field in fields(cls)}
        seams = tuple(SeamReport.from_dict(seam) for seam in data.get("seams", ()))
        return cls(**{**{name: value for name, value in data.items() if name in known}, "seams": seams})
