"""A biller's statement beside our day, in sets: lines are loaded, matched and told apart by the database, however many there are."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, BinaryIO, cast
from zoneinfo import ZoneInfo

import psycopg
from sqlalchemy import ColumnElement, RowMapping, case, func, literal, select, text
from sqlalchemy.orm import Session, aliased

from core import clock, db
from core.errors import Busy, Unavailable
from core.models import DayClose, ReconciliationDay, Statement, StatementColumns, StatementLine, StatementMatch, Transaction, User
from core.models.reconciliation import Act, LineKind, Result, Rule
from core.settings import settings
from core.states import Stage

# A statement of a hundred thousand lines is read and matched within seconds; one that takes longer than this holds others up.
IMPORT_TIMEOUT = "120s"
COPY_BYTES = 1 << 18

# What is shown of a day at once. The counts are of all; the file of differences has them all.
MOST_SHOWN = 500

A_DAY = timedelta(days=1)

_COPIED = """
    CREATE TEMPORARY TABLE copied (
        row integer, day date, at timestamptz, our_reference text, their_reference text, account text, amount numeric(18, 2), kind text
    ) ON COMMIT DROP
    """
_COPY = "COPY copied (row, day, at, our_reference, their_reference, account, amount, kind) FROM STDIN (FORMAT csv)"

# No cell has a line's end in it, so that nothing can be read as another line. The time is left out: not every file of a biller tells it.
_STAGED = """
    CREATE TEMPORARY TABLE staged ON COMMIT DROP AS
    SELECT told.*, row_number() OVER (PARTITION BY fingerprint ORDER BY row) AS occurrence FROM (
        SELECT copied.*, md5(concat_ws(E'\\n', CAST(:biller AS text), day, coalesce(our_reference, ''), coalesce(their_reference, ''), coalesce(account, ''),
            amount, CAST(:currency AS text), kind))::uuid AS fingerprint FROM copied
    ) AS told
    """
_NEW = "NOT EXISTS (SELECT FROM statement_lines l WHERE l.fingerprint = s.fingerprint AND l.occurrence = s.occurrence)"
_CLOSED_AMONG_NEW = f"""
    SELECT s.day, count(*) FROM staged s
    JOIN day_closes c ON c.biller_type = :biller AND c.day = s.day AND c.reopened_at IS NULL WHERE {_NEW} GROUP BY s.day ORDER BY s.day
    """  # noqa: S608 - constants of this module
_KEEP = """
    INSERT INTO statement_lines (statement_id, row, biller_type, day, at, our_reference, their_reference, account, amount, currency, kind,
        fingerprint, occurrence)
    SELECT :statement, row, :biller, day, at, our_reference, their_reference, account, amount, :currency, kind, fingerprint, occurrence
    FROM staged ORDER BY row ON CONFLICT DO NOTHING
    """

# What a rule found, as matches: the first line of a payment is its own, those after it are told as duplicates.
_MATCH = """
    INSERT INTO statement_matches (line_id, transaction_id, kind, rule, place)
    SELECT f.line_id, f.transaction_id, f.kind, :rule,
        (SELECT count(*) FROM statement_matches m WHERE m.transaction_id = f.transaction_id AND m.kind = f.kind)
            + row_number() OVER (PARTITION BY f.transaction_id, f.kind ORDER BY f.line_id)
    FROM ({found}) AS f
    """
_UNMATCHED = """
    statement_lines l WHERE l.biller_type = :biller AND l.day BETWEEN :first AND :last
        AND NOT EXISTS (SELECT FROM statement_matches m WHERE m.line_id = l.id)
        AND NOT EXISTS (SELECT FROM day_closes c WHERE c.biller_type = l.biller_type AND c.day = l.day AND c.reopened_at IS NULL)
    """
_OURS = "t.biller_type = :biller AND t.amount IS NOT NULL AND NOT t.demo"
RULES: Mapping[Rule, str] = {
    # The payment's own reference, and for money given back also the one that the giving back was asked for under.
    Rule.OUR_REFERENCE: f"""
        SELECT l.id AS line_id, l.kind, t.id AS transaction_id FROM (SELECT * FROM {_UNMATCHED}) AS l
        JOIN transactions t ON t.our_transaction_id = l.our_reference AND {_OURS}
        UNION
        SELECT l.id, l.kind, t.id FROM (SELECT * FROM {_UNMATCHED} AND l.kind = 'REVERSAL') AS l
        JOIN legs g ON g.reference = l.our_reference AND g.kind = 'PAY_REVERSAL'
        JOIN transactions t ON t.id = g.transaction_id AND {_OURS}
        """,  # noqa: S608 - constants of this module
    # A biller that uses a number again means the payment that is most like the line.
    Rule.THEIR_REFERENCE: f"""
        SELECT DISTINCT ON (l.id) l.id AS line_id, l.kind, t.id AS transaction_id FROM (SELECT * FROM {_UNMATCHED}) AS l
        JOIN transactions t ON t.external_transaction_id = l.their_reference AND {_OURS}
        ORDER BY l.id, (t.amount = l.amount) DESC, (t.account_number = l.account) DESC NULLS LAST, t.created_at, t.id
        """,  # noqa: S608 - constants of this module
    # Only where nothing else has them: a payment that the biller may have, in no line yet, and exactly one line that is in no payment.
    Rule.ACCOUNT: f"""
        SELECT l.line_id, 'PAYMENT' AS kind, t.transaction_id FROM (
            SELECT min(l.id) AS line_id, l.account, l.amount, l.currency, l.day FROM (SELECT * FROM {_UNMATCHED} AND l.kind = 'PAYMENT') AS l
            WHERE l.account IS NOT NULL GROUP BY l.account, l.amount, l.currency, l.day HAVING count(*) = 1
        ) AS l JOIN (
            SELECT min(t.id::text)::uuid AS transaction_id, t.account_number, t.amount, t.currency, (t.created_at AT TIME ZONE :zone)::date AS day
            FROM transactions t WHERE {_OURS} AND t.status IN ('COMPLETED', 'PROCESSING') AND t.created_at >= :since AND t.created_at < :until
                AND NOT EXISTS (SELECT FROM statement_matches m WHERE m.transaction_id = t.id AND m.kind = 'PAYMENT')
            GROUP BY t.account_number, t.amount, t.currency, 5 HAVING count(*) = 1
        ) AS t ON t.account_number = l.account AND t.amount = l.amount AND t.currency = l.currency AND t.day = l.day
        """,  # noqa: S608 - constants of this module
}

# Each line of these days and each payment of them that no line of its own day has. `ours` and `theirs` are what each adds to its side's total.
_ITEMS = """
    WITH items AS (
        SELECT l.day, l.id AS line_id, m.transaction_id, m.rule, l.row, l.statement_id, l.at, l.our_reference, l.their_reference, l.account,
            t.our_transaction_id, t.account_number, t.stage, t.status, t.created_at, t.amount AS our_amount, l.amount AS their_amount, l.kind,
            CASE
                WHEN m.place > 1 THEN 'DUPLICATE'
                WHEN t.id IS NULL AND l.occurrence > 1 THEN 'DUPLICATE'
                WHEN t.id IS NULL THEN 'THEIRS_ONLY'
                WHEN l.amount <> t.amount OR l.currency <> t.currency THEN 'AMOUNT_DIFFERS'
                WHEN l.kind = 'REVERSAL' THEN CASE WHEN t.status = 'REVERSED' THEN 'MATCHED' ELSE 'GIVEN_BACK' END
                WHEN t.status = 'COMPLETED' THEN 'MATCHED'
                WHEN t.stage = 'REVIEW' THEN 'UNDER_REVIEW'
                WHEN t.status IN ('PENDING', 'PROCESSING') THEN 'IN_DOUBT'
                WHEN t.status = 'REVERSED' AND EXISTS (SELECT FROM statement_matches b WHERE b.transaction_id = t.id AND b.kind = 'REVERSAL') THEN 'MATCHED'
                ELSE 'LATE_SUCCESS'
            END AS result,
            CASE WHEN m.place = 1 AND l.kind = 'PAYMENT' AND t.status = 'COMPLETED' AND t.currency = l.currency
                AND (t.created_at AT TIME ZONE :zone)::date = l.day THEN t.amount ELSE 0 END AS ours,
            CASE l.kind WHEN 'REVERSAL' THEN -l.amount ELSE l.amount END AS theirs
        FROM statement_lines l
        LEFT JOIN statement_matches m ON m.line_id = l.id
        LEFT JOIN transactions t ON t.id = m.transaction_id
        WHERE l.biller_type = :biller AND l.day BETWEEN :first AND :last
        UNION ALL
        SELECT (t.created_at AT TIME ZONE :zone)::date, NULL, t.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
            t.our_transaction_id, t.account_number, t.stage, t.status, t.created_at, t.amount, NULL, NULL,
            CASE
                WHEN l.id IS NOT NULL THEN 'OTHER_DAY'
                WHEN t.stage = 'REVIEW' THEN 'UNDER_REVIEW'
                WHEN t.status IN ('PENDING', 'PROCESSING') THEN 'IN_DOUBT'
                WHEN t.external_transaction_id IS NOT NULL AND EXISTS (
                    SELECT FROM statement_lines s WHERE s.biller_type = t.biller_type AND s.their_reference = t.external_transaction_id AND s.kind = 'PAYMENT'
                ) THEN 'DUPLICATE'
                ELSE 'OURS_ONLY'
            END,
            CASE WHEN t.status = 'COMPLETED' THEN t.amount ELSE 0 END, 0
        FROM transactions t
        LEFT JOIN statement_matches m ON m.transaction_id = t.id AND m.kind = 'PAYMENT' AND m.place = 1
        LEFT JOIN statement_lines l ON l.id = m.line_id
        WHERE t.biller_type = :biller AND t.amount IS NOT NULL AND NOT t.demo AND t.status IN ('COMPLETED', 'PENDING', 'PROCESSING')
            AND t.created_at >= :since AND t.created_at < :until AND (l.id IS NULL OR l.day <> (t.created_at AT TIME ZONE :zone)::date)
    ), notes AS (
        SELECT DISTINCT ON (day, line_id, transaction_id, result) id, day, line_id, transaction_id, result, act, told, noted_by, noted_at
        FROM difference_notes WHERE biller_type = :biller AND day BETWEEN :first AND :last
        ORDER BY day, line_id, transaction_id, result, noted_at DESC, id DESC
    )
    """
_NOTED = """
    items i LEFT JOIN notes n ON n.day = i.day AND n.result = i.result
        AND n.line_id IS NOT DISTINCT FROM i.line_id AND n.transaction_id IS NOT DISTINCT FROM i.transaction_id
    """
_DIFFERS = "i.result NOT IN ('MATCHED', 'OTHER_DAY')"
_COUNTED = f"""{_ITEMS}
    SELECT i.day, i.result, count(*) AS count, count(*) FILTER (WHERE {_DIFFERS} AND n.id IS NULL) AS open,
        count(*) FILTER (WHERE i.ours <> 0) AS ours_count, sum(i.ours) AS ours, count(i.line_id) AS theirs_count, sum(i.theirs) AS theirs,
        coalesce(sum(i.our_amount) FILTER (WHERE i.result IN ('UNDER_REVIEW', 'IN_DOUBT')), 0) AS in_doubt
    FROM {_NOTED} GROUP BY i.day, i.result ORDER BY i.day, i.result
    """  # noqa: S608 - constants of this module
_SHOWN = f"""{_ITEMS}
    SELECT i.*, n.act, n.told, n.noted_at, u.display_name AS noted_by, i.result = 'UNDER_REVIEW' AND EXISTS (
        SELECT FROM proposals p WHERE p.transaction_id = i.transaction_id AND p.kind = 'RESOLVE' AND p.decision = 'open') AS is_proposed
    FROM {_NOTED} LEFT JOIN users u ON u.id = n.noted_by
    WHERE (CAST(:result AS text) IS NULL AND {_DIFFERS} OR i.result = :result)
        AND (CAST(:line AS bigint) IS NULL OR i.line_id = :line) AND (CAST(:transaction AS uuid) IS NULL OR i.transaction_id = :transaction)
    ORDER BY n.id IS NOT NULL, coalesce(i.at, i.created_at) NULLS LAST, i.row NULLS LAST, i.transaction_id LIMIT :most
    """  # noqa: S608 - constants of this module

# What stands in the account that payments to this biller are credited to, as far as payments tell: debited and not given back, on days not signed off.
_SUSPENSE = """
    SELECT coalesce(sum(t.amount) FILTER (WHERE t.status = 'COMPLETED' AND day = :day), 0) AS today,
        coalesce(sum(t.amount) FILTER (WHERE t.status = 'COMPLETED' AND day < :day), 0) AS before,
        coalesce(sum(t.amount) FILTER (WHERE t.status = 'PROCESSING'), 0) AS in_doubt
    FROM (
        SELECT amount, status, (created_at AT TIME ZONE :zone)::date AS day FROM transactions
        WHERE biller_type = :biller AND topology <> 'NONE' AND NOT demo AND status IN ('COMPLETED', 'PROCESSING')
            AND created_at >= :since AND created_at < :until AND currency = :currency
    ) AS t WHERE NOT EXISTS (SELECT FROM day_closes c WHERE c.biller_type = :biller AND c.day = t.day AND c.day < :day AND c.reopened_at IS NULL)
    """


@dataclass(frozen=True, slots=True)
class Counted:
    """Of one day, what stands to each other in one way."""

    day: date
    result: Result
    count: int
    open: int
    ours_count: int
    ours: Decimal
    theirs_count: int
    theirs: Decimal
    in_doubt: Decimal


@dataclass(frozen=True, slots=True)
class Item:
    """A line, a payment, or both, and how they stand to each other now."""

    day: date
    result: Result
    line_id: int | None
    transaction_id: uuid.UUID | None
    rule: Rule | None
    # The line as the biller tells it.
    statement_id: uuid.UUID | None
    row: int | None
    at: datetime | None
    our_reference: str | None
    their_reference: str | None
    account: str | None
    their_amount: Decimal | None
    kind: LineKind | None
    # The payment as we have it.
    our_transaction_id: str | None
    account_number: str | None
    our_amount: Decimal | None
    stage: str | None
    status: str | None
    created_at: datetime | None
    # What a person made of it.
    act: Act | None
    told: str | None
    noted_by: str | None
    noted_at: datetime | None
    # Whether another person is asked to decide it.
    is_proposed: bool

    @property
    def is_open(self) -> bool:
        return self.result not in (Result.MATCHED, Result.OTHER_DAY) and self.act is None


@dataclass(frozen=True, slots=True)
class Suspense:
    """What the account that payments are credited to should hold: of this day, of earlier days not signed off, and what may have come beside."""

    today: Decimal
    before: Decimal
    in_doubt: Decimal
    # Earlier than the biller's first statement nothing is known to be open.
    since: date

    @property
    def should_hold(self) -> Decimal:
        return self.today + self.before


@dataclass(frozen=True, slots=True)
class OurDay:
    """Completed payments of a biller and business day, whatever its statement says."""

    biller_type: str
    day: date
    count: int
    value: Decimal


class Reconciliation:
    def __init__(self, session: Session) -> None:
        self._session = session

    def hold(self, biller_type: str) -> None:
        """One at a time for each biller: an import does not come between the counting of a day and its sign-off."""
        self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"reconciliation {biller_type}", 0))))

    # ---- Importing

    def columns(self, biller_type: str) -> StatementColumns | None:
        return self._session.get(StatementColumns, biller_type, populate_existing=True)

    def with_hash(self, biller_type: str, sha256: bytes) -> Statement | None:
        return self._session.scalar(select(Statement).where(Statement.biller_type == biller_type, Statement.sha256 == sha256))

    def stage(self, lines: BinaryIO, biller_type: str, currency: str) -> None:
        """Copies lines that were written as CSV in the order of `copied`; nothing of them is held here. Raises `Busy`, `Unavailable`."""
        self._session.execute(text("SELECT set_config('statement_timeout', :most, true)"), {"most": IMPORT_TIMEOUT})
        self._session.execute(text(_COPIED))
        connection = cast("psycopg.Connection[Any]", self._session.connection().connection.driver_connection)
        try:
            with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
                while block := lines.read(COPY_BYTES):
                    copy.write(block)
        except db.IN_THE_WAY as error:
            raise Busy from error
        except psycopg.OperationalError as error:
            raise Unavailable from error
        self._session.execute(text(_STAGED), {"biller": biller_type, "currency": currency})

    def staged(self) -> tuple[int, int, date | None, date | None]:
        """How many lines were staged, how many of those no earlier file had, and the first and last day of them."""
        told = text(f"SELECT count(*), count(*) FILTER (WHERE {_NEW}), min(s.day), max(s.day) FROM staged s")  # noqa: S608 - constants of this module
        count, fresh, first, last = self._session.execute(told).one()
        return count, fresh, first, last

    def closed_among_new(self, biller_type: str) -> Sequence[tuple[date, int]]:
        """Signed-off days that lines of this file would be added to, and how many."""
        return [(day, count) for day, count in self._session.execute(text(_CLOSED_AMONG_NEW), {"biller": biller_type})]

    def keep_staged(self, statement: Statement, currency: str) -> None:
        self._session.add(statement)
        self._session.flush()
        self._session.execute(text(_KEEP), {"statement": statement.id, "biller": statement.biller_type, "currency": currency})

    # ---- Matching

    def match(self, biller_type: str, first: date, last: date) -> int:
        """Finds the payments of lines that have none yet, rule by rule; answers how many it found. Days that are signed off stay as they are."""
        found = 0
        for rule, query in RULES.items():
            done = self._session.execute(text(_MATCH.format(found=query)), {**_of(biller_type, first, last), "rule": rule.value})
            found += cast("Any", done).rowcount
        return found

    def pair(self, line: StatementLine, transaction_id: uuid.UUID, by: uuid.UUID) -> None:
        """What a person says: this line is of this payment."""
        taken = select(func.count()).where(StatementMatch.transaction_id == transaction_id, StatementMatch.kind == line.kind)
        place = 1 + (self._session.scalar(taken) or 0)
        self._session.add(StatementMatch(line_id=line.id, transaction_id=transaction_id, kind=line.kind, rule=Rule.PERSON.value, place=place, matched_by=by))
        self._session.flush()

    def line(self, line_id: int) -> StatementLine | None:
        return self._session.get(StatementLine, line_id)

    def candidates(self, line: StatementLine, most: int = 20) -> Sequence[Transaction]:
        """Payments that this line may be of: no line has them, and account or amount are the same, within a day of it; the likest first."""
        since, until = _bounds(line.day, line.day)
        one, theirs = Transaction, line.account or ""
        taken = select(StatementMatch.line_id).where(StatementMatch.transaction_id == one.id, StatementMatch.kind == line.kind)
        found = (
            select(one)
            .where(one.biller_type == line.biller_type, one.amount.is_not(None), ~one.demo, one.created_at >= since - A_DAY, one.created_at < until + A_DAY)
            .where((one.account_number == line.account) | (one.amount == line.amount), ~taken.exists())
            .order_by((one.account_number == theirs).desc(), (one.amount == line.amount).desc(), _alike(one.account_number.expression, theirs).desc())
            .order_by((one.stage == Stage.COMPLETED.value).desc(), one.created_at, one.id)
            .limit(most)
        )
        return list(self._session.scalars(found))

    # ---- Telling apart

    def counted(self, biller_type: str, first: date, last: date) -> list[Counted]:
        """How lines and payments of these days stand to each other, by day and result."""
        rows = self._session.execute(text(_COUNTED), _of(biller_type, first, last)).mappings()
        return [Counted(**{**row, "result": Result(row["result"])}) for row in rows]

    def items(
        self,
        biller_type: str,
        day: date,
        result: Result | None = None,
        *,
        line_id: int | None = None,
        transaction_id: uuid.UUID | None = None,
        most: int = MOST_SHOWN,
    ) -> list[Item]:
        """What stands to each other in this way, or all differences: what is open first, then in the order of the day."""
        asked = {"result": result.value if result else None, "line": line_id, "transaction": transaction_id, "most": most}
        rows = self._session.execute(text(_SHOWN), {**_of(biller_type, day, day), **asked}).mappings()
        return [_item(row) for row in rows]

    def suspense(self, biller_type: str, day: date, currency: str, since: date) -> Suspense:
        row = self._session.execute(text(_SUSPENSE), {**_of(biller_type, since, day), "day": day, "currency": currency}).one()
        return Suspense(row.today, row.before, row.in_doubt, since)

    def first_day(self, biller_type: str) -> date | None:
        """The first day that any statement of this biller tells of."""
        return self._session.scalar(select(func.min(StatementLine.day)).where(StatementLine.biller_type == biller_type))

    # ---- Days

    def days(self, billers: Sequence[str], first: date, last: date) -> list[ReconciliationDay]:
        found = select(ReconciliationDay).where(ReconciliationDay.biller_type.in_(list(billers)), ReconciliationDay.day.between(first, last))
        return list(self._session.scalars(found.execution_options(populate_existing=True)))

    def our_days(self, billers: Sequence[str], first: date, last: date) -> list[OurDay]:
        since, until = _bounds(first, last)
        day = func.date(func.timezone(settings().billers_timezone, Transaction.created_at))
        found = (
            select(Transaction.biller_type, day, func.count(), func.sum(Transaction.amount))
            .where(Transaction.biller_type.in_(list(billers)), Transaction.status == "COMPLETED", Transaction.amount.is_not(None), ~Transaction.demo)
            .where(Transaction.created_at >= since, Transaction.created_at < until)
            .group_by(Transaction.biller_type, day)
        )
        return [OurDay(*row) for row in self._session.execute(found)]

    def keep_day(self, biller_type: str, day: date, figures: Mapping[str, Any], open_count: int) -> None:
        kept = self._session.get(ReconciliationDay, (biller_type, day), populate_existing=True)
        if kept is None:
            kept = ReconciliationDay(biller_type=biller_type, day=day)
            self._session.add(kept)
        kept.figures, kept.open, kept.as_of = dict(figures), open_count, func.clock_timestamp()
        self._session.flush()

    def statements_of(self, biller_type: str, day: date) -> list[tuple[Statement, str]]:
        """The files that brought lines of this day, the first one first, with who imported each."""
        brought = select(StatementLine.statement_id).where(StatementLine.biller_type == biller_type, StatementLine.day == day)
        found = select(Statement, User.display_name).join(User, User.id == Statement.imported_by).where(Statement.id.in_(brought))
        return [(statement, by) for statement, by in self._session.execute(found.order_by(Statement.imported_at))]

    def statements(self, billers: Sequence[str], most: int = 20) -> list[tuple[Statement, str]]:
        """The latest files, the newest first."""
        found = select(Statement, User.display_name).join(User, User.id == Statement.imported_by).where(Statement.biller_type.in_(list(billers)))
        return [(statement, by) for statement, by in self._session.execute(found.order_by(Statement.imported_at.desc()).limit(most))]

    def days_of(self, statement_id: uuid.UUID) -> list[tuple[date, int]]:
        found = select(StatementLine.day, func.count()).where(StatementLine.statement_id == statement_id).group_by(StatementLine.day)
        return [(day, count) for day, count in self._session.execute(found.order_by(StatementLine.day))]

    def statement(self, statement_id: uuid.UUID) -> Statement | None:
        return self._session.get(Statement, statement_id)

    # ---- Signing off

    def closes(self, biller_type: str, day: date) -> list[tuple[DayClose, str, str | None]]:
        """Every time this day was signed off, the latest first, with who did it and who reopened it."""
        by, again = aliased(User), aliased(User)
        found = (
            select(DayClose, by.display_name, again.display_name)
            .join(by, by.id == DayClose.closed_by)
            .outerjoin(again, again.id == DayClose.reopened_by)
            .where(DayClose.biller_type == biller_type, DayClose.day == day)
            .order_by(DayClose.closed_at.desc())
            .execution_options(populate_existing=True)
        )
        return [(close, closed_by, reopened_by) for close, closed_by, reopened_by in self._session.execute(found)]

    def standing(self, biller_type: str, day: date, *, held: bool = False) -> DayClose | None:
        """The sign-off that this day stands under."""
        found = select(DayClose).where(DayClose.biller_type == biller_type, DayClose.day == day, DayClose.reopened_at.is_(None))
        return self._session.scalar(found.with_for_update() if held else found)

    def standing_days(self, billers: Sequence[str], first: date, last: date) -> frozenset[tuple[str, date]]:
        standing = DayClose.reopened_at.is_(None)
        found = select(DayClose.biller_type, DayClose.day).where(DayClose.biller_type.in_(list(billers)), DayClose.day.between(first, last), standing)
        return frozenset((biller, day) for biller, day in self._session.execute(found))

    def close_with_id(self, close_id: uuid.UUID) -> DayClose | None:
        return self._session.get(DayClose, close_id)


def _bounds(first: date, last: date) -> tuple[datetime, datetime]:
    zone = ZoneInfo(settings().billers_timezone)
    return clock.day_bounds(first, zone)[0], clock.day_bounds(last, zone)[1]


def _of(biller_type: str, first: date, last: date) -> dict[str, Any]:
    since, until = _bounds(first, last)
    return {"biller": biller_type, "first": first, "last": last, "since": since, "until": until, "zone": settings().billers_timezone}


def _alike(ours: ColumnElement[str], theirs: str) -> ColumnElement[int]:
    """How many signs two numbers begin and end with together: one that was mistyped, left out or typed twice leaves all the others where they are."""
    size = func.generate_series(1, func.least(func.length(ours), len(theirs))).column_valued("size")
    same = [case((end(ours, size) == end(literal(theirs), size), 1), else_=0) for end in (func.left, func.right)]
    return select(func.coalesce(func.sum(same[0] + same[1]), 0)).scalar_subquery()


def _item(row: RowMapping) -> Item:
    kinds: Mapping[str, Any] = {"result": Result, "rule": Rule, "kind": LineKind, "act": Act}
    names = Item.__dataclass_fields__
    return Item(**{name: kinds[name](row[name]) if name in kinds and row[name] is not None else row[name] for name in names})
