/**
 * When waiting means failure: deadlines that count only the time spent waiting for the server.
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

/** The deadlines of one stream: told what happened, it says how long to wait and what an expiry means. */
export class Watchdog {
  /** @type {"headers" | "firstToken" | "streaming" | "finished"} */
  phase = "headers";
  #timeouts;
  #began;
  #withoutProgress = 0;
  /** @type {number | null} null until the body has shown a sign of life, which arms `silence` */
  #withoutBytes = null;

  /**
   * @param {Required<import("./chat.js").Timeouts>} timeouts
   * @param {number} now
   */
  constructor(timeouts, now) {
    this.#timeouts = timeouts;
    this.#began = now;
  }

  /** Milliseconds of waiting since the answer last moved on. */
  get withoutProgress() {
    return this.#withoutProgress;
  }

  /** Note that a request is about to be sent. */
  attempt() {
    this.phase = "headers";
    this.#withoutProgress = 0;
    this.#withoutBytes = null;
  }

  /** Note that the response head came. */
  head() {
    this.phase = "firstToken";
  }

  /** Note that bytes of the body came, whatever they are. */
  bytes() {
    if (this.#withoutBytes !== null) this.#withoutBytes = 0;
  }

  /** Note a sign of life in the body, a heartbeat or a chunk. */
  alive() {
    this.#withoutBytes = 0;
  }

  /** Note that the answer moved on. */
  progress() {
    this.#withoutProgress = 0;
    if (this.phase !== "finished") this.phase = "streaming";
  }

  /** Note that every choice has its finish reason. */
  finish() {
    if (this.phase === "finished") return;
    this.phase = "finished";
    this.#withoutProgress = 0;
  }

  /** @param {number} milliseconds that passed in waiting for the server */
  waited(milliseconds) {
    this.#withoutProgress += milliseconds;
    if (this.#withoutBytes !== null) this.#withoutBytes += milliseconds;
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
      timers.push(["grace", FINISH_GRACE - this.#withoutProgress]);
    } else {
      const timer = this.phase === "streaming" ? "stall" : "firstToken";
      timers.push([timer, (this.#timeouts[timer] ?? Infinity) - this.#withoutProgress]);
      if (this.#withoutBytes !== null) {
        timers.push(["silence", (this.#timeouts.silence ?? Infinity) - this.#withoutBytes]);
      }
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
    const silent = timer === "silence" ? this.#withoutBytes : null;
    const waited = timer === "total" ? now - this.#began : (silent ?? this.#withoutProgress);
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
    const timer = milliseconds === Infinity ? undefined : setTimeout(onExpiry, clamped(milliseconds));
    signal.addEventListener("abort", onAbort);
    promise.then(
      (value) => settle(() => resolve(value)),
      (error) => settle(() => reject(error)),
    );
    if (signal.aborted) onAbort();

    /** @param {() => void} outcome */
    function settle(outcome) {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      outcome();
    }
  });
}

/** @param {number} milliseconds */
function clamped(milliseconds) {
  return Math.min(Math.max(milliseconds, 0), LONGEST_TIMER);
}
