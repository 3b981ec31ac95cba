/**
 * What can go wrong with a streamed answer, as one error, read from every shape in which servers say it.
 *
 * @module
 */

import { errorOf, isEmpty, isObject, parseJson, word } from "./chunks.js";

/** @typedef {{ [name: string]: any }} Json */

const REDACTED = "[API key]";
const RECOGNISABLE = 8; // characters of a key

const RETRYABLE = new Set([408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 529, 530]);

// The values of `error_type` (OpenRouter, "Errors") and words of other servers that say something else than 502.
const STATUS_OF_WORD = new Map(
  Object.entries({
    400: [
      ...["context_length_exceeded", "max_tokens_exceeded", "token_limit_exceeded", "string_too_long"],
      ...["invalid_request", "invalid_prompt", "invalid_request_error", "bad_request", "model_not_found"],
      ...["content_policy_violation", "content_filter", "refusal", "wrong_endpoint"],
      ...["invalid_image", "image_too_large", "image_too_small", "unsupported_image_format", "image_download_failed"],
    ],
    401: ["authentication", "authentication_error", "invalid_api_key"],
    402: ["payment_required", "billing_error", "insufficient_quota"],
    403: ["permission_denied", "permission_error", "region_restricted"],
    404: ["not_found", "not_found_error", "image_not_found"],
    412: ["precondition_failed"],
    413: ["payload_too_large"],
    422: ["unprocessable"],
    429: ["rate_limit_exceeded", "rate_limit_error", "capacity_exhausted"],
    500: ["server", "unmapped", "server_error", "api_error", "internal_server_error"],
    503: ["provider_overloaded", "overloaded_error", "temporarily_unavailable"],
    504: ["timeout", "timeout_error"],
  }).flatMap(([status, words]) => words.map((name) => [name, Number(status)])),
);

/** A streamed answer that failed; see `chat.d.ts` for what its fields mean. */
export class ChatError extends Error {
  text = "";
  attempts = 0;
  /** @type {import("./chat.js").ChatResult | null} */
  partial = null;

  /**
   * @param {import("./chat.js").ChatErrorCode} code
   * @param {string} message
   * @param {Partial<import("./chat.js").FailureDetails> & { cause?: unknown }} [details]
   */
  constructor(code, message, { cause, ...details } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "ChatError";
    this.code = code;
    this.retryable = details.retryable ?? false;
    this.retryAfter = details.retryAfter ?? null;
    this.status = details.status ?? null;
    this.timer = details.timer ?? null;
    this.waited = details.waited ?? null;
    this.providerCode = details.providerCode ?? null;
    this.errorType = details.errorType ?? null;
    this.provider = details.provider ?? null;
    this.native = details.native ?? null;
  }
}

/**
 * Take the API key out of all that a server may have sent back of it, and sever a cause that quotes it.
 *
 * @param {ChatError} error
 * @param {string} secret
 */
export function redact(error, secret) {
  if (secret === "") return;
  const { message, stack = "", cause } = error;
  error.message = redacted(message, secret);
  error.stack = stack.replace(message, () => error.message); // a stack begins with the message
  for (const field of /** @type {const} */ (["errorType", "provider", "native", "providerCode"])) {
    const value = error[field];
    if (typeof value === "string") error[field] = redacted(value, secret);
  }
  if (cause instanceof Error && `${cause.stack} ${cause.message} ${cause.cause}`.includes(secret)) delete error.cause;
}

/**
 * @param {string} text
 * @param {string} secret also taken out where only its beginning stands at the end of a text that was cut
 */
function redacted(text, secret) {
  const whole = text.replaceAll(secret, REDACTED);
  for (let length = secret.length - 1; length >= RECOGNISABLE; length--) {
    if (whole.endsWith(secret.slice(0, length))) return whole.slice(0, -length) + REDACTED;
  }
  return whole;
}

/**
 * Return the error that a chunk bears, or null.
 *
 * @param {Json} chunk
 */
export function failureIn(chunk) {
  const error = errorOf(chunk);
  if (error === null) return null;
  const { message, ...details } = detailsOf(error, chunk, null);
  return new ChatError("generation", `the provider reported a failure: ${message || "no reason given"}`, details);
}

/**
 * Return the error for an answer that is not a 200; its body is read as JSON, and never shown as markup.
 *
 * @param {number} status
 * @param {Headers} headers
 * @param {string} body
 */
export function refusal(status, headers, body) {
  const parsed = parseJson(body);
  const { message, ...details } = detailsOf(errorOf(parsed) ?? parsed ?? {}, parsed, status);
  const plain = /^\s*[<{[]/.test(body) ? "" : cleaned(body);
  const hint = retryAfter(headers, Date.now());
  details.retryAfter = hint ?? details.retryAfter;
  // 402 has a transient form, the in-flight budget; it alone carries a hint.
  details.retryable ||= status === 402 && hint !== null;
  const reason = message || plain;
  return new ChatError("status", `the server answered ${status}${reason && `: ${reason}`}`, { ...details, status });
}

/**
 * @param {unknown} error
 * @param {unknown} outer the document that holds it
 * @param {number | null} status
 */
function detailsOf(error, outer, status) {
  const around = isObject(outer) ? outer : {};
  const inner = isObject(error) ? error : {};
  const metadata = isObject(inner.metadata) ? inner.metadata : {};
  const availability = [inner.availability, around.availability].find(isObject) ?? {};
  const errorType = firstWord(
    ...[metadata.error_type, inner.error_type, around.error_type, availability.code, inner.type, inner.name],
  );
  const scalar = Number.isInteger(error) ? error : null; // an error that is mere text has no code
  const providerCode = codeOf([scalar, inner.code, inner.http_status, inner.status]);
  const hint = hintOf(inner, metadata, availability);
  const kind = statusOf(providerCode, errorType, status, isObject(error));
  return {
    message: messageOf(error),
    errorType,
    providerCode,
    provider: firstWord(metadata.provider_name, inner.provider, around.provider),
    native: nativeOf([metadata.raw, metadata.provider_code, metadata.provider_error_code, inner.innererror]),
    retryAfter: hint,
    retryable: isRetryable(kind, hint, metadata, availability),
  };
}

/** @param {unknown} error */
function messageOf(error) {
  if (!isObject(error)) return typeof error === "number" ? "" : cleaned(String(error));
  const said = [error.message, error.detail, error.msg].find(Boolean) ?? "";
  return cleaned(typeof said === "string" ? said : JSON.stringify(said));
}

/**
 * @param {unknown[]} places
 * @returns {string | null} what the provider behind OpenRouter said
 */
function nativeOf(places) {
  const found = places.find((place) => !isEmpty(place));
  return found === undefined ? null : cleaned(typeof found === "string" ? found : JSON.stringify(found));
}

/** @param {unknown[]} places */
function codeOf(places) {
  for (const place of places) {
    if (Number.isInteger(place)) return /** @type {number} */ (place);
    if (typeof place === "string" && /^[0-9]{1,5}$/.test(place)) return Number(place);
    if (typeof place === "string" && place.trim() !== "") return cleaned(place).slice(0, 100);
  }
  return null;
}

/**
 * Return the HTTP status that says the same; 502, a provider that failed, for an object that nobody knows.
 *
 * @param {number | string | null} code
 * @param {string | null} errorType
 * @param {number | null} status
 * @param {boolean} isDocumented
 */
function statusOf(code, errorType, status, isDocumented) {
  if (typeof code === "number" && code >= 400 && code < 600) return code;
  for (const name of [errorType, code]) {
    const known = STATUS_OF_WORD.get(String(name).toLowerCase());
    if (known !== undefined) return known;
  }
  return status ?? (isDocumented ? 502 : 0);
}

/**
 * @param {number} status
 * @param {number | null} hint
 * @param {Json} metadata
 * @param {Json} availability
 */
function isRetryable(status, hint, metadata, availability) {
  if (typeof availability.retryable === "boolean") return availability.retryable;
  if (status === 402) return hint !== null || metadata.limit_source === "openrouter_in_flight_budget";
  return RETRYABLE.has(status);
}

/**
 * @param {Json[]} places
 * @returns {number | null} the wait that a body asks for, in milliseconds
 */
function hintOf(...places) {
  for (const place of places) {
    const headers = new Map(
      Object.entries(isObject(place.headers) ? place.headers : {}).map(([name, value]) => [name.toLowerCase(), value]),
    );
    /** @type {[unknown, number][]} */
    const hints = [
      [place.retry_after, 1000],
      [place.retry_after_seconds, 1000],
      [headers.get("retry-after-ms"), 1],
      [headers.get("retry-after"), 1000],
    ];
    for (const [value, unit] of hints) {
      const given = typeof value === "string" && /^[0-9]{1,9}(\.[0-9]{1,9})?$/.test(value.trim()) ? Number(value) : value;
      if (typeof given === "number" && given >= 0 && given < 1e9) return given * unit;
    }
  }
  return null;
}

/**
 * Return the wait in milliseconds that the header fields ask for, or null: `retry-after-ms` (OpenAI) comes before
 * `retry-after` (RFC 9110 §10.2.3), which gives seconds or a date.
 *
 * @param {Headers} headers
 * @param {number} now milliseconds since 1970
 * @returns {number | null}
 */
export function retryAfter(headers, now) {
  const number = /^[0-9]{1,9}(\.[0-9]{1,9})?$/;
  const milliseconds = headers.get("retry-after-ms")?.trim() ?? "";
  if (number.test(milliseconds)) return Number(milliseconds);
  const value = headers.get("retry-after")?.trim() ?? "";
  if (number.test(value)) return Number(value) * 1000;
  const wait = /^[A-Z][a-z]{2},/.test(value) ? Date.parse(value) - now : NaN;
  return wait > 0 ? wait : null;
}

/** @param {unknown[]} values */
function firstWord(...values) {
  const found = values.map(word).find((value) => value !== null && value !== "error");
  return found === undefined ? null : cleaned(/** @type {string} */ (found)).slice(0, 100);
}

/**
 * Return text from a server, fit to be shown: without control characters, and not longer than a paragraph.
 *
 * @param {string} text
 */
function cleaned(text) {
  return text.slice(0, 1000).replace(/[\p{Cc}\p{Cf}\p{Cs}]+/gu, " ").trim();
}
