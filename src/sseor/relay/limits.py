"""What a relay allows, at most."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sseor.errors import ConfigError

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Counts are of this process; those of one owner do not bind requests without one.

    `viewers` and `streams` are open at once in all, `owner_viewers` and `owner_streams` of one owner. `max_bytes` of
    records and `max_duration` seconds are the most of one stream, `max_body` the bytes of a request's body.
    """

    viewers: int = 10_000
    streams: int = 1_000
    owner_viewers: int = 24
    owner_streams: int = 8
    max_bytes: int = 8 * 1024 * 1024
    max_duration: float = 900.0
    max_body: int = 1024 * 1024

    def __post_init__(self) -> None:
        """Check the values."""
        for limit in fields(self):
            if not getattr(self, limit.name) > 0:
                raise ConfigError(f"{limit.name} must be above 0")
