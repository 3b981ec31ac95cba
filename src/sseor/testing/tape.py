"""A tape: one answer as it came over the network, read by read with its times, in a file that can be played again.

The file is JSON lines: the head, each read, the end. What is UTF-8 stands there as text, to be read and edited.
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sseor.testing.connection import PeerGoneError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sseor.testing.exchange import Exchange

__all__ = ["Tape", "TapeError"]

VERSION = 1

BROKEN_OFF = "the recording breaks off"

_OF_ONE_CONNECTION = frozenset(
    {"connection", "content-length", "date", "keep-alive", "server", "set-cookie", "transfer-encoding"}
)
"""Header fields that a tape does not keep: they tell of the connection, or are nobody else's business."""


class TapeError(ValueError):
    """A file is no tape: `line` counts from 1, `reason` says what is wrong with it."""

    def __init__(self, path: str, line: int, reason: str) -> None:
        super().__init__(path, line, reason)
        self.path, self.line, self.reason = path, line, reason

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Tape:
    """One answer; all times are seconds since its request was sent.

    `head_at` is when the head came, `reads` are the times and bytes of the body's reads, `ended_at` when it was over.
    `cut` says how the body broke, and is None for a proper end.
    """

    status: int
    headers: Mapping[str, str]
    head_at: float
    reads: tuple[tuple[float, bytes], ...]
    ended_at: float
    cut: str | None = None

    @property
    def body(self) -> bytes:
        """The bytes of the body."""
        return b"".join(data for _, data in self.reads)

    def without(self, secret: str) -> Tape:
        """Return the tape with each occurrence of a secret in head and body made unreadable, cut up or not."""
        if not secret:
            return self
        crossed = "x" * len(secret)
        body = self.body.replace(secret.encode(), crossed.encode())
        reads, start = [], 0
        for at, data in self.reads:
            reads.append((at, body[start : start + len(data)]))
            start += len(data)
        headers = {name: value.replace(secret, crossed) for name, value in self.headers.items()}
        return Tape(self.status, headers, self.head_at, tuple(reads), self.ended_at, self.cut)

    def save(self, path: str | Path) -> None:
        """Write the file; `OSError` when that cannot be done."""
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in _OF_ONE_CONNECTION and _can_be_sent(name, value)
        }
        head = {"status": self.status, "headers": headers, "at": _rounded(self.head_at)}
        lines: list[dict[str, Any]] = [{"format": "sseor-tape", "version": VERSION, **head}]
        lines += [{"at": _rounded(at), **_written(data)} for at, data in self.reads]
        lines.append({"at": _rounded(self.ended_at), "cut": self.cut})
        Path(path).write_bytes(
            b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
        )

    @classmethod
    def load(cls, path: str | Path) -> Tape:
        """Return the tape in a file; `TapeError` when it is none, `OSError` when it cannot be read."""
        # Split by hand: `splitlines` would also cut at the odd line ends that text may hold.
        raw_lines = enumerate(Path(path).read_bytes().split(b"\n"), start=1)
        lines = [_Line(str(path), number, raw) for number, raw in raw_lines if raw.strip()]
        if (
            not lines
            or lines[0].fields.get("format") != "sseor-tape"
            or lines[0].fields.get("version") != VERSION
        ):
            raise TapeError(str(path), 1, f"this is no tape of version {VERSION}")
        head, *others = lines
        reads, cut = [], BROKEN_OFF
        for line in others:
            if "cut" in line.fields:
                cut = line.fields["cut"]
                break
            reads.append((line.at, line.data()))
        return cls(
            head.status(),
            head.headers(),
            head.at,
            tuple(reads),
            lines[-1].at,
            None if cut is None else str(cut),
        )

    def respond(self, speed: float = 1.0) -> Callable[[Exchange], None]:
        """Return a `respond` that plays the tape for each request, `speed` times as fast (`math.inf`: at once)."""

        def respond(exchange: Exchange) -> None:
            now = 0.0

            def wait_until(at: float) -> None:
                nonlocal now
                if not exchange.wait(max(at - now, 0.0) / speed):
                    raise PeerGoneError("the client left within the answer")
                now = max(at, now)

            wait_until(self.head_at)
            exchange.head(self.status, self.headers)
            for at, data in self.reads:
                wait_until(at)
                exchange.send(data)
            wait_until(self.ended_at)
            if self.cut is not None:
                exchange.cut()

        return respond


def _rounded(seconds: float) -> float:
    return round(seconds, 6)


def _written(data: bytes) -> dict[str, str]:
    try:
        return {"data": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _can_be_sent(name: object, value: object) -> bool:
    """Return whether a header field is one line of Latin-1, as HTTP has it."""
    text = f"{name}: {value}"
    return isinstance(value, str) and text.isprintable() and max(text) <= "\xff"


class _Line:
    """One line of the file; whatever is wrong with it is a `TapeError` that names it."""

    def __init__(self, path: str, number: int, raw: bytes) -> None:
        self._where = path, number
        try:
            self.fields = json.loads(raw)
        except (ValueError, RecursionError):
            raise self._error("this is no JSON") from None
        at = self.fields.get("at") if isinstance(self.fields, dict) else None
        if not isinstance(at, int | float) or not 0 <= at < math.inf:
            raise self._error("an object with a time in seconds as `at` is wanted")
        self.at = float(at)

    def _error(self, reason: str) -> TapeError:
        return TapeError(*self._where, reason)

    def status(self) -> int:
        status = self.fields.get("status")
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise self._error("a status from 200 to 599 is wanted")
        return status

    def headers(self) -> dict[str, str]:
        headers = self.fields.get("headers")
        if not isinstance(headers, dict):
            raise self._error("headers are wanted, as an object")
        for name, value in headers.items():
            if not _can_be_sent(name, value):
                raise self._error(f"the header field {name!a} cannot be sent")
        return headers

    def data(self) -> bytes:
        try:
            match self.fields:
                case {"data": str(text)}:
                    return text.encode()
                case {"base64": str(text)}:
                    return base64.b64decode(text, validate=True)
        except ValueError:
            raise self._error("these are no bytes: half a surrogate pair, or no base64") from None
        raise self._error("data or base64 is wanted, as a text")
