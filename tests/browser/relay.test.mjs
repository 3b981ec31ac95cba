// The client of a relay under Node, against the scripted relay: the body of a question is its scenario.

import assert from "node:assert/strict";
import { test } from "node:test";
import { attach, startStream } from "../../src/sseor/browser/sseor.js";

const RELAY = process.env.SSEOR_RELAY;
const PATIENCE = { timeout: 30_000 };
const TEXT = "Les marées de vive-eau 🌊 reviennent: 潮の満ち引き, مدّ وجزر, and 👩‍👩‍👧‍👦 watch.";
const DONE = { type: "done", finish_reason: "stop" };
const records = [...[...TEXT].map((text) => ({ type: "text", text })), { type: "finish", reason: "stop" }, DONE];

/** Begin a stream; note what its callbacks are told. */
function begin(scenario, options = {}) {
  const seen = { records: [], states: [], updates: 0 };
  const stream = startStream(RELAY, { scenario }, {
    onRecord: (record) => seen.records.push(record),
    onState: (state) => seen.states.push(state),
    onUpdate: () => (seen.updates += 1),
    ...options,
  });
  return { stream, seen };
}

const log = async () => (await fetch(new URL("log", RELAY))).json();
const requestsOf = async (id) => (await log()).filter(([, path]) => path.includes(id));

test("an answer comes whole, each record once, and the end is the terminal record", PATIENCE, async () => {
  const { stream, seen } = begin({ records });
  assert.deepEqual(await stream.done, DONE);
  assert.equal(stream.answer.text, TEXT);
  assert.deepEqual(seen.records, records);
  assert.deepEqual(seen.states, ["connecting", "open", "ended"]);
  assert.ok(seen.updates >= 1 && seen.updates < records.length);
  assert.equal(stream.answer.choices[0].finish_reason, "stop");
});

test("connections cut at any byte change nothing", PATIENCE, async () => {
  const cuts = [1, 17, 20, 30, 61, 83, ...Array.from({ length: 40 }, (_, index) => 90 + 7 * index)];
  const { stream, seen } = begin({ records, cuts, retry: 1 }, { attempts: 100 });
  await stream.done;
  assert.equal(stream.answer.text, TEXT);
  assert.deepEqual(seen.records, records);
  const requests = await requestsOf(stream.id);
  assert.ok(requests.length > 5);
  assert.ok(requests.every(([method]) => method === "GET"), "only the first request is a POST");
  const cursors = requests.map(([, , cursor]) => Number(cursor.split(".")[1] ?? 0));
  assert.deepEqual(cursors, cursors.toSorted((a, b) => a - b), "the cursor only moves on");
});

test("a lost first answer is asked for again with the same key", PATIENCE, async () => {
  const { stream } = begin({ records, statuses: [503, 502], headers: { "Retry-After": "0" } });
  assert.deepEqual(await stream.done, DONE);
  assert.equal(stream.answer.text, TEXT);
});

test("the relay's Retry-After is waited for", PATIENCE, async () => {
  const began = performance.now();
  const { stream, seen } = begin({ records, statuses: [429], headers: { "Retry-After": "1" } });
  await stream.done;
  assert.ok(performance.now() - began >= 990);
  assert.deepEqual(seen.states, ["connecting", "waiting", "connecting", "open", "ended"]);
});

test("a refusal is final and says its code", PATIENCE, async () => {
  const { stream } = begin({ records, statuses: [413] });
  assert.deepEqual(await stream.done, { type: "lost", code: "too_many", status: 413 });
  const unknown = attach(RELAY, "A".repeat(22));
  assert.deepEqual(await unknown.done, { type: "lost", code: "not_found", status: 404 });
  assert.throws(() => attach(RELAY, "../settings"), RangeError);
});

test("a relay that is not there is lost after so many attempts", PATIENCE, async () => {
  const stream = startStream("http://127.0.0.1:9/", {}, { attempts: 1 });
  assert.deepEqual(await stream.done, { type: "lost", code: "unreachable", status: null });
});

test("a silent connection is given up and another goes on", PATIENCE, async () => {
  const { stream, seen } = begin({ records, holds: [3, 9] }, { silence: 1500 });
  await stream.done;
  assert.deepEqual(seen.records, records);
  assert.equal((await requestsOf(stream.id)).length, 2);
});

test("a gap is never passed over: the record is asked for again", PATIENCE, async () => {
  const { stream, seen } = begin({ records, skip: 5 });
  await stream.done;
  assert.deepEqual(seen.records, records);
  assert.match((await requestsOf(stream.id))[0][2], /\.4$/);
});

test("a snapshot replaces the answer, and numbers go on behind it", PATIENCE, async () => {
  const steps = [{ type: "step", name: "one" }, { type: "step", name: "two" }];
  const { stream } = begin({ records: [...steps, ...records], cuts: [120], snapshot: 20 });
  await stream.done;
  assert.equal(stream.answer.text, TEXT);
  assert.deepEqual(stream.answer.records, { step: steps[1] });
});

test("attach gives the whole answer to somebody who comes late", PATIENCE, async () => {
  const { stream } = begin({ records });
  await stream.done;
  const late = attach(RELAY, stream.id);
  assert.deepEqual(await late.done, DONE);
  assert.equal(late.answer.text, TEXT);
  assert.equal(late.lastEventId, stream.lastEventId);
});

test("every kind of record finds its place in the answer", PATIENCE, async () => {
  const { stream } = begin({
    records: [
      { type: "reasoning", text: "Hm" },
      { type: "text", text: "gone" },
      { type: "restarted", attempt: 2, code: "cut" },
      { type: "text", text: "A", choice: 1 },
      { type: "text", text: "Low" },
      { type: "refusal", text: "No" },
      { type: "tool_delta", index: 0, id: "c1", name: "tide", arguments: "{" },
      { type: "tool_delta", index: 0, arguments: "}" },
      { type: "tool_delta", index: 1, id: "c2", name: "now" },
      { type: "tool_call", index: 1, id: "c2", name: "now", arguments: "{}", complete: true },
      { type: "image", url: "data:image/png;base64,AA==" },
      { type: "audio", data: "AA", transcript: "Fair" },
      { type: "audio", data: "==" },
      { type: "annotation", annotation: { url: "https://shom.example/brest" } },
      { type: "usage", prompt_tokens: 1 },
      { type: "usage", prompt_tokens: 2, cost: 0.1 },
      { type: "weather", wind: 7 },
      DONE,
    ],
  });
  await stream.done;
  const { text, reasoning, choices, usage, records: others } = stream.answer;
  assert.deepEqual([text, reasoning, choices.map(({ choice }) => choice)], ["Low", "", [0, 1]]);
  assert.equal(choices[0].refusal, "No");
  assert.deepEqual(choices[0].tool_calls, [
    { index: 0, id: "c1", name: "tide", arguments: "{}", complete: false },
    { index: 1, id: "c2", name: "now", arguments: "{}", complete: true },
  ]);
  assert.deepEqual(choices[0].images, ["data:image/png;base64,AA=="]);
  assert.deepEqual(choices[0].audio, { data: "AA==", transcript: "Fair" });
  assert.deepEqual(choices[0].annotations, [{ url: "https://shom.example/brest" }]);
  assert.deepEqual(usage, { prompt_tokens: 2, cost: 0.1 });
  assert.deepEqual(others, { weather: { type: "weather", wind: 7 } });
});

test("stop cancels, abort detaches and the stream goes on", PATIENCE, async () => {
  const { stream, seen } = begin({ records: records.slice(0, 3), hold: true });
  while (seen.records.length < 3) await new Promise((resolve) => setTimeout(resolve, 10));
  const second = attach(RELAY, stream.id);
  stream.abort();
  assert.deepEqual(await stream.done, { type: "detached" });
  while (second.answer.text === "") await new Promise((resolve) => setTimeout(resolve, 10));
  await second.stop();
  assert.deepEqual(await second.done, { type: "cancelled" });
  assert.equal(second.answer.text, "Les");
});

test("a stop before the relay has answered takes effect when it has", PATIENCE, async () => {
  const { stream } = begin({ records: [], hold: true });
  await stream.stop();
  assert.deepEqual(await stream.done, { type: "cancelled" });
});

test("an abort in a pause ends the stream at once", PATIENCE, async () => {
  const { stream, seen } = begin({ records, statuses: [429], headers: { "Retry-After": "60" } });
  while (!seen.states.includes("waiting")) await new Promise((resolve) => setTimeout(resolve, 10));
  stream.abort();
  assert.deepEqual(await stream.done, { type: "detached" });
});
