"""`sseor.testing.acts` and `reply`: each act sends what it says, when it says."""

from __future__ import annotations

import http.client
import json
import math
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from sseor.testing import (
    Body,
    Call,
    Comment,
    Cut,
    Done,
    Event,
    Fail,
    Finish,
    Head,
    Heartbeats,
    LoopbackServer,
    Raw,
    Reset,
    Role,
    Say,
    Silence,
    Stall,
    Status,
    Think,
    Usage,
    play,
)

if TYPE_CHECKING:
    from sseor.testing import Act


def connect(server: LoopbackServer) -> http.client.HTTPConnection:
    """Return a client of the server."""
    return http.client.HTTPConnection(server.origin.removeprefix("http://"), timeout=5)


def body_of(*acts: Act) -> bytes:
    """Return the body that these acts make."""
    with LoopbackServer(play(*acts)) as server:
        client = connect(server)
        client.request("POST", "/", json.dumps({"model": "a/b"}))
        response = client.getresponse()
        body = response.read()
        client.close()
        assert server.wait_idle(5)
        return body


def chunks_of(*acts: Act) -> list[dict[str, Any]]:
    """Return the JSON objects that these acts send."""
    return [json.loads(event[6:]) for event in body_of(*acts).split(b"\n\n") if event.startswith(b"data: {")]


def deltas_of(*acts: Act) -> list[dict[str, Any]]:
    """Return the deltas that these acts send."""
    return [chunk["choices"][0]["delta"] for chunk in chunks_of(*acts)]


def said_to_a_socket(*acts: Act) -> bytes:
    """Return the raw bytes that a client gets until the server closes."""
    with LoopbackServer(play(*acts)) as server:
        host, port = server.origin.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
            return b"".join(iter(lambda: peer.recv(65536), b""))


def test_text_in_pieces() -> None:
    """`Say` sends each piece as a delta of its own, with the identity of one generation."""
    chunks = chunks_of(Say("Low", " water"))
    assert [chunk["choices"][0]["delta"]["content"] for chunk in chunks] == ["Low", " water"]
    assert chunks[0]["id"] == chunks[1]["id"]
    assert chunks[0]["model"] == "a/b"


def test_text_at_a_pace() -> None:
    """`pace` is the time from one piece to the next."""
    begun = time.monotonic()
    body_of(Say("a", "b", "c", pace=0.05))
    assert time.monotonic() - begun >= 0.15


def test_reasoning_stands_in_two_fields() -> None:
    """`Think` sends its text as `reasoning` and again in `reasoning_details`, with empty content."""
    [delta] = deltas_of(Think("hm"))
    assert (delta["reasoning"], delta["content"]) == ("hm", "")
    assert delta["reasoning_details"][0]["text"] == "hm"


def test_tool_calls_in_fragments() -> None:
    """`Call` names itself first, then sends its arguments in slices; a second call has the next index."""
    fragments = [
        delta["tool_calls"][0]
        for delta in deltas_of(Call("tide", '{"port"', ':"Brest"}'), Call("now", id="call_x"))
    ]
    assert fragments == [
        {"index": 0, "id": "call_0", "type": "function", "function": {"name": "tide", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"port"'}},
        {"index": 0, "function": {"arguments": ':"Brest"}'}},
        {"index": 1, "id": "call_x", "type": "function", "function": {"name": "now", "arguments": ""}},
    ]


def test_role_alone() -> None:
    """`Role` sends a delta without content."""
    assert deltas_of(Role()) == [{"content": "", "role": "assistant"}]


def test_finish_and_usage() -> None:
    """Usage counts a token for each piece and repeats the finish reason; given figures replace those."""
    finish, counted, given = chunks_of(
        Think("a"), Say("b", "c"), Finish("length", "max_tokens"), Usage(), Usage(prompt=9, cost=0.0)
    )[3:]
    assert finish["choices"][0]["native_finish_reason"] == "max_tokens"
    assert counted["choices"][0]["finish_reason"] == "length"
    assert counted["usage"]["completion_tokens"] == 3
    assert counted["usage"]["completion_tokens_details"]["reasoning_tokens"] == 1
    assert (given["usage"]["prompt_tokens"], given["usage"]["cost"]) == (9, 0.0)


def test_comments_done_and_any_event() -> None:
    """`Comment`, `Done` and `Event` send one frame each."""
    assert body_of(Comment(), Comment("hm"), Event("plain"), Event({"a": 1}), Done()) == (
        b': OPENROUTER PROCESSING\n\n: hm\n\ndata: plain\n\ndata: {"a":1}\n\ndata: [DONE]\n\n'
    )


def test_heartbeats_last_as_long_as_told() -> None:
    """`Heartbeats` sends one at once and one each interval, and takes its seconds."""
    begun = time.monotonic()
    body = body_of(Heartbeats(0.25, every=0.1))
    assert body == b": OPENROUTER PROCESSING\n\n" * 3
    assert 0.25 <= time.monotonic() - begun < 10


def test_heartbeats_for_ever_end_with_the_client() -> None:
    """Endless heartbeats stop when the client leaves."""
    with LoopbackServer(play(Heartbeats(math.inf, every=0.01))) as server:
        client = connect(server)
        client.request("GET", "/")
        response = client.getresponse()
        assert response.read(100).startswith(b": OPENROUTER PROCESSING\n\n")
        response.close()
        client.close()
        assert server.wait_idle(5)


def test_an_error_chunk() -> None:
    """`Fail` sends an error at the top of a chunk, with or without a choice."""
    metadata = {"error_type": "rate_limit_exceeded"}
    first, second = chunks_of(Fail(429, "slow down", metadata), Fail(choices=False))
    assert first["error"]["metadata"] == metadata
    assert first["choices"][0]["finish_reason"] == "error"
    assert second["choices"] == []


def test_a_status_is_a_whole_answer() -> None:
    """`Status` answers with any status, body and header fields."""
    with LoopbackServer(play(Status(429, {"error": {"code": 429}}, {"Retry-After": "2"}))) as server:
        client = connect(server)
        client.request("GET", "/")
        response = client.getresponse()
        assert (response.status, response.getheader("Retry-After")) == (429, "2")
        assert json.loads(response.read()) == {"error": {"code": 429}}
        client.close()


def test_a_head_of_your_own_and_the_generation_id() -> None:
    """`Head` chooses status and fields, and `X-Generation-Id` is always among them."""
    with LoopbackServer(play(Head(200, {"Content-Type": "text/html"}), Say("x"))) as server:
        client = connect(server)
        client.request("GET", "/")
        response = client.getresponse()
        assert response.getheader("Content-Type") == "text/html"
        chunk = json.loads(response.read()[6:])
        assert response.getheader("X-Generation-Id") == chunk["id"]
        assert chunk["model"] == "sseor/demo"
        client.close()


def test_a_stall_passes() -> None:
    """`Stall` sends nothing for its time; then the play goes on."""
    begun = time.monotonic()
    assert body_of(Comment("a"), Stall(0.1), Comment("b")) == b": a\n\n: b\n\n"
    assert time.monotonic() - begun >= 0.1


@pytest.mark.parametrize(
    ("acts", "expected"), [((Silence(),), b""), ((Head(), Silence()), b"HTTP/1.1 200 OK")]
)
def test_silence_does_not_pass(acts: tuple[Act, ...], expected: bytes) -> None:
    """`Silence` sends nothing any more, before the head or after it, and ends when the client leaves."""
    with LoopbackServer(play(*acts)) as server:
        host, port = server.origin.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=0.2) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
            said = peer.recv(65536) if expected else b""
            assert said.startswith(expected)
            with pytest.raises(TimeoutError):
                peer.recv(65536)
        assert server.wait_idle(5)


def test_a_cut_leaves_the_last_chunk_out() -> None:
    """`Cut` ends the connection in the middle of a chunked body."""
    assert not said_to_a_socket(Comment("a"), Cut()).endswith(b"0\r\n\r\n")


def test_a_reset() -> None:
    """`Reset` makes the client's read fail."""
    with pytest.raises(ConnectionResetError):
        said_to_a_socket(Reset())


def test_raw_bytes() -> None:
    """`Raw` sends its bytes as the whole answer, head included."""
    assert said_to_a_socket(Raw(b"HTTP/1.1 102 \r\n\r\n")) == b"HTTP/1.1 102 \r\n\r\n"


def test_a_body_in_pieces() -> None:
    """`Body` sends its bytes as they are, one write for each piece between the cuts."""
    said = said_to_a_socket(Body(b"abcdef", (1, 3), pace=0.01), Cut())
    assert said.endswith(b"\r\n\r\n1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n")
