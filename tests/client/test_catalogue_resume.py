"""Faults of continuing a cut answer: what a model repeats, what a server refuses, what becomes of saved partials."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from catalogue import Seen, across_shells, comes_true, each_shell, look_at, nothing_is_left, retrying
from shells import KEY, PROMPT, read

import sseor
from sseor.errors import (
    ConnectionLostError,
    EndedEarlyError,
    GenerationError,
    ResumeError,
    StallError,
    StatusError,
)
from sseor.testing import (
    Act,
    Body,
    Call,
    Comment,
    Cut,
    Event,
    Fail,
    LoopbackServer,
    Reset,
    Role,
    Say,
    Silence,
    Stall,
    Status,
    answer,
    in_turn,
    play,
)

__all__ = ["nothing_is_left"]
pytestmark = pytest.mark.usefixtures("nothing_is_left")

TRUTH = (
    "The tide follows the moon, which passes overhead fifty minutes later each day. "
    "Low water therefore comes later, too; a harbour master keeps a table of it, and sailors keep a copy."
)
AT = 61
"""Where the answer is cut: in the middle of a word."""
BEGUN, REST = TRUTH[:AT], TRUTH[AT:]
PREFILL_REFUSED = Status(
    400, {"error": {"code": 400, "message": "assistant message prefill is not supported"}}
)


def cut(*pieces: str, by: tuple[Act, ...] = (Cut(),)) -> tuple[Act, ...]:
    """Return an answer that is cut after these pieces."""
    return (Role(), Say(*pieces), *by)


def resumed(
    shell: str, *plays: tuple[Act, ...], policy: sseor.RetryPolicy | None = None, **options: Any
) -> Seen:
    """Look at one answer that is resumed, of a server that performs these plays in turn; the last one stays."""
    retries = retrying(3) if policy is None else policy
    respond = in_turn(*(play(*acts) for acts in plays))
    return look_at(shell, respond, retries=retries, parameters={"on_cut": "resume"}, **options)


def sent(seen: Seen) -> list[list[dict[str, Any]]]:
    """Return what followed the question in each request's messages."""
    return [request.json()["messages"][len(PROMPT) :] for request in seen.requests]


def given_up(seen: Seen, kind: type[sseor.SseorError]) -> sseor.SseorError:
    """Return the error that ended a stream, which has kept what came before the cut."""
    assert type(seen.error) is kind, repr(seen.error)
    assert seen.error.partial is not None
    assert seen.error.partial.text == seen.text == BEGUN
    return seen.error


@each_shell
@pytest.mark.parametrize(
    ("by", "cause"),
    [
        ((Cut(),), ConnectionLostError),
        ((), EndedEarlyError),
        ((Comment(), Stall(0.2), Reset()), ConnectionLostError),
        ((Fail(502, "down"),), GenerationError),
        ((Silence(),), StallError),
    ],
    ids=["fin", "end", "rst", "failure", "stall"],
)
def test_row_95_it_goes_on_exactly(shell: str, by: tuple[Act, ...], cause: type[Exception]) -> None:
    """Whatever cuts it, what came is sent back, and the caller gets one text, each character once."""
    plays = cut(BEGUN[:30], BEGUN[30:], by=by), answer(REST[:20], REST[20:])
    seen = resumed(shell, *plays, timeouts=sseor.Timeouts(stall=0.5))
    assert seen.text == seen.whole.text == TRUTH
    assert sent(seen) == [[], [{"role": "assistant", "content": BEGUN}]]
    (event,) = seen.of(sseor.Resumed)
    assert (event.attempt, type(event.cause)) == (2, cause)
    kinds = [type(item) for item in seen.items]
    assert kinds.index(sseor.Retrying) < kinds.index(sseor.Resumed)
    assert [item.reason for item in seen.of(sseor.Finished)] == ["stop"]
    assert [(seam.position, seam.removed, seam.doubtful) for seam in seen.whole.verdict.seams] == [
        (AT, 0, "")
    ]
    assert [generation.finish_reason in (None, "error") for generation in seen.whole.generations] == [
        True,
        False,
    ]
    assert not seen.whole.verdict.saw_usage  # the first generation never reported any


@across_shells("repeated", [BEGUN[-20:], BEGUN, "Sure, continuing from there: " + BEGUN[-25:]])
def test_row_96_a_repetition_is_left_out(shell: str, repeated: str) -> None:
    """The last words, the whole once more, and a preamble before the last words never reach the caller."""
    seen = resumed(shell, cut(BEGUN), answer(repeated[:10], repeated[10:] + REST[:40], REST[40:]))
    assert seen.text == seen.whole.text == TRUTH
    assert not seen.whole.verdict.doubtful_seams
    assert seen.whole.verdict.seams[0].removed >= 12


@across_shells(("opening", "doubt"), [(BEGUN[-4:], "overlap of 4"), ("Certainly! It goes on: ", "preamble")])
def test_row_96_what_may_be_one_is_flagged(shell: str, opening: str, doubt: str) -> None:
    """A few characters may be meant, and a preamble without a repetition may be the text: they are kept and flagged."""
    seen = resumed(shell, cut(BEGUN), answer(opening + REST))
    assert seen.text == BEGUN + opening + REST
    assert doubt in seen.whole.verdict.doubtful_seams[0].doubtful


@each_shell
def test_row_97_it_starts_over(shell: str) -> None:
    """Another answer is not appended: it is asked for by instruction once, then given up, and both texts are kept."""
    other = TRUTH[:40] + "sun, and that is quite another story, told at another time."
    seen = resumed(shell, cut(BEGUN), answer(other))
    error = given_up(seen, ResumeError)
    assert isinstance(error, ResumeError)
    assert error.continuation.startswith(TRUTH[:40])
    assert [messages[-1:] and messages[-1]["role"] for messages in sent(seen)] == [[], "assistant", "user"]


@each_shell
def test_row_98_it_is_unrelated(shell: str) -> None:
    """What nobody can tell from a continuation passes for one: the seam is on record, the caller decides."""
    seen = resumed(shell, cut(BEGUN), answer(" Bananas are yellow."))
    assert seen.text == BEGUN + " Bananas are yellow."
    assert len(seen.of(sseor.Resumed)) == 1
    assert [seam.position for seam in seen.whole.verdict.seams] == [AT]


@each_shell
def test_row_99_it_is_refused(shell: str) -> None:
    """A refusal ends the stream, with its reason chained and every character kept."""
    seen = resumed(shell, cut(BEGUN), (Status(403, {"error": {"code": 403, "message": "flagged"}}),))
    error = given_up(seen, ResumeError)
    assert isinstance(error.__cause__, StatusError)
    assert "flagged" in str(error)
    assert error.attempts == seen.attempts == 2


@each_shell
def test_row_100_cut_again_and_again_with_progress(shell: str) -> None:
    """Each continuation that brought text starts the count of attempts anew."""
    pieces = [TRUTH[at : at + 18] for at in range(0, len(TRUTH), 18)]
    policy = retrying(2, max_attempts=20)
    seen = resumed(shell, *map(cut, pieces[:-1]), answer(pieces[-1]), policy=policy)
    assert seen.text == seen.whole.text == TRUTH
    assert [item.attempt for item in seen.of(sseor.Resumed)] == list(range(2, len(pieces) + 1))
    assert seen.attempts == len(pieces)


@each_shell
def test_row_101_cut_again_and_again_without_progress(shell: str) -> None:
    """Continuations that bring nothing are counted like any retry."""
    seen = resumed(shell, cut(BEGUN), (Role(), Cut()))
    error = given_up(seen, ConnectionLostError)
    assert error.attempts == seen.attempts == 1 + 3


def resume(shell: str, base_url: str, source: Any, **options: Any) -> sseor.Completion:
    """Go on with a saved answer on this shell, to its end."""
    if shell == "threads":
        with (
            sseor.Client(api_key=KEY, base_url=base_url) as client,
            client.resume(source, **options) as stream,
        ):
            list(stream)
            return stream.completion

    async def main() -> sseor.Completion:
        async with (
            sseor.AsyncClient(api_key=KEY, base_url=base_url) as client,
            client.resume(source, **options) as stream,
        ):
            async for _ in stream:
                pass
            return stream.completion

    return anyio.run(main, backend=shell)


def flipped(data: bytes) -> bytes:
    """Return the bytes with one in the middle changed."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@across_shells(
    ("damage", "options", "sentence"),
    [
        (flipped, {}, "damaged or was cut off"),
        (lambda data: data[: len(data) // 2], {}, "damaged or was cut off"),
        (lambda data: b"", {}, "is empty or was cut off"),
        (lambda data: data.replace(b'"version":1,', b'"version":99,', 1), {}, "version 99"),
        (lambda data: b'{"text": "Low"}', {}, "not a saved answer"),
        (bytes, {"model": "another/model"}, "another request"),
        (bytes, {"messages": [{"role": "user", "content": "Bye"}]}, "another request"),
    ],
    ids=["damaged", "half", "empty", "version", "foreign", "model", "messages"],
)
def test_row_102_a_saved_partial_that_is_none(
    shell: str, damage: Callable[[bytes], bytes], options: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    """It is refused with a plain sentence, before any request, and its file stays as it is."""
    file = tmp_path / "tides.json"
    with LoopbackServer(play(*cut(BEGUN))) as server:
        read(shell, server.base_url, parameters={"save_to": file})
        file.write_bytes(damage(file.read_bytes()))
        before = file.read_bytes()
        with pytest.raises(ResumeError, match=sentence):
            resume(shell, server.base_url, file, **options)
        assert len(server.requests) == 1
    assert file.read_bytes() == before


READER = textwrap.dedent(
    """
    import sys, sseor
    url, file, how = sys.argv[1:]
    with sseor.Client(base_url=url) as client:
        messages = [{"role": "user", "content": "Hello"}]
        asked = {"model": "m", "messages": messages, "save_to": file}
        with client.resume(file) if how == "resume" else client.stream(**asked) as stream:
            for text in stream.text:
                print(len(stream.completion.text), flush=True)
    """
)


def reader(server: LoopbackServer, file: Path, how: str) -> subprocess.Popen[bytes]:
    """Return a process that reads an answer into a file, or goes on with the one that is there."""
    command = [sys.executable, "-c", READER, server.base_url, str(file), how]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


@across_shells("lives", [0.7, 1.1, 1.6])
def test_row_103_a_crash_while_saving(shell: str, lives: float, tmp_path: Path) -> None:
    """After SIGKILL at any moment the file is whole in itself, and can be gone on with, each character once."""
    words = [f"{number}:tide " for number in range(400)]
    truth, file = "".join(words), tmp_path / "tides.json"
    pieces = [act for word in words for act in (Say(word), Stall(0.01))]
    with LoopbackServer(play(Role(), *pieces, *answer()[-3:])) as server:
        with reader(server, file, "stream") as process:
            assert process.stdout is not None
            assert comes_true(file.exists, 30)
            time.sleep(lives)
            process.kill()
            shown = [int(line) for line in process.stdout.read().split(b"\n")[:-1]]
        assert server.wait_idle(5)
    saved = sseor.load(file)
    assert truth.startswith(saved.text)
    assert 0 < len(saved.text) <= shown[-1] + len(words[-1])
    with LoopbackServer(play(*answer(truth[len(saved.text.rstrip()) :]))) as server:
        assert resume(shell, server.base_url, file).text == truth
    assert sseor.load(file).verdict.complete
    assert file.stat().st_mode & 0o777 == 0o600


@each_shell
def test_row_104_two_processes_resume_one_partial(shell: str, tmp_path: Path) -> None:
    """One has the file; the other is told, and sends nothing. When the one dies, the other may go on."""
    file = tmp_path / "tides.json"
    stalled = (Role(), Say(REST[:10]), Silence())
    respond = in_turn(play(*cut(BEGUN)), play(*stalled), play(*answer(REST[10:])), play(*answer(REST)))
    with LoopbackServer(respond) as server:
        read(shell, server.base_url, parameters={"save_to": file})
        with reader(server, file, "resume") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"%d\n" % (AT + 10)
            with pytest.raises(ResumeError, match="is being written by another stream or process"):
                resume(shell, server.base_url, file)
            assert len(server.requests) == 2
            process.kill()
        assert TRUTH.startswith(sseor.load(file).text)
        assert resume(shell, server.base_url, file).text.startswith(BEGUN)
        with pytest.raises(ResumeError, match="this answer is whole"):
            resume(shell, server.base_url, file)
        assert len(server.requests) == 3


HALF = '{"choices":[{"index":0,"delta":{"content":"Tides \\ud83e"}}]}'
HALF_EVENT = f"data: {HALF}".replace("Tides", "。").encode()[:51]  # ends within the character


@across_shells(
    ("begun", "sent_back", "rest", "text"),
    [
        ((Event(HALF), Cut()), "Tides", " 🦊 run", "Tides 🦊 run"),
        ((Event(HALF),), "Tides", " 🦊 run", "Tides \ufffd🦊 run"),
        ((Say("Tides \n"), Cut()), "Tides", " \nrun", "Tides \nrun"),
        ((Say("潮汐"), Body(HALF_EVENT), Cut()), "潮汐", "。", "潮汐。"),
    ],
    ids=["half a pair", "what became of it", "blanks", "half an event"],
)
def test_row_105_a_partial_that_ends_in_a_half(
    shell: str, begun: tuple[Act, ...], sent_back: str, rest: str, text: str
) -> None:
    """Half a pair, a half event and the blanks at the end are not sent back; what comes again is shown once."""
    seen = resumed(shell, (Role(), *begun), answer(rest))
    assert sent(seen)[-1] == [{"role": "assistant", "content": sent_back}]
    assert seen.whole.text == text
    assert bool(seen.whole.verdict.doubtful_seams) is ("\ufffd" in text)


@each_shell
def test_row_105_an_open_code_fence(shell: str) -> None:
    """An instruction says that the block is open, so that it is not begun again."""
    fenced = "```python\nprint(1)"
    seen = resumed(shell, cut(fenced), (PREFILL_REFUSED,), answer("\nprint(2)\n```"))
    assert seen.whole.text == fenced + "\nprint(2)\n```"
    assert "code block that is open" in sent(seen)[-1][-1]["content"]


@each_shell
def test_row_105_half_a_tool_call(shell: str) -> None:
    """It cannot be continued, and is kept."""
    seen = resumed(shell, (Role(), Say(BEGUN), Call("now", '{"zone": "U'), Cut()))
    error = given_up(seen, ResumeError)
    assert "tool call" in str(error)
    assert isinstance(error.__cause__, ConnectionLostError)
    assert [call.arguments for call in error.partial.tool_calls] == ['{"zone": "U']  # type: ignore[union-attr]
    assert seen.attempts == 1
