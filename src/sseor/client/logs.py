"""The API key kept out of foreign logs: under HTTP/2 the `hpack` logger prints every header field at DEBUG."""

from __future__ import annotations

import logging

from sseor.stream.secrets import redacted

_LOGGERS = ("hpack.hpack", "hpack.table")


class KeyFilter(logging.Filter):
    """Takes the key out of the records of these loggers, while a client that may speak HTTP/2 is in use."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        self._secret = secret

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without the key."""
        text = record.getMessage()
        clean = redacted(text, self._secret)
        if clean != text:
            record.msg, record.args = clean, None
        return True

    def install(self) -> None:
        """Begin to filter."""
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self)

    def remove(self) -> None:
        """Filter no more."""
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self)
