/**
 * Streams chat answers straight from OpenRouter, or any server that speaks its protocol, over `fetch`.
 *
 * Three rules carry it. An answer is complete only when a finish reason came; every other end is an error that carries
 * the text so far. Before the first token a transient failure may be tried again, after it nothing is sent twice. What
 * the bytes complete before they fail is handed out before the failure is thrown.
 *
 * @module
 */

import { Body } from "./body.js";
import { Answer } from "./chunks.js";
import { ChatError, failureIn, refusal } from "./failures.js";
import { settingsOf } from "./options.js";
import { Watchdog, within } from "./watchdog.js";

export { ChatError } from "./failures.js";
export * from "./sseor.js";

/** @typedef {import("./chat.js").ChatEvent} ChatEvent */
/** @typedef {import("./chat.js").ChatResult} ChatResult */
/** @typedef {import("./options.js").Settings} Settings */

const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;
const LONGEST_HINT = 60_000; // a server that asks for more is not waited for
const REFUSAL_WAIT = 1000;
const REFUSAL_BYTES = 64 * 1024;
const DRAIN_WAIT = 50; // for the end of a body behind `[DONE]`, which keeps the connection for reuse

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
      if (value) this.#queue = this.#queue.concat(value);
    } catch (error) {
      this.#over = true;
      this.#failure = error;
    }
  }
}

/** The life of one stream: open, read, try again, end. */
class Life {
  #settings;
  #answer = new Answer();
  /** @type {Body | null} */
  #body = null;
  #cleanEnd = false;
  #attempts = 0;
  #attempt = new AbortController();
  /** @type {ChatError | null} */
  #aborted = null;

  /** @param {Settings} settings */
  constructor(settings) {
    this.#settings = settings;
  }

  /** @param {ChatError} error */
  abort(error) {
    this.#aborted ??= error;
    this.#attempt.abort(this.#aborted);
  }

  /** @returns {ChatResult} */
  result() {
    const { text, reasoning, toolCalls, usage, finishReason, nativeFinishReason } = this.#answer;
    const { generationId, model, provider, finished } = this.#answer;
    const verdict = {
      complete: finished,
      sawFinish: finished,
      sawDone: this.#body?.done ?? false,
      sawUsage: usage !== null,
      cleanEnd: this.#cleanEnd,
      unterminated: this.#body?.unterminated ?? false,
    };
    const calls = toolCalls.map((call) => ({ ...call }));
    const about = { generationId, model, provider, attempts: this.#attempts };
    return { text, reasoning, toolCalls: calls, usage, finishReason, nativeFinishReason, ...about, verdict };
  }

  /**
   * Yield what the stream brings, a batch for each read; throw what made it fail.
   *
   * @returns {AsyncGenerator<ChatEvent[], void, undefined>}
   */
  async *run() {
    const { signal, timeouts } = this.#settings;
    const onAbort = () => this.abort(new ChatError("aborted", "the signal was aborted", { cause: signal?.reason }));
    const watchdog = new Watchdog(timeouts, performance.now());
    let expiries = 0;
    let wait = 0;
    signal?.addEventListener("abort", onAbort);
    if (signal?.aborted) onAbort();
    try {
      while (true) {
        try {
          if (wait > 0) await this.#pause(wait);
          yield* this.#once(watchdog);
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
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Send the request once and read its answer to the end.
   *
   * @param {Watchdog} watchdog
   * @returns {AsyncGenerator<ChatEvent[], void, undefined>}
   */
  async *#once(watchdog) {
    this.#answer = new Answer();
    this.#body = null;
    this.#cleanEnd = false;
    this.#attempts += 1;
    this.#attempt = new AbortController();
    if (this.#aborted !== null) throw this.#aborted;
    try {
      watchdog.attempt();
      const response = await this.#open(watchdog);
      this.#body = new Body(response.headers, this.#settings.maxEventBytes);
      const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
      while (!this.#body.done) {
        const read = await this.#read(reader, watchdog);
        if (read === null) break;
        const { events, failure } = this.#take(read.done ? this.#body.end() : this.#body.feed(read.value), watchdog);
        if (events.length > 0) yield events;
        if (failure !== null) throw failure;
        if (read.done) {
          this.#cleanEnd = true;
          break;
        }
      }
      if (!this.#answer.finished) throw this.#endedEarly();
      if (this.#body.done && !this.#cleanEnd) await this.#drain(reader);
    } finally {
      this.#attempt.abort();
    }
  }

  /** @param {Watchdog} watchdog */
  async #open(watchdog) {
    const { url, headers, body, fetch } = this.#settings;
    const { signal } = this.#attempt;
    // A redirect would carry the question elsewhere.
    const request = { method: "POST", headers, body, signal, redirect: /** @type {const} */ ("manual") };
    let response;
    try {
      response = await this.#wait(fetch(url, request), watchdog);
    } catch (error) {
      if (error instanceof ChatError) throw error;
      const cause = /** @type {{ cause?: { code?: string }, message?: string }} */ (error);
      const reason = cause.cause?.code ?? cause.message;
      throw new ChatError("connect", `no answer from the server: ${reason}`, { retryable: true, cause: error });
    }
    watchdog.head();
    this.#answer.generationId = response.headers.get("x-generation-id");
    if (response.status === 200 && response.body !== null) return response;
    throw refusal(response.status, response.headers, await this.#refusalBody(response));
  }

  /** @param {Response} response */
  async #refusalBody(response) {
    const reader = response.body?.getReader();
    const decoder = new TextDecoder();
    let text = "";
    try {
      while (reader !== undefined && text.length < REFUSAL_BYTES) {
        const expired = () => new Error("the body of the refusal is late");
        const { done, value } = await within(reader.read(), REFUSAL_WAIT, this.#attempt.signal, expired);
        if (done) break;
        text += decoder.decode(value, { stream: true });
      }
    } catch {
      // the status says enough
    }
    return text;
  }

  /**
   * Read once; null when a finished answer needs no more waiting.
   *
   * @param {ReadableStreamDefaultReader<Uint8Array>} reader
   * @param {Watchdog} watchdog
   */
  async #read(reader, watchdog) {
    try {
      const read = await this.#wait(reader.read(), watchdog);
      watchdog.bytes();
      return read;
    } catch (error) {
      if (watchdog.phase === "finished") return null;
      if (error instanceof ChatError) throw error;
      const { message } = /** @type {Error} */ (error);
      throw new ChatError("connection_lost", `the connection was lost: ${message}`, { retryable: true, cause: error });
    }
  }

  /**
   * @template T
   * @param {Promise<T>} promise
   * @param {Watchdog} watchdog
   */
  async #wait(promise, watchdog) {
    const began = performance.now();
    const { timer, left } = watchdog.next(began);
    const expired = () => {
      watchdog.waited(performance.now() - began);
      return watchdog.expired(timer, performance.now());
    };
    const value = await within(promise, left, this.#attempt.signal, expired);
    watchdog.waited(performance.now() - began);
    return value;
  }

  /**
   * Add what came to the answer; return the events to hand out, and the failure that follows them.
   *
   * @param {Iterable<import("./body.js").Item>} items
   * @param {Watchdog} watchdog
   */
  #take(items, watchdog) {
    /** @type {ChatEvent[]} */
    const events = [];
    try {
      for (const item of items) {
        watchdog.alive();
        if (item === "heartbeat") {
          events.push({ type: "heartbeat", waited: watchdog.withoutProgress, phase: watchdog.phase });
          continue;
        }
        const { brought, isProgress } = this.#answer.add(item);
        events.push(...brought);
        if (isProgress) watchdog.progress();
        this.#check(item);
        if (this.#answer.finished) watchdog.finish();
      }
    } catch (error) {
      return { events, failure: error };
    }
    return { events, failure: null };
  }

  /** @param {{ [name: string]: any }} chunk */
  #check(chunk) {
    const failure = failureIn(chunk);
    if (failure !== null) throw failure;
    if (this.#answer.failure !== null) throw new ChatError("generation", this.#answer.failure, { retryable: true });
  }

  #endedEarly() {
    const sentence = this.#body?.done
      ? "the stream said [DONE] without a finish reason: the answer may be cut"
      : "the stream ended without a finish reason: the answer is cut";
    return new ChatError("ended_early", sentence, { retryable: true });
  }

  /** @param {ReadableStreamDefaultReader<Uint8Array>} reader */
  async #drain(reader) {
    const expired = () => new Error("the body goes on");
    try {
      const { done } = await within(reader.read(), DRAIN_WAIT, this.#attempt.signal, expired);
      this.#cleanEnd = done;
    } catch {
      // the answer is whole without it
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
    const { secret } = this.#settings;
    if (secret !== "") error.message = error.message.replaceAll(secret, "[API key]");
    return error;
  }

  /**
   * @param {ChatError} failure
   * @returns {number} milliseconds; infinity when this failure is the end
   */
  #waitBeforeRetry(failure) {
    const { generated, finished } = this.#answer;
    if (!failure.retryable || generated || finished || this.#attempts >= this.#settings.attempts) return Infinity;
    return failure.retryAfter ?? Math.random() * Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (this.#attempts - 1));
  }

  /** @param {number} milliseconds */
  async #pause(milliseconds) {
    this.#attempt = new AbortController();
    if (this.#aborted !== null) throw this.#aborted;
    const over = new Error("the pause is over");
    try {
      await within(new Promise(() => {}), milliseconds, this.#attempt.signal, () => over);
    } catch (error) {
      if (error !== over) throw error;
    }
  }
}
