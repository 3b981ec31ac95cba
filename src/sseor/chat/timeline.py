"""What happened when in one stream, told in seconds since its start.

A plain record without a clock: whoever drives the stream says when things happened. It stands on this floor and
not with the watchdog because a `Completion` carries it, also into a file and back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(slots=True)
class Timeline:
    """Moments as seconds since the first request was sent; None for what has not happened.

    `first_token` is the first generated piece of any kind, reasoning included; `first_text` the first visible text.
    `longest_gap` is the longest wait between two chunks, the caller's own time left out. `started` is the reading
    of the shell's monotonic clock: differences between two timelines of one process are meaningful, the value is not.
    """

    started: float = 0.0
    head: float | None = None
    first_byte: float | None = None
    first_chunk: float | None = None
    first_token: float | None = None
    first_text: float | None = None
    last_token: float | None = None
    ended: float | None = None
    attempts: int = 0
    last_chunk: float | None = None
    chunks: int = 0
    heartbeats: int = 0
    longest_gap: float = 0.0
    caller: float = 0.0

    @property
    def ttft_ms(self) -> float | None:
        """Time to first token in milliseconds, counted from the first request."""
        return _milliseconds(self.first_token)

    @property
    def ttfo_ms(self) -> float | None:
        """Time to first visible text in milliseconds."""
        return _milliseconds(self.first_text)

    @property
    def total_ms(self) -> float | None:
        """Time to the end of the stream in milliseconds; None while it runs."""
        return _milliseconds(self.ended)

    def chunk(self, at: float) -> None:
        """Note that a chunk came."""
        self.chunks += 1
        if self.last_chunk is None:
            self.first_chunk = at if self.first_chunk is None else self.first_chunk
        else:
            self.longest_gap = max(self.longest_gap, at - self.last_chunk)
        self.last_chunk = at

    def token(self, at: float, *, visible: bool) -> None:
        """Note that something generated came; `visible` when it is text of the answer."""
        self.last_token = at
        if self.first_token is None:
            self.first_token = at
        if visible and self.first_text is None:
            self.first_text = at

    def caller_took(self, seconds: float) -> None:
        """Note time that the caller took for what it had been given; it belongs to no gap."""
        self.caller += seconds
        if self.last_chunk is not None:
            self.last_chunk += seconds

    def attempt(self) -> None:
        """Note that a request is about to be sent; the wait before its first chunk is no gap."""
        self.attempts += 1
        self.last_chunk = None

    def since_start(self, now: float) -> float:
        """Return `now`, a reading of the shell's clock, as seconds since the start."""
        return now - self.started

    def copy(self) -> Timeline:
        """Return a snapshot that no longer grows."""
        return dataclasses.replace(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Timeline:
        """Return the timeline that `to_dict` wrote; fields of newer versions are left out."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
