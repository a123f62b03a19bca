"""What needs somebody: each thing with its age, whose it is, and what to do next. One table of sentences; nothing here is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any, Literal, get_args

from core.models.alerts import Measure
from core.repositories.statistics import BillerState, Figures, Waiting
from core.services.alerts import WATCHED
from core.services.health import recent_since
from core.services.statistics import DOUBT_AGES, LONG_QUEUED, Attention
from core.states import MONEY_TYPES, Status, TransactionType
from core.ui.figure_words import counted
from core.ui.filters import Asked
from core.ui.words import Colour, ago, plain, zone

# In the order in which a filter shows them.
PAYMENT_TYPES = tuple(kind.value for kind in TransactionType if kind in MONEY_TYPES)
LOOKUP_TYPES = tuple(kind.value for kind in TransactionType if kind not in MONEY_TYPES)

IN_DOUBT = Asked(in_doubt=True, under_review=False).address()
UNDER_REVIEW = Asked(in_doubt=True, under_review=True).address()
BANK_OPEN = Asked(bank_open=True).address()

Owner = Literal["Administrator", "Manager", "Operator"]


# What comes next, and the list behind it, where there is one.
ALERT_STEPS: Mapping[Measure, str] = {
    Measure.SUCCESS_RATE: "Open the failures: their codes say why. If it is the biller, an administrator pauses it until it has been spoken to.",
    Measure.ANSWER_P95: "Speak to the biller; customers wait meanwhile, and what takes too long goes into doubt.",
    Measure.DOUBT_AGE: "Check the oldest now, and speak to the biller. Do not pay again.",
    Measure.QUEUE_AGE: "See that a worker runs and the biller is not paused.",
    Measure.BREAKER_OPEN: "Speak to the biller. One payment tries every half minute, and the first that gets through opens the way.",
    Measure.DEAD_JOBS: "Open Notifications and Reports: each says why. What is told again, or made, is given up no more.",
}
ALERT_LISTS: Mapping[Measure, Mapping[str, Any]] = {
    Measure.SUCCESS_RATE: Asked(statuses=(Status.FAILED.value,), types=PAYMENT_TYPES).address(),
    Measure.DOUBT_AGE: IN_DOUBT,
    Measure.QUEUE_AGE: Asked(statuses=(Status.PENDING.value,), types=PAYMENT_TYPES).address(),
    Measure.BREAKER_OPEN: Asked(statuses=(Status.PENDING.value,), types=PAYMENT_TYPES).address(),
}


@dataclass(frozen=True, slots=True)
class Concern:
    """One line of the list, in markdown: what it is, what comes next, and the list behind it."""

    icon: str
    colour: Colour
    what: str
    next_step: str
    owner: Owner
    # The list behind it; empty where there is none.
    address: Mapping[str, Any] = field(default_factory=dict)
    # Our references of the oldest.
    references: Sequence[str] = ()


def concerns(seen: Attention, failing: Mapping[str, Figures] | None = None) -> list[Concern]:
    """The most pressing first; none: nothing needs anybody. `failing` are the billers that do badly just now, with what they came to lately."""
    found = [*_workers(seen), *_alerts(seen), *_breaks(seen), *_approvals(seen), *_review(seen), *_bank_legs(seen), *_doubt(seen), *_bank(seen)]
    for biller in seen.billers:
        if biller.is_active:
            found += _biller(biller, seen.as_of)
            found += _failing(biller, (failing or {}).get(biller.code), seen.as_of)
    return [*found, *_queue(seen), *_broken_acts(seen), *_rollups(seen)]


def _workers(seen: Attention) -> list[Concern]:
    if seen.worker_seen:
        return []
    if not seen.jobs_enabled:
        what, step = "Nobody sends payments: background jobs are off on this machine, and no worker runs elsewhere.", "Start a worker."
    else:
        what, step = "Nobody sends payments: no worker has been heard of for 15 seconds.", "Start the console again if none comes back."
    return [Concern(":material/power_off:", "red", what, f"{step} Payments are kept and go out by themselves then.", "Administrator", _list(Status.PENDING))]


def _alerts(seen: Attention) -> list[Concern]:
    """Each by itself: they have owners, and are cleared one by one."""
    titles, found = {biller.code: biller.title for biller in seen.billers}, []
    for alert in seen.alerts:
        where = f", {plain(titles.get(alert.biller, alert.biller))}" if alert.biller else ""
        what = f"{WATCHED[Measure(alert.measure)].title}{where}: {plain(alert.told)} Raised {ago(alert.raised_at, seen.as_of)}."
        step, address = ALERT_STEPS[Measure(alert.measure)], dict(ALERT_LISTS.get(Measure(alert.measure), {}))
        if address and alert.biller:
            address = {**address, **Asked(billers=(alert.biller,)).address()}
        found.append(Concern(":material/notifications_active:", "red", what, f"{step} It is cleared by itself.", _owner(alert.owner), address))
    return found


def _owner(name: str) -> Owner:
    return next((one for one in get_args(Owner) if one == name), "Administrator")


def _breaks(seen: Attention) -> list[Concern]:
    waiting = seen.breaks
    if not waiting.count:
        return []
    ended = "payment ended" if waiting.count == 1 else "payments ended"
    what = f"{waiting.count:,} {ended} otherwise than later evidence says, the oldest found {_age(waiting, seen.as_of)}."
    step = "Open it: it says who has the money. Compare the statements, then have it given back or booked. The payment itself stays as it is."
    return [Concern(":material/report:", "red", what, step, "Manager", {}, waiting.references)]


def _approvals(seen: Attention) -> list[Concern]:
    waiting = seen.approvals
    if not waiting.count:
        return []
    verb = "waits" if waiting.count == 1 else "wait"
    what = f"{counted(waiting.count, 'payment')} {verb} for a second person, the oldest proposed {_age(waiting, seen.as_of)}."
    step = "A manager who did not propose it decides on Approvals. What nobody decides in time is not done."
    return [Concern(":material/how_to_reg:", "blue", what, step, "Manager", {}, waiting.references)]


def _review(seen: Attention) -> list[Concern]:
    waiting = seen.under_review
    if not waiting.count:
        return []
    what = f"{counted(waiting.count, 'payment')} under review, the oldest submitted {_age(waiting, seen.as_of)}."
    step = "The biller or core banking contradicts itself, or cannot be asked: ask by telephone, then decide. Do not pay again."
    return [Concern(":material/gavel:", "violet", what, step, "Manager", UNDER_REVIEW, waiting.references)]


def _doubt(seen: Attention) -> list[Concern]:
    waiting = seen.in_doubt
    if not waiting.count:
        return []
    old = waiting.older_than.get(DOUBT_AGES[0], 0)
    # Of ages that as many are older than, the longest says it all.
    longest = {waiting.older_than[age]: age for age in DOUBT_AGES if waiting.older_than.get(age)}
    ages = ", ".join(f"{number:,} for more than {_length(age)}" for number, age in longest.items())
    what = f"{counted(waiting.count, 'payment')} in doubt{f' ({ages})' if ages else ''}, the oldest submitted {_age(waiting, seen.as_of)}."
    step = "The biller, or core banking, is asked about them by itself. Do not pay again." + (" Check one now if a customer waits." if old else "")
    return [Concern(":material/sync_problem:", "orange" if old else "blue", what, step, "Operator", IN_DOUBT, waiting.references)]


def _bank_legs(seen: Attention) -> list[Concern]:
    waiting = seen.bank_open
    if not waiting.count:
        return []
    what = (
        f"{counted(waiting.count, 'payment')} with an open core-banking leg for more than {_length(LONG_QUEUED)},"
        f" the oldest submitted {_age(waiting, seen.as_of)}."
    )
    step = "The customer was or may have been debited, or is owed something back. Core banking is asked by itself; open the oldest if it stays."
    return [Concern(":material/account_balance_wallet:", "orange", what, step, "Manager", BANK_OPEN, waiting.references)]


def _bank(seen: Attention) -> list[Concern]:
    if seen.bank_trouble is None:
        return []
    reason, opened_at = seen.bank_trouble
    step = "Payments with a debit wait: nobody is debited, and one tries every half minute. What is on its way is still asked about."
    return [
        Concern(":material/account_balance:", "red", f"{plain(reason)} That was {ago(opened_at, seen.as_of)}.", step, "Administrator", _list(Status.PENDING))
    ]


def _biller(biller: BillerState, now: datetime) -> list[Concern]:
    found, waiting = [], _list(Status.PENDING, biller.code)
    if biller.paused_because:
        what = f"{plain(biller.title)} is paused: {plain(biller.paused_because)}"
        found.append(Concern(":material/pause_circle:", "orange", what, "Payments wait until an administrator resumes it.", "Administrator", waiting))
    if biller.breaker_reason:
        since = f" That was {ago(biller.breaker_opened_at, now)}." if biller.breaker_opened_at else ""
        step = "One payment tries every half minute; the first that gets through opens the way for the others."
        found.append(Concern(":material/electrical_services:", "red", f"{plain(biller.breaker_reason)}{since}", step, "Administrator", waiting))
    return found


def _failing(biller: BillerState, recent: Figures | None, now: datetime) -> list[Concern]:
    if recent is None:
        return []
    failed, since = recent.payments_by_status.get(Status.FAILED, 0), recent_since(now, zone()).astimezone(zone())
    what = f"{plain(biller.title)}: {failed:,} of {recent.ended:,} payments that ended since {since:%H:%M %Z} have failed."
    step = "Open them: the codes say why. If it is the biller, an administrator pauses it until it has been spoken to."
    today, until = since.date(), time(0)
    asked = Asked(
        billers=(biller.code,), statuses=(Status.FAILED.value,), types=PAYMENT_TYPES, first_day=today, last_day=today, time_of_day=(since.time(), until)
    )
    return [Concern(":material/trending_down:", "red" if failed * 2 > recent.ended else "orange", what, step, "Manager", asked.address())]


def _queue(seen: Attention) -> list[Concern]:
    if not seen.queued_long:
        return []
    what = f"{counted(seen.queued_long, 'payment')} not sent after {_length(LONG_QUEUED)}, the oldest submitted {_age(seen.queued, seen.as_of)}."
    step = "Nothing was sent of them: each can be cancelled. They go out by themselves as soon as their biller may be sent to."
    return [Concern(":material/hourglass_top:", "orange", what, step, "Operator", _list(Status.PENDING), seen.queued.references)]


def _broken_acts(seen: Attention) -> list[Concern]:
    if not seen.broken_acts:
        return []
    latest, rows = seen.broken_acts[0], sum(one.rows for one in seen.broken_acts)
    acts = "" if len(seen.broken_acts) == 1 else f" in {len(seen.broken_acts)} acts"
    what = f"{counted(rows, 'row')} of bulk work broke off{acts}, the latest {ago(latest.oldest_at, seen.as_of)}."
    step = "Nothing was done to those rows by that act. Open it: the log knows why, under the incident it names. Then ask for it again."
    return [Concern(":material/playlist_remove:", "orange", what, step, "Administrator", {"bulk": str(latest.id)})]


def _rollups(seen: Attention) -> list[Concern]:
    if not seen.rollups_differ:
        return []
    one = seen.rollups_differ == 1
    what = f"{counted(seen.rollups_differ, 'sum')} of the figures {'was' if one else 'were'} not what the transactions come to when they were compared."
    step = (
        f"{'It was' if one else 'They were'} made anew, and figures are right again. The log names {'it' if one else 'them'}: something wrote past the console."
    )
    return [Concern(":material/query_stats:", "orange", what, step, "Administrator")]


def _list(status: Status, *billers: str) -> Mapping[str, Any]:
    return Asked(billers=billers, statuses=(status.value,), types=PAYMENT_TYPES).address()


def _age(waiting: Waiting, now: datetime) -> str:
    return ago(waiting.oldest_at, now) if waiting.oldest_at else "just now"


def _length(age: timedelta) -> str:
    minutes = int(age.total_seconds()) // 60
    if minutes < 60:
        return counted(minutes, "minute")
    return "an hour" if minutes < 1440 else "a day"
