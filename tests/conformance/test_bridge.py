"""`sseor.conformance.bridge`: each way to write a decoder in Python, and each way to get it wrong."""

from __future__ import annotations

import io
import json
import os
import runpy
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from conformance import toys

from sseor.conformance import bridge
from sseor.conformance.bridge import FactoryError, answer_plays, load_factory
from sseor.conformance.protocol import request
from sseor.wire import Decoder

STREAM = (b": c\nid: 1\nretry: 5\ndata: x\n\n", b"event: e\ndata: y\n", b"\n")
EVENTS = [
    {"after": 1, "data": "x", "event": "message", "id": "1"},
    {"after": 3, "data": "y", "event": "e", "id": "1"},
]
COMMENT = {"after": 1, "comment": " c"}


def answers(factory: Callable[..., Any], *plays: tuple[bytes, ...]) -> list[dict[str, Any]]:
    """Return what the bridge says: the hello, then an answer to each play."""
    said = io.BytesIO()
    lines = [request(number, reads) for number, reads in enumerate(plays, start=1)]
    answer_plays(factory, "a decoder", io.BytesIO(b"".join(lines)), said)
    return [json.loads(line) for line in said.getvalue().splitlines()]


def played(factory: Callable[..., Any], *reads: bytes) -> dict[str, Any]:
    """Return the answer to one play, without its seconds."""
    _, answer = answers(factory, reads)
    assert answer.pop("cpu") >= 0
    assert answer.pop("play") == 1
    return answer


def test_the_hello_and_the_numbers_of_plays() -> None:
    """The first line says protocol, name and version; each answer repeats its number, with a new decoder."""
    hello, *said = answers(Decoder, STREAM, STREAM)
    assert hello == {"protocol": 1, "name": "a decoder", "version": sys.modules["sseor"].__version__}
    assert [answer["play"] for answer in said] == [1, 2]
    assert said[0]["items"] == said[1]["items"]


@pytest.mark.parametrize(
    ("factory", "items", "state"),
    [
        (Decoder, [{**COMMENT, "comment": "c"}, *EVENTS], {"last_event_id": "1", "reconnection_time": 5}),
        (toys.Toy, [COMMENT, *EVENTS], {"last_event_id": "1", "reconnection_time": 5}),
        (toys.Nothing, [COMMENT, *EVENTS], {"last_event_id": "1", "reconnection_time": 5}),
        (toys.pulling, [COMMENT, *EVENTS], {"last_event_id": "1", "reconnection_time": 5}),
        (toys.pulling_async, [COMMENT, *EVENTS], {}),
        (toys.Bare, [{"after": 1, "data": "x", "event": "message"}, {"after": 3, "data": "y", "event": "e"}], {}),
    ],
)  # fmt: skip
def test_each_way_to_write_a_decoder(
    factory: Callable[..., Any], items: list[Any], state: dict[str, Any]
) -> None:
    """Fed or pulling, plain or async, with attributes or keys: the same events after the same reads."""
    assert played(factory, *STREAM) == {"items": items, **state}


class Ending(toys.Toy):
    """Gives out something at the end."""

    rest: Any = None

    def end(self) -> Any:
        """Return it."""
        return self.rest


@pytest.mark.parametrize(
    ("rest", "items"),
    [
        ([{"data": "x"}], [{"after": 2, "data": "x"}]),
        (iter([{"data": "x"}]), [{"after": 2, "data": "x"}]),
        (None, []),
        (({"data": "x"},), []),
        (5, []),
    ],
)
def test_what_comes_at_the_end(rest: Any, items: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A list or an iterator that `end` returns is given out after the last read; any other value is its own affair."""
    monkeypatch.setattr(Ending, "rest", rest)
    assert played(Ending, b"data: x")["items"] == items


def test_a_generator_that_yields_after_the_last_read() -> None:
    """What a generator yields once its reads are over counts as brought by the end."""

    def late(reads: Iterator[bytes]) -> Iterator[dict[str, str]]:
        yield {"data": str(len(list(reads)))}

    assert played(late, b"a", b"b")["items"] == [{"after": 3, "data": "2"}]


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (SimpleNamespace(data="x", type="e", last_event_id="1"), {"data": "x", "event": "e", "id": "1"}),
        (SimpleNamespace(data="x", event=None, id=None), {"data": "x", "event": None, "id": None}),
        ({"data": b"x", "event": 5}, {"data": {"type": "bytes"}, "event": {"type": "int"}}),
        (SimpleNamespace(text="c"), {"comment": "c"}),
        ({"comment": 5}, {"comment": {"type": "int"}}),
        (5, {"unknown": "an object of type int"}),
        ({}, {"unknown": "an object of type dict"}),
    ],
)
def test_items(item: Any, said: dict[str, Any]) -> None:
    """An item is looked at by attribute or key; what is no text is told by its type."""
    assert played(lambda: SimpleNamespace(feed=lambda data: [item]), b"x")["items"] == [{"after": 1, **said}]


def test_state_of_any_kind() -> None:
    """A generator tells one part of the state or both, the last word counts, and odd types are told as such."""

    def telling(reads: Iterator[bytes]) -> Iterator[dict[str, Any]]:
        yield {"last_event_id": "1"}
        yield {"last_event_id": b"2"}
        yield {"reconnection_time": 2.5}
        yield from ()

    state = played(telling)
    assert state == {"items": [], "last_event_id": {"type": "bytes"}, "reconnection_time": {"type": "float"}}


@pytest.mark.parametrize(
    ("decoder", "error"),
    [
        (toys.Crashing, "LookupError: no such event"),
        (toys.Exiting, "SystemExit: 3"),
        (lambda: SimpleNamespace(), "AttributeError: 'types.SimpleNamespace' object has no attribute 'feed'"),
        (lambda: SimpleNamespace(feed=lambda data: 5), "TypeError: 'int' object is not iterable"),
    ],
)
def test_exceptions(decoder: Callable[..., Any], error: str) -> None:
    """Whatever a decoder raises is told with the items that came before, and the next play is played."""
    _, first, second = answers(decoder, (b"data: x\n\n", b"event: e\n"), ())
    assert first["error"] == error
    assert len(first["items"]) == (1 if isinstance(decoder, type) else 0)
    assert second["items"] == []


def test_an_exception_without_words() -> None:
    """Its name is enough, and long words are cut."""

    def failing(reads: Iterator[bytes]) -> Iterator[None]:
        for data in reads:
            raise RuntimeError(*([data.decode() * 1000] if data else []))
        yield None

    assert played(failing, b"")["error"] == "RuntimeError"
    assert len(played(failing, b"x")["error"]) == 400


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("conformance.toys", "write it as module:factory"),
        (":Toy", "write it as module:factory"),
        ("conformance.toys:", "write it as module:factory"),
        ("conformance.toys:Toyy", "conformance.toys has no Toyy"),
        ("conformance.toys:Toy.more", "conformance.toys has no Toy.more"),
        ("conformance.toys:not_callable", "is int, and cannot be called"),
    ],
)
def test_names_of_nothing(name: str, reason: str) -> None:
    """What cannot be a decoder is refused with the reason."""
    with pytest.raises(FactoryError, match=reason):
        load_factory(name)


def test_names() -> None:
    """A factory may stand deeper in its module."""
    assert load_factory("conformance.toys:Toy") is toys.Toy
    assert load_factory("conformance.toys:Toy.feed") is toys.Toy.feed


def test_versions() -> None:
    """The version is what the factory says, else its package, else its distribution, else empty."""
    factory: Any = lambda: None  # noqa: E731 - an attribute is set on it
    assert answers(factory)[0]["version"] == ""
    factory.__module__ = "_pytest.pytester"
    assert answers(factory)[0]["version"] == pytest.__version__
    factory.__module__ = "sortedcontainers" if "sortedcontainers" in sys.modules else "iniconfig"
    assert answers(factory)[0]["version"]
    factory.version = "7"
    assert answers(factory)[0]["version"] == "7"
    factory.__module__ = None
    del factory.version
    assert answers(factory)[0]["version"] == ""


def test_as_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output belongs to the protocol: what the decoder prints, past Python too, goes to standard error."""
    command = [sys.executable, "-m", "sseor.conformance.bridge", "conformance.toys:Noisy"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        command, input=request(1, STREAM), capture_output=True, timeout=60, env=environment, check=True
    )
    hello, answer = map(json.loads, done.stdout.splitlines())
    assert (hello["protocol"], len(answer["items"])) == (1, 3)
    assert b"noise" in done.stderr
    assert b'{"play": 1}' in done.stderr


@pytest.mark.parametrize(
    ("factory", "code"), [("conformance.toys:Toy", 0), ("conformance.toys:None", 2), ("no_such_module:x", 2)]
)
def test_its_exit_codes(
    factory: str, code: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It ends with 0 when its input does, and with 2 and a word on standard error where there is no decoder."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(request(1, STREAM))))
    one = os.dup(1)
    try:
        assert bridge.main([factory]) == code
    finally:
        os.dup2(one, 1)
        os.close(one)
    out, err = capfd.readouterr()
    assert len(out.splitlines()) == (2 if code == 0 else 0)
    assert (err != "") == (code == 2)


def test_it_runs_as_a_module(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """`python -m` ends with the code of `main`."""
    monkeypatch.setattr(sys, "argv", ["bridge", "no_such_module:x"])
    one = os.dup(1)
    try:
        with warnings.catch_warnings(action="ignore"), pytest.raises(SystemExit) as left:
            runpy.run_module(bridge.__name__, run_name="__main__")
    finally:
        os.dup2(one, 1)
        os.close(one)
    assert left.value.code == 2
    assert "no_such_module" in capfd.readouterr().err
