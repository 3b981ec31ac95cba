/**
 * The tool calls of one choice, assembled by rules that survive what servers do with index, id and name.
 *
 * @module
 */

import { asIndex, isObject, parseJson, word } from "./chunks.js";
import { GrowingText } from "./text.js";

/** @typedef {{ [name: string]: any }} Json */
/** @typedef {{ index: number, id: string, name: string, arguments: string, raw: Json }} Fragment */

const KNOWN_FIELDS = new Set(["index", "id", "type", "function", "name", "arguments"]);

/** One call while it grows. */
class OpenCall {
  id = "";
  name = "";
  arguments = new GrowingText();
  #repeatsName = false;

  /** @param {number} index */
  constructor(index) {
    this.index = index;
  }

  /**
   * @param {string} piece
   * @returns {string} what it adds to the name: nothing if it repeats it, or comes after arguments
   */
  addName(piece) {
    if (piece === this.name || this.arguments.text !== "") {
      this.#repeatsName ||= piece !== "";
      return "";
    }
    this.name += piece;
    return piece;
  }

  /**
   * @param {string} piece
   * @returns {string} what it adds to the arguments: nothing if it is the whole call sent again
   */
  addArguments(piece) {
    const { text } = this.arguments;
    return piece.length === text.length && piece === text && this.#isWhole ? "" : this.arguments.add(piece);
  }

  get #isWhole() {
    return isObject(parseJson(this.arguments.text));
  }

  /** Whether a name with arguments begins the next call: servers without ids write whole calls. */
  get isOver() {
    return !this.#repeatsName && this.#isWhole;
  }
}

export class ToolCalls {
  /** @type {Map<number, OpenCall>} by the index that it has here */
  #calls = new Map();
  #freeIndex = 0;
  /** @type {Map<number, OpenCall>} by the index that the server sent */
  #byIndex = new Map();
  /** @type {Map<string, OpenCall>} */
  #byId = new Map();
  /** @type {OpenCall | undefined} */
  #last;

  /** @returns {import("./chat.js").ToolCall[]} the calls as they stand, in order */
  get list() {
    const calls = [...this.#calls.values()].sort((a, b) => a.index - b.index);
    return calls.map(({ index, id, name, arguments: { text } }) => ({ index, id, name, arguments: text }));
  }

  get isEmpty() {
    return this.#calls.size === 0;
  }

  /**
   * Take a fragment; return what it adds, or null if that is nothing.
   *
   * @param {Json} fragment
   * @returns {Fragment | null}
   */
  add(fragment) {
    // Some servers leave the inner object out.
    const { name, arguments: sent } = isObject(fragment.function) ? fragment.function : fragment;
    const given = argumentsOf(sent);
    const id = word(fragment.id);
    const index = asIndex(fragment.index);
    const call = this.#find(id, index, word(name) !== null && given !== "");
    this.#last = call;
    if (index !== null) this.#byIndex.set(index, call);
    if (id !== null) this.#byId.set(id, call);
    const newId = call.id === "" ? (id ?? "") : "";
    call.id += newId;
    const newName = call.addName(word(name) ?? "");
    const piece = call.addArguments(given);
    const hasOther = Object.keys(fragment).some((field) => !KNOWN_FIELDS.has(field) && fragment[field] !== null);
    if (!newId && !newName && !piece && !hasOther) return null;
    return { index: call.index, id: call.id, name: newName, arguments: piece, raw: fragment };
  }

  /**
   * Give what was held back of the arguments.
   *
   * @returns {Fragment[]}
   */
  end() {
    const ended = [...this.#calls.values()].map((call) => ({ call, rest: call.arguments.end() }));
    return ended
      .filter(({ rest }) => rest !== "")
      .map(({ call: { index, id }, rest }) => ({ index, id, name: "", arguments: rest, raw: {} }));
  }

  /**
   * An id names a call, an index the call that last used it; a fragment with neither continues the last one.
   *
   * @param {string | null} id
   * @param {number | null} index
   * @param {boolean} mayBegin
   */
  #find(id, index, mayBegin) {
    const known = id === null ? undefined : this.#byId.get(id);
    if (known !== undefined) return known;
    const candidate = index === null ? this.#last : this.#byIndex.get(index);
    // Another id at the same index is another call, which servers do that send the index 0 always.
    const continues = id === null ? !(mayBegin && candidate?.isOver) : index !== null && candidate?.id === "";
    if (candidate !== undefined && continues) return candidate;
    return this.#begin(index === null || this.#calls.has(index) ? this.#freeIndex : index);
  }

  /** @param {number} index */
  #begin(index) {
    const call = new OpenCall(index);
    this.#calls.set(index, call);
    this.#freeIndex = Math.max(this.#freeIndex, index + 1);
    return call;
  }
}

/** @param {unknown} sent a string, or an object where a server sends one */
function argumentsOf(sent) {
  if (typeof sent === "string") return sent;
  return isObject(sent) && Object.keys(sent).length > 0 ? JSON.stringify(sent) : "";
}
