"""The stage table: what it promises, and that nothing else says otherwise."""

import re
from pathlib import Path

import pytest

from core.states import (
    ASKING_PLACES,
    ASKS_ABOUT,
    IN_DOUBT,
    IN_FLIGHT,
    PAYMENT_PLACES,
    SENDS_FROM,
    TERMINAL,
    WHEN_LEASE_EXPIRES,
    LegKind,
    Stage,
    Status,
    Topology,
    TransactionType,
    is_legal,
    leg_sent_from,
    status_of,
)

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_every_stage_is_in_a_table_and_every_way_leads_to_one() -> None:
    assert set(PAYMENT_PLACES) | set(ASKING_PLACES) == set(Stage)
    for table in (PAYMENT_PLACES, ASKING_PLACES):
        assert {goal for place in table.values() for goal in place.leaves_to} <= set(table)


def test_nothing_leaves_a_settled_payment_but_the_reversal_of_a_completed_one() -> None:
    assert all(not PAYMENT_PLACES[stage].leaves_to for stage in TERMINAL)
    assert PAYMENT_PLACES[Stage.COMPLETED].leaves_to == {Stage.REVERSAL_REQUESTED}


def test_every_payment_can_come_to_an_end_from_wherever_it_stands() -> None:
    ends = {Stage.COMPLETED, *TERMINAL}
    reaching = set(ends)
    while grown := {stage for stage, place in PAYMENT_PLACES.items() if stage not in reaching and place.leaves_to & reaching}:
        reaching |= grown
    assert reaching == set(PAYMENT_PLACES)


def test_what_may_have_been_sent_never_goes_back_to_the_queue() -> None:
    sent = {stage for stage, place in PAYMENT_PLACES.items() if place.status is Status.PROCESSING}
    assert not any(PAYMENT_PLACES[stage].leaves_to & {Stage.CREATED, Stage.QUEUED, Stage.CANCELLED} for stage in sent)


def test_an_accepted_payment_is_never_sent_again() -> None:
    assert Stage.PAY_RETRY not in PAYMENT_PLACES[Stage.PAY_ACCEPTED].leaves_to
    assert Stage.PAY_SENDING not in PAYMENT_PLACES[Stage.PAY_ACCEPTED].leaves_to


def test_only_what_is_proven_unsent_or_unseen_is_sent_again() -> None:
    assert {stage for stage, place in PAYMENT_PLACES.items() if Stage.PAY_SENDING in place.leaves_to} == {Stage.QUEUED, Stage.DEBITED, Stage.PAY_RETRY}


def test_a_lost_lease_leads_to_asking_and_never_to_the_queue() -> None:
    on_the_wire = {stage for stage, place in PAYMENT_PLACES.items() if place.on_the_wire} | {Stage.ASKING}
    assert set(WHEN_LEASE_EXPIRES) == on_the_wire
    for stage, unknown in WHEN_LEASE_EXPIRES.items():
        table = ASKING_PLACES if stage is Stage.ASKING else PAYMENT_PLACES
        assert unknown in table[stage].leaves_to


def test_the_account_is_held_from_the_queue_until_the_end_or_a_persons_decision() -> None:
    assert set(IN_FLIGHT) == {stage for stage, place in PAYMENT_PLACES.items() if place.status is Status.PROCESSING or stage is Stage.QUEUED}


@pytest.mark.parametrize("kind", list(TransactionType))
def test_a_look_up_never_meets_a_money_stage(kind: TransactionType) -> None:
    if not kind.moves_money:
        assert not is_legal(kind, Stage.CREATED, Stage.QUEUED)
        assert is_legal(kind, Stage.CREATED, Stage.ASKING)
    else:
        assert not is_legal(kind, Stage.CREATED, Stage.ASKING)


def test_the_readmes_diagram_is_the_table() -> None:
    diagram = README.partition("```mermaid")[2].partition("```")[0]
    drawn = set(re.findall(r"^\s+([A-Z_]+) --> ([A-Z_]+)$", diagram, re.MULTILINE))
    assert drawn == {(old.value, new.value) for old, place in PAYMENT_PLACES.items() for new in place.leaves_to}


def test_the_readmes_table_is_the_whole_table() -> None:
    rows = re.findall(r"^\| ([A-Z_]+) \| ([A-Z]+)(, flagged)? \| (.+) \|$", README, re.MULTILINE)
    told = {stage: (status, bool(flagged), frozenset() if goals == "nothing" else frozenset(goals.split(", "))) for stage, status, flagged, goals in rows}
    assert told == {
        stage.value: (place.status.value, place.flagged, frozenset(goal.value for goal in place.leaves_to)) for stage, place in PAYMENT_PLACES.items()
    }


def test_every_leg_goes_out_from_where_it_may() -> None:
    """What is claimed from a stage lands in a stage that is on the wire, by a move of the table."""
    sending = {LegKind.DEBIT: Stage.DEBIT_SENDING, LegKind.PAY: Stage.PAY_SENDING, LegKind.REVERSAL: Stage.REVERSAL_SENDING}
    sending |= {LegKind.PAY_REVERSAL: Stage.PAY_REVERSAL_SENDING, LegKind.REFUND: Stage.REFUND_SENDING}
    for stage, leg in SENDS_FROM.items():
        assert sending[leg] in PAYMENT_PLACES[stage].leaves_to, stage
    for topology, first in ((Topology.NONE, LegKind.PAY), (Topology.COMPOSITE, LegKind.PAY), (Topology.SEPARATE, LegKind.DEBIT)):
        assert leg_sent_from(Stage.QUEUED, topology) is first
        assert sending[first] in PAYMENT_PLACES[Stage.QUEUED].leaves_to


def test_whoever_stands_in_doubt_is_asked_or_asked_for_again() -> None:
    assert {stage for stage in PAYMENT_PLACES if stage.value.endswith(("_UNKNOWN", "_ACCEPTED"))} == IN_DOUBT
    assert set(ASKS_ABOUT) | set(SENDS_FROM) >= IN_DOUBT


def test_a_status_is_the_same_in_both_tables() -> None:
    for stage in set(PAYMENT_PLACES) & set(ASKING_PLACES):
        assert status_of(stage) is PAYMENT_PLACES[stage].status is ASKING_PLACES[stage].status
