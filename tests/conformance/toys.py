"""A small decoder that keeps to the standard, and its children that each break one rule: prey for the suite."""

from __future__ import annotations

import os
import re
import sys
import time
import unicodedata
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any


class Toy:
    """The standard, in methods small enough for one rule each to be broken."""

    def __init__(self) -> None:
        self.start: bytes | None = b""  # until the question of the BOM is settled
        self.parts: list[bytes] = []  # of the unfinished line
        self.after_cr = False
        self.data: list[str] = []
        self.type = ""
        self.id = ""
        self.last_event_id = ""
        self.reconnection_time: int | None = None
        self.items: list[dict[str, Any]] = []

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Return what is complete now."""
        self.items = []
        for line in self.lines(self.without_bom(data)):
            self.line(line)
        return self.items

    def without_bom(self, data: bytes) -> bytes:
        """Return the data without the BOM that may begin a stream."""
        if self.start is None:
            return data
        self.start += data
        if len(self.start) < 3 and b"\xef\xbb\xbf".startswith(self.start):
            return b""
        data, self.start = self.start.removeprefix(b"\xef\xbb\xbf"), None
        return data

    def lines(self, data: bytes) -> Iterator[bytes]:
        """Yield each line that ends in this data."""
        if self.after_cr and data:
            self.after_cr = False
            data = data.removeprefix(b"\n")
        *lines, rest = re.split(rb"\r\n|\r|\n", data)
        self.after_cr = self.after_cr or data.endswith(b"\r")
        for line in lines:
            yield b"".join([*self.parts, line])
            self.parts = []
        if rest:
            self.parts.append(rest)

    def line(self, line: bytes) -> None:
        """Take one line."""
        text = self.text(line)
        if not text:
            self.dispatch()
        elif text.startswith(":"):
            self.comment(text[1:])
        else:
            name, _, value = text.partition(":")
            self.field(self.name(name), self.value(value))

    def text(self, line: bytes) -> str:
        """Return a line as text."""
        return line.decode("utf-8", "replace")

    def name(self, name: str) -> str:
        """Return the name of a field."""
        return name

    def value(self, value: str) -> str:
        """Return the value of a field."""
        return value.removeprefix(" ")

    def comment(self, text: str) -> None:
        """Take a comment."""
        self.items.append({"comment": text})

    def field(self, name: str, value: str) -> None:
        """Take a field."""
        if name == "data":
            self.data.append(value)
        elif name == "event":
            self.type = value
        elif name == "id":
            self.take_id(value)
        elif name == "retry":
            self.take_retry(value)

    def take_id(self, value: str) -> None:
        """Take an ID."""
        if "\0" not in value:
            self.id = value

    def take_retry(self, value: str) -> None:
        """Take a reconnection time."""
        if re.fullmatch("[0-9]{1,300}", value):
            self.reconnection_time = int(value)

    def dispatch(self) -> None:
        """Take a blank line."""
        self.last_event_id = self.id
        if self.has_event():
            self.items.append(
                {"data": self.joined(), "event": self.type or "message", "id": self.last_event_id}
            )
        self.reset()

    def has_event(self) -> bool:
        """Tell whether the block makes an event."""
        return bool(self.data)

    def joined(self) -> str:
        """Return the data of the event."""
        return "\n".join(self.data)

    def reset(self) -> None:
        """Forget the block."""
        self.data, self.type = [], ""


class BomKept(Toy):
    """Knows no BOM."""

    def without_bom(self, data: bytes) -> bytes:
        return data


class BomOfEachRead(Toy):
    """Takes a BOM away from each read."""

    def without_bom(self, data: bytes) -> bytes:
        return data.removeprefix(b"\xef\xbb\xbf")


class BomOfEachLine(Toy):
    """Decodes each line with utf-8-sig."""

    def text(self, line: bytes) -> str:
        return line.decode("utf-8-sig", "replace")


class CrIsNoEnd(Toy):
    """Knows LF and CRLF alone."""

    def lines(self, data: bytes) -> Iterator[bytes]:
        *lines, rest = data.split(b"\n")
        for line in lines:
            yield b"".join([*self.parts, line]).removesuffix(b"\r")
            self.parts = []
        self.parts.append(rest)


class CrlfCutIsTwoEnds(Toy):
    """Takes a CRLF that two reads bring for two line ends."""

    def lines(self, data: bytes) -> Iterator[bytes]:
        self.after_cr = False
        yield from super().lines(data)


class CrHeld(Toy):
    """Waits behind a CR for the LF that may follow."""

    held = b""

    def lines(self, data: bytes) -> Iterator[bytes]:
        data = self.held + data
        self.held = b"\r" if data.endswith(b"\r") else b""
        yield from super().lines(data.removesuffix(b"\r"))

    def end(self) -> list[dict[str, Any]]:
        self.items = []
        for line in super().lines(self.held):
            self.line(line)
        return self.items


class CrAlwaysPairs(Toy):
    """Takes CR CR for one line end."""

    def lines(self, data: bytes) -> Iterator[bytes]:
        return super().lines(data.replace(b"\r\r", b"\r"))


class AllSpacesRemoved(Toy):
    """Takes all spaces before a value away."""

    def value(self, value: str) -> str:
        return value.lstrip(" ")


class ValuesStripped(Toy):
    """Takes all blanks around a value away."""

    def value(self, value: str) -> str:
        return value.strip()


class SpaceKept(Toy):
    """Takes no space away."""

    def value(self, value: str) -> str:
        return value


class DataJoinedByNothing(Toy):
    """Joins the lines of data without LF."""

    def joined(self) -> str:
        return "".join(self.data)


class TrailingLfKept(Toy):
    """Leaves the LF behind the last line of data."""

    def joined(self) -> str:
        return super().joined() + "\n"


class TrailingLfsRemoved(Toy):
    """Takes every LF at the end of the data away."""

    def joined(self) -> str:
        return super().joined().rstrip("\n")


class EmptyDataDropped(Toy):
    """Dispatches no event of empty data."""

    def has_event(self) -> bool:
        return any(self.data)


class BlankLineIsEvent(Toy):
    """Dispatches blocks without data."""

    def has_event(self) -> bool:
        return bool(self.data or self.type)


class TypeNotReset(Toy):
    """Keeps the type for the next event."""

    def reset(self) -> None:
        self.data = []


class TypeNotResetByBlankBlock(Toy):
    """Keeps the type when a block has no data."""

    def reset(self) -> None:
        if self.data:
            super().reset()


class IdWithNul(Toy):
    """Takes an ID with NUL."""

    def take_id(self, value: str) -> None:
        self.id = value


class IdOfItsEventOnly(Toy):
    """Forgets the last event ID behind each event."""

    def reset(self) -> None:
        super().reset()
        self.id = ""


class IdNeedsData(Toy):
    """Commits an ID only with an event."""

    def dispatch(self) -> None:
        before = self.last_event_id
        super().dispatch()
        if not self.items or "data" not in self.items[-1]:
            self.id = self.last_event_id = before


class IdAtOnce(Toy):
    """Has an ID in force before its blank line."""

    def take_id(self, value: str) -> None:
        super().take_id(value)
        self.last_event_id = self.id


class IdNotEmptied(Toy):
    """Does not let an empty ID take the last one back."""

    def take_id(self, value: str) -> None:
        super().take_id(value or self.id)


class RetryByInt(Toy):
    """Takes for a reconnection time whatever `int` takes."""

    def take_retry(self, value: str) -> None:
        try:
            self.reconnection_time = int(value)
        except ValueError:
            return


class RetryByIsdigit(Toy):
    """Asks `str.isdigit`, which knows more digits than ASCII."""

    def take_retry(self, value: str) -> None:
        if value.isdigit():
            self.reconnection_time = int(value)


class RetryAtDispatch(Toy):
    """Has a reconnection time in force only at the blank line."""

    waiting: int | None = None

    def take_retry(self, value: str) -> None:
        before = self.reconnection_time
        super().take_retry(value)
        self.waiting, self.reconnection_time = self.reconnection_time, before

    def dispatch(self) -> None:
        self.reconnection_time = self.waiting
        super().dispatch()


class CommentsAreData(Toy):
    """Takes a comment for data."""

    def comment(self, text: str) -> None:
        self.data.append(self.value(text))


class CommentsAreEvents(Toy):
    """Gives out an empty event for a block of comments."""

    def comment(self, text: str) -> None:
        self.items.append({"data": "", "event": "message", "id": ""})


class EndDispatches(Toy):
    """Gives out at the end what lacks its blank line."""

    def end(self) -> list[dict[str, Any]]:
        self.items = []
        if self.parts:
            self.line(b"".join(self.parts))
        self.dispatch()
        return self.items


class Splitlines(Toy):
    """Cuts lines where `str.splitlines` does."""

    rest = ""

    def lines(self, data: bytes) -> Iterator[bytes]:
        for line in super().lines(data):
            cut = line.decode("utf-8", "replace").splitlines() or [""]
            yield from (part.encode() for part in cut)


class Utf8OfEachRead(Toy):
    """Decodes each read by itself."""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        return super().feed(data.decode("utf-8", "replace").encode())


class StrictUtf8(Toy):
    """Refuses what is no UTF-8."""

    def text(self, line: bytes) -> str:
        return line.decode()


class Utf8Ignored(Toy):
    """Leaves out what is no UTF-8."""

    def text(self, line: bytes) -> str:
        return line.decode("utf-8", "ignore")


class Latin1(Toy):
    """Takes bytes for Latin-1."""

    def text(self, line: bytes) -> str:
        return line.decode("latin-1")


class NamesFolded(Toy):
    """Takes DATA for data."""

    def name(self, name: str) -> str:
        return name.lower()


class NamesStripped(Toy):
    """Takes blanks around a name away."""

    def name(self, name: str) -> str:
        return name.strip()


class NoColonIgnored(Toy):
    """Ignores lines without a colon."""

    def line(self, line: bytes) -> None:
        if not line or b":" in line:
            super().line(line)


class SplitAtEachColon(Toy):
    """Takes for the value what stands between two colons."""

    def line(self, line: bytes) -> None:
        name, *rest = line.split(b":")
        super().line(b":".join([name, *rest[:1]]) if name else line)


class ColonSpaceNeeded(Toy):
    """Splits at a colon and a space."""

    def line(self, line: bytes) -> None:
        super().line(line if b": " in line or not line or line.startswith(b":") else b"x")


class LastLineOfDataWins(Toy):
    """Keeps one line of data."""

    def joined(self) -> str:
        return self.data[-1]


class Held(Toy):
    """Gives out each event only when the next one comes."""

    waiting: list[dict[str, Any]] = []  # noqa: RUF012 - replaced, never changed

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        items = [*self.waiting, *super().feed(data)]
        self.waiting = items[-1:]
        return items[:-1]

    def end(self) -> list[dict[str, Any]]:
        return self.waiting


class EmptyReadIsEnd(Toy):
    """Takes an empty read for the end of the stream."""

    over = False

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        self.over = self.over or not data
        return [] if self.over else super().feed(data)


class OneEventEachRead(Toy):
    """Loses all events of a read but its first."""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        return super().feed(data)[:1]


class PendingLfForgotten(Toy):
    """Forgets at an empty read that an LF may belong to the CR before it."""

    def lines(self, data: bytes) -> Iterator[bytes]:
        self.after_cr = self.after_cr and bool(data)
        yield from super().lines(data)


class BomOfFirstReadOnly(Toy):
    """Takes a BOM away if the first read brings it whole."""

    def without_bom(self, data: bytes) -> bytes:
        first, self.start = self.start is not None, None
        return data.removeprefix(b"\xef\xbb\xbf") if first else data


class BomsRemoved(Toy):
    """Takes every BOM away, wherever it stands."""

    def text(self, line: bytes) -> str:
        return super().text(line).replace("\ufeff", "")


class ReadIsLine(Toy):
    """Takes the end of a read for the end of a line."""

    def lines(self, data: bytes) -> Iterator[bytes]:
        yield from super().lines(data)
        if self.parts:
            yield b"".join(self.parts)
            self.parts = []


class ReadIsEvent(Toy):
    """Gives out at the end of a read what there is of an event."""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        items = super().feed(data)
        if self.data:
            self.dispatch()
        return items


class CommentsLast(Toy):
    """Gives out the comments of a read behind its events."""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        return sorted(super().feed(data), key=lambda item: "comment" in item)


class CommentsEndEvents(Toy):
    """Takes a comment for the end of an event."""

    def comment(self, text: str) -> None:
        self.dispatch()
        super().comment(text)


class CommentsStripped(Toy):
    """Takes the blanks around a comment away."""

    def comment(self, text: str) -> None:
        super().comment(text.strip())


class EachBadByteReplaced(Toy):
    """Replaces each byte that is no UTF-8, where a maximal subpart becomes one U+FFFD."""

    def text(self, line: bytes) -> str:
        return "".join(
            "\ufffd" if "\udc80" <= char <= "\udcff" else char
            for char in line.decode("utf-8", "surrogateescape")
        )


class BadRunsReplaced(Toy):
    """Replaces a run of bad bytes by one U+FFFD."""

    def text(self, line: bytes) -> str:
        return re.sub("\ufffd+", "\ufffd", super().text(line))


class SurrogatesPass(Toy):
    """Lets the UTF-8 of surrogates pass, two of which make a character."""

    def text(self, line: bytes) -> str:
        try:
            text = line.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return super().text(line)
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class NulEndsId(Toy):
    """Takes an ID up to its NUL."""

    def take_id(self, value: str) -> None:
        super().take_id(value.partition("\0")[0])


class NulEmptiesId(Toy):
    """Takes an ID with NUL for an empty one."""

    def take_id(self, value: str) -> None:
        super().take_id("" if "\0" in value else value)


class RetryOf32Bits(Toy):
    """Keeps a reconnection time in 32 bits."""

    def take_retry(self, value: str) -> None:
        super().take_retry(value)
        if self.reconnection_time is not None:
            self.reconnection_time &= 0xFFFFFFFF


class RetryByFloat(Toy):
    """Takes for a reconnection time whatever `float` takes."""

    def take_retry(self, value: str) -> None:
        try:
            self.reconnection_time = int(float(value))
        except (ValueError, OverflowError):
            return


class RetryCut(Toy):
    """Takes the digits at the start of a retry."""

    def take_retry(self, value: str) -> None:
        super().take_retry(re.match("[0-9]*", value).group())  # type: ignore[union-attr] # it always fits


class RetryOfEventsOnly(Toy):
    """Has a reconnection time only from blocks with data."""

    before: int | None = None

    def dispatch(self) -> None:
        if not self.data:
            self.reconnection_time = self.before
        self.before = self.reconnection_time
        super().dispatch()


class RetryUnreadable(Toy):
    """Fails at a retry of many digits."""

    def take_retry(self, value: str) -> None:
        if value.isascii() and value.isdigit():
            self.reconnection_time = int(value)


class FirstTypeWins(Toy):
    """Keeps the first type of a block."""

    def field(self, name: str, value: str) -> None:
        if name != "event" or not self.type:
            super().field(name, value)


class TypesFolded(Toy):
    """Takes types for lower case."""

    def field(self, name: str, value: str) -> None:
        super().field(name, value.lower() if name == "event" else value)


class NamesByTheirStart(Toy):
    """Takes every name that begins with data for data."""

    def name(self, name: str) -> str:
        return "data" if name.startswith("data") else name


class NoColonIsData(Toy):
    """Takes a line without colon for data."""

    def line(self, line: bytes) -> None:
        super().line(line if not line or b":" in line else b"data:" + line)


class BlanksAreBlankLine(Toy):
    """Takes a line of spaces for a blank line."""

    def line(self, line: bytes) -> None:
        super().line(line if line.strip() else b"")


class DataOutlivesItsEvent(Toy):
    """Keeps the data for the next event."""

    def reset(self) -> None:
        self.type = ""


class DataJoinedByCrlf(Toy):
    """Joins the lines of data with CRLF."""

    def joined(self) -> str:
        return "\r\n".join(self.data)


class DataNormalised(Toy):
    """Normalises its text."""

    def joined(self) -> str:
        return unicodedata.normalize("NFC", super().joined())


class EqualEventsOnce(Toy):
    """Gives out the second of two equal events no more."""

    last = None

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        fresh = []
        for item in super().feed(data):
            if item != self.last:
                fresh.append(item)
            self.last = item
        return fresh


class DoneSwallowed(Toy):
    """Keeps [DONE] to itself."""

    def has_event(self) -> bool:
        return super().has_event() and self.data != ["[DONE]"]


class ErrorsSwallowed(Toy):
    """Keeps events of the type error to itself."""

    def has_event(self) -> bool:
        return super().has_event() and self.type != "error"


class QuadraticData(Toy):
    """Joins the data anew at each line, and looks at it."""

    def field(self, name: str, value: str) -> None:
        super().field(name, value)
        if len(self.data) > 1:
            self.data = ["\n".join(self.data)]
            assert self.data[0].encode()


class Quadratic(Toy):
    """Looks at its whole buffer again in each read."""

    buffer = b""

    def lines(self, data: bytes) -> Iterator[bytes]:
        self.buffer += data
        while b"\n" in self.buffer:
            line, _, self.buffer = self.buffer.partition(b"\n")
            yield line.removesuffix(b"\r")


class SmallBuffer(Toy):
    """Breaks off at long lines."""

    def text(self, line: bytes) -> str:
        if len(line) > 65536:
            raise ValueError("the line is too long")
        return super().text(line)


class Crashing(Toy):
    """Fails at an event type."""

    def field(self, name: str, value: str) -> None:
        if name == "event":
            raise LookupError("no such event")
        super().field(name, value)


class Dying(Toy):
    """Ends its process at an event type."""

    def field(self, name: str, value: str) -> None:
        if name == "event":
            print("these are my last words", file=sys.stderr, flush=True)
            os._exit(3)
        super().field(name, value)


class Exiting(Toy):
    """Leaves by SystemExit at an event type."""

    def field(self, name: str, value: str) -> None:
        if name == "event":
            sys.exit(3)
        super().field(name, value)


class Hanging(Toy):
    """Never comes back from an event type."""

    def field(self, name: str, value: str) -> None:
        while name == "event":
            time.sleep(0.01)
        super().field(name, value)


class AlwaysHanging(Toy):
    """Never comes back at all."""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        while True:
            time.sleep(0.01)


class Growing(Toy):
    """Takes memory without end at an event type."""

    def field(self, name: str, value: str) -> None:
        hoard = []
        while name == "event":
            hoard.append(bytearray(b"x" * (4 << 20)))
        super().field(name, value)


class Noisy(Toy):
    """Prints to standard output, by Python and past it."""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        print("noise", flush=True)
        os.write(1, b'{"play": 1}\n')
        return super().feed(data)


class BytesData(Toy):
    """Gives data out as bytes."""

    def joined(self) -> Any:
        return super().joined().encode()


class Numbers(Toy):
    """Gives out numbers."""

    def feed(self, data: bytes) -> Any:
        return [len(item) for item in super().feed(data)]


class Nothing(Toy):
    """Gives out None where there is nothing, and so does a fully bare decoder."""

    def feed(self, data: bytes) -> Any:
        return super().feed(data) or None


class Bare:
    """Has events of data and type, and nothing else."""

    def __init__(self) -> None:
        self._toy = Toy()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Return the events."""
        return [
            {"data": item["data"], "type": item["event"]} for item in self._toy.feed(data) if "data" in item
        ]


def pulling(reads: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield what the toy makes of an iterable of reads, and its state."""
    toy = Toy()
    for data in reads:
        yield from toy.feed(data)
    yield {"last_event_id": toy.last_event_id, "reconnection_time": toy.reconnection_time}


async def pulling_async(reads: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    """Yield what the toy makes of an async iterable of reads."""
    toy = Toy()
    async for data in reads:
        for item in toy.feed(data):
            yield item


not_callable = 5
