"""One act on many payments: looked through first, agreed to, and then done row by row through the very services that do it to one.

It knows one thing: a row's mark is written after its act, so the act must be safe to ask for again. What was shown as blocked is never tried.
"""

import hashlib
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import func, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import clock, db
from core.access import Actor, needs, require, require_proof
from core.adapters import adapter_for
from core.errors import BadInput, BillersError, Busy, Conflict, NotFound, NotLegalNow, Unavailable
from core.ids import incident_id, new_id
from core.models import BulkAct, BulkItem, Transaction, WiderProposal
from core.models.bulk import BulkKind, ItemState
from core.models.proposals import ProposalKind
from core.models.snapshot import Snapshot
from core.models.wider_proposals import WiderKind
from core.money import Money
from core.repositories.bulk import Bulk, Counted, InTheWay, ItemRow
from core.repositories.proposals import Proposals
from core.repositories.transactions import Transactions
from core.repositories.wider_proposals import WiderProposals
from core.security import audit
from core.services import approval_limits, approvals, bulk_proposals, payments
from core.services.approval_limits import Pile, why_second_person_for_many
from core.services.asked import Asked, in_words
from core.services.billers import chosen, verbs_of
from core.services.errands import VERBS
from core.services.proposals import WAITS_ALREADY, why_no_reversal, words_of
from core.services.scope import narrowed, theirs
from core.services.views import names
from core.settings import settings
from core.states import MONEY_TYPES, Stage, Status, TransactionType

log = structlog.get_logger(__name__)

# Rows of one act. A reversal is decided by another person, one by one unless a rule has all decided at once: nobody looks properly at more.
MOST: Mapping[BulkKind, int] = {BulkKind.RETRY: 10_000, BulkKind.CANCEL: 10_000, BulkKind.REVERSE: 500}

# What an act can be about at all: of more rows than it takes, it looks through the oldest of these.
CONCERNS: Mapping[BulkKind, tuple[Status, ...]] = {
    BulkKind.RETRY: payments.RETRYABLE,
    BulkKind.CANCEL: (Status.PENDING,),
    BulkKind.REVERSE: (Status.COMPLETED,),
}

# The right without which the act cannot be asked for at all; whose payment it is, is asked of each row.
RIGHTS: Mapping[BulkKind, str] = {BulkKind.RETRY: "transactions:retry", BulkKind.CANCEL: "transactions:cancel_own", BulkKind.REVERSE: "transactions:reverse"}

# Whoever may cancel anyone's payments sees and stops anyone's acts.
MANAGES = "transactions:cancel"

# How many blocked rows are named under each reason.
EXAMPLES = 3

# One round of the worker: no more rows than this, and none begun after so long. It has a thread of few, and must end soon when it is told to.
HANDFUL = 50
ROUND_SECONDS = 1.0

# Rows of an act that are read at once for a person.
MOST_SHOWN = 10_000

ANOTHER_GOES_FIRST = "Another payment of this selection to the same account goes first."
IN_FLIGHT = "Another payment to this account is still on its way."
INVOICE_TAKEN = "This invoice is paid already, or being paid."
PAID_LATELY = "The same amount was paid to this account a short while ago. If this one is meant as well, retry it on its own page and say why."
RETRIED_ALREADY = "It was retried already: open the new payment."
NOBODY_ANY_MORE = "Whoever asked for it may not use the console any more. Nothing was done."

DONE_TOLD: Mapping[BulkKind, str] = {
    BulkKind.RETRY: "It is paid again, as a new payment.",
    BulkKind.CANCEL: "It was cancelled before anything was sent.",
    BulkKind.REVERSE: "Giving it back is proposed: another person decides.",
}
WAITS_FOR_A_SECOND_PERSON = "A new payment was made. By the rule for one payment it waits for a second person."
GIVEN_BACK = "It is being given back: one person asked for it with the others, another approved all of them."
DECIDED_ALREADY = "Giving it back was proposed with the others, and is decided."


class NoLongerSo(Conflict):
    """Meanwhile something has changed, and this is no longer what you were shown. Look it through again."""


class TooMany(BadInput):
    """These are more than {most:,} transactions. Choose fewer of them."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows: the chosen ones, or all that a filter holds."""

    ids: tuple[uuid.UUID, ...] = ()
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class Promise:
    """What a person was shown and agreed to. `key` becomes the act's id, so that ten clicks start one act."""

    key: uuid.UUID
    count: int
    totals: tuple[Money, ...]
    # Of exactly which rows: as many others that come to the same are others.
    digest: str

    def is_kept_by(self, other: "Promise") -> bool:
        return (self.count, self.totals, self.digest) == (other.count, other.totals, other.digest)


@dataclass(frozen=True, slots=True)
class Blocked:
    """Rows that one reason speaks against, with the references of some."""

    reason: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DryRun:
    """What would happen: nothing has."""

    act: BulkKind
    words: str
    eligible: Promise
    blocked: tuple[Blocked, ...]
    # What was not looked through of a filter that holds more than one act takes, and what to do about it.
    left_out: str | None = None
    # Why a second person decides about the whole, each reason a sentence; none where one person is enough.
    second_person: tuple[str, ...] = ()

    @property
    def blocked_count(self) -> int:
        return sum(one.count for one in self.blocked)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an act is."""

    act: BulkAct
    by: str
    stopped_by: str | None
    counts: Mapping[ItemState, Counted]
    may_stop: bool
    # What was proposed of the whole, where that took a second person, and who decided.
    proposal: WiderProposal | None = None
    decided_by: str | None = None

    @property
    def waiting(self) -> int:
        return self.count(ItemState.WAITING)

    @property
    def held(self) -> int:
        return self.count(ItemState.HELD)

    @property
    def rows(self) -> int:
        return self.act.eligible + self.act.blocked

    @property
    def is_over(self) -> bool:
        return self.waiting == self.held == 0

    def count(self, state: ItemState) -> int:
        return self.counts[state].count if state in self.counts else 0


@dataclass(frozen=True, slots=True)
class _Looked:
    """Each row with what speaks against it."""

    words: str
    rows: Sequence[tuple[Transaction, str | None]]
    left_out: str | None = None

    def promise(self, key: uuid.UUID) -> Promise:
        eligible = [row for row, why in self.rows if why is None]
        totals: dict[str, Decimal] = {}
        for row in eligible:
            totals[row.currency] = totals.get(row.currency, Decimal(0)) + (row.amount or 0)
        digest = hashlib.sha256("".join(sorted(str(row.id) for row in eligible)).encode()).hexdigest()
        return Promise(key, len(eligible), tuple(Money(value, currency) for currency, value in sorted(totals.items())), digest)

    def blocked(self) -> tuple[Blocked, ...]:
        found: dict[str, list[str]] = {}
        for row, why in self.rows:
            if why is not None:
                found.setdefault(why, []).append(row.our_transaction_id)
        groups = [Blocked(reason, len(references), tuple(references[:EXAMPLES])) for reason, references in found.items()]
        return tuple(sorted(groups, key=lambda group: -group.count))


# ---- Asking for it


@needs("transactions:read")
def dry_run(actor: Actor, /, act: BulkKind, selection: Selection) -> DryRun:
    """What would be done, and what speaks against the others. A filter may hold however many.

    Raises `TooMany` for chosen rows, `NotFound` where nothing is meant.
    """
    require(actor, RIGHTS[act])
    with db.unit_of_work() as session:
        looked = _look_through(session, actor, act, selection)
        why = _why_second_person(session, actor, act, looked)
    return DryRun(act, looked.words, looked.promise(new_id()), looked.blocked(), looked.left_out, why)


@needs("transactions:read")
def start(actor: Actor, /, act: BulkKind, selection: Selection, reason: str | None, expected: Promise) -> uuid.UUID:
    """Writes the act and its rows, for the worker to carry out. Raises `NoLongerSo` where that is not what was shown any more.

    Where a rule says so it waits for a second person first, as one proposal; whoever decides goes by the reason, which is then needed.
    """
    require(actor, RIGHTS[act])
    if act is BulkKind.REVERSE:
        require_proof(actor)
    said = words_of(reason, "A reason") if act is BulkKind.REVERSE or (reason or "").strip() else None
    try:
        with db.unit_of_work() as session:
            if not _is_started(session, actor, expected.key):
                _start(session, actor, act, _look_through(session, actor, act, selection), said, expected)
    except (Unavailable, IntegrityError):
        # A commit error is not a rollback (rule 10): what the key finds is the answer.
        with db.unit_of_work() as session:
            if not _is_started(session, actor, expected.key):
                raise
    return expected.key


def _is_started(session: Session, actor: Actor, key: uuid.UUID) -> bool:
    found = Bulk(session).act(key)
    return found is not None and found.asked_by == actor.id


def _start(session: Session, actor: Actor, act: BulkKind, looked: _Looked, reason: str | None, expected: Promise) -> None:
    now = looked.promise(expected.key)
    if not now.is_kept_by(expected):
        raise NoLongerSo
    if not now.count:
        raise BadInput("Nothing of this can be done: every row is blocked.")
    approval_limits.hold_still(session)
    why = _why_second_person(session, actor, act, looked)
    if why:
        reason = words_of(reason, "A reason")
    blocked, state = len(looked.rows) - now.count, ItemState.HELD if why else ItemState.WAITING
    totals = {money.currency: money.text for money in now.totals}
    facts = {"act": act.value, "selection": looked.words, "reason": reason, "eligible": now.count, "blocked": blocked, "totals": totals}
    session.execute(insert(BulkAct).values(id=expected.key, asked_by=actor.id, **facts))
    session.execute(insert(BulkItem), [_item(expected.key, place, row, state, told) for place, (row, told) in enumerate(looked.rows, 1)])
    audit.record(session, actor, "bulk.started", "bulk", expected.key, **facts, rows=now.digest)
    if why and (started := Bulk(session).act(expected.key)) is not None:
        bulk_proposals.propose(session, actor, started, why)


def _item(act_id: uuid.UUID, ordinal: int, row: Transaction, state: ItemState, told: str | None) -> dict[str, object]:
    """A row that can be done, as it then stands; one that cannot says why not."""
    state = state if told is None else ItemState.BLOCKED
    return {"act_id": act_id, "ordinal": ordinal, "transaction_id": row.id, "state": state.value, "told": told}


def _why_second_person(session: Session, actor: Actor, act: BulkKind, looked: _Looked) -> tuple[str, ...]:
    """By which rules the whole takes a second person. Nobody waits for another's word to stop payments."""
    if act is BulkKind.CANCEL:
        return ()
    sums: dict[tuple[str, str], list[Decimal]] = {}
    for row, why in looked.rows:
        if why is None:
            sums.setdefault((row.biller_type, row.currency), []).append(row.amount or Decimal(0))
    piles = [Pile(biller, currency, len(amounts), sum(amounts, Decimal(0))) for (biller, currency), amounts in sums.items()]
    return why_second_person_for_many(session, actor.role, piles)


@needs("transactions:read")
def stop(actor: Actor, /, act_id: uuid.UUID) -> int:
    """Leaves what waits, for the worker or for a second person, and answers how many rows that were. What is done stays done."""
    with db.unit_of_work() as session:
        act = _own(session, actor, act_id)
        bulk_proposals.take_back(session, actor, act_id)
        left = Bulk(session).stop_waiting(act_id, f"Stopped by {actor.display_name} before its turn came. Nothing was done.")
        if left:
            act.stopped_at, act.stopped_by = func.clock_timestamp(), actor.id
            audit.record(session, actor, "bulk.stopped", "bulk", act_id, left=left)
        return left


# ---- Looking on


@needs("transactions:read")
def progress(actor: Actor, /, act_id: uuid.UUID) -> Progress:
    """How far it is. Raises `NotFound` for somebody else's, unless one manages."""
    with db.unit_of_work() as session:
        act = _own(session, actor, act_id)
        transactions = Transactions(session)
        counts = Bulk(session).counts(act_id)
        by = transactions.name_of(act.asked_by) or "somebody"
        proposal = WiderProposals(session).last_of(WiderKind.BULK, str(act_id))
        decided_by = transactions.name_of(proposal.decided_by) if proposal else None
        may_stop = ItemState.WAITING in counts or ItemState.HELD in counts
        return Progress(act, by, transactions.name_of(act.stopped_by), counts, may_stop, proposal, decided_by)


@needs("transactions:read")
def results(actor: Actor, /, act_id: uuid.UUID, states: Iterable[ItemState] = tuple(ItemState), most: int = MOST_SHOWN) -> list[ItemRow]:
    """What came of each row, the last one in front."""
    with db.unit_of_work() as session:
        _own(session, actor, act_id)
        rows = Bulk(session).items(act_id, list(states), min(most, MOST_SHOWN))
        return [row for row in rows if actor.serves(row.transaction.biller_type)]


@needs("transactions:read")
def lately(actor: Actor, /, most: int = 10) -> list[tuple[BulkAct, str]]:
    """The latest acts with the names of who asked: one's own, or everybody's for a manager."""
    with db.unit_of_work() as session:
        return Bulk(session).acts(None if _sees_all(actor) else actor.id, most)


def _own(session: Session, actor: Actor, act_id: uuid.UUID) -> BulkAct:
    act = Bulk(session).act(act_id)
    if act is None or (act.asked_by != actor.id and not _sees_all(actor)):
        raise NotFound("There is no such act, or it is somebody else's. Check the address.")
    return act


def _sees_all(actor: Actor) -> bool:
    """An act may be about any biller: of others' acts only somebody who sees them all is told."""
    return actor.may(MANAGES) and actor.billers is None


# ---- Looking through


def _look_through(session: Session, actor: Actor, act: BulkKind, selection: Selection) -> _Looked:
    most, asked = MOST[act], narrowed(actor, selection.asked) if selection.asked else None
    if asked is None:
        ids = frozenset(selection.ids)
        if len(ids) > most:
            raise TooMany(most=most)
        rows: Sequence[Transaction] = theirs(actor, Bulk(session).chosen(ids)) if ids else []
        words, left_out = f"{len(rows):,} chosen transaction{'' if len(rows) == 1 else 's'}", None
    else:
        rows, left_out = _matching(session, actor, act, asked)
        words = ("of all that can come into question, the oldest: " if left_out else "") + in_words(asked, names(session, asked))
    if not rows:
        raise NotFound(f"Nothing of it comes into question: {left_out}" if left_out else "Nothing is chosen. Choose rows, or widen the filter.")
    whys = WHY_NOT[act](session, actor, rows)
    return _Looked(words, [(row, whys[row.id]) for row in rows], left_out)


def _matching(session: Session, actor: Actor, act: BulkKind, asked: Asked) -> tuple[Sequence[Transaction], str | None]:
    """All rows of the filter; of more than one act takes, the oldest that it can be about, and what that leaves out."""
    most, wanted = MOST[act], asked.wanted(ZoneInfo(settings().billers_timezone), actor.id)
    rows = Bulk(session).matching(wanted, most)
    if len(rows) <= most:
        return rows, None
    statuses = tuple(status.value for status in CONCERNS[act] if not wanted.statuses or status.value in wanted.statuses)
    types = tuple(kind.value for kind in MONEY_TYPES if not wanted.types or kind.value in wanted.types)
    about = " or ".join(status.value.lower() for status in CONCERNS[act])
    only = f"the filter holds more than {most:,} rows, so only payments that are {about} are looked through"
    if not statuses or not types:
        return [], f"{only}, and it holds none."
    found = Bulk(session).matching(replace(wanted, statuses=statuses, types=types), most)
    if len(found) <= most:
        return found, f"{only}."
    return found[:most], f"{only}, and of those the oldest {most:,}: the others can be done after these."


def _why_no_cancel(session: Session, actor: Actor, rows: Sequence[Transaction]) -> Mapping[uuid.UUID, str | None]:
    return {row.id: _off(actor, row, "cancel") for row in rows}


def _why_no_reversal(session: Session, actor: Actor, rows: Sequence[Transaction]) -> Mapping[uuid.UUID, str | None]:
    return {row.id: why_no_reversal(session, row) for row in rows}


def _why_no_retry(session: Session, actor: Actor, rows: Sequence[Transaction]) -> Mapping[uuid.UUID, str | None]:
    """As each one will be judged, the oldest first: what goes first stands in the way of the next to the same account."""
    retried = Bulk(session).retried([row.id for row in rows])
    found: dict[uuid.UUID, str | None] = {row.id: _off(actor, row, "retry", retried=row.id in retried) for row in rows}
    open_rows = [row for row in rows if found[row.id] is None]
    if not open_rows:
        return found
    parties = {biller: _party(actor, session, biller) for biller in {row.biller_type for row in open_rows}}
    windows = [timedelta(minutes=party.duplicate_window_minutes) for party in parties.values() if isinstance(party, Snapshot)]
    way, now = Bulk(session).in_the_way_of(open_rows, max(windows, default=timedelta(0))), Transactions(session).now()
    taken: set[tuple[str, str]] = set()
    for row in open_rows:
        party = parties[row.biller_type]
        keys = {(row.biller_type, row.account_number), (row.biller_type, f"invoice {row.invoice_number or row.id}")}
        why = party if isinstance(party, str) else _why_not_again(row, party) or _what_stands_before(row, party, way, now - _window(party))
        found[row.id] = why or (ANOTHER_GOES_FIRST if keys & taken else None)
        if found[row.id] is None:
            taken |= keys
    return found


def _party(actor: Actor, session: Session, biller_type: str) -> Snapshot | str:
    """The biller as it would be paid now, or why it cannot be."""
    try:
        return Snapshot.of(chosen(actor, session, biller_type))
    except BillersError as error:
        return error.sentence


def _why_not_again(row: Transaction, party: Snapshot) -> str | None:
    """Whether the biller still takes this very bill."""
    if VERBS[TransactionType(row.transaction_type)] not in verbs_of(row.biller_type, party):
        return f"{party.biller_name} takes such payments no longer. Start a new payment, or ask an administrator."
    try:
        party.check_amount(Money(row.amount or Decimal(0), row.currency).text)
        party.check_account(row.account_number)
    except BillersError as error:
        return error.sentence
    return None


def _what_stands_before(row: Transaction, party: Snapshot, way: InTheWay, since: datetime) -> str | None:
    """The business keys, as `payments.refuse_second_payments` holds them when its turn comes."""
    key = (row.biller_type, row.account_number)
    if row.invoice_number and (row.biller_type, row.invoice_number) in way.invoices:
        return INVOICE_TAKEN
    if key in way.in_flight:
        return IN_FLIGHT
    if row.invoice_number and not adapter_for(row.biller_type).invoice_asks_amount:
        return None
    same = way.lately.get((*key, row.amount or Decimal(0)), ())
    return PAID_LATELY if any(at > since and made != row.id for at, made in same) else None


def _window(party: Snapshot) -> timedelta:
    return timedelta(minutes=party.duplicate_window_minutes)


def _off(actor: Actor, row: Transaction, name: str, *, retried: bool = False) -> str | None:
    """What speaks against it by the rules for one. Without the rights that need the database to answer, so that thousands are answered at once."""
    alone = replace(actor, permissions=actor.permissions & ONE_PERSON)
    return next(action.why_not for action in payments.actions(alone, row, retried=retried) if action.name == name)


ONE_PERSON = frozenset({"transactions:retry", "transactions:cancel", "transactions:cancel_own"})

WHY_NOT: Mapping[BulkKind, Callable[[Session, Actor, Sequence[Transaction]], Mapping[uuid.UUID, str | None]]] = {
    BulkKind.RETRY: _why_no_retry,
    BulkKind.CANCEL: _why_no_cancel,
    BulkKind.REVERSE: _why_no_reversal,
}


# ---- Carrying it out


def carry_on(handful: int = HANDFUL) -> int:
    """Deals with up to `handful` rows that wait, whoever asked for them. Called by the worker in a round; answers how many it took up.

    Any number of workers may do so at once: a row is held while it is dealt with. One that is killed lets go of it, and the row is asked for again.
    """
    taken, began = 0, clock.monotonic_seconds()
    while taken < handful and clock.monotonic_seconds() - began < ROUND_SECONDS and _carry_out_next():
        taken += 1
    with db.unit_of_work() as session:
        Bulk(session).note_finished()
    return taken


@dataclass(frozen=True, slots=True)
class _Came:
    state: ItemState
    told: str
    made: uuid.UUID | None = None


def _carry_out_next() -> bool:
    """One row: its lock lies in this unit of work, its act in the service's own. Between the two commits it may be asked for again."""
    with db.unit_of_work() as session:
        found = Bulk(session).next_waiting()
        if found is None:
            return False
        item, act = found
        item.at = func.clock_timestamp()
        came = _carry_out(session, act, item)
        if came is not None:
            item.state, item.told, item.made_transaction_id = came.state.value, came.told, came.made
        session.flush()
        if act.started_at is None:
            Bulk(session).note_started(act.id)
        return True


def _carry_out(session: Session, act: BulkAct, item: BulkItem) -> _Came | None:
    """What came of it; None where it must be tried again."""
    asker = _asker(session, act)
    if asker is None:
        return _Came(ItemState.BLOCKED, NOBODY_ANY_MORE)
    try:
        return CARRY_OUT[BulkKind(act.act)](session, asker, act, item.transaction_id)
    except Unavailable:
        raise
    except Busy:
        return None
    except BillersError as error:
        return _Came(ItemState.BLOCKED, error.sentence)
    except Exception as error:  # noqa: BLE001 - one bad row must not stand before the others
        incident = incident_id()
        log.error("bulk.row_failed", incident=incident, act=str(act.id), transaction=str(item.transaction_id), error=type(error).__name__)
        return _Came(ItemState.FAILED, f"Something went wrong on our side: incident {incident}. Open the payment to see where it stands.")


def _asker(session: Session, act: BulkAct) -> Actor | None:
    """Who asked, with the rights of this moment: what they may do no longer is not done in their name."""
    return _person(session, act.asked_by)


def _person(session: Session, user_id: uuid.UUID) -> Actor | None:
    found = Bulk(session).whose(user_id)
    if found is None or (found.user.sandbox and not settings().billers_sandbox):
        return None
    return Actor(found.user.id, found.user.username, found.user.display_name, found.user.role, found.permissions, billers=found.billers)


def _retry(session: Session, asker: Actor, act: BulkAct, transaction_id: uuid.UUID) -> _Came:
    """Its child is its key: a second try finds the first one's. A child that is somebody else's work is not ours."""
    submitted = payments.retry(asker, transaction_id)
    child = Transactions(session).by_id(submitted.transaction_id)
    if child is None:
        raise NotFound("The new payment is not there. Open this one to see where it stands.")
    if submitted.already:
        is_ours = child.initiated_by == asker.id and child.created_at >= act.created_at and not Bulk(session).is_work_of(child.id)
        if not is_ours:
            raise NotLegalNow(RETRIED_ALREADY)
    told = WAITS_FOR_A_SECOND_PERSON if child.stage == Stage.AWAITING_APPROVAL.value else DONE_TOLD[BulkKind.RETRY]
    return _Came(ItemState.DONE, told, child.id)


def _cancel(session: Session, asker: Actor, act: BulkAct, transaction_id: uuid.UUID) -> _Came:
    try:
        payments.cancel(asker, transaction_id)
    except NotLegalNow:
        if not Bulk(session).was_cancelled(transaction_id, asker.id or NOBODY, act.created_at):
            raise
    return _Came(ItemState.DONE, DONE_TOLD[BulkKind.CANCEL])


def _reverse(session: Session, asker: Actor, act: BulkAct, transaction_id: uuid.UUID) -> _Came:
    # Asked before: a proposal of ours that was rejected meanwhile must not be made a second time.
    if not Bulk(session).was_proposed(transaction_id, asker.id or NOBODY, act.created_at):
        try:
            # The proof was asked for when the whole was started, once for all of them.
            approvals.propose_reversal(replace(asker, proved_at=clock.now()), transaction_id, act.reason)
        except NotLegalNow as error:
            if error.sentence == WAITS_ALREADY:
                return _Came(ItemState.DONE, WAITS_ALREADY)
            raise
    approver = _second_person(session, act)
    return _Came(ItemState.DONE, DONE_TOLD[BulkKind.REVERSE] if approver is None else _approved_with_all(session, approver, asker, transaction_id))


def _second_person(session: Session, act: BulkAct) -> Actor | None:
    """Who approved the whole of it, with the rights of this moment; None where nobody did, or they may not use the console any more."""
    approver = bulk_proposals.approver_of(session, act.id)
    return _person(session, approver) if approver else None


def _approved_with_all(session: Session, approver: Actor, asker: Actor, transaction_id: uuid.UUID) -> str:
    """What the approver said of all is said of this one, under their name and by the rules for one. What they may not decide waits for another."""
    ours = next((one for one in Proposals(session).open_of(transaction_id, ProposalKind.REVERSE) if one.proposed_by == asker.id), None)
    if ours is None:
        return DECIDED_ALREADY
    try:
        # The proof was asked for when the whole was approved, once for all of them.
        approvals.approve(replace(approver, proved_at=clock.now()), ours.id)
    except (Unavailable, Busy):
        raise
    except BillersError as error:
        return f"{DONE_TOLD[BulkKind.REVERSE]} It was not approved with the others: {error.sentence}"
    return GIVEN_BACK


NOBODY = uuid.UUID(int=0)

CARRY_OUT: Mapping[BulkKind, Callable[[Session, Actor, BulkAct, uuid.UUID], _Came]] = {
    BulkKind.RETRY: _retry,
    BulkKind.CANCEL: _cancel,
    BulkKind.REVERSE: _reverse,
}
