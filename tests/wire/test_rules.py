"""The named cases leave no rule out: take one from the decoder or the reference, and the case of its name fails."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import reference
from wire.named_cases import NAMED_CASES, Case
from wire.test_decoder import segmentations

import sseor.wire

BY_NAME = {case.name: case for case in NAMED_CASES}

# Of the reference: what stands there, what stands there without the rule, and the case that fails.
REFERENCE = [
    ('if data.startswith(b"\\xef\\xbb\\xbf"):', "if False:", "one BOM at the start is removed"),
    ("data = data[3:]", "return interpret(data[3:])", "a second BOM belongs to the field name"),
    ('[position : position + 2] == b"\\r\\n"', "[:0]", "CRLF ends one line"),
    ("in (0x0D, 0x0A)", "== 0x0D", "LF ends a line"),
    ("in (0x0D, 0x0A)", "== 0x0A", "CR ends a line"),
    ("in (0x0D, 0x0A)", "in (0x0D, 0x0A, 0x0B)", "no other character ends a line"),
    ('line.decode("utf-8", "replace")', 'line.decode("utf-8", "ignore")', "a byte that begins nothing"),
    ('line.decode("utf-8", "replace")', 'line.decode("latin-1")', "text of all lengths"),
    ('elif text[0] == ":":', "elif False:", "a comment is delivered"),
    ('if text == "":', 'if text == "" or text[0] == ":":', "a comment does not end a block"),
    ('elif ":" in text:', "elif False:", "one space after the colon is removed"),
    ('process_field(text, "", block, stream)', "pass", "no colon: the line is the name, the value is empty"),
    ('if value.startswith(" "):', "if False:", "one space after the colon is removed"),
    ("return value[1:]", 'return value.lstrip(" ")', "only one space is removed"),
    ('if name == "event":', "if False:", "event sets the type"),
    ('if name == "data":', "if False:", "LF ends a line"),
    ('if name == "data":', 'if name.lower() == "data":', "names are lower case"),
    ('if name == "data":', 'if name.strip() == "data":', "a space before the colon makes it another"),
    ('if name == "data":', 'if name[:4] == "data":', "a longer name is another"),
    ('data_buffer += value + "\\n"', "data_buffer += value", "data lines are joined with LF"),
    ('data_buffer += value + "\\n"', 'data_buffer = value + "\\n"', "data lines are joined with LF"),
    ('name == "id" and', "False and", "id sets the last event ID"),
    (' and "\\0" not in value', "", "id with NUL is ignored"),
    ('"\\0" not in value', "not value.endswith(chr(0))", "id with NUL is ignored"),
    ('value.strip("0123456789") == ""', "True", "retry with a fraction is ignored"),
    ('value.strip("0123456789") == ""', "value.isdigit()", "retry of other digits is ignored"),
    ('value.strip("0123456789") == ""', 'value.strip("+0123456789") == ""', "retry with a sign is ignored"),
    ("0 < len(value)", "len(value)", "retry without a value is ignored"),
    (" <= LONGEST_RETRY", "", "retry of 5000 digits is ignored"),
    ("stream.reconnection_time = int(value)", "pass", "retry sets the reconnection time"),
    ("stream.last_event_id = block.last_event_id_buffer", "pass", "id sets the last event ID"),
    ('if block.data_buffer == "":', "if False:", "blank lines alone dispatch nothing"),
    (
        'if block.data_buffer == "":\n        block.event_type_buffer = ""',
        'if block.data_buffer == "":',
        "a block without data resets the type",
    ),
    ('data_buffer.removesuffix("\\n")', "data_buffer", "LF ends a line"),
    ('data_buffer.removesuffix("\\n")', 'data_buffer.rstrip("\\n")', "two empty values make one LF"),
    (
        'event_type_buffer != "" else "message"',
        'event_type_buffer != "" else "other"',
        "an empty type is message",
    ),
    ('    block.data_buffer = ""\n    block.event', "    block.event", "data does not outlive its event"),
    (
        '    block.data_buffer = ""\n    block.event_type_buffer = ""\n',
        '    block.data_buffer = ""\n',
        "the type does not outlive its event",
    ),
    ("preview = Stream(", "preview = stream or Stream(", "an event without its blank line is not dispatched"),
]

# Of the decoder: the file too.
DECODER = [
    ("lines", "return data.removeprefix(BOM)", "return data", "one BOM at the start is removed"),
    ("lines", "if self._start is not None:", "if self._start:", "one BOM at the start is removed"),
    ("lines", "self._start = None", "self._start = b''", "a second BOM belongs to the field name"),
    ("lines", "BOM.startswith(data)", "False", "one BOM at the start is removed"),
    ("lines", 'return data.removeprefix(b"\\n")', "return data", "CRLF ends one line"),
    ("lines", "if self._after_cr and data:", "if self._after_cr:", "CRLF ends one line"),
    ("lines", "self._after_cr = False\n            return", "return", "LF CR are two line ends"),
    ("decoder", "self._after_cr = after_cr = last == CR", "after_cr = last == CR", "CRLF ends one line"),
    ("decoder", "after_cr or last == LF", "last == LF", "CR ends a line"),
    ("decoder", "if LF in data or CR in data:", "if LF in data:", "CR ends a line"),
    ("decoder", "if ended and 10 not in value", "if ended", "data lines are joined with LF"),
    ("decoder", " and 13 not in value", "", "a CR inside such an event"),
    ("decoder", "if 10 not in data and 13 not in data:", "if 10 not in data:", "CR ends a line"),
    ("decoder", " and LF not in start and CR not in data", " and CR not in data", "many blank lines between events"),
    ("decoder", " and CR not in data:", ":", "a CR inside the data of one read"),
    ("decoder", "data = self._take(data)\n            within", "within", "LF ends a line"),
    ("decoder", "self._last_event_id = last_event_id = self._id", "last_event_id = self._id",
     "id sets the last event ID"),
    ("decoder", "if data is not None:\n                    event = Rec", "if True:\n                    event = Rec",
     "blank lines alone dispatch nothing"),
    ("decoder", 'event._event = event_type or "message"', "event._event = event_type", "an empty type is message"),
    ("decoder", "items.append(event)\n                    data = None", "items.append(event)",
     "data does not outlive its event"),
    ("decoder", 'event_type = ""\n                continue', "continue", "a block without data resets the type"),
    ("decoder", 'value = value.removeprefix(b" ")', "pass", "a comment loses one space"),
    ("decoder", 'if name == b"event":\n                    event_type', "if False:\n                    event_type",
     "event sets the type"),
    ("decoder", "items.append(comment)", "pass", "a comment is delivered"),
    ("decoder", "if not name:", "if False:", "a comment is delivered"),
    ("decoder", 'if name != b"data":', "if True:", "no space after the colon"),
    ("decoder", 'if name != b"data":', 'if name[:4] != b"data":', "a longer name is another"),
    ("decoder", 'data += b"\\n"', 'data += b""', "data lines are joined with LF"),
    ("decoder", "if data is None:\n                data = value", "if not data:\n                data = value",
     "two empty values make one LF"),
    ("decoder", 'if b"\\0" not in value:', "if True:", "id with NUL is ignored"),
    ("decoder", "and value.isdigit()", "", "retry with a fraction is ignored"),
    ("decoder", " and len(value) <= _RETRY_DIGITS", "", "retry of 5000 digits is ignored"),
    ("decoder", "self._reconnection_time = int(value)", "pass", "retry sets the reconnection time"),
    ("decoder", "self._reconnection_time = reconnection_time  #", "#", "retry is in force when its line ends"),
    ("decoder", 'b"id" and b"\\0" not in text', 'b"id"', "id with NUL is ignored"),
    ("decoder", "self._id = self._last_event_id = str(text", "self._last_event_id = str(text",
     "a blank line more leaves the ID"),
    ("decoder", 'str(text, "utf-8", "replace") or "message"', 'str(text, "utf-8", "replace")',
     "an empty type after a space is message"),
    ("decoder", "event_type = str(value", "event_type = event_type or str(value", "the last event field wins"),
    ("decoder", 'event_type != ""', "False", "a type alone is left"),
    ("decoder", "if not line and not self._open_block:", "if not line:",
     "an event without its blank line is not dispatched"),
    ("events", 'return self._data.decode("utf-8", "replace")', 'return self._data.decode("utf-8", "ignore")',
     "a byte that begins nothing"),
    ("shapes", "if end < 0 or LF in rest or CR in text:", "if end < 0 or LF in rest:",
     "a CR among events that end in LF"),
    ("shapes", 'return ([], text) if LF in b"".join(values) else (values, rest)', "return values, rest",
     "two data lines among events of one"),
    ("shapes", "or CR in text:\n        return b", "or False:\n        return b", "a type, a CR, and data"),
]  # fmt: skip


def known(item: Any) -> Any:
    """Return an item as plain values, whichever copy of the package made it."""
    if item is None:
        return None
    return (item.data, item.event, item.id) if hasattr(item, "data") else item.text


def fails(case: Case, known_after: Any) -> bool:
    """Return whether something else than the case says is known after its stream, or nothing at all."""
    event, line = case.left or (None, b"")
    wanted = (
        [known(item) for item in case.items],
        case.last_event_id,
        case.reconnection_time,
        (known(event), line),
        case.left is not None,
    )
    try:
        return bool(known_after() != wanted)
    except Exception:
        return True


def by_decoder(wire: ModuleType, reads: Iterable[bytes]) -> Any:
    """Return what a decoder knows after reads."""
    decoder = wire.Decoder()
    items = [known(item) for data in reads for item in decoder.feed(data)]
    left = decoder.end()
    event, line = (left.event, left.line) if left is not None else (None, b"")
    return items, decoder.last_event_id, decoder.reconnection_time, (known(event), line), left is not None


def by_reference(module: Any, stream: bytes) -> Any:
    """Return what the reference knows after a stream."""
    found = module.interpret(stream)
    items = [known(item) for item in found.items]
    left = known(found.unfinished_event), found.unfinished_line
    return items, found.last_event_id, found.reconnection_time, left, found.left_something


def changed(source: str, old: str, new: str) -> str:
    """Return the source with its one occurrence of `old` replaced."""
    assert source.count(old) == 1
    return source.replace(old, new)


@pytest.mark.parametrize(("old", "new", "name"), REFERENCE)
def test_the_reference_without_a_rule(old: str, new: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rule of the transcription is needed by a case that says so."""
    case = BY_NAME[name]
    assert not fails(case, lambda: by_reference(reference, case.stream))
    mutant = ModuleType("mutant")
    monkeypatch.setitem(sys.modules, "mutant", mutant)
    exec(changed(Path(reference.__file__).read_text(), old, new), mutant.__dict__)
    assert fails(case, lambda: by_reference(mutant, case.stream))


@pytest.mark.parametrize(("file", "old", "new", "name"), DECODER)
def test_the_decoder_without_a_rule(
    file: str, old: str, new: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each rule of the decoder, also of its short cuts, is needed by a case that says so, however it is cut."""
    folder = tmp_path / "mutant"
    shutil.copytree(Path(sseor.wire.__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    source = folder / f"{file}.py"
    source.write_text(changed(source.read_text(), old, new))
    monkeypatch.syspath_prepend(tmp_path)
    for module in [module for module in sys.modules if module.partition(".")[0] == "mutant"]:
        monkeypatch.delitem(sys.modules, module)
    mutant = importlib.import_module("mutant")
    case = BY_NAME[name]
    plays = [[], [b"data: before\n\n"]] if not case.stream.startswith(b"\xef\xbb") else [[]]

    def wrong(wire: ModuleType, before: list[bytes], reads: list[bytes]) -> bool:
        def known_after() -> Any:
            items, *others = by_decoder(wire, [*before, *reads])
            return (items[len(before) :], *others)

        return fails(case, known_after)

    cuts = [(before, reads) for before in plays for reads in segmentations(case.stream)]
    assert not any(wrong(sseor.wire, *cut) for cut in cuts)
    assert any(wrong(mutant, *cut) for cut in cuts)
