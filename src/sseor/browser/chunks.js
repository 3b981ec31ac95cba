/**
 * From events to chunks: what is a chunk, what ends the stream, what is noise, and what failed.
 *
 * @module
 */

/** @typedef {{ [name: string]: any }} Json */

export const DONE = "[DONE]";

// Event names under which every object is a chunk; `data` is OpenRouter's name for its last frame.
const PLAIN_NAMES = ["message", "data"];
const MEANINGFUL = ["choices", "error", "usage"];

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
  const holdsChoices = isObject(value) && !isEmpty(value.choices);
  if (name === "error" && errorOf(value) === null && !holdsChoices) {
    const error = value === undefined ? text : value;
    return isEmpty(error) ? null : { error };
  }
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
  return isObject(error) ? Object.values(error).some((value) => value !== null) : Boolean(error) && !isEmpty(error);
}

/**
 * @param {unknown} value
 * @returns {string | null} the value if it is text that is not empty
 */
export function word(value) {
  return typeof value === "string" && value !== "" ? value : null;
}

/**
 * Tell whether a value says nothing: null, an empty text, object or array.
 *
 * @param {unknown} value
 */
export function isEmpty(value) {
  if (value === null || value === undefined || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/**
 * @param {unknown} value
 * @returns {number | null} an index as servers write it, 0 or "0"; null for anything else
 */
export function asIndex(value) {
  if (typeof value === "string" && /^[0-9]{1,9}$/.test(value)) return Number(value);
  return typeof value === "number" && Number.isInteger(value) ? value : null;
}
