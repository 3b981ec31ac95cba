"""What a client is told once, for threads and async alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sseor.chat.request import Message, chat_request
from sseor.errors import ConfigError
from sseor.stream import CompleteWhen, RetryPolicy, Script, Settings, Timeouts

from .endpoint import OPENROUTER, Endpoint, endpoint
from .finish import Audience, OnFinish, Recorder
from .link import Link

MAX_EVENT_BYTES = 64 << 20


class Configured:
    """The part of a client that has no I/O: its arguments, checked, and the scripts it starts."""

    _link_to: Callable[[Endpoint, Any], Link]

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str = OPENROUTER,
        app: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeouts: Timeouts | None = None,
        retries: RetryPolicy | None = None,
        max_event_bytes: int = MAX_EVENT_BYTES,
        lenient: bool = False,
        complete_when: CompleteWhen = "finish",
        metrics: Recorder | None = None,
        on_finish: OnFinish | None = None,
        http_client: Any = None,
    ) -> None:
        timeouts = Timeouts() if timeouts is None else timeouts
        retries = RetryPolicy() if retries is None else retries
        if not isinstance(timeouts, Timeouts):
            raise ConfigError("timeouts must be sseor.Timeouts(...)")
        if not isinstance(retries, RetryPolicy):
            raise ConfigError("retries must be sseor.RetryPolicy(...)")
        if isinstance(max_event_bytes, bool) or not isinstance(max_event_bytes, int) or max_event_bytes < 1:
            raise ConfigError("max_event_bytes must be a positive whole number")
        if complete_when not in ("finish", "done"):
            raise ConfigError("complete_when must be 'finish' or 'done'")
        where = endpoint(api_key=api_key, base_url=base_url, app=app, headers=headers)
        self._settings = Settings(timeouts, retries, max_event_bytes, lenient, complete_when, where.key)
        self._audience = Audience(metrics, on_finish, where.key)
        self._link = self._link_to(where, http_client)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._link.endpoint.base_url}>"

    def _script(
        self,
        model: str,
        messages: Sequence[Message],
        parameters: Mapping[str, Any],
        extra_body: Mapping[str, Any] | None,
        *,
        stream: bool = True,
    ) -> Script:
        request = chat_request(
            model=model, messages=messages, parameters=parameters, extra_body=extra_body, stream=stream
        )
        script = Script(request.body, self._settings)
        script.timeline.model_asked = self._audience.without_key(model)
        script.timeline.server = self._link.endpoint.host
        return script


def messages_of(prompt: str | Sequence[Message]) -> Sequence[Message]:
    """Return the messages that a prompt stands for."""
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
