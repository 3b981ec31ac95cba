"""The API key, taken out of every text that an error carries."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from sseor.chat import Completion
from sseor.errors import SseorError

REDACTED = "[redacted]"
_RECOGNISABLE = 8
"""So many characters of a key that a cut has halved are still taken out."""


def redact(error: SseorError, secret: str) -> None:
    """Take the secret out of all texts of an error, whatever it was that echoed it; sever causes that quote it."""
    for name, value in vars(error).items():
        if isinstance(value, str):
            setattr(error, name, redacted(value, secret))
    error.args = tuple(redacted(value, secret) if isinstance(value, str) else value for value in error.args)
    cause = error.__cause__
    while cause is not None:
        if secret and secret in f"{cause} {cause!r}":
            error.__cause__ = None
            error.__suppress_context__ = True
            return
        cause = cause.__cause__ or cause.__context__


def without_echo(completion: Completion, secret: str) -> Completion:
    """Return the completion with the secret taken out of what the provider said of a failure."""
    failure = completion.failure
    if failure is None or not secret:
        return completion
    texts = {field.name: getattr(failure, field.name) for field in fields(failure)}
    clean: dict[str, Any] = {
        name: redacted(text, secret) for name, text in texts.items() if isinstance(text, str)
    }
    return replace(completion, failure=replace(failure, **clean))


def redacted(text: str, secret: str) -> str:
    """Return the text without the secret, and without a beginning of it where the text was cut."""
    if not secret:
        return text
    text = text.replace(secret, REDACTED)
    kept = text.removesuffix("…")
    for length in range(len(secret) - 1, _RECOGNISABLE - 1, -1):
        if kept.endswith(secret[:length]):
            return kept[:-length] + REDACTED
    return text
