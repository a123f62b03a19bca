"""Notifications on the screen: an administrator says who is told, a test arrives, a payment is told of, and a manager sees what became of it."""

from collections.abc import Callable, Iterator

import pytest
from streamlit.testing.v1 import AppTest

import core.db
from core.models.notifications import Happening
from core.repositories.outbox import Outbox
from core.security import vault
from core.services import alerts, deliveries, notifications
from core.services.notifications import MailServer
from core.wire.contract import Outcome
from tests.conftest import SetEnvironment
from tests.notifications.receivers import LOOPBACK, MailHost, Receiver
from tests.pages.conftest import LWB, Till, button, said

OPS = "ops@bank.example.mw"


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


@pytest.fixture
def administrator(sit_down: Callable[..., Till], set_environment: SetEnvironment) -> Till:
    set_environment(billers_sandbox="true")
    vault.ensure_ring()
    return sit_down("administrator")


def mail(administrator: Till, host: MailHost) -> str:
    return str(notifications.keep_mail_server(administrator.actor, "Bank mail", MailServer(LOOPBACK, host.port, "insecure", "billers@bank.example.mw")))


def go_round() -> None:
    deliveries.spread()
    with core.db.unit_of_work() as session:
        due = list(Outbox(session).channels_due())
    for channel in due:
        deliveries.deliver_by(channel)


def errors(window: AppTest) -> list[str]:
    return [str(one.value) for one in window.error]


def test_a_mail_server_is_added_and_a_test_arrives(administrator: Till, mail_host: MailHost) -> None:
    window = administrator.open("notifications", part="channels")
    for name, value in (("name", "Bank mail"), ("host", LOOPBACK), ("sender", "billers@bank.example.mw")):
        window.text_input(f"new-{name}").set_value(value)
    window.number_input("new-port").set_value(mail_host.port)
    window.selectbox("new-security").select("insecure")
    button(window, "Keep it").click().run()
    assert "Bank mail is kept." in said(window)
    (channel,) = notifications.channels(administrator.actor)
    window.text_input(f"test-{channel.id}").set_value(OPS)
    button(window, "Send a test").click().run()
    assert "The test was taken" in said(window)
    ((address, letter),) = mail_host.letters
    assert (address, letter["Subject"]) == (OPS, "Billers: a test")


def test_a_test_that_does_not_arrive_says_why(administrator: Till, mail_host: MailHost) -> None:
    channel = mail(administrator, mail_host)
    mail_host.stop()
    window = administrator.open("notifications", part="channels")
    window.text_input(f"test-{channel}").set_value(OPS)
    button(window, "Send a test").click().run()
    assert "The test did not arrive: Nobody listens there." in said(window)


def test_a_host_that_is_not_the_deployments_is_refused_and_nothing_typed_is_lost(administrator: Till) -> None:
    window = administrator.open("notifications", part="channels")
    for name, value in (("name", "Elsewhere"), ("host", "mail.example.org"), ("sender", "a@example.org")):
        window.text_input(f"new-{name}").set_value(value)
    button(window, "Keep it").click().run()
    assert "BILLERS_NOTIFICATION_HOSTS" in errors(window)[0]
    assert window.text_input("new-host").value == "mail.example.org"
    assert notifications.channels(administrator.actor) == []


def test_a_webhooks_key_is_shown_once(administrator: Till, receiver: Receiver) -> None:
    window = administrator.open("notifications", part="channels")
    kind = next(one for one in window.button_group if one.key == "channel-kind")
    kind.set_value(notifications.Medium.WEBHOOK).run()
    window.text_input("new-name").set_value("Core systems")
    window.text_input("new-url").set_value(receiver.url)
    button(window, "Add it").click().run()
    assert "shown this once" in said(window)
    (shown,) = [one.value for one in window.code]
    assert len(shown) >= 43
    window.run()
    assert not window.code
    assert "hooks/billers" not in said(window)


def test_somebody_is_told_from_the_form_to_the_log(administrator: Till, sit_down: Callable[..., Till], mail_host: MailHost) -> None:
    mail(administrator, mail_host)
    window = administrator.open("notifications", part="who")
    window.selectbox("subscribe-event").select(Happening.PAYMENT_COMPLETED)
    window.text_input("subscribe-address").set_value(OPS)
    button(window, "Have them told").click().run()
    assert "They are told from now on: payment completed." in said(window)
    till = sit_down("operator")
    till.pay()
    till.answer(Outcome.CONFIRMED)
    go_round()
    manager = sit_down("manager", "Mphatso")
    window = manager.open("notifications")
    frame = window.dataframe[0].value
    assert list(frame["Told"]) == [OPS]
    assert list(frame["State"]) == ["✓ Delivered"]
    (line,) = notifications.log(manager.actor).lines
    window = manager.open("notifications", notification=str(line.id))
    assert "The biller has confirmed it." in window.code[0].value
    assert list(window.dataframe[0].value["Answer"]) == ["Taken by the mail server."]
    # Whoever looks on cannot have it told again.
    assert not [one for one in window.button if one.label == "Tell it again"]
    assert manager.open("notifications").button_group[0].options == ["What was told", "Alerts"]


def test_what_was_given_up_is_told_again_by_a_button(administrator: Till, sit_down: Callable[..., Till], mail_host: MailHost) -> None:
    notifications.subscribe(administrator.actor, Happening.PAYMENT_COMPLETED, notifications.uuid.UUID(mail(administrator, mail_host)), address=OPS)
    mail_host.refuses.add(OPS)
    till = sit_down("operator")
    till.pay()
    till.answer(Outcome.CONFIRMED)
    go_round()
    (line,) = notifications.log(administrator.actor).lines
    window = administrator.open("notifications", notification=str(line.id))
    assert "Given up" in said(window)
    mail_host.refuses.clear()
    button(window, "Tell it again").click().run()
    assert "It is told again" in said(window)
    go_round()
    assert mail_host.ids() == [str(line.id)]


def test_words_are_changed_shown_as_they_arrive_and_brought_back(administrator: Till) -> None:
    window = administrator.open("notifications", part="words")
    body = "words-payment.completed-email-body"
    window.text_area(body).set_value("{reference} costs {amuont}")
    button(window, "Keep these words").click().run()
    assert "{amuont} stands for nothing here." in errors(window)[0]
    window.text_area(body).set_value("{reference} costs {amount}")
    button(window, "Keep these words").click().run()
    assert "These are the bank's own words." in said(window)
    assert window.code[0].value.endswith("BM7Q2X4KD9TA01 costs MWK 5,475.50")
    button(window, "Back to the usual words").click().run()
    assert "the console brings along" in said(window)
    assert "The biller has confirmed it." in window.text_area(body).value


def test_where_a_person_is_told_is_kept(administrator: Till, mail_host: MailHost) -> None:
    mail(administrator, mail_host)
    window = administrator.open("notifications", part="who")
    window.text_input("addressee-email").set_value("grace@bank.example.mw")
    window.text_input("addressee-phone").set_value("0999 123 456")
    button(window, "Keep these").click().run()
    assert [(one.email, one.phone) for one in notifications.addressees(administrator.actor) if one.email] == [("grace@bank.example.mw", "+265999123456")]


def test_a_threshold_is_changed_and_a_biller_gets_one_of_its_own(administrator: Till, sit_down: Callable[..., Till]) -> None:
    window = administrator.open("notifications", part="alerts")
    assert "No alert stands." in said(window)
    window.number_input("threshold-queue_age--raise").set_value(45.5)
    _press(window, "threshold-queue_age--save")
    by = {(one.measure, one.biller_type): one for one in alerts.thresholds(administrator.actor)}
    assert (str(by["queue_age", ""].raise_at), str(by["queue_age", ""].clear_at)) == ("45.50", "5.00")
    window.selectbox("threshold-measure").select(alerts.Measure.QUEUE_AGE)
    window.selectbox("threshold-biller").select(LWB)
    button(window, "Add it").click().run()
    assert (("queue_age", LWB)) in {(one.measure, one.biller_type) for one in alerts.thresholds(administrator.actor)}
    # A manager reads them.
    window = sit_down("manager").open("notifications", part="alerts")
    assert "Raised from 45.5 min on, cleared at 5 min" in said(window)
    assert not window.number_input


def _press(window: AppTest, key: str) -> None:
    next(one for one in window.button if one.key and one.key.endswith(key)).click().run()
    assert not window.exception


def test_an_operator_has_no_such_page(sit_down: Callable[..., Till]) -> None:
    with pytest.raises(ValueError, match="Could not find a navigation page"):
        sit_down("operator").open("notifications")
