"""Payments that wait for something or for somebody: how many of each kind, since when, and which. All kinds in one statement: who looks at one looks at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from sqlalchemy import TextClause, and_, text, true
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from core.repositories.filters import TransactionFilter
from core.states import Stage

# How many of those that need somebody are named; the others are behind the link.
NAMED = 3


class Heap(StrEnum):
    # Sent or perhaps sent, and not settled: asked about by themselves, or waiting for a person.
    IN_DOUBT = "in doubt"
    UNDER_REVIEW = "under review"
    # Nothing was sent yet.
    QUEUED = "queued"
    # The debit, or what is to be given back of it, is not settled for longer than it should take.
    BANK_LEGS = "bank legs"
    # Their end is contradicted, and nobody has seen to it; as old as the evidence is.
    BREAKS = "breaks"
    # What one person proposed and another is to decide; as old as the proposal is.
    PROPOSALS = "proposals"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Payments that stand somewhere: how many, since when the oldest does, how many are older than each age asked for, and which are the oldest."""

    count: int = 0
    oldest_at: datetime | None = None
    older_than: Mapping[timedelta, int] = field(default_factory=dict)
    references: Sequence[str] = ()


def _said(wanted: TransactionFilter) -> str:
    """A filter with its values in it: only by them a plan that is kept finds an index that holds no others."""
    return str(and_(true(), *wanted.conditions()).compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))  # type: ignore[no-untyped-call]


_THEIRS = "(CAST(:billers AS text[]) IS NULL OR transactions.biller_type = ANY(CAST(:billers AS text[])))"

# By themselves, as old as they are. Those that a list has a filter for are that list's.
_PAYMENTS: Mapping[Heap, str] = {
    Heap.IN_DOUBT: _said(TransactionFilter(in_doubt=True, under_review=False)),
    Heap.UNDER_REVIEW: _said(TransactionFilter(in_doubt=True, under_review=True)),
    Heap.QUEUED: f"transactions.stage = '{Stage.QUEUED}' AND transactions.next_action_at IS NOT NULL",
    Heap.BANK_LEGS: f"{_said(TransactionFilter(bank_open=True))} AND transactions.created_at <= now() - CAST(:settled_within AS interval)",
}

# By something that was written down about them: in which table, since when, and while what holds.
_ABOUT: Mapping[Heap, tuple[str, str, str]] = {
    Heap.BREAKS: ("breaks", "found_at", "a.closed_at IS NULL"),
    Heap.PROPOSALS: ("proposals", "created_at", "a.decision = 'open'"),
}


@lru_cache
def _statement(ages: int) -> TextClause:
    older = ", ".join(f"count(*) FILTER (WHERE created_at <= now() - (CAST(:ages AS interval[]))[{place + 1}])" for place in range(ages))
    parts = [
        f"""
        SELECT '{heap}' AS heap, count(*) AS count, min(created_at) AS oldest_at, CAST(ARRAY[{older}] AS bigint[]) AS older,
            ARRAY(SELECT our_transaction_id FROM transactions WHERE {where} AND {_THEIRS} ORDER BY created_at, id LIMIT {NAMED}) AS named
        FROM transactions WHERE {where} AND {_THEIRS}
        """  # noqa: S608 - constants of this module
        for heap, where in _PAYMENTS.items()
    ]
    for heap, (table, since, holds) in _ABOUT.items():
        about = f"{table} a JOIN transactions ON transactions.id = a.transaction_id WHERE {holds} AND {_THEIRS}"
        parts.append(
            f"""
            SELECT '{heap}', count(DISTINCT a.transaction_id), min(a.{since}), NULL,
                ARRAY(SELECT our_transaction_id FROM {about} GROUP BY our_transaction_id ORDER BY min(a.{since}) LIMIT {NAMED})
            FROM {about}
            """  # noqa: S608 - constants of this module
        )
    return text(" UNION ALL ".join(parts))


def standing(session: Session, settled_within: timedelta, ages: Sequence[timedelta] = (), billers: tuple[str, ...] = ()) -> Mapping[Heap, Waiting]:
    """Every heap. `settled_within`: so long a payment's debit may take; `ages`: how many are older than each, of those that wait by themselves; `billers`: of
    these alone; of none named, of all.
    """
    asked = {"settled_within": settled_within, "billers": list(billers) or None, **({"ages": list(ages)} if ages else {})}
    found = session.execute(_statement(len(ages)), asked)
    return {
        Heap(heap): Waiting(count, oldest_at, dict(zip(ages, older or (), strict=False)), tuple(named)) if count else Waiting()
        for heap, count, oldest_at, older, named in found
    }
