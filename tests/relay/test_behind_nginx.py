"""The relay behind nginx as it comes, with its buffering: events arrive as they are made, and leaving is noticed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from browser.node_tools import missing
from relay.serving import Upstream, serving, until

from sseor.relay import Relay

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/errors;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {more}
    server {{
        listen unix:{folder}/socket;
        location / {{ proxy_pass http://127.0.0.1:{port}; }}
    }}
}}
"""
COMPRESSING = "gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1;"
"""Everything is compressed that may be."""


@contextmanager
def nginx(port: int, more: str) -> Iterator[str]:
    """Run an nginx before a port of this machine; give the path of the socket where it listens."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        missing("nginx")
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="sseor-") as name:
        folder = Path(name)
        (folder / "conf").write_text(CONFIGURATION.format(folder=folder, port=port, more=more))
        command = [program, "-p", name, "-c", str(folder / "conf"), "-e", str(folder / "errors")]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            try:
                until(lambda: (folder / "socket").exists() or process.poll() is not None)
                assert process.poll() is None, process.communicate()[1].decode()
                yield str(folder / "socket")
            finally:
                process.terminate()
                process.wait(10)


class Reading:
    """The body of an answer as it comes, uncompressed."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.received = b""
        self._pieces = response.iter_bytes()

    def until(self, sign: bytes, times: int = 1) -> None:
        """Read until this has come so many times."""
        while self.received.count(sign) < times:
            self.received += next(self._pieces)


@contextmanager
def client_of(socket: str) -> Iterator[httpx.Client]:
    """Return a client whose every request goes to this socket, and which waits for long."""
    transport = httpx.HTTPTransport(uds=socket)
    with httpx.Client(transport=transport, base_url="http://localhost", timeout=30) as client:
        yield client


@pytest.mark.parametrize("compressing", [False, True])
def test_events_arrive_as_they_are_made(compressing: bool) -> None:
    """The first bytes, heartbeats and each word before the next is made; and a viewer that leaves is missed."""
    upstream = Upstream()
    relay = Relay(smoothing=None, heartbeat=0.3, grace=0.1)
    application = relay.asgi(lambda question: upstream, allow_anonymous=True)
    with (
        serving(application) as port,
        nginx(port, COMPRESSING if compressing else "") as socket,
        client_of(socket) as client,
    ):
        with client.stream("POST", "/streams", json={}) as response:
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert response.headers.get("content-encoding") == ("gzip" if compressing else None)
            reading = Reading(response)
            reading.until(b"retry: 1000\n: sseor\n\n")
            reading.until(b"\n:\n\n", 2)
            for number in range(5):
                word = b"word%d" % number
                assert word not in reading.received
                upstream.say(word.decode())
                reading.until(b'"text":"%b"' % word)
            path = response.headers["location"]
            with client.stream("GET", path) as other:
                Reading(other).until(b"word4")
            assert not upstream.cancelled
        until(lambda: upstream.closed)
        assert upstream.cancelled
        assert client.get(path).text.count('{"type":"cancelled"}') == 1
