/**
 * Listening to a caller's signal, with one listener for each signal however many streams it ends: Node warns of a leak
 * when there are more than ten.
 *
 * @module
 */

/** @type {WeakMap<AbortSignal, { callbacks: Set<() => void>, tell: () => void }>} */
const listeners = new WeakMap();

/**
 * Call `callback` when `signal` is aborted, at once if it is already.
 *
 * @param {AbortSignal} signal
 * @param {() => void} callback
 * @returns {() => void} ends it
 */
export function onAbort(signal, callback) {
  if (signal.aborted) callback();
  const { callbacks, tell } = listeners.get(signal) ?? listenerOf(signal);
  if (callbacks.size === 0) signal.addEventListener("abort", tell);
  callbacks.add(callback);
  return () => {
    callbacks.delete(callback);
    if (callbacks.size === 0) signal.removeEventListener("abort", tell);
  };
}

/** @param {AbortSignal} signal */
function listenerOf(signal) {
  /** @type {Set<() => void>} */
  const callbacks = new Set();
  const listener = { callbacks, tell: () => [...callbacks].forEach((callback) => callback()) };
  listeners.set(signal, listener);
  return listener;
}
