"""`sseor.testing.tape`: an answer in a file, read by read, and played again as it came."""

from __future__ import annotations

import base64
import http.client
import json
import math
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sseor.testing import LoopbackServer, Tape, TapeError

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")

READS = ((0.2, "data: é\u2028\n\n".encode()), (0.3, b"data: \xff"), (0.3, b"\n\n"))
TAPE = Tape(200, {"content-type": "text/event-stream", "x-a": "ä"}, 0.1, READS, 0.5)


def asked(server: LoopbackServer) -> tuple[int, dict[str, str], list[tuple[float, bytes]], bool]:
    """Ask once; return status, headers, the times and bytes of what came, and whether it was cut."""
    address = urlsplit(server.origin).netloc
    peer = http.client.HTTPConnection(address, timeout=30)
    began = time.monotonic()
    came: list[tuple[float, bytes]] = []
    try:
        peer.request("POST", "/api/v1/chat/completions", b"{}")
        answer = peer.getresponse()
        try:
            while data := answer.read1(65536):
                came.append((time.monotonic() - began, data))
        except http.client.IncompleteRead:
            return answer.status, dict(answer.headers), came, True
        return answer.status, dict(answer.headers), came, False
    finally:
        peer.close()


@pytest.mark.parametrize("cut", [None, "connection reset"])
def test_a_tape_comes_back_from_its_file(cut: str | None, tmp_path: Path) -> None:
    """Status, headers, times, bytes and end are in the file, also bytes that are no UTF-8."""
    tape = Tape(TAPE.status, TAPE.headers, TAPE.head_at, TAPE.reads, TAPE.ended_at, cut)
    tape.save(tmp_path / "x.tape")
    assert Tape.load(tmp_path / "x.tape") == tape
    assert tape.body == b"".join(data for _, data in READS)


def test_the_file_can_be_read_and_edited(tmp_path: Path) -> None:
    """A line a read, its text as it is; blank lines are nothing."""
    file = tmp_path / "x.tape"
    TAPE.save(file)
    lines = file.read_text("utf-8").split("\n")
    assert json.loads(lines[1]) == {"at": 0.2, "data": "data: é\u2028\n\n"}
    assert "é" in lines[1]
    assert json.loads(lines[2]) == {"at": 0.3, "base64": base64.b64encode(b"data: \xff").decode()}
    file.write_text("\n\n".join(lines))
    assert Tape.load(file) == TAPE


def test_what_is_nobody_elses_business_is_left_out(tmp_path: Path) -> None:
    """Cookies, the fields of the connection, and what cannot be sent again are not kept."""
    headers = {"Set-Cookie": "a=b", "transfer-encoding": "chunked", "x-odd": "日", "x-line": "a\nb", "x": "y"}
    Tape(200, headers, 0.0, (), 0.0).save(tmp_path / "x.tape")
    assert Tape.load(tmp_path / "x.tape").headers == {"x": "y"}


def test_a_secret_is_crossed_out() -> None:
    """A key that the server echoes is made unreadable in place, also where two reads share it."""
    tape = Tape(401, {"x": "no sk-SECRET"}, 0.0, ((0.1, b"no sk-SE"), (0.2, b"CRET, sk-SECRET")), 0.3)
    assert tape.without("sk-SECRET") == Tape(
        401, {"x": "no xxxxxxxxx"}, 0.0, ((0.1, b"no xxxxx"), (0.2, b"xxxx, xxxxxxxxx")), 0.3
    )
    assert tape.without("") is tape


def test_it_is_played_in_its_own_time() -> None:
    """Head and reads come no sooner than they did, in the same pieces, to each client."""
    with LoopbackServer(TAPE.respond()) as server:
        for _ in range(2):
            status, headers, came, cut = asked(server)
            assert (status, cut) == (200, False)
            assert headers["x-a"] == "ä"
            assert b"".join(data for _, data in came) == TAPE.body
            assert came[0][1] == READS[0][1]
            assert came[0][0] >= 0.2
            assert came[-1][0] >= 0.3


@pytest.mark.parametrize("speed", [1000.0, math.inf])
def test_it_is_played_faster(speed: float) -> None:
    """A tape of an hour takes no time at a high speed."""
    tape = Tape(200, {}, 900.0, ((1800.0, b"data: x\n\n"),), 3600.0)
    with LoopbackServer(tape.respond(speed)) as server:
        _, _, came, cut = asked(server)
    assert [data for _, data in came] == [b"data: x\n\n"]
    assert came[0][0] < 900
    assert not cut


def test_a_cut_is_a_cut_again() -> None:
    """A body that broke breaks again, at the same place."""
    with LoopbackServer(Tape(200, {}, 0.0, ((0.0, b"data: x"),), 0.0, "reset").respond()) as server:
        _, _, came, cut = asked(server)
    assert cut
    assert b"".join(data for _, data in came) in (b"", b"data: x")  # http.client may keep what it was reading


def test_a_client_that_leaves_ends_the_play() -> None:
    """A client that leaves in the middle is let go at once."""
    with LoopbackServer(Tape(200, {}, 0.0, ((600.0, b"x"),), 600.0).respond()) as server:
        address = urlsplit(server.origin).netloc
        peer = http.client.HTTPConnection(address, timeout=30)
        peer.request("GET", "/")
        peer.getresponse()
        peer.close()
        assert server.wait_idle(30)


HEAD: dict[str, Any] = {"format": "sseor-tape", "version": 1, "status": 200, "headers": {}, "at": 0}


def test_a_recording_that_breaks_off(tmp_path: Path) -> None:
    """Without its last line a tape is one that was cut, at its last read."""
    file = tmp_path / "x.tape"
    file.write_text(f'{json.dumps(HEAD)}\n{{"at": 2, "data": "x"}}\n')
    assert Tape.load(file) == Tape(200, {}, 0.0, ((2.0, b"x"),), 2.0, "the recording breaks off")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "line 1: this is no tape of version 1"),
        ([{"at": 0}], "line 1: this is no tape of version 1"),
        ([HEAD | {"version": 2}], "line 1: this is no tape of version 1"),
        (["{"], "line 1: this is no JSON"),
        ([HEAD, "[" * 100_000], "line 2: this is no JSON"),
        ([HEAD, []], "line 2: an object with a time in seconds as `at` is wanted"),
        ([HEAD, {"at": "1", "data": ""}], "line 2: an object with a time"),
        ([HEAD, {"at": -1, "data": ""}], "line 2: an object with a time"),
        ([HEAD, '{"at": NaN, "data": ""}'], "line 2: an object with a time"),
        ([HEAD, '{"at": Infinity, "data": ""}'], "line 2: an object with a time"),
        ([HEAD | {"status": "200"}], "line 1: a status from 200 to 599 is wanted"),
        ([HEAD | {"status": 100}], "line 1: a status from 200 to 599 is wanted"),
        ([HEAD | {"headers": []}], "line 1: headers are wanted, as an object"),
        ([HEAD | {"headers": {"a": 1}}], "line 1: the header field 'a' cannot be sent"),
        ([HEAD | {"headers": {"a": "b\r\nc: d"}}], "line 1: the header field 'a' cannot be sent"),
        ([HEAD, "", {"at": 1}], "line 3: data or base64 is wanted, as a text"),
        ([HEAD, {"at": 1, "data": 5}], "line 2: data or base64 is wanted, as a text"),
        ([HEAD, {"at": 1, "base64": "?"}], "line 2: these are no bytes"),
        ([HEAD, '{"at": 1, "data": "\\ud83d"}'], "line 2: these are no bytes"),
    ],
)
def test_what_is_no_tape(lines: list[Any], told: str, tmp_path: Path) -> None:
    """A file that breaks the format is one error that names the line."""
    file = tmp_path / "x.tape"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    with pytest.raises(TapeError) as error:
        Tape.load(file)
    assert str(error.value).startswith(f"{file}, {told}")
