"""Bodies of other servers, and hard ones of OpenRouter: what each must give, written beside it by hand."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from chat.assembling import Assembled, read_body

from sseor.chat import CompletedChoice, Completion, Reasoning, Text, ToolCallDelta, codec
from sseor.wire import Comment, Decoder

BODIES = Path(__file__).parent.parent / "data" / "bodies"
NAMES = sorted(path.stem for path in BODIES.glob("*.sse"))


def body_of(name: str) -> bytes:
    """Return the body."""
    return (BODIES / f"{name}.sse").read_bytes()


def expected_of(name: str) -> dict[str, Any]:
    """Return what must come of it; fields that a file leaves out are not of interest there."""
    expected: dict[str, Any] = json.loads((BODIES / f"{name}.json").read_text())
    return expected


def shown_choice(choice: CompletedChoice) -> dict[str, Any]:
    """Return a choice in the form of the files."""
    calls = [[call.index, call.id, call.name, call.arguments] for call in choice.tool_calls]
    return {**choice.to_dict(), "tool_calls": calls, "images": [image.url for image in choice.images]}


def shown(assembled: Assembled, comments: int) -> dict[str, Any]:
    """Return what was assembled, in the form of the files."""
    completion, reader = assembled.completion, assembled.reader
    usage = completion.usage
    return {
        **completion.to_dict(),
        "choices": [shown_choice(choice) for choice in completion.choices],
        "complete": completion.verdict.complete,
        "cached_tokens": usage and usage.cached_tokens,
        "reasoning_tokens": usage and usage.reasoning_tokens,
        "done": reader.done,
        "unterminated": reader.unterminated,
        "truncated": reader.truncated,
        "comments": comments,
        "events": Counter(type(event).__name__ for event in assembled.events),
        "message": completion.message,
    }


def check(expected: Any, found: Any, place: str) -> None:
    """Compare what is expected with what was found, field by field; arrays as a whole."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping) and not place.endswith(".message"):
        for name, value in expected.items():
            check(value, found[name], f"{place}.{name}")
    elif isinstance(expected, list) and place.endswith(".choices"):
        assert len(found) == len(expected), place
        for number, value in enumerate(expected):
            check(value, found[number], f"{place}[{number}]")
    else:
        assert found == expected, place


def check_body(name: str, cuts: Iterable[int] = ()) -> Assembled:
    """Read a body, compare it with what is expected, and return what it gave."""
    body, expected = body_of(name), expected_of(name)
    expected.pop("shows")
    assembled = read_body(body, cuts)
    comments = sum(isinstance(item, Comment) for item in Decoder().feed(body))
    check(expected, shown(assembled, comments), name)
    return assembled


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("decoder", ["json", "orjson", "msgspec"])
def test_each_body_gives_what_stands_beside_it(name: str, decoder: str) -> None:
    """Whole and byte by byte, with every JSON decoder: text, calls, reasoning, media, usage, failure and message."""
    codec.select(decoder)
    try:
        whole = check_body(name)
        assert check_body(name, range(len(body_of(name)))).events == whole.events
    finally:
        codec.select()


@pytest.mark.parametrize("name", NAMES)
def test_random_pieces_change_nothing(name: str) -> None:
    """In pieces of any size a body gives the same events and the same completion."""
    body, whole = body_of(name), read_body(body_of(name))
    chance = random.Random(name)
    for _ in range(30):
        pieces = read_body(body, [chance.randrange(len(body)) for _ in range(chance.randint(1, 60))])
        assert (pieces.events, pieces.completion) == (whole.events, whole.completion)


@pytest.mark.parametrize("name", NAMES)
def test_a_body_that_ends_anywhere_makes_nothing_up(name: str) -> None:
    """Of a body cut at any byte each choice has a beginning of its text, and the events join to it."""
    body = body_of(name)
    texts = {choice.index: choice.text for choice in read_body(body).completion.choices}
    for end in range(0, len(body), 7):
        cut = read_body(body[:end])
        for choice in cut.completion.choices:
            assert texts[choice.index].startswith(choice.text.removesuffix("\ufffd"))
            for kind, joined in ((Text, choice.text), (Reasoning, choice.reasoning)):
                deltas = [event.delta for event in cut.of(kind) if event.choice == choice.index]
                assert "".join(deltas) == joined
            for call in choice.tool_calls:
                slices = [event.arguments for event in cut.of(ToolCallDelta) if event.index == call.index]
                assert "".join(slices) == call.arguments


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_a_body_is_lost_on_the_way_to_a_file(name: str) -> None:
    """`to_dict` and `from_dict` through JSON give an equal completion, whose message and reprs are the same."""
    completion = read_body(body_of(name)).completion
    again = Completion.from_dict(codec.loads_exact(codec.dumps(completion.to_dict()).decode()))
    assert (again, again.message, repr(again)) == (completion, completion.message, repr(completion))
    assert "SECRET PROMPT" not in repr(completion) + json.dumps(completion.to_dict())


def test_the_bodies_are_those_that_are_known() -> None:
    """Each body has its expectation, which says what it shows."""
    assert len(NAMES) >= 16
    assert {path.stem for path in BODIES.glob("*.json")} == set(NAMES)
    assert all(expected_of(name)["shows"].endswith(".") for name in NAMES)
