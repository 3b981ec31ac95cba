"""What a provider says when it fails, read from every shape in which servers say it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sseor.chat.text import printable
from sseor.chat.view import json_object

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RETRYABLE_STATUSES", "Failure"]

RETRYABLE_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, *range(520, 526), 529, 530})

# The values of `error_type` (OpenRouter docs, Errors) and the words of other servers, as HTTP statuses.
_STATUS_OF_WORD = {
    **dict.fromkeys(
        [
            "context_length_exceeded",
            "max_tokens_exceeded",
            "token_limit_exceeded",
            "string_too_long",
            "invalid_request",
            "invalid_prompt",
            "content_policy_violation",
            "refusal",
            "invalid_image",
            "image_too_large",
            "image_too_small",
            "unsupported_image_format",
            "image_download_failed",
            "invalid_request_error",
            "badrequesterror",
            "bad_request",
            "content_filter",
            "model_not_found",
            "wrong_endpoint",
        ],
        400,
    ),
    **dict.fromkeys(("authentication", "authentication_error", "invalid_api_key"), 401),
    **dict.fromkeys(("payment_required", "billing_error", "insufficient_quota"), 402),
    **dict.fromkeys(("permission_denied", "permission_error", "region_restricted"), 403),
    **dict.fromkeys(("not_found", "not_found_error", "image_not_found"), 404),
    "precondition_failed": 412,
    "payload_too_large": 413,
    "unprocessable": 422,
    **dict.fromkeys(("rate_limit_exceeded", "rate_limit_error", "capacity_exhausted"), 429),
    **dict.fromkeys(("server", "unmapped", "server_error", "api_error", "internal_server_error"), 500),
    "provider_unavailable": 502,
    **dict.fromkeys(("provider_overloaded", "overloaded_error", "temporarily_unavailable"), 503),
    **dict.fromkeys(("timeout", "timeout_error"), 504),
}

MAX_MESSAGE = 1000


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure as a provider reported it.

    `code` is the number or word that it gave, `message` its sentence, cleaned of control characters and cut;
    `native` is what the provider behind OpenRouter said, `retry_after` the wait it asked for, in seconds.
    `retryable` says whether the failure is of a transient kind.
    """

    code: int | str | None = None
    message: str = ""
    error_type: str | None = None
    provider: str | None = None
    retry_after: float | None = None
    retryable: bool = False
    native: str | None = None

    @classmethod
    def from_object(cls, body: object, status: int | None = None) -> Failure | None:
        """Read the failure in a chunk or in the JSON body of an answer; None when there is none.

        `status` is the HTTP status of that answer; one of 400 or more is a failure whatever the body says.
        """
        error = error_of(body)
        failed = status is not None and status >= 400
        if error is None:
            if not failed:
                return None
            error = body if isinstance(body, (dict, str)) else {}
        outer = body if isinstance(body, dict) else {}
        if isinstance(error, dict):
            return _from_mapping(error, outer, status if failed else None)
        return _from_scalar(error, outer, status if failed else None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Failure:
        """Return the failure that `to_dict` wrote."""
        return cls(**data)


def error_of(body: object) -> Any:
    """Return the error inside an object, or None: null, empty and false ones are no errors."""
    if isinstance(body, list):  # Gemini wraps the object in an array
        return next((found for item in body if (found := error_of(item)) is not None), None)
    if not isinstance(body, dict):
        return None
    if _says_something(body.get("error")):
        return body["error"]
    if body.get("object") == "error" or (body.get("type") == "error" and "message" in body):
        return body  # flat: vLLM, Mistral
    choices = body.get("choices")
    for place in [body.get("x_groq"), *(choices if isinstance(choices, list) else [])]:
        if isinstance(place, dict) and _says_something(place.get("error")):
            return place["error"]
    return None


def _says_something(error: object) -> bool:
    """Tell an error from the `null`, `{}` or `{"code": null}` that good chunks bear on some servers."""
    return any(value is not None for value in error.values()) if isinstance(error, dict) else bool(error)


def _from_scalar(error: object, outer: Mapping[str, Any], status: int | None) -> Failure:
    """Read an error that is no object: its text is all we know, so it counts as permanent without a status."""
    number = error if type(error) is int else None
    code = status if number is None else number
    message = "" if number is not None else _clean(str(error))
    return Failure(
        code=code,
        message=message,
        error_type=_word(outer.get("error_type")),
        provider=_word(outer.get("provider")),
        retryable=code in RETRYABLE_STATUSES,
    )


def _from_mapping(error: Mapping[str, Any], outer: Mapping[str, Any], status: int | None) -> Failure:
    metadata = json_object(error.get("metadata"))
    availability = json_object(error.get("availability")) or json_object(outer.get("availability"))
    error_type = next(
        (
            word
            for source, name in (
                (metadata, "error_type"),
                (error, "error_type"),
                (outer, "error_type"),
                (availability, "code"),
                (error, "type"),
                (error, "name"),
            )
            if (word := _word(source.get(name))) and word != "error"
        ),
        None,
    )
    retry_after = _retry_after(error, metadata, availability)
    code = _code(error, status)
    return Failure(
        code=code,
        message=_message(error),
        error_type=error_type,
        provider=_word(metadata.get("provider_name"))
        or _word(error.get("provider"))
        or _word(outer.get("provider")),
        retry_after=retry_after,
        retryable=_is_retryable(_status(code, error_type, status), retry_after, metadata, availability),
        native=_native(error, metadata),
    )


def _code(error: Mapping[str, Any], status: int | None) -> int | str | None:
    for value in (error.get("code"), error.get("http_status"), error.get("status"), status):
        if type(value) is int:
            return value
        if type(value) is str and value.strip():
            digits = value.strip()
            return (
                int(digits)
                if digits.isascii() and digits.isdigit() and len(digits) < 6
                else printable(digits, 100)
            )
    return None


def _status(code: int | str | None, error_type: str | None, status: int | None) -> int:
    """Return the HTTP status that says the same; 502, a provider that failed, for what nobody knows."""
    if type(code) is int and 400 <= code < 600:
        return code
    for word in (error_type, code):
        if isinstance(word, str) and word.lower() in _STATUS_OF_WORD:
            return _STATUS_OF_WORD[word.lower()]
    return status or 502


def _is_retryable(
    status: int, retry_after: float | None, metadata: Mapping[str, Any], availability: Mapping[str, Any]
) -> bool:
    if type(availability.get("retryable")) is bool:
        return bool(availability["retryable"])
    if status == 402:  # transient only while requests in flight hold the budget
        return retry_after is not None or metadata.get("limit_source") == "openrouter_in_flight_budget"
    return status in RETRYABLE_STATUSES


def _retry_after(*places: Mapping[str, Any]) -> float | None:
    for place in places:
        headers = {str(name).lower(): value for name, value in json_object(place.get("headers")).items()}
        for value, unit in (
            (place.get("retry_after"), 1.0),
            (place.get("retry_after_seconds"), 1.0),
            (headers.get("retry-after-ms"), 0.001),
            (headers.get("retry-after"), 1.0),
        ):
            seconds = _number(value)
            if seconds is not None:
                return seconds * unit
    return None


def _number(value: object) -> float | None:
    """Return a finite number of at least zero, or None; a date form needs a clock and is left to HTTP headers."""
    if type(value) is str and len(value) < 20 and re.fullmatch(r"[0-9]+(\.[0-9]+)?", value.strip(), re.ASCII):
        return float(value)
    if (type(value) is int or type(value) is float) and 0 <= value < 1e9:
        return float(value)
    return None


def _message(error: Mapping[str, Any]) -> str:
    for name in ("message", "detail", "msg"):
        value = error.get(name)
        if isinstance(value, str) and value.strip():
            return _clean(value)
        if isinstance(value, (dict, list)) and value:  # Mistral and FastAPI put objects here
            return _clean(str(value))
    return ""


def _native(error: Mapping[str, Any], metadata: Mapping[str, Any]) -> str | None:
    inner = json_object(error.get("innererror"))
    for value in (
        metadata.get("raw"),
        metadata.get("provider_code"),
        metadata.get("provider_error_code"),
        inner,
    ):
        if value:
            return _clean(value if isinstance(value, str) else str(value))
    return None


def _clean(text: str) -> str:
    return printable(text, MAX_MESSAGE).strip()


def _word(value: object) -> str | None:
    return _clean(value)[:100] if type(value) is str and value.strip() else None
