"""A request that is refused, as an HTTP status and a code of the fixed table."""

from __future__ import annotations

from sseor.relay.records import TYPE

__all__ = ["RefusedError"]

STATUSES = {
    "bad_request": 400,
    "bad_event_id": 400,
    "not_streamed": 400,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "wrong_stream": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "too_many": 429,
    "internal": 500,
    "draining": 503,
    "unavailable": 503,
}


class RefusedError(Exception):
    """The request is refused; `code` goes to the browser, with HTTP status `status`, and nothing else.

    An application may refuse with a code of its own, letters and digits as in a record's type, and a status.
    """

    def __init__(self, code: str, status: int | None = None) -> None:
        if not TYPE.fullmatch(code):
            raise ValueError("a code is a-z, 0-9, _, . and -")
        super().__init__(code)
        self.code = code
        self.status = STATUSES[code] if status is None else status
