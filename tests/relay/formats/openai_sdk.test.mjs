// OpenAI's client for Node with the relay for a base URL; the question names the play of the upstream server.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";

const { RELAY, CUT_RELAY, TEXT } = process.env;
const PATIENCE = { timeout: 120_000 };

const at = (baseURL) => new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const question = (content) => ({ model: "openai/gpt-5-mini", messages: [{ role: "user", content }] });
const completed = (content) => at(RELAY).chat.completions.stream(question(content)).finalChatCompletion();
const asked = (content, relay = RELAY) => at(relay).chat.completions.create({ ...question(content), stream: true });

/** Read a stream; return the text that came and the error that ended it. */
async function read(stream) {
  let text = "";
  try {
    for await (const { choices } of await stream) {
      assert.equal(choices.length, 1);
      text += choices[0].delta.content ?? "";
      if (choices[0].finish_reason) return { text, reason: choices[0].finish_reason };
    }
    return { text };
  } catch (error) {
    return { text, error };
  }
}

test("text, finish reason and usage", PATIENCE, async () => {
  const completion = await completed("text");
  assert.equal(completion.choices[0].message.content.trim(), TEXT);
  assert.equal(completion.choices[0].finish_reason, "stop");
  assert.equal(completion.model, "openai/gpt-5-mini");
  assert.deepEqual([completion.usage.prompt_tokens, completion.usage.cost], [7, 0.25]);
  const { text, reason } = await read(asked("text"));
  assert.deepEqual([text.trim(), reason], [TEXT, "stop"]);
});

test("tool calls", PATIENCE, async () => {
  const { finish_reason, message } = (await completed("tools")).choices[0];
  assert.equal(finish_reason, "tool_calls");
  assert.deepEqual(
    message.tool_calls.map(({ id, type, function: { name } }) => [id, type, name]),
    [["call_1", "function", "tide_at"], ["call_2", "function", "now"]],
  );
  assert.equal(message.tool_calls[0].function.arguments, '{"port":"Brest"}');
});

for (const [play, code] of [["failing", "unavailable"], ["cut", "cut"], ["refused", "unauthorized"]]) {
  test(`an answer that fails: ${play}`, PATIENCE, async () => {
    const { error, reason } = await read(asked(play));
    assert.equal(reason, undefined);
    assert.ok(error instanceof OpenAI.APIError);
    assert.equal(error.code, code);
    assert.ok(!error.message.includes("CANARY"));
    await assert.rejects(completed(play), (failure) => failure.code === code);
  });
}

test("a refused question", PATIENCE, async () => {
  await assert.rejects(asked("unknown"), (error) => error.status === 422 && error.code === "no-tides");
  const whole = at(RELAY).chat.completions.create(question("text"));
  await assert.rejects(whole, (error) => error.status === 400 && error.code === "not_streamed");
});

test("a connection that is cut never reads as a whole answer", PATIENCE, async () => {
  for (let turn = 0; turn < 8; turn++) {
    const { error, reason } = await read(asked("slow", CUT_RELAY));
    assert.equal(reason, undefined);
    assert.ok(error !== undefined);
  }
});
