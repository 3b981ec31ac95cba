"""The pytest plugin: `pytest --sse-decoder=module:factory` collects each case as one test."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from sseor.conformance.case_file import CASES, load_cases
from sseor.conformance.cases import Case
from sseor.conformance.judging import Verdict
from sseor.conformance.process import AdapterError
from sseor.conformance.reports import explain
from sseor.conformance.runner import Judge

__all__ = ["DecoderCases"]

NAME = "sse-decoder"


class WrongError(Exception):
    """A case was not passed; the text explains it."""


class DecoderCases:
    """Adds the cases to what pytest collected, and keeps the decoder's process while they run."""

    def __init__(self, config: pytest.Config) -> None:
        decoder: str = config.getoption("sse_decoder")
        without = [name for name in config.getoption("sse_without").split(",") if name]
        try:
            self._judge = Judge(
                shlex.split(decoder) if " " in decoder else decoder,
                without=without,
                timeout=config.getoption("sse_timeout"),
            )
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Add a test for each case, before `-k` and the like choose among all."""
        try:
            _ = self._judge.claims  # starts the decoder
        except AdapterError as error:
            raise pytest.UsageError(f"the decoder cannot be started: {error}") from None
        file = CaseFile.from_parent(session, path=CASES, name=NAME, nodeid=NAME, judge=self._judge)
        cases = file.collect()
        # So that the terminal counts them as collected.
        session.ihook.pytest_collectreport(report=pytest.CollectReport(NAME, "passed", None, result=[*cases]))
        items += cases

    def pytest_unconfigure(self) -> None:
        """End the decoder's process."""
        self._judge.close()


class CaseFile(pytest.File):
    """The file that the cases come from; the plugin collects it, whatever paths pytest was given."""

    def __init__(self, *, judge: Judge, **others: Any) -> None:
        super().__init__(**others)
        self._judge = judge

    def collect(self) -> list[CaseItem]:
        """Return a test for each case."""
        return [
            CaseItem.from_parent(self, name=case.id, case=case, judge=self._judge) for case in load_cases()
        ]


class CaseItem(pytest.Item):
    """One case as a test."""

    def __init__(self, *, case: Case, judge: Judge, **others: Any) -> None:
        super().__init__(**others)
        self._case = case
        self._judge = judge

    def runtest(self) -> None:
        """Judge the decoder by the case."""
        result = self._judge.case(self._case)
        if result.verdict is Verdict.SKIPPED:
            pytest.skip("the decoder does not claim this")
        if result.verdict is not Verdict.PASS:
            raise WrongError(explain(result))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the explanation, without a traceback into the suite."""
        if isinstance(excinfo.value, WrongError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Return where the case stands, and its title."""
        return self.path, None, f"{self._case.id} · {self._case.title}"
