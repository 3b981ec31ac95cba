// For the tests of streamChat: a stream read to its end, and a `fetch` that answers with a body.

/** Read a stream to its end; return its events, its text, their types and how it failed. */
export async function outcome(stream) {
  const events = [];
  let failure = null;
  try {
    for await (const event of stream) events.push(event);
  } catch (error) {
    failure = error;
  }
  const text = events.map((event) => (event.type === "text" ? event.text : "")).join("");
  return { events, text, failure, types: events.map(({ type }) => type) };
}

/** Return a `fetch` that answers with a body, text or bytes, in pieces of `size` bytes. */
export function answering(body, { size = Infinity, type = "text/event-stream", ...init } = {}) {
  const data = typeof body === "string" ? new TextEncoder().encode(body) : body;
  return async () => {
    let at = 0;
    const pull = (controller) => {
      if (at >= data.length) return controller.close();
      controller.enqueue(data.slice(at, (at += Math.min(size, data.length))));
    };
    return new Response(new ReadableStream({ pull }), { headers: { "content-type": type }, ...init });
  };
}
