"""The format `ai-sdk` before the `ai` package of npm: its transport, its chat and its reader of messages."""

from __future__ import annotations

from pathlib import Path

from browser.cutting_proxy import CuttingProxy
from browser.node_tools import node, npm_install
from relay.formats.peer_relay import TEXT, peer_relay

from sseor.relay import MemoryLog

HERE = Path(__file__).parent


def test_the_client_of_the_ai_sdk(tmp_path: Path) -> None:
    """Each fact of the Node test file holds."""
    npm_install(tmp_path, "ai@6")
    script = tmp_path / "ai_sdk.test.mjs"
    script.write_text((HERE / "ai_sdk.test.mjs").read_text())
    # Behind the proxy a relay that folds nearly everything: who comes back is given a snapshot.
    with peer_relay() as (_, port), peer_relay(log=MemoryLog(max_records=4)) as (_, folding):
        with CuttingProxy(folding, cuts=6, least=1, most=700, seed=3) as proxy:
            uncut, cut = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{proxy.port}"
            node("--test", script, cwd=tmp_path, timeout=400, TEXT=TEXT, RELAY=uncut, CUT_RELAY=cut)
            assert proxy.cut == 6
