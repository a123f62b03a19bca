"""Whoever proposed something is told what came of it: they alone of their role, once, in the same transaction as the decision."""

from collections.abc import Callable

import pytest

from core.models.notifications import Happening
from core.repositories.approval_rules import Scope
from core.services import approval_rules, approvals, notifications, payments, wider_approvals
from core.services.approval_rules import Change
from core.states import Stage
from tests.notifications.conftest import Desk
from tests.notifications.receivers import MailHost, Receiver, text_of
from tests.payments.bench import CODE

LIMIT = {"second_person_above": "1000.00", "account_pattern": "[0-9]{6,12}", "amount_max": "5000000.00"}


@pytest.fixture
def limit(desk: Desk) -> None:
    desk.bench.configure(validation_rules=LIMIT)


def to_the_maker(desk: Desk, mail_host: MailHost) -> None:
    """Everybody of the role has an address; of a decision only the maker is told."""
    for person, name in ((desk.bench.operator, "maker"), (desk.bench.colleague, "colleague")):
        assert person.id is not None
        notifications.change_address(desk.administrator, person.id, email=f"{name}@bank.example.mw", phone="")
    desk.tell(Happening.APPROVAL_DECIDED, desk.mail_channel(mail_host), None, role="operator")


def open_of(desk: Desk, made: object) -> object:
    ((one,),) = desk.bench.sql("SELECT id FROM proposals WHERE transaction_id = %s AND decision = 'open'", made)
    return one


def approved(desk: Desk, one: object) -> None:
    approvals.approve(desk.bench.manager, one)  # type: ignore[arg-type]


def rejected(desk: Desk, one: object) -> None:
    approvals.reject(desk.bench.manager, one, "The customer left.")  # type: ignore[arg-type]


def run_out(desk: Desk, one: object) -> None:
    desk.bench.sql("ALTER TABLE proposals DISABLE TRIGGER USER")
    desk.bench.sql("UPDATE proposals SET expires_at = now() - interval '1 s' WHERE id = %s", one)
    desk.bench.sql("ALTER TABLE proposals ENABLE TRIGGER USER")
    assert approvals.expire_old() == 1


@pytest.mark.usefixtures("limit")
@pytest.mark.parametrize(
    ("decide", "told"),
    [
        (approved, "Approved by {manager}."),
        (rejected, "Rejected by {manager}: The customer left."),
        (run_out, "Nobody decided in time, and it is not done."),
    ],
)
def test_the_maker_alone_is_told_how_it_was_decided(desk: Desk, mail_host: MailHost, decide: Callable[[Desk, object], None], told: str) -> None:
    to_the_maker(desk, mail_host)
    made = desk.bench.pay(amount="1000.01")
    decide(desk, open_of(desk, made))
    assert desk.go_round() == 1
    ((address, letter),) = mail_host.letters
    assert address == "maker@bank.example.mw"
    assert letter["Subject"] == f"{desk.bench.find(made).our_transaction_id}: what you proposed was decided"
    text = text_of(letter)
    assert told.format(manager=desk.bench.manager.display_name) in text
    assert "You proposed a payment that takes a second person." in text
    assert "MWK 1,000.01" in text


@pytest.mark.usefixtures("limit")
def test_what_one_takes_back_oneself_is_no_news(desk: Desk, mail_host: MailHost) -> None:
    to_the_maker(desk, mail_host)
    payments.cancel(desk.bench.operator, desk.bench.pay(amount="1000.01"))
    assert desk.go_round() == 0
    made = desk.bench.pay(amount="1000.01")
    payments.cancel(desk.bench.manager, made)
    assert desk.bench.stage(made) is Stage.CANCELLED
    assert desk.go_round() == 1
    assert f"Taken back by {desk.bench.manager.display_name}." in text_of(mail_host.letters[0][1])


def test_a_rule_that_was_decided_is_told_of_too_and_a_webhook_is_not_told_by_whom_it_was_made(desk: Desk, receiver: Receiver) -> None:
    channel, _ = notifications.add_webhook(desk.administrator, "Desk", receiver.url)
    desk.tell(Happening.APPROVAL_DECIDED, channel, None)
    one = approval_rules.propose(desk.administrator, Scope("", CODE, "MWK"), Change(bulk_rows="9000"), "The board asked for it.")
    wider_approvals.reject(desk.bench.add_person("administrator"), one.id, "Too many.")
    assert desk.go_round() == 1
    (heard,) = receiver.heard
    assert "Too many." in heard.told["data"]["outcome"]
    assert str(desk.administrator.id) not in str(heard.told)
