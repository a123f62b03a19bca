"""Which billers exist for whoever asks. A person may be limited to some: of the others they find no row, no figure and no name, by any way in.

It is said here once, and each service asks at its door: a filter is narrowed, and a transaction that is not theirs is not there. What is over all billers
at once they may not do, whatever their role has (core.access). One page is of the person and not of billers: on their own day stands all that they did
themselves, for the till is balanced with all that lies in it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Protocol, TypeVar

from core.access import Actor
from core.errors import NotFound
from core.models import Transaction
from core.services.denials import DENIALS

V = TypeVar("V")


class ByBiller(Protocol):
    """A filter, as a list is asked for by it or as an address says it: no biller named is every biller."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def billers(self) -> tuple[str, ...]: ...


W = TypeVar("W", bound=ByBiller)

# No biller's code is in brackets: a filter of it holds nothing, where one of no billers would hold all.
NO_BILLER = "(none)"


def billers_of(actor: Actor) -> tuple[str, ...]:
    """What a question is narrowed to: none named, where the person sees all."""
    return () if actor.billers is None else tuple(sorted(actor.billers)) or (NO_BILLER,)


def narrowed(actor: Actor, wanted: W) -> W:
    """The same filter of this person's billers only. Whoever asks for another biller gets what there is of it for them: nothing."""
    if actor.billers is None:
        return wanted
    meant = tuple(one for one in wanted.billers if one in actor.billers) if wanted.billers else tuple(sorted(actor.billers))
    return replace(wanted, billers=meant or (NO_BILLER,))


def existing(actor: Actor, transaction: Transaction | None) -> Transaction:
    """The row that was asked for, or `NotFound` in an operator's words: one of another biller is, for this person, not there. That they asked is recorded."""
    is_theirs = transaction is not None and actor.serves(transaction.biller_type)
    if transaction is not None and not is_theirs:
        DENIALS.another_biller(actor, transaction.id, transaction.biller_type)
    if transaction is None or not is_theirs:
        raise NotFound("There is no transaction under this reference. Check it and search again.")
    return transaction


def within(actor: Actor, by_biller: Mapping[str, V]) -> dict[str, V]:
    """Of what is known by biller, this person's."""
    return {code: value for code, value in by_biller.items() if actor.serves(code)}


def theirs(actor: Actor, rows: Iterable[V], biller_of: str = "biller_type") -> list[V]:
    """Of rows that name their biller, this person's."""
    return [row for row in rows if actor.serves(getattr(row, biller_of))]
