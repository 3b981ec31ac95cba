/**
 * The chat page of `sseor serve`: asks the relay that serves it, and shows what comes as text, never as HTML.
 *
 * @module
 */

import { attach, startStream } from "./sseor.js";

/** @typedef {import("./sseor.js").RelayStream} RelayStream */
/** @typedef {import("./sseor.js").Answer} Answer */
/** @typedef {import("./sseor.js").Ending} Ending */
/** @typedef {{ role: "user" | "assistant", content: string }} Message */

const RELAY = new URL(".", document.baseURI);
const STORE = "sseor-chat";
const NEAR_THE_END = 80; // pixels: who is this near to the end wants to see what comes

const FAILURES = new Map([
  ["unreachable", "The provider cannot be reached."],
  ["unauthorized", "The provider refused the server's key."],
  ["no_credit", "The provider's account is empty."],
  ["rate_limited", "Too many requests at the provider. Try again in a moment."],
  ["too_many", "Too many answers at once. Try again in a moment."],
  ["unavailable", "The provider is overloaded or down."],
  ["refused", "The provider refused the request, or knows no such model."],
  ["moderated", "The provider refused the content."],
  ["cut", "The answer was cut short."],
  ["stalled", "The provider stopped making progress."],
  ["deadline", "The answer took too long."],
  ["generation", "The provider failed while it answered."],
  ["too_large", "The answer is longer than this server allows."],
  ["draining", "The server is shutting down."],
  ["not_found", "The answer is no longer kept."],
  ["gone", "The answer is no longer kept."],
]);

const FENCE = /\n{0,2}^ {0,3}```.*(?:\n|$)\n?/gm; // the line before code, and the one after it, with a blank line beyond

const FINISHES = new Map([
  ["length", "The answer reached its length limit and is not whole."],
  ["content_filter", "A content filter ended the answer."],
]);

const ui = {
  demo: get("demo", HTMLElement),
  about: get("about", HTMLElement),
  model: get("model", HTMLSelectElement),
  fresh: get("new", HTMLButtonElement),
  conversation: get("conversation", HTMLElement),
  welcome: get("welcome", HTMLElement),
  turns: get("turns", HTMLElement),
  latest: get("latest", HTMLButtonElement),
  composer: get("composer", HTMLFormElement),
  question: get("question", HTMLTextAreaElement),
  send: get("send", HTMLButtonElement),
  stop: get("stop", HTMLButtonElement),
  status: get("status", HTMLElement),
};

/** @type {{ messages: Message[], streamId: string | null, model: string }} */
let chat = { messages: [], streamId: null, model: "" };
/** @type {RelayStream | null} */
let current = null;

/** One answer as it is shown. */
class AnswerView {
  #root = clone("answer-turn");
  #began = performance.now();
  /** @type {number | null} milliseconds */
  #firstThought = null;
  /** @type {number | null} milliseconds */
  #firstWord = null;
  #clock = setInterval(() => this.#showPhase(), 500);
  #phase = "Waiting for the first word";
  #isReconnecting = false;
  #showWords = showWords(this.#part("words", HTMLElement));
  #text = "";
  #isFromStart;

  /** @param {boolean} isFromStart whether the question was asked just now, so that waiting can be measured */
  constructor(isFromStart) {
    this.#isFromStart = isFromStart;
    ui.turns.append(this.#root);
    this.#root.setAttribute("aria-busy", "true");
    this.#part("copy", HTMLButtonElement).addEventListener("click", () => this.#copy());
    this.#showPhase();
  }

  /** @param {Answer} answer */
  update(answer) {
    const elapsed = performance.now() - this.#began;
    if (answer.reasoning !== "") this.#firstThought ??= elapsed;
    if (answer.text !== "") this.#firstWord ??= elapsed;
    const thoughts = this.#part("thoughts", HTMLElement);
    if (thoughts.textContent !== answer.reasoning) thoughts.textContent = answer.reasoning;
    this.#part("reasoning", HTMLDetailsElement).hidden = answer.reasoning === "";
    this.#text = answer.text;
    this.#showWords(answer.text);
    const phase = answer.text !== "" ? "Answering" : answer.reasoning !== "" ? "Thinking" : this.#phase;
    if (phase !== this.#phase) announce(phase);
    this.#phase = phase;
    this.#showPhase();
  }

  /** @param {string} state of the stream */
  note(state) {
    const isReconnecting = state === "waiting" || (state === "connecting" && this.#isReconnecting);
    if (isReconnecting && !this.#isReconnecting) announce("Connection lost, reconnecting");
    this.#isReconnecting = isReconnecting;
    this.#showPhase();
  }

  /**
   * @param {Answer} answer
   * @param {Ending} ending
   */
  end(answer, ending) {
    clearInterval(this.#clock);
    const notice = noticeOf(ending);
    this.#root.removeAttribute("aria-busy");
    this.#part("waiting", HTMLElement).hidden = true;
    this.#part("notice", HTMLElement).hidden = notice === "";
    this.#part("notice", HTMLElement).textContent = notice;
    this.#part("facts", HTMLElement).hidden = false;
    this.#part("figures", HTMLElement).textContent = this.#figures(answer);
    if (this.#isFromStart && this.#firstThought !== null && this.#firstWord !== null) {
      const seconds = Math.round((this.#firstWord - this.#firstThought) / 1000);
      this.#part("reasoned", HTMLElement).textContent = `Reasoning, ${Math.max(seconds, 1)} s`;
    }
    this.#part("copy", HTMLButtonElement).hidden = answer.text === "";
    announce([answer.text, notice].filter(Boolean).join("\n"));
  }

  /**
   * @param {"resume" | "again"} name
   * @param {() => void} act
   */
  offer(name, act) {
    const button = this.#part(name, HTMLButtonElement);
    button.hidden = false;
    button.addEventListener("click", () => {
      this.#root.remove();
      act();
      ui.question.focus();
    });
  }

  #showPhase() {
    const seconds = Math.floor((performance.now() - this.#began) / 1000);
    const phase = this.#isReconnecting ? "Connection lost, reconnecting" : this.#phase;
    this.#part("phase", HTMLElement).textContent = seconds > 0 ? `${phase} · ${seconds} s` : phase;
    this.#part("waiting", HTMLElement).hidden = this.#firstWord !== null && !this.#isReconnecting;
  }

  /** @param {Answer} answer */
  #figures({ usage }) {
    const figures = [];
    if (usage?.prompt_tokens !== undefined) figures.push(`${usage.prompt_tokens} tokens in`);
    if (usage?.completion_tokens !== undefined) {
      const reasoning = usage.reasoning_tokens ? ` (${usage.reasoning_tokens} reasoning)` : "";
      figures.push(`${usage.completion_tokens} out${reasoning}`);
    }
    if (usage?.cost !== undefined) figures.push(`$${Number(usage.cost.toPrecision(3))}`);
    if (this.#isFromStart && this.#firstWord !== null) {
      figures.push(`first word after ${(this.#firstWord / 1000).toFixed(1)} s`);
    }
    return figures.join(" · ");
  }

  async #copy() {
    await navigator.clipboard.writeText(this.#text);
    announce("Copied");
  }

  /**
   * @template {HTMLElement} T
   * @param {string} name
   * @param {new () => T} kind
   * @returns {T}
   */
  #part(name, kind) {
    return part(this.#root, name, kind);
  }
}

/** @param {string} text */
function ask(text) {
  chat.messages.push({ role: "user", content: text });
  showQuestion(text);
  begin();
}

/** Have the relay answer what the messages ask. */
function begin() {
  const view = new AnswerView(true);
  const body = { messages: chat.messages, ...(chat.model && { model: chat.model }) };
  follow(view, (options) => startStream(RELAY, body, options));
}

/** @param {string} id of a stream that was begun before */
function resume(id) {
  const view = new AnswerView(false);
  follow(view, (options) => attach(RELAY, id, options));
}

/**
 * Show a stream until it ends, and keep what it gave.
 *
 * @param {AnswerView} view
 * @param {(options: import("./sseor.js").StreamOptions) => RelayStream} open
 */
async function follow(view, open) {
  announce("Waiting for the answer");
  const stream = open({
    onStart: (id) => save({ streamId: id }),
    onState: (state) => view.note(state),
    onUpdate: (answer) => keepingTheEnd(() => view.update(answer)),
  });
  current = stream;
  showBusy(true);
  scrollToEnd();
  const ending = await stream.done;
  if (current !== stream) return; // a new chat has begun
  current = null;
  const { answer, id } = stream;
  keepingTheEnd(() => {
    view.end(answer, ending);
    if (ending.type === "lost" && id !== null && ending.status === null) view.offer("resume", () => resume(id));
    else if (answer.text === "") view.offer("again", begin);
  });
  if (answer.text !== "" && ending.type !== "lost") chat.messages.push({ role: "assistant", content: answer.text });
  save({ streamId: ending.type === "lost" && ending.status === null ? id : null });
  showBusy(false);
}

/** @param {Ending} ending */
function noticeOf(ending) {
  switch (ending.type) {
    case "done":
      return FINISHES.get(ending.finish_reason ?? "") ?? "";
    case "cancelled":
      return "Stopped.";
    case "interrupted":
      return "The server stopped in the middle of the answer.";
    case "detached":
      return "";
    default:
      if (ending.type === "lost" && ending.code === "unreachable") return "The server cannot be reached.";
      return FAILURES.get(ending.code) ?? "Something went wrong.";
  }
}

/** @param {string} text */
function showQuestion(text) {
  const turn = clone("question-turn");
  showWords(part(turn, "words", HTMLElement))(text);
  ui.turns.append(turn);
  ui.welcome.hidden = true;
}

/** @param {string} text */
function showOldAnswer(text) {
  const turn = clone("answer-turn");
  part(turn, "waiting", HTMLElement).hidden = true;
  showWords(part(turn, "words", HTMLElement))(text);
  ui.turns.append(turn);
}

/**
 * Return what shows text in `element` as it grows: fenced code apart from the rest, all of it in text nodes, of which only
 * the last changes.
 *
 * @param {HTMLElement} element
 * @returns {(text: string) => void}
 */
function showWords(element) {
  /** @type {Text[]} */
  const nodes = []; // prose and code in turn, the first is prose
  /** @param {string} text */
  const show = (text) => {
    const pieces = text.split(FENCE);
    pieces.forEach((piece, index) => {
      const node = (nodes[index] ??= addText(element, index % 2 === 1));
      if (!piece.startsWith(node.data)) node.data = piece;
      else if (piece !== node.data) node.appendData(piece.slice(node.data.length));
    });
    if (pieces.length < nodes.length) {
      nodes.length = 0; // the answer begins anew
      element.replaceChildren();
      show(text);
    }
  };
  return show;
}

/**
 * @param {HTMLElement} element
 * @param {boolean} isCode
 */
function addText(element, isCode) {
  const node = document.createTextNode("");
  if (isCode) {
    const code = document.createElement("code");
    code.append(node);
    element.append(code);
  } else {
    element.append(node);
  }
  return node;
}

/** @param {boolean} isBusy */
function showBusy(isBusy) {
  ui.stop.hidden = !isBusy;
  ui.send.hidden = isBusy;
  ui.fresh.disabled = chat.messages.length === 0;
  ui.send.disabled = ui.question.value.trim() === "";
}

/** @param {string} text for those who listen */
function announce(text) {
  ui.status.textContent = text;
}

/** @param {Partial<typeof chat>} changes */
function save(changes) {
  chat = { ...chat, ...changes };
  sessionStorage.setItem(STORE, JSON.stringify(chat));
}

function restore() {
  try {
    chat = { ...chat, ...JSON.parse(sessionStorage.getItem(STORE) ?? "{}") };
  } catch {
    return; // what was kept is of another version
  }
  for (const { role, content } of chat.messages) {
    if (role === "user") showQuestion(content);
    else showOldAnswer(content);
  }
  if (chat.streamId !== null) resume(chat.streamId);
  showBusy(current !== null);
}

async function loadSettings() {
  const response = await fetch(new URL("settings", RELAY));
  const { demo, models } = await response.json();
  ui.demo.hidden = !demo;
  if (demo) ui.about.textContent = "This is a demonstration: a built-in server answers, and no model is asked.";
  ui.model.replaceChildren(...models.map((/** @type {string} */ name) => new Option(name)));
  ui.model.value = models.includes(chat.model) ? chat.model : (models[0] ?? "");
  ui.model.disabled = models.length < 2;
  chat.model = ui.model.value;
}

function isNearTheEnd() {
  const { scrollHeight, scrollTop, clientHeight } = ui.conversation;
  return scrollHeight - scrollTop - clientHeight < NEAR_THE_END;
}

function scrollToEnd() {
  ui.conversation.scrollTop = ui.conversation.scrollHeight;
}

/** @param {() => void} change what is shown; who was at the end stays there */
function keepingTheEnd(change) {
  const wasNear = isNearTheEnd();
  change();
  if (wasNear) scrollToEnd();
  ui.latest.hidden = isNearTheEnd();
}

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
function get(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page has no ${id}`);
  return element;
}

/**
 * @template {HTMLElement} T
 * @param {HTMLElement} root
 * @param {string} name
 * @param {new () => T} kind
 * @returns {T}
 */
function part(root, name, kind) {
  const element = root.querySelector(`.${name}`);
  if (!(element instanceof kind)) throw new Error(`the turn has no ${name}`);
  return element;
}

/**
 * @param {string} id of a template with one element
 * @returns {HTMLElement}
 */
function clone(id) {
  const { content } = get(id, HTMLTemplateElement);
  return /** @type {HTMLElement} */ (document.importNode(content, true).firstElementChild);
}

function submit() {
  const text = ui.question.value.trim();
  if (text === "" || current !== null) return;
  ui.question.value = "";
  ask(text);
}

ui.composer.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
ui.question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
ui.question.addEventListener("input", () => showBusy(current !== null));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") current?.stop();
});
ui.stop.addEventListener("click", () => {
  current?.stop();
  ui.question.focus();
});
ui.fresh.addEventListener("click", () => {
  current?.stop();
  current = null;
  ui.turns.replaceChildren();
  ui.welcome.hidden = false;
  save({ messages: [], streamId: null });
  showBusy(false);
  announce("New chat");
  ui.question.focus();
});
ui.model.addEventListener("change", () => save({ model: ui.model.value }));
ui.latest.addEventListener("click", scrollToEnd);
ui.conversation.addEventListener("scroll", () => (ui.latest.hidden = isNearTheEnd()), { passive: true });
for (const idea of document.querySelectorAll(".idea")) {
  idea.addEventListener("click", () => {
    if (current === null) ask(idea.textContent ?? "");
    ui.question.focus();
  });
}

restore();
ui.question.focus();
loadSettings().catch(() => announce("The settings of the server could not be read"));
