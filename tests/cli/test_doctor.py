"""`sseor doctor`: the way to a server and its answer, each check a line, against real sockets."""

from __future__ import annotations

import contextlib
import io
import json
import re
import socket
import ssl
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from sseor.cli import main
from sseor.testing import (
    Act,
    Body,
    Cut,
    Done,
    Fail,
    Generation,
    Heartbeats,
    LoopbackServer,
    Raw,
    Say,
    Silence,
    Stall,
    Status,
    Tape,
    Usage,
    answer,
    play,
)
from sseor.testing.shapes import data_event

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")
Capture = pytest.CaptureFixture[str]

KEY = "sk-or-v1-CANARY-0123456789"
MODEL = ("-m", "a/b", "--key-env", "CANARY")
WORDS = [f" {number}" for number in range(8)]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a key, and no proxy."""
    monkeypatch.setenv("CANARY", KEY)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


def examined(arguments: list[str], capsys: Capture) -> tuple[int, dict[str, str], str]:
    """Return the code, each line of the report by its check, and what was told beside it."""
    code = main(["doctor", *arguments])
    out, err = capsys.readouterr()
    assert "CANARY" not in out + err
    lines = {line[7:20].strip(): f"{line[:7].strip()} {line[20:]}" for line in out.splitlines()}
    return code, lines, err


def test_a_good_server(capsys: Capture) -> None:
    """The way, the head and the answer are each told; the code is 0, and the request was an ordinary one."""
    acts: tuple[Act, ...] = (Heartbeats(0.2, 0.1), Say(*WORDS, pace=0.15), *answer("x"))
    with LoopbackServer(play(*acts)) as server:
        code, lines, err = examined([server.base_url, *MODEL, "--max-tokens", "9"], capsys)
        [request] = server.requests
    assert code == 0
    assert list(lines) == [
        *("name", "connection", "head", "type", "events", "first token", "silence", "delivery"),
        *("finish", "usage", "[DONE]", "end"),
    ]
    assert {line.partition(" ")[0] for line in lines.values()} == {"ok"}
    assert lines["name"].startswith("ok 127.0.0.1 after ")
    assert err == "sseor: 12 checks, 0 bad, 0 in doubt\n"
    assert request.json()["stream"] is True
    assert request.json()["max_tokens"] == 9
    assert request.headers["Authorization"] == f"Bearer {KEY}"


def test_a_server_that_holds_back(capsys: Capture) -> None:
    """An answer that comes in one piece after a wait is bad, and the code is 12."""
    generation = Generation("a/b")
    events = [*(generation.chunk({"content": word}) for word in WORDS), generation.chunk({}, finish="stop")]
    body = Body(b"".join(map(data_event, events)))
    with LoopbackServer(play(Stall(0.4), body, Usage(), Done())) as server:
        code, lines, err = examined([server.base_url, *MODEL], capsys)
    assert code == 12
    assert lines["delivery"].startswith("bad all 8 pieces came at once, after 0.")
    assert err == "sseor: 12 checks, 1 bad, 0 in doubt\n"


def test_as_json(capsys: Capture) -> None:
    """The findings as JSON, for programs."""
    with LoopbackServer(play(Say("Low"), Cut())) as server:
        assert main(["doctor", server.base_url, *MODEL, "--json"]) == 12
    rows = json.loads(capsys.readouterr().out)
    assert rows[0].keys() == {"check", "grade", "told"}
    assert rows[-1] == {
        "check": "end",
        "grade": "bad",
        "told": "the connection was lost in the middle of the answer",
    }


@pytest.mark.parametrize(
    ("act", "options", "told"),
    [
        (Status(401, f"no such key: {KEY}"), (), "bad status 401 after "),
        (Raw(b"SSH-2.0\r\n"), (), "bad "),
        (Silence(), ("--patience", "0.3"), "bad no answer within 0.3 s"),
    ],
)
def test_a_server_that_gives_no_stream(
    act: Status | Raw | Silence, options: tuple[str, ...], told: str, capsys: Capture
) -> None:
    """Where there is no stream the head is the last that is told, without the key that was sent."""
    with LoopbackServer(play(act)) as server:
        code, lines, _ = examined([server.base_url, *MODEL, *options], capsys)
    assert code == 12
    assert list(lines)[-1] == "head"
    assert lines["head"].startswith(told)


def test_a_failure_of_the_provider(capsys: Capture) -> None:
    """A failure within the stream is told in the provider's words, without the key that they quote."""
    with LoopbackServer(play(Fail(502, f"key {KEY} was refused"))) as server:
        code, lines, _ = examined([server.base_url, *MODEL], capsys)
    assert code == 12
    assert lines["events"].startswith("bad the provider reported a failure: key xxxx")


def test_nobody_is_there(capsys: Capture) -> None:
    """A port where nobody listens, and a name that nobody knows, are told, and nothing is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    code, lines, _ = examined([f"http://127.0.0.1:{port}/v1", "-m", "a/b"], capsys)
    assert code == 12
    assert lines["connection"] == f"bad none to port {port}: Connection refused"
    assert list(lines) == ["name", "connection"]
    code, lines, _ = examined(["http://nobody.invalid/v1", "-m", "a/b"], capsys)
    assert code == 12
    assert list(lines) == ["name"]
    assert lines["name"].startswith("bad nobody.invalid is not known: ")


def test_a_proxy(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Through a proxy the way is the proxy's: it is named, without its password, and the answer is examined."""
    with LoopbackServer(play(*answer("x"))) as proxy:
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("http_proxy", proxy.origin.replace("//", "//user:CANARY@"))
        code, lines, _ = examined(["http://there.invalid/v1", "-m", "a/b"], capsys)
    assert code == 0
    assert lines["proxy"].startswith(f"doubt {proxy.origin}: it may hold answers back")
    assert lines["finish"] == "ok finish reason stop"


@contextlib.contextmanager
def secure(
    folder: Path, days: int, monkeypatch: pytest.MonkeyPatch, *, trusted: bool
) -> Iterator[LoopbackServer]:
    """Serve over TLS with a certificate that is valid for some days more."""
    authority = trustme.CA()
    certificate = authority.issue_cert(
        "127.0.0.1", not_after=datetime.now(UTC) + timedelta(days=days, hours=1)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if trusted:
        authority.cert_pem.write_to_path(folder / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(folder / "authority.pem"))
    with LoopbackServer(play(*answer("x")), ssl_context=context) as server:
        yield server


@pytest.mark.parametrize(("days", "grade"), [(80, "ok"), (3, "doubt")])
def test_tls(days: int, grade: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Over TLS its version is told, and when the certificate ends; soon is in doubt."""
    with secure(tmp_path, days, monkeypatch, trusted=True) as server:
        code, lines, _ = examined([server.base_url, "-m", "a/b"], capsys)
    assert code == 0
    assert lines["TLS"].startswith(f"{grade} TLSv1.3 after ")
    assert lines["TLS"].endswith(f"the certificate ends in {days} days")
    assert lines["finish"] == "ok finish reason stop"


def test_a_certificate_that_nobody_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """A certificate of an unknown authority is the last that is told: no request is sent."""
    with secure(tmp_path, 80, monkeypatch, trusted=False) as server:
        code, lines, _ = examined([server.base_url, "-m", "a/b"], capsys)
        assert server.requests == []
    assert code == 12
    assert list(lines) == ["name", "connection", "TLS"]
    assert lines["TLS"].startswith("bad the certificate is not good: ")


def test_no_tls_at_all(capsys: Capture) -> None:
    """A server that speaks no TLS where it should is told so."""
    with LoopbackServer() as server:
        code, lines, _ = examined([server.base_url.replace("http://", "https://"), "-m", "a/b"], capsys)
    assert code == 12
    assert lines["TLS"].startswith("bad no handshake: ")


def test_a_tape(tmp_path: Path, capsys: Capture) -> None:
    """A recorded answer is examined without a model, a key or a connection."""
    headers = {"content-type": "text/event-stream", "cache-control": "no-cache"}
    Tape(200, headers, 0.1, ((0.2, b"data: [DONE]\n\n"),), 0.3).save(tmp_path / "a.tape")
    code, lines, _ = examined(["--tape", str(tmp_path / "a.tape")], capsys)
    assert code == 12
    assert next(iter(lines)) == "head"
    assert lines["[DONE]"] == "ok it came"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["http://127.0.0.1:9/v1"], "which model?"),
        (["ftp://127.0.0.1/v1", "-m", "a/b"], "base_url must be an absolute URL"),
        (["http://127.0.0.1:9/v1", "-m", "a/b", "--key-env", "NONE"], "no API key"),
        (["--tape", "/no/such/file"], "/no/such/file cannot be read"),
    ],
)
def test_what_cannot_be_examined(arguments: list[str], told: str, capsys: Capture) -> None:
    """A question that cannot be understood is code 2, and nothing is examined."""
    assert main(["doctor", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A terminal sees that something comes, and the line is gone before the findings."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr("sseor.cli.terminal.REDRAW", 0.0)
    with LoopbackServer(play(Say("x", pace=0.1), *answer("x"))) as server:
        main(["doctor", server.base_url, *MODEL])
    assert re.search(r"asking · \d+ reads · \d+ bytes", screen.getvalue())
