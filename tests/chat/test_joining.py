"""Two parts of an answer become one completion."""

from __future__ import annotations

import json
from typing import Any

from chat.assembling import assemble, call, call_chunk, chunk
from hypothesis import given
from hypothesis import strategies as st

from sseor.chat import (
    CompletedChoice,
    Completion,
    Failure,
    Generation,
    SeamReport,
    Timeline,
    ToolCall,
    Usage,
    Verdict,
)
from sseor.chat.joining import joined

NAMES = st.sampled_from([None, "a", "b"])
OBJECTS = st.lists(st.fixed_dictionaries({"k": st.integers(0, 3)}), max_size=2)

choices = st.builds(
    CompletedChoice,
    text=st.text("xy ", max_size=5),
    reasoning=st.text("r", max_size=3),
    refusal=st.text("n", max_size=2),
    reasoning_details=OBJECTS,
    tool_calls=st.lists(st.just(ToolCall(0, "i", "f", "{}", True)), max_size=1),
    annotations=OBJECTS,
    logprobs=st.none() | st.fixed_dictionaries({"content": OBJECTS}),
    finish_reason=st.sampled_from([None, "stop", "length"]),
    reasoning_field=st.sampled_from([None, "reasoning"]),
    reasoning_details_sent=st.booleans(),
    extra=st.dictionaries(st.sampled_from("pq"), st.integers(0, 2)),
)
completions = st.builds(
    Completion,
    choices=st.lists(choices, max_size=1),
    usage=st.none() | st.builds(Usage, st.fixed_dictionaries({"prompt_tokens": st.integers(0, 9)})),
    model=NAMES,
    provider=NAMES,
    generation_id=NAMES,
    created=st.none() | st.integers(1, 5),
    router_metadata=st.none() | st.just({"attempt": 1}),
    failure=st.none() | st.builds(Failure, st.integers(400, 502)),
    verdict=st.builds(
        Verdict,
        saw_finish=st.booleans(),
        saw_usage=st.booleans(),
        skipped_events=st.integers(0, 2),
        seams=st.just(()) | st.just((SeamReport(1),)),
    ),
    timeline=st.builds(Timeline, attempts=st.integers(1, 3)),
    generations=st.lists(st.builds(Generation, NAMES), max_size=2),
    request=st.none() | st.just({"model": "m"}),
)


def part(*chunks: Any, **fields: Any) -> Completion:
    """Return a part of an answer with its own generation."""
    completion = assemble(*chunks, chunk(**fields)).completion
    completion.generations.append(Generation.of(completion))
    return completion


def test_a_cut_answer_and_its_rest() -> None:
    """Text goes on, usage is summed, the end is that of the follow-up, and the first id stays known."""
    before = part(
        chunk({"content": "Hello wor", "reasoning": "a"}, id="gen-1", model="m", provider="P"),
        id="gen-1",
        usage={"completion_tokens": 3, "cost": 0.1},
    )
    after = part(
        chunk({"content": "wor", "reasoning": "b"}, id="gen-2", model="m"),
        chunk({"content": "ld"}, id="gen-2"),
        id="gen-2",
        finish="stop",
        usage={"completion_tokens": 2, "cost": 0.2},
    )
    whole = joined(before, after, "ld")
    assert (whole.text, whole.reasoning, whole.finish_reason) == ("Hello world", "ab", "stop")
    assert whole.usage == Usage({"completion_tokens": 5, "cost": 0.3})
    assert (whole.generation_id, whole.model, whole.provider) == ("gen-2", "m", "P")
    assert whole.changed_from == {"generation_id": "gen-1"}
    assert whole.verdict.complete
    assert whole.verdict.saw_usage
    assert [one.id for one in whole.generations] == ["gen-1", "gen-2"]
    assert [one.characters for one in whole.generations] == [9, 5]


def test_usage_of_one_part_is_not_the_usage_of_the_answer() -> None:
    """Where a generation reported none, what is known is summed and the verdict says that usage is missing."""
    before = part(chunk({"content": "a"}))
    after = part(chunk({"content": "b"}), finish="stop", usage={"cost": 0.2})
    whole = joined(before, after, "b")
    assert (whole.cost, whole.verdict.saw_usage) == (0.2, False)


def test_what_a_follow_up_lacks_is_taken_from_before() -> None:
    """A follow-up that brought nothing leaves the answer as it was."""
    before = part(chunk({"content": "a"}, model="m"), finish="length")
    whole = joined(before, Completion(verdict=Verdict(failed=True)), "")
    assert (whole.text, whole.finish_reason, whole.model) == ("a", "length", "m")
    assert not whole.verdict.complete


def test_a_part_that_is_empty_adds_nothing() -> None:
    """Before the first token there is nothing to join to: the text is what may be shown of the follow-up."""
    after = part(chunk({"content": "xa"}), chunk({"content": "other"}, index=1))
    whole = joined(Completion(), after, "a")
    assert [choice.text for choice in whole.choices] == ["a", "other"]


def test_tool_calls_are_those_of_the_follow_up() -> None:
    """An answer whose text was cut may go on and call a tool."""
    before = part(chunk({"content": "I look"}))
    after = part(call_chunk(call('{"a":1}', "f", "A", index=0)), finish="tool_calls")
    whole = joined(before, after, "")
    assert [one.name for one in whole.tool_calls] == ["f"]
    assert whole.finish_reason == "tool_calls"


def test_log_probabilities_are_joined_by_list() -> None:
    """Each list goes on with its rest, other values are the last."""
    before = part(
        chunk({"content": "a"}, choice={"logprobs": {"content": [1], "refusal": [2], "x": [5], "note": "b"}})
    )
    after = part(chunk({"content": "b"}, choice={"logprobs": {"content": [3], "refusal": None, "note": "c"}}))
    lists = joined(before, after, "b").logprobs
    assert lists is not None
    assert (lists["content"], lists["refusal"], lists["x"], lists["note"]) == ([1, 3], [2], [5], "c")


@given(completions, completions, st.text("xy", max_size=4))
def test_no_text_is_lost_and_none_is_added(before: Completion, after: Completion, text: str) -> None:
    """The text is that of before and what was let in, whatever else the parts hold."""
    whole = joined(before, after, text)
    expected = before.text + text if after.choices else before.text
    assert whole.text == expected
    assert whole.generations == before.generations + after.generations
    assert whole.verdict.seams == before.verdict.seams + after.verdict.seams
    assert Completion.from_dict(json.loads(json.dumps(whole.to_dict()))) == whole


@given(completions, completions, completions)
def test_three_parts_may_be_joined_in_either_order(
    first: Completion, second: Completion, third: Completion
) -> None:
    """Whether a part is joined to the one before or the one after first makes no difference."""
    left = joined(joined(first, second, second.text), third, third.text)
    rest = joined(second, third, third.text)
    assert left == joined(first, rest, rest.text)
