"""What one stream is told beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .retrying import RetryPolicy
from .watchdog import Timeouts

CompleteWhen = Literal["finish", "done"]


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
