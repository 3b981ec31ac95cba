"""`sseor.cli.arguments`: what may be written, and one sentence for what may not."""

from __future__ import annotations

import dataclasses

import pytest

from sseor import Timeouts
from sseor.cli.arguments import DEADLINES, parse
from sseor.errors import ConfigError


def test_chat() -> None:
    """A model and a prompt suffice, and the server is OpenRouter."""
    options = parse(["chat", "-m", "a/b", "Why?"])
    assert (options.command, options.model, options.prompt) == ("chat", "a/b", "Why?")
    assert options.base_url == "https://openrouter.ai/api/v1"
    assert options.key_env is None


def test_demo() -> None:
    """The demo asks something by itself, and has all options that are not about the server."""
    options = parse(["demo"])
    assert options.prompt
    common = vars(parse(["chat", "-m", "x"])).keys() - {"base_url"}
    assert common == vars(options).keys()


def test_deadlines_are_those_of_the_library() -> None:
    """Each deadline of `Timeouts` is an option with the same default."""
    defaults = {field.name.replace("_", "-"): field.default for field in dataclasses.fields(Timeouts)}
    assert {name: default for name, (default, _) in DEADLINES.items()} == defaults


@pytest.mark.parametrize(("text", "value"), [("off", None), ("0.5", 0.5), ("-1", -1.0)])
def test_a_deadline_is_a_number_or_off(text: str, value: float | None) -> None:
    """`off` switches a deadline off; whether a number makes sense is for the library to say."""
    assert parse(["demo", "--first-token", text]).first_token == value


@pytest.mark.parametrize("arguments", [[], ["--help"], ["chat", "--help"], ["demo", "--help"], ["--version"]])
def test_help_is_on_stdout(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Help and version are said on stdout, and then it is done."""
    with pytest.raises(SystemExit) as done:
        parse(arguments)
    out, err = capsys.readouterr()
    assert not done.value.code
    assert "sseor" in out
    assert err == ""
    assert max(len(line) for line in out.splitlines()) <= 105


def test_help_names_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of `chat` lists the exit codes and says where the key comes from."""
    with pytest.raises(SystemExit):
        parse(["chat", "--help"])
    told = capsys.readouterr().out
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 130, 141):
        assert f" {code}  " in told
    assert "OPENROUTER_API_KEY" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nonsense"], "invalid choice"),
        (["chat", "-m", "x", "why", "is", "that"], "put the prompt in quotes"),
        (["chat", "-m", "x", "--max-tokens", "many", "hi"], "--max-tokens"),
        (["demo", "--stall", "soon"], "--stall"),
        (["demo", "--base-url", "http://localhost"], "unknown option --base-url"),
        (["chat", "-m", "x", "--mod", "y", "hi"], "unknown option --mod"),
    ],
)
def test_what_is_not_understood_is_one_error(arguments: list[str], told: str) -> None:
    """A wrong word raises `ConfigError`, which names it and the help."""
    with pytest.raises(ConfigError, match=told) as caught:
        parse(arguments)
    assert "--help)" in str(caught.value)


@pytest.mark.parametrize("arguments", [["--api-key", "CANARY"], ["--api-key=CANARY"], ["a", "b", "CANARY"]])
def test_a_key_on_the_command_line_is_not_repeated(arguments: list[str]) -> None:
    """Somebody who writes the key where no key belongs does not find it in the error."""
    with pytest.raises(ConfigError) as caught:
        parse(["chat", "-m", "x", *arguments])
    assert "CANARY" not in str(caught.value)
