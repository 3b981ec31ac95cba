/**
 * The answer while it grows: takes chunks, gives small events, and keeps what the result will say.
 *
 * What the small events do not tell of is handed over raw.
 *
 * @module
 */

import { isEmpty, isObject, word } from "./chunks.js";
import { bringsMedia, choicesOf, deltaOf, hasMore, reasoningOf, textOf } from "./fields.js";
import { GrowingText } from "./text.js";
import { ToolCalls } from "./toolcalls.js";

/** @typedef {import("./chat.js").ChatEvent} ChatEvent */
/** @typedef {{ [name: string]: any }} Json */

const FINISH_WORDS = new Map([
  ["function_call", "tool_calls"],
  ["tool_use", "tool_calls"],
  ["eos", "stop"],
  ["end_turn", "stop"],
  ["max_tokens", "length"],
  ["model_length", "length"],
]);
const NORMALIZED = ["stop", "length", "tool_calls", "content_filter", "error"];
const FAILED_WORDS = ["network_error", "error"];
const GENERATED = ["text", "reasoning", "toolCall"];

export class Answer {
  /** @type {Json | null} */
  usage = null;
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
  #usageAsText = "";

  /** The choice with the lowest index, which is the answer unless the caller asked for several. */
  get first() {
    return this.#choices.get(Math.min(...this.#choices.keys())) ?? new Choice(0);
  }

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
    for (const { finishReason, nativeFinishReason } of this.#choices.values()) {
      if (finishReason === "error") return "the provider ended the answer with an error";
      const failed = FAILED_WORDS.includes(nativeFinishReason?.toLowerCase() ?? "");
      if (finishReason !== null && failed && !this.generated) return "the provider failed before any output";
    }
    return null;
  }

  /**
   * Return what a chunk brings, in order, and whether the answer moved on; an error that it bears is the caller's to
   * raise.
   *
   * @param {Json} chunk
   */
  add(chunk) {
    this.generationId = word(chunk.id) ?? this.generationId;
    this.model = word(chunk.model) ?? this.model;
    this.provider = word(chunk.provider) ?? this.provider;
    const choices = choicesOf(chunk);
    /** @type {ChatEvent[]} */
    let brought = choices.flatMap(({ raw, index }) => this.#choice(index).add(raw));
    if (hasMore(chunk, choices)) brought.push({ type: "raw", chunk });
    brought.push(...this.#takeUsage(chunk, choices));
    const generates = brought.some(({ type }) => GENERATED.includes(type)) || bringsMedia(choices);
    this.generated ||= generates;
    if (this.failure !== null) brought = brought.filter(({ type }) => type !== "finish");
    return { brought, isProgress: generates || brought.some(({ type }) => type !== "raw") };
  }

  /**
   * Give up waiting for the second half of a character.
   *
   * @returns {ChatEvent[]}
   */
  end() {
    return [...this.#choices.values()].flatMap((choice) => choice.end());
  }

  /** @param {number} index */
  #choice(index) {
    let choice = this.#choices.get(index);
    if (choice === undefined) this.#choices.set(index, (choice = new Choice(index)));
    return choice;
  }

  /**
   * Keep the usage, wherever the server puts it. A later one replaces it: some servers send running totals.
   *
   * @param {Json} chunk
   * @param {import("./fields.js").Placed[]} choices
   * @returns {ChatEvent[]}
   */
  #takeUsage(chunk, choices) {
    const places = [chunk.usage, chunk.x_groq?.usage, ...choices.map(({ raw }) => raw.usage)];
    const usage = places.find((place) => isObject(place) && !isEmpty(place));
    if (usage === undefined) return [];
    const asText = JSON.stringify(usage);
    if (asText === this.#usageAsText) return [];
    this.usage = usage;
    this.#usageAsText = asText;
    return [{ type: "usage", usage }];
  }
}

/** One choice while it grows. */
class Choice {
  text = new GrowingText();
  reasoning = new GrowingText();
  calls = new ToolCalls();
  /** @type {string | null} */
  nativeFinishReason = null;
  /** @type {string | null} */
  #finishReason = null;

  /** @param {number} index */
  constructor(index) {
    this.index = index;
  }

  /** Why it ended, null while it goes on; Gemini and Ollama say `stop` after tool calls. */
  get finishReason() {
    return this.#finishReason === "stop" && !this.calls.isEmpty ? "tool_calls" : this.#finishReason;
  }

  /**
   * @param {Json} raw
   * @returns {ChatEvent[]}
   */
  add(raw) {
    const delta = deltaOf(raw);
    const reasoning = this.reasoning.add(reasoningOf(delta) || (word(raw.reasoning) ?? ""));
    const text = this.text.add(textOf(delta.content) || (word(raw.text) ?? ""));
    const fragments = (delta.tool_calls ?? []).filter(isObject).map((/** @type {Json} */ one) => this.calls.add(one));
    this.nativeFinishReason = word(raw.native_finish_reason) ?? this.nativeFinishReason;
    return [...this.#told(reasoning, text, fragments), ...this.#finish(raw.finish_reason)];
  }

  /** @returns {ChatEvent[]} */
  end() {
    return this.#told(this.reasoning.end(), this.text.end(), this.calls.end());
  }

  /**
   * @param {string} reasoning
   * @param {string} text
   * @param {(import("./toolcalls.js").Fragment | null)[]} fragments
   * @returns {ChatEvent[]}
   */
  #told(reasoning, text, fragments) {
    const choice = this.index;
    /** @type {ChatEvent[]} */
    const events = [];
    if (reasoning !== "") events.push({ type: "reasoning", text: reasoning, choice });
    if (text !== "") events.push({ type: "text", text, choice });
    for (const fragment of fragments) if (fragment !== null) events.push({ type: "toolCall", ...fragment, choice });
    return events;
  }

  /**
   * @param {unknown} sent
   * @returns {ChatEvent[]}
   */
  #finish(sent) {
    const isRepeated = this.#finishReason !== null;
    this.#finishReason ??= finishReason(sent);
    const { finishReason: reason, nativeFinishReason: nativeReason, index: choice } = this;
    if (isRepeated || reason === null) return [];
    return [...this.end(), { type: "finish", reason, nativeReason, choice }];
  }
}

/**
 * @param {unknown} sent
 * @returns {string | null} OpenRouter's word for it; words that nobody knows are passed on
 */
function finishReason(sent) {
  const reason = word(sent)?.trim();
  if (!reason) return null;
  const lowered = reason.toLowerCase();
  return FINISH_WORDS.get(lowered) ?? (NORMALIZED.includes(lowered) ? lowered : reason);
}
