"""How the loopback server answers by default: as OpenRouter does, with a model that explains what is seen."""

from __future__ import annotations

import math
import re
import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any

from sseor.testing.acts import Heartbeats
from sseor.testing.connection import PeerGoneError
from sseor.testing.reply import Reply
from sseor.testing.shapes import Generation, Json, error_body

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sseor.testing.exchange import Exchange

__all__ = ["OpenRouter"]

MODEL = "sseor/demo"

EXPLANATION = (
    "I am not a language model: I am the loopback server that comes with sseor, and this text has just "
    "reached you over a real socket, piece by piece, in the format that OpenRouter uses.\n\n"
    "First came comments, one each half second, that only said that somebody was still working; they are "
    "what the status line counted as heartbeats. Then came my reasoning, then these words, each in a "
    "chunk of its own. A finish reason follows, which is the only proof that an answer is whole; then the "
    "usage with its tokens and its cost, and at last the mark [DONE].\n\n"
    "In sseor demo the connection is lost in the middle of this text: what had come is sent back, and the "
    "answer goes on from there, with no word missing and none doubled. To ask a real model, set "
    "OPENROUTER_API_KEY and run:\n"
    '    sseor chat -m openai/gpt-5-mini "your question"'
)


class OpenRouter:
    """A `respond` with OpenRouter's routes `POST /chat/completions` and `GET /generation`.

    `thinking` seconds pass with a comment each `cadence` seconds; then come reasoning and text, a piece each
    `pace` seconds. A client that leaves ends the generation at once. The record of a generation appears
    `recorded_after` seconds after its end; until then it is a 404. With `api_key`, any other is a 401. A conversation
    that ends with a part of the answer is continued from there. With `cut_after`, the connection of an answer that
    begins is lost after so many pieces of text.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        thinking: float = 1.5,
        cadence: float = 0.5,
        pace: float = 0.025,
        cut_after: int | None = None,
        recorded_after: float = 0.0,
    ) -> None:
        self.api_key = api_key
        self.thinking = thinking
        self.cadence = cadence
        self.pace = pace
        self.cut_after = cut_after
        self.recorded_after = recorded_after
        self._records: dict[str, tuple[float, Json]] = {}
        self._lock = threading.Lock()

    def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        request = exchange.request
        if refusal := self._refusal(request.headers.get("Authorization")):
            exchange.reply(401, error_body(401, refusal))
        elif (request.method, request.path) == ("POST", "/api/v1/chat/completions"):
            self._chat(exchange)
        elif (request.method, request.path) == ("GET", "/api/v1/generation"):
            self._generation(exchange)
        else:
            exchange.reply(404, error_body(404, f"Not Found: {request.method} {request.path}"))

    def _refusal(self, authorization: str | None) -> str | None:
        if self.api_key is None or authorization == f"Bearer {self.api_key}":
            return None
        return "No cookie auth credentials found" if authorization is None else "User not found."

    def _generation(self, exchange: Exchange) -> None:
        wanted = exchange.request.query.get("id", "")
        with self._lock:
            appears, record = self._records.get(wanted, (math.inf, {}))
        if time.monotonic() < appears:
            exchange.reply(404, error_body(404, f"Generation {wanted} not found"))
        else:
            exchange.reply(200, record)

    def _chat(self, exchange: Exchange) -> None:
        try:
            body = exchange.request.json()
            prompt, begun = prompt_of(body["messages"]), prefill_of(body["messages"])
        except (ValueError, LookupError, TypeError, AttributeError):
            exchange.reply(400, error_body(400, "The body needs messages, each with role and content."))
            return
        generation = Generation(str(body.get("model") or MODEL))
        reply = Reply(exchange, generation, prompt_tokens=len(tokens(prompt)))
        streamed = bool(body.get("stream"))
        try:
            (self._stream if streamed else self._whole)(reply, prompt, begun, allowance(body))
        except PeerGoneError:
            self._file(reply, streamed=streamed)
            raise

    def _stream(self, reply: Reply, prompt: str, begun: str, allowed: int) -> None:
        Heartbeats(self.thinking, self.cadence).perform(reply)
        reply.role()
        thoughts, words = said_to(prompt, begun)
        for piece in thoughts[:allowed]:
            reply.reasoning(piece)
            reply.pause(self.pace)
        for number, piece in enumerate(words[: max(allowed - len(thoughts), 0)]):
            if number == self.cut_after and not begun:
                self._file(reply, streamed=True)
                reply.exchange.cut()
                return
            reply.text(piece)
            reply.pause(self.pace)
        reply.finish("stop" if len(thoughts) + len(words) <= allowed else "length")
        reply.report_usage()
        self._file(reply, streamed=True)
        reply.done()

    def _whole(self, reply: Reply, prompt: str, begun: str, allowed: int) -> None:
        reply.pause(self.thinking)
        thoughts, words = said_to(prompt, begun)
        spoken = words[: max(allowed - len(thoughts), 0)]
        reply.reasoning_tokens = min(len(thoughts), allowed)
        reply.completion_tokens = reply.reasoning_tokens + len(spoken)
        reply.finish_reason = "stop" if len(thoughts) + len(words) <= allowed else "length"
        self._file(reply, streamed=False)
        message = {"content": "".join(spoken), "reasoning": "".join(thoughts[:allowed])}
        reply.exchange.reply(
            200,
            reply.generation.completion(message, finish=reply.finish_reason, usage=reply.usage()),
            {"X-Generation-Id": reply.generation.id},
        )

    def _file(self, reply: Reply, *, streamed: bool) -> None:
        """Put the generation on record, before the client can know that it is over."""
        finish = reply.finish_reason
        record = reply.generation.record(
            reply.usage(), finish=finish, cancelled=finish is None, streamed=streamed
        )
        with self._lock:
            self._records[reply.generation.id] = time.monotonic() + self.recorded_after, record


def tokens(text: str) -> list[str]:
    """Split into words, each with the blanks before it: near enough to a model's tokens."""
    return re.findall(r"\s*\S+", text)


def allowance(body: Json) -> int:
    """Return how many tokens the request allows for the answer."""
    asked = body.get("max_completion_tokens") or body.get("max_tokens")
    return asked if isinstance(asked, int) and asked > 0 else 1 << 30


def prompt_of(messages: Iterable[Json]) -> str:
    """Return the text of the last message of the user, or nothing."""
    prompt = ""
    for message in messages:
        if message["role"] == "user":
            prompt = text_of(message["content"])
    return prompt


def prefill_of(messages: Iterable[Json]) -> str:
    """Return the part of the answer that the conversation ends with, or nothing."""
    *_, last = messages
    return text_of(last["content"]) if last["role"] == "assistant" else ""


def text_of(content: Any) -> str:
    """Return the text of a message's content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part.get("type") == "text")


def said_to(prompt: str, begun: str) -> tuple[list[str], list[str]]:
    """Return the pieces of reasoning and of text; an answer that has begun goes on without further thought."""
    answer = answer_to(prompt)
    if begun and answer.startswith(begun):
        return [], tokens(answer[len(begun) :])
    return tokens(reasoning_about(prompt)), tokens(answer)


def reasoning_about(prompt: str) -> str:
    """Return what the model thinks before it speaks."""
    if not prompt.strip():
        return "There is no question here, so I can only describe what is happening."
    return "I am a stand-in without knowledge of the world. I will say so, and explain what is being shown."


def answer_to(prompt: str) -> str:
    """Return an answer that says what the reader sees, and quotes the prompt."""
    asked = textwrap.shorten(prompt, width=200, placeholder=" …")
    opening = f"You asked: “{asked}”\n\n" if asked else "You asked nothing, which is fine.\n\n"
    return opening + EXPLANATION
