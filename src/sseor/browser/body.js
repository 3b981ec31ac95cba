/**
 * The body of one response: bytes in, heartbeats and chunks out.
 *
 * Most bodies are event streams. Some are not although they should be: a whole JSON document (a server that ignores
 * `stream`, or an error under status 200), an event stream under another content type, a page of HTML. The first visible
 * byte and the content type decide.
 *
 * @module
 */

import { chunksIn, DONE, parseJson } from "./chunks.js";
import { ChatError } from "./failures.js";
import { Decoder, EventTooLargeError } from "./sseor.js";

/** @typedef {{ [name: string]: any }} Json */
/** @typedef {"heartbeat" | Json} Item */

const SIGNATURES = ["data", "event", "id", "retry", ":", "\xef\xbb\xbf"]; // bytes as characters of the same number
const LONGEST_SIGNATURE = 5;

/** Reads one body. `done`: `[DONE]` came · `unterminated`: the last event lacked its blank line and was accepted. */
export class Body {
  done = false;
  unterminated = false;
  #contentType;
  #limit;
  #decoder;
  /** @type {Uint8Array | null} what came before the kind of body was clear */
  #opening = new Uint8Array(0);
  /** @type {{ pieces: string[], size: number, decoder: TextDecoder } | null} */
  #document = null;

  /**
   * @param {Headers} headers
   * @param {number} maxEventBytes
   */
  constructor(headers, maxEventBytes) {
    this.#contentType = (headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase();
    this.#limit = maxEventBytes;
    this.#decoder = new Decoder({ maxEventBytes });
  }

  /**
   * Yield what `data` completes, in order; an error comes after all that preceded it in the bytes.
   *
   * @param {Uint8Array} data
   * @returns {Generator<Item>}
   */
  *feed(data) {
    if (this.#opening !== null) {
      data = joined(this.#opening, data);
      this.#opening = this.#decide(data, false) ? null : shortened(data);
      if (this.#opening !== null) return;
    }
    if (this.#document !== null) this.#keep(this.#document, data);
    else yield* this.#read(data);
  }

  /**
   * Yield what only the end completes: a document, or a last event without its blank line.
   *
   * @returns {Generator<Item>}
   */
  *end() {
    if (this.#opening !== null && this.#opening.length > 0) {
      const opening = this.#opening;
      this.#opening = null;
      if (this.#decide(opening, true)) yield* this.#read(opening);
    }
    if (this.#document !== null) {
      const text = this.#document.pieces.join("") + this.#document.decoder.decode();
      // Some proxies put a bare document before the events of the end.
      const data = parseJson(text) === undefined ? text.trim().split("\n\n")[0] : text;
      try {
        yield* this.#chunks({ event: "message", data });
      } catch (error) {
        throw this.#wrongType("that is no answer", error);
      }
      return;
    }
    const unfinished = this.#decoder.end();
    if (this.done || unfinished === null || unfinished.event === null) return;
    try {
      for (const chunk of this.#chunks(unfinished.event)) {
        this.unterminated = true;
        yield chunk;
      }
      this.unterminated ||= this.done;
    } catch (error) {
      if (!(error instanceof ChatError)) throw error; // the beginning of an event that was cut is dropped
    }
  }

  /**
   * @param {Uint8Array} data
   * @returns {Generator<Item>}
   */
  *#read(data) {
    let items;
    let tooLarge = null;
    try {
      items = this.#decoder.feed(data);
    } catch (error) {
      if (!(error instanceof EventTooLargeError)) throw error;
      items = error.items;
      tooLarge = new ChatError("too_large", error.message, { cause: error });
    }
    for (const item of items) {
      if (this.done) return;
      if (item.type === "comment") yield "heartbeat";
      else yield* this.#chunks(item);
    }
    if (tooLarge !== null) throw tooLarge;
  }

  /**
   * @param {{ event: string, data: string }} event
   * @returns {Generator<Json>}
   */
  *#chunks(event) {
    try {
      for (const chunk of chunksIn(event)) {
        if (chunk === DONE) this.done = true;
        else yield chunk;
      }
    } catch (error) {
      throw new ChatError("protocol", `an event is no chunk: ${/** @type {Error} */ (error).message}`);
    }
  }

  /**
   * Decide by the opening what the body is; false while it is too early to say.
   *
   * @param {Uint8Array} opening
   * @param {boolean} isAll
   */
  #decide(opening, isAll) {
    const start = opening.findIndex(isVisible);
    const visible = start < 0 ? "" : String.fromCharCode(...opening.subarray(start, start + LONGEST_SIGNATURE));
    if (visible === "" && !isAll) return false;
    if (visible.startsWith("{") || visible.startsWith("[")) {
      this.#document = { pieces: [], size: 0, decoder: new TextDecoder() };
      if (isAll) this.#keep(this.#document, opening);
      return true;
    }
    if (this.#contentType === "text/event-stream") return true;
    if (SIGNATURES.some((signature) => visible.startsWith(signature))) return true;
    if (!isAll && SIGNATURES.some((signature) => signature.startsWith(visible))) return false;
    throw this.#wrongType("instead of an event stream");
  }

  /**
   * @param {string} words
   * @param {unknown} [cause]
   */
  #wrongType(words, cause) {
    const type = this.#contentType || "something without a content type";
    return new ChatError("content_type", `the server answered ${type} ${words}`, { cause });
  }

  /**
   * @param {{ pieces: string[], size: number, decoder: TextDecoder }} document
   * @param {Uint8Array} data
   */
  #keep(document, data) {
    document.size += data.length;
    if (document.size > this.#limit) {
      throw new ChatError("too_large", `the answer is larger than the limit of ${this.#limit} bytes`);
    }
    document.pieces.push(document.decoder.decode(data, { stream: true }));
  }
}

/** @param {number} byte */
function isVisible(byte) {
  return ![9, 10, 13, 32].includes(byte);
}

/**
 * Return what matters of an opening that is not clear yet: blank lines before the first visible byte mean nothing, and
 * a server may send blanks for as long as it works.
 *
 * @param {Uint8Array} opening
 */
function shortened(opening) {
  const line = opening.subarray(1 + Math.max(opening.lastIndexOf(10), opening.lastIndexOf(13)));
  return line.some(isVisible) ? line : line.subarray(0, 1);
}

/**
 * @param {Uint8Array} first
 * @param {Uint8Array} second
 */
function joined(first, second) {
  if (first.length === 0) return second;
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}
