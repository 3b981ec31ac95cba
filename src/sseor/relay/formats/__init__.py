"""How a stream is written for a viewer: as the log has it, or for readers that know another format."""

from sseor.relay.formats.catalogue import (
    HEADERS,
    HEARTBEAT,
    Format,
    check_format,
    format_headers,
    open_format,
)

__all__ = ["HEADERS", "HEARTBEAT", "Format", "check_format", "format_headers", "open_format"]
