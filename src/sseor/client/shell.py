"""What the shells for threads and for async share: who reads the stream, how it ended, and what it has so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sseor.chat import Completion
from sseor.errors import MisuseError, SseorError
from sseor.stream import Expired, Failed, Life, Script, Step

from .finish import Audience


class Shell:
    """The state of one stream around its script; the subclasses add the I/O."""

    def __init__(self, script: Script, audience: Audience) -> None:
        self._script = script
        self._audience = audience
        self._told = False
        self._failure: SseorError | None = None
        self._life: Life | None = None
        self._batch: Any = iter(())
        self._token = object()
        self._reader: object = None
        self._moving = False
        self._ended = False
        self._error: SseorError | None = None

    @property
    def completion(self) -> Completion:
        """What has arrived so far: while the stream runs a snapshot, at its end the whole answer."""
        return self._script.completion

    def _claim(self, reader: object) -> None:
        """Make `reader` the one that reads; a stream is read once.

        Readers are told apart by tokens: kept itself, a reader would close a cycle, and a dropped stream would stay
        open until the collector runs.
        """
        if self._reader is not None and self._reader is not reader:
            raise MisuseError("a stream is read once: another lens or loop has already started to read it")
        self._reader = reader

    def _resume(self, now: float, *, as_chunks: bool) -> Step | None:
        """Start the script, or tell it that the caller wants more; return its step, None at its end."""
        if self._life is None:
            self._life = self._script.run(now, as_chunks=as_chunks)
            return next(self._life)
        return self._send(now)

    def _send(self, answer: Any) -> Step | None:
        assert self._life is not None
        return _step_or_end(self._life.send, answer)

    def _throw(self, signal: Expired | Failed) -> Step | None:
        assert self._life is not None
        return _step_or_end(self._life.throw, signal)

    def _check_open(self) -> bool:
        """Return whether more may come; raise again how the stream failed, or that it was left early."""
        if not self._ended:
            if self._moving:
                raise MisuseError("two threads or tasks read one stream at the same time")
            return True
        if self._error is not None:
            raise self._error.with_traceback(None)
        return False

    def _left_early(self) -> None:
        """Note that the caller let go before the end: from now on reading is a mistake, never a clean end."""
        if not self._ended:
            self._ended = True
            self._error = MisuseError("the stream was closed before its end")

    def _failed(self, error: BaseException) -> None:
        """Note that reading failed: our own error is raised again by every further read, a foreign one is a leave."""
        if isinstance(error, SseorError):
            self._ended, self._error = True, error
            self._failure = error
        else:
            self._left_early()

    def _tell(self, now: float | None) -> None:
        """Tell the audience, once, that the stream is over and its connection let go; `now` None: nobody knows when."""
        if self._life is None or self._told:
            return
        self._told = True
        timeline = self._script.timeline
        if timeline.ended is None and now is not None:
            timeline.ended = timeline.since_start(now)
        if self._audience:
            self._audience.tell(self.completion, self._failure)


def _step_or_end(move: Callable[[Any], Step], value: Any) -> Step | None:
    try:
        return move(value)
    except StopIteration:
        return None
