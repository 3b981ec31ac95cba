"""Everything that can go wrong, as one tree.

SseorError
├── ConfigError               a wrong argument, found before any network
├── MisuseError               a right object used in a wrong way (also RuntimeError)
├── ConnectError              no response head ever came
│   └── ConnectTimeoutError     … in time (also TimeoutError)
├── StatusError               the server answered with another status than 200
├── ContentTypeError          a 200 that is not an event stream
├── CutShortError             the head came, the proper end did not
│   ├── ConnectionLostError     the transport failed
│   ├── EndedEarlyError         a clean close without a finish reason
│   └── StallError              a deadline of the watchdog (also TimeoutError)
├── DeadlineError             the whole budget of time is spent (also TimeoutError)
├── ProtocolError             the peer broke HTTP or the event-stream format
│   ├── EventTooLargeError      one event beyond `max_event_bytes`
│   └── ChunkError              an event that holds no chunk
├── GenerationError           the provider reported a failure
└── ResumeError               a partial could not be continued

Facts are attributes; the message is composed from them. `retryable` says what is true of the failure,
whether another attempt follows is the retry policy's decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sseor.chat import Completion

__all__ = [
    "ChunkError",
    "ConfigError",
    "ConnectError",
    "ConnectTimeoutError",
    "ConnectionLostError",
    "ContentTypeError",
    "CutShortError",
    "DeadlineError",
    "EndedEarlyError",
    "EventTooLargeError",
    "GenerationError",
    "MisuseError",
    "ProtocolError",
    "ResumeError",
    "SseorError",
    "StallError",
    "StatusError",
]


class SseorError(Exception):
    """The root: catch it to catch all that the network, the provider or a wrong call can cause.

    `detail` is the plain sentence. The rest is filled in where the error leaves a stream: `partial` (what had
    arrived, a `Completion`), `generation_id`, `attempts` (requests sent so far), `last_event_id`, and `phase`:
    `connect`, `headers`, `first_token`, `streaming`, or `finished` once the finish reason had come.
    """

    retryable: bool = False

    def __init__(self, detail: str = "", *, retryable: bool | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.partial: Completion | None = None
        self.generation_id: str | None = None
        self.last_event_id: str | None = None
        self.attempts: int = 0
        self.phase: str | None = None
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        """Return the sentence, then what was kept and how to find the generation again."""
        known = []
        if self.partial is not None and self.partial.text:
            known.append(f"{len(self.partial.text)} characters kept in .partial")
        if self.generation_id:
            known.append(f"generation {self.generation_id}")
        if self.attempts > 1:
            known.append(f"{self.attempts} attempts")
        return f"{self.detail} ({', '.join(known)})" if known else self.detail

    def __repr__(self) -> str:
        """Return the class and the sentence: stable, and never a header or a key."""
        return f"{type(self).__name__}({self.detail!r})"


class ConfigError(SseorError, ValueError):
    """A wrong argument, option or key; raised before any network."""


class MisuseError(SseorError, RuntimeError):
    """The caller used a right object in a wrong way, for instance read a stream twice."""


class ConnectError(SseorError):
    """No response head ever came: DNS, TCP, TLS, a proxy, or the peer closed first."""

    retryable = True


class ConnectTimeoutError(ConnectError, TimeoutError):
    """No connection within the `connect` deadline."""


class StatusError(SseorError):
    """The server answered with another status than 200.

    `status` is the HTTP status; `code`, `message`, `error_type` and `provider` are the provider's words where the
    body held them; `body` is a printable extract; `retry_after` is the wait it asked for, in seconds.
    """

    def __init__(
        self,
        detail: str = "",
        *,
        status: int = 0,
        code: int | str | None = None,
        message: str = "",
        error_type: str | None = None,
        provider: str | None = None,
        body: str = "",
        retry_after: float | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(detail, retryable=retryable)
        self.status = status
        self.code = code
        self.message = message
        self.error_type = error_type
        self.provider = provider
        self.body = body
        self.retry_after = retry_after


class ContentTypeError(SseorError):
    """A 200 answer that is neither an event stream nor JSON; `content_type` and `body`, an extract."""

    def __init__(self, detail: str = "", *, content_type: str = "", body: str = "") -> None:
        super().__init__(detail)
        self.content_type = content_type
        self.body = body


class CutShortError(SseorError):
    """The response head came, the proper end of the answer did not; `partial` holds what did."""

    retryable = True


class ConnectionLostError(CutShortError):
    """The transport failed: reset, closed inside a body, or an HTTP/2 stream reset."""


class EndedEarlyError(CutShortError):
    """The body ended cleanly, but no finish reason had come: the answer is truncated."""


class StallError(CutShortError, TimeoutError):
    """A deadline of the watchdog: `timer` is `silence`, `first_token` or `stall`; `waited` is in seconds."""

    def __init__(self, detail: str = "", *, timer: str = "", waited: float = 0.0) -> None:
        super().__init__(detail)
        self.timer = timer
        self.waited = waited


class DeadlineError(SseorError, TimeoutError):
    """The `total` budget is spent; `waited` is in seconds. Never retried."""

    def __init__(self, detail: str = "", *, waited: float = 0.0) -> None:
        super().__init__(detail)
        self.waited = waited


class ProtocolError(SseorError):
    """The peer broke HTTP or the event-stream format."""


class EventTooLargeError(ProtocolError):
    """One event grew beyond `limit` bytes."""

    def __init__(self, detail: str = "", *, limit: int = 0) -> None:
        super().__init__(detail)
        self.limit = limit


class ChunkError(ProtocolError):
    """An event whose data is not a chunk: `number` counts the events of the attempt from 1, `extract` is printable."""

    def __init__(self, detail: str = "", *, number: int = 0, extract: str = "") -> None:
        super().__init__(detail)
        self.number = number
        self.extract = extract


class GenerationError(SseorError):
    """The provider reported a failure inside a 200 answer.

    `code`, `message`, `error_type` and `provider` are its words; `retry_after` is the wait it asked for, in seconds.
    """

    def __init__(
        self,
        detail: str = "",
        *,
        code: int | str | None = None,
        message: str = "",
        error_type: str | None = None,
        provider: str | None = None,
        retry_after: float | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(detail, retryable=retryable)
        self.code = code
        self.message = message
        self.error_type = error_type
        self.provider = provider
        self.retry_after = retry_after


class ResumeError(SseorError):
    """A partial could not be continued; it is kept in `partial`, the reason is chained.

    `continuation` is the text of a continuation that started over, and so was not handed out.
    """

    def __init__(self, detail: str = "", *, continuation: str = "") -> None:
        super().__init__(detail)
        self.continuation = continuation
