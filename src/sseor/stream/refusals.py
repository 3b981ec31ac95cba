"""Failures that the peer put into words, turned into our errors: never with the key, never with raw markup."""

from __future__ import annotations

import json
from urllib.parse import urljoin, urlsplit

from sseor.chat import Failure
from sseor.errors import GenerationError, ProtocolError, SseorError, StatusError

from .extracts import extract
from .hints import retry_after
from .steps import Head

REDACTED = "[redacted]"
_PHRASES = {
    400: "the request was refused as wrong",
    401: "the API key was not accepted",
    402: "payment is required",
    403: "the request is not permitted",
    404: "the model or the route was not found",
    408: "the server timed out waiting for the request",
    413: "the request is too large",
    429: "too many requests",
    502: "the provider is down or gave a bad answer",
    503: "no provider is available now",
    504: "the provider timed out",
}


def refused(head: Head, body: bytes, secret: str) -> SseorError:
    """Return the error for an answer that is not a 200 (protocol of the provider: "Errors and Debugging")."""
    if secret:
        body = body.replace(secret.encode(), REDACTED.encode())
    status = head.status
    if 300 <= status < 400:
        return StatusError(_redirect(head), status=status)
    if 200 < status < 300:
        error = ProtocolError(f"the server answered {status}: no body where the answer should be")
        error.retryable = True
        return error
    failure = Failure.from_object(_parsed(body), status)
    text = extract(body)
    is_markup = text.startswith("<")
    message = failure.message if failure else ("" if is_markup else text)
    phrase = _PHRASES.get(status, "the server failed" if status >= 500 else "the request was refused")
    hint = retry_after(head.headers, head.date)
    if hint is None and failure:
        hint = failure.retry_after
    retryable = failure.retryable if failure else _is_transient(status)
    return StatusError(
        f"{phrase} (HTTP {status})" + (f": {message}" if message else ""),
        status=status,
        code=failure.code if failure else None,
        message=message,
        error_type=failure.error_type if failure else None,
        provider=failure.provider if failure else None,
        body=text,
        retry_after=hint,
        retryable=retryable or (status == 402 and "retry-after" in head.headers),
    )


def failed_generation(failure: Failure, secret: str) -> GenerationError:
    """Return the error for a failure that the provider reported inside a 200 answer."""
    message = failure.message.replace(secret, REDACTED) if secret else failure.message
    by = f" by {failure.provider}" if failure.provider else ""
    code = f" ({failure.code})" if failure.code is not None else ""
    return GenerationError(
        f"the generation failed{by}{code}: {message or 'no reason given'}",
        code=failure.code,
        message=message,
        error_type=failure.error_type,
        provider=failure.provider,
        retry_after=failure.retry_after,
        retryable=failure.retryable,
    )


def _is_transient(status: int) -> bool:
    return status in (408, 409, 425, 429) or status >= 500


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _redirect(head: Head) -> str:
    """Name the origin only: the rest of a redirect's target may hold anything."""
    try:
        target = urlsplit(urljoin("//", head.headers.get("location", "")))
        origin = f"{target.scheme}://{target.netloc.rpartition('@')[2]}" if target.netloc else "another path"
    except ValueError:
        origin = "an invalid address"
    return f"the server redirects to {extract(origin)} (HTTP {head.status}); redirects are not followed"
