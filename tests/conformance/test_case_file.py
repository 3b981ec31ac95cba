"""`sseor.conformance.case_file`: every field of the format, and one error with line and field for each mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sseor.conformance import CaseFileError, read_cases
from sseor.conformance.case_file import CASES, load_cases
from sseor.conformance.cases import ExpectedComment, ExpectedEvent, Paragraph

HEADER = {
    "format": "sseor-decoder-cases",
    "version": 1,
    "paragraphs": {"blank": {"section": "9.2.6", "text": "If the line is empty"}},
}
CASE = {
    "id": "own/one",
    "group": "own",
    "title": "One",
    "paragraph": "blank",
    "input": "data: x\n\n",
    "items": [],
}
EVENT = {"data": "x", "at": 9}


def written(path: Path, *lines: Any) -> Path:
    """Return a file of these lines: bytes as they are, all else as JSON."""
    file = path / "own.jsonl"
    file.write_bytes(
        b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    )
    return file


def test_a_case_in_full(tmp_path: Path) -> None:
    """All fields come back as they were written, pieces as bytes, repeats as many items."""
    repeated = {"at": [12, 13], "times": 3, "every": 14}
    case = {
        **CASE,
        "input": ["id: 1\n", {"hex": "ff 0a"}, {"repeat": ":c\ndata: x\r\n\r\n", "times": 16}],
        "items": [
            {"comment": "c", "at": 11},
            {"data": ["x", {"repeat": "y", "times": 2}], "event": "e", "id": "1", **repeated},
        ],
        "last_event_id": "1",
        "reconnection_time": 5,
        "needs": ["id"],
        "browser": "differs",
        "growth": 16,
    }
    (read,) = read_cases(written(tmp_path, HEADER, b"", case, b" "))
    assert (read.id, read.group, read.title) == ("own/one", "own", "One")
    assert read.paragraph == Paragraph("9.2.6", "If the line is empty")
    assert read.stream == b"id: 1\n\xff\n" + b":c\ndata: x\r\n\r\n" * 16
    assert read.eighth == b"id: 1\n\xff\n" + b":c\ndata: x\r\n\r\n" * 2
    assert read.items == (
        ExpectedComment("c", 11, 11),
        *(ExpectedEvent("xyy", "e", "1", at, at + 1) for at in (12, 26, 40)),
    )
    assert (read.last_event_id, read.reconnection_time, read.growth) == ("1", 5, 16)
    assert (read.needs, read.browser) == (frozenset({"id"}), "differs")


def test_what_a_case_may_leave_out(tmp_path: Path) -> None:
    """The rest has defaults: message, no ID, no reconnection time, no needs; `any` is a reconnection time too."""
    plain, any_time = read_cases(
        written(
            tmp_path,
            HEADER,
            {**CASE, "items": [EVENT]},
            {**CASE, "id": "own/two", "reconnection_time": "any"},
        )
    )
    assert plain.items == (ExpectedEvent("x", "message", "", 9, 9),)
    assert (plain.last_event_id, plain.reconnection_time, plain.browser, plain.growth) == ("", None, "", None)
    assert (plain.needs, plain.eighth) == (frozenset(), b"")
    assert any_time.reconnection_time == "any"


def test_the_cases_of_the_package_are_read_once() -> None:
    """`load_cases` reads the file of the package, one time."""
    assert load_cases() == read_cases(CASES)
    assert load_cases() is load_cases()


@pytest.mark.parametrize(
    ("lines", "line", "field", "reason"),
    [
        ([b"{"], 1, "", "no JSON"),
        ([b"\xff"], 1, "", "no JSON"),
        ([b"[]"], 1, "", "no JSON object"),
        ([b""], 1, "", "no case"),
        ([HEADER], 1, "", "no case"),
        ([CASE], 1, "format", "sseor-decoder-cases"),
        ([{**HEADER, "version": 2}], 1, "version", "version 1"),
        ([{**HEADER, "more": 2}], 1, "more", "no such field"),
        ([{**HEADER, "paragraphs": []}], 1, "paragraphs", "object"),
        ([{**HEADER, "paragraphs": {"x": 1}}], 1, "paragraphs.x", "object"),
        ([{**HEADER, "paragraphs": {"x": {"section": 1}}}], 1, "paragraphs.x.section", "text is wanted"),
        ([{**HEADER, "paragraphs": {"x": {"section": "1"}}}], 1, "paragraphs.x.text", "missing"),
        ([{**HEADER, "paragraphs": {"x": {"title": "1"}}}], 1, "paragraphs.x.title", "no such field"),
        ([HEADER, b"", b"nonsense"], 3, "", "no JSON"),
        ([HEADER, CASE, CASE], 3, "id", "earlier case"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, lines: list[Any], line: int, field: str, reason: str) -> None:
    """What is wrong with the file or its first line is told with the line, counted from 1, and the field."""
    path = written(tmp_path, *lines)
    with pytest.raises(CaseFileError, match=reason) as caught:
        read_cases(path)
    assert (caught.value.path, caught.value.line, caught.value.field) == (str(path), line, field)


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"titel": "x"}, "titel", "no such field"),
        ({"title": None}, "title", "text is wanted"),
        ({"group": "other"}, "id", "begin with its group"),
        ({"paragraph": "other"}, "paragraph", "no paragraph other"),
        ({"input": 5}, "input", "a text, hex"),
        ({"input": {"hex": "f"}}, "input", "pairs of hexadecimal"),
        ({"input": {"hex": "ff", "repeat": "x"}}, "input", "a text, hex"),
        ({"input": {"repeat": "x", "times": -1}}, "input", "a text, hex"),
        ({"input": ["x", {"repeat": "x"}]}, "input", "a text, hex"),
        ({"input": "\ud800"}, "input", "lone surrogate"),
        ({"items": {}}, "items", "list"),
        ({"items": ["x"]}, "items[0]", "object"),
        ({"items": [{"at": 1}]}, "items[0]", "neither data nor comment"),
        ({"items": [EVENT, {"data": "x"}]}, "items[1].at", "from 1 to 9"),
        ({"items": [{"data": "x", "at": 0}]}, "items[0].at", "from 1 to 9"),
        ({"items": [{"data": "x", "at": 10}]}, "items[0].at", "from 1 to 9"),
        ({"items": [{"data": "x", "at": [9, 8]}]}, "items[0].at", "two of them"),
        ({"items": [{"data": "x", "at": [1, 2, 3]}]}, "items[0].at", "two of them"),
        ({"items": [{**EVENT, "times": 0}]}, "items[0].times", "number from 1"),
        ({"items": [{**EVENT, "times": 2, "every": 1}]}, "items[0].times", "after the end"),
        ({"items": [{**EVENT, "every": "x"}]}, "items[0].every", "number from 0"),
        ({"items": [{**EVENT, "comment": "x"}]}, "items[0].comment", "no such field"),
        ({"items": [{"comment": "x", "event": "e", "at": 1}]}, "items[0].event", "no such field"),
        ({"items": [{"data": {"hex": "ff"}, "at": 1}]}, "items[0].data", "no UTF-8"),
        ({"items": [{**EVENT, "id": 5}]}, "items[0].id", "text is wanted"),
        ({"last_event_id": 5}, "last_event_id", "text is wanted"),
        ({"reconnection_time": "soon"}, "reconnection_time", "number from 0"),
        ({"reconnection_time": True}, "reconnection_time", "number from 0"),
        ({"needs": "id"}, "needs", "comments, id"),
        ({"needs": ["magic"]}, "needs", "comments, id"),
        ({"browser": []}, "browser", "text is wanted"),
        ({"growth": -1}, "growth", "number from 0"),
    ],
)
def test_a_case_that_is_none(tmp_path: Path, changes: dict[str, Any], field: str, reason: str) -> None:
    """What is wrong with a case is told with its line and field, the place within lists included."""
    with pytest.raises(CaseFileError, match=reason) as caught:
        read_cases(written(tmp_path, HEADER, {**CASE, **changes}))
    assert (caught.value.line, caught.value.field) == (2, field)
    assert f"own.jsonl, line 2, field {field}: " in str(caught.value)


@pytest.mark.parametrize("field", ["id", "group", "title", "paragraph", "input", "items"])
def test_a_field_that_is_missing(tmp_path: Path, field: str) -> None:
    """Each field that a case must have is missed by name."""
    with pytest.raises(CaseFileError) as caught:
        read_cases(written(tmp_path, HEADER, {name: value for name, value in CASE.items() if name != field}))
    assert caught.value.field == field
