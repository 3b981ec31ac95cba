// The example bodies (tests/data/streams) through streamChat, whole and byte by byte.

import assert from "node:assert/strict";
import { test } from "node:test";
import { streamChat } from "../../src/sseor/browser/chat.js";

const messages = [{ role: "user", content: "Hi" }];
const THOUGHTS = "The user wants a sonnet. Fourteen lines, iambic… First quatrain: the harbour at ";

const BODIES = {
  "01-text-comments-usage-repeats-finish": {
    ...{ text: "Les marées de vive-eau reviennent tous les 14,8 jours 🌊.", finish: "stop" },
    ...{ usage: [21, 17, 38], cost: 0.00005505, heartbeats: 4 },
  },
  "02-reasoning-late-signature": {
    ...{ text: "Yes: 289 is 17 squared.", reasoning: "17 is odd, and 289 = 17², so yes.", finish: "stop" },
    ...{ native: "end_turn", usage: [38, 46, 84], cost: 0.000804 },
  },
  "03-tool-call-fragments": {
    ...{ text: "Let me look.", finish: "tool_calls", usage: [212, 31, 243] },
    calls: [["call_8f21c0", "tide_at", '{"port": "Brest", "date": "2026-11-22"}']],
  },
  "04-parallel-tool-calls": {
    ...{ finish: "tool_calls", usage: [98, 40, 138] },
    calls: [["call_A1", "weather", '{"city":"Nantes"}'], ["call_B2", "weather", '{"city":"Łódź"}'], ["call_C3", "now", ""]],
  },
  "05-error-mid-stream": {
    ...{ text: "Spring tides happen when the Sun, the Moon", finish: "error" },
    error: { code: "generation", providerCode: 502, errorType: "provider_unavailable", retryable: true },
  },
  "06-error-as-first-event": {
    error: { code: "generation", providerCode: 429, errorType: "rate_limit_exceeded", retryAfter: 9000 },
  },
  "07-length-in-reasoning": { reasoning: THOUGHTS, finish: "length", native: "max_tokens", usage: [33, 64, 97] },
  "08-usage-with-empty-choices": { text: "42", finish: "stop", usage: [9, 2, 11], cost: 5.7e-7 },
  "09-web-annotations": {
    ...{ text: "The coefficient is 92 on Tuesday. Beware of gales.", finish: "stop", usage: [1420, 22, 1442] },
    raw: (chunks) => assert.equal(chunks.flatMap(({ choices }) => choices[0].delta.annotations).length, 2),
  },
  "10-debug-and-router-metadata": {
    ...{ text: "Hi!", finish: "stop", usage: [11, 2, 13] },
    raw: (chunks) => assert.ok(chunks.filter(({ debug }) => debug).length === 2 && chunks.at(-1).openrouter_metadata),
  },
  "11-cut-without-finish": { text: "1. Check the moorings.\n2. Double", error: { code: "ended_early" } },
  "12-image": {
    ...{ text: "Here is a red pixel.", finish: "stop", native: "STOP", usage: [12, 1296, 1308] },
    raw: (chunks) => assert.match(chunks[0].choices[0].delta.images[0].image_url.url, /^data:image\/png/),
  },
  "13-audio": {
    ...{ finish: "stop", usage: [19, 28, 47] },
    raw(chunks) {
      const pieces = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta.audio?.data ?? ""));
      assert.deepEqual([...Buffer.from(pieces.join(""), "base64")], [...Array(30).keys()]);
    },
  },
  "16-legacy-completions": { text: "the tide comes in", finish: "length", usage: [6, 4, 10] },
};

for (const [name, expected] of Object.entries(BODIES)) {
  for (const way of ["whole", "bytewise"]) {
    test(`${name}, ${way}`, { timeout: 30_000 }, async () => {
      const stream = streamChat({ model: `${way}/${name}`, messages, baseURL: process.env.SSEOR_BASE_URL, attempts: 1 });
      const events = [];
      let failure = null;
      try {
        for await (const event of stream) events.push(event);
      } catch (error) {
        failure = error;
      }
      const { partial } = stream;
      assert.equal(partial.text, expected.text ?? "");
      assert.equal(partial.reasoning, expected.reasoning ?? "");
      assert.equal(partial.finishReason, expected.finish ?? null);
      if (expected.native) assert.equal(partial.nativeFinishReason, expected.native);
      const counts = partial.usage && ["prompt_tokens", "completion_tokens", "total_tokens"].map((field) => partial.usage[field]);
      assert.deepEqual(counts, expected.usage ?? null);
      if (expected.cost) assert.equal(partial.usage.cost, expected.cost);
      assert.deepEqual(partial.toolCalls.map((call) => [call.id, call.name, call.arguments]), expected.calls ?? []);
      const finishes = events.filter(({ type }) => type === "finish").length;
      assert.equal(finishes, expected.finish && !expected.error ? 1 : 0);
      if (expected.heartbeats) assert.equal(events.filter(({ type }) => type === "heartbeat").length, expected.heartbeats);
      expected.raw?.(events.filter(({ type }) => type === "raw").map(({ chunk }) => chunk));
      assert.equal(failure === null, expected.error === undefined, String(failure));
      for (const [field, value] of Object.entries(expected.error ?? {})) assert.equal(failure[field], value, field);
    });
  }
}
