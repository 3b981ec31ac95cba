"""An adapter as a process of its own: whatever it does, the runner gets an answer or a reason within bounds."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sseor.conformance.protocol import Answer, Hello, MalformedError, parse_answer, parse_hello, request

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

__all__ = ["AdapterError", "AdapterProcess", "CrashedError", "HungError", "bridge_command"]

START = 60.0
"""Seconds for the hello: an adapter may have much to import."""

TICK = 0.05
"""Seconds between two looks of the watching thread."""

LONGEST_LINE = 64 << 20
NOISE = 1 << 20
"""Bytes of other output that an adapter may print before an answer."""

STDERR_TAIL = 2000

PAGE = 4096
"""Bytes of a page of memory, in which the kernel counts."""


class AdapterError(Exception):
    """The adapter gave no answer to a play; the text says why. It has been ended."""


class HungError(AdapterError):
    """It took longer than it may."""


class CrashedError(AdapterError):
    """It ended, spoke no protocol, or had to be ended because it grew or printed without bound."""


def bridge_command(factory: str) -> list[str]:
    """Return the command that serves a decoder written in Python, named as `module:factory`."""
    return [sys.executable, "-m", "sseor.conformance.bridge", factory]


class AdapterProcess:
    """A process that speaks the protocol; it is started when needed, also after it was ended.

    A watching thread ends it, with all its children, when a deadline has passed or their memory has outgrown
    `memory_limit` bytes (Linux only). Use it with `with`.
    """

    def __init__(self, command: Sequence[str], *, memory_limit: int = 2 << 30) -> None:
        self._command = list(command)
        self._memory_limit = memory_limit
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline: float | None = None
        self._ended_for: AdapterError | None = None
        self._stderr: deque[bytes] = deque(maxlen=16)
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        self._plays = 0
        self.hello: Hello | None = None
        self._noise = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, reads: Sequence[bytes], seconds: float) -> Answer:
        """Return the answer to a play; `AdapterError` if there is none within so many seconds."""
        if self._process is None:
            self._start()
        self._plays += 1
        self._noise = 0
        self._deadline = time.monotonic() + seconds
        try:
            self._write(request(self._plays, reads))
            while True:
                line = self._line()
                if (answer := parse_answer(line, self._plays)) is not None:
                    return answer
        except MalformedError as error:
            raise self._end(CrashedError(f"its answer is malformed: {error}")) from None
        finally:
            self._deadline = None

    def close(self) -> None:
        """End the process and its threads."""
        process, self._process = self._process, None
        if process is None:
            return
        self._closing.set()
        _kill(process)
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr] # both are pipes
        process.wait()
        for thread in self._threads:
            thread.join()
        process.stderr.close()  # type: ignore[union-attr] # it is a pipe

    def _start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
        self._ended_for = None
        self._stderr.clear()
        self._closing = threading.Event()
        self._plays, self._noise = 0, 0
        try:
            process = subprocess.Popen(  # noqa: S603 - the command is the user's own
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise CrashedError(f"{self._command[0]} cannot be started: {error.strerror}") from None
        self._process = process
        self._deadline = time.monotonic() + START
        self._threads = [
            threading.Thread(target=self._watch, args=(process, self._closing), daemon=True),
            threading.Thread(target=self._listen, args=(process,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        try:
            while (hello := parse_hello(self._line())) is None:
                pass
        except MalformedError as error:
            raise self._end(CrashedError(str(error))) from None
        self.hello = hello

    def _write(self, line: bytes) -> None:
        try:
            self._process.stdin.write(line)  # type: ignore[union-attr] # started, with a pipe
            self._process.stdin.flush()  # type: ignore[union-attr]
        except OSError:
            raise self._end(self._gone()) from None

    def _line(self) -> bytes:
        """Return the next line that it prints."""
        line: bytes = self._process.stdout.readline(LONGEST_LINE)  # type: ignore[union-attr] # started, with a pipe
        if not line.endswith(b"\n"):
            if len(line) >= LONGEST_LINE:
                raise self._end(CrashedError(f"it printed a line of more than {LONGEST_LINE} bytes"))
            raise self._end(self._gone())
        if not line.startswith(b"{"):
            self._noise += len(line)
            if self._noise > NOISE:
                raise self._end(CrashedError(f"it printed more than {NOISE} bytes that are no answer"))
        return line

    def _gone(self) -> AdapterError:
        """Return why the pipes are closed: the watching thread ended it, or it ended by itself."""
        process = self._process
        assert process is not None
        if self._ended_for is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
        if self._ended_for is not None:
            return self._ended_for
        code = process.poll()
        if code is None:
            how = "it closed its output"
        elif code < 0:
            how = f"it was ended by {signal.Signals(-code).name}"
        else:
            how = f"it ended with code {code}"
        self._threads[1].join(1)  # its last words are still being read
        words = b"".join(self._stderr)[-STDERR_TAIL:].decode("utf-8", "replace").strip()
        return CrashedError(f"{how}; its last words: {words.splitlines()[-1]}" if words else how)

    def _end(self, error: AdapterError) -> AdapterError:
        self.close()
        return error

    def _watch(self, process: subprocess.Popen[bytes], closing: threading.Event) -> None:
        while not closing.wait(TICK):
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self._ended_for = HungError("no answer in time")
            elif _memory(process.pid) > self._memory_limit:
                self._ended_for = CrashedError(f"it took more than {self._memory_limit >> 20} MiB of memory")
            else:
                continue
            _kill(process)
            return

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        for line in iter(lambda: process.stderr.readline(STDERR_TAIL), b""):  # type: ignore[union-attr] # a pipe
            self._stderr.append(line)


def _memory(pid: int) -> int:
    """Return the resident bytes of a process and of those that it started; 0 where that cannot be known."""
    process = Path(f"/proc/{pid}")
    try:
        size = int((process / "statm").read_text().split()[1]) * PAGE
        children = (process / "task" / str(pid) / "children").read_text().split()
    except (OSError, IndexError):
        return 0
    return size + sum(_memory(int(child)) for child in children)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
