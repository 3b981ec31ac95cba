"""`sseor.stream.settling`: the script that asks for a record, its steps answered by hand at invented times."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from stages import EXPIRY, SECRET, with_settings

from sseor.chat import CompletedChoice, Completion, Generation, Usage, Verdict
from sseor.errors import ConfigError, ConnectError, MisuseError, ProtocolError, SseorError, StatusError
from sseor.stream import Expired, Failed, Head, Open, Pause, Read, Settlement, Timeouts
from sseor.stream.settling import ASK_SECONDS, PATIENCE, Settling

RECORD: dict[str, Any] = {"total_cost": 0.25, "native_tokens_prompt": 1, "native_tokens_completion": 2}
NOT_YET: tuple[int, dict[str, str], bytes] = (404, {}, b'{"error":{"code":404,"message":"not found"}}')
CUT = Completion([CompletedChoice(text="Low water")], generation_id="gen-1", provider="Groq")
START = 1000.0


def found(**fields: Any) -> tuple[int, dict[str, str], bytes]:
    """Return the answer with a record."""
    return 200, {}, json.dumps({"data": RECORD | fields}).encode()


class Office:
    """Plays shell and server: answers each request with the next prepared answer, the last one for ever."""

    def __init__(self, *answers: Any, tick: float = 0.0) -> None:
        self.answers = list(answers)
        self.now = START
        self.tick = tick
        self.asked: list[float] = []
        self.opened: list[Open] = []

    def settle(self, what: Any, patience: float = PATIENCE, **settings: Any) -> Settlement:
        """Drive a script to its end."""
        script = Settling(what, patience, with_settings(**settings)).run(self.now)
        try:
            step = next(script)
            while True:
                assert not isinstance(step, Read)
                step = self._exchange(script, step) if isinstance(step, Open) else self._pause(script, step)
        except StopIteration as end:
            result: Settlement = end.value
            return result

    @property
    def times(self) -> list[float]:
        """When it was asked, in seconds since the start."""
        return [moment - START for moment in self.asked]

    def _pause(self, script: Any, step: Pause) -> Any:
        assert step.until > self.now
        self.now = step.until
        return script.send(self.now)

    def _exchange(self, script: Any, step: Open) -> Any:
        self.asked.append(self.now)
        self.opened.append(step)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is EXPIRY:
            self.now = step.deadline
            return script.throw(Expired(self.now))
        self.now += self.tick
        if isinstance(answer, SseorError):
            return script.throw(Failed(answer, self.now))
        status, headers, body = answer
        step = script.send(Head(status, headers, self.now, 1795348800.0))
        while isinstance(step, Read):
            piece, body = body[:1000], body[1000:]
            if body == b"stall" and not piece:
                self.now = step.deadline
                return script.throw(Expired(self.now))
            step = script.send((piece, self.now))
        return step


def test_a_finished_answer_with_usage_needs_no_request() -> None:
    """It is final at once."""
    office = Office(NOT_YET)
    usage = Usage({"cost": 0.5})
    settlement = office.settle(Completion(usage=usage, verdict=Verdict(saw_finish=True)))
    assert (settlement.label, settlement.cost, office.asked) == ("final", 0.5, [])


def test_the_record_is_asked_for_by_its_id() -> None:
    """One GET of the generation's route, the id quoted, bounded in connection and time."""
    office = Office(found())
    settlement = office.settle("gen-1/&?x", timeouts=Timeouts(connect=7))
    assert (settlement.label, settlement.cost) == ("settled", 0.25)
    (step,) = office.opened
    assert (step.body, step.path) == (None, "/generation?id=gen-1%2F%26%3Fx")
    assert (step.connect, step.deadline) == (7, START + ASK_SECONDS)


def test_not_found_means_not_yet() -> None:
    """It is asked after 2, 5, 15 and 60 seconds, then every three minutes, and a last time when patience ends."""
    office = Office(NOT_YET)
    settlement = office.settle(CUT)
    assert office.times == [0, 2, 7, 22, 82, 262, 442, 600]
    assert settlement.label == "estimated"
    assert settlement.usage == Usage({"completion_tokens": 3})
    assert settlement.reason == "the server has no record of it yet"
    assert settlement.warning.startswith("Groq does not stop")


def test_a_record_that_appears_late() -> None:
    """After fifty minutes of 404 the figures are still found by whoever waits that long."""
    office = Office(*[NOT_YET] * 21, found(provider_name="Groq"))
    settlement = office.settle(CUT, patience=3600)
    assert settlement.label == "settled"
    assert 3000 < office.times[-1] < 3600


def test_patience_of_nothing_asks_once() -> None:
    """With 0 there is one request and no pause."""
    office = Office(NOT_YET)
    assert office.settle("gen-1", patience=0).label == "unknown"
    assert office.times == [0]


@pytest.mark.parametrize(
    "passing",
    [
        (429, {}, b""),
        (500, {}, b"oops"),
        (503, {}, b"{}"),
        (402, {"retry-after": "1"}, b""),
        (204, {}, b""),
        ConnectError("refused"),
        EXPIRY,
        (200, {}, b"stall"),
    ],
)
def test_what_may_pass_is_asked_again(passing: Any) -> None:
    """Full servers, failing ones and lost connections cost a round, not the answer."""
    office = Office(passing, found())
    assert office.settle("gen-1").label == "settled"
    assert len(office.asked) == 2


def test_what_did_not_pass_is_the_reason() -> None:
    """When patience ends in failures, the last one is told."""
    settlement = Office((503, {}, b'{"error":{"message":"down"}}')).settle(CUT, patience=5)
    assert settlement.label == "estimated"
    assert settlement.reason == "asking for its record failed: no provider is available now (HTTP 503): down"


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 405])
def test_a_refusal_is_raised_at_once(status: int) -> None:
    """What asking again cannot cure is an error, with the generation's id and without the key."""
    key = "a-key-of-another-form"
    office = Office((status, {}, f'{{"error":{{"message":"not with {key}"}}}}'.encode()))
    with pytest.raises(StatusError) as caught:
        office.settle("gen-1", secret=key)
    assert (caught.value.status, caught.value.generation_id) == (status, "gen-1")
    assert key not in f"{caught.value} {caught.value!r} {vars(caught.value)}"
    assert len(office.asked) == 1


def test_a_failure_that_stays_is_raised() -> None:
    """A client that was closed, or TLS that is not trusted, does not pass."""
    for error in (MisuseError("closed"), ConnectError("TLS failed", retryable=False)):
        with pytest.raises(type(error)):
            Office(error).settle("gen-1")


def test_retry_after_is_honoured() -> None:
    """A wait that the server asks for is kept when it is longer than the schedule's, and only for that round."""
    office = Office((429, {"retry-after": "40"}, b""), (503, {"retry-after": "1"}, b""), NOT_YET, found())
    assert office.settle("gen-1").label == "settled"
    assert office.times == [0, 40, 45, 60]


def test_a_wait_beyond_the_patience_is_not_begun() -> None:
    """There is nothing to wait for then; the reason tells the number."""
    office = Office((429, {"retry-after": "900"}, b""))
    settlement = office.settle("gen-1")
    assert office.now == START
    assert settlement.reason.endswith("; it asks for a wait of 900 s")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'{"data":null}', b'{"data":{"id":"gen-2"}}', b'{"data":{"total_cost":NaN}}'],
)
def test_an_answer_without_a_record_is_none(body: bytes) -> None:
    """Anything else than a record of this generation is asked again, and then told."""
    office = Office((200, {}, body))
    settlement = office.settle("gen-1", patience=2)
    assert (settlement.label, settlement.reason) == ("unknown", "the server's answer held no record of it")
    assert len(office.asked) == 2


def test_an_endless_answer_is_cut() -> None:
    """Not more than a megabyte is read, inflated or not."""
    for body, headers in (
        (b"x" * (3 << 20), {}),
        (gzip.compress(b"x" * (3 << 20)), {"content-encoding": "gzip"}),
    ):
        settlement = Office((200, headers, body)).settle("gen-1", patience=0)
        assert settlement.label == "unknown"


def test_a_compressed_answer_is_read() -> None:
    """A server that compresses unasked is understood; a coding that was never heard of is an error."""
    status, _, body = found()
    office = Office((status, {"content-encoding": "gzip"}, gzip.compress(body)))
    assert office.settle("gen-1").label == "settled"
    with pytest.raises(ProtocolError):
        Office((status, {"content-encoding": "br"}, body)).settle("gen-1")


def test_requests_that_take_their_time_count_against_patience() -> None:
    """No request is begun after patience has ended, and each has a limit of its own."""
    office = Office(EXPIRY)
    settlement = office.settle("gen-1", patience=60)
    assert office.times == [0, 32]
    assert office.now == START + 2 * 30 + 2
    assert "no answer for 30.0 s" in settlement.reason


def test_an_answer_without_an_id_is_estimated_at_once() -> None:
    """There is nothing to ask for, nor for an id that no server gives."""
    for generation_id in (None, "", "x" * 300, "gen\n1"):
        office = Office(NOT_YET)
        settlement = office.settle(Completion(CUT.choices, generation_id=generation_id))
        assert (settlement.label, office.asked) == ("estimated", [])
        assert settlement.reason == "the stream had no generation id"
    assert "provider is not known" in settlement.warning


@pytest.mark.parametrize("what", [None, 5, "", " \n", "gen-1\r\nX: y", "é", "x" * 300, SECRET, f"x{SECRET}"])
def test_what_is_no_generation_id(what: Any) -> None:
    """Anything else than an id or an answer, the API key above all, is refused before any network."""
    with pytest.raises(ConfigError) as caught:
        Settling(what, 0, with_settings())
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("patience", [-1, float("nan"), float("inf"), "5", None, True])
def test_what_is_no_patience(patience: Any) -> None:
    """Patience has an end."""
    with pytest.raises(ConfigError, match="patience"):
        Settling("gen-1", patience, with_settings())


def test_several_generations_are_asked_for_in_rounds() -> None:
    """Each round asks for those without a record, within one patience; the sum is labelled by the least sure."""
    generations = [
        Generation("gen-1", provider="Groq", characters=8, error="StallError: …"),
        Generation("gen-2", usage=Usage({"cost": 0.5, "completion_tokens": 3}), finish_reason="length"),
        Generation("gen-3", characters=4, error="StallError: …"),
    ]
    cut = Completion(CUT.choices, generation_id="gen-3", generations=generations)
    office = Office(NOT_YET, found(), found())
    settlement = office.settle(cut)
    assert [step.path[-5:] for step in office.opened] == ["gen-1", "gen-3", "gen-1"]
    assert [part.label for part in settlement.generations] == ["settled", "final", "settled"]
    assert (settlement.label, settlement.cost) == ("settled", 1.0)
    office = Office(found(), NOT_YET)
    settlement = office.settle(cut, patience=2)
    assert [part.label for part in settlement.generations] == ["settled", "final", "estimated"]
    assert (settlement.label, settlement.cost) == ("estimated", None)
    assert settlement.usage == Usage({"completion_tokens": 6})
