"""A stage for scripts: their steps are answered with plain values at invented times."""

from __future__ import annotations

import json
from typing import Any

from sseor.chat import Completion, Text
from sseor.chat.request import ChatRequest, chat_request
from sseor.errors import (
    SseorError,
)
from sseor.stream import (
    Deliver,
    Expired,
    Failed,
    Head,
    Open,
    Pause,
    Read,
    RetryPolicy,
    Script,
    Settings,
    Timeouts,
)

REQUEST = chat_request(model="m", messages=[{"role": "user", "content": "Hi"}], parameters={})
SECRET = "sk-or-v1-canary-0123456789"
SSE = {"content-type": "text/event-stream", "x-generation-id": "gen-1"}
DONE = b"data: [DONE]\n\n"
HEARTBEAT = b": OPENROUTER PROCESSING\n\n"


def event(**fields: Any) -> bytes:
    """Return one event whose data is this object."""
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def delta(content: str | None = None, finish: str | None = None, **more: Any) -> bytes:
    """Return one chunk of choice 0."""
    choice = {"index": 0, "delta": {"role": "assistant", "content": content, **more}, "finish_reason": finish}
    return event(id="gen-2", model="m", provider="P", choices=[choice])


USAGE = event(id="gen-2", choices=[], usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})


class Stage:
    """Plays the shell: answers each step with the next prepared answer, one second after the other."""

    def __init__(
        self,
        *answers: Any,
        settings: Settings | None = None,
        tick: float = 1.0,
        request: ChatRequest | None = None,
        before: Completion | None = None,
    ) -> None:
        self.settings = settings or Settings(Timeouts(), RetryPolicy(attempts=1), 1 << 20, secret=SECRET)
        self.script = Script(request or REQUEST, self.settings, before)
        self.answers = list(answers)
        self.now = 1000.0
        self.tick = tick
        self.delivered: list[Any] = []
        self.steps: list[Any] = []
        self.error: SseorError | None = None

    def play(self, *, as_chunks: bool = False, caller: float = 0.0) -> Stage:
        """Drive the script to its end; the caller takes `caller` seconds for each batch."""
        life = self.script.run(self.now, as_chunks=as_chunks)
        try:
            step = next(life)
            while True:
                self.steps.append(step)
                if isinstance(step, Deliver):
                    self.delivered += step.batch
                    self.now += caller
                    step = life.send(self.now)
                elif isinstance(step, Pause):
                    self.now = step.until
                    step = life.send(self.now)
                elif isinstance(step, (Open, Read)):
                    step = self._answer(life, step)
        except StopIteration:
            return self
        except SseorError as error:
            self.error = error
            return self

    def _answer(self, life: Any, step: Open | Read) -> Any:
        answer = self.answers.pop(0)
        if answer is EXPIRY:
            self.now = step.deadline
            return life.throw(Expired(self.now))
        self.now += self.tick
        if isinstance(answer, SseorError):
            return life.throw(Failed(answer, self.now))
        if isinstance(step, Open):
            status, headers = answer
            return life.send(Head(status, headers, self.now, 1795348800.0))
        return life.send((answer, self.now))

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The bodies of the requests that were sent."""
        return [json.loads(step.body or b"") for step in self.steps if isinstance(step, Open)]

    def of(self, kind: type[Any]) -> list[Any]:
        """Return what was handed out of one kind."""
        return [item for item in self.delivered if isinstance(item, kind)]

    @property
    def text(self) -> str:
        """The text that was handed out."""
        return "".join(item.delta for item in self.delivered if isinstance(item, Text))


EXPIRY = object()
OK = (200, SSE)


def play(*answers: Any, **options: Any) -> Stage:
    """Play a stage that opens with a 200."""
    return Stage(OK, *answers, **options).play()


def with_settings(**options: Any) -> Settings:
    """Return settings with a few of them changed."""
    defaults = {
        "timeouts": Timeouts(),
        "retries": RetryPolicy(attempts=1),
        "max_event_bytes": 1 << 20,
        "secret": SECRET,
    }
    return Settings(**{**defaults, **options})
