"""The completion: its attributes, its print, and its way into a file and back."""

from __future__ import annotations

import json
from decimal import Decimal

from chat.assembling import assemble, call, call_chunk, chunk

from sseor.chat import (
    CompletedChoice,
    Completion,
    Failure,
    Generation,
    SeamReport,
    Timeline,
    Usage,
    Verdict,
)


def rich() -> Completion:
    """Return a completion in which every field has a value."""
    assembled = assemble(
        chunk(
            {
                "content": "a",
                "reasoning": "r",
                "refusal": "f",
                "reasoning_details": [{"type": "reasoning.text", "text": "r"}],
            },
            model="m",
            provider="P",
            created=5,
            service_tier="flex",
            system_fingerprint="fp",
            citations=["u"],
            choice={"logprobs": {"content": [{"token": "a"}], "refusal": None}, "stop_reason": 3},
        ),
        chunk({"content": "b"}, model="n", choice={"logprobs": {"content": [{"token": "b"}]}}),
        chunk({"images": [{"image_url": {"url": "i"}, "index": 0}], "audio": {"id": "x", "data": "AA=="}}),
        chunk({"annotations": [{"type": "file", "file": {"hash": "h"}}]}),
        call_chunk(call('{"a":1}', "f", "A", index=0, extra_content={"s": 1})),
        chunk({"content": "second"}, index=1, finish="length"),
        chunk(finish="stop", choice={"native_finish_reason": "end"}, openrouter_metadata={"attempt": 1}),
        chunk(usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.001}),
        chunk(error={"code": 502, "message": "late"}),
    )
    verdict = Verdict(saw_finish=True, saw_done=True, saw_usage=True, clean_end=True)
    return assembled.accumulator.completion(verdict=verdict, timeline=Timeline(attempts=1, first_token=0.5))


def test_the_first_choice_is_the_completions_own() -> None:
    """Every short name reads from the first choice."""
    completion = rich()
    first = completion.choices[0]
    for name in [
        "text",
        "reasoning",
        "refusal",
        "reasoning_details",
        "tool_calls",
        "images",
        "audio",
        "annotations",
        "logprobs",
        "finish_reason",
        "native_finish_reason",
        "message",
    ]:
        assert getattr(completion, name) == getattr(first, name)
        assert getattr(completion, name)
    assert (completion.text, completion.choices[1].text) == ("ab", "second")
    assert completion.logprobs == {"content": [{"token": "a"}, {"token": "b"}]}
    assert (completion.cost, completion.cost_decimal) == (0.001, Decimal("0.001"))
    assert completion.failure is not None


def test_nothing_is_lost_on_the_way_to_a_file_and_back() -> None:
    """`from_dict(to_dict())` is equal through JSON, field by field, and unknown fields are left out."""
    completion = rich()
    written = json.loads(json.dumps(completion.to_dict()))
    assert Completion.from_dict(written) == completion
    assert Completion.from_dict(written).images[0].raw == completion.images[0].raw
    assert Completion.from_dict({**written, "later": 1}) == completion
    assert set(written) == set(Completion.__dataclass_fields__)
    assert set(written["choices"][0]) == set(CompletedChoice.__dataclass_fields__)


def test_an_empty_completion() -> None:
    """Before anything came every attribute is empty, and it round-trips too."""
    empty = Completion()
    assert (empty.text, empty.tool_calls, empty.finish_reason, empty.audio) == ("", [], None, None)
    assert (empty.cost, empty.cost_decimal, empty.usage) == (None, None, None)
    assert empty.message == {"role": "assistant", "content": ""}
    assert Completion.from_dict(json.loads(json.dumps(empty.to_dict()))) == empty


def test_there_is_always_a_timeline() -> None:
    """Without one given, and in a file without one, it is empty: `completion.timeline.ttft_ms` can be read."""
    for completion in (Completion(), assemble(chunk({"content": "a"})).completion):
        assert completion.timeline == Timeline()
        assert completion.timeline.ttft_ms is None
        written = completion.to_dict()
        assert Completion.from_dict({**written, "timeline": None}) == completion
        del written["timeline"]
        assert Completion.from_dict(written) == completion


def test_a_free_answer_costs_nothing() -> None:
    """A cost of 0 is not a missing one."""
    assert Completion(usage=Usage({"cost": 0})).cost == 0.0


def test_the_repr_is_short_and_useful() -> None:
    """It shows the beginning of the text, calls, finish reason, usage and whether something is missing."""
    text = repr(Completion(choices=[CompletedChoice(text="x" * 999)]))
    assert len(text) < 150
    assert "incomplete" in text
    shown = repr(rich())
    assert (
        shown
        == "<Completion 'ab', 1 tool calls, finish_reason='tool_calls', <Usage 1 + 2 = 3 tokens, cost 0.001>>"
    )
    assert "sk-or" not in repr(Completion(choices=[CompletedChoice(text="sk-or-v1-0123456789")]))


def test_a_failed_completion_keeps_its_failure() -> None:
    """The failure goes to the file and back."""
    failed = Completion(failure=Failure(502, "x", retryable=True), verdict=Verdict(failed=True))
    assert Completion.from_dict(failed.to_dict()) == failed


def test_the_generations_and_the_request_go_along() -> None:
    """A file holds what another process needs to go on, and a file of an older version is read too."""
    completion = Completion(
        generations=[Generation("gen-1", usage=Usage({"cost": 0.1}), characters=5)],
        request={"model": "m", "messages": [{"role": "user", "content": "Hello"}]},
    )
    written = json.loads(json.dumps(completion.to_dict()))
    assert Completion.from_dict(written) == completion
    assert "Hello" not in repr(completion)
    del written["generations"], written["request"]
    assert Completion.from_dict(written) == Completion()


def test_a_seam_is_added_to_the_verdict() -> None:
    """`with_seam` leaves the completion as it is and returns one with the report; None adds nothing."""
    whole = Completion()
    marked = whole.with_seam(SeamReport(3)).with_seam(SeamReport(7))
    assert marked.verdict.seams == (SeamReport(3), SeamReport(7))
    assert whole.with_seam(None) == whole == Completion()
