"""A biller's day beside its statement: what agrees, what differs, and what a person does about each difference. No payment is changed from here alone."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from core import clock, db
from core.access import Actor, needs
from core.errors import BadInput, Conflict, NotAllowed, NotFound, NotLegalNow
from core.ids import new_id
from core.models import BillerConfig, DayClose, DifferenceNote, Statement, StatementLine, Transaction
from core.models.reconciliation import Act, LineKind, Result
from core.money import Money
from core.repositories.reconciliation import Item, Reconciliation, Suspense
from core.repositories.transactions import Transactions
from core.security import audit
from core.services import approvals, breaks, resolutions
from core.services.billers import short_names
from core.services.day_figures import AGREES, Figures, count_days
from core.services.moves import Move, Stand, move
from core.services.proposals import words_of
from core.services.resolutions import Choice
from core.services.scope import existing
from core.services.statements import served
from core.settings import settings
from core.states import Stage

LONGEST_TOLD = 500

# Of an overview, and of what is worked through with one word.
DAYS_SHOWN = 14
MOST_AT_ONCE = 10_000
MOST_PROPOSED_AT_ONCE = 200

# Where the biller is asked what became of a payment.
ASKED = (Stage.PAY_UNKNOWN.value, Stage.PAY_ACCEPTED.value)

# What was counted is counted again where it is older and differences are open: payments settle meanwhile.
KEPT_FOR = timedelta(seconds=60)
MOST_COUNTED_AGAIN = 20

NOT_WITH_THE_BILLER = "What is in doubt about this payment is not with the biller, so that its statement cannot settle it. Open the payment."


@dataclass(frozen=True, slots=True)
class Told:
    """What a result is called, what it means, and what to do next."""

    label: str
    meaning: str
    next_step: str
    # Kept with the payment as this contradiction, where it can be.
    breaks: str | None = None


RESULTS: Mapping[Result, Told] = {
    Result.UNDER_REVIEW: Told(
        "Under review",
        "Two people decide what became of ours, and the statement says it.",
        "Propose the resolution: the line goes along as evidence, and another manager approves it.",
    ),
    Result.IN_DOUBT: Told(
        "In doubt",
        "Ours is not settled: the biller is being asked, or it was not sent yet.",
        "It settles by itself. Where the statement has it, two people can settle it from the line.",
    ),
    Result.OURS_ONLY: Told(
        "Ours only",
        "Completed here, and in no line of the statement.",
        "Ask the biller, or look into the next day's statement. What they do not have is kept as a break.",
        breaks.NOT_PAID,
    ),
    Result.THEIRS_ONLY: Told(
        "Theirs only",
        "A line of the statement that no payment of ours fits alone.",
        "Pair it with a payment of ours, or hand it on to whoever paid it by another way.",
    ),
    Result.AMOUNT_DIFFERS: Told(
        "Amount differs",
        "Line and payment are the same, and their amounts are not.",
        "Keep it as a break, and agree on it with the biller.",
        breaks.OTHER_AMOUNT,
    ),
    Result.DUPLICATE: Told(
        "Duplicate",
        "The statement has one payment twice, or one line stands for two of ours.",
        "Keep it as a break: the biller gives one back.",
        breaks.PAID_TWICE,
    ),
    Result.LATE_SUCCESS: Told(
        "Late success", "Ours ended as not paid, and the biller has it.", "Keep it as a break: have it given back, or book it.", breaks.LATE_SUCCESS
    ),
    Result.GIVEN_BACK: Told(
        "Given back", "The biller gave back what is completed here.", "Keep it as a break: the customer has not had the money back.", breaks.NOT_PAID
    ),
    Result.OTHER_DAY: Told("Other day", "Ours of this day, in the biller's statement of another day.", "Nothing: it is told so that the sums agree."),
    Result.MATCHED: Told("Matched", "Line and payment agree.", "Nothing."),
}

ACTS: Mapping[Act, str] = {Act.EXPLAINED: "Explained", Act.BREAK: "Kept as a break", Act.HANDED_ON: "Handed on"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One biller and day of the overview."""

    biller_type: str
    day: date
    # Completed payments of ours.
    ours: int
    # Nothing where no statement tells of the day.
    figures: Figures | None
    open: int
    is_closed: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """Days, the latest first, by billers; and the files that came last."""

    days: Sequence[date]
    billers: Mapping[str, str]
    cells: Mapping[tuple[str, date], Cell]
    files: Sequence[tuple[Statement, str]]
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Close:
    """One time that the day was signed off."""

    close: DayClose
    by: str
    reopened_by: str | None

    @property
    def stands(self) -> bool:
        return self.close.reopened_at is None


@dataclass(frozen=True, slots=True)
class DayView:
    """A biller's day as it stands now."""

    biller_type: str
    biller: str
    currency: str
    day: date
    figures: Figures
    suspense: Suspense
    files: Sequence[tuple[Statement, str]]
    closes: Sequence[Close]
    is_over: bool
    as_of: datetime

    @property
    def close(self) -> Close | None:
        """The sign-off it stands under."""
        return next((one for one in self.closes if one.stands), None)

    @property
    def changed_since(self) -> bool:
        """Payments of a signed-off day have moved, or were made, after it was signed off."""
        return self.close is not None and Figures.from_json(self.close.close.figures["results"]) != self.figures


# ---- Reading


@needs("reconciliation:read")
def overview(actor: Actor, /, days: int = DAYS_SHOWN, last: date | None = None) -> Overview:
    """The last days of every biller that the person sees: what is missing, what is open, what is signed off."""
    names = short_names(actor)
    last = last or today()
    first = last - timedelta(days=days - 1)
    billers = sorted(names)
    with db.unit_of_work() as session:
        found = Reconciliation(session)
        now = Transactions(session).now()
        kept = found.days(billers, first, last)
        stale = sorted((one for one in kept if one.open and now - one.as_of > KEPT_FOR), key=lambda one: one.as_of)
        for one in stale[:MOST_COUNTED_AGAIN]:
            count_days(session, one.biller_type, one.day, one.day)
        counted = {(one.biller_type, one.day): one for one in found.days(billers, first, last)}
        ours = {(one.biller_type, one.day): one.count for one in found.our_days(billers, first, last)}
        closed = found.standing_days(billers, first, last)
        cells = {
            (biller, day): Cell(
                biller_type=biller,
                day=day,
                ours=ours.get((biller, day), 0),
                figures=Figures.from_json(kept_day.figures) if (kept_day := counted.get((biller, day))) and _has_lines(kept_day.figures) else None,
                open=kept_day.open if kept_day else 0,
                is_closed=(biller, day) in closed,
            )
            for biller in billers
            for day in (last - timedelta(days=back) for back in range(days))
        }
        return Overview([last - timedelta(days=back) for back in range(days)], names, cells, found.statements(billers), now)


def _has_lines(figures: Mapping[str, Mapping[str, int]]) -> bool:
    return any(one["theirs_count"] for one in figures.values())


@needs("reconciliation:read")
def of_day(actor: Actor, /, biller_type: str, day: date) -> DayView:
    """A day as it stands now. Lines that had no payment yet are looked through once more, as payments learn the biller's numbers later."""
    with db.unit_of_work() as session:
        return standing_now(session, served(actor, session, biller_type), day)


def standing_now(session: Session, biller: BillerConfig, day: date) -> DayView:
    """The same inside another service's unit of work."""
    found, biller_type = Reconciliation(session), biller.biller_type
    found.hold(biller_type)
    found.match(biller_type, day, day)
    figures = count_days(session, biller_type, day, day).get(day, Figures({}))
    return DayView(
        biller_type=biller_type,
        biller=biller.display_name,
        currency=biller.default_currency,
        day=day,
        figures=figures,
        suspense=found.suspense(biller_type, day, biller.default_currency, min(found.first_day(biller_type) or day, day)),
        files=found.statements_of(biller_type, day),
        closes=[Close(*one) for one in found.closes(biller_type, day)],
        is_over=day < today(),
        as_of=Transactions(session).now(),
    )


@needs("reconciliation:read")
def items(actor: Actor, /, biller_type: str, day: date, result: Result | None = None, most: int = 500) -> list[Item]:
    """What stands to each other in this way, or all differences: what is open first."""
    with db.unit_of_work() as session:
        served(actor, session, biller_type)
        return Reconciliation(session).items(biller_type, day, result, most=most)


@needs("reconciliation:read")
def of_file(actor: Actor, /, statement_id: uuid.UUID) -> tuple[Statement, Sequence[tuple[date, int]]]:
    """One file that was imported, and the days it brought lines of."""
    with db.unit_of_work() as session:
        statement = Reconciliation(session).statement(statement_id)
        if statement is None or not actor.serves(statement.biller_type):
            raise NotFound("There is no statement under this address. Open Reconciliation again, and choose it from the list.")
        return statement, Reconciliation(session).days_of(statement_id)


@needs("reconciliation:read")
def candidates(actor: Actor, /, line_id: int) -> list[Transaction]:
    """Payments of ours that a line without one may be of, the likest first."""
    with db.unit_of_work() as session:
        return list(Reconciliation(session).candidates(_line(actor, session, line_id)))


def today() -> date:
    return clock.business_day(clock.now(), ZoneInfo(settings().billers_timezone))


# ---- Working differences through


@dataclass(frozen=True, slots=True)
class About:
    """Which difference is meant, as the person saw it: it is acted on only while it still stands so."""

    biller_type: str
    day: date
    result: Result
    line_id: int | None
    transaction_id: uuid.UUID | None

    @classmethod
    def of(cls, biller_type: str, item: Item) -> "About":
        return cls(biller_type, item.day, item.result, item.line_id, item.transaction_id)


class StandsOtherwise(Conflict):
    """It stands otherwise by now: somebody settled or paired it meanwhile. Look at the day again."""


@needs("reconciliation:import")
def explain(actor: Actor, /, about: About, told: str | None) -> None:
    """Says why a difference is one. It stays a difference, and is not open any more."""
    _note(actor, about, Act.EXPLAINED, told, "An explanation")


@needs("reconciliation:import")
def hand_on(actor: Actor, /, about: About, told: str | None) -> None:
    """Says who sees to a line that is not ours to settle."""
    _note(actor, about, Act.HANDED_ON, told, "To whom it was handed on, and when,")


@needs("reconciliation:import")
def keep_as_break(actor: Actor, /, about: About) -> None:
    """Keeps the contradiction with the payment, to be seen to there. The payment stays as it is."""
    kind = RESULTS[about.result].breaks
    with db.unit_of_work() as session:
        item = _held(actor, session, about)
        transaction = _payment(session, item)
        if kind is None or transaction is None:
            raise NotLegalNow("This is no contradiction of a payment of ours. Explain it, or hand it on.")
        told = f"{in_words(item, transaction.biller_name)} {RESULTS[about.result].meaning}"
        breaks.told_by_statement(session, actor, transaction, kind, told)
        _write(session, actor, about, Act.BREAK, told)


@needs("reconciliation:import")
def explain_all(actor: Actor, /, biller_type: str, day: date, result: Result, told: str | None) -> int:
    """The same words for all open differences of one kind; answers how many there were."""
    said = words_of(told, "An explanation", LONGEST_TOLD)
    if result in AGREES:
        raise NotLegalNow("What agrees needs no explanation.")
    with db.unit_of_work() as session:
        served(actor, session, biller_type)
        found = Reconciliation(session)
        found.hold(biller_type)
        _refuse_if_closed(found, biller_type, day)
        open_still = [item for item in found.items(biller_type, day, result, most=MOST_AT_ONCE) if item.is_open]
        for item in open_still:
            session.add(_as_note(actor, About.of(biller_type, item), Act.EXPLAINED, said))
        session.flush()
        count_days(session, biller_type, day, day)
        audit.record(session, actor, "differences.explained", "biller_day", f"{biller_type} {day}", result=result, count=len(open_still), reason=said)
        return len(open_still)


@needs("reconciliation:import")
def keep_all_as_breaks(actor: Actor, /, biller_type: str, day: date, result: Result) -> int:
    """The same as `keep_as_break` for all open differences of one kind that have a payment of ours; answers how many there were."""
    kind = RESULTS[result].breaks
    if kind is None:
        raise NotLegalNow("This is no contradiction of a payment of ours. Explain it, or hand it on.")
    with db.unit_of_work() as session:
        served(actor, session, biller_type)
        found = Reconciliation(session)
        found.hold(biller_type)
        _refuse_if_closed(found, biller_type, day)
        kept = 0
        for item in found.items(biller_type, day, result, most=MOST_AT_ONCE):
            transaction = _payment(session, item) if item.is_open else None
            if transaction is not None:
                told = f"{in_words(item, transaction.biller_name)} {RESULTS[result].meaning}"
                breaks.told_by_statement(session, actor, transaction, kind, told)
                session.add(_as_note(actor, About.of(biller_type, item), Act.BREAK, told))
                kept += 1
        session.flush()
        count_days(session, biller_type, day, day)
        audit.record(session, actor, "differences.kept", "biller_day", f"{biller_type} {day}", result=result, count=kept)
        return kept


@needs("reconciliation:import")
def pair(actor: Actor, /, line_id: int, transaction_id: uuid.UUID, because: str | None) -> None:
    """A person says which payment a line is of, where nothing says it alone. Raises `StandsOtherwise` where one of the two is taken."""
    said = words_of(because, "A reason", LONGEST_TOLD)
    with db.unit_of_work() as session:
        line, found = _line(actor, session, line_id), Reconciliation(session)
        found.hold(line.biller_type)
        _refuse_if_closed(found, line.biller_type, line.day)
        transaction = next((one for one in found.candidates(line, MOST_PROPOSED_AT_ONCE) if one.id == transaction_id), None)
        without_one = any(item.transaction_id is None for item in found.items(line.biller_type, line.day, line_id=line_id))
        if transaction is None or actor.id is None or not without_one:
            raise StandsOtherwise
        found.pair(line, transaction.id, actor.id)
        count_days(session, line.biller_type, line.day, line.day)
        told = {"line": line.id, "row": line.row, "statement": line.statement_id, "reason": said}
        audit.record(session, actor, "statement.line_paired", "transaction", transaction.id, **told)


@needs("transactions:resolve", fresh=True)
def propose(actor: Actor, /, about: About) -> uuid.UUID:
    """Proposes what the statement says became of a payment under review, with the line as evidence; another person approves it.

    One that is still being asked about is taken out of the asking first, where the statement has it: two people decide from then on.
    """
    with db.unit_of_work() as session:
        item = _held(actor, session, about)
        transaction = _payment(session, item)
        if transaction is None or item.result not in (Result.UNDER_REVIEW, Result.IN_DOUBT):
            raise NotLegalNow("Only a payment that is under review or in doubt is settled from a statement.")
        if item.result is Result.IN_DOUBT:
            _take_under_review(session, actor, transaction, item)
        choice, evidence = _said_by(session, transaction, item)
    return approvals.propose_resolution(actor, transaction.id, choice.value, evidence, item.their_reference or item.our_reference)


@needs("transactions:resolve", fresh=True)
def propose_all(actor: Actor, /, biller_type: str, day: date) -> tuple[int, list[str]]:
    """The same for every payment of the day that is under review and waits for nobody yet. Answers how many, and why others were not."""
    with db.unit_of_work() as session:
        served(actor, session, biller_type)
        found = Reconciliation(session).items(biller_type, day, Result.UNDER_REVIEW, most=MOST_PROPOSED_AT_ONCE)
    made, refused = 0, []
    for item in found:
        try:
            propose(actor, About.of(biller_type, item))
        except (NotLegalNow, BadInput, Conflict) as error:
            refused.append(f"{item.our_transaction_id}: {error.sentence}")
        else:
            made += 1
    return made, refused


def can_propose(item: Item) -> bool:
    """Whether two people can settle it from the statement as it stands: what is still asked about, only where the statement has it."""
    is_asked = item.result is Result.IN_DOUBT and item.line_id is not None and item.stage in ASKED
    return item.result is Result.UNDER_REVIEW or is_asked


@needs("reconciliation:read")
def why_no_proposal(actor: Actor, /, item: Item) -> str | None:
    """Why the statement cannot settle what is under review here; None where it can, as far as it is known before it is tried."""
    if item.result is not Result.UNDER_REVIEW or item.transaction_id is None:
        return None
    with db.unit_of_work() as session:
        transaction = existing(actor, Transactions(session).by_id(item.transaction_id))
        return None if _is_way(session, transaction, _choice_of(item)) else NOT_WITH_THE_BILLER


def in_words(item: Item, biller: str) -> str:
    """A line as evidence: what a second person compares with the file."""
    if item.line_id is None or item.their_amount is None:
        return f"{biller}'s statement of {item.day:%d %b %Y} does not have it."
    names = {"reference": item.our_reference, "their reference": item.their_reference, "account": item.account}
    told = ", ".join(f"{name} {value}" for name, value in names.items() if value)
    what = "payment" if item.kind is LineKind.PAYMENT else "given back"
    return f"{biller}'s statement of {item.day:%d %b %Y}, row {item.row:,}: {what} {Money(item.their_amount)}, {told}."


# ---- Inside


def _choice_of(item: Item) -> Choice:
    is_paid = item.line_id is not None and item.kind is not LineKind.REVERSAL
    return Choice.BILLER_HAS_IT if is_paid else Choice.BILLER_HAS_IT_NOT


def _is_way(session: Session, transaction: Transaction, choice: Choice) -> bool:
    return choice in {way.choice for way in resolutions.ways_of(session, transaction)}


def _said_by(session: Session, transaction: Transaction, item: Item) -> tuple[Choice, str]:
    """What the statement says of it, as one of the ways that two people have."""
    choice = _choice_of(item)
    if not _is_way(session, transaction, choice):
        raise NotLegalNow(NOT_WITH_THE_BILLER)
    evidence = in_words(item, transaction.biller_name)
    if item.line_id is None:
        files = [statement for statement, _ in Reconciliation(session).statements_of(transaction.biller_type, item.day)]
        if not files:
            raise NotLegalNow("There is no statement of this day yet, so that nothing can be concluded from it. Import it first.")
        evidence += " " + "; ".join(f"{file.file_name}, {file.lines:,} lines, SHA-256 {file.sha256.hex()[:16]}" for file in files[:3])
    return choice, evidence


def _take_under_review(session: Session, actor: Actor, transaction: Transaction, item: Item) -> None:
    if item.line_id is None or transaction.stage not in ASKED:
        raise NotLegalNow("The biller is still being asked about it, or it was not sent yet. Wait for its answer, or for the review.")
    reason = f"{transaction.biller_name}'s statement of {item.day:%d %b %Y} has it. Two people decide."
    move(session, Move(Stand.of(transaction), Stage.REVIEW, reason, actor=actor, facts={"line": item.line_id}))
    session.refresh(transaction)


def _note(actor: Actor, about: About, act: Act, told: str | None, what: str) -> None:
    said = words_of(told, what, LONGEST_TOLD)
    with db.unit_of_work() as session:
        _held(actor, session, about)
        _write(session, actor, about, act, said)


def _write(session: Session, actor: Actor, about: About, act: Act, said: str) -> None:
    session.add(_as_note(actor, about, act, said))
    session.flush()
    count_days(session, about.biller_type, about.day, about.day)
    subject = ("transaction", about.transaction_id) if about.transaction_id else ("statement_line", about.line_id)
    audit.record(session, actor, f"difference.{act.value.lower()}", *subject, biller=about.biller_type, day=about.day, result=about.result, reason=said)


def _as_note(actor: Actor, about: About, act: Act, said: str) -> DifferenceNote:
    if actor.id is None:
        raise NotAllowed("A person says what a difference is.")
    return DifferenceNote(
        id=new_id(),
        biller_type=about.biller_type,
        day=about.day,
        line_id=about.line_id,
        transaction_id=about.transaction_id,
        result=about.result.value,
        act=act.value,
        told=said,
        noted_by=actor.id,
    )


def _held(actor: Actor, session: Session, about: About) -> Item:
    """The difference, if it still stands as it was seen. Nobody changes it meanwhile."""
    served(actor, session, about.biller_type)
    found = Reconciliation(session)
    found.hold(about.biller_type)
    _refuse_if_closed(found, about.biller_type, about.day)
    there = found.items(about.biller_type, about.day, about.result, line_id=about.line_id, transaction_id=about.transaction_id)
    item = next((one for one in there if (one.line_id, one.transaction_id) == (about.line_id, about.transaction_id)), None)
    if item is None or item.result in AGREES:
        raise StandsOtherwise
    return item


def _payment(session: Session, item: Item) -> Transaction | None:
    return Transactions(session).locked(item.transaction_id) if item.transaction_id else None


def _refuse_if_closed(found: Reconciliation, biller_type: str, day: date) -> None:
    if found.standing(biller_type, day):
        raise NotLegalNow("This day is signed off. A manager reopens it before anything of it is changed.")


def _line(actor: Actor, session: Session, line_id: int) -> StatementLine:
    line = Reconciliation(session).line(line_id)
    if line is None or not actor.serves(line.biller_type):
        raise NotFound("There is no such line. Open the day again.")
    return line
