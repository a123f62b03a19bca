"""Rules of who pays alone: the most specific counts, a biller's own limit still holds, two people make a rule, and no payment slips by while one changes."""

import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest

from core import db
from core.errors import BadInput, NotAllowed, NotLegalNow, ProveAgain
from core.models.approval_rules import Duplicates
from core.repositories.approval_rules import ApprovalRules, Scope
from core.services import approval_rules, approvals, banners, drafts, payments, wider_approvals
from core.services.approval_rules import Change
from core.services.approvals import ChangedSince, OneOfTheTwo
from core.states import Stage
from core.wire.contract import Outcome
from tests.approvals.conftest import ABOVE, Desk
from tests.notifications.receivers import until
from tests.payments.bench import CODE
from tests.world import statements

REASON = "The board asked for it."

ANY = Scope("", "", "MWK")
OPERATORS = Scope("operator", "", "MWK")
HERE = Scope("", CODE, "MWK")
OPERATORS_HERE = Scope("operator", CODE, "MWK")


class Board:
    """Two administrators who make the rules."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.mphatso, self.chisomo = desk.bench.add_person("administrator"), desk.bench.add_person("administrator")

    def propose(self, scope: Scope, **says: object) -> uuid.UUID:
        return approval_rules.propose(self.mphatso, scope, Change(**says), REASON).id  # type: ignore[arg-type]

    def rule(self, scope: Scope, **says: object) -> None:
        wider_approvals.approve(self.chisomo, self.propose(scope, **says))

    def no_rules(self) -> None:
        """What an earlier test said, and proposed, is nothing here."""
        self.desk.by_hand("approval_rules", "DELETE FROM approval_rules")
        self.desk.bench.sql("UPDATE wider_proposals SET decision = 'expired', decided_at = now() WHERE decision = 'open'")


@pytest.fixture
def board(desk: Desk) -> Iterator[Board]:
    made = Board(desk)
    made.no_rules()
    yield made
    made.no_rules()


def waits(desk: Desk, made: uuid.UUID) -> bool:
    return desk.bench.stage(made) is Stage.AWAITING_APPROVAL


# ---- Which rule counts


def test_without_a_rule_only_the_billers_own_limit_holds(desk: Desk, board: Board) -> None:
    assert approval_rules.standing(board.mphatso).standing == []
    assert not waits(desk, desk.pay(amount="100000.00"))
    assert waits(desk, desk.pay(amount=ABOVE))


def test_up_to_the_rules_amount_one_pays_alone_and_above_it_waits_and_says_why(desk: Desk, board: Board) -> None:
    board.rule(OPERATORS, pays_alone="3000")
    assert not waits(desk, desk.pay(amount="3000.00"))
    made = desk.pay(amount="3000.01")
    assert waits(desk, made)
    why = "MWK 3,000.01 is above what one person may pay to Lilongwe Water Board: up to MWK 3,000.00, by the rule for Operator, any biller (version 1)."
    assert desk.open(made).reason == why
    assert desk.open(made).shown["asked"]["reason"] == why
    ((told,),) = desk.bench.sql("SELECT reason FROM events WHERE transaction_id = %s AND to_stage = 'AWAITING_APPROVAL'", made)
    assert why in told
    approvals.approve(desk.thoko, desk.open(made).id)
    assert desk.bench.stage(made) is Stage.QUEUED


def test_the_most_specific_rule_counts_a_billers_before_a_roles(desk: Desk, board: Board) -> None:
    board.rule(ANY, pays_alone="10")
    assert waits(desk, desk.pay(amount="500.00"))
    board.rule(OPERATORS, pays_alone="1000")
    assert not waits(desk, desk.pay(amount="1000.00"))
    board.rule(HERE, pays_alone="600")
    assert waits(desk, desk.pay(amount="1000.00"))
    board.rule(OPERATORS_HERE, pays_alone="2000")
    assert not waits(desk, desk.pay(amount="2000.00"))
    assert waits(desk, desk.pay(amount="2000.01"))
    # Somebody of another role goes by the biller's.
    of_a_manager = payments.submit(desk.limbani, desk.bench.draft(amount="700.00", actor=desk.limbani)).transaction_id
    assert waits(desk, of_a_manager)


def test_what_a_rule_says_nothing_about_is_left_to_the_more_general_one(desk: Desk, board: Board) -> None:
    board.rule(ANY, pays_alone="500")
    board.rule(OPERATORS_HERE, bulk_rows="7")
    assert waits(desk, desk.pay(amount="500.01"))


def test_a_rule_lets_nothing_through_that_the_billers_own_limit_keeps(desk: Desk, board: Board) -> None:
    board.rule(OPERATORS_HERE, pays_alone="900000")
    made = desk.pay(amount=ABOVE)
    assert waits(desk, made)
    assert "up to MWK 100,000.00, by the limit in its configuration" in desk.open(made).reason


def test_a_rule_of_another_currency_or_biller_is_no_rule_here(desk: Desk, board: Board) -> None:
    board.rule(Scope("", "", "USD"), pays_alone="1")
    board.rule(Scope("", "MASM", "MWK"), pays_alone="1")
    assert not waits(desk, desk.pay(amount="500.00"))


def test_nought_is_an_amount_and_every_payment_waits(desk: Desk, board: Board) -> None:
    board.rule(ANY, pays_alone="0")
    assert waits(desk, desk.pay(amount="500.00"))


# ---- Second payments of the same bill


def test_a_second_payment_of_the_same_bill_takes_a_second_person_above_the_rules_amount(desk: Desk, board: Board) -> None:
    board.rule(ANY, duplicates=Duplicates.SECOND_PERSON, duplicates_above="1000")
    for amount, takes_two in (("1000.00", False), ("1000.01", True)):
        account = desk.bench.account()
        desk.pay(account, amount)
        desk.bench.answer(Outcome.CONFIRMED)
        second = desk.pay(account, amount, reason="Two bills of the same amount.")
        assert waits(desk, second) is takes_two
        if not takes_two:
            desk.bench.answer(Outcome.CONFIRMED)
    told = desk.open(second).reason
    assert "It may be a second payment of the same bill, which above MWK 1,000.00 takes a second person, by the rule for any role, any biller" in told
    assert told.endswith("Two bills of the same amount.")


def test_a_more_specific_rule_lets_a_reason_be_enough_again(desk: Desk, board: Board) -> None:
    board.rule(ANY, duplicates=Duplicates.SECOND_PERSON)
    board.rule(OPERATORS_HERE, duplicates=Duplicates.REASON)
    account = desk.bench.account()
    desk.pay(account, "500.00")
    desk.bench.answer(Outcome.CONFIRMED)
    assert not waits(desk, desk.pay(account, "500.00", reason="Two bills of the same amount."))


# ---- Before, again and under way


def test_the_review_says_beforehand_what_the_rule_will_ask(desk: Desk, board: Board) -> None:
    board.rule(OPERATORS, pays_alone="3000")
    (why,) = drafts.freeze(desk.grace, desk.bench.draft(amount="3000.01")).second_person
    assert why.endswith("up to MWK 3,000.00, by the rule for Operator, any biller (version 1).")
    assert drafts.freeze(desk.grace, desk.bench.draft(amount="3000.00")).second_person == ()


def test_a_retry_goes_by_the_rules_of_its_own_moment(desk: Desk, board: Board) -> None:
    made = desk.pay(amount="5000.00")
    desk.bench.answer(Outcome.REJECTED)
    board.rule(OPERATORS, pays_alone="3000")
    assert waits(desk, payments.retry(desk.grace, made).transaction_id)


def test_a_payment_and_a_rule_that_changes_come_one_after_the_other(desk: Desk, board: Board) -> None:
    """Whoever decides about a rule waits for a payment under way, and a payment that comes after goes by the new rule."""
    proposal = board.propose(OPERATORS, pays_alone="3000")
    draft, done = desk.bench.draft(amount="5000.00"), threading.Event()

    def decide() -> None:
        wider_approvals.approve(board.chisomo, proposal)
        done.set()

    with db.unit_of_work() as session:
        # A payment that has asked the rules and is not kept yet.
        ApprovalRules(session).hold_still()
        deciding = threading.Thread(target=decide)
        deciding.start()
        until(lambda: bool(waiting_for_the_rules(desk)))
        assert not done.is_set()
    deciding.join()
    assert done.is_set()
    assert waits(desk, payments.submit(desk.grace, draft).transaction_id)


def test_a_payment_waits_for_a_rule_that_is_being_decided_and_goes_by_it(desk: Desk, board: Board) -> None:
    proposal = board.propose(OPERATORS, pays_alone="3000")
    draft, made = desk.bench.draft(amount="5000.00"), []
    paying = threading.Thread(target=lambda: made.append(payments.submit(desk.grace, draft).transaction_id))
    with desk.bench.connect() as connection, connection.transaction():
        # The other connection, as it decides: the rules are held, the new version is written, and nothing is committed yet.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('billers.approval_rules'))")
        connection.execute("UPDATE wider_proposals SET decision = 'approved', decided_by = %s, decided_at = now() WHERE id = %s", [board.chisomo.id, proposal])
        connection.execute(
            "INSERT INTO approval_rules (id, role, biller_type, currency, version, pays_alone, proposal_id)"
            " VALUES (gen_random_uuid(), 'operator', '', 'MWK', 1, 3000, %s)",
            [proposal],
        )
        paying.start()
        until(lambda: bool(waiting_for_the_rules(desk)))
        assert made == []
    paying.join()
    assert waits(desk, made[0])


def waiting_for_the_rules(desk: Desk) -> int:
    ((count,),) = desk.bench.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    return int(count)


# ---- Two people make a rule


def test_nobody_decides_about_their_own_rule(desk: Desk, board: Board) -> None:
    one = board.propose(ANY, pays_alone="3000")
    for decide in (lambda: wider_approvals.approve(board.mphatso, one), lambda: wider_approvals.reject(board.mphatso, one, "It is mine.")):
        with pytest.raises(OneOfTheTwo, match="You proposed it: another person decides"):
            decide()
    with pytest.raises(psycopg.errors.CheckViolation, match="two_people"):
        desk.bench.sql("UPDATE wider_proposals SET decision = 'approved', decided_by = proposed_by, decided_at = now() WHERE id = %s", one)
    assert approval_rules.standing(board.mphatso).standing == []
    assert not waits(desk, desk.pay(amount="5000.00"))


def test_no_rule_comes_to_be_without_a_second_person_whoever_writes_it(desk: Desk, board: Board) -> None:
    one = board.propose(ANY, pays_alone="3000")
    with pytest.raises(psycopg.Error, match="approved by a second person before it holds"):
        desk.bench.sql(
            "INSERT INTO approval_rules (id, role, biller_type, currency, version, pays_alone, proposal_id)"
            " VALUES (gen_random_uuid(), '', '', 'MWK', 1, 3000, %s)",
            one,
        )
    wider_approvals.approve(board.chisomo, one)
    with pytest.raises(psycopg.Error):
        desk.bench.sql("UPDATE approval_rules SET pays_alone = 9000000")


def test_a_rule_is_proposed_with_a_proof_and_decided_with_one_and_by_administrators_only(desk: Desk, board: Board) -> None:
    stale = replace(board.mphatso, proved_at=None)
    with pytest.raises(ProveAgain):
        approval_rules.propose(stale, ANY, Change(pays_alone="3000"), REASON)
    one = board.propose(ANY, pays_alone="3000")
    with pytest.raises(ProveAgain):
        wider_approvals.approve(replace(board.chisomo, proved_at=None), one)
    with pytest.raises(NotAllowed):
        approval_rules.propose(desk.thoko, ANY, Change(pays_alone="3000"), REASON)
    for act in (lambda: wider_approvals.approve(desk.thoko, one), lambda: wider_approvals.reject(desk.thoko, one, "No.")):
        with pytest.raises(NotAllowed):
            act()


def test_each_change_is_a_version_with_who_proposed_and_approved_it_and_stands_in_the_audit(desk: Desk, board: Board) -> None:
    board.rule(HERE, pays_alone="3000")
    board.rule(HERE, pays_alone="4000", bulk_rows="10")
    latest, first = approval_rules.history(board.mphatso, HERE)
    assert [(one.rule.version, one.rule.pays_alone, one.by, one.approved_by) for one in (latest, first)] == [
        (2, Decimal("4000.00"), board.mphatso.display_name, board.chisomo.display_name),
        (1, Decimal("3000.00"), board.mphatso.display_name, board.chisomo.display_name),
    ]
    rows = desk.bench.sql("SELECT action, actor_id, details FROM audit_entries WHERE subject_id = %s ORDER BY seq DESC LIMIT 3", HERE.subject)
    assert [action for action, *_ in reversed(rows)] == ["proposal.made", "proposal.approved", "approval_rule.changed"]
    _, by, details = rows[0]
    assert by == board.chisomo.id
    assert (details["before"]["pays_alone"], details["after"]["pays_alone"]) == ("3000.00", "4000.00")
    (standing,) = approval_rules.standing(desk.thoko).standing
    assert (standing.version, standing.content["bulk_rows"]) == (2, 10)


def test_a_rule_that_says_nothing_any_more_is_gone_and_its_versions_stay(desk: Desk, board: Board) -> None:
    board.rule(ANY, pays_alone="3000")
    board.rule(ANY)
    assert approval_rules.standing(board.mphatso).standing == []
    assert len(approval_rules.history(board.mphatso, ANY)) == 2
    assert not waits(desk, desk.pay(amount="5000.00"))


def test_one_change_of_a_rule_waits_at_a_time_and_what_would_change_nothing_is_refused(desk: Desk, board: Board) -> None:
    one = board.propose(ANY, pays_alone="3000")
    with pytest.raises(NotLegalNow, match="waits for a second person already"):
        board.propose(ANY, pays_alone="4000")
    wider_approvals.approve(board.chisomo, one)
    with pytest.raises(BadInput, match="nothing would change"):
        board.propose(ANY, pays_alone="3,000.00")


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ({"pays_alone": "-5"}, "must be more than zero"),
        ({"pays_alone": "1.234"}, "decimals"),
        ({"bulk_rows": "ten"}, "a whole number"),
        ({"bulk_rows": "10001"}, "a whole number"),
        ({"bulk_sum": "1,00"}, "in figures"),
    ],
)
def test_what_cannot_be_read_is_told_of_and_nothing_is_proposed(board: Board, says: dict[str, str], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        board.propose(ANY, **says)
    assert wider_approvals.waiting(board.chisomo) == []


def test_a_rule_is_for_a_role_and_a_biller_that_there_are(board: Board) -> None:
    for scope in (Scope("nobody", "", "MWK"), Scope("", "NO_BILLER", "MWK"), Scope("", "", "XXX")):
        with pytest.raises(BadInput):
            board.propose(scope, pays_alone="3000")


def test_what_was_changed_in_the_proposal_is_not_approved(desk: Desk, board: Board) -> None:
    one = board.propose(ANY, pays_alone="3000")
    desk.by_hand("wider_proposals", "UPDATE wider_proposals SET shown = jsonb_set(shown, '{after,pays_alone}', '\"9000000.00\"') WHERE id = %s", one)
    with pytest.raises(ChangedSince):
        wider_approvals.approve(board.chisomo, one)


def test_what_nobody_decides_in_time_is_over_and_the_rule_stays(desk: Desk, board: Board) -> None:
    one = board.propose(ANY, pays_alone="3000")
    assert wider_approvals.expire_old() == 0
    desk.by_hand("wider_proposals", "UPDATE wider_proposals SET expires_at = now() - interval '1 s' WHERE id = %s", one)
    with pytest.raises(NotLegalNow, match="Its time is over"):
        wider_approvals.approve(board.chisomo, one)
    assert wider_approvals.expire_old() == 1
    (seen,) = [seen for seen in wider_approvals.own(board.mphatso) if seen.id == one]
    assert seen.proposal.decision == "expired"
    assert approval_rules.standing(board.mphatso).standing == []


def test_rejected_and_withdrawn_change_nothing(desk: Desk, board: Board) -> None:
    wider_approvals.reject(board.chisomo, board.propose(ANY, pays_alone="3000"), "Too low.")
    one = board.propose(ANY, pays_alone="4000")
    with pytest.raises(OneOfTheTwo):
        wider_approvals.withdraw(board.chisomo, one)
    wider_approvals.withdraw(board.mphatso, one)
    with pytest.raises(NotLegalNow, match="It was decided meanwhile"):
        wider_approvals.approve(board.chisomo, one)
    assert approval_rules.standing(board.mphatso).standing == []
    assert [seen.proposal.decision for seen in wider_approvals.decided(board.mphatso)][:2] == ["withdrawn", "rejected"]


def test_how_many_wait_for_whom(desk: Desk, board: Board) -> None:
    desk.bench.sql("UPDATE proposals SET decision = 'expired', decided_at = now() WHERE decision = 'open'")
    board.propose(ANY, pays_alone="3000")
    desk.pay()
    payments.submit(desk.thoko, desk.bench.draft(amount=ABOVE, actor=desk.thoko))
    assert [banners.look(one).waiting for one in (desk.thoko, desk.limbani, board.mphatso, board.chisomo)] == [1, 2, 0, 1]


def test_what_every_page_asks_is_one_statement_while_payments_alone_wait(desk: Desk) -> None:
    desk.bench.sql("UPDATE wider_proposals SET decision = 'expired', decided_at = now() WHERE decision = 'open'")
    desk.pay()
    with statements() as asked:
        assert banners.look(desk.limbani).waiting >= 1
    assert len(asked) == 1


# ---- Several at once


def test_several_are_approved_each_by_itself_and_what_was_left_is_told(desk: Desk, board: Board) -> None:
    fine, changed, own = desk.pay(), desk.pay(), payments.submit(desk.thoko, desk.bench.draft(amount=ABOVE, actor=desk.thoko)).transaction_id
    ids = [desk.open(one).id for one in (fine, changed, own)]
    desk.by_hand("transactions", "UPDATE transactions SET amount = 900000 WHERE id = %s", changed)
    left = approvals.approve_all(desk.thoko, [*ids, ids[0]])
    assert [(one.reference, one.why) for one in left] == [
        (desk.bench.find(changed).our_transaction_id, str(ChangedSince())),
        (desk.bench.find(own).our_transaction_id, "You proposed it: another person decides."),
    ]
    assert [desk.bench.stage(one) for one in (fine, changed, own)] == [Stage.QUEUED, Stage.AWAITING_APPROVAL, Stage.AWAITING_APPROVAL]


def test_nobody_approves_several_without_the_right_and_a_proof(desk: Desk, board: Board) -> None:
    one = desk.open(desk.pay()).id
    with pytest.raises(NotAllowed):
        approvals.approve_all(desk.grace, [one])
    with pytest.raises(ProveAgain):
        approvals.approve_all(replace(desk.thoko, proved_at=None), [one])
