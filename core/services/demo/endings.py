"""The ways a transaction's story goes, step by step. Each is legal by `core.states` and ends where nothing waits any more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from core.services.policy import Reason
from core.states import Stage, Status, status_of
from core.wire.contract import Outcome, Verb

REVERSAL_ASKED = "The customer paid the wrong account and asked for the money back."
REVERSAL_SENDING = "{biller} is asked to give the payment back."
REVERSAL_DONE = "{biller} gave the payment back."


@dataclass(frozen=True, slots=True)
class Step:
    """One change of stage. `wait`: seconds since the one before, the least and the most.

    `asks`: the step is the answer to a call of this verb (PAY stands for whatever verb carries the transaction out), which came out as `outcome`.
    `by`: whose act it is, `initiator` or `manager`; `system`: nobody's.
    """

    stage: Stage
    reason: str
    wait: tuple[float, float] | None = None
    asks: Verb | None = None
    outcome: Outcome = Outcome.UNKNOWN
    by: str = "system"


@dataclass(frozen=True, eq=False)
class Ending:
    """A whole way, and what a row that went it says of itself."""

    steps: Sequence[Step]

    @cached_property
    def stage(self) -> Stage:
        return self.steps[-1].stage

    @cached_property
    def status(self) -> Status:
        return status_of(self.stage)

    @cached_property
    def processed_with(self) -> int | None:
        """The step with which it was no longer only waiting, as `core.services.moves` keeps it; None: it never was more."""
        return self._first(lambda status: status not in (Status.PENDING, Status.CANCELLED))

    @cached_property
    def completed_with(self) -> int:
        """The first step after which nothing had to happen any more."""
        found = self._first(lambda status: status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.REVERSED))
        return len(self.steps) - 1 if found is None else found

    @cached_property
    def is_refused(self) -> bool:
        return self._came_out(Outcome.REJECTED)

    @cached_property
    def is_with_the_biller(self) -> bool:
        """The biller has it, and a reference of its own for it."""
        return self._came_out(Outcome.CONFIRMED, Outcome.ACCEPTED)

    def _came_out(self, *outcomes: Outcome) -> bool:
        return any(step.asks and step.outcome in outcomes for step in self.steps)

    def _first(self, fits: Callable[[Status], bool]) -> int | None:
        return next((number for number, step in enumerate(self.steps) if fits(status_of(step.stage))), None)


S, O, R = Stage, Outcome, Reason  # noqa: E741 - a table of them reads better so

_QUEUED = Step(S.QUEUED, R.QUEUED, by="initiator")
_SENDING = Step(S.PAY_SENDING, R.SENDING, (0.02, 0.9))
_SENT = (_QUEUED, _SENDING)
_CONFIRMED = Step(S.COMPLETED, R.CONFIRMED, asks=Verb.PAY, outcome=O.CONFIRMED)
_FOUND_OUT = Step(S.COMPLETED, R.CONFIRMED_BY_INQUIRY, (10.0, 11.0), asks=Verb.STATUS, outcome=O.CONFIRMED)

PAID = Ending((*_SENT, _CONFIRMED))
PAID_AFTER_DOUBT = Ending((*_SENT, Step(S.PAY_UNKNOWN, R.UNKNOWN, asks=Verb.PAY, outcome=O.UNKNOWN), _FOUND_OUT))
PAID_LATER = Ending((*_SENT, Step(S.PAY_ACCEPTED, R.ACCEPTED, asks=Verb.PAY, outcome=O.ACCEPTED), _FOUND_OUT))
REFUSED = Ending((*_SENT, Step(S.PAY_REJECTED, R.REJECTED, asks=Verb.PAY, outcome=O.REJECTED), Step(S.FAILED, R.UNPAID)))
EXPIRED = Ending((_QUEUED, Step(S.FAILED, R.EXPIRED, (3_600.0, 3_601.0))))
CANCELLED = Ending((_QUEUED, Step(S.CANCELLED, R.CANCELLED, (8.0, 240.0), by="initiator")))
REVERSED = Ending(
    (
        *PAID.steps,
        Step(S.REVERSAL_REQUESTED, REVERSAL_ASKED, (1_200.0, 90_000.0), by="manager"),
        Step(S.PAY_REVERSAL_SENDING, REVERSAL_SENDING, (0.1, 1.5)),
        Step(S.REVERSED, REVERSAL_DONE, asks=Verb.REVERSE, outcome=O.CONFIRMED),
    )
)

_ASKING = Step(S.ASKING, R.LOOKUP_ASKING, (0.02, 0.4))
ANSWERED = Ending((_ASKING, Step(S.COMPLETED, R.LOOKUP_ANSWERED, asks=Verb.LOOKUP, outcome=O.CONFIRMED)))
NOT_ANSWERED = Ending((_ASKING, Step(S.FAILED, R.LOOKUP_REFUSED, asks=Verb.LOOKUP, outcome=O.REJECTED)))

ENDINGS: Sequence[Ending] = (PAID, PAID_AFTER_DOUBT, PAID_LATER, REFUSED, EXPIRED, CANCELLED, REVERSED)
ENDINGS_OF_QUESTIONS: Sequence[Ending] = (ANSWERED, NOT_ANSWERED)
