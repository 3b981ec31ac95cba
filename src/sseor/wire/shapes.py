"""The shapes of bytes that servers really send: whole events, cut apart without a look at each line.

What has another shape is left to the general way, line by line; these functions only say so.
"""

from __future__ import annotations

from .lines import CR, LF


def cut_row(text: bytes) -> tuple[list[bytes], bytes]:
    """Cut `text`, which begins with `data: `, into the data of each event and what follows the last blank line.

    No data, and the whole text, if the blocks are not all of one such line ended by LF.
    """
    end = text.rfind(b"\n\n")
    rest = text[end + 2 :]
    if end < 0 or LF in rest or CR in text:
        return [], text
    value = text[6:end]
    if LF not in value:
        return [value], rest
    values = value.split(b"\n\ndata: ")
    return ([], text) if LF in b"".join(values) else (values, rest)


def cut_headed(text: bytes) -> tuple[bytes, bytes, bytes]:
    """Cut `text`, two lines and a blank line ended by LF, `data: ` the second, into first name, its value, data.

    The name is empty if `text` is anything else.
    """
    head, _, line = text.partition(b"\ndata: ")
    value = line.removesuffix(b"\n\n")
    name, colon, head_value = head.partition(b": ")
    if not colon or value == line or LF in value or LF in head or CR in text:
        return b"", b"", b""
    return name, head_value, value
