"""What an answer means for the money, rule by rule: facts on the left, verdict on the right."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.services import policy
from core.services.policy import LegFacts, Promise, Reason, Verdict, after_doubt, after_inquiry, after_send, next_inquiry, next_send, quiet_window
from core.states import TERMINAL, Stage, TransactionType, is_legal
from core.wire.contract import Outcome

S, R, Out = Stage, Reason, Outcome

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
MILLISECOND = timedelta(milliseconds=1)
AT_ONCE = timedelta(0)

# The window of this promise closes 330 s after the last send: 240 s of processing, a minute of margin, 30 s of deadline.
PROMISE = Promise(can_ask=True, certified=True, max_processing=240 * SECOND, retry_attempts=3)
UNCERTIFIED = replace(PROMISE, certified=False)
MUTE = replace(PROMISE, can_ask=False)
DEADLINE = 30 * SECOND
WINDOW = 330 * SECOND
QUIET = WINDOW + MILLISECOND
# The next point of the schedule after that; after a first "never seen it" of a certified biller, much sooner.
NEXT_POINT = 900 * SECOND - QUIET
SURE_AFTER = 10 * SECOND

SENT = LegFacts(sends=1, sent_ago=AT_ONCE, deadline=DEADLINE)
IN_DOUBT = replace(SENT, tainted=True)
ACCEPTED = replace(SENT, accepted=True)


def asked(ago: timedelta, not_found: int = 0, leg: LegFacts = IN_DOUBT) -> LegFacts:
    """The leg in doubt, asked about so long after its last send, after so many NOT_FOUND in a row."""
    return replace(leg, sent_ago=ago, not_found_in_a_row=not_found)


def steps(verdict: Verdict) -> list[tuple[Stage, Reason]]:
    return list(verdict.path)


PAID = [(S.COMPLETED, R.CONFIRMED)]
PAID_AS_ASKED = [(S.COMPLETED, R.CONFIRMED_BY_INQUIRY)]
REFUSED = [(S.PAY_REJECTED, R.REJECTED), (S.FAILED, R.UNPAID)]
REFUSED_AS_ASKED = [(S.PAY_REJECTED, R.REJECTED_BY_INQUIRY), (S.FAILED, R.UNPAID)]
TAKEN = [(S.PAY_ACCEPTED, R.ACCEPTED)]
DOUBT = [(S.PAY_UNKNOWN, R.UNKNOWN)]
NOBODY_TO_ASK = [(S.PAY_UNKNOWN, R.UNKNOWN), (S.REVIEW, R.NO_INQUIRY)]
SEND_AGAIN = [(S.PAY_RETRY, R.NOT_SENT)]
NEVER_SEEN = [(S.PAY_RETRY, R.NEVER_SEEN)]
CONTRADICTED = [(S.REVIEW, R.CONTRADICTED)]
OTHER_MONEY = [(S.REVIEW, R.OTHER_AMOUNT)]
ENDED = [(S.REVIEW, R.SCHEDULE_ENDED)]
STAYS: list[tuple[Stage, Reason]] = []


# ---- An answer to a send.

# (what happened, promise, leg, outcome, path, wait)
SENDS = [
    ("a confirmation completes it", PROMISE, SENT, Out.CONFIRMED, PAID, None),
    ("a confirmation is evidence even on a leg in doubt", PROMISE, IN_DOUBT, Out.CONFIRMED, PAID, None),
    ("a confirmation needs nobody to ask", MUTE, SENT, Out.CONFIRMED, PAID, None),
    ("an acceptance is asked about", PROMISE, SENT, Out.ACCEPTED, TAKEN, 10 * SECOND),
    ("an acceptance nobody can ask about is for people", MUTE, SENT, Out.ACCEPTED, [*TAKEN, (S.REVIEW, R.NO_INQUIRY)], None),
    ("a listed refusal fails it", PROMISE, SENT, Out.REJECTED, REFUSED, None),
    ("a refusal after a send that may have arrived proves nothing", PROMISE, IN_DOUBT, Out.REJECTED, DOUBT, 10 * SECOND),
    ("what was not sent is sent again", PROMISE, SENT, Out.NOT_SENT, SEND_AGAIN, SECOND),
    ("what was not sent is sent again even where nobody can ask", MUTE, SENT, Out.NOT_SENT, SEND_AGAIN, SECOND),
    ("a refused connection after a send that may have arrived proves nothing", PROMISE, IN_DOUBT, Out.NOT_SENT, DOUBT, 10 * SECOND),
    ("an unknown answer is asked about", PROMISE, SENT, Out.UNKNOWN, DOUBT, 10 * SECOND),
    ("an unknown answer nobody can ask about is for people at once", MUTE, SENT, Out.UNKNOWN, NOBODY_TO_ASK, None),
    ("a send cannot be answered with never seen", PROMISE, SENT, Out.NOT_FOUND, DOUBT, 10 * SECOND),
]


@pytest.mark.parametrize(("promise", "leg", "outcome", "path", "wait"), [row[1:] for row in SENDS], ids=[row[0] for row in SENDS])
def test_after_a_send(promise: Promise, leg: LegFacts, outcome: Outcome, path: list[tuple[Stage, Reason]], wait: timedelta | None) -> None:
    verdict = after_send(promise, leg, outcome)
    assert (steps(verdict), verdict.wait) == (path, wait)


@pytest.mark.parametrize("outcome", [Out.REJECTED, Out.NOT_SENT, Out.UNKNOWN, Out.NOT_FOUND, Out.ACCEPTED])
def test_no_answer_to_another_send_clears_a_leg_in_doubt(outcome: Outcome) -> None:
    assert after_send(PROMISE, IN_DOUBT, outcome).leg.tainted


def test_an_unknown_answer_taints_the_leg() -> None:
    assert after_send(PROMISE, SENT, Out.UNKNOWN).leg.tainted


def test_a_confirmation_clears_the_leg() -> None:
    assert not after_send(PROMISE, IN_DOUBT, Out.CONFIRMED).leg.tainted


def test_what_was_proven_not_sent_does_not_taint() -> None:
    assert after_send(PROMISE, SENT, Out.NOT_SENT).leg == SENT


def test_an_acceptance_is_remembered_of_the_leg() -> None:
    assert after_send(PROMISE, SENT, Out.ACCEPTED).leg.accepted


def test_a_lost_lease_is_doubt_with_its_own_reason() -> None:
    verdict = after_doubt(PROMISE, replace(SENT, not_found_in_a_row=2), R.LEASE_LOST)
    assert (steps(verdict), verdict.wait) == ([(S.PAY_UNKNOWN, R.LEASE_LOST)], 10 * SECOND)
    assert (verdict.leg.tainted, verdict.leg.not_found_in_a_row) == (True, 0)


def test_a_lost_lease_nobody_can_ask_about_is_for_people_at_once() -> None:
    verdict = after_doubt(MUTE, SENT, R.LEASE_LOST)
    assert (steps(verdict), verdict.wait) == ([(S.PAY_UNKNOWN, R.LEASE_LOST), (S.REVIEW, R.NO_INQUIRY)], None)


# ---- An answer to an inquiry.

# (what happened, promise, stage, leg, outcome, mismatch, path, wait)
INQUIRIES = [
    ("paid is paid", PROMISE, S.PAY_UNKNOWN, asked(10 * SECOND), Out.CONFIRMED, None, PAID_AS_ASKED, None),
    ("paid after accepted is paid", PROMISE, S.PAY_ACCEPTED, asked(10 * SECOND, leg=ACCEPTED), Out.CONFIRMED, None, PAID_AS_ASKED, None),
    ("paid is paid after any number of never seen", PROMISE, S.PAY_UNKNOWN, asked(QUIET, 9), Out.CONFIRMED, None, PAID_AS_ASKED, None),
    ("an uncertified biller's paid is believed", UNCERTIFIED, S.PAY_UNKNOWN, asked(10 * SECOND), Out.CONFIRMED, None, PAID_AS_ASKED, None),
    ("another amount is for people", PROMISE, S.PAY_UNKNOWN, asked(10 * SECOND), Out.UNKNOWN, "amount", OTHER_MONEY, None),
    ("another currency is for people", PROMISE, S.PAY_UNKNOWN, asked(10 * SECOND), Out.UNKNOWN, "currency", OTHER_MONEY, None),
    ("another amount of an accepted one is for people", PROMISE, S.PAY_ACCEPTED, asked(10 * SECOND, leg=ACCEPTED), Out.UNKNOWN, "amount", OTHER_MONEY, None),
    ("another reference is no answer", PROMISE, S.PAY_UNKNOWN, asked(10 * SECOND), Out.UNKNOWN, "reference", STAYS, 20 * SECOND),
    ("another account is no answer", PROMISE, S.PAY_UNKNOWN, asked(10 * SECOND), Out.UNKNOWN, "account", STAYS, 20 * SECOND),
    ("pending is accepted", PROMISE, S.PAY_UNKNOWN, asked(10 * SECOND), Out.ACCEPTED, None, TAKEN, 20 * SECOND),
    ("still pending stays accepted", PROMISE, S.PAY_ACCEPTED, asked(30 * SECOND, leg=ACCEPTED), Out.ACCEPTED, None, STAYS, 30 * SECOND),
    ("refused while it may still arrive proves nothing", PROMISE, S.PAY_UNKNOWN, asked(10 * SECOND), Out.REJECTED, None, STAYS, 20 * SECOND),
    ("refused as the window closes proves nothing yet", PROMISE, S.PAY_UNKNOWN, asked(WINDOW), Out.REJECTED, None, STAYS, MILLISECOND),
    ("refused on a quiet leg fails it", PROMISE, S.PAY_UNKNOWN, asked(QUIET), Out.REJECTED, None, REFUSED_AS_ASKED, None),
    ("refused after accepted fails it", PROMISE, S.PAY_ACCEPTED, asked(10 * SECOND, leg=ACCEPTED), Out.REJECTED, None, REFUSED_AS_ASKED, None),
    ("an inquiry that was not sent changes nothing", PROMISE, S.PAY_UNKNOWN, asked(QUIET, 2), Out.NOT_SENT, None, STAYS, NEXT_POINT),
    ("an unanswered inquiry changes nothing", PROMISE, S.PAY_UNKNOWN, asked(QUIET, 2), Out.UNKNOWN, None, STAYS, NEXT_POINT),
    ("an unanswered inquiry changes nothing of an accepted one", PROMISE, S.PAY_ACCEPTED, asked(MINUTE, leg=ACCEPTED), Out.UNKNOWN, None, STAYS, MINUTE),
    ("never seen is not believed before the window closes", PROMISE, S.PAY_UNKNOWN, asked(5 * MINUTE, 9), Out.NOT_FOUND, None, STAYS, QUIET - 5 * MINUTE),
    ("never seen is not believed as the window closes", PROMISE, S.PAY_UNKNOWN, asked(WINDOW, 9), Out.NOT_FOUND, None, STAYS, MILLISECOND),
    ("never seen once is not believed", PROMISE, S.PAY_UNKNOWN, asked(QUIET, 0), Out.NOT_FOUND, None, STAYS, SURE_AFTER),
    ("never seen twice is not believed", PROMISE, S.PAY_UNKNOWN, asked(QUIET, 1), Out.NOT_FOUND, None, STAYS, SURE_AFTER),
    ("never seen three times on a quiet leg is believed", PROMISE, S.PAY_UNKNOWN, asked(QUIET, 2), Out.NOT_FOUND, None, NEVER_SEEN, AT_ONCE),
    ("an uncertified biller's never seen is not believed", UNCERTIFIED, S.PAY_UNKNOWN, asked(QUIET, 9), Out.NOT_FOUND, None, STAYS, NEXT_POINT),
    ("nor is it when the schedule ends", UNCERTIFIED, S.PAY_UNKNOWN, asked(24 * HOUR, 9), Out.NOT_FOUND, None, ENDED, None),
    ("never seen after accepted is for people", PROMISE, S.PAY_ACCEPTED, asked(10 * SECOND, leg=ACCEPTED), Out.NOT_FOUND, None, CONTRADICTED, None),
    ("and on a quiet leg too", PROMISE, S.PAY_ACCEPTED, asked(QUIET, 9, leg=ACCEPTED), Out.NOT_FOUND, None, CONTRADICTED, None),
    (
        "and where the stage no longer tells of the acceptance",
        *(PROMISE, S.PAY_UNKNOWN, asked(QUIET, 9, leg=replace(IN_DOUBT, accepted=True)), Out.NOT_FOUND, None, CONTRADICTED, None),
    ),
    ("after a day without a clear answer people decide", PROMISE, S.PAY_UNKNOWN, asked(24 * HOUR), Out.UNKNOWN, None, ENDED, None),
    ("after a day of pending people decide", PROMISE, S.PAY_ACCEPTED, asked(24 * HOUR, leg=ACCEPTED), Out.ACCEPTED, None, ENDED, None),
    ("a biller that cannot be asked any more is for people", MUTE, S.PAY_UNKNOWN, asked(10 * SECOND), Out.UNKNOWN, None, [(S.REVIEW, R.NO_INQUIRY)], None),
]


@pytest.mark.parametrize(("promise", "stage", "leg", "outcome", "mismatch", "path", "wait"), [row[1:] for row in INQUIRIES], ids=[row[0] for row in INQUIRIES])
def test_after_an_inquiry(
    promise: Promise, stage: Stage, leg: LegFacts, outcome: Outcome, mismatch: str | None, path: list[tuple[Stage, Reason]], wait: timedelta | None
) -> None:
    verdict = after_inquiry(promise, stage, leg, outcome, mismatch)
    assert (steps(verdict), verdict.wait) == (path, wait)


@pytest.mark.parametrize("outcome", [Out.UNKNOWN, Out.NOT_SENT])
@pytest.mark.parametrize("leg", [asked(10 * SECOND, 2), asked(10 * SECOND, 0), asked(10 * SECOND, 1, replace(IN_DOUBT, accepted=True))])
def test_a_failed_inquiry_changes_nothing_of_the_leg(outcome: Outcome, leg: LegFacts) -> None:
    assert after_inquiry(PROMISE, S.PAY_UNKNOWN, leg, outcome).leg == replace(leg, asked_ago=AT_ONCE)


def test_only_paid_refused_when_quiet_and_a_believed_never_seen_clear_a_leg_in_doubt() -> None:
    cleared = {
        (outcome, ago, seen)
        for outcome in Outcome
        for ago in (10 * SECOND, WINDOW, QUIET, 24 * HOUR)
        for seen in (0, 1, 2, 5)
        if not after_inquiry(PROMISE, S.PAY_UNKNOWN, asked(ago, seen), outcome).leg.tainted
    }
    paid = {(Out.CONFIRMED, ago, seen) for ago in (10 * SECOND, WINDOW, QUIET, 24 * HOUR) for seen in (0, 1, 2, 5)}
    refused = {(Out.REJECTED, ago, seen) for ago in (QUIET, 24 * HOUR) for seen in (0, 1, 2, 5)}
    never_seen = {(Out.NOT_FOUND, ago, seen) for ago in (QUIET, 24 * HOUR) for seen in (2, 5)}
    assert cleared == paid | refused | never_seen


def test_never_seen_is_counted_and_any_clear_answer_between_begins_the_count_anew() -> None:
    assert after_inquiry(PROMISE, S.PAY_UNKNOWN, asked(10 * SECOND, 2), Out.REJECTED).leg == replace(asked(10 * SECOND), asked_ago=AT_ONCE)
    assert after_inquiry(PROMISE, S.PAY_UNKNOWN, asked(QUIET, 1), Out.NOT_FOUND).leg.not_found_in_a_row == 2
    assert after_inquiry(PROMISE, S.PAY_UNKNOWN, asked(10 * SECOND, 2), Out.ACCEPTED).leg.not_found_in_a_row == 0


def test_a_certified_biller_that_is_asked_late_is_still_soon_believed() -> None:
    """After an outage of ours the points of the schedule lie far apart, and a customer waits."""
    leg, waits = asked(2 * HOUR), []
    for _ in range(2):
        verdict = after_inquiry(PROMISE, S.PAY_UNKNOWN, leg, Out.NOT_FOUND)
        waits.append(verdict.wait)
        leg = replace(verdict.leg, asked_ago=None)
    assert waits == [SURE_AFTER, SURE_AFTER]
    assert steps(after_inquiry(PROMISE, S.PAY_UNKNOWN, leg, Out.NOT_FOUND)) == NEVER_SEEN


@pytest.mark.parametrize("ago", [10 * SECOND, WINDOW])
def test_never_seen_before_the_window_closed_does_not_count(ago: timedelta) -> None:
    """It may still have been on its way: only a question that left after the window is about the whole of it."""
    assert after_inquiry(PROMISE, S.PAY_UNKNOWN, asked(ago, 0), Out.NOT_FOUND).leg.not_found_in_a_row == 0


def test_a_believed_never_seen_begins_the_next_sends_count_anew() -> None:
    assert after_inquiry(PROMISE, S.PAY_UNKNOWN, asked(QUIET, 2), Out.NOT_FOUND).leg == replace(asked(QUIET), tainted=False, asked_ago=AT_ONCE)


def test_the_acceptance_is_never_forgotten_by_a_later_answer() -> None:
    leg = asked(QUIET, 5, replace(IN_DOUBT, accepted=True))
    assert all(after_inquiry(PROMISE, stage, leg, outcome).leg.accepted for stage in (S.PAY_UNKNOWN, S.PAY_ACCEPTED) for outcome in Outcome)


# ---- When to ask.

SCHEDULE = [10 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR]


def inquiries(promise: Promise, outcome: Outcome = Out.UNKNOWN) -> tuple[list[timedelta], Verdict]:
    """The ages of the send at which the biller is asked while it says nothing else, and the verdict that moves the payment."""
    verdict, age, ages = after_send(promise, SENT, Out.UNKNOWN), AT_ONCE, []
    while verdict.wait is not None and not (ages and verdict.path):
        age += verdict.wait
        ages.append(age)
        verdict = after_inquiry(promise, S.PAY_UNKNOWN, replace(verdict.leg, sent_ago=age, asked_ago=None), outcome)
    return ages, verdict


@pytest.mark.parametrize(
    ("promise", "window_closes"),
    [
        (PROMISE, 330 * SECOND),
        (replace(PROMISE, max_processing=AT_ONCE), 90 * SECOND),
        (replace(PROMISE, max_processing=None), 15 * MINUTE + DEADLINE),
        (replace(PROMISE, max_processing=48 * HOUR), 48 * HOUR + MINUTE + DEADLINE),
        (UNCERTIFIED, 330 * SECOND),
    ],
    ids=["within the schedule", "soon", "unstated", "after the schedule", "uncertified"],
)
def test_the_biller_is_asked_at_these_ages_and_once_when_the_window_closes_then_people_decide(promise: Promise, window_closes: timedelta) -> None:
    ages, verdict = inquiries(promise)
    assert ages == sorted([*SCHEDULE, window_closes + MILLISECOND])
    assert (steps(verdict), verdict.leg.tainted) == (ENDED, True)


def test_a_window_that_closes_with_a_point_of_the_schedule_is_asked_about_a_moment_later() -> None:
    ages, _ = inquiries(replace(PROMISE, max_processing=210 * SECOND))
    assert ages[4:6] == [5 * MINUTE, 5 * MINUTE + MILLISECOND]


def test_a_biller_that_never_saw_it_is_believed_once_it_has_said_so_three_times_after_the_window() -> None:
    ages, verdict = inquiries(PROMISE, Out.NOT_FOUND)
    assert ages == [10 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, QUIET, QUIET + 10 * SECOND, QUIET + 20 * SECOND]
    assert (steps(verdict), verdict.wait) == (NEVER_SEEN, AT_ONCE)


@pytest.mark.parametrize(
    ("sent_ago", "wait"),
    [(45 * SECOND, 15 * SECOND), (3 * HOUR, 3 * HOUR), (20 * MINUTE, 40 * MINUTE), (25 * HOUR, None)],
    ids=["between two points", "hours later", "after the window", "after the last"],
)
def test_an_inquiry_made_out_of_turn_is_followed_by_the_next_point(sent_ago: timedelta, wait: timedelta | None) -> None:
    assert next_inquiry(PROMISE, replace(IN_DOUBT, sent_ago=sent_ago, asked_ago=AT_ONCE)) == wait


def test_a_missed_point_is_made_up_for_at_once() -> None:
    assert next_inquiry(PROMISE, replace(IN_DOUBT, sent_ago=2 * HOUR, asked_ago=None)) == AT_ONCE
    assert next_inquiry(PROMISE, replace(IN_DOUBT, sent_ago=2 * HOUR, asked_ago=90 * MINUTE)) == AT_ONCE


def test_the_window_is_processing_deadline_and_a_minute_or_a_quarter_of_an_hour_where_unstated() -> None:
    assert quiet_window(PROMISE, DEADLINE) == 240 * SECOND + DEADLINE + 60 * SECOND
    assert quiet_window(replace(PROMISE, max_processing=None), DEADLINE) == 15 * MINUTE + DEADLINE


def test_the_factor_shrinks_every_wait_but_not_the_deadline() -> None:
    shrunk = replace(PROMISE, factor=0.01)
    assert quiet_window(shrunk, DEADLINE) == 3 * SECOND + DEADLINE
    ages, _ = inquiries(shrunk)
    assert ages == sorted([*(point * 0.01 for point in SCHEDULE), 33 * SECOND + MILLISECOND])
    assert next_send(shrunk, 1) == 10 * MILLISECOND
    assert next_send(shrunk, 9) == 600 * MILLISECOND


# ---- When to send again.


def test_a_resend_waits_1_2_4_8_seconds_and_then_a_minute_each() -> None:
    promise = replace(PROMISE, retry_attempts=4)
    assert [next_send(promise, sends) / SECOND for sends in range(1, 9)] == [1, 2, 4, 8, 60, 60, 60, 60]


@pytest.mark.parametrize(("attempts", "waits"), [(0, [60, 60, 60]), (1, [1, 60, 60]), (3, [1, 2, 4, 60])])
def test_the_quick_resends_are_as_many_as_configured(attempts: int, waits: list[int]) -> None:
    promise = replace(PROMISE, retry_attempts=attempts)
    verdicts = [after_send(promise, replace(SENT, sends=sends), Out.NOT_SENT) for sends in range(1, len(waits) + 1)]
    assert [verdict.wait for verdict in verdicts] == [wait * SECOND for wait in waits]
    assert all(steps(verdict) == SEND_AGAIN for verdict in verdicts)


@pytest.mark.parametrize("sends", [48, 60, 32_767])
def test_a_biller_that_is_down_for_an_hour_is_still_tried_once_a_minute(sends: int) -> None:
    assert next_send(PROMISE, sends) == MINUTE


# ---- Of every answer to anything.

AGES = st.one_of(
    st.sampled_from([*SCHEDULE, WINDOW, QUIET, 15 * MINUTE + DEADLINE, 15 * MINUTE + DEADLINE + MILLISECOND]),
    st.timedeltas(min_value=AT_ONCE, max_value=72 * HOUR),
)
PROMISES = st.builds(
    Promise,
    can_ask=st.booleans(),
    certified=st.booleans(),
    max_processing=st.none() | st.timedeltas(min_value=AT_ONCE, max_value=48 * HOUR),
    retry_attempts=st.integers(0, 10),
    factor=st.sampled_from([1.0, 0.01]),
)
LEGS = st.builds(
    LegFacts,
    sends=st.integers(1, 47),
    sent_ago=AGES,
    deadline=st.timedeltas(min_value=100 * MILLISECOND, max_value=2 * MINUTE),
    tainted=st.booleans(),
    accepted=st.booleans(),
    not_found_in_a_row=st.integers(0, 12),
    asked_ago=st.none() | AGES,
)
OUTCOMES = st.sampled_from(list(Outcome))
ASKED_FROM = st.sampled_from([S.PAY_UNKNOWN, S.PAY_ACCEPTED])
MISMATCHES = st.sampled_from([None, "amount", "currency", "reference", "account"])

NOBODY_ACTS_NEXT = TERMINAL | {S.REVIEW, S.COMPLETED}


def check(verdict: Verdict, begins: Stage) -> None:
    """What holds of every verdict: each step is in the table, and the row ends with a next action or with an owner."""
    stand = begins
    for stage, _ in verdict.path:
        assert is_legal(TransactionType.POST_TRANSACTION, stand, stage)
        stand = stage
    assert (verdict.wait is None) == (stand in NOBODY_ACTS_NEXT)
    assert verdict.wait is None or verdict.wait >= AT_ONCE


@given(PROMISES, LEGS, OUTCOMES)
def test_every_answer_to_a_send_has_a_legal_path_and_a_next_action(promise: Promise, leg: LegFacts, outcome: Outcome) -> None:
    check(after_send(promise, leg, outcome), S.PAY_SENDING)


@given(PROMISES, LEGS)
def test_every_lost_lease_has_a_legal_path_and_leaves_the_leg_in_doubt(promise: Promise, leg: LegFacts) -> None:
    verdict = after_doubt(promise, leg, R.LEASE_LOST)
    check(verdict, S.PAY_SENDING)
    assert verdict.leg.tainted


@given(PROMISES, ASKED_FROM, LEGS, OUTCOMES, MISMATCHES)
def test_every_answer_to_an_inquiry_has_a_legal_path_and_a_next_action(
    promise: Promise, stage: Stage, leg: LegFacts, outcome: Outcome, mismatch: str | None
) -> None:
    check(after_inquiry(promise, stage, leg, outcome, mismatch), stage)


@given(PROMISES, LEGS, OUTCOMES, MISMATCHES)
def test_what_was_accepted_is_never_sent_again(promise: Promise, leg: LegFacts, outcome: Outcome, mismatch: str | None) -> None:
    from_its_stage = after_inquiry(promise, S.PAY_ACCEPTED, leg, outcome, mismatch)
    from_the_leg = after_inquiry(promise, S.PAY_UNKNOWN, replace(leg, accepted=True), outcome, mismatch)
    assert S.PAY_RETRY not in {stage for stage, _ in (*from_its_stage.path, *from_the_leg.path)}


@given(PROMISES, LEGS, OUTCOMES)
def test_a_send_on_a_leg_in_doubt_ends_neither_in_another_send_nor_in_failed(promise: Promise, leg: LegFacts, outcome: Outcome) -> None:
    verdict = after_send(promise, replace(leg, tainted=True), outcome)
    assert not {stage for stage, _ in verdict.path} & {S.PAY_RETRY, S.PAY_REJECTED, S.FAILED}
    assert verdict.leg.tainted or outcome is Out.CONFIRMED


@given(PROMISES, ASKED_FROM, LEGS, OUTCOMES, MISMATCHES)
def test_an_inquiry_sends_again_only_what_a_certified_biller_never_saw(
    promise: Promise, stage: Stage, leg: LegFacts, outcome: Outcome, mismatch: str | None
) -> None:
    verdict = after_inquiry(promise, stage, leg, outcome, mismatch)
    if S.PAY_RETRY in {to for to, _ in verdict.path}:
        assert (outcome, promise.certified, leg.accepted, stage) == (Out.NOT_FOUND, True, False, S.PAY_UNKNOWN)
        assert leg.sent_ago > quiet_window(promise, leg.deadline)
        assert leg.not_found_in_a_row + 1 >= 3


@given(PROMISES, ASKED_FROM, LEGS, OUTCOMES, MISMATCHES)
def test_completed_is_only_what_the_biller_confirmed(promise: Promise, stage: Stage, leg: LegFacts, outcome: Outcome, mismatch: str | None) -> None:
    for verdict in (after_send(promise, leg, outcome), after_inquiry(promise, stage, leg, outcome, mismatch)):
        assert (S.COMPLETED in {to for to, _ in verdict.path}) == (outcome is Out.CONFIRMED)


@given(PROMISES, ASKED_FROM, LEGS, OUTCOMES, MISMATCHES)
def test_failed_is_only_what_the_biller_refused(promise: Promise, stage: Stage, leg: LegFacts, outcome: Outcome, mismatch: str | None) -> None:
    for verdict in (after_send(promise, leg, outcome), after_inquiry(promise, stage, leg, outcome, mismatch)):
        assert S.FAILED not in {to for to, _ in verdict.path} or outcome is Out.REJECTED


def test_the_figures_are_the_designs() -> None:
    assert list(policy.INQUIRY_SCHEDULE) == SCHEDULE
    assert (policy.UNSTATED_WINDOW, policy.WINDOW_MARGIN, policy.NOT_FOUND_NEEDED, policy.SLOW_RESEND) == (15 * MINUTE, MINUTE, 3, MINUTE)
    assert policy.ASK_AGAIN_AFTER == 10 * SECOND
