"""The adapter for decoders written in Python: `python -m sseor.conformance.bridge module:factory`.

It imports the factory, then answers plays on standard input and output until its input ends. What the decoder prints
goes to standard error.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import inspect
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from importlib import metadata
from typing import Any, BinaryIO

from sseor.conformance.protocol import PROTOCOL_VERSION

__all__ = ["FactoryError", "answer", "answer_plays", "load_factory"]

Factory = Callable[..., Any]


class FactoryError(ValueError):
    """`module:factory` names nothing that can be used."""


def load_factory(name: str) -> Factory:
    """Return what `module:factory` names; the factory may be an attribute of an attribute."""
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        raise FactoryError(f"{name}: write it as module:factory")
    found: Any = importlib.import_module(module)
    for attribute in path.split("."):
        if not hasattr(found, attribute):
            raise FactoryError(f"{name}: {module} has no {path}")
        found = getattr(found, attribute)
    if not callable(found):
        raise FactoryError(f"{name} is {type(found).__name__}, and cannot be called")
    factory: Factory = found
    return factory


def answer_plays(factory: Factory, name: str, requests: BinaryIO, answers: BinaryIO) -> None:
    """Say hello, then answer each line of `requests`."""

    def say(value: dict[str, Any]) -> None:
        answers.write(json.dumps(value).encode() + b"\n")
        answers.flush()

    say({"protocol": PROTOCOL_VERSION, "name": name, "version": _version(factory)})
    with asyncio.Runner() as runner:
        for line in requests:
            say(answer(factory, json.loads(line), runner))


def answer(factory: Factory, request: dict[str, Any], runner: asyncio.Runner) -> dict[str, Any]:
    """Play what a request asks for; return what is to be said."""
    play = _Play([base64.b64decode(read) for read in request["reads"]])
    began = time.process_time()
    try:
        play.run(factory, runner)
    except (Exception, SystemExit) as error:
        text = str(error)
        play.state["error"] = f"{type(error).__name__}: {text}"[:400] if text else type(error).__name__
    cpu = time.process_time() - began
    return {"play": request["play"], "items": play.items, "cpu": cpu, **play.state}


class _Play:
    """One stream through one new decoder; `items` and `state` are what the answer says."""

    def __init__(self, reads: list[bytes]) -> None:
        self.items: list[dict[str, Any]] = []
        self.state: dict[str, Any] = {}
        self._reads = reads
        self._begun = 0

    def run(self, factory: Factory, runner: asyncio.Runner) -> None:
        """Play it the way the factory asks for: it is called with the reads if it is a generator function."""
        if inspect.isasyncgenfunction(factory):
            runner.run(self._pull_async(factory))
        elif inspect.isgeneratorfunction(factory):
            for item in factory(self._source()):
                self._add(item)
        else:
            self._push(factory())

    def _push(self, decoder: Any) -> None:
        for read in self._source():
            for item in decoder.feed(read) or ():
                self._add(item)
        end = getattr(decoder, "end", None)
        if end is not None:
            rest = end()
            # What else `end` may return (a count, a tuple of leftovers) is no event.
            for item in rest if isinstance(rest, list | Iterator) else ():
                self._add(item)
        for name in ("last_event_id", "reconnection_time"):
            if hasattr(decoder, name):
                self._tell(name, getattr(decoder, name))

    async def _pull_async(self, factory: Factory) -> None:
        async def source() -> AsyncIterator[bytes]:
            for read in self._source():
                yield read

        async for item in factory(source()):
            self._add(item)

    def _source(self) -> Iterator[bytes]:
        for read in self._reads:
            self._begun += 1
            yield read
        self._begun += 1  # whatever comes now, the end of the stream has brought

    def _add(self, item: Any) -> None:
        """Note an event, a comment, or the state that a generator reports between its events."""
        fields = item if isinstance(item, Mapping) else _Attributes(item)
        got: dict[str, Any] = {"after": self._begun}
        if "data" in fields:
            got["data"] = _plain(fields["data"])
            for name, names in (("event", ("event", "type")), ("id", ("id", "last_event_id"))):
                for other in names:
                    if other in fields:
                        got[name] = _plain(fields[other])
                        break
        elif "comment" in fields or "text" in fields:
            got["comment"] = _plain(fields["comment" if "comment" in fields else "text"])
        elif "last_event_id" in fields or "reconnection_time" in fields:
            for name in ("last_event_id", "reconnection_time"):
                if name in fields:
                    self._tell(name, fields[name])
            return
        else:
            got["unknown"] = f"an object of type {type(item).__name__}"
        self.items.append(got)

    def _tell(self, name: str, value: Any) -> None:
        self.state[name] = value if isinstance(value, int) else _plain(value)


class _Attributes:
    """The attributes of an object, looked up like the keys of a mapping."""

    def __init__(self, item: Any) -> None:
        self._item = item

    def __contains__(self, name: str) -> bool:
        return hasattr(self._item, name)

    def __getitem__(self, name: str) -> Any:
        return getattr(self._item, name)


def _plain(value: Any) -> Any:
    """Return text and None as they are; of anything else its type, which the runner will not take for text."""
    return value if value is None or isinstance(value, str) else {"type": type(value).__name__}


def _version(factory: Factory) -> str:
    """Return the version that the factory or its package tells, or that of its distribution; "" if none is known."""
    package = (getattr(factory, "__module__", None) or "").partition(".")[0]
    for teller, name in ((factory, "version"), (sys.modules.get(package), "__version__")):
        told = getattr(teller, name, None)
        if isinstance(told, str):
            return told
    distributions = metadata.packages_distributions().get(package, ())
    return metadata.version(distributions[0]) if distributions else ""


def main(arguments: list[str]) -> int:
    """Serve the factory that the one argument names; 2 if it cannot be had."""
    # From here on standard output belongs to the protocol alone, whatever the decoder prints.
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        try:
            factory = load_factory(arguments[0])
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 2
        answer_plays(factory, arguments[0], sys.stdin.buffer, answers)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
