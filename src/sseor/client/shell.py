"""What the shells for threads and for async share: who reads the stream, how it ended, and what it has so far."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any, Literal

from sseor.chat import Completion
from sseor.errors import ConfigError, MisuseError, ResumeError, SseorError
from sseor.stream import Expired, Failed, Life, Script, Step

from .finish import Audience
from .saving import Path, Saver

View = Literal["events", "lens", "chunks"]
OpenSaver = Callable[[], Saver]
"""Opens the file of a stream when its first item is asked for, so that a stream that is never read holds nothing."""


class Shell:
    """The state of one stream around its script; the subclasses add the I/O."""

    def __init__(self, script: Script, audience: Audience, open_saver: OpenSaver | None) -> None:
        self._script = script
        self._audience = audience
        self._told = False
        self._failure: SseorError | None = None
        self._open_saver = open_saver
        self._saver: Saver | None = None
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

    def _claim(self, reader: object, view: View = "events") -> None:
        """Make `reader` the one that reads; a stream is read once.

        Readers are told apart by tokens: kept itself, a reader would close a cycle, and a dropped stream would stay
        open until the collector runs.
        """
        if self._reader is reader:
            return
        if self._reader is not None:
            raise MisuseError("a stream is read once: another lens or loop has already started to read it")
        self._check(view)
        self._reader = reader

    def _check(self, view: View) -> None:
        """Refuse a view of the stream that could not tell of what happens after a cut."""
        settings = self._script.settings
        if view != "events" and settings.on_cut == "restart":
            raise MisuseError(
                "on_cut='restart' needs the events: a lens cannot say that the answer begins again"
            )
        if view == "chunks" and (settings.on_cut == "resume" or settings.continue_on_length):
            raise MisuseError(
                "chunks are handed out as sent: an answer that is continued needs events or text"
            )

    def _save(self, completion: Completion) -> None:
        """Write the answer into its file; a disk that fails costs one warning, never the stream."""
        try:
            if self._saver is not None:
                self._saver.write(completion)
        except OSError as error:
            warnings.warn(f"the answer is not saved any more: {error}", RuntimeWarning, stacklevel=2)
            self._stop_saving()

    def _stop_saving(self) -> None:
        saver, self._saver = self._saver, None
        if saver is not None:
            saver.close()

    def _resume(self, now: float, *, as_chunks: bool) -> Step | None:
        """Start the script, or tell it that the caller wants more; return its step, None at its end."""
        if self._life is None:
            if self._open_saver is not None:
                self._saver = self._open_saver()
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
            self._batch = iter(())

    def _failed(self, error: BaseException) -> None:
        """Note that reading failed: our own error is raised again by every further read, a foreign one is a leave."""
        if isinstance(error, SseorError):
            self._ended, self._error = True, error
            self._failure = error
        else:
            self._left_early()

    def _over(self, now: float | None) -> None:
        """Save how the stream ended and tell the audience, once, its connection being let go; `now` None: unknown."""
        if self._life is None or self._told:
            return
        self._told = True
        timeline = self._script.timeline
        if timeline.ended is None and now is not None:
            timeline.ended = timeline.since_start(now)
        if self._saver is not None:
            self._save(self.completion)
            self._stop_saving()
        if self._audience:
            self._audience.tell(self.completion, self._failure)


def _step_or_end(move: Callable[[Any], Step], value: Any) -> Step | None:
    try:
        return move(value)
    except StopIteration:
        return None


def saver_for(path: Path) -> OpenSaver:
    """Return what opens the file of a new answer; an unfinished one that is already there is not overwritten."""

    def open_saver() -> Saver:
        try:
            return Saver(path)
        except OSError as error:
            raise ConfigError(
                f"the answer cannot be saved to {os.fspath(path)!r}: {error.strerror}"
            ) from error

    return open_saver


def saver_of(path: Path, before: Completion) -> OpenSaver:
    """Return what opens the file of a saved answer to go on with it; it must still hold `before`."""

    def open_saver() -> Saver:
        saver = Saver.resuming(path)
        if saver.saved != before:
            saver.close()
            raise ResumeError(f"the file {os.fspath(path)!r} was changed in the meantime")
        return saver

    return open_saver
