"""`sseor.conformance.reports`: the same findings in four forms, each readable by those it is for."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from conformance import toys
from conformance.local import Local

from sseor.conformance import FEATURES, Report, Result, Verdict, load_cases
from sseor.conformance.judging import Finding, judge_case
from sseor.conformance.plays import Play
from sseor.conformance.reports import FORMATS, explain, headline

BY_ID = {case.id: case for case in load_cases()}
ALL = frozenset(FEATURES)
WHOLE = Play("whole", (b"x",))


def result(name: str, decoder: type, claims: frozenset[str] = ALL) -> Result:
    """Return the result of one case."""
    return judge_case(BY_ID[name], Local(decoder), claims, 2.0)


RESULTS = (
    result("data/joined", toys.Toy),
    result("data/joined", toys.DataJoinedByNothing),
    result("timing/at-cr", toys.CrHeld),
    result("event/nul", toys.Crashing),
    result("id/set", toys.Toy, ALL - {"id"}),
    Result(BY_ID["retry/empty"], Verdict.HANG, Finding("no | answer\0", WHOLE, ("last event ID ''",))),
)
REPORT = Report("a decoder", "7", ALL - {"id"}, RESULTS, datetime(2026, 1, 2, 3, tzinfo=UTC), 1.23456)
CLEAN = replace(REPORT, results=RESULTS[:1], claims=ALL)


def test_the_headline() -> None:
    """One line: who, and how many of each verdict that there is."""
    assert headline(REPORT) == "a decoder 7: 1 not judged, 1 pass, 1 late, 1 fail, 1 crash, 1 hang"
    assert headline(replace(CLEAN, version="")) == "a decoder: 1 pass"


def test_an_explanation() -> None:
    """Verdict, case, point, play, input, both sides, what browsers do, and the words of the standard."""
    told = explain(RESULTS[1]).splitlines()
    assert told[0] == "fail: data/joined · Lines of data are joined with LF"
    assert told[1:5] == [
        "  point     item 1: the data is another",
        "  play      whole",
        "  input     b'data: x\\ndata: y\\ndata: z\\n\\n'",
        "  expected  event 'message', data 'x\\ny\\nz'",
    ]
    assert "  got       event 'message', data 'xyz'" in told
    assert "            reconnection time None" in told
    assert told[-1].startswith('  standard  HTML §9.2.6: If the field name is "data"')
    told = explain(RESULTS[5]).splitlines()
    assert told[-3] == "  got       nothing"
    assert told[-2].startswith("  browsers  Chromium")
    assert explain(RESULTS[0]).count("\n") == 1
    long = replace(RESULTS[1], case=BY_ID["sizes/value-of-1-mib"])
    assert "(1048593 bytes)" in explain(long)
    assert len(explain(long)) < 1000


def test_as_text() -> None:
    """Failures first, each explained, then the groups, then the headline and what was judged."""
    text = FORMATS["text"](REPORT)
    for wrong in RESULTS[1:4]:
        assert explain(wrong) in text
    assert "data         1 of   2  !\n" in text
    assert "id           0 of   0\n" in text
    *_, line, judged = text.splitlines()
    assert line == headline(REPORT)
    assert (
        judged == "judged beside data and types: comments, last-event-id, retry, replacement; not claimed: id"
    )
    clean = FORMATS["text"](CLEAN)
    assert clean.startswith("data         1 of   1\n\na decoder 7: 1 pass\n")
    assert "not claimed" not in clean
    assert "judged beside data and types: nothing" in FORMATS["text"](replace(CLEAN, claims=frozenset()))


def test_as_json() -> None:
    """Everything, for programs: a verdict for each case, and both sides of each failure."""
    told = json.loads(FORMATS["json"](REPORT))
    assert (told["format"], told["version"], told["cases_version"]) == ("sseor-decoder-report", 1, 1)
    assert told["decoder"] == {"name": "a decoder", "version": "7"}
    assert (told["date"], told["seconds"]) == ("2026-01-02T03:00:00+00:00", 1.235)
    assert told["counts"]["fail"] == 1
    assert told["claims"] == ["comments", "last-event-id", "replacement", "retry"]
    assert told["results"][0] == {"id": "data/joined", "verdict": "pass"}
    wrong = told["results"][1]
    assert (wrong["verdict"], wrong["section"], wrong["play"]) == ("fail", "9.2.6", "whole")
    assert wrong["expected"] != wrong["got"]


def test_as_markdown() -> None:
    """A heading, a line, and a table of what went wrong, in which no bar breaks a row."""
    lines = FORMATS["markdown"](REPORT).splitlines()
    assert lines[0] == "# a decoder 7"
    assert "2026-01-02" in lines[2]
    rows = lines[6:]
    assert len(rows) == 4
    assert rows[-1].startswith("| retry/empty | hang | retry without a value is ignored | no \\| answer")
    assert "|" not in FORMATS["markdown"](CLEAN)


def test_as_junit() -> None:
    """A test case for each case; crash and hang are errors, other verdicts failures, the unclaimed skipped."""
    text = FORMATS["junit"](REPORT)
    suite = ElementTree.fromstring(text)
    assert suite.attrib == {
        "name": "a decoder 7",
        "tests": "6",
        "failures": "2",
        "errors": "2",
        "skipped": "1",
        "time": "1.235",
        "timestamp": "2026-01-02T03:00:00+00:00",
    }
    kinds = [[child.tag for child in case] for case in suite]
    assert kinds == [[], ["failure"], ["failure"], ["error"], ["skipped"], ["error"]]
    assert [(case.get("classname"), case.get("name")) for case in suite][:1] == [("data", "joined")]
    failure = suite[1][0]
    assert (failure.get("type"), failure.text) == ("fail", explain(RESULTS[1]))
    assert suite[5][0].get("message") == "no | answer\\x00"


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_form_ends_in_a_line_end(form: str) -> None:
    """Each form is a whole text."""
    assert FORMATS[form](REPORT).endswith("\n")
