"""A server that knows the key, and calls everything by it: nothing that is kept, shown or sent on holds the key."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from catalogue import OTHER_KEY, logged, texts_of
from metrics.test_otel import Collected
from shells import KEY, SHELLS, read

import sseor
from sseor.cli import main
from sseor.errors import SseorError
from sseor.metrics import MetricsLog
from sseor.relay import records
from sseor.testing import Exchange, LoopbackServer
from sseor.testing.shapes import data_event

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")


def key_of(exchange: Exchange) -> str:
    """Return the key that the client sent."""
    return exchange.request.headers["authorization"].removeprefix("Bearer ")


def begin(exchange: Exchange, **more: Any) -> None:
    """Send a heartbeat and a piece of the answer, named by the key wherever the server has a word."""
    key = key_of(exchange)
    exchange.head()
    names = {"id": f"gen-{key}", "model": f"m/{key}", "provider": key, "system_fingerprint": key}
    choice = {"index": 0, "delta": {"content": "Low"}, "finish_reason": None}
    exchange.send(f": {key}\n\n".encode())
    exchange.send(data_event({**names, "choices": [choice | more]}))


def whole(exchange: Exchange) -> None:
    """End the answer properly, for a reason that is the key."""
    key = key_of(exchange)
    begin(exchange, finish_reason=key, native_finish_reason=key)
    exchange.send(b"data: [DONE]\n\n")


def cut(exchange: Exchange) -> None:
    """Cut the connection."""
    begin(exchange)
    exchange.cut()


def early(exchange: Exchange) -> None:
    """End without a finish reason."""
    begin(exchange)


def failure(key: str) -> dict[str, Any]:
    """Return an error object of OpenRouter."""
    return {
        "code": key,
        "message": f"no {key}",
        "metadata": {"provider_name": key, "raw": key, "reason": key},
    }


def failed(exchange: Exchange) -> None:
    """Report a failure within the stream."""
    begin(exchange)
    exchange.send(data_event({"choices": [], "error": failure(key_of(exchange))}))


def broken(exchange: Exchange) -> None:
    """Send what is no chunk."""
    begin(exchange)
    exchange.send(f'data: {{"{key_of(exchange)}": nonsense\n\n'.encode())


def refused(exchange: Exchange) -> None:
    """Refuse the request in JSON."""
    exchange.reply(401, {"error": failure(key_of(exchange))})


def a_page(exchange: Exchange) -> None:
    """Answer with a web page."""
    exchange.reply(200, f"<html>{key_of(exchange)}</html>", {"Content-Type": "text/html"})


def elsewhere(exchange: Exchange) -> None:
    """Send the client away."""
    key = key_of(exchange)
    exchange.reply(302, "", {"Location": f"http://127.0.0.1/{key}?k={key}"})


ENDS = (whole, cut, early, failed, broken, refused, a_page, elsewhere)


def of_relay(items: list[Any], error: SseorError | None) -> Iterator[str]:
    """Yield the records that a relay makes of these."""
    for item in items:
        if not isinstance(item, sseor.Heartbeat):
            yield records.encode(item).decode()
    if error is not None:
        yield records.encode(sseor.Retrying(1.0, error)).decode()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("key", [KEY, OTHER_KEY], ids=["known_form", "any_form"])
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_no_output_holds_the_key(
    shell: str, key: str, end: Callable[[Exchange], None], tmp_path: Path
) -> None:
    """Log file, spans, metrics, hook, events, errors with their causes, logs, relay: the key is in none of them."""
    collected = Collected()
    texts: list[str] = []

    def on_finish(completion: sseor.Completion, error: SseorError | None) -> None:
        collected.otel.record(completion, error)
        texts.append(f"{completion!r} {completion.to_dict()} {completion.timeline.metrics()}")

    with MetricsLog(tmp_path / "m") as log, LoopbackServer(end) as server, logged(texts):
        outcome = read(shell, server.base_url, api_key=key, metrics=log, on_finish=on_finish)
        [kept] = log.records()
    texts += [f"{item!r}" for item in outcome.items if not isinstance(item, sseor.Heartbeat)]
    texts += [
        f"{outcome.completion!r}",
        repr(kept),
        f"{collected.metrics}",
        *(span.to_json() for span in collected.spans),
    ]
    texts += of_relay(outcome.items, outcome.error)
    if outcome.error is not None:
        texts += texts_of(outcome.error)
        texts.append(json.dumps(outcome.error.partial and outcome.error.partial.to_dict(), default=repr))
    assert (outcome.error is None) == (end is whole)
    assert len(collected.spans) == 1
    # httpcore itself logs the header fields of a response, as they came.
    assert [text for text in texts if key in text and not text.startswith("httpcore.")] == []
    assert not any(key.encode() in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize("key", [KEY, OTHER_KEY], ids=["known_form", "any_form"])
def test_the_command_line_shows_no_key(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status lines, sentences of errors, the log, and all forms of `sseor stats` are without it."""
    monkeypatch.setenv("SSEOR_METRICS", str(tmp_path / "m"))
    monkeypatch.setenv("THE_KEY", key)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(sys, "stdin", None)
    for end in ENDS:
        with LoopbackServer(end) as server:
            options = ["--base-url", server.base_url, "--key-env", "THE_KEY", "--attempts", "1"]
            assert (main(["chat", "-m", "m/x", *options, "Hi"]) == 0) == (end is whole)
    for form in (
        [],
        ["--by", "model,provider,day"],
        ["--json"],
        ["--csv"],
        ["--html", str(tmp_path / "page")],
    ):
        assert main(["stats", *form]) == 0
    out, err = capsys.readouterr()
    assert err.count("sseor: ") == len(ENDS)
    assert "redacted" in out + err
    assert key not in out + err
    assert not any(key.encode() in file.read_bytes() for file in tmp_path.iterdir())
