"""Streams LLM answers from OpenRouter and compatible servers over raw HTTP.

No silent truncation, no endless wait, no lost token. The public names are loaded when they are first used, so that
`sseor.wire` alone costs no HTTP import.
"""

from __future__ import annotations

import importlib

from ._version import __version__ as __version__

TYPE_CHECKING = False  # importing it from `typing` would treble what `sseor.wire` costs to import
if TYPE_CHECKING:
    from typing import Any

    from . import errors as errors
    from .chat import Accumulator as Accumulator
    from .chat import Annotation as Annotation
    from .chat import AudioDelta as AudioDelta
    from .chat import Choice as Choice
    from .chat import Chunk as Chunk
    from .chat import Completion as Completion
    from .chat import Delta as Delta
    from .chat import Finished as Finished
    from .chat import FinishReason as FinishReason
    from .chat import Heartbeat as Heartbeat
    from .chat import Image as Image
    from .chat import Metrics as Metrics
    from .chat import Reasoning as Reasoning
    from .chat import Refusal as Refusal
    from .chat import Restarted as Restarted
    from .chat import Resumed as Resumed
    from .chat import Retrying as Retrying
    from .chat import StreamEvent as StreamEvent
    from .chat import Text as Text
    from .chat import Timeline as Timeline
    from .chat import ToolCall as ToolCall
    from .chat import ToolCallDelta as ToolCallDelta
    from .chat import ToolCallDone as ToolCallDone
    from .chat import Usage as Usage
    from .chat import UsageReport as UsageReport
    from .chat import Verdict as Verdict
    from .chat import tool_result as tool_result
    from .client.asynchronous import AsyncClient as AsyncClient
    from .client.asynchronous import AsyncStream as AsyncStream
    from .client.saving import load as load
    from .client.saving import save as save
    from .client.sync import Client as Client
    from .client.sync import Stream as Stream
    from .client.text import atext as atext
    from .client.text import text as text
    from .errors import SseorError as SseorError
    from .metrics import MetricsLog as MetricsLog
    from .stream import RetryPolicy as RetryPolicy
    from .stream import Settlement as Settlement
    from .stream import Timeouts as Timeouts
    from .wire import Comment as Comment
    from .wire import Decoder as Decoder
    from .wire import Event as Event
    from .wire import encode as encode

_HOMES = {
    "chat": (
        "Accumulator", "Annotation", "AudioDelta", "Choice", "Chunk", "Completion", "Delta", "FinishReason",
        "Finished", "Heartbeat", "Image", "Metrics", "Reasoning", "Refusal", "Restarted", "Resumed", "Retrying",
        "StreamEvent", "Text", "Timeline", "ToolCall", "ToolCallDelta", "ToolCallDone", "Usage", "UsageReport",
        "Verdict", "tool_result",
    ),
    "client.asynchronous": ("AsyncClient", "AsyncStream"),
    "client.saving": ("load", "save"),
    "client.sync": ("Client", "Stream"),
    "client.text": ("atext", "text"),
    "errors": ("SseorError",),
    "metrics": ("MetricsLog",),
    "stream": ("RetryPolicy", "Settlement", "Timeouts"),
    "wire": ("Comment", "Decoder", "Event", "encode"),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_FLOORS = ("chat", "errors", "metrics", "stream", "testing", "wire")

__all__ = ["__version__", "errors", *_HOME_OF]


def __getattr__(name: str) -> Any:
    if name in _FLOORS:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
