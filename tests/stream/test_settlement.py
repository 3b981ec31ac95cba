"""`sseor.stream.settlement`: what a record says, what a stream saw, and their sum."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseor.chat import CompletedChoice, Completion, Generation, ToolCall, Usage, Verdict
from sseor.stream.settlement import Seen, Settlement, in_total, record_in, seen_in

RECORD: dict[str, Any] = {
    "id": "gen-1",
    "total_cost": 0.0123,
    "usage": 0.0123,
    "upstream_inference_cost": 0.01,
    "tokens_prompt": 9,
    "tokens_completion": 99,
    "native_tokens_prompt": 10,
    "native_tokens_completion": 100,
    "native_tokens_reasoning": 40,
    "native_tokens_cached": 4,
    "native_tokens_completion_images": 1,
    "model": "a/b-2026",
    "provider_name": "Groq",
    "finish_reason": "stop",
    "cancelled": False,
    "is_byok": False,
}


def test_a_record_reads_like_the_usage_of_a_stream() -> None:
    """Native counts are taken, which are the billed ones, under the names that a stream uses."""
    settlement = Seen("gen-1").settlement_of(RECORD)
    usage = settlement.usage
    assert usage is not None
    assert settlement.label == "settled"
    assert (settlement.cost, str(settlement.cost_decimal)) == (0.0123, "0.0123")
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10, 100, 110)
    assert (usage.reasoning_tokens, usage.cached_tokens, usage.is_byok) == (40, 4, False)
    assert usage.completion_tokens_details.image_tokens == 1
    assert usage.cost_details == {"upstream_inference_cost": 0.01}
    assert (settlement.model, settlement.provider, settlement.cancelled) == ("a/b-2026", "Groq", False)
    assert (settlement.reason, settlement.warning) == ("", "")
    assert settlement.raw is RECORD


@pytest.mark.parametrize(
    ("seen", "cancelled", "warns"),
    [
        (Seen("gen-1"), True, True),
        (Seen("gen-1"), False, False),
        (Seen("gen-1"), None, False),
        (Seen("gen-1", finished=False), False, True),
        (Seen("gen-1", finished=False), None, True),
        (Seen("gen-1", finished=True), True, False),
    ],
)
def test_a_warning_where_leaving_did_not_stop_the_billing(
    seen: Seen, cancelled: bool | None, warns: bool
) -> None:
    """What the stream saw counts before the record's word; without a stream the record decides."""
    settlement = seen.settlement_of(RECORD | {"cancelled": cancelled})
    assert bool(settlement.warning) is warns


@pytest.mark.parametrize("cost", [None, -1, "0.01", True, [], {}, -0.5, float("inf"), float("nan")])
def test_a_cost_that_cannot_be_meant_is_unknown(cost: Any) -> None:
    """Negative sums and other types are no cost; the counts are kept."""
    settlement = Seen("gen-1").settlement_of(RECORD | {"total_cost": cost, "usage": cost})
    assert (settlement.label, settlement.cost) == ("unknown", None)
    assert "no plausible cost" in settlement.reason
    assert settlement.usage is not None
    assert settlement.usage.total_tokens == 110


def test_the_second_name_of_the_cost() -> None:
    """`usage` of a record is dollars too; `total_cost` comes first, and nothing is a cost as well."""
    assert Seen("gen-1").settlement_of({"usage": 0.5}).cost == 0.5
    assert Seen("gen-1").settlement_of({"usage": 0.5, "total_cost": 0}).cost == 0
    assert Seen("gen-1").settlement_of({"total_cost": 0}).label == "settled"


@given(
    st.dictionaries(
        st.sampled_from(sorted(RECORD)),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.none()),
    )
)
def test_any_record_is_read(record: dict[str, Any]) -> None:
    """Whatever the fields hold, the result has a label, counts that are not negative, and can be written as JSON."""
    settlement = Seen("gen-1").settlement_of(record)
    assert (settlement.label == "settled") is (settlement.cost is not None)
    assert settlement.cost is None or settlement.cost >= 0
    usage = settlement.usage
    assert usage is not None
    for count in (usage.prompt_tokens, usage.completion_tokens, usage.reasoning_tokens, usage.cached_tokens):
        assert count is None or count >= 0
    json.dumps(settlement.to_dict())


@pytest.mark.parametrize(
    "document",
    [None, [], "x", {}, {"data": None}, {"data": []}, {"error": {"code": 404}}, {"data": {"id": "gen-2"}}],
)
def test_what_is_no_record(document: Any) -> None:
    """Anything without an object `data`, or with that of another generation, is no record."""
    assert record_in(document, "gen-1") is None


def test_a_record_is_told_by_its_id() -> None:
    """The record asked for is taken, also when it does not repeat its id."""
    assert record_in({"data": RECORD}, "gen-1") == RECORD
    assert record_in({"data": {"total_cost": 1}}, "gen-1") == {"total_cost": 1}


def answer(**fields: Any) -> Completion:
    """Return an answer of 10 characters, finished unless told otherwise."""
    choice = CompletedChoice(
        text="Low", reasoning="Why", tool_calls=[ToolCall(0, "call_0", "f", "{}=2", complete=False)]
    )
    return Completion(
        **{
            "choices": [choice],
            "generation_id": "gen-1",
            "provider": "Groq",
            "model": "m",
            "verdict": Verdict(saw_finish=True),
            **fields,
        }
    )


def test_a_finished_answer_with_usage_is_final() -> None:
    """What the stream reported at its end needs no record."""
    (seen,) = seen_in(answer(usage=Usage({"cost": 0.1})))
    settlement = seen.final()
    assert settlement is not None
    assert (settlement.label, settlement.cost, settlement.generation_id) == ("final", 0.1, "gen-1")


def test_each_generation_of_an_answer_is_settled_by_itself() -> None:
    """One that was cut, one that finished, and the one at hand: each with its own id, usage and text."""
    cut = Generation("gen-1", "m", "Groq", characters=5, error="StallError: …")
    continued = Generation("gen-2", "m", "OpenAI", Usage({"cost": 0.1}), "length", 7)
    parts = seen_in(
        Completion(
            [CompletedChoice(text="x" * 20)],
            generation_id="gen-3",
            provider="Groq",
            usage=Usage({"cost": 0.1}),
            generations=[cut, continued],
        )
    )
    assert [(one.generation_id, one.finished, one.characters) for one in parts] == [
        ("gen-1", False, 5),
        ("gen-2", True, 7),
        ("gen-3", False, 8),
    ]
    finals = [one.final() for one in parts]
    assert [one and one.cost for one in finals] == [None, 0.1, None]
    assert parts[2].usage is None
    assert len(seen_in(answer(generation_id="gen-2", generations=[cut, continued]))) == 2
    assert len(seen_in(answer(generation_id=None, generations=[cut, continued]))) == 2
    failed = Generation("gen-9", finish_reason="stop", usage=Usage({"cost": 1}), error="GenerationError: …")
    assert seen_in(answer(generations=[failed, continued]))[0].final() is None


def test_a_single_generation_is_the_answer_itself() -> None:
    """What the list says of it the answer says better."""
    (seen,) = seen_in(answer(generations=[Generation("gen-1", characters=1)]))
    assert (seen.finished, seen.characters) == (True, 10)


def test_usage_before_a_cut_is_an_estimate() -> None:
    """Running totals of an answer that did not finish are not its last word."""
    (seen,) = seen_in(answer(usage=Usage({"cost": 0.1}), verdict=Verdict()))
    assert seen.final() is None
    settlement = seen.without_record("because")
    assert (settlement.label, settlement.cost, settlement.reason) == ("estimated", 0.1, "because")
    assert "Groq" in settlement.warning


def test_text_without_usage_is_counted() -> None:
    """Four characters of text, reasoning and arguments make a token, rounded up; the cost stays unknown."""
    (seen,) = seen_in(answer())
    assert seen.final() is None
    settlement = seen.without_record("because")
    assert settlement.label == "estimated"
    assert settlement.usage == Usage({"completion_tokens": 3})
    assert settlement.cost is None
    assert settlement.warning == ""


def test_nothing_is_unknown() -> None:
    """Without text and without a record there is nothing to estimate by."""
    settlement = Seen("gen-1").without_record("because")
    assert (settlement.label, settlement.usage, settlement.cost_decimal) == ("unknown", None, None)


def test_the_sum_is_as_sure_as_its_least_sure_part() -> None:
    """Counts and costs add up in decimals; a figure that one part lacks is not in the sum."""
    first = Settlement("final", "gen-1", Usage({"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.1}))
    second = Seen("gen-2").settlement_of(RECORD | {"total_cost": 0.2, "cancelled": True})
    total = in_total([first, second])
    assert (total.label, total.cost, total.generation_id) == ("settled", 0.3, "gen-2")
    assert total.usage == Usage({"prompt_tokens": 11, "completion_tokens": 102, "cost": 0.3})
    assert (total.cancelled, total.generations, total.raw) == (True, (first, second), {})
    assert total.warning == second.warning
    third = Settlement("unknown", None, reason="no id")
    assert in_total([first, second, third]).cost is None
    assert in_total([first, second, third]).label == "unknown"
    assert in_total([first, second, third]).reason == "no id"
    assert in_total([first]) is first


def test_it_can_be_written_down() -> None:
    """`to_dict` gives plain JSON with the cost, the counts, the record and the parts."""
    total = in_total([Seen("gen-1").settlement_of(RECORD), Settlement("unknown")])
    plain = json.loads(json.dumps(total.to_dict()))
    assert plain["label"] == "unknown"
    assert plain["generations"][0]["cost"] == 0.0123
    assert plain["generations"][0]["raw"] == RECORD
    assert plain["generations"][1]["usage"] is None
