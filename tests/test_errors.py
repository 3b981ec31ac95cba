"""The tree of errors: facts, texts, copies."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest

from sseor import errors
from sseor.chat import Accumulator, Completion
from sseor.errors import SseorError

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SseorError)]
FACTS: dict[type[SseorError], dict[str, Any]] = {
    errors.StatusError: {
        "status": 429,
        "code": "busy",
        "message": "m",
        "error_type": "t",
        "provider": "p",
        "body": "b",
        "retry_after": 1.5,
    },
    errors.ContentTypeError: {"content_type": "text/html", "body": "b"},
    errors.StallError: {"timer": "stall", "waited": 1.5},
    errors.DeadlineError: {"waited": 1.5},
    errors.EventTooLargeError: {"limit": 5},
    errors.ChunkError: {"number": 5, "extract": "x"},
    errors.GenerationError: {
        "code": 502,
        "message": "m",
        "error_type": "t",
        "provider": "p",
        "retry_after": 1.5,
        "retryable": True,
    },
}


def partial() -> Completion:
    """Return the completion of a cut answer."""
    accumulator = Accumulator()
    return accumulator.completion()


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_survives_pickling_and_copying(kind: type[SseorError]) -> None:
    """All facts are there again, the partial included, and the texts are the same."""
    error = kind("a plain sentence", **FACTS.get(kind, {}))
    error.partial, error.generation_id, error.attempts, error.phase = partial(), "gen-1", 2, "streaming"
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is kind
        assert {**vars(twin), "partial": None} == {**vars(error), "partial": None}
        assert twin.partial == error.partial
        assert (str(twin), repr(twin), twin.args) == (str(error), repr(error), error.args)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_can_be_made_of_nothing(kind: type[SseorError]) -> None:
    """Facts have defaults, so that users' tests can raise any of them."""
    assert kind().attempts == 0
    assert repr(kind("x")) == f"{kind.__name__}('x')"


def test_the_text_tells_what_was_kept() -> None:
    """The sentence comes first, then the partial, the generation and the attempts."""
    error = errors.EndedEarlyError("the answer is cut")
    assert str(error) == "the answer is cut"
    error.generation_id, error.attempts = "gen-1", 2
    error.partial = Completion.from_dict({**partial().to_dict(), "choices": [{"index": 0, "text": "Low"}]})
    assert str(error) == "the answer is cut (3 characters kept in .partial, generation gen-1, 2 attempts)"


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.ConfigError, ValueError),
        (errors.MisuseError, RuntimeError),
        (errors.ConnectTimeoutError, TimeoutError),
        (errors.StallError, TimeoutError),
        (errors.DeadlineError, TimeoutError),
    ],
)
def test_errors_are_what_python_calls_them(kind: type[SseorError], builtin: type[Exception]) -> None:
    """`except TimeoutError` catches every expiry, and so on."""
    assert issubclass(kind, builtin)


@pytest.mark.parametrize("kind", CLASSES)
def test_what_is_transient_in_kind(kind: type[SseorError]) -> None:
    """Failures of connections and cuts are; a spent budget and mistakes are not; the rest is told by its facts."""
    assert kind().retryable is issubclass(kind, (errors.ConnectError, errors.CutShortError))
    assert kind.__doc__


def test_the_list_of_names_is_whole() -> None:
    """Every class is exported."""
    assert {kind.__name__ for kind in CLASSES} == set(errors.__all__)
