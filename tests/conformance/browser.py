"""Headless Chromium on a page that reads every case with its own `EventSource`, and the server of both."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sseor.conformance import Case
from sseor.conformance.cases import ExpectedEvent

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

SETTLED = 7.0
"""Seconds after the last stream ended: by then each source has come back, unless it was told to wait for long."""

PAGE = """<!doctype html><meta charset=utf-8><script>
const types = %(types)s, count = %(count)d, got = Array.from({length: count}, () => [])
let opened = 0, closed = 0, ended = 0
const finish = () => {
  fetch('/results', {method: 'POST', body: JSON.stringify(got)})
  for (const source of sources) source.close()
}
const sources = got.map((events, number) => {
  const source = new EventSource('/case/' + number)
  for (const type of types) source.addEventListener(type, (event) => {
    if (event instanceof MessageEvent) events.push([event.type, event.data, event.lastEventId])
  })
  let first = true
  source.addEventListener('error', (event) => {
    if (event instanceof MessageEvent) return
    if (first && ++ended === count) setTimeout(finish, %(settled)d)
    first = false
    if (source.readyState === EventSource.CLOSED && ++closed === count) finish()
  })
  return source
})
</script>"""


@dataclass
class Seen:
    """What the browser made of one case; `waited` is None if it did not come back."""

    events: list[tuple[str, str, str]] = field(default_factory=list)
    last_event_id: str | None = None
    waited: float | None = None


class Referee(ThreadingHTTPServer):
    """Serves the page and the cases, and notes when and with which header each source comes back."""

    daemon_threads = False

    def __init__(self, cases: Sequence[Case]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cases = cases
        self.seen = [Seen() for _ in cases]
        self.served: dict[int, float] = {}
        self.done = threading.Event()

    def page(self) -> bytes:
        """Return the page."""
        types = {
            "message",
            *(item.event for case in self.cases for item in case.items if isinstance(item, ExpectedEvent)),
        }
        told = {"types": json.dumps(sorted(types)), "count": len(self.cases), "settled": int(SETTLED * 1000)}
        return (PAGE % told).encode()


class Handler(BaseHTTPRequestHandler):
    """One request of the browser."""

    server: Referee

    def do_GET(self) -> None:
        """Serve the page; a case the first time it is asked for, and then the word that it is over."""
        if not self.path.startswith("/case/"):
            self.answer(200 if self.path == "/" else 404, "text/html", self.server.page())
            return
        number = int(self.path.removeprefix("/case/"))
        if number not in self.server.served:
            self.server.served[number] = float("inf")
            self.answer(200, "text/event-stream", self.server.cases[number].stream)
            self.server.served[number] = time.monotonic()
            return
        seen = self.server.seen[number]
        seen.waited = time.monotonic() - self.server.served[number]
        seen.last_event_id = (
            self.headers.get("Last-Event-ID", "").encode("latin-1").decode("utf-8", "replace")
        )
        self.answer(204, "text/plain", b"")

    def do_POST(self) -> None:
        """Take the results."""
        for seen, events in zip(
            self.server.seen, json.loads(self.rfile.read(int(self.headers["Content-Length"]))), strict=True
        ):
            seen.events = [(data, kind, last_event_id) for kind, data, last_event_id in events]
        self.answer(204, "text/plain", b"")
        self.server.done.set()

    def answer(self, status: int, content_type: str, body: bytes) -> None:
        """Answer with a whole body, and close."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def browser(url: str) -> Iterator[None]:
    """Let Chromium show a page, with a profile of its own, and end it with all its processes."""
    program = shutil.which("chromium")
    assert program is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def referee(cases: Sequence[Case], patience: float = 90.0) -> list[Seen]:
    """Return what Chromium makes of each case."""
    with Referee(cases) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            with browser(f"http://127.0.0.1:{server.server_port}/"):
                assert server.done.wait(patience), "the browser did not send its results in time"
        finally:
            server.shutdown()
            serving.join()
        return server.seen
