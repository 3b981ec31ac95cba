// How streamChat assembles what servers send oddly: bodies given by a `fetch` of the test, whole and byte by byte.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { streamChat } from "../../src/sseor/browser/chat.js";
import { answering, outcome } from "./reading.mjs";

const KEY = "sk-or-v1-0123456789abcdef";
const messages = [{ role: "user", content: "Hi" }];

const sse = (...chunks) => chunks.map((chunk) => `data: ${typeof chunk === "string" ? chunk : JSON.stringify(chunk)}\n\n`).join("");
const said = (delta, choice = {}) => ({ choices: [{ index: 0, delta, ...choice }] });
const calls = (...fragments) => fragments.map((fragment) => said({ tool_calls: [fragment] }));
const STOP = said({}, { finish_reason: "stop" });

/** Read an answer to its end; return its events, its result and how it failed. */
async function read(body, { options, ...answer } = {}) {
  const fetch = answering(body, answer);
  const stream = streamChat({ model: "m", messages, baseURL: "http://127.0.0.1/v1", attempts: 1, fetch, ...options });
  return { ...(await outcome(stream)), ...stream.partial };
}

/** Read a body whole and byte by byte, which must give the same; return what it gave. */
async function both(body, answer = {}) {
  const whole = await read(body, answer);
  const pieces = await read(body, { ...answer, size: 1 });
  assert.equal(JSON.stringify(pieces.events), JSON.stringify(whole.events));
  assert.equal(String(pieces.failure), String(whole.failure));
  return whole;
}

const textsOf = (events) => events.filter(({ type }) => type === "text").map(({ text }) => text);

test("each piece of text is whole characters, and a half that stays alone is U+FFFD", async () => {
  const half = (escape) => `{"choices":[{"delta":{"content":"${escape}","reasoning":"${escape}"}}]}`;
  const { events, text, reasoning } = await both(sse(half("a\\ud83c"), half("\\udf0a"), half("\\udf0a\\ud83c"), STOP));
  assert.deepEqual(textsOf(events), ["a", "🌊", "\ufffd", "\ufffd"]);
  assert.deepEqual([text, reasoning], ["a🌊\ufffd\ufffd", "a🌊\ufffd\ufffd"]);
  const cut = await both(sse(half("a\\ud83c")));
  assert.deepEqual([textsOf(cut.events), cut.failure.code, cut.failure.text], [["a", "\ufffd"], "ended_early", "a\ufffd"]);
});

for (const [title, fragments, expected] of [
  [
    "calls are ordered by their index, whenever they arrive",
    [{ index: 1, id: "b", function: { name: "two" } }, { index: 0, id: "a", function: { name: "one", arguments: "{}" } }],
    [[0, "a", "one", "{}"], [1, "b", "two", ""]],
  ],
  [
    "interleaved slices find their calls",
    [
      { index: 0, id: "a", function: { name: "one", arguments: "" } },
      { index: 1, id: "b", function: { name: "two", arguments: "{" } },
      { index: 0, function: { arguments: '{"x"' } },
      { index: 1, id: "", function: { arguments: "}" } },
      { index: 0, id: null, function: { name: "one", arguments: ":1}" } },
    ],
    [[0, "a", "one", '{"x":1}'], [1, "b", "two", "{}"]],
  ],
  [
    "a whole call sent again is not doubled",
    Array(2).fill({ index: 0, id: "a", function: { name: "one", arguments: '{"x":1}' } }),
    [[0, "a", "one", '{"x":1}']],
  ],
  [
    "equal slices are no repetition",
    ['{"x":"', "ab", "ab", '"}'].map((slice) => ({ index: 0, id: "a", function: { name: "one", arguments: slice } })),
    [[0, "a", "one", '{"x":"abab"}']],
  ],
  [
    "a name in pieces is joined, and a repeated one is not",
    [
      { index: 0, id: "a", function: { name: "tide" } },
      { index: 0, function: { name: "_at" } },
      { index: 0, function: { name: "tide_at", arguments: "{" } },
      { index: 0, function: { name: "tide", arguments: "}" } },
    ],
    [[0, "a", "tide_at", "{}"]],
  ],
  [
    "an unknown id without an index begins a call, and neither of both continues the last",
    [
      { id: "a", function: { name: "one", arguments: "{" } },
      { id: "b", name: "two", arguments: "{" },
      { function: { arguments: "}" } },
      { id: "a", function: { arguments: "}" } },
    ],
    [[0, "a", "one", "{}"], [1, "b", "two", "{}"]],
  ],
  [
    "without ids, a name with arguments after a whole call begins the next",
    [
      { index: 0, function: { name: "one", arguments: "{}" } },
      { index: 0, function: { name: "one", arguments: { x: 1 } } },
      { index: 0, function: { name: "two", arguments: {} } },
    ],
    [[0, "", "one", "{}"], [1, "", "one", '{"x":1}']],
  ],
  [
    "halves of a character join in the arguments too",
    ['{"x":"\ud83c', '\udf0a"}\ud83c'].map((slice) => ({ index: 0, id: "a", function: { name: "one", arguments: slice } })),
    [[0, "a", "one", '{"x":"🌊"}\ufffd']],
  ],
  [
    "an id that comes late is that of the call at its index",
    [{ index: 3, function: { name: "one" } }, { index: 3, id: "a", function: { arguments: "{}" } }],
    [[3, "a", "one", "{}"]],
  ],
]) {
  test(title, async () => {
    const { toolCalls, events, finishReason } = await both(sse(...calls(...fragments), STOP));
    assert.deepEqual(toolCalls.map((call) => [call.index, call.id, call.name, call.arguments]), expected);
    assert.equal(finishReason, "tool_calls");
    const told = expected.map(([index]) => events.filter((event) => event.type === "toolCall" && event.index === index));
    const joined = told.map((events) => [events.map(({ name }) => name).join(""), events.map((event) => event.arguments).join("")]);
    assert.deepEqual(joined, expected.map(([, , name, whole]) => [name, whole]));
  });
}

test("what a fragment brings besides is handed over with it", async () => {
  const extra = { google: { thought_signature: "c2ln" } };
  const { events } = await both(sse(...calls({ index: 0, id: "a", function: { name: "one" } }, { index: 0, extra_content: extra }), STOP));
  assert.deepEqual(events.filter(({ type }) => type === "toolCall").map(({ raw }) => raw.extra_content), [undefined, extra]);
});

test("choices are kept apart, without an index by their places", async () => {
  const pair = (...texts) => ({ choices: texts.map((content) => ({ delta: { content } })) });
  const ends = { choices: [{ finish_reason: "stop" }, { finish_reason: "length" }] };
  const { events, text, finishReason } = await both(sse(pair("a", "b"), pair("A", "B"), ends));
  assert.deepEqual([text, finishReason], ["aA", "stop"]);
  const second = events.filter(({ choice }) => choice === 1).map(({ type, text, reason }) => [type, text ?? reason]);
  assert.deepEqual(second, [["text", "b"], ["text", "B"], ["finish", "length"]]);
  const odd = await both(sse({ choices: [{ index: 1e12, delta: { content: "a" }, finish_reason: "stop" }] }));
  assert.equal(odd.text, "a");
});

test("a choice that ended in an error spoils the answer", async () => {
  const { failure, text } = await both(sse(said({ content: "a" }), STOP, { choices: [{ index: 1, finish_reason: "error" }] }));
  assert.deepEqual([failure.code, text], ["generation", "a"]);
});

test("reasoning is told once, from whichever field has it", async () => {
  for (const [choice, expected] of [
    [{ delta: { reasoning: "r", reasoning_content: "r", reasoning_details: [{ type: "reasoning.text", text: "r" }] } }, "r"],
    [{ delta: { reasoning_content: "r" } }, "r"],
    [{ delta: { reasoning: "", reasoning_details: [{ type: "reasoning.summary", summary: "r" }] } }, "r"],
    [{ delta: { content: [{ type: "thinking", thinking: "r" }] } }, "r"],
    [{ delta: { content: { type: "thinking", thinking: [{ type: "text", text: "r" }] } } }, "r"],
    [{ text: "", reasoning: "r" }, "r"],
    [{ delta: { reasoning_details: [{ type: "reasoning.encrypted", data: "x" }] } }, ""],
  ]) {
    const { reasoning } = await both(sse({ choices: [choice] }, STOP));
    assert.equal(reasoning, expected, JSON.stringify(choice));
  }
});

test("usage comes from wherever the server puts it, and an empty one hides none", async () => {
  const usage = { total_tokens: 3 };
  for (const chunk of [
    { choices: [], usage },
    { usage, x_groq: { usage: { total_tokens: 9 } } },
    { usage: {}, x_groq: { usage } },
    { choices: [{ index: 0, delta: {} }, { index: 1, usage, finish_reason: "stop" }] },
  ]) {
    const result = await both(sse(said({ content: "a" }), chunk, STOP));
    assert.deepEqual(result.usage, usage, JSON.stringify(chunk));
  }
});

test("tool calls after the finish reason make it tool_calls, and words of other servers are translated", async () => {
  assert.equal((await both(sse(STOP, ...calls({ id: "a", function: { name: "one" } })))).finishReason, "tool_calls");
  for (const [word, reason] of [["STOP", "stop"], [" eos ", "stop"], ["max_tokens", "length"], ["odd", "odd"]]) {
    assert.equal((await both(sse(said({ content: "a" }, { finish_reason: word })))).finishReason, reason);
  }
  for (const word of ["", " ", null, 7]) {
    assert.equal((await both(sse(said({ content: "a" }, { finish_reason: word })))).failure.code, "ended_early");
  }
});

test("what is no piece of the answer is no progress: it does not stand in the way of another attempt", async () => {
  for (const delta of [{ role: "assistant", content: "" }, { tool_calls: [{ index: 0 }] }, { provider_specific_fields: {} }, { token_ids: [1] }]) {
    let asked = 0;
    const answers = [sse(said(delta)), sse(said({ content: "a" }), STOP)];
    const fetch = (...request) => answering(answers[asked++])(...request);
    const { text, failure } = await read("", { options: { fetch, attempts: 2 } });
    assert.deepEqual([text, failure, asked], ["a", null, 2], JSON.stringify(delta));
  }
});

test("an image, a refusal, or another part of the content is a piece of the answer, handed over raw", async () => {
  const image = { image_url: { url: "data:," } };
  for (const delta of [{ images: [image] }, { refusal: "no" }, { audio: { data: "AA" } }, { content: [image] }, { function_call: { name: "f" } }]) {
    const { events, failure } = await read(sse(said(delta)), { options: { attempts: 3 } });
    assert.deepEqual(events[0].chunk.choices[0].delta, delta);
    assert.deepEqual([failure.code, failure.attempts], ["ended_early", 1], JSON.stringify(delta));
  }
});

test("a bomb of brackets or digits is an error with the text so far, or a chunk", async () => {
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  for (const [bomb, code] of [
    [`{"choices":[],"usage":{"a":${deep}}}`, "protocol"],
    ["[".repeat(200_000), "protocol"],
    [`[${deep}]`, "protocol"],
    [`{"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"arguments":{"a":${deep}}}}]}}]}`, "protocol"],
    [`{"choices":[{"delta":{"content":${deep}}}]}`, "ended_early"],
    [`{"choices":[],"x":${"1".repeat(5000)}}`, "ended_early"],
  ]) {
    const { failure, text } = await read(sse(said({ content: "a" }), bomb));
    assert.deepEqual([failure.code, text, failure.text], [code, "a", "a"], bomb.slice(0, 40));
    assert.ok(failure.message.length < 400);
  }
});

test("an answer that is one document is read, also before the events of the end; another is none", async () => {
  const whole = JSON.stringify({ choices: [{ message: { content: "a" }, finish_reason: "stop" }] }, null, 1);
  for (const body of [whole, `\n\n  ${whole}\n`, `${" ".repeat(2000)}${whole}`, `${" \n".repeat(50)}\t${whole}`, `${whole}\n\ndata: [DONE]\n\n`]) {
    for (const type of ["application/json", "text/event-stream", ""]) {
      const { text, failure } = await both(body, { type });
      assert.deepEqual([text, failure], ["a", null]);
    }
  }
  for (const body of ["[17]", "{broken", '{"x": NaN', '{"choices":"x"}', "<html>", "Service Unavailable", "dat", " "]) {
    const { failure } = await both(body, { type: "text/plain" });
    assert.deepEqual([failure.code, failure.message.includes("text/plain")], ["content_type", true], body);
  }
});

test("a body that says nothing, or stops before it is clear what it is, is cut", async () => {
  for (const body of ["", " ", "\n\n", ":", "dat", "\ufeff"]) {
    assert.equal((await both(body)).failure.code, "ended_early", JSON.stringify(body));
  }
  const { failure } = await both(`{"x":"${"y".repeat(50)}`, { options: { maxEventBytes: 20 } });
  assert.equal(failure.code, "too_large");
});

test("an event named error is a failure unless it says nothing", async () => {
  for (const [data, words] of [['{"message":"down"}', /down/], ["down", /down/], ['{"error":{"message":"down"}}', /down/]]) {
    const { failure, text } = await both(`${sse(said({ content: "a" }))}event: error\ndata: ${data}\n\n`);
    assert.equal(failure.code, "generation", data);
    assert.match(failure.message, words);
    assert.equal(text, "a");
  }
  const named = await both(`event: error\ndata: ${JSON.stringify(said({ content: "a" }))}\n\n`);
  assert.deepEqual([named.text, named.failure.code], ["a", "ended_early"]);
  for (const data of ["", "null", "{}"]) {
    assert.equal((await both(`event: error\ndata: ${data}\n\n${sse(said({ content: "a" }), STOP)}`)).text, "a");
  }
});

for (const [error, expected] of [
  ["boom", { providerCode: null, retryable: false }],
  [{ code: 502, message: "x" }, { providerCode: 502, retryable: true }],
  [{ code: "429" }, { providerCode: 429, retryable: true }],
  [{ code: "server_error" }, { providerCode: "server_error", retryable: true }],
  [{ code: "insufficient_quota" }, { providerCode: "insufficient_quota", retryable: false }],
  [{ code: null, message: "x" }, { providerCode: null, retryable: true }],
  [{ code: 400, metadata: { error_type: "context_length_exceeded" } }, { errorType: "context_length_exceeded", retryable: false }],
  [{ error_type: "provider_overloaded", http_status: 503 }, { errorType: "provider_overloaded", retryable: true, providerCode: 503 }],
  [{ availability: { code: "capacity_exhausted", retryable: false, retry_after: 7 } }, { retryAfter: 7000, retryable: false }],
  [{ code: 429, metadata: { retry_after_seconds: 12, provider_name: "Chutes", raw: "slow" } }, { retryAfter: 12_000, provider: "Chutes", native: "slow" }],
  [{ code: 429, metadata: { headers: { "Retry-After": "3" } } }, { retryAfter: 3000 }],
  [{ code: 429, metadata: { headers: { "retry-after-ms": " 250 " } } }, { retryAfter: 250 }],
  [{ code: 402, metadata: { limit_source: "openrouter_in_flight_budget" } }, { retryable: true }],
  [{ code: 402, message: "no credits" }, { retryable: false }],
  [{ code: "content_filter", innererror: { code: "x" } }, { native: '{"code":"x"}', retryable: false }],
]) {
  test(`the failure ${JSON.stringify(error)} is read, wherever it stands`, async () => {
    for (const chunk of [{ error }, { error, choices: [] }, { choices: [{ index: 0, error, finish_reason: "error" }] }]) {
      const { failure } = await both(sse(said({ content: "a" }), chunk));
      assert.equal(failure.code, "generation");
      for (const [field, value] of Object.entries(expected)) assert.equal(failure[field], value, field);
    }
  });
}

test("errors that say nothing are none", async () => {
  for (const error of [null, {}, [], "", false, { code: null, message: null }]) {
    assert.equal((await both(sse({ ...said({ content: "a" }), error }, STOP))).failure, null, JSON.stringify(error));
  }
});

test("a key that a server sends back is in no part of an error, its stack and its cause included", async () => {
  const long = "x".repeat(1000 - KEY.length / 2); // the message is cut in the middle of the key
  const body = JSON.stringify({ error: { code: KEY, message: `${long}${KEY}`, metadata: { provider_name: KEY, error_type: KEY, raw: KEY } } });
  const refused = await read(body, { status: 401, options: { apiKey: KEY } });
  const failed = await read(sse({ error: KEY }), { options: { apiKey: KEY } });
  const fetch = () => Promise.reject(new TypeError(`cannot send Bearer ${KEY}`));
  const unsent = await read("", { options: { apiKey: KEY, fetch } });
  assert.deepEqual([refused, failed, unsent].map(({ failure }) => failure.code), ["status", "generation", "connect"]);
  for (const { failure } of [refused, failed, unsent]) {
    const shown = inspect(failure, { depth: 9, showHidden: true }) + failure.stack + JSON.stringify(failure);
    assert.ok(!shown.includes(KEY.slice(0, 12)), shown);
    assert.match(failure.stack, /^ChatError: |^Error: /);
  }
});

test("a key in a page or in its worker is refused unless it is allowed on purpose", async () => {
  class WorkerGlobalScope {}
  for (const globals of [{ window: {}, document: {} }, { WorkerGlobalScope, self: new WorkerGlobalScope() }]) {
    const before = Object.keys(globals).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]);
    for (const [name, value] of Object.entries(globals)) Object.defineProperty(globalThis, name, { value, configurable: true });
    try {
      const body = sse(said({ content: "a" }), STOP);
      await assert.rejects(read(body, { options: { apiKey: KEY } }), { code: "config", message: /dangerouslyAllowBrowser/ });
      assert.equal((await read(body, { options: { apiKey: KEY, dangerouslyAllowBrowser: true } })).text, "a");
      assert.equal((await read(body)).text, "a"); // a server without a key
    } finally {
      for (const [name, own] of before) own ? Object.defineProperty(globalThis, name, own) : delete globalThis[name];
    }
  }
});

test("many deltas take linear time, also when only the result is awaited", async () => {
  const cost = async (count) => {
    const body = sse(said({ content: "x" })).repeat(count) + sse(STOP);
    const fetch = answering(body, { size: body.length / count });
    const began = process.cpuUsage();
    const stream = streamChat({ model: "m", messages, baseURL: "http://127.0.0.1/v1", fetch });
    assert.equal((await stream.done).text.length, count);
    const { user, system } = process.cpuUsage(began);
    return user + system;
  };
  await cost(5000);
  const [small, large] = [await cost(5000), await cost(50_000)];
  assert.ok(large < 40 * small, `${small} and ${large} µs`); // ten times as many; the square would be a hundred
});
