"""The JSON that OpenRouter sends, shape by shape: chunks, usage, errors, completions, generation records."""

from __future__ import annotations

import json
import random
import string
import time
from dataclasses import dataclass, field
from typing import Any

__all__ = ["COMMENT", "DONE", "Generation", "Json", "comment", "data_event", "error_body", "usage"]

Json = dict[str, Any]

PROMPT_PRICE, COMPLETION_PRICE = 0.0000005, 0.000002
"""USD per token, invented."""


def data_event(value: Json | str) -> bytes:
    """Return one event: a JSON object, or text as it is; half a surrogate pair goes out as an escape."""
    if isinstance(value, str):
        return f"data: {value}\n\n".encode()
    try:
        return f"data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()
    except UnicodeEncodeError:
        return f"data: {json.dumps(value, separators=(',', ':'))}\n\n".encode()


def comment(text: str) -> bytes:
    """Return one comment and the blank line behind it."""
    return f": {text}\n\n".encode()


COMMENT = comment("OPENROUTER PROCESSING")
DONE = data_event("[DONE]")


def usage(prompt: int, completion: int, *, reasoning: int = 0, cost: float | None = None) -> Json:
    """Return a `usage` object; without `cost` at the prices of this module."""
    asked, answered = prompt * PROMPT_PRICE, completion * COMPLETION_PRICE
    price = round(asked + answered, 9) if cost is None else cost
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "cost": price,
        "is_byok": False,
        "prompt_tokens_details": {
            "cached_tokens": 0,
            "cache_write_tokens": 0,
            "audio_tokens": 0,
            "video_tokens": 0,
        },
        "cost_details": {
            "upstream_inference_cost": price,
            "upstream_inference_prompt_cost": round(asked, 9),
            "upstream_inference_completions_cost": round(answered, 9),
        },
        "completion_tokens_details": {"reasoning_tokens": reasoning, "image_tokens": 0, "audio_tokens": 0},
    }


def error_body(code: int | str, message: str, **metadata: Any) -> Json:
    """Return `{"error": …}` as it is sent before a stream and, beside `choices`, within one."""
    error: Json = {"code": code, "message": message}
    if metadata:
        error["metadata"] = metadata
    return {"error": error}


def _new_id() -> str:
    letters = random.choices(string.ascii_letters + string.digits, k=20)  # noqa: S311 (a name, not a secret)
    return f"gen-{int(time.time())}-{''.join(letters)}"


@dataclass(frozen=True, slots=True)
class Generation:
    """One answer's identity, and the objects that carry it."""

    model: str
    provider: str = "Loopback"
    id: str = field(default_factory=_new_id)
    created: int = field(default_factory=lambda: int(time.time()))

    def chunk(
        self, delta: Json, *, finish: str | None = None, native: str | None = None, index: int = 0
    ) -> Json:
        """Return a chunk with one choice; `role` is repeated in each delta, as on the wire."""
        choice = {
            "index": index,
            "delta": {"content": "", "role": "assistant"} | delta,
            "finish_reason": finish,
            "native_finish_reason": native or finish,
        }
        return self._identity("chat.completion.chunk") | {"system_fingerprint": None, "choices": [choice]}

    def usage_chunk(self, usage: Json, *, finish: str | None, native: str | None = None) -> Json:
        """Return the last chunk: an empty delta, the finish reason once more, and the usage."""
        return self.chunk({}, finish=finish, native=native) | {"service_tier": None, "usage": usage}

    def error_chunk(self, error: Json, *, choices: bool = True) -> Json:
        """Return a chunk with `error`; with `choices=False` its list of choices is empty."""
        last = {
            "index": 0,
            "delta": {"content": ""},
            "finish_reason": "error",
            "native_finish_reason": None,
        }
        return self._identity("chat.completion.chunk") | error | {"choices": [last] if choices else []}

    def completion(self, message: Json, *, finish: str, usage: Json) -> Json:
        """Return the whole answer as one `chat.completion`, as to a request without `stream`."""
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": "", "refusal": None} | message,
            "finish_reason": finish,
            "native_finish_reason": finish,
            "logprobs": None,
        }
        identity = self._identity("chat.completion")
        return identity | {"system_fingerprint": None, "choices": [choice], "usage": usage}

    def record(self, usage: Json, *, finish: str | None, cancelled: bool, streamed: bool) -> Json:
        """Return what `GET /generation?id=` answers; its own `usage` is a sum of USD, not an object."""
        return {
            "data": {
                "id": self.id,
                "model": self.model,
                "provider_name": self.provider,
                "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.created)),
                "total_cost": usage["cost"],
                "usage": usage["cost"],
                "tokens_prompt": usage["prompt_tokens"],
                "tokens_completion": usage["completion_tokens"],
                "native_tokens_prompt": usage["prompt_tokens"],
                "native_tokens_completion": usage["completion_tokens"],
                "native_tokens_reasoning": usage["completion_tokens_details"]["reasoning_tokens"],
                "finish_reason": finish,
                "native_finish_reason": finish,
                "cancelled": cancelled,
                "streamed": streamed,
                "is_byok": False,
            }
        }

    def _identity(self, kind: str) -> Json:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "provider": self.provider,
        }
