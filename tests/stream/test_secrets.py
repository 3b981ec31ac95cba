"""The API key is taken out of every text that an error carries."""

from __future__ import annotations

import pytest

from sseor.chat import Accumulator, Chunk, Completion, Finished, Generation, Text
from sseor.errors import ConnectError, StatusError
from sseor.stream.secrets import REDACTED, SHORTEST, events_without, redact, redacted, without_echo

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


def named(key: str) -> Completion:
    """Return an answer whose server uses the key as a word of its own."""
    accumulator = Accumulator()
    choice = {
        "index": 0,
        "delta": {"content": f"Low {key}"},
        "finish_reason": key,
        "native_finish_reason": key,
    }
    names = {"id": f"gen-{key}", "model": f"m/{key}", "provider": key, "system_fingerprint": key}
    accumulator.add(Chunk({"model": f"first/{key}", "choices": []}))
    accumulator.add(Chunk({**names, "choices": [choice]}))
    completion = accumulator.completion()
    completion.generations.append(Generation.of(completion))
    return completion


def test_names_and_reasons_of_the_server_hold_no_key() -> None:
    """Whatever the server calls model, provider, id or reason; the text of the answer stays as it came."""
    completion = without_echo(named(KEY), KEY)
    assert completion.text == f"Low {KEY}"
    assert (completion.model, completion.provider) == (f"m/{REDACTED}", REDACTED)
    assert (completion.finish_reason, completion.changed_from["model"]) == (REDACTED, f"first/{REDACTED}")
    assert completion.timeline.metrics().finish_reason == REDACTED
    assert str(completion.to_dict()).count(KEY) == 1


def test_a_key_that_is_a_word_is_no_secret() -> None:
    """What local servers are given for form's sake stands in names of models, too."""
    word = "k" * (SHORTEST - 1)
    assert without_echo(named(word), word) == named(word)
    assert events_without([Finished(word)], word) == [Finished(word)]


def test_the_event_of_the_end_holds_no_key() -> None:
    """Of the events only that one carries a word of the server that is not of the answer."""
    events = [Text(KEY), Finished(KEY, 1), Finished("stop")]
    assert events_without(events, KEY) == [Text(KEY), Finished(REDACTED, 1), Finished("stop")]
