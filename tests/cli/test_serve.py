"""`sseor serve`: a real process whose page is fetched, whose relay is asked, and which ends when told."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from metrics.recorded import rows
from relay.asking import asked

from sseor.cli import main
from sseor.cli.serve import ForThisMachine, chat_relay
from sseor.client.asynchronous import AsyncClient
from sseor.testing import LoopbackServer, Say, Silence, answer, play
from sseor.wire import Decoder, Event

SERVE = [sys.executable, "-m", "sseor", "serve"]


@contextmanager
def served(*options: str, **surroundings: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """Run the command; give the process and a client of its origin."""
    with subprocess.Popen(
        [*SERVE, *options, "--port", "0"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_PROXY": "*", **surroundings},
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.fullmatch(r"sseor: open (http://\S+:\d+/) \(Ctrl-C ends\)\n", line)
        try:
            assert found is not None, line + process.stderr.read()
            with httpx.Client(base_url=found[1], timeout=30, trust_env=False) as client:
                yield process, client
        finally:
            process.kill()


def records(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """Yield the records of a stream as they come."""
    decoder = Decoder()
    for data in response.iter_raw():
        for item in decoder.feed(data):
            if isinstance(item, Event):
                yield json.loads(item.data)


def question(text: str = "Why?", **fields: Any) -> dict[str, Any]:
    """Return the body of a question."""
    return {"messages": [{"role": "user", "content": text}], **fields}


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_serves_and_ends_when_told(end: signal.Signals) -> None:
    """The page and its files are there, an answer streams; told to end in the middle of one, it says so and goes."""
    with served("--demo") as (process, client):
        page = client.get("/")
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        for name in re.findall(r'(?:src|href)="([\w.]+)"', page.text):
            assert client.get(f"/{name}").status_code == 200
        assert client.get("/settings").json() == {"demo": True, "models": ["sseor/demo"]}
        with client.stream("POST", "/streams", json=question()) as response:
            seen = list(records(response))
        assert seen[-1] == {"type": "done", "finish_reason": "stop"}
        assert "You asked: “Why?”" in "".join(one["text"] for one in seen if one["type"] == "text")
        assert [one["type"] for one in seen].count("usage") == 1
        with client.stream("POST", "/streams", json=question()) as response:
            coming = records(response)
            next(coming)
            process.send_signal(end)
            assert list(coming)[-1] == {"type": "interrupted"}
        assert process.wait(20) in (0, -end)
        assert process.stderr is not None
        assert process.stderr.read() == ""
        with pytest.raises(httpx.ConnectError):
            client.get("/")


@pytest.mark.parametrize("value", ["m", "off"])
def test_streams_are_logged_to_the_last(value: str, tmp_path: Path) -> None:
    """A whole answer and the one that the end interrupts are in the log of metrics, unless that is off."""
    log = tmp_path / "m"
    with served("--demo", SSEOR_METRICS=str(log) if value == "m" else value) as (process, client):
        with client.stream("POST", "/streams", json=question()) as response:
            assert list(records(response))[-1]["type"] == "done"
        with client.stream("POST", "/streams", json=question()) as response:
            coming = records(response)
            next(coming)
            process.send_signal(signal.SIGTERM)
            assert list(coming)[-1] == {"type": "interrupted"}
        assert process.wait(20) in (0, -signal.SIGTERM)
    if value == "m":
        assert rows(log, "outcome, model_asked") == [("complete", "sseor/demo"), ("left", "sseor/demo")]
    else:
        assert list(tmp_path.iterdir()) == []


def test_other_names_of_this_machine_are_refused() -> None:
    """A page whose name was rebound to 127.0.0.1 gets nothing; with --host 0.0.0.0 any name is served."""
    with served("--demo") as (_, client):
        assert client.get("/", headers={"Host": "evil.example"}).status_code == 421
        assert client.get("/", headers={"Host": "localhost"}).status_code == 200
    with served("--demo", "--host", "0.0.0.0") as (_, client):
        assert client.get("/", headers={"Host": "my.lan"}).status_code == 200


def test_the_key_goes_upstream_and_nowhere_else() -> None:
    """The models are those that were named, the key is that of the variable, and no answer of ours holds it."""
    with (
        LoopbackServer(play(*answer("Low", " water"))) as upstream,
        served(
            *("-m", "a/b", "-m", "c/d", "--base-url", upstream.base_url, "--key-env", "MY_KEY"),
            MY_KEY="sk-or-v1-CANARY",
        ) as (_, client),
    ):
        assert client.get("/settings").json() == {"demo": False, "models": ["a/b", "c/d"]}
        for body in (question(model="c/d"), question()):
            with client.stream("POST", "/streams", json=body) as response:
                text = response.read().decode()
            assert "water" in text
            assert "CANARY" not in text + str(response.headers)
    assert [request.headers["authorization"] for request in upstream.requests] == [
        "Bearer sk-or-v1-CANARY"
    ] * 2
    assert [request.json()["model"] for request in upstream.requests] == ["c/d", "a/b"]


def test_ctrl_c_ends_the_streams_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: the command returns 0, the viewer is told, the provider is let go; also without a log."""
    with LoopbackServer(play(Say("Low", " water"), Silence())) as upstream:
        code, seen = interrupted("-m", "a/b", "--base-url", upstream.base_url)
        assert (code, seen[-1]) == (0, {"type": "interrupted"})
        assert upstream.wait_idle(10)
    monkeypatch.setenv("SSEOR_METRICS", "off")
    code, seen = interrupted("--demo", "--host", "0.0.0.0")
    assert (code, seen[-1]) == (0, {"type": "interrupted"})


def test_ctrl_c_before_the_server_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends just as well."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sseor.cli.serve._run", interrupt)
    assert main(["serve", "--demo", "--port", "0"]) == 0


def test_as_many_workers_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """They get the plan, which holds no key, and the socket where all of them listen."""
    told: list[Any] = []
    monkeypatch.setattr("sseor.cli.workers.run_workers", lambda *arguments: told.extend(arguments))
    monkeypatch.setenv("MY_KEY", "sk-or-v1-CANARY")
    options = ["-m", "a/b", "--key-env", "MY_KEY", "--redis", "redis://127.0.0.1:9/", "--workers", "3"]
    assert main(["serve", *options, "--port", "0"]) == 0
    number, work, plan, listener = told
    assert (number, work.__name__, plan.models) == (3, "work", ["a/b"])
    assert "CANARY" not in repr(plan)
    assert listener.family == socket.AF_INET


def interrupted(*options: str) -> tuple[int, list[dict[str, Any]]]:
    """Serve in this thread, ask from another, and press Ctrl-C at the first record; return code and records."""
    outputs, inputs = os.pipe()
    seen: list[dict[str, Any]] = []

    def ask() -> None:
        with open(outputs, encoding="utf-8") as lines:
            (origin,) = re.findall(r"http://\S+/", lines.readline())
        with httpx.Client(base_url=origin, timeout=30, trust_env=False) as client:
            try:
                with client.stream("POST", "/streams", json=question()) as response:
                    coming = records(response)
                    seen.append(next(coming))
                    signal.raise_signal(signal.SIGINT)
                    seen.extend(coming)
            finally:
                if not seen:
                    signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=ask)
    thread.start()
    with open(inputs, "w", encoding="utf-8", buffering=1) as stderr, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stderr)
        code = main(["serve", *options, "--port", "0"])
    thread.join(30)
    assert not thread.is_alive()
    return code, seen


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "sseor: .*one of the arguments --demo -m/--model is required"),
        (["--demo", "-m", "a/b"], "sseor: .*not allowed with"),
        (["--demo", "--port", "x"], "sseor: .*invalid int value"),
        (["--demo", "--port", "70000"], "sseor: cannot listen at 127.0.0.1 port 70000: no such port"),
        (["--demo", "--host", "192.0.2.1"], "sseor: cannot listen at 192.0.2.1 port 8000: .*"),
        (["--demo", "--host", "no such host"], "sseor: cannot listen at no such host port 8000: .*"),
        (["-m", "a/b"], "sseor: .*OPENROUTER_API_KEY"),
        (["-m", "a/b", "--base-url", "ftp://x"], "sseor: .*"),
    ],
)
def test_wrong_arguments(options: list[str], sentence: str) -> None:
    """One sentence on stderr and code 2; nothing is served."""
    environment = {name: value for name, value in os.environ.items() if name != "OPENROUTER_API_KEY"}
    done = subprocess.run(
        [*SERVE, *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.match(sentence, done.stderr), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_what_the_machine_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A port that is taken and a missing uvicorn are one sentence each, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--demo", "--port", port]) == 2
        assert f"port {port}: Address already in use (try another --port)" in capsys.readouterr().err
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
            port = str(other.getsockname()[1])
            assert main(["serve", "--demo", "--host", "::1", "--port", port]) == 2
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve", "--demo"]) == 2
    assert "pip install 'sseor[serve]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": []},
        {"messages": "Hi"},
        {"messages": ["Hi"]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": "Hi", "name": "x"}]},
        {"messages": [{"role": "system", "content": "Obey"}]},
        {"messages": [{"role": "tool", "content": "Hi"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
        question(model="z/z"),
        question(model=["a/b"]),
    ],
)
@pytest.mark.anyio
async def test_questions_that_are_refused(body: dict[str, Any]) -> None:
    """Only texts of the user and the assistant, to a model that is offered; nothing else reaches the provider."""
    async with AsyncClient(api_key="k", base_url="http://127.0.0.1:9/") as client:
        _, application = chat_relay(client, ["a/b"], demo=False)
        reply = await asked(application, body=json.dumps(body).encode())
    assert (reply.status, reply.code) == (400, "bad_request")


@pytest.mark.parametrize(
    ("host", "admitted"),
    [
        ("127.0.0.1:8000", True),
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("[::1]:8000", True),
        ("[::1]", True),
        ("", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example:80", False),
        ("evil.example:127", False),
    ],
)
@pytest.mark.anyio
async def test_names_of_this_machine(host: str, admitted: bool) -> None:
    """With and without a port; what only looks like one of them is refused; what is no request passes."""
    passed: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope["type"])
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})

    guarded = ForThisMachine(application)  # type: ignore[arg-type]
    reply = await asked(guarded, "GET", "/", {"host": host})
    assert reply.status == (200 if admitted else 421)
    await guarded({"type": "lifespan"}, anyio.sleep_forever, reply.send)  # type: ignore[arg-type]
    assert passed == ["http"] * admitted + ["lifespan"]
