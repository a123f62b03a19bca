"""What the demonstration claims of itself: how much, when, how it ends, and that nothing can ever be done with it."""

import tomllib
import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import sqrt
from random import Random
from statistics import stdev
from zoneinfo import ZoneInfo

import psycopg
import pytest

from core import clock
from core.access import PERMISSIONS, Actor
from core.adapters import adapter_for
from core.errors import NotLegalNow
from core.models.snapshot import parse_snapshot
from core.sandbox.accounts import read
from core.sandbox.tnm_bundles import BUNDLES
from core.services import audit, billers, demo, payments, receipts, tokens
from core.services.demo import endings, world
from core.services.demo.days import weeks
from core.services.errands import terms_of
from core.settings import CHECKOUT
from core.states import MONEY_TYPES, Stage, Status, TransactionType, is_legal, status_of
from core.wire.contract import Outcome
from tests.demo.conftest import COUNT, Sandbox, counts


def actor_of(sandbox: Sandbox, username: str) -> Actor:
    [(person, name, role)] = sandbox.rows("SELECT id, display_name, role FROM users WHERE username = %s", username)
    return Actor(person, username, name, role, frozenset(PERMISSIONS), "127.0.0.1", proved_at=clock.now())


# ---- How much, when and of whom


def test_exactly_as_many_transactions_as_were_asked_for_each_marked(loaded: Sandbox) -> None:
    assert loaded.rows("SELECT demo, count(*) FROM transactions GROUP BY demo") == [(True, COUNT)]
    assert loaded.said[0].startswith("Demonstration data: 4,000 transactions over 365 days")


def test_everything_lies_within_a_year_and_has_ended_by_now(loaded: Sandbox) -> None:
    first, last, ended = loaded.rows("SELECT min(created_at), max(created_at), max(updated_at) FROM transactions")[0]
    now = loaded.one("SELECT now()")
    assert now - timedelta(days=365, minutes=2) < first < now - timedelta(days=361)
    assert now - timedelta(days=4) < last <= ended < now
    for table in ("events", "attempts", "answers"):
        assert now - timedelta(days=365, minutes=2) < loaded.one(f"SELECT min(at) FROM {table}")
        assert loaded.one(f"SELECT max(at) FROM {table}") < now


def test_every_month_has_parts_of_its_own(loaded: Sandbox) -> None:
    for table in ("events", "attempts", "answers"):
        assert loaded.one(f"SELECT count(*) FROM {table}_default") == 0


def test_all_billers_are_there_with_the_shares_of_the_table(loaded: Sandbox) -> None:
    visits = dict(loaded.rows("SELECT biller_type, count(*) FILTER (WHERE amount IS NOT NULL) FROM transactions GROUP BY biller_type"))
    assert set(visits) == set(world.TRADES) == {code for (code,) in loaded.rows("SELECT code FROM biller_types")}
    assert visits["AIRTEL_VALIDATION"] == 0, "Airtel takes no payments"
    paying = sum(trade.share for code, trade in world.TRADES.items() if visits[code])
    for code, count in visits.items():
        expected = world.TRADES[code].share / paying * sum(visits.values())
        assert count == 0 or abs(count - expected) < 0.2 * expected + 20, code


def test_of_a_hundred_about_96_completed_3_failed_and_1_ended_otherwise(loaded: Sandbox) -> None:
    ends = Counter(dict(loaded.rows("SELECT status, count(*) FROM transactions GROUP BY status")))
    assert set(ends) == {"COMPLETED", "FAILED", "CANCELLED", "REVERSED"}
    assert 0.945 < ends["COMPLETED"] / COUNT < 0.975
    assert 0.02 < ends["FAILED"] / COUNT < 0.045
    assert 0.004 < (ends["CANCELLED"] + ends["REVERSED"]) / COUNT < 0.02


def test_about_a_third_of_those_who_pay_asked_before(loaded: Sandbox) -> None:
    asked = loaded.one(
        "SELECT count(*) FROM transactions p WHERE amount IS NOT NULL AND EXISTS (SELECT FROM transactions q WHERE q.amount IS NULL"
        " AND (q.biller_type, q.account_number, q.initiated_by) = (p.biller_type, p.account_number, p.initiated_by)"
        " AND q.status = 'COMPLETED' AND p.created_at - q.completed_at BETWEEN interval '10 s' AND interval '80 s')"
    )
    assert 0.28 < asked / loaded.one("SELECT count(*) FROM transactions WHERE amount IS NOT NULL") < 0.38


def test_few_accounts_pay_often_and_many_seldom(loaded: Sandbox) -> None:
    often = [count for (count,) in loaded.rows("SELECT count(*) FROM transactions WHERE biller_type = 'LWB_POSTPAID' GROUP BY account_number ORDER BY 1 DESC")]
    assert sum(often[: len(often) // 10]) > 0.25 * sum(often)
    assert often[0] < 0.1 * sum(often), "one account is not half of the city"
    assert often.count(1) > len(often) // 6


def a_year(count: int) -> Sequence[datetime]:
    zone, random = ZoneInfo("Africa/Blantyre"), Random(1)
    found = [moment for week in weeks(random, count, datetime(2026, 3, 1, tzinfo=UTC), zone) for moment in week.moments(random, week.rows)]
    assert len(found) == count
    assert found == sorted(found)
    return [moment.astimezone(zone) for moment in found]


def test_people_pay_in_office_hours_less_on_saturdays_and_more_after_payday() -> None:
    drawn = a_year(50_000)
    by_day = Counter(moment.date() for moment in drawn)
    mean = {day: sum(count for date, count in by_day.items() if date.weekday() == day) / 52 for day in range(7)}
    assert mean[5] < 0.6 * mean[2]
    assert mean[6] < 0.3 * mean[5]
    assert sum(8 <= moment.hour < 17 for moment in drawn) > 0.75 * len(drawn)
    wednesdays = [count for date, count in by_day.items() if date.weekday() == 2]
    paydays = [count for date, count in by_day.items() if date.weekday() == 2 and (date.day >= 26 or date.day <= 2)]
    assert sum(paydays) / len(paydays) > 1.2 * sum(wednesdays) / len(wednesdays)


def test_no_two_ordinary_tuesdays_are_alike_however_many_come() -> None:
    tuesdays = [count for date, count in Counter(moment.date() for moment in a_year(1_000_000)).items() if date.weekday() == 1 and 5 < date.day < 24]
    chance = sqrt(sum(tuesdays) / len(tuesdays))
    assert stdev(tuesdays) > 3 * chance


def test_answers_take_what_answers_take(loaded: Sandbox) -> None:
    median, p95, most = loaded.rows(
        "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_ms), percentile_disc(0.95) WITHIN GROUP (ORDER BY duration_ms), max(duration_ms)"
        " FROM answers"
    )[0]
    assert 500 < median < 1_100
    assert 1_500 < p95 < 5_000
    assert 5_000 < most <= 30_000


# ---- What is paid


def test_amounts_are_those_of_each_biller(loaded: Sandbox) -> None:
    paid = defaultdict(list)
    for code, amount in loaded.rows("SELECT biller_type, amount FROM transactions WHERE amount IS NOT NULL"):
        assert amount > 0
        paid[code].append(amount)
    assert {int(amount) for amount in paid["REGISTER_GENERAL"]} == {1_000, 10_000, 50_000}
    assert all(amount % 1_000 == 0 for amount in paid["SRWB_PREPAID"])
    ordinary = sorted(paid["BWB_POSTPAID"])[len(paid["BWB_POSTPAID"]) // 20 : -len(paid["BWB_POSTPAID"]) // 20]
    assert ordinary[0] > 4_000
    assert ordinary[-1] < 24_000
    assert any(amount % 1 for amount in ordinary), "bills have tambala"
    bundles = dict(loaded.rows("SELECT DISTINCT bundle_id, amount FROM transactions WHERE transaction_type = 'CONFIRM_BUNDLE'"))
    assert len(bundles) >= 5, "a bundle has one price"


def test_what_is_paid_is_within_what_the_biller_takes_and_needs_no_second_person(loaded: Sandbox) -> None:
    for snapshot, least, most in loaded.rows(
        "SELECT v.snapshot, min(t.amount), max(t.amount) FROM transactions t"
        " JOIN biller_config_versions v ON v.config_id = t.biller_config_id AND v.version = t.config_version WHERE t.amount IS NOT NULL GROUP BY 1"
    ):
        rules = parse_snapshot(snapshot).validation_rules
        assert rules.amount_min <= least
        assert most <= (rules.second_person_above or rules.amount_max)


def test_every_account_number_is_one_that_its_biller_would_take_and_the_sandbox_knows_by_that_name(loaded: Sandbox) -> None:
    known = read(CHECKOUT / "seeds" / "sandbox.toml")
    snapshots = dict(
        loaded.rows(
            "SELECT biller_type, (SELECT snapshot FROM biller_config_versions v WHERE v.config_id = c.id AND v.version = c.version) FROM biller_configs c"
        )
    )
    for code, number, name, meter in loaded.rows(
        "SELECT DISTINCT biller_type, account_number, max(customer_account_name), max(meter_number) FROM transactions GROUP BY 1, 2"
    ):
        assert parse_snapshot(snapshots[code]).check_account(number) == number
        found = known[code].find(number)
        assert found is not None, f"{number} of {code} could not be looked up again"
        assert name in (None, found.name)
        assert code != "SRWB_PREPAID" or meter == number


def test_no_test_account_of_the_sandbox_has_a_demonstration_row(loaded: Sandbox) -> None:
    taken = {row["number"] for row in tomllib.loads((CHECKOUT / "seeds" / "sandbox.toml").read_text())["account"]}
    assert not taken & {number for (number,) in loaded.rows("SELECT DISTINCT account_number FROM transactions")}


def test_refusals_carry_codes_that_the_biller_lists_and_a_sentence(loaded: Sandbox) -> None:
    said = loaded.rows(
        "SELECT DISTINCT t.biller_type, a.code, a.message, t.error_message FROM answers a JOIN transactions t ON t.id = a.transaction_id"
        " WHERE a.outcome = 'REJECTED'"
    )
    assert len(said) > 10
    for code, answer, message, kept in said:
        snapshot = next(card.snapshot for card in billers.list_billers(actor_of(loaded, "grace")) if card.code == code)
        assert adapter_for(code)(terms_of(snapshot, {})).outcome_of(answer) is Outcome.REJECTED, f"{code} does not list {answer}"
        assert message == kept
        assert message.endswith(".")


# ---- The story of each


def test_every_story_is_one_legal_way_from_its_beginning_to_where_it_stands(loaded: Sandbox) -> None:
    told = defaultdict(list)
    for row in loaded.rows("SELECT transaction_id, version, from_stage, to_stage, at, reason FROM events ORDER BY transaction_id, version"):
        told[row[0]].append(row[1:])
    for transaction, kind, stage, status, version, created, updated in loaded.rows(
        "SELECT id, transaction_type, stage, status, version, created_at, updated_at FROM transactions"
    ):
        steps = told.pop(transaction)
        assert steps[0][:3] == (1, None, "CREATED")
        assert steps[0][3] == created
        assert [number for number, *_ in steps] == list(range(1, version + 1))
        for (_, _, before, earlier, _), (_, left, reached, later, reason) in pairwise(steps):
            assert left == before
            assert is_legal(TransactionType(kind), Stage(left), Stage(reached))
            assert earlier <= later
            assert "{" not in reason
        assert steps[-1][2] == stage
        assert steps[-1][3] == updated
        assert status_of(Stage(stage)) is Status(status)
    assert not told


@pytest.mark.parametrize("ending", endings.ENDINGS + endings.ENDINGS_OF_QUESTIONS)
def test_every_ending_ends_where_a_demonstration_row_may_stand(ending: endings.Ending) -> None:
    assert ending.stage in (Stage.COMPLETED, Stage.FAILED, Stage.CANCELLED, Stage.REVERSED)


def test_what_is_completed_says_when_and_what_was_cancelled_was_never_processed(loaded: Sandbox) -> None:
    assert loaded.one("SELECT count(*) FROM transactions WHERE completed_at IS NULL OR completed_at < created_at") == 0
    assert loaded.one("SELECT count(*) FROM transactions WHERE (processed_at IS NULL) <> (status = 'CANCELLED')") == 0
    assert loaded.one("SELECT count(*) FROM transactions WHERE amount IS NOT NULL AND status = 'COMPLETED' AND external_transaction_id IS NULL") == 0
    assert loaded.one("SELECT count(*) FROM transactions WHERE status = 'FAILED' AND (error_code IS NULL OR error_message IS NULL)") == 0


def test_every_attempt_has_its_answer_and_one_in_a_hundred_its_payload(loaded: Sandbox) -> None:
    attempts, answered, kept = loaded.rows(
        "SELECT count(*), count(a.id), count(a.request) FROM attempts t LEFT JOIN answers a ON a.attempt_id = t.id AND a.at >= t.at"
    )[0]
    assert attempts == answered
    assert 0.003 < kept / attempts < 0.02
    without = loaded.rows("SELECT DISTINCT stage FROM transactions t WHERE NOT EXISTS (SELECT FROM attempts a WHERE a.transaction_id = t.id) ORDER BY 1")
    assert without == [("CANCELLED",), ("FAILED",)], "only what was never sent has no attempt"


def test_every_payment_has_its_leg_under_its_own_reference_and_a_look_up_has_none(loaded: Sandbox) -> None:
    money = [str(kind) for kind in MONEY_TYPES]
    [(payments_there, legs, same)] = loaded.rows(
        "SELECT count(*), count(l.reference), count(*) FILTER (WHERE l.reference = t.our_transaction_id)"
        " FROM transactions t LEFT JOIN legs l ON l.transaction_id = t.id AND l.kind = 'PAY' WHERE t.transaction_type = ANY(%s)",
        money,
    )
    assert payments_there == legs == same
    assert loaded.one("SELECT count(*) FROM legs l JOIN transactions t ON t.id = l.transaction_id WHERE t.amount IS NULL") == 0
    reversed_there = loaded.one("SELECT count(*) FROM transactions WHERE status = 'REVERSED'")
    assert loaded.one("SELECT count(*) FROM legs WHERE kind = 'PAY_REVERSAL' AND sends = 1") == reversed_there > 0
    assert loaded.one("SELECT count(*) FROM transactions WHERE our_transaction_id !~ '^[0-9A-HJKMNP-TV-Z]{16}$'") == 0


def test_a_prepaid_token_was_sold_sealed_and_can_be_read_by_who_may(loaded: Sandbox) -> None:
    sold = loaded.rows("SELECT id, metadata FROM transactions WHERE biller_type = 'SRWB_PREPAID' AND amount IS NOT NULL AND status = 'COMPLETED'")
    assert len(sold) == loaded.one("SELECT count(*) FROM vended_tokens") > 100
    transaction, told = sold[0]
    assert told["has_token"]
    assert not any(len(str(value)) >= 20 for value in told.values())
    digits = tokens.reveal(actor_of(loaded, "grace"), transaction, "The customer lost the slip.").replace(" ", "")
    assert len(digits) == 20
    assert int(digits) < 2**66


# ---- What cannot be done with it


def test_a_second_load_adds_nothing_and_says_so(loaded: Sandbox) -> None:
    before = counts(loaded)
    assert demo.load(COUNT) == ["Demonstration data is there: 4,000 transactions."]
    assert counts(loaded) == before


def test_one_audit_entry_tells_of_it_and_the_whole_chain_verifies(loaded: Sandbox) -> None:
    [(details,)] = loaded.rows("SELECT details FROM audit_entries WHERE action = 'demo.loaded'")
    assert details["transactions"] == COUNT
    audit.seal_all()
    verdict = audit.verify()
    assert verdict.ok, verdict.sentence
    assert verdict.unsealed == 0
    assert verdict.sealed > loaded.one("SELECT count(*) FROM events")


@pytest.mark.parametrize(("stage", "to"), [("COMPLETED", "REVERSAL_REQUESTED"), ("FAILED", "CREATED"), ("COMPLETED", "COMPLETED")])
def test_a_demonstration_row_cannot_be_moved_deleted_or_turned_into_a_real_one(loaded: Sandbox, stage: str, to: str) -> None:
    row = loaded.one("SELECT id FROM transactions WHERE stage = %s AND amount IS NOT NULL LIMIT 1", stage)
    if to != stage:
        with pytest.raises(psycopg.DatabaseError, match="cannot go from"):
            loaded.rows("UPDATE transactions SET stage = %s, version = version + 1, next_action_at = now(), status = 'COMPLETED' WHERE id = %s", to, row)
    with pytest.raises(psycopg.DatabaseError, match="cannot be changed once it exists"):
        loaded.rows("UPDATE transactions SET demo = false WHERE id = %s", row)
    with pytest.raises(psycopg.DatabaseError, match="cannot be deleted"):
        loaded.rows("DELETE FROM transactions WHERE id = %s", row)


def test_a_demonstration_row_cannot_be_retried_cancelled_or_asked_about(loaded: Sandbox) -> None:
    row: uuid.UUID = loaded.one("SELECT id FROM transactions WHERE stage = 'FAILED' AND amount IS NOT NULL LIMIT 1")
    manager = actor_of(loaded, "mphatso")
    with pytest.raises(NotLegalNow, match="demonstration"):
        payments.retry(manager, row)
    with pytest.raises(NotLegalNow):
        payments.cancel(manager, row)
    assert payments.check_now(manager, row) is False


def test_no_demonstration_row_holds_its_account_or_waits_for_the_worker(loaded: Sandbox) -> None:
    held = "stage NOT IN ('COMPLETED', 'FAILED', 'CANCELLED', 'REVERSED') OR next_action_at IS NOT NULL OR lease_until IS NOT NULL"
    assert loaded.one(f"SELECT count(*) FROM transactions WHERE {held}") == 0


def test_the_bundles_are_those_that_the_sandbox_sells() -> None:
    sold = {bundle.id: int(bundle.price) for bundle in BUNDLES}
    prices = {world.TRADES["TNM_BUNDLES"].price(Random(number), world.customer("0881000001")) for number in range(500)}
    assert {price.bundle: price.tambala // 100 for price in prices} == sold


def test_a_receipt_of_a_demonstration_payment_can_be_printed(loaded: Sandbox) -> None:
    paid = loaded.one("SELECT id FROM transactions WHERE stage = 'COMPLETED' AND biller_type = 'LWB_POSTPAID' AND amount IS NOT NULL LIMIT 1")
    assert receipts.print_receipt(actor_of(loaded, "grace"), paid).pdf.startswith(b"%PDF")
