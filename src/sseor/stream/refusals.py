"""Failures that the peer put into words, turned into our errors, never with raw markup."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from sseor.chat import Failure, codec
from sseor.errors import GenerationError, ProtocolError, SseorError, StatusError

from .extracts import extract
from .hints import retry_after
from .steps import Head

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


def refused(head: Head, body: bytes) -> SseorError:
    """Return the error for an answer that is not a 200 (protocol of the provider: "Errors and Debugging")."""
    status = head.status
    if 300 <= status < 400:
        return StatusError(_redirect(head), status=status)
    if 200 < status < 300:
        error = ProtocolError(f"the server answered {status}: no body where the answer should be")
        error.retryable = True
        return error
    failure = Failure.from_object(_parsed(body), status) or Failure(code=status)
    text = extract(body)
    message = failure.message or ("" if text.startswith(("<", "{", "[")) else text)
    phrase = _PHRASES.get(status, "the server failed" if status >= 500 else "the request was refused")
    hint = retry_after(head.headers, head.date)
    return StatusError(
        f"{phrase} (HTTP {status})" + (f": {message}" if message else ""),
        status=status,
        code=failure.code,
        message=message,
        error_type=failure.error_type,
        provider=failure.provider,
        body=text,
        retry_after=failure.retry_after if hint is None else hint,
        # 402 has a transient form, the in-flight budget; it alone carries a hint.
        retryable=failure.retryable or (status == 402 and hint is not None),
    )


def failed_generation(failure: Failure) -> GenerationError:
    """Return the error for a failure that the provider reported inside a 200 answer."""
    by = failure.provider or "the provider"
    code = f" ({failure.code})" if failure.code is not None else ""
    return GenerationError(
        f"{by} reported a failure{code}: {failure.message or 'no reason given'}",
        code=failure.code,
        message=failure.message,
        error_type=failure.error_type,
        provider=failure.provider,
        retry_after=failure.retry_after,
        retryable=failure.retryable,
    )


def _parsed(body: bytes) -> object:
    try:
        return codec.loads(body)
    except ValueError:
        return None


def _redirect(head: Head) -> str:
    """Name the origin only: the rest of a redirect's target may hold anything."""
    try:
        target = urlsplit(urljoin("//", head.headers.get("location", "")))
        origin = f"{target.scheme}://{target.netloc.rpartition('@')[2]}" if target.netloc else "another path"
    except ValueError:
        origin = "an invalid address"
    return f"the server redirects to {extract(origin)} (HTTP {head.status}); redirects are not followed"
