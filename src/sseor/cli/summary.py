"""The last state of the status line: verdict, times, tokens and cost of an answer that ended properly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sseor.chat import Timeline
from sseor.cli.exit_codes import COMPLETE, LIMITED

if TYPE_CHECKING:
    from sseor.chat import Completion

__all__ = ["verdict"]

LIMITS = {"length": "the limit of tokens was reached", "content_filter": "a content filter ended the text"}
"""Finish reasons of answers that ended properly and are still only a part."""


def verdict(completion: Completion) -> tuple[int, str]:
    """Return the exit code and the status line of an answer that ended properly."""
    reason = completion.finish_reason or "done"
    if reason in LIMITS:
        why = [completion.verdict.not_continued] if completion.verdict.not_continued else []
        return LIMITED, " · ".join([f"not whole ({reason}): {LIMITS[reason]}", *why, *_figures(completion)])
    empty = [] if completion.text or completion.refusal else ["the answer is empty"]
    return COMPLETE, " · ".join([f"complete ({reason})", *empty, *_figures(completion)])


def _figures(completion: Completion) -> list[str]:
    """Return times, tokens, cost and attempts, as far as they are known."""
    timeline, usage = completion.timeline or Timeline(), completion.usage
    parts = []
    if timeline.first_token is not None:
        parts.append(f"first token {timeline.first_token:.2f} s")
    if timeline.ended is not None:
        parts.append(f"{timeline.ended:.2f} s in all")
    if timeline.heartbeats:
        parts.append(f"{timeline.heartbeats} heartbeat{'s' * (timeline.heartbeats > 1)}")
    if usage is not None:
        parts.append(f"{usage.prompt_tokens or 0} + {usage.completion_tokens or 0} tokens")
    # A part that was cut has told nobody what it took.
    more = " or more" if any(generation.usage is None for generation in completion.generations) else ""
    parts.append("cost unknown" if completion.cost is None else f"${float(completion.cost):.6f}{more}")
    doubtful = len(completion.verdict.doubtful_seams)
    if doubtful:
        parts.append(f"{doubtful} seam{'s' * (doubtful > 1)} in doubt")
    if timeline.attempts > 1:
        parts.append(f"{timeline.attempts} attempts")
    return parts
