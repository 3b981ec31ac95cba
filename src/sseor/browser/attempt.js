/**
 * One request and the reading of its answer: open, read, take, judge the end.
 *
 * @module
 */

import { Answer } from "./answer.js";
import { Body } from "./body.js";
import { ChatError, failureIn, refusal } from "./failures.js";
import { within } from "./watchdog.js";

/** @typedef {import("./chat.js").ChatEvent} ChatEvent */
/** @typedef {import("./options.js").Settings} Settings */
/** @typedef {import("./watchdog.js").Watchdog} Watchdog */

const REFUSAL_WAIT = 1000;
const REFUSAL_BYTES = 64 * 1024;
const DRAIN_WAIT = 50; // for the end of a body behind `[DONE]`, which keeps the connection for reuse

export class Attempt {
  answer = new Answer();
  #settings;
  #controller;
  /** @type {Body | null} */
  #body = null;
  #cleanEnd = false;

  /**
   * @param {Settings} settings
   * @param {AbortController} controller ends the request; it is aborted at the end in any case
   */
  constructor(settings, controller) {
    this.#settings = settings;
    this.#controller = controller;
  }

  /** @returns {Omit<import("./chat.js").ChatResult, "attempts">} what has come so far */
  result() {
    const { first, usage, generationId, model, provider, finished } = this.answer;
    const verdict = {
      complete: finished,
      sawFinish: finished,
      sawDone: this.#body?.done ?? false,
      sawUsage: usage !== null,
      cleanEnd: this.#cleanEnd,
      unterminated: this.#body?.unterminated ?? false,
    };
    const { finishReason, nativeFinishReason } = first;
    const said = { text: first.text.text, reasoning: first.reasoning.text, toolCalls: first.calls.list };
    return { ...said, usage, finishReason, nativeFinishReason, generationId, model, provider, verdict };
  }

  /**
   * Send the request and read its answer to the end; yield what it brings, a batch for each read.
   *
   * @param {Watchdog} watchdog
   * @returns {AsyncGenerator<ChatEvent[], void, undefined>}
   */
  async *run(watchdog) {
    try {
      watchdog.attempt(performance.now());
      const response = await this.#open(watchdog);
      this.#body = new Body(response.headers, this.#settings.maxEventBytes);
      const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
      while (!this.#body.done) {
        const read = await this.#read(reader, watchdog);
        if (read === null) break;
        const { events, failure } = this.#take(read.done ? this.#body.end() : this.#body.feed(read.value), watchdog);
        yield* this.#deliver(events, watchdog);
        if (failure !== null) throw failure;
        if (read.done) {
          this.#cleanEnd = true;
          break;
        }
      }
      yield* this.#deliver(this.answer.end(), watchdog);
      if (!this.answer.finished) throw this.#endedEarly();
      if (this.#body.done && !this.#cleanEnd) await this.#drain(reader);
    } finally {
      this.#controller.abort();
    }
  }

  /**
   * Hand these to the caller, whose own time counts for nobody.
   *
   * @param {ChatEvent[]} events
   * @param {Watchdog} watchdog
   */
  *#deliver(events, watchdog) {
    if (events.length === 0) return;
    const began = performance.now();
    yield events;
    watchdog.callerTook(performance.now() - began);
  }

  /** @param {Watchdog} watchdog */
  async #open(watchdog) {
    const { url, headers, body, fetch } = this.#settings;
    const { signal } = this.#controller;
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
    this.answer.generationId = response.headers.get("x-generation-id");
    if (response.status === 200 && response.body !== null) return response;
    throw refusal(response.status, response.headers, await this.#refusalBody(response, watchdog));
  }

  /**
   * Read the body of an answer that is not a 200, a little and not for long.
   *
   * @param {Response} response
   * @param {Watchdog} watchdog
   */
  async #refusalBody(response, watchdog) {
    const reader = response.body?.getReader();
    const decoder = new TextDecoder();
    const now = performance.now();
    const until = now + Math.min(REFUSAL_WAIT, watchdog.next(now).left);
    let text = "";
    try {
      while (reader !== undefined && text.length < REFUSAL_BYTES) {
        const { done, value } = await within(reader.read(), until - performance.now(), this.#controller.signal, late);
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
      watchdog.bytes(performance.now());
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
  #wait(promise, watchdog) {
    const { timer, left } = watchdog.next(performance.now());
    return within(promise, left, this.#controller.signal, () => watchdog.expired(timer, performance.now()));
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
    const now = performance.now();
    try {
      for (const item of items) {
        watchdog.alive(now);
        if (item === "heartbeat") {
          events.push({ type: "heartbeat", waited: watchdog.withoutProgress(now), phase: watchdog.phase });
          continue;
        }
        const { brought, isProgress } = this.answer.add(item);
        for (const event of brought) events.push(event);
        if (isProgress) watchdog.progress(now);
        this.#check(item);
        if (this.answer.finished) watchdog.finish(now);
      }
    } catch (error) {
      if (error instanceof ChatError) return { events, failure: error };
      const { message } = /** @type {Error} */ (error);
      return { events, failure: new ChatError("protocol", `an event cannot be read: ${message}`, { cause: error }) };
    }
    return { events, failure: null };
  }

  /** @param {{ [name: string]: any }} chunk */
  #check(chunk) {
    const failure = failureIn(chunk);
    if (failure !== null) throw failure;
    if (this.answer.failure !== null) throw new ChatError("generation", this.answer.failure, { retryable: true });
  }

  #endedEarly() {
    const sentence = this.#body?.done
      ? "the stream said [DONE] without a finish reason: the answer may be cut"
      : "the stream ended without a finish reason: the answer is cut";
    return new ChatError("ended_early", sentence, { retryable: true });
  }

  /** @param {ReadableStreamDefaultReader<Uint8Array>} reader */
  async #drain(reader) {
    try {
      const { done } = await within(reader.read(), DRAIN_WAIT, this.#controller.signal, late);
      this.#cleanEnd = done;
    } catch {
      // the answer is whole without it
    }
  }
}

/** What ends a wait that nobody is told of. */
function late() {
  return new Error("the body goes on");
}
