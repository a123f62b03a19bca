"""The exhaustive check of the whole table of moves, with its rules and topologies: what holds, that it goes everywhere, and that each rule is missed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from core.services import policy
from core.services.policy import LegFacts, Promise, Verdict
from core.states import LEGS, PAYMENT_PLACES, LegKind, Stage, Topology
from core.wire.contract import Outcome
from tests.payments import model
from tests.payments.model import (
    BOTH,
    ENDED_WITH_MONEY_ELSEWHERE,
    KEPT,
    LATE,
    LEASE,
    MOST_SENDS,
    MUTE,
    OUT_OF_ORDER,
    SLIPPING,
    STATED,
    TWICE,
    UNCERTIFIED,
    UNSTATED,
    Parties,
    Rules,
    Walk,
    walk,
)

S, K = Stage, LegKind
NONE, SEPARATE, COMPOSITE = Topology.NONE, Topology.SEPARATE, Topology.COMPOSITE

PARTIES = {
    "alone-states_its_maximum": Parties(STATED, STATED),
    "alone-states_none": Parties(UNSTATED, STATED),
    "alone-says_never_seen_by_accident": Parties(SLIPPING, STATED),
    "alone-is_not_certified_and_forgets": Parties(UNCERTIFIED, STATED),
    "alone-cannot_be_asked": Parties(MUTE, STATED, gives_back=False),
    "composite": Parties(STATED, STATED, COMPOSITE),
    "debited_first-both_state_their_maximum": Parties(STATED, STATED, SEPARATE),
    "debited_first-biller_forgets-bank_slips": Parties(UNCERTIFIED, SLIPPING, SEPARATE, gives_back=False),
    "debited_first-biller_cannot_be_asked-bank_forgets": Parties(MUTE, UNCERTIFIED, SEPARATE),
    "debited_first-nothing_is_given_back-bank_states_none": Parties(MUTE, UNSTATED, SEPARATE, gives_back=False),
}

# Moves of the table that nobody makes, and why they stand there all the same.
UNUSED = {
    (S.PAY_REVERSAL_SENDING, S.PAY_REVERSAL_SENDING): "it is asked for again by way of PAY_REVERSAL_UNKNOWN, so that the wait is told",
    (S.PAY_REVERSAL_SENDING, S.REVIEW_REVERSAL): "people are called by way of PAY_REVERSAL_UNKNOWN, so that the doubt is told",
    # What gives money back is asked for again and never asked about: these are for a bank and a biller that could be.
    (S.REVERSAL_UNKNOWN, S.REVERSED): "the request is repeated, and its answer comes from REVERSAL_SENDING",
    **{
        (S.PAY_REVERSAL_UNKNOWN, to): "the request is repeated, and its answer comes from PAY_REVERSAL_SENDING"
        for to in (S.REVERSED, S.REFUND_SENDING, S.COMPLETED)
    },
}


@cache
def as_it_is(name: str) -> Walk:
    return walk(PARTIES[name])


# ---- The policy as it is


@pytest.mark.parametrize("name", PARTIES)
def test_no_bill_is_paid_twice_failed_while_paid_or_completed_unpaid(name: str) -> None:
    assert as_it_is(name).wrong == {}


def test_the_walks_go_everywhere_the_table_leads() -> None:
    """A proof over a world in which nothing happens would prove nothing."""
    made = {move for name in PARTIES for move in as_it_is(name).moves}
    table = {(old, new) for old, place in PAYMENT_PLACES.items() for new in place.leaves_to}
    assert table - made == set(UNUSED)
    assert {new for _, new in made} | {S.CREATED} == set(PAYMENT_PLACES)


def test_the_walks_meet_everything_that_can_happen() -> None:
    reached = [world for name in PARTIES for world in as_it_is(name).reached]
    assert {fate for world in reached for _, fate in world.fates} == {LATE, KEPT}
    assert {kind for world in reached for kind, _ in world.books} == set(LEGS[SEPARATE])
    assert {outcome for world in reached for _, outcome in world.in_hand} == {Outcome.CONFIRMED, Outcome.ACCEPTED}
    assert max(world.leg(K.PAY).sends for world in reached) == max(world.leg(K.DEBIT).sends for world in reached) == MOST_SENDS
    assert max(world.leg(K.REVERSAL).sends for world in reached) == len(policy.INQUIRY_SCHEDULE)
    # Beyond the last inquiry of the schedule, by workers that die over it.
    assert max(world.age for world in reached) == timedelta(hours=24) + 2 * LEASE
    # Lost, never seen, and sent again.
    assert any(world.stage is S.PAY_UNKNOWN and world.leg(K.PAY).sends > 1 and world.happened(K.PAY) for world in reached)


def test_one_call_that_does_both_goes_as_the_biller_alone_does() -> None:
    assert as_it_is("composite").moves == as_it_is("alone-states_its_maximum").moves
    assert all(world.happened(K.DEBIT) == 0 for world in as_it_is("composite").reached)


@pytest.mark.parametrize("name", ["alone-is_not_certified_and_forgets", "alone-cannot_be_asked", "debited_first-biller_cannot_be_asked-bank_forgets"])
def test_who_cannot_prove_his_never_seen_is_sent_again_only_what_was_not_sent(name: str) -> None:
    sent_again = [world for world in as_it_is(name).reached if world.stage is S.PAY_RETRY]
    assert sent_again
    assert not any(world.happened(K.PAY) or world.pends(K.PAY) for world in sent_again)


# ---- The policy with one rule taken out. Each must be noticed, or the walk proves nothing.

Break = Callable[[pytest.MonkeyPatch], Rules | None]

after_send, after_inquiry, after_doubt = policy.after_send, policy.after_inquiry, policy.after_doubt


def the_biller_is_paid_before_the_debit(patch: pytest.MonkeyPatch) -> None:
    """Rule 1: the order of the legs."""
    original = model.leg_sent_from
    patch.setattr(model, "leg_sent_from", lambda stage, topology: K.PAY if stage is S.QUEUED else original(stage, topology))


def a_debit_is_given_back_while_the_biller_is_in_doubt(patch: pytest.MonkeyPatch) -> None:
    """Rule 1: a reversal only where the biller is proven unpaid."""

    def mutant(promise: Promise, leg: LegFacts, reason: policy.Reason, road: policy.Road) -> Verdict:
        verdict = after_doubt(promise, leg, reason, road)
        if road is not policy.PAY_AFTER_DEBIT_ROAD:
            return verdict
        return replace(verdict, path=road.refused, wait=timedelta(0), leg=replace(verdict.leg, tainted=False))

    patch.setattr(policy, "after_doubt", mutant)


def the_intent_is_written_after_the_wire(patch: pytest.MonkeyPatch) -> Rules:
    """Rule 2."""
    return Rules(intent_before_wire=False)


def an_answer_is_believed_whoever_brings_it(patch: pytest.MonkeyPatch) -> Rules:
    """Rule 9: no epochs."""
    return Rules(epochs=False)


def not_found_is_believed_at_once(patch: pytest.MonkeyPatch) -> None:
    """Rule 4."""
    patch.setattr(policy, "NOT_FOUND_NEEDED", 1)
    patch.setattr(policy, "is_quiet", lambda promise, leg: True)


def not_found_is_believed_before_the_leg_is_quiet(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policy, "is_quiet", lambda promise, leg: True)


def one_not_found_is_enough(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policy, "NOT_FOUND_NEEDED", 1)


def not_found_is_believed_of_anybody(patch: pytest.MonkeyPatch) -> None:
    original = policy._after_not_found
    patch.setattr(policy, "_after_not_found", lambda promise, *facts: original(replace(promise, certified=True), *facts))


def a_time_out_is_failed(patch: pytest.MonkeyPatch) -> None:
    def mutant(promise: Promise, leg: LegFacts, outcome: Outcome, *road: Any) -> Verdict:
        return after_send(promise, leg, Outcome.REJECTED if outcome is Outcome.UNKNOWN else outcome, *road)

    patch.setattr(policy, "after_send", mutant)


def a_time_out_is_sent_again(patch: pytest.MonkeyPatch) -> None:
    def mutant(promise: Promise, leg: LegFacts, outcome: Outcome, *road: Any) -> Verdict:
        return after_send(promise, leg, Outcome.NOT_SENT if outcome is Outcome.UNKNOWN else outcome, *road)

    patch.setattr(policy, "after_send", mutant)


def a_refused_connection_clears_the_doubt(patch: pytest.MonkeyPatch) -> None:
    """Rule 3, taint not sticky: a later call that was not sent speaks for the one that may have been."""

    def mutant(promise: Promise, stage: Stage, leg: LegFacts, outcome: Outcome, mismatch: str | None, road: policy.Road) -> Verdict:
        if stage is road.unknown and outcome is Outcome.NOT_SENT:
            return after_send(promise, replace(leg, tainted=False), outcome, road)
        return after_inquiry(promise, stage, leg, outcome, mismatch, road)

    patch.setattr(policy, "after_inquiry", mutant)


def the_acceptance_is_not_kept_of_the_leg(patch: pytest.MonkeyPatch) -> None:
    """The stage still says PAY_ACCEPTED; it takes people who have it asked about again to lose it."""

    def forget(verdict: Verdict) -> Verdict:
        return replace(verdict, leg=replace(verdict.leg, accepted=False))

    patch.setattr(policy, "after_send", lambda *facts: forget(after_send(*facts)))
    patch.setattr(policy, "after_inquiry", lambda *facts: forget(after_inquiry(*facts)))


def accepted_is_read_as_unknown(patch: pytest.MonkeyPatch) -> None:
    def doubt(outcome: Outcome) -> Outcome:
        return Outcome.UNKNOWN if outcome is Outcome.ACCEPTED else outcome

    patch.setattr(policy, "after_send", lambda promise, leg, outcome, *road: after_send(promise, leg, doubt(outcome), *road))
    patch.setattr(policy, "after_inquiry", lambda promise, stage, leg, outcome, *more: after_inquiry(promise, stage, leg, doubt(outcome), *more))


def accepted_then_never_seen_is_sent_again(patch: pytest.MonkeyPatch) -> None:
    original = policy._after_not_found
    patch.setattr(policy, "_after_not_found", lambda promise, is_accepted, leg, road: original(promise, False, leg, road))


def what_gives_money_back_is_a_transfer_like_any_other(patch: pytest.MonkeyPatch) -> None:
    """A refund that nobody answered for is simply made again."""

    def mutant(promise: Promise, leg: LegFacts, outcome: Outcome, road: policy.Road) -> Verdict:
        return after_send(promise, leg, Outcome.NOT_SENT if road is policy.REFUND_ROAD and outcome is Outcome.UNKNOWN else outcome, road)

    patch.setattr(policy, "after_send", mutant)


ALONE, FIRST = PARTIES["alone-states_its_maximum"], PARTIES["debited_first-both_state_their_maximum"]

BREAKS: list[tuple[Break, Parties, str]] = [
    (the_biller_is_paid_before_the_debit, FIRST, OUT_OF_ORDER),
    (a_debit_is_given_back_while_the_biller_is_in_doubt, FIRST, BOTH),
    (the_intent_is_written_after_the_wire, ALONE, f"PAY {TWICE}"),
    (the_intent_is_written_after_the_wire, FIRST, f"DEBIT {TWICE}"),
    (an_answer_is_believed_whoever_brings_it, ALONE, f"PAY {TWICE}"),
    (not_found_is_believed_at_once, ALONE, f"PAY {TWICE}"),
    (not_found_is_believed_at_once, FIRST, f"DEBIT {TWICE}"),
    (not_found_is_believed_at_once, PARTIES["alone-states_none"], f"PAY {TWICE}"),
    (not_found_is_believed_before_the_leg_is_quiet, ALONE, f"PAY {TWICE}"),
    (one_not_found_is_enough, PARTIES["alone-says_never_seen_by_accident"], f"PAY {TWICE}"),
    (one_not_found_is_enough, PARTIES["debited_first-biller_forgets-bank_slips"], f"DEBIT {TWICE}"),
    (not_found_is_believed_of_anybody, PARTIES["alone-is_not_certified_and_forgets"], f"PAY {TWICE}"),
    (not_found_is_believed_of_anybody, PARTIES["debited_first-biller_cannot_be_asked-bank_forgets"], f"DEBIT {TWICE}"),
    (a_time_out_is_failed, ALONE, ENDED_WITH_MONEY_ELSEWHERE),
    (a_time_out_is_failed, FIRST, f"FAILED, {ENDED_WITH_MONEY_ELSEWHERE}"),
    (a_time_out_is_failed, PARTIES["alone-cannot_be_asked"], ENDED_WITH_MONEY_ELSEWHERE),
    (a_time_out_is_sent_again, ALONE, f"PAY {TWICE}"),
    (a_time_out_is_sent_again, FIRST, f"DEBIT {TWICE}"),
    (a_refused_connection_clears_the_doubt, ALONE, f"PAY {TWICE}"),
    (a_refused_connection_clears_the_doubt, ALONE, ENDED_WITH_MONEY_ELSEWHERE),
    (the_acceptance_is_not_kept_of_the_leg, ALONE, f"PAY {TWICE}"),
    (accepted_is_read_as_unknown, ALONE, f"PAY {TWICE}"),
    (accepted_then_never_seen_is_sent_again, ALONE, "PAY_ACCEPTED > PAY_RETRY is not in the table"),
    (what_gives_money_back_is_a_transfer_like_any_other, FIRST, f"REFUND {TWICE}"),
]


NAMES = [f"{break_it.__name__}-{found}-{parties.topology}" for break_it, parties, found in BREAKS]


@pytest.mark.parametrize(("break_it", "parties", "found"), BREAKS, ids=NAMES)
def test_a_world_without_one_of_its_rules_is_caught(break_it: Break, parties: Parties, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = break_it(monkeypatch)
    wrong = walk(parties, enough=found, rules=rules).wrong
    assert any(found in what for what in wrong), wrong
