"""A state machine writes an upstream's misfortunes down, and a stream on real sockets has to survive them.

The upstream knows one truth and tells it piece by piece: with comments, pauses, cuts, stalls, failures, refusals,
repeated words, preambles, and answers that start over. Whatever it does, what the caller was handed is a beginning of
the truth, each character once; success comes with a finish reason only; and no more is spent than was allowed.
"""

from __future__ import annotations

import threading
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from shells import SHELLS, read

import sseor
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
POLICY = sseor.RetryPolicy(attempts=3, base=0.0, max_attempts=8)

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
OPENINGS = ("exact", "repeat", "over", "preamble", "other", "refuse", "refuse in stream", "busy")


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
    at = len(begun)
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
    )
    def begin(self, shell: str, on_cut: str, continues: int) -> None:
        """Choose who reads, and what is asked for."""
        self.shell, self.on_cut, self.continues = shell, on_cut, continues
        self.plans: list[dict[str, Any]] = []

    @rule(opening=st.sampled_from(OPENINGS), steps=STEPS, end=st.sampled_from(list(ENDS)))
    def misfortune(self, opening: str, steps: list[Any], end: str) -> None:
        """Let an answer begin in some way, tell a part of the truth, and break."""
        self.plans.append({"opening": opening, "steps": steps, "end": end})

    @rule(
        opening=st.sampled_from(["exact", "repeat", "over", "preamble"]),
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
        with LoopbackServer(upstream) as server:
            outcome = read(
                self.shell,
                server.base_url,
                retries=POLICY,
                timeouts=sseor.Timeouts(stall=STALL, first_token=STALL, silence=None),
                parameters=parameters,
            )
            assert server.wait_idle(5)
        check(upstream, outcome, self.on_cut)


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
    assert TRUTH.startswith(handed) or doubtful
    assert completion.text == handed or (on_cut == "restart" and outcome.error is not None)
    assert all(TRUTH.startswith(begun) for begun in upstream.begun) or doubtful
    assert len(upstream.begun) <= POLICY.max_attempts
    if on_cut == "raise" and not outcome.of(sseor.Retrying) and not outcome.of(sseor.Resumed):
        assert upstream.forms == ["first"]
    if outcome.error is None:
        assert completion.verdict.complete
        assert completion.finish_reason in ("stop", "length")
        assert [item.reason for item in outcome.of(sseor.Finished)] == [completion.finish_reason]
        if completion.finish_reason == "stop" and not doubtful:
            assert handed == TRUTH
    else:
        assert not outcome.of(sseor.Finished)
        assert outcome.error.partial.text == completion.text


TestMisfortunes = Misfortunes.TestCase
