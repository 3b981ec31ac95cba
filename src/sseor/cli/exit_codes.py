"""One exit code for each way to end, and the sentence for an error; `docs/cli.md` has the table."""

from __future__ import annotations

from sseor.errors import (
    ConfigError,
    ConnectError,
    ContentTypeError,
    CutShortError,
    DeadlineError,
    GenerationError,
    MisuseError,
    ProtocolError,
    ResumeError,
    SseorError,
    StallError,
    StatusError,
)

COMPLETE = 0
UNEXPECTED = 1
LIMITED = 9
UNWRITABLE = 10
NOT_CONFORMING = 11
UNWELL = 12
INTERRUPTED = 130
BROKEN_PIPE = 141

CODES: tuple[tuple[type[SseorError], int], ...] = (
    (ConfigError, 2),
    (MisuseError, 2),
    (ConnectError, 3),
    (StatusError, 4),
    (ContentTypeError, 5),
    (ProtocolError, 5),
    (StallError, 7),
    (DeadlineError, 7),
    (CutShortError, 6),
    (ResumeError, 6),
    (GenerationError, 8),
)
"""The first class that fits decides, so that a stall, which is also a cut, has a code of its own."""

ADVICE = {
    401: "check the API key",
    402: "check the credits of the account",
    404: "check the name of the model and the base URL",
    429: "wait a little, then try again",
}


def exit_code(error: SseorError) -> int:
    """Return the exit code for an error."""
    return next((code for kind, code in CODES if isinstance(error, kind)), UNEXPECTED)


def sentence(error: SseorError) -> str:
    """Return what happened, what was kept and, where there is something to do about it, what."""
    parts = [error.detail or type(error).__name__]
    if isinstance(error, StatusError) and error.status in ADVICE:
        parts.append(ADVICE[error.status])
    if error.partial is not None and error.partial.text:
        parts.append(f"{len(error.partial.text)} characters were kept")
    if error.attempts > 1:
        parts.append(f"{error.attempts} attempts")
    if error.generation_id:
        parts.append(f"generation {error.generation_id}")
    return "; ".join(parts)
