"""Event streams to measure with: seeded, named after what they stress, and tested for being what they say."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

_WORDS = [
    " the",
    " of",
    " stream",
    " token",
    " answer",
    ",",
    ".",
    " and",
    " data",
    " event",
    " reading",
    "\n\n",
    " 42",
]
_WORDS_OF_THE_WORLD = [" été", " übung", " данные", " 水流", " こんにちは", " 🌊", " قارئ", " ħ"]

Block = Callable[[bytes, int], bytes]


@dataclass(frozen=True)
class Workload:
    """A stream in its blocks: each is one event or comment, with its blank line.

    `text`, `reasoning` and `arguments` are what an answer assembled from it has to say.
    """

    name: str
    blocks: list[bytes]
    text: str = ""
    reasoning: str = ""
    arguments: tuple[str, ...] = ()

    @property
    def stream(self) -> bytes:
        """The whole stream."""
        return b"".join(self.blocks)

    @property
    def payloads(self) -> list[bytes]:
        """The JSON of each event, for streams of one `data` line an event."""
        return [block.strip().removeprefix(b"data: ") for block in self.blocks]

    def reads(self, size: int | None) -> list[bytes]:
        """Return the stream in reads of `size` bytes; None: one block per read, as servers send them."""
        if size is None:
            return self.blocks
        stream = self.stream
        return [stream[start : start + size] for start in range(0, len(stream), size)]


def payload(delta: dict[str, Any], number: int, finish_reason: str | None = None) -> bytes:
    """Return one chunk as OpenRouter writes it, about 280 bytes with a word of text."""
    choice = {
        "index": 0,
        "delta": {"role": "assistant", **delta},
        "finish_reason": finish_reason,
        "native_finish_reason": finish_reason,
        "logprobs": None,
    }
    chunk = {
        "id": "gen-1763850000-aBcDeFgHiJkLmNoPqRsT",
        "provider": "OpenAI",
        "model": "openai/gpt-5-mini",
        "object": "chat.completion.chunk",
        "created": 1763850000 + number // 50,
        "choices": [choice],
    }
    return json.dumps(chunk, ensure_ascii=False, separators=(",", ":")).encode()


def in_data_line(data: bytes, number: int = 0) -> bytes:  # noqa: ARG001 (of the shape of all blocks)
    """Return the plain event, one `data` line."""
    return b"data: " + data + b"\n\n"


def ending() -> list[bytes]:
    """Return how a stream ends: finish reason, usage, `[DONE]`."""
    last = json.loads(payload({"content": ""}, 0, "stop"))
    usage = {"prompt_tokens": 9, "completion_tokens": 500, "total_tokens": 509, "cost": 0.000123}
    used = {**last, "choices": [], "usage": usage}
    return [*(in_data_line(json.dumps(chunk).encode()) for chunk in (last, used)), b"data: [DONE]\n\n"]


def _texts(name: str, count: int, words: list[str], block: Block = in_data_line) -> Workload:
    dice = random.Random(290)
    texts = [dice.choice(words) for _ in range(count)]
    blocks = [block(payload({"content": text}, number), number) for number, text in enumerate(texts)]
    return Workload(name, blocks, text="".join(texts))


def deltas(count: int = 2000) -> Workload:
    """Return what an LLM server sends: one `data: {…}` line per event."""
    return _texts("deltas", count, _WORDS)


def one_character(count: int = 100_000) -> Workload:
    """Return a long answer in deltas of one character each: what grows with the square of their number shows."""
    return _texts("one character", count, list("abcdefghijklmnopqrstuvwxyz \n"))


def multibyte(count: int = 2000) -> Workload:
    """Return deltas whose text is not ASCII."""
    return _texts("multibyte", count, _WORDS_OF_THE_WORLD)


def typed(count: int = 2000) -> Workload:
    """Return deltas that name their event type, as the Messages and Responses dialects do."""
    head = b"event: content_block_delta\n"
    return _texts("typed", count, _WORDS, lambda data, _: head + in_data_line(data))


def numbered(count: int = 2000) -> Workload:
    """Return deltas with an ID each, as a relay sends them."""
    return _texts("numbered", count, _WORDS, lambda data, n: b"id: %d\n%b" % (n, in_data_line(data)))


def crlf(count: int = 2000) -> Workload:
    """Return deltas whose lines end in CRLF."""
    return _texts("crlf", count, _WORDS, lambda data, _: b"data: " + data + b"\r\n\r\n")


def heartbeats(count: int = 2000) -> Workload:
    """Return comments alone, as they come while a model has not begun."""
    return Workload("heartbeats", [b": OPENROUTER PROCESSING\n\n"] * count)


def waiting(count: int = 2000) -> Workload:
    """Return deltas with a heartbeat after every fourth."""
    plain = deltas(count)
    beat = heartbeats(1).blocks
    blocks = [b for n, d in enumerate(plain.blocks) for b in ([d] if n % 4 else [d, *beat])]
    return Workload("waiting", blocks, text=plain.text)


def reasoning(count: int = 2000) -> Workload:
    """Return reasoning as OpenRouter sends it: each piece twice, as a string and in `reasoning_details`."""
    dice = random.Random(54)
    blocks, texts = [], []
    for number in range(count):
        texts.append(text := dice.choice(_WORDS))
        detail = {"type": "reasoning.text", "text": text, "index": 0, "format": "unknown"}
        delta = {"content": "", "reasoning": text, "reasoning_details": [detail]}
        blocks.append(in_data_line(payload(delta, number)))
    return Workload("reasoning", blocks, reasoning="".join(texts))


def tools(count: int = 2000) -> Workload:
    """Return the fragments of three tool calls, one after the other, a few characters of arguments in each."""
    dice = random.Random(531)
    blocks: list[bytes] = []
    arguments: list[str] = []
    shares = [count // 3, count // 3, count - 2 * (count // 3)]
    for index, share in enumerate(shares):
        words = [
            dice.choice(["tide ", "harbour ", "Brest ", "low water ", "14:07 "]) for _ in range(share - 2)
        ]
        pieces = ['{"query":"', *words, '"}']
        arguments.append("".join(pieces))
        for position, piece in enumerate(pieces):
            call: dict[str, Any] = {"index": index, "function": {"arguments": piece}}
            if position == 0:
                call = {
                    "index": index,
                    "id": f"call_{index}",
                    "type": "function",
                    "function": {"name": "search", "arguments": piece},
                }
            blocks.append(in_data_line(payload({"content": None, "tool_calls": [call]}, len(blocks))))
    return Workload("tools", blocks, arguments=tuple(arguments))


def image(size: int = 8 << 20) -> Workload:
    """Return one event of `size` bytes, as a generated image arrives."""
    dice = random.Random(size)
    return Workload("image", [b"data: " + dice.randbytes(size // 2).hex().encode() + b"\n\n"])


def many_lines(lines: int = 120_000) -> Workload:
    """Return one event of many short `data` lines."""
    return Workload("many lines", [b"data: " + b"x" * 63 + b"\n"] * lines + [b"\n"])


SMALL: Iterable[Callable[[int], Workload]] = (
    deltas,
    one_character,
    multibyte,
    typed,
    numbered,
    crlf,
    waiting,
    heartbeats,
    reasoning,
    tools,
)
