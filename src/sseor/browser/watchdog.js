/**
 * When waiting means failure: deadlines that do not count the caller's own time.
 *
 * *Silence* is about bytes, *progress* about the answer: comments and empty deltas are bytes but no progress, so a
 * server that only keeps the connection warm runs into `firstToken` or `stall`. The caller's own time counts for `total`
 * alone.
 *
 * @module
 */

import { ChatError } from "./failures.js";

/** @typedef {"firstToken" | "stall" | "silence" | "total" | "grace"} Timer */

/** Milliseconds that a finished answer is given for its usage and `[DONE]`; then it is a success without them. */
const FINISH_GRACE = 2000;

const LONGEST_TIMER = 2 ** 31 - 1; // what setTimeout can hold; beyond it fires at once

const SENTENCES = {
  firstToken: "no first token",
  stall: "the answer stalled: no progress",
  silence: "the connection fell silent: not a byte, not even a heartbeat",
  total: "the whole budget is spent",
  grace: "no end",
};

/** The deadlines of one stream: told what happened and when, it says how long to wait and what an expiry means. */
export class Watchdog {
  /** @type {"headers" | "firstToken" | "streaming" | "finished"} */
  phase = "headers";
  #timeouts;
  #began;
  #progressAt;
  /** @type {number | null} null until the body has shown a sign of life, which arms `silence` */
  #byteAt = null;

  /**
   * @param {Required<import("./chat.js").Timeouts>} timeouts
   * @param {number} now in milliseconds, here and below
   */
  constructor(timeouts, now) {
    this.#timeouts = timeouts;
    this.#began = now;
    this.#progressAt = now;
  }

  /** @param {number} now when a request is about to be sent */
  attempt(now) {
    this.phase = "headers";
    this.#progressAt = now;
    this.#byteAt = null;
  }

  /** Note that the response head came. */
  head() {
    this.phase = "firstToken";
  }

  /** @param {number} now when bytes of the body came, whatever they are */
  bytes(now) {
    if (this.#byteAt !== null) this.#byteAt = now;
  }

  /** @param {number} now when the body showed a sign of life, a heartbeat or a chunk */
  alive(now) {
    this.#byteAt = now;
  }

  /** @param {number} now when the answer moved on */
  progress(now) {
    this.#progressAt = now;
    if (this.phase !== "finished") this.phase = "streaming";
  }

  /** @param {number} now when every choice has its finish reason */
  finish(now) {
    if (this.phase === "finished") return;
    this.phase = "finished";
    this.#progressAt = now;
  }

  /** @param {number} milliseconds that the caller spent on what it was handed: the server cannot be blamed for them */
  callerTook(milliseconds) {
    this.#progressAt += milliseconds;
    if (this.#byteAt !== null) this.#byteAt += milliseconds;
  }

  /** @param {number} now */
  withoutProgress(now) {
    return now - this.#progressAt;
  }

  /** @param {number} now */
  leftOfTotal(now) {
    return this.#began + (this.#timeouts.total ?? Infinity) - now;
  }

  /**
   * Return the timer that rings first, and the milliseconds until then.
   *
   * @param {number} now
   * @returns {{ timer: Timer, left: number }}
   */
  next(now) {
    /** @type {[Timer, number][]} */
    const timers = [["total", this.leftOfTotal(now)]];
    if (this.phase === "finished") {
      timers.push(["grace", this.#progressAt + FINISH_GRACE - now]);
    } else {
      const timer = this.phase === "streaming" ? "stall" : "firstToken";
      timers.push([timer, this.#progressAt + (this.#timeouts[timer] ?? Infinity) - now]);
      if (this.#byteAt !== null) timers.push(["silence", this.#byteAt + (this.#timeouts.silence ?? Infinity) - now]);
    }
    const [timer, left] = timers.reduce((first, other) => (other[1] < first[1] ? other : first));
    return { timer, left };
  }

  /**
   * Return the error for a timer that rang.
   *
   * @param {Timer} timer
   * @param {number} now
   */
  expired(timer, now) {
    const since = timer === "total" ? this.#began : timer === "silence" ? this.#byteAt : this.#progressAt;
    const waited = now - (since ?? now);
    const sentence = `${SENTENCES[timer]} for ${(waited / 1000).toFixed(1)} s`;
    return new ChatError("timeout", sentence, { timer, waited, retryable: timer !== "total" });
  }
}

/**
 * Wait for `promise`, but no longer than `milliseconds`, and not beyond an abort. Nothing is left running: the timer
 * and the listener are gone when this settles.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 * @param {() => unknown} expired makes the error for the expiry
 * @returns {Promise<T>}
 */
export function within(promise, milliseconds, signal, expired) {
  return new Promise((resolve, reject) => {
    const onAbort = () => settle(() => reject(signal.reason));
    const onExpiry = () => settle(() => reject(expired()));
    // What came while the caller's own work kept the timer waiting is taken first: sockets are read between two timers.
    const onTime = () => (timer = setTimeout(onExpiry));
    let timer = milliseconds === Infinity ? undefined : setTimeout(onTime, Math.min(milliseconds, LONGEST_TIMER));
    signal.addEventListener("abort", onAbort);
    promise.then(
      (value) => settle(() => resolve(value)),
      (error) => settle(() => reject(error)),
    );
    if (signal.aborted) onAbort();
    // Bytes that never stop coming would win over every timer.
    else if (milliseconds <= 0) onExpiry();

    /** @param {() => void} outcome */
    function settle(outcome) {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      outcome();
    }
  });
}
