"""`sseor.testing.reply`: the head comes once, and time ends with the client."""

from __future__ import annotations

import http.client
import json

from sseor.testing import Exchange, Generation, LoopbackServer, PeerGoneError, Reply


def test_the_head_comes_once_with_the_first_piece() -> None:
    """Whatever is sent first sends the head, which bears the generation ID; a second head is not sent."""

    def respond(exchange: Exchange) -> None:
        reply = Reply(exchange, Generation("a/b", id="gen-1"))
        assert not exchange.begun
        reply.comment()
        reply.head(500)
        reply.done()

    with LoopbackServer(respond) as server:
        client = http.client.HTTPConnection(server.origin.removeprefix("http://"), timeout=5)
        client.request("GET", "/")
        response = client.getresponse()
        assert (response.status, response.getheader("X-Generation-Id")) == (200, "gen-1")
        assert response.read() == b": OPENROUTER PROCESSING\n\ndata: [DONE]\n\n"
        client.close()


def test_figures_replace_what_was_counted() -> None:
    """Usage counts what was sent, and takes the caller's figures where there are any."""
    counted: list[int] = []

    def respond(exchange: Exchange) -> None:
        reply = Reply(exchange, Generation("a/b"), prompt_tokens=4)
        reply.reasoning("a")
        reply.text("b")
        reply.tool_call("f", ("{}",), None)
        counted.append(reply.usage()["completion_tokens"])
        counted.append(reply.usage(completion=50, prompt=None)["total_tokens"])

    with LoopbackServer(respond) as server:
        client = http.client.HTTPConnection(server.origin.removeprefix("http://"), timeout=5)
        client.request("GET", "/")
        client.getresponse().read()
        client.close()
    assert counted == [3, 54]


def test_everything_can_be_sent() -> None:
    """Each kind of piece is one event; the usage chunk repeats the finish reason that was sent."""

    def respond(exchange: Exchange) -> None:
        reply = Reply(exchange, Generation("a/b"))
        reply.role()
        reply.finish("length")
        reply.report_usage(prompt=2)
        reply.fail(502, "down", provider_name="Here")

    with LoopbackServer(respond) as server:
        client = http.client.HTTPConnection(server.origin.removeprefix("http://"), timeout=5)
        client.request("GET", "/")
        body = client.getresponse().read()
        client.close()
    role, finish, usage, failure = [json.loads(event[6:]) for event in body.split(b"\n\n")[:-1]]
    assert role["choices"][0]["delta"] == {"content": "", "role": "assistant"}
    assert finish["choices"][0]["finish_reason"] == usage["choices"][0]["finish_reason"] == "length"
    assert usage["usage"]["prompt_tokens"] == 2
    assert failure["error"] == {"code": 502, "message": "down", "metadata": {"provider_name": "Here"}}


def test_a_pause_ends_with_the_client() -> None:
    """A pause raises as soon as the client leaves."""
    seen: list[str] = []

    def respond(exchange: Exchange) -> None:
        reply = Reply(exchange, Generation("a/b"))
        reply.pause(0)
        reply.comment("hm")
        try:
            reply.pause(60)
        except PeerGoneError as gone:
            seen.append(str(gone))

    with LoopbackServer(respond) as server:
        client = http.client.HTTPConnection(server.origin.removeprefix("http://"), timeout=5)
        client.request("GET", "/")
        client.getresponse().close()
        client.close()
        assert server.wait_idle(5)
    assert seen == ["the client left within the answer"]
