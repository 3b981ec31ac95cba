"""The body of a request: what is sent, and what is answered before any network."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest

from sseor.chat.request import PARAMETERS, encode_body
from sseor.errors import ConfigError

HELLO = [{"role": "user", "content": "Hello"}]


def body(**options: Any) -> dict[str, Any]:
    """Return the decoded body of a request."""
    defaults: dict[str, Any] = {"model": "m", "messages": HELLO, "parameters": {}}
    decoded: dict[str, Any] = json.loads(encode_body(**(defaults | options)))
    return decoded


def test_a_stream_always_asks_for_usage() -> None:
    """OpenRouter ignores include_usage, OpenAI and vLLM need it."""
    assert body() == {
        "model": "m",
        "messages": HELLO,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_complete_request_asks_for_no_stream() -> None:
    """An answer that is not streamed has no stream options."""
    assert body(stream=False) == {"model": "m", "messages": HELLO, "stream": False}


def test_parameters_and_extra_body_are_passed_on() -> None:
    """Known parameters go as they are; extra_body wins over them, but never over `stream`."""
    sent = body(
        parameters={"temperature": 0.5, "seed": None},
        extra_body={"temperature": 1, "future": [1], "stream": False},
    )
    assert (sent["temperature"], sent["seed"], sent["future"], sent["stream"]) == (1, None, [1], True)


def test_text_goes_as_utf8_not_as_escapes() -> None:
    """Text is sent as it is written."""
    assert "Łódź 🌊".encode() in encode_body(
        model="m", messages=[{"role": "user", "content": "Łódź 🌊"}], parameters={}
    )


def test_any_mapping_and_sequence_is_json() -> None:
    """Read-only mappings and tuples need no conversion by the caller."""
    message = MappingProxyType({"role": "user", "content": ("a", range(2))})
    assert body(messages=(message,))["messages"] == [{"role": "user", "content": ["a", [0, 1]]}]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("temprature", "temperature"),
        ("max_token", "max_tokens"),
        ("timeout", "Timeouts"),
        ("max_retries", "RetryPolicy"),
        ("extra_headers", "headers="),
        ("stream", "complete"),
        ("on_cut", "partial"),
        ("continue_on_length", "not continued"),
        ("zzz", "extra_body"),
    ],
)
def test_an_unknown_parameter_names_what_was_meant(name: str, hint: str) -> None:
    """The error names the nearest known parameter, our name for another SDK's, or extra_body."""
    with pytest.raises(ConfigError, match=hint):
        body(parameters={name: 1})


@pytest.mark.parametrize(
    "options",
    [
        {"model": ""},
        {"model": " "},
        {"model": None},
        {"messages": "Hello"},
        {"messages": {"role": "user"}},
        {"messages": []},
        {"messages": 5},
        {"messages": ["Hello"]},
        {"messages": [{"content": "Hello"}]},
        {"messages": [{"role": "user", "content": "half \ud83e"}]},
        {"messages": [{"role": "user", "content": b"bytes"}]},
        {"messages": [{"role": "user", "content": {1, 2}}]},
        {"parameters": {"temperature": float("nan")}},
        {"parameters": {"temperature": float("inf")}},
        {"extra_body": [1]},
    ],
)
def test_what_no_server_could_accept(options: dict[str, Any]) -> None:
    """A missing model, malformed messages, lone surrogates, NaN and what is not JSON are a ConfigError."""
    with pytest.raises(ConfigError):
        body(**options)


def test_a_request_that_holds_itself() -> None:
    """A cycle is reported, not followed."""
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    with pytest.raises(ConfigError, match="JSON"):
        body(extra_body=loop)


def test_the_parameters_are_those_of_the_signature() -> None:
    """The typed keywords and the accepted names are the same set."""
    assert {"temperature", "reasoning", "provider", "tools", "models"} <= PARAMETERS
