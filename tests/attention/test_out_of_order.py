"""Each thing that can be out of order appears among what needs somebody when it is, and is gone when it is well again."""

from dataclasses import replace
from datetime import timedelta

from core import clock
from core.access import Actor
from core.ids import new_id
from core.models.attention import Grade, Kind
from core.repositories.attention import VERIFIED_WITHIN
from core.services import attention, audit, audit_checks, configuration_approvals, configurations, day_closes, reconciliation, statistics
from core.services.attention import RULES
from core.services.configurations import Configuration
from core.services.reconciliation import About
from core.ui.attention import BEGAN, WORDS, concerns
from tests.attention.conftest import LWB, found, sql
from tests.configurations.conftest import CREDENTIALS, OTHER_HOST, active, administrator, colleague, content, one  # noqa: F401 - fixtures
from tests.notifications.conftest import Desk, desk, mail_host  # noqa: F401 - fixtures
from tests.notifications.receivers import MailHost
from tests.payments.bench import CODE, Bench
from tests.payments.conftest import bench, shared_bench  # noqa: F401 - fixtures
from tests.reconciliation.conftest import House
from tests.statistics.conftest import Book
from tests.world import AddPerson


def test_every_kind_has_a_rule_and_words(manager: Actor) -> None:
    assert set(Kind) == set(RULES) == set(WORDS)
    assert set(BEGAN) <= set(Kind)


# ---- Machines


def test_a_worker_that_fell_silent_is_told_with_when_it_was_heard_of_last(book: Book, manager: Actor) -> None:
    def no_worker() -> attention.Finding | None:
        return next((each for each in attention.findings(statistics.attention(manager)) if each.kind is Kind.NO_WORKER), None)

    never = no_worker()
    assert never is not None
    assert never.since is None
    worker = new_id()
    sql(book.connection, "INSERT INTO workers (id, name) VALUES (%s, 'till-1')", worker)
    assert no_worker() is None
    (heard,) = sql(book.connection, "UPDATE workers SET seen_at = now() - interval '3 minutes' RETURNING seen_at")
    silent = no_worker()
    assert silent is not None
    assert (silent.since, silent.grade) == (heard[0], Grade.GRAVE)
    (told,) = [each for each in concerns(statistics.attention(manager)) if each.finding.kind is Kind.NO_WORKER]
    assert told.age == "Last heard of 3 minutes ago"


def test_a_closed_restore_gate_is_told_with_its_reason_until_it_is_signed_off(book: Book, manager: Actor) -> None:
    assert found(manager) == {}
    sql(
        book.connection,
        "INSERT INTO gates (id, because, noticed_by, mirrored_seq, mirrored_at, found_seq) VALUES (1, 'Three events are missing.', 'till-1', 9, now(), 6)",
    )
    assert set(found(manager)) == {Kind.GATE_CLOSED}
    (told,) = [each for each in concerns(statistics.attention(manager)) if each.finding.kind is Kind.GATE_CLOSED]
    assert "Three events are missing" in told.what.replace("\\", "")
    assert (told.owner, told.finding.at_stake) == ("Manager", True)
    sql(book.connection, "UPDATE gates SET reopened_at = now(), reopened_because = 'Compared.', doubted = 0")
    assert found(manager) == {}


def test_a_worker_that_would_seal_with_a_retired_key_is_told(book: Book, manager: Actor) -> None:
    sql(book.connection, "INSERT INTO workers (id, name, vault_keys) VALUES (%s, 'till-1', 'k1:5f0c, k2:9a41')", new_id())
    sql(book.connection, "INSERT INTO retired_keys (key_id) VALUES ('k1')")
    assert found(manager) == {}, "an older key that it still holds opens, and seals nothing"
    sql(book.connection, "INSERT INTO retired_keys (key_id) VALUES ('k2')")
    told = found(manager)[Kind.RETIRED_KEY]
    assert (told.about, told.told) == ("k2", "till-1")
    sql(book.connection, "UPDATE workers SET vault_keys = 'k2:9a41, k3:77aa'")
    assert found(manager) == {}


def test_a_report_that_could_not_be_made_again_and_again_is_told_with_why(book: Book, manager: Actor) -> None:
    report = new_id()
    sql(
        book.connection,
        "INSERT INTO reports (id, kind, first_day, last_day, formats, next_try_at, tries, told)"
        " VALUES (%s, 'daily', '2026-01-05', '2026-01-05', '[\"pdf\"]', now(), 2, 'The disk is full.')",
        report,
    )
    assert found(manager) == {}, "one that is only late is tried again"
    sql(book.connection, "UPDATE reports SET tries = 3")
    told = found(manager)[Kind.REPORTS_FAILED]
    assert (told.weight, told.told) == (1, "The disk is full.")
    assert Kind.REPORTS_FAILED not in found(replace(manager, billers=frozenset({LWB})))
    sql(book.connection, "UPDATE reports SET made_at = now(), as_of = now(), rows = 0, figures = '{}', next_try_at = NULL")
    assert found(manager) == {}


# ---- The record


def test_a_record_that_nobody_verified_for_a_week_is_told_until_somebody_does(book: Book, manager: Actor) -> None:
    assert found(manager) == {}
    sql(
        book.connection,
        "INSERT INTO audit_entries (seq, at, actor_name, action, subject_type, subject_id) OVERRIDING SYSTEM VALUE VALUES (-1, %s, 'x', 'x', 'x', 'x')",
        clock.now() - VERIFIED_WITHIN - timedelta(hours=1),
    )
    assert set(found(manager)) == {Kind.NOT_VERIFIED}
    assert audit_checks.begin(manager).wait(30)
    assert found(manager) == {}


def test_a_record_that_was_changed_past_the_console_is_told_until_it_holds_again(book: Book, manager: Actor) -> None:
    sql(book.connection, "INSERT INTO audit_entries (actor_name, action, subject_type, subject_id) VALUES ('x', 'x', 'x', 'as it was')")
    audit.seal_all()

    def rewrite(subject: str) -> None:
        sql(book.connection, "ALTER TABLE audit_entries DISABLE TRIGGER USER")
        sql(book.connection, "UPDATE audit_entries SET subject_id = %s WHERE action = 'x'", subject)
        sql(book.connection, "ALTER TABLE audit_entries ENABLE TRIGGER USER")

    rewrite("something else")
    assert audit_checks.begin(manager).wait(30)
    told = found(manager)[Kind.AUDIT_BROKEN]
    assert (told.grade, told.at_stake) == (Grade.GRAVE, True)
    rewrite("as it was")
    assert audit_checks.begin(manager).wait(30)
    assert found(manager) == {}


# ---- Configurations


def test_a_change_of_a_configuration_waits_for_a_second_administrator(administrator: Actor, colleague: Actor, active: Configuration) -> None:  # noqa: F811
    assert Kind.PROPOSED_CHANGES not in found(administrator)
    changed = {**active.content, "base_url": "https://api.lwb.example/v3"}
    proposed = configurations.edit(administrator, active.id, active.version, changed, None, "Their letter of Monday.")
    assert proposed.proposal is not None
    told = found(administrator)[Kind.PROPOSED_CHANGES]
    assert (told.weight, told.owner) == (1, "Administrator")
    assert Kind.PROPOSED_CHANGES not in found(replace(administrator, billers=frozenset({"MASM"})))
    assert Kind.PROPOSED_CHANGES in found(replace(administrator, billers=frozenset({LWB})))
    configuration_approvals.approve(colleague, proposed.proposal)
    assert Kind.PROPOSED_CHANGES not in found(administrator)


def test_an_act_on_many_and_a_rule_wait_each_for_whoever_decides_about_it(book: Book, manager: Actor, add_person: AddPerson) -> None:
    assert found(manager) == {}
    for kind, subject, shown in (
        ("BULK", "an act", '{"billers": ["LWB_POSTPAID", "MASM"]}'),
        ("RULE", "|MASM|MWK", '{"rule": {"biller_type": "MASM"}}'),
        ("RULE", "||MWK", '{"rule": {"biller_type": ""}}'),
    ):
        sql(
            book.connection,
            "INSERT INTO wider_proposals (id, kind, subject, shown, shown_hash, reason, proposed_by, expires_at)"
            " VALUES (%s, %s, %s, %s, sha256(''), 'The board asked for it.', %s, now() + interval '1 day')",
            *(new_id(), kind, subject, shown, manager.id),
        )
    seen = found(manager)
    assert {kind: (each.weight, each.owner) for kind, each in seen.items()} == {Kind.PROPOSED_ACTS: (1, "Manager"), Kind.PROPOSED_RULES: (2, "Administrator")}
    of_one = found(replace(manager, billers=frozenset({LWB})))
    assert {kind: each.weight for kind, each in of_one.items()} == {Kind.PROPOSED_RULES: 1}, "the act is of another biller's payments, too"
    assert found(replace(manager, billers=frozenset({LWB, "MASM"})))[Kind.PROPOSED_ACTS].weight == 1
    whole = add_person("administrator")
    sql(book.connection, "UPDATE wider_proposals SET decision = 'approved', decided_by = %s, decided_at = now()", whole.id)
    assert found(manager) == {}


def test_a_biller_whose_host_changed_has_no_credentials_until_they_are_entered(
    administrator: Actor,  # noqa: F811
    colleague: Actor,  # noqa: F811
    active: Configuration,  # noqa: F811
) -> None:
    def changed(was: Configuration, credentials: dict[str, str] | None, **changes: object) -> Configuration:
        saved = configurations.edit(administrator, was.id, was.version, {**was.content, **changes}, credentials, "Their letter of Monday.")
        if saved.proposal is not None:
            configuration_approvals.approve(colleague, saved.proposal)
        return configurations.find(administrator, was.id)

    assert Kind.NO_CREDENTIALS not in found(administrator)
    elsewhere = changed(active, None, base_url=OTHER_HOST)
    told = found(administrator)[Kind.NO_CREDENTIALS]
    assert (told.about, told.told) == (LWB, str(active.id))
    (said,) = [each for each in concerns(statistics.attention(administrator)) if each.finding.kind is Kind.NO_CREDENTIALS]
    assert said.address == {"id": str(active.id)}
    assert Kind.NO_CREDENTIALS not in found(replace(administrator, billers=frozenset({"MASM"})))
    changed(elsewhere, CREDENTIALS)
    assert Kind.NO_CREDENTIALS not in found(administrator)


# ---- Telling people


def test_a_channel_that_is_down_is_told_by_its_name_with_what_waits(desk: Desk, mail_host: MailHost) -> None:  # noqa: F811
    channel = desk.mail_channel(mail_host, "The bank's mail")
    assert Kind.CHANNEL_DOWN not in found(desk.administrator)
    desk.bench.sql("UPDATE notification_channels SET failures = 2, down_since = now() - interval '5 minutes'")
    told = found(desk.administrator)[Kind.CHANNEL_DOWN]
    assert (told.about, told.told, told.count) == (str(channel), "The bank's mail", 0)
    assert Kind.CHANNEL_DOWN not in found(replace(desk.administrator, billers=frozenset({CODE})))
    desk.bench.sql("UPDATE notification_channels SET is_on = false")
    assert Kind.CHANNEL_DOWN not in found(desk.administrator), "nobody waits for what was switched off"
    desk.bench.sql("UPDATE notification_channels SET is_on = true, failures = 0, down_since = NULL")
    assert Kind.CHANNEL_DOWN not in found(desk.administrator)


def test_notices_that_were_given_up_are_told_for_a_day(desk: Desk, mail_host: MailHost) -> None:  # noqa: F811
    channel, events = desk.mail_channel(mail_host), (new_id(), new_id())
    for event, biller in zip(events, (CODE, "MASM"), strict=True):
        desk.bench.sql(
            "INSERT INTO notification_events (id, event, biller_type, subject_type, subject_id, facts, spread_at) VALUES (%s, 'x', %s, 'x', 'x', '{}', now())",
            *(event, biller),
        )
        desk.bench.sql(
            "INSERT INTO notification_deliveries (id, event_id, channel_id, subject, body, state, ended_at) VALUES (%s, %s, %s, 'x', 'x', 'dead', now())",
            *(new_id(), event, channel),
        )
    assert found(desk.administrator)[Kind.GIVEN_UP].weight == 2
    assert found(replace(desk.administrator, billers=frozenset({CODE})))[Kind.GIVEN_UP].weight == 1
    assert Kind.GIVEN_UP not in found(replace(desk.administrator, billers=frozenset({"TNM_BUNDLES"})))
    desk.bench.sql("UPDATE notification_deliveries SET ended_at = ended_at - interval '2 days'")
    assert Kind.GIVEN_UP not in found(desk.administrator)


# ---- Days


DAYS = (Kind.NO_STATEMENT, Kind.DIFFERENCES, Kind.NOT_SIGNED_OFF)


def of_days(actor: Actor) -> dict[Kind, int]:
    return {kind: each.weight for kind, each in found(actor).items() if kind in DAYS}


def test_a_day_that_is_over_wants_its_statement_then_its_differences_settled_then_its_signature(bench: Bench) -> None:  # noqa: F811
    yesterday = clock.business_day(clock.now(), statistics.business_zone()) - timedelta(days=1)
    house = House(bench, yesterday)
    assert of_days(house.manager) == {}
    paid = house.paid()
    house.paid(day=yesterday + timedelta(days=1))
    assert of_days(house.manager) == {Kind.NO_STATEMENT: 1}, "today is not over"
    assert of_days(replace(house.manager, billers=frozenset({"MASM"}))) == {}
    (said,) = [each for each in concerns(statistics.attention(house.manager)) if each.finding.kind is Kind.NO_STATEMENT]
    assert said.address == {"biller": CODE, "day": yesterday.isoformat()}
    assert said.finding.grade is Grade.NOTE, "it comes in the morning after"
    house.load(house.line(paid), house.line(house.paid(biller_type="MASM")))
    assert of_days(replace(house.manager, billers=frozenset({CODE}))) == {Kind.DIFFERENCES: 1}
    assert of_days(house.manager) == {Kind.DIFFERENCES: 1, Kind.NO_STATEMENT: 1}
    reconciliation.explain(house.analyst, About.of(CODE, house.only()), "Paid at their own counter.")
    of_one = replace(house.manager, billers=frozenset({CODE}))
    assert of_days(of_one) == {Kind.NOT_SIGNED_OFF: 1}
    day_closes.sign_off(house.manager, CODE, yesterday)
    assert of_days(of_one) == {}
    day_closes.reopen(house.manager, CODE, yesterday, "A line was forgotten.")
    assert of_days(of_one) == {Kind.NOT_SIGNED_OFF: 1}


def test_a_demonstrations_days_want_no_statement_and_a_late_one_is_more_serious(book: Book, manager: Actor) -> None:
    book.row(clock.now() - timedelta(days=2))
    assert of_days(manager) == {}
    sql(book.connection, "ALTER TABLE transactions DISABLE TRIGGER USER")
    sql(book.connection, "UPDATE transactions SET demo = false, created_at = now() - interval '5 days'")
    told = found(manager)[Kind.NO_STATEMENT]
    assert (told.weight, told.grade) == (1, Grade.CARE)
    sql(book.connection, "UPDATE transactions SET created_at = now() - interval '40 days'")
    assert of_days(manager) == {}, "so far back the days' own page looks"


# ---- What is of all billers


def test_somebody_limited_to_a_biller_is_told_what_stops_their_payments_and_nothing_of_keys_and_channels(book: Book, add_person: AddPerson) -> None:
    limited = replace(add_person("manager"), billers=frozenset({LWB}))
    sql(book.connection, "INSERT INTO workers (id, name, vault_keys, seen_at) VALUES (%s, 'till-1', 'k2:9a41', now() - interval '18 seconds')", new_id())
    sql(book.connection, "INSERT INTO retired_keys (key_id) VALUES ('k2')")
    sql(book.connection, "INSERT INTO breakers (biller_type, probe_at, reason) VALUES ('T24', now(), 'Core banking is slow.')")
    assert set(found(limited)) == {Kind.BANK_TROUBLE}
    assert not statistics.attention(limited).worker_seen
