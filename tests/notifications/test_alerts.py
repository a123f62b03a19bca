"""An alert is raised once and cleared once, by thresholds that people set; whoever subscribed is told of both, and the dashboard shows it meanwhile."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from core.errors import BadInput, NotAllowed
from core.models.alerts import ANY, Measure
from core.models.notifications import Happening
from core.services import alerts, deliveries, statistics
from core.services.alerts import Change
from core.services.scope import NO_BILLER
from core.states import Stage
from core.ui.attention import concerns
from tests.notifications.conftest import Desk
from tests.notifications.receivers import MailHost
from tests.payments.bench import CODE

LOW = Change(Decimal(50), Decimal(60), 1, 2, "Manager", True)


@pytest.fixture(autouse=True)
def quiet(desk: Desk) -> None:
    """Nothing stands, and nothing is watched but what a test says."""
    desk.bench.sql("DELETE FROM alerts")
    desk.bench.sql("DELETE FROM alert_thresholds WHERE biller_type <> ''")
    desk.bench.sql("UPDATE alert_thresholds SET is_on = false")


def watch(desk: Desk, measure: Measure, change: Change, biller: str = ANY) -> None:
    alerts.change_threshold(desk.administrator, measure, biller, change)


def test_a_rate_that_falls_is_raised_once_stays_between_the_lines_and_is_cleared_once(desk: Desk, mail_host: MailHost) -> None:
    channel = desk.mail_channel(mail_host)
    desk.tell(Happening.ALERT_RAISED, channel)
    desk.tell(Happening.ALERT_CLEARED, channel)
    watch(desk, Measure.SUCCESS_RATE, LOW)
    desk.bench.paid_to(Stage.FAILED)
    # One is too few to say anything.
    assert alerts.look() == (0, 0)
    desk.bench.paid_to(Stage.FAILED)
    assert [alerts.look(), alerts.look()] == [(1, 0), (0, 0)]
    desk.bench.paid_to(Stage.COMPLETED)
    desk.bench.paid_to(Stage.COMPLETED)
    # 50 %: no longer below the one line, not yet above the other.
    assert alerts.look() == (0, 0)
    (standing,) = statistics.attention(desk.bench.manager).alerts
    assert (standing.biller, standing.owner, standing.told) == (CODE, "Manager", "50 % of 4 payments that ended succeeded.")
    desk.bench.paid_to(Stage.COMPLETED)
    assert [alerts.look(), alerts.look()] == [(0, 1), (0, 0)]
    assert statistics.attention(desk.bench.manager).alerts == []
    assert desk.go_round() == 2
    assert [str(letter["Subject"]).partition(":")[0] for _, letter in mail_host.letters] == ["Alert", "Cleared"]
    (one,) = alerts.history(desk.bench.manager)
    assert (one.told, one.cleared_told) == ("0 % of 2 payments that ended succeeded.", "60 % of 5 payments that ended succeeded.")


def test_it_stands_in_needs_attention_with_its_owner_and_what_comes_next(desk: Desk) -> None:
    watch(desk, Measure.BREAKER_OPEN, Change(Decimal(2), Decimal(0), 1, 1, "Administrator", True))
    open_for(desk, timedelta(minutes=7))
    assert alerts.look() == (1, 0)
    found = [one for one in concerns(statistics.attention(desk.bench.manager)) if one.what.startswith("Breaker open")]
    assert [(one.owner, one.address["biller"]) for one in found] == [("Administrator", [CODE])]
    assert "7 minutes" in found[0].what
    desk.bench.sql("DELETE FROM breakers")
    assert alerts.look() == (0, 1)


def test_a_biller_goes_by_its_own_threshold_where_it_has_one(desk: Desk) -> None:
    watch(desk, Measure.BREAKER_OPEN, Change(Decimal(2), Decimal(0), 1, 1, "Administrator", True))
    watch(desk, Measure.BREAKER_OPEN, Change(Decimal(30), Decimal(0), 1, 1, "Manager", True), CODE)
    open_for(desk, timedelta(minutes=7))
    assert alerts.look() == (0, 0)
    alerts.remove_threshold(desk.administrator, Measure.BREAKER_OPEN, CODE)
    assert alerts.look() == (1, 0)


def test_what_is_not_watched_any_more_is_cleared(desk: Desk) -> None:
    change = Change(Decimal(2), Decimal(0), 1, 1, "Administrator", True)
    watch(desk, Measure.BREAKER_OPEN, change)
    open_for(desk, timedelta(minutes=7))
    alerts.look()
    watch(desk, Measure.BREAKER_OPEN, replace(change, is_on=False))
    assert alerts.look() == (0, 1)
    assert alerts.history(desk.bench.manager)[0].cleared_told == alerts.NOT_WATCHED


def test_a_notification_that_is_given_up_is_a_dead_job(desk: Desk, mail_host: MailHost) -> None:
    mail_host.refuses.add("gone@bank.example.mw")
    desk.tell(Happening.PAYMENT_COMPLETED, desk.mail_channel(mail_host), "gone@bank.example.mw")
    watch(desk, Measure.DEAD_JOBS, Change(Decimal(1), Decimal(0), 1, 1, "Administrator", True))
    desk.bench.paid_to(Stage.COMPLETED)
    assert alerts.look() == (0, 0)
    desk.go_round()
    assert alerts.look() == (1, 0)
    desk.bench.sql("UPDATE notification_deliveries SET ended_at = ended_at - interval '2 days' WHERE state = 'dead'")
    assert alerts.look() == (0, 1)


@pytest.mark.parametrize(("measure", "stage"), [(Measure.DOUBT_AGE, Stage.PAY_UNKNOWN), (Measure.QUEUE_AGE, Stage.QUEUED)])
def test_a_payment_that_waits_too_long_is_somebodys_business(desk: Desk, measure: Measure, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(desk, measure, Change(Decimal(60), Decimal(30), 1, 1, "Manager", True))
    desk.bench.paid_to(stage)
    assert alerts.look() == (0, 0)
    # An hour and a half later, by the one clock that it looks at.
    now = alerts.Alerts.now
    monkeypatch.setattr(alerts.Alerts, "now", lambda self: now(self) + timedelta(minutes=90))
    assert alerts.look() == (1, 0)
    monkeypatch.undo()


def test_a_person_limited_to_other_billers_sees_no_alert_of_this_one(desk: Desk) -> None:
    watch(desk, Measure.BREAKER_OPEN, Change(Decimal(2), Decimal(0), 1, 1, "Administrator", True))
    open_for(desk, timedelta(minutes=7))
    alerts.look()
    for billers, seen in ((None, 1), (frozenset({CODE}), 1), (frozenset({"MASM"}), 0), (frozenset({NO_BILLER}), 0)):
        limited = replace(desk.bench.manager, billers=billers)
        assert len(alerts.history(limited)) == len(statistics.attention(limited).alerts) == seen


def test_a_change_is_on_the_record_and_one_that_changes_nothing_is_not(desk: Desk) -> None:
    watch(desk, Measure.SUCCESS_RATE, LOW)
    before = desk.bench.sql("SELECT count(*) FROM audit_entries WHERE action = 'alert_threshold.changed'")
    watch(desk, Measure.SUCCESS_RATE, LOW)
    assert desk.bench.sql("SELECT count(*) FROM audit_entries WHERE action = 'alert_threshold.changed'") == before
    found = desk.bench.sql("SELECT details -> 'after' ->> 'raise_at' FROM audit_entries WHERE action = 'alert_threshold.changed' ORDER BY at DESC LIMIT 1")
    assert found == [("50.00",)]


@pytest.mark.parametrize(
    "change",
    [
        replace(LOW, clear_at=Decimal(50)),
        replace(LOW, raise_at=Decimal(-1)),
        replace(LOW, clear_at=Decimal(101)),
        replace(LOW, window_hours=0),
        replace(LOW, least=0),
        replace(LOW, owner="Nobody"),
    ],
)
def test_thresholds_that_could_not_be_meant_are_refused(desk: Desk, change: Change) -> None:
    with pytest.raises(BadInput):
        watch(desk, Measure.SUCCESS_RATE, change)


def test_only_who_may_say_so_says_so(desk: Desk) -> None:
    with pytest.raises(NotAllowed):
        alerts.change_threshold(desk.bench.manager, Measure.SUCCESS_RATE, ANY, LOW)


def open_for(desk: Desk, age: timedelta) -> None:
    desk.bench.sql("INSERT INTO breakers (biller_type, opened_at, probe_at, reason) VALUES (%s, now() - %s, now(), 'It does not answer.')", CODE, age)


def test_two_workers_that_look_at_once_raise_it_once(desk: Desk) -> None:
    watch(desk, Measure.BREAKER_OPEN, Change(Decimal(2), Decimal(0), 1, 1, "Administrator", True))
    open_for(desk, timedelta(minutes=7))
    with deliveries.db.unit_of_work() as session:
        assert alerts.Alerts(session).alone()
        assert alerts.look() == (0, 0)
    assert alerts.look() == (1, 0)
