"""Where a follow-up goes: to the model and the provider that gave the answer so far."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sseor.chat.completion import Completion

__all__ = ["pinned"]

_ROUTER = "openrouter/"  # its own models have no other author: routers, and a few that serve under that name


def pinned(fields: dict[str, Any], partial: Completion) -> dict[str, Any]:
    """Return the fields of a request, sent where `partial` came from if that is known.

    The provider goes first in `provider.order`, under its own name, as chunks report it; the other preferences and
    the fallbacks stay. The model stays the one that was asked for, variant suffix included, unless a router or a
    list chose: then it is the one that served.
    """
    pinned = dict(fields)
    if partial.model and ("models" in fields or str(fields["model"]).startswith(_ROUTER)):
        pinned["model"] = _served(partial.model, [fields["model"], *(fields.get("models") or ())])
        pinned.pop("models", None)
        pinned.pop("route", None)
    preferences = fields.get("provider")
    if partial.provider and (preferences is None or isinstance(preferences, dict)):
        preferences = preferences or {}
        order = preferences.get("order") or []
        same = [entry for entry in order if _slug(entry) == _slug(partial.provider)]
        first = same or [partial.provider]
        others = [entry for entry in order if entry not in same]
        pinned["provider"] = {**preferences, "order": [*first, *others]}
    return pinned


def _served(model: str, asked: list[Any]) -> str:
    """Return the name to ask for a model that served: chunks may leave out the variant and add a date."""
    names = [str(name) for name in asked]
    bases = {name: name.partition(":")[0] for name in names}
    same = [name for name in names if re.fullmatch(re.escape(bases[name]) + r"(-\d[\d-]*)?(:.*)?", model)]
    if same:
        return max(same, key=lambda name: len(bases[name]))
    free = f"{_ROUTER}free" in names[:1] and ":" not in model
    return f"{model}:free" if free else model


def _slug(provider: object) -> str:
    """Return a provider's name in the form that its display name and its slug share."""
    return re.sub(r"[^a-z0-9]", "", str(provider).partition("/")[0].lower())
