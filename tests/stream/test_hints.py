"""How long a server asks to wait."""

from __future__ import annotations

import pytest

from sseor.stream.hints import retry_after

NOON = 1795348800.0  # Sun, 22 Nov 2026 12:00:00 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("12", 12),
        (" 1.5 ", 1.5),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60),
        ("Sun, 22 Nov 2026 12:01:00 -0000", 60),
        ("Sun, 22 Nov 2026 11:59:00 GMT", None),
        ("", None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("²", None),
        ("9" * 5000, None),
        ("soon", None),
        ("Sun, 99 Nov 2026 12:01:00 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    """Seconds and dates are understood; the past and nonsense are no hint."""
    hint = retry_after({"retry-after": value}, NOON)
    assert (
        hint == seconds
        if seconds is None
        else hint == pytest.approx(seconds, abs=3600 * 14 if "-0000" in value else 0)
    )


def test_milliseconds_go_first() -> None:
    """retry-after-ms is finer, so it wins; nonsense in it falls back."""
    assert retry_after({"retry-after-ms": "250", "retry-after": "9"}, NOON) == 0.25
    assert retry_after({"retry-after-ms": "x", "retry-after": "9"}, NOON) == 9
    assert retry_after({}, NOON) is None
