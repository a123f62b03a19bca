"""The daily close: refused while anything is open, signed by somebody who imported nothing of it, frozen with its sheet, reopened only with a reason."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest

from core.errors import BadInput, NotAllowed, NotFound, NotLegalNow, ProveAgain
from core.ids import new_id
from core.models.notifications import Happening
from core.models.reconciliation import Result
from core.services import day_closes, reconciliation
from core.services.audit_words import ACTIONS
from core.services.reconciliation import About
from core.states import Stage, Topology
from tests.payments.bench import CODE
from tests.payments.conftest import bench, shared_bench  # noqa: F401 - fixtures
from tests.receipts.reading import words_of
from tests.reconciliation.conftest import House


def closed(house: House) -> None:
    """A day with one match and one explained line, signed off."""
    house.load(house.line(house.paid()), house.line(house.paid(biller_type="MASM"), Receipt="=1+1"))
    reconciliation.explain(house.analyst, About.of(CODE, house.only()), "Paid at their own counter.")
    day_closes.sign_off(house.manager, CODE, house.day, "All compared by phone.")


def test_a_day_with_open_differences_or_without_a_statement_is_not_signed_off(house: House) -> None:
    one = house.paid()
    with pytest.raises(NotLegalNow, match="no statement"):
        day_closes.sign_off(house.manager, CODE, house.day)
    house.load(house.line(one), house.line(house.paid(biller_type="MASM")))
    with pytest.raises(NotLegalNow, match="1 difference is open"):
        day_closes.sign_off(house.manager, CODE, house.day)
    reconciliation.explain(house.analyst, About.of(CODE, house.only()), "Paid at their own counter.")
    day_closes.sign_off(house.manager, CODE, house.day)
    seen = reconciliation.of_day(house.analyst, CODE, house.day)
    assert seen.close is not None
    assert seen.close.by == house.manager.display_name
    assert not seen.changed_since


def test_whoever_imported_a_statement_of_the_day_does_not_sign_it_off(house: House) -> None:
    house.load(house.line(house.paid()), by=house.manager)
    with pytest.raises(NotAllowed, match="another manager"):
        day_closes.sign_off(house.manager, CODE, house.day)
    day_closes.sign_off(house.colleague, CODE, house.day)


def test_an_analyst_signs_nothing_off_and_an_open_window_does_not_either(house: House) -> None:
    house.load(house.line(house.paid()))
    with pytest.raises(NotAllowed):
        day_closes.sign_off(replace(house.analyst, id=house.manager.id), CODE, house.day)
    with pytest.raises(ProveAgain):
        day_closes.sign_off(replace(house.manager, proved_at=None), CODE, house.day)


def test_a_signed_off_day_takes_no_line_no_match_and_no_explanation(house: House) -> None:
    closed(house)
    late = house.paid(stage=Stage.FAILED)
    with pytest.raises(NotLegalNow, match="signed off"):
        house.load(house.line(late))
    item = house.items(Result.THEIRS_ONLY)[0]
    assert item.line_id is not None
    for act in (
        lambda: reconciliation.explain(house.analyst, About.of(CODE, item), "Another word."),
        lambda: reconciliation.hand_on(house.analyst, About.of(CODE, item), "To somebody else."),
        lambda: reconciliation.explain_all(house.analyst, CODE, house.day, Result.THEIRS_ONLY, "All the same."),
        lambda: reconciliation.pair(house.analyst, item.line_id, late.id, "It is this one."),
        lambda: day_closes.sign_off(house.manager, CODE, house.day),
    ):
        with pytest.raises(NotLegalNow):
            act()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE day_closes SET note = 'another' WHERE day = %s",
        "UPDATE day_closes SET figures = '{}' WHERE day = %s",
        "DELETE FROM day_closes WHERE day = %s",
        "UPDATE statement_lines SET amount = 1 WHERE day = %s",
        "DELETE FROM statement_matches WHERE line_id IN (SELECT id FROM statement_lines WHERE day = %s)",
        "UPDATE difference_notes SET told = 'another' WHERE day = %s",
        (
            "INSERT INTO difference_notes (id, biller_type, day, line_id, result, act, told, noted_by)"
            " SELECT gen_random_uuid(), biller_type, day, line_id, result, act, 'another', noted_by FROM difference_notes WHERE day = %s"
        ),
        (
            "INSERT INTO statement_lines (statement_id, row, biller_type, day, account, amount, currency, kind, fingerprint, occurrence)"
            " SELECT statement_id, 99, biller_type, day, '1', 1, currency, kind, gen_random_uuid(), 1 FROM statement_lines WHERE day = %s LIMIT 1"
        ),
        (
            "INSERT INTO statement_matches (line_id, transaction_id, kind, rule, place)"
            " SELECT l.id, t.id, 'PAYMENT', 'ACCOUNT', 9 FROM statement_lines l, transactions t"
            " WHERE l.day = %s AND l.id NOT IN (SELECT line_id FROM statement_matches) LIMIT 1"
        ),
    ],
)
def test_not_even_by_the_sql_console_is_a_signed_off_day_changed(house: House, statement: str) -> None:
    closed(house)
    with pytest.raises(psycopg.Error) as refused:
        house.bench.sql(statement, house.day)
    assert refused.value.sqlstate in ("BM002", "BM003", "BM004")


def test_the_sheet_says_what_was_signed_byte_for_byte(house: House) -> None:
    closed(house)
    seen = reconciliation.of_day(house.analyst, CODE, house.day)
    assert seen.close is not None
    file = day_closes.sheet(house.analyst, seen.close.close.id)
    assert hashlib.sha256(file.content).digest() == seen.close.close.sheet_sha256
    with pytest.raises(NotFound):
        day_closes.sheet(replace(house.manager, billers=frozenset({"MASM"})), seen.close.close.id)
    said = " ".join(words_of(file.content).split())
    for part in (
        "Daily close: LWB postpaid",
        "Ours: completed payments 1 MWK 5,475.50",
        "Theirs only 1 MWK 5,475.50",
        "Theirs: paid less given back 2 MWK 10,951.00",
        f"Explained by {house.analyst.display_name}: Paid at their own counter.",
        f"Signed off by {house.manager.display_name}",
        "All compared by phone.",
    ):
        assert part in said, (part, said)


def test_reopening_needs_a_reason_is_kept_and_lets_the_day_be_signed_off_anew(house: House) -> None:
    closed(house)
    with pytest.raises(BadInput):
        day_closes.reopen(house.colleague, CODE, house.day, " ")
    with pytest.raises(NotAllowed):
        day_closes.reopen(house.analyst, CODE, house.day, "I want to.")
    day_closes.reopen(house.colleague, CODE, house.day, "The board sent a correction.")
    with pytest.raises(NotLegalNow):
        day_closes.reopen(house.colleague, CODE, house.day, "Once more.")
    late = house.paid()
    house.load(house.line(late))
    day_closes.sign_off(house.manager, CODE, house.day)
    closes = reconciliation.of_day(house.analyst, CODE, house.day).closes
    assert [(one.stands, one.close.reopened_because) for one in closes] == [(True, None), (False, "The board sent a correction.")]
    actions = house.bench.sql("SELECT action FROM audit_entries WHERE subject_id = %s ORDER BY seq", f"{CODE} {house.day}")
    assert [action for (action,) in actions if action.startswith("day.")] == ["day.signed_off", "day.reopened", "day.signed_off"]
    # What the first one said is still what it said.
    assert b"%PDF" in day_closes.sheet(house.analyst, closes[1].close.id).content


def test_a_payment_that_moves_after_the_sign_off_is_told_and_the_sheet_stays(house: House) -> None:
    closed(house)
    house.paid("1.00")
    seen = reconciliation.of_day(house.analyst, CODE, house.day)
    assert seen.changed_since
    assert seen.close is not None
    assert seen.close.close.figures["results"]["MATCHED"]["ours"] == "5475.50"


def test_the_suspense_balance_is_what_a_person_adds_up_from_the_debits(house: House) -> None:
    first, second, third = (house.day + timedelta(days=number) for number in range(3))
    debits = {"debit_account": "2010000001", "credit_account": "MWK1280600010002"}
    separate, composite = {"topology": Topology.SEPARATE, **debits}, {"topology": Topology.COMPOSITE, **debits}
    other_days = reconciliation.of_day(house.analyst, CODE, first).suspense
    # The first day: 1,000.00 reached the biller, 50.00 went back to its customer, 5.00 was paid in cash, and 8.00 of dollars is another account.
    settled, cash = house.paid("1000.00", **separate), house.paid("5.00")
    house.paid("50.00", stage=Stage.REVERSED, **separate)
    house.paid("8.00", currency="USD", **separate)
    # The second: 2,000.00, and 70.00 of which nobody knows. The third: 400.25, 9.75 that is still asked about, and 11.00 that never left.
    house.paid("2000.00", day=second, **composite)
    house.paid("70.00", day=second, stage=Stage.REVIEW, **separate)
    house.paid("400.25", day=third, **composite)
    house.paid("9.75", day=third, stage=Stage.PAY_UNKNOWN, **composite)
    house.paid("11.00", day=third, stage=Stage.FAILED, **composite)

    def stands(today: str, before: str, in_doubt: str) -> None:
        suspense = reconciliation.of_day(house.analyst, CODE, third).suspense
        assert (suspense.today, suspense.before - other_days.before) == (Decimal(today), Decimal(before))
        assert suspense.should_hold == Decimal(today) + Decimal(before) + other_days.before
        assert suspense.in_doubt - other_days.in_doubt == Decimal(in_doubt)

    stands("400.25", "3000.00", "79.75")
    house.load(house.line(settled), house.line(cash))
    for item in house.items():
        reconciliation.explain(house.analyst, About.of(CODE, item), "Paid out of the account in dollars.")
    day_closes.sign_off(house.manager, CODE, first)
    stands("400.25", "2000.00", "79.75")
    day_closes.reopen(house.manager, CODE, first, "The board sent a correction.")
    stands("400.25", "3000.00", "79.75")


def test_the_sheet_says_of_what_the_suspense_balance_is_made(house: House) -> None:
    one = house.paid("1000.00", topology=Topology.SEPARATE, debit_account="2010000001", credit_account="MWK1280600010002")
    house.load(house.line(one))
    seen = reconciliation.of_day(house.analyst, CODE, house.day)
    close = day_closes.sign_off(house.manager, CODE, house.day)
    said = " ".join(words_of(day_closes.sheet(house.analyst, close).content).split())
    assert "Of this day MWK 1,000.00: debited for payments that are completed" in said
    assert f"Should hold MWK {seen.suspense.before + Decimal(1000):,.2f}: both together" in said


def test_signing_off_and_reopening_are_told_to_whoever_subscribes_and_stand_in_words_on_the_record(house: House) -> None:
    subscribed = (Happening.CLOSE_SIGNED, Happening.CLOSE_REOPENED)
    channel = new_id()
    house.by_hand(
        "notification_channels",
        "INSERT INTO notification_channels (id, name, medium, destination, shown) VALUES (%s, %s, 'webhook', 'v1:nowhere', 'nowhere')",
        *(channel, f"close {channel}"),
    )
    for event in subscribed:
        house.bench.sql("INSERT INTO notification_subscriptions (id, event, channel_id) VALUES (%s, %s, %s)", new_id(), event, channel)
    closed(house)
    day_closes.reopen(house.colleague, CODE, house.day, "The board sent a correction.")
    told = house.bench.sql("SELECT event, facts FROM notification_events WHERE subject_id = %s ORDER BY at", f"{CODE} {house.day}")
    assert [(event, facts["by"], facts["reason"]) for event, facts in told] == [
        ("close.signed", house.manager.display_name, "All compared by phone."),
        ("close.reopened", house.colleague.display_name, "The board sent a correction."),
    ]


def test_everything_that_is_done_to_a_day_reads_as_words_on_the_record(house: House) -> None:
    closed(house)
    day_closes.differences(house.analyst, CODE, house.day)
    day_closes.reopen(house.colleague, CODE, house.day, "The board sent a correction.")
    item = house.only()
    reconciliation.hand_on(house.analyst, About.of(CODE, item), "To the branch.")
    house.paid()
    house.paid()
    reconciliation.keep_as_break(house.analyst, About.of(CODE, house.items(Result.OURS_ONLY)[0]))
    reconciliation.explain_all(house.analyst, CODE, house.day, Result.OURS_ONLY, "They close early.")
    other = house.paid(stage=Stage.FAILED)
    house.load(house.line(other, **{"Our reference": "", "Receipt": "PAPER-7"}))
    line = next(one for one in house.items(Result.THEIRS_ONLY) if one.their_reference == "PAPER-7")
    assert line.line_id is not None
    reconciliation.pair(house.analyst, line.line_id, other.id, "The slip says so.")
    actions = {str(action) for (action,) in house.bench.sql("SELECT DISTINCT action FROM audit_entries WHERE action ~ '^(statement|difference|day)'")}
    assert {"difference.break", "difference.handed_on", "differences.explained", "statement.line_paired", "day.reopened"} <= actions
    assert actions <= ACTIONS.keys()


def test_the_file_of_differences_has_them_all_and_no_formula(house: House) -> None:
    hostile = house.paid(biller_type="MASM", account="=cmd|' /C calc'!A0")
    house.load(house.line(hostile, Receipt='=HYPERLINK("http://evil.example","x")'))
    reconciliation.explain(house.analyst, About.of(CODE, house.only()), "+1 of them")
    file = day_closes.differences(house.analyst, CODE, house.day)
    text = file.content.decode("utf-8-sig")
    assert file.name == f"differences-lwb-postpaid-{house.day}.csv"
    (row,) = text.splitlines()[1:]
    assert row.startswith("Theirs only,no,")
    assert '"=""=HYPERLINK(""""http://evil.example"""",""""x"""")"""' in row
    assert ",'+1 of them," in row
    with pytest.raises(NotFound):
        day_closes.differences(replace(house.analyst, billers=frozenset({"MASM"})), CODE, house.day)
