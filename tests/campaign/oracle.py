"""The judge. It reads the billers' ledgers as files and the database by plain SQL, and shares no line with what it judges.

What it holds (design/payments.md, "Oracle after every test"): per intent at most one effect in the biller's ledger; that ledger equals the COMPLETED
set; FAILED, CANCELLED and REVERSED have no net effect; no row without a next action or an owner; no submitted draft without its row; no effect
and no request without an attempt that was written before; the audit chain verifies.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

LEDGER = ".ledger.jsonl"
REQUESTS = ".requests.jsonl"

# The operations of the sandbox's dialects that move a payment's money.
PAYING_OPERATIONS = frozenset({"PostTransaction", "ConfirmInvoice", "post-payment", "recharge"})

SETTLED = frozenset({"COMPLETED", "FAILED", "CANCELLED", "REVERSED"})

# Where a row waits for people and for nobody else.
OWNED_BY_PEOPLE = frozenset({"REVIEW", "REVIEW_REVERSAL", "AWAITING_APPROVAL", "REVERSAL_REQUESTED"})


class Broken(AssertionError):
    """A promise about money is broken."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One line of a biller's ledger."""

    biller: str
    kind: str
    reference: str
    account: str
    amount: Decimal
    currency: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Row:
    """One payment as the database has it."""

    id: uuid.UUID
    biller: str
    reference: str
    account: str
    amount: Decimal
    currency: str
    stage: str
    status: str
    version: int
    external_id: str | None
    retry_of: uuid.UUID | None
    draft_id: uuid.UUID | None
    has_next_action: bool


@dataclass(slots=True)
class Report:
    """What was found. `double` … `wrong` hold a sentence for each violation; `unsettled` names rows that have not come to their end."""

    payments: int = 0
    effects: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    reversed: int = 0
    review: int = 0
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


def examine(database: psycopg.Connection, ledgers: Path, promised: Mapping[uuid.UUID, uuid.UUID] | None = None) -> Report:
    """Judges the world as it is now. `promised`: what an operator was told, transaction by draft; each must be there."""
    # What was in the files before the database was read must be in the database; what the database tells must be in the files after.
    before, requests = list(_effects(ledgers)), list(_requests(ledgers))
    begins = database.info.transaction_status is TransactionStatus.IDLE
    with database.transaction():
        if begins:
            database.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        rows = _rows(database)
        after = list(_effects(ledgers))
        report = _counts(rows, after)
        _no_second_effect(report, rows, after)
        _every_effect_is_told(report, rows, before)
        _what_is_told_is_so(report, rows, after)
        _every_row_has_an_owner(report, rows)
        _no_intent_is_lost(report, database, rows, promised or {})
        _attempts_come_first(report, database, requests, before)
        _stories_are_whole(report, database)
    _the_chain_holds(report)
    return report


# ---- Reading


def _lines(directory: Path, suffix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(directory.glob(f"*{suffix}")):
        for line in path.read_bytes().splitlines(keepends=True):
            # A line without its end is still being written, and was answered to nobody.
            if line.endswith(b"\n"):
                yield path.name.removesuffix(suffix), json.loads(line)


def _effects(directory: Path) -> Iterator[Effect]:
    for biller, line in _lines(directory, LEDGER):
        yield Effect(biller, line["kind"], line["reference"], line["account"], Decimal(line["amount"]), line["currency"], line["external_id"])


def _requests(directory: Path) -> Iterator[dict[str, Any]]:
    for biller, line in _lines(directory, REQUESTS):
        if line["operation"] in PAYING_OPERATIONS:
            yield {**line, "biller": biller}


def _rows(database: psycopg.Connection) -> Sequence[Row]:
    with database.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT id, biller_type AS biller, our_transaction_id AS reference, account_number AS account, amount, currency, stage, status, version,"
            " external_transaction_id AS external_id, retry_of, draft_id, next_action_at IS NOT NULL AS has_next_action"
            " FROM transactions WHERE amount IS NOT NULL AND NOT demo ORDER BY created_at, id"
        )
        return [Row(**row) for row in cursor.fetchall()]


# ---- Judging


def _counts(rows: Sequence[Row], effects: Sequence[Effect]) -> Report:
    report = Report(payments=len(rows), effects=sum(1 for effect in effects if effect.kind == "PAY"))
    report.completed = sum(row.status == "COMPLETED" for row in rows)
    report.failed = sum(row.status == "FAILED" for row in rows)
    report.cancelled = sum(row.status == "CANCELLED" for row in rows)
    report.reversed = sum(row.status == "REVERSED" for row in rows)
    report.review = sum(row.stage in ("REVIEW", "REVIEW_REVERSAL") for row in rows)
    report.unsettled = [f"{_name(row)} has not come to its end." for row in rows if row.status not in SETTLED and row.stage not in OWNED_BY_PEOPLE]
    return report


def _name(row: Row) -> str:
    return f"{row.reference} ({row.account}, {row.amount} {row.currency}, {row.stage})"


def _net(effects: Iterable[Effect]) -> int:
    return sum({"PAY": 1, "REVERSAL": -1}[effect.kind] for effect in effects)


def _by_reference(effects: Iterable[Effect]) -> Mapping[tuple[str, str], list[Effect]]:
    found: dict[tuple[str, str], list[Effect]] = defaultdict(list)
    for effect in effects:
        found[effect.biller, effect.reference].append(effect)
    return found


def _no_second_effect(report: Report, rows: Sequence[Row], effects: Sequence[Effect]) -> None:
    """Neither under one reference, nor over a payment and the retries of it, which are one bill."""
    by_reference = _by_reference(effects)
    for (_, reference), found in by_reference.items():
        if _net(found) > 1:
            report.double.append(f"{reference} was paid {_net(found)} times.")
    by_id = {row.id: row for row in rows}
    families: dict[uuid.UUID, list[Row]] = defaultdict(list)
    for row in rows:
        first = row
        while first.retry_of in by_id:
            first = by_id[first.retry_of]
        families[first.id].append(row)
    for first, family in families.items():
        paid = sum(_net(by_reference.get((row.biller, row.reference), [])) for row in family)
        if len(family) > 1 and paid > 1:
            report.double.append(f"{by_id[first].reference} and its retries were paid {paid} times.")


def _every_effect_is_told(report: Report, rows: Sequence[Row], effects: Sequence[Effect]) -> None:
    known = {(row.biller, row.reference): row for row in rows}
    for key, found in _by_reference(effects).items():
        row = known.get(key)
        if row is None:
            report.lost.append(f"{key[1]}: the biller has {found[0].amount} {found[0].currency} for {found[0].account}, and no transaction tells of it.")
        elif row.status == "PENDING":
            report.wrong.append(f"{_name(row)} is told as not sent, and the biller has it.")


def _what_is_told_is_so(report: Report, rows: Sequence[Row], effects: Sequence[Effect]) -> None:
    by_reference = _by_reference(effects)
    for row in rows:
        found = by_reference.get((row.biller, row.reference), [])
        net = _net(found)
        if row.status == "COMPLETED" and net < 1:
            report.lost.append(f"{_name(row)} is told as paid, and the biller does not have it.")
        if row.status in ("FAILED", "CANCELLED", "REVERSED") and net != 0:
            report.wrong.append(f"{_name(row)} is told as unpaid, and the biller has it {net} times.")
        for effect in found:
            if (effect.account, effect.amount, effect.currency) != (row.account, row.amount, row.currency):
                report.wrong.append(f"{_name(row)}: the biller has {effect.amount} {effect.currency} for {effect.account}.")
        if row.status == "COMPLETED" and row.external_id is not None and found and row.external_id not in {effect.external_id for effect in found}:
            report.wrong.append(f"{_name(row)} has the biller's number {row.external_id}, which is not this payment's.")


def _every_row_has_an_owner(report: Report, rows: Sequence[Row]) -> None:
    for row in rows:
        if row.status not in SETTLED and not row.has_next_action and row.stage not in OWNED_BY_PEOPLE:
            report.wrong.append(f"{_name(row)} waits for nobody.")


def _no_intent_is_lost(report: Report, database: psycopg.Connection, rows: Sequence[Row], promised: Mapping[uuid.UUID, uuid.UUID]) -> None:
    by_draft = {row.draft_id: row for row in rows}
    told = dict(promised)
    for details, subject in database.execute("SELECT details, subject_id FROM audit_entries WHERE action = 'transaction.submitted'"):
        told[uuid.UUID(details["draft"])] = uuid.UUID(subject)
    for draft, transaction in told.items():
        row = by_draft.get(draft)
        if row is None:
            report.lost.append(f"Draft {draft} was submitted, and there is no transaction of it.")
        elif row.id != transaction:
            report.wrong.append(f"Draft {draft} was submitted as {transaction}, and is {row.id}.")


def _attempts_come_first(report: Report, database: psycopg.Connection, requests: Sequence[Mapping[str, Any]], effects: Sequence[Effect]) -> None:
    """A request has an intent of its own, committed before it left; so a reference arrives at most as often as there are intents to send it."""
    intents = dict(database.execute("SELECT reference, count(*) FROM attempts WHERE leg = 'PAY' AND verb <> 'status' GROUP BY reference").fetchall())
    arrived: dict[str, int] = defaultdict(int)
    for request in requests:
        arrived[request["reference"]] += 1
    for reference, times in arrived.items():
        if times > intents.get(reference, 0):
            report.wrong.append(f"{reference} arrived {times} times, and {intents.get(reference, 0)} intents were written before.")
    for effect in effects:
        if effect.kind == "PAY" and effect.reference not in intents:
            report.wrong.append(f"{effect.reference} was paid, and no intent was written before.")


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
