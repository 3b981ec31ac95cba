"""The body of a request: what is sent, and what is answered before any network."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest

from sseor.chat.request import PARAMETERS, ChatRequest, chat_request
from sseor.errors import ConfigError

HELLO = [{"role": "user", "content": "Hello"}]


def request(**options: Any) -> ChatRequest:
    """Return a request with these options."""
    defaults: dict[str, Any] = {"model": "m", "messages": HELLO, "parameters": {}}
    return chat_request(**(defaults | options))


def body(**options: Any) -> dict[str, Any]:
    """Return the decoded body of a request."""
    decoded: dict[str, Any] = json.loads(request(**options).body)
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
    assert "Łódź 🌊".encode() in request(messages=[{"role": "user", "content": "Łódź 🌊"}]).body


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
        ("on_cut", r"argument of stream\(\)"),
        ("continue_on_length", r"argument of stream\(\)"),
        ("save_to", r"argument of stream\(\)"),
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
        {"extra_body": {"model": None}},
        {"extra_body": {"messages": "Hello"}},
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


def test_a_request_is_what_is_sent_not_what_becomes_of_its_parts() -> None:
    """Whoever goes on with his list of messages changes no request that was made from it."""
    messages = [{"role": "user", "content": "Hello"}]
    made = request(messages=messages, parameters={"stop": ("a",)})
    messages.append({"role": "user", "content": "more"})
    messages[0]["content"] = "other"
    assert (made.model, made.messages) == ("m", HELLO)
    assert made.fields["stop"] == ["a"]
    made.to_dict()["messages"].clear()
    assert made.fields == json.loads(made.body)


def test_a_request_goes_into_a_file_and_back() -> None:
    """`from_dict` of what `to_dict` gave sends the same bytes; a damaged one is refused."""
    made = request(parameters={"temperature": 0.1, "metadata": {"a": "ł"}}, stream=False)
    again = ChatRequest.from_dict(json.loads(json.dumps(made.to_dict())))
    assert (again, again.body) == (made, made.body)
    for damaged in ({}, {"model": "m"}, {"messages": HELLO}, {"model": "m", "messages": [1]}):
        with pytest.raises(ConfigError):
            ChatRequest.from_dict(damaged)


def test_the_repr_shows_no_message() -> None:
    """What people ask stays out of logs."""
    assert repr(request()) == "<ChatRequest m, 1 message(s)>"
