"""`sseor.js` under Node: its decoder before the conformance suite, and the client of a relay."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser.node_tools import MODULES, node
from browser.scripted_relay import ScriptedRelay

from sseor.conformance.judging import Verdict
from sseor.conformance.runner import judge
from sseor.testing import LoopbackServer

HERE = Path(__file__).parent


def test_the_decoder_passes_every_case() -> None:
    """It claims all that the suite can judge, and no case goes wrong or comes late, whole or cut up."""
    node("--version")
    report = judge(["node", str(HERE / "conformance_adapter.mjs")], timeout=10)
    assert report.claims == {"comments", "id", "last-event-id", "retry", "replacement"}
    wrong = [
        f"{result.case.id}: {result.finding}"
        for result in report.results
        if result.verdict is not Verdict.PASS
    ]
    assert wrong == []
    assert len(report.results) > 300


def test_the_limit_of_the_decoder_is_exact_and_final() -> None:
    """An event of just the limit passes, one byte more is an error that keeps what came before, in any pieces."""
    program = """
        import assert from "node:assert/strict";
        import { Decoder, EventTooLargeError } from "./sseor.js";
        const bytes = (text) => new TextEncoder().encode(text);
        const fed = (text, size) => {
          const decoder = new Decoder({ maxEventBytes: 20 });
          const data = bytes(text);
          const items = [];
          try {
            for (let at = 0; at < data.length; at += size) items.push(...decoder.feed(data.subarray(at, at + size)));
          } catch (error) {
            assert.ok(error instanceof EventTooLargeError && error.limit === 20);
            items.push(...error.items.map(({ data }) => data), "error");
            assert.throws(() => decoder.feed(bytes("data: x")), EventTooLargeError);
            assert.equal(decoder.end(), null);
          }
          return items.map((item) => item.data ?? item);
        };
        for (const size of [1, 3, 100]) {
          assert.deepEqual(fed("data: 12345678901234\\n\\n", size), ["12345678901234"]);
          assert.deepEqual(fed("data: x\\n\\ndata: 123456789012345\\n\\n", size), ["x", "error"]);
          assert.deepEqual(fed("data: 12345678\\ndata: 1234567\\n\\n", size), ["error"]);
          assert.deepEqual(fed("data: é€\\ndata: 123456\\n\\n", size), ["é€\\n123456"]);
          assert.deepEqual(fed(": " + "c".repeat(30), size), ["error"]);
        }
        assert.throws(() => new Decoder({ maxEventBytes: 0 }), RangeError);
        assert.throws(() => new Decoder().feed("data: x"), TypeError);
        const decoder = new Decoder();
        decoder.feed(bytes("event: e\\nid: 7\\ndata: a\\nretry: 5"));
        assert.deepEqual(decoder.end(), { event: { type: "event", event: "e", data: "a", id: "7" }, line: "retry: 5" });
        assert.deepEqual([decoder.lastEventId, decoder.reconnectionTime, decoder.end()], ["", null, null]);
        assert.throws(() => decoder.feed(bytes("x")), /after end/);
        assert.equal(new Decoder().end(), null);
    """
    node("--input-type=module", "--eval", program, cwd=MODULES)


@pytest.mark.usefixtures("leaves_nothing_open")
def test_the_client_of_a_relay() -> None:
    """Each fact of the Node test file holds, and every connection is let go."""
    with LoopbackServer(ScriptedRelay()) as server:
        node("--test", HERE / "relay.test.mjs", SSEOR_RELAY=f"{server.origin}/")
        assert server.wait_idle(20)
