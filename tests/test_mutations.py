"""Every row of docs/faults.md names a change of the source that breaks its tests; `scripts/mutants` proves it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "faults.md").read_text()
MUTATIONS: dict[str, dict[str, str]] = json.loads((ROOT / "tests" / "data" / "mutations.json").read_text())


def rows() -> set[str]:
    """Return the numbers of the rows of the page."""
    return set(re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE))


def rows_without() -> set[str]:
    """Return the rows that the page names, each with its reason, as having no mutation."""
    _, _, listed = PAGE.partition("### Rows without a mutation\n")
    return set(re.findall(r"^- (\d+): \S", listed.partition("\n## ")[0], re.MULTILINE))


def test_every_row_has_a_mutation_or_a_reason() -> None:
    """A row has a mutation, or the page says why there is none, and no mutation is without a row."""
    assert rows() == MUTATIONS.keys() | rows_without()
    assert not MUTATIONS.keys() & rows_without()


@pytest.mark.parametrize("row", MUTATIONS)
def test_a_mutation_fits_the_source(row: str) -> None:
    """The text to change stands on one line, exactly once in its file, and is changed."""
    mutation = MUTATIONS[row]
    assert mutation.keys() == {"file", "old", "new"}
    assert mutation["file"].startswith("src/sseor/")
    assert "\n" not in mutation["old"] + mutation["new"]
    assert mutation["old"] != mutation["new"]
    source = (ROOT / mutation["file"]).read_text()
    assert source.count(mutation["old"]) == 1
    compile(source.replace(mutation["old"], mutation["new"]), mutation["file"], "exec")
