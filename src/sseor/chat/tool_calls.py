"""Tool calls: their assembly by rules that survive what servers do with index, id and name.

An id names a call, an index names the call that last used it, and a fragment with neither continues the call
touched last. Arguments are joined once and parsed only when asked for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sseor.chat import codec
from sseor.chat.partial_json import partial_object
from sseor.chat.text import GrowingText, clean, clean_value
from sseor.chat.view import as_index, json_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ToolCall", "ToolCallDelta", "ToolCalls", "parse_arguments"]


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """One fragment of a tool call, as an event and as the chunk's view of it.

    In an event `index` is the call's place and `id` its id so far; in a chunk both are as sent, None when
    missing. `name` and `arguments` are what this fragment brings; `raw` is the object the provider sent.
    """

    index: int | None
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    choice: int = 0
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def function(self) -> ToolCallDelta:
        """This fragment: `fragment.function.arguments` reads as in other clients."""
        return self

    @property
    def type(self) -> str:
        """Always `function`."""
        return "function"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One tool call of an answer.

    `arguments` is the string as sent, `complete` whether it is one whole JSON object that nothing can change
    any more (no arguments at all are `{}`). `extra` holds the fields to send back besides, such as Gemini's
    `extra_content` with its thought signature. A call without an id got an invented one of nine letters and
    digits.
    """

    index: int
    id: str
    name: str
    arguments: str
    complete: bool
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parsed(self) -> dict[str, Any] | None:
        """The arguments as an object, or None unless the call is complete: never run half a call."""
        return parse_arguments(self.arguments) if self.complete else None

    @property
    def partial(self) -> dict[str, Any]:
        """The best object that the arguments so far allow; strings may still grow, other values are final."""
        return partial_object(self.arguments)

    @property
    def function(self) -> ToolCall:
        """This call: `call.function.name` reads as in other clients."""
        return self

    @property
    def type(self) -> str:
        """Always `function`."""
        return "function"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "index": self.index,
            "id": self.id,
            "name": self.name,
            "arguments": self.arguments,
            "complete": self.complete,
            "extra": clean_value(dict(self.extra)),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ToolCall:
        """Return the call that `to_dict` wrote."""
        return cls(**{name: data[name] for name in ("index", "id", "name", "arguments", "complete", "extra")})

    def to_message(self) -> dict[str, Any]:
        """Return the call as an item of an assistant message's `tool_calls`."""
        function = {"name": self.name, "arguments": self.arguments if self.arguments.strip() else "{}"}
        return {"id": self.id, "type": "function", "function": function, **clean_value(dict(self.extra))}


def parse_arguments(arguments: str) -> dict[str, Any] | None:
    """Return the arguments as an object (`{}` when there are none), or None when they are no JSON object."""
    if arguments.strip() in ("", "null"):
        return {}
    try:
        parsed = codec.loads_exact(arguments)
    except ValueError:
        return None
    return parsed if type(parsed) is dict else None


def as_text(value: object) -> str:
    """Return a string as it is, an object as JSON, nothing (null, an empty object) as an empty string."""
    if type(value) is str:
        return value
    return codec.dumps(clean_value(value)).decode() if value else ""


def fragment_of(raw: Mapping[str, Any], choice: int = 0) -> ToolCallDelta:
    """Return the view of one item of `delta.tool_calls`."""
    # Some servers leave the inner object out and write name and arguments beside the id.
    source = json_object(raw.get("function")) or raw
    call_id, name = raw.get("id"), source.get("name")
    return ToolCallDelta(
        index=as_index(raw.get("index")),
        id=call_id if type(call_id) is str and call_id else None,
        name=name if type(name) is str and name else None,
        arguments=as_text(source.get("arguments")),
        choice=choice,
        raw=raw,
    )


class OpenCall:
    """One call while it grows."""

    __slots__ = (
        "announced",
        "arguments",
        "extra",
        "id",
        "index",
        "invented_id",
        "length",
        "name",
        "repeats_name",
    )

    def __init__(self, index: int, seed: str) -> None:
        self.index = index
        self.id = ""
        # Nine letters and digits: the strictest rule for ids that a provider has (Mistral).
        self.invented_id = hashlib.sha256(f"{seed}/{index}".encode()).hexdigest()[:9]
        self.name = ""
        self.arguments = GrowingText()
        self.length = 0
        self.extra: dict[str, Any] = {}
        self.announced = False
        self.repeats_name = False

    def add(self, fragment: ToolCallDelta, choice: int) -> ToolCallDelta | None:
        """Take a fragment that belongs to this call; None when it brings nothing."""
        new_id = clean(fragment.id) if fragment.id and not self.id else ""
        self.id = self.id or new_id
        new_name = self._add_name(clean(fragment.name)) if fragment.name else ""
        new_arguments = self._add_arguments(fragment.arguments)
        for key, value in fragment.raw.items():
            if key not in _KNOWN_FIELDS and value is not None:
                self.extra[clean(key)] = clean_value(value)
        if not (new_id or new_name or new_arguments):
            return None
        return ToolCallDelta(
            self.index, self.id or None, new_name or None, new_arguments, choice, fragment.raw
        )

    def _add_name(self, name: str) -> str:
        """Set the name, or append a piece of it: no repeat, and only while no arguments have come."""
        if name == self.name or self.length:
            self.repeats_name = True
            return ""
        self.name += name
        return name

    def _add_arguments(self, piece: str) -> str:
        """Append a slice of the arguments; nothing when it is the whole call sent again."""
        if not piece or (len(piece) == self.length and piece == str(self.arguments) and self.is_whole()):
            return ""
        added = self.arguments.add(piece)
        self.length += len(added)
        return added

    def is_whole(self) -> bool:
        """Tell whether arguments have come and are one whole object; blanks are none."""
        arguments = str(self.arguments)
        return bool(arguments.strip()) and parse_arguments(arguments) is not None

    def snapshot(self, *, settled: bool) -> ToolCall:
        """Return the call as it stands; `settled` when no further fragment is to be expected."""
        arguments = str(self.arguments)
        complete = parse_arguments(arguments) is not None and (settled or bool(arguments.strip()))
        return ToolCall(
            self.index, self.id or self.invented_id, self.name, arguments, complete, dict(self.extra)
        )


_KNOWN_FIELDS = frozenset({"index", "id", "type", "function", "name", "arguments"})


class ToolCalls:
    """The tool calls of one choice while they grow."""

    __slots__ = ("_by_id", "_by_index", "_calls", "_free_index", "_last", "choice")

    def __init__(self, choice: int) -> None:
        self.choice = choice
        self._calls: dict[int, OpenCall] = {}
        self._by_index: dict[int, OpenCall] = {}
        self._by_id: dict[str, OpenCall] = {}
        self._last: OpenCall | None = None
        self._free_index = 0

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, raw: Mapping[str, Any], seed: str) -> ToolCallDelta | None:
        """Take one item of `delta.tool_calls`; None when it brings nothing. `seed` feeds an invented id."""
        fragment = fragment_of(raw)
        call = self._find(fragment) or self._begin(fragment, seed)
        self._last = call
        if fragment.index is not None:
            self._by_index[fragment.index] = call
        if fragment.id:
            self._by_id[fragment.id] = call
        return call.add(fragment, self.choice)

    def _find(self, fragment: ToolCallDelta) -> OpenCall | None:
        """Return the call that a fragment continues, or None when it begins one."""
        call = self._last if fragment.index is None else self._by_index.get(fragment.index)
        if fragment.id:
            known = self._by_id.get(fragment.id)
            # An id that comes late belongs to the nameless call at its index.
            late = call if call is not None and fragment.index is not None and not call.id else None
            return known or late
        if (
            call is not None
            and fragment.name
            and fragment.arguments
            and not call.repeats_name
            and call.is_whole()
        ):
            return (
                None  # named, with arguments, after a whole call: servers without ids begin the next call so
            )
        return call

    def _begin(self, fragment: ToolCallDelta, seed: str) -> OpenCall:
        """Open a call at the fragment's index, or at the next free one."""
        index = fragment.index
        if index is None or index in self._calls:
            index = self._free_index
        self._free_index = max(self._free_index, index + 1)
        call = OpenCall(index, f"{seed}/{self.choice}")
        self._calls[index] = call
        return call

    def end(self) -> Iterator[ToolCallDelta]:
        """Give what was held back of the arguments: U+FFFD for half a surrogate pair."""
        for call in self._calls.values():
            if rest := call.arguments.end():
                call.length += len(rest)
                yield ToolCallDelta(call.index, call.id or None, None, rest, self.choice)

    def announce(self, *, settled: bool) -> Iterator[ToolCall]:
        """Give each call that has not been announced yet, in order."""
        for index in sorted(self._calls):
            call = self._calls[index]
            if not call.announced:
                call.announced = True
                yield call.snapshot(settled=settled or call is not self._last)

    def snapshot(self, *, settled: bool) -> list[ToolCall]:
        """Return the calls as they stand, in order."""
        return [
            self._calls[index].snapshot(settled=settled or self._calls[index] is not self._last)
            for index in sorted(self._calls)
        ]
