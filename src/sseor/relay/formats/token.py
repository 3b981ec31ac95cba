"""The format `token`: pieces of text and nothing else, each an event of one ASCII line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sseor.relay.formats.encoder import Encoder

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TokenEncoder"]


class TokenEncoder(Encoder):
    """`data: {"token": …}` for each piece of the first choice's text, `data: [DONE]` once the answer is whole."""

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """Return a token."""
        if record["type"] != "text" or "choice" in record or not record["text"]:
            return b""
        return _line({"token": record["text"]})

    def finish(self, reason: str) -> bytes:  # noqa: ARG002 (a token has no room for it)
        """Return the mark."""
        return b"data: [DONE]\n\n"

    def fail(self, code: str) -> bytes:
        """Return an empty token with a code."""
        return _line({"token": "", "error": code})


def _line(value: Mapping[str, str]) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()
