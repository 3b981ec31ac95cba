"""What a record brings that a reader has not had: snapshots become records again, fragments whole beginnings.

Tool calls are numbered in the order in which they come, and begun once their name and ID are known, which a fragment
may bring in pieces or late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from sseor.relay.formats.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Call", "News", "Record"]

Record: TypeAlias = "Mapping[str, Any]"
TEXTS = ("reasoning", "text", "refusal")
SEVERAL = {"image": ("images", "url"), "annotation": ("annotations", "annotation")}
AUDIO = ("data", "transcript")


class Call(NamedTuple):
    """A tool call: its place among those of its choice, how many characters of arguments came, which were held."""

    place: int
    id: str = ""
    name: str = ""
    length: int = 0
    held: str = ""
    begun: bool = False
    done: bool = False


class News(State):
    """Takes one record after the other, the first of them behind so many `restarts`.

    `had` counts what has come: characters by kind, images and annotations.
    """

    def __init__(self, restarts: int = 0) -> None:
        self._restarts = restarts
        self.had: dict[tuple[int, str], int] = {}
        self.calls: dict[tuple[int, int], Call] = {}

    def of(self, record: Record) -> Iterator[Record]:
        """Give the records that say what is new in this one; those of tool calls have their place for an index."""
        match record["type"]:
            case "text" | "reasoning" | "refusal" as name:
                self._count(record, name, len(record["text"]))
                yield record
            case "image" | "annotation" as name:
                self._count(record, name, 1)
                yield record
            case "audio":
                for name in AUDIO:
                    self._count(record, name, len(record[name]))
                yield record
            case "tool_delta":
                yield from self._fragment(record)
            case "tool_call":
                yield from self._whole_call(record)
            case "done":
                yield from self._calls_not_begun()
                yield record
            case "restarted":
                self._forget(self._restarts + 1)
                yield record
            case "snapshot":
                yield from self._snapshot(record)
            case _:
                yield record

    def _count(self, record: Record, name: str, number: int) -> None:
        key = record.get("choice", 0), name
        self.had[key] = self.had.get(key, 0) + number

    def _forget(self, restarts: int) -> None:
        self._restarts = restarts
        self.had = {}
        self.calls = {}

    def _call(self, record: Record) -> tuple[tuple[int, int], Call]:
        choice = record.get("choice", 0)
        key = choice, record["index"]
        if key in self.calls:
            return key, self.calls[key]
        return key, Call(sum(of == choice for of, _ in self.calls))

    def _fragment(self, record: Record) -> Iterator[Record]:
        key, call = self._call(record)
        piece, arguments = record.get("name", ""), record["arguments"]
        call = call._replace(
            id=call.id or record.get("id", ""),
            name=call.name if call.begun or piece == call.name else call.name + piece,
            length=call.length + len(arguments),
        )
        if call.begun:
            self.calls[key] = call
            if arguments:
                yield _delta(key, call, arguments)
            return
        call = self.calls[key] = call._replace(held=call.held + arguments)
        if call.id and call.name and call.held:
            yield self._begin(key, call)

    def _begin(self, key: tuple[int, int], call: Call) -> Record:
        self.calls[key] = call._replace(begun=True, held="")
        return _delta(key, call, call.held, name=call.name)

    def _whole_call(self, record: Record) -> Iterator[Record]:
        key, call = self._call(record)
        if call.done:
            return
        rest = record["arguments"][call.length :]
        call = call._replace(length=len(record["arguments"]), done=True)
        if call.begun:
            self.calls[key] = call
            if rest:
                yield _delta(key, call, rest)
        else:
            call = call._replace(id=record["id"], name=record["name"], held=call.held + rest)
            yield self._begin(key, call)
        yield {**record, "index": call.place, "id": call.id}

    def _calls_not_begun(self) -> Iterator[Record]:
        """Begin the calls that no record has made whole, under a name of our own where they have none."""
        for key, call in list(self.calls.items()):
            if not call.begun:
                yield self._begin(key, call._replace(id=call.id or f"call_{key[0]}_{call.place}"))

    def _snapshot(self, record: Record) -> Iterator[Record]:
        restart = record.get("restarted")
        if restart is not None and restart["times"] > self._restarts:
            self._forget(restart["times"])
            yield {"type": "restarted", "attempt": restart["attempt"], "code": restart["code"]}
        for state in record["choices"]:
            for rest in self._rest(state):
                yield from self.of({**rest, "choice": state["choice"]} if state["choice"] else rest)
        if record["usage"] is not None:
            yield {"type": "usage", **record["usage"]}
        yield from record["records"]

    def _rest(self, state: Mapping[str, Any]) -> Iterator[Record]:
        """Give records for what a choice holds beyond what has come of it."""
        choice = state["choice"]
        for name in TEXTS:
            if text := state[name][self.had.get((choice, name), 0) :]:
                yield {"type": name, "text": text}
        for call in state["tool_calls"]:
            known = self.calls.get((choice, call["index"]), Call(0))
            name = call["name"].removeprefix(known.name)
            yield {"type": "tool_delta", **call, "name": name, "arguments": call["arguments"][known.length :]}
            if call["complete"]:
                yield {"type": "tool_call", **call}
        for kind, (plural, field) in SEVERAL.items():
            for value in state[plural][self.had.get((choice, kind), 0) :]:
                yield {"type": kind, field: value}
        if audio := state["audio"]:
            rest = {name: audio[name][self.had.get((choice, name), 0) :] for name in AUDIO}
            if any(rest.values()):
                yield {"type": "audio", **rest}
        if state["finish_reason"] is not None:
            yield {"type": "finish", "reason": state["finish_reason"]}


def _delta(key: tuple[int, int], call: Call, arguments: str, **name: str) -> Record:
    """Return a fragment: the first of a call bears its name, all its ID."""
    record = {"type": "tool_delta", "index": call.place, "id": call.id, **name, "arguments": arguments}
    return {**record, "choice": key[0]} if key[0] else record
