// Streams an answer: npx tsc --strict --module nodenext --target es2022 --types node stream.ts && node stream.js
import { ChatError, streamChat } from "sseor";

const stream = streamChat({
  baseURL: process.env.SSEOR_BASE_URL ?? "https://openrouter.ai/api/v1",
  model: "openai/gpt-5-mini",
  messages: [{ role: "user", content: "When is low water in Brest?" }],
  timeouts: { firstToken: 60_000, stall: 30_000 },
});

try {
  for await (const text of stream.text) process.stdout.write(text);
  const { finishReason, usage } = await stream.done;
  console.log(`\n${finishReason}: ${usage?.total_tokens} tokens, $${usage?.cost}`);
} catch (error) {
  if (!(error instanceof ChatError)) throw error;
  console.error(`\n${error.message}; ${error.text.length} characters had come`);
  process.exitCode = 1;
}
