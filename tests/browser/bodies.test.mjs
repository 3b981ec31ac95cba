// The example bodies (tests/data/streams) through streamChat, whole and byte by byte, and those of other servers
// (tests/data/bodies), which give what stands beside them.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { streamChat } from "../../src/sseor/browser/chat.js";
import { answering, outcome } from "./reading.mjs";

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
  // Other dialects are no chat: an error, never an empty success.
  "14-responses-basic": { error: { code: "ended_early" } },
  "15-messages-basic": { error: { code: "ended_early" }, usage: [undefined, undefined, undefined] },
  "16-legacy-completions": { text: "the tide comes in", finish: "length", usage: [6, 4, 10] },
};

for (const [name, expected] of Object.entries(BODIES)) {
  for (const way of ["whole", "bytewise"]) {
    test(`${name}, ${way}`, { timeout: 30_000 }, async () => {
      const stream = streamChat({ model: `${way}/${name}`, messages, baseURL: process.env.SSEOR_BASE_URL, attempts: 1 });
      const { events, failure } = await outcome(stream);
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

const OTHERS = new URL("../data/bodies/", import.meta.url);

for (const file of readdirSync(OTHERS).filter((name) => name.endsWith(".sse"))) {
  const bytes = new Uint8Array(readFileSync(new URL(file, OTHERS)));
  const expected = JSON.parse(readFileSync(new URL(file.replace(".sse", ".json"), OTHERS), "utf8"));
  for (const size of [bytes.length, 1, 7, 61]) {
    test(`${file}, in pieces of ${size} bytes`, { timeout: 30_000 }, async () => {
      const stream = streamChat({ model: "m", messages, baseURL: "http://127.0.0.1/v1", attempts: 1, fetch: answering(bytes, { size }) });
      const { events, failure } = await outcome(stream);
      const { partial } = stream;
      const [first] = expected.choices;
      const joined = (type, index) => events.filter((event) => event.type === type && event.choice === index).map(({ text }) => text).join("");
      for (const { index, text, reasoning = "" } of expected.choices) {
        assert.deepEqual([joined("text", index), joined("reasoning", index)], [text, reasoning]);
      }
      assert.deepEqual([partial.text, partial.reasoning], [first.text, first.reasoning ?? ""]);
      assert.deepEqual(partial.toolCalls.map((call) => [call.index, call.id, call.name, call.arguments]), first.tool_calls);
      assert.equal(partial.finishReason, first.finish_reason);
      assert.deepEqual([partial.generationId, partial.model, partial.provider], [expected.generation_id, expected.model, expected.provider]);
      for (const [name, count] of Object.entries(expected.usage ?? {})) assert.equal(partial.usage[name], count);
      const numberOf = (type) => events.filter((event) => event.type === type).length;
      assert.deepEqual([numberOf("usage"), numberOf("finish")], [expected.events.UsageReport ?? 0, expected.events.Finished]);
      assert.equal(numberOf("heartbeat"), expected.comments);
      assert.deepEqual([partial.verdict.complete, partial.verdict.sawDone], [expected.complete, expected.done ?? false]);
      assert.equal(partial.verdict.unterminated, expected.unterminated ?? false);
      assert.equal(failure?.code ?? null, expected.complete ? null : expected.failure ? "generation" : "ended_early");
      if (expected.failure === null) return;
      const { code, error_type, provider = null, retry_after, retryable, native = null, message } = expected.failure;
      assert.deepEqual([failure.providerCode, failure.errorType, failure.retryable], [code, error_type, retryable]);
      assert.deepEqual([failure.provider, failure.native], [provider, native]);
      assert.equal(failure.retryAfter, retry_after ? retry_after * 1000 : null);
      assert.ok(failure.message.endsWith(message), failure.message);
    });
  }
}
