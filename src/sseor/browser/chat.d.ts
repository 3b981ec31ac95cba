/** Chat answers, streamed straight from OpenRouter or any server that speaks its protocol. */

export * from "./sseor.js";

/** A message as the server takes it; content parts, tool calls and other fields travel unchanged. */
export interface ChatMessage {
  role: string;
  content?: unknown;
  // With `any` rather than `unknown`, interfaces of other packages fit as well.
  [field: string]: any;
}

/** Deadlines in milliseconds; null switches one off. Only `total` counts the time that the caller takes. */
export interface Timeouts {
  /** From the start of each attempt until the answer begins; heartbeats do not count. Default 120 000. */
  firstToken?: number | null | undefined;
  /** Between two signs of progress: text, reasoning, a tool-call fragment, a finish reason, usage. Default 120 000. */
  stall?: number | null | undefined;
  /** Without any byte, once the body has shown a sign of life. Default 30 000. */
  silence?: number | null | undefined;
  /** The whole stream with all its attempts. Default null. */
  total?: number | null | undefined;
}

export interface ChatOptions {
  model: string;
  messages: readonly ChatMessage[];
  /** Default: OPENROUTER_API_KEY of the environment, for openrouter.ai only. */
  apiKey?: string | undefined;
  /** Default `https://openrouter.ai/api/v1`. */
  baseURL?: string | undefined;
  timeouts?: Timeouts | undefined;
  /** Requests at most, the first one included; a retry happens only before the first token. Default 3. */
  attempts?: number | undefined;
  signal?: AbortSignal | undefined;
  /** More header fields, such as `HTTP-Referer` and `X-OpenRouter-Title`. */
  headers?: ConstructorParameters<typeof Headers>[0] | undefined;
  fetch?: typeof globalThis.fetch | undefined;
  /** Bytes of one event at most. Default 64 MiB. */
  maxEventBytes?: number | undefined;
  /** A key in a browser is open to everyone who opens the page; without this it is refused. */
  dangerouslyAllowBrowser?: boolean | undefined;
  /** Whatever else the server takes: `temperature`, `max_tokens`, `tools`, `reasoning`, `provider`, … */
  [parameter: string]: unknown;
}

/** Tokens and cost as the server sent them. */
export interface Usage {
  prompt_tokens?: number | null;
  completion_tokens?: number | null;
  total_tokens?: number | null;
  /** What the account pays, in USD. */
  cost?: number | null;
  [field: string]: any;
}

export type Phase = "headers" | "firstToken" | "streaming" | "finished";

/** A small event; `choice` is 0 unless several choices were asked for. */
export type ChatEvent =
  | { type: "text"; text: string; choice: number }
  | { type: "reasoning"; text: string; choice: number }
  /** A fragment: `index` is the place of its call, `id` its id so far, `name` and `arguments` what this one adds. */
  | { type: "toolCall"; index: number; id: string; name: string; arguments: string; choice: number; raw: object }
  /** A chunk that holds more than the other events tell: images, audio, annotations, reasoning details, metadata. */
  | { type: "raw"; chunk: { [field: string]: any } }
  /** A comment of the server; `waited` is in milliseconds without progress. */
  | { type: "heartbeat"; waited: number; phase: Phase }
  | { type: "usage"; usage: Usage }
  | { type: "finish"; reason: string; nativeReason: string | null; choice: number }
  /** The request is sent again in `wait` milliseconds; nothing had been generated. */
  | { type: "retry"; wait: number; cause: ChatError }
  /** The last event of a stream that failed; the iteration then throws the same error. */
  | { type: "error"; error: ChatError };

export interface ToolCall {
  index: number;
  id: string;
  name: string;
  /** JSON text as sent. */
  arguments: string;
}

/** What was seen of the end; `complete` is true only with a finish reason. */
export interface Verdict {
  complete: boolean;
  sawFinish: boolean;
  sawDone: boolean;
  sawUsage: boolean;
  cleanEnd: boolean;
  /** The last event lacked its blank line and was accepted. */
  unterminated: boolean;
}

export interface ChatResult {
  text: string;
  reasoning: string;
  toolCalls: ToolCall[];
  usage: Usage | null;
  finishReason: string | null;
  nativeFinishReason: string | null;
  generationId: string | null;
  model: string | null;
  provider: string | null;
  attempts: number;
  verdict: Verdict;
}

/**
 * `config`: an argument is wrong, nothing was sent · `misuse`: read twice · `aborted` · `connect`: no answer came ·
 * `status`: another HTTP status than 200 · `content_type`: no event stream · `protocol`: an event is no chunk ·
 * `too_large`: an event above the limit · `timeout`: see `timer` · `connection_lost`: cut inside the body ·
 * `ended_early`: a clean end without a finish reason · `generation`: the provider reported a failure.
 */
export type ChatErrorCode =
  | "config"
  | "misuse"
  | "aborted"
  | "connect"
  | "status"
  | "content_type"
  | "protocol"
  | "too_large"
  | "timeout"
  | "connection_lost"
  | "ended_early"
  | "generation";

export interface FailureDetails {
  /** Whether the failure is of a transient kind. */
  retryable: boolean;
  /** The wait that the server asked for, in milliseconds. */
  retryAfter: number | null;
  /** The HTTP status, of `status`. */
  status: number | null;
  /** The deadline that passed, of `timeout`, and how long it had waited, in milliseconds. */
  timer: string | null;
  waited: number | null;
  /** The provider's own code, its kind of error, and its name. */
  providerCode: number | string | null;
  errorType: string | null;
  provider: string | null;
  /** What the provider behind OpenRouter said. */
  native: string | null;
}

/** A streamed answer that failed. The API key is in none of its texts. */
export class ChatError extends Error implements FailureDetails {
  constructor(code: ChatErrorCode, message: string, details?: Partial<FailureDetails> & { cause?: unknown });
  readonly code: ChatErrorCode;
  /** The text so far. */
  text: string;
  /** Everything so far; null when nothing was sent. */
  partial: ChatResult | null;
  /** Requests sent. */
  attempts: number;
  retryable: boolean;
  retryAfter: number | null;
  status: number | null;
  timer: string | null;
  waited: number | null;
  providerCode: number | string | null;
  errorType: string | null;
  provider: string | null;
  native: string | null;
}

/** One answer under way: read its events or its text, once, or await its result. */
export interface ChatStream extends AsyncIterable<ChatEvent> {
  [Symbol.asyncIterator](): AsyncGenerator<ChatEvent, void, undefined>;
  /** The text of the first choice, piece by piece. */
  readonly text: AsyncGenerator<string, void, undefined>;
  /** The result. It reads the stream to its end; events that nobody has taken yet wait for whoever reads them. */
  readonly done: Promise<ChatResult>;
  /** What has arrived so far. */
  readonly partial: ChatResult;
  /** Close the connection and end the stream with an error of code `aborted`. Leaving a loop does the same. */
  abort(): void;
}

/** Ask for a chat answer and stream it. The request goes out when the stream is first read. */
export function streamChat(options: ChatOptions): ChatStream;
