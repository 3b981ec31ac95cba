"""The API key, taken out of every text that an error carries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from sseor.chat import Completion, Finished
from sseor.errors import SseorError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Told = TypeVar("Told", bound=DataclassInstance)

REDACTED = "[redacted]"
_RECOGNISABLE = 8
"""So many characters of a key that a cut has halved are still taken out."""

SHORTEST = 16
"""Shorter keys, as local servers are given for form's sake, are words that names of models contain, too."""

_OF_COMPLETION = ("model", "provider", "generation_id", "service_tier", "system_fingerprint")
_OF_GENERATION = ("id", "model", "provider", "finish_reason")
_OF_CHOICE = ("finish_reason", "raw_finish_reason", "native_finish_reason")


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
    """Return the completion with the secret taken out of what the server said of it; the answer stays as it came."""
    if not secret:
        return completion
    failure = completion.failure
    if failure is not None:
        failure = _without(failure, [field.name for field in fields(failure)], secret)
    clean: dict[str, Any] = {"failure": failure}
    if len(secret) >= SHORTEST:
        clean["choices"] = [_without(choice, _OF_CHOICE, secret) for choice in completion.choices]
        clean["generations"] = [_without(run, _OF_GENERATION, secret) for run in completion.generations]
        clean["changed_from"] = {
            name: redacted(value, secret) for name, value in completion.changed_from.items()
        }
        completion = _without(completion, _OF_COMPLETION, secret)
    changed = {name: value for name, value in clean.items() if value != getattr(completion, name)}
    return replace(completion, **changed) if changed else completion


def events_without(events: list[Any], secret: str) -> list[Any]:
    """Return the events with the secret taken out of the server's word for why an answer ended."""
    if len(secret) < SHORTEST:
        return events
    return [
        _without(event, ("reason",), secret) if isinstance(event, Finished) else event for event in events
    ]


def _without(told: Told, names: Iterable[str], secret: str) -> Told:
    """Return a record in which those of these fields that are texts hold no secret: itself, if they hold none."""
    texts = {name: getattr(told, name) for name in names}
    begin = secret[:_RECOGNISABLE]
    quoting = {name: text for name, text in texts.items() if isinstance(text, str) and begin in text}
    return (
        replace(told, **{name: redacted(text, secret) for name, text in quoting.items()}) if quoting else told
    )


def redacted(text: str, secret: str) -> str:
    """Return the text without the secret, and without a beginning of it where the text was cut."""
    if not secret or secret[:_RECOGNISABLE] not in text:
        return text
    text = text.replace(secret, REDACTED)
    kept = text.removesuffix("…")
    for length in range(len(secret) - 1, _RECOGNISABLE - 1, -1):
        if kept.endswith(secret[:length]):
            return kept[:-length] + REDACTED
    return text
