"""`sseor.conformance.runner`: a whole run, what a decoder claims, and decoders that try to stop it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import sseor.conformance
from sseor.conformance import (
    FEATURES,
    AdapterError,
    Case,
    Judge,
    Report,
    Result,
    UnknownFeatureError,
    Verdict,
    judge,
    load_cases,
)
from sseor.conformance.process import AdapterProcess
from sseor.conformance.protocol import Answer

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")

BY_ID = {case.id: case for case in load_cases()}
EVENT_CASES = [case for case in BY_ID.values() if case.group == "event"]


def toy(name: str) -> str:
    """Return how a toy is named."""
    return f"conformance.toys:{name}"


def chosen(*names: str) -> list[Case]:
    """Return cases by their ids."""
    return [BY_ID[name] for name in names]


def test_our_own_decoder_passes_every_case() -> None:
    """All cases pass, all features are found to be claimed, and the report says who, what and when."""
    report = judge("sseor.wire:Decoder", timeout=20)
    assert [result.case.id for result in report.results if result.verdict is not Verdict.PASS] == []
    assert len(report.results) == len(load_cases())
    assert report.passed
    assert report.claims == set(FEATURES)
    assert (report.decoder, report.version) == ("sseor.wire:Decoder", sseor.__version__)
    assert report.seconds > 0
    assert report.date.tzinfo is not None


@pytest.mark.parametrize(
    ("decoder", "claims"),
    [
        ("Toy", set(FEATURES)),
        ("pulling", set(FEATURES)),
        ("pulling_async", {"comments", "id", "replacement"}),
        ("Bare", {"replacement"}),
        ("AlwaysHanging", set(FEATURES)),
    ],
)
def test_a_probe_shows_what_is_claimed(decoder: str, claims: set[str]) -> None:
    """What the decoder shows of a probe is judged; one that fails the probe is judged by everything."""
    with Judge(toy(decoder), timeout=20 if decoder != "AlwaysHanging" else 0.2) as under_judgement:
        assert under_judgement.claims == claims


def test_claims_can_be_given_and_taken() -> None:
    """`claimed` insists on a feature, `without` takes one away, and both must be features."""
    cases = chosen("id/stays", "comments/tab", "retry/set")
    report = judge(toy("Bare"), cases, claimed={"id"}, timeout=20)
    assert report.claims == {"id", "replacement"}
    assert [result.verdict for result in report.results] == [Verdict.FAIL, Verdict.SKIPPED, Verdict.SKIPPED]
    assert not report.passed
    report = judge(toy("IdOfItsEventOnly"), cases, without={"id", "retry"}, timeout=20)
    assert [result.verdict for result in report.results] == [Verdict.SKIPPED, Verdict.PASS, Verdict.SKIPPED]
    assert report.passed
    with pytest.raises(UnknownFeatureError, match="no feature magic"):
        Judge(toy("Toy"), without={"magic"})


@pytest.mark.parametrize(
    ("decoder", "verdict", "point"),
    [
        ("Dying", Verdict.CRASH, "it ended with code 3; its last words: these are my last words"),
        ("Hanging", Verdict.HANG, "no answer in time"),
        ("Noisy", Verdict.PASS, ""),
    ],
)
def test_nothing_stops_the_run(decoder: str, verdict: Verdict, point: str) -> None:
    """What dies, hangs or prints at one kind of event is judged by all other cases too."""
    report = judge(toy(decoder), chosen("data/joined", "event/set", "data/empty", "event/error"), timeout=1.5)
    assert [result.verdict for result in report.results] == [Verdict.PASS, verdict, Verdict.PASS, verdict]
    assert [result.finding.point for result in report.results if result.finding] == [point] * (
        2 if point else 0
    )
    assert report.version == ""


def test_a_decoder_that_grows_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory without bound is a crash, long before the deadline."""
    monkeypatch.setattr(AdapterProcess.__init__, "__kwdefaults__", {"memory_limit": 150 << 20})
    report = judge(toy("Growing"), chosen("event/set", "data/joined"), timeout=30)
    assert [result.verdict for result in report.results] == [Verdict.CRASH, Verdict.PASS]


def test_patience_wears_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """After three hangs in a row a play has a quarter of the time, until one is answered."""
    limits: list[float] = []

    class Watched(AdapterProcess):
        def ask(self, reads: Sequence[bytes], seconds: float) -> Answer:
            limits.append(round(seconds, 2))
            return super().ask(reads, seconds)

    monkeypatch.setattr("sseor.conformance.runner.AdapterProcess", Watched)
    with Judge(toy("AlwaysHanging"), timeout=0.2) as under_judgement:
        for case in EVENT_CASES[:5]:
            assert under_judgement.case(case).verdict is Verdict.HANG
    assert limits == [0.2, 0.2, 0.2, 0.2, 0.05, 0.05]  # the probe, then the cases


def test_progress_is_told() -> None:
    """Each result is told with how many are done, and how many there are."""
    told: list[tuple[int, int, Result]] = []
    report = judge(toy("Toy"), EVENT_CASES[:3], timeout=20, progress=lambda *now: told.append(now))
    assert told == [(number, 3, report.results[number - 1]) for number in (1, 2, 3)]


def test_what_cannot_be_started() -> None:
    """A decoder that is not there is an error, not a row of verdicts."""
    for decoder in (toy("Missing"), "no_such_module:x", ["/no/such/program"]):
        with pytest.raises(AdapterError):
            judge(decoder, EVENT_CASES, timeout=20)


def test_a_command_has_a_name() -> None:
    """Until the adapter has told its name, the command is the name."""
    with Judge(["node", "adapter.mjs"]) as under_judgement:
        assert (under_judgement.name, under_judgement.version) == ("node adapter.mjs", "")


def test_the_counts_of_a_report() -> None:
    """Every verdict is counted, those of no case as zero."""
    report = judge(toy("Crashing"), chosen("event/set", "data/joined"), timeout=20)
    assert isinstance(report, Report)
    expected = dict.fromkeys(Verdict, 0) | {Verdict.CRASH: 1, Verdict.PASS: 1}
    assert report.counts == expected


STANDARD = """
export const createParser = ({ onEvent, onComment, onRetry }) => {
  let rest = '', data = null, event, id
  return { feed(text) {
    const lines = (rest + text).split('\\n')
    rest = lines.pop()
    for (const line of lines) {
      const colon = line.indexOf(':'), name = colon < 0 ? line : line.slice(0, colon)
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
      if (line === '') {
        if (data !== null) onEvent({ data: data.join('\\n'), event, id })
        data = null
        event = undefined
      } else if (colon === 0) onComment(line.slice(1))
      else if (name === 'data') (data ??= []).push(value)
      else if (name === 'event') event = value || undefined
      else if (name === 'id') id = value
      else if (name === 'retry' && /^[0-9]+$/.test(value)) onRetry(Number(value))
      else if (name === 'throw') throw new Error('thrown')
    }
  } }
}
"""


NEWER = (
    STANDARD.replace("({ onEvent,", "({ onId, onEvent,")
    .replace("if (data !== null)", "if (id !== undefined) onId(id)\n        if (data !== null)")
    .replace("data = null\n", "data = null\n        id = undefined\n")
)


@pytest.mark.parametrize(("source", "missing"), [(STANDARD, {"last-event-id"}), (NEWER, set())])
def test_the_ready_adapter_for_node(source: str, missing: set[str], tmp_path: Path) -> None:
    """The example drives what stands where eventsource-parser does, tells its version, and is judged like any other.

    Since 4.1 the last event ID is told by a call of its own.
    """
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    package = tmp_path / "node_modules" / "eventsource-parser"
    (package / "dist").mkdir(parents=True)
    (package / "package.json").write_text(
        '{"name": "eventsource-parser", "version": "0.0.7", "type": "module", "exports": "./dist/index.js"}'
    )
    (package / "dist" / "index.js").write_text(source)
    example = Path(sseor.conformance.__file__).with_name("eventsource_parser.mjs")
    adapter = Path(shutil.copy(example, tmp_path))
    names = (
        "data/joined",
        "event/reset",
        "id/stays",
        "comments/alone",
        "retry/set",
        "retry/two-to-the-64",
        "bom/removed",
    )
    report = judge(
        ["node", str(adapter)], chosen(*names, "line-ends/cr", "utf-8/three-bytes-cut"), timeout=20
    )
    assert (report.decoder, report.version) == ("eventsource-parser", "0.0.7")
    assert report.claims == set(FEATURES) - missing
    wrong = {
        result.case.id: result.verdict for result in report.results if result.verdict is not Verdict.PASS
    }
    assert wrong == {"line-ends/cr": Verdict.FAIL}
    thrown = Case(
        **{name: getattr(BY_ID["data/joined"], name) for name in Case.__slots__} | {"stream": b"throw\n"}
    )
    (result,) = judge(["node", str(adapter)], [thrown], timeout=20).results
    assert result.finding is not None
    assert (result.verdict, result.finding.point) == (Verdict.CRASH, "it raised Error: thrown")


def test_the_package_needs_the_standard_library_alone() -> None:
    """The suite is imported, and judges, with every third-party module forbidden."""
    program = (
        "import sys\n"
        "class Forbidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] not in {*sys.stdlib_module_names, 'sseor'}: raise ImportError(name)\n"
        "sys.meta_path.insert(0, Forbidden())\n"
        "from sseor.conformance import judge, load_cases\n"
        "assert judge('sseor.wire:Decoder', load_cases()[:3], timeout=20).passed\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
