// The AI SDK's transport and chat with the relay for an API; the question names the play of the upstream server.

import assert from "node:assert/strict";
import { test } from "node:test";
import { AbstractChat, DefaultChatTransport, readUIMessageStream } from "ai";

const { RELAY, CUT_RELAY, TEXT } = process.env;
const PATIENCE = { timeout: 120_000 };

/** Return a transport, and the stream that it has begun last: as docs/relay.md has it. */
function transportTo(relay, ask = fetch) {
  const place = { stream: "" };
  const transport = new DefaultChatTransport({
    api: `${relay}/streams?format=ai-sdk`,
    fetch: async (url, options) => {
      const answer = await ask(url, options);
      place.stream = answer.headers.get("x-sseor-stream") ?? place.stream;
      return answer;
    },
    prepareReconnectToStreamRequest: () => ({ api: `${relay}/streams/${place.stream}?format=ai-sdk` }),
  });
  return { transport, place };
}

/** A chat as `useChat` keeps one, without React. */
class Chat extends AbstractChat {
  constructor(transport, options = {}) {
    const messages = [];
    const state = {
      status: "ready",
      error: undefined,
      get messages() {
        return messages;
      },
      set messages(all) {
        messages.splice(0, messages.length, ...all);
      },
      pushMessage: (message) => messages.push(message),
      popMessage: () => messages.pop(),
      replaceMessage: (index, message) => (messages[index] = structuredClone(message)),
      snapshot: (value) => structuredClone(value),
    };
    super({ id: "chat", state, transport, ...options });
  }

  get textShown() {
    return (this.lastMessage?.parts ?? []).map(({ type, text }) => (type === "text" ? text : "")).join("").trim();
  }
}

const asking = (text) => [{ id: "u", role: "user", parts: [{ type: "text", text }] }];
const send = (transport, text) =>
  transport.sendMessages({ chatId: "chat", trigger: "submit-message", messages: asking(text) });

/** Read a stream to its end; return the message and the errors. */
async function read(stream) {
  const errors = [];
  let message = { parts: [] };
  for await (const one of readUIMessageStream({ stream, onError: ({ message }) => errors.push(message) })) message = one;
  return { message, errors };
}

test("a message: reasoning, text, usage, each part ended", PATIENCE, async () => {
  const { transport, place } = transportTo(RELAY);
  const { message, errors } = await read(await send(transport, "text"));
  assert.deepEqual(errors, []);
  assert.equal(message.id, place.stream);
  const [step, reasoning, text, usage] = message.parts;
  assert.deepEqual([step.type, message.parts.length], ["step-start", 4]);
  assert.deepEqual([reasoning.type, reasoning.text, reasoning.state], ["reasoning", "Hm, so", "done"]);
  assert.deepEqual([text.type, text.text.trim(), text.state], ["text", TEXT, "done"]);
  assert.deepEqual([usage.type, usage.data.prompt_tokens, usage.data.cost], ["data-usage", 7, 0.25]);
});

test("a finish reason", PATIENCE, async () => {
  const { transport } = transportTo(RELAY);
  const chunks = [];
  for await (const chunk of await send(transport, "length")) chunks.push(chunk);
  assert.deepEqual(chunks.at(-1), { type: "finish", finishReason: "length" });
});

test("tool calls are run once, and the message goes on with the same ID", PATIENCE, async () => {
  const { transport } = transportTo(RELAY);
  const ran = [];
  const chat = new Chat(transport, { onToolCall: ({ toolCall }) => void ran.push(toolCall) });
  await chat.sendMessage({ text: "tools" });
  assert.deepEqual(ran.map(({ toolCallId, toolName, input }) => [toolCallId, toolName, input]), [
    ["call_1", "tide_at", { port: "Brest" }],
    ["call_2", "now", {}],
  ]);
  assert.deepEqual(chat.lastMessage.parts.filter(({ type }) => type.startsWith("tool-")).map(({ state }) => state), [
    "input-available",
    "input-available",
  ]);
  const { id } = chat.lastMessage;
  for (const { toolCallId, toolName: tool } of ran) await chat.addToolOutput({ tool, toolCallId, output: "14:07" });
  await chat.sendMessage();
  assert.equal(chat.error, undefined);
  assert.deepEqual(chat.messages.map((message) => message.role), ["user", "assistant"]);
  assert.equal(chat.lastMessage.id, id);
});

test("images, sources, refusals and what is spoken", PATIENCE, async () => {
  const { transport } = transportTo(RELAY);
  const { message, errors } = await read(await send(transport, "rich"));
  assert.deepEqual(errors, []);
  assert.deepEqual(message.parts.map(({ type }) => type), [
    ...["step-start", "file", "text", "source-url", "source-document", "text", "text", "data-usage"],
  ]);
  const [, image, , link, file, refusal, spoken] = message.parts;
  assert.equal(image.mediaType, "image/png");
  assert.deepEqual([link.url, link.title, file.filename], ["https://shom.example/brest", "Brest", "tides.pdf"]);
  assert.deepEqual([refusal.text, spoken.text], ["No.", "low"]);
});

for (const [play, code] of [["failing", "unavailable"], ["cut", "cut"], ["refused", "unauthorized"]]) {
  test(`an answer that fails: ${play}`, PATIENCE, async () => {
    const chat = new Chat(transportTo(RELAY).transport);
    await chat.sendMessage({ text: play });
    assert.deepEqual([chat.status, chat.error.message], ["error", code]);
    const text = chat.lastMessage.parts?.find(({ type }) => type === "text");
    if (play !== "refused") assert.equal(text.state, "streaming", "what is not whole is not done");
  });
}

test("an answer that begins anew is an error, and whole once it is taken up again", PATIENCE, async () => {
  const chat = new Chat(transportTo(RELAY).transport);
  await chat.sendMessage({ text: "restart" });
  assert.deepEqual([chat.status, chat.error.message, chat.textShown], ["error", "cut", TEXT]);
  await chat.resumeStream();
  assert.deepEqual([chat.status, chat.textShown, chat.messages.length], ["ready", TEXT, 2]);
});

test("a refused question", PATIENCE, async () => {
  const chat = new Chat(transportTo(RELAY).transport);
  await chat.sendMessage({ text: "unknown" });
  assert.equal(chat.status, "error");
  assert.deepEqual(JSON.parse(chat.error.message), { error: { code: "no-tides" } });
});

test("a stream that is stopped is aborted for all", PATIENCE, async () => {
  const { transport, place } = transportTo(RELAY);
  const stream = await send(transport, "stuck");
  const other = await transport.reconnectToStream({ chatId: "chat" });
  const ends = [];
  const reading = Promise.all(
    [stream, other].map(async (one) => {
      let last;
      for await (const chunk of one) last = chunk;
      ends.push(last);
    }),
  );
  await fetch(`${RELAY}/streams/${place.stream}/stop`, { method: "POST" });
  await reading;
  assert.deepEqual(ends, Array(2).fill({ type: "abort", reason: "cancelled" }));
});

test("nothing to come back to, and something that is gone", PATIENCE, async () => {
  const { transport, place } = transportTo(RELAY);
  assert.equal(await transport.reconnectToStream({ chatId: "chat" }), null);
  place.stream = "x".repeat(32);
  await assert.rejects(transport.reconnectToStream({ chatId: "chat" }), /not_found/);
});

test("a page that is loaded again takes the answer up, also when that has ended, and shows it once", PATIENCE, async () => {
  const { transport, place } = transportTo(RELAY);
  const first = new Chat(transport);
  const sending = first.sendMessage({ text: "slow" });
  while (place.stream === "") await new Promise((resolve) => setTimeout(resolve, 5));
  const second = new Chat(transport);
  second.messages = asking("slow");
  await second.resumeStream();
  await sending;
  const third = new Chat(transport);
  third.messages = structuredClone(first.messages);
  await third.resumeStream();
  for (const chat of [first, second, third]) {
    assert.deepEqual([chat.status, chat.textShown], ["ready", TEXT]);
    assert.deepEqual(chat.messages.map(({ role }) => role), ["user", "assistant"]);
    assert.equal(chat.lastMessage.id, place.stream);
  }
});

test("a message that goes on after tools, cut and taken up again, loses neither the calls nor the text", PATIENCE, async () => {
  let requests = 0;
  const { transport } = transportTo(RELAY, async (url, options) => {
    const answer = await fetch(url, options);
    return ++requests === 2 ? served(new Uint8Array(await answer.arrayBuffer()), 150, answer.headers) : answer;
  });
  const chat = new Chat(transport);
  await chat.sendMessage({ text: "tools" });
  for (const [tool, toolCallId] of [["tide_at", "call_1"], ["now", "call_2"]])
    await chat.addToolOutput({ tool, toolCallId, output: "14:07" });
  const before = structuredClone(chat.lastMessage.parts);
  await chat.sendMessage();
  assert.equal(chat.status, "error");
  await chat.resumeStream();
  assert.equal(chat.status, "ready");
  assert.deepEqual(chat.messages[1].parts.slice(0, before.length), before);
  assert.equal(chat.lastMessage.parts.filter(({ state }) => state === "input-available").length, 2);
});

test("connections cut at random: each is an error, and the last one leaves the whole message", PATIENCE, async () => {
  const { transport } = transportTo(CUT_RELAY);
  const chat = new Chat(transport);
  await chat.sendMessage({ text: "slow" });
  let cuts = 0;
  for (; chat.status === "error"; cuts++) {
    assert.ok(cuts < 100);
    await chat.resumeStream();
  }
  assert.ok(cuts > 0);
  assert.equal(chat.textShown, TEXT);
  assert.equal(chat.messages.length, 2);
});

test("a body cut anywhere never passes for a whole message, and coming back makes one", PATIENCE, async () => {
  const { transport: live, place } = transportTo(RELAY);
  await read(await send(live, "tools"));
  const whole = new Uint8Array(await (await fetch(`${RELAY}/streams/${place.stream}?format=ai-sdk`)).arrayBuffer());
  const { message: expected } = await read(await send(transportTo("", () => served(whole)).transport, "x"));
  const complete = new TextDecoder().decode(whole).indexOf('data: {"type":"finish"');
  for (let end = 0; end < complete; end += 3) {
    const bodies = [served(whole, end), served(whole)];
    const chat = new Chat(transportTo("", async () => bodies.shift()).transport);
    await chat.sendMessage({ text: "tools" });
    assert.equal(chat.status, "error", `cut after ${end} bytes`);
    await chat.resumeStream();
    assert.equal(chat.status, "ready");
    assert.deepEqual(chat.lastMessage.parts, expected.parts, `cut after ${end} bytes`);
    assert.equal(chat.messages.length, 2);
  }
});

/** Return an answer with this body, which is lost after `end` bytes. */
function served(body, end = body.length, headers = { "x-sseor-stream": "stream-of-this-test-0123" }) {
  let sent = false;
  const stream = new ReadableStream({
    pull(controller) {
      if (!sent && end > 0) controller.enqueue(body.slice(0, end));
      else if (end < body.length) controller.error(new TypeError("network error"));
      else controller.close();
      sent = true;
    },
  });
  return new Response(stream, { headers });
}
