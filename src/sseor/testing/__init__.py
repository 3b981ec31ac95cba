"""A loopback OpenRouter: a real HTTP server on 127.0.0.1 that answers well, or as badly as you script it.

It needs the standard library alone, no key and no network, and is what `sseor demo` talks to::

    from sseor.testing import Cut, Heartbeats, LoopbackServer, Say, play

    with LoopbackServer(play(Heartbeats(1), Say("Low", " water"), Cut())) as server:
        ...  # a client whose base URL is server.base_url must now report a cut, and keep "Low water"
        assert server.wait_idle(1)  # and let go of its connection
"""

from sseor.testing.acts import (
    Act,
    Body,
    Call,
    Comment,
    Cut,
    Done,
    Event,
    Fail,
    Finish,
    Head,
    Heartbeats,
    Raw,
    Reset,
    Role,
    Say,
    Silence,
    Stall,
    Status,
    Think,
    Usage,
)
from sseor.testing.connection import Connection, PeerGoneError
from sseor.testing.exchange import Exchange
from sseor.testing.openrouter import OpenRouter
from sseor.testing.play import answer, in_turn, play, replay
from sseor.testing.recording import Request
from sseor.testing.reply import Reply
from sseor.testing.server import LoopbackServer, Respond
from sseor.testing.shapes import Generation
from sseor.testing.tape import Tape, TapeError

__all__ = [
    "Act",
    "Body",
    "Call",
    "Comment",
    "Connection",
    "Cut",
    "Done",
    "Event",
    "Exchange",
    "Fail",
    "Finish",
    "Generation",
    "Head",
    "Heartbeats",
    "LoopbackServer",
    "OpenRouter",
    "PeerGoneError",
    "Raw",
    "Reply",
    "Request",
    "Reset",
    "Respond",
    "Role",
    "Say",
    "Silence",
    "Stall",
    "Status",
    "Tape",
    "TapeError",
    "Think",
    "Usage",
    "answer",
    "in_turn",
    "play",
    "replay",
]
