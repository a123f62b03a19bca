"""Transactions as people read them: the list, one and its story, and how things stand altogether."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func

from core import clock, db
from core.access import Actor, needs
from core.errors import BadInput, NotLegalNow
from core.models import Transaction
from core.repositories.billers import Billers
from core.repositories.filters import TransactionFilter
from core.repositories.statistics import Counted, Statistics
from core.repositories.transactions import Cursor, News, Page, Sort, Story, Suggestion, Transactions, Widened
from core.repositories.walks import read_by_index
from core.security import audit
from core.services import core_banking
from core.services.scope import billers_of, existing, narrowed, within
from core.settings import settings

PAGE_SIZES = (25, 50, 100)

NO_ID = uuid.UUID(int=0)

# A worker says that it is alive every 5 s; three of them missed is an absence.
WORKER_SILENCE = timedelta(seconds=15)


# What was done about a contradiction: whoever asks later goes by it.
SHORTEST_WORDS, LONGEST_WORDS = 3, 200


@dataclass(frozen=True, slots=True)
class Pulse:
    """How things stand: shown above every page when something is not as it should be."""

    jobs_enabled: bool
    worker_seen: bool
    queued: int
    in_doubt: int
    troubles: dict[str, str]


@needs("transactions:read")
def list_page(
    actor: Actor,
    /,
    wanted: TransactionFilter,
    size: int = 25,
    older_than: Cursor | None = None,
    newer_than: Cursor | None = None,
    sort: Sort = Sort.NEWEST,
) -> Page:
    """One page of the filtered list: the rows behind a place in its order, or those before one."""
    _refuse_other_sizes(size)
    with db.snapshot() as session:
        read_by_index(session)
        return Transactions(session).page(narrowed(actor, wanted), size, older_than, newer_than, sort)


@needs("transactions:read")
def list_counted(
    actor: Actor,
    /,
    wanted: TransactionFilter,
    size: int = 25,
    older_than: Cursor | None = None,
    newer_than: Cursor | None = None,
    sort: Sort = Sort.NEWEST,
) -> tuple[Page, Counted]:
    """The same, and how many rows the list has as far as `statistics.counted` tells. Both are of one moment: what a word may be of is looked up once, and of
    what stands on one page nothing is counted.
    """
    _refuse_other_sizes(size)
    wanted = narrowed(actor, wanted)
    with db.snapshot() as session:
        read_by_index(session)
        page = Transactions(session).page(wanted, size, older_than, newer_than, sort)
        is_whole = not (older_than or newer_than or page.older)
        return page, Counted(len(page.rows), is_exact=True) if is_whole else Statistics(session).count(wanted)


def _refuse_other_sizes(size: int) -> None:
    if size not in PAGE_SIZES:
        raise BadInput(f"A page has {', '.join(map(str, PAGE_SIZES))} rows.")


@needs("transactions:read")
def jump(actor: Actor, /, wanted: TransactionFilter, page_number: int, size: int = 25, sort: Sort = Sort.NEWEST) -> Cursor | None:
    """The place that the page of this number begins behind (`older_than`), from page 2 on; None where nobody can tell it: a day can be jumped to always."""
    with db.snapshot() as session:
        return Transactions(session).jump(narrowed(actor, wanted), page_number, size, sort)


@needs("transactions:read")
def jump_to_day(actor: Actor, /, day: date, sort: Sort = Sort.NEWEST) -> Cursor:
    """The place that a business day begins behind, in a list by time."""
    first, after = clock.day_bounds(day, ZoneInfo(settings().billers_timezone))
    # No id is as small: whatever is of that very moment comes behind it, or before it.
    return Cursor(after if sort.descending else first, NO_ID)


@needs("transactions:read")
def since(actor: Actor, /, wanted: TransactionFilter, first: Cursor | None, page: Page) -> News:
    """What has come to a list since a page of it was read: rows newer than `first` (None: not asked for), and rows of it that are not as they were."""
    with db.glance() as session:
        told = Transactions(session).told_since(narrowed(actor, wanted), first, page)
    if told is not None:
        return told
    with db.unit_of_work() as session:
        return Transactions(session).since(narrowed(actor, wanted), first, page)


@needs("transactions:read")
def widest(actor: Actor, /, wanted: TransactionFilter) -> Widened | None:
    """A wider filter that holds something, where this one holds nothing: without its days, or without one thing more."""
    with db.unit_of_work() as session:
        return Transactions(session).widest(narrowed(actor, wanted), billers_of(actor))


@needs("transactions:read")
def suggest(actor: Actor, /, term: str, limit: int = 8) -> Sequence[Suggestion]:
    """What somebody who types this may mean, from three characters on."""
    with db.unit_of_work() as session:
        return Transactions(session).suggest(term, limit, billers_of(actor))


@needs("transactions:read")
def find(actor: Actor, /, transaction_id: uuid.UUID) -> Transaction:
    """One transaction, without its story: what a page that waits for it reads every second."""
    with db.unit_of_work() as session:
        return existing(actor, Transactions(session).by_id(transaction_id))


@needs("transactions:resolve", fresh=True)
def see_to(actor: Actor, /, break_id: uuid.UUID, because: str | None) -> None:
    """Closes a contradiction with what was done about the money; the payment stays as it is.

    Raises `BadInput` without words for it, `NotLegalNow` where somebody has closed it.
    """
    said = " ".join((because or "").split())
    if not SHORTEST_WORDS <= len(said) <= LONGEST_WORDS:
        raise BadInput(f"Say what was done about the money, in {SHORTEST_WORDS} to {LONGEST_WORDS} characters: the credit note's number, for example.")
    with db.unit_of_work() as session:
        found = Transactions(session).open_break(break_id)
        if found is None:
            raise NotLegalNow("Somebody has seen to it already. Open the transaction again.")
        existing(actor, Transactions(session).by_id(found.transaction_id))
        found.closed_at, found.closed_by, found.closed_because = func.clock_timestamp(), actor.id, said
        session.flush()
        audit.record(session, actor, "break.closed", "transaction", found.transaction_id, kind=found.kind, because=said)


@needs("transactions:read")
def story(actor: Actor, /, transaction_id: uuid.UUID) -> Story:
    """Everything that is told of one transaction, masked payloads included."""
    with db.unit_of_work() as session:
        return Transactions(session).story(existing(actor, Transactions(session).by_id(transaction_id)))


@needs("transactions:read")
def by_reference(actor: Actor, /, reference: str) -> Transaction:
    """The transaction a person reads out by our reference."""
    with db.unit_of_work() as session:
        return existing(actor, Transactions(session).by_reference(reference.strip().upper()))


@needs("people:sign_in")
def pulse(actor: Actor, /) -> Pulse:
    """Is anybody sending, what waits, which biller is in trouble?"""
    with db.unit_of_work() as session:
        transactions, billers = Transactions(session), Billers(session)
        names = {**within(actor, billers.names()), core_banking.CODE: core_banking.NAME}
        return Pulse(
            jobs_enabled=settings().enable_background_jobs,
            worker_seen=transactions.worker_seen_within(WORKER_SILENCE),
            queued=transactions.queued(billers_of(actor)),
            in_doubt=transactions.in_doubt(billers_of(actor)),
            troubles={names[code]: breaker.reason for code, breaker in billers.open_breakers().items() if code in names},
        )
