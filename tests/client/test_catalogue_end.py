"""Faults at the end of a stream: what is a success, what was cut, and what is kept."""

from __future__ import annotations

import itertools
from typing import Any

import anyio
import pytest
from catalogue import (
    CHUNKED_HEAD,
    ENDING,
    FINISH,
    HEAD,
    LOW,
    Respond,
    across_shells,
    body,
    chunk,
    chunked,
    each_shell,
    for_ever,
    look_at,
    nothing_is_left,
    raw,
    retrying,
    sse,
)
from faults import in_chunks
from shells import KEY, PROMPT, in_time

import sseor
from sseor.errors import ConnectionLostError, EndedEarlyError, ProtocolError
from sseor.testing import Done, Exchange, Finish, LoopbackServer, Role, Say, Usage, play

__all__ = ["nothing_is_left"]
pytestmark = pytest.mark.usefixtures("nothing_is_left")

WHOLE = (Role(), Say("Low", " water"), Finish(), Usage(), Done())


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the grace of a finished answer."""
    monkeypatch.setattr("sseor.stream.watchdog.FINISH_GRACE", 0.1)


@each_shell
def test_row_40_an_ordinary_answer(shell: str) -> None:
    """Finish reason, usage, `[DONE]` and the end make a success, and the connection is kept."""
    seen = look_at(shell, play(*WHOLE))
    verdict = seen.whole.verdict
    assert (verdict.saw_finish, verdict.saw_usage, verdict.saw_done, verdict.clean_end) == (True,) * 4
    assert (seen.text, seen.whole.finish_reason, seen.kept) == ("Low water", "stop", 1)


def test_row_40_the_kept_connection_carries_the_next_answer() -> None:
    """Two answers in a row come over one connection."""
    with (
        LoopbackServer(play(*WHOLE)) as server,
        sseor.Client(api_key=KEY, base_url=server.base_url) as client,
    ):
        for _ in range(2):
            assert "".join(client.stream(model="m", messages=PROMPT).text) == "Low water"
        assert [request.connection.number for request in server.requests] == [1, 1]


@each_shell
def test_row_41_no_done(shell: str) -> None:
    """A finish reason and a clean end suffice."""
    seen = look_at(shell, body(sse(LOW, FINISH)))
    assert (seen.whole.text, seen.whole.verdict.saw_done, seen.whole.verdict.clean_end) == (
        "Low",
        False,
        True,
    )


@each_shell
@pytest.mark.parametrize("mark", [b"data: [DONE]", b"data: [DONE]\n", b"data:[DONE]\r"])
def test_row_42_done_without_its_blank_line(shell: str, mark: bytes) -> None:
    """`[DONE]` counts although the body ends before its blank line."""
    seen = look_at(shell, body(sse(LOW, FINISH) + mark))
    assert seen.whole.text == "Low"
    assert seen.whole.verdict.saw_done


@each_shell
def test_row_43_done_but_the_connection_stays_open(shell: str) -> None:
    """After `[DONE]` nothing is waited for: success at once, and a connection that is not at its end is closed."""
    respond = body(sse(LOW) + ENDING, pause=30)
    seen = in_time(lambda: look_at(shell, respond), lambda seen: seen.elapsed < 1)
    assert (seen.whole.text, seen.kept) == ("Low", 0)
    assert seen.elapsed < 1


@across_shells(
    "rest",
    [
        sse(chunk(" more")),
        sse({"error": {"code": 500, "message": "late"}}),
        b"garbage",
        b"data: {\n\n",
        ENDING,
    ],
)
@pytest.mark.parametrize("pause", [0.0, 0.01])
def test_row_44_whatever_follows_done(shell: str, rest: bytes, pause: float) -> None:
    """What follows `[DONE]` is ignored, in the same read or a later one."""
    seen = look_at(shell, raw(CHUNKED_HEAD + in_chunks(sse(LOW) + ENDING), in_chunks(rest), pause=pause))
    assert seen.whole.text == "Low"
    assert [item.reason for item in seen.of(sseor.Finished)] == ["stop"]


@each_shell
@pytest.mark.parametrize("end", [b"0\r\n\r\n", b"0\r\nX-Sum: 1\r\n\r\n", b"000\r\n\r\n"])
def test_row_44_another_response_behind_it(shell: str, end: bytes) -> None:
    """A response that nobody asked for is no answer to the next question: that goes out on another connection."""
    stray = HEAD + b"Content-Length: %d\r\n\r\n%b" % (
        len(sse(chunk("Stray")) + ENDING),
        sse(chunk("Stray")) + ENDING,
    )
    whole = CHUNKED_HEAD + in_chunks(sse(LOW) + ENDING) + end

    def respond(exchange: Exchange) -> None:
        exchange.raw(whole + stray)
        exchange.wait(30)

    async def ask(base_url: str) -> list[str]:
        async with sseor.AsyncClient(api_key=KEY, base_url=base_url) as client:
            return ["".join([text async for text in client.stream(**asked).text]) for _ in range(2)]

    asked: dict[str, Any] = {"model": "m", "messages": PROMPT}
    with LoopbackServer(respond) as server:
        if shell == "threads":
            with sseor.Client(api_key=KEY, base_url=server.base_url) as client:
                texts = ["".join(client.stream(**asked).text) for _ in range(2)]
        else:
            texts = anyio.run(ask, server.base_url, backend=shell)
        assert [request.connection.number for request in server.requests] == [1, 2]
    assert texts == ["Low", "Low"]


@each_shell
@pytest.mark.parametrize(
    "rest",
    [
        for_ever(b"", first=CHUNKED_HEAD + chunked(LOW, FINISH)),
        for_ever(in_chunks(b": still here\n\n"), first=CHUNKED_HEAD + chunked(LOW, FINISH)),
        for_ever(chunked(chunk()), first=CHUNKED_HEAD + chunked(LOW, FINISH)),
        for_ever(chunked(FINISH), first=CHUNKED_HEAD + chunked(LOW, FINISH)),
        raw(CHUNKED_HEAD + chunked(LOW, FINISH), last=Exchange.reset),
        raw(CHUNKED_HEAD + chunked(LOW, FINISH), last=Exchange.cut),
    ],
    ids=["silence", "comments", "empty", "finish_repeated", "rst", "fin"],
)
@pytest.mark.usefixtures("short_grace")
def test_row_45_finish_then_nothing_of_use(shell: str, rest: Respond) -> None:
    """A finished answer is a success after a short grace, whatever becomes of the connection."""
    seen = in_time(lambda: look_at(shell, rest), lambda seen: seen.elapsed < 1)
    assert (seen.whole.text, seen.whole.usage, seen.kept) == ("Low", None, 0)
    assert not seen.whole.verdict.saw_usage
    assert seen.elapsed < 1


@each_shell
def test_row_46_clean_end_without_finish_reason(shell: str) -> None:
    """A clean HTTP end proves nothing: without a finish reason the answer was cut, and what came is kept."""
    seen = look_at(shell, play(Role(), Say("Low", " water")), retries=retrying())
    assert type(seen.error) is EndedEarlyError
    assert (seen.text, seen.error.phase, seen.error.retryable) == ("Low water", "streaming", True)
    assert (seen.error.attempts, seen.attempts) == (1, 1)
    assert str(seen.error.generation_id).startswith("gen-")


@each_shell
def test_row_46_the_partial_says_when_the_stream_ended(shell: str) -> None:
    """The partial of an error has the whole timeline, its end included."""
    seen = look_at(shell, play(Role(), Say("Low")))
    assert seen.error is not None
    assert seen.error.partial is not None
    assert seen.error.partial.timeline is not None
    assert seen.error.partial.timeline.ended is not None


@each_shell
def test_row_47_done_without_finish_reason(shell: str) -> None:
    """`[DONE]` alone does not complete an answer, unless the caller says that it does."""
    seen = look_at(shell, body(sse(LOW, "[DONE]")))
    assert type(seen.error) is EndedEarlyError
    assert (seen.text, seen.completion.verdict.saw_done) == ("Low", True)  # type: ignore[union-attr]
    lax = look_at(shell, body(sse(LOW, "[DONE]")), complete_when="done")
    assert (lax.whole.text, lax.whole.finish_reason) == ("Low", None)


@each_shell
@pytest.mark.parametrize("end", [b"", b"\n", b"\r"])
def test_row_48_last_event_without_its_blank_line(shell: str, end: bytes) -> None:
    """A whole object at the very end counts although its blank line is missing, and is flagged."""
    seen = look_at(shell, body(sse(LOW) + sse(FINISH).rstrip() + end))
    assert (seen.whole.text, seen.whole.verdict.unterminated) == ("Low", True)
    cut = look_at(shell, body(sse(LOW) + sse(chunk(" water")).rstrip() + end))
    assert type(cut.error) is EndedEarlyError
    assert cut.text == "Low water"


@each_shell
@pytest.mark.parametrize(
    "cut", [b'data: {"choices":[{"del', b"data: \xc3", 'data: {"a":"é'.encode()[:-1], b"dat"]
)
def test_row_49_end_inside_json_or_a_character(shell: str, cut: bytes) -> None:
    """An end inside an event drops that event alone: no half text, no U+FFFD at the tail."""
    seen = look_at(shell, body(sse(LOW) + cut))
    assert type(seen.error) is EndedEarlyError
    assert seen.text == "Low"


@each_shell
@pytest.mark.parametrize(
    "respond",
    [
        raw(CHUNKED_HEAD + chunked(LOW), last=Exchange.reset),
        raw(CHUNKED_HEAD + chunked(LOW) + b"40\r\ndata: {"),
        raw(CHUNKED_HEAD + chunked(LOW)),
        raw(CHUNKED_HEAD + chunked(LOW) + b"0\r\n"),
        raw(HEAD + b"Content-Length: 9999\r\n\r\n" + sse(LOW)),
    ],
    ids=["rst", "fin_in_a_chunk", "last_chunk_missing", "last_chunk_cut", "short_content_length"],
)
def test_row_50_the_transport_fails(shell: str, respond: object) -> None:
    """A reset or a FIN inside the framing is a lost connection; what came before it is handed out and kept."""
    seen = look_at(shell, respond, retries=retrying())  # type: ignore[arg-type]
    assert type(seen.error) is ConnectionLostError
    assert (seen.text, seen.error.phase, seen.error.retryable) == ("Low", "streaming", True)
    assert (seen.error.attempts, seen.error.generation_id, seen.attempts) == (1, "gen-1", 1)


@each_shell
@pytest.mark.parametrize(
    ("respond", "tls"),
    [
        (raw(HEAD + b"Connection: close\r\n\r\n" + sse(LOW)), False),
        (raw(HEAD + b"Connection: close\r\n\r\n" + sse(LOW)), True),
        (raw(b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + sse(LOW)), False),
        (raw(HEAD + b"Content-Length: %d\r\n\r\n" % len(sse(LOW)) + sse(LOW, FINISH)), False),
    ],
    ids=["close_delimited", "ragged_tls", "http_1_0", "small_content_length"],
)
def test_row_51_a_cut_that_looks_like_an_end(
    shell: str, respond: object, tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where HTTP itself cannot tell a cut from an end, the missing finish reason does."""
    if tls:
        import httpx
        from faults import certificates

        monkeypatch.setattr(httpx, "create_ssl_context", lambda: certificates()[1])
    seen = look_at(shell, respond, tls=tls)  # type: ignore[arg-type]
    assert type(seen.error) is EndedEarlyError
    assert seen.text == "Low"


@each_shell
@pytest.mark.parametrize(
    "broken",
    [b"xyz\r\ndata\r\n", b"-5\r\ndata\r\n", b"4\r\ndataXX4\r\n", b"\r\n", b"ffffffffffffffffffffff\r\n"],
)
def test_row_52_bad_chunk_framing(shell: str, broken: bytes) -> None:
    """Broken chunk framing is a broken protocol; the chunks before it are kept."""
    seen = look_at(shell, raw(CHUNKED_HEAD + chunked(LOW), broken))
    assert isinstance(seen.error, ProtocolError), repr(seen.error)
    assert (seen.text, seen.error.retryable, seen.error.phase) == ("Low", False, "streaming")


@each_shell
def test_row_52_two_framings_at_once(shell: str) -> None:
    """Transfer-Encoding together with Content-Length is refused or read whole, never cut in silence."""
    head = HEAD + b"Content-Length: 20\r\nTransfer-Encoding: chunked\r\n\r\n"
    seen = look_at(shell, raw(head + chunked(LOW) + in_chunks(ENDING) + b"0\r\n\r\n"))
    assert isinstance(seen.error, ProtocolError) or seen.whole.text == "Low"


RESPONSE = (
    CHUNKED_HEAD
    + b"".join(
        in_chunks(piece)
        for piece in (
            b": OPENROUTER PROCESSING\n\n",
            sse(chunk(delta={"role": "assistant", "content": ""})),
            sse(chunk(" à"), chunk(" la")),
            sse(chunk(" \N{OTTER}"), chunk(delta={"reasoning": "hm"})),
            sse(chunk(" one")),
            sse(FINISH),
            sse(chunk(finish_reason="stop", usage={"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.1})),
            b"data: [DONE]\n\n",
        )
    )
    + b"0\r\n\r\n"
)
TRUTH = " à la \N{OTTER} one"
FINISHED_FROM = RESPONSE.index(b'"stop"')


class EveryOffset:
    """Answers the n-th request with the response cut after n times `step` bytes, by FIN or RST in turn."""

    def __init__(self, step: int) -> None:
        self.offsets = itertools.count(0, step)
        self.offset = 0

    def __call__(self, exchange: Exchange) -> None:
        self.offset = next(self.offsets)
        exchange.raw(RESPONSE[: self.offset])
        exchange.cut()


def judge(text: str, error: sseor.SseorError | None, partial: sseor.Completion, offset: int) -> None:
    """Check one cut: a prefix of the truth, and success only where a finish reason had come."""
    assert TRUTH.startswith(text), offset
    assert partial.text == text, offset
    if error is None:
        assert text == TRUTH, offset
        assert offset > FINISHED_FROM, offset
    else:
        assert offset < RESPONSE.index(b"[DONE]"), (offset, repr(error))
        assert isinstance(error, (sseor.errors.ConnectError, sseor.errors.CutShortError)), (
            offset,
            repr(error),
        )
        assert error.partial is not None


def test_a_cut_at_every_offset_on_threads() -> None:
    """A response cut after any number of its bytes gives a prefix of the text, and an error or a proven success."""
    respond = EveryOffset(1)
    with (
        LoopbackServer(respond) as server,
        sseor.Client(api_key=KEY, base_url=server.base_url, retries=retrying(1)) as client,
    ):
        for offset in range(len(RESPONSE)):
            error, text = None, ""
            stream = client.stream(model="m", messages=PROMPT)
            try:
                for piece in stream.text:
                    text += piece
            except sseor.SseorError as failure:
                error = failure
            assert respond.offset == offset
            judge(text, error, stream.completion, offset)
        assert server.wait_idle(5)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cut_at_every_seventh_offset_in_async(backend: str) -> None:
    """The same on asyncio and trio."""
    import anyio

    async def read_all(server: LoopbackServer, respond: EveryOffset) -> None:
        async with sseor.AsyncClient(api_key=KEY, base_url=server.base_url, retries=retrying(1)) as client:
            for offset in range(0, len(RESPONSE), 7):
                error, text = None, ""
                stream = client.stream(model="m", messages=PROMPT)
                try:
                    async for piece in stream.text:
                        text += piece
                except sseor.SseorError as failure:
                    error = failure
                assert respond.offset == offset
                judge(text, error, stream.completion, offset)
            assert server.wait_idle(5)

    respond = EveryOffset(7)
    with LoopbackServer(respond) as server:
        anyio.run(read_all, server, respond, backend=backend)
