// Drives the decoder of sseor.js for the conformance suite: one JSON object a line, on standard input and output.

import { createInterface } from "node:readline";
import { Decoder } from "../../src/sseor/browser/sseor.js";

console.log(JSON.stringify({ protocol: 1, name: "sseor.js", version: process.version }));

for await (const line of createInterface({ input: process.stdin })) {
  const { play, reads } = JSON.parse(line);
  console.log(JSON.stringify({ play, ...decode(reads.map((read) => Buffer.from(read, "base64"))) }));
}

function decode(reads) {
  const decoder = new Decoder();
  const items = [];
  const began = process.cpuUsage();
  let error = null;
  try {
    reads.forEach((read, index) => {
      for (const item of decoder.feed(read)) items.push(told(item, index + 1));
    });
    decoder.end();
  } catch (failure) {
    error = String(failure);
  }
  const { user, system } = process.cpuUsage(began);
  const state = { last_event_id: decoder.lastEventId, reconnection_time: decoder.reconnectionTime };
  return { items, ...state, error, cpu: (user + system) / 1e6 };
}

function told(item, after) {
  if (item.type === "comment") return { comment: item.text, after };
  return { data: item.data, event: item.event, id: item.id, after };
}
