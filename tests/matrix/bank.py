"""The town's bank: core banking behind a road of its own, and a biller whose payments are debited there first."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL

from core.access import Actor
from core.services import balances, drafts
from core.settings import settings
from core.states import Topology
from tests.campaign.evidence import BANK
from tests.matrix.road import Road
from tests.matrix.town import SRWB, Bill, Town, new_account
from tests.world import create_database, drop_database

# Its quiet window is (1 s + 60 s) × 0.01 + 2 s = 2.6 s, as the billers' here.
BANK_SETTINGS = {
    "T24_API_KEY": "sandbox-t24-key",
    "T24_TIMEOUT_MS": "2000",
    "T24_CONCURRENCY": "16",
    "T24_INQUIRY_CERTIFIED": "true",
    "T24_MAX_PROCESSING_SECONDS": "1",
}
SUSPENSE = "MWK1280600000001"

DEBIT, GIVE_BACK, LIST = "POST transfers", "DELETE transfers", "GET transfers"

# The biller refuses whoever pays to it.
REFUSED_ACCOUNT = "10020004"

_numbers = count(1)


def new_bank_account() -> str:
    """One that is debited at once, as far as 5,000,000.00 goes."""
    return f"29{next(_numbers):08d}"


class BankTown(Town):
    """The town with core banking: Southern Region is paid by a debit first (SEPARATE), the others as before."""

    road: Road | None = None

    def enter(self, patch: pytest.MonkeyPatch) -> None:
        super().enter(patch)
        if self.road is not None:
            for name, value in {**BANK_SETTINGS, "T24_API_URL": f"http://127.0.0.1:{self.road.port}/{BANK.lower()}"}.items():
                patch.setenv(name, value)
            settings.cache_clear()

    def begin(self, **biller: Any) -> None:
        super().begin(**biller)
        self.road = Road(self.sandbox.port)
        self.open(SRWB, topology=Topology.SEPARATE.value, credit_account=SUSPENSE)

    def end(self) -> None:
        super().end()
        if self.road is not None:
            self.road.close()

    def draft_debited(self, debit_account: str = "", account: str = "", amount: str = "5475.50", actor: Actor | None = None) -> uuid.UUID:
        """The wizard up to the review, the customer's account at the bank included. A worker is at work."""
        (form,) = self.ask_all([Bill(SRWB, account or new_account(SRWB), amount)], actor)
        return self.charged(form, debit_account or new_bank_account(), actor)

    def charged(self, form: dict[str, str], debit_account: str, actor: Actor | None = None) -> uuid.UUID:
        actor = actor or self.operator
        draft = drafts.charge(actor, drafts.begin(actor, form).id, balances.ask(actor, debit_account), "review")
        return drafts.freeze(actor, draft.id).draft.id

    def pay_debited(self, debit_account: str = "", account: str = "", amount: str = "5475.50") -> uuid.UUID:
        return self.submit(self.draft_debited(debit_account, account, amount))

    def at_bank(self, transaction_id: uuid.UUID) -> list[str]:
        """What core banking's own ledger has under the debit's reference: DEBIT, and REVERSAL of it."""
        reference = self.leg(transaction_id, "DEBIT")["reference"]
        return [str(line["kind"]) for line in self.sandbox.lines("ledger", BANK) if line["reference"] == reference]

    def debits_arrived(self, transaction_id: uuid.UUID) -> int:
        return len(self.sandbox.requests(BANK, operation=DEBIT, reference=self.leg(transaction_id, "DEBIT")["reference"]))

    def trouble(self, fault: str, operation: str = DEBIT, **more: object) -> None:
        """The next such request at the bank meets this."""
        self.sandbox.next(fault, operation, biller=BANK, **more)


@contextmanager
def new_bank_town(server: URL, template: URL, directory: Path, patch: pytest.MonkeyPatch) -> Iterator[BankTown]:
    """A town with a bank, in a database of its own, until the block ends."""
    url = create_database(server, f"bank_{uuid.uuid4().hex[:12]}", template=template.database)
    town = BankTown(url, directory)
    town.enter(patch)
    try:
        town.begin()
        # Now that it is known where core banking lives.
        town.enter(patch)
        yield town
    finally:
        town.enter(patch)
        town.end()
        drop_database(server, url)
