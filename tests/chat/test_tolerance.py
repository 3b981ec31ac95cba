"""What compatible servers do differently: the general list, then server by server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chat.assembling import Assembled, read_body, sse

from sseor.chat import Annotation, Finished, Reasoning, Text, ToolCallDone
from sseor.errors import ChunkError

A = {"choices": [{"index": 0, "delta": {"content": "a"}}]}
B = {"choices": [{"index": 0, "delta": {"content": "b"}}]}
STOP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def answer(*payloads: Any) -> Assembled:
    """Read a body of these payloads."""
    return read_body(sse(*payloads))


def delta(**fields: Any) -> dict[str, Any]:
    """Return a chunk with this delta."""
    return {"choices": [{"index": 0, "delta": fields}]}


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": None},
        {},
        {"choices": []},
        {"choices": {}},
        {"choices": [{"index": 0, "delta": None}]},
        {"choices": [{"index": 0, "delta": {}}]},
        {"choices": [{"index": 0}]},
        delta(content=None),
        delta(content=[]),
    ],
)
def test_chunks_without_anything_between_texts(odd: dict[str, Any]) -> None:
    """`choices` null or missing, `delta` null or empty, `content` null or `[]` change nothing."""
    assert answer(A, odd, B, STOP).completion.text == "ab"


def test_message_instead_of_delta() -> None:
    """A server that writes `message` for `delta` is understood."""
    assembled = answer({"choices": [{"index": 0, "message": {"content": "a"}}]}, STOP)
    assert assembled.of(Text) == [Text("a")]


def test_a_whole_answer_that_was_not_streamed() -> None:
    """`message` with everything, finish and usage in one object give the same events as a stream."""
    call = {"id": "A", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    whole = {
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "a", "tool_calls": [call]},
                "finish_reason": "stop",
            }
        ],
        "usage": {"total_tokens": 3},
    }
    assembled = answer(whole)
    assert [type(event).__name__ for event in assembled.events] == [
        "Text", "ToolCallDelta", "ToolCallDone", "Finished", "UsageReport",
    ]  # fmt: skip
    assert assembled.completion.finish_reason == "tool_calls"


@pytest.mark.parametrize("role", ["assistant", "", None, 3])
def test_the_role_each_time_or_empty_or_never(role: Any) -> None:
    """A role in each chunk, an empty one or none is no text and no change of role."""
    assembled = answer(delta(role=role, content="a"), delta(role=role), delta(content="b"), STOP)
    assert assembled.of(Text) == [Text("a"), Text("b")]
    assert assembled.completion.choices[0].role == "assistant"


def test_framing_variations() -> None:
    """No space after the colon, CRLF, a byte-order mark, blanks before the JSON, ids, events that are noise."""
    body = (
        b"\xef\xbb\xbf"
        + (
            f"data:{json.dumps(A)}\r\n\r\nid: 7\r\ndata:   {json.dumps(B)}\r\n\r\n"
            "event: keepalive\r\ndata: \r\n\r\nevent: ping\r\ndata: now\r\n\r\ndata\r\n\r\nretry: 5\r\n\r\n"
            f"data: {json.dumps(STOP)}\r\n\r\n"
        ).encode()
    )
    for cuts in ((), range(len(body))):
        assembled = read_body(body, cuts)
        assert assembled.completion.text == "ab"
        assert assembled.accumulator.finished


def test_several_events_with_no_blank_line_between() -> None:
    """Broken framing is recovered by reading each data line."""
    body = "".join(f"data: {json.dumps(one)}\n" for one in (A, B, STOP)) + "data: [DONE]\n\n"
    assembled = read_body(body.encode())
    assert (assembled.completion.text, assembled.reader.done) == ("ab", True)


def test_no_done() -> None:
    """A finish reason is enough for a complete answer."""
    assembled = answer(A, STOP)
    assert assembled.completion.verdict.complete
    assert not assembled.reader.done


def test_done_twice_and_data_after_it() -> None:
    """The second `[DONE]` and what comes after the first do not count."""
    assembled = answer(A, STOP, "[DONE]", B, "[DONE]")
    assert assembled.completion.text == "a"


def test_done_before_the_usage_chunk() -> None:
    """Usage after `[DONE]` is lost with a clean verdict: `[DONE]` is the end."""
    assembled = answer(A, STOP, "[DONE]", {"choices": [], "usage": {"total_tokens": 1}})
    assert assembled.completion.usage is None
    assert assembled.completion.verdict.complete


@pytest.mark.parametrize("error", [None, {}])
def test_an_empty_error_in_good_chunks(error: Any) -> None:
    """`error: null` and `error: {}` are no errors."""
    assembled = answer({**A, "error": error}, {**STOP, "error": error})
    assert assembled.accumulator.failure is None


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_nan_in_logprobs(number: str) -> None:
    """What is no JSON is a typed error, or skipped by a lenient reader; it never crashes the stream."""
    logprobs = f'"index": 0, "logprobs": {{"content": [{{"logprob": {number}}}]}}'
    bad = json.dumps(B).replace('"index": 0', logprobs)
    with pytest.raises(ChunkError):
        answer(A, bad)
    assembled = read_body(sse(A, bad, STOP), lenient=True)
    assert (assembled.completion.text, assembled.reader.skipped) == ("a", 1)


def test_unknown_fields_are_kept() -> None:
    """What nobody knows yet is in `raw` of the chunk and in `extra` of the completion."""
    assembled = answer({**A, "safeguard_results": {"x": 1}}, STOP)
    assert assembled.chunks[0].raw["safeguard_results"] == {"x": 1}
    assert assembled.completion.extra == {"safeguard_results": {"x": 1}}


def test_openai() -> None:
    """Padding is ignored, null usage too, and usage comes with empty choices."""
    assembled = answer(
        {**A, "obfuscation": "xYz", "usage": None},
        {**STOP, "obfuscation": "x", "usage": None},
        {"choices": [], "usage": {"total_tokens": 2}, "obfuscation": ""},
        "[DONE]",
    )
    assert assembled.completion.usage is not None
    assert assembled.completion.usage.total_tokens == 2
    assert assembled.completion.extra == {}


def test_azure() -> None:
    """The empty first chunk names nothing; filter frames without a delta bring no text; their results are kept."""
    first = {
        "choices": [],
        "id": "",
        "model": "",
        "created": 0,
        "object": "",
        "prompt_filter_results": [{"prompt_index": 0}],
    }
    late = {
        "choices": [
            {
                "index": 0,
                "finish_reason": None,
                "content_filter_results": {"hate": {"filtered": False}},
                "content_filter_offsets": {"check_offset": 3},
            }
        ],
        "id": "",
        "model": "",
    }
    assembled = answer(first, {**A, "id": "chatcmpl-1", "model": "gpt-4o", "created": 9}, late, STOP, late)
    completion = assembled.completion
    assert assembled.of(Text) == [Text("a")]
    assert (completion.generation_id, completion.model, completion.created) == ("chatcmpl-1", "gpt-4o", 9)
    assert completion.extra == {"prompt_filter_results": [{"prompt_index": 0}]}
    assert completion.choices[0].extra["content_filter_offsets"] == {"check_offset": 3}


def test_azure_error_with_an_inner_error() -> None:
    """The inner error is the provider's own word."""
    error = {"code": "content_filter", "message": "filtered", "innererror": {"code": "ResponsibleAI"}}
    failure = answer({"error": error}).accumulator.failure
    assert failure is not None
    assert (failure.retryable, failure.native) == (False, "{'code': 'ResponsibleAI'}")


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_vllm_and_sglang(field: str) -> None:
    """Either reasoning field, running usage in every chunk, text in the finish chunk, `stop_reason` beside it."""
    assembled = answer(
        {**delta(**{field: "hm"}), "usage": {"total_tokens": 1}},
        {**A, "usage": {"total_tokens": 2}},
        {
            "choices": [
                {"index": 0, "delta": {"content": "b"}, "finish_reason": "stop", "stop_reason": 32000}
            ],
            "usage": {"total_tokens": 3},
        },
    )
    completion = assembled.completion
    assert (completion.reasoning, completion.text) == ("hm", "ab")
    assert completion.usage is not None
    assert completion.usage.total_tokens == 3
    assert completion.choices[0].extra == {"stop_reason": 32000}
    assert completion.message[field] == "hm"


def test_vllm_flat_error() -> None:
    """The flat error object before `[DONE]` is a failure."""
    failure = answer(
        A, {"object": "error", "message": "oom", "type": "InternalServerError", "code": 500}, "[DONE]"
    )
    assert failure.accumulator.failure is not None
    assert failure.accumulator.failure.retryable


def test_llama_cpp() -> None:
    """Ping comments, timings and a null first content."""
    body = (
        b":\n\n"
        + sse(delta(role="assistant", content=None), {**A, "timings": {"predicted_n": 1}}, STOP)
        + b":\n\n"
    )
    assembled = read_body(body)
    assert (assembled.completion.text, assembled.completion.extra) == ("a", {"timings": {"predicted_n": 1}})


def test_llama_cpp_errors() -> None:
    """An error is an event; as a field line, which older builds write, it is none, and the answer is cut."""
    error = {"error": {"code": 500, "message": "slot is gone", "type": "server_error"}}
    failure = answer(A, error).accumulator.failure
    assert failure is not None
    assert (failure.code, failure.error_type, failure.retryable) == (500, "server_error", True)
    assembled = read_body(sse(A) + b"error: " + json.dumps(error["error"]).encode() + b"\n\n")
    assert (assembled.completion.text, assembled.accumulator.finished) == ("a", False)
    assert not assembled.completion.verdict.complete


def test_ollama() -> None:
    """Whole calls with index 0 and ids of their own, and `stop` as the finish reason."""

    def whole(call_id: str, name: str) -> dict[str, Any]:
        return {
            "index": 0,
            "id": call_id,
            "type": "function",
            "function": {"name": name, "arguments": '{"x":1}'},
        }

    assembled = answer(delta(tool_calls=[whole("A", "f")]), delta(tool_calls=[whole("B", "g")]), STOP)
    assert [done.call.name for done in assembled.of(ToolCallDone)] == ["f", "g"]
    assert assembled.of(Finished) == [Finished("tool_calls")]
    assert assembled.completion.choices[0].raw_finish_reason == "stop"


def test_lm_studio() -> None:
    """An empty list of tool calls is none; `event: error` is a failure."""
    body = sse(delta(content="a", tool_calls=[])) + b'event: error\ndata: {"message": "model unloaded"}\n\n'
    assembled = read_body(body)
    assert assembled.completion.tool_calls == []
    assert assembled.accumulator.failure is not None
    assert assembled.accumulator.failure.message == "model unloaded"


def test_together() -> None:
    """The text beside the delta is the same text and counts once; alone it counts."""
    beside = {
        "choices": [{"index": 0, "text": "a", "delta": {"content": "a", "token_id": 5}, "logprobs": None}]
    }
    alone = {"choices": [{"index": 0, "text": "b", "delta": {"content": ""}}]}
    assert answer(beside, beside, alone, STOP).completion.text == "aab"


def test_groq() -> None:
    """Usage sits in `x_groq`, reasoning in `delta.reasoning`, an error there is a failure."""
    assembled = answer(
        {**delta(role="assistant", content=""), "x_groq": {"id": "req_1"}},
        delta(reasoning="hm"),
        A,
        {**STOP, "x_groq": {"id": "req_1", "usage": {"total_tokens": 5, "queue_time": 0.01}}},
    )
    completion = assembled.completion
    assert (completion.reasoning, completion.text) == ("hm", "a")
    assert completion.usage is not None
    assert (completion.usage.total_tokens, completion.usage.raw["queue_time"]) == (5, 0.01)
    assert answer({**A, "x_groq": {"id": "r", "error": "over capacity"}}).accumulator.failure is not None


def test_deepseek() -> None:
    """`reasoning_content`, cache counters of its own, and a finish reason nobody else has."""
    assembled = answer(
        delta(role="assistant", content=None, reasoning_content="hm"),
        delta(content="a", reasoning_content=None),
        {
            "choices": [
                {"index": 0, "delta": {"content": ""}, "finish_reason": "insufficient_system_resource"}
            ],
            "usage": {"total_tokens": 9, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 1},
        },
    )
    completion = assembled.completion
    assert (completion.reasoning, completion.text) == ("hm", "a")
    assert completion.finish_reason == "insufficient_system_resource"
    assert completion.usage is not None
    assert completion.usage.cached_tokens == 4


def test_mistral() -> None:
    """Content as parts: thinking is reasoning, text is text, references are annotations; `model_length` is `length`."""
    assembled = answer(
        delta(
            content=[
                {
                    "type": "thinking",
                    "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}],
                }
            ]
        ),
        delta(content=[{"type": "thinking", "thinking": "!"}, {"type": "text", "text": "a"}]),
        delta(content=[{"type": "reference", "reference_ids": [1, 2]}, {"type": "text", "text": "b"}]),
        delta(content="c"),
        {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "model_length"}]},
    )
    completion = assembled.completion
    assert (completion.reasoning, completion.text) == ("hm!", "abc")
    assert assembled.of(Annotation) == [Annotation({"type": "reference", "reference_ids": [1, 2]})]
    assert (completion.finish_reason, completion.choices[0].raw_finish_reason) == ("length", "model_length")


def test_gemini_compat() -> None:
    """Every call has index 0, the finish says `stop`, the signature rides in `extra_content`."""
    extra = {"google": {"thought_signature": "c2ln"}}
    calls = [
        {"index": 0, "id": f"c{n}", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra}
        for n in (1, 2)
    ]
    completion = answer(*(delta(tool_calls=[call]) for call in calls), STOP).completion
    assert [call.id for call in completion.tool_calls] == ["c1", "c2"]
    assert [item["extra_content"] for item in completion.message["tool_calls"]] == [extra, extra]


def test_anthropic_compat() -> None:
    """Ping frames on the OpenAI route are nothing."""
    assembled = answer({"type": "ping"}, A, {"type": "ping"}, STOP)
    assert assembled.completion.text == "a"
    assert assembled.completion.verdict.complete


def test_kimi() -> None:
    """Usage inside the choice is usage."""
    assembled = answer(
        A, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": {"total_tokens": 4}}]}
    )
    assert assembled.completion.usage is not None
    assert assembled.completion.usage.total_tokens == 4


def test_litellm() -> None:
    """Provider fields and citations are kept; an error frame before the end is a failure."""
    assembled = answer(
        {
            "choices": [{"index": 0, "delta": {"content": "a", "provider_specific_fields": None}}],
            "citations": ["u"],
        },
        {"error": {"message": "x", "code": "500", "type": "None"}},
    )
    assert assembled.completion.extra == {"citations": ["u"]}
    assert assembled.accumulator.failure is not None
    assert assembled.accumulator.failure.code == 500


def test_legacy_reasoning_beside_the_text() -> None:
    """On the legacy route reasoning may stand in the choice."""
    assembled = answer(
        {"choices": [{"index": 0, "text": "", "reasoning": "hm"}]}, {"choices": [{"index": 0, "text": "a"}]}
    )
    assert assembled.events == [Reasoning("hm"), Text("a")]
