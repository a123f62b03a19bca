"""Every way a payment can go, walked breadth first: the real policy, the real roads and the real tables against a world that keeps its promises.

What surrounds them is abstract: billers and a core banking that act or not, at once or late; a wire that loses answers but invents none; workers that
die at any point, or wake up late and tell what they had heard; people who cancel, ask out of turn, and say what a statement proves. Nobody recognises
a reference he has seen: whatever arrives twice and is acted on twice is paid, debited or credited twice. Only what gives money back by an id may be
asked for again without harm.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import NamedTuple, TypeVar
from unittest.mock import patch

from core.services import claims, policy, resolutions, settlement, sweeps
from core.services.policy import LegFacts, Promise, Reason, Verdict
from core.services.resolutions import Choice, Way
from core.states import ASKS_ABOUT, BANK_LEGS, LEGS, SENDS_FROM, TERMINAL, LegKind, Stage, Topology, TransactionType, is_legal, leg_sent_from
from core.wire.contract import Outcome

T = TypeVar("T")

S, K = Stage, LegKind

SECOND = timedelta(seconds=1)
AT_ONCE = timedelta(0)
DEADLINE = 30 * SECOND
LEASE_MARGIN = 10 * SECOND
LEASE = DEADLINE + LEASE_MARGIN

# Enough for: not sent, then sent and lost, then sent again. Beyond that a leg can only expire; what gives money back has bounds of its own.
MOST_SENDS = 3
# How often a person asks out of turn, a worker dies while it asks, or wakes up late with an answer, in one leg; how often people send it back to be
# asked about, or want it given back, in one payment.
MOST_SURPRISES = 1
MOST_REOPENINGS = 1

LATE, KEPT = "late", "kept"

YES = (Outcome.CONFIRMED, Outcome.ACCEPTED)

# So many "never seen" in a row are as good as any number of them.
ENOUGH = policy.NOT_FOUND_NEEDED

PEOPLES = frozenset({S.AWAITING_APPROVAL, S.REVIEW, S.REVIEW_REVERSAL})
ENDED = TERMINAL | {S.COMPLETED}

NEVER_SENT = LegFacts(sends=0, sent_ago=AT_ONCE, deadline=DEADLINE)

# How often each leg has happened in the books of whoever keeps them: to give back by an id is done once, however often it is asked for.
REPEATABLE = frozenset({K.REVERSAL, K.PAY_REVERSAL})


class World(NamedTuple):
    """A payment, what is known of its legs, and what only the others know."""

    topology: Topology
    stage: Stage
    # What is known of each leg that was begun.
    legs: tuple[tuple[LegKind, LegFacts], ...] = ()
    # How long ago the leg that is under way was sent last, and when the row is looked at next, counted from then.
    age: timedelta = AT_ONCE
    due: timedelta | None = AT_ONCE
    # What really happened, by leg.
    books: tuple[tuple[LegKind, int], ...] = ()
    # Sends that may yet act. LATE: within what the promise allows, or never. KEPT: we were told "later", and it acts whenever it likes, or is refused.
    fates: tuple[tuple[LegKind, str], ...] = ()
    # Legs that were refused, for whoever asks.
    refused: frozenset[LegKind] = frozenset()
    # A yes in the hands of a worker that has lost its lease: it may come home at any later time.
    in_hand: tuple[tuple[LegKind, Outcome], ...] = ()
    # Whether we know core banking's own number of the debit.
    is_named: bool = False
    passed: frozenset[Stage] = frozenset()
    surprises: int = 0
    reopenings: int = 0
    was_wanted_back: bool = False

    def leg(self, kind: LegKind) -> LegFacts:
        return dict(self.legs).get(kind, NEVER_SENT)

    def happened(self, kind: LegKind) -> int:
        return dict(self.books).get(kind, 0)

    def pends(self, kind: LegKind) -> bool:
        return any(one is kind for one, _ in self.fates)

    @property
    def is_debited_first(self) -> bool:
        return self.topology is Topology.SEPARATE

    def but(self, kind: LegKind, facts: LegFacts) -> "World":
        """With that known of a leg."""
        return self._replace(legs=_put(self.legs, kind, replace(facts, sent_ago=AT_ONCE, asked_ago=None)))

    def acted(self, kind: LegKind) -> "World":
        """With that leg in the books once more."""
        times = 1 if kind in REPEATABLE else self.happened(kind) + 1
        return self._replace(books=_put(self.books, kind, times))

    def with_fate(self, kind: LegKind, fate: str) -> "World":
        return self._replace(fates=tuple(sorted((*self.fates, (kind, fate)))))

    def without_fate(self, index: int) -> "World":
        return self._replace(fates=(*self.fates[:index], *self.fates[index + 1 :]))


def _put(pairs: tuple[tuple[LegKind, T], ...], kind: LegKind, value: T) -> tuple[tuple[LegKind, T], ...]:
    return tuple(sorted({**dict(pairs), kind: value}.items(), key=lambda pair: pair[0]))


Step = tuple[str, World]


@dataclass(frozen=True)
class Party:
    """What a biller or core banking promises, and the longest it really takes: `longest` None is one that may act at any time."""

    promise: Promise
    longest: timedelta | None
    # It may say "never seen it" about what it has: always, or so often in a row by accident.
    forgets: bool = False
    slips: int = 0


@dataclass(frozen=True)
class Parties:
    biller: Party
    bank: Party
    topology: Topology = Topology.NONE
    # The biller can give a completed payment back.
    gives_back: bool = True

    def of(self, kind: LegKind) -> Party:
        return self.bank if kind in BANK_LEGS else self.biller


@dataclass
class Rules:
    """What the world around the policy takes for granted. Each is taken away once, to see that it is missed."""

    # Rule 2: who dies over a call has left a trace. Without it the row stands where it stood.
    intent_before_wire: bool = True
    # Rule 9: who has lost the lease may only add evidence. Without it an answer is concluded whenever it comes.
    epochs: bool = True


class Violation(Exception):
    """Something happened that must never happen."""


class Model:
    """The steps of one world. Remembers which moves of the table were made."""

    def __init__(self, parties: Parties, rules: Rules | None = None) -> None:
        self.parties = parties
        self.rules = rules or Rules()
        self.moves: set[tuple[Stage, Stage]] = set()
        # The same facts have the same verdict, and are met again and again.
        self._verdict = cache(self._decide)

    @property
    def begin(self) -> World:
        return World(self.parties.topology, S.CREATED)

    def steps(self, world: World) -> Iterator[Step]:
        yield from self._others_act(world)
        yield from self._people_act(world)
        yield from self._time_is_up(world)
        yield from self._late_answers(world)
        if world.stage is S.QUEUED or world.stage in SENDS_FROM:
            yield from self._a_send(world)
        if world.stage in ASKS_ABOUT and world.stage not in TERMINAL:
            yield from self._an_inquiry(world, ASKS_ABOUT[world.stage])

    # ---- Others

    def _others_act(self, world: World) -> Iterator[Step]:
        """What a send left behind happens now. Whatever is LATE for longer than its party takes never happens: `_grow_older` sees to that."""
        for index, (kind, fate) in enumerate(world.fates):
            rest = world.without_fate(index)
            yield f"{kind}: what was {fate} is done", rest.acted(kind)
            if fate == KEPT:
                yield f"{kind}: what was kept is refused", rest._replace(refused=rest.refused | {kind})

    def _grow_older(self, world: World, kind: LegKind, age: timedelta) -> World:
        longest = self.parties.of(kind).longest
        too_late = longest is not None and age > longest and kind not in REPEATABLE
        return world._replace(age=age, fates=tuple(one for one in world.fates if one[0] is not kind or one[1] == KEPT or not too_late))

    # ---- People

    def _people_act(self, world: World) -> Iterator[Step]:
        simple: Mapping[Stage, tuple[Stage, ...]] = {
            S.CREATED: (S.QUEUED, S.AWAITING_APPROVAL, S.CANCELLED),
            S.AWAITING_APPROVAL: (S.QUEUED, S.CANCELLED),
            S.QUEUED: (S.CANCELLED,),
        }
        for to in simple.get(world.stage, ()):
            yield f"people: {to}", self._moved(world, (to,), None if to in ENDED | PEOPLES else AT_ONCE)
        if world.stage is S.COMPLETED and self.parties.gives_back and not world.was_wanted_back:
            wanted = world._replace(was_wanted_back=True, reopenings=0, age=AT_ONCE)
            yield "two people want it back", self._moved(wanted, (S.REVERSAL_REQUESTED,), AT_ONCE)
        if world.stage is S.REVERSAL_REQUESTED:
            yield "they think better of it", self._moved(world, (S.COMPLETED,), None)
        if world.stage in (S.REVIEW, S.REVIEW_REVERSAL):
            yield from self._two_people_say(world)

    def _two_people_say(self, world: World) -> Iterator[Step]:
        """What a statement proves: nothing is on its way any more that could make it untrue."""
        kind = resolutions.leg_in_doubt(self._row(world), self._legs(world))
        for way in resolutions.WAYS[kind]:
            if self._is_offered(world, way, kind) and _is_true(world, way, kind):
                if way.choice is Choice.ASK_AGAIN and world.reopenings >= MOST_REOPENINGS:
                    continue
                yield f"two people say: {way.choice} of {kind}", self._resolved(world, way, kind)

    def _is_offered(self, world: World, way: Way, kind: LegKind) -> bool:
        if world.topology not in way.topologies or not _legal(world.stage, way.path[0]):
            return False
        if (way.only_after and (way.only_after not in world.passed or world.leg(kind).tainted)) or (way.only_before and way.only_before in world.passed):
            return False
        return not way.asks or kind in REPEATABLE or self.parties.of(kind).promise.can_ask

    def _resolved(self, world: World, way: Way, kind: LegKind) -> World:
        asked = way.choice is Choice.ASK_AGAIN
        known = world.but(kind, replace(world.leg(kind), tainted=way.tainted))
        if way.choice is Choice.BILLER_HAS_IT:
            known = known.but(K.PAY, replace(known.leg(K.PAY), tainted=False, accepted=True))
        if way.choice is Choice.BILLER_HAS_IT_NOT:
            known = known.but(K.PAY, replace(known.leg(K.PAY), tainted=False, accepted=False))
        if way.number_of is K.DEBIT:
            known = known._replace(is_named=True)
        if way.choice is Choice.GIVEN_BACK and not known.happened(K.REVERSAL):
            # By hand, at the bank.
            known = known.acted(K.REVERSAL)
        moved = self._moved(known, way.path, None if way.path[-1] in ENDED else AT_ONCE)
        return moved._replace(reopenings=world.reopenings + asked, due=moved.due if moved.due is None or not asked else world.age)

    # ---- The clock

    def _time_is_up(self, world: World) -> Iterator[Step]:
        """The time to send it in, or its biller, is gone. Where a leg is in doubt, time alone proves nothing."""
        if world.stage not in (S.QUEUED, S.DEBIT_RETRY, S.DEBITED, S.PAY_RETRY) or any(facts.tainted for _, facts in world.legs):
            return
        if sweeps._is_debited(self._row(world)):
            yield "its time is up, and the debit is given back", self._moved(world, (S.REVERSAL_SENDING,), AT_ONCE)
        else:
            yield "its time is up", self._moved(world, (S.FAILED,), None)

    # ---- Workers that send

    def _a_send(self, world: World) -> Iterator[Step]:
        """Claimed, sent (or not), concluded (or not). Each way the other can take it, with each answer a wire can make of that."""
        kind = leg_sent_from(world.stage, world.topology)
        if claims._cannot_be_named(kind, self._legs(world)):
            path = (S.REVIEW,) if world.stage is S.REVERSAL_SENDING else (S.REVERSAL_SENDING, S.REVIEW)
            yield "nobody knows what to name the debit", self._moved(world, path, None)
            return
        before = world.leg(kind)
        if not claims._may_be_sent(kind, self._legs(world)) or (before.sends >= MOST_SENDS and kind not in REPEATABLE):
            return
        facts = replace(before, sends=before.sends + 1, sent_ago=AT_ONCE, asked_ago=None, not_found_in_a_row=0)
        road = self._road(kind)
        out = world._replace(surprises=0) if kind is not K.PAY or not before.sends else world
        sent = self._moved(out, (road.sending,), AT_ONCE)._replace(age=AT_ONCE).but(kind, facts)
        takes = [
            ("it never arrives", sent, Outcome.NOT_SENT),
            ("it is refused", sent._replace(refused=sent.refused | {kind}), Outcome.REJECTED),
            ("it takes its time", sent.with_fate(kind, LATE), Outcome.ACCEPTED),
        ]
        if _is_possible(sent, kind):
            takes.append(("it is done", sent.acted(kind), Outcome.CONFIRMED))
        for what, taken, truth in takes:
            yield from self._comes_home(world, kind, facts, taken, truth, f"{kind} sent: {what}")

    def _comes_home(self, before: World, kind: LegKind, facts: LegFacts, taken: World, truth: Outcome, what: str) -> Iterator[Step]:
        # Whoever was told "later" is promised no more when; whoever was told nothing still has the promise.
        told = taken._replace(fates=before.fates).with_fate(kind, KEPT) if truth is Outcome.ACCEPTED else taken
        yield from self._concluded(told, kind, self._verdict(kind, facts, truth), f"{what}, and says so", truth)
        lost = self._grow_older(taken, kind, DEADLINE)
        yield from self._concluded(lost, kind, self._verdict(kind, replace(facts, sent_ago=DEADLINE), Outcome.UNKNOWN), f"{what}, no answer")
        died = self._grow_older(taken, kind, LEASE)
        doubt = self._verdict(kind, replace(facts, sent_ago=LEASE), Reason.LEASE_LOST)
        if not self.rules.intent_before_wire:
            yield f"{what}, the worker dies and leaves no trace", before._replace(fates=died.fates, books=died.books, refused=died.refused)
            return
        yield from self._concluded(died, kind, doubt, f"{what}, the worker dies")
        # Of what may be asked for again a late answer says nothing new; a late no says nothing at all, unless it is believed.
        telling = YES if self.rules.epochs else tuple(Outcome)
        if taken.surprises < MOST_SURPRISES and truth in telling and kind not in REPEATABLE:
            asleep = died._replace(surprises=died.surprises + 1, in_hand=tuple(sorted({*died.in_hand, (kind, truth)})))
            yield from self._concluded(asleep, kind, doubt, f"{what}, and the worker sleeps over its answer")
        # An answer of an earlier send comes home while this one is out: it no longer proves that nothing moved (and may be proof enough that it did).
        for one in before.in_hand:
            if one[0] is not kind:
                continue
            woken, doubtful = _without(taken, one), replace(facts, tainted=True)
            if not self.rules.epochs:
                yield from self._concluded(woken, kind, self._verdict(kind, facts, one[1]), f"{what}, and an earlier answer passes for its own")
            else:
                yield from self._concluded(woken, kind, self._verdict(kind, doubtful, truth), f"{what}, says so after an earlier yes", truth)

    # ---- Workers that ask

    def _an_inquiry(self, world: World, kind: LegKind) -> Iterator[Step]:
        """Asked when it is due; a few times out of turn; a few times by a worker that dies."""
        assert world.due is not None
        asked = self._grow_older(world, kind, max(world.due, world.age))
        yield from self._asked(asked, kind, "asked")
        if world.surprises < MOST_SURPRISES:
            surprised = world._replace(surprises=world.surprises + 1)
            sooner = world.age + policy.ASK_AGAIN_AFTER
            if sooner < world.due:
                yield from self._asked(self._grow_older(surprised, kind, sooner), kind, "a person asks")
            again = asked.age + LEASE
            yield "the worker dies asking", self._grow_older(surprised._replace(due=again), kind, again)

    def _asked(self, world: World, kind: LegKind, who: str) -> Iterator[Step]:
        facts = replace(world.leg(kind), sent_ago=world.age, asked_ago=None)
        for outcome, mismatch, known in self._answers(world, kind):
            told = f"{who} about {kind} at {world.age.total_seconds():g} s: {outcome}{' of another amount' if mismatch else ''}"
            yield from self._concluded(known, kind, self._verdict(kind, facts, outcome, world.stage, mismatch), told, outcome)

    def _answers(self, world: World, kind: LegKind) -> Iterator[tuple[Outcome, str | None, World]]:
        """What can be said without lying, and what the wire can make of it. To be told "pending" is to have it kept."""
        yield Outcome.UNKNOWN, None, world
        yield Outcome.NOT_SENT, None, world
        if world.happened(kind):
            yield Outcome.CONFIRMED, None, world
            yield Outcome.UNKNOWN, "amount", world
        elif kind in world.refused:
            yield Outcome.REJECTED, None, world
        if world.pends(kind) and not world.happened(kind):
            yield Outcome.ACCEPTED, None, world._replace(fates=tuple((one, KEPT if one is kind else fate) for one, fate in world.fates))
        party, has_it = self.parties.of(kind), bool(world.happened(kind)) or kind in world.refused
        if not has_it or party.forgets or world.leg(kind).not_found_in_a_row < party.slips:
            # A queue it does not look into is no lie: the payment is not in its books yet.
            yield Outcome.NOT_FOUND, None, world

    # ---- Workers that wake up late

    def _late_answers(self, world: World) -> Iterator[Step]:
        for one in world.in_hand:
            kind, outcome = one
            woken, told = _without(world, one), f"{kind}: {outcome} comes home late"
            if (verdict := self._late_verdict(world, kind, outcome)) is not None:
                yield from self._concluded(woken, kind, verdict, told)
            elif world.stage in ASKS_ABOUT and world.stage not in TERMINAL:
                yield f"{told}, and it is asked about at once", woken._replace(due=world.age)
            else:
                yield f"{told}, and is only kept", woken

    def _late_verdict(self, world: World, kind: LegKind, outcome: Outcome) -> Verdict | None:
        """The settlement's own decision."""
        row = self._row(world)
        errand = SimpleNamespace(leg=kind, debited=world.is_debited_first, snapshot=None)
        with patch.object(settlement, "promise_of", lambda biller, snapshot, which: self.parties.of(which).promise):
            legs = {row.id: self._legs(world)}
            decided = settlement._after_late_yes(row, SimpleNamespace(errand=errand, outcome=outcome), legs, NOW)
        return decided.verdict if decided else None

    # ---- The policy's own decisions

    def _road(self, kind: LegKind) -> policy.Road:
        return policy.road_of(kind, debited=self.parties.topology is Topology.SEPARATE)

    def _decide(self, kind: LegKind, facts: LegFacts, outcome: Outcome | Reason, asked_in: Stage | None = None, mismatch: str | None = None) -> Verdict:
        """After a send that was answered, a send that nobody will answer any more (a reason instead of an outcome), or a question."""
        promise, road = self.parties.of(kind).promise, self._road(kind)
        if isinstance(outcome, Reason):
            return policy.after_doubt(promise, facts, outcome, road)
        if asked_in is None:
            return policy.after_send(promise, facts, outcome, road)
        return policy.after_inquiry(promise, asked_in, facts, outcome, mismatch, road)

    # ---- Moves

    def _concluded(self, world: World, kind: LegKind, verdict: Verdict, told: str, outcome: Outcome | None = None) -> Iterator[Step]:
        """The row along the verdict's path. A debit that is confirmed comes with core banking's number of it."""
        known = world.but(kind, verdict.leg)
        if kind is K.DEBIT and outcome is Outcome.CONFIRMED:
            known = known._replace(is_named=True)
        path = tuple(stage for stage, _ in verdict.path)
        due = None if verdict.wait is None else world.age + verdict.wait
        moved = self._moved(known, path, due)
        yield f"{told} → {moved.stage}", moved

    def _moved(self, world: World, path: tuple[Stage, ...], due: timedelta | None) -> World:
        """Where the table forbids a step, nothing moves: the database refuses it, and the model says so."""
        stage = world.stage
        for to in path:
            if not _legal(stage, to):
                raise Violation(f"{stage} > {to} is not in the table")
            self.moves.add((stage, to))
            stage = to
        return world._replace(stage=stage, due=due, passed=world.passed | (REMEMBERED & set(path)))

    # ---- The world in the shape that the services see it in

    def _row(self, world: World) -> SimpleNamespace:
        return SimpleNamespace(
            id="the payment",
            stage=world.stage.value,
            topology=world.topology.value,
            transaction_type=TransactionType.POST_TRANSACTION.value,
            biller_type="",
            biller_name="",
            version=1,
            lease_epoch=0,
            lease_until=None,
        )

    def _legs(self, world: World) -> dict[LegKind, SimpleNamespace]:
        return {kind: self._leg(world, kind) for kind in LEGS[world.topology]}

    def _leg(self, world: World, kind: LegKind) -> SimpleNamespace:
        facts = world.leg(kind)
        return SimpleNamespace(
            kind=kind.value,
            sends=facts.sends,
            tainted=facts.tainted,
            accepted=facts.accepted,
            not_found_in_a_row=facts.not_found_in_a_row,
            last_sent_at=NOW - world.age if facts.sends else None,
            last_asked_at=None,
            last_deadline_ms=DEADLINE / timedelta(milliseconds=1),
            external_id="FT1" if kind is K.DEBIT and world.is_named else None,
        )


NOW = datetime(2026, 1, 1, tzinfo=UTC)

# What two people's choices depend on having been passed.
REMEMBERED = frozenset({S.DEBITED, S.PAY_REJECTED})


def _legal(old: Stage, new: Stage) -> bool:
    return is_legal(TransactionType.POST_TRANSACTION, old, new)


def _without(world: World, answer: tuple[LegKind, Outcome]) -> World:
    return world._replace(in_hand=tuple(one for one in world.in_hand if one != answer))


def _is_possible(world: World, kind: LegKind) -> bool:
    """Nobody gives back what he never had."""
    return {K.REVERSAL: world.happened(K.DEBIT) > 0, K.PAY_REVERSAL: world.happened(K.PAY) > 0}.get(kind, True)


def _is_true(world: World, way: Way, kind: LegKind) -> bool:
    """What an honest statement shows, once nothing of it is under way any more."""
    if way.choice is Choice.ASK_AGAIN:
        return True
    if world.pends(kind) or world.pends(K.PAY):
        return False
    paid = world.happened(K.PAY) - world.happened(K.PAY_REVERSAL)
    taken = world.happened(K.DEBIT) - world.happened(K.REVERSAL) - world.happened(K.REFUND)
    wanted = 1 if world.is_debited_first else 0
    return {
        Choice.BILLER_HAS_IT: paid == 1 and taken == wanted,
        Choice.BILLER_HAS_IT_NOT: paid == 0,
        Choice.DEBITED_GO_ON: taken == 1,
        # Or people give it back by hand now, and say so.
        Choice.GIVEN_BACK: paid == 0 and world.happened(K.DEBIT) == 1,
        Choice.NO_MONEY_MOVED: taken == 0 and paid == 0,
        Choice.BILLER_GAVE_BACK: paid == 0,
        Choice.BILLER_KEEPS_IT: paid == 1 and taken == wanted,
        Choice.CREDITED: taken == 0 and paid == 0,
        Choice.NOT_CREDITED: taken == 1 and paid == 0,
    }[way.choice]


# ---- What must hold

TWICE = "happened twice"
ENDED_WITH_MONEY_ELSEWHERE = "and money is elsewhere than before"
COMPLETED_UNTRUE = "COMPLETED, and it is not so"
OUT_OF_ORDER = "paid before the debit"
BOTH = "given back while the biller has it"
FORGOTTEN = "nobody acts on it next"
NOT_SENT_AND_YET = "cancelled, and something was sent"


def wrong_with(world: World) -> str | None:
    books = dict(world.books)
    for kind, times in world.books:
        if times > 1:
            return f"{kind} {TWICE}"
    paid = books.get(K.PAY, 0) - books.get(K.PAY_REVERSAL, 0)
    taken = books.get(K.DEBIT, 0) - books.get(K.REVERSAL, 0) - books.get(K.REFUND, 0)
    if world.is_debited_first and books.get(K.PAY, 0) > books.get(K.DEBIT, 0):
        return OUT_OF_ORDER
    if world.is_debited_first and taken < paid:
        return BOTH
    if world.stage in TERMINAL and (paid or taken):
        return f"{world.stage}, {ENDED_WITH_MONEY_ELSEWHERE}"
    if world.stage is S.COMPLETED and (paid != 1 or (world.is_debited_first and taken != 1)):
        return COMPLETED_UNTRUE
    if world.stage is S.CANCELLED and any(facts.sends for _, facts in world.legs):
        return NOT_SENT_AND_YET
    if world.due is None and world.stage not in ENDED | PEOPLES:
        return f"{world.stage}: {FORGOTTEN}"
    return None


def same(world: World) -> World:
    """The world without what makes no difference any more: of what is settled how it came there, of "never seen" how often beyond enough."""
    fates = tuple(sorted(_pending(world)))
    if world.stage in TERMINAL:
        return World(world.topology, world.stage, due=None, books=world.books, fates=fates)
    if world.stage is S.COMPLETED:
        return World(world.topology, S.COMPLETED, due=None, books=world.books, fates=fates, is_named=world.is_named, was_wanted_back=world.was_wanted_back)
    active = ACTIVE.get(world.stage)
    # Under review it may be any leg that is gone on with.
    alive = frozenset(K) if world.stage in PEOPLES else {active, K.PAY} if active is K.REVERSAL else {active}
    if world.stage not in ASKS_ABOUT and world.stage not in PEOPLES:
        world = world._replace(age=AT_ONCE, due=None if world.due is None else AT_ONCE)
    return world._replace(
        legs=tuple((kind, _faded(facts, kind is active)) for kind, facts in world.legs),
        fates=fates,
        refused=frozenset(kind for kind in world.refused if kind in alive and kind not in REPEATABLE),
        in_hand=tuple(one for one in world.in_hand if one[0] in alive),
    )


def _pending(world: World) -> Iterator[tuple[LegKind, str]]:
    """What may yet happen. What gives money back does so once: a second request of it changes nothing."""
    seen = set()
    for kind, fate in world.fates:
        if kind not in REPEATABLE:
            yield kind, fate
        elif not world.happened(kind) and kind not in seen:
            seen.add(kind)
            yield kind, KEPT


# The leg that is under way where a payment stands; of every other only its doubts matter.
ACTIVE: Mapping[Stage, LegKind] = {**SENDS_FROM, **ASKS_ABOUT, S.PAY_REJECTED: K.PAY}


@cache
def _faded(facts: LegFacts, is_active: bool) -> LegFacts:
    if is_active:
        return replace(facts, not_found_in_a_row=min(facts.not_found_in_a_row, ENOUGH))
    return LegFacts(min(facts.sends, 1), AT_ONCE, DEADLINE, tainted=facts.tainted, accepted=facts.accepted)


@dataclass
class Walk:
    """Every world that was reached, every move that was made, and of each thing that went wrong the shortest way there."""

    reached: set[World] = field(default_factory=set)
    moves: set[tuple[Stage, Stage]] = field(default_factory=set)
    wrong: dict[str, list[str]] = field(default_factory=dict)


# Far above what the policy as it is reaches; a change that makes the walk endless ends here.
MOST_WORLDS = 200_000


def walk(parties: Parties, enough: str | None = None, rules: Rules | None = None) -> Walk:
    """All that can be reached; or, where `enough` names what should go wrong, until that is found."""
    model = Model(parties, rules)
    came_by: dict[World, Step | None] = {model.begin: None}
    wrong: dict[str, list[str]] = {}
    todo = deque([model.begin])
    while todo and not (enough and any(enough in what for what in wrong)):
        world = todo.popleft()
        if (found := wrong_with(world)) is not None:
            wrong.setdefault(found, _way_to(came_by, world))
            # What is wrong already is not followed any further.
            continue
        try:
            for told, following in model.steps(world):
                if (seen := same(following)) not in came_by:
                    came_by[seen] = (told, world)
                    todo.append(seen)
        except Violation as illegal:
            wrong.setdefault(str(illegal), [*_way_to(came_by, world), str(illegal)])
        assert len(came_by) <= MOST_WORLDS, "the walk does not end"
    return Walk(set(came_by), model.moves, wrong)


def _way_to(came_by: Mapping[World, Step | None], world: World) -> list[str]:
    way = []
    while (step := came_by[world]) is not None:
        told, world = step
        way.append(told)
    return way[::-1]


# ---- The parties

STATED = Party(Promise(can_ask=True, certified=True, max_processing=60 * SECOND, retry_attempts=1), 60 * SECOND + DEADLINE + LEASE_MARGIN)
UNSTATED = Party(Promise(can_ask=True, certified=True, max_processing=None, retry_attempts=1), timedelta(minutes=15))
UNCERTIFIED = Party(Promise(can_ask=True, certified=False, max_processing=60 * SECOND, retry_attempts=1), None, forgets=True)
SLIPPING = replace(STATED, slips=ENOUGH - 1)
MUTE = Party(Promise(can_ask=False, certified=False, max_processing=None, retry_attempts=1), None)
