"""Streams for threads: letting go and misuse."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from shells import KEY, PROMPT

import sseor
from sseor.client.sync import Client, Stream
from sseor.errors import CutShortError, MisuseError, SseorError
from sseor.testing import Cut, Exchange, LoopbackServer, Role, Say, Silence, answer, play
from sseor.testing.shapes import data_event

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")

LASTING = play(Role(), Say("Low", " water"), Silence())
REQUEST: dict[str, Any] = {"model": "m", "messages": PROMPT}


def client_of(server: LoopbackServer, **options: Any) -> Client:
    """Return a client of this server that sends each request once."""
    return Client(api_key=KEY, base_url=server.base_url, retries=sseor.RetryPolicy(attempts=1), **options)


def leave_by_break(stream: Stream) -> None:
    """Break out of the loop."""
    for _ in stream:
        break


def leave_by_exception(stream: Stream) -> None:
    """Raise in the loop."""
    with pytest.raises(ZeroDivisionError):
        for _ in stream:
            raise ZeroDivisionError
    raise ZeroDivisionError


def leave_by_interrupt(stream: Stream) -> None:
    """Press Ctrl-C while the next event is awaited, also where the tests run with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        for _ in stream:
            pass
    finally:
        timer.join()


@pytest.mark.parametrize(
    ("leave", "raises"),
    [
        (leave_by_break, None),
        (leave_by_exception, ZeroDivisionError),
        (leave_by_interrupt, KeyboardInterrupt),
    ],
)
def test_leaving_closes_the_connection_at_once(
    leave: Callable[[Stream], None], raises: type[BaseException] | None
) -> None:
    """However a `with` block is left, the server sees the close, the exception is unchanged, the partial is kept."""
    with LoopbackServer(LASTING) as server, client_of(server) as client:
        caught: BaseException | None = None
        try:
            with client.stream(**REQUEST) as stream:
                leave(stream)
        except (ZeroDivisionError, KeyboardInterrupt) as error:
            caught = error
        assert server.wait_idle(5)
        assert caught is None if raises is None else type(caught) is raises
        assert stream.completion.text in ("Low", "Low water")


def test_reading_on_after_leaving_is_a_mistake() -> None:
    """A stream that was closed before its end never looks like one that ended."""
    with LoopbackServer(LASTING) as server, client_of(server) as client:
        with client.stream(**REQUEST) as stream:
            next(stream)
        stream.close()
        for _ in range(2):
            with pytest.raises(MisuseError, match="closed before its end"):
                next(stream)


def test_what_was_not_taken_before_leaving_is_not_handed_out_later() -> None:
    """Two pieces that came in one read, one of them taken: after leaving, reading on is a mistake at once."""

    def respond(exchange: Exchange) -> None:
        exchange.head()
        exchange.send(b"".join(data_event({"choices": [{"delta": {"content": text}}]}) for text in "ab"))
        exchange.wait(30)

    with LoopbackServer(respond) as server, client_of(server) as client:
        with client.stream(**REQUEST) as stream:
            assert next(stream) == sseor.Text("a")
        with pytest.raises(MisuseError, match="closed before its end"):
            next(stream)


def test_after_the_end_there_is_nothing_more() -> None:
    """A whole stream that is iterated again is simply at its end, closed or not."""
    with LoopbackServer(play(*answer("Low"))) as server, client_of(server) as client:
        with client.stream(**REQUEST) as stream:
            assert list(stream)
            assert list(stream) == []
        assert list(stream) == []


def test_after_an_error_it_is_the_same_error_again() -> None:
    """An error is raised again by every further read, never a clean end."""
    with LoopbackServer(play(Role(), Say("Low"), Cut())) as server, client_of(server) as client:
        with client.stream(**REQUEST) as stream:
            errors = []
            for _ in range(3):
                with pytest.raises(CutShortError) as caught:
                    list(stream)
                errors.append(caught.value)
        with pytest.raises(CutShortError):
            next(stream)
    assert errors[0] is errors[1] is errors[2]
    assert errors[0].partial is not None
    assert errors[0].partial.text == "Low"


def test_a_dropped_stream_closes_and_warns() -> None:
    """Without `with` it works; abandoned, it lets go when it is collected and says so."""
    with LoopbackServer(LASTING) as server, client_of(server) as client:
        with pytest.warns(ResourceWarning, match="dropped before its end"):
            stream = client.stream(**REQUEST)
            next(stream)
            del stream
            gc.collect()
        assert server.wait_idle(5)


def test_a_stream_that_was_never_read_costs_nothing() -> None:
    """No request goes out before the first item is asked for, and dropping it warns of nothing."""
    with LoopbackServer(LASTING) as server, client_of(server) as client:
        stream = client.stream(**REQUEST)
        assert stream.completion.text == ""
        del stream
        assert server.requests == []


def test_two_threads_on_one_stream() -> None:
    """The second reader at the same time gets a MisuseError, the first one is not disturbed."""
    with LoopbackServer(play(Role(), Say("Low"), Silence())) as server, client_of(server) as client:
        with client.stream(**REQUEST) as stream:
            next(stream)
            found: list[SseorError] = []
            timer = threading.Timer(0.1, lambda: found.append(_error_of(stream)))
            timer.start()
            threading.Timer(0.2, server.close).start()
            with pytest.raises(CutShortError):
                next(stream)
            timer.join()
    assert isinstance(found[0], MisuseError)


def _error_of(stream: Stream) -> SseorError:
    try:
        next(stream)
    except SseorError as error:
        return error
    raise AssertionError("no error")


def test_a_closed_client_sends_nothing() -> None:
    """A stream of a closed client is a mistake, said plainly."""
    with LoopbackServer() as server:
        client = client_of(server)
        client.close()
        with pytest.raises(MisuseError, match="closed"):
            list(client.stream(**REQUEST))
        assert server.requests == []


def test_a_client_from_before_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parent and child must not share a socket: a client is bound to its process."""
    with LoopbackServer() as server, client_of(server) as client:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        with pytest.raises(MisuseError, match="fork"):
            list(client.stream(**REQUEST))


def test_complete_returns_the_whole_answer() -> None:
    """An answer that is not streamed is the same Completion, flagged."""
    with LoopbackServer() as server, client_of(server) as client:
        completion = client.complete(**REQUEST)
        assert server.requests[0].json()["stream"] is False
    assert completion.text
    assert completion.finish_reason == "stop"
    assert completion.verdict is not None
    assert completion.verdict.not_streamed


def test_an_earlier_interrupt_keeps_the_partial_readable() -> None:
    """After Ctrl-C the stream object still tells what came, at once."""
    with LoopbackServer(LASTING) as server, client_of(server) as client:
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt), client.stream(**REQUEST) as stream:
            leave_by_interrupt(stream)
        assert time.monotonic() - began < 10
        assert stream.completion.text == "Low water"


def test_the_repr_names_the_server_and_no_key() -> None:
    """A client can be logged."""
    with LoopbackServer() as server, client_of(server) as client:
        assert server.base_url in repr(client)
        assert KEY not in repr(client)
