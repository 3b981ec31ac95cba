"""`sseor.conformance.pytest_plugin`: one test a case, and nothing at all without the option."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

from sseor.conformance import load_cases

pytest_plugins = ["pytester"]

COUNT = len(load_cases())
EVENTS = sum(case.group == "event" for case in load_cases())


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Give a project with one test of its own, and a decoder."""
    pytester.makepyfile(
        test_own="def test_own(): pass",
        their_decoder="from conformance.toys import CrHeld as Decoder, Bare, AlwaysHanging",
    )
    pytester.syspathinsert()
    return pytester


def run(project: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run pytest within this process, with the plugin as its entry point brings it."""
    plugins = (
        ()
        if "sseor" in {point.name for point in metadata.entry_points(group="pytest11")}
        else ("-p", "pytest_sseor")
    )
    return project.runpytest_inprocess("-p", "no:cacheprovider", *plugins, *options)


def test_each_case_is_a_test(project: pytest.Pytester) -> None:
    """The cases come behind the project's own tests, all pass or fail by themselves, and `-k` chooses among all."""
    done = run(
        project, "--sse-decoder=their_decoder:Decoder", "--sse-timeout=20", "-k", "timing/at or test_own"
    )
    done.assert_outcomes(passed=3, failed=4, deselected=COUNT - 6)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(
        [
            "*timing/at-cr · A blank line that ends in CR dispatches at that CR*",
            "late: timing/at-cr ·*",
            "  input     b'data: x*",
            "  standard  HTML*",
            "FAILED sse-decoder::timing/at-cr - late:*",
        ]
    )
    assert "judging.py" not in done.stdout.str()


def test_what_is_not_claimed_is_skipped(project: pytest.Pytester) -> None:
    """Features that are missing or taken away skip their cases, each with its reason."""
    done = run(
        project,
        "--sse-decoder=their_decoder:Bare",
        "--sse-timeout=20",
        "-k",
        "retry/set or data/empty",
        "-rs",
    )
    done.assert_outcomes(passed=4, skipped=1, deselected=COUNT - 4)
    done.stdout.fnmatch_lines(["SKIPPED*the decoder does not claim this"])
    done = run(
        project,
        "--sse-decoder=their_decoder:Decoder",
        "--sse-without=retry,id",
        "--sse-timeout=20",
        "-k",
        "retry/set or id/set",
    )
    done.assert_outcomes(skipped=2, deselected=COUNT - 1)


def test_a_value_with_a_space_is_a_command(project: pytest.Pytester) -> None:
    """An adapter in another language is judged by its command."""
    command = f"{sys.executable} -m sseor.conformance.bridge their_decoder:Decoder"
    done = run(
        project, f"--sse-decoder={command}", "--sse-timeout=20", "-k", "event/", "--collect-only", "-q"
    )
    done.assert_outcomes(deselected=COUNT + 1 - EVENTS)
    done.stdout.fnmatch_lines([f"{EVENTS}/{COUNT + 1} tests collected*"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--sse-decoder=their_decoder:Missing",), "*the decoder cannot be started*no Missing*"),
        (("--sse-decoder=their_decoder:Decoder", "--sse-without=magic"), "*no feature magic*"),
    ],
)
def test_a_mistake_is_told_before_any_test(
    project: pytest.Pytester, options: tuple[str, ...], told: str
) -> None:
    """A decoder or a feature that is not there is a usage error in one line."""
    done = run(project, *options)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([told])


def test_without_the_option_nothing_happens(project: pytest.Pytester) -> None:
    """A project that has the package installed, and asks for nothing, runs its own tests alone."""
    run(project).assert_outcomes(passed=1)


def test_the_options_import_nothing_of_the_package() -> None:
    """What pytest imports at its start leaves the package alone, or coverage would miss its first lines."""
    program = (
        "import sys, pytest_sseor; sys.exit(any(name.partition('.')[0] == 'sseor' for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_failure_of_the_suite_itself_has_a_traceback(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should the suite itself break, its traceback is shown."""
    monkeypatch.setattr("sseor.conformance.runner.judge_case", lambda *_: 1 / 0)
    done = run(project, "--sse-decoder=their_decoder:Decoder", "-k", "event/set")
    done.assert_outcomes(failed=1, deselected=COUNT)
    done.stdout.fnmatch_lines(["*ZeroDivisionError*"])
