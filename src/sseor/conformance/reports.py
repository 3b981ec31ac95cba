"""What a run found, written as text, JSON, Markdown or JUnit XML."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from sseor.conformance.case_file import FORMAT_VERSION
from sseor.conformance.cases import FEATURES
from sseor.conformance.judging import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sseor.conformance.judging import Result
    from sseor.conformance.runner import Report

__all__ = ["FORMATS", "explain", "headline"]

LONGEST_INPUT = 400
"""Bytes of an input that an explanation shows."""


def headline(report: Report) -> str:
    """Return the whole result in one line."""
    name = f"{report.decoder} {report.version}".strip()
    told = [f"{count} {verdict.value}" for verdict, count in reversed(report.counts.items()) if count]
    return f"{name}: {', '.join(told)}"


def explain(result: Result) -> str:
    """Return why a case was not passed: its input, what was expected and what came, and the standard's words."""
    case, finding = result.case, result.finding
    lines = [f"{result.verdict.value}: {case.id} · {case.title}"]
    if finding is not None:
        lines += [
            f"  point     {finding.point}",
            f"  play      {finding.play.name}",
            f"  input     {_bytes(case.stream)}",
            *_listed("  expected  ", finding.expected),
            *_listed("  got       ", finding.got),
        ]
    if case.browser:
        lines.append(f"  browsers  {case.browser}")
    lines.append(f"  standard  HTML §{case.paragraph.section}: {case.paragraph.text}")
    return "\n".join(lines)


def _listed(label: str, items: tuple[str, ...]) -> Iterable[str]:
    for number, item in enumerate(items or ("nothing",)):
        yield (" " * len(label) if number else label) + item


def _bytes(stream: bytes) -> str:
    """Return bytes as a Python literal, the middle of long ones left out."""
    if len(stream) <= LONGEST_INPUT:
        return repr(stream)
    return f"{stream[:60]!r} … {stream[-20:]!r} ({len(stream)} bytes)"


def _wrong(report: Report) -> list[Result]:
    return [result for result in report.results if result.verdict not in (Verdict.PASS, Verdict.SKIPPED)]


def _judged(report: Report) -> str:
    judged = [name for name in FEATURES if name in report.claims]
    unjudged = [name for name in FEATURES if name not in report.claims]
    told = f"judged beside data and types: {', '.join(judged) or 'nothing'}"
    return told + (f"; not claimed: {', '.join(unjudged)}" if unjudged else "")


def as_text(report: Report) -> str:
    """Return each failure explained, then the counts by group and in all."""
    parts = [explain(result) + "\n" for result in _wrong(report)]
    groups: dict[str, list[Result]] = {}
    for result in report.results:
        groups.setdefault(result.case.group, []).append(result)
    for group, results in groups.items():
        passed = sum(result.verdict is Verdict.PASS for result in results)
        judged = sum(result.verdict is not Verdict.SKIPPED for result in results)
        parts.append(f"{group:<10} {passed:>3} of {judged:>3}" + ("" if passed == judged else "  !"))
    parts += ["", headline(report), _judged(report)]
    return "\n".join(parts) + "\n"


def as_json(report: Report) -> str:
    """Return everything as one JSON object; `version` is that of this form."""
    return (
        json.dumps(
            {
                "format": "sseor-decoder-report",
                "version": 1,
                "cases_version": FORMAT_VERSION,
                "decoder": {"name": report.decoder, "version": report.version},
                "date": report.date.isoformat(timespec="seconds"),
                "seconds": round(report.seconds, 3),
                "claims": sorted(report.claims),
                "counts": {verdict.value: count for verdict, count in report.counts.items()},
                "results": [_as_object(result) for result in report.results],
            },
            indent=1,
        )
        + "\n"
    )


def _as_object(result: Result) -> dict[str, object]:
    told: dict[str, object] = {"id": result.case.id, "verdict": result.verdict.value}
    if result.finding is not None:
        told |= {
            "title": result.case.title,
            "section": result.case.paragraph.section,
            "point": result.finding.point,
            "play": result.finding.play.name,
            "input": _bytes(result.case.stream),
            "expected": result.finding.expected,
            "got": result.finding.got,
        }
    return told


def as_markdown(report: Report) -> str:
    """Return the counts and a table of what went wrong."""
    lines = [
        f"# {report.decoder} {report.version}".rstrip(),
        "",
        f"{headline(report)}. {_judged(report)}. {report.date:%Y-%m-%d}.",
    ]
    if wrong := _wrong(report):
        lines += ["", "| case | verdict | what it says | what was wrong | section |", "|---|---|---|---|---|"]
    for result in wrong:
        point = result.finding.point if result.finding else ""
        cells = (
            result.case.id,
            result.verdict.value,
            result.case.title,
            point,
            f"§{result.case.paragraph.section}",
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def as_junit(report: Report) -> str:
    """Return JUnit XML, as CI servers read it: one test case for each case."""
    counts = report.counts
    errors = counts[Verdict.CRASH] + counts[Verdict.HANG]
    suite = ElementTree.Element(
        "testsuite",
        name=f"{report.decoder} {report.version}".strip(),
        tests=str(len(report.results)),
        failures=str(len(_wrong(report)) - errors),
        errors=str(errors),
        skipped=str(counts[Verdict.SKIPPED]),
        time=f"{report.seconds:.3f}",
        timestamp=report.date.isoformat(timespec="seconds"),
    )
    for result in report.results:
        group, _, name = result.case.id.partition("/")
        case = ElementTree.SubElement(suite, "testcase", classname=group, name=name)
        if result.verdict is Verdict.SKIPPED:
            ElementTree.SubElement(case, "skipped", message="the decoder does not claim this")
        elif result.finding is not None:
            kind = "error" if result.verdict in (Verdict.CRASH, Verdict.HANG) else "failure"
            told = ElementTree.SubElement(
                case, kind, type=result.verdict.value, message=_printable(result.finding.point)
            )
            told.text = _printable(explain(result))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _printable(text: str) -> str:
    """Return a text without what XML cannot carry."""
    return "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)


FORMATS: dict[str, Callable[[Report], str]] = {
    "text": as_text,
    "json": as_json,
    "markdown": as_markdown,
    "junit": as_junit,
}
"""Each form by its name."""
