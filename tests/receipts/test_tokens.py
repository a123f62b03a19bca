"""A token is cash: who sees it, when they must say why, and that it is nowhere else."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from core import db
from core.errors import BadInput, NotAllowed, NotFound, NotLegalNow
from core.services import receipts, tokens
from core.services.tokens import HANDED_OVER, ReasonWanted, TokenLocked, TokenNotKept
from core.states import Stage
from tests.receipts.conftest import GROUPED, TOKEN, Counter


def everything_kept(counter: Counter) -> str:
    """Every row of every table, as text."""
    with counter.database.connect() as connection:
        names = [name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        return "\n".join(str(row) for name in names for row in connection.execute(f'SELECT one::text FROM "{name}" one'))


# ---- Keeping


def test_a_token_the_biller_told_is_kept_sealed_and_stands_nowhere_in_the_open(counter: Counter) -> None:
    one = counter.sell()
    tokens.reveal(counter.grace, one)
    tokens.reveal(counter.limbani, one, "the customer lost the slip")
    receipts.print_receipt(counter.grace, one)
    kept = everything_kept(counter)
    assert str(one) in kept
    assert "the customer lost the slip" in kept
    for form in (TOKEN, GROUPED, GROUPED.replace(" ", "-")):
        assert form not in kept


def test_the_first_telling_is_kept(counter: Counter) -> None:
    one = counter.sell()
    with db.unit_of_work() as session:
        tokens.keep(session, one, "99999999999999999999")
    assert tokens.reveal(counter.grace, one) == GROUPED


def test_a_token_is_kept_with_the_payment_or_not_at_all(counter: Counter) -> None:
    one = counter.sell(token=None)
    with pytest.raises(RuntimeError), db.unit_of_work() as session:
        tokens.keep(session, one, TOKEN)
        raise RuntimeError
    with pytest.raises(NotFound, match="No token belongs"):
        tokens.reveal(counter.grace, one)


# ---- Who, and why


def test_whoever_sold_it_today_sees_it_without_saying_why(counter: Counter) -> None:
    one = counter.sell()
    assert not tokens.wants_reason(counter.grace, counter.find(one))
    assert tokens.reveal(counter.grace, one) == GROUPED
    assert counter.audited(one, "token.revealed") == [
        (counter.grace.username, {"reference": counter.find(one).our_transaction_id, "on": "screen", "reason": HANDED_OVER})
    ]


@pytest.mark.parametrize("who", ["chisomo", "limbani"])
def test_everybody_else_says_why(counter: Counter, who: str) -> None:
    one, other = counter.sell(), getattr(counter, who)
    assert tokens.wants_reason(other, counter.find(one))
    for nothing in (None, "", "   "):
        with pytest.raises(ReasonWanted, match="Say why you need it"):
            tokens.reveal(other, one, nothing)
    assert counter.audited(one, "token.revealed") == []
    assert tokens.reveal(other, one, "  the customer\nlost the slip ") == GROUPED
    ((name, details),) = counter.audited(one, "token.revealed")
    assert (name, details["reason"]) == (other.username, "the customer lost the slip")


def test_on_the_next_business_day_whoever_sold_it_says_why_too(counter: Counter) -> None:
    one = counter.sell()
    # The last moment of yesterday where the bank is, whatever UTC calls it.
    counter.rewrite(one, "completed_at = date_trunc('day', now() AT TIME ZONE 'Africa/Blantyre') AT TIME ZONE 'Africa/Blantyre' - interval '1 microsecond'")
    with pytest.raises(ReasonWanted):
        tokens.reveal(counter.grace, one)
    counter.rewrite(one, "completed_at = completed_at + interval '1 microsecond'")
    assert tokens.reveal(counter.grace, one) == GROUPED


@pytest.mark.parametrize("reason", ["x", "no" * 101])
def test_a_reason_that_tells_nobody_anything_is_refused(counter: Counter, reason: str) -> None:
    one = counter.sell()
    with pytest.raises(BadInput, match="in a few words"):
        tokens.reveal(counter.limbani, one, reason)
    assert counter.audited(one, "token.revealed") == []


@pytest.mark.parametrize(("role", "may"), [("operator", True), ("manager", True), ("analyst", False), ("administrator", False)])
def test_tokens_are_for_the_roles_that_serve_customers(counter: Counter, role: str, may: bool) -> None:
    one, somebody = counter.sell(), counter.bench.add_person(role)
    if may:
        assert tokens.reveal(somebody, one, "the customer lost the slip") == GROUPED
        return
    for service in (tokens.reveal, lambda actor, _, reason: tokens.wants_reason(actor, counter.find(one))):
        with pytest.raises(NotAllowed, match="prepaid tokens"):
            service(somebody, one, "the customer lost the slip")
    assert counter.audited(one, "token.revealed") == []


# ---- What there is to see


@pytest.mark.parametrize("stage", [Stage.QUEUED, Stage.PAY_UNKNOWN, Stage.FAILED])
def test_a_payment_that_is_not_completed_has_no_token_to_show(counter: Counter, stage: Stage) -> None:
    one = counter.bench.paid_to(stage)
    with db.unit_of_work() as session:
        tokens.keep(session, one, TOKEN)
    with pytest.raises(NotLegalNow, match="once the payment is completed"):
        tokens.reveal(counter.grace, one)


def test_a_payment_without_a_token_and_one_that_never_was_are_told_apart(counter: Counter) -> None:
    with pytest.raises(NotFound, match="No token belongs to this payment"):
        tokens.reveal(counter.grace, counter.sell(token=None))
    with pytest.raises(NotFound, match="There is no transaction"):
        tokens.reveal(counter.grace, counter.grace.id)


def test_a_demonstration_has_no_token(counter: Counter) -> None:
    one = counter.sell(token=None)
    counter.rewrite(one, "demo = true, metadata = '{\"has_token\": true}'")
    with pytest.raises(NotFound, match="No token belongs"):
        tokens.reveal(counter.grace, one)


def test_a_token_that_could_not_be_kept_is_told_with_whom_to_ask(counter: Counter, without_keys: Callable[[], None]) -> None:
    without_keys()
    one = counter.sell()
    with pytest.raises(TokenNotKept, match="Ask Lilongwe Water Board for it and name our reference") as refusal:
        tokens.reveal(counter.grace, one)
    assert counter.find(one).our_transaction_id in refusal.value.sentence


def test_without_its_key_a_token_stays_shut_and_the_sentence_names_no_file(counter: Counter, without_keys: Callable[[], None]) -> None:
    one = counter.sell()
    without_keys()
    with capture_logs() as logged, pytest.raises(TokenLocked, match="An administrator can mend it") as refusal:
        tokens.reveal(counter.grace, one)
    assert "/" not in refusal.value.sentence
    assert "vault-keys.json" in str(logged)
    assert counter.audited(one, "token.revealed") == []


def test_an_envelope_moved_to_another_payment_does_not_open(counter: Counter) -> None:
    one, another = counter.sell(), counter.sell(token="99999999999999999999")
    with counter.database.connect() as connection, connection.transaction():
        # As a superuser can: the table itself takes nothing but the same secret, sealed anew.
        connection.execute("ALTER TABLE vended_tokens DISABLE TRIGGER USER")
        connection.execute(
            "UPDATE vended_tokens SET envelope = (SELECT envelope FROM vended_tokens WHERE transaction_id = %s) WHERE transaction_id = %s", (one, another)
        )
        connection.execute("ALTER TABLE vended_tokens ENABLE TRIGGER USER")
    with pytest.raises(TokenLocked):
        tokens.reveal(counter.grace, another)


def test_nothing_that_is_logged_on_the_way_shows_a_token(counter: Counter) -> None:
    with capture_logs() as logged:
        one = counter.sell()
        tokens.reveal(counter.grace, one)
        with pytest.raises(NotAllowed):
            tokens.reveal(replace(counter.grace, permissions=frozenset()), one)
    assert TOKEN not in str(logged)
    assert GROUPED not in str(logged)


@pytest.mark.parametrize("told", [TOKEN, GROUPED, "1234-5678-9012-3456-7890", " 1234567890 1234567890 "])
def test_however_it_was_told_it_is_shown_in_groups_of_four(told: str) -> None:
    assert tokens.grouped(told) == GROUPED
