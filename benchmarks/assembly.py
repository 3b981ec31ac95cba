"""Bytes to chunks, and chunks to an answer, without HTTP: against the JSON parsers alone, and against SDKs.

Each row reads the same body. `chunks` looks at the content of each chunk; `answer` also assembles them, by the
means of the package where it has some, else by hand. SDKs get the body through a transport that makes no system call,
so their share of HTTP is as small as it can be made.
"""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import workloads
from benchmarks.framing import READS, find_node_folder, run_node
from benchmarks.measuring import Figures, Row, Table, cpu_microseconds, expect, needed
from benchmarks.workloads import Workload
from sseor.chat import Accumulator, Reader, codec
from sseor.wire import Decoder, Event

WAYS = {"one event per read": None, "64 KiB reads": READS["64 KiB reads"]}
Saw = tuple[str, str, list[str]]
"""The text, the reasoning and the arguments of the tool calls that a row saw."""


def ours_as_chunks(reads: Sequence[bytes]) -> Saw:
    """Read a body as a client does, and look at each chunk's content."""
    decoder, reader, texts = Decoder(), Reader(), list[str]()
    for data in reads:
        for item in decoder.feed(data):
            if isinstance(item, Event):
                for chunk in reader.read(item):
                    texts += [choice.delta.content or "" for choice in chunk.choices]
    return "".join(texts), "", []


def ours_as_answer(reads: Sequence[bytes]) -> Saw:
    """Do the same, and assemble the answer."""
    decoder, reader, accumulator = Decoder(), Reader(), Accumulator()
    looked_at = 0
    for data in reads:
        for item in decoder.feed(data):
            if isinstance(item, Event):
                for chunk in reader.read(item):
                    for choice in chunk.choices:
                        looked_at += len(choice.delta.content or "")
                    accumulator.add(chunk)
    accumulator.end()
    done = accumulator.completion()
    expect(looked_at, len(done.text), "length of the content looked at")
    return done.text, done.reasoning, [call.arguments for call in done.tool_calls]


def by_hand(parser: str, reads: Sequence[bytes]) -> Saw:
    """Do what programs without an SDK do: httpx-sse, a JSON parser, and the text joined."""
    loads = loads_of(parser)
    httpx, httpx_sse = needed("httpx"), needed("httpx_sse")
    headers = {"content-type": "text/event-stream"}
    response = httpx.Response(200, headers=headers, content=iter(reads))
    chunks = (
        loads(event.data) for event in httpx_sse.EventSource(response).iter_sse() if event.data != "[DONE]"
    )
    return joined(chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"])


def joined(deltas: Iterator[dict[str, Any]]) -> Saw:
    """Join what matters of the deltas, as one would write it at first."""
    texts, thoughts, arguments = [], [], dict[int, list[str]]()
    for delta in deltas:
        texts.append(delta.get("content") or "")
        thoughts.append(delta.get("reasoning") or "")
        for call in delta.get("tool_calls") or ():
            arguments.setdefault(call["index"], []).append(call["function"]["arguments"])
    return "".join(texts), "".join(thoughts), ["".join(pieces) for pieces in arguments.values()]


def openai_client(reads: Sequence[bytes]) -> Any:
    """Return a client of the openai SDK for whom any request is answered with these reads."""
    openai, httpx2 = needed("openai"), needed("httpx2")
    headers = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=iter(reads)))
    return openai.OpenAI(api_key="none", http_client=httpx2.Client(transport=transport))


def openai_as_chunks(reads: Sequence[bytes]) -> Saw:
    """Iterate over the chunks of `create(stream=True)`."""
    texts: list[str] = []
    for chunk in openai_client(reads).chat.completions.create(model="m", messages=[], stream=True):
        texts += [choice.delta.content or "" for choice in chunk.choices]
    return "".join(texts), "", []


def openai_as_answer(reads: Sequence[bytes]) -> Saw:
    """Iterate over the events of `.stream()`, which assembles the answer."""
    with openai_client(reads).chat.completions.stream(model="m", messages=[]) as stream:
        for event in stream:
            if event.type == "chunk":
                _ = [choice.delta.content for choice in event.chunk.choices]
        message = stream.get_final_completion().choices[0].message
    calls = [call.function.arguments for call in message.tool_calls or ()]
    return message.content or "", getattr(message, "reasoning", None) or "", calls


def openrouter_as_chunks(reads: Sequence[bytes]) -> Saw:
    """Iterate over the chunks of the openrouter SDK."""
    httpx, openrouter = needed("httpx"), needed("openrouter")
    headers = {"content-type": "text/event-stream"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, content=iter(reads)))
    texts: list[str] = []
    with openrouter.OpenRouter(api_key="none", client=httpx.Client(transport=transport)) as client:
        for chunk in client.chat.send(
            model="m", messages=[{"role": "user", "content": "Hello"}], stream=True
        ):
            texts += [choice.delta.content or "" for choice in chunk.choices]
    return "".join(texts), "", []


def parsed_alone(loads: Callable[[bytes], object], payloads: Sequence[bytes]) -> None:
    """Parse the payloads and drop them."""
    for payload in payloads:
        loads(payload)


PARSERS = ("json", "orjson", "msgspec")


def loads_of(parser: str) -> Callable[[Any], Any]:
    """Return the bare function of a JSON parser."""
    module = importlib.import_module("msgspec.json" if parser == "msgspec" else parser)
    loads: Callable[[Any], Any] = module.decode if parser == "msgspec" else module.loads
    return loads


def with_parser(parser: str, act: Callable[[Sequence[bytes]], Saw], reads: Sequence[bytes]) -> Saw:
    """Read with one of the JSON parsers that we can use."""
    codec.select(parser)
    try:
        return act(reads)
    finally:
        codec.select()


def contender(name: str, workload: Workload, act: Callable[[Sequence[bytes]], Saw], *, whole: bool) -> Row:
    """Return the row of one reader; `whole` when it assembles reasoning and tool calls too."""
    reads = {title: [*workload.reads(size), *workloads.ending()] for title, size in WAYS.items()}
    wanted: Saw = (workload.text, workload.reasoning, list(workload.arguments))

    def check() -> None:
        for pieces in reads.values():
            saw = act(pieces)
            expect(saw[0], wanted[0], "text")
            if whole:
                expect(saw, wanted, "answer")

    def take() -> Figures:
        return {
            title: cpu_microseconds(partial(act, pieces), len(workload.blocks))
            for title, pieces in reads.items()
        }

    return Row(name, take, check)


def floor(parser: str, workload: Workload) -> Row:
    """Return the row of a JSON parser alone."""

    def take() -> Figures:
        cost = cpu_microseconds(partial(parsed_alone, loads_of(parser), payloads), len(payloads))
        return dict.fromkeys(WAYS, cost)

    def check() -> None:
        for payload in payloads:
            expect(loads_of(parser)(payload), json.loads(payload), "JSON")

    payloads = workload.payloads
    return Row(f"floor: {parser} alone", take, check)


def node(workload: Workload) -> Row:
    """Return the row of the openai SDK on Node."""

    def take() -> Figures:
        with tempfile.NamedTemporaryFile() as stream:
            Path(stream.name).write_bytes(workload.stream + b"".join(workloads.ending()))
            figures = run_node(
                "openai_sdk.mjs", stream.name, json.dumps([size or 0 for size in WAYS.values()])
            )
        for _, text in figures:
            expect(text, workload.text, "text")
        return {title: cost for title, (cost, _) in zip(WAYS, figures, strict=True)}

    return Row("openai SDK on Node", take, find_node_folder)


def rows_of(workload: Workload, *, assembled: bool) -> list[Row]:
    """Return all rows for one workload."""
    ours = ours_as_answer if assembled else ours_as_chunks
    rows = [floor(parser, workload) for parser in PARSERS]
    rows += [
        contender(f"sseor with {parser}", workload, partial(with_parser, parser, ours), whole=assembled)
        for parser in PARSERS
    ]
    rows += [
        contender(f"httpx-sse and {parser} by hand", workload, partial(by_hand, parser), whole=assembled)
        for parser in ("json", "orjson")
    ]
    if assembled:
        rows.append(contender("openai, .stream()", workload, openai_as_answer, whole=True))
    else:
        rows.append(contender("openai, create", workload, openai_as_chunks, whole=False))
        rows.append(contender("openrouter, send", workload, openrouter_as_chunks, whole=False))
        rows.append(node(workload))
    return rows


def tables(scale: float) -> Iterator[Table]:
    """Return the tables: chunks alone, then answers from text, reasoning, tool calls and 100 000 small deltas."""
    columns = dict.fromkeys(WAYS, "µs")
    rounds = max(2, round(5 * scale))
    base = "floor: json alone"
    text = workloads.deltas(1000)
    yield Table(
        "chunks",
        "Bytes to typed chunks",
        "Framing, JSON and `delta.content` of each chunk looked at; nothing kept.",
        columns,
        rows_of(text, assembled=False),
        base,
        rounds,
    )
    for workload in (text, workloads.reasoning(1000), workloads.tools(1000), workloads.multibyte(1000)):
        yield Table(
            f"answer-{workload.name}",
            f"Bytes to an answer: {workload.name}",
            "The same, and the chunks assembled to the answer.",
            columns,
            rows_of(workload, assembled=True),
            base,
            rounds,
        )
    many = workloads.one_character(round(100_000 * min(scale, 1)))
    yield Table(
        "answer-one-character",
        f"Bytes to an answer: {len(many.blocks)} deltas of one character",
        "What grows with the square of the number of deltas would show here.",
        columns,
        [row for row in rows_of(many, assembled=True) if not row.name.startswith("openai")],
        base,
        1,
    )
