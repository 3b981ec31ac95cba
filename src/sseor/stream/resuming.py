"""Which request of a stream is the next one, if any: the same again, a new beginning, or a continuation.

Before the first token a transient failure is tried again. After it `on_cut` decides, and an answer that stopped at the
length limit goes on while `continue_on_length` allows it. Requests that bring text start the count of attempts anew,
within the caps of the retry policy.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sseor.chat import Completion, Finished, Restarted, Resumed
from sseor.chat.continuation import Form, continued, form_for, is_blank, not_continuable, refuses_prefill
from sseor.chat.generation import Generation
from sseor.chat.request import ChatRequest
from sseor.chat.seam import Seam
from sseor.errors import DeadlineError, GenerationError, ResumeError, SseorError, StatusError

from .attempt import Attempt
from .settings import Settings
from .splice import Splice

CHARACTERS_PER_TOKEN = 4
"""What an answer without usage is counted by; English text has four to five."""


@dataclass(frozen=True, slots=True)
class Next:
    """The next request of a stream: its body, how its answer is joined, and when and why it is sent."""

    body: bytes
    splice: Splice | None = None
    wait: float = 0.0
    cause: SseorError | None = None


class Recovery:
    """What the requests of a stream have left so far, and the decision about the next one.

    `generations` lists what ran. `not_continued` says why an answer at its length limit was left there, and `final` is
    that answer when it was tried.
    """

    def __init__(self, request: ChatRequest, settings: Settings, before: Completion | None = None) -> None:
        self.generations: list[Generation] = [] if before is None else list(before.generations)
        self.not_continued = ""
        self.final: Completion | None = None
        self.withheld: list[Finished] = []
        self._request = request
        self._settings = settings
        self._before = None if before is None or is_blank(before) else before
        self._form: Form | None = None if self._before is None else self._known_form()
        self._cut: SseorError | None = None
        self._requests = len(self.generations)
        self._lengths = 0
        self._fruitless = 0
        self._failures: Counter[tuple[type, str]] = Counter()

    def first(self) -> Next:
        """Return the first request."""
        return self._next(0.0, None)

    def after_end(self, attempt: Attempt) -> Next | None:
        """Return the request that continues an answer at its length limit; None when the stream is over."""
        own = self._note(attempt, None)
        self.withheld = []
        if attempt.splice is None or not attempt.splice.withheld:
            return None
        whole = attempt.whole(own)
        self.withheld = attempt.splice.withheld
        self.not_continued = not_continuable(whole) or self._over_a_cap() or ""
        if self.not_continued:
            return None
        self._lengths += 1
        self._go_on_from(whole, None)
        return self._next(0.0, None)

    def after_failure(self, attempt: Attempt, error: SseorError, left: float) -> Next | SseorError | None:
        """Return the next request, or how the stream fails; None when it ends well without what was asked for.

        `left` is what remains of the `total` budget, in seconds.
        """
        own = self._note(attempt, error)
        splice = attempt.splice
        if splice is not None and splice.continues and not splice.shown:
            return self._after_fruitless_continuation(error, left)
        if not attempt.brought_something:
            return self._retry(error, left) or error
        if self._settings.on_cut == "raise" or not error.retryable:
            return error
        if self._settings.on_cut == "restart":
            return self._restart(attempt.whole(own), error, left) or error
        return self._resume(attempt.whole(own), error, left)

    def _after_fruitless_continuation(self, error: SseorError, left: float) -> Next | SseorError | None:
        if self._form == "prefill" and (isinstance(error, ResumeError) or _speaks_of_prefill(error)):
            self._form = self._settings.learned_forms[self._request.model] = "instruction"
            if not self._over_a_cap():
                return self._next(0.0, error)
        again = None if self._over_a_cap() else self._retry(error, left)
        if again is not None:
            return again
        if self._cut is None and self._lengths:
            self.final = self._before
            self.not_continued = f"the request to continue failed: {error.detail}"
            return None
        return (
            error if error.retryable or isinstance(error, (ResumeError, DeadlineError)) else _refusal(error)
        )

    def _retry(self, error: SseorError, left: float) -> Next | None:
        wait = self._wait(error, left)
        return None if wait is None else self._next(wait, error)

    def _restart(self, whole: Completion, error: SseorError, left: float) -> Next | None:
        wait = self._wait(error, left)
        if wait is None or self._over_a_cap():
            return None
        self._before, self._cut = whole, error
        self._form, self._lengths = None, 0
        return self._next(wait, error)

    def _resume(self, whole: Completion, error: SseorError, left: float) -> Next | SseorError:
        why_not = not_continuable(whole) or self._over_a_cap()
        if why_not:
            refusal = ResumeError(f"the answer was cut and cannot be continued: {why_not}")
            refusal.__cause__ = error
            return refusal
        self._fruitless = 1
        self._failures.clear()
        wait = self._wait(error, left)
        if wait is None:
            return error
        self._go_on_from(whole, error)
        return self._next(wait, error)

    def _go_on_from(self, whole: Completion, cut: SseorError | None) -> None:
        self._before, self._cut = whole, cut
        self._form = self._known_form()
        self._fruitless = 0
        self._failures.clear()

    def _next(self, wait: float, cause: SseorError | None) -> Next:
        self._requests += 1
        self._fruitless += 1
        holds_length = self._settings.continue_on_length > self._lengths
        if self._before is None:
            return Next(self._request.body, Splice(holds_length=True) if holds_length else None, wait, cause)
        if self._form is None:
            assert self._cut is not None, "only a cut answer begins again"
            notice = Restarted(self._requests, self._cut)
            splice = Splice(self._before, None, notice, holds_length=holds_length)
            return Next(self._within_the_cap(self._request).body, splice, wait, cause)
        request, sent = continued(self._request, self._before, self._form)
        splice = Splice(
            self._before,
            Seam(self._before.text, sent, self._form),
            Resumed(self._requests, self._cut),
            holds_length=holds_length,
        )
        return Next(self._within_the_cap(request).body, splice, wait, cause)

    def _known_form(self) -> Form:
        model = self._request.model
        return self._settings.learned_forms.get(model) or form_for(model, self._request.fields)

    def _wait(self, error: SseorError, left: float) -> float | None:
        """Return the wait that the policy grants after this failure, if time and budget allow another request."""
        if self._requests >= self._settings.retries.max_attempts:
            return None
        kind = (type(error), getattr(error, "timer", ""))
        wait = self._settings.retries.wait(error, self._fruitless, self._failures[kind])
        self._failures[kind] += 1
        return wait if wait is not None and wait < left else None

    def _over_a_cap(self) -> str | None:
        policy = self._settings.retries
        if self._requests >= policy.max_attempts:
            return f"{self._requests} requests were sent, as many as max_attempts allows"
        if policy.max_output_tokens is not None and self._tokens() >= policy.max_output_tokens:
            return f"about {self._tokens()} tokens were generated, max_output_tokens is {policy.max_output_tokens}"
        cost = sum(generation.usage.cost or 0.0 for generation in self.generations if generation.usage)
        if policy.max_cost is not None and cost >= policy.max_cost:
            return f"{cost:g} US dollars were spent, max_cost is {policy.max_cost:g}"
        return None

    def _tokens(self) -> int:
        """Return the output tokens of all generations, estimated where the provider reported none."""
        return sum(
            generation.usage.completion_tokens or 0
            if generation.usage is not None
            else -(-generation.characters // CHARACTERS_PER_TOKEN)
            for generation in self.generations
        )

    def _within_the_cap(self, request: ChatRequest) -> ChatRequest:
        """Return the request with its own limit lowered to what `max_output_tokens` leaves."""
        cap = self._settings.retries.max_output_tokens
        if cap is None:
            return request
        name = "max_completion_tokens" if request.fields.get("max_completion_tokens") else "max_tokens"
        left = max(1, cap - self._tokens())
        return ChatRequest.from_dict({**request.fields, name: min(request.fields.get(name) or left, left)})

    def _note(self, attempt: Attempt, error: SseorError | None) -> Completion:
        """Add what this request ran to the list of generations, and return what it brought."""
        own = attempt.own
        self.generations += generation_of(own, error)
        return own


def generation_of(own: Completion, error: SseorError | None) -> list[Generation]:
    """Return what ran at the provider for one request, and what ended it; [] when nothing is known to have run."""
    if own.generation_id is None and not own.choices:
        return []
    return [Generation.of(own, error)]


def _speaks_of_prefill(error: SseorError) -> bool:
    if isinstance(error, StatusError):
        return refuses_prefill(error.status, f"{error.message} {error.body}", error.code)
    return isinstance(error, GenerationError) and refuses_prefill(None, error.message, error.code)


def _refusal(error: SseorError) -> ResumeError:
    refusal = ResumeError(f"the request to continue failed: {error.detail}")
    refusal.__cause__ = error
    return refusal
