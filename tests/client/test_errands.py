"""`sseor.client.errands`: settling on threads, asyncio and trio, over real sockets and in invented time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
import trio
import trio.testing
from shells import KEY, PROMPT, SHELLS

import sseor
from sseor.errors import ConfigError, ConnectError, MisuseError, SseorError, StatusError
from sseor.stream import settling
from sseor.testing import Exchange, LoopbackServer, OpenRouter, in_turn

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")

REQUEST: dict[str, Any] = {"model": "sseor/demo", "messages": PROMPT}
QUICK = (0.05, 0.1, 0.2)
RECORD = {"data": {"total_cost": 0.25, "native_tokens_prompt": 1, "native_tokens_completion": 2}}


def settle(shell: str, server: LoopbackServer, what: Any, **options: Any) -> sseor.Settlement:
    """Settle on this shell."""

    async def main() -> sseor.Settlement:
        async with sseor.AsyncClient(api_key=KEY, base_url=server.base_url) as client:
            return await client.settle(what, **options)

    if shell == "threads":
        with sseor.Client(api_key=KEY, base_url=server.base_url) as client:
            return client.settle(what, **options)
    return anyio.run(main, backend=shell)


def answers(*replies: tuple[int, Any]) -> Callable[[Exchange], None]:
    """Return a `respond` that gives these, one after the other."""

    def giving(status: int, body: Any) -> Callable[[Exchange], None]:
        return lambda exchange: exchange.reply(status, body)

    return in_turn(*[giving(*reply) for reply in replies])


@pytest.mark.parametrize("shell", SHELLS)
def test_an_answer_that_was_left_is_settled(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The id of a stream left early leads to its cost, although the record appears later; nothing stays open."""
    monkeypatch.setattr(settling, "WAITS", QUICK)
    with LoopbackServer(OpenRouter(thinking=0, pace=0.01, recorded_after=0.1)) as server:
        with (
            sseor.Client(api_key=KEY, base_url=server.base_url) as client,
            client.stream(**REQUEST) as stream,
        ):
            for event in stream:
                if isinstance(event, sseor.Text):
                    break
        settlement = settle(shell, server, stream.completion, patience=30)
        assert server.wait_idle(5)
        asked = [request for request in server.requests if request.method == "GET"]
    assert (settlement.label, settlement.cancelled, settlement.provider) == ("settled", True, "Loopback")
    assert settlement.generation_id == stream.completion.generation_id
    assert settlement.cost is not None
    assert settlement.cost > 0
    assert "not known whether Loopback stops" in settlement.warning
    assert asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert asked[0].headers["accept"] == "application/json"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_whole_answer_is_final(shell: str) -> None:
    """No request is sent for it, and the client need not be open."""
    with LoopbackServer(OpenRouter(thinking=0, pace=0)) as server:
        with sseor.Client(api_key=KEY, base_url=server.base_url) as client:
            completion = client.complete(**REQUEST)
        settlement = settle(shell, server, completion)
        assert len(server.requests) == 1
    assert (settlement.label, settlement.cost) == ("final", completion.cost)


@pytest.mark.parametrize("shell", SHELLS)
def test_failures_that_pass_are_waited_out(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not found, full and failing servers and a lost connection are asked again, at the time they name."""
    monkeypatch.setattr(settling, "WAITS", ())
    monkeypatch.setattr(settling, "LATER_WAIT", 0.01)

    def lost(exchange: Exchange) -> None:
        exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")

    def full(exchange: Exchange) -> None:
        exchange.reply(429, {"error": {"code": 429, "message": "slowly"}}, {"Retry-After": "0.2"})

    with LoopbackServer(in_turn(full, lost, answers((404, {}), (503, {}), (200, RECORD)))) as server:
        began = time.monotonic()
        settlement = settle(shell, server, "gen-1", patience=30)
        assert time.monotonic() - began > 0.2
        assert len(server.requests) == 5
        assert server.wait_idle(5)
    assert (settlement.label, settlement.cost) == ("settled", 0.25)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_refusal_is_an_error(shell: str) -> None:
    """A wrong key is told at once, in words without it."""
    with LoopbackServer(OpenRouter(api_key="another")) as server:
        with pytest.raises(StatusError) as caught:
            settle(shell, server, "gen-1")
        assert server.wait_idle(5)
    assert (caught.value.status, caught.value.generation_id) == (401, "gen-1")
    assert KEY not in f"{caught.value} {caught.value!r} {vars(caught.value)}"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_server_that_is_gone(shell: str) -> None:
    """Without a connection there is no record; the reason says so."""
    with LoopbackServer() as server:
        pass
    settlement = settle(shell, server, "gen-1", patience=0)
    assert settlement.label == "unknown"
    assert "the connection was refused" in settlement.reason


@pytest.mark.parametrize("shell", SHELLS)
def test_a_server_that_never_answers(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request has a limit of its own, before the head and within the body."""
    monkeypatch.setattr(settling, "ASK_SECONDS", 0.2)

    def silent(exchange: Exchange) -> None:
        exchange.wait(5)

    def half(exchange: Exchange) -> None:
        exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        exchange.wait(5)

    for respond in (silent, half):
        with LoopbackServer(respond) as server:
            began = time.monotonic()
            settlement = settle(shell, server, "gen-1", patience=0)
            assert time.monotonic() - began < 3
            assert server.wait_idle(5)
        assert settlement.reason.startswith("asking for its record failed: no answer for 0.")


@pytest.mark.parametrize("shell", SHELLS)
def test_an_answer_left_half_read_is_let_go_of(shell: str) -> None:
    """A body without end is cut, and its connection closed, while client and error are still there."""

    def endless(exchange: Exchange) -> None:
        exchange.raw(b"HTTP/1.1 401 No\r\nContent-Length: 99999999\r\n\r\n" + b"x" * (2 << 20))
        exchange.wait(30)

    async def main() -> None:
        async with sseor.AsyncClient(api_key=KEY, base_url=server.base_url) as client:
            with pytest.raises(StatusError) as caught:
                await client.settle("gen-1")
            assert server.wait_idle(5)
            assert caught.value.status == 401

    with LoopbackServer(endless) as server:
        if shell == "threads":
            with sseor.Client(api_key=KEY, base_url=server.base_url) as client:
                with pytest.raises(StatusError) as caught:
                    client.settle("gen-1")
                assert server.wait_idle(5)
                assert caught.value.status == 401
        else:
            anyio.run(main, backend=shell)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_wrong_argument_costs_no_request(shell: str) -> None:
    """It is found before any network."""
    with LoopbackServer() as server:
        with pytest.raises(ConfigError):
            settle(shell, server, None)
        assert server.requests == []


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelled_while_it_waits(backend: str) -> None:
    """A cancel ends it in its pause and within a request, and nothing stays open."""

    async def main(server: LoopbackServer) -> None:
        async with sseor.AsyncClient(api_key=KEY, base_url=server.base_url) as client:
            with anyio.move_on_after(0.2) as scope:
                await client.settle("gen-1")
            assert scope.cancelled_caught

    for respond in (answers((404, {})), lambda exchange: exchange.wait(5)):
        with LoopbackServer(respond) as server:
            anyio.run(main, server, backend=backend)
            assert server.wait_idle(5)


def test_a_client_that_is_closed_while_it_waits() -> None:
    """The next request of another thread's settling is then a mistake, not an endless wait."""
    caught: list[SseorError] = []

    def in_another_thread() -> None:
        try:
            client.settle("gen-1")
        except SseorError as error:
            caught.append(error)

    with pytest.MonkeyPatch.context() as patch, LoopbackServer(answers((404, {}))) as server:
        patch.setattr(settling, "WAITS", ())
        patch.setattr(settling, "LATER_WAIT", 0.3)
        client = sseor.Client(api_key=KEY, base_url=server.base_url)
        thread = threading.Thread(target=in_another_thread)
        thread.start()
        while not server.requests:
            time.sleep(0.01)
        time.sleep(0.05)
        client.close()
        thread.join(5)
        assert not thread.is_alive()
    assert isinstance(caught[0], MisuseError)


def test_fifty_minutes_of_not_found_in_no_time() -> None:
    """On trio's clock that jumps, the whole schedule of an hour runs in a moment, and the late record is found."""
    times: list[float] = []

    async def respond(request: httpx.Request) -> httpx.Response:
        times.append(trio.current_time())
        if times[-1] - times[0] < 3000:
            return httpx.Response(404, json={"error": {"code": 404, "message": "not found"}})
        return httpx.Response(200, json=RECORD)

    async def main() -> tuple[sseor.Settlement, sseor.Settlement]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
            client = sseor.AsyncClient(api_key=KEY, base_url="http://127.0.0.1:9/v1", http_client=http)
            async with client:
                impatient = await client.settle("gen-1")
                patient = await client.settle("gen-1", patience=3600)
        return impatient, patient

    began = time.monotonic()
    impatient, patient = trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert time.monotonic() - began < 5
    assert (impatient.label, patient.label, patient.cost) == ("unknown", "settled", 0.25)
    assert [round(moment - times[0]) for moment in times[:8]] == [0, 2, 7, 22, 82, 262, 442, 600]
    assert 3000 <= times[-1] - times[0] < 3300


def test_an_error_of_the_network_that_stays() -> None:
    """TLS against a server that speaks none is told at once."""
    with (
        LoopbackServer() as server,
        sseor.Client(base_url=server.base_url.replace("http", "https")) as client,
    ):
        with pytest.raises(ConnectError, match="TLS"):
            client.settle("gen-1")
