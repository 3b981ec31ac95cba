"""`sseor.relay.formats.shared`, `.state` and `.encoder`: encoded once for all who had the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relay.formats.any_records import answers
from relay.formats.writing import DONE, Reader, lines, text

from sseor.relay.formats.state import State
from sseor.relay.formats.token import TokenEncoder
from sseor.relay.tail import Batch, Tail

NAMES = ("token", "openai", "ai-sdk")


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """Return the batches that are encoded from now on in the format `token`."""
    found: list[Batch] = []
    write = TokenEncoder.write

    def noted(encoder: TokenEncoder, batch: Batch) -> bytes:
        found.append(batch)
        return write(encoder, batch)

    monkeypatch.setattr(TokenEncoder, "write", noted)
    return found


def test_viewers_share_what_is_encoded(encoded: list[Batch]) -> None:
    """However many look: each batch is encoded once."""
    tail = Tail("s", "g")
    readers = [Reader(tail, "token") for _ in range(50)]
    for word in ("Low", " water"):
        tail.add(lines([text(word)]))
        for reader in readers:
            reader.read()
    assert len(encoded) == 2
    assert {reader.data for reader in readers} == {b'data: {"token": "Low"}\n\ndata: {"token": " water"}\n\n'}


def test_one_that_comes_late_joins_the_others(encoded: list[Batch]) -> None:
    """It has its own bytes at first, and theirs from then on."""
    tail = Tail("s", "g")
    first = Reader(tail, "token")
    for word in "abc":
        tail.add(lines([text(word)]))
        first.read()
    late = Reader(tail, "token").read()
    assert len(encoded) == 4
    for word in "de":
        tail.add(lines([text(word)]))
        late.read()
        first.read()
    assert len(encoded) == 6
    assert [event["token"] for event in late.events] == list("abcde")
    assert first.data == late.data


def test_viewers_who_had_something_else_share_nothing() -> None:
    """Those who asked for another model get chunks that name that one."""
    tail = Tail("s", "g")
    readers = [Reader(tail, "openai", {"model": model}) for model in ("a", "b", "a")]
    tail.add(lines([text("Low"), DONE]))
    assert [reader.read().events[0]["model"] for reader in readers] == ["a", "b", "a"]


@pytest.mark.parametrize("name", NAMES)
@given(answers, st.integers(2, 40), st.data())
def test_sharing_changes_nothing(
    name: str, records: list[Mapping[str, Any]], kept: int, data: st.DataObject
) -> None:
    """Each of several readers gets what it would get alone."""
    looks = data.draw(st.lists(st.lists(st.integers(0, 2)), min_size=len(records), max_size=len(records)))

    def read(together: list[int]) -> list[bytes]:
        tail = Tail("s", "g", max_records=kept)
        tail.created = 1
        readers = {number: Reader(tail, name) for number in together}
        for line, looking in zip(lines(records), looks, strict=True):
            tail.add([line])
            for number in looking:
                if number in readers:
                    readers[number].read()
        tail.end(*lines([DONE]))
        return [reader.read().data for reader in readers.values()]

    assert read([0, 1, 2]) == [found for number in range(3) for found in read([number])]


@pytest.mark.parametrize("name", NAMES)
def test_a_viewer_that_cannot_come_back_is_told_that_it_is_cut_off(name: str) -> None:
    """By an error, for itself alone and only while the stream goes on."""
    tail = Tail("s", "g")
    reader, other = Reader(tail, name), Reader(tail, name)
    tail.add(lines([text("Low")]))
    reader.read()
    told = reader.writing.cut()
    assert b"interrupted" in told
    assert reader.writing.over
    assert reader.writing.cut() == b""
    tail.end(*lines([DONE]))
    assert other.read().events[-1] == "[DONE]"
    assert other.writing.cut() == b""


def test_a_state_is_what_it_holds() -> None:
    """A copy is equal until one of them changes, at whatever depth; another kind is never equal."""

    class Other(State):
        pass

    class Inner(State):
        def __init__(self) -> None:
            self.counts = {"a": 1}
            self.inner = Other()

    one = Inner()
    twin = one.copy()
    assert one == twin
    assert one != Other()
    twin.counts["a"] = 2
    assert (one.counts, one == twin) == ({"a": 1}, False)
    again = one.copy()
    again.inner.__dict__["b"] = 1
    assert one != again
    assert vars(one.inner) == {}
