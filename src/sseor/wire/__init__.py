"""Bytes to events and back: the `text/event-stream` format of the WHATWG HTML standard, §9.2."""

from .decoder import Decoder, EventTooLargeError
from .encoder import encode
from .events import Comment, Event, Unfinished

__all__ = ["Comment", "Decoder", "Event", "EventTooLargeError", "Unfinished", "encode"]
