"""Events to meaning: chunks, their assembly, and what a stream hands out."""

from sseor.chat.accumulator import Accumulator
from sseor.chat.chunks import Choice, Chunk, Delta
from sseor.chat.completion import CompletedChoice, Completion
from sseor.chat.events import (
    Annotation,
    AudioDelta,
    Finished,
    Heartbeat,
    Image,
    Reasoning,
    Refusal,
    Restarted,
    Resumed,
    Retrying,
    StreamEvent,
    Text,
    ToolCallDelta,
    ToolCallDone,
    UsageReport,
)
from sseor.chat.failures import Failure
from sseor.chat.finish import FinishReason
from sseor.chat.generation import Generation
from sseor.chat.media import Audio
from sseor.chat.message import tool_result
from sseor.chat.metrics import Metrics
from sseor.chat.reader import Reader
from sseor.chat.request import ChatRequest
from sseor.chat.seam import SeamReport
from sseor.chat.timeline import AttemptTimes, Timeline
from sseor.chat.tool_calls import ToolCall
from sseor.chat.usage import TokenDetails, Usage
from sseor.chat.verdict import Verdict

__all__ = [
    "Accumulator",
    "Annotation",
    "AttemptTimes",
    "Audio",
    "AudioDelta",
    "ChatRequest",
    "Choice",
    "Chunk",
    "CompletedChoice",
    "Completion",
    "Delta",
    "Failure",
    "FinishReason",
    "Finished",
    "Generation",
    "Heartbeat",
    "Image",
    "Metrics",
    "Reader",
    "Reasoning",
    "Refusal",
    "Restarted",
    "Resumed",
    "Retrying",
    "SeamReport",
    "StreamEvent",
    "Text",
    "Timeline",
    "TokenDetails",
    "ToolCall",
    "ToolCallDelta",
    "ToolCallDone",
    "Usage",
    "UsageReport",
    "Verdict",
    "tool_result",
]
