"""`sseor conform`: what may be asked, the four forms of the report, progress on a terminal, and the exit codes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sseor.cli import conform, main
from sseor.conformance import FEATURES, load_cases
from sseor.conformance.reports import FORMATS

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")
Capture = pytest.CaptureFixture[str]

TOY = "conformance.toys:Toy"
LATE = "conformance.toys:CrHeld"


def test_what_the_parser_repeats_is_what_the_suite_has() -> None:
    """The features and forms of the help, which is printed without the suite, are those of the suite."""
    assert set(conform.FEATURES) == set(FEATURES)
    assert set(conform.FORMATS) == set(FORMATS)


def test_a_decoder_that_passes(capsys: Capture) -> None:
    """The code is 0, the report goes to standard output, and standard error stays empty."""
    assert main(["conform", "decoder", TOY, "--only", "data/", "--timeout", "20"]) == 0
    out, err = capsys.readouterr()
    assert f"{TOY}: 29 pass" in out
    assert err == ""


def test_a_decoder_that_fails(capsys: Capture) -> None:
    """The code is 11, and each failure is told with input, both sides and the standard's words."""
    assert main(["conform", "decoder", LATE, "--only", "timing/at-cr", "--timeout", "20"]) == 11
    out, _ = capsys.readouterr()
    assert "late: timing/at-cr · A blank line that ends in CR dispatches at that CR" in out
    assert "  input     b'data: x\\r\\r'" in out
    assert "  standard  HTML §9.2.5" in out


@pytest.mark.parametrize(("form", "begins"), [("json", "{"), ("markdown", "# conf"), ("junit", "<?xml")])
def test_the_other_forms(form: str, begins: str, capsys: Capture) -> None:
    """Each form stands alone on standard output; the headline is told beside it."""
    assert main(["conform", "decoder", TOY, "--only", "bom/in-", "--format", form, "--timeout", "20"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(begins)
    assert err == f"{TOY}: 3 pass\n"
    if form == "json":
        assert len(json.loads(out)["results"]) == 3
    if form == "junit":
        assert len(ElementTree.fromstring(out)) == 3


def test_a_report_in_a_file(tmp_path: Path, capsys: Capture) -> None:
    """`-o` names the file, in UTF-8, and the headline is told on standard error, also in text."""
    report = tmp_path / "report.txt"
    assert main(["conform", "decoder", TOY, "--only", "bom/in-", "-o", str(report), "--timeout", "20"]) == 0
    assert f"{TOY}: 3 pass" in report.read_text("utf-8")
    assert capsys.readouterr() == ("", f"{TOY}: 3 pass\n")
    assert (
        main(["conform", "decoder", TOY, "--only", "bom/in-", "-q", "-o", str(report), "--timeout", "20"])
        == 0
    )
    assert capsys.readouterr() == ("", "")


def test_claims(capsys: Capture) -> None:
    """`--without` takes features away, `--claim` insists on them."""
    bare = ["conform", "decoder", "conformance.toys:Bare", "--only", "id/set", "--timeout", "20"]
    assert main(bare) == 0
    assert "1 not judged" in capsys.readouterr().out
    assert main([*bare, "--claim", "id"]) == 11
    assert main(["conform", "decoder", TOY, "--only", "id/set", "--without", " id , retry,"]) == 0
    assert "1 not judged" in capsys.readouterr().out.rpartition("\n\n")[2]


class Terminal(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A terminal sees how far it is and how much went wrong; the line is gone at the end."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr("sseor.cli.terminal.REDRAW", 0.0)
    assert main(["conform", "decoder", LATE, "--only", "timing/at-cr", "--timeout", "20"]) == 11
    assert "4 of 4 cases · 4 wrong · timing/at-cr-after-lf" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")


def test_an_adapter_in_another_program(capsys: Capture) -> None:
    """`--command` takes words as a shell would; the adapter tells its name."""
    command = f"'{sys.executable}' -m sseor.conformance.bridge {TOY}"
    assert main(["conform", "decoder", "--command", command, "--only", "bom/in-", "--timeout", "20"]) == 0
    assert f"{TOY}: 3 pass" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["decoder"], "a decoder is wanted: module:factory, or --command"),
        (["decoder", TOY, "--command", "x"], "a decoder is wanted"),
        (["decoder", TOY, "--timeout", "0"], "--timeout takes a number above 0"),
        (["decoder", TOY, "--timeout", "nan"], "--timeout takes a number above 0"),
        (["decoder", TOY, "--without", "magic"], "no feature magic; there are comments, id"),
        (["decoder", TOY, "--format", "pdf"], "--format: invalid choice"),
        (["decoder", TOY, "--only", "nothing/"], "no case begins with nothing/"),
        (["decoder", TOY, "--cases", "/no/such/file"], "/no/such/file cannot be read: No such file"),
        (
            ["decoder", "no_such_module:x"],
            "the decoder cannot be started: it ended with code 2; its last words:",
        ),
        (["decoder", "--command", "/no/such/program"], "the decoder cannot be started: /no/such/program"),
        ([], "SUBJECT"),
    ],
)
def test_what_cannot_be_done(arguments: list[str], told: str, capsys: Capture) -> None:
    """Whatever is wrong with the question is one sentence and code 2, and nothing is judged."""
    assert main(["conform", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("sseor: ")
    assert err.count("\n") == 1
    assert told in err


def test_a_malformed_case_file(tmp_path: Path, capsys: Capture) -> None:
    """A case file that breaks its format is one sentence with line and field."""
    file = tmp_path / "cases.jsonl"
    file.write_text(
        '{"format": "sseor-decoder-cases", "version": 1, "paragraphs": {}}\n{"id": 5, "group": "g"}\n'
    )
    assert main(["conform", "decoder", TOY, "--cases", str(file)]) == 2
    assert capsys.readouterr().err == f"sseor: {file}, line 2, field id: a text is wanted\n"


def test_the_cases_are_listed(capsys: Capture) -> None:
    """A line a case, with its id and its title; `--only` chooses among them."""
    assert main(["conform", "cases"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(load_cases())
    assert main(["conform", "cases", "--only", "bom/removed"]) == 0
    assert capsys.readouterr().out == f"{'bom/removed':<40} One BOM at the start is removed\n"


def test_the_adapter_for_node_is_printed(capsys: Capture) -> None:
    """What is printed is the example of the package."""
    assert main(["conform", "adapter"]) == 0
    assert "from 'eventsource-parser'" in capsys.readouterr().out


def test_a_report_that_cannot_be_written(tmp_path: Path, capsys: Capture) -> None:
    """A file that cannot be written is one sentence and code 2."""
    code = main(["conform", "decoder", TOY, "--only", "bom/in-", "-o", str(tmp_path), "--timeout", "20"])
    assert code == 2
    assert capsys.readouterr().err == f"sseor: {tmp_path} cannot be written: Is a directory\n"
