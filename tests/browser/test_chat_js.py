"""`chat.js` under Node: streamChat against the loopback server."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser.chat_plays import respond
from browser.node_tools import MODULES, node

from sseor.testing import LoopbackServer

HERE = Path(__file__).parent


@pytest.mark.usefixtures("leaves_nothing_open")
@pytest.mark.parametrize("name", ["chat", "bodies", "assembly"])
def test_stream_chat(name: str) -> None:
    """Each fact of the Node test file holds, and every connection is let go."""
    with LoopbackServer(respond) as server:
        node("--test", HERE / f"{name}.test.mjs", timeout=240, SSEOR_BASE_URL=server.base_url)
        assert server.wait_idle(20)


@pytest.mark.usefixtures("leaves_nothing_open")
def test_a_program_ends_by_itself(tmp_path: Path) -> None:
    """Streams that were left, failed unseen or ended keep no timer, no socket, and no rejection that kills."""
    program = tmp_path / "program.mjs"
    program.write_text(
        f"""
        import {{ streamChat }} from {str(MODULES / "chat.js")!r};
        const ask = (model) => streamChat({{
          model, messages: [{{ role: "user", content: "Hi" }}], baseURL: process.env.SSEOR_BASE_URL, attempts: 1,
          timeouts: {{ total: 600_000 }},
        }});
        for await (const text of ask("stall").text) break;
        const unseen = ask("ended");
        void unseen.done;
        const failed = ask("ended");
        await failed.done.catch(() => {{}});
        failed.done; // once more, and nobody listens
        const answer = await ask("answer").done;
        ask("never read");
        process.on("exit", () => console.log(answer.text));
        """
    )
    with LoopbackServer(respond) as server:
        assert node(program, SSEOR_BASE_URL=server.base_url) == "Low water\n"
        assert server.wait_idle(20)
