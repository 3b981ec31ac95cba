"""The case file, JSON lines: whatever breaks its format is one error that names line and field."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sseor.conformance.cases import ANY_TIME, FEATURES, Case, ExpectedComment, ExpectedEvent, Paragraph

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CASES", "FORMAT_VERSION", "CaseFileError", "load_cases", "read_cases"]

FORMAT_VERSION = 1

CASES = Path(__file__).with_name("cases.jsonl")


class CaseFileError(ValueError):
    """A case file is malformed: `path`, `line` (from 1), `field` (empty: the line as a whole) and `reason`."""

    def __init__(self, path: str, line: int, field: str, reason: str) -> None:
        super().__init__(path, line, field, reason)
        self.path, self.line, self.field, self.reason = path, line, field, reason

    def __str__(self) -> str:
        field = f", field {self.field}" if self.field else ""
        return f"{self.path}, line {self.line}{field}: {self.reason}"


@cache
def load_cases() -> tuple[Case, ...]:
    """Return the cases of this package."""
    return read_cases(CASES)


def read_cases(path: str | Path) -> tuple[Case, ...]:
    """Return the cases of a file; `CaseFileError`: it is malformed, `OSError`: it cannot be read."""
    lines = _Lines(str(path))
    cases: dict[str, Case] = {}
    paragraphs: dict[str, Paragraph] | None = None
    # Split by hand: `splitlines` would also cut at the odd line ends that some cases are about.
    for number, raw in enumerate(Path(path).read_bytes().split(b"\n"), start=1):
        lines.number = number
        if not raw.strip():
            continue
        line = lines.parse(raw)
        if paragraphs is None:
            paragraphs = _header(lines, line)
            continue
        case = _case(lines, line, paragraphs)
        if case.id in cases:
            raise lines.error("id", f"{case.id} is the id of an earlier case")
        cases[case.id] = case
    if not cases:
        raise lines.error("", "there is no case")
    return tuple(cases.values())


class _Lines:
    """Where in the file the reading is, and what may be found there."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.number = 0

    def error(self, field: str, reason: str) -> CaseFileError:
        return CaseFileError(self.path, self.number, field, reason)

    def parse(self, raw: bytes) -> dict[str, Any]:
        try:
            line = json.loads(raw)
        except ValueError as error:
            raise self.error("", f"this is no JSON ({error})") from None
        if not isinstance(line, dict):
            raise self.error("", "this is no JSON object")
        return line

    def known(self, line: dict[str, Any], names: Iterable[str], where: str = "") -> None:
        for name in line.keys() - set(names):
            raise self.error(where + name, "there is no such field")

    def text(self, line: dict[str, Any], name: str, default: str | None = None, where: str = "") -> str:
        value = line.get(name, default)
        if not isinstance(value, str):
            raise self.error(where + name, "a text is wanted" if name in line else "it is missing")
        return value

    def number_of(
        self, line: dict[str, Any], name: str, default: int | None = None, where: str = "", least: int = 0
    ) -> int:
        value = line.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.error(
                where + name, f"a number from {least} on is wanted" if name in line else "it is missing"
            )
        return value

    def pieces(self, value: object, name: str, divisor: int = 1) -> bytes:
        """Return the bytes that pieces stand for: texts, bytes in hexadecimal, repeats of a text, lists of these."""
        match value:
            case str():
                try:
                    return value.encode()
                except UnicodeEncodeError:
                    raise self.error(name, "a lone surrogate is no text") from None
            case {"hex": str(digits), **others} if not others:
                try:
                    return bytes.fromhex(digits)
                except ValueError:
                    raise self.error(name, "hex takes pairs of hexadecimal digits") from None
            case {"repeat": text, "times": int(times), **others} if not others and times >= 0:
                return self.pieces(text, name) * (times // divisor)
            case list():
                return b"".join(self.pieces(piece, name, divisor) for piece in value)
        raise self.error(name, "a text, hex, a repeat with times, or a list of these is wanted")


def _header(lines: _Lines, line: dict[str, Any]) -> dict[str, Paragraph]:
    if line.get("format") != "sseor-decoder-cases":
        raise lines.error("format", "the first line says no sseor-decoder-cases")
    if line.get("version") != FORMAT_VERSION:
        raise lines.error("version", f"this program reads version {FORMAT_VERSION}")
    lines.known(line, ("format", "version", "paragraphs"))
    paragraphs = line.get("paragraphs")
    if not isinstance(paragraphs, dict):
        raise lines.error("paragraphs", "an object of paragraphs is wanted")
    found = {}
    for name, paragraph in paragraphs.items():
        where = f"paragraphs.{name}"
        if not isinstance(paragraph, dict):
            raise lines.error(where, "an object is wanted")
        lines.known(paragraph, ("section", "text"), f"{where}.")
        found[name] = Paragraph(
            lines.text(paragraph, "section", where=f"{where}."),
            lines.text(paragraph, "text", where=f"{where}."),
        )
    return found


_FIELDS = (
    *("id", "group", "title", "paragraph", "input", "items", "last_event_id", "reconnection_time"),
    *("needs", "browser", "growth"),
)


def _case(lines: _Lines, line: dict[str, Any], paragraphs: dict[str, Paragraph]) -> Case:
    lines.known(line, _FIELDS)
    group = lines.text(line, "group")
    name = lines.text(line, "id")
    if not name.startswith(f"{group}/"):
        raise lines.error("id", f"it does not begin with its group, {group}/")
    paragraph = lines.text(line, "paragraph")
    if paragraph not in paragraphs:
        raise lines.error("paragraph", f"the first line has no paragraph {paragraph}")
    if "input" not in line:
        raise lines.error("input", "it is missing")
    stream = lines.pieces(line["input"], "input")
    items = line.get("items")
    if not isinstance(items, list):
        raise lines.error("items", "a list is wanted")
    needs = line.get("needs", [])
    if not isinstance(needs, list) or not all(isinstance(need, str) and need in FEATURES for need in needs):
        raise lines.error("needs", f"a list of these is wanted: {', '.join(FEATURES)}")
    time = line.get("reconnection_time")
    if time not in (None, ANY_TIME):
        time = lines.number_of(line, "reconnection_time")
    growth = lines.number_of(line, "growth") if "growth" in line else None
    return Case(
        id=name,
        group=group,
        title=lines.text(line, "title"),
        paragraph=paragraphs[paragraph],
        stream=stream,
        items=tuple(
            expected
            for index, item in enumerate(items)
            for expected in _items(lines, item, f"items[{index}]", len(stream))
        ),
        last_event_id=lines.text(line, "last_event_id", ""),
        reconnection_time=time,
        needs=frozenset(needs),
        browser=lines.text(line, "browser", ""),
        growth=growth,
        eighth=b"" if growth is None else lines.pieces(line["input"], "input", divisor=8),
    )


def _items(lines: _Lines, item: object, where: str, size: int) -> Iterable[ExpectedEvent | ExpectedComment]:
    """Yield the event or the comment, and its repeats: `times` of them, each `every` bytes after the one before."""
    if not isinstance(item, dict):
        raise lines.error(where, "an object is wanted")
    names = ("data", "event", "id") if "data" in item else ("comment",)
    if names[0] not in item:
        raise lines.error(where, "neither data nor comment is there")
    where += "."
    lines.known(item, (*names, "at", "times", "every"), where)
    earliest, latest = _window(lines, item.get("at"), f"{where}at", size)
    times = lines.number_of(item, "times", 1, where, least=1)
    every = lines.number_of(item, "every", 0, where)
    if latest + (times - 1) * every > size:
        raise lines.error(f"{where}times", "the last one would come after the end of the input")
    text = _text(lines, item[names[0]], where + names[0])
    event, last_event_id = lines.text(item, "event", "message", where), lines.text(item, "id", "", where)
    for offset in (number * every for number in range(times)):
        window = earliest + offset, latest + offset
        if names[0] == "data":
            yield ExpectedEvent(text, event, last_event_id, *window)
        else:
            yield ExpectedComment(text, *window)


def _window(lines: _Lines, at: object, name: str, size: int) -> tuple[int, int]:
    """Return the count of bytes from which, and by which, an item is out."""
    match at if isinstance(at, list) else [at, at]:
        case [int(earliest), int(latest)] if 0 < earliest <= latest <= size:
            return earliest, latest
    raise lines.error(name, f"a count of bytes from 1 to {size}, or two of them, is wanted")


def _text(lines: _Lines, value: object, name: str) -> str:
    try:
        return lines.pieces(value, name).decode()
    except UnicodeDecodeError:
        raise lines.error(name, "this is no UTF-8") from None
