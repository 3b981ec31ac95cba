"""The time that the exchange at hand may still take, known to the network below the HTTP library.

The HTTP library bounds single socket calls, and fixes the bound when a body starts. A deadline that moves while the
body is read therefore travels beside it: a shell sets the budget of its exchange in a context variable around each
call, and the network backends of this package take the smaller of the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import ContextVar

Clock = Callable[[], float]


class Budget:
    """A moving deadline on `clock`, and a limit for TCP and TLS of a new connection together, in seconds.

    `dialed` tells whether the exchange opened a connection of its own, instead of taking a kept one.
    """

    __slots__ = ("_connected_by", "clock", "connect", "deadline", "dialed")

    def __init__(self, clock: Clock, connect: float | None) -> None:
        self.clock = clock
        self.connect = connect
        self.deadline = math.inf
        self._connected_by = math.inf
        self.dialed = False

    def dial(self) -> None:
        """Start the time of a new connection."""
        self.dialed = True
        self._connected_by = math.inf if self.connect is None else self.clock() + self.connect

    def left(self, limit: float | None) -> float | None:
        """Return the seconds a socket call may take, at most `limit`; zero or less when the deadline has passed."""
        return _smaller(limit, self.deadline - self.clock())

    def left_to_connect(self, limit: float | None) -> float | None:
        """Return the seconds that connecting may still take, at most `limit`."""
        return _smaller(limit, min(self.deadline, self._connected_by) - self.clock())


def _smaller(limit: float | None, left: float) -> float | None:
    if limit is not None and limit < left:
        return limit
    return None if left == math.inf else left


_UNBOUNDED = Budget(lambda: 0.0, None)
_current: ContextVar[Budget] = ContextVar("sseor_budget", default=_UNBOUNDED)

current_budget = _current.get


class spending:  # noqa: N801 - reads as what it does: `with spending(budget, deadline):`
    """Make `budget` the one that the network knows, until `deadline` on its clock.

    A class, since a generator would cost a microsecond more at every read.
    """

    __slots__ = ("_budget", "_token")

    def __init__(self, budget: Budget, deadline: float) -> None:
        budget.deadline = deadline
        self._budget = budget

    def __enter__(self) -> None:
        self._token = _current.set(self._budget)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
