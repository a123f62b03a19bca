"""What needs somebody, as facts: which it is, whose, since when, how many and how serious. And putting it off, which hides nothing and ends by itself.

What is put off comes back when its time is over, and before that when it has become worse: more of them, a graver kind, or all of them newer than the
putting off. Where money may be lost meanwhile it is put off for an hour at most.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Literal, get_args

from sqlalchemy.orm import Session

from core import db
from core.access import Actor, needs
from core.errors import BadInput, NotAllowed, NotFound, NotLegalNow
from core.ids import new_id
from core.models import PutOff
from core.models.attention import Grade, Kind
from core.repositories.attention import Away, PutOffs
from core.repositories.filters import TransactionFilter
from core.repositories.heaps import Waiting
from core.repositories.statistics import BillerState, Figures, Grain, Statistics
from core.security import audit
from core.services import health, live, statistics
from core.services.proposals import words_of
from core.services.scope import narrowed
from core.services.statistics import DOUBT_AGES, Attention, business_zone
from core.states import Status

Owner = Literal["Administrator", "Manager", "Operator"]

LONGEST_REASON = 300

# For how long something is put off: one of these, and where money may be lost one of the first.
LENGTHS = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4), timedelta(days=1), timedelta(days=3))
LONGEST_AT_STAKE = timedelta(hours=1)

# What is late from its first day on, and what from the third: a statement comes in the morning after.
LATE = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Rule:
    """Whose a kind is; whether money, or the proof of where it went, may be lost while nobody sees to it; whether it stops or concerns all billers at once."""

    owner: Owner
    at_stake: bool = False
    of_all: bool = False


# In the order in which what is equally serious is told.
RULES: Mapping[Kind, Rule] = {
    Kind.NO_WORKER: Rule("Administrator", at_stake=True, of_all=True),
    Kind.GATE_CLOSED: Rule("Manager", at_stake=True, of_all=True),
    Kind.AUDIT_BROKEN: Rule("Administrator", at_stake=True, of_all=True),
    Kind.ALERT: Rule("Administrator"),
    Kind.CONTRADICTED: Rule("Manager", at_stake=True),
    Kind.APPROVALS: Rule("Manager"),
    Kind.PROPOSED_ACTS: Rule("Manager"),
    Kind.UNDER_REVIEW: Rule("Manager", at_stake=True),
    Kind.BANK_LEGS: Rule("Manager", at_stake=True),
    Kind.IN_DOUBT: Rule("Operator"),
    Kind.BANK_TROUBLE: Rule("Administrator", of_all=True),
    Kind.PAUSED: Rule("Administrator"),
    Kind.NOT_ANSWERING: Rule("Administrator"),
    Kind.FAILING: Rule("Manager"),
    Kind.NOT_SENT: Rule("Operator"),
    Kind.DIFFERENCES: Rule("Manager"),
    Kind.NO_STATEMENT: Rule("Manager"),
    Kind.NOT_SIGNED_OFF: Rule("Manager"),
    Kind.BROKEN_ACTS: Rule("Administrator"),
    Kind.SUMS_DIFFERED: Rule("Administrator", of_all=True),
    Kind.RETIRED_KEY: Rule("Administrator", of_all=True),
    Kind.NO_CREDENTIALS: Rule("Administrator"),
    Kind.PROPOSED_RULES: Rule("Administrator"),
    Kind.PROPOSED_CHANGES: Rule("Administrator"),
    Kind.CHANNEL_DOWN: Rule("Administrator", of_all=True),
    Kind.GIVEN_UP: Rule("Administrator"),
    Kind.REPORTS_FAILED: Rule("Manager", of_all=True),
    Kind.DEAD_JOBS: Rule("Administrator", of_all=True),
    Kind.NOT_VERIFIED: Rule("Administrator", of_all=True),
}
PLACES = {kind: place for place, kind in enumerate(RULES)}

# What is found out of order, where it is always equally serious.
GRADES: Mapping[Kind, Grade] = {
    Kind.GATE_CLOSED: Grade.GRAVE,
    Kind.AUDIT_BROKEN: Grade.GRAVE,
    Kind.RETIRED_KEY: Grade.GRAVE,
    Kind.DIFFERENCES: Grade.CARE,
    Kind.NO_CREDENTIALS: Grade.CARE,
    Kind.CHANNEL_DOWN: Grade.CARE,
    Kind.GIVEN_UP: Grade.CARE,
    Kind.REPORTS_FAILED: Grade.CARE,
    Kind.DEAD_JOBS: Grade.CARE,
    Kind.NOT_VERIFIED: Grade.CARE,
    Kind.PROPOSED_ACTS: Grade.NOTE,
    Kind.PROPOSED_RULES: Grade.NOTE,
    Kind.PROPOSED_CHANGES: Grade.NOTE,
}

# Of these a number stands in what is told; of the others there is one, however much waits behind it.
COUNTED = frozenset(
    {
        *(Kind.DIFFERENCES, Kind.NO_STATEMENT, Kind.NOT_SIGNED_OFF),
        *(Kind.PROPOSED_ACTS, Kind.PROPOSED_RULES, Kind.PROPOSED_CHANGES),
        *(Kind.GIVEN_UP, Kind.REPORTS_FAILED, Kind.DEAD_JOBS),
    }
)

# What is counted over a window begins with it: that it begins later says nothing.
OF_A_WINDOW = frozenset({Kind.FAILING})


class Worse(Enum):
    """Why something came back before its time."""

    MORE = "there are more of them"
    GRAVER = "it has become more serious"
    NEWER = "it began anew"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that needs somebody. Kind and what it is about are its name."""

    kind: Kind
    # A biller, an alert, a channel; of what is counted over several billers, which. Nothing: all of them.
    about: str
    grade: Grade
    owner: Owner
    weight: int = 1
    # When it began; of several, the oldest.
    since: datetime | None = None
    told: str | None = None
    count: int = 1
    # The putting off that it stands under; or, where it came back before its time, the one it came back from, and why.
    put_off: Away | None = None
    worse: Worse | None = None

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.about}"

    @property
    def at_stake(self) -> bool:
        return RULES[self.kind].at_stake

    @property
    def of_all(self) -> bool:
        return RULES[self.kind].of_all

    @property
    def is_away(self) -> bool:
        return self.put_off is not None and self.worse is None

    @property
    def lengths(self) -> tuple[timedelta, ...]:
        """For how long it may be put off."""
        return tuple(one for one in LENGTHS if not self.at_stake or one <= LONGEST_AT_STAKE)


# ---- What there is


def findings(seen: Attention, failing: Mapping[str, Figures] | None = None, put_off: Iterable[Away] = ()) -> list[Finding]:
    """The gravest first; none: nothing needs anybody. `failing` are the billers that do badly just now."""
    found = [*_of_payments(seen), *_of_alerts(seen), *_out_of_order(seen)]
    for biller in seen.billers:
        if biller.is_active:
            found += _of_biller(biller, (failing or {}).get(biller.code), seen.as_of)
    away = {one.concern: one for one in put_off}
    beside = [_beside(one, away[one.key]) if one.key in away else one for one in found]
    return sorted(beside, key=lambda one: (-one.grade, PLACES[one.kind]))


def worse_than(now: Finding, weight: int, grade: int, at: datetime | None) -> Worse | None:
    """Whether it has become worse than it was at that moment, and how."""
    if now.grade > grade:
        return Worse.GRAVER
    if now.weight > weight:
        return Worse.MORE
    if at is not None and now.since is not None and now.since > at and now.kind not in OF_A_WINDOW:
        return Worse.NEWER
    return None


def _beside(one: Finding, away: Away) -> Finding:
    return replace(one, put_off=away, worse=worse_than(one, away.weight, away.grade, away.at))


def _make(kind: Kind, about: str, grade: Grade, weight: int, since: datetime | None) -> Finding:
    return Finding(kind, about, grade, RULES[kind].owner, weight, since)


def _of_payments(seen: Attention) -> Iterable[Finding]:
    which = "+".join(seen.scope)

    def waits(kind: Kind, waiting: Waiting, grade: Grade) -> Iterable[Finding]:
        if waiting.count:
            yield _make(kind, which, grade, waiting.count, waiting.oldest_at)

    if not seen.worker_seen:
        yield _make(Kind.NO_WORKER, "", Grade.GRAVE, 1, seen.worker_seen_at)
    yield from waits(Kind.CONTRADICTED, seen.breaks, Grade.GRAVE)
    yield from waits(Kind.APPROVALS, seen.approvals, Grade.NOTE)
    yield from waits(Kind.UNDER_REVIEW, seen.under_review, Grade.GRAVE)
    yield from waits(Kind.BANK_LEGS, seen.bank_open, Grade.CARE)
    yield from waits(Kind.IN_DOUBT, seen.in_doubt, Grade.CARE if seen.in_doubt.older_than.get(DOUBT_AGES[0], 0) else Grade.NOTE)
    if seen.bank_trouble is not None:
        yield _make(Kind.BANK_TROUBLE, "", Grade.GRAVE, 1, seen.bank_trouble[1])
    if seen.queued_long:
        yield _make(Kind.NOT_SENT, which, Grade.CARE, seen.queued_long, seen.queued.oldest_at)
    if seen.broken_acts:
        yield _make(Kind.BROKEN_ACTS, which, Grade.CARE, sum(one.rows for one in seen.broken_acts), min(one.oldest_at for one in seen.broken_acts))
    if seen.rollups_differ:
        yield _make(Kind.SUMS_DIFFERED, "", Grade.CARE, seen.rollups_differ, seen.rollups_differed_at)


def _of_alerts(seen: Attention) -> Iterable[Finding]:
    """Each by itself: they have owners, and are cleared one by one."""
    for alert in seen.alerts:
        owner = next((one for one in get_args(Owner) if one == alert.owner), RULES[Kind.ALERT].owner)
        yield Finding(Kind.ALERT, f"{alert.measure}/{alert.biller}", Grade.GRAVE, owner, 1, alert.raised_at)


def _of_biller(biller: BillerState, recent: Figures | None, now: datetime) -> Iterable[Finding]:
    if biller.paused_because:
        yield _make(Kind.PAUSED, biller.code, Grade.CARE, 1, biller.paused_at)
    if biller.breaker_reason:
        yield _make(Kind.NOT_ANSWERING, biller.code, Grade.GRAVE, 1, biller.breaker_opened_at)
    if recent is not None:
        failed = recent.payments_by_status.get(Status.FAILED, 0)
        grade = Grade.GRAVE if failed * 2 > recent.ended else Grade.CARE
        yield _make(Kind.FAILING, biller.code, grade, failed, health.recent_since(now, business_zone()))


def _out_of_order(seen: Attention) -> Iterable[Finding]:
    for one in seen.out_of_order:
        rule = RULES[one.kind]
        about = one.about or ("" if rule.of_all else "+".join(seen.scope))
        is_late = one.since is not None and seen.as_of - one.since > LATE
        grade = GRADES.get(one.kind, Grade.CARE if is_late else Grade.NOTE)
        yield Finding(one.kind, about, grade, rule.owner, one.count if one.kind in COUNTED else 1, one.since, one.told, one.count)


# ---- Putting off


@needs("statistics:read")
def away(actor: Actor, /, seen: Attention, failing: Mapping[str, Figures] | None = None) -> Sequence[Away]:
    """What is put off of what this person sees: by whom, until when and why."""
    with db.glance() as session:
        return _away(session, findings(seen, failing))


@needs("attention:put_off")
def put_off(actor: Actor, /, shown: Finding, length: timedelta, reason: str | None) -> uuid.UUID:
    """It stands under *Put off* until then, unless it becomes worse. Raises `NotLegalNow` where it has become worse since it was shown."""
    said = words_of(reason, "A reason", LONGEST_REASON)
    if actor.id is None:
        raise NotAllowed("A person puts something off, not a machine.")
    with db.unit_of_work() as session:
        found = PutOffs(session)
        found.hold(shown.key)
        now = _standing_now(session, actor, shown.key)
        if now.of_all and actor.billers is not None:
            raise NotAllowed("This is about all billers. Somebody who sees them all puts it off.")
        if length not in LENGTHS:
            raise BadInput("Choose for how long, from 15 minutes to 3 days.")
        if length not in now.lengths:
            raise BadInput("Money may be lost while this stands: it can be put off for an hour at most.")
        if now.is_away and now.put_off is not None:
            raise NotLegalNow(f"{now.put_off.by} put it off meanwhile. It stands under Put off.")
        if worse_than(now, shown.weight, shown.grade, None):
            raise NotLegalNow("It has become worse since you looked. Look at it again first.")
        moment = found.now()
        if (before := found.held(now.key)) is not None:
            before.ended_at = moment
            session.flush()
        made = PutOff(
            id=new_id(), concern=now.key, weight=now.weight, grade=now.grade, reason=said, put_off_by=actor.id, put_off_at=moment, until=moment + length
        )
        found.add(made)
        facts = {"until": made.until.isoformat(timespec="seconds"), "reason": said, "count": now.weight}
        audit.record(session, actor, "attention.put_off", "concern", now.key, **facts)
        live.tell(session)
        return made.id


@needs("attention:put_off")
def take_up(actor: Actor, /, put_off_id: uuid.UUID) -> None:
    """It needs attention again, from now on. Raises `NotFound` for what is not put off any more."""
    with db.unit_of_work() as session:
        found = PutOffs(session)
        asked = found.with_id(put_off_id)
        if asked is None:
            raise NotFound(GONE)
        found.hold(asked.concern)
        now = _standing_now(session, actor, asked.concern)
        if now.of_all and actor.billers is not None:
            raise NotAllowed("This is about all billers. Somebody who sees them all takes it up again.")
        held = found.held(asked.concern)
        if held is None or held.id != put_off_id:
            raise NotFound(GONE)
        held.ended_at, held.ended_by = found.now(), actor.id
        session.flush()
        audit.record(session, actor, "attention.taken_up", "concern", asked.concern, put_off=put_off_id, until=held.until.isoformat(timespec="seconds"))
        live.tell(session)


GONE = "It does not stand there any more: it is over, or somebody took it up. Look at the dashboard again."


def _standing_now(session: Session, actor: Actor, key: str) -> Finding:
    """As it is at this moment, for this person. Raises `NotFound` for what is over, and for what is of billers that they do not see."""
    seen = statistics.attention_in(session, actor, Statistics(session).now())
    zone = business_zone()
    lately = TransactionFilter(since=health.recent_since(seen.as_of, zone))
    failing = health.failing(Statistics(session).figures(narrowed(actor, lately), Grain.HOUR, zone), seen.as_of, zone)
    for one in findings(seen, failing, _away(session, findings(seen, failing))):
        if one.key == key:
            return one
    raise NotFound(GONE)


def _away(session: Session, found: Sequence[Finding]) -> list[Away]:
    keys = {one.key for one in found}
    return [one for one in PutOffs(session).standing() if one.concern in keys]
