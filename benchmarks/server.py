"""A server of event streams on threads and bare sockets, made to cost little while it keeps the time.

`model` in the request says what is wanted: `whole` is an answer of 200 deltas, at once; `first` one delta and the
end; `paced-50` sends 50 deltas a second until the peer leaves, each dated by the monotonic clock, which all processes
of a machine share; `held` is one delta, and then nothing. Run as a module it prints its port. The streams are out of
step with each other, and a late event is not made up for by a burst.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import queue
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import workloads
from benchmarks.measuring import ROOT

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
WHOLE = workloads.deltas(200)
STAMP = b"%017.6f"
STAMP_BYTES = 17
BLOCK = workloads.in_data_line(workloads.payload({"content": "#" * STAMP_BYTES}, 0))
BEFORE_STAMP, AFTER_STAMP = BLOCK.split(b"#" * STAMP_BYTES)
GOLDEN = 0.618034


def chunked(block: bytes) -> bytes:
    """Return a block as one chunk of the transfer coding."""
    return b"%x\r\n%b\r\n" % (len(block), block)


PACED = (b"%x\r\n" % len(BLOCK)) + BEFORE_STAMP, AFTER_STAMP + b"\r\n"


class Pacemaker(threading.Thread):
    """Sends dated events on all paced connections, each at its own rate."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.joining: queue.SimpleQueue[tuple[socket.socket, float]] = queue.SimpleQueue()

    def run(self) -> None:
        """Send until the process ends."""
        due: list[tuple[float, int, socket.socket, float]] = []
        before, after = PACED
        count = 0
        while True:
            while not due or not self.joining.empty():
                connection, interval = self.joining.get()
                count += 1
                at = time.monotonic() + interval * (count * GOLDEN % 1)
                heapq.heappush(due, (at, count, connection, interval))
            at, number, connection, interval = due[0]
            now = time.monotonic()
            if at > now:
                time.sleep(min(at - now, 0.01))
                continue
            try:
                connection.send(before + STAMP % now + after)
            except OSError:  # gone, or so far behind that its buffers are full
                heapq.heappop(due)
                connection.close()
            else:
                heapq.heapreplace(due, (max(at + interval, now), number, connection, interval))


def answer(connection: socket.socket, context: ssl.SSLContext | None, pacemaker: Pacemaker) -> None:
    """Answer the requests of one connection."""
    with contextlib.suppress(OSError, ValueError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            connection = context.wrap_socket(connection, server_side=True)
        received = b""
        while True:
            while b"\r\n\r\n" not in received:
                received += _more(connection)
            head, _, received = received.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            while len(received) < length:
                received += _more(connection)
            model = json.loads(received[:length])["model"].rpartition("/")[2]
            received = received[length:]
            connection.sendall(HEAD)
            if model.startswith("paced-"):
                connection.setblocking(False)
                pacemaker.joining.put((connection, 1 / float(model[6:])))
                return
            if model == "held":
                connection.sendall(chunked(WHOLE.blocks[0]))
                _more(connection)
                return
            for block in (WHOLE.blocks if model == "whole" else WHOLE.blocks[:1]) + workloads.ending():
                connection.sendall(chunked(block))
            connection.sendall(LAST)
    connection.close()


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 16)
    if not data:
        raise ConnectionError("the peer has left")
    return data


def serve(plan: dict[str, Any]) -> None:
    """Serve until the process is ended."""
    context = None
    if plan.get("certificate"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(plan["certificate"])
    pin(plan.get("core"))
    pacemaker = Pacemaker()
    pacemaker.start()
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=answer, args=(connection, context, pacemaker), daemon=True).start()


def pin(core: int | None) -> None:
    """Keep this process on one core, where the system can do that."""
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[core]})


@contextlib.contextmanager
def server(*, tls: bool = False, core: int | None = None) -> Iterator[str]:
    """Run a server in a process of its own; give its base URL."""
    plan: dict[str, Any] = {"core": core}
    with tempfile.TemporaryDirectory() as folder:
        if tls:
            plan["certificate"] = _certificate(Path(folder))
        command = [sys.executable, "-m", "benchmarks.server", json.dumps(plan)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                port = process.stdout.readline().strip()
                yield f"{'https' if tls else 'http'}://127.0.0.1:{port}/api/v1"
            finally:
                process.terminate()
                os.environ.pop("SSL_CERT_FILE", None)


def _certificate(folder: Path) -> str:
    """Make an authority that the clients of this process and its children trust, and a certificate of it."""
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    own = folder / "own.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(own))
    os.environ["SSL_CERT_FILE"] = str(folder / "authority.pem")
    return str(own)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
