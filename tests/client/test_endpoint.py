"""Where requests go and as whom."""

from __future__ import annotations

from typing import Any

import pytest

from sseor.client.endpoint import KEY_VARIABLE, OPENROUTER, endpoint
from sseor.errors import ConfigError

KEY = "sk-or-v1-canary-0123456789"
LOCAL = "http://127.0.0.1:9/api/v1"


def test_the_environments_key_goes_to_openrouter_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another server gets no Authorization field unless a key is passed on purpose."""
    monkeypatch.setenv(KEY_VARIABLE, f" {KEY}\n")
    assert endpoint(api_key=None, base_url=OPENROUTER).headers["Authorization"] == f"Bearer {KEY}"
    assert "Authorization" not in endpoint(api_key=None, base_url=LOCAL).headers
    assert (
        "Authorization"
        not in endpoint(api_key=None, base_url="https://openrouter.ai.evil.example/v1").headers
    )
    assert endpoint(api_key="mine", base_url=LOCAL).headers["Authorization"] == "Bearer mine"


def test_openrouter_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one the error says what to set."""
    monkeypatch.setenv(KEY_VARIABLE, "  ")
    with pytest.raises(ConfigError, match=KEY_VARIABLE):
        endpoint(api_key=None, base_url=OPENROUTER)


@pytest.mark.parametrize("key", ["", "  \n", "sk-\x00secret", "sk-sec\r\nret", "sk-sécret", "sk se cret", 5])
def test_a_key_that_no_key_can_be(key: Any) -> None:
    """Blank, control and non-ASCII keys are refused without their text."""
    with pytest.raises(ConfigError) as caught:
        endpoint(api_key=key, base_url=LOCAL)
    assert "cret" not in f"{caught.value!r} {caught.value} {caught.value.args}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "openrouter.ai/api/v1",
        "ftp://openrouter.ai",
        "https://",
        "https:///api",
        "https://a b.example",
        "https://exämple.org",
        "https://user:secret@host.example",
        "https://host.example/?q=1",
        "https://host.example/#f",
        "https://host.example:99999",
        "https://host.example:0",
        "http://[::1",
        "https://host.example/\x7f",
        None,
        5,
    ],
)
def test_a_url_that_cannot_be_used(url: Any) -> None:
    """A URL without scheme or host, with credentials, a query, blanks or a wrong port is refused."""
    with pytest.raises(ConfigError, match="base_url"):
        endpoint(api_key="k", base_url=url)


def test_a_key_does_not_travel_in_the_clear() -> None:
    """Plain http with a key is for loopback only; without a key it may go anywhere."""
    with pytest.raises(ConfigError, match="https"):
        endpoint(api_key=KEY, base_url="http://10.0.0.7:8000/v1")
    with pytest.raises(ConfigError, match="https"):
        endpoint(api_key=KEY, base_url="http://localhost.example/v1")
    for host in ("127.0.0.1", "[::1]", "localhost", "api.localhost", "127.8.8.8"):
        assert endpoint(api_key=KEY, base_url=f"http://{host}:1/v1").key == KEY
    assert endpoint(api_key=None, base_url="http://10.0.0.7:8000/v1").key == ""


def test_a_route_is_below_the_base_url() -> None:
    """A final slash makes no difference."""
    assert endpoint(api_key=None, base_url=LOCAL + "/").url("/generation") == LOCAL + "/generation"
    assert endpoint(api_key=None, base_url=LOCAL).host == "127.0.0.1:9"
    assert not endpoint(api_key=None, base_url=LOCAL).is_tls


def test_attribution_and_further_fields() -> None:
    """`app` becomes the two attribution fields, `headers` are sent as they are."""
    fields = endpoint(
        api_key=None,
        base_url=LOCAL,
        app=("https://tides.example", "Tides"),
        headers={"X-OpenRouter-Metadata": "enabled"},
    ).headers
    assert fields["HTTP-Referer"] == "https://tides.example"
    assert fields["X-OpenRouter-Title"] == "Tides"
    assert fields["X-OpenRouter-Metadata"] == "enabled"
    assert fields["Accept-Encoding"] == "identity"


def test_a_request_without_a_body_asks_for_json() -> None:
    """The fields of a GET speak of no content, and say that a stream is not what is wanted."""
    where = endpoint(api_key=KEY, base_url=LOCAL)
    assert where.get_headers["Accept"] == "application/json"
    assert where.headers.keys() - where.get_headers.keys() == {"Content-Type"}


@pytest.mark.parametrize(
    "options",
    [
        {"app": "Tides"},
        {"app": ("https://tides.example", "Gezeiten für alle")},
        {"headers": {"authorization": "Bearer x"}},
        {"headers": {"Host": "x"}},
        {"headers": {"X-A": "a\r\nX-B: b"}},
        {"headers": {"X-A": " a"}},
        {"headers": {"X-A": 1}},
        {"headers": {1: "x"}},
        {"headers": {"": "x"}},
        {"headers": {"a b": "x"}},
        {"headers": {"a:": "x"}},
    ],
)
def test_a_header_field_that_cannot_be_sent(options: Any) -> None:
    """Fields that the client owns, and values that would break or change the request, are refused."""
    with pytest.raises(ConfigError):
        endpoint(api_key=None, base_url=LOCAL, **options)


def test_the_key_shows_in_no_repr() -> None:
    """An endpoint can be logged."""
    assert KEY not in repr(endpoint(api_key=KEY, base_url=LOCAL))
