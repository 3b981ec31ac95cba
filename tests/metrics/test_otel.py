"""Streams as OpenTelemetry gets them, by the exporters of its own SDK."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from metrics.recorded import completion
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, server_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.semconv.attributes import error_attributes
from shells import KEY, SHELLS, read

import sseor
from sseor.chat import Timeline
from sseor.errors import ConfigError
from sseor.metrics.otel import LATEST, MOST_GAPS, OPT_IN, SECONDS, TOKENS, OpenTelemetry
from sseor.testing import Cut, LoopbackServer, Say, Usage, answer, play

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")


@pytest.fixture(autouse=True)
def no_opt_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no variable of the machine choose the conventions."""
    monkeypatch.delenv(OPT_IN, raising=False)


class Collected:
    """An `OpenTelemetry` whose spans and metrics stay in memory."""

    def __init__(self, **options: Any) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers, self.meters = TracerProvider(), MeterProvider([self.reader], shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.otel = OpenTelemetry(tracer_provider=self.tracers, meter_provider=self.meters, **options)

    @property
    def spans(self) -> list[Any]:
        """The spans that ended."""
        return list(self.exporter.get_finished_spans())

    @property
    def metrics(self) -> dict[str, Any]:
        """The data points of each metric, by its name."""
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.mark.parametrize("shell", SHELLS)
def test_a_stream_is_a_span_and_four_metrics(shell: str) -> None:
    """Names, attributes, units and buckets are those of the conventions, and the figures those of the stream."""
    collected = Collected()
    acts = [*answer("Low", " water")[:-2], Usage(prompt=3, completion=2), answer("x")[-1]]
    with LoopbackServer(play(*acts)) as server:
        whole = read(shell, server.base_url, metrics=collected.otel).completion
        port = int(server.origin.rpartition(":")[2])
    assert whole is not None
    [span] = collected.spans
    assert (span.name, span.kind) == ("chat sseor/demo", trace.SpanKind.CLIENT)
    assert span.status.status_code is trace.StatusCode.UNSET
    total = (whole.timeline.ended or 0) * 1e9
    assert span.end_time - span.start_time == pytest.approx(total, rel=0.01, abs=1e6)
    common = {
        gen_ai_attributes.GEN_AI_OPERATION_NAME: "chat",
        gen_ai_attributes.GEN_AI_PROVIDER_NAME: "127.0.0.1",
        gen_ai_attributes.GEN_AI_REQUEST_MODEL: "sseor/demo",
        gen_ai_attributes.GEN_AI_RESPONSE_MODEL: whole.model,
        server_attributes.SERVER_ADDRESS: "127.0.0.1",
        server_attributes.SERVER_PORT: port,
    }
    assert dict(span.attributes) == {
        **common,
        gen_ai_attributes.GEN_AI_REQUEST_STREAM: True,
        gen_ai_attributes.GEN_AI_RESPONSE_ID: whole.generation_id,
        gen_ai_attributes.GEN_AI_RESPONSE_FINISH_REASONS: ("stop",),
        gen_ai_attributes.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: whole.timeline.first_chunk,
        gen_ai_attributes.GEN_AI_USAGE_INPUT_TOKENS: 3,
        gen_ai_attributes.GEN_AI_USAGE_OUTPUT_TOKENS: 2,
        gen_ai_attributes.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: 0,
        gen_ai_attributes.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: 0,
    }
    found = collected.metrics
    [duration] = found[gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION].data.data_points
    assert (dict(duration.attributes), duration.count) == (common, 1)
    assert duration.sum == pytest.approx(whole.timeline.ended)
    assert list(duration.explicit_bounds) == pytest.approx(SECONDS)
    [first] = found[gen_ai_metrics.GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK].data.data_points
    assert first.sum == pytest.approx(whole.timeline.first_chunk)
    [between] = found[gen_ai_metrics.GEN_AI_CLIENT_OPERATION_TIME_PER_OUTPUT_CHUNK].data.data_points
    assert between.count == whole.timeline.chunks - 1
    usage = found[gen_ai_metrics.GEN_AI_CLIENT_TOKEN_USAGE]
    tokens = {
        point.attributes[gen_ai_attributes.GEN_AI_TOKEN_TYPE]: point for point in usage.data.data_points
    }
    assert {kind: point.sum for kind, point in tokens.items()} == {"input": 3, "output": 2}
    assert list(tokens["input"].explicit_bounds) == TOKENS
    assert [found[name].unit for name in sorted(found)] == ["s", "s", "s", "{token}"]


def test_the_latest_conventions_are_opted_in_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the standard's variable metrics have their new names, and tokens counters beside two histograms."""
    monkeypatch.setenv(OPT_IN, f"http/dup, {LATEST}")
    collected = Collected()
    acts = [*answer("Low", " water")[:-2], Usage(prompt=3, completion=2), answer("x")[-1]]
    for one in (play(*acts), play(Say("Low"), Cut())):
        with LoopbackServer(one) as server:
            read("threads", server.base_url, metrics=collected.otel)
    found = collected.metrics
    group = "gen_ai.client.inference"
    assert set(found) == {
        *(f"{group}.duration", f"{group}.time_to_first_chunk", f"{group}.time_per_output_chunk"),
        *(f"{group}.operation.input_tokens", f"{group}.operation.output_tokens"),
        *(f"{group}.usage.input_tokens", f"{group}.usage.output_tokens"),
        *(f"{group}.usage.cache_read.input_tokens", f"{group}.usage.reasoning.output_tokens"),
    }
    points = found[f"{group}.usage.output_tokens"].data.data_points
    assert sum(point.value for point in points) == 2  # the cut answer has no usage: a guess is not counted
    assert {point.attributes["gen_ai.token.modality"] for point in points} == {"unknown"}
    histogram = found[f"{group}.operation.output_tokens"].data.data_points
    ended = {point.attributes.get("error.type"): point.sum for point in histogram}
    assert ended == {None: 2, "ConnectionLostError": 0}
    assert list(histogram[0].explicit_bounds) == TOKENS
    [span, _] = collected.spans
    assert span.name == "chat sseor/demo"


def test_the_buckets_are_the_advised_ones() -> None:
    """0.01 doubled up to 81.92, and 1 quadrupled up to 67108864."""
    assert (SECONDS[0], SECONDS[-1], len(SECONDS)) == (0.01, 81.92, 14)
    assert (TOKENS[:4], TOKENS[-1]) == ([1, 4, 16, 64], 67_108_864)


def test_a_failure_is_an_error_of_its_class() -> None:
    """Span and duration tell the class of the error; nothing that a server said is told."""
    collected = Collected()
    with LoopbackServer(play(Say("ANSWER-CANARY"), Cut())) as server:
        read("threads", server.base_url, metrics=collected.otel)
    [span] = collected.spans
    assert span.attributes[error_attributes.ERROR_TYPE] == "ConnectionLostError"
    assert span.status.status_code is trace.StatusCode.ERROR
    [duration] = collected.metrics["gen_ai.client.operation.duration"].data.data_points
    assert duration.attributes["error.type"] == "ConnectionLostError"
    everything = (span.to_json() + str(collected.metrics)).upper()
    assert "ANSWER-CANARY" not in everything
    assert KEY.upper() not in everything


def test_the_span_has_the_callers_parent() -> None:
    """A stream that is read within a span of the program is a part of it."""
    collected = Collected()
    with collected.tracers.get_tracer("program").start_as_current_span("work") as outer:
        collected.otel.record(completion())
    span, _ = collected.spans
    assert span.parent.span_id == outer.get_span_context().span_id


def test_what_is_not_known_is_not_told() -> None:
    """Without server, usage, end or chunks there are no such attributes, and no metrics of guesses."""
    collected = Collected(provider_name="mine")
    told = completion().timeline
    told.ended = None
    nothing = sseor.Completion(timeline=Timeline())
    collected.otel.record(sseor.Completion(choices=completion().choices, timeline=told))
    collected.otel.record(nothing)
    first, second = collected.spans
    assert "gen_ai.usage.output_tokens" not in first.attributes
    assert dict(second.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "mine",
        "gen_ai.request.stream": True,
    }
    assert second.name == "chat"
    assert set(collected.metrics) == {"gen_ai.client.operation.time_to_first_chunk"}


@pytest.mark.parametrize(
    ("server", "name", "port"),
    [
        ("openrouter.ai", "openrouter", 443),
        ("api.x.ai", "x_ai", 443),
        ("[::1]:8080", "::1", 8080),
        (None, "unknown", None),
    ],
)
def test_the_name_of_the_provider(server: str | None, name: str, port: int | None) -> None:
    """Known hosts have the conventions' names, others are their own; a port that is not written is 443."""
    collected = Collected()
    ended = completion()
    ended.timeline.server = server
    collected.otel.record(ended)
    [span] = collected.spans
    assert span.attributes["gen_ai.provider.name"] == name
    assert span.attributes.get("server.port") == port


def test_a_long_stream_is_recorded_in_part() -> None:
    """Of a hundred thousand gaps a hundred are recorded, short and long in their proportion."""
    collected = Collected()
    ended = completion()
    for number in range(100_000):
        ended.timeline.gaps.add(0.015 if number % 4 else 0.3)
    collected.otel.record(ended)
    [point] = collected.metrics["gen_ai.client.operation.time_per_output_chunk"].data.data_points
    assert point.count == pytest.approx(MOST_GAPS, abs=1)
    assert point.bucket_counts[1] == pytest.approx(75, abs=1)
    assert point.bucket_counts[5] == pytest.approx(25, abs=1)


def test_without_opentelemetry_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigError, match=r"sseor\[otel\]"):
        OpenTelemetry()
