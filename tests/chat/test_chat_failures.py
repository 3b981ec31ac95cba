"""What providers say when they fail, in every shape in which they say it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseor.chat import Chunk, Failure


def read(body: object, status: int | None = None) -> Failure:
    """Return the failure, which must be there."""
    failure = Failure.from_object(body, status)
    assert failure is not None
    return failure


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"error": None},
        {"error": {}},
        {"error": ""},
        {"error": False},
        {"error": {"code": None, "message": None}},
        {"choices": [{"delta": {"content": "error"}, "error": None}]},
        {"x_groq": {"id": "r"}},
        {"type": "ping"},
        [],
        [1],
        "text",
        None,
        7,
    ],
)
def test_what_is_no_error(body: Any) -> None:
    """`error: null`, empty errors and good chunks report nothing."""
    assert Failure.from_object(body) is None


def test_the_documented_error_chunk() -> None:
    """Code, message, type and provider of a mid-stream error are read."""
    failure = Chunk(
        {
            "provider": "Novita",
            "error": {
                "code": 502,
                "message": "Upstream closed",
                "metadata": {"error_type": "provider_unavailable"},
            },
            "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
        }
    ).error
    assert failure == Failure(502, "Upstream closed", "provider_unavailable", "Novita", None, True, None)


@pytest.mark.parametrize(
    ("body", "code", "message", "retryable"),
    [
        ({"choices": [], "error": {"code": 429, "message": "slow"}}, 429, "slow", True),
        ({"error": {"code": 400, "message": "bad"}}, 400, "bad", False),
        ({"error": "text"}, None, "text", False),
        ({"error": 503}, 503, "", True),
        ({"error": ["a"]}, None, "['a']", False),
        ({"error": {"code": "429", "message": "slow"}}, 429, "slow", True),
        ({"error": {"code": "server_error", "message": "x"}}, "server_error", "x", True),
        ({"error": {"code": "invalid_api_key", "message": "x"}}, "invalid_api_key", "x", False),
        ({"error": {"code": None, "message": "x"}}, None, "x", True),
        ({"error": {"code": "  ", "message": "x", "type": "invalid_request_error"}}, None, "x", False),
        ({"error": {"code": "weird", "message": "x"}}, "weird", "x", True),
        ({"error": {"code": "9" * 40, "message": "x"}}, "9" * 40, "x", True),
        ({"choices": [{"error": {"code": 502, "message": "c"}, "finish_reason": "error"}]}, 502, "c", True),
        ({"x_groq": {"id": "r", "error": "over capacity"}}, None, "over capacity", False),
        ([{"error": {"code": 404, "message": "gone"}}], 404, "gone", False),
        ({"object": "error", "message": "vLLM", "type": "BadRequestError", "code": 400}, 400, "vLLM", False),
        (
            {"object": "error", "message": {"detail": "m"}, "type": "x", "code": "3230"},
            3230,
            "{'detail': 'm'}",
            True,
        ),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "o"}}, None, "o", True),
        ({"type": "error", "message": "flat", "code": 500}, 500, "flat", True),
        ({"error": {"http_status": 404, "error_type": "not_found", "message": "n"}}, 404, "n", False),
        ({"success": False, "error": {"name": "ZodError", "message": "[…]"}}, None, "[…]", True),
    ],
)
def test_every_shape_of_an_error(body: Any, code: int | str | None, message: str, retryable: bool) -> None:
    """Objects, strings, numbers, arrays, flat and choice-level errors, codes as words and digits."""
    failure = read(body)
    assert (failure.code, failure.message, failure.retryable) == (code, message, retryable)


@pytest.mark.parametrize(
    ("body", "error_type"),
    [
        ({"error": {"metadata": {"error_type": "timeout"}, "error_type": "x", "type": "y"}}, "timeout"),
        ({"error": {"error_type": "server", "type": "y"}}, "server"),
        ({"error": {"message": "m"}, "error_type": "unmapped"}, "unmapped"),
        ({"error": {"availability": {"code": "no_endpoints"}}}, "no_endpoints"),
        ({"error": {"type": "rate_limit_error"}}, "rate_limit_error"),
        ({"error": {"name": "ZodError"}}, "ZodError"),
        ({"error": "text", "error_type": "server"}, "server"),
        ({"object": "error", "message": "m", "type": "error"}, None),
    ],
)
def test_the_error_type_from_every_place(body: Any, error_type: str | None) -> None:
    """`error_type` is read from the metadata, the error, beside it, and from the words of other servers."""
    assert read(body).error_type == error_type


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        ({"availability": {"code": "capacity_exhausted", "retry_after": 7}}, 7.0),
        ({"metadata": {"retry_after_seconds": 12}}, 12.0),
        ({"metadata": {"headers": {"Retry-After": "3"}}}, 3.0),
        ({"metadata": {"headers": {"retry-after-ms": "1500"}}}, 1.5),
        ({"retry_after": "2.5"}, 2.5),
        ({"retry_after": 0}, 0.0),
        ({"retry_after": -1}, None),
        ({"retry_after": True}, None),
        ({"retry_after": "²"}, None),
        ({"retry_after": "9" * 5000}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": float("inf")}, None),
        ({"retry_after": float("nan")}, None),
        ({"retry_after": 10**400}, None),
        ({"metadata": {"headers": {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}}}, None),
        ({"metadata": {"headers": "x", "retry_after_seconds": None}}, None),
    ],
)
def test_the_wait_from_every_place(error: dict[str, Any], seconds: float | None) -> None:
    """`retry_after` is found where servers put it; what is no finite number of seconds is not."""
    assert read({"error": {"code": 429, **error}}).retry_after == seconds


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 520, 524, 529])
def test_transient_statuses(status: int) -> None:
    """The statuses of the retry table are transient, in a body and beside one."""
    assert read({"error": {"code": status, "message": "x"}}).retryable
    assert read({}, status).retryable


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 412, 413, 422])
def test_permanent_statuses(status: int) -> None:
    """The others are not."""
    assert not read({"error": {"code": status, "message": "x"}}).retryable
    assert not read("", status).retryable


def test_402_is_transient_only_in_flight() -> None:
    """The in-flight budget, or a wait, makes a 402 transient."""
    assert read(
        {"error": {"code": 402, "metadata": {"limit_source": "openrouter_in_flight_budget"}}}
    ).retryable
    assert read({"error": {"code": 402, "metadata": {"retry_after_seconds": 1}}}).retryable
    assert not read({"error": {"code": 402, "metadata": {"limit_source": "openrouter_credits"}}}).retryable


@pytest.mark.parametrize("retryable", [True, False])
def test_availability_says_what_is_retryable(retryable: bool) -> None:
    """The boolean is trusted over the code, inside the error and beside it."""
    availability = {"code": "no_endpoints", "retryable": retryable}
    assert read({"error": {"code": 404, "availability": availability}}).retryable is retryable
    assert read({"error": {"code": 503, "message": "x"}, "availability": availability}).retryable is retryable


def test_the_status_of_the_answer_fills_in() -> None:
    """Without a code of its own a body takes the HTTP status; with one it keeps it; a 200 without error is none."""
    assert read({"detail": "no"}, 422) == Failure(422, "no")
    assert read({"msg": "x"}, 418).message == "x"
    assert read({"error": {"name": "ZodError", "message": "x"}}, 400).code == 400
    assert not read({"error": {"name": "ZodError", "message": "x"}}, 400).retryable
    assert read("error code: 524", 524) == Failure(524, "error code: 524", retryable=True)
    assert read(["x"], 500).code == 500
    assert Failure.from_object({"choices": []}, 200) is None


def test_the_provider_and_its_own_words() -> None:
    """Provider and native message come from the metadata, wherever the error sits."""
    failure = read(
        {
            "error": {
                "code": 429,
                "message": "Provider returned error",
                "metadata": {"raw": '{"detail": "slow\\n"}', "provider_name": "Chutes"},
            }
        }
    )
    assert (failure.provider, failure.native) == ("Chutes", '{"detail": "slow\\n"}')
    assert read({"error": {"message": "x", "metadata": {"raw": {"a": 1}}}}).native == "{'a': 1}"
    assert read({"error": {"message": "x", "metadata": {"provider_error_code": "E1"}}}).native == "E1"
    assert (
        read({"error": {"message": "x", "innererror": {"code": "filtered"}}}).native == "{'code': 'filtered'}"
    )
    assert read({"error": {"message": "x", "provider": "P"}}).provider == "P"


def test_messages_are_cleaned_and_cut() -> None:
    """Control characters, escape sequences and keys are gone, and a megabyte becomes a thousand characters."""
    failure = read({"error": {"message": "\x1b[31mred\r\n sk-or-v1-0123456789abcdef \ud800" + "x" * 10**6}})
    assert failure.message.isprintable()
    assert len(failure.message) <= 1000
    assert "0123456789" not in failure.message
    failure.message.encode()


def test_a_failure_round_trips() -> None:
    """`from_dict` gives back what `to_dict` wrote."""
    failure = read({"error": {"code": "429", "message": "x", "metadata": {"retry_after_seconds": 3}}})
    assert Failure.from_dict(failure.to_dict()) == failure


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "code",
                    "message",
                    "metadata",
                    "availability",
                    "retryable",
                    "headers",
                    "retry-after",
                    "retry_after",
                    "choices",
                    "x_groq",
                    "type",
                    "raw",
                    "error_type",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(json_values, st.none() | st.integers(200, 599))
def test_any_body_is_read_without_an_exception(body: Any, status: int | None) -> None:
    """Whatever the body is, the result is a failure of printable parts or none."""
    failure = Failure.from_object(body, status)
    assert failure is not None or status is None or status < 400
    if failure is not None:
        assert failure.message == "" or failure.message.isprintable()
        assert failure.retry_after is None or failure.retry_after >= 0
