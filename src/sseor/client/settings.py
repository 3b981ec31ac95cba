"""What a client is told once, for threads and async alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sseor.chat import Completion
from sseor.chat.continuation import is_blank, not_continuable
from sseor.chat.request import ChatRequest, Message, chat_request
from sseor.errors import ConfigError, ResumeError
from sseor.stream import CompleteWhen, OnCut, RetryPolicy, Script, Settings, Timeouts

from .endpoint import OPENROUTER, Endpoint, endpoint
from .finish import Audience, OnFinish, Recorder
from .link import Link
from .saving import Path, load
from .shell import OpenSaver, saver_of

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
        on_cut: OnCut = "raise",
        continue_on_length: int = 0,
        saves: bool = False,
        stream: bool = True,
    ) -> Script:
        request = chat_request(
            model=model, messages=messages, parameters=parameters, extra_body=extra_body, stream=stream
        )
        return self._named(
            Script(request, self._settings_for(on_cut, continue_on_length, saves=saves)), model
        )

    def _resuming(
        self,
        source: Path | Completion,
        model: str | None,
        messages: Sequence[Message] | None,
        on_cut: OnCut,
        continue_on_length: int,
    ) -> tuple[Script, OpenSaver | None]:
        """Return the script that goes on with a saved answer, and what opens its file, if it has one."""
        before = source if isinstance(source, Completion) else load(source)
        open_saver = None if isinstance(source, Completion) else saver_of(source, before)
        if before.request is None:
            raise ResumeError("this answer does not know its request, and so cannot be continued")
        if before.verdict.complete and before.finish_reason != "length":
            raise ResumeError("this answer is whole: there is nothing to continue")
        why_not = None if is_blank(before) else not_continuable(before)
        if why_not:
            raise ResumeError(f"this answer cannot be continued: {why_not}")
        request = ChatRequest.from_dict(before.request)
        if (model is not None and model != request.model) or (
            messages is not None and list(messages) != list(request.messages)
        ):
            raise ResumeError("this is the answer to another request")
        settings = self._settings_for(on_cut, continue_on_length, saves=open_saver is not None)
        return self._named(Script(request, settings, before), request.model), open_saver

    def _named(self, script: Script, model: str) -> Script:
        """Tell the timeline what was asked, and whom."""
        script.timeline.model_asked = self._audience.without_key(model)
        script.timeline.server = self._link.endpoint.host
        return script

    def _settings_for(self, on_cut: OnCut, continue_on_length: int, *, saves: bool) -> Settings:
        if on_cut not in ("raise", "resume", "restart"):
            raise ConfigError("on_cut must be 'raise', 'resume' or 'restart'")
        if (
            isinstance(continue_on_length, bool)
            or not isinstance(continue_on_length, int)
            or continue_on_length < 0
        ):
            raise ConfigError(
                "continue_on_length must be a whole number: how often an answer may be continued"
            )
        return replace(self._settings, on_cut=on_cut, continue_on_length=continue_on_length, saves=saves)


def messages_of(prompt: str | Sequence[Message]) -> Sequence[Message]:
    """Return the messages that a prompt stands for."""
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
