"""Tool calls whatever servers do with index, id and name, one test a habit."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from chat.assembling import Assembled, assemble, call, call_chunk, chunk

from sseor.chat import ToolCall, ToolCallDelta, ToolCallDone
from sseor.chat.tool_calls import parse_arguments


def calls_of(*items: dict[str, Any], finish: str | None = "tool_calls") -> list[ToolCall]:
    """Return the calls that these fragments give, each in a chunk of its own."""
    return assemble(*(call_chunk(item) for item in items), chunk(finish=finish)).completion.tool_calls


def seen(calls: list[ToolCall]) -> list[tuple[str, str, str]]:
    """Return what matters of each call."""
    return [(one.id, one.name, one.arguments) for one in calls]


def test_interleaved_calls_are_kept_apart_and_ordered_by_index() -> None:
    """Several calls at once are buffered by index; the final order is by index, whatever arrived first."""
    calls = calls_of(
        call("", "b", "B", index=1),
        call("", "a", "A", index=0),
        call('{"x":', index=1),
        call('{"y":', index=0),
        call("1}", index=1),
        call("2}", index=0),
    )
    assert seen(calls) == [("A", "a", '{"y":2}'), ("B", "b", '{"x":1}')]
    assert [one.index for one in calls] == [0, 1]


def test_a_missing_index_with_an_unknown_id_begins_a_call() -> None:
    """Without an index a new id is a new call."""
    calls = calls_of(call('{"a":1}', "f", "A"), call('{"b":2}', "f", "B"))
    assert seen(calls) == [("A", "f", '{"a":1}'), ("B", "f", '{"b":2}')]


def test_a_missing_index_with_a_known_id_continues_that_call() -> None:
    """Without an index a known id names its call, also after another began."""
    calls = calls_of(
        call('{"a":', "f", "A"), call("{", "g", "B"), call("1}", call_id="A"), call("}", call_id="B")
    )
    assert seen(calls) == [("A", "f", '{"a":1}'), ("B", "g", "{}")]


@pytest.mark.parametrize("index", [{}, {"index": None}, {"index": "first"}, {"index": []}, {"index": True}])
def test_no_index_and_no_id_continue_the_call_touched_last(index: dict[str, Any]) -> None:
    """A fragment with neither, or with an index that is none, belongs to the last call."""
    calls = calls_of(call("{", "f", "A", index=0), call("{", "g", "B", index=1), call("}", **index))
    assert seen(calls) == [("A", "f", "{"), ("B", "g", "{}")]


def test_the_same_index_with_another_id_begins_a_call() -> None:
    """Ollama and Gemini send index 0 always; the id tells, and later fragments go to the newer call."""
    calls = calls_of(
        call('{"a":1}', "f", "A", index=0), call('{"b":', "f", "B", index=0), call("2}", index=0)
    )
    assert seen(calls) == [("A", "f", '{"a":1}'), ("B", "f", '{"b":2}')]
    assert [one.index for one in calls] == [0, 1]


def test_the_same_id_repeated_is_one_call() -> None:
    """An id in every fragment makes no new calls."""
    assert seen(calls_of(*(call(piece, "f", "A", index=0) for piece in ("{", '"a"', ":1}")))) == [
        ("A", "f", '{"a":1}')
    ]


def test_a_whole_call_sent_again_is_not_doubled() -> None:
    """The same id with the same whole arguments is a repetition."""
    again = call('{"a":1}', "f", "A", index=0)
    assembled = assemble(call_chunk(again), call_chunk(again), chunk(finish="tool_calls"))
    assert seen(assembled.completion.tool_calls) == [("A", "f", '{"a":1}')]
    assert len(assembled.of(ToolCallDelta)) == 1


def test_equal_slices_are_no_repetition() -> None:
    """A slice equal to what came before is only left out when that is a whole object."""
    assert seen(calls_of(call('{"a":', "f", "A", index=0), call('{"a":', index=0), call("1}}", index=0))) == [
        ("A", "f", '{"a":{"a":1}}')
    ]


@pytest.mark.parametrize("later", ["", None])
def test_an_empty_id_in_later_fragments_is_ignored(later: str | None) -> None:
    """An empty or null id does not begin a call."""
    calls = calls_of(call("{", "f", "A", index=0), {"index": 0, "id": later, "function": {"arguments": "}"}})
    assert seen(calls) == [("A", "f", "{}")]


def test_an_id_that_comes_late_belongs_to_the_call_at_its_index() -> None:
    """A call whose id comes with a later fragment takes it."""
    assert seen(calls_of(call("{", "f", index=0), call("}", call_id="A", index=0))) == [("A", "f", "{}")]


def test_a_repeated_name_is_not_concatenated() -> None:
    """An equal name in later fragments is ignored, also with every slice of the arguments."""
    calls = calls_of(
        *(call(piece, "tide", None if at else "A", index=0) for at, piece in enumerate('{"a":1}'))
    )
    assert seen(calls) == [("A", "tide", '{"a":1}')]


def test_a_name_in_pieces_is_joined_before_the_arguments() -> None:
    """A few servers split names: pieces are appended while no arguments have come, and ignored afterwards."""
    calls = calls_of(
        call("", "ti", "A", index=0), call("", "de", index=0), call("{}", index=0), call("", "x", index=0)
    )
    assert seen(calls) == [("A", "tide", "{}")]


def test_a_full_call_in_one_chunk() -> None:
    """Groq and Ollama send calls whole."""
    calls = assemble(
        call_chunk(call('{"a":1}', "f", "A", index=0), call("{}", "g", "B", index=1)),
        chunk(finish="tool_calls"),
    ).completion.tool_calls
    assert seen(calls) == [("A", "f", '{"a":1}'), ("B", "g", "{}")]
    assert [one.parsed for one in calls] == [{"a": 1}, {}]


@pytest.mark.parametrize("arguments", [None, "", "  ", "null", {}])
def test_no_arguments_at_all_are_an_empty_object(arguments: Any) -> None:
    """A call without arguments is complete once the answer finished, and is sent back with `{}`."""
    (one,) = calls_of(call(arguments, "now", "A", index=0))
    assert (one.parsed, one.complete) == ({}, True)
    assert parse_arguments(one.to_message()["function"]["arguments"]) == {}


def test_arguments_as_an_object_are_serialized() -> None:
    """An object in place of the string becomes compact JSON, the same with every decoder."""
    (one,) = calls_of(call({"city": "Łódź", "n": [1, 2.5]}, "f", "A", index=0))
    assert one.arguments == '{"city":"Łódź","n":[1,2.5]}'


def test_blanks_after_the_arguments_do_not_announce_twice() -> None:
    """Blank fragments after complete JSON (Kimi) change nothing that counts."""
    assembled = assemble(
        call_chunk(call('{"a":1}', "f", "A", index=0)),
        *[call_chunk(call(" \n", index=0))] * 3,
        chunk(finish="tool_calls"),
    )
    assert [done.call.parsed for done in assembled.of(ToolCallDone)] == [{"a": 1}]


@pytest.mark.parametrize("arguments", ['{"a":', "{'a':1}", "[1]", "1", '{"a":NaN}', "[" * 9999])
def test_invalid_arguments_are_reported_and_never_run(arguments: str) -> None:
    """What is no whole object has no parsed form, keeps its raw string, and is not sent back."""
    assembled = assemble(call_chunk(call(arguments, "f", "A", index=0)), chunk(finish="tool_calls"))
    (one,) = assembled.completion.tool_calls
    assert (one.parsed, one.complete, one.arguments) == (None, False, arguments)
    assert "tool_calls" not in assembled.completion.message


def test_an_id_that_never_comes_is_invented_and_kept() -> None:
    """The invented id is the same in the event, in every snapshot and in the message, and fits every provider."""
    assembled = assemble(
        call_chunk(call("{}", "f", index=0)), call_chunk(call("{}", "f", index=1)), chunk(finish="stop")
    )
    first, second = assembled.completion.tool_calls
    assert first.id != second.id
    assert len(first.id) == 9
    assert first.id.isalnum()
    assert (
        assembled.of(ToolCallDone)[0].call.id
        == first.id
        == assembled.completion.message["tool_calls"][0]["id"]
    )
    assert assembled.of(ToolCallDelta)[0].id is None


def test_calls_without_id_and_index_are_told_apart_by_their_names() -> None:
    """A named fragment with arguments after a whole call begins the next one."""
    calls = calls_of(call('{"a":1}', "f"), call('{"b":2}', "g"), call('{"c":3}', "g", index=None))
    assert [(one.name, one.arguments) for one in calls] == [
        ("f", '{"a":1}'),
        ("g", '{"b":2}'),
        ("g", '{"c":3}'),
    ]


def test_blanks_are_no_whole_call() -> None:
    """A named fragment after blanks goes on with the call: it has had no arguments yet."""
    calls = calls_of(call(" ", "f", index=0), call('{"a":', "f", index=0), call("1}", index=0))
    assert [(one.name, one.arguments) for one in calls] == [("f", ' {"a":1}')]


@pytest.mark.parametrize("index", [-1, 10**12, "7", 7.0])
def test_an_odd_index_makes_no_huge_list(index: Any) -> None:
    """Whatever number a server counts with is a key, not a size."""
    calls = calls_of(call("{", "f", "A", index=index), call("}", index=index))
    assert seen(calls) == [("A", "f", "{}")]


def test_the_older_function_call_is_a_tool_call() -> None:
    """`delta.function_call` with its finish reason reads as one tool call."""
    assembled = assemble(
        chunk({"function_call": {"name": "f", "arguments": ""}}),
        chunk({"function_call": {"arguments": "{}"}}),
        chunk(finish="function_call"),
    )
    assert assembled.completion.finish_reason == "tool_calls"
    assert [(one.name, one.parsed) for one in assembled.completion.tool_calls] == [("f", {})]


def test_name_and_arguments_beside_the_id() -> None:
    """A server that leaves the `function` object out is understood."""
    assert seen(calls_of({"id": "A", "name": "f", "arguments": "{}"})) == [("A", "f", "{}")]


def test_unknown_fields_are_sent_back() -> None:
    """Gemini's thought signature in `extra_content` stays with its call."""
    extra = {"google": {"thought_signature": "c2ln"}}
    (one,) = calls_of(call("{}", "f", "A", index=0, extra_content=extra, note=None))
    assert one.extra == {"extra_content": extra}
    assert one.to_message() == {
        "id": "A",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": extra,
    }


def test_empty_fragments_are_no_progress() -> None:
    """An empty list, an empty object and an empty slice give no event."""
    assembled = Assembled().add([call_chunk(), call_chunk({}), call_chunk(call("", index=0))])
    assert assembled.events == []
    assert not assembled.accumulator.generated


def test_the_events_of_a_call() -> None:
    """Each fragment is an event with the call's place and id; the end is announced once, before the finish."""
    assembled = assemble(
        call_chunk(call("", "f", "A", index=0)), call_chunk(call('{"a"', index=0)), call_chunk(call(":1}", index=0)),
        chunk(finish="tool_calls"), chunk(finish="tool_calls"),
    )  # fmt: skip
    deltas = [(one.index, one.id, one.name, one.arguments) for one in assembled.of(ToolCallDelta)]
    assert deltas == [(0, "A", "f", ""), (0, "A", None, '{"a"'), (0, "A", None, ":1}")]
    assert [type(event).__name__ for event in assembled.events[-2:]] == ["ToolCallDone", "Finished"]
    first = assembled.of(ToolCallDelta)[0]
    assert (first.function.name, first.type) == ("f", "function")


@pytest.mark.parametrize("finish", [None, "length", "content_filter", "error"])
def test_a_call_cut_before_its_arguments_is_not_complete(finish: str | None) -> None:
    """A cut, a limit and a filter leave the last call open, although no arguments would mean `{}`."""
    first, last = calls_of(call(None, "f", "A", index=0), call(None, "g", "B", index=1), finish=finish)
    assert (first.complete, first.parsed) == (True, {})
    assert (last.complete, last.parsed) == (False, None)


def test_a_call_announced_at_the_end_of_a_cut_stream() -> None:
    """Without a finish reason the end announces the open calls, half ones marked."""
    assembled = assemble(call_chunk(call('{"a": "b', "f", "A", index=0)))
    (done,) = assembled.of(ToolCallDone)
    assert (done.call.complete, done.call.partial) == (False, {"a": "b"})
    assert assembled.completion.finish_reason is None


def test_arguments_while_they_grow() -> None:
    """The partial object follows the arguments, and a whole one is exact."""
    assembled = Assembled()
    shown = []
    for piece in ('{"city": "Na', 'ntes", "id": 12345678901234567890', "12345}"):
        assembled.add([call_chunk(call(piece, "f", "A", index=0))])
        shown.append(assembled.completion.tool_calls[0].partial)
    assert shown[:2] == [{"city": "Na"}, {"city": "Nantes"}]
    assert (
        shown[2]
        == assembled.completion.tool_calls[0].parsed
        == {"city": "Nantes", "id": 1234567890123456789012345}
    )


def test_half_a_pair_in_the_arguments() -> None:
    """Halves of a surrogate pair in the arguments are joined, and one that stays alone is flushed as an event."""
    joined = assemble(
        call_chunk(call('{"a":"\ud83e', "f", "A", index=0)), call_chunk(call('\udd8a"}', index=0))
    )
    assert joined.completion.tool_calls[0].arguments == '{"a":"🦊"}'
    alone = assemble(call_chunk(call("{\ud83e", "f", "A", index=0)))
    assert "".join(one.arguments for one in alone.of(ToolCallDelta)) == "{\ufffd"


def test_a_call_round_trips() -> None:
    """`from_dict` gives back what `to_dict` wrote, and the call reads as in other clients."""
    (one,) = calls_of(call('{"a":1}', "f", "A", index=0, note=[1]))
    assert ToolCall.from_dict(one.to_dict()) == one
    assert (one.function.name, one.function.arguments, one.type) == ("f", '{"a":1}', "function")


def test_many_calls_and_many_names_take_linear_time() -> None:
    """Twenty thousand calls without an index, and as many names after arguments, are not gone through each time."""
    start = time.process_time()
    assemble(*(call_chunk(call("{}", "f", f"id{n}")) for n in range(20_000)))
    named = (call_chunk(call("{},", f"f{n}", index=0)) for n in range(20_000))
    assemble(call_chunk(call("[", "f", "A", index=0)), *named)
    assert time.process_time() - start < 20


def test_any_interleaving_gives_the_same_calls() -> None:
    """However the fragments of several calls are shuffled among each other, the calls are the same."""
    whole = {f"id{n}": '{"n":' + str(n) * 20 + "}" for n in range(5)}
    chance = random.Random(3)
    for _ in range(20):
        rests = {n: list(whole[f"id{n}"]) for n in range(5)}
        fragments = []
        begun: set[int] = set()
        while any(rests.values()):
            n = chance.choice([one for one, rest in rests.items() if rest])
            piece = "".join(rests[n].pop(0) for _ in range(min(len(rests[n]), chance.randint(1, 6))))
            fragments.append(call(piece, index=n) if n in begun else call(piece, f"f{n}", f"id{n}", index=n))
            begun.add(n)
        assert {one.id: one.arguments for one in calls_of(*fragments)} == whole
