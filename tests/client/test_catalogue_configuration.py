"""Faults of configuration: a wrong argument is found before any network, in a sentence without the key."""

from __future__ import annotations

import math
from typing import Any

import pytest
from catalogue import (
    ENDING,
    LOW,
    OTHER_KEY,
    PATIENT,
    body,
    each_client,
    each_shell,
    look_at,
    nothing_is_left,
    sse,
    texts_of,
)
from shells import KEY, PROMPT

import sseor
from sseor.errors import ConfigError, SseorError
from sseor.testing import LoopbackServer

__all__ = ["nothing_is_left"]
pytestmark = pytest.mark.usefixtures("nothing_is_left")


@each_client
@pytest.mark.parametrize("variable", [None, "", "   \t"])
def test_row_1_no_key_in_the_environment(
    client: type[Any], variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key for openrouter.ai nothing is sent: the error says what to set."""
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    if variable is not None:
        monkeypatch.setenv("OPENROUTER_API_KEY", variable)
    with pytest.raises(ConfigError, match="OPENROUTER_API_KEY"):
        client()


@each_client
@pytest.mark.parametrize("key", ["", "   ", "\n", 7, b"sk-or-v1-canary-0123456789"])
def test_row_1_an_empty_key(client: type[Any], key: Any) -> None:
    """An empty or blank key is refused, and so is what is no string."""
    with pytest.raises(ConfigError) as caught:
        client(api_key=key)
    assert all("canary" not in text for text in texts_of(caught.value))


@each_shell
@pytest.mark.parametrize("key", [f"  {KEY}", f"{KEY}\n", f"\t{KEY}\r\n ", f"\ufeff {KEY}".lstrip("\ufeff")])
def test_row_2_blanks_around_the_key(shell: str, key: str) -> None:
    """Blanks and a line end around a key are stripped."""
    seen = look_at(shell, body(sse(LOW) + ENDING), key=KEY, api_key=key)
    assert seen.whole.text == "Low"
    assert seen.requests[0].headers["Authorization"] == f"Bearer {KEY}"


@each_client
@pytest.mark.parametrize(
    "wrong",
    ["\r", "\n", "\r\nX-Evil: 1", "\x00", "\x1b[31m", "é", "\N{OTTER}", "\ud800", " ", "\x7f", "\u2028"],
)
def test_row_3_characters_that_no_key_has(client: type[Any], wrong: str) -> None:
    """A key with a line end, a control or a non-ASCII character is refused without quoting any of it."""
    with pytest.raises(ConfigError) as caught:
        client(api_key=f"{OTHER_KEY[:12]}{wrong}{OTHER_KEY[12:]}", base_url="http://127.0.0.1:9/v1")
    for text in texts_of(caught.value):
        assert OTHER_KEY[:12] not in text
        assert OTHER_KEY[12:] not in text


@each_client
@pytest.mark.parametrize(
    "url",
    [
        "", "openrouter.ai/api/v1", "ftp://openrouter.ai", "file:///etc/passwd", "http://", "https:///v1", "//host/v1",
        "http://[::1", "http://host:port/v1", "http://127.0.0.1:70000/v1", "http://127.0.0.1:0/v1", None, 7, b"http://a",
        "https://user:secret@host/v1", "https://host/v1?key=secret", "https://host/v1#x", "https://ho st/v1",
        "https://host/\r\nX: 1", "https://höst/v1", "http://192.168.0.1/v1", "http://example.org/v1",
        "http://127.0.0.1.example.org/v1", "http://localhost.example.org/v1",
    ],
)  # fmt: skip
def test_row_4_base_url(client: type[Any], url: Any) -> None:
    """A base URL that is none, that hides credentials, or that would send the key in clear text, is refused."""
    with pytest.raises(ConfigError) as caught:
        client(api_key=KEY, base_url=url)
    for text in texts_of(caught.value):
        assert KEY not in text
        assert "secret" not in text


@pytest.mark.parametrize("field", ["connect", "silence", "first_token", "stall", "total"])
@pytest.mark.parametrize("value", [0, -1, 0.0, -0.5, math.nan, math.inf, -math.inf, "5", True, [], 1j])
def test_row_5_deadlines(field: str, value: Any) -> None:
    """A deadline that is no positive finite number of seconds is refused."""
    with pytest.raises(ConfigError, match=field):
        sseor.Timeouts(**{field: value})


@each_client
@pytest.mark.parametrize("timeouts", [30, {"stall": 3}, (1, 2)])
def test_row_5_timeouts_of_another_kind(client: type[Any], timeouts: Any) -> None:
    """A bare number in place of `Timeouts` is refused, since nobody could say which deadline it is."""
    with pytest.raises(ConfigError, match="Timeouts"):
        client(api_key=KEY, timeouts=timeouts)


def _endless() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@each_client
@pytest.mark.parametrize(
    "content",
    ["\ud800", "a\udfffb", math.nan, math.inf, object(), {1, 2}, b"bytes", [{"text": "\ud83e"}], _endless()],
    ids=repr,
)
def test_row_6_prompts_that_json_cannot_hold(client: type[Any], content: Any) -> None:
    """What JSON or UTF-8 cannot hold is refused by `stream` itself; nothing is sent."""
    with LoopbackServer() as server:
        made = client(api_key=KEY, base_url=server.base_url, timeouts=PATIENT)
        with pytest.raises(ConfigError) as caught:
            made.stream(model="m", messages=[{"role": "user", "content": content}])
        for text in texts_of(caught.value):
            text.encode()
        assert (server.requests, server.open_connections) == ([], 0)


@each_client
@pytest.mark.parametrize(
    "wrong",
    [
        {"temprature": 1}, {"timeout": 5}, {"extra_headers": {}}, {"max_retries": 2}, {"temperature": math.nan},
        {"extra_body": {"x": "\ud800"}}, {"extra_body": 5}, {"stop": "\ud800"},
    ],
    ids=repr,
)  # fmt: skip
def test_row_6_parameters(client: type[Any], wrong: dict[str, Any]) -> None:
    """A misspelt or unencodable parameter is refused before anything is sent."""
    with pytest.raises(ConfigError):
        client(api_key=KEY, base_url="http://127.0.0.1:9/v1").stream(model="m", messages=PROMPT, **wrong)


def test_configuration_errors_are_value_errors() -> None:
    """A wrong argument is also a `ValueError`, as callers of any Python function expect."""
    assert issubclass(ConfigError, ValueError)
    assert issubclass(ConfigError, SseorError)
