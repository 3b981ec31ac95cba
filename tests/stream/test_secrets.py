"""The API key is taken out of every text that an error carries."""

from __future__ import annotations

import pytest

from sseor.chat import Accumulator, Chunk
from sseor.errors import ConnectError, StatusError
from sseor.stream.secrets import REDACTED, redact, redacted, without_echo

KEY = "my-own-canary-0123456789"


def test_all_texts_of_an_error() -> None:
    """Whatever fact echoes the key, it is taken out; numbers and absent facts stay."""
    error = StatusError(
        f"no: {KEY}", status=401, code=KEY, message=f"{KEY}!", body=f"<{KEY}>", retry_after=1.0
    )
    error.generation_id = KEY
    redact(error, KEY)
    assert KEY not in f"{error} {error!r} {error.args} {vars(error)}"
    assert (error.code, error.message, error.retry_after) == (REDACTED, f"{REDACTED}!", 1.0)


@pytest.mark.parametrize("length", [8, 12, len(KEY) - 1])
@pytest.mark.parametrize("ellipsis", ["", "…"])
def test_a_key_that_a_cut_has_halved(length: int, ellipsis: str) -> None:
    """A recognisable beginning of the key at the end of a text is no less secret."""
    assert redacted(f"bad {KEY[:length]}{ellipsis}", KEY) == f"bad {REDACTED}"


def test_text_without_the_key_stays() -> None:
    """Nothing else is touched, and without a key there is nothing to take out."""
    assert redacted("bad my-own…", KEY) == "bad my-own…"
    assert redacted("bad", "") == "bad"


def test_a_cause_that_quotes_the_key_is_severed() -> None:
    """The chain of causes is printed with the error, so what quotes the key there must go; the rest stays."""
    for words, kept in (("illegal status line", True), (f"illegal status line {KEY}", False)):
        error = ConnectError("broken")
        outer, inner = ValueError("outer"), ValueError(words)
        error.__cause__, outer.__context__ = outer, inner
        redact(error, KEY)
        assert (error.__cause__ is outer) is kept
        redact(error, "")


def test_a_completion_that_quotes_a_failure() -> None:
    """What the provider said of a failure stands in the completion without the key; the rest is as it was."""
    accumulator = Accumulator()
    assert without_echo(accumulator.completion(), KEY) == accumulator.completion()
    accumulator.add(Chunk({"error": {"code": 502, "message": f"you sent {KEY}"}}))
    completion = without_echo(accumulator.completion(), KEY)
    assert completion.failure is not None
    assert (completion.failure.message, completion.failure.code) == (f"you sent {REDACTED}", 502)
    assert without_echo(accumulator.completion(), "") == accumulator.completion()
