"""The balance of a customer's account, asked of the sandbox's core banking: every way it can end has words, and a till does not wait long."""

import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import text

from core import db
from core.access import Actor
from core.errors import BadInput, NotAllowed
from core.money import Money
from core.services import balances
from core.services.balances import BankAccount
from tests.sandbox.running_sandbox import Sandbox
from tests.world import AddPerson, Database, SetEnvironment

GRACE = "2010000001"
HANGS = "2040000004"
CLOSES = "2040000008"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("balances"))
    sandbox.start()
    sandbox.pace(hang_seconds=30)
    yield sandbox
    assert sandbox.stop() == 0


@pytest.fixture
def bank(running: Sandbox, database: Database, set_environment: SetEnvironment) -> Sandbox:
    running.control("DELETE", "/faults")
    set_environment(billers_sandbox="true", t24_api_url=f"http://127.0.0.1:{running.port}/t24", t24_api_key="sandbox-t24-key")
    return running


@pytest.fixture
def grace(database: Database, add_person: AddPerson) -> Actor:
    return add_person("operator", display_name="Grace")


def test_name_and_useable_balance_are_told_less_what_is_locked(bank: Sandbox, grace: Actor) -> None:
    found = balances.ask(grace, "2010000002")
    assert (found.told, found.name, str(found.useable)) == ("known", "CHIKONDI PHIRI", "MWK 1,800,000.00")


def test_an_account_is_understood_as_it_is_read_out(bank: Sandbox, grace: Actor) -> None:
    assert balances.ask(grace, " 2010-000 001 ").number == GRACE


@pytest.mark.parametrize("typed", ["", "  ", "12/34", "1234567890123456X", "²0100", "2010000001?x=1"])
def test_what_can_be_no_account_is_not_asked(bank: Sandbox, grace: Actor, typed: str) -> None:
    before = len(bank.lines("requests", "T24"))
    with pytest.raises(BadInput, match=r"account at the bank"):
        balances.ask(grace, typed)
    assert len(bank.lines("requests", "T24")) == before


def test_an_account_the_bank_does_not_have_is_refused_in_words(bank: Sandbox, grace: Actor) -> None:
    found = balances.ask(grace, "2020000001")
    assert (found.told, found.useable) == ("refused", None)
    assert "The bank has no such account." in found.sentence


def test_a_bank_that_hangs_keeps_nobody_at_the_counter(bank: Sandbox, grace: Actor) -> None:
    began = time.monotonic()
    found = balances.ask(grace, HANGS)
    assert time.monotonic() - began < 5
    assert (found.told, found.sentence) == ("unknown", "Core banking does not answer in time: the balance is not known.")


def test_a_bank_that_hangs_up_tells_nothing(bank: Sandbox, grace: Actor) -> None:
    found = balances.ask(grace, CLOSES)
    assert (found.told, found.sentence) == ("unknown", "Core banking gave no answer that can be used: the balance is not known.")


def test_a_dead_port_a_wrong_key_and_no_core_banking_each_have_their_words(bank: Sandbox, grace: Actor, set_environment: SetEnvironment) -> None:
    set_environment(t24_api_key="wrong")
    assert balances.ask(grace, GRACE).sentence == "Core banking does not accept this console's key: the balance is not known."
    set_environment(t24_api_url="http://127.0.0.1:1/t24")
    assert balances.ask(grace, GRACE).sentence == "Core banking cannot be reached: the balance is not known."
    set_environment(t24_api_url=None)
    assert balances.ask(grace, GRACE).sentence.startswith("Core banking is off on this machine.")


def test_asking_moves_no_money_and_is_audited_without_what_the_account_has(bank: Sandbox, grace: Actor) -> None:
    posted = len(bank.lines("ledger", "T24"))
    balances.ask(grace, GRACE)
    assert len(bank.lines("ledger", "T24")) == posted
    with db.unit_of_work() as session:
        row = session.execute(text("SELECT actor_name, subject_id, details::text FROM audit_entries WHERE action = 'balance.asked'")).one()
    assert row[:2] == (grace.username, GRACE)
    assert "250000" not in row[2]


def test_whoever_may_not_look_accounts_up_may_not_ask(bank: Sandbox, add_person: AddPerson) -> None:
    with pytest.raises(NotAllowed):
        balances.ask(add_person("analyst"), GRACE)


def test_an_answer_survives_the_draft_that_keeps_it_and_knows_what_it_covers(bank: Sandbox, grace: Actor) -> None:
    found = balances.ask(grace, "2010000003")
    assert BankAccount.from_json(found.as_json()) == found
    assert found.covers(Money(Decimal("1500.00")))
    assert not found.covers(Money(Decimal("1500.01")))
    assert not found.covers(Money(Decimal("1.00"), "USD"))
    assert replace(found, useable=None).covers(Money(Decimal(9_999_999)))
