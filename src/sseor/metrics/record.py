"""One stream in the log: its figures, made safe to keep.

Names that a server chose are cut to one printable line, and API keys in them are blotted out; of an error only the
class is kept; a number that no stream can have reads as absent.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sseor.chat.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sseor.chat import Completion
    from sseor.errors import SseorError

__all__ = ["Record", "record_of"]

_LONGEST_NAME = 200
_MOST = (1 << 63) - 1
_LIMITS = ("length", "content_filter")
_FINISH_REASONS = {"stop", "tool_calls", "function_call", "error", *_LIMITS}


@dataclass(frozen=True, slots=True)
class Record:
    """One stream; times in milliseconds, `cost` in US dollars, None for what is not known.

    `at` is the wall clock at the stream's end, in seconds since 1970. `outcome` is one of: `complete`; `limited`, whole
    but ended by the limit of tokens or a content filter; `cut`, failed after its first token; `failed`, before it;
    `left`, closed by its reader.
    """

    at: float
    outcome: str
    error: str | None = None
    finish_reason: str | None = None
    model_asked: str | None = None
    model: str | None = None
    provider: str | None = None
    server: str | None = None
    generation_id: str | None = None
    head_ms: float | None = None
    first_byte_ms: float | None = None
    first_chunk_ms: float | None = None
    ttft_ms: float | None = None
    ttfo_ms: float | None = None
    total_ms: float | None = None
    caller_ms: float | None = None
    heartbeat_ms: float | None = None
    gap_p50_ms: float | None = None
    gap_p95_ms: float | None = None
    gap_max_ms: float | None = None
    tokens_per_second: float | None = None
    cost: float | None = None
    heartbeats: int | None = None
    attempts: int | None = None
    chunks: int | None = None
    stalls: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    tokens_estimated: bool | None = None
    cache_hit: bool | None = None
    not_streamed: bool | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Record:
        """Return the record of a row; columns that a newer or older log has or lacks do not matter."""
        values = {}
        for name in row.keys():  # noqa: SIM118 (a Row yields values)
            value = row[name]
            if value is not None and name in _KINDS:  # a third of a row is missing
                values[name] = _read(value, _KINDS[name])
        return cls(**{**values, "at": values.get("at") or 0.0, "outcome": values.get("outcome") or "failed"})


_KINDS = {field.name: str(field.type).partition(" ")[0] for field in fields(Record)}


def record_of(completion: Completion, error: SseorError | None) -> Record:
    """Return what the log keeps of a stream that has just ended."""
    found = completion.timeline.metrics()
    reason = found.finish_reason
    kept = {
        field.name: _safe(getattr(found, field.name))
        for field in fields(Record)
        if field.name in found.__dataclass_fields__
    }
    return Record(
        **{
            **kept,
            "at": time.time(),
            "outcome": _outcome(completion, error),
            "error": None if error is None else type(error).__name__,
            "finish_reason": reason if reason is None or reason in _FINISH_REASONS else "other",
            "not_streamed": found.verdict.not_streamed,
        }
    )


def _outcome(completion: Completion, error: SseorError | None) -> str:
    if error is not None:
        return "failed" if completion.timeline.first_token is None else "cut"
    if not completion.verdict.complete:
        return "left"
    return "limited" if completion.finish_reason in _LIMITS else "complete"


def _safe(value: Any) -> Any:
    """Return what SQLite can keep and a reader can trust: short printable text, finite numbers from 0 on."""
    if isinstance(value, str):
        return printable(value, _LONGEST_NAME)
    if isinstance(value, (int, float)):
        return value if 0 <= value <= _MOST else None  # NaN is neither
    return None


def _read(value: Any, kind: str) -> Any:
    """Return a value of the file if it is of its column's kind: whoever has the file may have written anything."""
    if isinstance(value, str) != (kind == "str"):
        return None
    return bool(value) if kind == "bool" else _safe(value)
