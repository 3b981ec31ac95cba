"""Worker processes that share a listening socket; one that ends is replaced."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from sseor.cli.terminal import StatusLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.context import SpawnProcess
    from types import FrameType

__all__ = ["run_workers"]

PAUSE = 1.0
"""Seconds before a worker that has ended is replaced: one that cannot begin shall not keep the machine busy."""

LOOK = 0.25
"""Seconds between two looks for a signal: one that another thread took does not wake the one that waits."""

GRACE = 15.0
"""Seconds that workers have to end their streams."""


def run_workers(count: int, work: Callable[..., None], *arguments: object) -> None:
    """Run `work(*arguments)` in so many processes until SIGINT or SIGTERM; both must be fit for pickling."""

    def begin() -> SpawnProcess:
        process = context.Process(target=_work, args=(work, arguments))
        process.start()
        return process

    context = multiprocessing.get_context("spawn")
    processes: list[SpawnProcess] = []
    try:
        with _terminated_like_interrupted():
            processes += [begin() for _ in range(count)]
            while True:
                if not wait([process.sentinel for process in processes], LOOK):
                    continue
                time.sleep(PAUSE)
                for number, process in enumerate(processes):
                    if process.exitcode is not None:
                        StatusLine(sys.stderr).end(
                            f"sseor: a worker ended ({process.exitcode}), another begins"
                        )
                        processes[number] = begin()
    except KeyboardInterrupt:
        pass
    finally:
        _end(processes)


def _end(processes: list[SpawnProcess]) -> None:
    for process in processes:
        process.terminate()
    until = time.monotonic() + GRACE
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        process.kill()
        process.join()


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _work(work: Callable[..., None], arguments: tuple[object, ...]) -> None:
    """Work in this process, until its parent ends or says so."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        work(*arguments)


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
