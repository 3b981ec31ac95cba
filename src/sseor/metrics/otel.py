"""Streams as OpenTelemetry tells them: a client span and the metrics of the GenAI semantic conventions.

`Client(metrics=OpenTelemetry())`, or beside a log `Client(metrics=MetricsLog(), on_finish=OpenTelemetry().record)`.
Names, attributes and bucket boundaries are those of the conventions' pages "generative AI metrics" and "generative
client AI spans", as of semantic conventions 1.42 (status: development). Prompts and answers are never recorded. Needs
the extra `sseor[otel]`; where spans and metrics go is up to the providers that the program has set up.
"""

from __future__ import annotations

import itertools
import random
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sseor._version import __version__
from sseor.errors import ConfigError
from sseor.metrics.record import Record, record_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sseor.chat import Completion, Timeline
    from sseor.errors import SseorError

__all__ = ["OpenTelemetry"]

SECONDS = [0.01 * 2**power for power in range(14)]
"""0.01, 0.02, 0.04 … 81.92: the conventions' bucket boundaries for durations."""

TOKENS = [4**power for power in range(14)]
"""1, 4, 16 … 67108864: those for numbers of tokens."""

PROVIDERS = {
    "openrouter.ai": "openrouter",
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.moonshot.ai": "moonshot_ai",
    "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai",
}
"""`gen_ai.provider.name` by host; of another server the host itself is the name."""

MOST_GAPS = 100
"""So many gaps of a stream are recorded at most, drawn evenly: each costs the SDK 17 µs of the reader's time."""


class OpenTelemetry:
    """Records each stream as a span `chat {model}` and in four histograms.

    Without arguments the program's global providers are used. `provider_name` overrides what is derived from the
    server's host. Raises `ConfigError` where OpenTelemetry is not installed.
    """

    def __init__(
        self, *, tracer_provider: Any = None, meter_provider: Any = None, provider_name: str | None = None
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError as error:
            raise ConfigError("OpenTelemetry is not installed: pip install 'sseor[otel]'") from error
        self._kind = trace.SpanKind.CLIENT
        self._failed = trace.Status(trace.StatusCode.ERROR)
        self._provider_name = provider_name
        self._tracer = trace.get_tracer("sseor", __version__, tracer_provider)
        meter = metrics.get_meter("sseor", __version__, meter_provider)

        def histogram(name: str, unit: str, description: str, boundaries: list[Any]) -> Any:
            return meter.create_histogram(
                f"gen_ai.client.{name}", unit, description, explicit_bucket_boundaries_advisory=boundaries
            )

        self._duration = histogram("operation.duration", "s", "GenAI operation duration.", SECONDS)
        self._first = histogram(
            "operation.time_to_first_chunk", "s", "Time to receive the first chunk.", SECONDS
        )
        self._between = histogram(
            "operation.time_per_output_chunk", "s", "Time between one chunk and the next.", SECONDS
        )
        self._tokens = histogram("token.usage", "{token}", "Number of input and output tokens used.", TOKENS)

    def record(self, completion: Completion, error: SseorError | None = None) -> None:
        """Record a stream that has just ended, be it by `error`; the span's parent is the caller's current one."""
        kept = record_of(completion, error)
        common = self._common(kept)
        self._trace(kept, common)
        failure = {} if kept.error is None else {"error.type": kept.error}
        if kept.total_ms is not None:
            self._duration.record(kept.total_ms / 1000, {**common, **failure})
        if not kept.tokens_estimated:
            for kind, tokens in (("input", kept.input_tokens), ("output", kept.output_tokens)):
                if tokens is not None:
                    self._tokens.record(tokens, {**common, "gen_ai.token.type": kind})
        if kept.first_chunk_ms is not None:
            self._first.record(kept.first_chunk_ms / 1000, common)
            for seconds in _gaps(completion.timeline):
                self._between.record(seconds, common)

    def _common(self, kept: Record) -> dict[str, Any]:
        """Return the attributes of span and metrics alike."""
        where = urlsplit(f"//{kept.server or ''}")
        host = where.hostname or ""
        name = self._provider_name or PROVIDERS.get(host, host) or "unknown"
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": name,
            "gen_ai.request.model": kept.model_asked,
            "gen_ai.response.model": kept.model,
            "server.address": host or None,
            "server.port": (where.port or 443) if host else None,
        }
        return _known(attributes)

    def _trace(self, kept: Record, common: dict[str, Any]) -> None:
        attributes = {
            "gen_ai.request.stream": not kept.not_streamed,
            "gen_ai.response.id": kept.generation_id,
            "gen_ai.response.finish_reasons": None if kept.finish_reason is None else [kept.finish_reason],
            "gen_ai.response.time_to_first_chunk": _seconds(kept.first_chunk_ms),
            "gen_ai.usage.input_tokens": kept.input_tokens,
            "gen_ai.usage.output_tokens": None if kept.tokens_estimated else kept.output_tokens,
            "gen_ai.usage.reasoning.output_tokens": kept.reasoning_tokens,
            "gen_ai.usage.cache_read.input_tokens": kept.cached_tokens,
            "error.type": kept.error,
        }
        end = time.time_ns()
        span = self._tracer.start_span(
            f"chat {kept.model_asked or ''}".rstrip(),
            kind=self._kind,
            attributes={**common, **_known(attributes)},
            start_time=end - int((kept.total_ms or 0.0) * 1e6),
        )
        if kept.error is not None:
            span.set_status(self._failed)
        span.end(end)


def _gaps(timeline: Timeline) -> Iterator[float]:
    """Yield the gaps between chunks in seconds, within 5 %; of many, every n-th in the order of their length."""
    share = min(1.0, MOST_GAPS / max(timeline.gaps.count, 1))
    # A beginning by chance: over many streams each gap counts alike, the rare ones too.
    place = random.random()  # noqa: S311 (a sample, no secret)
    for seconds, count in timeline.gaps.distribution():
        before = int(place)
        place += count * share
        yield from itertools.repeat(seconds, int(place) - before)


def _known(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
