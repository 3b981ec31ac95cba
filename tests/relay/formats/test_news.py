"""`sseor.relay.formats.news`: what is new in a record, also in one that stands for many."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relay.formats.writing import DONE, RESTARTED, text

from sseor.relay.formats.news import News
from sseor.relay.snapshot import Snapshot

Records = list[Mapping[str, Any]]


def news(*records: Mapping[str, Any]) -> Records:
    """Return what is new in records, one after the other."""
    taken = News()
    return [found for record in records for found in taken.of(record)]


def snapshot(*records: Mapping[str, Any]) -> dict[str, Any]:
    """Return the snapshot that stands for records, as it comes out of JSON."""
    folded = Snapshot()
    for record in records:
        folded.fold(record)
    found: dict[str, Any] = json.loads(json.dumps(folded.to_record()))
    return found


def delta(index: int, arguments: str = "", **more: Any) -> Mapping[str, Any]:
    """Return a fragment of a tool call."""
    return {"type": "tool_delta", "index": index, **more, "arguments": arguments}


def call(index: int, call_id: str, name: str, arguments: str, **more: Any) -> Mapping[str, Any]:
    """Return a whole tool call."""
    given = {"index": index, "id": call_id, "name": name, "arguments": arguments, "complete": True}
    return {"type": "tool_call", **given, **more}


ALL: Records = [
    {"type": "reasoning", "text": "Hm"},
    text("Low"),
    text("other", choice=1),
    {"type": "refusal", "text": "no"},
    {"type": "image", "url": "https://a.example/1"},
    {"type": "annotation", "annotation": {"type": "file"}},
    {"type": "audio", "data": "AAAA", "transcript": "low"},
    {"type": "step", "name": "one"},
    {"type": "usage", "prompt_tokens": 3},
    {"type": "finish", "reason": "stop"},
]


def test_records_of_other_kinds_are_news_as_they_are() -> None:
    """Only tool calls are told otherwise."""
    assert news(*ALL, DONE) == [*ALL, DONE]


def test_a_snapshot_brings_what_has_not_come() -> None:
    """To one that has had nothing all of it, to one that has had some the rest, to one that has had all nothing new."""
    whole = snapshot(*ALL)
    always = [record for record in ALL if record["type"] in ("step", "usage", "finish")]
    found = news(whole)
    assert sorted(found, key=repr) == sorted(ALL, key=repr)
    some = [text("Lo"), ALL[0], {"type": "audio", "data": "AA", "transcript": ""}, ALL[4]]
    rest = news(*some, whole)[len(some) :]
    assert text("w") in rest
    assert {"type": "audio", "data": "AA", "transcript": "low"} in rest
    assert not [one for one in rest if one["type"] in ("reasoning", "image")]
    again = news(*ALL, whole)[len(ALL) :]
    assert sorted(again, key=repr) == sorted(always, key=repr)


def test_a_restart_within_a_snapshot_is_told_first() -> None:
    """Where the reader does not know of it; then all that follows is new."""
    folded = snapshot(text("Low"), RESTARTED, text("High"))
    assert news(text("Low"), folded)[1:] == [RESTARTED, text("High")]
    assert news(text("Low"), RESTARTED, text("Hi"), folded)[2:] == [text("Hi"), text("gh")]


def test_a_tool_call_begins_once_its_name_and_id_are_known() -> None:
    """Both may come in pieces or late; what came before is held, and nothing is said twice."""
    found = news(
        delta(0, name="get_"),
        delta(0, name="tide"),
        delta(0, '{"a"'),
        delta(0, ":1", id="c"),
        delta(0, "", name="get_tide", id="c"),
        delta(0, "}", name="get_tide", id="c"),
        call(0, "c", "get_tide", '{"a":1}'),
        call(0, "c", "get_tide", '{"a":1}'),
    )
    assert found == [
        delta(0, '{"a":1', id="c", name="get_tide"),
        delta(0, "}", id="c"),
        call(0, "c", "get_tide", '{"a":1}'),
    ]


@pytest.mark.parametrize(
    "fragments",
    [
        [delta(0, name="tide"), delta(0, "{}", name="tide", id="c")],
        [delta(0, name="ti", id="c"), delta(0, "{}", name="de")],
    ],
)
def test_a_name_is_whole_when_the_call_begins(fragments: Records) -> None:
    """One that is repeated is no further piece, and the ID alone begins nothing."""
    assert news(*fragments) == [delta(0, "{}", id="c", name="tide")]


def test_a_whole_call_brings_what_its_fragments_have_not() -> None:
    """All of it where there were none, the rest where there were some; an ID that was told stays."""
    assert news(call(0, "c", "now", "")) == [delta(0, "", id="c", name="now"), call(0, "c", "now", "")]
    assert news(delta(0, "{", id="c", name="now"), call(0, "d", "now", "{}")) == [
        delta(0, "{", id="c", name="now"),
        delta(0, "}", id="c"),
        call(0, "c", "now", "{}"),
    ]


def test_calls_are_numbered_as_they_come() -> None:
    """Each choice counts for itself, whatever numbers the records bear."""
    found = news(
        delta(4, "{}", id="a", name="now"),
        delta(1, "{}", id="b", name="now"),
        delta(3, "{}", id="c", name="now", choice=1),
        delta(4, " ", id="a"),
    )
    assert [(one["index"], one["id"], one.get("choice")) for one in found] == [
        (0, "a", None),
        (1, "b", None),
        (0, "c", 1),
        (0, "a", None),
    ]


def test_a_call_that_never_began_is_told_at_the_end() -> None:
    """With an ID of its place where it has none."""
    found = news(delta(0, "{}", name="now"), delta(1, "{}", id="c", choice=1), DONE)
    assert found == [
        delta(0, "{}", id="call_0_0", name="now"),
        delta(0, "{}", id="c", name="", choice=1),
        DONE,
    ]


def test_a_call_in_a_snapshot() -> None:
    """What is held or told of it is not told again, and it is whole only once it was complete."""
    begun = [delta(0, '{"a"', id="c", name="now")]
    growing = snapshot(*begun, delta(0, ":"))
    assert news(*begun, growing)[1:] == [delta(0, ":", id="c")]
    assert news(delta(0, name="no"), growing) == [delta(0, '{"a":', id="c", name="now")]
    complete = snapshot(*begun, call(0, "c", "now", '{"a":1}'))
    assert news(*begun, complete)[1:] == [delta(0, ":1}", id="c"), call(0, "c", "now", '{"a":1}')]
    assert news(complete) == [delta(0, '{"a":1}', id="c", name="now"), call(0, "c", "now", '{"a":1}')]


@given(st.lists(st.sampled_from([*ALL, text("ü"), delta(0, "x", id="c", name="now"), RESTARTED])), st.data())
def test_news_lead_to_the_state_that_records_lead_to(records: Records, data: st.DataObject) -> None:
    """Wherever a snapshot stands for a part of them, of which the reader has had some."""
    first = data.draw(st.integers(0, len(records)))
    last = data.draw(st.integers(first, len(records)))
    given_ = [*records[:first], snapshot(*records[:last]), *records[last:]]
    states = [snapshot(*found) for found in (news(*given_), news(*records), records)]
    for state in states:
        del state["restarted"]  # of several at once the last is told
    assert states == [states[0]] * 3
