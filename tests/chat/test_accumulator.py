"""Chunks to events and to the completion: the two paths, cost, failures, and any object at all."""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from typing import Any

import pytest
from chat.assembling import Assembled, assemble, call, call_chunk, chunk, received
from hypothesis import given
from hypothesis import strategies as st

from sseor.chat import (
    Accumulator,
    AudioDelta,
    Chunk,
    Completion,
    Finished,
    Reader,
    Reasoning,
    Refusal,
    Text,
    Timeline,
    ToolCallDelta,
    UsageReport,
    Verdict,
    codec,
)
from sseor.wire import Event


def plain(text: str, **fields: Any) -> Chunk:
    """Return an ordinary text chunk."""
    return received(
        {
            "id": "gen-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "provider": "P",
            "choices": [
                {
                    "index": 0,
                    "delta": {"role": "assistant", "content": text},
                    "finish_reason": None,
                    "logprobs": None,
                }
            ],
            **fields,
        }
    )


def slow_path(chunks: list[Chunk]) -> tuple[list[Any], Completion]:
    """Assemble by the general path alone."""
    accumulator = Accumulator()
    events = [event for one in chunks for event in accumulator._add(one)]
    return events + accumulator.end(), accumulator.completion()


def test_texts_become_events_and_the_completion() -> None:
    """Each text is one event; the envelope is kept; usage comes as a report."""
    assembled = assemble(
        plain("a"), plain("b"), plain("é"), chunk(finish="stop"), chunk(usage={"prompt_tokens": 1})
    )
    completion = assembled.completion
    assert assembled.of(Text) == [Text("a"), Text("b"), Text("é")]
    assert (completion.text, completion.model, completion.provider) == ("abé", "m", "P")
    assert (completion.generation_id, completion.created) == ("gen-1", 1)
    assert assembled.of(Finished) == [Finished("stop")]
    assert [event.usage.prompt_tokens for event in assembled.of(UsageReport)] == [1]
    assert assembled.accumulator.generated
    assert assembled.accumulator.finished


def test_chunks_that_bring_nothing_give_no_events() -> None:
    """Role-only, empty and foreign chunks are no progress."""
    nothing = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"role": "", "content": None}),
        chunk({"content": []}),
        chunk({}),
        Chunk({}),
        Chunk({"choices": None}),
        Chunk({"choices": []}),
        Chunk({"choices": [None]}),
        Chunk({"choices": [{"index": 0, "delta": None}]}),
        Chunk({"choices": [{}], "usage": None, "error": None}),
        Chunk({"type": "ping"}),
        plain(""),
    ]
    accumulator = Accumulator()
    assert [accumulator.add(one) for one in nothing] == [[]] * len(nothing)
    assert not accumulator.generated
    assert not accumulator.finished
    assert accumulator.end() == []


def test_an_empty_text_among_texts_is_no_event() -> None:
    """An empty delta like the ones before it is no progress and costs no memory."""
    assembled = Assembled().add([plain("a"), plain(""), plain("b")])
    assert assembled.of(Text) == [Text("a"), Text("b")]


def test_usage_is_the_last_and_never_summed() -> None:
    """Running totals replace each other; a repetition is not reported again; a wrong type is not believed."""
    reports = [{"total_tokens": 1}, {"total_tokens": 2}, {"total_tokens": 2}, "3", {}, None, [4]]
    assembled = assemble(*(chunk({"content": "x"}, usage=usage) for usage in reports))
    assert [event.usage.total_tokens for event in assembled.of(UsageReport)] == [1, 2]
    assert assembled.completion.usage == assembled.accumulator.usage


@pytest.mark.parametrize(
    "late",
    [
        chunk({"content": ""}, finish="stop", usage={"total_tokens": 3}),
        chunk({"content": ""}, finish=None, usage={"total_tokens": 3}),
        Chunk({"choices": [], "usage": {"total_tokens": 3}}),
        Chunk({"choices": None, "usage": {"total_tokens": 3}}),
        chunk({}, choice={"usage": {"total_tokens": 3}}),
        chunk({}, x_groq={"id": "r", "usage": {"total_tokens": 3}}),
    ],
    ids=["finish repeated", "finish null", "choices empty", "choices null", "in the choice", "x_groq"],
)
def test_every_shape_of_the_usage_chunk(late: Chunk) -> None:
    """After the finish chunk usage may come in any shape: it resets nothing and is no second finish."""
    assembled = assemble(plain("a"), chunk({"content": ""}, finish="stop"), late)
    assert assembled.events == [Text("a"), Finished("stop"), assembled.of(UsageReport)[0]]
    assert (assembled.completion.text, assembled.completion.finish_reason) == ("a", "stop")
    assert assembled.completion.usage is not None
    assert assembled.completion.usage.total_tokens == 3


def test_usage_merged_into_the_finish_chunk() -> None:
    """Finish, text and usage in one chunk are three events in that order."""
    assembled = assemble(chunk({"content": "a"}, finish="stop", usage={"total_tokens": 3}))
    assert [type(event) for event in assembled.events] == [Text, Finished, UsageReport]


def test_usage_before_the_finish_chunk() -> None:
    """Usage may come before the finish reason."""
    assembled = assemble(chunk({"content": "a"}, usage={"total_tokens": 3}), chunk(finish="stop"))
    assert assembled.completion.verdict == Verdict(saw_finish=True, saw_usage=True)


def test_two_choices_are_kept_apart() -> None:
    """Interleaved choices do not mix; all must finish; the first is the completion's own."""
    assembled = Assembled().add(
        [
            chunk({"content": "b"}, index=1),
            chunk({"content": "a"}, index=0),
            chunk({"content": "B"}, index=1),
            Chunk(
                {
                    "choices": [
                        {"index": 0, "delta": {"content": "A"}},
                        {"index": 1, "delta": {"content": "!"}},
                    ]
                }
            ),
            chunk(finish="stop", index=1),
        ]
    )
    assert not assembled.accumulator.finished
    assembled.add([chunk(finish="length", index=0)])
    assert assembled.accumulator.finished
    assert [(one.index, one.text, one.finish_reason) for one in assembled.completion.choices] == [
        (0, "aA", "length"),
        (1, "bB!", "stop"),
    ]
    assert assembled.completion.text == "aA"
    assert assembled.of(Finished) == [Finished("stop", 1), Finished("length", 0)]


@pytest.mark.parametrize("index", [None, -1, 10**9, "x", [], 1.5, True])
def test_an_odd_choice_index_is_the_place_in_the_chunk(index: Any) -> None:
    """An index that is none makes no huge list and loses no text."""
    assembled = assemble(Chunk({"choices": [{"index": index, "delta": {"content": "a"}}]}))
    assert [(one.index, one.text) for one in assembled.completion.choices] == [(0, "a")]


def test_later_envelopes_win() -> None:
    """Model, provider and id may change: the last value that is not empty counts."""
    chunks = [
        plain("a"),
        plain("b", model="n", service_tier="flex"),
        plain("c", model="", provider=None, id=7, created=0, system_fingerprint="fp"),
    ]
    completion = assemble(*chunks).completion
    assert (completion.text, completion.model, completion.provider) == ("abc", "n", "P")
    assert (completion.service_tier, completion.system_fingerprint, completion.created) == ("flex", "fp", 1)


def test_the_first_name_is_noted_when_a_later_one_wins() -> None:
    """Of several models or ids the last counts and the first is in `changed_from`; a repetition is no change."""
    assert assemble(plain("a"), plain("b"), plain("c", model=None)).completion.changed_from == {}
    assembled = Assembled().add([plain("a"), plain("b", model="n"), plain("c", model="o", id="gen-2")])
    before = assembled.completion
    assert (before.model, before.generation_id) == ("o", "gen-2")
    assert before.changed_from == {"model": "m", "generation_id": "gen-1"}
    assembled.add([plain("d", provider="Q", id="gen-2")])
    assert assembled.completion.changed_from == {"model": "m", "generation_id": "gen-1", "provider": "P"}
    assert before.changed_from == {"model": "m", "generation_id": "gen-1"}


def test_a_change_and_back_is_noticed() -> None:
    """A chunk like one before the last is not taken for a repetition of the last."""
    assert assemble(plain("a"), plain("b", model="n"), plain("c")).completion.model == "m"


def test_unknown_fields_are_kept() -> None:
    """Other fields of the chunks stay in `extra`, those of the choice in its own; debug and padding do not."""
    completion = assemble(
        chunk(
            {"content": "a", "provider_specific_fields": {"x": 1}},
            citations=["u"],
            obfuscation="xx",
            debug={"p": 1},
        ),
        chunk({}, choice={"stop_reason": 7, "content_filter_results": {"hate": {"filtered": False}}}),
    ).completion
    assert completion.extra == {"citations": ["u"]}
    assert completion.choices[0].extra == {
        "provider_specific_fields": {"x": 1},
        "stop_reason": 7,
        "content_filter_results": {"hate": {"filtered": False}},
    }


def test_router_metadata() -> None:
    """`openrouter_metadata` is kept as sent."""
    assert assemble(chunk(openrouter_metadata={"attempt": 2})).completion.router_metadata == {"attempt": 2}


def test_text_of_an_error_chunk_comes_first() -> None:
    """When the chunk with the error has text, the text is taken and then the failure."""
    assembled = Assembled().add(
        [plain("a"), chunk({"content": "b"}, finish="error", error={"code": 502, "message": "down"})]
    )
    assert assembled.of(Text) == [Text("a"), Text("b")]
    assert assembled.accumulator.failure is not None
    assert assembled.accumulator.failure.code == 502
    assert assembled.completion.failure == assembled.accumulator.failure
    assert not assembled.of(Finished)
    assert (assembled.completion.finish_reason, assembled.completion.verdict.complete) == ("error", False)


def test_a_failure_after_the_finish_spoils_the_answer() -> None:
    """A finish reason does not make complete what the provider then reports as failed, or the stream knows to be."""
    assembled = Assembled().add([plain("a"), chunk(finish="stop")])
    assert assembled.completion.verdict.complete
    known = Verdict(saw_finish=True, saw_done=True, saw_usage=True, clean_end=True, failed=True)
    assert not assembled.accumulator.completion(verdict=known).verdict.complete
    assembled.add([chunk({"content": ""}, finish="stop", error={"code": 502, "message": "late"})])
    assert (assembled.completion.verdict.saw_finish, assembled.completion.verdict.complete) == (True, False)
    assert assembled.completion.failure is not None


def test_an_error_like_the_text_before_it_is_seen() -> None:
    """A chunk that differs from the one before in its error only is no repetition."""
    accumulator = Accumulator()
    accumulator.add(plain("a", error=None))
    accumulator.add(plain("b", error={"code": 500, "message": "x"}))
    assert accumulator.failure is not None


def test_a_finish_error_without_an_error_is_a_failure() -> None:
    """`finish_reason: error` alone is an unknown failure, retryable."""
    assembled = assemble(plain("a"), chunk(finish="error"))
    assert assembled.accumulator.failure is not None
    assert assembled.accumulator.failure.retryable
    assert not assembled.accumulator.finished


@pytest.mark.parametrize("native", ["network_error", "error", "NETWORK_ERROR"])
def test_a_failure_behind_a_benign_finish_reason(native: str) -> None:
    """`stop` with a native `network_error` and no content is a failure in disguise, and no finish."""
    assembled = assemble(chunk({"content": ""}, finish="stop", choice={"native_finish_reason": native}))
    failure = assembled.accumulator.failure
    assert failure is not None
    assert (failure.retryable, failure.native) == (True, native)
    assert not assembled.of(Finished)


def test_a_native_error_that_comes_with_the_usage_is_a_failure_too() -> None:
    """The chunk of the usage repeats the finish reason; if only there the provider's word tells, it counts."""
    usage = chunk({"content": ""}, finish="stop", choice={"native_finish_reason": "error"}, usage={"cost": 0})
    assembled = assemble(chunk({"content": ""}, finish="stop"), usage)
    assert assembled.of(Finished) == [Finished("stop")]
    assert assembled.accumulator.failure is not None
    assert not assembled.completion.verdict.complete


def test_a_native_error_after_content_is_shown_as_sent() -> None:
    """With content the finish reason stands and the native word is there to see."""
    assembled = assemble(plain("a"), chunk(finish="stop", choice={"native_finish_reason": "network_error"}))
    assert assembled.accumulator.failure is None
    assert assembled.completion.native_finish_reason == "network_error"


def test_text_after_the_finish_is_kept() -> None:
    """Late text belongs to the answer, and the first finish reason stays."""
    assembled = assemble(plain("a"), chunk(finish="stop"), plain("b"), chunk(finish="length"))
    assert (assembled.completion.text, assembled.completion.finish_reason) == ("ab", "stop")
    assert assembled.of(Finished) == [Finished("stop")]


def test_halves_of_a_pair_join_over_two_chunks() -> None:
    """An emoji cut in two arrives once and whole, by either path; a lone half becomes U+FFFD at the finish."""
    assembled = assemble(plain("a\ud83e"), plain("\udd8a"), plain("b\ud83e"), chunk(finish="stop"))
    assert [event.delta for event in assembled.of(Text)] == ["a", "🦊", "b", "\ufffd"]
    assert assembled.completion.text == "a🦊b\ufffd"


def test_a_half_alone_in_its_chunk_waits() -> None:
    """A chunk that bears only a high half gives no event."""
    accumulator = Accumulator()
    accumulator.add(plain("a"))
    assert accumulator.add(plain("\ud83e")) == []
    assert accumulator.end() == [Text("\ufffd")]


def test_the_snapshot_carries_verdict_and_timeline() -> None:
    """What the stream knows is put into the completion."""
    verdict, timeline = Verdict(saw_done=True), Timeline(attempts=2)
    completion = Accumulator().completion(verdict=verdict, timeline=timeline)
    assert (completion.verdict, completion.timeline, completion.text) == (verdict, timeline, "")


def test_a_snapshot_is_not_changed_by_what_follows() -> None:
    """A completion is a picture of its moment."""
    assembled = Assembled().add([plain("a"), call_chunk(call("{", "f", "A", index=0))])
    before = assembled.completion
    written = json.dumps(before.to_dict())
    assembled.add(
        [plain("b"), call_chunk(call("}", index=0)), chunk(finish="stop", usage={"total_tokens": 1})]
    )
    assert json.dumps(before.to_dict()) == written
    assert assembled.completion.text == "ab"


def test_deltas_cost_linear_time() -> None:
    """Ten times the one-character deltas take about ten times as long, not a hundred times."""

    def seconds(count: int) -> float:
        chunks = [
            plain("x"),
            call_chunk(call("x", index=0)),
            chunk({"reasoning": "x", "reasoning_details": [_DETAIL]}),
        ]
        accumulator = Accumulator()
        start = time.process_time()
        for number in range(count):
            accumulator.add(chunks[number % 3 if number % 50 == 0 else 0])
        accumulator.completion()
        return time.process_time() - start

    small = min(seconds(10_000) for _ in range(3))
    assert seconds(100_000) < 40 * small


_DETAIL = {"type": "reasoning.text", "text": "x"}


def test_ten_thousand_chunks_weigh_less_than_a_megabyte() -> None:
    """The state of a long answer is little more than its text."""
    accumulator = Accumulator()
    gc.collect()
    tracemalloc.start()
    for number in range(10_000):
        accumulator.add(plain(f" mot{number:05} é"))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(accumulator.completion().text) == 110_000
    assert held < 1_000_000


texts = st.text(st.characters(codec=None), max_size=4) | st.sampled_from(
    ["", "a", "é", "\ud83e", "\udd8a", "🦊", "x\ud83e"]
)
odd = st.none() | st.booleans() | st.integers(-2, 3) | texts | st.lists(texts, max_size=2)
fields = st.fixed_dictionaries(
    {"content": texts},
    optional={
        "role": st.sampled_from(["assistant", "", None]),
        "reasoning": texts | st.none(),
        "reasoning_content": texts,
        "reasoning_details": st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["reasoning.text", "reasoning.summary", "x"]), "text": texts}
            ),
            max_size=2,
        ),
        "refusal": texts | st.none(),
        "tool_calls": st.lists(
            st.fixed_dictionaries(
                {"function": st.fixed_dictionaries({}, optional={"name": texts, "arguments": texts})},
                optional={"index": st.integers(0, 2) | odd, "id": st.sampled_from(["A", "B", "", None])},
            ),
            max_size=2,
        ),
        "images": st.lists(st.builds(lambda url: {"image_url": {"url": url}}, texts), max_size=2),
        "audio": st.fixed_dictionaries({}, optional={"data": texts, "transcript": texts, "id": texts}),
        "annotations": st.lists(
            st.builds(lambda url: {"type": "url_citation", "url_citation": {"url": url}}, texts)
        ),
        "x": odd,
    },
)
choices: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"delta": fields, "index": st.sampled_from([0, 0, 0, 1, None])},
    optional={
        "finish_reason": st.sampled_from([None, "stop", "error", "", "tool_calls", "length"]),
        "native_finish_reason": st.sampled_from([None, "network_error"]),
        "logprobs": st.none()
        | st.builds(lambda items: {"content": items}, st.lists(st.integers(), max_size=2)),
        "text": texts,
        "x": odd,
    },
)
raw_chunks: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"choices": st.lists(choices, min_size=1, max_size=2) | st.builds(lambda one: [one], choices)},
    optional={
        "id": st.sampled_from(["g", "h", ""]),
        "model": st.sampled_from(["m", "n", None]),
        "usage": st.none() | st.builds(lambda count: {"total_tokens": count}, st.integers(0, 2)),
        "error": st.sampled_from([None, {}, {"code": 500}]),
        "x": odd,
    },
)


@st.composite
def runs_of_chunks(draw: st.DrawFn) -> list[Chunk]:
    """Chunks of which each may be like the one before it but for its text, as in real streams."""
    found: list[Any] = []
    for _ in range(draw(st.integers(0, 8))):
        repeated = draw(st.booleans())
        if found and repeated:
            again = json.loads(json.dumps(found[-1]))
            again["choices"][0]["delta"]["content"] = draw(texts)
            found.append(again)
        else:
            found.append(draw(raw_chunks))
    return [received(raw) for raw in found]


@given(runs_of_chunks())
def test_the_fast_path_gives_what_the_general_path_gives(chunks: list[Chunk]) -> None:
    """Events and completion are equal, whatever the chunks."""
    assembled = assemble(*chunks)
    assert (assembled.events, assembled.completion) == slow_path(chunks)


def strings_of(value: Any) -> list[str]:
    """Return every string in a JSON value."""
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in strings_of(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings_of(item)]
    return [value] if isinstance(value, str) else []


@given(runs_of_chunks())
def test_the_events_join_to_the_completion_and_all_text_encodes(chunks: list[Chunk]) -> None:
    """The pieces handed out are the completion, choice by choice; every string is UTF-8; it all round-trips."""
    assembled = assemble(*chunks)
    completion = assembled.completion
    for choice in completion.choices:
        for kind, whole in ((Text, choice.text), (Reasoning, choice.reasoning), (Refusal, choice.refusal)):
            assert (
                "".join(event.delta for event in assembled.of(kind) if event.choice == choice.index) == whole
            )
        for one in choice.tool_calls:
            pieces = [
                e for e in assembled.of(ToolCallDelta) if (e.choice, e.index) == (choice.index, one.index)
            ]
            assert "".join(piece.arguments for piece in pieces) == one.arguments
        if choice.audio is not None:
            pieces = [event for event in assembled.of(AudioDelta) if event.choice == choice.index]
            assert "".join(piece.transcript for piece in pieces) == choice.audio.transcript
            assert "".join(piece.data for piece in pieces) == choice.audio.encoded
        json.dumps(choice.message, ensure_ascii=False).encode()
    for text in strings_of(completion.to_dict()):
        text.encode()
    assert Completion.from_dict(json.loads(json.dumps(completion.to_dict()))) == completion
    assert len(repr(completion)) < 400


any_json = st.recursive(
    odd | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "message",
                    "text",
                    "content",
                    "index",
                    "finish_reason",
                    "native_finish_reason",
                    "logprobs",
                    "reasoning",
                    "reasoning_content",
                    "reasoning_details",
                    "refusal",
                    "tool_calls",
                    "function_call",
                    "function",
                    "name",
                    "arguments",
                    "id",
                    "images",
                    "image_url",
                    "url",
                    "audio",
                    "data",
                    "transcript",
                    "annotations",
                    "type",
                    "url_citation",
                    "file",
                    "error",
                    "usage",
                    "x_groq",
                    "openrouter_metadata",
                    "model",
                    "cost",
                    "prompt_tokens",
                    "thinking",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(st.lists(any_json, max_size=4), st.lists(any_json, max_size=2), st.lists(any_json, max_size=2))
def test_any_object_at_all_is_survived(tops: list[Any], deltas: list[Any], calls: list[Any]) -> None:
    """Any JSON object gives events or nothing, never an exception; views, message and round trip hold too."""
    raws = [top for top in tops if isinstance(top, dict)]
    raws += [{"choices": [{"delta": delta}]} for delta in deltas]
    raws += [
        {"choices": [{"delta": {"tool_calls": [one], "annotations": [one], "images": [one]}}]}
        for one in calls
    ]
    assembled = assemble(*map(Chunk, raws))
    for one in assembled.chunks:
        repr(one), one.usage, one.error, one.created
        for choice in one.choices:
            repr(choice), choice.delta.reasoning, choice.delta.tool_calls, choice.delta.audio, choice.logprobs
            (choice.delta.content or "").encode()
    completion = assembled.completion
    for text in strings_of(completion.to_dict()):
        text.encode()
    json.dumps(completion.message)
    assert Completion.from_dict(json.loads(json.dumps(completion.to_dict()))) == completion


@pytest.mark.parametrize(
    "padding", [{"created": 1}, {"obfuscation": "x"}, {"created": 1, "obfuscation": "x"}]
)
def test_padding_does_not_leave_the_fast_path(
    padding: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock or random padding in each chunk changes nothing: only the first chunk is read field by field."""
    accumulator = Accumulator()
    general = accumulator._add
    read_whole: list[Chunk] = []

    def counted(chunk: Chunk) -> list[Any]:
        read_whole.append(chunk)
        return general(chunk)

    monkeypatch.setattr(accumulator, "_add", counted)
    reader = Reader()
    for number in range(1, 6):
        moved = {name: value * number for name, value in padding.items()}
        raw = {
            "id": "gen-1",
            **moved,
            "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}],
        }
        for one in reader.read(Event(codec.dumps(raw))):
            assert accumulator.add(one) == [Text("a")]
    completion = accumulator.completion()
    assert len(read_whole) == 1
    assert completion.text == "aaaaa"
    assert completion.created == (5 if "created" in padding else None)
    assert completion.extra == {}


def test_a_flat_error_is_no_part_of_the_answer() -> None:
    """The fields of an error that lies at top level are in the failure, not among the answer's other fields."""
    accumulator = Accumulator()
    accumulator.add(Chunk({"object": "error", "message": "no", "type": "server_error"}))
    completion = accumulator.completion()
    assert completion.failure is not None
    assert completion.failure.message == "no"
    assert completion.extra == {}
