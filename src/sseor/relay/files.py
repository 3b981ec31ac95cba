"""The browser's files, as they are served."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import NamedTuple

__all__ = ["PAGE", "File", "browser_files"]

PAGE = "index.html"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".ts": "text/plain; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
CLIENT = frozenset({".js", ".ts"})


class File(NamedTuple):
    """A file: its bytes, and the headers that go with them."""

    data: bytes
    headers: dict[str, str]
    of_page: bool


@cache
def browser_files() -> dict[str, File]:
    """Return the files by their names; those of the page alone are marked."""
    files = {}
    for entry in (resources.files("sseor") / "browser").iterdir():
        _, dot, suffix = entry.name.rpartition(".")
        if dot + suffix in TYPES:
            data = entry.read_bytes()
            headers = {
                "Content-Type": TYPES[dot + suffix],
                "Cache-Control": "no-cache",
                "ETag": f'"{hashlib.sha256(data).hexdigest()[:32]}"',
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            }
            files[entry.name] = File(data, headers, dot + suffix not in CLIENT)
    return files
