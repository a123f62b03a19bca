"""Tells the worker that there is something to do. Only a hint: whoever misses it finds the row within a second."""

from sqlalchemy import text
from sqlalchemy.orm import Session

CHANNEL = "billers_work"


def the_worker(session: Session) -> None:
    """Wakes the worker when this unit of work is committed. Once per unit of work: a NOTIFY in each commit is what costs."""
    session.execute(text(f"NOTIFY {CHANNEL}"))
