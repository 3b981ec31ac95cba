"""What a peer says when it refuses, as our errors."""

from __future__ import annotations

import json

import pytest

from sseor.chat import Failure
from sseor.errors import GenerationError, ProtocolError, StatusError
from sseor.stream.refusals import failed_generation, refused
from sseor.stream.steps import Head


def refuse(status: int, body: bytes = b"", **headers: str) -> StatusError:
    """Return the error of an answer with this status."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    error = refused(Head(status, fields, 0.0, 1795348800.0), body)
    assert isinstance(error, StatusError)
    return error


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (400, False),
        (401, False),
        (402, False),
        (403, False),
        (404, False),
        (408, True),
        (409, True),
        (413, False),
    ]
    + [(418, False), (422, False), (425, True), (429, True)]
    + [(status, True) for status in (500, 502, 503, 504, 520, 524, 529)],
)
@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"\xff\x00", b"[" * 3000, b'"text"', b"{}", b"[]"])
def test_any_body_gives_the_status(status: int, retryable: bool, body: bytes) -> None:
    """Whatever the body is, the status decides, and the message is one printable line."""
    error = refuse(status, body)
    assert (error.status, error.retryable) == (status, retryable)
    assert f"HTTP {status}" in str(error)
    assert str(error).isprintable()
    assert "<" not in str(error)


def test_the_providers_words() -> None:
    """Code, message, type, provider and hint are read from OpenRouter's body."""
    metadata = {"error_type": "rate_limit_exceeded", "provider_name": "Chutes", "retry_after_seconds": 12}
    body = {"error": {"code": 429, "message": "Provider returned error", "metadata": metadata}}
    error = refuse(429, json.dumps(body).encode())
    assert (error.code, error.message, error.error_type) == (
        429,
        "Provider returned error",
        "rate_limit_exceeded",
    )
    assert (error.provider, error.retry_after, error.retryable) == ("Chutes", 12, True)


def test_the_header_hint_goes_before_the_bodys() -> None:
    """Retry-After of the header is what the server means now."""
    body = json.dumps({"error": {"code": 429, "metadata": {"retry_after_seconds": 12}}}).encode()
    assert refuse(429, body, retry_after="3").retry_after == 3


def test_402_has_a_transient_form() -> None:
    """Only a 402 that names a wait may be tried again."""
    assert refuse(402, retry_after="5").retryable
    assert not refuse(402).retryable


def test_plain_text_is_a_message() -> None:
    """A short text body is quoted, as Cloudflare sends it."""
    assert "error code: 502" in str(refuse(502, b"error code: 502"))


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("https://user:pw@evil.example/path?token=1", "https://evil.example"),
        ("/elsewhere", "another path"),
        ("", "another path"),
        ("http://[", "an invalid address"),
    ],
)
def test_a_redirect_names_the_origin_only(location: str, named: str) -> None:
    """Redirects are not followed; path, query and credentials of the target are not repeated."""
    error = refuse(307, location=location)
    assert named in str(error)
    assert "token" not in str(error)
    assert "pw" not in str(error)


def test_no_content_is_a_protocol_error() -> None:
    """204 and 205 have no body where the answer should be; once may be an accident."""
    error = refused(Head(204, {}, 0.0, 0.0), b"")
    assert isinstance(error, ProtocolError)
    assert error.retryable


@pytest.mark.parametrize("provider", [None, "Novita"])
def test_a_failed_generation(provider: str | None) -> None:
    """The facts of a failure become those of the error."""
    failure = Failure(502, "reset", "provider_unavailable", provider, 9.0, True)
    error = failed_generation(failure)
    assert isinstance(error, GenerationError)
    assert (error.code, error.error_type, error.provider) == (502, "provider_unavailable", provider)
    assert (error.retry_after, error.retryable) == (9.0, True)
    assert error.message == "reset"
    assert str(failed_generation(Failure())) == "the provider reported a failure: no reason given"
