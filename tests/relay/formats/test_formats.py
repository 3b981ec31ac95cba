"""`sseor.relay.formats.catalogue`: the formats by their names, and the one that changes nothing."""

from __future__ import annotations

import pytest
from relay.formats.writing import DONE, text, written

from sseor.relay import HEADERS
from sseor.relay.formats import check_format, format_headers
from sseor.relay.refusal import RefusedError


def test_the_own_format_is_what_the_log_has() -> None:
    """Not a byte is changed, and a viewer that is cut off is told by the missing end alone."""
    reader = written([text("Low")], "sseor")
    assert reader.data == b'id: g.1\ndata: {"type":"text","text":"Low"}\n\n'
    assert reader.writing.prelude == b"retry: 1000\n: sseor\n\n"
    assert reader.writing.cut() == b""


@pytest.mark.parametrize("name", ["sseor", "token", "openai", "ai-sdk"])
def test_each_format_has_its_name(name: str) -> None:
    """A stream begins at once in each of them, with the headers of an event stream."""
    assert check_format(name) == name
    reader = written([text("Low"), DONE], name)
    assert reader.writing.prelude.endswith(b"\n\n")
    assert HEADERS.items() <= reader.writing.headers.items()
    assert reader.writing.headers == format_headers(name)
    assert b"Low" in reader.data


def test_other_formats_are_refused() -> None:
    """With the code for a bad request."""
    with pytest.raises(RefusedError) as refusal:
        check_format("xml")
    assert (refusal.value.code, refusal.value.status) == ("bad_request", 400)
