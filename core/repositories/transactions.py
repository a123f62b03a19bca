"""What is known of transactions: one and its story, the list and its pages, what stands in the way of a new one."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, Interval, Uuid, and_, any_, bindparam, false, func, select, text, true, tuple_
from sqlalchemy.orm import Session

from core.models import Answer, Attempt, BillerType, Break, Draft, Event, Leg, Transaction, User, Worker
from core.repositories.filters import TransactionFilter, is_short
from core.repositories.rollup_questions import can_add_up
from core.repositories.rollups import HORIZON, Rollups
from core.repositories.sources import LAST_LETTER, begins
from core.repositories.walks import Reckoned, Walk
from core.repositories.ways import Cursor as Cursor
from core.repositories.ways import Sort as Sort
from core.repositories.words import Words
from core.states import IN_FLIGHT, LegKind, Stage, Status, TransactionType

# Statuses that say no money is with the biller: a second payment beside one of these is no duplicate.
SETTLED_UNPAID = (Status.FAILED, Status.CANCELLED, Status.REVERSED)


# Recent look-ups are looked for among so many of what a person did last at each biller.
LATELY = 100


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list. `older` leads further down and `newer` further up, in the order it is sorted in, where there is more."""

    rows: Sequence[Transaction]
    older: Cursor | None
    newer: Cursor | None
    as_of: datetime
    # What database transactions below this did is in it.
    horizon: int


@dataclass(frozen=True, slots=True)
class News:
    """What has come to a list since it was drawn: rows before its first one, up to a hundred, and rows of the page that moved or left it."""

    new: int
    changed: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Widened:
    """A filter that holds something where one held nothing, and how much: so many rows (at least so many, if not exact) from then to then."""

    wanted: TransactionFilter
    rows: int
    is_exact: bool
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a search may mean: an account, with the name it goes by, or a transaction's reference."""

    # `account`, `meter`, `name` or `reference`: where the word was found.
    kind: str
    value: str
    biller_type: str
    # Beside an account its name, beside a name its account.
    note: str
    last_at: datetime


# What is left out of a filter that holds nothing, in turn: first what is most often wrong.
LEFT_OUT = (
    ("statuses", "in_doubt", "under_review", "bank_open"),
    ("amount_min", "amount_max"),
    ("reasons",),
    ("initiated_by", "operators"),
    ("types",),
    ("billers",),
    ("account", "reference", "search"),
)

# An open list tells of so many new rows; more are "100+".
MOST_NEWS = 100
# So many moves since a list was drawn are looked at one by one, whatever the list asks for.
LOOKED_THROUGH = 500
# Nothing that went on when a list was drawn had begun so long before: older months of moves need not be read.
LONGEST_WORK = timedelta(days=1)

# How far a wider filter is counted.
WIDE_ENOUGH = 2_500

# Accounts looked at for a suggestion: enough for the one used last to be among the first letters typed.
LOOKED_AT = 200

# What a page of the list is of.
_MOMENT = select(func.clock_timestamp(), HORIZON)

_IS_ALIVE = select(select(Worker.id).where(Worker.stopped_at.is_(None), Worker.seen_at > func.clock_timestamp() - bindparam("age", type_=Interval())).exists())


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that is told of one transaction, in the order it happened."""

    transaction: Transaction
    initiator: str | None
    legs: Sequence[Leg]
    events: Sequence[Event]
    attempts: Sequence[tuple[Attempt, Sequence[Answer]]]
    parent: Transaction | None
    child: Transaction | None
    as_of: datetime
    # What speaks against its end, the oldest first.
    breaks: Sequence[Break] = ()


@dataclass(frozen=True, slots=True)
class RecentAccount:
    biller_type: str
    account_number: str
    account_type: str | None
    customer_name: str | None
    last_at: datetime = field(compare=False)


class Transactions:
    def __init__(self, session: Session) -> None:
        self._session = session

    def now(self) -> datetime:
        """The database's moment."""
        return self._session.scalar(select(func.clock_timestamp())) or _impossible()

    def by_id(self, transaction_id: uuid.UUID) -> Transaction | None:
        return self._session.get(Transaction, transaction_id, populate_existing=True)

    def locked(self, transaction_id: uuid.UUID) -> Transaction | None:
        """The row, held until the unit of work ends."""
        return self._session.get(Transaction, transaction_id, populate_existing=True, with_for_update=True)

    def by_reference(self, reference: str) -> Transaction | None:
        return self._session.scalar(select(Transaction).where(Transaction.our_transaction_id == reference))

    def by_draft(self, draft_id: uuid.UUID) -> Transaction | None:
        return self._session.scalar(select(Transaction).where(Transaction.draft_id == draft_id))

    def retried_as(self, transaction_id: uuid.UUID) -> Transaction | None:
        return self._session.scalar(select(Transaction).where(Transaction.retry_of == transaction_id))

    def draft(self, draft_id: uuid.UUID, *, lock: bool = False) -> Draft | None:
        return self._session.get(Draft, draft_id, populate_existing=True, with_for_update=lock or None)

    def leg(self, transaction_id: uuid.UUID, kind: LegKind = LegKind.PAY) -> Leg | None:
        return self._session.get(Leg, (transaction_id, kind.value))

    def name_of(self, user_id: uuid.UUID | None) -> str | None:
        return None if user_id is None else self._session.scalar(select(User.display_name).where(User.id == user_id))

    def hold_account(self, biller_type: str, account_number: str) -> None:
        """Whoever else pays this account waits here until the unit of work ends: the race between two operators is closed."""
        self._session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"{biller_type} {account_number}"})

    def in_flight(self, biller_type: str, account_number: str) -> Transaction | None:
        return self._session.scalar(
            select(Transaction).where(
                Transaction.biller_type == biller_type,
                Transaction.account_number == account_number,
                Transaction.amount.is_not(None),
                Transaction.stage.in_([stage.value for stage in IN_FLIGHT]),
                ~Transaction.in_flight_waived,
            )
        )

    def paying_invoice(self, biller_type: str, invoice_number: str) -> Transaction | None:
        """The payment that has this invoice: on its way, or paid."""
        living = [status.value for status in Status if status not in SETTLED_UNPAID]
        return self._session.scalar(
            select(Transaction).where(
                Transaction.transaction_type == TransactionType.CONFIRM_INVOICE.value,
                Transaction.biller_type == biller_type,
                Transaction.invoice_number == invoice_number,
                Transaction.status.in_(living),
            )
        )

    def same_lately(self, biller_type: str, account_number: str, amount: Decimal, within: timedelta, besides: uuid.UUID | None = None) -> Transaction | None:
        """The latest payment of the same bill within the window that may have taken money."""
        found = (
            select(Transaction)
            .where(
                Transaction.biller_type == biller_type,
                Transaction.account_number == account_number,
                Transaction.amount == amount,
                Transaction.created_at > func.clock_timestamp() - within,
                Transaction.status.not_in([status.value for status in SETTLED_UNPAID]),
            )
            .order_by(Transaction.created_at.desc())
            .limit(1)
        )
        return self._session.scalar(found.where(Transaction.id != besides) if besides else found)

    def page(
        self,
        wanted: TransactionFilter,
        size: int,
        older_than: Cursor | None = None,
        newer_than: Cursor | None = None,
        sort: Sort = Sort.NEWEST,
    ) -> Page:
        """Up to `size` rows by key. One row more is read than shown: that is how it knows there is another page."""
        rows = Walk.over(self._session, wanted).rows(sort, size + 1, newer_than or older_than, back=newer_than is not None)
        more = len(rows) > size
        rows = rows[:size]
        if newer_than:
            rows.reverse()
        first, last = (_cursor(rows[0], sort), _cursor(rows[-1], sort)) if rows else (None, None)
        as_of, horizon = self._session.execute(_MOMENT).one()
        return Page(
            rows=rows,
            older=last if (newer_than or more) else None,
            newer=first if (older_than or (newer_than and more)) else None,
            as_of=as_of,
            horizon=horizon,
        )

    def jump(self, wanted: TransactionFilter, page_number: int, size: int, sort: Sort = Sort.NEWEST) -> Cursor | None:
        """The place that the page of this number (from 2 on) begins behind; None where there is no such page, or nobody can tell it quickly."""
        before = (page_number - 1) * size - 1
        if before < 0:
            return None
        is_summed = not sort.by_amount and can_add_up(wanted)
        row = self._placed(wanted, before, sort) if is_summed else Walk(self._session, wanted).skipped(sort, before)
        return _cursor(row, sort) if row else None

    def _placed(self, wanted: TransactionFilter, before: int, sort: Sort) -> Transaction | None:
        """The same by the sums of hours, which know how many rows lie after each."""
        placed = Rollups(self._session).place(wanted, before, oldest=not sort.descending)
        if placed is None:
            return None
        hour, behind = placed
        until = hour + timedelta(hours=1)
        return Walk(self._session, wanted).behind(min(until, wanted.until) if wanted.until else until, behind)

    def since(self, wanted: TransactionFilter, first: Cursor | None, page: Page) -> News:
        """What has come before `first` (None: that is not asked), and how many of the page's rows are not as they were, or not in the list any more."""
        return News(self._new(wanted, first) if first else 0, self._changed(wanted, page), self.now())

    def told_since(self, wanted: TransactionFilter, first: Cursor | None, page: Page) -> News | None:
        """The same from what moved, which is little, as a rule, and is looked at row by row in one statement: each open window asks this after each change.

        None where it is too much for that, or where moves do not tell it.
        """
        if wanted.bank_open:
            # What core banking keeps waiting for leaves its list without a move.
            return None
        moves = select(Event.transaction_id).where(Event.xid >= page.horizon, Event.at >= page.as_of - LONGEST_WORK).limit(LOOKED_THROUGH + 1).cte("moves")
        fits, shown = and_(true(), *wanted.conditions()), Transaction.id == any_(bindparam("shown", [row.id for row in page.rows], ARRAY(Uuid)))
        place = tuple_(Transaction.created_at, Transaction.id)
        is_new = and_(fits, place > (first.created_at, first.id)) if first else false()
        told = (func.array_agg(column).filter(shown, fits) for column in (Transaction.id, Transaction.version))
        how_many = select(func.count()).select_from(moves).scalar_subquery()
        query = select(how_many, func.count().filter(is_new), func.count().filter(shown), *told, func.clock_timestamp())
        moved, new, touched, there, versions, now = self._session.execute(query.where(Transaction.id.in_(select(moves.c.transaction_id)))).one()
        if moved > LOOKED_THROUGH:
            return None
        before = {row.id: row.version for row in page.rows}
        as_they_were = sum(before[row_id] == version for row_id, version in zip(there or (), versions or (), strict=True))
        return News(min(new, MOST_NEWS), touched - as_they_were, now)

    def _new(self, wanted: TransactionFilter, first: Cursor) -> int:
        later = wanted if wanted.since and wanted.since > first.created_at else replace(wanted, since=first.created_at)
        return len(Walk(self._session, later).rows(Sort.OLDEST, MOST_NEWS, first))

    def _changed(self, wanted: TransactionFilter, page: Page) -> int:
        there = select(Transaction.id, Transaction.version).where(Transaction.id.in_([row.id for row in page.rows]), *wanted.conditions())
        now = {row.id: row.version for row in self._session.execute(there)} if page.rows else {}
        return sum(now.get(row.id) != row.version for row in page.rows)

    def widest(self, wanted: TransactionFilter, billers: tuple[str, ...] = ()) -> Widened | None:
        """For a filter that holds nothing: the same without its days, or else without the first of its other parts that stands in the way.

        `billers` are the widest there are for whoever asks.
        """
        for wider in _wider(wanted, TransactionFilter(billers=billers)):
            counted = self.count_up_to(wider, WIDE_ENOUGH)
            ends = [Walk(self._session, wider).rows(sort, 1) for sort in (Sort.OLDEST, Sort.NEWEST)] if counted.rows else []
            if all(ends) and ends:
                return Widened(wider, counted.rows, counted.is_exact, ends[0][0].created_at, ends[1][0].created_at)
        return None

    def suggest(self, term: str, limit: int = 8, billers: tuple[str, ...] = ()) -> Sequence[Suggestion]:
        """What somebody who types this may mean: accounts, meters and names with it, those used last first, and references that begin so."""
        word = term.strip()
        if is_short(word):
            return []
        found = []
        for biller, account, meter, name, last_at in Words(self._session, TransactionFilter(search=word, billers=billers)).meant(LOOKED_AT):
            places = (("account", account, name), ("meter", meter, account), ("name", name, account))
            found += [Suggestion(kind, value, biller, note, last_at) for kind, value, note in places if word.casefold() in value.casefold()][:1]
        # The same name of ten accounts is one suggestion.
        accounts = list({(one.kind, one.value): one for one in reversed(found)}.values())[::-1]
        start = word.upper()
        is_meant = begins(Transaction.our_transaction_id, start, start + LAST_LETTER)
        ours = self._session.scalars(select(Transaction).where(*is_meant, *TransactionFilter(billers=billers).conditions()).limit(limit))
        references = [Suggestion("reference", one.our_transaction_id, one.biller_type, one.account_number, one.created_at) for one in ours]
        begun = [one for one in accounts if one.value.casefold().startswith(word.casefold())]
        rest = [one for one in accounts if not one.value.casefold().startswith(word.casefold())]
        return (begun + references + rest)[:limit]

    def count_up_to(self, wanted: TransactionFilter, most: int) -> Reckoned:
        """How many rows a filter has, as far as `most`, quickly whatever the filter is."""
        return Walk(self._session, wanted).reckoned(most)

    def open_break(self, break_id: uuid.UUID) -> Break | None:
        """A contradiction nobody has seen to, held until the unit of work ends."""
        return self._session.scalar(select(Break).where(Break.id == break_id, Break.closed_at.is_(None)).with_for_update())

    def story(self, transaction: Transaction) -> Story:
        transaction_id = transaction.id
        legs = list(self._session.scalars(select(Leg).where(Leg.transaction_id == transaction_id)))
        events = list(self._session.scalars(select(Event).where(Event.transaction_id == transaction_id).order_by(Event.version, Event.seq)))
        attempts = list(self._session.scalars(select(Attempt).where(Attempt.transaction_id == transaction_id).order_by(Attempt.at, Attempt.id)))
        answers = list(self._session.scalars(select(Answer).where(Answer.transaction_id == transaction_id).order_by(Answer.at, Answer.id)))
        return Story(
            transaction=transaction,
            initiator=self.name_of(transaction.initiated_by),
            legs=legs,
            events=events,
            attempts=[(attempt, [answer for answer in answers if answer.attempt_id == attempt.id]) for attempt in attempts],
            parent=self.by_id(transaction.retry_of) if transaction.retry_of else None,
            child=self.retried_as(transaction_id),
            as_of=self.now(),
            breaks=list(self._session.scalars(select(Break).where(Break.transaction_id == transaction_id).order_by(Break.found_at))),
        )

    def recent_accounts(self, user_id: uuid.UUID, biller_type: str, count: int = 6) -> list[RecentAccount]:
        """The accounts this person served last at this biller, each once."""
        latest = (
            select(Transaction.account_number, Transaction.account_type, Transaction.customer_account_name, Transaction.created_at)
            .where(Transaction.initiated_by == user_id, Transaction.biller_type == biller_type, Transaction.customer_account_name.is_not(None))
            .order_by(Transaction.created_at.desc())
            .limit(50)
        )
        seen: dict[str, RecentAccount] = {}
        for account, kind, name, moment in self._session.execute(latest):
            seen.setdefault(account, RecentAccount(biller_type, account, kind, name, moment))
        return list(seen.values())[:count]

    def last_biller(self, user_id: uuid.UUID, billers: tuple[str, ...] = ()) -> str | None:
        """Whom this person asked or paid last."""
        latest = _latest_of(user_id, 1, billers)
        return self._session.scalar(select(latest.c.biller_type).order_by(latest.c.created_at.desc()).limit(1))

    def recent_lookups(self, user_id: uuid.UUID, count: int = 8, billers: tuple[str, ...] = ()) -> list[Transaction]:
        """Of what this person did last at each biller, the look-ups."""
        latest = _latest_of(user_id, LATELY, billers)
        found = select(Transaction).join(latest, latest.c.id == Transaction.id).where(latest.c.transaction_type == TransactionType.ACCOUNT_DETAILS.value)
        return list(self._session.scalars(found.order_by(Transaction.created_at.desc(), Transaction.id.desc()).limit(count)))

    def latest_open_draft(self, user_id: uuid.UUID) -> Draft | None:
        """Where this person was: the draft last touched that no transaction came of."""
        return self._session.scalar(
            select(Draft)
            .where(Draft.owner_id == user_id, ~select(Transaction.id).where(Transaction.draft_id == Draft.id).exists())
            .order_by(Draft.updated_at.desc())
            .limit(1)
        )

    def in_doubt(self, billers: tuple[str, ...] = ()) -> int:
        """Payments that were or may have been sent and are not settled."""
        return self._session.scalar(select(func.count()).where(*TransactionFilter(in_doubt=True, billers=billers).conditions())) or 0

    def queued(self, billers: tuple[str, ...] = ()) -> int:
        waits = (Transaction.stage == Stage.QUEUED.value, Transaction.next_action_at.is_not(None))
        return self._session.scalar(select(func.count()).where(*waits, *TransactionFilter(billers=billers).conditions())) or 0

    def worker_seen_within(self, age: timedelta) -> bool:
        return bool(self._session.scalar(_IS_ALIVE, {"age": age}))


def _wider(wanted: TransactionFilter, nothing: TransactionFilter) -> Iterator[TransactionFilter]:
    """The filter without its days; then without its days and one thing more, which is as in the filter that asks for nothing."""
    all_days = replace(wanted, since=None, until=None, weekdays=(), time_of_day=None)
    if all_days != wanted:
        yield all_days
    for names in LEFT_OUT:
        wider = replace(all_days, **{name: getattr(nothing, name) for name in names})
        if wider not in (all_days, nothing):
            yield wider


def _cursor(row: Transaction, sort: Sort) -> Cursor:
    return Cursor(row.created_at, row.id, row.amount if sort.by_amount else None)


def _impossible() -> datetime:
    raise AssertionError("The database told no time.")


def _latest_of(user_id: uuid.UUID, count: int, billers: tuple[str, ...]) -> Any:
    """So many of a person's transactions at each biller, the newest: in that order an index has them."""
    columns = (Transaction.id, Transaction.biller_type, Transaction.transaction_type, Transaction.created_at)
    theirs = select(*columns).where(Transaction.initiated_by == user_id, Transaction.biller_type == BillerType.code)
    one = theirs.order_by(Transaction.created_at.desc(), Transaction.id.desc()).limit(count).correlate(BillerType).lateral()
    found = select(one).select_from(BillerType).join(one, true())
    return (found.where(BillerType.code.in_(list(billers))) if billers else found).subquery()
