"""`sseor.stream.billing`: who stops when a client leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from sseor.stream.billing import stops_when_left, warning_when_left


@pytest.mark.parametrize(
    ("provider", "stops"),
    [
        ("OpenAI", True),
        ("xAI", True),
        ("Together", True),
        ("Amazon Bedrock", False),
        ("AWS Bedrock", False),
        ("Google AI Studio", False),
        ("google", False),
        ("Inference.net", False),
        ("Loopback", None),
        ("", None),
        (None, None),
    ],
)
def test_providers_are_found_as_they_are_written(provider: str | None, stops: bool | None) -> None:
    """Case, blanks and dots make no difference, and an unknown provider is unknown."""
    assert stops_when_left(provider) is stops


def test_the_page_and_the_table_agree() -> None:
    """Each provider that docs/billing.md lists is known, and on the side on which the page lists it."""
    page = (Path(__file__).parents[2] / "docs" / "billing.md").read_text()
    _, stopping, _, going_on, *_ = page.partition("when you leave\n\n")[2].split("\n\n")
    for text, stops in ((stopping, True), (going_on, False)):
        names = [name.strip() for name in text.split(",")]
        assert len(names) > 20
        assert {name: stops_when_left(name) for name in names} == dict.fromkeys(names, stops)


def test_the_warning_names_the_provider() -> None:
    """Nothing is said of one that stops; one that runs on and one that is not known are told apart."""
    assert warning_when_left("Anthropic") == ""
    assert warning_when_left("Groq") == "Groq does not stop when a client leaves: the whole answer is billed"
    assert "not known whether Loopback" in warning_when_left("Loopback")
    assert "provider is not known" in warning_when_left(None)
