"""A chat request: known parameters typed, wrong ones answered before any network."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypedDict

from sseor.chat.text import printable
from sseor.errors import ConfigError

Message = Mapping[str, Any]


class ChatParameters(TypedDict, total=False):
    """The optional parameters of `POST /chat/completions`, OpenAI's and OpenRouter's; all are passed on unchanged."""

    audio: Mapping[str, Any]
    cache_control: Mapping[str, Any]
    debug: Mapping[str, Any]
    deferred_tools: Mapping[str, Any]
    frequency_penalty: float | None
    image_config: Mapping[str, Any]
    include_reasoning: bool
    logit_bias: Mapping[str, float] | None
    logprobs: bool | None
    max_completion_tokens: int | None
    max_tokens: int | None
    max_tool_calls: int | None
    metadata: Mapping[str, str]
    min_p: float | None
    modalities: Sequence[str]
    models: Sequence[str]
    n: int | None
    parallel_tool_calls: bool | None
    plugins: Sequence[Mapping[str, Any]]
    prediction: Mapping[str, Any] | None
    presence_penalty: float | None
    prompt_cache_key: str
    prompt_cache_options: Mapping[str, Any]
    provider: Mapping[str, Any]
    reasoning: Mapping[str, Any]
    reasoning_effort: str | None
    repetition_penalty: float | None
    response_format: Mapping[str, Any]
    route: str
    seed: int | None
    service_tier: str | None
    session_id: str
    stop: str | Sequence[str] | None
    stop_server_tools_when: Any
    structured_outputs: bool
    temperature: float | None
    tool_choice: str | Mapping[str, Any]
    tools: Sequence[Mapping[str, Any]]
    top_a: float | None
    top_k: int | None
    top_logprobs: int | None
    top_p: float | None
    trace: Mapping[str, Any]
    transforms: Sequence[str]
    usage: Mapping[str, Any]
    user: str
    verbosity: str
    web_search_options: Mapping[str, Any]


PARAMETERS = frozenset(ChatParameters.__annotations__)

_ELSEWHERE = {
    "timeout": "deadlines are set on the client: timeouts=sseor.Timeouts(...)",
    "max_retries": "attempts are set on the client: retries=sseor.RetryPolicy(attempts=...)",
    "extra_headers": "request headers are set on the client: headers={...}",
    "headers": "request headers are set on the client: headers={...}",
    "extra_query": "the query belongs to no chat request; use base_url and extra_body",
    "api_key": "the key is set on the client: Client(api_key=...)",
    "base_url": "the base URL is set on the client: Client(base_url=...)",
    "stream": "stream() always streams, complete() never does",
    "stream_options": "usage is always asked for; other options go into extra_body",
    "on_cut": "what a cut does is an argument of stream(): on_cut='resume'",
    "continue_on_length": "it is an argument of stream(): continue_on_length=2",
    "save_to": "it is an argument of stream(): save_to=path",
    "prompt": "a prompt is a message: messages=[{'role': 'user', 'content': ...}]",
}


@dataclass(frozen=True, repr=False)
class ChatRequest:
    """One chat request, checked and encoded: what is sent, whatever becomes of the objects it was made from.

    `body` is its JSON in UTF-8.
    """

    body: bytes

    @cached_property
    def fields(self) -> dict[str, Any]:
        """The object that is sent, as plain JSON values; to be read, not written."""
        return self.to_dict()

    @property
    def model(self) -> str:
        """The model asked for."""
        return str(self.fields["model"])

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation; to be read, not written."""
        messages: list[dict[str, Any]] = self.fields["messages"]
        return messages

    def to_dict(self) -> dict[str, Any]:
        """Return the object that is sent; the caller may do with it as he likes."""
        fields: dict[str, Any] = json.loads(self.body)
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> ChatRequest:
        """Return the request that sends these fields, or raise `ConfigError` for what no server could accept."""
        model = fields.get("model")
        if not isinstance(model, str) or not model.strip():
            raise ConfigError("model must be a name such as 'openai/gpt-5-mini'")
        return cls(_to_json({**fields, "messages": _checked(fields.get("messages"))}))

    def __repr__(self) -> str:
        return f"<ChatRequest {printable(self.model, 60)}, {len(self.messages)} message(s)>"


def chat_request(
    *,
    model: str,
    messages: Sequence[Message],
    parameters: Mapping[str, Any],
    extra_body: Mapping[str, Any] | None = None,
    stream: bool = True,
) -> ChatRequest:
    """Return one chat request, or raise `ConfigError` for what no server could accept.

    `stream_options.include_usage` is always asked for in a stream: OpenRouter ignores it, OpenAI and vLLM need it.
    `extra_body` is merged last and wins, except over `stream`.
    """
    for name in parameters:
        if name not in PARAMETERS:
            raise ConfigError(_unknown(name))
    fields: dict[str, Any] = {"model": model, "messages": messages, **parameters}
    if stream:
        fields["stream_options"] = {"include_usage": True}
    if extra_body is not None:
        if not isinstance(extra_body, Mapping):
            raise ConfigError("extra_body must be a mapping of body fields")
        fields.update(extra_body)
    fields["stream"] = stream
    return ChatRequest.from_dict(fields)


def _checked(messages: object) -> list[Message]:
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Sequence):
        raise ConfigError("messages must be a list such as [{'role': 'user', 'content': 'Hello'}]")
    if not messages:
        raise ConfigError("messages must not be empty")
    for position, message in enumerate(messages):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise ConfigError(f"messages[{position}] must be a mapping with a 'role'")
    return list(messages)


def _unknown(name: str) -> str:
    if name in _ELSEWHERE:
        return f"unknown parameter {name!r}: {_ELSEWHERE[name]}"
    near = difflib.get_close_matches(name, PARAMETERS, n=1)
    if near:
        return f"unknown parameter {name!r}: did you mean {near[0]!r}? Anything else goes into extra_body={{...}}"
    return f"unknown parameter {name!r}: pass it as extra_body={{{name!r}: ...}} if the server knows it"


def _to_json(fields: dict[str, Any]) -> bytes:
    try:
        return json.dumps(
            fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
        ).encode()
    except UnicodeEncodeError as error:
        raise ConfigError("the request holds half a surrogate pair, which cannot be sent as UTF-8") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"the request cannot be sent as JSON: {error}") from error


def _plain(value: object) -> object:
    """Accept read-only mappings and any sequence where JSON wants an object or an array."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
