"""Faults of the connection: refused, unknown, dropped, untrusted, dead, forked, and the way through a proxy."""

from __future__ import annotations

import contextlib
import datetime
import gc
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
import pytest
import trustme
from catalogue import (
    ENDING,
    LOW,
    PATIENT,
    body,
    each_shell,
    look_at,
    nothing_is_left,
    retrying,
    sse,
    texts_of,
    watch,
)
from shells import KEY, PROMPT, in_time

import sseor
from sseor.errors import (
    ConnectError,
    ConnectTimeoutError,
    MisuseError,
    ProtocolError,
    SseorError,
)
from sseor.testing import Exchange, LoopbackServer, in_turn

__all__ = ["nothing_is_left"]
pytestmark = pytest.mark.usefixtures("nothing_is_left")

ANSWER = body(sse(LOW) + ENDING)
SHORT = sseor.Timeouts(connect=0.2, silence=8, first_token=8, stall=8)


def closed_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def peer(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve each connection by `talk` on a raw socket; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(5)
                    talk(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def until_closed(connection: socket.socket) -> None:
    """Read and say nothing until the peer closes."""
    while connection.recv(65536):
        pass


@each_shell
def test_row_7_refused(shell: str) -> None:
    """A refused connection is a `ConnectError`, tried again within the policy."""
    seen = watch(shell, f"http://127.0.0.1:{closed_port()}/v1", retries=retrying(3))
    assert type(seen.error) is ConnectError
    assert "refused" in str(seen.error)
    assert (seen.error.attempts, seen.error.retryable, len(seen.of(sseor.Retrying))) == (3, True, 2)
    assert seen.error.phase == "connect"


@each_shell
def test_row_8_unknown_host(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host name that does not resolve is a `ConnectError` that says so."""

    def fail(*arguments: Any, **options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    seen = watch(shell, "https://nowhere.invalid/v1", retries=retrying(2))
    assert type(seen.error) is ConnectError
    assert "host name is unknown" in str(seen.error)
    assert (seen.error.attempts, seen.error.retryable) == (2, True)


@each_shell
def test_row_9_syn_dropped(shell: str) -> None:
    """An address that answers nothing ends by `connect`, in time, on every attempt."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # a listener whose queue is full drops what else comes
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        seen = in_time(
            lambda: watch(shell, url, timeouts=SHORT, retries=retrying(2)), lambda seen: seen.elapsed < 1
        )
    assert type(seen.error) is ConnectTimeoutError
    assert isinstance(seen.error, TimeoutError)
    assert (seen.error.attempts, seen.error.phase) == (2, "connect")
    assert 0.4 <= seen.elapsed < 1


def contexts(**options: Any) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server with an odd certificate, and of a client that trusts its authority."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    name = options.pop("name", "127.0.0.1")
    authority.issue_cert(name, **options).configure_cert(server)
    client = ssl.create_default_context()
    if options.pop("trusted", True):
        authority.configure_trust(client)
    return server, client


LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@each_shell
@pytest.mark.parametrize("fault", ["untrusted", "expired", "wrong_name"])
def test_row_10_certificate(shell: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that is not to be trusted is never tried again, and no request is sent."""
    if fault == "expired":
        server_context, client_context = contexts(
            not_before=LONG_AGO, not_after=LONG_AGO + datetime.timedelta(1)
        )
    else:
        server_context, client_context = contexts(
            name="elsewhere.example" if fault == "wrong_name" else "127.0.0.1"
        )
    if fault == "untrusted":
        client_context = ssl.create_default_context()
    monkeypatch.setattr(httpx, "create_ssl_context", lambda: client_context)
    with LoopbackServer(ANSWER, ssl_context=server_context) as server:
        seen = watch(shell, server.base_url, server=server, retries=retrying(3))
        assert server.requests == []
    assert type(seen.error) is ConnectError
    assert "certificate" in str(seen.error)
    assert (seen.error.attempts, seen.error.retryable, seen.error.phase) == (1, False, "connect")


@each_shell
def test_row_11_tls_handshake_stalls(shell: str) -> None:
    """TCP and TLS share the `connect` limit: a handshake that stalls ends in time."""
    with peer(until_closed) as port:
        url = f"https://127.0.0.1:{port}/v1"
        seen = in_time(lambda: watch(shell, url, timeouts=SHORT), lambda seen: seen.elapsed < 0.7)
    assert type(seen.error) is ConnectTimeoutError
    assert 0.2 <= seen.elapsed < 0.7


@each_shell
def test_row_12_https_to_a_plain_port(shell: str) -> None:
    """TLS to a server that speaks none fails for good."""

    def plain(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with peer(plain) as port:
        seen = watch(shell, f"https://127.0.0.1:{port}/v1", retries=retrying(3))
    assert type(seen.error) is ConnectError
    assert "TLS" in str(seen.error)
    assert (seen.error.attempts, seen.error.retryable) == (1, False)


@each_shell
def test_row_12_http_to_a_tls_port(shell: str) -> None:
    """Plain HTTP to a TLS server ends at once, as a lost connection or a broken protocol."""
    with LoopbackServer(ANSWER, ssl_context=contexts()[0]) as server:
        url = server.base_url.replace("https", "http")
        seen = watch(shell, url, server=server, retries=retrying(3))
        assert server.requests == []
    assert isinstance(seen.error, (ConnectError, ProtocolError))


def silent_end(exchange: Exchange) -> None:
    """Close without an answer."""
    exchange.cut()


def reset(exchange: Exchange) -> None:
    """Reset without an answer."""
    exchange.reset()


@each_shell
@pytest.mark.parametrize("end", [silent_end, reset])
def test_row_13_closed_before_the_head(shell: str, end: Any) -> None:
    """FIN or RST before any header is tried again; the next attempt's answer is whole."""
    seen = look_at(shell, end, retries=retrying(3))
    assert type(seen.error) is ConnectError
    assert (seen.error.attempts, seen.attempts, seen.error.retryable) == (3, 3, True)
    healed = look_at(shell, in_turn(end, ANSWER), retries=retrying(3))
    assert healed.whole.text == "Low"
    assert isinstance(healed.items[0], sseor.Retrying)


@pytest.mark.parametrize("fault", ["idle", "in_use_fin", "in_use_rst"])
@each_shell
def test_row_14_a_kept_connection_found_dead(shell: str, fault: str) -> None:
    """A kept connection that turns out dead costs no attempt of the policy: the request goes out on a new one."""
    asked = {"count": 0}

    def respond(exchange: Exchange) -> None:
        asked["count"] += 1
        if fault != "idle" and asked["count"] == 2:
            (Exchange.cut if fault == "in_use_fin" else Exchange.reset)(exchange)
            return
        exchange.head()
        exchange.send(sse(LOW) + ENDING)
        if fault == "idle" and asked["count"] == 1:
            exchange.end()
            exchange.cut()

    async def ask_twice(url: str) -> list[Any]:
        async with sseor.AsyncClient(
            api_key=KEY, base_url=url, retries=retrying(1), timeouts=PATIENT
        ) as client:
            answers = []
            for _ in range(2):
                async with client.stream(model="m", messages=PROMPT) as stream:
                    answers.append([event async for event in stream])
                await anyio.sleep(0.05)
        return answers

    with LoopbackServer(respond) as server:
        if shell == "threads":
            with sseor.Client(
                api_key=KEY, base_url=server.base_url, retries=retrying(1), timeouts=PATIENT
            ) as client:
                answers = []
                for _ in range(2):
                    answers.append(list(client.stream(model="m", messages=PROMPT)))
                    threading.Event().wait(0.05)
        else:
            answers = anyio.run(ask_twice, server.base_url, backend=shell)
        assert server.wait_idle(5)
    assert answers[0] == answers[1]
    assert sseor.Text("Low") in answers[1]


@each_shell
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("variable", ["scheme", "all"])
def test_row_15_a_proxy_that_is_not_there(
    shell: str, scheme: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy variable that points nowhere gives an error that names the proxy, without its credentials."""
    proxy = f"127.0.0.1:{closed_port()}"
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    name = f"{scheme}_proxy" if variable == "scheme" else "ALL_PROXY"
    monkeypatch.setenv(name, f"http://me:hidden@{proxy}")
    seen = watch(shell, f"{scheme}://127.0.0.1:9/v1", retries=retrying(2))
    assert type(seen.error) is ConnectError
    assert proxy in str(seen.error)
    assert (seen.error.attempts, seen.error.retryable) == (2, True)
    assert all("hidden" not in text for text in texts_of(seen.error))


@each_shell
def test_row_15_a_proxy_that_is_not_for_this_host(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`NO_PROXY` exempts a host from the proxy."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    assert look_at(shell, ANSWER).whole.text == "Low"


def test_row_15_a_proxy_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a proxy the request goes in absolute form, with the credentials that the variable names."""
    with LoopbackServer(ANSWER) as proxy:
        for name in ("no_proxy", "NO_PROXY", "http_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTP_PROXY", proxy.origin.replace("//", "//me:hidden@"))
        with sseor.Client(api_key=KEY, base_url="http://localhost:9/v1") as client:
            assert "".join(client.stream(model="m", messages=PROMPT).text) == "Low"
        (request,) = proxy.requests
    assert request.target == "http://localhost:9/v1/chat/completions"
    assert request.headers["Proxy-Authorization"]


def test_row_16_pool_full_on_threads() -> None:
    """A full pool of the caller's own client ends by `connect`, is not tried again, and hints at unclosed streams."""
    with (
        LoopbackServer(body(sse(LOW), pause=30)) as server,
        httpx.Client(limits=httpx.Limits(max_connections=1)) as http,
    ):
        client = sseor.Client(
            api_key=KEY, base_url=server.base_url, http_client=http, timeouts=SHORT, retries=retrying(3)
        )
        with client.stream(model="m", messages=PROMPT) as unclosed:
            next(unclosed.text)
            with client.stream(model="m", messages=PROMPT) as second, pytest.raises(SseorError) as caught:
                next(second)
            assert second.completion.timeline is not None
            assert second.completion.timeline.attempts == 1
    assert isinstance(caught.value, ConnectTimeoutError)
    assert "unclosed" in str(caught.value)
    assert not caught.value.retryable


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_row_16_pool_full_in_async(backend: str) -> None:
    """The same on asyncio and trio."""

    async def fill(url: str) -> SseorError:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1)) as http:
            client = sseor.AsyncClient(
                api_key=KEY, base_url=url, http_client=http, timeouts=SHORT, retries=retrying(3)
            )
            async with (
                client.stream(model="m", messages=PROMPT) as unclosed,
                client.stream(model="m", messages=PROMPT) as second,
            ):
                await anext(unclosed.text)
                with pytest.raises(SseorError) as caught:
                    await anext(second)
        return caught.value

    with LoopbackServer(body(sse(LOW), pause=30)) as server:
        error = anyio.run(fill, server.base_url, backend=backend)
        assert server.wait_idle(5)
    assert isinstance(error, ConnectTimeoutError)
    assert "unclosed" in str(error)
    assert (error.retryable, error.attempts) == (False, 1)


@pytest.mark.parametrize("kind", ["threads", "asyncio", "trio"])
def test_row_17_closed_client(kind: str) -> None:
    """A closed client says so, before any network."""

    async def ask(url: str) -> None:
        client = sseor.AsyncClient(api_key=KEY, base_url=url)
        await client.aclose()
        with pytest.raises(MisuseError, match="has been closed"):
            await anext(client.stream(model="m", messages=PROMPT))

    with LoopbackServer(ANSWER) as server:
        if kind == "threads":
            client = sseor.Client(api_key=KEY, base_url=server.base_url)
            client.close()
            with pytest.raises(MisuseError, match="has been closed"):
                next(client.stream(model="m", messages=PROMPT))
        else:
            anyio.run(ask, server.base_url, backend=kind)
        assert server.requests == []


@pytest.mark.parametrize("kind", ["threads", "asyncio"])
def test_row_17_closed_client_of_the_caller(kind: str) -> None:
    """So does a client over a closed HTTP client of the caller's."""

    async def ask(url: str) -> None:
        http = httpx.AsyncClient()
        await http.aclose()
        stream = sseor.AsyncClient(api_key=KEY, base_url=url, http_client=http).stream(
            model="m", messages=PROMPT
        )
        with pytest.raises(MisuseError, match="has been closed"):
            await anext(stream)

    if kind == "asyncio":
        anyio.run(ask, "http://127.0.0.1:9/v1")
        return
    http = httpx.Client()
    http.close()
    client = sseor.Client(api_key=KEY, base_url="http://127.0.0.1:9/v1", http_client=http)
    with pytest.raises(MisuseError, match="has been closed"):
        next(client.stream(model="m", messages=PROMPT))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_row_17_another_event_loop(backend: str) -> None:
    """A client with a connection kept from a loop that has ended gives a plain sentence."""

    async def ask(client: Any) -> str:
        return "".join([piece async for piece in client.stream(model="m", messages=PROMPT).text])

    with LoopbackServer(ANSWER) as server:
        client = sseor.AsyncClient(api_key=KEY, base_url=server.base_url, retries=retrying(1))
        assert anyio.run(ask, client, backend=backend) == "Low"
        with pytest.raises(MisuseError, match="event loop"):
            anyio.run(ask, client, backend=backend)
        anyio.run(client.aclose, backend=backend)
        del client
        gc.collect()  # the socket of a loop that has ended warns when it is collected: here, and not in another test


FORKING = """
import os, sys, sseor
from sseor.errors import MisuseError
client = sseor.Client(api_key="sk-or-v1-canary-0123456789", base_url=sys.argv[1])
ask = lambda: "".join(client.stream(model="m", messages=[{"role": "user", "content": "?"}]).text)
assert ask() == "Low"
child = os.fork()
if not child:
    try:
        ask()
    except MisuseError as error:
        os._exit(7 if "after a fork" in str(error) else 8)
    os._exit(9)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert ask() == "Low"
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_row_17_fork() -> None:
    """A forked child may not write on its parent's connections, which the parent goes on using."""
    with LoopbackServer(ANSWER) as server:
        subprocess.run([sys.executable, "-c", FORKING, server.base_url], check=True, timeout=20)
        assert len({request.connection.number for request in server.requests}) == 1


def test_row_17_two_readers() -> None:
    """A second lens on one stream is refused, and the first goes on."""
    with LoopbackServer(ANSWER) as server, sseor.Client(api_key=KEY, base_url=server.base_url) as client:
        with client.stream(model="m", messages=PROMPT) as stream:
            text = stream.text
            assert next(text) == "Low"
            with pytest.raises(MisuseError, match="read once"):
                next(iter(stream))
            assert list(text) == []
        assert stream.completion.verdict.complete
