"""`sseor decode`: events and comments as lines of JSON, as they come, and every way the stream may end."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sseor.cli import main

Capture = pytest.CaptureFixture[str]

STREAM = ": hi\n\nid: 1\nevent: e\ndata: é\u2028\ndata: y\n\nretry: 5\n\ndata: {}\n\n".encode()
LINES = [
    {"comment": "hi"},
    {"event": "e", "data": "é\u2028\ny", "id": "1"},
    {"event": "message", "data": "{}", "id": "1"},
]


def json_lines(out: str) -> list[Any]:
    """Return the lines as values; each must be ended."""
    *lines, rest = out.split("\n")
    assert rest == ""
    return [json.loads(line) for line in lines]


def decoded(
    stream: bytes, monkeypatch: pytest.MonkeyPatch, capsys: Capture, *options: str
) -> tuple[int, list[Any], str]:
    """Pipe a stream in; return the code, the lines as values, and what was told."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stream)))
    code = main(["decode", *options])
    out, err = capsys.readouterr()
    return code, json_lines(out), err


def test_what_is_piped_in(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Each event and comment is an object with its fields, in order; what is no UTF-8 has been replaced."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(STREAM + b"data: \xff\r\r")))
    assert main(["decode"]) == 0
    out, err = capsys.readouterr()
    assert json_lines(out) == [*LINES, {"event": "message", "data": "\ufffd", "id": "1"}]
    assert err == ""


def test_a_file(tmp_path: Path, capsys: Capture) -> None:
    """A file is decoded like what is piped in."""
    file = tmp_path / "answer.sse"
    file.write_bytes(STREAM)
    assert main(["decode", str(file)]) == 0
    assert json_lines(capsys.readouterr().out) == LINES


def test_nothing(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """An empty stream is no failure."""
    assert decoded(b"", monkeypatch, capsys) == (0, [], "")


@pytest.mark.parametrize(
    ("cut", "event", "line"),
    [
        (b"data: x", {"event": "message", "data": "x", "id": ""}, "data: x"),
        (b"data: x\n", {"event": "message", "data": "x", "id": ""}, ""),
        (b"event: \xc3", None, "event: \ufffd"),
    ],
)
def test_what_the_end_cut_off(
    cut: bytes, event: Any, line: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """What was left is told with what it would have been, and the code is that of a cut answer."""
    code, lines, err = decoded(b"data: w\n\n" + cut, monkeypatch, capsys)
    assert code == 6
    assert lines == [
        {"event": "message", "data": "w", "id": ""},
        {"unfinished": {"event": event, "line": line}},
    ]
    assert err == "sseor: the stream ends within an event\n"


def test_chunks(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """With `--chunks` only the JSON of the data comes, its characters as they were, and [DONE] is the end."""
    stream = b': hi\n\ndata: {"a":1.50,\ndata: "b":"\\ud83d"}\n\ndata: [1]\n\ndata:  [DONE]\n\ndata: no json'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stream)))
    assert main(["decode", "--chunks"]) == 0
    assert capsys.readouterr().out == '{"a":1.50, "b":"\\ud83d"}\n[1]\n'


@pytest.mark.parametrize("data", ["no\x1b json", "[" * 200_000])
def test_chunks_that_are_no_json(data: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """What is no JSON ends it with one printable sentence, after all that came before."""
    stream = f"data: 1\n\ndata: {data}\n\n".encode()
    code, lines, err = decoded(stream, monkeypatch, capsys, "--chunks")
    assert (code, lines) == (5, [1])
    assert err.startswith("sseor: an event holds no JSON: ")
    assert len(err) < 300
    assert "\x1b" not in err


def test_chunks_that_were_cut(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A chunk that was cut off is no chunk; the code says that it was there."""
    code, lines, _ = decoded(b'data: 1\n\ndata: {"a', monkeypatch, capsys, "--chunks")
    assert (code, lines) == (6, [1])


def test_times(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """With `--time` each line tells when it came, in seconds since the start."""
    _, lines, _ = decoded(STREAM + b"data", monkeypatch, capsys, "--time")
    assert [line.pop("at") >= 0 for line in lines] == [True] * 4
    assert lines[:3] == LINES
    _, lines, _ = decoded(b"data: [1]\n\n", monkeypatch, capsys, "--time", "--chunks")
    assert [(line["at"] >= 0, line["chunk"]) for line in lines] == [(True, [1])]


def test_an_event_that_is_too_large(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Beyond the limit it ends, after what was complete."""
    stream = b"data: 1\n\ndata: " + b"x" * 100
    code, lines, err = decoded(stream, monkeypatch, capsys, "--max-event-bytes", "50")
    assert (code, len(lines)) == (5, 1)
    assert err == "sseor: one event is larger than 50 bytes\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["/no/such/file"], "/no/such/file cannot be read: No such file or directory"),
        (["--max-event-bytes", "0"], "--max-event-bytes: max_event_bytes must be at least 1"),
        (["--max-event-bytes", "x"], "--max-event-bytes"),
        (["/proc/self/mem"], "the stream cannot be read: Input/output error"),
    ],
)
def test_what_cannot_be_done(arguments: list[str], told: str, capsys: Capture) -> None:
    """A file that is not there and a limit of nothing are one sentence."""
    assert main(["decode", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_closed_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Without a standard input a file must be named."""
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["decode"]) == 2
    assert "standard input is closed: name a file" in capsys.readouterr().err


def test_each_line_comes_at_once_and_without_the_http_library() -> None:
    """Through real pipes, an event is out while its stream goes on; no HTTP library is imported for it."""
    program = (
        "import sys\nfrom sseor.cli import main\ncode = main(['decode'])\n"
        "print(code, sorted({'httpx', 'httpcore', 'anyio'} & sys.modules.keys()))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for number in range(3):
            child.stdin.write(f"data: {number}\n\n".encode())
            assert json.loads(child.stdout.readline())["data"] == str(number)
        child.stdin.close()
        assert child.stdout.read() == b"0 []\n"


def test_nobody_reads_it() -> None:
    """Behind `| head -1` it ends without a word."""
    command = f"yes 'data: x\n' | {sys.executable} -m sseor decode | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60)
    assert done.stdout == b'{"event": "message", "data": "x", "id": ""}\n'
    assert b"sseor" not in done.stderr
