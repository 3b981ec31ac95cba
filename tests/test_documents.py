"""The code of the README and of pages runs, against the loopback server, and its commands are those of the gate."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import sseor.client.settings
from sseor.client.endpoint import endpoint
from sseor.testing import LoopbackServer, OpenRouter

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = ("README.md", "docs/conformance.md", "docs/metrics.md", "docs/resuming.md")
"""Those whose blocks of code are whole programs."""

BLOCKS = {
    f"{page}-{number}": block
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL))
}


@pytest.mark.parametrize("name", BLOCKS)
def test_the_code_of_the_pages_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block is a whole program; those that mean openrouter.ai get the loopback server instead."""
    monkeypatch.chdir(tmp_path)
    with LoopbackServer(OpenRouter(thinking=0.05, cadence=0.02, pace=0.001)) as server:

        def at_home(*, base_url: str, **options: Any) -> Any:
            return endpoint(base_url=base_url if "127.0.0.1" in base_url else server.base_url, **options)

        monkeypatch.setattr(sseor.client.settings, "endpoint", at_home)
        exec(compile(BLOCKS[name], name, "exec"), {"__name__": "page"})


def test_the_pages_have_code() -> None:
    """The pattern that finds the blocks finds them."""
    assert sum(name.startswith("README") for name in BLOCKS) >= 7
    assert {name.rpartition("-")[0] for name in BLOCKS} == set(PAGES)


def test_ci_runs_the_commands_of_the_readme() -> None:
    """The test command of the README stands in the gate word for word."""
    command = "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest"
    assert command in README
    assert command in (ROOT / ".ci" / "run").read_text()


def test_every_error_is_documented() -> None:
    """Each class of the tree stands in the page about errors."""
    text = (ROOT / "docs" / "errors.md").read_text()
    assert [name for name in sseor.errors.__all__ if name not in text] == []


def test_every_link_leads_somewhere() -> None:
    """Relative links of the README and the pages point to files that exist."""
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
