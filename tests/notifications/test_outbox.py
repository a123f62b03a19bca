"""What happened is written down with what happened, or not at all; and whatever goes wrong behind it, the payment is paid."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from core import clock, db
from core.errors import BadInput, NotAllowed, NotFound
from core.models.notifications import Happening, Medium
from core.services import approvals, channels, claims, deliveries, notification_words, notifications, outbox, reports, settlement
from core.services.notification_words import EVENTS, LONGEST_SMS, Words
from core.settings import settings
from core.states import Stage
from core.wire.contract import Outcome
from tests.notifications.conftest import Desk
from tests.notifications.receivers import MailHost, Receiver, text_of
from tests.payments.bench import CODE, WORKER
from tests.world import proven


def events(desk: Desk) -> list[tuple[str, str]]:
    return desk.bench.sql("SELECT event, subject_id FROM notification_events ORDER BY at")


def test_nothing_is_written_where_nobody_wants_to_be_told(desk: Desk, mail_host: MailHost) -> None:
    desk.tell(Happening.PAYMENT_FAILED, desk.mail_channel(mail_host))
    desk.bench.paid_to(Stage.COMPLETED)
    assert events(desk) == []


def test_what_happened_is_kept_with_the_payment_or_not_at_all(desk: Desk, mail_host: MailHost) -> None:
    """The same transaction: a conclusion that is rolled back leaves nothing to be told."""
    desk.tell(Happening.PAYMENT_COMPLETED, desk.mail_channel(mail_host))
    paid = desk.bench.pay()
    result = desk.bench.result(desk.bench.claim(), Outcome.CONFIRMED)
    with desk.bench.connect() as other:
        other.execute("ALTER TABLE answers ADD CONSTRAINT in_the_way CHECK (outcome <> 'CONFIRMED') NOT VALID")
    with pytest.raises(Exception, match="in_the_way"):
        settlement.conclude([result])
    assert events(desk) == []
    with desk.bench.connect() as other:
        other.execute("ALTER TABLE answers DROP CONSTRAINT in_the_way")
    settlement.conclude([result])
    assert events(desk) == [("payment.completed", str(paid))]
    # Said again, it is neither concluded nor told again.
    settlement.conclude([result])
    assert len(events(desk)) == 1


def test_many_payments_concluded_together_are_each_told_of(desk: Desk, mail_host: MailHost) -> None:
    desk.tell(Happening.PAYMENT_COMPLETED, desk.mail_channel(mail_host))
    made = {desk.bench.pay() for _ in range(5)}
    settlement.conclude([desk.bench.result(errand, Outcome.CONFIRMED) for errand in claims.claim_sends(WORKER, {CODE: 5})])
    assert {subject for _, subject in events(desk)} == {str(one) for one in made}


def test_a_look_up_is_no_payment(desk: Desk, mail_host: MailHost) -> None:
    desk.tell(Happening.PAYMENT_COMPLETED, desk.mail_channel(mail_host))
    desk.bench.look_up(desk.bench.account())
    assert events(desk) == []


def test_who_subscribed_to_another_biller_is_not_told(desk: Desk, mail_host: MailHost) -> None:
    desk.tell(Happening.PAYMENT_COMPLETED, desk.mail_channel(mail_host), biller="MASM")
    desk.bench.paid_to(Stage.COMPLETED)
    assert events(desk) == []


def test_a_payment_is_paid_whatever_becomes_of_its_notifications(desk: Desk, mail_host: MailHost, receiver: Receiver) -> None:
    """The mail server is off, the webhook says no, and the words are broken."""
    mail = desk.mail_channel(mail_host)
    hook, _ = notifications.add_webhook(desk.administrator, "Hook", receiver.url)
    desk.tell(Happening.PAYMENT_COMPLETED, mail)
    desk.tell(Happening.PAYMENT_COMPLETED, hook, None)
    desk.bench.sql("INSERT INTO notification_templates (event, medium, subject, body) VALUES ('payment.completed', 'email', '{nonsense}', '{{{')")
    mail_host.stop()
    receiver.status = 500
    first = desk.bench.paid_to(Stage.COMPLETED)
    assert desk.go_round() == 0
    assert desk.bench.stage(first) is Stage.COMPLETED
    assert desk.bench.stage(desk.bench.paid_to(Stage.FAILED)) is Stage.FAILED
    mail_host.start()
    receiver.status = 200
    desk.pass_time()
    assert desk.go_round() == 2
    ((_, letter),) = mail_host.letters
    # In the usual words, since the bank's own said nothing that could be said.
    assert "The biller has confirmed it." in text_of(letter)


def test_words_that_cannot_be_used_are_told_of_in_the_log(desk: Desk, mail_host: MailHost) -> None:
    desk.tell(Happening.PAYMENT_COMPLETED, desk.mail_channel(mail_host))
    desk.bench.sql("INSERT INTO notification_templates (event, medium, subject, body) VALUES ('payment.completed', 'email', 'x', '{nonsense}')")
    desk.bench.paid_to(Stage.COMPLETED)
    deliveries.spread()
    (line,) = notifications.log(desk.administrator).lines
    assert line.told == "The usual words were used: in the bank's own, {nonsense} stands for nothing."


def test_a_difference_is_told_of_once_however_often_it_is_said(desk: Desk, mail_host: MailHost) -> None:
    desk.tell(Happening.BREAK_FOUND, desk.mail_channel(mail_host))
    with db.unit_of_work() as session:
        outbox.note(session, Happening.BREAK_FOUND, "transaction", "1", {"reference": "R1", "amount": "10.00", "reason": "It differs."}, biller=CODE)
    assert desk.go_round() == 1
    ((_, letter),) = mail_host.letters
    assert letter["Subject"] == "R1: a difference was found"
    assert "MWK 10.00" in text_of(letter)


@pytest.mark.parametrize("medium", [Medium.EMAIL, Medium.SMS])
@pytest.mark.parametrize("event", list(Happening))
def test_every_event_has_words_of_which_every_name_stands_for_something(event: Happening, medium: Medium) -> None:
    usual = notification_words.usual(event, medium)
    assert notification_words.checked(event, medium, usual) == Words(usual.subject, usual.body)
    values = notification_words.values_of(event, EVENTS[event].example, clock.now(), deliveries.business_zone(), "The Bank")
    said = notification_words.filled(usual, values, medium)
    assert "{" not in said.subject + said.body
    assert "  " not in said.subject
    assert (said.subject == "") == (medium is Medium.SMS)
    assert len(said.body) <= LONGEST_SMS or medium is Medium.EMAIL


def test_a_value_brings_neither_a_header_nor_another_name_with_it() -> None:
    values = {"reference": "R1\r\nBcc: everybody@example.mw", "biller": "{account}", "account": "70000001"}
    said = notification_words.filled(Words("{reference}", "{biller}"), values, Medium.EMAIL)
    assert said == Words("R1 Bcc: everybody@example.mw", "{account}")
    assert notification_words.harmless("a\N{RIGHT-TO-LEFT OVERRIDE}b\x07c") == "a b c"


@pytest.mark.parametrize("body", ["{amuont}", "{reference.__class__}", "{}", "{reference", "reference}", "{{reference}}", ""])
def test_words_with_a_name_that_stands_for_nothing_are_refused(body: str) -> None:
    with pytest.raises(BadInput):
        notification_words.checked(Happening.PAYMENT_COMPLETED, Medium.EMAIL, Words("subject", body))


def test_what_is_over_is_forgotten_and_what_waits_is_not(desk: Desk, mail_host: MailHost) -> None:
    desk.tell(Happening.PAYMENT_COMPLETED, desk.mail_channel(mail_host))
    desk.bench.paid_to(Stage.COMPLETED)
    desk.go_round()
    mail_host.stop()
    desk.bench.paid_to(Stage.COMPLETED)
    desk.go_round()
    assert deliveries.forget_old() == 0
    desk.bench.sql("UPDATE notification_events SET at = at - %s", deliveries.KEPT)
    assert deliveries.forget_old() == 1
    assert [state for state, _ in desk.states()] == ["waiting"]


def test_no_password_is_anywhere_but_in_its_envelope(desk: Desk, mail_host: MailHost) -> None:
    said = notifications.MailServer("127.0.0.1", mail_host.port, "insecure", "b@bank.example.mw", "billers", "granite-lantern")
    channel = notifications.keep_mail_server(desk.administrator, "Mail", said)
    desk.tell(Happening.PAYMENT_COMPLETED, channel)
    desk.bench.paid_to(Stage.COMPLETED)
    # This server takes no sign-ins: the conversation fails with the password in hand.
    desk.go_round()
    with db.unit_of_work() as session:
        for table in ("notification_channels", "notification_deliveries", "notification_attempts", "notification_events", "audit_entries"):
            assert "granite-lantern" not in str(session.execute(text(f"SELECT to_jsonb(t) FROM {table} t")).all())
    assert desk.attempts() == [(False, "The mail server does not offer what the channel asks for (STARTTLS, or a sign-in).")]
    assert settings().billers_sandbox


def test_what_waits_for_a_second_person_is_told_of_with_who_proposed_what(desk: Desk, mail_host: MailHost) -> None:
    desk.tell(Happening.APPROVAL_WAITING, desk.mail_channel(mail_host))
    paid = desk.bench.find(desk.bench.paid_to(Stage.COMPLETED))
    approvals.propose_reversal(proven(desk.bench.manager), paid.id, "The customer paid for another house.")
    assert desk.go_round() == 1
    ((_, letter),) = mail_host.letters
    assert letter["Subject"] == f"{paid.our_transaction_id} waits for a second person"
    assert f"{desk.bench.manager.display_name} proposed that a completed payment is given back." in text_of(letter)
    assert "The customer paid for another house." in text_of(letter)


def test_a_report_that_was_made_is_told_of(desk: Desk, mail_host: MailHost) -> None:
    desk.tell(Happening.REPORT_MADE, desk.mail_channel(mail_host))
    desk.bench.paid_to(Stage.COMPLETED)
    today = clock.business_day(clock.now())
    reports.make_due(clock.day_bounds(today)[1] + timedelta(hours=7))
    desk.go_round()
    assert f"Daily report {today}" in {letter["Subject"] for _, letter in mail_host.letters}


def test_the_log_of_another_biller_is_not_there_for_a_person_limited_to_some(desk: Desk, mail_host: MailHost) -> None:
    desk.tell(Happening.PAYMENT_COMPLETED, desk.mail_channel(mail_host))
    desk.bench.paid_to(Stage.COMPLETED)
    desk.go_round()
    whole = desk.bench.manager
    (line,) = notifications.log(whole).lines
    for billers, seen in ((frozenset({CODE}), 1), (frozenset({"MASM"}), 0), (frozenset(), 0)):
        page = notifications.log(replace(whole, billers=billers))
        assert len(page.lines) == sum(page.counts.values()) == seen
    with pytest.raises(NotFound):
        notifications.attempts(replace(whole, billers=frozenset({"MASM"})), line.id)
    # Nor may whoever is limited say who is told, whatever their role has.
    with pytest.raises(NotAllowed):
        notifications.replay(replace(desk.administrator, billers=frozenset({CODE})), line.id)


def test_a_channels_password_goes_to_the_host_that_it_was_entered_for_and_to_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLERS_NOTIFICATION_HOSTS", '["mail.example.mw", "other.example.mw"]')
    settings.cache_clear()
    said = notifications.MailServer("mail.example.mw", 587, "starttls", "b@bank.example.mw", "billers", "granite-lantern")
    channel = notifications.keep_mail_server(desk.administrator, "Mail", said)
    for host, kept in (("mail.example.mw", "granite-lantern"), ("other.example.mw", "")):
        notifications.keep_mail_server(desk.administrator, "Mail", replace(said, host=host, password=""), channel)
        assert channels.unsealed(desk.channel(channel))["password"] == kept


@pytest.mark.parametrize("address", ["a@example.mw, b@example.mw", "a@example.mw\nBcc: b@example.mw", "nobody", "a@b", "Grace <a@example.mw>", ""])
def test_what_is_not_one_address_is_refused(desk: Desk, mail_host: MailHost, address: str) -> None:
    channel = desk.mail_channel(mail_host)
    with pytest.raises(BadInput):
        desk.tell(Happening.PAYMENT_COMPLETED, channel, address)


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "https://example.org/hook", "ftp://127.0.0.1/", "https://user:pass@127.0.0.1/", "127.0.0.1"])
def test_a_webhook_somewhere_else_is_refused(desk: Desk, url: str) -> None:
    with pytest.raises(BadInput):
        notifications.add_webhook(desk.administrator, "Hook", url)
