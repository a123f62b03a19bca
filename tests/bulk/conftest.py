"""Tills for acts on many payments: the same bench as for one, with payments brought to where they stand by the way of real ones."""

import uuid

import pytest

from core.access import Actor
from core.models.bulk import BulkKind, ItemState
from core.services import bulk
from core.services.bulk import DryRun, Selection
from core.states import Stage
from tests.payments.bench import Bench
from tests.payments.conftest import bench, shared_bench  # noqa: F401 - fixtures

Chosen = tuple[uuid.UUID, ...]


class Desk:
    """Grace pays, Peter is her colleague, Thoko manages."""

    def __init__(self, bench: Bench) -> None:  # noqa: F811 - not the fixture
        self.bench = bench
        self.grace, self.peter, self.thoko = bench.operator, bench.colleague, bench.manager

    def stand(self, stage: Stage, count: int = 1, amount: str = "5475.50") -> Chosen:
        return tuple(self.bench.paid_to(stage, amount=amount) for _ in range(count))

    def look(self, act: BulkKind, ids: Chosen, by: Actor | None = None) -> DryRun:
        return bulk.dry_run(by or self.grace, act, Selection(ids))

    def start(self, act: BulkKind, ids: Chosen, by: Actor | None = None, reason: str | None = None) -> uuid.UUID:
        """Looks through and agrees."""
        by = by or self.grace
        return bulk.start(by, act, Selection(ids), reason, self.look(act, ids, by).eligible)

    def carry_on(self) -> None:
        while bulk.carry_on():
            pass

    def came(self, act_id: uuid.UUID) -> dict[uuid.UUID, tuple[ItemState, str | None]]:
        """What came of each payment."""
        return {row.transaction.id: (ItemState(row.item.state), row.item.told) for row in bulk.results(self.thoko, act_id)}

    def states(self, act_id: uuid.UUID) -> dict[uuid.UUID, ItemState]:
        return {one: state for one, (state, _) in self.came(act_id).items()}

    def children(self, transaction_id: uuid.UUID) -> list[uuid.UUID]:
        return [made for (made,) in self.bench.sql("SELECT id FROM transactions WHERE retry_of = %s", transaction_id)]

    def nothing_waits(self) -> None:
        """An earlier test's rows are nobody's here."""
        self.bench.sql("UPDATE bulk_items SET state = 'BLOCKED', told = 'Another test.' WHERE state = 'WAITING'")


@pytest.fixture
def desk(bench: Bench) -> Desk:  # noqa: F811 - the fixture
    made = Desk(bench)
    made.nothing_waits()
    return made
