"""Answers in files: written so that a crash at any moment leaves the old file or the new one, never half of one.

A file is one JSON document: the name of the format, its version, the SHA-256 of the completion's bytes, and the
completion as `Completion.to_dict` gives it. It is ASCII, compact, and ends with a line end.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from sseor.chat import Completion
from sseor.chat.continuation import is_blank
from sseor.chat.text import clean_value
from sseor.errors import ConfigError, MisuseError, ResumeError

from .locking import ON_WINDOWS, FileLock

FORMAT = "sseor-completion"
VERSION = 1
MAX_BYTES = 256 << 20
"""A larger file is not read: 64 MiB of images in one event, base64 and JSON included, stay well below."""

_OPENING = f'{{"format":"{FORMAT}",'.encode()
_HEAD = re.compile(re.escape(_OPENING) + rb'"version":([0-9]{1,9}),')
_DIGEST = re.compile(rb'"sha256":"([0-9a-f]{64})","completion":')
_TAIL = b"}\n"

_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP)
"""What network and user-space file systems say that cannot flush a folder; there is nothing more to be done on them."""

Path = str | os.PathLike[str]
"""What names a file."""


def save(completion: Completion, path: Path) -> None:
    """Write an answer, whole or not, to a file that only its owner can read; `load` gives it back.

    Replaces what an earlier call left there. Raises `ConfigError`, and leaves the file alone, when it is no saved
    answer, holds the unfinished answer to another request, or is being written at this moment; `OSError` when the
    system refuses.
    """
    with Saver(path, completion.request) as saver:
        saver.write(completion)


def load(path: Path) -> Completion:
    """Return the answer that `save` wrote, to look at or to resume.

    Raises `ResumeError` for a file that is damaged, cut, of another version, or none of ours; it is left as it is.
    """
    try:
        return _load(_real(path))
    except FileNotFoundError as error:
        raise ResumeError(f"there is no file {os.fsdecode(path)!r}") from error


class Saver:
    """Writes one growing answer to `path` again and again; nobody else can while it is open.

    Raises `ConfigError`, and leaves the file alone, when it is no saved answer, when it holds the unfinished answer
    to another request than `request` (the fields of the request's body), when another saver is at work on it, or when
    there is no such folder; `OSError` when the system refuses. A finished answer is replaced. `saved` is what the
    file held.
    """

    def __init__(self, path: Path, request: Mapping[str, Any] | None = None) -> None:
        self._path = _real(path)
        self._lock: FileLock | None = _locked(self._path)
        self.saved: Completion | None = None
        try:
            with contextlib.suppress(FileNotFoundError):
                self.saved = _load(self._path)
            if self.saved is not None and _would_be_lost(self.saved, request):
                raise ConfigError(f"{self._path!r} holds an unfinished answer: resume it, or remove the file")
            _remove_leftovers(self._path)
        except ResumeError as error:
            self.close()
            raise ConfigError(f"{error.detail}; it is not overwritten: choose another path") from error
        except BaseException:
            self.close()
            raise

    @classmethod
    def resuming(cls, path: Path) -> Self:
        """Return a saver for going on with the answer at `path`, which is its `saved`.

        Raises `ResumeError` for what `load` refuses, and when another process is going on with it already.
        """
        found = load(path)
        try:
            saver = cls(path, found.request)
        except ConfigError as error:
            raise ResumeError(error.detail) from error
        if saver.saved is None:
            saver.close()
            raise ResumeError(f"the file {os.fsdecode(path)!r} was removed")
        return saver

    def write(self, completion: Completion) -> None:
        """Replace the file by this state of the answer; raises `OSError`, and keeps the file, when that fails."""
        if self._lock is None:
            raise MisuseError("the saver is closed")
        _replace(self._path, _document(completion))

    def close(self) -> None:
        """Let others write; the file stays."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _real(path: Path) -> str:
    """Return the path that links lead to, so that no link is replaced by a file, and two names share one lock."""
    try:
        return os.path.realpath(os.fsdecode(path))
    except (TypeError, ValueError) as error:
        raise ConfigError("path must be the name of a file") from error


def _locked(path: str) -> FileLock:
    if os.path.isdir(path):
        raise ConfigError(f"{path!r} is a folder, not a file")
    try:
        return FileLock(f"{path}.lock")
    except BlockingIOError as error:
        raise ConfigError(f"{path!r} is being written by another stream or process") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(f"there is no folder {os.path.dirname(path)!r}") from error


def _would_be_lost(saved: Completion, request: Mapping[str, Any] | None) -> bool:
    """Tell whether replacing this answer would lose one that could be resumed."""
    if saved.verdict.complete or saved.request is None or is_blank(saved):
        return False
    return request is None or saved.request != json.loads(_json(clean_value(dict(request))))


def _document(completion: Completion) -> bytes:
    content = _json(completion.to_dict())
    digest = hashlib.sha256(content).hexdigest()
    return b'%b"version":%d,"sha256":"%b","completion":%b%b' % (
        _OPENING,
        VERSION,
        digest.encode(),
        content,
        _TAIL,
    )


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _load(path: str) -> Completion:
    """Return the answer in a file; raises FileNotFoundError or, with a plain sentence, ResumeError."""
    data = _content(path)
    head = _HEAD.match(data)
    if head is None:
        if data.startswith(_OPENING[: len(data)]):
            raise ResumeError(f"{path!r} is empty or was cut off")
        raise ResumeError(f"{path!r} is not a saved answer")
    if int(head[1]) != VERSION:
        raise ResumeError(f"{path!r} was written in version {int(head[1])} of the format, this is {VERSION}")
    digest = _DIGEST.match(data, head.end())
    content = data[digest.end() : -len(_TAIL)] if digest else b""
    if (
        digest is None
        or not data.endswith(_TAIL)
        or hashlib.sha256(content).hexdigest().encode() != digest[1]
    ):
        raise ResumeError(f"{path!r} is damaged or was cut off")
    try:
        return Completion.from_dict(json.loads(content))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ResumeError(f"{path!r} holds no answer that this version can read") from error


def _content(path: str) -> bytes:
    try:
        # Without O_NONBLOCK opening a pipe would wait for its writer.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise ResumeError(f"{path!r} is not a regular file")
            with open(number, "rb", closefd=False) as file:
                data = file.read(MAX_BYTES + 1)
        finally:
            os.close(number)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ResumeError(f"{path!r} cannot be read: {os.strerror(error.errno or errno.EIO)}") from error
    if len(data) > MAX_BYTES:
        raise ResumeError(f"{path!r} is larger than {MAX_BYTES} bytes")
    return data


def _replace(path: str, data: bytes) -> None:
    """Put `data` at `path` in one step; whatever fails, the old file stays and no temporary one does."""
    temporary = f"{_leftover_prefix(path)}{secrets.token_hex(8)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    number = os.open(temporary, flags, 0o600)
    try:
        try:
            _write_all(number, data)
            os.fsync(number)
        finally:
            os.close(number)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(os.path.dirname(path))


def _write_all(number: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(number, left) :]


def _sync_folder(folder: str) -> None:
    """Make the new name survive a power failure."""
    if ON_WINDOWS:  # folders cannot be opened there
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(number)


def _leftover_prefix(path: str) -> str:
    """Return how the temporary files for this path begin: short, since the path's own name may be as long as can be."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".sseor-{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}-")


def _remove_leftovers(path: str) -> None:
    """Remove what processes that were killed while writing this file left; the lock is held."""
    prefix = os.path.basename(_leftover_prefix(path))
    with os.scandir(os.path.dirname(path)) as entries:
        for entry in entries:
            if entry.name.startswith(prefix) and entry.name.endswith(".tmp"):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
