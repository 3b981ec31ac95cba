"""The best object that a growing JSON text allows, for showing tool arguments while they arrive."""

from __future__ import annotations

import re
from typing import Any

from sseor.chat import codec
from sseor.chat.text import clean_value

__all__ = ["partial_object"]

_TOKEN = re.compile(
    r"""
    \s* (?: (?P<open>[\[{]) | (?P<close>[\]}]) | (?P<colon>:) | (?P<comma>,)
      | (?P<string>"[^"\\]*(?:\\.[^"\\]*)*")
      | (?P<cut>"[^"\\]*(?:\\(?:u[0-9a-fA-F]{4}|[^u])[^"\\]*)*) (?:\\(?:u[0-9a-fA-F]{0,3})?)? \Z
      | (?P<scalar>[^\s\[\]{}:,"]+)
    )""",
    re.VERBOSE | re.DOTALL,
)


def partial_object(text: str) -> dict[str, Any]:
    """Return the object that `text`, the beginning of one, has shown so far; `{}` before anything is sure.

    A string value may be one that still grows. A number or a literal counts once something follows it. The
    text is scanned once, up to the first thing that is no JSON.
    """
    kept, closers = _longest_prefix(text)
    try:
        value = codec.loads_exact(kept + closers)
    except ValueError:
        return {}
    return clean_value(value) if type(value) is dict else {}


def _longest_prefix(text: str) -> tuple[str, str]:
    """Return the longest prefix that ends after a value, a grown string included, and what closes it."""
    stack: list[str] = []
    best, closers, tail = 0, "", ""
    expects_key = False
    position = 0
    while match := _TOKEN.match(text, position):
        position = match.end()
        kind = match.lastgroup
        if kind == "open":
            stack.append("}" if match["open"] == "{" else "]")
            expects_key = stack[-1] == "}"
        elif kind == "close":
            if not stack or stack.pop() != match["close"]:
                break
        elif kind == "comma":
            expects_key = bool(stack) and stack[-1] == "}"
        elif kind == "colon":
            expects_key = False
        if kind == "cut" and not expects_key:
            best, tail, closers = match.end("cut"), '"', "".join(reversed(stack))
        elif (
            kind in ("open", "close")
            or (kind == "string" and not expects_key)
            or (kind == "scalar" and position < len(text))
        ):
            best, closers = position, "".join(reversed(stack))
        if not stack:
            break
    return text[:best] + tail, closers
