"""Foreign exceptions translated at the border, by name: httpx, httpx2 and httpcore call them alike."""

from __future__ import annotations

import socket
import ssl

from sseor.errors import (
    ConnectError,
    ConnectionLostError,
    ConnectTimeoutError,
    MisuseError,
    ProtocolError,
    SseorError,
    StallError,
)

_LIBRARIES = frozenset({"httpx", "httpx2", "httpcore", "httpcore2", "anyio", "h11", "h2"})

# The words of h11 and httpcore for a peer that went away, as against one that broke the format.
_GONE = (
    "disconnected",
    "incomplete",
    "without sending complete",
    "peer closed",
    "closed",
    "reset",
    "terminated",
)


def translated(error: Exception, *, in_body: bool, proxy: str = "") -> SseorError | None:
    """Return our error for what the HTTP library raised, its cause chained; None when it is not the library's.

    `in_body` tells whether the response head had come. `proxy` names the proxy in between, without its credentials.
    Words of the foreign exception are not repeated, since they may quote what the peer or the caller sent.
    """
    ours = _translated(_names(error), error, in_body=in_body, proxy=proxy)
    if ours is not None:
        ours.__cause__ = error
    return ours


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__ if kind.__module__.partition(".")[0] in _LIBRARIES}


def _translated(names: set[str], error: Exception, *, in_body: bool, proxy: str) -> SseorError | None:
    if "PoolTimeout" in names:
        pool = ConnectTimeoutError("no connection of the pool became free: are streams left unclosed?")
        pool.retryable = False
        return pool
    if "ConnectTimeout" in names:
        return _while_connecting(ConnectTimeoutError(f"no connection{_through(proxy)} in time"))
    if "TimeoutException" in names:
        return StallError("the HTTP client's own time limit passed", timer="silence")
    if "ConnectError" in names or "ProxyError" in names:
        return _while_connecting(_not_connected(error, proxy))
    if names & {"RemoteProtocolError", "LocalProtocolError", "ProtocolError"}:
        return _broken_format(error, in_body=in_body)
    if names & {"NetworkError", "BrokenResourceError", "ClosedResourceError", "EndOfStream"}:
        return _lost(in_body=in_body)
    if names & {"HTTPError", "DecodingError", "UnsupportedProtocol", "StreamError", "InvalidURL"}:
        return ProtocolError("the HTTP exchange failed")
    if isinstance(error, (OSError, EOFError)):
        return _lost(in_body=in_body) if in_body else _while_connecting(_not_connected(error, proxy))
    if isinstance(error, RuntimeError):
        return _misused(str(error))
    return None


def _not_connected(error: Exception, proxy: str) -> ConnectError:
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return ConnectError(f"the host name is unknown{_through(proxy)}")
        if isinstance(cause, ssl.SSLError):
            if isinstance(cause, ssl.SSLCertVerificationError):
                return ConnectError("TLS failed: the certificate is not trusted", retryable=False)
            return ConnectError("TLS failed: does the server speak TLS on this port?", retryable=False)
        if isinstance(cause, ConnectionRefusedError):
            return ConnectError(f"the connection was refused{_through(proxy)}")
    return ConnectError(f"no connection{_through(proxy)}")


def _while_connecting(error: ConnectError) -> ConnectError:
    error.phase = "connect"
    return error


def _broken_format(error: Exception, *, in_body: bool) -> SseorError:
    words = str(error).lower()
    if any(word in words for word in _GONE):
        return _lost(in_body=in_body)
    broken = ProtocolError("the server broke the rules of HTTP")
    # A flood of header fields is no accident.
    broken.retryable = not in_body and "too long" not in words
    return broken


def _lost(*, in_body: bool) -> SseorError:
    if in_body:
        return ConnectionLostError("the connection was lost in the middle of the answer")
    return ConnectError("the server closed the connection without an answer")


def _misused(words: str) -> MisuseError | None:
    if "has been closed" in words:
        return MisuseError("the HTTP client has been closed")
    if "loop is closed" in words or "different loop" in words or "different event loop" in words:
        return MisuseError("the client belongs to an event loop that has ended; make a new one in each loop")
    return None


def _through(proxy: str) -> str:
    return f" through the proxy {proxy}" if proxy else ""


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending and len(found) < 50:
        cause = pending.pop()
        if cause is None or cause in found:
            continue
        found.append(cause)
        if isinstance(cause, BaseExceptionGroup):
            pending.extend(cause.exceptions)
        pending.extend([cause.__cause__, cause.__context__])
        pending.extend(part for part in cause.args if isinstance(part, BaseException))
    return found
