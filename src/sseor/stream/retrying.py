"""Which failures deserve another attempt, and after what wait."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from sseor.errors import ConfigError, ProtocolError, SseorError, StallError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Which failures deserve another request, and after what wait; a subclass may decide otherwise in `wait`.

    `attempts` is the number of requests at most, the first one included; where an answer is resumed after a cut, each
    request that brought text starts this count anew, and `max_attempts` bounds them all. `max_output_tokens` and
    `max_cost` (US dollars) are what a stream may have spent when it is resumed or continued: as reported, and where no
    usage came, as it does for a cut answer, four characters count as a token, and the cost as nothing.

    A wait is full-jitter exponential backoff (uniform between 0 and `base * 2 ** (attempt - 1)`, at most `longest`
    seconds), or what the server asked for. A server that asks for more than `longest_hint` seconds is not waited for.
    `first_token_expiries` bounds how often an expired `first_token` is tried again, since the provider may bill each.
    `jitter` gives numbers in [0, 1).
    """

    attempts: int = 3
    base: float = 0.5
    longest: float = 8.0
    longest_hint: float = 60.0
    first_token_expiries: int = 1
    max_attempts: int = 10
    max_output_tokens: int | None = None
    max_cost: float | None = None
    jitter: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        for name in ("attempts", "max_attempts"):
            if not _is_count(getattr(self, name)):
                raise ConfigError(f"RetryPolicy.{name} must be a whole number of at least 1")
        if self.max_output_tokens is not None and not _is_count(self.max_output_tokens):
            raise ConfigError("RetryPolicy.max_output_tokens must be a whole number of at least 1, or None")
        if self.max_cost is not None and not self.max_cost >= 0:
            raise ConfigError("RetryPolicy.max_cost must be a number of US dollars, or None")
        for name in ("base", "longest", "longest_hint"):
            if not 0 <= getattr(self, name) < 86_400:
                raise ConfigError(f"RetryPolicy.{name} must be a number of seconds from 0 to a day")

    def wait(self, error: SseorError, attempt: int, like_it: int) -> float | None:
        """Return the seconds to wait after `attempt` failed with `error`, or None to give up.

        `like_it` counts the earlier attempts that failed in the same kind of way (its class and timer).
        """
        if not error.retryable or attempt >= self.attempts:
            return None
        no_token = isinstance(error, StallError) and error.timer == "first_token"
        if no_token and like_it >= self.first_token_expiries:
            return None
        if isinstance(error, ProtocolError) and like_it >= 1:
            return None
        hint: float | None = getattr(error, "retry_after", None)
        if hint is not None:
            return hint if hint <= self.longest_hint else None
        return self.jitter() * min(self.longest, self.base * 2.0 ** (attempt - 1))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
