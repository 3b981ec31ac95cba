/** Event streams for browsers and Node: a decoder that follows the WHATWG text, and the client of an sseor relay. */

/** A dispatched event: its type (`message` unless named), its data, and the last event ID in force. */
export interface StreamEvent {
  type: "event";
  event: string;
  data: string;
  id: string;
}

/** A comment, less one leading space. The standard ignores comments; they prove that the peer is alive. */
export interface StreamComment {
  type: "comment";
  text: string;
}

export type StreamItem = StreamEvent | StreamComment;

/** What the end of a stream cut off: the event a blank line would have dispatched, and the line without its end. */
export interface Unfinished {
  event: StreamEvent | null;
  line: string;
}

/** Turns the bytes of one event stream into events and comments (WHATWG HTML §9.2.5 and §9.2.6). */
export class Decoder {
  /** `maxEventBytes` (default 64 MiB) bounds each line, and the data of an event together with the line being read. */
  constructor(options?: { maxEventBytes?: number });
  /** The last event ID in force: what a reconnection sends as `Last-Event-ID`. */
  get lastEventId(): string;
  /** The reconnection time in milliseconds, null until a `retry` field has set it. */
  get reconnectionTime(): number | null;
  /** Return what `data` completes, in the order of the bytes. Throws EventTooLargeError beyond the limit. */
  feed(data: Uint8Array): StreamItem[];
  /** Say that the stream is over; return what it left unfinished, null if it ended between events. */
  end(): Unfinished | null;
}

/** An event, a comment or an unfinished line grew beyond the limit; its decoder is of no more use. */
export class EventTooLargeError extends Error {
  constructor(limit: number, items: StreamItem[]);
  /** In bytes. */
  limit: number;
  /** What the same `feed` had completed before it. */
  items: StreamItem[];
}

export interface RelayToolCall {
  index: number;
  id: string;
  name: string;
  arguments: string;
  /** Whether nothing will be added. */
  complete: boolean;
}

export interface RelayChoice {
  choice: number;
  text: string;
  reasoning: string;
  refusal: string;
  tool_calls: RelayToolCall[];
  /** URLs. */
  images: string[];
  audio: { data: string; transcript: string } | null;
  annotations: unknown[];
  finish_reason: string | null;
}

export interface RelayUsage {
  prompt_tokens?: number;
  completion_tokens?: number;
  total_tokens?: number;
  reasoning_tokens?: number;
  cached_tokens?: number;
  /** In USD. */
  cost?: number;
}

/** The whole state of an answer: what a relay's `snapshot` record carries. */
export interface Snapshot {
  choices: RelayChoice[];
  usage: RelayUsage | null;
  /** The last record of each other type, such as an application's own. */
  records: { [type: string]: RelayRecord };
}

/** The answer so far; `text` and `reasoning` are those of choice 0. */
export interface Answer extends Snapshot {
  text: string;
  reasoning: string;
}

/** A record as the relay sends it; `docs/relay.md` lists the types and their fields. */
export interface RelayRecord {
  type: string;
  [field: string]: any;
}

/** How a stream ended: by a record of the relay, or, as seen from here, by leaving or for good. */
export type Ending =
  | { type: "done"; finish_reason: string | null }
  | { type: "error"; code: string; retryable: boolean; partial: boolean }
  | { type: "cancelled" }
  | { type: "interrupted" }
  /** `abort()` was called; the stream goes on without this viewer. */
  | { type: "detached" }
  /** The relay refused the request or cannot be reached; `status` is null when nothing was answered. */
  | { type: "lost"; code: string; status: number | null };

/** `waiting` is the pause before another connection. */
export type StreamState = "connecting" | "open" | "waiting" | "ended";

export interface StreamOptions {
  /** The answer has grown: called at most once a frame, by a timer while the page is hidden, and at the end. */
  onUpdate?: ((answer: Answer) => void) | undefined;
  /** Each record, once and in order. */
  onRecord?: ((record: RelayRecord) => void) | undefined;
  onState?: ((state: StreamState) => void) | undefined;
  /** The relay has named a stream that was begun here: keep the ID to attach again after a reload. */
  onStart?: ((id: string) => void) | undefined;
  headers?: Record<string, string> | undefined;
  credentials?: "omit" | "same-origin" | "include" | undefined;
  fetch?: typeof globalThis.fetch | undefined;
  /** Milliseconds without a byte after which a connection counts as dead. Default 45 000; asleep while hidden. */
  silence?: number | undefined;
  /** Connections in a row without a record before the stream counts as lost. Default 30. */
  attempts?: number | undefined;
}

/** One stream of a relay, read over as many connections as it takes: each record once, in order, with no gap. */
export interface RelayStream {
  /** The stream's ID, null until the relay has named it. */
  readonly id: string | null;
  readonly lastEventId: string;
  readonly answer: Answer;
  /** How the stream ended. It never rejects. */
  readonly done: Promise<Ending>;
  /** Detach: close the connection. The stream goes on without this viewer. */
  abort(): void;
  /** Stop: have the relay cancel the answer. All viewers then get `cancelled`. */
  stop(): Promise<void>;
}

/** Begin a stream: send `body` as JSON to the relay mounted at `relayURL`, once, and read the answer. */
export function startStream(relayURL: string | URL, body: unknown, options?: StreamOptions): RelayStream;

/** Attach to a stream that exists, from its beginning. */
export function attach(relayURL: string | URL, id: string, options?: StreamOptions): RelayStream;

/** Return an `onUpdate` that shows the answer's text in `element`, a DOM element, as text and never as HTML. */
export function showText(element: { replaceChildren(...nodes: any[]): void }): (answer: Answer) => void;
