"""Errors that a provider reports inside the stream, in every shape, before and after the first token."""

from __future__ import annotations

import json
from typing import Any

import pytest
from catalogue import (
    ENDING,
    LOW,
    OTHER_KEY,
    across_shells,
    body,
    chunk,
    each_shell,
    look_at,
    nothing_is_left,
    retrying,
    sse,
    texts_of,
)
from shells import KEY

import sseor
from sseor.errors import GenerationError
from sseor.testing import in_turn

__all__ = ["nothing_is_left"]
pytestmark = pytest.mark.usefixtures("nothing_is_left")

ANSWER = body(sse(LOW) + ENDING)


def failed(error: object) -> GenerationError:
    """Return this error as the `GenerationError` it must be, fit to be shown."""
    assert type(error) is GenerationError, repr(error)
    for text in (str(error), error.message, str(error.code), str(error.provider), str(error.error_type)):
        assert text.isprintable()
        assert len(text) < 1300
    return error


def error_event(code: Any = 502, message: Any = "provider went away", **fields: Any) -> dict[str, Any]:
    """Return an error as OpenRouter sends it in the stream."""
    error = {
        "code": code,
        "message": message,
        "metadata": {"provider_name": "P", "error_type": "provider_unavailable"},
    }
    return {"id": "gen-1", "error": error, **fields}


@each_shell
@pytest.mark.parametrize(
    "first", [b"", b": OPENROUTER PROCESSING\n\n", sse(chunk(delta={"role": "assistant"}))]
)
def test_row_90_before_any_token(shell: str, first: bytes) -> None:
    """A transient error as the first event is tried again; the last one is reported."""
    refusal = body(first + sse(error_event(), "[DONE]"))
    seen = look_at(shell, refusal, retries=retrying(3))
    error = failed(seen.error)
    assert (error.code, error.message, error.provider) == (502, "provider went away", "P")
    assert (error.attempts, seen.attempts, error.retryable, error.phase) == (3, 3, True, "first_token")
    assert look_at(shell, in_turn(refusal, ANSWER), retries=retrying(3)).whole.text == "Low"


@across_shells("code", [400, 401, 402, 403, 404])
def test_row_90_a_permanent_error(shell: str, code: int) -> None:
    """A permanent one is not."""
    seen = look_at(shell, body(sse(error_event(code))), retries=retrying(3))
    assert (failed(seen.error).code, seen.attempts, seen.error and seen.error.retryable) == (code, 1, False)


@each_shell
@pytest.mark.parametrize("hint", [{"retry_after_seconds": 0.2}, {"headers": {"Retry-After": "0.2"}}])
def test_row_90_a_hint_in_the_event(shell: str, hint: dict[str, Any]) -> None:
    """The wait that an error event names is kept to."""
    event = {"error": {"code": 429, "message": "slow", "metadata": hint}}
    seen = look_at(shell, in_turn(body(sse(event)), ANSWER), retries=retrying(3))
    assert [item.wait for item in seen.of(sseor.Retrying)] == [0.2]
    assert seen.whole.text == "Low"


@each_shell
@pytest.mark.parametrize(
    "done", [b"", sse("[DONE]"), sse(chunk(" late")) + ENDING], ids=["end", "done", "more"]
)
@pytest.mark.parametrize(
    "choices",
    [None, [], [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]],
    ids=["none", "empty", "one"],
)
def test_row_91_after_tokens(shell: str, done: bytes, choices: Any) -> None:
    """After tokens an error ends the stream, whatever follows; what came is kept, nothing is sent again."""
    fields = {} if choices is None else {"choices": choices}
    seen = look_at(shell, body(sse(LOW, error_event(**fields)) + done), retries=retrying(3))
    error = failed(seen.error)
    assert (error.code, error.message, error.provider) == (502, "provider went away", "P")
    assert (error.error_type, error.retryable) == ("provider_unavailable", True)
    assert (seen.text, seen.attempts, error.phase, error.generation_id) == ("Low", 1, "streaming", "gen-1")
    assert seen.of(sseor.Finished) == []


@each_shell
def test_row_91_text_in_the_same_chunk(shell: str) -> None:
    """Text that comes in the chunk of the error is handed out before it."""
    seen = look_at(shell, body(sse(LOW, chunk(" water", **error_event(500)))))
    assert failed(seen.error).code == 500
    assert seen.text == "Low water"


@each_shell
def test_row_91_an_error_after_the_finish(shell: str) -> None:
    """An error is reported even when a finish reason had come before it."""
    seen = look_at(shell, body(sse(LOW, chunk(finish_reason="stop"), error_event(), "[DONE]")))
    assert failed(seen.error).code == 502
    assert seen.text == "Low"


@across_shells(
    ("data", "code", "message"),
    [
        (sse({"error": "out of memory"}), None, "out of memory"),
        (sse({"error": 503}), 503, ""),
        (sse({"error": {"code": "429", "message": "m"}}), 429, "m"),
        (sse({"error": {"code": "server_error", "message": "m"}}), "server_error", "m"),
        (sse({"error": {"message": "m"}}), None, "m"),
        (sse({"error": ["odd", 1]}), None, "['odd', 1]"),
        (sse({"error": True}), None, "True"),
        (sse({"error": {"code": 10**30, "message": ["a", {"b": None}]}}), None, "['a', {'b': None}]"),
        (b"event: error\n" + sse({"code": 500, "message": "m"}), 500, "m"),
        (b"event: error\n" + sse({"message": "m"}), None, "m"),
        (b"event: error\ndata: it broke\n\n", None, "it broke"),
        (b"event: error\n" + sse({"error": {"code": 500, "message": "m"}}), 500, "m"),
        (sse({"object": "error", "message": "m", "code": 400}), 400, "m"),
        (sse({"choices": [{"index": 0, "delta": {}, "error": {"code": 502, "message": "m"}}]}), 502, "m"),
        (sse([{"error": {"code": 500, "message": "m"}}]), 500, "m"),
    ],
    ids=lambda value: f"{value!r:.45}" if isinstance(value, bytes) else None,
)
def test_row_92_errors_of_all_shapes(shell: str, data: bytes, code: Any, message: str) -> None:
    """An error as text, with a code in words, under `event: error`, flat or in a choice is an error."""
    seen = look_at(shell, body(sse(LOW) + data + ENDING))
    error = failed(seen.error)
    if code is not None:
        assert error.code == code
    assert error.message == message
    assert seen.text == "Low"


@each_shell
def test_row_93_finish_reason_error(shell: str) -> None:
    """A finish reason `error` without an error is a failure: tried again before content, never after it."""
    event = chunk(finish_reason="error")
    seen = look_at(shell, body(sse(event, "[DONE]")), retries=retrying(3))
    assert (failed(seen.error).attempts, seen.attempts) == (3, 3)
    after = look_at(shell, body(sse(LOW, event, "[DONE]")), retries=retrying(3))
    assert (failed(after.error).attempts, after.text) == (1, "Low")
    assert after.of(sseor.Finished) == []


HOSTILE = [
    "\x1b[31mred\x1b[0m\x07\r\nSet-Cookie: x",
    "\u202eevil\u2028\u2029\x85",
    "\ud83e half",
    "x" * (1 << 20),
    "\x00",
    "<script>alert(1)</script>",
    "",
    " \t\n",
]


@across_shells("text", HOSTILE, ids=lambda text: ascii(text)[:20])
def test_row_94_hostile_words(shell: str, text: str) -> None:
    """Controls are cleaned and a megabyte is cut, wherever the provider puts it."""
    metadata = {"provider_name": text, "error_type": text, "raw": text}
    event = {"error": {"code": text, "message": text, "metadata": metadata}}
    seen = look_at(shell, body(sse(LOW, event)))
    error = failed(seen.error)
    assert len(error.message) <= 1000
    assert sum(len(shown) for shown in texts_of(error)) < 60_000


def escaped(text: str) -> str:
    """Return the text in JSON escapes."""
    return "".join(f"\\u{ord(letter):04x}" for letter in text)


@each_shell
@pytest.mark.parametrize("key", [KEY, OTHER_KEY], ids=["known_form", "any_form"])
@pytest.mark.parametrize(
    "place", ["message", "code", "provider_name", "error_type", "raw", "text", "flat", "cut"]
)
def test_row_94_an_error_that_echoes_the_key(shell: str, key: str, place: str) -> None:
    """The key shows in no part of an error that echoes it, nor in the failure that the partial keeps."""
    error: Any = {"code": 500, "message": "m", "metadata": {}}
    if place in ("message", "code"):
        error[place] = f"you sent {key}!"
    elif place == "cut":
        error["message"] = " " + "x" * 985 + f" {key}"
    elif place in ("text", "flat"):
        error = f"you sent {key}!"
    else:
        error["metadata"][place] = f"{key}"
    data = json.dumps({"object": "error", "message": error} if place == "flat" else {"error": error})
    for spelt in (key, escaped(key)):
        seen = look_at(shell, body(sse(LOW, data.replace(key, spelt))), key=key)
        failure = failed(seen.error)
        assert all(key[:12] not in text for text in texts_of(failure))
