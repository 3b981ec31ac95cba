"""Two parts of one answer to one completion: what was there, and what a follow-up request added."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sseor.chat.completion import CompletedChoice, Completion
from sseor.chat.usage import Usage

if TYPE_CHECKING:
    from sseor.chat.verdict import Verdict

__all__ = ["joined"]

_NAMES = ("generation_id", "model", "provider", "service_tier", "system_fingerprint")


def joined(before: Completion, after: Completion, text: str) -> Completion:
    """Return one completion: `before`, then a follow-up that added `text`, its own text after the seam.

    How it ended, and when, are the follow-up's; usage is the sum of what the providers reported for both.
    """
    names = {name: getattr(after, name) or getattr(before, name) for name in _NAMES}
    return Completion(
        choices=_choices(before, after, text),
        usage=Usage.summed(part.usage for part in (before, after) if part.usage is not None),
        **names,
        created=after.created or before.created,
        changed_from=_changed_from(before, after),
        router_metadata=after.router_metadata or before.router_metadata,
        failure=after.failure,
        verdict=_verdict(before.verdict, after.verdict),
        timeline=after.timeline.copy(),
        extra={**before.extra, **after.extra},
        generations=[*before.generations, *after.generations],
        request=after.request if before.request is None else before.request,
    )


def _choices(before: Completion, after: Completion, text: str) -> list[CompletedChoice]:
    if not before.choices:
        return [
            replace(choice, text=text) if choice is after.choices[0] else choice for choice in after.choices
        ]
    if not after.choices:
        return list(before.choices)
    return [_choice(before.choices[0], after.choices[0], text), *after.choices[1:]]


def _choice(before: CompletedChoice, after: CompletedChoice, text: str) -> CompletedChoice:
    return replace(
        after,
        index=before.index,
        text=before.text + text,
        reasoning=before.reasoning + after.reasoning,
        refusal=before.refusal + after.refusal,
        reasoning_details=before.reasoning_details + after.reasoning_details,
        images=before.images + after.images,
        audio=after.audio or before.audio,
        annotations=before.annotations + after.annotations,
        logprobs=_logprobs(before.logprobs, after.logprobs),
        reasoning_field=after.reasoning_field or before.reasoning_field,
        reasoning_details_sent=before.reasoning_details_sent or after.reasoning_details_sent,
        extra={**before.extra, **after.extra},
    )


def _logprobs(before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, Any] | None:
    """Join the lists of log probabilities; a follow-up's are those of its own text, before the seam."""
    if before is None or after is None:
        return before if after is None else after
    both = {**before, **after}
    for name, first in before.items():
        if isinstance(first, list):
            rest = after.get(name)
            both[name] = first + rest if isinstance(rest, list) else first
    return both


def _changed_from(before: Completion, after: Completion) -> dict[str, str]:
    """Return the first value of each name that was not the same throughout."""
    changed = {}
    for name in _NAMES:
        first = before.changed_from.get(name) or getattr(before, name)
        later = after.changed_from.get(name) or getattr(after, name)
        if name in before.changed_from or name in after.changed_from or (first and later and first != later):
            changed[name] = first or later
    return changed


def _verdict(before: Verdict, after: Verdict) -> Verdict:
    return replace(
        after,
        saw_usage=before.saw_usage and after.saw_usage,
        skipped_events=before.skipped_events + after.skipped_events,
        seams=(*before.seams, *after.seams),
    )
