"""`docs/relay.md`: its programs run and print what the protocol below them says; its table of calls is the code's."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from relay.serving import Visit, serving

import sseor.relay
from sseor.relay import Limits, MemoryLog, Relay, Smoothing

PAGE = (Path(__file__).parent.parent.parent / "docs" / "relay.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def run(word: str) -> dict[str, Any]:
    """Run the program of the page in which a word stands; return its names."""
    (program,) = [block for block in BLOCKS if word in block]
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(program, "docs/relay.md", "exec"), names)
    return names


def test_the_first_program_relays(capsys: pytest.CaptureFixture[str]) -> None:
    """Its stream is printed as the section about events shows it."""
    run("asyncio.run")
    printed = re.sub(r"id: [a-z0-9]+\.", "id: ", capsys.readouterr().out)
    assert printed == (
        "retry: 1000\n: sseor\n\n"
        'id: 1\ndata: {"type":"text","text":"Low "}\n\n'
        'id: 2\ndata: {"type":"weather","wind":7}\n\n'
        'id: 3\ndata: {"type":"text","text":"water"}\n\n'
        'id: 4\ndata: {"type":"done","finish_reason":null}\n\n'
    )


def test_the_second_program_stands_beside_another_application() -> None:
    """What is below `/chat/` goes to the relay."""
    with (
        serving(run("get_asgi_application")["application"]) as port,
        Visit(port, "GET", "/chat/sseor.js") as visit,
    ):
        visit.rest()
        assert (visit.status, visit.headers["content-type"]) == (200, "text/javascript; charset=utf-8")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (Relay, "smoothing heartbeat grace send_timeout limits log"),
        (Relay.start, "events owner"),
        (Relay.attach, "owner after format"),
        (Relay.stop, "owner"),
        (Relay.forward, "events format"),
        (Relay.asgi, "answer authorize"),
    ],
)
def test_what_is_told_of_exists(call: Any, told: str) -> None:
    """Each argument that the page names is one."""
    assert set(told.split()) <= set(inspect.signature(call).parameters)


def test_the_defaults_are_those_of_the_code() -> None:
    """The numbers that the page gives are in force."""
    limits, smoothing, log = Limits(), Smoothing(), inspect.signature(MemoryLog).parameters
    assert (limits.viewers, limits.streams, limits.owner_viewers, limits.owner_streams) == (
        10_000,
        1_000,
        24,
        8,
    )
    assert (limits.max_bytes, limits.max_duration, limits.max_body) == (8 << 20, 900, 1 << 20)
    assert (smoothing.boundary, smoothing.max_delay, smoothing.max_characters) == ("word", 0.08, 64)
    assert (log["keep"].default, log["max_records"].default, log["max_bytes"].default) == (
        600,
        1024,
        256 << 10,
    )
    relay = inspect.signature(Relay).parameters
    assert [relay[name].default for name in ("heartbeat", "grace", "send_timeout")] == [15, 30, 30]
    assert all(name in PAGE for name in ("Limits", "Smoothing", "MemoryLog", "RefusedError"))
    assert {"HEADERS", "Relay", "Record"} <= set(sseor.relay.__all__)
