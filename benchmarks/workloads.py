"""Event streams to measure with: seeded, named after what they stress, and tested for being what they say."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Workload:
    """A stream in its blocks: each is one event or comment, with its blank line."""

    name: str
    blocks: list[bytes]

    @property
    def stream(self) -> bytes:
        """The whole stream."""
        return b"".join(self.blocks)

    def reads(self, size: int | None) -> list[bytes]:
        """Return the stream in reads of `size` bytes; None: one block per read, as servers send them."""
        if size is None:
            return self.blocks
        stream = self.stream
        return [stream[start : start + size] for start in range(0, len(stream), size)]


def payload(content: str, number: int) -> bytes:
    """Return one text chunk as OpenRouter writes it, about 280 bytes."""
    delta = {"role": "assistant", "content": content}
    choice = {
        "index": 0,
        "delta": delta,
        "finish_reason": None,
        "native_finish_reason": None,
        "logprobs": None,
    }
    chunk = {
        "id": "gen-1763850000-aBcDeFgHiJkLmNoPqRsT",
        "provider": "OpenAI",
        "model": "openai/gpt-5-mini",
        "object": "chat.completion.chunk",
        "created": 1763850000 + number,
        "choices": [choice],
    }
    return json.dumps(chunk, ensure_ascii=False, separators=(",", ":")).encode()


def _each(count: int, words: list[str], block: Callable[[bytes, int], bytes]) -> list[bytes]:
    dice = random.Random(290)
    return [block(payload(dice.choice(words), number), number) for number in range(count)]


def deltas(count: int = 2000) -> Workload:
    """Return what an LLM server sends: one `data: {…}` line per event."""
    return Workload("deltas", _each(count, _WORDS, lambda data, _: b"data: " + data + b"\n\n"))


def multibyte(count: int = 2000) -> Workload:
    """Return deltas whose text is not ASCII."""
    blocks = _each(count, _WORDS_OF_THE_WORLD, lambda data, _: b"data: " + data + b"\n\n")
    return Workload("multibyte", blocks)


def typed(count: int = 2000) -> Workload:
    """Return deltas that name their event type, as the Messages and Responses dialects do."""
    block = b"event: content_block_delta\ndata: "
    return Workload("typed", _each(count, _WORDS, lambda data, _: block + data + b"\n\n"))


def numbered(count: int = 2000) -> Workload:
    """Return deltas with an ID each, as a relay sends them."""
    return Workload("numbered", _each(count, _WORDS, lambda data, n: b"id: %d\ndata: %b\n\n" % (n, data)))


def crlf(count: int = 2000) -> Workload:
    """Return deltas whose lines end in CRLF."""
    return Workload("crlf", _each(count, _WORDS, lambda data, _: b"data: " + data + b"\r\n\r\n"))


def heartbeats(count: int = 2000) -> Workload:
    """Return comments alone, as they come while a model has not begun."""
    return Workload("heartbeats", [b": OPENROUTER PROCESSING\n\n"] * count)


def waiting(count: int = 2000) -> Workload:
    """Return deltas with a heartbeat after every fourth."""
    blocks = deltas(count).blocks
    return Workload(
        "waiting", [b for n, d in enumerate(blocks) for b in ([d] if n % 4 else [d, heartbeats(1).blocks[0]])]
    )


def image(size: int = 8 << 20) -> Workload:
    """Return one event of `size` bytes, as a generated image arrives."""
    dice = random.Random(size)
    return Workload("image", [b"data: " + dice.randbytes(size // 2).hex().encode() + b"\n\n"])


def many_lines(lines: int = 120_000) -> Workload:
    """Return one event of many short `data` lines."""
    return Workload("many lines", [b"data: " + b"x" * 63 + b"\n"] * lines + [b"\n"])


SMALL: Iterable[Callable[[], Workload]] = (deltas, multibyte, typed, numbered, crlf, waiting, heartbeats)
