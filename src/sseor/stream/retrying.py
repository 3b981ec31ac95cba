"""Which failures deserve another attempt, and after what wait."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from sseor.errors import ConfigError, ProtocolError, SseorError, StallError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Retries before the first token, for transient causes only; after it nothing is sent again.

    `attempts` is the number of requests at most, the first one included. A wait is full-jitter exponential backoff
    (uniform between 0 and `base * 2 ** (attempt - 1)`, at most `longest` seconds), or what the server asked for. A
    server that asks for more than `longest_hint` seconds is not waited for. `first_token_expiries` bounds how often an
    expired `first_token` is tried again, since the provider may bill each. `jitter` gives numbers in [0, 1).
    """

    attempts: int = 3
    base: float = 0.5
    longest: float = 8.0
    longest_hint: float = 60.0
    first_token_expiries: int = 1
    jitter: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int) or self.attempts < 1:
            raise ConfigError("RetryPolicy.attempts must be a whole number of at least 1")
        for name in ("base", "longest", "longest_hint"):
            if not 0 <= getattr(self, name) < 86_400:
                raise ConfigError(f"RetryPolicy.{name} must be a number of seconds from 0 to a day")

    def wait(self, error: SseorError, attempt: int, like_it: int) -> float | None:
        """Return the seconds to wait after `attempt` failed with `error`, or None to give up.

        `like_it` counts the earlier attempts that failed in the same kind of way (its class and timer).
        """
        if not error.retryable or attempt >= self.attempts:
            return None
        if isinstance(error, StallError) and like_it >= self.first_token_expiries:
            return None
        if isinstance(error, ProtocolError) and like_it >= 1:
            return None
        hint: float | None = getattr(error, "retry_after", None)
        if hint is not None:
            return hint if hint <= self.longest_hint else None
        return self.jitter() * min(self.longest, self.base * 2.0 ** (attempt - 1))
