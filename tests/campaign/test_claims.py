"""What may be sent is decided in the statement that takes the row, not by what was known before."""

import pytest

from core.ids import new_id
from core.services import claims, settlement, sweeps
from core.services.errands import Result
from core.states import Stage
from core.wire.contract import Outcome
from tests.campaign.harness import World

EXPIRED = "UPDATE transactions SET expires_at = now() - interval '1 second' WHERE id = %s RETURNING id"


def test_past_its_time_a_payment_is_not_sent_but_failed(world: World) -> None:
    paid = world.pay_by_hand("70009001")
    world.rows(EXPIRED, paid)
    assert world.carry_out(claims.claim_sends) == []
    assert sweeps.give_up_overdue() == 1
    assert world.find(paid).error_code == "expired"
    assert world.ledger(paid) == []
    world.judge().assert_all_well()


def test_past_its_time_what_the_biller_never_saw_is_not_sent_again(world: World) -> None:
    """Not even where the belief in NOT_FOUND comes after the expiry: no leg but a reversal is sent then (rule 5)."""
    world.sandbox.next("500_without_acting", account="70009002")
    paid = world.pay_by_hand("70009002")
    world.carry_out(claims.claim_sends)
    assert world.stage(paid) is Stage.PAY_UNKNOWN
    world.rows(EXPIRED, paid)
    for _ in range(3):
        # The quiet window has closed: the send is made older instead of waiting for it.
        world.rows("UPDATE legs SET last_sent_at = now() - interval '10 seconds' WHERE transaction_id = %s AND kind = 'PAY' RETURNING 1", paid)
        world.rows("UPDATE transactions SET next_action_at = now() WHERE id = %s RETURNING 1", paid)
        world.carry_out(claims.claim_inquiries)
    assert world.stage(paid) is Stage.PAY_RETRY
    assert world.carry_out(claims.claim_sends) == []
    sweeps.give_up_overdue()
    assert world.stage(paid) is Stage.FAILED
    assert world.ledger(paid) == []
    world.judge().assert_all_well()


@pytest.mark.parametrize("switched", ["paused", "off"])
def test_a_biller_paused_or_switched_off_a_moment_ago_is_sent_nothing(world: World, switched: str) -> None:
    paid = world.pay_by_hand(f"7000901{len(switched)}")
    if switched == "paused":
        world.rows("UPDATE biller_configs SET paused_at = now(), paused_reason = 'Maintenance.' RETURNING id")
    else:
        world.rows("UPDATE biller_configs SET is_active = false RETURNING id")
    # The slots were counted while it was still on.
    assert world.carry_out(claims.claim_sends) == []
    sweeps.give_up_overdue()
    assert world.stage(paid) is (Stage.QUEUED if switched == "paused" else Stage.FAILED)
    world.rows("UPDATE biller_configs SET paused_at = NULL, paused_reason = NULL, is_active = true RETURNING id")
    world.carry_out(claims.claim_sends)
    assert len(world.ledger(paid)) == (1 if switched == "paused" else 0)
    world.judge().assert_all_well()


def test_after_a_long_silence_the_biller_is_asked_at_once(world: World) -> None:
    """The schedule counts from the last send: a call that hung for longer than its first points is asked about without waiting again."""
    paid = world.pay_by_hand("70009003")
    (errand,) = claims.claim_sends("by hand", {"LWB_POSTPAID": 1})
    world.rows("UPDATE legs SET last_sent_at = now() - interval '2 seconds' WHERE transaction_id = %s AND kind = 'PAY' RETURNING 1", paid)
    settlement.conclude([Result(errand, new_id(), Outcome.UNKNOWN, failure="deadline")])
    assert world.stage(paid) is Stage.PAY_UNKNOWN
    assert world.value("SELECT next_action_at <= now() FROM transactions WHERE id = %s", paid)
    # Nothing was sent in this test, and the biller says so; it is settled like every other.
    world.rows("UPDATE transactions SET expires_at = now() - interval '1 second' WHERE id = %s RETURNING 1", paid)
    for _ in range(3):
        world.rows("UPDATE legs SET last_sent_at = now() - interval '10 seconds' WHERE transaction_id = %s AND kind = 'PAY' RETURNING 1", paid)
        world.rows("UPDATE transactions SET next_action_at = now() WHERE id = %s RETURNING 1", paid)
        world.carry_out(claims.claim_inquiries)
    sweeps.give_up_overdue()
    world.judge().assert_all_well()
