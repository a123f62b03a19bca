"""Figures as people read them: what a filter comes to. Every number on a page comes from here, so that tile, list, chart and file agree."""

from core import db
from core.access import Actor, needs
from core.repositories.filters import TransactionFilter
from core.repositories.statistics import Figures, Statistics


@needs("statistics:read")
def totals(actor: Actor, /, wanted: TransactionFilter) -> Figures:
    """What the filter's rows come to: `rows`, `by_status`, `payments`, `value` and the rates."""
    with db.unit_of_work() as session:
        return Statistics(session).figures(wanted)
