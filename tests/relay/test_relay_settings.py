"""The small parts: limits, refusals, origins, files of the browser, tasks in the background."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio
import pytest

from sseor.errors import ConfigError
from sseor.relay.background import spawn
from sseor.relay.files import browser_files
from sseor.relay.limits import Limits
from sseor.relay.origins import Origins
from sseor.relay.refusal import STATUSES, RefusedError

PAGE = (Path(__file__).parents[2] / "docs" / "relay.md").read_text()


def test_limits_are_above_nothing() -> None:
    """A limit of 0, or no number, is refused at once."""
    assert Limits().max_bytes == 8 << 20
    for wrong in (0, -1, float("nan")):
        with pytest.raises(ConfigError, match="max_duration"):
            Limits(max_duration=wrong)


def test_refusals_stand_in_the_documentation() -> None:
    """Each code has the status that the page says; a code of an application's own is of the fixed alphabet."""
    for code, status in STATUSES.items():
        assert RefusedError(code).status == status
        assert f"| {status} | `{code}` |" in PAGE
    assert RefusedError("no_more_today", 402).status == 402
    with pytest.raises(ValueError, match="code"):
        RefusedError("<b>", 400)


@pytest.mark.parametrize(
    "wrong", ["*", "null", "my.app", "https://my.app/", "https://My.App", "https://a\r\nb"]
)
def test_an_origin_is_written_as_a_browser_sends_it(wrong: str) -> None:
    """Anything else would never match, or let everybody in."""
    with pytest.raises(ConfigError):
        Origins([wrong])


def test_only_listed_origins_are_let_in() -> None:
    """They get their own name back; others get nothing, and caches are told."""
    origins = Origins(["https://my.app", "http://[::1]:8000"])
    assert origins.headers("https://my.app")["Access-Control-Allow-Origin"] == "https://my.app"
    assert origins.headers("https://my.app.evil") == {"Vary": "Origin"}
    assert Origins([]).headers("https://my.app") == {}


def test_the_files_of_the_browser_have_their_types() -> None:
    """Scripts, styles and the page are there with the media types that browsers insist on, and nothing else is."""
    files = browser_files()
    assert files["sseor.js"].headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert not files["sseor.js"].of_page
    assert not files["sseor.d.ts"].of_page
    assert files["index.html"].headers["Content-Type"] == "text/html; charset=utf-8"
    assert files["index.html"].of_page
    assert {name.rpartition(".")[2] for name in files} <= {"js", "ts", "html", "css", "svg"}
    assert all("script-src 'self'" in file.headers["Content-Security-Policy"] for file in files.values())


def test_the_policy_is_the_one_of_the_documentation() -> None:
    """Word for word, on every file."""
    told = " ".join(PAGE[PAGE.index("Content-Security-Policy: ") :].partition("`")[0].split())
    policies = {file.headers["Content-Security-Policy"] for file in browser_files().values()}
    assert policies == {told.removeprefix("Content-Security-Policy: ")}


def test_the_page_holds_nothing_that_its_policy_forbids() -> None:
    """Scripts and styles are files, and each that the page names is served."""
    files = browser_files()
    page = files["index.html"].data.decode()
    named = re.findall(r'(?:src|href)="([^"#:]+)"', page)
    assert named
    assert [name for name in named if name.removeprefix("./") not in files] == []
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page)


@pytest.mark.anyio
async def test_a_spawned_task_outlives_its_maker_and_can_be_cancelled() -> None:
    """It goes on after the task group that began it, and ends where it is told to."""
    told: list[Any] = []
    go = anyio.Event()

    async def work() -> None:
        try:
            await go.wait()
            told.append("went on")
            await anyio.sleep_forever()
        finally:
            told.append("ended")

    async def make() -> None:
        told.append(spawn(work))

    async with anyio.create_task_group() as group:
        group.start_soon(make)
    cancel = told.pop()
    await anyio.wait_all_tasks_blocked()
    go.set()
    with anyio.fail_after(5):
        while not told:
            await anyio.sleep(0.001)
        cancel()
        while len(told) < 2:
            await anyio.sleep(0.001)
    assert told == ["went on", "ended"]
