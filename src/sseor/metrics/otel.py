"""Streams as OpenTelemetry tells them: a client span and the metrics of the GenAI semantic conventions.

`Client(metrics=OpenTelemetry())`, or beside a log `Client(metrics=MetricsLog(), on_finish=OpenTelemetry().record)`.
Names, attributes and bucket boundaries are those of the conventions' pages on generative AI, as of semantic conventions
1.42 (status: development). Since they moved to a repository of their own, their first release there has renamed the
metrics; `OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental` asks for these names, as it does elsewhere. Prompts
and answers are never recorded. Needs the extra `sseor[otel]`; where spans and metrics go is up to the providers that
the program has set up.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sseor._version import __version__
from sseor.errors import ConfigError
from sseor.metrics.record import Record, record_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sseor.chat import Completion, Timeline
    from sseor.errors import SseorError

    CountTokens = Callable[[Record, dict[str, Any]], None]

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

OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"
LATEST = "gen_ai_latest_experimental"
COUNTED = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_tokens": "cache_read.input_tokens",
    "reasoning_tokens": "reasoning.output_tokens",
}
"""What of a record the latest conventions count, as `gen_ai.client.inference.usage.…`."""

MOST_GAPS = 100
"""So many gaps of a stream are recorded at most, drawn evenly: each costs the SDK 17 µs of the reader's time."""


class OpenTelemetry:
    """Records each stream as a span `chat {model}` and in the metrics of the conventions.

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
        self._meter = metrics.get_meter("sseor", __version__, meter_provider)
        latest = LATEST in os.environ.get(OPT_IN, "").replace(" ", "").split(",")
        group = "inference" if latest else "operation"
        self._duration = self._histogram(f"{group}.duration", "s", "GenAI operation duration.")
        self._first = self._histogram(f"{group}.time_to_first_chunk", "s", "Time to receive the first chunk.")
        self._between = self._histogram(
            f"{group}.time_per_output_chunk", "s", "Time between one chunk and the next."
        )
        self._count_tokens = self._latest_tokens() if latest else self._tokens()

    def record(self, completion: Completion, error: SseorError | None = None) -> None:
        """Record a stream that has just ended, be it by `error`; the span's parent is the caller's current one."""
        kept = record_of(completion, error)
        common = self._common(kept)
        self._trace(kept, common)
        if kept.total_ms is not None:
            self._duration.record(kept.total_ms / 1000, {**common, **_failure(kept)})
        self._count_tokens(kept, common)
        if kept.first_chunk_ms is not None:
            self._first.record(kept.first_chunk_ms / 1000, common)
            for seconds in _gaps(completion.timeline):
                self._between.record(seconds, common)

    def _histogram(self, name: str, unit: str, description: str) -> Any:
        boundaries: list[Any] = [*(SECONDS if unit == "s" else TOKENS)]
        return self._meter.create_histogram(
            f"gen_ai.client.{name}", unit, description, explicit_bucket_boundaries_advisory=boundaries
        )

    def _tokens(self) -> CountTokens:
        """Return what counts the tokens of a stream: in one histogram, if the provider told them."""
        used = self._histogram("token.usage", "{token}", "Number of input and output tokens used.")

        def count(kept: Record, common: dict[str, Any]) -> None:
            output = None if kept.tokens_estimated else kept.output_tokens
            for kind, tokens in (("input", kept.input_tokens), ("output", output)):
                if tokens is not None:
                    used.record(tokens, {**common, "gen_ai.token.type": kind})

        return count

    def _latest_tokens(self) -> CountTokens:
        """Return what counts the tokens of a stream: in counters and two histograms, as 0 if nobody told them."""
        described = "Number of tokens, by the usage that the provider told."
        counters = {
            field: self._meter.create_counter(f"gen_ai.client.inference.usage.{name}", "{token}", described)
            for field, name in COUNTED.items()
        }
        histograms = {
            field: self._histogram(f"inference.operation.{field}", "{token}", described)
            for field in ("input_tokens", "output_tokens")
        }

        def count(kept: Record, common: dict[str, Any]) -> None:
            estimated = {"output_tokens": 0} if kept.tokens_estimated else {}
            told = {field: estimated.get(field, getattr(kept, field) or 0) for field in COUNTED}
            for field, counter in counters.items():
                counter.add(told[field], {**common, "gen_ai.token.modality": "unknown"})
            for field, histogram in histograms.items():
                histogram.record(told[field], {**common, **_failure(kept)})

        return count

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
            **_failure(kept),
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


def _failure(kept: Record) -> dict[str, Any]:
    return {} if kept.error is None else {"error.type": kept.error}


def _known(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
