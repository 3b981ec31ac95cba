/**
 * Streams chat answers straight from OpenRouter, or any server that speaks its protocol, over `fetch`.
 *
 * Three rules carry it. An answer is complete only when a finish reason came; every other end is an error that carries
 * the text so far. Before the first token a transient failure may be tried again, after it nothing is sent twice. What
 * the bytes complete before they fail is handed out before the failure is thrown.
 *
 * @module
 */

import { Attempt } from "./attempt.js";
import { ChatError, redact } from "./failures.js";
import { settingsOf } from "./options.js";
import { onAbort } from "./signals.js";
import { Watchdog, within } from "./watchdog.js";

export { ChatError } from "./failures.js";
export * from "./sseor.js";

/** @typedef {import("./chat.js").ChatEvent} ChatEvent */
/** @typedef {import("./chat.js").ChatResult} ChatResult */
/** @typedef {import("./options.js").Settings} Settings */

const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;
const LONGEST_HINT = 60_000; // a server that asks for more is not waited for

/**
 * Ask for a chat answer and stream it. The request goes out when the stream is first read.
 *
 * @param {import("./chat.js").ChatOptions} options
 * @returns {ChatStream}
 */
export function streamChat(options) {
  return new ChatStream(settingsOf(options));
}

/** One answer under way: read its events or its text, once, or await its result. */
class ChatStream {
  #life;
  #source;
  /** @type {ChatEvent[]} */
  #queue = [];
  #taken = 0;
  /** @type {Promise<void> | null} */
  #advancing = null;
  /** @type {Promise<ChatResult> | null} */
  #done = null;
  #isRead = false;
  #over = false;
  /** @type {unknown} */
  #failure = null;

  /** @param {Settings} settings */
  constructor(settings) {
    this.#life = new Life(settings);
    this.#source = this.#life.run();
  }

  /** What has arrived so far. */
  get partial() {
    return this.#life.result();
  }

  /** The text of the first choice, piece by piece. */
  get text() {
    return this.#lens();
  }

  /** The result. It reads the stream to its end; events that nobody has taken yet wait for whoever reads them. */
  get done() {
    if (this.#done === null) {
      this.#done = this.#readToEnd();
      this.#done.catch(() => {}); // whoever reads the events is told as well
    }
    return this.#done;
  }

  /** Close the connection and end the stream with an error of code `aborted`. */
  abort() {
    this.#life.abort(new ChatError("aborted", "the caller aborted the stream"));
  }

  /** @returns {AsyncGenerator<ChatEvent, void, undefined>} */
  [Symbol.asyncIterator]() {
    if (this.#isRead) throw new ChatError("misuse", "a stream is read once; it has a reader already");
    this.#isRead = true;
    return this.#events();
  }

  async *#lens() {
    for await (const event of this) {
      if (event.type === "text" && event.choice === 0) yield event.text;
    }
  }

  async *#events() {
    try {
      while (true) {
        while (this.#taken < this.#queue.length) yield this.#queue[this.#taken++];
        this.#queue = [];
        this.#taken = 0;
        if (this.#over) break;
        await this.#advance();
      }
      if (this.#failure !== null) throw this.#failure;
    } finally {
      if (!this.#over) await this.#leave();
    }
  }

  async #leave() {
    this.abort();
    while (!this.#over) await this.#advance();
  }

  async #readToEnd() {
    while (!this.#over) await this.#advance();
    if (this.#failure !== null) throw this.#failure;
    return this.#life.result();
  }

  /** Take one step of the stream's life, for whoever asks: the reader, `done`, or both. */
  #advance() {
    this.#advancing ??= this.#step().finally(() => (this.#advancing = null));
    return this.#advancing;
  }

  async #step() {
    try {
      const { done, value } = await this.#source.next();
      this.#over = done === true;
      for (const event of value ?? []) this.#queue.push(event);
    } catch (error) {
      this.#over = true;
      this.#failure = error;
    }
  }
}

/** The life of one stream: one attempt, or several until one has brought something. */
class Life {
  #settings;
  #attempt;
  #attempts = 0;
  #current = new AbortController(); // of the attempt or the pause under way
  /** @type {ChatError | null} */
  #aborted = null;

  /** @param {Settings} settings */
  constructor(settings) {
    this.#settings = settings;
    this.#attempt = new Attempt(settings, this.#current);
  }

  /** @param {ChatError} error */
  abort(error) {
    this.#aborted ??= error;
    this.#current.abort(this.#aborted);
  }

  /** @returns {ChatResult} */
  result() {
    return { ...this.#attempt.result(), attempts: this.#attempts };
  }

  /**
   * Yield what the stream brings, a batch for each read; throw what made it fail.
   *
   * @returns {AsyncGenerator<ChatEvent[], void, undefined>}
   */
  async *run() {
    const { signal, timeouts } = this.#settings;
    const watchdog = new Watchdog(timeouts, performance.now());
    let expiries = 0;
    let wait = 0;
    const unlisten = signal && onAbort(signal, () => this.abort(abortedBy(signal)));
    try {
      while (true) {
        try {
          if (wait > 0) await this.#pause(wait);
          this.#attempt = new Attempt(this.#settings, this.#begin());
          this.#attempts += 1;
          yield* this.#attempt.run(watchdog);
          return;
        } catch (error) {
          const failure = this.#dressed(error);
          if (failure.code === "timeout") expiries += 1;
          // A provider may bill each attempt whose first token was late.
          wait = expiries > 1 ? Infinity : this.#waitBeforeRetry(failure);
          if (wait > LONGEST_HINT || wait >= watchdog.leftOfTotal(performance.now())) {
            yield [{ type: "error", error: failure }];
            throw failure;
          }
          yield [{ type: "retry", wait, cause: failure }];
        }
      }
    } finally {
      unlisten?.();
    }
  }

  /** Return the controller of what begins now; throw if the stream was aborted before. */
  #begin() {
    this.#current = new AbortController();
    if (this.#aborted !== null) throw this.#aborted;
    return this.#current;
  }

  /** @param {number} milliseconds */
  async #pause(milliseconds) {
    const over = new Error("the pause is over");
    try {
      await within(new Promise(() => {}), milliseconds, this.#begin().signal, () => over);
    } catch (error) {
      if (error !== over) throw error;
    }
  }

  /**
   * Fill in what only the stream knows, and take the key out of what a server sent back.
   *
   * @param {unknown} error
   */
  #dressed(error) {
    if (!(error instanceof ChatError)) throw error;
    error.attempts = this.#attempts;
    error.partial = this.result();
    error.text = error.partial.text;
    redact(error, this.#settings.secret);
    return error;
  }

  /**
   * @param {ChatError} failure
   * @returns {number} milliseconds; infinity when this failure is the end
   */
  #waitBeforeRetry(failure) {
    const { generated, finished } = this.#attempt.answer;
    if (!failure.retryable || generated || finished || this.#attempts >= this.#settings.attempts) return Infinity;
    return failure.retryAfter ?? Math.random() * Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (this.#attempts - 1));
  }
}

/** @param {AbortSignal} signal */
function abortedBy(signal) {
  return new ChatError("aborted", "the signal was aborted", { cause: signal.reason });
}
