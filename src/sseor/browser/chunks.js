/**
 * From events to meaning: what is a chunk, what ends the stream, what failed, and what each chunk brings.
 *
 * @module
 */

/** @typedef {import("./chat.js").ChatEvent} ChatEvent */
/** @typedef {{ [name: string]: any }} Json */

export const DONE = "[DONE]";

// Event names under which every object is a chunk; `data` is OpenRouter's name for its last frame.
const PLAIN_NAMES = ["message", "data"];
const MEANINGFUL = ["choices", "error", "usage"];

const FINISH_WORDS = new Map([
  ["function_call", "tool_calls"],
  ["tool_use", "tool_calls"],
  ["eos", "stop"],
  ["end_turn", "stop"],
  ["max_tokens", "length"],
  ["model_length", "length"],
]);
const NORMALIZED = ["stop", "length", "tool_calls", "content_filter", "error"];
const GENERATED = ["text", "reasoning", "toolCall"];
const FAILED_WORDS = ["network_error", "error"];

// Fields that the small events tell of; a chunk with anything else is handed over raw.
const TOLD_OF_CHUNK = new Set([
  ...["id", "object", "created", "model", "provider", "choices", "usage", "error"],
  ...["system_fingerprint", "service_tier", "obfuscation", "user_id"],
]);
const TOLD_OF_CHOICE = new Set([
  ...["index", "delta", "message", "text", "finish_reason", "native_finish_reason", "usage", "error"],
]);
const TOLD_OF_DELTA = new Set(["role", "content", "reasoning", "reasoning_content", "tool_calls"]);

/** An event whose data is no chunk. */
export class ChunkError extends Error {}

/**
 * Yield the chunks in the data of one event, and `[DONE]` where it stands. Empty data and comments that a proxy sent on
 * as data are noise, and so is what is no chunk under an event name of its own.
 *
 * @param {{ event: string, data: string }} event
 * @returns {Generator<Json | typeof DONE>}
 */
export function* chunksIn({ event: name, data }) {
  // Some servers forget the blank line between events: what is no JSON as a whole is read line by line.
  const documents = data.includes("\n") && parseJson(data) === undefined ? data.split("\n") : [data];
  for (const document of documents) {
    const text = document.trim();
    if (text === "" || text.startsWith(":")) continue;
    const chunk = text === DONE ? DONE : readDocument(text, name);
    if (chunk !== null) yield chunk;
    if (chunk === DONE) return;
  }
}

/**
 * @param {string} text one JSON document
 * @param {string} name the event type it came under
 * @returns {Json | null} null for noise
 */
function readDocument(text, name) {
  const isPlain = PLAIN_NAMES.includes(name);
  const value = parseJson(text);
  if (name === "error" && errorOf(value) === null) return { error: value ?? text };
  if (Array.isArray(value)) {
    const error = errorOf(value); // Gemini wraps its error in an array
    if (error !== null) return { error };
  }
  if (!isObject(value)) {
    if (!isPlain) return null;
    throw new ChunkError(`no JSON object: ${text.slice(0, 200)}`);
  }
  if (!isPlain && !MEANINGFUL.some((field) => field in value)) return null;
  const fault = faultOf(value);
  if (fault !== null) throw new ChunkError(`${fault}: ${text.slice(0, 200)}`);
  return value;
}

/**
 * Return what makes an object no chunk: text would be lost if it were overlooked.
 *
 * @param {Json} chunk
 */
function faultOf(chunk) {
  const choices = chunk.choices ?? [];
  if (!Array.isArray(choices)) return "choices is no array";
  for (const choice of choices) {
    if (choice === null) continue;
    if (!isObject(choice)) return "a choice is no object";
    for (const delta of [choice.delta ?? {}, choice.message ?? {}]) {
      if (!isObject(delta)) return "a delta is no object";
      if (!["string", "object", "undefined"].includes(typeof delta.content)) return "content is no text";
      if (!Array.isArray(delta.tool_calls ?? [])) return "tool_calls is no array";
    }
  }
  return null;
}

/**
 * @param {string} text
 * @returns {unknown} undefined for what is no JSON; NaN and Infinity, which some servers send, count as null
 */
export function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    if (!/NaN|Infinity/.test(text)) return undefined;
  }
  try {
    return JSON.parse(text.replace(/("(?:[^"\\]|\\.)*")|-?\b(?:NaN|Infinity)\b/g, (_, string) => string ?? "null"));
  } catch {
    return undefined;
  }
}

/**
 * @param {unknown} value
 * @returns {value is Json}
 */
export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Return the error inside a document, or null: null, empty and false ones are no errors.
 *
 * @param {unknown} body
 * @returns {unknown}
 */
export function errorOf(body) {
  if (Array.isArray(body)) return body.map(errorOf).find((error) => error !== null) ?? null;
  if (!isObject(body)) return null;
  if (saysSomething(body.error)) return body.error;
  if (body.object === "error" || (body.type === "error" && "message" in body)) return body; // flat: vLLM, Mistral
  const choices = Array.isArray(body.choices) ? body.choices : [];
  for (const place of [body.x_groq, ...choices]) {
    if (isObject(place) && saysSomething(place.error)) return place.error;
  }
  return null;
}

/** @param {unknown} error */
function saysSomething(error) {
  return isObject(error) ? Object.values(error).some((value) => value !== null) : Boolean(error);
}

/** The answer while it grows: takes chunks, gives small events, and keeps what the result will say. */
export class Answer {
  text = "";
  reasoning = "";
  /** @type {import("./chat.js").ToolCall[]} */
  toolCalls = [];
  /** @type {Json | null} */
  usage = null;
  /** @type {string | null} */
  finishReason = null;
  /** @type {string | null} */
  nativeFinishReason = null;
  /** @type {string | null} */
  generationId = null;
  /** @type {string | null} */
  model = null;
  /** @type {string | null} */
  provider = null;
  /** Whether anything of the answer has been handed out, so that nothing may be sent again. */
  generated = false;
  /** @type {Map<number, Choice>} */
  #choices = new Map();

  /** Whether every choice seen, and at least one, gave a finish reason that is no failure. */
  get finished() {
    const choices = [...this.#choices.values()];
    return choices.length > 0 && choices.every(({ finishReason }) => finishReason !== null) && this.failure === null;
  }

  /**
   * The failure behind a finish reason, or null: the reason `error`, or a benign one before any output where the
   * provider's own word tells of a failure.
   */
  get failure() {
    if (this.finishReason === "error") return "the provider ended the answer with an error";
    const native = this.nativeFinishReason?.toLowerCase() ?? "";
    const failed = this.finishReason !== null && !this.generated && FAILED_WORDS.includes(native);
    return failed ? "the provider failed before any output" : null;
  }

  /**
   * Return what a chunk brings, in order, and whether the answer moved on; an error that it bears is the caller's to
   * raise.
   *
   * @param {Json} chunk
   */
  add(chunk) {
    this.#note(chunk);
    /** @type {ChatEvent[]} */
    let brought = [];
    for (const raw of chunk.choices ?? []) {
      if (raw === null) continue;
      const index = Number.isInteger(raw.index) ? raw.index : 0;
      let choice = this.#choices.get(index);
      if (choice === undefined) this.#choices.set(index, (choice = new Choice(index)));
      brought.push(...choice.add(raw));
    }
    if (hasMore(chunk)) brought.push({ type: "raw", chunk });
    const usage = usageOf(chunk);
    if (usage !== null && JSON.stringify(usage) !== JSON.stringify(this.usage)) {
      this.usage = usage; // a later one replaces it: some servers send running totals
      brought.push({ type: "usage", usage });
    }
    const generates = brought.some(({ type }) => GENERATED.includes(type)) || bringsMedia(chunk);
    this.generated ||= generates;
    this.#collect();
    if (this.failure !== null) brought = brought.filter(({ type }) => type !== "finish");
    return { brought, isProgress: generates || brought.some(({ type }) => type !== "raw") };
  }

  /** @param {Json} chunk */
  #note(chunk) {
    this.generationId = word(chunk.id) ?? this.generationId;
    this.model = word(chunk.model) ?? this.model;
    this.provider = word(chunk.provider) ?? this.provider;
  }

  /** Take over what the first choice has, which is the answer unless the caller asked for several. */
  #collect() {
    const first = this.#choices.get(0) ?? [...this.#choices.values()][0];
    if (first === undefined) return;
    this.text = first.text;
    this.reasoning = first.reasoning;
    this.toolCalls = first.calls.list;
    this.finishReason = first.finishReason;
    this.nativeFinishReason = first.nativeFinishReason;
  }
}

/** One choice while it grows. */
class Choice {
  text = "";
  reasoning = "";
  calls = new ToolCalls();
  /** @type {string | null} */
  finishReason = null;
  /** @type {string | null} */
  nativeFinishReason = null;

  /** @param {number} index */
  constructor(index) {
    this.index = index;
  }

  /**
   * @param {Json} raw
   * @returns {ChatEvent[]}
   */
  add(raw) {
    const delta = raw.delta ?? raw.message ?? {};
    const choice = this.index;
    /** @type {ChatEvent[]} */
    const events = [];
    const reasoning = reasoningOf(delta);
    if (reasoning !== "") {
      this.reasoning += reasoning;
      events.push({ type: "reasoning", text: reasoning, choice });
    }
    const text = textOf(delta.content) || (typeof raw.text === "string" ? raw.text : "");
    if (text !== "") {
      this.text += text;
      events.push({ type: "text", text, choice });
    }
    for (const fragment of (delta.tool_calls ?? []).filter(isObject)) {
      events.push({ type: "toolCall", ...this.calls.add(fragment), choice, raw: fragment });
    }
    this.nativeFinishReason = word(raw.native_finish_reason) ?? this.nativeFinishReason;
    if (this.finishReason === null) events.push(...this.#finish(raw.finish_reason));
    return events;
  }

  /**
   * @param {unknown} sent
   * @returns {ChatEvent[]}
   */
  #finish(sent) {
    const reason = finishReason(sent);
    if (reason === null) return [];
    // Gemini and Ollama say `stop` after tool calls.
    this.finishReason = reason === "stop" && this.calls.list.length > 0 ? "tool_calls" : reason;
    return [
      { type: "finish", reason: this.finishReason, nativeReason: this.nativeFinishReason, choice: this.index },
    ];
  }
}

/** The tool calls of one choice, assembled by rules that survive what servers do with index, id and name. */
class ToolCalls {
  /** @type {import("./chat.js").ToolCall[]} */
  list = [];
  /** @type {Map<number, import("./chat.js").ToolCall>} by the index that the server sent */
  #byIndex = new Map();
  /** @type {import("./chat.js").ToolCall | undefined} */
  #last;

  /**
   * Take a fragment; return what it adds, with the place of its call in order of appearance.
   *
   * @param {Json} fragment
   * @returns {{ index: number, id: string, name: string, arguments: string }}
   */
  add(fragment) {
    const { name = fragment.name, arguments: sent = fragment.arguments } = fragment.function ?? {};
    const piece = typeof sent === "string" ? sent : sent ? JSON.stringify(sent) : "";
    const call = this.#find(fragment);
    call.id ||= word(fragment.id) ?? "";
    const newName = call.name === "" ? (word(name) ?? "") : "";
    call.name += newName;
    call.arguments += piece;
    this.#last = call;
    if (Number.isInteger(fragment.index)) this.#byIndex.set(fragment.index, call);
    return { index: call.index, id: call.id, name: newName, arguments: piece };
  }

  /**
   * An id names a call, an index the call that last used it; a fragment with neither continues the last one.
   *
   * @param {Json} fragment
   */
  #find(fragment) {
    const id = word(fragment.id);
    const known = id === null ? undefined : this.list.find((call) => call.id === id);
    if (known !== undefined) return known;
    const candidate = Number.isInteger(fragment.index) ? this.#byIndex.get(fragment.index) : this.#last;
    // Another id at the same index is another call, which servers do that send the index 0 always.
    if (candidate !== undefined && (id === null || candidate.id === "")) return candidate;
    const call = { index: this.list.length, id: "", name: "", arguments: "" };
    this.list.push(call);
    return call;
  }
}

/**
 * @param {unknown} sent
 * @returns {string | null} OpenRouter's word for it; words that nobody knows are passed on
 */
function finishReason(sent) {
  const reason = word(sent);
  if (reason === null) return null;
  const lowered = reason.toLowerCase();
  return FINISH_WORDS.get(lowered) ?? (NORMALIZED.includes(lowered) ? lowered : reason);
}

/**
 * @param {unknown} content a string, a part, or an array of parts (Mistral)
 * @returns {string}
 */
function textOf(content) {
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return content.map(textOf).join("");
  const isText = isObject(content) && ["text", "output_text", undefined].includes(content.type);
  return isText && typeof content.text === "string" ? content.text : "";
}

/**
 * Return the reasoning of a delta once, though several fields may carry it.
 *
 * @param {Json} delta
 * @returns {string}
 */
function reasoningOf(delta) {
  const plain = word(delta.reasoning) ?? word(delta.reasoning_content);
  if (plain !== null) return plain;
  const details = Array.isArray(delta.reasoning_details) ? delta.reasoning_details.filter(isObject) : [];
  const pieces = details.map(({ type, text, summary }) =>
    type === "reasoning.text" ? text : type === "reasoning.summary" ? summary : null,
  );
  const parts = Array.isArray(delta.content) ? delta.content.filter(isObject) : [];
  const thinking = parts.filter(({ type }) => type === "thinking").map((part) => textOf(part.thinking));
  return [...pieces, ...thinking].filter((piece) => typeof piece === "string").join("");
}

/**
 * @param {Json} chunk
 * @returns {Json | null} the usage, wherever the server puts it
 */
function usageOf(chunk) {
  const [choice] = Array.isArray(chunk.choices) ? chunk.choices : [];
  return [chunk.usage, chunk.x_groq?.usage, choice?.usage].find(isObject) ?? null;
}

/** @param {Json} chunk whether it holds anything that the small events do not tell of */
function hasMore(chunk) {
  return (
    hasOther(chunk, TOLD_OF_CHUNK) ||
    choicesOf(chunk).some(
      (choice) =>
        hasOther(choice, TOLD_OF_CHOICE) ||
        hasOther(choice.delta ?? choice.message ?? {}, TOLD_OF_DELTA) ||
        hasOtherParts((choice.delta ?? choice.message)?.content),
    )
  );
}

/** @param {Json} chunk whether it holds a piece of the answer that is neither text nor a tool call */
function bringsMedia(chunk) {
  return choicesOf(chunk).some((choice) => {
    const delta = choice.delta ?? choice.message ?? {};
    return hasOther(delta, TOLD_OF_DELTA) || hasOtherParts(delta.content);
  });
}

/**
 * @param {Json} chunk
 * @returns {Json[]}
 */
function choicesOf(chunk) {
  return Array.isArray(chunk.choices) ? chunk.choices.filter(isObject) : [];
}

/**
 * @param {Json} object
 * @param {Set<string>} told
 */
function hasOther(object, told) {
  return Object.entries(object).some(([name, value]) => !told.has(name) && !isEmpty(value));
}

/** @param {unknown} content */
function hasOtherParts(content) {
  return Array.isArray(content) && content.some((part) => isObject(part) && !("text" in part || "thinking" in part));
}

/** @param {unknown} value */
function isEmpty(value) {
  return value === null || value === "" || (Array.isArray(value) && value.length === 0);
}

/**
 * @param {unknown} value
 * @returns {string | null} the value if it is text that is not empty
 */
export function word(value) {
  return typeof value === "string" && value !== "" ? value : null;
}
