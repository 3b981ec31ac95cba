"""Where streams lie in Redis, and for how long."""

from __future__ import annotations

import secrets
import zlib
from dataclasses import dataclass, field
from typing import NamedTuple

from sseor.errors import ConfigError

__all__ = ["Keys", "Place"]


class Keys(NamedTuple):
    """The keys of one stream; `scripts` says what they hold."""

    meta: str
    log: str
    lease: str
    watchers: str


@dataclass(frozen=True, slots=True)
class Place:
    """What all workers have to agree on, but for `worker`, the name of this one; times in seconds."""

    prefix: str
    shards: int
    lease: float
    live: float
    keep: float
    max_records: int
    max_bytes: int
    worker: str = field(default_factory=lambda: secrets.token_hex(8))

    def __post_init__(self) -> None:
        """Check the values; ConfigError."""
        if not (self.lease > 0 and self.keep > 0 and self.live >= self.lease and self.shards > 0):
            raise ConfigError("lease, keep and shards must be above 0, live at least as long as the lease")
        if set(self.prefix) & set("{}"):
            raise ConfigError("braces in the prefix would hide the hash tag from a cluster")

    @property
    def patience(self) -> float:
        """Return for how long an answer of Redis is waited for."""
        return max(1.0, self.lease / 3)

    def shard(self, stream: str) -> int:
        """Return the shard of a stream: all keys of a shard share a hash tag, and so a slot of a cluster."""
        return zlib.crc32(stream.encode()) % self.shards

    def keys(self, stream: str) -> Keys:
        """Return the keys of a stream."""
        head = f"{self._tag(self.shard(stream))}:{stream}"
        return Keys(f"{head}:meta", f"{head}:log", f"{head}:lease", f"{head}:watchers")

    def wake_key(self, shard: int, worker: str) -> str:
        """Return the key of the Redis stream that interrupts a worker's reading."""
        return f"{self._tag(shard)}:worker:{worker}"

    def era_key(self, shard: int) -> str:
        """Return the key that is missed when Redis has lost a whole shard."""
        return f"{self._tag(shard)}:era"

    def _tag(self, shard: int) -> str:
        return f"{{{self.prefix}:{shard}}}"
