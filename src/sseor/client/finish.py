"""Who is told that a stream has ended: once, after its connection was let go, and at no risk to the stream."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from sseor.chat import Completion
from sseor.errors import ConfigError, SseorError
from sseor.stream.secrets import SHORTEST, redacted

OnFinish = Callable[[Completion, SseorError | None], object]

_logger = logging.getLogger("sseor")


class Recorder(Protocol):
    """What `metrics=` takes: `sseor.MetricsLog`, `sseor.metrics.otel.OpenTelemetry`, or one of your own."""

    def record(self, completion: Completion, error: SseorError | None = None) -> object:
        """Keep the figures of a stream, soon and without waiting: on asyncio and trio this runs in the event loop."""


class Audience:
    """Those that a client was given; what they raise is told once in the log, and harms no stream."""

    def __init__(self, metrics: Recorder | None, on_finish: OnFinish | None, secret: str) -> None:
        if metrics is not None and not callable(getattr(metrics, "record", None)):
            raise ConfigError("metrics must have a method record(completion, error), as sseor.MetricsLog has")
        if on_finish is not None and not callable(on_finish):
            raise ConfigError("on_finish must be callable: on_finish(completion, error)")
        self._calls: list[OnFinish] = [] if metrics is None else [metrics.record]
        self._calls += [] if on_finish is None else [on_finish]
        self._secret = secret if len(secret) >= SHORTEST else ""
        self._complained: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._calls)

    def tell(self, completion: Completion, error: SseorError | None) -> None:
        """Tell all of them what came, and the error that ended it, if one did."""
        for number, call in enumerate(self._calls):
            try:
                call(completion, error)
            except Exception as failure:
                if number not in self._complained:
                    self._complained.add(number)
                    name = getattr(call, "__qualname__", repr(call))
                    _logger.warning("%s raised %s; the streams go on", name, type(failure).__name__)

    def without_key(self, text: str) -> str:
        """Return the text without the API key, should it hold it."""
        return redacted(text, self._secret)
