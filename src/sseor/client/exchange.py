"""One HTTP exchange after another, for threads: open, read up to a deadline, let go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from sseor.stream import Expired, Head, Open, Pause, Read

from .budget import Budget, spending
from .cutoff import Cutoff
from .http import body_of, head_of, request_for
from .link import Link


class Exchange:
    """The exchange at hand of one stream; `open` lets go of the one before."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._budget = Budget(time.monotonic, None)
        self._response: Any = None
        self._body: Iterator[bytes] = iter(())
        self._cutoff: Cutoff | None = None

    def perform(self, step: Open | Read | Pause) -> Any:
        """Do what a step asks for and return the answer to it; raises `Expired` or `Failed`."""
        if isinstance(step, Read):
            return self.read(step.deadline)
        if isinstance(step, Open):
            return self.open(step)
        time.sleep(max(0.0, step.until - time.monotonic()))
        return time.monotonic()

    def open(self, step: Open) -> Head:
        """Send the request and return the head of its response; raises `Expired` or `Failed`."""
        self.close()
        self._link.check()
        self._budget = Budget(time.monotonic, step.connect)
        while self._response is None:
            request = request_for(self._link.http, self._link.endpoint, step)
            if not self._link.owned:
                self._cutoff = Cutoff.watching(request)
            try:
                with self._until(step.deadline):
                    self._response = self._link.http.send(request, stream=True, follow_redirects=False)
            except Exception as error:
                signal = self._link.signal(error, time.monotonic(), step.deadline, in_body=False)
                if not self._link.was_stale(signal, self._budget):
                    raise signal from error
        self._body = iter(body_of(self._response))
        if self._cutoff is not None:
            self._cutoff.watch(self._response)
        return head_of(self._response, time.monotonic())

    def read(self, deadline: float) -> tuple[bytes, float]:
        """Return the next bytes of the body, b"" at its end, and when they came; raises `Expired` or `Failed`."""
        try:
            with self._until(deadline):
                data = next(self._body, b"")
        except Exception as error:
            raise self._link.signal(error, time.monotonic(), deadline, in_body=True) from error
        now = time.monotonic()
        if self._cutoff is not None and self._cutoff.fired:
            raise Expired(now)
        return data, now

    def close(self) -> None:
        """Close the response: its connection goes back to the pool when it is at its end, else it is closed."""
        response, self._response = self._response, None
        cutoff, self._cutoff = self._cutoff, None
        if cutoff is not None:
            cutoff.cancel()
        if response is not None:
            self._body = iter(())
            response.close()

    def _until(self, deadline: float) -> Any:
        if self._cutoff is not None:
            return self._cutoff.armed(deadline)
        return spending(self._budget, deadline)
