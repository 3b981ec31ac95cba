"""Bytes to events and back: the `text/event-stream` format of the WHATWG HTML standard, §9.2."""
