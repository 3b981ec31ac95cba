"""Faults told by a status: which are tried again, how long is waited, and what is shown of a body."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import Any

import pytest
from catalogue import (
    ENDING,
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
from shells import KEY, in_time

import sseor
from sseor.errors import ProtocolError, StatusError
from sseor.testing import Exchange, LoopbackServer, Status, in_turn, play

__all__ = ["nothing_is_left"]
pytestmark = pytest.mark.usefixtures("nothing_is_left")

ANSWER = body(sse(LOW) + ENDING)
ERROR = {
    "error": {
        "code": 400,
        "message": "bad words",
        "metadata": {"error_type": "invalid_request", "provider_name": "P"},
    }
}


def refused(error: object) -> StatusError:
    """Return this error as the `StatusError` it must be."""
    assert type(error) is StatusError, repr(error)
    assert len(error.body) <= 200
    assert error.body.isprintable()
    assert str(error).isprintable()
    return error


@across_shells("status", [400, 402, 403, 404, 405, 412, 413, 418, 422, 451, 501, 505])
def test_row_23_permanent_refusals(shell: str, status: int) -> None:
    """A permanent refusal carries status, code, message and metadata, and is not tried again."""
    answer = json.loads(json.dumps(ERROR).replace("400", str(status)))
    seen = look_at(shell, play(Status(status, answer)), retries=retrying(3))
    error = refused(seen.error)
    assert (error.status, error.code, error.message) == (status, status, "bad words")
    assert (error.error_type, error.provider) == ("invalid_request", "P")
    assert (error.retryable, seen.attempts, error.attempts) == (False, 1, 1)
    assert (seen.items, error.partial and error.partial.text) == ([], "")


@each_shell
@pytest.mark.parametrize("key", [KEY, OTHER_KEY])
def test_row_24_unauthorized(shell: str, key: str) -> None:
    """A 401 whose text quotes the key shows it redacted, and is not tried again."""
    answer = {"error": {"code": 401, "message": f"the key {key} is wrong"}}
    seen = look_at(shell, play(Status(401, answer)), key=key, retries=retrying(3))
    error = refused(seen.error)
    assert (error.status, error.retryable, seen.attempts) == (401, False, 1)
    assert "is wrong" in str(error)


@across_shells("status", [408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 529, 530])
def test_row_25_transient_refusals(shell: str, status: int) -> None:
    """A transient refusal is tried again; the last one is reported, a better answer before it is taken."""
    refusal = play(Status(status, b"error code: %d" % status))
    seen = look_at(shell, refusal, retries=retrying(3))
    error = refused(seen.error)
    assert (error.status, error.retryable, error.attempts, seen.attempts) == (status, True, 3, 3)
    assert [type(item) for item in seen.items] == [sseor.Retrying] * 2
    assert look_at(shell, in_turn(refusal, ANSWER), retries=retrying(3)).whole.text == "Low"


@across_shells(
    ("headers", "wait"),
    [
        ({"Retry-After": "0.3"}, 0.3),
        ({"retry-after-ms": "300", "Retry-After": "9"}, 0.3),
        ({"Retry-After": " 0.3 "}, 0.3),
        ({}, 0.0),
    ],
)
def test_row_26_retry_after_seconds(shell: str, headers: dict[str, str], wait: float) -> None:
    """The wait that a 429 asks for is kept to, and announced."""
    seen = look_at(shell, in_turn(play(Status(429, b"", headers)), ANSWER), retries=retrying(3))
    (retry,) = seen.of(sseor.Retrying)
    assert retry.wait == wait
    assert wait <= seen.requests[1].at - seen.requests[0].at < wait + 0.5
    assert seen.whole.text == "Low"


@each_shell
def test_row_26_retry_after_in_the_body(shell: str) -> None:
    """A wait that only the body names is kept to as well."""
    answer = {"error": {"code": 429, "message": "slow down", "metadata": {"retry_after_seconds": 0.2}}}
    seen = look_at(shell, in_turn(play(Status(429, answer)), ANSWER), retries=retrying(3))
    assert [item.wait for item in seen.of(sseor.Retrying)] == [0.2]
    assert seen.requests[1].at - seen.requests[0].at >= 0.2


@pytest.mark.parametrize("shell", ["threads"])
def test_row_26_retry_after_date(shell: str) -> None:
    """A date is waited for, whatever the clock says in the meantime."""

    def busy(exchange: Exchange) -> None:
        exchange.reply(503, b"", {"Retry-After": formatdate(int(time.time()) + 1.999, usegmt=True)})

    seen = look_at(shell, in_turn(busy, ANSWER), retries=retrying(3))
    (retry,) = seen.of(sseor.Retrying)
    assert 0 <= retry.wait <= 2
    assert retry.wait <= seen.requests[1].at - seen.requests[0].at < retry.wait + 0.5


@across_shells(
    "hint",
    [
        "-1", "nan", "inf", "-inf", "1e3", "soon", "", "0x10", "\u00b2", "9" * 5000, "1 2", "1,5", "+3", "1_0",
        "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 99 Foo 2030 00:00:00 GMT", "Fri, 31 Dec 9999999 23:59:59 GMT",
    ],
    ids=lambda hint: hint[:20],
)  # fmt: skip
def test_row_27_hints_that_are_none(shell: str, hint: str) -> None:
    """A hint in the past, negative or not a number leaves the policy's own wait."""
    head = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nRetry-After: " + hint.encode("latin-1")
    seen = look_at(shell, in_turn(raw(head + b"\r\n\r\n"), ANSWER), retries=retrying(3))
    assert [item.wait for item in seen.of(sseor.Retrying)] == [0.0]
    assert seen.whole.text == "Low"


@each_shell
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("hint", "total"), [("3600", None), ("30", 5.0), ("999999999", None)], ids=["cap", "total", "years"]
)
def test_row_28_a_wait_beyond_the_budget(shell: str, status: int, hint: str, total: float | None) -> None:
    """A longer wait than the policy or the total deadline allows is not begun; the error keeps the number."""
    timeouts = sseor.Timeouts(total=total)
    refusal = play(Status(status, b"", {"Retry-After": hint}))
    seen = look_at(shell, refusal, retries=retrying(3), timeouts=timeouts)
    error = refused(seen.error)
    assert (error.retry_after, error.attempts, seen.attempts) == (float(hint), 1, 1)
    assert seen.elapsed < 10


@across_shells(
    "answer",
    [
        b"<!DOCTYPE html><html><head><title>502</title></head><body>bad <script>x</script></body></html>",
        bytes(range(256)) * 8,
        b"",
        ["a", 1, None],
        "just a \x1b[31mstring\x07\r\nwith controls",
        {"error": ["odd"]},
        {"error": {"message": {"deep": [1]}, "code": None}},
        {"error": {"code": [], "message": 5, "metadata": "x"}},
        {"detail": [{"loc": ["body"], "msg": "field required"}]},
        None,
        5,
        b'{"error": {"message": "cut',
        "\u202e\u2028\ud7ff\ufeff",
    ],
    ids=lambda answer: f"{answer!r:.20}",
)
def test_row_29_bodies_of_all_shapes(shell: str, answer: Any) -> None:
    """Whatever stands in its body, a refusal is a `StatusError` with a short printable extract, and no page."""
    seen = look_at(shell, play(Status(404, answer)))
    error = refused(seen.error)
    assert error.status == 404
    assert not str(error).partition(": ")[2].startswith("<")


@pytest.mark.parametrize(
    ("shell", "every"), [("threads", 0.05), ("threads", 0.0005), ("asyncio", 0.0005), ("trio", 0.0005)]
)
def test_row_30_an_endless_body(shell: str, every: float) -> None:
    """Of a body that does not end at most 64 KiB are read, for at most about a second; the connection is closed."""
    sent = {"bytes": 0}

    def respond(exchange: Exchange) -> None:
        exchange.head(400, {"Content-Type": "text/plain"})
        while exchange.wait(every):
            exchange.send(b"x" * 8192 if every < 0.01 else b"x")
            sent["bytes"] += 8192

    seen = in_time(lambda: look_at(shell, respond), lambda seen: seen.elapsed < 1.5)
    assert refused(seen.error).status == 400
    assert (seen.kept, seen.elapsed < 1.5) == (0, True)


@each_shell
def test_row_30_a_stalled_body(shell: str) -> None:
    """A body that stalls costs a second, and less when the total deadline is nearer."""

    def respond(exchange: Exchange) -> None:
        exchange.head(400, {"Content-Type": "application/json"})
        exchange.send(b'{"error": ')
        exchange.wait(30)

    limits = sseor.Timeouts(total=0.3)
    seen = in_time(
        lambda: look_at(shell, respond, timeouts=limits, retries=retrying(3)),
        lambda seen: isinstance(seen.error, StatusError) and seen.elapsed < 0.8,
    )
    assert refused(seen.error).status == 400
    assert 0.25 < seen.elapsed < 0.8
    assert (seen.kept, seen.attempts) == (0, 1)


@each_shell
@pytest.mark.parametrize("end", [Exchange.cut, Exchange.reset])
def test_row_30_a_cut_body(shell: str, end: Any) -> None:
    """A body that is cut still tells the status, and what had come of it."""
    head = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 999\r\n\r\nnot for you"
    error = refused(look_at(shell, raw(head, last=end)).error)
    assert (error.status, "not for you" in str(error)) == (403, True)


@across_shells(
    "bomb",
    [
        b"[" * 60_000,
        b'{"error":' * 6000 + b"1" + b"}" * 6000,
        b'{"error":{"message":"' + b"\xff\xfe\x80" * 50 + b'"}}',
        b'{"error":{"message":"\\ud800 half"}}',
        b'{"error":{"code":' + b"9" * 5000 + b"}}",
        b'{"error":{"code":1e999,"message":"big"}}',
        b"\xff\xfe{\x00}\x00",
    ],
    ids=["lists", "objects", "not_utf8", "surrogate", "huge_number", "infinite", "utf16"],
)
def test_row_31_nesting_bombs_and_other_text(shell: str, bomb: bytes) -> None:
    """A body made to break a parser is a refusal like any other."""
    error = refused(look_at(shell, play(Status(400, bomb))).error)
    assert (error.status, error.retryable) == (400, False)


def escaped(text: str) -> str:
    """Return the text in JSON escapes."""
    return "".join(f"\\u{ord(letter):04x}" for letter in text)


@each_shell
@pytest.mark.parametrize("key", [KEY, OTHER_KEY], ids=["known_form", "any_form"])
@pytest.mark.parametrize(
    "answer",
    [
        '{"error":{"code":400,"message":"you sent KEY"}}',
        '{"error":{"code":400,"message":"you sent ESCAPED"}}',
        '{"error":{"code":"KEY","message":"m"}}',
        '{"error":{"code":"ESCAPED","message":"m"}}',
        '{"error":{"code":400,"message":"m","metadata":{"provider_name":"ESCAPED","error_type":"ESCAPED"}}}',
        '{"error":{"code":400,"message":"' + "x" * 985 + 'ESCAPED"}}',
        "plain KEY text",
        "y" * 180 + "KEY",
        '{"KEY": 1}',
    ],
    ids=[
        "plain",
        "escaped",
        "code",
        "escaped_code",
        "names",
        "at_the_cut",
        "text",
        "text_at_the_cut",
        "field",
    ],
)
def test_row_32_a_body_that_echoes_the_key(shell: str, key: str, answer: str) -> None:
    """However a body spells the key, it shows in nothing that the error says, not even its first half."""
    text = answer.replace("ESCAPED", escaped(key)).replace("KEY", key)
    error = refused(look_at(shell, play(Status(400, text.encode())), key=key).error)
    for shown in (str(error), error.message, error.body, str(error.code), str(error.provider)):
        assert key[:12] not in shown


@each_shell
@pytest.mark.parametrize("key", [KEY, OTHER_KEY], ids=["known_form", "any_form"])
def test_row_32_header_fields_that_echo_the_key(shell: str, key: str) -> None:
    """Nor does it show when header fields echo it."""
    fields = f"X-Generation-Id: {key}\r\nRetry-After: {key}\r\nContent-Type: text/{key}\r\nLocation: https://{key}/"
    for line in (b"400 Bad Request", b"302 Found", b"204 No Content", b"200 OK"):
        head = b"HTTP/1.1 " + line + b"\r\n" + fields.encode() + b"\r\n\r\n"
        # httpcore itself logs the header fields of a response, as they came.
        look_at(shell, raw(head + b"hello"), key=key, without_logs_of="httpcore")


@across_shells("status", [300, 301, 302, 303, 304, 307, 308])
def test_row_33_redirects(shell: str, status: int) -> None:
    """A redirect is not followed: the error names the target's origin and nothing else of it."""
    with LoopbackServer(ANSWER) as elsewhere:
        target = f"http://user:hidden@{elsewhere.origin.removeprefix('http://')}/path/hidden?key=hidden"
        seen = look_at(shell, play(Status(status, b"", {"Location": target})), retries=retrying(3))
        error = refused(seen.error)
        assert elsewhere.requests == []
    assert (error.status, error.retryable, seen.attempts) == (status, False, 1)
    assert elsewhere.origin in str(error)
    assert "hidden" not in str(error)


@across_shells("target", ["", "/other", "//[::1", "http://", "javascript:alert(1)", "\x1b[2J", "é"])
def test_row_33_odd_redirects(shell: str, target: str) -> None:
    """A redirect to nowhere is a `StatusError` too."""
    head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + target.encode("latin-1") + b"\r\n\r\n"
    seen = look_at(shell, raw(head))
    assert isinstance(seen.error, (StatusError, ProtocolError))
    assert str(seen.error).isprintable()


@each_shell
@pytest.mark.parametrize("status", [204, 205])
def test_row_34_empty_by_status(shell: str, status: int) -> None:
    """A status that says there is no body breaks the protocol, and is tried once again."""
    head = b"HTTP/1.1 %d Nothing\r\nContent-Length: 0\r\n\r\n" % status
    seen = look_at(shell, raw(head), retries=retrying(3))
    assert type(seen.error) is ProtocolError
    assert str(status) in str(seen.error)
    assert (seen.error.attempts, seen.attempts) == (2, 2)
    assert look_at(shell, in_turn(raw(head), ANSWER), retries=retrying(3)).whole.text == "Low"
