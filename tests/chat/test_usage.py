"""Usage: counts, cost to the digit, and details under every name."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseor.chat import TokenDetails, Usage


def test_the_documented_usage() -> None:
    """Every documented field is read."""
    usage = Usage(
        {
            "prompt_tokens": 1830,
            "completion_tokens": 412,
            "total_tokens": 2242,
            "cost": 0.00731,
            "is_byok": False,
            "prompt_tokens_details": {
                "cached_tokens": 1536,
                "cache_write_tokens": 1,
                "audio_tokens": 2,
                "video_tokens": 3,
            },
            "cost_details": {"upstream_inference_cost": 0.00731},
            "completion_tokens_details": {
                "reasoning_tokens": 256,
                "image_tokens": 4,
                "accepted_prediction_tokens": 5,
                "rejected_prediction_tokens": 6,
            },
            "server_tool_use": {"web_search_requests": 1},
        }
    )
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (1830, 412, 2242)
    assert (usage.cost, usage.is_byok, usage.reasoning_tokens, usage.cached_tokens) == (
        0.00731,
        False,
        256,
        1536,
    )
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    assert (prompt.cache_write_tokens, prompt.audio_tokens, prompt.video_tokens) == (1, 2, 3)
    assert (completion.image_tokens, completion.reasoning_tokens) == (4, 256)
    assert (completion.accepted_prediction_tokens, completion.rejected_prediction_tokens) == (5, 6)
    assert usage.cost_details == {"upstream_inference_cost": 0.00731}
    assert usage.server_tool_use == {"web_search_requests": 1}
    assert repr(usage) == "<Usage 1830 + 412 = 2242 tokens, cost 0.00731>"


@pytest.mark.parametrize("wrong", [None, "x", [], {}, True, 1.5])
def test_everything_may_be_missing(wrong: Any) -> None:
    """Null, missing and wrong values are None or empty, never an exception."""
    names = [
        "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details",
        "server_tool_use", "cost_details",
    ]  # fmt: skip
    usage = Usage(dict.fromkeys(names, wrong))
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (None, None, None)
    assert (usage.reasoning_tokens, usage.cached_tokens, usage.cost, usage.cost_decimal) == (
        None,
        None,
        None,
        None,
    )
    assert (usage.cost_details, usage.server_tool_use, usage.is_byok) == ({}, {}, None)
    assert Usage({"is_byok": "yes", "cost": wrong if wrong != 1.5 else None}).cost is None


@pytest.mark.parametrize(
    "written", ["5.505e-05", "0.00005505", "0.0000057915", "5.7e-07", "0.1", "12.3456789012345", "0"]
)
def test_the_cost_has_the_digits_of_the_server(written: str) -> None:
    """The decimal is the number as written, without binary rounding; sums reconcile."""
    usage = Usage({"cost": json.loads(written)})
    assert usage.cost_decimal == Decimal(written)
    assert usage.cost == float(written)
    assert sum([usage.cost_decimal] * 10, Decimal(0)) == 10 * Decimal(written)


def test_names_of_other_servers() -> None:
    """DeepSeek's cache counter and the other name of the server tools are understood."""
    assert Usage({"prompt_cache_hit_tokens": 4}).cached_tokens == 4
    assert Usage({"server_tool_use_details": {"tool_calls_executed": 2}}).server_tool_use == {
        "tool_calls_executed": 2
    }


def test_details_print_what_they_hold() -> None:
    """The details show their object; a count on the class is None."""
    assert repr(TokenDetails({"audio_tokens": 1})) == "TokenDetails({'audio_tokens': 1})"
    assert TokenDetails.audio_tokens is None


def test_the_usage_of_several_generations_is_their_sum() -> None:
    """Counts, costs and details are added, what is no number is taken from the last that has it."""
    first = Usage(
        {
            "prompt_tokens": 10,
            "cost": 0.1,
            "is_byok": False,
            "tier": "flex",
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 3},
            "cost_details": None,
        }
    )
    second = Usage(
        {
            "prompt_tokens": 12,
            "cost": 0.2,
            "is_byok": True,
            "tier": None,
            "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 2},
            "completion_tokens_details": None,
            "cost_details": {"upstream_inference_cost": 0.3},
        }
    )
    assert Usage.summed([first, second]) == Usage(
        {
            "prompt_tokens": 22,
            "cost": 0.3,
            "is_byok": True,
            "tier": "flex",
            "prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 3},
            "cost_details": {"upstream_inference_cost": 0.3},
        }
    )


def test_the_sum_of_no_usage_is_unknown() -> None:
    """Nothing reported is not a cost of nothing; one usage is its own sum."""
    assert Usage.summed([]) is None
    assert Usage.summed([Usage({"cost": 0})]) == Usage({"cost": 0})


@given(st.lists(st.decimals(0, 100, places=6), min_size=1, max_size=20))
def test_summed_costs_reconcile(costs: list[Decimal]) -> None:
    """The sum of costs is exact in decimal digits, without the dust of binary addition."""
    total = Usage.summed([Usage({"cost": float(cost)}) for cost in costs])
    assert total is not None
    assert total.cost_decimal == sum(costs)
