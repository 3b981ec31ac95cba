"""Faults under status 200: what claims to be a success and is none, or is one in disguise."""

from __future__ import annotations

from typing import Any

import pytest
from catalogue import (
    ENDING,
    FINISH,
    HEAD,
    LOW,
    OTHER_KEY,
    across_shells,
    body,
    each_shell,
    look_at,
    nothing_is_left,
    raw,
    retrying,
    sse,
)
from shells import KEY

import sseor
from sseor.errors import ContentTypeError, EndedEarlyError, GenerationError
from sseor.testing import Exchange, Generation, in_turn, play
from sseor.testing.acts import Status

__all__ = ["nothing_is_left"]
pytestmark = pytest.mark.usefixtures("nothing_is_left")

ANSWER = body(sse(LOW) + ENDING)
HTML = b"<!DOCTYPE html>\n<html><head><title>Log in</title></head><body>\x1b[31mWelcome to the hotel</body></html>"


@across_shells(
    "kind", ["text/html", "text/html; charset=utf-8", "text/plain", "", "application/octet-stream"]
)
@pytest.mark.parametrize(
    "data", [HTML, b"  \r\n" + HTML, b"error code: 502", b"\x89PNG\r\n\x1a\n" + bytes(50), b"d"]
)
def test_row_35_another_content_type(shell: str, kind: str, data: bytes) -> None:
    """A page in place of a stream is a `ContentTypeError` with an extract, for good, and no text of the answer."""
    headers = {"Content-Type": kind} if kind else {}
    seen = look_at(shell, body(data, headers=headers), retries=retrying(3))
    assert type(seen.error) is ContentTypeError
    assert (seen.error.content_type, seen.error.retryable) == (kind.partition(";")[0], False)
    assert 0 < len(seen.error.body) <= 200
    assert seen.error.body.isprintable()
    assert str(seen.error).isprintable()
    assert (seen.attempts, seen.items) == (1, [])


@each_shell
def test_row_35_an_endless_page(shell: str) -> None:
    """A page that does not end is told by its beginning; the connection is closed at once."""

    def respond(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Type": "text/html"})
        while exchange.wait(0.01):
            exchange.send(HTML)

    seen = look_at(shell, respond)
    assert type(seen.error) is ContentTypeError
    assert (seen.kept, seen.elapsed < 6) == (0, True)


@each_shell
@pytest.mark.parametrize("key", [KEY, OTHER_KEY], ids=["known_form", "any_form"])
def test_row_35_a_page_that_echoes_the_key(shell: str, key: str) -> None:
    """The extract and the content type show no key."""
    data = f"<html>you are {key}</html>".encode()
    seen = look_at(
        shell, body(data, headers={"Content-Type": f"text/{key}"}), key=key, without_logs_of="httpcore"
    )
    assert type(seen.error) is ContentTypeError


@across_shells(("code", "attempts"), [(429, 3), (502, 3), (503, 3), (400, 1), (402, 1), (404, 1)])
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_row_36_a_json_error_under_200(shell: str, code: int, attempts: int, kind: str) -> None:
    """An error under status 200 counts by its code: a transient one is tried again."""
    answer = {"error": {"code": code, "message": "no luck", "metadata": {"provider_name": "P"}}}
    seen = look_at(shell, play(Status(200, answer, {"Content-Type": kind})), retries=retrying(3))
    assert type(seen.error) is GenerationError
    assert (seen.error.code, seen.error.message, seen.error.provider) == (code, "no luck", "P")
    assert (seen.attempts, seen.error.retryable) == (attempts, attempts > 1)


@each_shell
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream", "text/plain", None])
@pytest.mark.parametrize("pad", ["", "  \r\n"])
def test_row_37_a_completion_that_was_not_streamed(shell: str, kind: str | None, pad: str) -> None:
    """A server that ignores `stream` is understood: one piece of text, all facts, and a flag."""
    import json

    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.5}
    answer = Generation("m", id="gen-7").completion({"content": "Low water"}, finish="stop", usage=usage)
    data = (pad + json.dumps(answer)).encode()
    seen = look_at(shell, body(data, headers={"Content-Type": kind} if kind else {}))
    assert (seen.text, seen.whole.finish_reason, seen.whole.generation_id) == ("Low water", "stop", "gen-7")
    assert seen.whole.verdict.not_streamed
    assert seen.whole.cost == 0.5


@each_shell
def test_row_37_a_completion_that_was_cut(shell: str) -> None:
    """A JSON document that ends in the middle is no answer."""
    seen = look_at(
        shell, body(b'{"choices":[{"message":{"content":"Low', headers={"Content-Type": "application/json"})
    )
    assert seen.error is not None
    assert seen.text == ""


@across_shells(
    "kind",
    [None, "application/octet-stream", "text/plain", "application/json", "text/event-stream;charset=utf-16"],
)
@pytest.mark.parametrize(
    "first", [b"", b"\xef\xbb\xbf", b": hello\n\n", b"\n\n\n", b"event: message\n", b"id: 7\n"]
)
def test_row_38_an_event_stream_without_its_content_type(shell: str, kind: str | None, first: bytes) -> None:
    """What begins as an event stream is read as one, always as UTF-8."""
    headers = {"Content-Type": kind} if kind else {}
    seen = look_at(shell, body(first + sse(LOW) + ENDING, headers=headers))
    assert seen.whole.text == "Low"


@each_shell
def test_row_38_byte_by_byte(shell: str) -> None:
    """The decision waits until enough has come to tell."""
    data = sse(LOW) + ENDING

    def respond(exchange: Exchange) -> None:
        exchange.head(200, {})
        for number in range(8):
            exchange.send(data[number : number + 1])
            exchange.wait(0.005)
        exchange.send(data[8:])

    assert look_at(shell, respond).whole.text == "Low"


@across_shells(
    "data",
    [
        b"",
        b"\n\n",
        b": OPENROUTER PROCESSING\n\n" * 3,
        sse("[DONE]"),
        b": x\n\ndata: [DONE]",
        b"data: \n\n",
        b"retry: 3\n\n",
    ],
)
def test_row_39_nothing_generated(shell: str, data: bytes) -> None:
    """An answer without a token ended early; since nothing was handed out it is tried again."""
    seen = look_at(shell, body(data), retries=retrying(3))
    assert type(seen.error) is EndedEarlyError
    assert (seen.attempts, seen.error.attempts, seen.error.phase) == (3, 3, "first_token")
    assert (seen.error.retryable, seen.text) == (True, "")
    assert look_at(shell, in_turn(body(data), ANSWER), retries=retrying(2)).whole.text == "Low"


@each_shell
def test_row_39_an_empty_body_by_its_length(shell: str) -> None:
    """A Content-Length of nothing is no answer either."""
    seen = look_at(shell, raw(HEAD + b"Content-Length: 0\r\n\r\n"))
    assert type(seen.error) is EndedEarlyError


@each_shell
def test_row_39_a_finish_without_text(shell: str) -> None:
    """A finish reason completes even an empty answer."""
    seen = look_at(shell, body(sse(FINISH, "[DONE]")), retries=retrying(3))
    assert (seen.whole.text, seen.whole.finish_reason, seen.attempts) == ("", "stop", 1)
    assert len(seen.of(sseor.Finished)) == 1


def headers_of(answer: Any) -> Any:
    """Return the header fields of a recorded request."""
    return answer.requests[0].headers


@each_shell
def test_row_35_what_was_asked_for(shell: str) -> None:
    """Each request asks for an uncompressed event stream."""
    seen = look_at(shell, ANSWER)
    assert headers_of(seen)["Accept"] == "text/event-stream"
    assert headers_of(seen)["Accept-Encoding"] == "identity"
