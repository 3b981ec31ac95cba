"""`chat.js` under Node: streamChat against the loopback server."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser.chat_plays import respond
from browser.node_tools import node

from sseor.testing import LoopbackServer

HERE = Path(__file__).parent


@pytest.mark.usefixtures("leaves_nothing_open")
@pytest.mark.parametrize("name", ["chat", "bodies"])
def test_stream_chat(name: str) -> None:
    """Each fact of the Node test file holds, and every connection is let go."""
    with LoopbackServer(respond) as server:
        node("--test", HERE / f"{name}.test.mjs", SSEOR_BASE_URL=server.base_url)
        assert server.wait_idle(5)
