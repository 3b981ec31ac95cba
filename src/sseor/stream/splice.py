"""How the events of a follow-up request are joined to what earlier requests handed out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sseor.chat import (
    Completion,
    Finished,
    Restarted,
    Resumed,
    Text,
    ToolCallDelta,
    ToolCallDone,
    Usage,
    UsageReport,
)
from sseor.chat.finish import FinishReason
from sseor.chat.joining import joined
from sseor.chat.seam import Seam, StartedOver
from sseor.errors import ResumeError


class Splice:
    """Passes on the events of one request, edited so that the caller sees one answer.

    `before` is what earlier requests left. With a `seam` this request goes on from there: repeated text is left out,
    usage is summed. Without one it starts anew, and `before` stands until it brings something. `notice` goes ahead of
    the first event that is passed on. `holds_length` withholds a finish by `length`, which may be continued.
    """

    def __init__(
        self,
        before: Completion | None = None,
        seam: Seam | None = None,
        notice: Restarted | Resumed | None = None,
        *,
        holds_length: bool = False,
    ) -> None:
        self.withheld: list[Finished] = []
        self._before = before
        self._seam = seam
        self._notice = notice
        self._holds_length = holds_length
        self._pieces: list[str] = []

    @property
    def continues(self) -> bool:
        """Whether the request continues an answer, rather than starting one."""
        return self._seam is not None

    @property
    def shown(self) -> bool:
        """Whether visible text was passed on."""
        return bool(self._pieces)

    def pass_on(self, events: Iterable[Any]) -> list[Any]:
        """Return what the caller is to get of these; raises ResumeError for an answer that starts over."""
        passed: list[Any] = []
        for event in events:
            if isinstance(event, Text) and event.choice == 0:
                self._add_text(event.delta, passed)
            elif isinstance(event, (ToolCallDelta, ToolCallDone)):
                self._close_seam(passed)
                passed.append(event)
            elif isinstance(event, Finished):
                self._close_seam(passed)
                held = self._holds_length and event.reason == FinishReason.LENGTH
                (self.withheld if held else passed).append(event)
            elif isinstance(event, UsageReport):
                passed.append(UsageReport(self._sum(event.usage)))
            else:
                passed.append(event)
        return self._announced(passed)

    def end(self, last: Iterable[Any], *, complete: bool) -> list[Any]:
        """Return what is passed on at the end of the answer; what a cut one still holds back is a repetition."""
        passed = self.pass_on(last)
        if complete:
            self._close_seam(passed)
        return self._announced(passed)

    def whole(self, after: Completion) -> Completion:
        """Return the answer so far, `after` being what this request brought."""
        if self._before is None:
            return after
        if self._seam is None:
            return after if self._notice is None else self._before
        whole = joined(self._before, after, "".join(self._pieces))
        return whole.with_seam(self._seam.report)

    def _add_text(self, text: str, passed: list[Any]) -> None:
        if self._seam is not None:
            try:
                text = self._seam.add(text)
            except StartedOver as other:
                raise _started_over(other) from None
        self._show(text, passed)

    def _close_seam(self, passed: list[Any]) -> None:
        if self._seam is not None and not self._seam.decided:
            try:
                text = self._seam.end(finished=True)
            except StartedOver as other:
                raise _started_over(other) from None
            self._show(text, passed)

    def _show(self, text: str, passed: list[Any]) -> None:
        if text:
            self._pieces.append(text)
            passed.append(Text(text, 0))

    def _sum(self, usage: Usage) -> Usage:
        earlier = self._before.usage if self._before is not None and self._seam is not None else None
        return usage if earlier is None else Usage.summed([earlier, usage]) or usage

    def _announced(self, passed: list[Any]) -> list[Any]:
        if passed and self._notice is not None:
            passed.insert(0, self._notice)
            self._notice = None
        return passed


def _started_over(other: StartedOver) -> ResumeError:
    return ResumeError("the continuation started over with another text", continuation=other.text)
