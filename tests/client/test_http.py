"""Clients fit for streams: their pools, and the proxies of the environment."""

from __future__ import annotations

import time
from typing import Any

import pytest
from shells import PROMPT, SHELLS, read

import sseor
from sseor.client.endpoint import endpoint
from sseor.client.exchange import Exchange as ClientExchange
from sseor.client.http import new_async_client, new_client, proxy_for, without_credentials
from sseor.client.link import Link
from sseor.errors import ConfigError, ConnectError
from sseor.stream import Open
from sseor.testing import Exchange, LoopbackServer, answer, play

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from an environment without proxies."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def at(url: str) -> str:
    """Return the proxy for a server at this URL."""
    return proxy_for(endpoint(api_key=None, base_url=url))


def test_the_environment_names_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """http_proxy, https_proxy and all_proxy are told apart by scheme; a bare host means http."""
    assert at("http://host.example/v1") == ""
    monkeypatch.setenv("http_proxy", "http://plain.example:3128")
    monkeypatch.setenv("https_proxy", "tls.example:3128")
    assert at("http://host.example/v1") == "http://plain.example:3128"
    assert at("https://host.example/v1") == "http://tls.example:3128"
    monkeypatch.delenv("https_proxy")
    monkeypatch.setenv("all_proxy", "socks5://socks.example:1080")
    assert at("https://host.example/v1") == "socks5://socks.example:1080"


@pytest.mark.parametrize("exempt", ["host.example", ".example", "other,host.example:8443", "*"])
def test_no_proxy_exempts(monkeypatch: pytest.MonkeyPatch, exempt: str) -> None:
    """NO_PROXY is honoured by host, domain, host with port, and for all."""
    monkeypatch.setenv("all_proxy", "http://proxy.example:3128")
    assert at("http://host.example:8443/v1") == "http://proxy.example:3128"
    monkeypatch.setenv("no_proxy", exempt)
    assert at("http://host.example:8443/v1") == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_stream_through_a_proxy(monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    """The request goes to the proxy, in absolute form, with the proxy's own credentials."""
    with LoopbackServer(play(*answer("Low"))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin.replace("//", "//user:pass@"))
        outcome = read(shell, "http://host.localhost:9/api/v1")
        request = proxy.requests[0]
    assert outcome.text == "Low"
    assert request.target == "http://host.localhost:9/api/v1/chat/completions"
    assert request.headers["proxy-authorization"].startswith("Basic ")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    """The error names the proxy, without its credentials."""
    with LoopbackServer() as server:
        origin = server.origin
    monkeypatch.setenv("http_proxy", origin.replace("//", "//user:secret@"))
    error = read(shell, "http://host.localhost:9/api/v1").error
    assert isinstance(error, ConnectError)
    assert origin in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    "proxy", ["socks5://socks.example:1080", "ftp://x.example", "http://[", "http://x.example:port"]
)
def test_a_proxy_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """A SOCKS proxy without its package, another scheme and a broken URL are a ConfigError."""
    monkeypatch.setenv("all_proxy", proxy)
    for client in (sseor.Client, sseor.AsyncClient):
        with pytest.raises(ConfigError, match=r"proxy|SOCKS"):
            client(base_url="http://host.example/v1")


def test_credentials_are_cut_off() -> None:
    """Only scheme, host and port of a proxy are shown."""
    assert without_credentials("http://user:secret@proxy.example:3128/x") == "http://proxy.example:3128"
    assert without_credentials("") == ""


def test_a_tls_endpoint_gets_a_context_that_verifies() -> None:
    """For https the certificates are checked; for http no context is built."""
    import anyio

    for url in ("https://host.example/v1", "http://127.0.0.1:9/v1"):
        where = endpoint(api_key=None, base_url=url)
        with new_client(where) as client:
            assert not client.is_closed
        anyio.run(new_async_client(where).aclose)


def test_a_step_without_a_body_is_a_get() -> None:
    """It goes to the step's own path, and the header fields say nothing of content."""
    with LoopbackServer(lambda exchange: exchange.reply(200, {"data": {}})) as server:
        link = Link.for_threads(endpoint(api_key=None, base_url=server.base_url), None)
        exchange = ClientExchange(link)
        assert exchange.open(Open(None, 5.0, time.monotonic() + 5, "/generation?id=a%2Fb")).status == 200
        exchange.close()
        link.close()
        request = server.requests[0]
    assert (request.method, request.target) == ("GET", "/api/v1/generation?id=a%2Fb")
    assert "content-length" not in request.headers
    assert "content-type" not in request.headers


@pytest.mark.parametrize("shell", SHELLS)
def test_excess_bytes_are_not_the_next_answer(shell: str) -> None:
    """A stream that sends more than its Content-Length ends there, and its connection is not used again."""
    import anyio

    first = b'data: {"choices":[{"index":0,"delta":{"content":"Low"},"finish_reason":"stop"}]}\n\n'
    forged = first.replace(b"Low", b"Bad")
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(first)

    def respond(exchange: Exchange) -> None:
        exchange.raw(head + first + head + forged)
        exchange.wait(5)

    request: dict[str, Any] = {"model": "m", "messages": PROMPT}

    async def twice() -> list[str]:
        async with sseor.AsyncClient(base_url=server.base_url) as client:
            texts = []
            for _ in range(2):
                async with client.stream(**request) as stream:
                    texts.append("".join([text async for text in stream.text]))
        return texts

    with LoopbackServer(respond) as server:
        if shell == "threads":
            with sseor.Client(base_url=server.base_url) as client:
                texts = ["".join(client.stream(**request).text) for _ in range(2)]
        else:
            texts = anyio.run(twice, backend=shell)
        assert len(server.requests) == 2
    assert texts == ["Low", "Low"]
