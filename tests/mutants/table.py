"""The mutants (payments.md, "Mutation check"): which lines are made wrong, and the tests that must notice.

A test in tests/house holds every text here to the source, so that a mutant cannot rot: where a line moves on, its row is rewritten with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

POLICY = "core/services/policy.py"
WORK = "core/repositories/work.py"
TABLES = "migrations/sql/0001_tables.sql"

MODEL = "tests/payments/test_model.py::test_no_bill_is_paid_twice_failed_while_paid_or_completed_unpaid"
ALONE = f"{MODEL}[alone-states_its_maximum]"
SETTLEMENT = "tests/payments/test_settlement.py::"
GUARDS = "tests/payments/test_guards.py::"
WIRE = "tests/matrix/test_wire.py::"


@dataclass(frozen=True, slots=True)
class Edit:
    """`old` stands once in the file, and becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    edits: Sequence[Edit]
    # At least one of these fails, by what it asserts, and every one passes where nothing was changed.
    noticed_by: Sequence[str]


MUTANTS: Mapping[str, Mutant] = {
    "FAILED on time-out": Mutant(
        [
            Edit(
                POLICY,
                "    if outcome is Outcome.REJECTED and not leg.tainted:\n        return _settled(road.refused, leg)",
                "    if outcome in (Outcome.REJECTED, Outcome.UNKNOWN) and not leg.tainted:\n        return _settled(road.refused, leg)",
            )
        ],
        [ALONE],
    ),
    "NOT_FOUND believed at once": Mutant(
        [Edit(POLICY, "    if not is_quiet(promise, leg):\n", "    if False:\n")],
        [ALONE],
    ),
    "one NOT_FOUND enough": Mutant(
        [Edit(POLICY, "NOT_FOUND_NEEDED = 3\n", "NOT_FOUND_NEEDED = 1\n")],
        [f"{MODEL}[alone-says_never_seen_by_accident]", SETTLEMENT + "test_never_seen_it_is_believed_after_three_and_the_quiet_window"],
    ),
    "taint not sticky": Mutant(
        [
            Edit(
                POLICY,
                "    if outcome is Outcome.REJECTED and not leg.tainted:\n        return _settled(road.refused, leg)",
                "    if outcome is Outcome.REJECTED:\n        return _settled(road.refused, leg)",
            ),
            Edit(
                POLICY,
                "    if outcome is Outcome.NOT_SENT and not leg.tainted:\n        return Verdict(((road.retry,",
                "    if outcome is Outcome.NOT_SENT:\n        return Verdict(((road.retry,",
            ),
        ],
        [SETTLEMENT + "test_a_late_yes_during_the_second_send_makes_its_no_doubtful"],
    ),
    "new reference on resend": Mutant(
        [
            Edit(
                "core/services/errands.py",
                "        reference=leg.reference,\n        account=",
                "        reference=leg.reference if not leg.sends else new_reference(),\n        account=",
            ),
            Edit("core/services/errands.py", "from core.ids import new_id\n", "from core.ids import new_id, new_reference\n"),
        ],
        [SETTLEMENT + "test_a_resend_carries_the_same_reference"],
    ),
    "no epoch": Mutant(
        [
            Edit("core/services/moves.py", " AND t.lease_epoch = asked.lease_epoch\n", "\n"),
            Edit(WORK, " AND t.lease_epoch = asked.lease_epoch\n", "\n"),
        ],
        [SETTLEMENT + "test_p09_a_zombie_cannot_take_back_what_was_settled_meanwhile", SETTLEMENT + "test_a_move_from_elsewhere_moves_nothing"],
    ),
    "biller before debit": Mutant(
        [
            Edit("core/states.py", "        return LEGS[topology][0]\n", "        return LegKind.PAY\n"),
            Edit(WORK, "OR stage = 'QUEUED' AND topology <> 'SEPARATE')", "OR stage = 'QUEUED')"),
            Edit(WORK, "LegKind.DEBIT)} OR stage = 'QUEUED' AND topology = 'SEPARATE')", "LegKind.DEBIT)})"),
        ],
        ["tests/payments/test_both_legs.py::test_where_each_answer_leads"],
    ),
    "draft key off": Mutant(
        [
            Edit("core/services/payments.py", "if (made := Transactions(session).by_draft(draft_id)) is not None:", "if (made := None) is not None:"),
            Edit("core/services/payments.py", 'index_elements=["draft_id"] if draft_id else ["retry_of"]', 'index_elements=["retry_of"]'),
            Edit(TABLES, "    CONSTRAINT uq_transactions_draft_id UNIQUE (draft_id),\n", ""),
        ],
        [SETTLEMENT + "test_d01_the_commit_of_the_submit_is_lost", GUARDS + "test_the_keys_against_paying_twice_hold_in_the_database"],
    ),
    "intent after wire": Mutant(
        [
            Edit(
                "core/services/claims.py",
                "for errand in errands])\n    _write_intents(session, errands, worker)\n",
                "for errand in errands])\n",
            ),
            Edit(
                "core/services/settlement.py",
                "        Work(session).keep_answers(",
                "        from core.services.claims import _write_intents\n\n"
                "        _write_intents(session, [one.errand for one in fresh if one.errand.leg and not one.errand.is_inquiry], 'late')\n"
                "        Work(session).keep_answers(",
            ),
        ],
        [SETTLEMENT + "test_an_intent_is_written_with_its_reference_before_anybody_may_send"],
    ),
    "unlisted code read as REJECTED": Mutant(
        [Edit("core/wire/contract.py", "self.listed.get(code, Outcome.UNKNOWN)", "self.listed.get(code, Outcome.REJECTED)")],
        ["tests/adapters/test_lwb_postpaid.py"],
    ),
    "in-flight index dropped": Mutant(
        [Edit(TABLES, "CREATE UNIQUE INDEX uq_transactions_in_flight ON", "CREATE INDEX uq_transactions_in_flight ON")],
        [GUARDS + "test_one_payment_in_flight_per_account"],
    ),
    "ACCEPTED forgotten": Mutant(
        [
            Edit(
                POLICY,
                "        return _ask(promise, replace(leg, accepted=True, asked_ago=None), ((road.accepted",
                "        return _ask(promise, replace(leg, asked_ago=None), ((road.accepted",
            ),
            Edit(POLICY, "        known = replace(leg, accepted=True, not_found_in_a_row=0)\n", "        known = replace(leg, not_found_in_a_row=0)\n"),
        ],
        [ALONE],
    ),
}
