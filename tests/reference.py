"""The event-stream chapter of WHATWG HTML, word by word: slow, whole streams only, and the oracle of the decoder.

Each rule stands alone, so that taking one away is a change of one place. Two things go beyond the standard:
comments are handed out, and so is what the end of the stream cuts off.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sseor.wire import Comment, Event

LONGEST_RETRY = 300  # digits; the standard names no bound, a clock has one


@dataclass
class Stream:
    """What an event source knows after a whole stream."""

    items: list[Event | Comment] = field(default_factory=list)
    last_event_id: str = ""
    reconnection_time: int | None = None
    unfinished_event: Event | None = None
    unfinished_line: bytes = b""
    left_something: bool = False


def interpret(data: bytes) -> Stream:
    """Read a whole stream (§9.2.6)."""
    stream = Stream()
    # "Streams must be decoded using the UTF-8 decode algorithm", which strips one leading BOM.
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    lines, rest = split_lines(data)
    block = Block(last_event_id_buffer="")
    for line in lines:
        interpret_line(line, block, stream)
    stream.unfinished_line = rest
    stream.left_something = bool(rest) or block.holds_anything(stream)
    # "Once the end of the file is reached, any pending data must be discarded": into what the caller may look at.
    preview = Stream(last_event_id=stream.last_event_id)
    if rest:
        interpret_line(rest, block, preview)
    preview.items.clear()
    interpret_line(b"", block, preview)
    stream.unfinished_event = next((item for item in preview.items if isinstance(item, Event)), None)
    return stream


def split_lines(data: bytes) -> tuple[list[bytes], bytes]:
    """Cut at end-of-line = ( cr lf / cr / lf ) (§9.2.5); the second value has not met its end."""
    lines = []
    line = bytearray()
    position = 0
    while position < len(data):
        if data[position : position + 2] == b"\r\n":
            lines.append(bytes(line))
            line.clear()
            position += 1
        elif data[position] in (0x0D, 0x0A):
            lines.append(bytes(line))
            line.clear()
        else:
            line.append(data[position])
        position += 1
    return lines, bytes(line)


@dataclass
class Block:
    """The three buffers of §9.2.6."""

    last_event_id_buffer: str
    data_buffer: str = ""
    event_type_buffer: str = ""

    def holds_anything(self, stream: Stream) -> bool:
        """Tell whether a blank line would have had an effect."""
        return bool(
            self.data_buffer or self.event_type_buffer or self.last_event_id_buffer != stream.last_event_id
        )


def interpret_line(line: bytes, block: Block, stream: Stream) -> None:
    """Process one line (§9.2.6)."""
    text = line.decode("utf-8", "replace")
    # "If the line is empty (a blank line): Dispatch the event."
    if text == "":
        dispatch(block, stream)
    # "If the line starts with a U+003A COLON character (:): Ignore the line."
    elif text[0] == ":":
        stream.items.append(Comment(without_leading_space(text[1:])))
    # "If the line contains a U+003A COLON character (:)": the field is before it, the value after it.
    elif ":" in text:
        name, value = text[: text.index(":")], text[text.index(":") + 1 :]
        process_field(name, without_leading_space(value), block, stream)
    # "Otherwise": the whole line as the field name, and the empty string as the field value.
    else:
        process_field(text, "", block, stream)


def without_leading_space(value: str) -> str:
    """Remove what "If value starts with a U+0020 SPACE character, remove it from value" removes."""
    if value.startswith(" "):
        return value[1:]
    return value


def process_field(name: str, value: str, block: Block, stream: Stream) -> None:
    """Process a field (§9.2.6); any other name: "The field is ignored."."""
    if name == "event":
        block.event_type_buffer = value
    if name == "data":
        block.data_buffer += value + "\n"
    # "If the field value does not contain U+0000 NULL"; "otherwise, ignore the field".
    if name == "id" and "\0" not in value:
        block.last_event_id_buffer = value
    # "If the field value consists of only ASCII digits": in force at once.
    if name == "retry" and value.strip("0123456789") == "" and 0 < len(value) <= LONGEST_RETRY:
        stream.reconnection_time = int(value)


def dispatch(block: Block, stream: Stream) -> None:
    """Dispatch the event (§9.2.6)."""
    # "Set the last event ID string of the event source to the value of the last event ID buffer."
    stream.last_event_id = block.last_event_id_buffer
    # "If the data buffer is an empty string, set the data buffer and the event type buffer to the empty string
    # and return."
    if block.data_buffer == "":
        block.event_type_buffer = ""
        return
    # "If the data buffer's last character is a U+000A LINE FEED (LF) character, then remove" it.
    data = block.data_buffer.removesuffix("\n")
    # "If the event type buffer has a value other than the empty string, change the type."
    event_type = block.event_type_buffer if block.event_type_buffer != "" else "message"
    stream.items.append(Event(data, event_type, stream.last_event_id))
    # "Set the data buffer and the event type buffer to the empty string."
    block.data_buffer = ""
    block.event_type_buffer = ""
