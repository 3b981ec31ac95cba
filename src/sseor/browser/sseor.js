/**
 * Event streams for browsers and Node: a decoder that follows the WHATWG text, and the client of an sseor relay.
 *
 * One ES module without dependencies and without a build step. `chat.js` beside it streams straight from OpenRouter.
 *
 * @module
 */

const LF = 10;
const CR = 13;
const SMALLEST_BUFFER = 1024;
const LARGEST_IDLE_BUFFER = 64 * 1024;

// A byte-order mark is dropped at the start of the stream only (§9.2.6), so only the first line is decoded without it.
const FIRST_LINE = new TextDecoder("utf-8");
const LATER_LINE = new TextDecoder("utf-8", { ignoreBOM: true });

/** An event, a comment or an unfinished line grew beyond the limit; its decoder is of no more use. */
export class EventTooLargeError extends Error {
  /**
   * @param {number} limit in bytes
   * @param {import("./sseor.js").StreamItem[]} items what the same `feed` had completed before it
   */
  constructor(limit, items) {
    super(`an event is larger than the limit of ${limit} bytes`);
    this.name = "EventTooLargeError";
    this.limit = limit;
    this.items = items;
  }
}

/**
 * Turns the bytes of one event stream into events and comments, whatever the reads that bring them
 * (WHATWG HTML §9.2.5 and §9.2.6).
 */
export class Decoder {
  #maxEventBytes;
  #line = new Uint8Array(SMALLEST_BUFFER); // the unfinished line, in its first #lineLength bytes
  #lineLength = 0;
  #atFirstLine = true;
  #afterCR = false; // the last line ended in CR: an LF that follows belongs to it
  /** @type {string[] | null} */
  #data = null; // the data buffer, line by line; null until the block has a `data` field
  #dataBytes = 0;
  #event = ""; // the event type buffer
  #id = ""; // the last event ID buffer
  #lastEventId = "";
  /** @type {number | null} */
  #reconnectionTime = null;
  #ended = false;
  #failed = false;

  /** @param {{ maxEventBytes?: number }} [options] */
  constructor({ maxEventBytes = 64 * 1024 * 1024 } = {}) {
    if (!(maxEventBytes >= 1)) throw new RangeError(`maxEventBytes must be at least 1, not ${maxEventBytes}`);
    this.#maxEventBytes = maxEventBytes;
  }

  /** The last event ID in force: what a reconnection sends as `Last-Event-ID`. */
  get lastEventId() {
    return this.#lastEventId;
  }

  /** The reconnection time in milliseconds, null until a `retry` field has set it. */
  get reconnectionTime() {
    return this.#reconnectionTime;
  }

  /**
   * Return the events and comments that `data` completes, in the order of the bytes.
   *
   * @param {Uint8Array} data
   * @returns {import("./sseor.js").StreamItem[]}
   */
  feed(data) {
    if (!(data instanceof Uint8Array)) throw new TypeError("feed() takes bytes as they come from the network");
    if (this.#failed) throw new EventTooLargeError(this.#maxEventBytes, []);
    if (this.#ended) throw new Error("feed() after end(): a decoder reads one stream; make a new one for the next");
    /** @type {import("./sseor.js").StreamItem[]} */
    const items = [];
    let start = this.#afterCR && data[0] === LF ? 1 : 0;
    if (data.length > 0) this.#afterCR = false;
    for (let end = lineEnd(data, start); end !== -1; end = lineEnd(data, start)) {
      this.#endLine(data.subarray(start, end), items);
      start = end + 1;
      if (data[end] === CR) {
        if (start === data.length) this.#afterCR = true;
        else if (data[start] === LF) start += 1;
      }
    }
    this.#keep(data.subarray(start), items);
    return items;
  }

  /**
   * Say that the stream is over. Return what it left unfinished, which the standard discards: the event that a blank
   * line would have dispatched, if any, and the line that lacks its end. Return null if it ended between events.
   *
   * @returns {import("./sseor.js").Unfinished | null}
   */
  end() {
    if (this.#ended || this.#failed) return null;
    this.#ended = true;
    const line = this.#decodeLine(this.#line.subarray(0, this.#lineLength));
    const open = this.#data !== null || this.#event !== "" || this.#id !== this.#lastEventId;
    if (this.#lineLength === 0 && !open) return null;
    const reconnectionTime = this.#reconnectionTime;
    if (line !== "") this.#interpret(line, this.#lineLength, []);
    this.#reconnectionTime = reconnectionTime; // it is in force when its line ends, and this one did not
    return { event: this.#data === null ? null : this.#pendingEvent(this.#data, this.#id), line };
  }

  /**
   * @param {Uint8Array} tail what this read adds to the unfinished line
   * @param {import("./sseor.js").StreamItem[]} items
   */
  #endLine(tail, items) {
    let line = tail;
    if (this.#lineLength > 0) {
      this.#keep(tail, items);
      line = this.#line.subarray(0, this.#lineLength);
    } else {
      this.#check(tail.length, items);
    }
    const text = this.#decodeLine(line);
    const size = line.length;
    this.#lineLength = 0;
    if (this.#line.length > LARGEST_IDLE_BUFFER) this.#line = new Uint8Array(SMALLEST_BUFFER);
    if (text === "") this.#dispatch(items);
    else this.#interpret(text, size, items);
  }

  /**
   * Add bytes to the unfinished line. Its buffer doubles when full, so that a long line costs linear time.
   *
   * @param {Uint8Array} data
   * @param {import("./sseor.js").StreamItem[]} items
   */
  #keep(data, items) {
    const length = this.#lineLength + data.length;
    this.#check(length, items);
    if (length > this.#line.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#line.length));
      larger.set(this.#line.subarray(0, this.#lineLength));
      this.#line = larger;
    }
    this.#line.set(data, this.#lineLength);
    this.#lineLength = length;
  }

  /**
   * @param {number} lineLength
   * @param {import("./sseor.js").StreamItem[]} items
   */
  #check(lineLength, items) {
    if (lineLength + this.#dataBytes <= this.#maxEventBytes) return;
    this.#failed = true;
    this.#line = new Uint8Array(0);
    this.#data = null;
    throw new EventTooLargeError(this.#maxEventBytes, items);
  }

  /**
   * Decode one whole line. No character spans two lines: neither LF nor CR is part of a longer UTF-8 sequence.
   *
   * @param {Uint8Array} line
   */
  #decodeLine(line) {
    const decoder = this.#atFirstLine ? FIRST_LINE : LATER_LINE;
    this.#atFirstLine = false;
    return decoder.decode(line);
  }

  /**
   * @param {string} line not empty
   * @param {number} size of the line in bytes
   * @param {import("./sseor.js").StreamItem[]} items
   */
  #interpret(line, size, items) {
    const colon = line.indexOf(":");
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") {
      this.#addData(value, size - (line.length - value.length));
    } else if (name === "event") {
      this.#event = value;
    } else if (name === "id") {
      if (!value.includes("\0")) this.#id = value;
    } else if (name === "retry") {
      if (/^[0-9]+$/.test(value) && Number.isFinite(Number(value))) this.#reconnectionTime = Number(value);
    } else if (name === "") {
      items.push({ type: "comment", text: value });
    }
  }

  /**
   * @param {string} value
   * @param {number} size of the value in bytes
   */
  #addData(value, size) {
    if (this.#data === null) {
      this.#data = [value];
      this.#dataBytes = size;
    } else {
      this.#data.push(value);
      this.#dataBytes += 1 + size; // the LF that joins them
    }
  }

  /** @param {import("./sseor.js").StreamItem[]} items */
  #dispatch(items) {
    this.#lastEventId = this.#id;
    if (this.#data !== null) items.push(this.#pendingEvent(this.#data, this.#lastEventId));
    this.#data = null;
    this.#dataBytes = 0;
    this.#event = "";
  }

  /**
   * @param {string[]} data
   * @param {string} id
   * @returns {import("./sseor.js").StreamEvent}
   */
  #pendingEvent(data, id) {
    return { type: "event", event: this.#event || "message", data: data.join("\n"), id };
  }
}

/**
 * @param {Uint8Array} data
 * @param {number} start
 * @returns {number} the index of the next LF or CR, or -1
 */
function lineEnd(data, start) {
  for (let index = start; index < data.length; index++) {
    if (data[index] === LF || data[index] === CR) return index;
  }
  return -1;
}

// The relay's numbers: it sends a heartbeat every 15 seconds, so three missing ones mean a dead connection.
const SILENCE = 45_000;
const RECONNECTION_TIME = 1000;
const LONGEST_WAIT = 15_000;
const LONGEST_HINT = 60_000;
const ATTEMPTS = 30; // in a row without a record; while the page is hidden or offline there is no such limit
const UPDATE_WHILE_HIDDEN = 100;
const STREAM_ID = /^[A-Za-z0-9_-]{22,64}$/;
const EVENT_ID = /^([A-Za-z0-9]+)\.([0-9]{1,15})$/;
const RETRYABLE = [408, 425, 429, 500, 502, 503, 504];
const OF_A_CHOICE = [
  ...["text", "reasoning", "refusal", "tool_delta", "tool_call", "image", "audio", "annotation", "finish"],
];
const TERMINAL = ["done", "error", "cancelled", "interrupted"];

/** @typedef {import("./sseor.js").RelayRecord} RelayRecord */
/** @typedef {import("./sseor.js").Ending} Ending */

/**
 * Begin a stream: send `body` to the relay mounted at `relayURL`, once, and read the answer.
 *
 * @param {string | URL} relayURL
 * @param {unknown} body
 * @param {import("./sseor.js").StreamOptions} [options]
 */
export function startStream(relayURL, body, options = {}) {
  return new RelayStream(relayURL, { body: JSON.stringify(body) }, options);
}

/**
 * Attach to a stream that exists, from its beginning.
 *
 * @param {string | URL} relayURL
 * @param {string} id
 * @param {import("./sseor.js").StreamOptions} [options]
 */
export function attach(relayURL, id, options = {}) {
  if (!STREAM_ID.test(id)) throw new RangeError("this is no ID of a stream");
  return new RelayStream(relayURL, { id }, options);
}

/**
 * Return an `onUpdate` that shows the answer's text in `element`. New text is appended to a text node, never parsed as
 * HTML, so that a selection in what is there already survives.
 *
 * @param {{ replaceChildren(...nodes: any[]): void }} element
 * @returns {(answer: import("./sseor.js").Answer) => void}
 */
export function showText(element) {
  const node = document.createTextNode("");
  element.replaceChildren(node);
  return ({ text }) => {
    if (text.startsWith(node.data)) node.appendData(text.slice(node.data.length));
    else node.data = text;
  };
}

/** A request that the relay refused, or a record that it should not have sent: trying again would not help. */
class Refused extends Error {
  /**
   * @param {string} code
   * @param {number | null} status
   */
  constructor(code, status) {
    super(code);
    this.code = code;
    this.status = status;
  }
}

/** One stream of a relay: read until its terminal record, over as many connections as that takes. */
class RelayStream {
  #relay;
  #body;
  #options;
  #idempotencyKey = randomKey();
  /** @type {string | null} */
  #id;
  #generation = "";
  #number = 0;
  #answer = emptyAnswer();
  #reconnectionTime = RECONNECTION_TIME;
  #failures = 0;
  #connection = new AbortController();
  #lastByte = 0;
  #hint = 0; // the wait that the relay asked for, in milliseconds
  #isHurried = false; // the next connection is to come at once
  #wake = () => {};
  #stopWanted = false;
  /** @type {Ending | null} */
  #ending = null;
  #updates;
  /**
   * The terminal record, or the client's own `detached` or `lost`. It never rejects.
   *
   * @type {Promise<Ending>}
   */
  done;

  /**
   * @param {string | URL} relayURL
   * @param {{ id?: string, body?: string }} source
   * @param {import("./sseor.js").StreamOptions} options
   */
  constructor(relayURL, { id, body }, options) {
    const relay = new URL(relayURL, globalThis.document?.baseURI);
    if (!relay.pathname.endsWith("/")) relay.pathname += "/";
    this.#relay = relay;
    this.#id = id ?? null;
    this.#body = body;
    this.#options = options;
    this.#updates = new Updates(() => call(options.onUpdate, this.answer));
    this.done = this.#run();
  }

  /** The stream's ID, null until the relay has named it. */
  get id() {
    return this.#id;
  }

  /** The ID of the last record taken, as a reconnection sends it. */
  get lastEventId() {
    return this.#number === 0 ? "" : `${this.#generation}.${this.#number}`;
  }

  /** The answer so far: the first choice's text and reasoning, all choices, usage. */
  get answer() {
    const first = this.#answer.choices.find(({ choice }) => choice === 0);
    return { ...this.#answer, text: first?.text ?? "", reasoning: first?.reasoning ?? "" };
  }

  /** Detach: close the connection. The stream goes on without this viewer. */
  abort() {
    this.#end({ type: "detached" });
  }

  /** Stop: have the relay cancel the answer. All viewers then get `cancelled`. */
  async stop() {
    this.#stopWanted = true;
    for (let failures = 0; this.#id !== null && this.#ending === null && failures < 5; failures++) {
      try {
        const response = await this.#fetch(`streams/${this.#id}/stop`, { method: "POST" });
        if (!RETRYABLE.includes(response.status)) return;
      } catch {
        // tried again
      }
      await new Promise((resolve) => setTimeout(resolve, backOff(RECONNECTION_TIME, failures)));
    }
  }

  /** @returns {Promise<Ending>} */
  async #run() {
    await null; // the caller has the stream before its first callback
    const unwatch = onReturn((event) => this.#return(event));
    while (this.#ending === null) {
      call(this.#options.onState, "connecting");
      this.#failures += 1; // undone by each record: a connection that brings none is a failed one
      try {
        await this.#connect();
      } catch (error) {
        if (error instanceof Refused) this.#end({ type: "lost", code: error.code, status: error.status });
      }
      if (this.#ending === null) await this.#pause();
    }
    unwatch();
    this.#updates.flush();
    call(this.#options.onState, "ended");
    return this.#ending;
  }

  /** Open one connection and read it to its end; the terminal record ends the stream. */
  async #connect() {
    this.#connection = new AbortController();
    this.#lastByte = Date.now();
    const watchdog = setInterval(() => isHidden() || !this.#isSilent || this.#connection.abort(), this.#silence / 9);
    try {
      const response = await this.#open();
      await this.#name(response);
      call(this.#options.onState, "open");
      const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
      const decoder = new Decoder();
      while (this.#ending === null) {
        const { done, value } = await unlessAborted(reader.read(), this.#connection.signal);
        if (done) break;
        this.#lastByte = Date.now();
        for (const item of decoder.feed(value)) {
          if (item.type === "event" && this.#ending === null) this.#take(item);
        }
        this.#reconnectionTime = decoder.reconnectionTime ?? this.#reconnectionTime;
      }
    } finally {
      clearInterval(watchdog);
      this.#connection.abort(); // a finished stream frees its connection: a browser has six for each origin
    }
  }

  /** @returns {Promise<Response>} */
  async #open() {
    let response;
    if (this.#id === null) {
      const headers = { "content-type": "application/json", "idempotency-key": this.#idempotencyKey };
      response = await this.#fetch("streams", { method: "POST", body: this.#body, headers });
    } else {
      /** @type {Record<string, string>} */
      const headers = this.lastEventId === "" ? {} : { "last-event-id": this.lastEventId };
      response = await this.#fetch(`streams/${this.#id}`, { headers });
    }
    this.#hint = 1000 * Number(response.headers.get("retry-after")) || 0;
    if (response.status === 204) throw new Refused("gone", 204);
    if (RETRYABLE.includes(response.status)) throw new Error("the relay asks for patience");
    if (response.status !== 200) throw new Refused(await codeOf(response), response.status);
    const contentType = response.headers.get("content-type") ?? "";
    if (!contentType.startsWith("text/event-stream")) throw new Error("somebody else answers, perhaps a hotel");
    return response;
  }

  /** @param {Response} response */
  async #name(response) {
    if (this.#id !== null) return;
    const id = response.headers.get("x-sseor-stream") ?? "";
    if (!STREAM_ID.test(id)) throw new Refused("protocol", response.status);
    this.#id = id;
    call(this.#options.onStart, id);
    if (this.#stopWanted) await this.stop();
  }

  /**
   * @param {string} path
   * @param {RequestInit} request
   */
  #fetch(path, { headers, ...request }) {
    const { fetch = globalThis.fetch, credentials = "same-origin" } = this.#options;
    return fetch(new URL(path, this.#relay), {
      ...request,
      headers: { ...this.#options.headers, ...headers },
      credentials,
      cache: "no-store",
      signal: path.endsWith("/stop") ? undefined : this.#connection.signal,
    });
  }

  /** @param {import("./sseor.js").StreamEvent} event */
  #take({ data, id }) {
    const [, generation = "", digits = ""] = EVENT_ID.exec(id) ?? [];
    const number = Number(digits);
    const record = recordOf(data);
    if (record === null || number === 0) throw new Refused("protocol", null);
    if (this.#generation !== "" && generation !== this.#generation) throw new Refused("wrong_stream", null);
    if (number <= this.#number) return;
    if (number > this.#number + 1 && record.type !== "snapshot") throw new Error("a record is missing");
    this.#generation = generation;
    this.#number = number;
    this.#failures = 0;
    addRecord(this.#answer, record);
    call(this.#options.onRecord, record);
    if (TERMINAL.includes(record.type)) this.#end(/** @type {Ending} */ (record));
    else this.#updates.schedule();
  }

  /** @param {Ending} ending */
  #end(ending) {
    this.#ending ??= ending;
    this.#connection.abort();
    this.#wake();
  }

  get #silence() {
    return this.#options.silence ?? SILENCE;
  }

  get #isSilent() {
    return Date.now() - this.#lastByte > this.#silence;
  }

  /**
   * The page is seen again, or the network is back. A connection of the old network is dead even if it says nothing,
   * and one that fell silent in the background is not worth waiting for.
   *
   * @param {Event} event
   */
  #return({ type }) {
    if (isHidden()) return;
    if (type === "online" || this.#isSilent) {
      this.#isHurried = true;
      this.#connection.abort();
    }
    this.#wake();
  }

  /** Wait before the next connection: full jitter, but as long as the relay asked for. */
  async #pause() {
    const isHopeless = this.#failures >= (this.#options.attempts ?? ATTEMPTS);
    if (isHopeless && !isHidden() && globalThis.navigator?.onLine !== false) {
      this.#end({ type: "lost", code: "unreachable", status: null });
      return;
    }
    call(this.#options.onState, "waiting");
    const wait = Math.max(backOff(this.#reconnectionTime, this.#failures - 1), Math.min(this.#hint, LONGEST_HINT));
    this.#hint = 0;
    if (!this.#isHurried) {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, wait);
        this.#wake = () => {
          clearTimeout(timer);
          resolve(undefined);
        };
      });
    }
    this.#isHurried = false;
    this.#wake = () => {};
  }
}

/** Calls back at most once a frame while the page is seen, and by a timer while it is not, when there are no frames. */
class Updates {
  #update;
  /** @type {(() => void) | null} */
  #cancel = null;

  /** @param {() => void} update */
  constructor(update) {
    this.#update = update;
  }

  /** Have an update soon. */
  schedule() {
    if (this.#cancel !== null) return;
    const timer = setTimeout(() => this.flush(), UPDATE_WHILE_HIDDEN); // also for a page that is hidden meanwhile
    const frame = isHidden() ? undefined : globalThis.requestAnimationFrame?.(() => this.flush());
    this.#cancel = () => {
      clearTimeout(timer);
      if (frame !== undefined) cancelAnimationFrame(frame);
    };
  }

  /** Update now. */
  flush() {
    this.#cancel?.();
    this.#cancel = null;
    this.#update();
  }
}

/** @returns {import("./sseor.js").Snapshot} */
function emptyAnswer() {
  return { choices: [], usage: null, records: {} };
}

/**
 * Add a record to the answer, which has the shape of a `snapshot`.
 *
 * @param {import("./sseor.js").Snapshot} answer
 * @param {RelayRecord} record
 */
function addRecord(answer, record) {
  if (record.type === "snapshot") {
    const own = Object.fromEntries(record.records.map((/** @type {RelayRecord} */ one) => [one.type, one]));
    Object.assign(answer, emptyAnswer(), { choices: record.choices, usage: record.usage, records: own });
  } else if (record.type === "restarted") {
    Object.assign(answer, emptyAnswer());
  } else if (record.type === "usage") {
    const { type, ...usage } = record;
    answer.usage = usage;
  } else if (OF_A_CHOICE.includes(record.type)) {
    addToChoice(choiceOf(answer, record.choice ?? 0), record);
  } else if (!TERMINAL.includes(record.type)) {
    answer.records[record.type] = record;
  }
}

/**
 * @param {import("./sseor.js").Snapshot} answer
 * @param {number} number
 */
function choiceOf(answer, number) {
  const known = answer.choices.find(({ choice }) => choice === number);
  if (known !== undefined) return known;
  const choice = {
    ...{ choice: number, text: "", reasoning: "", refusal: "", tool_calls: [], images: [] },
    ...{ audio: null, annotations: [], finish_reason: null },
  };
  answer.choices.push(choice);
  answer.choices.sort((a, b) => a.choice - b.choice);
  return choice;
}

/**
 * @param {import("./sseor.js").RelayChoice} choice
 * @param {RelayRecord} record
 */
function addToChoice(choice, record) {
  switch (record.type) {
    case "text":
    case "reasoning":
    case "refusal":
      choice[record.type] += record.text;
      break;
    case "tool_delta": {
      const call = callAt(choice, record.index);
      call.id = record.id ?? call.id;
      call.name = record.name ?? call.name;
      call.arguments += record.arguments ?? "";
      break;
    }
    case "tool_call":
      Object.assign(callAt(choice, record.index), {
        ...{ id: record.id, name: record.name, arguments: record.arguments, complete: record.complete },
      });
      break;
    case "image":
      choice.images.push(record.url);
      break;
    case "audio":
      choice.audio = {
        data: (choice.audio?.data ?? "") + (record.data ?? ""),
        transcript: (choice.audio?.transcript ?? "") + (record.transcript ?? ""),
      };
      break;
    case "annotation":
      choice.annotations.push(record.annotation);
      break;
    case "finish":
      choice.finish_reason = record.reason;
      break;
  }
}

/**
 * @param {import("./sseor.js").RelayChoice} choice
 * @param {number} index
 */
function callAt(choice, index) {
  const known = choice.tool_calls.find((call) => call.index === index);
  if (known !== undefined) return known;
  const call = { index, id: "", name: "", arguments: "", complete: false };
  choice.tool_calls.push(call);
  return call;
}

/**
 * @param {string} data
 * @returns {RelayRecord | null} null for what is no record
 */
function recordOf(data) {
  try {
    const record = JSON.parse(data);
    return typeof record?.type === "string" ? record : null;
  } catch {
    return null;
  }
}

/**
 * @param {Response} response
 * @returns {Promise<string>} the relay's word for its refusal
 */
async function codeOf(response) {
  try {
    const { error } = await response.json();
    return String(error.code);
  } catch {
    return "refused";
  }
}

/**
 * Run a callback of the application. What it throws is its own, and does not end the stream.
 *
 * @template T
 * @param {((value: T) => void) | undefined} callback
 * @param {T} value
 */
function call(callback, value) {
  try {
    callback?.(value);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/**
 * Wait for `promise`, but not beyond an abort: in Node 20 a read that comes after one may never settle.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
function unlessAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
    if (signal.aborted) onAbort();
  });
}

/**
 * Watch for the page being seen again and the network coming back; return what ends that.
 *
 * @param {(event: Event) => void} listener
 */
function onReturn(listener) {
  const { document } = globalThis;
  const places = [
    { target: document, type: "visibilitychange" },
    { target: document && globalThis, type: "pageshow" },
    { target: document && globalThis, type: "online" },
  ];
  for (const { target, type } of places) target?.addEventListener(type, listener);
  return () => {
    for (const { target, type } of places) target?.removeEventListener(type, listener);
  };
}

function isHidden() {
  return globalThis.document?.visibilityState === "hidden";
}

/**
 * @param {number} base
 * @param {number} failures before this one
 */
function backOff(base, failures) {
  return Math.random() * Math.min(LONGEST_WAIT, base * 2 ** failures);
}

/** @returns {string} new and random for each question, so that it may be sent again when its answer was lost */
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
