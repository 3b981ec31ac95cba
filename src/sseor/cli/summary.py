"""The last state of the status line: verdict, times, tokens and cost of an answer that ended properly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sseor.chat import Timeline
from sseor.cli.exit_codes import COMPLETE, LIMITED

if TYPE_CHECKING:
    from sseor.chat import Completion

__all__ = ["verdict"]


def verdict(completion: Completion) -> tuple[int, str]:
    """Return the exit code and the status line of an answer that ended properly."""
    line = _summary(completion)
    match completion.finish_reason:
        case "length":
            return LIMITED, f"{line} · the limit of tokens was reached, the text is not whole"
        case "content_filter":
            return LIMITED, f"{line} · a content filter ended the text"
    return COMPLETE, line


def _summary(completion: Completion) -> str:
    """Return the status line of an answer that ended properly: verdict, times, tokens, cost."""
    timeline, usage = completion.timeline or Timeline(), completion.usage
    parts = [f"complete ({completion.finish_reason or 'done'})"]
    if timeline.first_token is not None:
        parts.append(f"first token {timeline.first_token:.2f} s")
    if timeline.ended is not None:
        parts.append(f"{timeline.ended:.2f} s in all")
    if timeline.heartbeats:
        parts.append(f"{timeline.heartbeats} heartbeats")
    if usage is not None:
        parts.append(f"{usage.prompt_tokens or 0} + {usage.completion_tokens or 0} tokens")
    parts.append("cost unknown" if completion.cost is None else f"${float(completion.cost):.6f}")
    if timeline.attempts > 1:
        parts.append(f"{timeline.attempts} attempts")
    return " · ".join(parts)
