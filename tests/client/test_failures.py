"""Foreign exceptions, translated by name."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import anyio
import httpcore
import httpx
import httpx2
import pytest

from sseor.client.failures import translated
from sseor.errors import (
    ConnectError,
    ConnectionLostError,
    ConnectTimeoutError,
    MisuseError,
    ProtocolError,
    SseorError,
    StallError,
)

SECRET = "sk-or-v1-canary-0123456789"


def caused(error: Exception, cause: BaseException) -> Exception:
    """Return the error with a cause, as libraries chain them."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("library", [httpx, httpx2, httpcore])
@pytest.mark.parametrize(
    ("name", "words", "in_body", "kind", "retryable"),
    [
        ("ConnectError", "", False, ConnectError, True),
        ("ConnectTimeout", "", False, ConnectTimeoutError, True),
        ("PoolTimeout", "", False, ConnectTimeoutError, False),
        ("ReadTimeout", "", True, StallError, True),
        ("WriteTimeout", "", False, StallError, True),
        ("ReadError", "", False, ConnectError, True),
        ("ReadError", "", True, ConnectionLostError, True),
        ("WriteError", "", False, ConnectError, True),
        ("ProxyError", "403", False, ConnectError, True),
        ("RemoteProtocolError", "Server disconnected without sending a response.", False, ConnectError, True),
        ("RemoteProtocolError", "peer closed (incomplete chunked read)", True, ConnectionLostError, True),
        ("RemoteProtocolError", f"illegal status line: {SECRET}", False, ProtocolError, True),
        ("RemoteProtocolError", "illegal chunk size", True, ProtocolError, False),
        ("LocalProtocolError", f"Illegal header value {SECRET}", False, ProtocolError, True),
        ("UnsupportedProtocol", "", False, ProtocolError, False),
    ],
)
def test_by_name(
    library: Any, name: str, words: str, in_body: bool, kind: type[SseorError], retryable: bool
) -> None:
    """httpx, httpx2 and httpcore name their exceptions alike; their words are not repeated, the cause is chained."""
    foreign = getattr(library, name)(words)
    ours = translated(foreign, in_body=in_body)
    assert type(ours) is kind
    assert ours is not None
    assert ours.retryable is retryable
    assert ours.__cause__ is foreign
    assert SECRET not in f"{ours} {ours!r}"


@pytest.mark.parametrize(
    ("cause", "words", "retryable"),
    [
        (socket.gaierror(-2, "Name or service not known"), "unknown", True),
        (ssl.SSLCertVerificationError(1, "self-signed"), "not trusted", False),
        (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), "TLS", False),
        (ConnectionRefusedError(111, "refused"), "refused", True),
        (OSError(101, "unreachable"), "no connection", True),
    ],
)
def test_why_no_connection(cause: Exception, words: str, retryable: bool) -> None:
    """The reason is found in the chain: also in groups, in arguments and behind cycles."""
    looped = OSError("outer")
    looped.__context__ = looped
    for foreign in (
        caused(httpx.ConnectError(""), cause),
        caused(httpx.ConnectError(""), caused(OSError(), ExceptionGroup("all failed", [OSError(), cause]))),
        httpx.ConnectError(cause),  # type: ignore[arg-type]
        caused(httpx.ConnectError(""), caused(looped, cause)),
    ):
        ours = translated(foreign, in_body=False)
        assert isinstance(ours, ConnectError)
        assert words in str(ours)
        assert ours.retryable is retryable


def test_a_proxy_is_named() -> None:
    """Where a proxy stands in between, the error names it."""
    ours = translated(httpx.ConnectTimeout(""), in_body=False, proxy="http://proxy.example:3128")
    assert "http://proxy.example:3128" in str(ours)


@pytest.mark.parametrize(
    "foreign", [anyio.BrokenResourceError(), anyio.ClosedResourceError(), EOFError(), OSError()]
)
def test_what_lies_below_the_library(foreign: Exception) -> None:
    """A socket's own errors are a lost connection in the body, no connection before it."""
    assert isinstance(translated(foreign, in_body=True), ConnectionLostError)
    assert isinstance(translated(foreign, in_body=False), ConnectError)


@pytest.mark.parametrize(
    "words",
    [
        "Cannot send a request, as the client has been closed.",
        "Event loop is closed",
        "attached to a different loop",
    ],
)
def test_misuse_is_said_plainly(words: str) -> None:
    """A closed client and a foreign loop are our caller's mistakes."""
    assert isinstance(translated(RuntimeError(words), in_body=False), MisuseError)


@pytest.mark.parametrize("foreign", [RuntimeError("something else"), ZeroDivisionError(), KeyError("x")])
def test_what_is_not_the_networks_passes(foreign: Exception) -> None:
    """A defect of ours or of the caller is not dressed up as a failure of the network."""
    assert translated(foreign, in_body=False) is None
