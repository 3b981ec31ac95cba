"""What one stream is told beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sseor.chat.continuation import Form

from .retrying import RetryPolicy
from .watchdog import Timeouts

CompleteWhen = Literal["finish", "done"]
OnCut = Literal["raise", "resume", "restart"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What one stream is told beforehand."""

    timeouts: Timeouts
    retries: RetryPolicy
    max_event_bytes: int
    lenient: bool = False
    complete_when: CompleteWhen = "finish"
    secret: str = ""
    """The API key, taken out of every text that a server sends back."""
    on_cut: OnCut = "raise"
    continue_on_length: int = 0
    saves: bool = False
    learned_forms: dict[str, Form] = field(default_factory=dict)
    """How models take a request to continue, as far as their refusals taught; shared by all streams of a client."""
