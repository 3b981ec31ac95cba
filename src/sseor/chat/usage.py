"""Usage: a typed view over what was counted and what it costs."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sseor.chat.view import View, as_index, json_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["TokenDetails", "Usage"]


class _Count:
    """A field that holds a number of tokens, under the first of its names that is there."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def __get__(self, view: View | None, owner: type) -> int | None:
        if view is not None:
            for name in self._names:
                if (count := as_index(view.raw.get(name))) is not None:
                    return count
        return None


class TokenDetails(View):
    """How a number of tokens is made up; every count may be None."""

    __slots__ = ()
    cached_tokens = _Count("cached_tokens")
    cache_write_tokens = _Count("cache_write_tokens")
    reasoning_tokens = _Count("reasoning_tokens")
    audio_tokens = _Count("audio_tokens")
    image_tokens = _Count("image_tokens")
    video_tokens = _Count("video_tokens")
    accepted_prediction_tokens = _Count("accepted_prediction_tokens")
    rejected_prediction_tokens = _Count("rejected_prediction_tokens")

    def __repr__(self) -> str:
        return f"TokenDetails({dict(self.raw)!r})"


class Usage(View):
    """What was counted and what it costs, in native tokens and in credits (US dollars); each may be None."""

    __slots__ = ()
    prompt_tokens = _Count("prompt_tokens")
    completion_tokens = _Count("completion_tokens")
    total_tokens = _Count("total_tokens")

    @property
    def prompt_tokens_details(self) -> TokenDetails:
        """Cached tokens and others, all included in `prompt_tokens`."""
        details = self.raw.get("prompt_tokens_details")
        if type(details) is dict:
            return TokenDetails(details)
        hit = self.raw.get("prompt_cache_hit_tokens")  # DeepSeek
        return TokenDetails({} if hit is None else {"cached_tokens": hit})

    @property
    def completion_tokens_details(self) -> TokenDetails:
        """Reasoning tokens and others, all included in `completion_tokens`."""
        return TokenDetails(json_object(self.raw.get("completion_tokens_details")))

    @property
    def reasoning_tokens(self) -> int | None:
        """Tokens of `completion_tokens` that went into reasoning."""
        return self.completion_tokens_details.reasoning_tokens

    @property
    def cached_tokens(self) -> int | None:
        """Tokens of `prompt_tokens` that came from a cache."""
        return self.prompt_tokens_details.cached_tokens

    @property
    def cost(self) -> float | None:
        """What the account pays, as a float; see `cost_decimal` for sums."""
        return None if self.cost_decimal is None else float(self.cost_decimal)

    @property
    def cost_decimal(self) -> Decimal | None:
        """The cost in the digits that the server wrote.

        A float's shortest form gives back any decimal of up to 15 digits, and all that JavaScript writes.
        """
        cost = self.raw.get("cost")
        return Decimal(repr(cost)) if type(cost) is int or type(cost) is float else None

    @property
    def cost_details(self) -> Mapping[str, Any]:
        """The provider's own price and its parts, as sent."""
        return json_object(self.raw.get("cost_details"))

    @property
    def is_byok(self) -> bool | None:
        """Whether the caller's own provider key was used."""
        value = self.raw.get("is_byok")
        return value if type(value) is bool else None

    @property
    def server_tool_use(self) -> Mapping[str, Any]:
        """Counts of server-run tools, under either of its names."""
        return json_object(self.raw.get("server_tool_use") or self.raw.get("server_tool_use_details"))

    @classmethod
    def summed(cls, usages: Iterable[Usage]) -> Usage | None:
        """Return the sum of what providers reported for several generations; None without any.

        Every number is added, costs in their decimal digits; of anything else the last value stands.
        """
        total: Any = None
        for usage in usages:
            total = _sum(total, usage.raw)
        return None if total is None else cls(total)

    def __repr__(self) -> str:
        counts = f"{self.prompt_tokens} + {self.completion_tokens} = {self.total_tokens} tokens"
        return f"<Usage {counts}{'' if self.cost is None else f', cost {self.cost_decimal}'}>"


def _sum(one: Any, other: Any) -> Any:
    """Add two JSON values: numbers by their decimal digits, objects field by field; else the last that is not null."""
    if other is None:
        return one
    if type(one) is dict and type(other) is dict:
        return {name: _sum(one.get(name), other.get(name)) for name in {**one, **other}}
    if type(one) is int and type(other) is int:
        return one + other
    if type(one) in (int, float) and type(other) in (int, float):
        return float(Decimal(repr(one)) + Decimal(repr(other)))
    return other
