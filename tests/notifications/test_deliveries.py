"""Somebody is told: through a real mail server and a real webhook, which are away, say no, hang, and come back."""

import hashlib
import hmac
import threading

import pytest

from core import db
from core.models.notifications import Happening
from core.repositories.outbox import Outbox
from core.services import deliveries, notifications
from core.services.deliveries import MOST_TRIES, Postman
from core.services.notifications import SmsGateway
from core.states import Stage
from core.wire import notice
from tests.notifications.conftest import Desk
from tests.notifications.receivers import MailHost, Receiver, text_of, until
from tests.payments.bench import CODE

OPS = "ops@bank.example.mw"


def test_a_paid_bill_is_told_by_mail_in_words_that_say_which(desk: Desk, mail_host: MailHost) -> None:
    desk.tell(Happening.PAYMENT_COMPLETED, desk.mail_channel(mail_host))
    paid = desk.bench.find(desk.bench.paid_to(Stage.COMPLETED))
    assert desk.go_round() == 1
    ((address, letter),) = mail_host.letters
    assert (address, letter["From"], letter["Subject"]) == (OPS, "billers@bank.example.mw", f"{paid.our_transaction_id}: Payment completed")
    said = text_of(letter)
    assert "MWK 5,475.50" in said
    assert paid.biller_name in said
    # Whose bill it was is nobody's business who was not asked for it.
    assert paid.account_number not in said
    assert paid.customer_account_name not in said
    assert desk.states() == [("delivered", 1)]
    assert desk.attempts() == [(True, "Taken by the mail server.")]


def test_what_is_told_once_is_not_told_again(desk: Desk, mail_host: MailHost) -> None:
    desk.tell(Happening.PAYMENT_COMPLETED, desk.mail_channel(mail_host))
    desk.bench.paid_to(Stage.COMPLETED)
    assert [desk.go_round(), desk.go_round()] == [1, 0]
    desk.pass_time()
    assert desk.go_round() == 0
    assert len(mail_host.letters) == 1


def test_a_mail_server_that_is_off_for_a_while_loses_none_and_doubles_none(desk: Desk, mail_host: MailHost) -> None:
    channel = desk.mail_channel(mail_host)
    desk.tell(Happening.PAYMENT_COMPLETED, channel)
    for _ in range(3):
        desk.bench.paid_to(Stage.COMPLETED)
    assert desk.go_round() == 3
    mail_host.stop()
    for _ in range(5):
        desk.bench.paid_to(Stage.COMPLETED)
        desk.go_round()
        desk.pass_time()
    assert desk.channel(channel).down_since is not None
    assert [state for state, _ in desk.states()].count("waiting") == 5
    # Away is no answer: nothing of it counts as a try of theirs.
    assert {tries for state, tries in desk.states() if state == "waiting"} == {0}
    mail_host.start()
    while desk.go_round():
        pass
    desk.pass_time()
    desk.go_round()
    assert desk.channel(channel).down_since is None
    assert [state for state, _ in desk.states()] == ["delivered"] * 8
    events = desk.bench.sql("SELECT id::text FROM notification_deliveries")
    assert sorted(mail_host.ids()) == sorted(one for (one,) in events)
    assert (False, "Nobody listens there.") in desk.attempts()


def test_a_channel_that_is_away_is_asked_by_one_delivery_only(desk: Desk, mail_host: MailHost) -> None:
    desk.tell(Happening.PAYMENT_COMPLETED, desk.mail_channel(mail_host))
    mail_host.stop()
    for _ in range(4):
        desk.bench.paid_to(Stage.COMPLETED)
    desk.go_round()
    assert desk.attempts() == [(False, "Nobody listens there.")]
    # The channel waits, and with it every delivery.
    assert desk.go_round() == 0
    assert len(desk.attempts()) == 1


def test_an_address_that_does_not_exist_is_dead_at_once_and_the_others_are_told(desk: Desk, mail_host: MailHost) -> None:
    channel = desk.mail_channel(mail_host)
    mail_host.refuses.add("gone@bank.example.mw")
    desk.tell(Happening.PAYMENT_COMPLETED, channel, "gone@bank.example.mw")
    desk.tell(Happening.PAYMENT_COMPLETED, channel)
    desk.bench.paid_to(Stage.COMPLETED)
    assert desk.go_round() == 1
    assert sorted(desk.states()) == [("dead", 1), ("delivered", 1)]
    assert (False, "SMTP 550: no such user here") in desk.attempts()
    assert [address for address, _ in mail_host.letters] == [OPS]
    assert desk.channel(channel).down_since is None


def test_a_receiver_that_asks_for_patience_is_asked_again_and_given_up_at_last(desk: Desk, mail_host: MailHost) -> None:
    mail_host.busy.add(OPS)
    desk.tell(Happening.PAYMENT_COMPLETED, desk.mail_channel(mail_host))
    desk.bench.paid_to(Stage.COMPLETED)
    desk.go_round()
    assert desk.states() == [("waiting", 1)]
    # Not before its wait is over.
    assert (desk.go_round(), desk.states()) == (0, [("waiting", 1)])
    for _ in range(MOST_TRIES):
        desk.pass_time()
        desk.go_round()
    assert desk.states() == [("dead", MOST_TRIES)]
    assert desk.attempts() == [(False, "SMTP 451: try again later")] * MOST_TRIES


def test_a_dead_one_is_told_again_when_a_person_asks_for_it_and_that_is_on_the_record(desk: Desk, mail_host: MailHost) -> None:
    mail_host.refuses.add(OPS)
    desk.tell(Happening.PAYMENT_COMPLETED, desk.mail_channel(mail_host))
    desk.bench.paid_to(Stage.COMPLETED)
    desk.go_round()
    (line,) = notifications.log(desk.administrator).lines
    mail_host.refuses.clear()
    notifications.replay(desk.administrator, line.id)
    assert desk.go_round() == 1
    assert mail_host.ids() == [str(line.id)]
    _, tries = notifications.attempts(desk.administrator, line.id)
    assert [one.delivered for one in tries] == [False, True]
    assert desk.bench.sql("SELECT details ->> 'was' FROM audit_entries WHERE action = 'notification.replayed' AND subject_id = %s", str(line.id)) == [("dead",)]


def test_a_webhook_is_told_under_a_signature_that_its_receiver_can_check(desk: Desk, receiver: Receiver) -> None:
    channel, key = notifications.add_webhook(desk.administrator, "Hook", receiver.url)
    desk.tell(Happening.PAYMENT_FAILED, channel, None)
    paid = desk.bench.find(desk.bench.paid_to(Stage.FAILED))
    assert desk.go_round() == 1
    (heard,) = receiver.heard
    timestamp = heard.headers["Billers-Timestamp"]
    expected = hmac.new(key.encode(), timestamp.encode() + b"." + heard.body, hashlib.sha256).hexdigest()
    assert heard.headers["Billers-Signature"] == f"v1={expected}"
    assert heard.path == "/hooks/billers?to=us"
    told = heard.told
    assert told["id"] == heard.headers["Billers-Notification"]
    assert (told["event"], told["biller"], told["data"]["reference"], told["data"]["amount"]) == ("payment.failed", CODE, paid.our_transaction_id, "5475.50")
    assert not {"account", "customer"} & set(told["data"])


def test_another_body_or_another_time_has_another_signature() -> None:
    assert len({notice.signature("k", 1, b"a"), notice.signature("k", 1, b"b"), notice.signature("k", 2, b"a"), notice.signature("l", 1, b"a")}) == 4


def test_a_webhook_that_answers_with_a_failure_is_told_again_under_the_same_id(desk: Desk, receiver: Receiver) -> None:
    channel, _ = notifications.add_webhook(desk.administrator, "Hook", receiver.url)
    desk.tell(Happening.PAYMENT_COMPLETED, channel, None)
    desk.bench.paid_to(Stage.COMPLETED)
    receiver.status = 503
    assert desk.go_round() == 0
    receiver.status = 204
    desk.pass_time()
    assert desk.go_round() == 1
    first, second = receiver.heard
    assert first.told["id"] == second.told["id"]
    assert desk.attempts() == [(False, "HTTP 503"), (True, "HTTP 204")]


def test_an_sms_gateway_is_asked_as_it_wants_to_be(desk: Desk, receiver: Receiver) -> None:
    gateway = SmsGateway(receiver.url, False, "to", "message", "Authorization", "Bearer a-gateway-credential", {"from": "BANK"})
    channel = notifications.keep_gateway(desk.administrator, "Texts", gateway)
    desk.tell(Happening.PAYMENT_UNDER_REVIEW, channel, "0999 123 456")
    desk.bench.paid_to(Stage.REVIEW)
    assert desk.go_round() == 1
    (heard,) = receiver.heard
    assert heard.headers["Authorization"] == "Bearer a-gateway-credential"
    assert b"to=%2B265999123456" in heard.body
    assert b"from=BANK" in heard.body
    assert b"Nobody+knows" in heard.body or b"nobody+knows" in heard.body


def test_a_role_is_told_where_its_people_are_told_who_serve_the_biller(desk: Desk, mail_host: MailHost) -> None:
    channel = desk.mail_channel(mail_host)
    near, far, nowhere = (desk.bench.add_person("manager") for _ in range(3))
    for person, name in ((near, "near"), (far, "far")):
        assert person.id is not None
        notifications.change_address(desk.administrator, person.id, email=f"{name}@bank.example.mw", phone="")
    desk.bench.sql("INSERT INTO user_billers (user_id, biller_type) VALUES (%s, 'MASM')", far.id)
    desk.tell(Happening.PAYMENT_COMPLETED, channel, None, role="manager")
    desk.bench.paid_to(Stage.COMPLETED)
    desk.go_round()
    assert [address for address, _ in mail_host.letters] == ["near@bank.example.mw"]
    assert nowhere.id is not None


def test_two_subscriptions_that_lead_to_one_address_tell_it_once(desk: Desk, mail_host: MailHost) -> None:
    channel = desk.mail_channel(mail_host)
    desk.tell(Happening.PAYMENT_COMPLETED, channel)
    desk.tell(Happening.PAYMENT_COMPLETED, channel, biller=CODE)
    desk.bench.paid_to(Stage.COMPLETED)
    desk.go_round()
    assert len(mail_host.letters) == 1


def test_what_a_worker_claimed_and_never_made_is_made_by_another(desk: Desk, mail_host: MailHost) -> None:
    channel = desk.mail_channel(mail_host)
    desk.tell(Happening.PAYMENT_COMPLETED, channel)
    desk.bench.paid_to(Stage.COMPLETED)
    deliveries.spread()
    with db.unit_of_work() as session:
        (lost,) = Outbox(session).claim(channel, 10, deliveries.LEASE)
    assert desk.go_round() == 0
    desk.pass_time()
    assert desk.go_round() == 1
    # And whoever held it has nothing more to say.
    with db.unit_of_work() as session:
        assert not Outbox(session).conclude(lost, deliveries.DeliveryState.DEAD, "late", tries=1)
    assert desk.states() == [("delivered", 1)]


def test_a_webhook_that_hangs_holds_up_neither_the_mail_nor_whoever_goes_round(desk: Desk, mail_host: MailHost, receiver: Receiver) -> None:
    receiver.hangs.set()
    hook, _ = notifications.add_webhook(desk.administrator, "Hook", receiver.url)
    desk.tell(Happening.PAYMENT_COMPLETED, hook, None)
    desk.tell(Happening.PAYMENT_COMPLETED, desk.mail_channel(mail_host))
    postman = Postman()
    desk.bench.paid_to(Stage.COMPLETED)
    postman.go_round()
    assert receiver.is_asked.wait(20)
    paid = desk.bench.paid_to(Stage.COMPLETED)

    def both_told() -> bool:
        postman.go_round()
        return len(mail_host.letters) == 2

    until(both_told)
    assert desk.bench.stage(paid) is Stage.COMPLETED
    receiver.lets_go.set()
    postman.stop()
    until(lambda: not any(thread.name.startswith("notifications") for thread in threading.enumerate()))


def test_a_host_that_the_deployment_does_not_name_is_never_called(desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    channel, _ = notifications.add_webhook(desk.administrator, "Hook", receiver.url)
    desk.tell(Happening.PAYMENT_COMPLETED, channel, None)
    desk.bench.paid_to(Stage.COMPLETED)
    monkeypatch.setenv("BILLERS_SANDBOX", "false")
    deliveries.settings.cache_clear()
    assert desk.go_round() == 0
    assert receiver.heard == []
    assert desk.attempts() == [(False, notice.TOLD["host_not_allowed"])]
