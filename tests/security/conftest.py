"""A vault with something in it: sealed credentials, their copies in the history, and sold tokens."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.engine import Connection

from core import db
from core.ids import new_id
from core.models import BillerConfig
from core.models.vault import PLACES
from core.money import Money
from core.security import vault
from core.services import settlement, tokens
from core.services.billers import write_version
from core.services.errands import Result
from core.wire.contract import Outcome, Receipt
from tests.payments.bench import Bench
from tests.world import Database


@dataclass
class Shelf:
    """What is sealed, and what was in it."""

    bench: Bench
    credentials: dict[uuid.UUID, Mapping[str, Any]] = field(default_factory=dict)
    proposed: dict[uuid.UUID, Mapping[str, Any]] = field(default_factory=dict)
    enrolled: dict[uuid.UUID, Mapping[str, Any]] = field(default_factory=dict)
    channels: dict[uuid.UUID, Mapping[str, Any]] = field(default_factory=dict)
    sold: dict[uuid.UUID, str] = field(default_factory=dict)

    def fill(self, tokens_sold: int = 3) -> None:
        """Credentials for every biller, in two versions each, and some tokens."""
        with db.unit_of_work() as session:
            for config in session.scalars(select(BillerConfig).order_by(BillerConfig.id)):
                self.enter_credentials(session, config, "first")
                self.enter_credentials(session, config, "second")
        for config_id in list(self.credentials)[:3]:
            self.propose(config_id)
        for role in ("operator", "analyst", "manager"):
            self.enrol(role)
        for number in range(3):
            self.open_channel(number)
        for number in range(tokens_sold):
            self.sell(f"{1234_5678_9012_3456_0000 + number:020d}")

    def enter_credentials(self, session: Any, config: BillerConfig, word: str) -> None:
        """As an administrator does: a new version, and the history keeps a copy."""
        self.credentials[config.id] = {"username": "billers", "password": f"{word}-{config.id.hex}"}
        config.authentication = vault.seal_secret(self.credentials[config.id], "biller_configs", config.id, "authentication")
        write_version(session, config, "biller.changed")

    def propose(self, config_id: uuid.UUID) -> None:
        """Credentials that wait for a second administrator."""
        proposal_id, said = new_id(), {"username": "billers", "password": f"proposed-{config_id.hex}"}
        self.proposed[proposal_id] = said
        envelope = vault.seal_secret(said, "configuration_proposals", proposal_id, "authentication")
        self.bench.sql(
            "INSERT INTO configuration_proposals"
            " (id, kind, config_id, version, content, authentication, fate, shown, shown_hash, reason, proposed_by, expires_at)"
            " VALUES (%s, 'CHANGE', %s, 2, '{}', %s, 'changed', '{}', %s, 'a new password', %s, now() + interval '1 day')",
            *(proposal_id, config_id, envelope, bytes(32), self.bench.manager.id),
        )

    def enrol(self, role: str) -> None:
        """Somebody's authenticator."""
        user_id, said = self.bench.add_person(role).id, {"totp": f"of-{role}"}
        assert user_id is not None
        self.enrolled[user_id] = said
        envelope = vault.seal_secret(said, "authenticators", user_id, "secret")
        self.bench.sql("INSERT INTO authenticators (user_id, secret) VALUES (%s, %s)", user_id, envelope)

    def open_channel(self, number: int) -> None:
        """A webhook, whose key is sealed with where it is."""
        channel_id, said = new_id(), {"url": "https://bank.example/notices", "key": f"of-{number}"}
        self.channels[channel_id] = said
        self.bench.sql(
            "INSERT INTO notification_channels (id, name, medium, destination, shown) VALUES (%s, %s, 'webhook', %s, 'bank.example')",
            *(channel_id, f"Bank {number}", vault.seal_secret(said, "notification_channels", channel_id, "destination")),
        )

    def sell(self, token: str) -> uuid.UUID:
        made = self.bench.pay()
        receipt = Receipt(Outcome.CONFIRMED, "SUCCESS", external_id="SRWB-77", token=token, units="12.3", charges=Money.from_text("150.00"))
        settlement.conclude([Result(self.bench.claim(), new_id(), Outcome.CONFIRMED, receipt=receipt)])
        self.sold[made] = token
        return made

    def keys_in_use(self) -> set[str]:
        """As the database says."""
        found = set()
        for place in PLACES:
            found |= {key for (key,) in self.bench.sql(f"SELECT split_part({place.column}, '.', 2) FROM {place.table} WHERE {place.column} IS NOT NULL")}
        return found

    def opens(self) -> None:
        """Everything that was sealed is there, and opens where it should."""
        for config_id, said in self.credentials.items():
            (envelope,) = self.bench.sql("SELECT authentication FROM biller_configs WHERE id = %s", config_id)[0]
            assert vault.open_secret(envelope, "biller_configs", config_id, "authentication") == said
            for (old,) in self.bench.sql("SELECT authentication FROM biller_config_versions WHERE config_id = %s AND authentication IS NOT NULL", config_id):
                assert vault.open_secret(old, "biller_configs", config_id, "authentication")["username"] == "billers"
        for proposal_id, said in self.proposed.items():
            (envelope,) = self.bench.sql("SELECT authentication FROM configuration_proposals WHERE id = %s", proposal_id)[0]
            assert vault.open_secret(envelope, "configuration_proposals", proposal_id, "authentication") == said
        for user_id, said in self.enrolled.items():
            (envelope,) = self.bench.sql("SELECT secret FROM authenticators WHERE user_id = %s", user_id)[0]
            assert vault.open_secret(envelope, "authenticators", user_id, "secret") == said
        for channel_id, said in self.channels.items():
            (envelope,) = self.bench.sql("SELECT destination FROM notification_channels WHERE id = %s", channel_id)[0]
            assert vault.open_secret(envelope, "notification_channels", channel_id, "destination") == said
        for transaction_id, token in self.sold.items():
            assert tokens.reveal(self.bench.operator, transaction_id, "test of the vault").replace(" ", "") == token


@pytest.fixture
def statements(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the database while the test runs, and with what."""
    del database
    heard: list[tuple[str, Any]] = []

    def hear(_connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        heard.append((statement, parameters))

    engine = db.engine()
    event.listen(engine, "before_cursor_execute", hear)
    yield heard
    event.remove(engine, "before_cursor_execute", hear)


@pytest.fixture
def shelf(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    vault.ensure_ring()
    bench = Bench(database)
    bench.enter(monkeypatch)
    made = Shelf(bench)
    made.fill()
    yield made
    bench.close()
