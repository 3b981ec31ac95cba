"""`sseor.relay.codes`: each failure has a word of the table in the documentation, and no words of upstream's."""

from __future__ import annotations

from pathlib import Path

import pytest

from sseor import errors
from sseor.relay.codes import code_of

PAGE = (Path(__file__).parents[2] / "docs" / "relay.md").read_text()

CASES = [
    (errors.ConfigError("x"), "internal"),
    (errors.MisuseError("x"), "internal"),
    (RuntimeError("x"), "internal"),
    (errors.ConnectError("x"), "unreachable"),
    (errors.ConnectTimeoutError("x"), "unreachable"),
    (errors.StatusError(status=307), "refused"),
    (errors.StatusError(status=400), "refused"),
    (errors.StatusError(status=401), "unauthorized"),
    (errors.StatusError(status=402), "no_credit"),
    (errors.StatusError(status=403), "moderated"),
    (errors.StatusError(status=403, error_type="region_restricted"), "refused"),
    (errors.StatusError(status=404), "refused"),
    (errors.StatusError(status=408), "unavailable"),
    (errors.StatusError(status=429), "rate_limited"),
    (errors.StatusError(status=503), "unavailable"),
    (errors.StatusError(status=529, code="Overloaded_Error"), "unavailable"),
    (errors.ContentTypeError("x"), "protocol"),
    (errors.ProtocolError("x"), "protocol"),
    (errors.EventTooLargeError("x"), "protocol"),
    (errors.ChunkError("x"), "protocol"),
    (errors.CutShortError("x"), "cut"),
    (errors.ConnectionLostError("x"), "cut"),
    (errors.EndedEarlyError("x"), "cut"),
    (errors.ResumeError("x"), "cut"),
    (errors.StallError("x"), "stalled"),
    (errors.DeadlineError("x"), "deadline"),
    (errors.GenerationError("x"), "generation"),
    (errors.GenerationError("x", code="odd", error_type="odder"), "generation"),
    (errors.GenerationError("x", code=400), "generation"),
    (errors.GenerationError("x", code=429), "rate_limited"),
    (errors.GenerationError("x", code=502), "unavailable"),
    (errors.GenerationError("x", error_type="content_policy_violation"), "moderated"),
    (errors.GenerationError("x", code="insufficient_quota"), "no_credit"),
]


@pytest.mark.parametrize(("error", "code"), CASES)
def test_each_failure_has_its_code(error: Exception, code: str) -> None:
    """The most telling of status, type and class decides, and the page lists the code."""
    assert code_of(error) == code
    assert f"\n| `{code}` |" in PAGE


def test_no_class_is_forgotten() -> None:
    """Each class of the tree stands in the cases above."""
    assert {type(error).__name__ for error, _ in CASES} >= set(errors.__all__) - {"SseorError"}
