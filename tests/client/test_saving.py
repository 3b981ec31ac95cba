"""`sseor.client.saving`: answers in files, whatever is killed, fails, is damaged or comes in between."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sseor
from sseor.chat import CompletedChoice, Completion, Usage, Verdict
from sseor.client import saving
from sseor.client.saving import Saver, load, save
from sseor.errors import ConfigError, MisuseError, ResumeError

REQUEST = {"model": "m", "messages": [{"role": "user", "content": "When is low water?"}]}
OTHER = {"model": "m", "messages": [{"role": "user", "content": "When is high water?"}]}


def partial(text: str = "Low", **fields: Any) -> Completion:
    """Return an answer that was cut."""
    return Completion(
        **{"choices": [CompletedChoice(text=text)], "generation_id": "gen-1", "request": REQUEST, **fields}
    )


def whole(text: str = "Low water") -> Completion:
    """Return an answer that is complete."""
    return partial(text, verdict=Verdict(saw_finish=True), usage=Usage({"cost": 0.1}))


def open_files() -> int:
    """Return how many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    """The same answer comes back, from one file that only its owner can read; nothing else is left."""
    path = tmp_path / "answer.json"
    for completion in (partial("Lów 🌊"), partial(), whole()):
        save(completion, path)
        assert load(str(path)) == load(path) == completion
    assert os.listdir(tmp_path) == ["answer.json"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert sseor.load is load
    assert sseor.save is save


def test_the_file_is_one_json_document(tmp_path: Path) -> None:
    """Other programs can read it: its format, version and digest, then the completion."""
    path = tmp_path / "answer.json"
    save(partial(), path)
    document = json.loads(path.read_text("ascii"))
    assert list(document) == ["format", "version", "sha256", "completion"]
    assert (document["format"], document["version"]) == ("sseor-completion", 1)
    assert Completion.from_dict(document["completion"]) == partial()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(text=st.text(), prompt=st.text(st.characters()))
def test_any_text_can_be_saved(tmp_path: Path, text: str, prompt: str) -> None:
    """Every character that an answer can hold is kept."""
    completion = Completion([CompletedChoice(text=text)], request={"messages": [{"content": prompt}]})
    path = tmp_path / "answer.json"
    path.unlink(missing_ok=True)
    save(completion, path)
    assert load(path) == completion


def test_half_a_character_in_a_request_is_saved(tmp_path: Path) -> None:
    """A prompt may hold half a surrogate pair; the request is still known again as the same."""
    request = {"model": "m", "messages": [{"role": "user", "content": "\ud83d"}], "stop": ("a", "b")}
    with Saver(tmp_path / "answer.json", request) as saver:
        saver.write(partial(request=request))
    Saver(tmp_path / "answer.json", request).close()


def written(content: bytes, version: int = 1, name: str = "sseor-completion") -> bytes:
    """Return a file with this content and its right digest."""
    digest = hashlib.sha256(content).hexdigest()
    head = f'{{"format":"{name}","version":{version},"sha256":"{digest}","completion":'
    return head.encode() + content + b"}\n"


GOOD = written(json.dumps(partial().to_dict(), separators=(",", ":")).encode())


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty or was cut off"),
        (GOOD[:5], "is empty or was cut off"),
        (GOOD[:60], "is damaged or was cut off"),
        (GOOD[:-1], "is damaged or was cut off"),
        (GOOD[: len(GOOD) // 2], "is damaged or was cut off"),
        (GOOD + b"\n", "is damaged or was cut off"),
        (GOOD.replace(b"Low", b"Bad"), "is damaged or was cut off"),
        (b"\x00" * len(GOOD), "is not a saved answer"),
        (b"\xff\xfe" + GOOD, "is not a saved answer"),
        (b"Dear diary,", "is not a saved answer"),
        (b'{"format":"another"}', "is not a saved answer"),
        (written(b"{}", version=2), "was written in version 2 of the format, this is 1"),
        (written(b"{}"), "holds no answer that this version can read"),
        (written(b"[]"), "holds no answer that this version can read"),
        (written(b"nonsense"), "holds no answer that this version can read"),
        (written(b'"\xff\xfe"'), "holds no answer that this version can read"),
        (written(b"[" * 200_000 + b"]" * 200_000), "holds no answer that this version can read"),
        (written(b'{"choices":5,"verdict":{}}'), "holds no answer that this version can read"),
    ],
)
def test_what_is_no_saved_answer_is_refused(tmp_path: Path, data: bytes, sentence: str) -> None:
    """Each kind of damage has its plain sentence, for loading, resuming and overwriting, and the file stays."""
    path = tmp_path / "answer.json"
    path.write_bytes(data)
    for refused in (load, Saver.resuming):
        with pytest.raises(ResumeError, match=sentence):
            refused(path)
    for refusing in (Saver, lambda path: save(partial(), path)):
        with pytest.raises(ConfigError, match=f"{sentence}; it is not overwritten"):
            refusing(path)
    assert path.read_bytes() == data
    assert os.listdir(tmp_path) == ["answer.json"]


def test_every_byte_flipped(tmp_path: Path) -> None:
    """A wrong bit in any byte is noticed, and the answer refused."""
    path = tmp_path / "answer.json"
    assert len(GOOD) < 3000
    path.write_bytes(GOOD)
    with path.open("r+b", buffering=0) as file:
        for place, byte in enumerate(GOOD):
            os.pwrite(file.fileno(), bytes([byte ^ 1 << place % 8]), place)
            with pytest.raises(ResumeError):
                load(path)
            os.pwrite(file.fileno(), bytes([byte]), place)
    assert load(path) == partial()


def test_every_beginning(tmp_path: Path) -> None:
    """A file that was cut off anywhere is refused."""
    path = tmp_path / "answer.json"
    path.write_bytes(GOOD)
    for length in reversed(range(len(GOOD))):
        os.truncate(path, length)
        with pytest.raises(ResumeError, match="cut off"):
            load(path)


def test_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file, a folder, a pipe and one that is too large are told apart, at once."""
    with pytest.raises(ResumeError, match="there is no file"):
        load(tmp_path / "none.json")
    with pytest.raises(ResumeError, match="there is no file"):
        Saver.resuming(tmp_path / "none.json")
    with pytest.raises(ResumeError, match="not a regular file"):
        load(tmp_path)
    with pytest.raises(ConfigError, match="is a folder"):
        Saver(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ResumeError, match="not a regular file"):
        load(tmp_path / "pipe")
    save(partial(), tmp_path / "answer.json")
    monkeypatch.setattr(saving, "MAX_BYTES", 100)
    with pytest.raises(ResumeError, match="larger than 100 bytes"):
        load(tmp_path / "answer.json")


def test_what_is_no_path(tmp_path: Path) -> None:
    """A path that cannot be one, and a folder that is not there, are mistakes of the caller."""
    for path in (5, None, "a\0b"):
        with pytest.raises(ConfigError, match="name of a file"):
            load(path)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="name of a file"):
            save(partial(), path)  # type: ignore[arg-type]
    for folder in ("none", "file"):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(ConfigError, match="there is no folder"):
            save(partial(), tmp_path / folder / "answer.json")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's reason is told, and nothing stays open."""
    path = tmp_path / "answer.json"
    save(partial(), path)

    def denied(*arguments: Any) -> int:
        raise PermissionError(errno.EACCES, "denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(ResumeError, match="cannot be read: Permission denied"):
        load(path)


def test_an_unfinished_answer_to_another_request_is_not_overwritten(tmp_path: Path) -> None:
    """It may still be resumed; that to the same request, and one without a request, may be replaced."""
    path = tmp_path / "answer.json"
    save(partial(), path)
    before = path.read_bytes()
    for request in (OTHER, None):
        with pytest.raises(ConfigError, match="holds an unfinished answer"):
            Saver(path, request)
        with pytest.raises(ConfigError, match="holds an unfinished answer"):
            save(partial(request=request), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["answer.json"]
    with Saver(path, REQUEST) as saver:
        assert saver.saved == partial()
        saver.write(partial(request=None))
    Saver(path, OTHER).close()


def test_a_finished_answer_is_replaced(tmp_path: Path) -> None:
    """Whatever it answered."""
    path = tmp_path / "answer.json"
    save(whole(), path)
    with Saver(path, OTHER) as saver:
        assert load(path) == whole()
        saver.write(partial("New", request=OTHER))
    assert load(path).text == "New"


def test_a_new_file_appears_with_the_first_write(tmp_path: Path) -> None:
    """Before that there is only the lock, and after `close` nothing can be written."""
    path = tmp_path / "answer.json"
    saver = Saver(path, REQUEST)
    assert os.listdir(tmp_path) == ["answer.json.lock"]
    assert saver.saved is None
    saver.write(partial())
    saver.close()
    saver.close()
    assert os.listdir(tmp_path) == ["answer.json"]
    with pytest.raises(MisuseError):
        saver.write(partial())


def test_two_savers_of_one_file(tmp_path: Path) -> None:
    """The second is told at once, under either name of the file, and takes over when the first has closed."""
    path, link = tmp_path / "answer.json", tmp_path / "link.json"
    link.symlink_to(path)
    with Saver(path, REQUEST) as saver:
        saver.write(partial())
        for other in (path, link):
            with pytest.raises(ConfigError, match="is being written by another"):
                Saver(other, REQUEST)
            with pytest.raises(ResumeError, match="is being written by another"):
                Saver.resuming(other)
    with Saver.resuming(link) as saver:
        assert saver.saved == partial()
        saver.write(whole())
    assert link.is_symlink()
    assert load(path) == whole()


RESUME = """
import sys
from sseor.client.saving import Saver
from sseor.errors import ResumeError
try:
    saver = Saver.resuming(sys.argv[1])
except ResumeError as error:
    print("told", error.detail, flush=True)
else:
    print("won", flush=True)
input()
"""


def test_two_processes_resume_one_answer(tmp_path: Path) -> None:
    """One of them wins, the other is told at once."""
    path = tmp_path / "answer.json"
    save(partial(), path)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RESUME, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        lines = sorted(process.stdout.readline() for process in processes if process.stdout)
    finally:
        for process in processes:
            process.communicate("\n", timeout=30)
    assert lines[0].startswith("told ")
    assert "is being written by another stream or process" in lines[0]
    assert lines[1] == "won\n"


def test_a_file_that_is_removed_before_it_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to resume then, and no lock is left."""
    path = tmp_path / "answer.json"
    save(partial(), path)
    locked = saving._locked

    def late(name: str) -> Any:
        path.unlink()
        return locked(name)

    monkeypatch.setattr(saving, "_locked", late)
    with pytest.raises(ResumeError, match="was removed"):
        Saver.resuming(path)
    assert os.listdir(tmp_path) == []


def test_the_order_of_the_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written, flushed to the disk, renamed, and the folder flushed: so a power failure is harmless."""
    calls: list[str] = []

    def noting(name: str) -> Callable[..., Any]:
        original = getattr(os, name)

        def note(*arguments: Any) -> Any:
            result = original(*arguments)
            calls.append(name if name != "fsync" else f"fsync {kind(arguments[0])}")
            return result

        return note

    def kind(number: int) -> str:
        return "folder" if os.path.isdir(f"/proc/self/fd/{number}") else "file"

    with Saver(tmp_path / "answer.json") as saver:
        for name in ("write", "fsync", "replace"):
            monkeypatch.setattr(os, name, noting(name))
        saver.write(partial())
        monkeypatch.undo()
    assert calls == ["write", "fsync file", "replace", "fsync folder"]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take a part of the bytes at a time."""
    write = os.write
    with Saver(tmp_path / "answer.json") as saver, monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda number, data: write(number, data[:7]))
        saver.write(partial())
    assert load(tmp_path / "answer.json") == partial()


@pytest.mark.parametrize("name", ["open", "write", "fsync", "close", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_each_call_fails_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    """The n-th open, write, flush, close or rename fails: an OSError, the old or the new file, and nothing else."""
    path = tmp_path / "answer.json"
    save(partial("old"), path)
    original, files = getattr(os, name), open_files()
    with Saver(path, REQUEST) as saver:
        for turn in range(1, 10):
            left = [turn]

            def failing(*arguments: Any, left: list[int] = left) -> Any:
                left[0] -= 1
                if left[0] == 0:
                    if name == "close":  # Linux frees the number even where it reports an error
                        original(*arguments)
                    raise OSError(number, "made to fail")
                return original(*arguments)

            monkeypatch.setattr(os, name, failing)
            try:
                saver.write(partial("new"))
            except OSError as error:
                told = error.errno
            else:
                assert left[0] > 0
                break
            finally:
                monkeypatch.setattr(os, name, original)
            assert told == number
            assert load(path).text in ("old", "new")
            assert sorted(os.listdir(tmp_path)) == ["answer.json", "answer.json.lock"]
        else:
            raise AssertionError("writing never succeeded")
        assert turn > 1
        saver.write(partial("newest"))
    assert load(path).text == "newest"
    assert open_files() == files


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupt_while_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """Ctrl-C between two calls leaves the old file and no temporary one."""
    path = tmp_path / "answer.json"
    save(partial("old"), path)

    def interrupt(number: int) -> None:
        raise error

    with Saver(path, REQUEST) as saver, monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        with pytest.raises(error):
            saver.write(partial("new"))
    assert load(path).text == "old"
    assert os.listdir(tmp_path) == ["answer.json"]


def test_a_folder_in_which_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the lock cannot be made, that is the system's error, plainly."""

    def read_only(*arguments: Any) -> int:
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(OSError, match="read-only"):
        Saver(tmp_path / "answer.json")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_flush_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Network file systems refuse it; the answer is saved all the same."""
    fsync = os.fsync

    def of_files_only(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(number, "not for folders")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", of_files_only)
    save(partial(), tmp_path / "answer.json")
    assert load(tmp_path / "answer.json") == partial()


def test_folders_are_not_flushed_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They cannot be opened there."""
    monkeypatch.setattr(saving, "ON_WINDOWS", True)
    opened: list[Any] = []
    original = os.open

    def noting(path: Any, *arguments: Any) -> int:
        opened.append(path)
        return original(path, *arguments)

    with Saver(tmp_path / "answer.json") as saver, monkeypatch.context() as patch:
        patch.setattr(os, "open", noting)
        saver.write(partial())
    assert len(opened) == 1
    assert opened[0].endswith(".tmp")


def test_a_name_as_long_as_can_be(tmp_path: Path) -> None:
    """The temporary file's name does not grow with the file's own."""
    path = tmp_path / ("n" * 250)
    save(partial(), path)
    assert load(path) == partial()


def test_what_killed_writers_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary files of this very file go, those of others stay, and one that cannot be removed does no harm."""
    path = tmp_path / "answer.json"
    mine = Path(f"{saving._leftover_prefix(str(path))}0123.tmp")
    others = [
        Path(f"{saving._leftover_prefix(str(tmp_path / 'other.json'))}0123.tmp"),
        mine.with_suffix(".txt"),
    ]
    for leftover in (mine, *others):
        leftover.write_bytes(b"half")
    Saver(path).close()
    assert sorted(tmp_path.iterdir()) == sorted(others)


KILL = """
import os, random, select, signal, sys, time
from sseor.chat import CompletedChoice, Completion
from sseor.client.saving import Saver, load

path, kills = sys.argv[1], int(sys.argv[2])
random.seed(7)
REQUEST = {"model": "m"}

def write_for_ever(report, number):
    with Saver(path, REQUEST) as saver:
        while True:
            text = f"{number} " * (2000 + number % 50 * 100)
            saver.write(Completion([CompletedChoice(text=text)], request=REQUEST))
            os.write(report, b"%d\\n" % number)
            number += 1

last = 0
for _ in range(kills):
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            write_for_ever(theirs, last + 1)
        finally:
            os._exit(1)
    os.close(theirs)
    select.select([ours], [], [], 30)
    time.sleep(random.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the writer failed"
    with open(ours, "rb") as reports:
        acknowledged = int(reports.read().split()[-1])
    text = load(path).text
    number = int(text.split()[0])
    assert text == f"{number} " * (2000 + number % 50 * 100), "half a version"
    assert number in (acknowledged, acknowledged + 1), (number, acknowledged)
    last = number
Saver(path, REQUEST).close()
assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)], os.listdir(os.path.dirname(path))
"""


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """After `kill -9` the file holds the last version that was finished, or the next one, never half of one."""
    program = [sys.executable, "-c", KILL, str(tmp_path / "answer.json"), "40"]
    finished = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 0, finished.stderr
