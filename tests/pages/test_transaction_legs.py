"""A payment that debits at the bank, carried out against the sandbox: both movements side by side, each in words, and what contradicts an end."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from core import db
from core.errors import BadInput, NotLegalNow
from core.ids import new_id
from core.models import Break
from core.repositories.billers import Billers
from core.services import balances, claims, drafts, errands, payments, settlement, statistics, transactions
from core.services.billers import write_version
from core.services.deployment import line_policy
from core.states import PAYMENT_PLACES, LegKind, Stage, Topology
from core.ui.attention import concerns
from core.ui.transaction_legs import STANDINGS
from core.wire.line import Line
from tests.pages.conftest import LWB, Till, said
from tests.sandbox.running_sandbox import PASSWORD, Sandbox, new_account
from tests.world import Database, SetEnvironment

# The last is debited, and the answer is an error 500: nothing here rests on how long something takes.
CUSTOMER, POOR, DOUBTFUL = "2010000001", "2020000002", "2040000002"
SUSPENSE = "MWK1280600010001"


@dataclass
class Bank:
    """The sandbox's biller and bank, and the worker's part on both."""

    sandbox: Sandbox
    till: Till

    def pay(self, debit_account: str = CUSTOMER, account: str = "") -> uuid.UUID:
        """A payment that waits in the queue."""
        draft = self.till.ready_draft(account=account or new_account())
        drafts.charge(self.till.actor, draft, balances.ask(self.till.actor, debit_account), "review")
        drafts.freeze(self.till.actor, draft)
        return payments.submit(self.till.actor, draft).transaction_id

    def stage(self, paid: uuid.UUID) -> str:
        return transactions.find(self.till.actor, paid).stage

    def work(self) -> None:
        """Claims, calls and concludes until nothing is due."""
        while claimed := [
            *claims.claim_debits("test", {LWB: 9}, 9),
            *claims.claim_sends("test", {LWB: 9}),
            *claims.claim_returns("test", {LWB: 9}, 9),
        ]:
            settlement.conclude([asyncio.run(errands.perform(Line(line_policy()), one)) for one in claimed])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("legs"))
    sandbox.start()
    yield sandbox
    assert sandbox.stop() == 0


@pytest.fixture
def bank(running: Sandbox, till: Till, set_environment: SetEnvironment) -> Bank:
    running.control("DELETE", "/faults")
    credentials = json.dumps({"username": "billers", "password": PASSWORD})
    at = f"http://127.0.0.1:{running.port}"
    set_environment(billers_sandbox="true", t24_api_url=f"{at}/t24", t24_api_key="sandbox-t24-key")
    set_environment(billers_credentials_lwb_postpaid=credentials)
    with db.unit_of_work() as session:
        config = Billers(session).active_of(LWB)
        assert config is not None
        config.topology, config.credit_account, config.base_url = Topology.SEPARATE.value, SUSPENSE, f"{at}/lwb_postpaid"
        write_version(session, config, "biller.changed")
    return Bank(running, till)


def story(bank: Bank, paid: uuid.UUID) -> str:
    return said(bank.till.open("transactions", id=str(paid)))


def test_both_movements_stand_side_by_side_with_accounts_references_and_their_state(bank: Bank) -> None:
    paid = bank.pay()
    before = story(bank, paid)
    assert "Waiting for the customer's account to be debited." in before
    assert before.index("Debit at the bank") < before.index("Payment to the biller")
    bank.work()
    told = story(bank, paid)
    seen = transactions.story(bank.till.actor, paid)
    legs = {leg.kind: leg for leg in seen.legs}
    assert f"Account {CUSTOMER} at the bank was debited." in told
    for words in ("Debited", "Paid", f"From `{CUSTOMER}` of the customer", f"To `{SUSPENSE}` of the bank"):
        assert words in told
    (posted,) = bank.sandbox.ledger(legs["DEBIT"].reference, "T24")
    assert f"Core banking's number `{posted['id']}`" in told
    assert f"Biller's reference `{legs['PAY'].external_id}`" in told
    assert "Debit given back" not in told


def test_the_messages_say_which_of_them_went_to_core_banking(bank: Bank) -> None:
    paid = bank.pay()
    bank.work()
    window = bank.till.open("transactions", id=str(paid))
    titles = [one.label for one in window.expander if " · " in one.label]
    assert ["Debit sent to core banking" in title for title in titles] == [True, False]
    assert "Payment sent" in titles[1]
    told = said(window)
    assert "Core banking has it." in told
    assert "The biller has it." in told
    assert "Core banking's code `Live`" in told


def test_a_refused_debit_says_why_and_that_the_biller_was_never_asked(bank: Bank) -> None:
    paid = bank.pay(POOR)
    bank.work()
    told = story(bank, paid)
    assert transactions.find(bank.till.actor, paid).stage == Stage.FAILED.value
    assert "The customer's account at the bank does not have enough." in told
    assert "Not debited" in told
    assert "Never sent" in told
    result = said(bank.till.open("payment", draft=str(transactions.find(bank.till.actor, paid).draft_id)))
    assert "Core banking's code `AC-INSUFFICIENT.FUNDS`" in result
    assert "Biller's code" not in result


def test_a_biller_that_refuses_shows_the_debit_given_back_as_a_movement_of_its_own(bank: Bank) -> None:
    paid = bank.pay(account="10020004")
    bank.work()
    window = bank.till.open("transactions", id=str(paid))
    told = said(window)
    assert transactions.find(bank.till.actor, paid).stage == Stage.REVERSED.value
    assert f"The customer's account {CUSTOMER} at the bank has the money again." in told
    for words in ("Debited", "Not paid", "Debit given back", "Given back"):
        assert words in told
    assert [one for one in window.expander if "Core banking asked to give the debit back" in one.label]
    assert told.index("Debit given back") < told.index("Payment to the biller")


def test_a_debit_in_doubt_says_so_and_that_the_biller_waits(bank: Bank) -> None:
    paid = bank.pay(DOUBTFUL)
    bank.work()
    told = story(bank, paid)
    assert "The debit is being confirmed with core banking. Do not pay again." in told
    assert "In doubt" in told
    assert "Waits for the debit" in told


def test_what_contradicts_an_end_is_told_on_it_and_to_managers_with_age_and_next_step(bank: Bank, database: Database) -> None:
    paid = bank.pay(POOR)
    bank.work()
    with db.unit_of_work() as session:
        session.add(Break(id=new_id(), transaction_id=paid, leg="DEBIT", kind="LATE_SUCCESS", told="Core banking says now that the *customer* was debited."))
    told = story(bank, paid)
    assert "Later evidence contradicts this payment's end" in told
    assert "Core banking says now that the *customer* was debited." in told
    assert "a manager sees to it" in told
    reference = transactions.find(bank.till.actor, paid).our_transaction_id
    (concern,) = [one for one in concerns(statistics.attention(bank.till.actor)) if one.icon == ":material/report:"]
    assert (concern.what, concern.age) == ("1 payment ended otherwise than later evidence says.", "Oldest found just now")
    assert (concern.owner, list(concern.references)) == ("Manager", [reference])
    manager = replace(bank.till.actor, permissions=bank.till.actor.permissions | {"transactions:resolve"})
    with database.connect() as connection:
        ((found,),) = connection.execute("SELECT id FROM breaks WHERE transaction_id = %s", (paid,)).fetchall()
    with pytest.raises(BadInput, match="Say what was done about the money"):
        transactions.see_to(manager, found, "  x ")
    transactions.see_to(manager, found, "Booked by hand.")
    with pytest.raises(NotLegalNow, match="Somebody has seen to it already"):
        transactions.see_to(manager, found, "Booked again.")
    assert "Later evidence contradicts" not in story(bank, paid)
    assert "Booked by hand." in story(bank, paid)
    assert bank.stage(paid) == Stage.FAILED.value
    assert not [one for one in concerns(statistics.attention(bank.till.actor)) if one.icon == ":material/report:"]


UNDER_WAY = {
    LegKind.DEBIT: (Stage.DEBIT_SENDING, Stage.DEBIT_ACCEPTED, Stage.DEBIT_RETRY, Stage.DEBIT_UNKNOWN),
    LegKind.PAY: (Stage.PAY_SENDING, Stage.PAY_ACCEPTED, Stage.PAY_UNKNOWN, Stage.PAY_RETRY, Stage.PAY_REJECTED),
    LegKind.REVERSAL: (Stage.REVERSAL_SENDING, Stage.REVERSAL_UNKNOWN),
    LegKind.PAY_REVERSAL: (Stage.PAY_REVERSAL_SENDING, Stage.PAY_REVERSAL_UNKNOWN),
    LegKind.REFUND: (Stage.REFUND_SENDING, Stage.REFUND_UNKNOWN),
}


@pytest.mark.parametrize("kind", LegKind)
def test_every_stage_a_movement_is_under_way_in_has_words_of_its_own(kind: LegKind) -> None:
    words = {STANDINGS[kind][stage].word for stage in UNDER_WAY[kind]}
    assert len(words) == len(UNDER_WAY[kind])
    assert set(STANDINGS[kind]) <= set(PAYMENT_PLACES)


def test_the_stages_of_the_debit_and_of_the_payment_each_say_how_both_of_them_stand() -> None:
    for stage in PAYMENT_PLACES:
        if stage is not Stage.CANCELLED:
            assert stage in STANDINGS[LegKind.DEBIT], stage
            assert stage in STANDINGS[LegKind.PAY], stage
