"""The judge. It reads the ledgers of the billers and of core banking as files and the database by plain SQL, and shares no line with what it judges.

What it holds (design/payments.md, "Oracle after every test"): per intent at most one effect in the biller's ledger and one debit in core banking's;
both ledgers equal the COMPLETED set, to the amount and the account; FAILED, CANCELLED and REVERSED have no net effect in either; the customer is
debited before the biller is paid, and the biller is told of the bank's accounts only where it debits by itself; no row without a next action or an
owner; no submitted draft without its row; no effect and no request without an attempt that was written before; the audit chain verifies.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from tests.campaign.evidence import (
    BANK,
    PAYING_OPERATIONS,
    Arrival,
    Books,
    Effect,
    Leg,
    Row,
    Transfer,
    arrivals_in,
    books_in,
    breaks_in,
    intents_in,
    legs_in,
    net,
    rows_in,
)

E = TypeVar("E", Effect, Transfer)
K = TypeVar("K", bound=Hashable)

SETTLED = frozenset({"COMPLETED", "FAILED", "CANCELLED", "REVERSED"})

# Where a row waits for people and for nobody else.
OWNED_BY_PEOPLE = frozenset({"REVIEW", "REVIEW_REVERSAL", "AWAITING_APPROVAL", "REVERSAL_REQUESTED"})

# COMPLETED, and on the way back: what may be there of it meanwhile, at the biller and as debits in core banking.
ON_THE_WAY_BACK: Mapping[str, tuple[frozenset[int], frozenset[int]]] = {
    "PAY_REVERSAL_SENDING": (frozenset({0, 1}), frozenset({1})),
    "PAY_REVERSAL_UNKNOWN": (frozenset({0, 1}), frozenset({1})),
    "REFUND_SENDING": (frozenset({0}), frozenset({0, 1})),
    "REFUND_UNKNOWN": (frozenset({0}), frozenset({0, 1})),
    "REVIEW_REVERSAL": (frozenset({0, 1}), frozenset({0, 1})),
}
ONCE = frozenset({1})

# Stages of SEPARATE that are reached over a debit that was confirmed, and left before it is given back.
DEBITED = frozenset({"DEBITED", "PAY_SENDING", "PAY_ACCEPTED", "PAY_UNKNOWN", "PAY_RETRY", "PAY_REJECTED"})

# Whose messages have no room for the account that is credited: it is the bank's own affair.
NAMES_NO_CREDIT_ACCOUNT = frozenset({"REGISTER_GENERAL"})


class Broken(AssertionError):
    """A promise about money is broken."""


@dataclass(slots=True)
class Report:
    """What was found. `double` … `wrong` hold a sentence for each violation; `unsettled` names rows that have not come to their end."""

    payments: int = 0
    effects: int = 0
    debits: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    reversed: int = 0
    review: int = 0
    # Late contradictions of what had ended, each shown to people.
    breaks: int = 0
    # An intent whose money was taken more than once.
    double: list[str] = field(default_factory=list)
    # Money, or an intent, that nobody tells of; or a COMPLETED whose money never arrived.
    lost: list[str] = field(default_factory=list)
    # Anything that is told otherwise than it is.
    wrong: list[str] = field(default_factory=list)
    # Under way still. REVIEW is not among them: people own it.
    unsettled: list[str] = field(default_factory=list)

    def assert_all_well(self, *, settled: bool = True) -> None:
        """Raises `Broken` with every violation. `settled=False`: while payments are still under way."""
        found = [*self.double, *self.lost, *self.wrong, *(self.unsettled if settled else ())]
        if found:
            raise Broken(f"{self.summary}\n" + "\n".join(found[:40]))

    @property
    def summary(self) -> str:
        return f"{len(self.double)} double, {len(self.lost)} lost, {len(self.wrong)} wrong, {len(self.unsettled)} unsettled, {self.review} in review"


@dataclass(frozen=True, slots=True)
class Case:
    """A payment, and everything that both ledgers have of it."""

    row: Row
    paid: Sequence[Effect]
    debited: Sequence[Transfer]
    refunded: Sequence[Transfer]
    debit: Leg | None

    @property
    def net_paid(self) -> int:
        return net(self.paid)

    @property
    def net_debited(self) -> int:
        """Debits less reversals of them less refunds."""
        return net(self.debited) - net(self.refunded)


def examine(database: psycopg.Connection, ledgers: Path, promised: Mapping[uuid.UUID, uuid.UUID] | None = None) -> Report:
    """Judges the world as it is now. `promised`: what an operator was told, transaction by draft; each must be there."""
    # What was in the files before the database was read must be in the database; what the database tells must be in the files after.
    before, arrivals = books_in(ledgers), arrivals_in(ledgers)
    begins = database.info.transaction_status is TransactionStatus.IDLE
    with database.transaction():
        if begins:
            database.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        rows, legs = rows_in(database), legs_in(database)
        cases = _cases(rows, legs, books_in(ledgers))
        report = _counts(cases)
        _no_second_effect(report, cases)
        _every_effect_is_told(report, rows, before.effects)
        _every_transfer_is_told(report, rows, legs, before.transfers)
        for case in cases:
            _what_is_told_is_so(report, case)
            _debit_comes_first(report, case)
            _accounts_are_named_where_they_belong(report, case.row, case.paid)
        _every_row_has_an_owner(report, rows)
        _no_intent_is_lost(report, database, rows, promised or {})
        _attempts_come_first(report, rows, legs, intents_in(database), arrivals, before)
        _stories_are_whole(report, database)
        report.breaks = breaks_in(database)
    _the_chain_holds(report)
    return report


def _cases(rows: Sequence[Row], legs: Mapping[str, Leg], books: Books) -> list[Case]:
    effects = _grouped(books.effects, lambda effect: (effect.biller, effect.reference))
    transfers = _grouped(books.transfers, lambda transfer: transfer.reference)
    references = {(leg.transaction_id, leg.kind): reference for reference, leg in legs.items()}

    def moved(row: Row, kind: str) -> Sequence[Transfer]:
        return transfers.get(references.get((row.id, kind), ""), ())

    return [
        Case(row, effects.get((row.biller, row.reference), ()), moved(row, "DEBIT"), moved(row, "REFUND"), legs.get(references.get((row.id, "DEBIT"), "")))
        for row in rows
    ]


def _grouped(entries: Iterable[E], key: Callable[[E], K]) -> Mapping[K, Sequence[E]]:
    found: dict[K, list[E]] = defaultdict(list)
    for entry in entries:
        found[key(entry)].append(entry)
    return found


# ---- Judging


def _counts(cases: Sequence[Case]) -> Report:
    statuses = Counter(case.row.status for case in cases)
    report = Report(len(cases), sum(effect.kind == "PAY" for case in cases for effect in case.paid), sum(case.net_debited for case in cases))
    report.completed, report.failed = statuses["COMPLETED"], statuses["FAILED"]
    report.cancelled, report.reversed = statuses["CANCELLED"], statuses["REVERSED"]
    report.review = sum(case.row.stage in ("REVIEW", "REVIEW_REVERSAL") for case in cases)
    under_way = (case.row for case in cases if case.row.stage not in SETTLED | OWNED_BY_PEOPLE)
    report.unsettled = [f"{row.name} has not come to its end." for row in under_way]
    return report


def _no_second_effect(report: Report, cases: Sequence[Case]) -> None:
    """Neither under one reference, nor over a payment and the retries of it, which are one bill."""
    by_id = {case.row.id: case for case in cases}
    families: dict[uuid.UUID, list[Case]] = defaultdict(list)
    for case in cases:
        reference = case.row.reference
        for times, what in ((case.net_paid, "paid"), (net(case.debited), "debited"), (net(case.refunded), "refunded")):
            if times > 1:
                report.double.append(f"{reference} was {what} {times} times.")
        first = case
        while first.row.retry_of in by_id:
            first = by_id[first.row.retry_of]
        families[first.row.id].append(case)
    for first_id, family in families.items():
        for times, what in ((sum(case.net_paid for case in family), "paid"), (sum(case.net_debited for case in family), "debited")):
            if len(family) > 1 and times > 1:
                report.double.append(f"{by_id[first_id].row.reference} and its retries were {what} {times} times.")


def _every_effect_is_told(report: Report, rows: Sequence[Row], effects: Sequence[Effect]) -> None:
    known = {(row.biller, row.reference): row for row in rows}
    for key, found in _grouped(effects, lambda effect: (effect.biller, effect.reference)).items():
        row = known.get(key)
        if row is None:
            report.lost.append(f"{key[1]}: the biller has {found[0].amount} {found[0].currency} for {found[0].account}, and no transaction tells of it.")
        elif row.status == "PENDING":
            report.wrong.append(f"{row.name} is told as not sent, and the biller has it.")


def _every_transfer_is_told(report: Report, rows: Sequence[Row], legs: Mapping[str, Leg], transfers: Sequence[Transfer]) -> None:
    by_id = {row.id: row for row in rows}
    for reference, found in _grouped(transfers, lambda transfer: transfer.reference).items():
        leg = legs.get(reference)
        row = by_id.get(leg.transaction_id) if leg and leg.kind in ("DEBIT", "REFUND") else None
        first = found[0]
        if row is None:
            report.lost.append(f"{reference}: core banking moved {first.amount} {first.currency} from {first.debit_account}, and no transaction tells of it.")
        elif row.status == "PENDING":
            report.wrong.append(f"{row.name} is told as not sent, and core banking has debited it.")
        elif row.topology != "SEPARATE":
            report.wrong.append(f"{row.name} is {row.topology}, and core banking has debited it.")


def _what_is_told_is_so(report: Report, case: Case) -> None:
    row = case.row
    if row.status == "COMPLETED":
        at_biller, at_bank = ON_THE_WAY_BACK.get(row.stage, (ONCE, ONCE))
        if case.net_paid < min(at_biller):
            report.lost.append(f"{row.name} is told as paid, and the biller does not have it.")
        elif row.stage in ON_THE_WAY_BACK and case.net_paid not in at_biller:
            report.wrong.append(f"{row.name}: the biller has it {case.net_paid} times.")
        if row.topology == "SEPARATE" and case.net_debited not in at_bank:
            report.wrong.append(f"{row.name} is told as paid, and the customer was debited {case.net_debited} times.")
    if row.status in ("FAILED", "CANCELLED", "REVERSED") and case.net_paid != 0:
        report.wrong.append(f"{row.name} is told as unpaid, and the biller has it {case.net_paid} times.")
    if row.status in ("FAILED", "CANCELLED", "REVERSED") and case.net_debited != 0:
        report.wrong.append(f"{row.name} is told as unpaid, and the customer was debited {case.net_debited} times.")
    if row.topology == "SEPARATE" and row.stage in DEBITED and case.net_debited != 1:
        report.wrong.append(f"{row.name} goes on as debited, and the customer was debited {case.net_debited} times.")
    _money_is_as_stated(report, case)


def _money_is_as_stated(report: Report, case: Case) -> None:
    row = case.row
    for effect in case.paid:
        if (effect.account, effect.amount, effect.currency) != (row.account, row.amount, row.currency):
            report.wrong.append(f"{row.name}: the biller has {effect.amount} {effect.currency} for {effect.account}.")
    for transfer, way in [*((one, 1) for one in case.debited), *((one, -1) for one in case.refunded)]:
        stated = (row.debit_account, row.credit_account)[::way]
        if (transfer.debit_account, transfer.credit_account, transfer.amount, transfer.currency) != (*stated, row.amount, row.currency):
            told = f"{transfer.amount} {transfer.currency} from {transfer.debit_account} to {transfer.credit_account}"
            report.wrong.append(f"{row.name}: core banking has {told}.")
    if row.status == "COMPLETED":
        _number_is_its_own(report, row, row.external_id, {effect.external_id for effect in case.paid}, "the biller's")
        if case.debit is not None:
            _number_is_its_own(report, row, case.debit.external_id, {transfer.id for transfer in case.debited}, "core banking's")


def _number_is_its_own(report: Report, row: Row, told: str | None, known: set[str], whose: str) -> None:
    if told is not None and known and told not in known:
        report.wrong.append(f"{row.name} has {whose} number {told}, which is not this payment's.")


def _debit_comes_first(report: Report, case: Case) -> None:
    """Rule 1: a biller that was paid cannot be told to forget it; a debit can be given back."""
    if case.row.topology != "SEPARATE":
        return
    posted = min((transfer.at for transfer in case.debited if transfer.kind != "REVERSAL"), default=None)
    paid = [effect.at for effect in case.paid if effect.kind == "PAY"]
    if paid and (posted is None or min(paid) < posted):
        report.wrong.append(f"{case.row.name}: the biller was paid before the customer was debited.")


def _accounts_are_named_where_they_belong(report: Report, row: Row, found: Iterable[Effect | Arrival]) -> None:
    """Rule 1: whoever is told both accounts debits by itself."""
    credit = None if row.biller in NAMES_NO_CREDIT_ACCOUNT else row.credit_account
    due = (row.debit_account, credit) if row.topology == "COMPOSITE" else (None, None)
    for told in found:
        gives_back = isinstance(told, Effect) and told.kind != "PAY"
        if not gives_back and told.accounts != due:
            report.wrong.append(f"{row.name} is {row.topology}, and the biller was told of the accounts {told.accounts[0]} and {told.accounts[1]}.")


def _every_row_has_an_owner(report: Report, rows: Sequence[Row]) -> None:
    for row in rows:
        if row.stage not in SETTLED | OWNED_BY_PEOPLE and not row.has_next_action:
            report.wrong.append(f"{row.name} waits for nobody.")


def _no_intent_is_lost(report: Report, database: psycopg.Connection, rows: Sequence[Row], promised: Mapping[uuid.UUID, uuid.UUID]) -> None:
    by_draft, known = {row.draft_id: row for row in rows}, {row.id for row in rows}
    told = dict(promised)
    for details, subject in database.execute("SELECT details, subject_id FROM audit_entries WHERE action = 'transaction.submitted'"):
        told[uuid.UUID(details["draft"])] = uuid.UUID(subject)
    for draft, transaction in told.items():
        row = by_draft.get(draft)
        if row is None:
            report.lost.append(f"Draft {draft} was submitted, and there is no transaction of it.")
        elif row.id != transaction:
            report.wrong.append(f"Draft {draft} was submitted as {transaction}, and is {row.id}.")
    for (retry,) in database.execute("SELECT subject_id FROM audit_entries WHERE action = 'transaction.retried'"):
        if uuid.UUID(retry) not in known:
            report.lost.append(f"{retry} was made by a retry, and is not there.")


def _attempts_come_first(
    report: Report, rows: Sequence[Row], legs: Mapping[str, Leg], intents: Mapping[tuple[uuid.UUID, str], int], arrivals: Sequence[Arrival], books: Books
) -> None:
    """A request has an intent of its own, committed before it left; so a leg arrives at most as often as there are intents to send it."""
    by_id = {row.id: row for row in rows}
    transfers = {transfer.id: transfer.reference for transfer in books.transfers}
    arrived: Counter[tuple[str, str]] = Counter()
    for arrival in arrivals:
        # What is given back is named by the reference, or the number, of what it was.
        reference = arrival.reference or transfers.get(arrival.id, arrival.id)
        leg = legs.get(reference)
        kind = leg.kind if leg else ""
        if arrival.operation not in PAYING_OPERATIONS:
            kind = "REVERSAL" if arrival.biller == BANK else "PAY_REVERSAL"
        arrived[reference, kind] += 1
        row = by_id.get(leg.transaction_id) if leg else None
        if row is not None and arrival.biller != BANK and arrival.operation in PAYING_OPERATIONS:
            _accounts_are_named_where_they_belong(report, row, [arrival])
    for (reference, kind), times in arrived.items():
        leg = legs.get(reference)
        written = intents.get((leg.transaction_id, kind), 0) if leg else 0
        if times > written:
            report.wrong.append(f"{reference} arrived {times} times, and {written} intents were written before.")
    for entry in (*books.effects, *books.transfers):
        leg = legs.get(entry.reference)
        if entry.kind != "REVERSAL" and (leg is None or not intents.get((leg.transaction_id, leg.kind))):
            report.wrong.append(f"{entry.reference} was paid, and no intent was written before.")


def _stories_are_whole(report: Report, database: psycopg.Connection) -> None:
    """Every change of stage is told, in order and without a gap, and the last one is where the row stands."""
    gaps = database.execute(
        """
        SELECT t.our_transaction_id FROM transactions t
        LEFT JOIN LATERAL (
            SELECT count(*) AS told, max(e.version) AS last, (array_agg(e.to_stage ORDER BY e.version DESC))[1] AS stands,
                   bool_and(e.from_stage IS NOT DISTINCT FROM e.before) AS joined
            FROM (SELECT *, lag(to_stage) OVER (ORDER BY version) AS before FROM events WHERE transaction_id = t.id) e
        ) story ON true
        WHERE NOT t.demo AND (story.told <> t.version OR story.last <> t.version OR story.stands <> t.stage OR NOT story.joined OR story.told IS NULL)
        """
    )
    report.wrong += [f"The story of {reference} has a gap." for (reference,) in gaps]


def _the_chain_holds(report: Report) -> None:
    from core.services import audit

    audit.seal_all()
    verdict = audit.verify()
    if not verdict.ok:
        report.wrong.append(verdict.sentence)
