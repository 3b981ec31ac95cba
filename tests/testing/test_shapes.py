"""`sseor.testing.shapes`: the objects have the fields that OpenRouter's have."""

from __future__ import annotations

import json
import re
import time

from sseor.testing.shapes import Generation, comment, data_event, error_body, usage

IDENTITY = {"id", "object", "created", "model", "provider"}


def test_a_generation_id_is_like_the_real_ones() -> None:
    """An ID is `gen-`, Unix seconds, and 20 letters or digits, and is never the same twice."""
    first, second = Generation("a/b"), Generation("a/b")
    assert re.fullmatch(r"gen-\d{10}-[A-Za-z0-9]{20}", first.id)
    assert first.id != second.id
    assert abs(first.created - time.time()) < 5


def test_a_chunk_has_the_fields_of_the_wire() -> None:
    """A chunk has one choice, repeats the role, and has null for a finish that has not come."""
    generation = Generation("a/b", provider="Here")
    chunk = generation.chunk({"content": "hi"})
    assert chunk.keys() == IDENTITY | {"system_fingerprint", "choices"}
    assert (chunk["object"], chunk["model"], chunk["provider"]) == ("chat.completion.chunk", "a/b", "Here")
    assert chunk["choices"] == [
        {
            "index": 0,
            "delta": {"content": "hi", "role": "assistant"},
            "finish_reason": None,
            "native_finish_reason": None,
        }
    ]


def test_a_finish_has_a_native_word_too() -> None:
    """The provider's own finish reason is the same unless another one is given."""
    [same] = Generation("a/b").chunk({}, finish="stop")["choices"]
    [other] = Generation("a/b").chunk({}, finish="stop", native="end_turn", index=1)["choices"]
    assert (same["finish_reason"], same["native_finish_reason"]) == ("stop", "stop")
    assert (other["finish_reason"], other["native_finish_reason"], other["index"]) == ("stop", "end_turn", 1)


def test_the_usage_chunk_repeats_the_finish_reason() -> None:
    """Usage comes beside one choice with an empty delta and the finish reason once more."""
    chunk = Generation("a/b").usage_chunk(usage(3, 4, reasoning=1), finish="stop")
    assert chunk["choices"][0]["finish_reason"] == "stop"
    assert chunk["choices"][0]["delta"]["content"] == ""
    assert chunk["usage"]["total_tokens"] == 7
    assert chunk["usage"]["completion_tokens_details"]["reasoning_tokens"] == 1


def test_cost_follows_the_tokens_or_is_given() -> None:
    """Cost is what the tokens cost at the module's prices, or what the caller says, zero included."""
    assert usage(1000, 100)["cost"] == 0.0007
    assert usage(1000, 100, cost=0.0)["cost"] == 0.0
    assert usage(1000, 100)["cost_details"]["upstream_inference_prompt_cost"] == 0.0005


def test_error_chunks_come_with_and_without_choices() -> None:
    """An error stands at the top of a chunk; its choice, if any, finishes with `error`."""
    error = error_body(502, "down", error_type="provider_unavailable")
    documented = Generation("a/b").error_chunk(error)
    bare = Generation("a/b").error_chunk(error_body("x", "down"), choices=False)
    assert documented["error"] == {
        "code": 502,
        "message": "down",
        "metadata": {"error_type": "provider_unavailable"},
    }
    assert documented["choices"][0]["finish_reason"] == "error"
    assert bare["error"] == {"code": "x", "message": "down"}
    assert bare["choices"] == []


def test_a_whole_completion() -> None:
    """An answer without streaming has a message in place of a delta, and usage beside it."""
    whole = Generation("a/b").completion({"content": "hi"}, finish="stop", usage=usage(1, 1))
    assert whole["object"] == "chat.completion"
    assert whole["choices"][0]["message"]["content"] == "hi"
    assert whole["usage"]["total_tokens"] == 2


def test_a_record_counts_money() -> None:
    """In a generation's record `usage` is a sum of USD, and tokens stand under other names."""
    generation = Generation("a/b")
    data = generation.record(usage(5, 7, cost=0.25), finish=None, cancelled=True, streamed=True)["data"]
    assert (data["id"], data["usage"], data["total_cost"]) == (generation.id, 0.25, 0.25)
    assert (data["native_tokens_prompt"], data["native_tokens_completion"]) == (5, 7)
    assert data["cancelled"] is True


def test_events_and_comments_are_framed() -> None:
    """An event is one `data` line, a comment begins with a colon, and a blank line ends either."""
    assert data_event({"a": "ö"}) == 'data: {"a":"ö"}\n\n'.encode()
    assert data_event("[DONE]") == b"data: [DONE]\n\n"
    assert comment("hm") == b": hm\n\n"


def test_half_a_surrogate_pair_can_be_sent() -> None:
    """What has no UTF-8 goes out as the escape that JavaScript back ends send."""
    event = data_event({"a": "\ud83e"})
    assert event == b'data: {"a":"\\ud83e"}\n\n'
    assert json.loads(event[6:]) == {"a": "\ud83e"}
