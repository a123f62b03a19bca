"""The machine: what operators, workers, billers, the clock and administrators may do, one step at a time, in any order.

No rule asks what state the world is in before it draws: it draws numbers, and takes of what is there the one they come to. So a life is repeated
by its numbers alone, however the machine's clock and the sandbox's threads fell, and Hypothesis can cut it down.
"""

import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import FunctionType
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.errors import StopTest
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core import clock
from core.errors import BillersError, NotLegalNow
from core.sandbox.faults import DRAWN
from core.services import approvals, payments
from core.services.errands import Errand, Result
from core.services.payments import AlreadyInFlight, DuplicateSuspected
from core.wire.contract import Outcome
from tests.campaign import oracle
from tests.matrix.town import TNM, new_account
from tests.state_machine.counter import BANK, BILLERS, BY_CODE, LATE_SECONDS, OWN_WAYS, OWN_WAYS_AT_THE_BANK, Biller, Claim, Counter, Counters
from tests.state_machine.promises import ENDED, RESTS, REVIEWED, Seen, broken, shows
from tests.world import proven

T = TypeVar("T")

AMOUNTS = ("100.00", "5475.50", "12850.25")
HOLDERS = ("worker one", "worker two")

# Simplest first: that is what a failing life is cut down to.
SILENT = ("act_then_close", "close_on_accept", "act_late", "act_then_hang", "hang_without_acting")
FAULTS = (*SILENT, *(fault for fault in DRAWN if fault not in SILENT))
# "Paid, with another amount" sends an inquiry's row to two people by design (rule 7): that ends a life early, and has tests of its own. The others
# are a matter of payments only.
NOT_OF_AN_INQUIRY = ("wrong_amount", "act_late", "accepted_then_done")


class End(Enum):
    """How far a worker comes."""

    CONCLUDES = "concludes"
    HOLDS_THE_ANSWER = "holds the answer"
    HOLDS_THE_CLAIM = "holds the claim"
    DIES_AFTER_THE_CALL = "dies after the call"
    DIES_BEFORE_THE_CALL = "dies before the call"


# Half of the workers come to the end.
ENDS = (End.CONCLUDES, End.HOLDS_THE_ANSWER, End.HOLDS_THE_CLAIM, End.DIES_AFTER_THE_CALL, End.DIES_BEFORE_THE_CALL, End.CONCLUDES, End.CONCLUDES)

# A moment; past a lease; nearly a biller's longest; past the quiet window of one that states its longest, and of one that does not; past the
# expiry; past the last inquiry.
SPANS = (1.0, 11.0, 40.0, 130.0, 16 * 60.0, 61 * 60.0, 25 * 3600.0)
# How long acts that come late may be outstanding while the clock is set forward: well within what their biller calls its longest.
LATE_ACTS_WAIT = 45.0

# More of them say nothing more, and take their time to settle.
MOST_BILLS = 8

some = st.integers(0, 11)
holders = st.sampled_from(HOLDERS)
# A quarter of the calls that might go wrong do not.
faults = st.sampled_from((*[None] * (len(FAULTS) // 3), *FAULTS))
ends = st.sampled_from(ENDS)


@dataclass
class Bill:
    """A draft, and what became of it."""

    draft: uuid.UUID
    biller: Biller
    account: str
    amount: str
    debited: str
    paid_by: uuid.UUID | None = None


@dataclass
class Known:
    """A transaction that an operator was told of."""

    id: uuid.UUID
    biller: Biller
    account: str
    amount: str
    debited: str
    retried_as: uuid.UUID | None = None


@dataclass
class Life:
    """What one life has made and holds."""

    bills: list[Bill] = field(default_factory=list)
    made: list[Known] = field(default_factory=list)
    accounts: dict[tuple[str, int], str] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    # Calls that came home and are not concluded; and those that were, to be concluded a second time.
    results: list[Result] = field(default_factory=list)
    concluded: list[Result] = field(default_factory=list)
    off: set[str] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)
    # References that somebody has accepted, and may not have decided about yet: no statement is final about them.
    undecided: set[str] = field(default_factory=set)
    has_late_acts: bool = False
    seconds_since_late: float = 0.0


class Machine(RuleBasedStateMachine):
    def __init__(self, counters: Counters) -> None:
        super().__init__()
        self._counters = counters
        self.counter: Counter = counters.next()
        # Until it has come to its end: whoever lives next must not be judged by it.
        self.counter.is_spoilt = True
        self.life = Life()
        self.seen: dict[uuid.UUID, Seen] = {}
        self.counter.tidy()

    def tell(self, what: str) -> None:
        self._counters.tally[what] += 1

    # ---- Operators

    @initialize(billers=st.tuples(some, some, some), meets=st.tuples(faults, faults, faults), ends=st.tuples(ends, ends, ends))
    def begin(self, billers: tuple[int, ...], meets: tuple[str | None, ...], ends: tuple[End, ...]) -> None:
        """Three payments are under way."""
        for number, (biller, fault, end) in enumerate(zip(billers, meets, ends, strict=True)):
            self.pay(biller, account=number, amount=0, debited=0, sure=True)
            self.every_status_keeps_its_promise()
            self._work("debit" if _nth(BILLERS, biller).is_debited else "send", HOLDERS[0], 1, fault, end)

    @rule(biller=some, account=st.integers(0, 3), amount=some, debited=st.integers(0, 15), sure=st.booleans(), clicks=st.integers(0, 2))
    def pay(self, biller: int, account: int, amount: int, debited: int, sure: bool, clicks: int = 1) -> None:
        """From the review step to the click: a double one, or none yet. There may be a draft, or a payment, of the same bill already."""
        if len(self.life.bills) >= MOST_BILLS:
            return
        chosen = _nth(BILLERS, biller)
        number = self._account(chosen, account, amount)
        # A bundle costs what it costs.
        text = self.counter.price_of(chosen) if chosen.code == TNM else _nth(AMOUNTS, amount)
        account_at_the_bank = self._account_at_the_bank(debited)
        draft = self.counter.draft_of(chosen, number, text, account_at_the_bank)
        self.life.bills.append(Bill(draft, chosen, number, text, account_at_the_bank))
        for _ in range(clicks):
            self.click(len(self.life.bills) - 1, sure)

    def _account(self, biller: Biller, account: int, way: int) -> str:
        """One of the life's own, which simply pay; or one that is known for its way to be paid."""
        if account == 3 and biller.code != TNM:
            return _nth(OWN_WAYS, way)
        return self.life.accounts.setdefault((biller.code, account), new_account(biller.code))

    def _account_at_the_bank(self, debited: int) -> str:
        """Ten numbers of thousands that are debited at once; or one that is known for something else."""
        numbers = (*OWN_WAYS_AT_THE_BANK, *(f"29{self.counter.lives:08d}" for _ in range(6)))
        return numbers[-1 - debited]

    @rule(bill=some, sure=st.booleans())
    def click(self, bill: int, sure: bool) -> None:
        """The Pay button of one draft, whether it was clicked before or not."""
        chosen = _nth(self.life.bills, bill)
        try:
            made = payments.submit(self.counter.operator, chosen.draft, "It is meant." if sure else None)
        except BillersError as refused:
            self._is_rightly_refused(chosen, refused, sure)
            return
        if chosen.paid_by is not None:
            assert made.already, "A draft that was paid was paid again."
            assert made.transaction_id == chosen.paid_by, "A draft became two transactions."
            self.tell("clicked again")
            return
        assert not made.already, "A draft that nobody had paid was paid."
        assert not self._in_flight(chosen.biller, chosen.account), "Two payments of one account are in flight."
        chosen.paid_by = made.transaction_id
        self.counter.promised[chosen.draft] = made.transaction_id
        self.life.made.append(Known(made.transaction_id, chosen.biller, chosen.account, chosen.amount, chosen.debited))
        self.tell("paid")

    def _is_rightly_refused(self, bill: Bill, refused: BillersError, sure: bool) -> None:
        assert bill.paid_by is None, f"A draft that was paid before was refused: {refused.sentence}"
        self.tell(f"refused: {type(refused).__name__}")
        if bill.biller.code in self.life.off | self.life.paused:
            return
        # Accounts with a way of their own are the same in every life: one before this may have paid there.
        elsewhere = bill.account in OWN_WAYS
        same = [one for one in self.life.made if (one.biller, one.account) == (bill.biller, bill.account)]
        if isinstance(refused, AlreadyInFlight):
            assert elsewhere or self._in_flight(bill.biller, bill.account), refused.sentence
        else:
            assert isinstance(refused, DuplicateSuspected), refused.sentence
            assert not sure, "It was said to be meant."
            assert elsewhere or any(self.seen[one.id].status not in ENDED for one in same), refused.sentence

    def _in_flight(self, biller: Biller, account: str) -> list[Known]:
        same = [one for one in self.life.made if (one.biller, one.account) == (biller, account)]
        return [one for one in same if self.seen[one.id].status in ("PENDING", "PROCESSING") and self.seen[one.id].stage != "AWAITING_APPROVAL"]

    @rule(payment=some, what=st.sampled_from(("look", "cancel", "retry")))
    def meddle(self, payment: int, what: str) -> None:
        """Somebody opens a payment, and does what its page has buttons for, whether they are on or off."""
        chosen = _nth_or_none(self.life.made, payment)
        if chosen is not None:
            {"look": self._check, "cancel": self._cancel, "retry": self._retry}[what](chosen, self.seen[chosen.id])

    def _check(self, payment: Known, was: Seen) -> None:
        if payments.check_now(self.counter.manager, payment.id):
            self.tell("hurried")

    def _cancel(self, payment: Known, was: Seen) -> None:
        try:
            payments.cancel(self.counter.operator, payment.id)
        except NotLegalNow:
            assert was.status != "PENDING", "What was not sent can be cancelled."
            return
        assert was.status == "PENDING", f"{was.stage} was cancelled."
        self.tell("cancelled")

    def _retry(self, payment: Known, was: Seen) -> None:
        """Twice, as two operators would."""
        try:
            made = payments.retry(self.counter.operator, payment.id, "It is meant.")
            again = payments.retry(self.counter.manager, payment.id, "It is meant.")
        except BillersError as refused:
            self._is_rightly_not_retried(payment, was, refused)
            return
        assert was.status in ENDED, f"{was.stage} was retried."
        assert made.transaction_id == again.transaction_id, "Two retries made two children."
        if payment.retried_as is None:
            payment.retried_as = made.transaction_id
            self.life.made.append(Known(made.transaction_id, payment.biller, payment.account, payment.amount, payment.debited))
            self.tell("retried")
        assert payment.retried_as == made.transaction_id, "A payment was retried twice."

    def _is_rightly_not_retried(self, payment: Known, was: Seen, refused: BillersError) -> None:
        allowed = was.status in ENDED and payment.biller.code not in self.life.off | self.life.paused
        assert not allowed or isinstance(refused, AlreadyInFlight), refused.sentence

    # ---- Workers, and the billers they call

    @rule(holder=holders, most=st.integers(1, 3), fault=faults, end=ends)
    def send(self, holder: str, most: int, fault: str | None, end: End) -> None:
        """A worker takes what is to be sent to billers, and comes as far as `end`. The first of its calls meets `fault`."""
        self._work("send", holder, most, fault, end)

    @rule(holder=holders, most=st.integers(1, 3), fault=faults, end=ends)
    def debit(self, holder: str, most: int, fault: str | None, end: End) -> None:
        self._work("debit", holder, most, fault, end)

    @rule(holder=holders, most=st.integers(1, 3), fault=faults, end=ends, lane=st.sampled_from(("inquire", "inquire of the bank")), patient=st.booleans())
    def inquire(self, holder: str, most: int, fault: str | None, end: End, lane: str, patient: bool) -> None:
        """A patient one comes when somebody is to be asked."""
        if patient:
            self.wait_until_something_is_due(swept=True)
        self._work(lane, holder, most, fault, end)

    @rule(holder=holders, most=st.integers(1, 3), fault=faults, end=ends, lane=st.sampled_from(("return", "take back")))
    def give_back(self, holder: str, most: int, fault: str | None, end: End, lane: str) -> None:
        self._work(lane, holder, most, fault, end)

    @rule(claim=some, fault=faults, end=ends)
    def go_on(self, claim: int, fault: str | None, end: End) -> None:
        """A worker that held a claim for a while, and perhaps for too long, goes on with it."""
        if self.life.claims:
            self.tell("went on with a claim")
            self._go_on([self.life.claims.pop(claim % len(self.life.claims))], fault, end)

    def _work(self, lane: str, holder: str, most: int, fault: str | None, end: End) -> None:
        claims = self.counter.claim(lane, holder, most)
        self._go_on(claims, fault, end)

    def _go_on(self, claims: list[Claim], fault: str | None, end: End) -> None:
        if end is End.HOLDS_THE_CLAIM:
            self.life.claims += claims
        elif end is End.DIES_BEFORE_THE_CALL:
            self._counters.tally["killed"] += len(claims)
        else:
            results = [self._sent(claim, None if number else fault) for number, claim in enumerate(claims)]
            if end is End.CONCLUDES:
                self._conclude(results)
            elif end is End.HOLDS_THE_ANSWER:
                self.life.results += results
            else:
                self._counters.tally["killed"] += len(results)

    def _sent(self, claim: Claim, fault: str | None = None) -> Result:
        if fault is not None:
            self._order(claim.errand, fault)
        result = self.counter.send(claim)
        done = "asked" if claim.errand.is_inquiry else "sent"
        self.tell(done)
        self.tell(f"{done}: {claim.errand.leg} {result.outcome}")
        if not claim.errand.is_inquiry and result.outcome is Outcome.UNKNOWN:
            self.tell("sent, and no answer")
        return result

    def _order(self, errand: Errand, fault: str) -> None:
        """The next answer to this very call goes wrong."""
        if errand.is_inquiry and fault in NOT_OF_AN_INQUIRY:
            return
        late = {"seconds": LATE_SECONDS} if fault == "act_late" else {}
        if late:
            self._late_acts_come()
            self.life.has_late_acts = True
        of_the_bank = errand.party.code not in BY_CODE
        operation = (BANK if of_the_bank else BY_CODE[errand.party.code].operations)[errand.verb.value]
        # A reversal at the bank names a transfer's id, and no reference.
        reference = None if of_the_bank and operation == BANK["reverse"] else errand.reference
        self.counter.sandbox.next(fault, operation, biller=errand.party.code, reference=reference, **late)
        if fault == "accepted_then_done":
            self.life.undecided.add(errand.reference)
        self.tell("met a fault")
        self.tell(f"fault {fault}")

    @rule(result=some, how_many=st.integers(1, 3))
    def conclude(self, result: int, how_many: int) -> None:
        """What came home a while ago, and perhaps too late; of several workers in one unit of work."""
        chosen = [self.life.results.pop(result % len(self.life.results)) for _ in range(min(how_many, len(self.life.results)))]
        self._conclude(chosen)
        self._counters.tally["concluded later"] += len(chosen)

    @rule(result=some)
    def conclude_again(self, result: int) -> None:
        """A worker whose commit was answered by nothing says it once more."""
        if (chosen := _nth_or_none(self.life.concluded, result)) is not None:
            self.counter.conclude([chosen])
            self.tell("concluded twice")

    def _conclude(self, results: Sequence[Result]) -> None:
        self.counter.conclude(results)
        self.life.concluded += results

    # ---- Administrators and managers

    @rule(payment=some)
    def want_it_back(self, payment: int) -> None:
        """Two people agree that a completed payment be given back."""
        completed = [one for one in self.life.made if self.seen[one.id].stage == "COMPLETED"]
        can_be = [one for one in completed if "reverse" in one.biller.operations]
        chosen = _nth_or_none(can_be or completed, payment)
        if chosen is None:
            return
        try:
            proposal = approvals.propose_reversal(proven(self.counter.manager), chosen.id, "The customer paid somebody else's bill.")
        except NotLegalNow:
            assert "reverse" not in chosen.biller.operations, "This biller can give it back."
            return
        approvals.approve(proven(self.counter.other_manager), proposal)
        self.tell("wanted back")

    @rule(payment=some, asks=st.booleans())
    def decide(self, payment: int, asks: bool) -> None:
        """Two people say of a payment under review what the statements show, or have it asked about again."""
        chosen = _nth_or_none([one for one in self.life.made if self.seen[one.id].stage in REVIEWED], payment)
        if chosen is not None:
            self._decide(chosen, asks=asks)

    def _decide(self, payment: Known, *, asks: bool = False) -> None:
        self._late_acts_come()
        (seen,) = self.counter.look([payment.id]).values()
        is_final = seen.reference not in self.life.undecided and payment.account not in OWN_WAYS and payment.debited not in OWN_WAYS_AT_THE_BANK
        ways = {way.choice: way for way, _ in approvals.ways(self.counter.manager, payment.id)}
        true = [choice for choice in ways if shows(seen, choice, is_final=is_final)]
        choice = "ASK_AGAIN" if asks and "ASK_AGAIN" in ways else next(iter(true), None)
        if choice is not None:
            number = seen.number_at_the_biller if ways[choice].number_of == "PAY" else seen.number_at_the_bank
            proposal = approvals.propose_resolution(proven(self.counter.manager), payment.id, choice, "The statement of today, line 7.", number, "As it shows.")
            approvals.approve(proven(self.counter.other_manager), proposal)
            self.tell(f"decided: {choice}")

    @rule(biller=some, pauses=st.booleans())
    def administer(self, biller: int, pauses: bool) -> None:
        """A biller is paused or switched off; the next time it is resumed or switched on."""
        code = _nth(BILLERS, biller).code
        if pauses:
            self.life.paused ^= {code}
            is_paused = code in self.life.paused
            self.counter.set_row(code, paused_at=clock.now() if is_paused else None, paused_reason="Maintenance." if is_paused else None)
        else:
            self.life.off ^= {code}
            self.counter.set_row(code, is_active=code not in self.life.off)

    # ---- The clock

    @rule(span=st.sampled_from(SPANS), swept=st.booleans())
    def let_time_pass(self, span: float, swept: bool) -> None:
        self.wait(span)
        if swept:
            self.counter.sweep()

    @rule(swept=st.booleans())
    def wait_until_something_is_due(self, swept: bool = False) -> None:
        wait = self.counter.seconds_until_due([one.id for one in self.life.made])
        if wait is not None and wait > 0:
            self.wait(wait + 0.001)
        if swept:
            self.counter.sweep()

    def wait(self, span: float) -> None:
        self.life.seconds_since_late += span
        if self.life.seconds_since_late > LATE_ACTS_WAIT:
            self._late_acts_come()
        self.counter.pass_time(span, [one.id for one in self.life.made], self.life.claims)

    def _late_acts_come(self) -> None:
        if self.life.has_late_acts:
            self.counter.wait_for_late_acts()
        self.life.has_late_acts, self.life.seconds_since_late = False, 0.0

    # ---- What must hold, at every step and at the end

    @invariant()
    def every_status_keeps_its_promise(self) -> None:
        now = self.counter.look([one.id for one in self.life.made])
        assert len(now) == len(self.life.made), "A payment is gone."
        for one in now:
            self.tell(f"stood in {now[one].stage}")
            found = list(broken(self.seen.get(one), now[one]))
            assert not found, f"{now[one]}: {' '.join(found)}\n{self.counter.tell(one)}"
        self.seen.update(now)

    def teardown(self) -> None:
        """Everything settles, and the oracle judges. A life that has failed already is not judged again; one that Hypothesis has had enough of is."""
        if not isinstance(sys.exc_info()[1], StopTest | None):
            return
        made = [one.id for one in self.life.made]
        self.counter.settle(made)
        self.every_status_keeps_its_promise()
        reviewed = [one for one in self.life.made if self.seen[one.id].stage in REVIEWED]
        for payment in reviewed:
            self._decide(payment)
        if reviewed:
            self.counter.settle(made)
            self.every_status_keeps_its_promise()
        with self.counter.connect() as connection:
            oracle.examine(connection, self.counter.sandbox.directory, self.counter.promised).assert_all_well()
        for seen in self.seen.values():
            assert seen.stage in RESTS
            self.tell(f"ended in {seen.stage}")
        self.counter.is_spoilt = False


def _nth(those: Sequence[T], number: int) -> T:
    return those[number % len(those)]


def _nth_or_none(those: Sequence[T], number: int) -> T | None:
    return _nth(those, number) if those else None


# How often each rule stands among the others, where it is more than once: a life is workers and billers for the most part, with people in between.
# Several rules of one kind are hardly ever all switched off, as Hypothesis does with some of the rules in each life.
OFTEN = {
    "send": 3,
    "debit": 3,
    "inquire": 3,
    "give_back": 2,
    "wait_until_something_is_due": 2,
    "go_on": 2,
    "conclude": 2,
    "meddle": 2,
    "want_it_back": 2,
    "let_time_pass": 2,
}


def _once_more(name: str, number: int) -> None:
    of = getattr(Machine, name)
    copy = FunctionType(of.__code__, of.__globals__, f"{name}_{number}", of.__defaults__, of.__closure__)
    setattr(Machine, copy.__name__, rule(**of.hypothesis_stateful_rule.arguments)(copy))


for _name, _times in OFTEN.items():
    for _number in range(2, _times + 1):
        _once_more(_name, _number)


def machine_at(counters: Counters) -> Callable[[], Machine]:
    return lambda: Machine(counters)
