"""Where a follow-up goes: where the answer came from."""

from __future__ import annotations

from typing import Any

import pytest

from sseor.chat import Completion
from sseor.chat.routing import pinned


def routed(fields: dict[str, Any], model: str | None = None, provider: str | None = None) -> dict[str, Any]:
    """Return the pinned fields of a request for `m`, or another model in `fields`."""
    return pinned({"model": "m", **fields}, Completion(model=model, provider=provider))


def test_nothing_known_changes_nothing() -> None:
    """Servers other than OpenRouter name no provider, and the model asked for is kept with its variant."""
    assert routed({}) == {"model": "m"}
    assert routed({"model": "a/b:nitro"}, "a/b-20260115") == {"model": "a/b:nitro"}
    assert routed({"models": ["x"]}) == {"model": "m", "models": ["x"]}


@pytest.mark.parametrize(
    ("preferences", "order"),
    [
        (None, ["DeepInfra"]),
        ({}, ["DeepInfra"]),
        ({"order": None}, ["DeepInfra"]),
        ({"order": ["together"]}, ["DeepInfra", "together"]),
        ({"order": ["together", "deepinfra/turbo", "novita"]}, ["deepinfra/turbo", "together", "novita"]),
        ({"sort": "price", "allow_fallbacks": False, "order": ["deepinfra"]}, ["deepinfra"]),
    ],
)
def test_the_provider_goes_first(preferences: dict[str, Any] | None, order: list[str]) -> None:
    """Under the caller's own name for it if there is one; every other preference stays."""
    expected = {**(preferences or {}), "order": order}
    assert routed({"provider": preferences}, provider="DeepInfra")["provider"] == expected


def test_what_is_no_object_of_preferences_is_left_alone() -> None:
    """The server shall judge it."""
    assert routed({"provider": "deepinfra"}, provider="DeepInfra")["provider"] == "deepinfra"


@pytest.mark.parametrize(
    ("model", "models", "served", "asked"),
    [
        ("a/one", ["a/two:free"], "a/two-20260115", "a/two:free"),
        ("a/one:nitro", ["a/two"], "a/one", "a/one:nitro"),
        ("openai/gpt-4o", ["openai/gpt-4o-mini"], "openai/gpt-4o-mini", "openai/gpt-4o-mini"),
        ("a/one", None, "b/unknown", "b/unknown"),
        ("openrouter/auto", [], "openai/gpt-5", "openai/gpt-5"),
        ("openrouter/free", ["a/b"], "c/d", "c/d:free"),
        ("openrouter/free", [], "c/d:free", "c/d:free"),
    ],
)
def test_the_model_that_served_is_asked_for(model: str, models: Any, served: str, asked: str) -> None:
    """Where a router or a list chose, by the name in the list, so that a free answer does not become a paid one."""
    assert routed({"model": model, "models": models, "route": "fallback"}, served) == {"model": asked}


def test_a_router_without_a_list_is_replaced_too() -> None:
    """`openrouter/auto` might choose another model for the rest."""
    assert routed({"model": "openrouter/auto"}, "a/b") == {"model": "a/b"}
