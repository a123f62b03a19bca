"""What monitoring watches beside the figures: sessions, workers, the database itself. Each is read from a small index or a counter of the server."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from core.models import User, UserSession, Worker
from core.repositories.people import counts_now

_DATABASE = text(
    """
    SELECT pg_database_size(current_database()) AS bytes, current_setting('max_connections')::integer AS most_connections,
        extract(epoch FROM clock_timestamp())::float8 AS now,
        (SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()) AS deadlocks,
        (SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()) AS rollbacks
    """
)

_CONNECTIONS = text(
    "SELECT coalesce(state, 'unknown'), count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' GROUP BY 1"
)


@dataclass(frozen=True, slots=True)
class Server:
    """The database as its server counts it."""

    bytes: int
    most_connections: int
    # Seconds since 1970 by its own clock.
    now: float
    deadlocks: int
    rollbacks: int
    connections: Mapping[str, int]


class Metrics:
    def __init__(self, session: Session) -> None:
        self._session = session

    def server(self) -> Server:
        connections = {str(state): int(count) for state, count in self._session.execute(_CONNECTIONS).all()}
        size, most_connections, now, deadlocks, rollbacks = self._session.execute(_DATABASE).one()
        return Server(size, most_connections, now, deadlocks, rollbacks, connections)

    def open_sessions(self, idle: timedelta) -> int:
        """Of people who would not be asked to sign in."""
        asked = select(func.count()).select_from(UserSession).join(User, User.id == UserSession.user_id).where(*counts_now(idle))
        return self._session.execute(asked).scalar_one()

    def workers(self, silence: timedelta) -> int:
        """Those that said lately that they are at work."""
        asked = select(func.count()).select_from(Worker).where(Worker.stopped_at.is_(None), Worker.seen_at > func.clock_timestamp() - silence)
        return self._session.execute(asked).scalar_one()
