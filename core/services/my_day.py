"""My day: what one person paid on a business day. The till is balanced from it, so every figure is of one moment and of that person alone."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from core import clock, db
from core.access import Actor, needs
from core.documents.day_sheet import DaySheet, draw_day
from core.errors import BadInput, NotAllowed
from core.models import Transaction
from core.money import Money
from core.repositories.my_day import Line, MyDay, Tally
from core.repositories.statistics import Statistics
from core.settings import settings
from core.states import Stage, Status

# More than anybody pays by hand in a day. Beyond it the rows are not all shown, and it is said; the sums are of all of them.
MOST_ROWS = 1_000

# Outside these, the bounds of a business day cannot be told in UTC.
FIRST_YEAR, LAST_YEAR = 2000, 2200

OPEN = (Status.PENDING, Status.PROCESSING)


@dataclass(frozen=True, slots=True)
class Sum:
    """So many payments, and what they come to in each currency: amounts of two currencies are never added."""

    count: int
    values: Mapping[str, Decimal]

    def __str__(self) -> str:
        return " + ".join(str(Money(value, currency)) for currency, value in sorted(self.values.items())) or str(Money(Decimal(0)))


@dataclass(frozen=True, slots=True)
class Day:
    """One person's payments of one business day."""

    day: date
    today: date
    tallies: Sequence[Tally]
    unsettled: Sequence[Transaction]
    # The newest `MOST_ROWS`.
    rows: Sequence[Line]
    as_of: datetime

    @property
    def everything(self) -> Sum:
        return _sum(self.tallies)

    @property
    def till(self) -> Sum:
        """What was paid in cash and is with the billers now: it should be in the till."""
        return _sum(one for one in self.tallies if one.is_cash and one.status is Status.COMPLETED)

    @property
    def held(self) -> Sum:
        """Cash of payments that are not settled: it is in the till as well, and may have to be given back."""
        return _sum(one for one in self.tallies if one.is_cash and one.status in OPEN)

    @property
    def by_status(self) -> Mapping[Status, Sum]:
        """In the order of a payment's life."""
        return {status: one for status in Status if (one := _sum(tally for tally in self.tallies if tally.status is status)).count}

    @property
    def billers(self) -> Mapping[str, str]:
        """The billers that were paid, by name. One company may be two of them, postpaid and prepaid: then the code tells which."""
        names = {one.biller_type: one.biller_name for one in self.tallies}
        shared = {name for name, count in Counter(names.values()).items() if count > 1}
        told = {code: f"{name} ({code.replace('_', ' ')})" if name in shared else name for code, name in names.items()}
        return dict(sorted(told.items(), key=lambda pair: pair[1]))

    def of_biller(self, biller_type: str, *statuses: Status) -> Sum:
        return _sum(one for one in self.tallies if one.biller_type == biller_type and (not statuses or one.status in statuses))

    @property
    def is_whole(self) -> bool:
        """Whether `rows` are all there are."""
        return len(self.rows) == self.everything.count


@dataclass(frozen=True, slots=True)
class Printed:
    pdf: bytes
    name: str


@needs("transactions:pay")
def of_day(actor: Actor, /, day: date | None = None) -> Day:
    """One's own payments of this business day, today's unless told. Raises `BadInput` for a day no calendar of ours has.

    Those to billers that one is no longer shown stand on it, too: their money is in the till.
    """
    if actor.id is None:
        raise NotAllowed("Only a person has a till.")
    zone = _zone()
    today = clock.business_day(clock.now(), zone)
    day = day or today
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise BadInput(f"Choose a day between {FIRST_YEAR} and {LAST_YEAR}.")
    with db.unit_of_work() as session:
        mine = MyDay(session, actor.id, *clock.day_bounds(day, zone))
        return Day(day, today, mine.tallies(), mine.unsettled(), mine.rows(MOST_ROWS), mine.now())


@needs("transactions:pay")
def mark(actor: Actor, /) -> tuple[object, ...]:
    """Changes whenever a day may have changed, anybody's."""
    with db.glance() as session:
        return Statistics(session).mark()


@needs("transactions:pay")
def print_sheet(actor: Actor, /, day: date | None = None) -> Printed:
    """The same on paper, with room to write what was counted."""
    mine = of_day(actor, day)
    return Printed(draw_day(_sheet(mine, actor.display_name)), f"my-day-{mine.day:%Y-%m-%d}.pdf")


def state_of(one: Transaction) -> str:
    """In a word or two, where an open payment stands."""
    if one.stage == Stage.REVIEW.value:
        return "Under review: two managers decide"
    if one.status == Status.PENDING.value:
        return "Not sent yet"
    return "Being confirmed: do not pay again"


def _sum(tallies: Iterable[Tally]) -> Sum:
    count, values = 0, dict[str, Decimal]()
    for one in tallies:
        count += one.count
        values[one.currency] = values.get(one.currency, Decimal(0)) + one.value
    return Sum(count, values)


def _sheet(mine: Day, person: str) -> DaySheet:
    zone = _zone()

    def at(moment: datetime | None) -> str:
        return f"{moment.astimezone(zone):%H:%M:%S}" if moment else ""

    def said(one: Transaction | Line) -> str:
        return str(Money(one.amount, one.currency)) if one.amount is not None else ""

    more = "" if mine.is_whole else f"The newest {len(mine.rows)} of {mine.everything.count} payments are listed; the sums are of all of them."
    return DaySheet(
        person=person,
        day=f"{mine.day:%A} {mine.day.day} {mine.day:%B %Y}",
        zone=f"{mine.as_of.astimezone(zone):%Z}",
        till=str(mine.till),
        till_count=mine.till.count,
        held=str(mine.held) if mine.held.count else "",
        held_count=mine.held.count,
        statuses=[(status.capitalize(), str(one.count), str(one)) for status, one in mine.by_status.items()],
        billers=[
            (name, str(mine.of_biller(code).count), str((paid := mine.of_biller(code, Status.COMPLETED)).count), str(paid))
            for code, name in mine.billers.items()
        ],
        unsettled=[
            (at(one.created_at), one.our_transaction_id, one.biller_name, one.account_number, said(one), state_of(one), at(one.next_action_at))
            for one in mine.unsettled
        ],
        rows=[
            (
                at(one.created_at),
                one.our_transaction_id,
                one.biller_name,
                one.account_number,
                one.customer_account_name or "",
                said(one),
                one.status.capitalize(),
            )
            for one in mine.rows
        ],
        note=more,
        as_of=f"{mine.as_of.astimezone(zone):%d/%m/%Y %H:%M:%S %Z}",
    )


def _zone() -> ZoneInfo:
    return ZoneInfo(settings().billers_timezone)
