"""A state machine writes an upstream's misfortunes down, and a stream on real sockets has to survive them.

The upstream knows one truth and tells it piece by piece: with comments, pauses, cuts, stalls, failures, refusals,
repeated words, preambles, other words, and answers that start over. Whatever it does, what the caller was handed is a
beginning of the truth, each character once, or is flagged; success comes with a finish reason only; no more is spent
than was allowed; and what is left of an answer that failed can be gone on with later.
"""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from shells import SHELLS, read

import sseor
from sseor.chat.continuation import is_blank, not_continuable
from sseor.testing import (
    Comment,
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
    Stall,
    Status,
    Think,
    Usage,
)

TRUTH = " ".join(f"{number}:{word}" for number, word in enumerate(["tide", "moon", "harbour", "sail"] * 30))
PREFILL_REFUSED = "This model does not support assistant message prefill."
STALL = 0.2
ATTEMPTS = 8
CHARACTERS_PER_TOKEN = 4
OTHER_WORDS = "<in other words>"
"""What nobody can tell from a continuation; it is let in, once for each time that it was said."""
BARE_PREAMBLE = "Certainly! It goes on:"
"""What is let in, for no repetition follows it, and flagged."""

ENDS: dict[str, tuple[Any, ...]] = {
    "cut": (Cut(),),
    "failure": (Fail(502, "down"),),
    "silence": (Silence(),),
    "end without finish": (Done(),),
    "permanent failure": (Fail(400, "flagged"),),
}
BENIGN = ("cut", "silence", "length")
STEPS = st.lists(
    st.one_of(st.integers(1, 60), st.sampled_from([Comment(), Think("hm"), Stall(STALL / 10)])),
    min_size=1,
    max_size=5,
).map(lambda steps: [*steps, 40])
MEANT = ("exact", "repeat", "over", "preamble", "other words")
OPENINGS = (*MEANT, "bare preamble", "other", "refuse", "refuse in stream", "busy")


class Upstream:
    """Tells the truth from where the request stopped, in the way that its plans say; the last one stays."""

    def __init__(self, plans: list[dict[str, Any]]) -> None:
        self.plans = plans
        self.begun: list[str] = []
        self.forms: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, exchange: Exchange) -> None:
        """Carry out the plan of this request."""
        messages = exchange.request.json()["messages"]
        with self._lock:
            plan = self.plans[min(len(self.begun), len(self.plans) - 1)]
            *_, last = messages
            self.forms.append("first" if len(messages) == 1 else last["role"])
            begun = "" if len(messages) == 1 else messages[1]["content"]
            self.begun.append(begun)
        reply = Reply(exchange, Generation("m", "Harbour"))
        for act in acts_of(plan, begun):
            act.perform(reply)


def acts_of(plan: dict[str, Any], begun: str) -> list[Any]:
    """Return what an upstream does that was asked to go on from `begun`."""
    opening = plan["opening"] if begun else "exact"
    at = len(plain(begun))
    if opening == "busy":
        return [Status(503, {"error": {"code": 503, "message": "busy"}})]
    if opening == "refuse":
        return [Status(400, {"error": {"code": 400, "message": PREFILL_REFUSED}})]
    if opening == "refuse in stream":
        return [Role(), Fail(400, PREFILL_REFUSED), Done()]
    if opening == "other":
        return [Role(), Say(begun[: len(begun) // 2 + 1] + " but quite another tale"), Finish("stop"), Done()]
    lead = {
        "exact": "",
        "repeat": begun[-30:],
        "over": begun,
        "preamble": "Sure, continuing: " + begun[-30:],
        "bare preamble": BARE_PREAMBLE,
        "other words": OTHER_WORDS,
    }[opening]
    acts: list[Any] = [Role()]
    rest = TRUTH[at:]
    for step in plan["steps"]:
        if isinstance(step, int):
            piece, rest = rest[:step], rest[step:]
            acts.append(Say(lead + piece))
            lead = ""
        else:
            acts.append(step)
    if plan["end"] == "stop":
        return [*acts, Say(lead + rest), Finish("stop"), Usage(), Done()]
    if plan["end"] == "length":
        return [*acts, Finish("length"), Usage(), Done()]
    return [*acts, *ENDS[plan["end"]]]


@settings(
    max_examples=max(10, settings().max_examples // 5),
    stateful_step_count=6,
    suppress_health_check=list(HealthCheck),
    deadline=None,
)
class Misfortunes(RuleBasedStateMachine):
    """Writes plans, then reads a stream."""

    @initialize(
        shell=st.sampled_from(SHELLS),
        on_cut=st.sampled_from(["resume", "resume", "raise", "restart"]),
        continues=st.integers(0, 3),
        cap=st.sampled_from([None, None, 20, 60]),
    )
    def begin(self, shell: str, on_cut: str, continues: int, cap: int | None) -> None:
        """Choose who reads, what is asked for, and what may be spent, in tokens."""
        self.shell, self.on_cut, self.continues, self.cap = shell, on_cut, continues, cap
        self.plans: list[dict[str, Any]] = []

    @rule(opening=st.sampled_from(OPENINGS), steps=STEPS, end=st.sampled_from(list(ENDS)))
    def misfortune(self, opening: str, steps: list[Any], end: str) -> None:
        """Let an answer begin in some way, tell a part of the truth, and break."""
        self.plans.append({"opening": opening, "steps": steps, "end": end})

    @rule(
        opening=st.sampled_from(MEANT),
        steps=STEPS,
        end=st.sampled_from(BENIGN),
    )
    def progress(self, opening: str, steps: list[Any], end: str) -> None:
        """Let an answer make progress, and be cut or limited."""
        self.plans.append({"opening": opening, "steps": steps, "end": end})

    def teardown(self) -> None:
        """Read the stream that all this makes."""
        if not hasattr(self, "plans"):
            return
        upstream = Upstream([*self.plans, {"opening": "exact", "steps": [20, Comment()], "end": "stop"}])
        parameters = {"on_cut": self.on_cut, "continue_on_length": self.continues}
        policy = sseor.RetryPolicy(
            attempts=3, base=0.0, max_attempts=ATTEMPTS, max_output_tokens=self.cap, first_token_expiries=2
        )
        with LoopbackServer(upstream) as server:
            outcome = read(
                self.shell,
                server.base_url,
                retries=policy,
                timeouts=sseor.Timeouts(stall=STALL, first_token=STALL, silence=None),
                parameters=parameters,
            )
            assert server.wait_idle(5)
        check(upstream, outcome, self.on_cut)
        assert outcome.completion is not None
        check_spend(outcome.completion, self.cap)
        if outcome.error is not None:
            check_rest(upstream, outcome.error.partial)


def plain(text: str) -> str:
    """Return a text without what the upstream said beside the truth, which may part a blank that was sent twice."""
    for beside in (OTHER_WORDS, BARE_PREAMBLE):
        while beside in text:
            before, _, after = text.partition(beside)
            text = before + (after[1:] if before[-1:] == after[:1] == " " else after)
    return text


def check_spend(completion: sseor.Completion, cap: int | None) -> None:
    """No request follows when those before it have spent what was allowed."""
    before = completion.generations[:-1]
    spent = sum(
        generation.usage.completion_tokens or 0
        if generation.usage
        else -(-generation.characters // CHARACTERS_PER_TOKEN)
        for generation in before
    )
    assert cap is None or not before or spent < cap


def check_rest(upstream: Upstream, partial: Any) -> None:
    """What is left of a failed answer goes on later, from what a file would hold of it, or is refused with a reason."""
    saved = sseor.Completion.from_dict(json.loads(json.dumps(partial.to_dict())))
    upstream.plans[:] = [{"opening": "exact", "steps": [30], "end": "stop"}]
    with LoopbackServer(upstream) as server, sseor.Client(base_url=server.base_url) as client:
        if not is_blank(saved) and not_continuable(saved):
            with pytest.raises(sseor.errors.ResumeError, match="cannot be continued"):
                client.resume(saved)
            return
        with client.resume(saved) as stream:
            new = "".join(stream.text)
    assert stream.completion.verdict.complete
    assert stream.completion.text == partial.text + new
    if not stream.completion.verdict.doubtful_seams:
        assert plain(stream.completion.text) == TRUTH


def check(upstream: Upstream, outcome: Any, on_cut: str) -> None:
    """Hold the history of a stream against the promise."""
    handed = ""
    for item in outcome.items:
        if isinstance(item, sseor.Restarted):
            handed = ""
        elif isinstance(item, sseor.Text):
            handed += item.delta
    completion = outcome.completion
    doubtful = bool(completion.verdict.doubtful_seams)
    assert TRUTH.startswith(plain(handed)) or doubtful
    assert doubtful or BARE_PREAMBLE not in handed
    assert completion.text == handed or (on_cut == "restart" and outcome.error is not None)
    assert all(TRUTH.startswith(plain(begun)) for begun in upstream.begun) or doubtful
    assert len(upstream.begun) <= ATTEMPTS
    if on_cut == "raise" and not outcome.of(sseor.Retrying) and not outcome.of(sseor.Resumed):
        assert upstream.forms == ["first"]
    if outcome.error is None:
        assert completion.verdict.complete
        assert completion.finish_reason in ("stop", "length")
        assert [item.reason for item in outcome.of(sseor.Finished)] == [completion.finish_reason]
        if completion.finish_reason == "stop" and not doubtful:
            assert plain(handed) == TRUTH
    else:
        assert not outcome.of(sseor.Finished)
        assert outcome.error.partial.text == completion.text


TestMisfortunes = Misfortunes.TestCase
