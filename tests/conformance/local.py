"""An adapter within the process of the test: the bridge's own way to play, without pipes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from sseor.conformance import bridge
from sseor.conformance.protocol import Answer, parse_answer, request


class Local:
    """Plays a decoder where it is."""

    def __init__(self, factory: Callable[..., Any]) -> None:
        self._factory = factory
        self._runner = asyncio.Runner()  # makes an event loop only when a decoder needs one

    def ask(self, reads: Sequence[bytes], seconds: float) -> Answer:
        """Return the answer to a play."""
        said = bridge.answer(self._factory, json.loads(request(1, reads)), self._runner)
        answer = parse_answer(json.dumps(said).encode(), 1)
        assert answer is not None
        return answer
