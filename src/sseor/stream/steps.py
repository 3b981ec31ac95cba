"""What a script may ask its shell for, and what it is told back.

A script is a generator without I/O and without a clock. It yields a step; the shell performs it and sends the
answer in, always with the reading of its own monotonic clock, in seconds:

=========  ==========================================  =========================
step       the shell                                   answers
=========  ==========================================  =========================
Open       sends the request, waits for the head       `Head`
Read       waits for bytes of the body                 `(data, now)`, b"" at its end
Deliver    hands the batch to the caller, one by one   `now`, when the caller wants more
Pause      sleeps                                      `now`
Save       saves the answer so far                     `now`
=========  ==========================================  =========================

A deadline that passes first is thrown in as `Expired`, a failure of the transport as `Failed`. A shell lets go of
the exchange at hand before it performs the next `Open`, and when the script ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sseor.chat import Completion
from sseor.errors import SseorError


@dataclass(frozen=True, slots=True)
class Open:
    """Send a request; `connect` bounds the connection (seconds), `deadline` all up to the head.

    It is a POST of `body`, or a GET where that is None; `path` follows the base URL.
    """

    body: bytes | None
    connect: float | None
    deadline: float
    path: str = "/chat/completions"


@dataclass(slots=True)
class Read:
    """Wait for bytes of the body, until `deadline` on the shell's clock."""

    deadline: float


@dataclass(slots=True)
class Deliver:
    """Hand these to the caller, in order."""

    batch: list[Any]


@dataclass(frozen=True, slots=True)
class Pause:
    """Sleep until this reading of the shell's clock."""

    until: float


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a response: status, header fields with lower-case names, and when it came.

    `date` is the wall clock in seconds since 1970, for a `Retry-After` that names a date.
    """

    status: int
    headers: Mapping[str, str]
    now: float
    date: float


@dataclass(frozen=True, slots=True)
class Save:
    """Save this, as far as the answer came."""

    completion: Completion


Step = Open | Read | Deliver | Pause | Save


class Expired(Exception):  # noqa: N818 - a signal between shell and script, never shown to a caller
    """The deadline of the step at hand has passed."""

    def __init__(self, now: float) -> None:
        super().__init__()
        self.now = now


class Failed(Exception):  # noqa: N818 - likewise
    """The transport failed; `error` is the translated cause."""

    def __init__(self, error: SseorError, now: float) -> None:
        super().__init__()
        self.error = error
        self.now = now
