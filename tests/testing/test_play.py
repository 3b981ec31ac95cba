"""`sseor.testing.play`: plays, replays, and one after the other."""

from __future__ import annotations

import http.client
import json

from sseor.testing import LoopbackServer, Status, answer, in_turn, play, replay


def bodies(server: LoopbackServer, count: int, request: str = "") -> list[bytes]:
    """Return the bodies of `count` answers, each on a connection of its own."""
    got = []
    for _ in range(count):
        client = http.client.HTTPConnection(server.origin.removeprefix("http://"), timeout=5)
        client.request("POST", "/", request)
        got.append(client.getresponse().read())
        client.close()
    return got


def test_an_ordinary_answer() -> None:
    """`answer` is a role, the text, a finish, the usage and `[DONE]`, and a play can be played again."""
    with LoopbackServer(play(*answer("Low", " water", finish="length"))) as server:
        for body in bodies(server, 2, '{"model": "x/y"}'):
            *events, done, nothing = body.split(b"\n\n")
            chunks = [json.loads(event[6:]) for event in events]
            assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks) == "Low water"
            assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * 3 + ["length"] * 2
            assert chunks[-1]["usage"]["completion_tokens"] == 2
            assert {chunk["model"] for chunk in chunks} == {"x/y"}
            assert (done, nothing) == (b"data: [DONE]", b"")


def test_a_request_of_any_shape_is_played_to() -> None:
    """Where the request names no model, the answer names the demo's."""
    for request in ("", "[]", "{}", "no json"):
        with LoopbackServer(play(*answer("x"))) as server:
            [body] = bodies(server, 1, request)
        assert b'"model":"sseor/demo"' in body


def test_a_replay_sends_the_very_bytes() -> None:
    """`replay` sends a recorded body unchanged, wherever it is cut."""
    body = b": x\r\n\r\ndata: \xf0\x9f\x8c\x8a\n\n"
    with LoopbackServer(replay(body, range(1, len(body)), pace=0.0001)) as server:
        assert bodies(server, 1) == [body]


def test_one_after_the_other() -> None:
    """`in_turn` gives each request the next `respond`, and the last one to all that follow."""
    with LoopbackServer(in_turn(play(Status(429, "no")), play(Status(200, "yes")))) as server:
        assert bodies(server, 3) == [b"no", b"yes", b"yes"]
