"""A desk with a limit: payments above it need a second person, and there are two managers to be one."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from core.access import Actor
from core.ids import new_id, new_reference
from core.models import Proposal
from core.services import approvals
from core.settings import settings
from core.states import AT_REST, LEGS, LegKind, Stage, Topology, status_of
from tests.payments.bench import CODE, Bench
from tests.payments.conftest import bench, shared_bench  # noqa: F401 - fixtures
from tests.world import SetEnvironment

# Nobody takes it up meanwhile.
FAR = datetime(2100, 1, 1, tzinfo=UTC)

LIMIT, BELOW, ABOVE = "100000.00", "100000.00", "100000.01"


class Desk:
    """Grace pays; Thoko and Limbani are managers. Rows that only core banking leads to are put where they stand, as nobody in production can."""

    def __init__(self, bench: Bench) -> None:  # noqa: F811 - not the fixture
        self.bench = bench
        self.grace, self.thoko, self.limbani = bench.operator, bench.add_person("manager"), bench.add_person("manager")

    def pay(self, account: str | None = None, amount: str = ABOVE, reason: str | None = None) -> uuid.UUID:
        return self.bench.pay(account, amount, reason)

    def open(self, transaction_id: uuid.UUID) -> Proposal:
        """The one proposal that waits about it."""
        (one,) = [seen.proposal for seen in approvals.about(self.thoko, transaction_id) if seen.proposal.decision == "open"]
        return one

    def proposal(self, proposal_id: uuid.UUID) -> Proposal:
        return next(seen.proposal for seen in approvals.about(self.thoko, self.about(proposal_id)) if seen.proposal.id == proposal_id)

    def about(self, proposal_id: uuid.UUID) -> uuid.UUID:
        ((transaction_id,),) = self.bench.sql("SELECT transaction_id FROM proposals WHERE id = %s", proposal_id)
        return uuid.UUID(str(transaction_id))

    def let_it_run_out(self, proposal_id: uuid.UUID) -> None:
        self.by_hand("proposals", "UPDATE proposals SET expires_at = now() - interval '1 s' WHERE id = %s", proposal_id)

    def by_hand(self, table: str, query: str, *values: Any) -> None:
        """With the table's triggers off."""
        self.bench.sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        try:
            self.bench.sql(query, *values)
        finally:
            self.bench.sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")

    def stand(
        self, stage: Stage, topology: Topology, sent: dict[LegKind, dict[str, Any]], passed: tuple[Stage, ...] = (), by: Actor | None = None
    ) -> uuid.UUID:
        """A payment in this stage, with these legs sent, that stood in `passed` before."""
        made, version = new_id(), 1 + len(passed)
        columns = {
            "id": made,
            "biller_type": CODE,
            "biller_name": "Lilongwe Water Board",
            "our_transaction_id": new_reference(),
            "transaction_type": "POST_TRANSACTION",
            "topology": topology.value,
            "account_number": self.bench.account(),
            "amount": "5475.50",
            "debit_account": "1000234567" if topology is not Topology.NONE else None,
            "credit_account": "9000000001" if topology is not Topology.NONE else None,
            "initiated_by": (by or self.grace).id,
            "stage": stage.value,
            "status": status_of(stage).value,
            "version": version,
            "next_action_at": None if stage in AT_REST | {Stage.REVIEW_REVERSAL} else FAR,
        }
        config = "(SELECT id FROM biller_configs WHERE biller_type = %s), (SELECT version FROM biller_configs WHERE biller_type = %s)"
        self.by_hand(
            "transactions",
            f"INSERT INTO transactions ({', '.join(columns)}, biller_config_id, config_version, expires_at)"
            f" VALUES ({', '.join(['%s'] * len(columns))}, {config}, now() - interval '1 hour')",
            *columns.values(),
            CODE,
            CODE,
        )
        for kind in LEGS[topology]:
            facts = {"sends": 0, "tainted": False, "accepted": False, "external_id": None, **sent.get(kind, {})}
            self.bench.sql(
                "INSERT INTO legs (transaction_id, kind, reference, sends, tainted, accepted, external_id, last_sent_at, last_deadline_ms)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, now() - interval '2 hours', 30000)",
                *(made, kind.value, new_reference(), facts["sends"], facts["tainted"], facts["accepted"], facts["external_id"]),
            )
        for number, stood in enumerate((Stage.CREATED, *passed)):
            self.bench.sql(
                "INSERT INTO events (transaction_id, version, to_stage, actor_name, reason) VALUES (%s, %s, %s, 'Bench', 'It stood there.')",
                *(made, number + 1, stood.value),
            )
        return made

    def legs(self, transaction_id: uuid.UUID) -> dict[str, tuple[bool, bool, str | None]]:
        """Tainted, accepted and the other's number, by leg."""
        rows = self.bench.sql("SELECT kind, tainted, accepted, external_id FROM legs WHERE transaction_id = %s", transaction_id)
        return {kind: (tainted, accepted, number) for kind, tainted, accepted, number in rows}

    def written(self, transaction_id: uuid.UUID) -> list[str]:
        """What the audit tells of it, in order."""
        rows = self.bench.sql("SELECT action FROM audit_entries WHERE subject_id = %s ORDER BY seq", str(transaction_id))
        return [action for (action,) in rows]


@pytest.fixture
def desk(bench: Bench) -> Iterator[Desk]:  # noqa: F811 - the fixture
    bench.configure(validation_rules={"second_person_above": LIMIT, "account_pattern": "[0-9]{6,12}", "amount_max": "5000000.00"})
    yield Desk(bench)
    bench.configure(validation_rules={"account_pattern": "[0-9]{6,12}", "amount_max": "5000000.00"})


@pytest.fixture
def core_banking_on(set_environment: SetEnvironment) -> Iterator[None]:
    """As far as anybody asks: nothing is sent."""
    set_environment(t24_api_url="http://127.0.0.1:1/t24")
    yield
    settings.cache_clear()
