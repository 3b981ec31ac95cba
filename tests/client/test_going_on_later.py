"""Answers saved while they grow, and continued later: with a partial in hand, from a file, in another process."""

from __future__ import annotations

import itertools
import os
import warnings
from pathlib import Path
from typing import Any

import anyio
import pytest
from shells import KEY, PROMPT, SHELLS, read

import sseor
from sseor.errors import ConfigError, ConnectionLostError, MisuseError, ResumeError
from sseor.testing import Act, Cut, LoopbackServer, Role, Say, Stall, Status, answer, in_turn, play

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")

FIRST, SECOND = "The tide follows the moo", "n, and the harbour knows it."
MODEL = "sseor/demo"


def cut_then_rest() -> Any:
    """Return a server that cuts the first answer, and gives the rest to whoever asks for it."""
    return in_turn(play(Role(), Say(*FIRST), Cut()), play(*answer(SECOND)))


def go_on(shell: str, base_url: str, source: Any, **options: Any) -> tuple[str, sseor.Completion]:
    """Resume on this shell; return the new text and the whole answer."""
    if shell == "threads":
        with (
            sseor.Client(api_key=KEY, base_url=base_url) as client,
            client.resume(source, **options) as stream,
        ):
            return "".join(stream.text), stream.completion

    async def main() -> tuple[str, sseor.Completion]:
        async with (
            sseor.AsyncClient(api_key=KEY, base_url=base_url) as client,
            client.resume(source, **options) as stream,
        ):
            return "".join([piece async for piece in stream.text]), stream.completion

    return anyio.run(main, backend=shell)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_partial_in_hand_goes_on(shell: str) -> None:
    """The partial of an error knows its request: it can be continued, and hands out what is new."""
    with LoopbackServer(cut_then_rest()) as server:
        outcome = read(shell, server.base_url)
        assert isinstance(outcome.error, ConnectionLostError)
        new, completion = go_on(shell, server.base_url, outcome.error.partial)
        asked = [request.json()["messages"] for request in server.requests]
    assert new == SECOND
    assert completion.text == FIRST + SECOND
    assert asked == [PROMPT, [*PROMPT, {"role": "assistant", "content": FIRST}]]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_saved_answer_goes_on(shell: str, tmp_path: Path) -> None:
    """The file holds what came and is brought up to date by who goes on with it; the key is not in it."""
    file = tmp_path / "tides.json"
    with LoopbackServer(cut_then_rest()) as server:
        outcome = read(shell, server.base_url, parameters={"save_to": file})
        assert isinstance(outcome.error, ConnectionLostError)
        saved = sseor.load(file)
        assert saved.text == FIRST
        assert not saved.verdict.complete
        new, completion = go_on(shell, server.base_url, file, model=MODEL, messages=PROMPT)
    assert new == SECOND
    assert sseor.load(file) == completion
    assert completion.text == FIRST + SECOND
    assert completion.verdict.complete
    assert os.listdir(tmp_path) == ["tides.json"]
    assert KEY not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("shell", SHELLS)
def test_it_is_saved_while_it_grows(shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon after a piece came it is on the disk, although the stream goes on."""
    monkeypatch.setattr("sseor.stream.keeping.SAVE_SECONDS", 0.05)  # a slow disk has the rest of the stalls
    file = tmp_path / "tides.json"
    seen: list[str] = []

    def look(item: Any) -> None:
        if isinstance(item, sseor.Text):
            seen.append(sseor.load(file).text if file.exists() else "")

    acts: tuple[Act, ...] = (
        Role(),
        Say("one "),
        Stall(0.6),
        Say("two "),
        Stall(0.6),
        Say("three"),
        *answer()[-3:],
    )
    with LoopbackServer(play(*acts)) as server:
        outcome = read(shell, server.base_url, parameters={"save_to": file}, on_item=look)
    assert outcome.error is None
    assert seen[1:] == ["one ", "one two "]
    assert sseor.load(file).text == "one two three"


@pytest.mark.parametrize("shell", SHELLS)
def test_leaving_early_saves_too(shell: str, tmp_path: Path) -> None:
    """A stream that is closed in the middle leaves in its file all that had come."""
    file = tmp_path / "tides.json"

    class EnoughError(Exception):
        """Leave."""

    def leave(item: Any) -> None:
        if isinstance(item, sseor.Text) and item.delta == "two":
            raise EnoughError

    with LoopbackServer(play(Role(), Say("one ", "two"), Stall(60))) as server:
        with pytest.raises(EnoughError):
            read(shell, server.base_url, parameters={"save_to": file}, on_item=leave)
        assert server.wait_idle(5)
    assert sseor.load(file).text == "one two"


@pytest.mark.parametrize("shell", SHELLS)
def test_an_unfinished_answer_is_not_overwritten(shell: str, tmp_path: Path) -> None:
    """Asking again into the same file is refused before any request; once the answer is whole, it is not."""
    file = tmp_path / "tides.json"
    with LoopbackServer(cut_then_rest()) as server:
        read(shell, server.base_url, parameters={"save_to": file})
        before = file.read_bytes()
        outcome = read(shell, server.base_url, parameters={"save_to": file})
        assert isinstance(outcome.error, ConfigError)
        assert file.read_bytes() == before
        assert len(server.requests) == 1
        go_on(shell, server.base_url, file)
        assert read(shell, server.base_url, parameters={"save_to": file}).error is None
    assert sseor.load(file).text == SECOND


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("opening", [Status(503, {"error": {"code": 503, "message": "busy"}}), Cut()])
def test_an_answer_of_which_nothing_came(shell: str, opening: Act, tmp_path: Path) -> None:
    """Going on with it asks its question, and so may whoever uses its file: there is nothing to be lost."""
    file = tmp_path / "tides.json"
    with LoopbackServer(
        in_turn(play(Role(), opening), play(*answer(FIRST)), play(*answer(SECOND)))
    ) as server:
        outcome = read(shell, server.base_url, parameters={"save_to": file})
        assert outcome.error is not None
        assert outcome.error.partial is not None
        assert go_on(shell, server.base_url, outcome.error.partial)[0] == FIRST
        new, completion = go_on(shell, server.base_url, file)
        assert new == completion.text == SECOND
        assert [request.json()["messages"] for request in server.requests] == [PROMPT] * 3
    assert sseor.load(file).text == SECOND


def test_a_file_that_holds_nothing_is_written_anew(tmp_path: Path) -> None:
    """It may be that of another question, too."""
    file = tmp_path / "tides.json"
    sseor.save(partial(choices=[]), file)
    with LoopbackServer(play(*answer(FIRST))) as server:
        assert read("threads", server.base_url, parameters={"save_to": file}).text == FIRST
    assert sseor.load(file).text == FIRST


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system refuses at the start is a wrong argument, told before any request."""
    monkeypatch.setattr("sseor.client.shell.Saver", refuse)
    with LoopbackServer(play(*answer("Low"))) as server:
        outcome = read("threads", server.base_url, parameters={"save_to": tmp_path / "tides.json"})
        assert not server.requests
    assert isinstance(outcome.error, ConfigError)
    assert "Read-only file system" in str(outcome.error)


def refuse(path: Any) -> Any:
    """Fail as a read-only disk does."""
    raise OSError(30, "Read-only file system")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("every", [0, 3600], ids=["each delivery", "first and last"])
@pytest.mark.parametrize("good", [0, 1])
def test_a_disk_that_fails_costs_one_warning(
    shell: str, every: float, good: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream goes on to its end, whichever save fails; what was saved before stays, and its file is free."""
    replace, calls = os.replace, itertools.count()

    def fill_up(source: str, target: str) -> None:
        if next(calls) >= good:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr("sseor.client.saving.os.replace", fill_up)
    monkeypatch.setattr("sseor.stream.keeping.SAVE_SECONDS", every)
    with LoopbackServer(play(*answer("Low", " water"))) as server:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            outcome = read(shell, server.base_url, parameters={"save_to": tmp_path / "tides.json"})
    assert outcome.error is None
    assert outcome.text == "Low water"
    assert ["No space left on device" in str(warning.message) for warning in told] == [True]
    assert os.listdir(tmp_path) == ["tides.json"] * good


def partial(**changes: Any) -> sseor.Completion:
    """Return a partial as an error carries it."""
    with LoopbackServer(cut_then_rest()) as server:
        outcome = read("threads", server.base_url)
    found = outcome.error.partial if outcome.error else None
    assert isinstance(found, sseor.Completion)
    return sseor.Completion.from_dict({**found.to_dict(), **changes})


@pytest.mark.parametrize(
    ("changes", "arguments", "told"),
    [
        ({"request": None}, {}, "does not know its request"),
        ({}, {"model": "another/model"}, "another request"),
        ({}, {"messages": [{"role": "user", "content": "Bye"}]}, "another request"),
        ({"request": {"model": "m", "messages": []}}, {}, "messages must not be empty"),
        ({"choices": [{"reasoning": "Hm"}]}, {}, "cannot be continued: nothing but reasoning had come"),
        ({"choices": [{"text": "Low", "refusal": "No"}]}, {}, "cannot be continued: the model refused"),
    ],
)
def test_what_cannot_be_gone_on_with(changes: Any, arguments: Any, told: str) -> None:
    """Each is refused with a plain sentence, before any network."""
    with sseor.Client(base_url="http://127.0.0.1:9/v1") as client:
        with pytest.raises((ResumeError, ConfigError), match=told):
            client.resume(partial(**changes), **arguments)


def test_a_whole_answer_is_not_continued() -> None:
    """There is nothing to go on with, unless it stopped at its length limit."""
    with LoopbackServer(
        in_turn(play(*answer("Low")), play(*answer(FIRST, finish="length")), play(*answer(SECOND)))
    ) as server:
        with sseor.Client(base_url=server.base_url) as client:
            whole = client.stream(model=MODEL, messages=PROMPT)
            assert "".join(whole.text) == "Low"
            with pytest.raises(ResumeError, match="whole"):
                client.resume(whole.completion)
            limited = client.stream(model=MODEL, messages=PROMPT)
            assert "".join(limited.text) == FIRST
            with client.resume(limited.completion) as stream:
                assert "".join(stream.text) == SECOND
            assert stream.completion.text == FIRST + SECOND


@pytest.mark.parametrize(
    "options", [{"on_cut": "repeat"}, {"continue_on_length": -1}, {"continue_on_length": True}]
)
def test_arguments_that_cannot_be_meant(options: Any) -> None:
    """They are told at once."""
    with sseor.Client(base_url="http://127.0.0.1:9/v1") as client, pytest.raises(ConfigError):
        client.stream(model=MODEL, messages=PROMPT, **options)


def test_a_file_that_another_went_on_with_in_the_meantime(tmp_path: Path) -> None:
    """A stream that was made before another brought the file further is refused, not let to double the text."""
    file = tmp_path / "tides.json"
    with LoopbackServer(cut_then_rest()) as server:
        read("threads", server.base_url, parameters={"save_to": file})
        with sseor.Client(base_url=server.base_url) as client:
            late = client.resume(file)
            with client.resume(file) as first:
                assert "".join(first.text) == SECOND
            with late, pytest.raises(ResumeError, match="changed in the meantime"):
                next(iter(late))


def test_a_stream_that_is_never_read_holds_nothing(tmp_path: Path) -> None:
    """Its file is opened with its first item."""
    with sseor.Client(base_url="http://127.0.0.1:9/v1") as client:
        client.stream(model=MODEL, messages=PROMPT, save_to=tmp_path / "tides.json")
        closed = client.stream(model=MODEL, messages=PROMPT, save_to=tmp_path / "tides.json")
        closed.close()
        with pytest.raises(MisuseError):
            next(iter(closed))
    assert os.listdir(tmp_path) == []
