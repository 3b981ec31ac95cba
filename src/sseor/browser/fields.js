/**
 * Where a chunk keeps what it brings: text as a string or as parts, reasoning under four names, and all the rest.
 *
 * @module
 */

import { asIndex, isEmpty, isObject, word } from "./chunks.js";

/** @typedef {{ [name: string]: any }} Json */
/** @typedef {{ raw: Json, index: number }} Placed a choice with its index */

const MAX_CHOICES = 1024; // a server that counts beyond this does not count choices

// Fields that the small events tell of; a chunk with anything else is handed over raw.
const TOLD_OF_CHUNK = new Set([
  ...["id", "object", "created", "model", "provider", "choices", "usage", "error"],
  ...["system_fingerprint", "service_tier", "obfuscation", "user_id"],
]);
const TOLD_OF_CHOICE = new Set([
  ...["index", "delta", "message", "text", "reasoning", "finish_reason", "native_finish_reason", "usage", "error"],
]);
const TOLD_OF_DELTA = new Set(["role", "content", "reasoning", "reasoning_content", "tool_calls"]);
// Of what is handed over raw, the fields that hold a piece of the answer.
const MEDIA = ["refusal", "images", "audio", "annotations", "function_call"];

/**
 * @param {unknown} content a string, a part, or an array of parts (Mistral)
 * @returns {string}
 */
export function textOf(content) {
  if (typeof content === "string") return content;
  return partsOf(content)
    .map((part) => (typeof part === "string" ? part : isTextPart(part) ? part.text : ""))
    .join("");
}

/**
 * @param {unknown} content
 * @returns {any[]}
 */
function partsOf(content) {
  return Array.isArray(content) ? content : isObject(content) ? [content] : [];
}

/** @param {unknown} part */
function isTextPart(part) {
  return isObject(part) && ["text", "output_text", undefined].includes(part.type) && typeof part.text === "string";
}

/**
 * Return the reasoning of a delta once, though several fields may carry it.
 *
 * @param {Json} delta
 * @returns {string}
 */
export function reasoningOf(delta) {
  const plain = word(delta.reasoning) ?? word(delta.reasoning_content);
  if (plain !== null) return plain;
  const details = Array.isArray(delta.reasoning_details) ? delta.reasoning_details.filter(isObject) : [];
  const pieces = details.map(({ type, text, summary }) =>
    type === "reasoning.text" ? text : type === "reasoning.summary" ? summary : null,
  );
  const found = pieces.filter((piece) => typeof piece === "string").join("");
  const thinking = partsOf(delta.content).filter((part) => isObject(part) && part.type === "thinking");
  return found || thinking.map((part) => textOf(part.thinking)).join("");
}

/**
 * Return the choices of a chunk, each with its index: its place where a server sends none, or an impossible one.
 *
 * @param {Json} chunk
 * @returns {Placed[]}
 */
export function choicesOf(chunk) {
  const sent = Array.isArray(chunk.choices) ? chunk.choices : [];
  return sent
    .map((raw, place) => ({ raw, index: choiceIndex(raw?.index) ?? place }))
    .filter(({ raw }) => isObject(raw));
}

/** @param {unknown} sent */
function choiceIndex(sent) {
  const index = asIndex(sent);
  return index !== null && index >= 0 && index < MAX_CHOICES ? index : null;
}

/**
 * @param {Json} choice
 * @returns {Json}
 */
export function deltaOf(choice) {
  return choice.delta ?? choice.message ?? {};
}

/**
 * Tell whether a chunk holds anything that the small events do not tell of.
 *
 * @param {Json} chunk
 * @param {Placed[]} choices
 */
export function hasMore(chunk, choices) {
  if (hasOther(chunk, TOLD_OF_CHUNK)) return true;
  return choices.some(({ raw }) => {
    const delta = deltaOf(raw);
    return hasOther(raw, TOLD_OF_CHOICE) || hasOther(delta, TOLD_OF_DELTA) || hasOtherParts(delta.content);
  });
}

/** @param {Placed[]} choices whether one brings a piece of the answer that is neither text nor a tool call */
export function bringsMedia(choices) {
  return choices.some(({ raw }) => {
    const delta = deltaOf(raw);
    return MEDIA.some((field) => !isEmpty(delta[field])) || hasOtherParts(delta.content);
  });
}

/**
 * @param {Json} object
 * @param {Set<string>} told
 */
function hasOther(object, told) {
  return Object.keys(object).some((name) => !told.has(name) && !isEmpty(object[name]));
}

/** @param {unknown} content */
function hasOtherParts(content) {
  return partsOf(content).some((part) => isObject(part) && part.type !== "thinking" && !isTextPart(part));
}
