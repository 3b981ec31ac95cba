// streamChat against the loopback server: the model that a request names is the play (chat_plays.py).

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { ChatError, streamChat } from "../../src/sseor/browser/chat.js";
import { outcome } from "./reading.mjs";

const baseURL = process.env.SSEOR_BASE_URL;
const messages = [{ role: "user", content: "When is low water in Brest?" }];
const KEY = "sk-or-v1-abcdefgh";
const PATIENCE = { timeout: 30_000 };

const ask = (model, options = {}) => streamChat({ model, messages, baseURL, ...options });

async function failureOf(model, options) {
  const { failure, events, text } = await outcome(ask(model, options));
  assert.ok(failure instanceof ChatError, `${model} did not fail with a ChatError but ${failure}`);
  assert.equal(events.at(-1).error, failure, "the last event tells of the failure");
  return { failure, text };
}

test("an answer gives heartbeats, reasoning, text, one finish and the usage", PATIENCE, async () => {
  const stream = ask("answer");
  const { types, text, events } = await outcome(stream);
  assert.equal(text, "Low water");
  assert.deepEqual([...new Set(types.filter((type) => type !== "raw"))], ["heartbeat", "reasoning", "text", "finish", "usage"]);
  assert.equal(types.filter((type) => type === "finish").length, 1);
  assert.ok(events.every(({ type, waited }) => type !== "heartbeat" || waited >= 0));
  const result = await stream.done;
  assert.equal(result.reasoning, "Hm.");
  assert.equal(result.finishReason, "stop");
  assert.equal(result.provider, "Loopback");
  assert.equal(result.verdict.complete, true);
  assert.equal(result.verdict.sawDone, true);
});

test("stream.text is the text alone, and stream.done needs no reader", PATIENCE, async () => {
  let text = "";
  for await (const piece of ask("answer").text) text += piece;
  assert.equal(text, "Low water");
  const { text: again, usage } = await ask("answer").done;
  assert.equal(again, "Low water");
  assert.equal(usage.completion_tokens, 3);
});

test("done, asked for first, leaves all events to the reader who comes later", PATIENCE, async () => {
  const stream = ask("long");
  const result = await stream.done;
  const { text, types } = await outcome(stream);
  assert.equal(text, "word ".repeat(3000));
  assert.equal(text, result.text);
  assert.equal(types.filter((type) => type === "text").length, 3000);
});

test("done and a reader at once each get everything", PATIENCE, async () => {
  const stream = ask("long");
  const [{ text }, result] = await Promise.all([outcome(stream), stream.done]);
  assert.equal(text, result.text);
});

test("a stream has one reader", PATIENCE, async () => {
  const stream = ask("answer");
  await outcome(stream);
  assert.throws(() => stream[Symbol.asyncIterator](), { code: "misuse" });
});

for (const [model, code] of [
  ["cut", "connection_lost"],
  ["reset", "connection_lost"],
  ["ended", "ended_early"],
]) {
  test(`${model}: the text so far is in an error of code ${code}, and in done's`, PATIENCE, async () => {
    const stream = ask(model);
    const { failure, text } = await outcome(stream);
    assert.equal(failure.code, code);
    assert.equal(text, "Low wat");
    assert.equal(failure.text, "Low wat");
    assert.equal(failure.partial.verdict.complete, false);
    assert.equal(failure.retryable, true);
    assert.equal(failure.attempts, 1);
    assert.match(failure.partial.generationId, /^gen-/);
    await assert.rejects(stream.done, failure);
  });
}

test("a body cut inside a character keeps what was whole", PATIENCE, async () => {
  const { failure, text } = await failureOf("cut-mid-character");
  assert.equal(failure.code, "connection_lost");
  assert.equal(text, "Marée 🌊 basse");
});

test("characters cut over reads are whole again", PATIENCE, async () => {
  assert.equal((await ask("reads-mid-character").done).text, "Marée 🌊 basse");
});

test("[DONE] without a finish reason is no success", PATIENCE, async () => {
  assert.equal((await failureOf("done-without-finish")).failure.code, "ended_early");
});

test("a finished answer is a success, whatever happens to its end", PATIENCE, async () => {
  for (const model of ["finish-then-cut", "finish-then-heartbeats"]) {
    const { text, verdict } = await ask(model).done;
    assert.equal(text, "Low water", model);
    assert.deepEqual([verdict.complete, verdict.sawDone, verdict.cleanEnd], [true, false, false], model);
  }
});

test("a last event without its blank line is taken if it is whole, and said to be so", PATIENCE, async () => {
  for (const [model, text, unterminated] of [
    ["unterminated-done", "Low", true],
    ["unterminated-chunk", "Low water", true],
    ["unterminated-half", "Low", false],
  ]) {
    const result = await ask(model).done;
    assert.equal(result.text, text, model);
    assert.equal(result.verdict.unterminated, unterminated, model);
  }
});

test("nothing after [DONE] counts, and nobody waits for the end of the body", PATIENCE, async () => {
  assert.equal((await ask("after-done").done).text, "Low"); // the server says nothing more, and keeps the connection
});

test("heartbeats and empty deltas are no progress", PATIENCE, async () => {
  for (const model of ["heartbeats", "empty-deltas", "empty-calls", "blank-lines", "no-head"]) {
    const { failure } = await failureOf(model, { timeouts: { firstToken: 400 }, attempts: 1 });
    assert.equal(failure.code, "timeout", model);
    assert.equal(failure.timer, "firstToken", model);
    assert.ok(failure.waited >= 390 && failure.waited < 20_000, `${model}: ${failure.waited}`);
  }
  for (const model of ["stall", "stall-empty-deltas"]) {
    const { failure, text } = await failureOf(model, { timeouts: { stall: 400 } });
    assert.equal(failure.timer, "stall", model);
    assert.equal(text, "Low", model);
  }
});

test("a connection without any byte is silent, and the whole budget is the last word", PATIENCE, async () => {
  const { failure } = await failureOf("silence", { timeouts: { silence: 300 }, attempts: 1 });
  assert.equal(failure.timer, "silence");
  const spent = await failureOf("heartbeats", { timeouts: { total: 300 } });
  assert.equal(spent.failure.timer, "total");
  assert.equal(spent.failure.retryable, false);
});

test("bytes that never stop coming do not outlast the watchdog", PATIENCE, async () => {
  const { failure } = await failureOf("flood", { timeouts: { firstToken: 400 }, attempts: 1 });
  assert.deepEqual([failure.code, failure.timer], ["timeout", "firstToken"]);
});

test("a refusal whose body drips for minutes is told at once", PATIENCE, async () => {
  const { failure } = await failureOf("drip", { attempts: 1 });
  assert.deepEqual([failure.code, failure.status], ["status", 503]);
});

test("text that arrived while the program was busy elsewhere is no stall", PATIENCE, async () => {
  const { done } = ask("steady", { timeouts: { stall: 2000 } });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const until = performance.now() + 2600;
  while (performance.now() < until);
  assert.equal((await done).text, "x".repeat(30));
});

test("a body cut at any byte gives a beginning of the text, and an error unless it was finished", PATIENCE, async () => {
  const text = "Marée 🌊 basse";
  const size = 155;
  const outcomes = await Promise.all(
    Array.from({ length: 2 * size }, async (_, place) => {
      const model = `${place % 2 ? "cut" : "end"}/${place >> 1}`;
      return { model, ...(await outcome(ask(model, { attempts: 1 }))) };
    }),
  );
  for (const { model, text: sent, failure } of outcomes) {
    assert.ok(text.startsWith(sent) && !sent.includes("\ufffd"), model);
    if (failure === null) assert.equal(sent, text, model);
    else assert.deepEqual([failure.text, failure.partial.verdict.complete], [sent, false], model);
  }
  assert.ok(outcomes.some(({ failure }) => failure === null) && outcomes.some(({ text }) => text === ""));
});

test("a compressed body is read as it comes, and its cut is a cut", PATIENCE, async () => {
  assert.equal((await ask("gzip").done).text, "Marée 🌊 basse");
  const { failure } = await failureOf("gzip-cut", { attempts: 1 });
  assert.equal(failure.code, "connection_lost");
});

test("the caller's own time does not count", PATIENCE, async () => {
  let text = "";
  for await (const event of ask("slow", { timeouts: { firstToken: 1500, stall: 1500, silence: 1500 } })) {
    if (event.type !== "text") continue;
    text += event.text;
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
  assert.equal(text, "Low water");
});

test("a transient failure before the first token is tried again, after the wait that was asked for", PATIENCE, async () => {
  for (const [model, least] of [
    ["busy-once", 400],
    ["error-first", 200],
    ["in-flight-budget", 0],
    ["busy-until-a-date", 0],
    ["hidden-failure", 0],
    ["cut-before-token-once", 0],
  ]) {
    const { events, text, failure } = await outcome(ask(model));
    assert.equal(failure, null, model);
    assert.equal(text, "Low water", model);
    const retries = events.filter(({ type }) => type === "retry");
    assert.equal(retries.length, 1, model);
    assert.ok(retries[0].cause instanceof ChatError, model);
    assert.ok(least === 0 || retries[0].wait === least, `${model}: ${retries[0].wait}`);
  }
});

test("a late first token is tried again once", PATIENCE, async () => {
  const timeouts = { firstToken: 1500 };
  const { text, events } = await outcome(ask("stall-once", { timeouts }));
  assert.equal(text, "Low water");
  assert.equal(events.filter(({ type }) => type === "retry").length, 1);
  const { failure } = await failureOf("heartbeats", { timeouts, attempts: 5 });
  assert.equal(failure.attempts, 2);
});

test("what would not help is not tried again", PATIENCE, async () => {
  for (const [model, status] of [
    ["unauthorized", 401],
    ["payment", 402],
    ["busy", 429], // it asks for an hour
    ["redirect", 307],
  ]) {
    const { failure } = await failureOf(model);
    assert.equal(failure.code, "status", model);
    assert.equal(failure.status, status, model);
    assert.equal(failure.attempts, 1, model);
  }
});

test("attempts run out, and a web page is never shown", PATIENCE, async () => {
  const { failure } = await failureOf("down", { attempts: 2 });
  assert.equal(failure.attempts, 2);
  assert.match(failure.message, /502: error code: 502/);
  const page = await failureOf("down-in-html", { attempts: 1 });
  assert.ok(!page.failure.message.includes("<"), page.failure.message);
});

test("a failure that the provider reports is an error with its words", PATIENCE, async () => {
  const { failure, text } = await failureOf("error-after-text");
  assert.equal(text, "Low");
  assert.deepEqual([failure.code, failure.providerCode, failure.provider], ["generation", 502, "Novita"]);
  assert.match(failure.message, /Upstream closed/);
  assert.match((await failureOf("error-as-text")).failure.message, /the model has gone/);
  assert.equal((await failureOf("finish-error")).failure.code, "generation");
  assert.equal((await failureOf("whole-error", { attempts: 1 })).failure.providerCode, 429);
  assert.equal((await ask("error-null").done).text, "Low");
});

test("what is no event stream is an error or an answer, never silence", PATIENCE, async () => {
  assert.equal((await failureOf("html")).failure.code, "content_type");
  assert.equal((await failureOf("nothing", { attempts: 1 })).failure.code, "ended_early");
  assert.equal((await failureOf("garbage")).failure.code, "protocol");
  assert.equal((await failureOf("broken-http", { attempts: 1 })).failure.code, "connection_lost");
  const whole = await ask("whole").done;
  assert.deepEqual([whole.text, whole.usage.total_tokens, whole.verdict.complete], ["Low water", 5, true]);
  assert.equal((await ask("wrong-type").done).text, "Low water");
});

test("noise is passed over, and variations of other servers are read", PATIENCE, async () => {
  for (const [model, text] of [
    ["noise", "Low"],
    ["no-blank-lines", "Low water"],
    ["not-a-number", 'NaN is "NaN"'],
    ["half-pairs", "🌊"],
  ]) {
    assert.equal((await ask(model).done).text, text, model);
  }
  const stream = ask("parts");
  const { events } = await outcome(stream);
  assert.equal((await stream.done).reasoning, "Hm.");
  assert.deepEqual(events.find(({ type }) => type === "raw").chunk.choices[0].delta.content[0].reference_ids, [1]);
  const usages = (await outcome(ask("running-usage"))).events.filter(({ type }) => type === "usage");
  assert.deepEqual(usages.map(({ usage }) => usage.completion_tokens), [1, 2]);
});

test("tool calls come as fragments, each with the place of its call", PATIENCE, async () => {
  const stream = ask("tool-call");
  const { events } = await outcome(stream);
  const fragments = events.filter(({ type }) => type === "toolCall");
  assert.ok(fragments.every(({ index, id }) => index === 0 && id === "call_1"));
  assert.equal(fragments.map((fragment) => fragment.arguments).join(""), '{"port":"Brest"}');
  const result = await stream.done;
  assert.equal(result.finishReason, "tool_calls");
  assert.deepEqual(result.toolCalls, [{ index: 0, id: "call_1", name: "tide_at", arguments: '{"port":"Brest"}' }]);
  for (const model of ["tools-all-at-0", "tools-without-index"]) {
    const { toolCalls } = await ask(model).done;
    assert.deepEqual(toolCalls.map(({ index, id, name }) => [index, id, name]), [[0, "a", "one"], [1, "b", "two"]], model);
  }
  assert.equal((await ask("tools-without-index").done).toolCalls[0].arguments, '{"x":1}');
});

test("an answer of which one choice never finished is cut", PATIENCE, async () => {
  assert.equal((await failureOf("two-choices")).failure.code, "ended_early");
});

test("an event above the limit is an error after what came before it", PATIENCE, async () => {
  const { failure, text } = await failureOf("huge", { maxEventBytes: 3000 });
  assert.equal(failure.code, "too_large");
  assert.equal(text, "Low");
});

test("a server that is not there is tried again, and then said", PATIENCE, async () => {
  const { failure } = await failureOf("any", { baseURL: "http://127.0.0.1:9/api/v1", attempts: 2 });
  assert.deepEqual([failure.code, failure.attempts, failure.partial.text], ["connect", 2, ""]);
});

test("an abort ends every phase at once, with the text so far", PATIENCE, async () => {
  for (const model of ["no-head", "heartbeats", "stall"]) {
    const controller = new AbortController();
    const stream = ask(model, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 200);
    const { failure, text } = await outcome(stream);
    assert.equal(failure.code, "aborted", model);
    assert.equal(failure.cause.message, "enough", model);
    assert.equal(failure.text, text, model);
  }
  const { failure } = await outcome(ask("answer", { signal: AbortSignal.abort() }));
  assert.deepEqual([failure.code, failure.attempts], ["aborted", 0]);
  const pausing = ask("any", { baseURL: "http://127.0.0.1:9/api/v1", attempts: 99 });
  setTimeout(() => pausing.abort(), 300);
  assert.equal((await outcome(pausing)).failure.code, "aborted");
});

test("AbortSignal.timeout works too, and no listener stays on a signal", PATIENCE, async () => {
  const signal = AbortSignal.timeout(300);
  assert.equal((await outcome(ask("heartbeats", { signal }))).failure.code, "aborted");
  const warnings = [];
  const warned = (warning) => warnings.push(warning);
  process.on("warning", warned);
  const long = new AbortController();
  for (let count = 0; count < 3; count++) await ask("answer", { signal: long.signal }).done;
  assert.equal(getEventListeners(long.signal, "abort").length, 0);
  const streams = Array.from({ length: 25 }, () => outcome(ask("heartbeats", { signal: long.signal })));
  await outcome(ask("answer", { signal: long.signal }));
  assert.equal(getEventListeners(long.signal, "abort").length, 1);
  long.abort();
  assert.ok((await Promise.all(streams)).every(({ failure }) => failure.code === "aborted"));
  assert.equal(getEventListeners(long.signal, "abort").length, 0);
  await new Promise((resolve) => setTimeout(resolve, 10)); // a warning comes a little later
  process.off("warning", warned);
  assert.deepEqual(warnings, []);
});

test("leaving the loop closes the connection, and done says so", PATIENCE, async () => {
  const stream = ask("stall");
  for await (const event of stream) if (event.type === "text") break;
  await assert.rejects(stream.done, { code: "aborted" });
  for await (const piece of ask("stall").text) {
    assert.equal(piece, "Low");
    break;
  }
});

test("wrong arguments are refused before any network", () => {
  for (const [options, words] of [
    [{ model: "" }, /model/],
    [{ messages: [] }, /messages/],
    [{ api_key: KEY }, /use apiKey/],
    [{ baseUrl: "x" }, /use baseURL/],
    [{ timeout: 5 }, /use timeouts/],
    [{ timeouts: { stalled: 1 } }, /stalled/],
    [{ timeouts: { stall: -1 } }, /positive/],
    [{ attempts: 0 }, /attempts/],
    [{ maxEventBytes: 0 }, /maxEventBytes/],
    [{ stream: false }, /stream/],
    [{ baseURL: "/api/v1" }, /absolute/],
    [{ baseURL: "file:///etc" }, /absolute/],
    [{ apiKey: "sk-or\u2026" }, /character/],
    [{ headers: { "x-y": "a\nb" } }, /header/],
    [{ headers: { Authorization: `Bearer ${KEY}` } }, /use apiKey/],
    [{ headers: [["content-type", "text/plain"]] }, /headers/],
    [{ seed: 1n }, /no JSON/],
    [{ fetch: "fetch" }, /fetch/],
  ]) {
    assert.throws(() => ask("answer", options), (error) => error.code === "config" && words.test(error.message));
  }
});

test("the environment's key is for openrouter.ai alone, and a key is in no text", PATIENCE, async () => {
  delete process.env.OPENROUTER_API_KEY;
  assert.throws(() => ask("any", { baseURL: undefined }), { code: "config", message: /OPENROUTER_API_KEY/ });
  process.env.OPENROUTER_API_KEY = KEY;
  const seen = [];
  const fetch = (url, { headers }) => {
    seen.push([new URL(url).hostname, headers.get("authorization")]);
    return Promise.reject(new TypeError("not now"));
  };
  await outcome(ask("any", { fetch, attempts: 1 }));
  await outcome(ask("any", { fetch, attempts: 1, baseURL: undefined }));
  assert.deepEqual(seen, [["127.0.0.1", null], ["openrouter.ai", `Bearer ${KEY}`]]);
  const { failure } = await failureOf("echo/key", { apiKey: KEY });
  assert.ok(!failure.message.includes(KEY) && failure.message.includes("[API key]"));
  assert.ok(!JSON.stringify(failure).includes(KEY));
});

test("the body asks for a stream with usage, and carries the caller's parameters", PATIENCE, async () => {
  let sent, fields;
  const fetch = (_, { body, headers }) => {
    [sent, fields] = [JSON.parse(body), Object.fromEntries(headers)];
    return Promise.reject(new TypeError("not now"));
  };
  const headers = { "X-OpenRouter-Title": "Tides" };
  await outcome(ask("any", { fetch, headers, attempts: 1, temperature: 0.2, provider: { order: ["deepinfra"] } }));
  assert.deepEqual(fields, {
    ...{ accept: "text/event-stream", "accept-encoding": "identity", "content-type": "application/json" },
    "x-openrouter-title": "Tides",
  });
  assert.deepEqual(sent, {
    ...{ model: "any", messages, temperature: 0.2, provider: { order: ["deepinfra"] } },
    ...{ stream: true, stream_options: { include_usage: true } },
  });
});
