"""`sseor serve --redis --workers`: processes that share a port and their streams, whichever of them dies."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from relay.redis_logs import own_redis, redis_program
from relay.redis_server import RedisServer

from sseor.cli import main, workers
from sseor.cli.workers import run_workers
from sseor.testing.openrouter import EXPLANATION
from sseor.wire import Decoder, Event

__all__ = ["own_redis", "redis_program"]

QUESTION = {"messages": [{"role": "user", "content": "Why?"}]}


def children(pid: int) -> list[int]:
    """Return the workers of a process: those of its children that are Python's own helper are none."""
    return [
        int(number)
        for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if b"multiprocessing.spawn" in Path(f"/proc/{number}/cmdline").read_bytes()
    ]


def serving(pid: int) -> bool:
    """Say whether a process has begun to serve: it listens, so it waits for events."""
    try:
        links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    except FileNotFoundError:  # closed meanwhile
        return False
    return "anon_inode:[eventpoll]" in links


def until(condition: object, seconds: float = 60) -> None:
    """Wait until something holds."""
    ends = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.fixture
def server(own_redis: RedisServer) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Return a server of two workers, as a user would start it, and its address."""
    command = [sys.executable, "-m", "sseor", "serve", "--demo", "--port", "0", "--workers", "2"]
    with subprocess.Popen(
        [*command, "--redis", "REDIS_OF_THE_TEST"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "REDIS_OF_THE_TEST": own_redis.url},
    ) as process:
        assert process.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
        assert found is not None
        until(lambda: len(children(process.pid)) == 2)
        yield found[0], process
        process.terminate()
        process.communicate(timeout=60)


def test_a_stream_outlives_whatever_worker_a_viewer_was_on(server: tuple[str, subprocess.Popen[str]]) -> None:
    """Read over connections that end after a few events each, it is whole; the same question twice is one stream."""
    url, _ = server
    decoder, events, answers = Decoder(), list[Event](), set[str]()
    headers = {"Idempotency-Key": "k" * 20}
    for _ in range(6):
        with httpx.stream("POST", f"{url}/streams", json=QUESTION, headers=headers, timeout=60) as answer:
            answers.add(answer.headers["x-sseor-stream"])
    assert len(answers) == 1
    while not events or '"done"' not in events[-1].data:
        last = {"Last-Event-ID": str(events[-1].id)} if events else {}
        with httpx.stream("GET", f"{url}/streams/{answers.copy().pop()}", headers=last, timeout=60) as answer:
            assert answer.status_code == 200
            decoder = Decoder()
            for data in answer.iter_raw():
                events += [item for item in decoder.feed(data) if isinstance(item, Event)]
                if len(events) % 3 == 2:
                    break
    numbers = [int(str(event.id).partition(".")[2]) for event in events]
    assert numbers == list(range(1, len(numbers) + 1))
    records = [json.loads(event.data) for event in events]
    text = "".join(record["text"] for record in records if record["type"] == "text")
    assert text == f"You asked: “Why?”\n\n{EXPLANATION}"


def test_a_worker_that_is_killed(server: tuple[str, subprocess.Popen[str]]) -> None:
    """Another takes its place; the streams of the other one go on, its own end as interrupted, none is left open."""
    url, process = server
    until(lambda: all(map(serving, children(process.pid))))
    streams = []
    for _ in range(12):
        with httpx.stream("POST", f"{url}/streams", json=QUESTION, timeout=60) as answer:
            streams.append(answer.headers["x-sseor-stream"])
    killed, other = children(process.pid)
    os.kill(killed, signal.SIGKILL)
    ends = {last_type(url, stream) for stream in streams}
    assert ends <= {"done", "interrupted"}
    until(lambda: len(children(process.pid)) == 2 and killed not in children(process.pid))
    assert other in children(process.pid)
    assert httpx.get(f"{url}/settings", timeout=60).status_code == 200
    assert process.stderr is not None
    assert "a worker ended (-9), another begins" in process.stderr.readline()


def last_type(url: str, stream: str) -> str:
    """Read a stream to its end, over as many connections as it takes; return the type of its terminal record."""
    last = ""
    ends = time.monotonic() + 90
    while time.monotonic() < ends:
        try:
            headers = {"Last-Event-ID": last} if last else {}
            with httpx.stream("GET", f"{url}/streams/{stream}", headers=headers, timeout=30) as answer:
                decoder = Decoder()
                for data in answer.iter_raw():
                    for item in decoder.feed(data):
                        if isinstance(item, Event):
                            last = str(item.id)
                            kind = str(json.loads(item.data)["type"])
                            if kind in ("done", "error", "cancelled", "interrupted"):
                                return kind
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError("the stream has no end")


def test_a_signal_ends_all(server: tuple[str, subprocess.Popen[str]]) -> None:
    """The workers end their streams and themselves, and the exit code is that of a good end."""
    url, process = server
    until(lambda: all(map(serving, children(process.pid))))
    workers = children(process.pid)
    with httpx.stream("POST", f"{url}/streams", json=QUESTION, timeout=60) as answer:
        process.terminate()
        body = b"".join(answer.iter_raw())
    assert b'"interrupted"' in body
    assert process.wait(60) == 0
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def test_workers_do_not_outlive_a_killed_parent(server: tuple[str, subprocess.Popen[str]]) -> None:
    """They end by themselves."""
    _, process = server
    until(lambda: all(map(serving, children(process.pid))))
    workers = children(process.pid)
    process.kill()
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def work_on() -> None:
    """Work until told to end."""
    time.sleep(600)


def test_a_signal_that_another_thread_takes_ends_all_as_well() -> None:
    """The kernel gives it to any thread that begins or ends in that moment, such as those of the demo's upstream."""
    ended = threading.Event()

    def take() -> None:
        until(lambda: len(children(os.getpid())) == 1)
        time.sleep(0.1)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        if not ended.wait(60):  # else the test would hang
            os.kill(children(os.getpid())[0], signal.SIGKILL)

    taker = threading.Thread(target=take)
    taker.start()
    began = time.monotonic()
    run_workers(1, work_on)
    ended.set()
    taker.join()
    assert time.monotonic() - began < 50


def work_once(path: str) -> None:
    """Stay, if first; else leave a mark, and ask for the end once there are three."""
    with contextlib.suppress(FileExistsError):
        Path(f"{path}.first").touch(exist_ok=False)
        time.sleep(600)
    with Path(path).open("a") as marks:
        marks.write(".")
    if len(Path(path).read_text()) >= 3:
        os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(600)


def test_what_ends_is_replaced_until_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A worker that ends by itself is begun again, the other left alone; SIGTERM ends both, and is as before then."""
    before = signal.getsignal(signal.SIGTERM)
    run_workers(2, work_once, str(tmp_path / "marks"))
    assert (tmp_path / "marks").read_text() == "..."
    assert signal.getsignal(signal.SIGTERM) is before
    assert capsys.readouterr().err.count("a worker ended (0), another begins") == 2


def test_a_worker_works_until_it_is_interrupted_or_its_parent_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends it quietly; the end of the parent is a SIGTERM."""
    parent = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(0.1,))
    parent.start()
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: parent)
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    try:
        workers._work(signal.raise_signal, (signal.SIGINT,))
        until(lambda: told)
    finally:
        signal.signal(signal.SIGTERM, before)
    parent.join()


def test_one_process_serves_from_redis(own_redis: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Its streams are in Redis; Ctrl-C ends it."""
    asked: list[str] = []

    def ask() -> None:
        url = ""
        while not url:
            found = re.search(r"http://[^/]+", capsys.readouterr().err)
            url = found[0] if found else ""
            time.sleep(0.05)
        with httpx.stream("POST", f"{url}/streams", json=QUESTION, timeout=60) as answer:
            stream = answer.headers["x-sseor-stream"]
        asked.append(own_redis.ask("HGET", f"{{sseor:0}}:{stream}:meta", "owner"))
        asked.append(own_redis.ask("EXISTS", f"{{sseor:0}}:{stream}:meta"))
        os.kill(os.getpid(), signal.SIGINT)

    asking = threading.Thread(target=ask)
    asking.start()
    assert main(["serve", "--demo", "--port", "0", "--redis", own_redis.url]) == 0
    asking.join()
    assert asked == ["", "1"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--workers", "2"], "need --redis"),
        (["--workers", "0"], "above 0"),
        (["--redis", "http://x"], "unix://"),
        (["--redis", "NO_SUCH_VARIABLE"], "a variable with one"),
    ],
)
def test_what_cannot_be_served(
    options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake is told before anything listens."""
    assert main(["serve", "--demo", "--port", "0", *options]) == 2
    assert complaint in capsys.readouterr().err


def test_redis_py_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The command that installs it is told."""
    monkeypatch.setitem(sys.modules, "sseor.relay.redis", None)
    assert main(["serve", "--demo", "--port", "0", "--redis", "redis://x"]) == 2
    assert "pip install 'sseor[redis]'" in capsys.readouterr().err
