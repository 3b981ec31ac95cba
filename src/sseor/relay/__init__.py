"""To the browser: an async iterator of events, served to any number of viewers. `docs/relay.md` has the protocol."""

from sseor.relay.asgi import Answer, Application, Authorize, Question
from sseor.relay.formats import HEADERS
from sseor.relay.forwarding import Forwarding
from sseor.relay.limits import Limits
from sseor.relay.log import Log
from sseor.relay.memory import MemoryLog
from sseor.relay.records import Record, Relayed
from sseor.relay.refusal import RefusedError
from sseor.relay.relay import Relay
from sseor.relay.smoothing import Smoothing
from sseor.relay.viewer import Viewer

__all__ = [
    "HEADERS",
    "Answer",
    "Application",
    "Authorize",
    "Forwarding",
    "Limits",
    "Log",
    "MemoryLog",
    "Question",
    "Record",
    "RefusedError",
    "Relay",
    "Relayed",
    "Smoothing",
    "Viewer",
]
