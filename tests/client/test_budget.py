"""The time that an exchange may still take."""

from __future__ import annotations

import math

from sseor.client.budget import Budget, current_budget, spending


def test_the_smaller_limit_counts() -> None:
    """A socket call gets its own limit or what is left, whichever is less; without either it is unbounded."""
    now = 100.0
    budget = Budget(lambda: now, connect=None)
    assert budget.left(None) is None
    assert budget.left(5) == 5
    with spending(budget, 103.0):
        assert current_budget() is budget
        assert budget.left(None) == 3
        assert budget.left(5) == 3
        assert budget.left(2) == 2
        now = 104.0
        assert budget.left(5) == -1
    assert current_budget() is not budget


def test_tcp_and_tls_share_the_limit_of_a_connection() -> None:
    """What TCP took is not there for TLS; the deadline of the exchange bounds both."""
    now = 0.0
    budget = Budget(lambda: now, connect=2.0)
    assert budget.left_to_connect(None) is None
    budget.dial()
    now = 1.5
    assert budget.left_to_connect(10) == 0.5
    budget.deadline = 1.75
    assert budget.left_to_connect(10) == 0.25
    unbounded = Budget(lambda: now, connect=None)
    unbounded.dial()
    assert unbounded.left_to_connect(None) is None
    assert unbounded.deadline == math.inf
