/**
 * What a caller may ask of `streamChat`: checked before any network, so that nothing wrong or secret goes out.
 *
 * @module
 */

import { ChatError } from "./failures.js";

/** @typedef {{ [name: string]: any }} Json */

/**
 * @typedef {object} Settings
 * @property {string} url
 * @property {Headers} headers
 * @property {string} body
 * @property {string} secret the API key, taken out of every text that a server sends back
 * @property {Required<import("./chat.js").Timeouts>} timeouts
 * @property {number} attempts
 * @property {number} maxEventBytes
 * @property {AbortSignal | undefined} signal
 * @property {typeof globalThis.fetch} fetch
 */

const OPENROUTER = "https://openrouter.ai/api/v1";
const TIMEOUTS = { firstToken: 120_000, stall: 120_000, silence: 30_000, total: null };

const OUR_FIELDS = ["authorization", "content-type", "content-length", "host", "transfer-encoding"];

// Names of other clients, which would otherwise travel to the server as parameters: a key among them.
const OUR_NAME = new Map([
  ["api_key", "apiKey"],
  ["apikey", "apiKey"],
  ["base_url", "baseURL"],
  ["baseUrl", "baseURL"],
  ["timeout", "timeouts"],
  ["maxRetries", "attempts"],
  ["max_retries", "attempts"],
  ["abortSignal", "signal"],
  ["defaultHeaders", "headers"],
  ["extra_body", "the parameters themselves, at the top level"],
]);

/**
 * Return the settings of one stream; throw a ChatError with code `config` for what is wrong.
 *
 * @param {import("./chat.js").ChatOptions} options
 * @returns {Settings}
 */
export function settingsOf(options) {
  const {
    apiKey,
    baseURL = OPENROUTER,
    timeouts = {},
    attempts = 3,
    maxEventBytes = 64 * 1024 * 1024,
    headers,
    signal,
    fetch = globalThis.fetch,
    dangerouslyAllowBrowser = false,
    ...parameters
  } = options;
  checkParameters(parameters);
  if (!Number.isInteger(attempts) || attempts < 1) throw wrong("attempts must be a whole number of at least 1");
  if (!(maxEventBytes >= 1)) throw wrong("maxEventBytes must be at least 1");
  if (typeof fetch !== "function") throw wrong("there is no fetch here; give one");
  const url = urlOf(baseURL);
  const secret = keyFor(url, apiKey);
  if (secret !== "" && isBrowser() && !dangerouslyAllowBrowser) {
    throw wrong(
      "an API key in a browser is open to everyone who opens the page; " +
        "ask a server of yours instead, or set dangerouslyAllowBrowser",
    );
  }
  return {
    url: url.href,
    headers: headersOf(headers, secret),
    body: bodyOf(parameters),
    secret,
    timeouts: timeoutsOf(timeouts),
    attempts,
    maxEventBytes,
    signal,
    fetch,
  };
}

/** @param {Json} parameters */
function checkParameters(parameters) {
  for (const name of Object.keys(parameters)) {
    const ours = OUR_NAME.get(name);
    if (ours !== undefined) throw wrong(`streamChat has no option ${name}; use ${ours}`);
  }
  if (typeof parameters.model !== "string" || parameters.model === "") throw wrong("model must name a model");
  if (!Array.isArray(parameters.messages) || parameters.messages.length === 0) {
    throw wrong("messages must be an array with at least one message");
  }
  if (parameters.stream === false) throw wrong("streamChat streams; leave stream out");
}

/** @param {string} baseURL */
function urlOf(baseURL) {
  try {
    const url = new URL(`${String(baseURL).replace(/\/+$/, "")}/chat/completions`);
    if (url.protocol === "http:" || url.protocol === "https:") return url;
  } catch {
    // the same words for both
  }
  throw wrong("baseURL must be an absolute http or https URL");
}

/**
 * Return the key to send, or an empty string. The environment's key goes to openrouter.ai only.
 *
 * @param {URL} url
 * @param {string | undefined} apiKey
 */
function keyFor(url, apiKey) {
  const { process } = /** @type {{ process?: { env?: Record<string, string> } }} */ (globalThis);
  const isOpenRouter = url.origin === new URL(OPENROUTER).origin;
  const key = String(apiKey ?? (isOpenRouter ? process?.env?.OPENROUTER_API_KEY : undefined) ?? "").trim();
  if (key === "" && isOpenRouter) throw wrong("no API key: give apiKey, or set OPENROUTER_API_KEY");
  if (!/^[\x21-\x7e]*$/.test(key)) throw wrong("apiKey holds a character that no key has");
  return key;
}

/** Whether this code runs in a page or in a worker of one. */
function isBrowser() {
  const { window, document, WorkerGlobalScope, self } = /** @type {Json} */ (globalThis);
  if (window !== undefined && document !== undefined) return true;
  return WorkerGlobalScope !== undefined && self instanceof WorkerGlobalScope && !("Deno" in globalThis);
}

/**
 * @param {import("./chat.js").ChatOptions["headers"]} given
 * @param {string} secret
 */
function headersOf(given, secret) {
  let headers;
  try {
    headers = new Headers(given);
  } catch {
    throw wrong("headers holds a name or a value that HTTP does not allow"); // the value may be a secret
  }
  for (const name of OUR_FIELDS) {
    if (headers.has(name)) throw wrong(`headers may not set ${name}${name === "authorization" ? "; use apiKey" : ""}`);
  }
  headers.set("content-type", "application/json");
  headers.set("accept", "text/event-stream");
  // A compressor that does not flush holds tokens back. Browsers do not let this field be set, and leave it out.
  if (!headers.has("accept-encoding")) headers.set("accept-encoding", "identity");
  if (secret !== "") headers.set("authorization", `Bearer ${secret}`);
  return headers;
}

/** @param {Json} parameters */
function bodyOf(parameters) {
  try {
    // OpenRouter ignores stream_options; OpenAI and vLLM send no usage without it.
    return JSON.stringify({ stream_options: { include_usage: true }, ...parameters, stream: true });
  } catch (error) {
    throw wrong(`the parameters are no JSON: ${/** @type {Error} */ (error).message}`);
  }
}

/** @param {import("./chat.js").Timeouts} given */
function timeoutsOf(given) {
  for (const [name, value] of Object.entries(given)) {
    if (!(name in TIMEOUTS)) throw wrong(`timeouts has no ${name}; it has ${Object.keys(TIMEOUTS).join(", ")}`);
    if (value === null || value === undefined) continue;
    if (typeof value !== "number" || !(value > 0)) {
      throw wrong(`timeouts.${name} must be a positive number of milliseconds, or null`);
    }
  }
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { ...TIMEOUTS, ...set };
}

/** @param {string} message */
function wrong(message) {
  return new ChatError("config", message);
}
