"""What went wrong, as one word of a fixed table: nothing that upstream said passes through here."""

from __future__ import annotations

from typing import TypeAlias

from sseor.errors import (
    ConnectError,
    ContentTypeError,
    CutShortError,
    DeadlineError,
    GenerationError,
    ProtocolError,
    ResumeError,
    StallError,
    StatusError,
)

__all__ = ["MEANINGS", "code_of", "meaning_of"]

# The first class that fits decides, so that a stall, which is also a cut, has a code of its own.
CODES: tuple[tuple[type[Exception], str], ...] = (
    (ConnectError, "unreachable"),
    (ContentTypeError, "protocol"),
    (ProtocolError, "protocol"),
    (StallError, "stalled"),
    (DeadlineError, "deadline"),
    (CutShortError, "cut"),
    (ResumeError, "cut"),
)
STATUSES = {401: "unauthorized", 402: "no_credit", 403: "moderated", 408: "unavailable", 429: "rate_limited"}

# The values of `error_type` (OpenRouter docs, Errors) that say more than the status.
WORDS = {
    **dict.fromkeys(("authentication", "authentication_error", "invalid_api_key"), "unauthorized"),
    **dict.fromkeys(("payment_required", "billing_error", "insufficient_quota"), "no_credit"),
    **dict.fromkeys(("permission_denied", "permission_error", "region_restricted"), "refused"),
    **dict.fromkeys(("content_policy_violation", "content_filter", "refusal"), "moderated"),
    **dict.fromkeys(("rate_limit_exceeded", "rate_limit_error", "capacity_exhausted"), "rate_limited"),
    **dict.fromkeys(("provider_overloaded", "overloaded_error", "temporarily_unavailable"), "unavailable"),
}

MEANINGS = {
    "unreachable": "no connection to the provider",
    "unauthorized": "the provider refused the server's key",
    "no_credit": "the provider's account is empty",
    "rate_limited": "too many requests at the provider",
    "unavailable": "overloaded or down: ask again later",
    "refused": "the provider refused the request or knows no such model",
    "moderated": "refused for its content",
    "protocol": "the provider broke the format",
    "cut": "the answer was cut short",
    "stalled": "the provider stopped making progress",
    "deadline": "the whole time for the answer is over",
    "generation": "the provider failed while it answered",
    "too_large": "too long",
    "internal": "the server failed",
    "cancelled": "the answer was stopped",
    "interrupted": "the server lost the answer",
    "bad_request": "the request is not what is taken here",
    "not_streamed": "only streams are given here: say stream: true",
    "forbidden": "this may not be begun by you",
    "not_found": "there is no such thing, or it is not yours",
    "method_not_allowed": "the method is not one of this path",
    "unsupported_media_type": "the body must be application/json",
    "too_many": "too many streams at once: ask again later",
    "draining": "the server is shutting down: ask again",
}

ProviderError: TypeAlias = StatusError | GenerationError


def code_of(error: BaseException) -> str:
    """Return the code for an error; `internal` for whatever is none of the library's."""
    if isinstance(error, (StatusError, GenerationError)):
        return _provider_code(error)
    return next((code for kind, code in CODES if isinstance(error, kind)), "internal")


def meaning_of(code: str) -> str:
    """Return what a code means; the code itself for one of an application's own."""
    return MEANINGS.get(code, code)


def _provider_code(error: ProviderError) -> str:
    for word in (error.error_type, error.code):
        if isinstance(word, str) and word.lower() in WORDS:
            return WORDS[word.lower()]
    status = error.status if isinstance(error, StatusError) else error.code
    if not isinstance(status, int):
        return "generation"
    if status in STATUSES:
        return STATUSES[status]
    if isinstance(error, GenerationError) and status < 500:
        return "generation"
    return "refused" if 300 <= status < 500 else "unavailable"
