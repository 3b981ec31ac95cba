// Reads bodies with streamChat: base64, one a line, on standard input; on standard output what came of each, as JSON.

import { createInterface } from "node:readline";
import { streamChat } from "../../src/sseor/browser/chat.js";
import { answering, outcome } from "./reading.mjs";

for await (const line of createInterface({ input: process.stdin })) {
  const fetch = answering(new Uint8Array(Buffer.from(line, "base64")), { size: 1000 });
  const stream = streamChat({ model: "m", messages: [{ role: "user" }], baseURL: "http://127.0.0.1/", attempts: 1, fetch });
  const { events, failure } = await outcome(stream);
  const { text, reasoning, toolCalls, usage, finishReason, generationId, verdict } = stream.partial;
  const joined = (type) => events.filter((event) => event.type === type && event.choice === 0).map((event) => event.text).join("");
  console.log(
    JSON.stringify({
      ...{ text, reasoning, usage, id: generationId, done: verdict.sawDone, complete: failure === null },
      ...{ finish: finishReason, told: [joined("text"), joined("reasoning")] },
      calls: toolCalls.map((call) => [call.index, call.id, call.name, call.arguments]),
      failure: failure?.code === "generation" ? [failure.providerCode, failure.errorType, failure.retryable] : null,
    }),
  );
}
