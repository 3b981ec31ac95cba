"""The page of faults and its tests agree."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "faults.md"
ROW = re.compile(r"^\| (\d+|-) \|.*\| (`[^|]*`) \|$", re.MULTILINE)


def sections() -> dict[str, list[tuple[str, list[str]]]]:
    """Return, for each section, its rows: number and patterns of test names."""
    found = {}
    for part in PAGE.read_text().split("\n## ")[1:]:
        name, _, rows = part.partition("\n")
        found[name] = [(number, re.findall(r"`([^`]+)`", tests)) for number, tests in ROW.findall(rows)]
    return found


def names_in(section: str) -> list[str]:
    """Return the names of the test functions of a section."""
    return re.findall(r"^def (test_\w+)", (HERE / f"test_catalogue_{section}.py").read_text(), re.MULTILINE)


def test_every_row_is_there() -> None:
    """The page has the rows 1 to 112, each once."""
    numbers = [int(number) for rows in sections().values() for number, _ in rows if number != "-"]
    assert numbers == [*range(1, 113)]


def test_every_row_names_tests_that_exist() -> None:
    """Each pattern of a row matches a test of its section's module."""
    for section, rows in sections().items():
        names = names_in(section)
        for number, patterns in rows:
            assert patterns, (section, number)
            for pattern in patterns:
                assert any(fnmatch(name, pattern) for name in names), (section, pattern)


def test_every_test_of_a_row_is_named() -> None:
    """Each test that is named after a row is found by that row."""
    for section, rows in sections().items():
        patterns = [pattern for _, some in rows for pattern in some]
        for name in names_in(section):
            if name.startswith("test_row"):
                assert any(fnmatch(name, pattern) for pattern in patterns), (section, name)
