"""The key in no log: also not where HTTP/2 logs header fields."""

from __future__ import annotations

import logging

import hpack
import httpx
import pytest

import sseor

KEY = "sk-or-v1-canary-of-this-test"
"""Its own: a client that another test left unclosed filters its key on."""


@pytest.mark.parametrize("http2", [True, False])
def test_hpack_logs_no_key_while_a_callers_client_is_in_use(
    caplog: pytest.LogCaptureFixture, http2: bool
) -> None:
    """hpack prints header fields at DEBUG; with a caller's client they come without the key."""
    caplog.set_level(logging.DEBUG)
    field = ("authorization", f"Bearer {KEY}")
    with httpx.Client(http2=http2) as http:
        with sseor.Client(api_key=KEY, base_url="http://127.0.0.1:9/v1", http_client=http):
            hpack.Encoder().encode([field, ("x-other", "kept")])
            assert "authorization" in caplog.text
            assert "kept" in caplog.text
            assert KEY not in caplog.text
    hpack.Encoder().encode([field])
    assert KEY in caplog.text, "the filter is gone with the client, and what was tested is what hpack does"
