"""How long a server asks its client to wait before the next request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)


def retry_after(headers: Mapping[str, str], date: float) -> float | None:
    """Return the wait in seconds that the header fields ask for, or None when they ask for nothing sensible.

    Reads `retry-after-ms` (OpenAI) before `retry-after`, RFC 9110 §10.2.3: seconds or an HTTP date. `date` is the
    wall clock at arrival in seconds since 1970. A date in the past, a negative, a non-ASCII digit or any other word
    is no hint.
    """
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _SECONDS.fullmatch(milliseconds):
        return float(milliseconds) / 1000
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        wait = parsedate_to_datetime(value).timestamp() - date
    except (ValueError, TypeError, OverflowError):
        return None
    return wait if wait > 0 else None
