"""`sseor.conformance.process`: whatever an adapter does, there is an answer or a reason, and nothing stays behind."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sseor.conformance import process
from sseor.conformance.process import AdapterProcess, CrashedError, HungError, bridge_command

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")

PRELUDE = """
import json, os, subprocess, sys, time
def say(**value): print(json.dumps(value), flush=True)
def requests():
    for line in sys.stdin: yield json.loads(line)
"""
HELLO = "say(protocol=1, name='scripted', version='7')\n"
ECHO = (
    HELLO
    + "for asked in requests(): say(play=asked['play'], items=[], last_event_id=str(len(asked['reads'])))\n"
)


@contextlib.contextmanager
def adapter(program: str, **options: int) -> Iterator[AdapterProcess]:
    """Give an adapter that is this Python program."""
    with AdapterProcess([sys.executable, "-c", PRELUDE + program], **options) as asked:
        yield asked


def test_one_process_answers_many_plays() -> None:
    """The hello is kept, reads arrive as they are, and the same process goes on."""
    with adapter(ECHO) as asked:
        for count in range(3):
            assert asked.ask([b"x"] * count, 20).last_event_id == str(count)
        assert asked.hello is not None
        assert (asked.hello.name, asked.hello.version) == ("scripted", "7")


def test_a_decoder_in_python() -> None:
    """The bridge is an adapter like any other, and finds modules where this process does."""
    with AdapterProcess(bridge_command("conformance.toys:Toy")) as asked:
        answer = asked.ask([b"id: 1\ndata: x\n", b"\n"], 20)
        assert [(item.after, getattr(item, "data", None)) for item in answer.items] == [(2, "x")]
        assert (answer.last_event_id, answer.reconnection_time) == ("1", None)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("", "it ended with code 0"),
        ("print('last words', file=sys.stderr); sys.exit(3)", "it ended with code 3; its last words: last words"),
        (HELLO + "next(requests()); os.kill(os.getpid(), 9)", "it was ended by SIGKILL"),
        (HELLO + "next(requests()); os.close(1); time.sleep(60)", "it closed its output"),
        (HELLO + "sys.stdin.close(); os.close(0); os._exit(0)", "it ended with code 0"),
        ("say(protocol=2)", "speaks protocol 2"),
        (HELLO + "say(play=next(requests())['play'], items=5)", "malformed: items is no list"),
        (HELLO + "next(requests())\nwhile True: print('x' * 65536)", "more than 1048576 bytes that are no answer"),
        (HELLO + "next(requests())\nwhile True: print('{' + 'x' * 65536, end='')", "a line of more than"),
    ],
)  # fmt: skip
def test_an_adapter_that_crashes(program: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end, its output beyond bounds and its broken answers are one error each, which says why."""
    monkeypatch.setattr(process, "LONGEST_LINE", 4 << 20)
    with adapter(program) as asked, pytest.raises(CrashedError, match=reason):
        asked.ask([b"x" * 200_000], 20)


def test_a_command_that_is_none() -> None:
    """What cannot be started is an error that names it."""
    with AdapterProcess(["/no/such/program"]) as asked, pytest.raises(CrashedError, match="/no/such/program"):
        asked.ask([], 20)


def test_noise_is_skipped() -> None:
    """Other lines, JSON or not, are no answers, also before the hello."""
    noise = "print('noise'); say(other=1); print('{'); print('[1]'); say(play=99)\n"
    program = noise + HELLO + f"for asked in requests():\n {noise} \n say(play=asked['play'])"
    with adapter(program) as asked:
        for _ in range(3):
            assert asked.ask([], 20).items == ()


def test_an_adapter_that_hangs_is_ended_and_started_again() -> None:
    """A play that takes too long ends the process with its children, within bounds, and the next has a new one."""
    program = (
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "say(protocol=1, name=str(child.pid))\n"
        "for asked in requests():\n if asked['reads']: time.sleep(60)\n say(play=asked['play'])"
    )
    with adapter(program) as asked:
        asked.ask([], 20)
        assert asked.hello is not None
        child = int(asked.hello.name)
        began = time.monotonic()
        with pytest.raises(HungError):
            asked.ask([b"x"], 0.3)
        assert time.monotonic() - began < 20
        until = time.monotonic() + 10
        while Path(f"/proc/{child}/stat").exists() and time.monotonic() < until:
            if Path(f"/proc/{child}/stat").read_text().split()[2] == "Z":  # dead, and not yet buried by init
                break
            time.sleep(0.02)
        else:
            assert not Path(f"/proc/{child}").exists()
        asked.ask([], 20)
        assert asked.hello.name != str(child)


def test_an_adapter_that_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a hello it is waited for, but not for ever."""
    monkeypatch.setattr(process, "START", 0.3)
    with adapter("time.sleep(60)") as asked, pytest.raises(HungError):
        asked.ask([], 20)


def test_an_adapter_that_grows() -> None:
    """Memory beyond the limit ends it, long before its time is over."""
    program = HELLO + "hoard = [next(requests())]\nwhile True: hoard.append(bytearray(b'x' * (1 << 20)))"
    with adapter(program, memory_limit=100 << 20) as asked, pytest.raises(CrashedError, match="100 MiB"):
        asked.ask([], 30)


def test_an_adapter_whose_child_grows() -> None:
    """A shell or a launcher is no way around the limit: what it started is counted, and ended with it."""
    program = (
        PRELUDE + HELLO + "hoard = [next(requests())]\nwhile True: hoard.append(bytearray(b'x' * (1 << 20)))"
    )
    command = ["sh", "-c", f'{sys.executable} -c "$PROGRAM"; true']
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROGRAM", program)
        with (
            AdapterProcess(command, memory_limit=100 << 20) as asked,
            pytest.raises(CrashedError, match="100 MiB"),
        ):
            asked.ask([], 30)


def test_noise_counts_for_its_play_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that says a little in each play may do so for ever."""
    monkeypatch.setattr(process, "NOISE", 1000)
    with adapter(HELLO + "for asked in requests(): print('x' * 400); say(play=asked['play'])") as asked:
        for _ in range(5):
            assert asked.ask([], 20).items == ()


def test_no_time_counts_between_plays() -> None:
    """Only a play has a deadline: what passes between two of them ends nothing."""
    with adapter(ECHO) as asked:
        asked.ask([], 20)
        asked.ask([], 0.2)
        time.sleep(0.4)
        assert asked.ask([], 20).last_event_id == "0"


def test_closing_twice_and_before_the_start() -> None:
    """There may be nothing to close."""
    never = AdapterProcess(["nothing"])
    never.close()
    with adapter(ECHO) as asked:
        asked.ask([], 20)
        asked.close()


def test_without_proc_memory_is_not_known() -> None:
    """Where the kernel does not tell, nothing is ended for its memory."""
    assert process._memory(os.getpid()) > 1 << 20
    assert process._memory(2**22 + 1) == 0


def test_without_groups_the_process_itself_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that knows no process groups ends the adapter alone."""
    with adapter(HELLO + "time.sleep(60)") as asked:
        monkeypatch.delattr(os, "killpg")
        with pytest.raises(HungError):
            asked.ask([], 0.2)
