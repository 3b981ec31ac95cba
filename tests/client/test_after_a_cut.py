"""What happens after the first token, on real sockets: the answer is cut, and resumed, restarted or given up."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from shells import KEY, SHELLS, read

import sseor
from sseor.errors import (
    ConnectionLostError,
    MisuseError,
    ResumeError,
    StallError,
    StatusError,
)
from sseor.testing import (
    Call,
    Cut,
    Done,
    Exchange,
    Fail,
    Finish,
    Generation,
    LoopbackServer,
    Reply,
    Role,
    Say,
    Silence,
    Status,
    Think,
    Usage,
    answer,
)

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")

TRUTH = (
    "The tide follows the moon, which passes overhead fifty minutes later each day. "
    "Low water therefore comes later, too; a harbour master keeps a table of it, and sailors keep a copy."
)
AT = 61
"""Where the answer is cut: in the middle of a word."""
PREFILL_REFUSED = (
    "This model does not support assistant message prefill. The conversation must end with a user message."
)
POLICY = sseor.RetryPolicy(base=0.0)


class Upstream:
    """A server whose answers are plays, one for each request in turn; the requests are kept."""

    def __init__(self, *plays: Sequence[Any]) -> None:
        self.requests: list[dict[str, Any]] = []
        self._plays = list(plays)
        self._lock = threading.Lock()

    def __call__(self, exchange: Exchange) -> None:
        """Perform the next play; the last one stays."""
        with self._lock:
            self.requests.append(exchange.request.json())
            acts = self._plays.pop(0) if len(self._plays) > 1 else self._plays[0]
        reply = Reply(exchange, Generation("served/model", "Harbour"), prompt_tokens=10)
        for act in acts:
            act.perform(reply)

    @property
    def last_messages(self) -> list[dict[str, Any]]:
        """The last message of each request."""
        return [request["messages"][-1] for request in self.requests]


def partial_of(outcome: Any) -> sseor.Completion:
    """Return the partial of the error that ended a stream."""
    partial = outcome.error.partial
    assert isinstance(partial, sseor.Completion)
    return partial


def cut(*pieces: str, by: Any = None) -> tuple[Any, ...]:
    """Return an answer that is cut after these pieces."""
    return (Role(), Say(*pieces), by or Cut())


def ask(shell: str, upstream: Upstream, *, on_cut: str = "resume", **options: Any) -> Any:
    """Read one stream of events from this upstream."""
    parameters = {"on_cut": on_cut, **options.pop("parameters", {})}
    with LoopbackServer(upstream) as server:
        outcome = read(shell, server.base_url, parameters=parameters, **{"retries": POLICY, **options})
        assert server.wait_idle(5)
    assert KEY not in repr(outcome)
    return outcome


@pytest.mark.parametrize("shell", SHELLS)
def test_by_default_a_cut_is_an_error_and_nothing_is_sent_again(shell: str) -> None:
    """Without being asked to, nothing is resumed: the partial is in the error."""
    upstream = Upstream(cut(TRUTH[:AT]), answer(TRUTH[AT:]))
    outcome = ask(shell, upstream, on_cut="raise")
    assert isinstance(outcome.error, ConnectionLostError)
    assert partial_of(outcome).text == TRUTH[:AT]
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "refusal",
    [
        (Status(400, {"error": {"code": 400, "message": PREFILL_REFUSED}}),),
        (Role(), Fail(400, PREFILL_REFUSED), Done()),
    ],
    ids=["status", "in the stream"],
)
def test_a_model_that_refuses_a_prefill_gets_an_instruction(refusal: Any) -> None:
    """The refusal costs one request, and none for the next answer of the same client."""
    upstream = Upstream(cut(TRUTH[:AT]), refusal, answer(TRUTH[AT:]), cut(TRUTH[:AT]), answer(TRUTH[AT:]))
    messages = [{"role": "user", "content": "Hello"}]
    with LoopbackServer(upstream) as server, sseor.Client(base_url=server.base_url, retries=POLICY) as client:
        for _ in range(2):
            with client.stream(model="a/model", messages=messages, on_cut="resume") as stream:
                assert "".join(stream.text) == TRUTH
    roles = [message["role"] for message in upstream.last_messages]
    assert roles == ["user", "assistant", "user", "user", "user"]
    assert TRUTH[AT - 20 : AT] in upstream.last_messages[2]["content"]
    assert upstream.requests[2]["messages"][-2] == {"role": "assistant", "content": TRUTH[:AT]}


@pytest.mark.parametrize(
    ("caps", "requests", "why"),
    [
        ({"max_attempts": 3}, 3, "max_attempts"),
        ({"max_output_tokens": 20}, 2, "max_output_tokens"),
    ],
)
def test_the_spend_is_capped(caps: dict[str, Any], requests: int, why: str) -> None:
    """However much progress each request makes, the caps of the policy end it."""
    upstream = Upstream(*(cut(TRUTH[at : at + 40]) for at in range(0, len(TRUTH), 40)))
    outcome = ask("threads", upstream, retries=sseor.RetryPolicy(base=0.0, **caps))
    assert isinstance(outcome.error, ResumeError)
    assert why in str(outcome.error)
    assert len(upstream.requests) == requests
    assert TRUTH.startswith(outcome.text)
    assert partial_of(outcome).text == outcome.text


def test_reported_cost_is_capped_and_the_cap_bounds_the_follow_up() -> None:
    """What providers reported counts against `max_cost`; `max_output_tokens` lowers the next request's own limit."""
    piece = (Role(), Say(*TRUTH[:40].split(" ")), Finish("length"), Usage(cost=0.75), Done())
    policy = sseor.RetryPolicy(base=0.0, max_cost=1.0, max_output_tokens=100)
    upstream = Upstream(piece, piece, piece)
    outcome = ask("threads", upstream, retries=policy, parameters={"continue_on_length": 5, "max_tokens": 99})
    assert outcome.error is None
    assert outcome.completion.cost == pytest.approx(1.5)
    assert "max_cost" in outcome.completion.verdict.not_continued
    assert [request["max_tokens"] for request in upstream.requests] == [99, 100 - len(TRUTH[:40].split(" "))]


@pytest.mark.parametrize(
    ("acts", "why"),
    [
        ((Role(), Say("Let me see."), Call("now", '{"zone": "U'), Cut()), "tool call"),
        ((Role(), Think("First, the moon. ", "Then"), Cut()), "reasoning"),
    ],
)
def test_what_cannot_be_continued_is_kept_and_said(acts: Any, why: str) -> None:
    """Half a tool call and reasoning alone are no text to go on from."""
    upstream = Upstream(acts)
    outcome = ask("threads", upstream)
    assert isinstance(outcome.error, ResumeError)
    assert why in str(outcome.error)
    assert isinstance(outcome.error.__cause__, ConnectionLostError)
    assert outcome.error.partial is not None
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("shell", SHELLS)
def test_a_restart_says_so_first(shell: str) -> None:
    """With `restart` what was handed out is declared void before the new answer begins, after a stall for instance."""
    upstream = Upstream(cut("Half an ans", by=Silence()), answer("Another", " answer"))
    outcome = ask(shell, upstream, on_cut="restart", timeouts=sseor.Timeouts(stall=0.3))
    assert outcome.error is None
    (restarted,) = outcome.of(sseor.Restarted)
    assert isinstance(restarted.cause, StallError)
    at = outcome.items.index(restarted)
    assert (
        "".join(item.delta for item in outcome.items[at:] if isinstance(item, sseor.Text)) == "Another answer"
    )
    assert outcome.completion.text == "Another answer"
    assert len(outcome.completion.generations) == 2
    assert upstream.requests[0] == upstream.requests[1]


def test_a_restart_that_brings_nothing_keeps_the_first_part() -> None:
    """Until the new answer begins nothing is void: when it never does, the first part is the partial."""
    upstream = Upstream(cut("Half an ans"), (Status(503, {"error": {"code": 503, "message": "busy"}}),))
    outcome = ask("threads", upstream, on_cut="restart")
    assert isinstance(outcome.error, StatusError)
    assert partial_of(outcome).text == "Half an ans"
    assert not outcome.of(sseor.Restarted)


@pytest.mark.parametrize(
    ("lens", "on_cut"),
    [("text", "restart"), ("reasoning", "restart"), ("tool_calls", "restart"), ("chunks", "resume")],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_lens_that_could_not_tell_is_refused(shell: str, lens: str, on_cut: str) -> None:
    """A restart shows in the events alone, and chunks cannot be joined: other views are refused before any request."""
    upstream = Upstream(answer("Low"))
    view: Callable[[Any], Any] = lambda stream: getattr(stream, lens)  # noqa: E731
    with LoopbackServer(upstream) as server:
        outcome = read(shell, server.base_url, lens=view, parameters={"on_cut": on_cut})
    assert isinstance(outcome.error, MisuseError)
    assert not upstream.requests


@pytest.mark.parametrize("shell", SHELLS)
def test_an_answer_at_its_length_limit_goes_on(shell: str) -> None:
    """One text, one finish reason, usage and cost summed and listed."""
    upstream = Upstream(
        answer(*TRUTH[:AT].split(" ")[:1], TRUTH[len(TRUTH.split(" ")[0]) : AT], finish="length"),
        answer(TRUTH[AT:], finish="length"),
        answer(" The end."),
    )
    outcome = ask(shell, upstream, on_cut="raise", parameters={"continue_on_length": 3})
    assert outcome.error is None
    assert outcome.text == outcome.completion.text == TRUTH + " The end."
    assert [item.reason for item in outcome.of(sseor.Finished)] == ["stop"]
    assert [item.cause for item in outcome.of(sseor.Resumed)] == [None, None]
    completion = outcome.completion
    assert [generation.finish_reason for generation in completion.generations] == ["length", "length", "stop"]
    assert completion.usage.completion_tokens == sum(
        generation.usage.completion_tokens for generation in completion.generations
    )
    assert outcome.of(sseor.UsageReport)[-1].usage == completion.usage
    assert completion.cost == pytest.approx(
        sum(generation.usage.cost for generation in completion.generations)
    )
    assert completion.verdict.saw_usage


def test_it_goes_on_as_often_as_was_asked() -> None:
    """The last of them ends by `length`, and says so."""
    upstream = Upstream(answer(TRUTH[:AT], finish="length"), answer(TRUTH[AT:], finish="length"))
    outcome = ask("threads", upstream, parameters={"continue_on_length": 1})
    assert outcome.completion.finish_reason == "length"
    assert [item.reason for item in outcome.of(sseor.Finished)] == ["length"]
    assert len(upstream.requests) == 2


def test_a_limit_within_the_reasoning_is_explained() -> None:
    """With nothing but reasoning there is no text to continue: the answer ends by `length`, with the reason."""
    upstream = Upstream((Role(), Think("So", " much"), Finish("length"), Usage(), Done()))
    outcome = ask("threads", upstream, parameters={"continue_on_length": 2})
    assert outcome.error is None
    assert [item.reason for item in outcome.of(sseor.Finished)] == ["length"]
    assert "reasoning" in outcome.completion.verdict.not_continued
    assert len(upstream.requests) == 1


def test_an_answer_at_its_limit_stays_when_it_cannot_be_continued() -> None:
    """An answer that ended properly is not turned into an error by a refusal to continue it."""
    upstream = Upstream(
        answer(TRUTH[:AT], finish="length"), (Status(400, {"error": {"code": 400, "message": "too long"}}),)
    )
    outcome = ask("threads", upstream, on_cut="raise", parameters={"continue_on_length": 1})
    assert outcome.error is None
    assert outcome.completion.text == TRUTH[:AT]
    assert [item.reason for item in outcome.of(sseor.Finished)] == ["length"]
    assert "too long" in outcome.completion.verdict.not_continued


@pytest.mark.parametrize("shell", ["threads", "asyncio"])
def test_complete_goes_on_too(shell: str) -> None:
    """Answers that are not streamed share the machinery."""

    def whole(text: str, finish: str) -> Any:
        body = {
            "id": "gen-1",
            "object": "chat.completion",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.5},
        }
        return (Status(200, body),)

    upstream = Upstream(whole(TRUTH[:AT], "length"), whole(TRUTH[AT:], "stop"))
    messages = [{"role": "user", "content": "Hello"}]

    async def main(base_url: str) -> sseor.Completion:
        async with sseor.AsyncClient(base_url=base_url) as client:
            return await client.complete(model="a/model", messages=messages, continue_on_length=2)

    with LoopbackServer(upstream) as server:
        if shell == "threads":
            with sseor.Client(base_url=server.base_url) as client:
                completion = client.complete(model="a/model", messages=messages, continue_on_length=2)
        else:
            import asyncio

            completion = asyncio.run(main(server.base_url))
    assert completion.text == TRUTH
    assert completion.cost == 1.0
    assert [request["stream"] for request in upstream.requests] == [False, False]


def test_the_route_is_pinned() -> None:
    """The provider that began is asked first, and what the caller asked for stays."""
    upstream = Upstream(cut(TRUTH[:AT]), answer(TRUTH[AT:]))
    asked = {"provider": {"sort": "price"}, "temperature": 0.5}
    outcome = ask("threads", upstream, parameters=asked)
    assert outcome.error is None
    second = upstream.requests[1]
    assert second["provider"] == {"sort": "price", "order": ["Harbour"]}
    assert second["temperature"] == 0.5
    assert second["stream_options"] == {"include_usage": True}
    assert json.dumps(upstream.requests[0]["messages"][0]) == json.dumps(second["messages"][0])
