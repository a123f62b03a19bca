"""That something happened which somebody may want to be told of: written down in the unit of work in which it happened, one row at most, and no more than that.

Who is told, by which way, and whether it arrives, is none of its business: that is found out behind, by the worker (core.services.deliveries). What moves
transactions writes its own rows by the statement that moves them (core.services.moves).
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from core.models.notifications import Happening
from core.repositories.outbox import Outbox


def note(session: Session, event: Happening, subject_type: str, subject_id: object, facts: Mapping[str, Any], *, biller: str | None = None) -> None:
    """Keeps it if anybody subscribes to it. `facts` are those that `notification_words` names for the event, `biller` the code of its type."""
    Outbox(session).note(event, biller, subject_type, subject_id, facts)
