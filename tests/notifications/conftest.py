"""A bank that tells people: a mail server and a webhook on this machine, and somebody who says who is told of what."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest

from core import db
from core.access import Actor
from core.models import NotificationChannel
from core.models.notifications import Happening
from core.repositories.outbox import Outbox
from core.security import vault
from core.services import deliveries, notifications
from core.services.notifications import MailServer
from core.settings import settings
from tests.notifications.receivers import LOOPBACK, MailHost, Receiver
from tests.payments.bench import Bench
from tests.payments.conftest import bench as bench
from tests.payments.conftest import shared_bench as shared_bench


@dataclass
class Desk:
    """The administrator's desk, and the worker's round by hand."""

    bench: Bench
    administrator: Actor

    def mail_channel(self, host: MailHost, name: str = "Mail") -> UUID:
        said = MailServer(LOOPBACK, host.port, "insecure", "billers@bank.example.mw")
        return notifications.keep_mail_server(self.administrator, name, said)

    def tell(self, event: Happening, channel: UUID, address: str | None = "ops@bank.example.mw", **more: str) -> None:
        notifications.subscribe(self.administrator, event, channel, address=address, **more)

    def go_round(self) -> int:
        """Spreads what happened, and delivers what is due by each channel; answers how many were taken."""
        deliveries.spread()
        with db.unit_of_work() as session:
            due = list(Outbox(session).channels_due())
        return sum(deliveries.deliver_by(channel) for channel in due)

    def pass_time(self) -> None:
        """Every wait is over."""
        self.bench.sql("UPDATE notification_channels SET next_try_at = now() - interval '1 s'")
        self.bench.sql("UPDATE notification_deliveries SET next_try_at = now() - interval '1 s' WHERE state = 'waiting'")

    def channel(self, channel: UUID) -> NotificationChannel:
        with db.unit_of_work() as session:
            found = session.get_one(NotificationChannel, channel)
            session.expunge(found)
        return found

    def states(self) -> list[tuple[str, int]]:
        """Of each delivery its state and how often it was tried, the oldest first."""
        return self.bench.sql("SELECT state, tries FROM notification_deliveries ORDER BY created_at, id")

    def attempts(self) -> list[tuple[bool, str]]:
        return self.bench.sql("SELECT delivered, answer FROM notification_attempts ORDER BY id")


@pytest.fixture
def desk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("BILLERS_SANDBOX", "true")
    settings.cache_clear()
    vault.ensure_ring()
    bench.sql("DELETE FROM notification_events")
    bench.sql("DELETE FROM notification_subscriptions")
    bench.sql("DELETE FROM notification_channels")
    bench.sql("DELETE FROM notification_templates")
    return Desk(bench, bench.add_person("administrator"))


@pytest.fixture
def mail_host() -> Iterator[MailHost]:
    host = MailHost()
    host.start()
    yield host
    host.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.start()
    yield made
    made.stop()


Opened = Callable[[], Receiver]
