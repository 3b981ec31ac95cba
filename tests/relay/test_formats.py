"""`sseor.relay.formats`: the same stream for readers of another format."""

from __future__ import annotations

import json

import pytest

from sseor.relay.formats import format_named
from sseor.relay.refusal import RefusedError
from sseor.relay.tail import Tail


def written(records: list[dict[str, object]], *, kept: int = 1000, format_name: str = "token") -> bytes:
    """Return what a viewer gets that looks after each record, and at the end."""
    tail = Tail("s", "g", max_records=kept)
    writing = format_named(format_name)
    data, place = b"", 0
    for record in records:
        tail.add([json.dumps(record).encode()])
        while (batch := tail.after(place)) is not None:
            data += writing.write(batch)
            place = batch.last
    return data


LOW: dict[str, object] = {"type": "text", "text": "Low"}
CAFE: dict[str, object] = {"type": "text", "text": " café\n👋"}


def test_tokens() -> None:
    """Each piece of the first choice's text is one ASCII line of JSON, and `[DONE]` follows a whole answer."""
    other: list[dict[str, object]] = [
        {"type": "text", "text": "no", "choice": 1},
        {"type": "reasoning", "text": "no"},
        {"type": "usage"},
    ]
    done: dict[str, object] = {"type": "done", "finish_reason": "stop"}
    data = written([*other, LOW, CAFE, {"type": "text", "text": ""}, done])
    lines = data.decode("ascii").split("\n\n")
    assert lines[0] == 'data: {"token": "Low"}'
    assert json.loads(lines[1].removeprefix("data: ")) == {"token": " café\n👋"}
    assert lines[2:] == ["data: [DONE]", ""]


@pytest.mark.parametrize(
    ("terminal", "code"),
    [
        ({"type": "error", "code": "cut", "retryable": True, "partial": True}, "cut"),
        ({"type": "cancelled"}, "cancelled"),
        ({"type": "interrupted"}, "interrupted"),
        ({"type": "restarted", "attempt": 2, "code": "stalled"}, "stalled"),
    ],
)
def test_what_is_not_whole_has_no_done(terminal: dict[str, object], code: str) -> None:
    """A failure is an empty token with a code, and nothing follows it."""
    data = written([LOW, terminal, CAFE, {"type": "done", "finish_reason": "stop"}])
    last = data.decode().split("\n\n")[-2]
    assert json.loads(last.removeprefix("data: ")) == {"token": "", "error": code}
    assert b"DONE" not in data


def test_a_restart_before_the_first_token_does_not_matter() -> None:
    """As long as nothing was sent nothing has to be taken back."""
    assert b"error" not in written([{"type": "restarted", "attempt": 2, "code": "cut"}, LOW])


def test_a_reader_of_tokens_that_lags_gets_the_rest() -> None:
    """From a snapshot it is given the text that it has not had."""
    tail = Tail("s", "g", max_records=2)
    writing = format_named("token")
    tail.add([json.dumps(LOW).encode()])
    first = tail.after(0)
    assert first is not None
    data = writing.write(first)
    for word in "abcdef":
        tail.add([json.dumps({"type": "text", "text": word}).encode()])
    place = first.last
    while (batch := tail.after(place)) is not None:
        data += writing.write(batch)
        place = batch.last
    lines = [line.removeprefix("data: ") for line in data.decode().split("\n\n") if line]
    assert "".join(json.loads(line)["token"] for line in lines) == "Lowabcdef"


def test_the_own_format_is_what_the_log_has() -> None:
    """Not a byte is changed."""
    assert written([LOW], format_name="sseor") == b'id: g.1\ndata: {"type": "text", "text": "Low"}\n\n'


def test_other_formats_are_refused() -> None:
    """With the code for a bad request."""
    with pytest.raises(RefusedError) as refusal:
        format_named("xml")
    assert (refusal.value.code, refusal.value.status) == ("bad_request", 400)
