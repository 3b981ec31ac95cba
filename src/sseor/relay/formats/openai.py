"""The format `openai`: chunks as OpenRouter sends them, for clients written for OpenAI's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sseor.chat import codec
from sseor.relay.codes import meaning_of
from sseor.relay.formats.encoder import Encoder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sseor.relay.refusal import RefusedError
    from sseor.relay.tail import Tail

__all__ = ["OpenAIEncoder", "error_body"]

DONE = b"data: [DONE]\n\n"
FIELDS = {"text": "content", "reasoning": "reasoning", "refusal": "refusal"}
COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
MODEL = "sseor"
LONGEST_MODEL = 256


class OpenAIEncoder(Encoder):
    """The finish reasons wait for the terminal record, and the last chunk bears the usage, since clients keep that.

    The ID of the chunks is the stream's; `model` is what the question names, `created` when this process first saw it.
    """

    def __init__(self, tail: Tail, question: Mapping[str, Any]) -> None:
        super().__init__(tail, question)
        model = question.get("model")
        chunk = {
            "id": tail.stream,
            "object": "chat.completion.chunk",
            "created": tail.created,
            "model": model[:LONGEST_MODEL] if isinstance(model, str) and model else MODEL,
        }
        self._head = codec.dumps(chunk)[:-1]
        self._choices = 0  # choices that have begun: all below this number
        self._finished: dict[int, str] = {}
        self._usage: dict[str, Any] = {}

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """Return chunks."""
        choice = record.get("choice", 0)
        match record["type"]:
            case "text" | "reasoning" | "refusal" as name:
                return self._delta(choice, {FIELDS[name]: record["text"]})
            case "tool_delta":
                return self._delta(choice, {"tool_calls": [_fragment(record)]})
            case "image":
                link = {"type": "image_url", "image_url": {"url": record["url"]}}
                return self._delta(choice, {"images": [self._indexed(choice, "image", link)]})
            case "audio":
                audio = {name: record[name] for name in ("data", "transcript") if record[name]}
                return self._delta(choice, {"audio": audio})
            case "annotation":
                entry = self._indexed(choice, "annotation", record["annotation"])
                return self._delta(choice, {"annotations": [entry]})
            case "finish":
                self._finished[choice] = record["reason"]
            case "usage":
                self._usage = {"usage": _usage(record)}
        return b""

    def _indexed(self, choice: int, kind: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Return an entry of a list with its place, without which OpenAI's client cannot join the lists of chunks."""
        return {**entry, "index": self._news.had[choice, kind] - 1}

    def _delta(self, choice: int, delta: Mapping[str, Any]) -> bytes:
        """Return a chunk; the first of a choice bears the role, and choices begin in order."""
        if choice < self._choices:
            return self._chunk(choice, delta)
        earlier = b"".join(self._chunk(one, _first({})) for one in range(self._choices, choice))
        self._choices = choice + 1
        return earlier + self._chunk(choice, _first(delta))

    def _chunk(self, choice: int, delta: Mapping[str, Any], reason: str | None = None, **more: Any) -> bytes:
        choices = [{"index": choice, "delta": delta, "finish_reason": reason}]
        return b"data: %b,%b\n\n" % (self._head, codec.dumps({"choices": choices, **more})[1:])

    def finish(self, reason: str) -> bytes:
        """Return the finish reasons, the usage and the mark."""
        chunks = [] if self._choices else [self._delta(0, {})]
        for choice in range(self._choices):
            usage = self._usage if choice == self._choices - 1 else {}
            chunks.append(self._chunk(choice, {}, self._finished.get(choice, reason), **usage))
        return b"".join([*chunks, DONE])

    def fail(self, code: str) -> bytes:
        """Return a chunk that bears the error; no mark follows."""
        return self._chunk(0, {"content": ""}, "error", error={"code": code, "message": meaning_of(code)})


def _first(delta: Mapping[str, Any]) -> dict[str, Any]:
    content = None if "tool_calls" in delta else ""
    return {"role": "assistant", "content": content, **delta}


def _fragment(record: Mapping[str, Any]) -> dict[str, Any]:
    arguments = {"arguments": record["arguments"]}
    if "name" not in record:
        return {"index": record["index"], "function": arguments}
    function = {"name": record["name"], **arguments}
    return {"index": record["index"], "id": record["id"], "type": "function", "function": function}


def _usage(record: Mapping[str, Any]) -> dict[str, Any]:
    usage: dict[str, Any] = {name: record.get(name) for name in COUNTS}
    if "reasoning_tokens" in record:
        usage["completion_tokens_details"] = {"reasoning_tokens": record["reasoning_tokens"]}
    if "cached_tokens" in record:
        usage["prompt_tokens_details"] = {"cached_tokens": record["cached_tokens"]}
    if "cost" in record:
        usage["cost"] = record["cost"]
    return usage


def error_body(refusal: RefusedError) -> bytes:
    """Return the body of a refused request, in the shape of OpenAI's errors."""
    kind = "invalid_request_error" if refusal.status < 500 else "server_error"
    error = {"message": meaning_of(refusal.code), "type": kind, "param": None, "code": refusal.code}
    return codec.dumps({"error": error})
