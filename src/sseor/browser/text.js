/**
 * Text that arrives in pieces, and is whole characters whenever it is handed out.
 *
 * @module
 */

const REPLACEMENT = "\ufffd";

/**
 * A text that grows by deltas. Servers written in JavaScript cut strings between the halves of a surrogate pair, so a
 * high half at the end of a delta is held back until the next one; a half that stays alone becomes U+FFFD.
 */
export class GrowingText {
  /** What has been handed out so far. */
  text = "";
  #held = "";

  /**
   * @param {string} delta
   * @returns {string} what may be handed out now
   */
  add(delta) {
    const whole = this.#held + delta;
    this.#held = /[\ud800-\udbff]$/.test(whole) ? whole.slice(-1) : "";
    const shown = whole.slice(0, whole.length - this.#held.length).replace(/\p{Surrogate}/gu, REPLACEMENT);
    this.text += shown;
    return shown;
  }

  /** @returns {string} what takes the place of a half that was held back; mostly nothing */
  end() {
    const rest = this.#held && REPLACEMENT;
    this.#held = "";
    this.text += rest;
    return rest;
  }
}
