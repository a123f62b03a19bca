"""Every way a payment without core banking can go, walked breadth first: the policy and the table of moves against every biller that keeps its promise.

The policy is the real one. What surrounds it is abstract: a biller that acts or not, at once or late; a wire that loses answers but invents none;
a worker that dies between a call and its conclusion; a person who asks out of turn. The biller never recognises a reference it has seen: whatever
arrives twice and is acted on twice is paid twice.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from core.services import policy
from core.services.policy import LegFacts, Promise, Reason, Verdict
from core.states import TERMINAL, Stage, TransactionType, is_legal
from core.wire.contract import Outcome

S = Stage

SECOND = timedelta(seconds=1)
AT_ONCE = timedelta(0)
DEADLINE = 30 * SECOND
LEASE = DEADLINE + 10 * SECOND

# Enough for: not sent, then sent and lost, then sent again. Beyond that the payment can only expire.
MOST_SENDS = 3
# How often a person asks out of turn, or a worker dies while it asks, in one payment; how often people send it back from REVIEW to be asked about.
MOST_SURPRISES = 1
MOST_REOPENINGS = 1

LATE, QUEUED = "late", "queued"


@dataclass(frozen=True, slots=True)
class World:
    """The payment, what its leg knows, and what only the biller knows: `fates` of the sends that may yet act, and how often it has acted."""

    stage: Stage
    leg: LegFacts
    # The leg's last send, and when the row is looked at next, counted from it.
    age: timedelta = AT_ONCE
    due: timedelta | None = AT_ONCE
    # LATE acts within what the promise allows, or never. QUEUED is what we were told was accepted: it acts whenever the biller likes, or is refused.
    fates: tuple[str, ...] = ()
    refused: bool = False
    effects: int = 0
    surprises: int = 0
    reopenings: int = 0


Step = tuple[str, World]

BEGIN = World(S.QUEUED, LegFacts(sends=0, sent_ago=AT_ONCE, deadline=DEADLINE))


@dataclass(frozen=True)
class Biller:
    """What the biller promises, and the longest it really takes: `longest` None is a biller that may act at any time."""

    promise: Promise
    longest: timedelta | None
    # It may say "never seen it" about what it has.
    forgets: bool = False


STATED = Biller(Promise(can_ask=True, certified=True, max_processing=60 * SECOND, retry_attempts=1), 60 * SECOND + DEADLINE)
UNSTATED = Biller(Promise(can_ask=True, certified=True, max_processing=None, retry_attempts=1), timedelta(minutes=15))
UNCERTIFIED = Biller(Promise(can_ask=True, certified=False, max_processing=60 * SECOND, retry_attempts=1), None, forgets=True)
MUTE = Biller(Promise(can_ask=False, certified=False, max_processing=None, retry_attempts=1), None)

BILLERS = {"states its maximum": STATED, "states none": UNSTATED, "is not certified and forgets": UNCERTIFIED, "cannot be asked": MUTE}


# ---- The moves of the world


def steps(biller: Biller, world: World) -> Iterator[Step]:
    yield from _the_biller_acts(world)
    if world.stage in (S.QUEUED, S.PAY_RETRY) and not world.leg.tainted:
        yield "it expires", replace(world, stage=S.FAILED, due=None)
        if world.leg.sends < MOST_SENDS:
            yield from _a_send(biller, world)
    if world.stage is S.QUEUED:
        yield "it is cancelled", replace(world, stage=S.CANCELLED, due=None)
    if world.stage in (S.PAY_UNKNOWN, S.PAY_ACCEPTED):
        yield from _an_inquiry(biller, world)
    if world.stage is S.REVIEW and biller.promise.can_ask and world.reopenings < MOST_REOPENINGS:
        yield "people have it asked about again", replace(world, stage=S.PAY_UNKNOWN, due=world.age, reopenings=world.reopenings + 1)


def _the_biller_acts(world: World) -> Iterator[Step]:
    """What a send left behind happens now. Whatever is LATE for longer than the biller takes never happens: `_grow_older` sees to that."""
    for index, fate in enumerate(world.fates):
        rest = (*world.fates[:index], *world.fates[index + 1 :])
        yield f"the biller acts on what was {fate}", replace(world, fates=rest, effects=world.effects + 1)
        if fate == QUEUED:
            yield "the biller refuses what was queued", replace(world, fates=rest, refused=True)


def _grow_older(biller: Biller, world: World, age: timedelta) -> World:
    too_late = biller.longest is not None and age > biller.longest
    return replace(world, age=age, fates=tuple(fate for fate in world.fates if fate == QUEUED or not too_late))


def _a_send(biller: Biller, world: World) -> Iterator[Step]:
    """Claimed, sent (or not), concluded (or not). Each way the biller can take it, with each answer a wire can make of that."""
    leg = replace(world.leg, sends=world.leg.sends + 1, sent_ago=AT_ONCE, asked_ago=None, not_found_in_a_row=0)
    sent = replace(world, stage=S.PAY_SENDING, leg=leg, age=AT_ONCE)
    takes = (
        ("it never arrives", sent, Outcome.NOT_SENT),
        ("the biller acts", replace(sent, effects=sent.effects + 1), Outcome.CONFIRMED),
        ("the biller refuses", replace(sent, refused=True), Outcome.REJECTED),
        ("the biller takes its time", replace(sent, fates=_with(sent, LATE)), Outcome.ACCEPTED),
    )
    for what, taken, truth in takes:
        # Whoever was told "later" is promised no more when; whoever was told nothing still has the promise.
        known = replace(sent, fates=_with(sent, QUEUED)) if truth is Outcome.ACCEPTED else taken
        yield from _concluded(known, policy.after_send(biller.promise, leg, truth), f"sent: {what}, and says so ({truth})")
        lost = _grow_older(biller, taken, DEADLINE)
        yield from _concluded(lost, policy.after_send(biller.promise, replace(leg, sent_ago=DEADLINE), Outcome.UNKNOWN), f"sent: {what}, no answer")
        died = _grow_older(biller, taken, LEASE)
        yield from _concluded(died, policy.after_doubt(biller.promise, replace(leg, sent_ago=LEASE), Reason.LEASE_LOST), f"sent: {what}, the worker dies")


def _with(world: World, fate: str) -> tuple[str, ...]:
    return tuple(sorted((*world.fates, fate)))


def _an_inquiry(biller: Biller, world: World) -> Iterator[Step]:
    """Asked when it is due; a few times out of turn; a few times by a worker that dies."""
    assert world.due is not None
    yield from _asked(biller, _grow_older(biller, world, max(world.due, world.age)), "asked")
    if world.surprises < MOST_SURPRISES:
        surprised = replace(world, surprises=world.surprises + 1)
        sooner = world.age + policy.ASK_AGAIN_AFTER
        if sooner < world.due:
            yield from _asked(biller, _grow_older(biller, surprised, sooner), "a person asks")
        asked = _grow_older(biller, surprised, max(world.due, world.age))
        yield "the worker dies asking", _grow_older(biller, replace(asked, due=asked.age + LEASE), asked.age + LEASE)


def _asked(biller: Biller, world: World, who: str) -> Iterator[Step]:
    leg = replace(world.leg, sent_ago=world.age, asked_ago=None)
    for outcome, mismatch, known in _answers(biller, world):
        told = f"{who} at {world.age.total_seconds():g} s: {outcome}{' of another amount' if mismatch else ''}"
        yield from _concluded(known, policy.after_inquiry(biller.promise, world.stage, leg, outcome, mismatch), told)


def _answers(biller: Biller, world: World) -> Iterator[tuple[Outcome, str | None, World]]:
    """What the biller can say without lying, and what the wire can make of it. To be told "pending" is to have it queued."""
    yield Outcome.UNKNOWN, None, world
    yield Outcome.NOT_SENT, None, world
    if world.effects:
        yield Outcome.CONFIRMED, None, world
        yield Outcome.UNKNOWN, "amount", world
    elif world.refused:
        yield Outcome.REJECTED, None, world
    if world.fates and not world.effects:
        yield Outcome.ACCEPTED, None, replace(world, fates=tuple(QUEUED for _ in world.fates))
    if biller.forgets or not (world.effects or world.refused):
        # A queue it does not look into is no lie: the payment is not in its books yet.
        yield Outcome.NOT_FOUND, None, world


def _concluded(world: World, verdict: Verdict, told: str) -> Iterator[Step]:
    """The row along the verdict's path. Where the table forbids a step, nothing moves: the database refuses it, and the model says so."""
    stage = world.stage
    for to, _ in verdict.path:
        if not is_legal(TransactionType.POST_TRANSACTION, stage, to):
            raise Violation(f"{told}: {stage} > {to} is not in the table")
        stage = to
    due = None if verdict.wait is None else world.age + verdict.wait
    leg = replace(verdict.leg, sent_ago=AT_ONCE, asked_ago=None)
    yield f"{told} → {stage}", replace(world, stage=stage, leg=leg, due=due)


def same(world: World) -> World:
    """The world without what makes no difference any more: of a settled payment how it came there, of never seen how often beyond enough."""
    if world.stage in TERMINAL | {S.COMPLETED}:
        return World(world.stage, BEGIN.leg, due=None, fates=world.fates, effects=world.effects)
    seen = min(world.leg.not_found_in_a_row, policy.NOT_FOUND_NEEDED)
    if world.stage is S.PAY_RETRY:
        world = replace(world, age=AT_ONCE, due=AT_ONCE, surprises=0)
    return replace(world, leg=replace(world.leg, not_found_in_a_row=seen))


# ---- What must hold


class Violation(Exception):
    """The policy let something happen that must never happen."""


TWICE = "paid twice"
FAILED_BUT_PAID = "FAILED, and money moved"
COMPLETED_UNPAID = "COMPLETED, and no money moved"
FORGOTTEN = "nobody acts on it next"


def wrong_with(world: World) -> str | None:
    if world.effects > 1:
        return TWICE
    if world.stage in TERMINAL and world.effects:
        return FAILED_BUT_PAID
    if world.stage is S.COMPLETED and not world.effects:
        return COMPLETED_UNPAID
    if world.due is None and world.stage not in TERMINAL | {S.COMPLETED, S.REVIEW}:
        return FORGOTTEN
    if world.stage is S.PAY_RETRY and world.leg.tainted:
        return FORGOTTEN
    return None


@dataclass
class Walk:
    """Every world that was reached, and of each thing that went wrong the shortest way there."""

    reached: set[World]
    wrong: dict[str, list[str]]


# Far above what the policy as it is reaches; a change that makes the walk endless ends here.
MOST_WORLDS = 50_000


def walk(biller: Biller, enough: str | None = None) -> Walk:
    """All that can be reached; or, where `enough` names what should go wrong, until that is found."""
    came_by: dict[World, Step | None] = {BEGIN: None}
    wrong: dict[str, list[str]] = {}
    todo = deque([BEGIN])
    while todo and not (enough and any(enough in what for what in wrong)):
        world = todo.popleft()
        if (found := wrong_with(world)) is not None:
            wrong.setdefault(found, _way_to(came_by, world))
            # What is wrong already is not followed any further.
            continue
        try:
            for told, following in steps(biller, world):
                if (seen := same(following)) not in came_by:
                    came_by[seen] = (told, world)
                    todo.append(seen)
        except Violation as illegal:
            wrong.setdefault(str(illegal), [*_way_to(came_by, world), str(illegal)])
        assert len(came_by) <= MOST_WORLDS, "the walk does not end"
    return Walk(set(came_by), wrong)


def _way_to(came_by: dict[World, Step | None], world: World) -> list[str]:
    way = []
    while (step := came_by[world]) is not None:
        told, world = step
        way.append(told)
    return way[::-1]


# ---- The policy as it is


@pytest.mark.parametrize("biller", BILLERS.values(), ids=BILLERS.keys())
def test_no_bill_is_paid_twice_failed_while_paid_or_completed_unpaid(biller: Biller) -> None:
    assert walk(biller).wrong == {}


def test_the_walk_goes_everywhere_this_topology_can_go() -> None:
    """A proof over a world in which nothing happens would prove nothing."""
    reached = walk(STATED).reached
    assert {world.stage for world in reached} == {S.QUEUED, S.PAY_RETRY, S.PAY_UNKNOWN, S.PAY_ACCEPTED, S.REVIEW, S.COMPLETED, S.FAILED, S.CANCELLED}
    assert {world.effects for world in reached} == {0, 1}
    assert {fate for world in reached for fate in world.fates} == {LATE, QUEUED}
    assert max(world.leg.sends for world in reached) == MOST_SENDS
    # The last inquiry of the schedule, by a worker that dies over it.
    assert max(world.age for world in reached) == timedelta(hours=24) + LEASE
    # Lost, never seen, and sent again.
    assert any(world.stage is S.PAY_UNKNOWN and world.leg.sends > 1 and world.effects for world in reached)


@pytest.mark.parametrize("biller", [UNCERTIFIED, MUTE], ids=["is not certified", "cannot be asked"])
def test_a_biller_that_cannot_prove_its_never_seen_is_sent_again_only_what_was_not_sent(biller: Biller) -> None:
    sent_again = [world for world in walk(biller).reached if world.stage is S.PAY_RETRY]
    assert sent_again
    assert not any(world.effects or world.fates for world in sent_again)


# ---- The policy with one rule taken out. Each must be noticed, or the walk proves nothing.

Break = Callable[[pytest.MonkeyPatch], None]

after_send, after_inquiry, after_doubt = policy.after_send, policy.after_inquiry, policy.after_doubt


def not_found_is_believed_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policy, "NOT_FOUND_NEEDED", 1)
    patch.setattr(policy, "is_quiet", lambda promise, leg: True)


def not_found_is_believed_before_the_leg_is_quiet(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policy, "is_quiet", lambda promise, leg: True)


def not_found_is_believed_of_anybody(patch: pytest.MonkeyPatch) -> None:
    original = policy._after_not_found
    patch.setattr(policy, "_after_not_found", lambda promise, accepted, leg, road: original(replace(promise, certified=True), accepted, leg, road))


def a_time_out_is_failed(patch: pytest.MonkeyPatch) -> None:
    def mutant(promise: Promise, leg: LegFacts, outcome: Outcome) -> Verdict:
        return after_send(promise, leg, Outcome.REJECTED if outcome is Outcome.UNKNOWN else outcome)

    patch.setattr(policy, "after_send", mutant)


def a_time_out_is_sent_again(patch: pytest.MonkeyPatch) -> None:
    def mutant(promise: Promise, leg: LegFacts, outcome: Outcome) -> Verdict:
        return after_send(promise, leg, Outcome.NOT_SENT if outcome is Outcome.UNKNOWN else outcome)

    patch.setattr(policy, "after_send", mutant)


def a_refused_connection_clears_the_doubt(patch: pytest.MonkeyPatch) -> None:
    """Taint not sticky: a later attempt that was not sent speaks for the one that may have been."""

    def mutant(promise: Promise, stage: Stage, leg: LegFacts, outcome: Outcome, mismatch: str | None = None) -> Verdict:
        if stage is S.PAY_UNKNOWN and outcome is Outcome.NOT_SENT:
            return after_send(promise, replace(leg, tainted=False), outcome)
        return after_inquiry(promise, stage, leg, outcome, mismatch)

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

    patch.setattr(policy, "after_send", lambda promise, leg, outcome: after_send(promise, leg, doubt(outcome)))
    patch.setattr(policy, "after_inquiry", lambda promise, stage, leg, outcome, mismatch: after_inquiry(promise, stage, leg, doubt(outcome), mismatch))


def accepted_then_never_seen_is_sent_again(patch: pytest.MonkeyPatch) -> None:
    original = policy._after_not_found
    patch.setattr(policy, "_after_not_found", lambda promise, accepted, leg, road: original(promise, False, replace(leg, accepted=False), road))


BREAKS: list[tuple[Break, Biller, str]] = [
    (not_found_is_believed_at_once, STATED, TWICE),
    (not_found_is_believed_at_once, UNSTATED, TWICE),
    (not_found_is_believed_before_the_leg_is_quiet, STATED, TWICE),
    (not_found_is_believed_of_anybody, UNCERTIFIED, TWICE),
    (a_time_out_is_failed, STATED, FAILED_BUT_PAID),
    (a_time_out_is_failed, MUTE, FAILED_BUT_PAID),
    (a_time_out_is_sent_again, STATED, TWICE),
    (a_refused_connection_clears_the_doubt, STATED, TWICE),
    (a_refused_connection_clears_the_doubt, STATED, FAILED_BUT_PAID),
    (the_acceptance_is_not_kept_of_the_leg, STATED, TWICE),
    (accepted_is_read_as_unknown, STATED, TWICE),
    (accepted_then_never_seen_is_sent_again, STATED, "PAY_ACCEPTED > PAY_RETRY is not in the table"),
]


@pytest.mark.parametrize(("break_it", "biller", "found"), BREAKS, ids=[f"{break_it.__name__}-{found}" for break_it, _, found in BREAKS])
def test_a_policy_without_one_of_its_rules_is_caught(break_it: Break, biller: Biller, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    break_it(monkeypatch)
    wrong = walk(biller, enough=found).wrong
    assert any(found in what for what in wrong), wrong
