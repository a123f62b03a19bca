"""What needs somebody, in words: each thing with its age, whose it is, and what to do next. One table of sentences; nothing here is drawn."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from core import clock
from core.models.alerts import Measure
from core.models.attention import Grade, Kind
from core.repositories.attention import Away
from core.repositories.heaps import Waiting
from core.repositories.statistics import BillerState, Figures
from core.services.alerts import WATCHED
from core.services.attention import Finding, Owner, findings
from core.services.health import recent_since
from core.services.statistics import DOUBT_AGES, LONG_QUEUED, Attention
from core.settings import CHECKOUT
from core.states import MONEY_TYPES, Status, TransactionType
from core.ui.figure_words import counted
from core.ui.filters import Asked
from core.ui.pieces import AUDIT, CONFIGURATIONS, TRANSACTIONS
from core.ui.words import Colour, ago, plain, zone

# In the order in which a filter shows them.
PAYMENT_TYPES = tuple(kind.value for kind in TransactionType if kind in MONEY_TYPES)
LOOKUP_TYPES = tuple(kind.value for kind in TransactionType if kind not in MONEY_TYPES)

IN_DOUBT = Asked(in_doubt=True, under_review=False).address()
UNDER_REVIEW = Asked(in_doubt=True, under_review=True).address()
BANK_OPEN = Asked(bank_open=True).address()

Failing = Mapping[str, Figures]

# What comes next, and the list behind it, where there is one.
ALERT_STEPS: Mapping[Measure, str] = {
    Measure.SUCCESS_RATE: "Open the failures: their codes say why. If it is the biller, an administrator pauses it until it has been spoken to.",
    Measure.ANSWER_P95: "Speak to the biller; customers wait meanwhile, and what takes too long goes into doubt.",
    Measure.DOUBT_AGE: "Check the oldest now, and speak to the biller. Do not pay again.",
    Measure.QUEUE_AGE: "See that a worker runs and the biller is not paused.",
    Measure.BREAKER_OPEN: "Speak to the biller. One payment tries every half minute, and the first that gets through opens the way.",
    Measure.DEAD_JOBS: "Open Jobs, Notifications and Reports: each says why. What is tried again, told again, or made is given up no more.",
}
ALERT_LISTS: Mapping[Measure, Mapping[str, Any]] = {
    Measure.SUCCESS_RATE: Asked(statuses=(Status.FAILED.value,), types=PAYMENT_TYPES).address(),
    Measure.DOUBT_AGE: IN_DOUBT,
    Measure.QUEUE_AGE: Asked(statuses=(Status.PENDING.value,), types=PAYMENT_TYPES).address(),
    Measure.BREAKER_OPEN: Asked(statuses=(Status.PENDING.value,), types=PAYMENT_TYPES).address(),
}


COLOURS: Mapping[Grade, Colour] = {Grade.GRAVE: "red", Grade.CARE: "orange", Grade.NOTE: "blue"}

# What a person must be allowed to see for a link to lead there.
RIGHTS: Mapping[Path, str] = {
    TRANSACTIONS: "transactions:read",
    CONFIGURATIONS: "billers:configure",
    AUDIT: "audit:read",
    **{
        CHECKOUT / "pages" / f"{name}.py": right
        for name, right in {
            "analytics": "statistics:read",
            "approvals": "approvals:read",
            "gate": "gate:sign_off",
            "jobs": "jobs:read",
            "notifications": "notifications:read",
            "reconciliation": "reconciliation:read",
            "reports": "reports:read",
        }.items()
    },
}
ANALYTICS, APPROVALS, GATE, JOBS, NOTIFICATIONS, RECONCILIATION, REPORTS = tuple(RIGHTS)[3:]


@dataclass(frozen=True, slots=True)
class Said:
    """What it is and what comes next, in markdown; where that is done, and our references of the oldest."""

    icon: str
    what: str
    next_step: str
    address: Mapping[str, Any] = field(default_factory=dict)
    page: Path | None = None
    references: Sequence[str] = ()
    colour: Colour | None = None


@dataclass(frozen=True, slots=True)
class Concern:
    """One line of the list, in markdown: what it is, how old, whose, and what comes next with the way there."""

    finding: Finding
    icon: str
    colour: Colour
    what: str
    next_step: str
    # How long ago it began, in words; nothing where nobody can know.
    age: str
    # Where the next step is done. No page: there is none to go to.
    page: Path | None
    address: Mapping[str, Any]
    references: Sequence[str]

    @property
    def owner(self) -> Owner:
        return self.finding.owner

    @property
    def came_back(self) -> str:
        """Why it stands here again although it was put off until later; nothing where it was not."""
        away, worse = self.finding.put_off, self.finding.worse
        if away is None or worse is None:
            return ""
        more = f": {away.weight:,} then, {self.finding.weight:,} now" if self.finding.weight > away.weight else ""
        return f"{plain(away.by)} had put it off until {when(away.until)}, and {worse.value}{more}."


def concerns(seen: Attention, failing: Mapping[str, Figures] | None = None, put_off: Iterable[Away] = ()) -> list[Concern]:
    """The gravest first, what is put off among them; none: nothing needs anybody. `failing` are the billers that do badly, with what they came to lately."""
    found = []
    for one in findings(seen, failing, put_off):
        said = WORDS[one.kind](one, seen, failing or {})
        page = said.page or (TRANSACTIONS if said.address else None)
        found.append(
            Concern(one, said.icon, said.colour or COLOURS[one.grade], said.what, said.next_step, _age(one, seen.as_of), page, said.address, said.references)
        )
    return found


def when(moment: datetime) -> str:
    """`14:30 CAT`, with its day where that is another one."""
    local, now = moment.astimezone(zone()), clock.now().astimezone(zone())
    return f"{local:%H:%M %Z}" if local.date() == now.date() else f"{local:%a} {local.day} {local:%b, %H:%M %Z}"


def length_of(age: timedelta) -> str:
    """`15 minutes`, `1 hour`, `3 days`."""
    minutes = int(age.total_seconds()) // 60
    if minutes < 60:
        return counted(minutes, "minute")
    return counted(minutes // 60, "hour") if minutes < 1440 else counted(minutes // 1440, "day")


# What happened when it began; of several, to the oldest.
BEGAN: Mapping[Kind, str] = {
    Kind.NO_WORKER: "Last heard of",
    Kind.GATE_CLOSED: "Closed",
    Kind.AUDIT_BROKEN: "Found",
    Kind.ALERT: "Raised",
    Kind.CONTRADICTED: "Oldest found",
    Kind.APPROVALS: "Oldest proposed",
    Kind.UNDER_REVIEW: "Oldest submitted",
    Kind.BANK_LEGS: "Oldest submitted",
    Kind.IN_DOUBT: "Oldest submitted",
    Kind.NOT_SENT: "Oldest submitted",
    Kind.PAUSED: "Paused",
    Kind.FAILING: "Counted since",
    Kind.BROKEN_ACTS: "Oldest",
    Kind.SUMS_DIFFERED: "Found",
    Kind.DIFFERENCES: "Oldest day ended",
    Kind.NO_STATEMENT: "Oldest day ended",
    Kind.NOT_SIGNED_OFF: "Oldest day ended",
    Kind.PROPOSED_ACTS: "Oldest proposed",
    Kind.PROPOSED_RULES: "Oldest proposed",
    Kind.PROPOSED_CHANGES: "Oldest proposed",
    Kind.NO_CREDENTIALS: "Dropped",
    Kind.CHANNEL_DOWN: "Went down",
    Kind.GIVEN_UP: "First given up",
    Kind.REPORTS_FAILED: "Oldest due",
    Kind.DEAD_JOBS: "Oldest given up",
    Kind.NOT_VERIFIED: "Last seen whole, or begun,",
}


def _age(one: Finding, now: datetime) -> str:
    return f"{BEGAN.get(one.kind, 'Began')} {ago(one.since, now)}" if one.since else ""


# ---- The words, kind by kind


def _wait(count: int) -> str:
    return "waits" if count == 1 else "wait"


def _no_worker(_one: Finding, seen: Attention, _failing: Failing) -> Said:
    if not seen.jobs_enabled:
        what, step = "Nobody sends payments: background jobs are off on this machine, and no worker runs elsewhere.", "Start a worker."
    else:
        what, step = "Nobody sends payments: no worker has been heard of for 15 seconds.", "Start the console again if none comes back."
    return Said(":material/power_off:", what, f"{step} Payments are kept and go out by themselves then.", _list(Status.PENDING))


def _gate(one: Finding, _seen: Attention, _failing: Failing) -> Said:
    what = f"Nothing is sent: the restore gate is closed. {plain(one.told or '')}"
    step = "What waits may have been paid already. Compare the billers' statements with what was lost, then sign the gate off."
    return Said(":material/front_hand:", what, step, page=GATE)


def _audit_broken(one: Finding, _seen: Attention, _failing: Failing) -> Said:
    what = f"The audit chain does not hold. {plain(one.told or '')}"
    step = "Somebody wrote past the console. Keep the database and its backups as they are, find out who could, and verify again."
    return Said(":material/policy_alert:", what, step, page=AUDIT)


def _alert(one: Finding, seen: Attention, _failing: Failing) -> Said:
    alert = next(alert for alert in seen.alerts if f"{alert.measure}/{alert.biller}" == one.about)
    where = f", {plain(_title(seen, alert.biller))}" if alert.biller else ""
    measure = Measure(alert.measure)
    address = dict(ALERT_LISTS.get(measure, {}))
    if address and alert.biller:
        address = {**address, **Asked(billers=(alert.biller,)).address()}
    page = JOBS if measure is Measure.DEAD_JOBS else None if address else ANALYTICS
    what, step = f"{WATCHED[measure].title}{where}: {plain(alert.told)}", f"{ALERT_STEPS[measure]} It is cleared by itself."
    return Said(":material/notifications_active:", what, step, address, page)


def _contradicted(_one: Finding, seen: Attention, _failing: Failing) -> Said:
    waiting = seen.breaks
    ended = "payment ended" if waiting.count == 1 else "payments ended"
    step = "Open it: it says who has the money. Compare the statements, then have it given back or booked. The payment itself stays as it is."
    what = f"{waiting.count:,} {ended} otherwise than later evidence says."
    return Said(":material/report:", what, step, _story(waiting), references=waiting.references)


def _approvals(_one: Finding, seen: Attention, _failing: Failing) -> Said:
    waiting = seen.approvals
    step = "A manager who did not propose it decides on Approvals. What nobody decides in time is not done."
    what = f"{counted(waiting.count, 'payment')} {_wait(waiting.count)} for a second person."
    return Said(":material/how_to_reg:", what, step, page=APPROVALS, references=waiting.references)


def _review(_one: Finding, seen: Attention, _failing: Failing) -> Said:
    step = "The biller or core banking contradicts itself, or cannot be asked: ask by telephone, then decide. Do not pay again."
    what = f"{counted(seen.under_review.count, 'payment')} under review."
    return Said(":material/gavel:", what, step, UNDER_REVIEW, references=seen.under_review.references, colour="violet")


def _doubt(_one: Finding, seen: Attention, _failing: Failing) -> Said:
    waiting = seen.in_doubt
    # Of ages that as many are older than, the longest says it all.
    longest = {waiting.older_than[age]: age for age in DOUBT_AGES if waiting.older_than.get(age)}
    ages = ", ".join(f"{number:,} for more than {_length(age)}" for number, age in longest.items())
    step = "The biller, or core banking, is asked about them by itself. Do not pay again." + (" Check one now if a customer waits." if longest else "")
    what = f"{counted(waiting.count, 'payment')} in doubt{f' ({ages})' if ages else ''}."
    return Said(":material/sync_problem:", what, step, IN_DOUBT, references=waiting.references)


def _bank_legs(_one: Finding, seen: Attention, _failing: Failing) -> Said:
    what = f"{counted(seen.bank_open.count, 'payment')} with an open core-banking leg for more than {_length(LONG_QUEUED)}."
    step = "The customer was or may have been debited, or is owed something back. Core banking is asked by itself; open the oldest if it stays."
    return Said(":material/account_balance_wallet:", what, step, BANK_OPEN, references=seen.bank_open.references)


def _bank(_one: Finding, seen: Attention, _failing: Failing) -> Said:
    step = "Payments with a debit wait: nobody is debited, and one tries every half minute. What is on its way is still asked about."
    return Said(":material/account_balance:", plain(seen.bank_trouble[0] if seen.bank_trouble else ""), step, _list(Status.PENDING))


def _paused(one: Finding, seen: Attention, _failing: Failing) -> Said:
    biller = _biller(seen, one.about)
    what = f"{plain(biller.title)} is paused: {plain(biller.paused_because)}"
    return Said(":material/pause_circle:", what, "Payments wait until an administrator resumes it.", _list(Status.PENDING, biller.code))


def _not_answering(one: Finding, seen: Attention, _failing: Failing) -> Said:
    biller = _biller(seen, one.about)
    step = "One payment tries every half minute; the first that gets through opens the way for the others."
    return Said(":material/electrical_services:", plain(biller.breaker_reason), step, _list(Status.PENDING, biller.code))


def _failing(one: Finding, seen: Attention, failing: Failing) -> Said:
    biller, recent, since = _biller(seen, one.about), failing[one.about], recent_since(seen.as_of, zone()).astimezone(zone())
    failed = recent.payments_by_status.get(Status.FAILED, 0)
    what = f"{plain(biller.title)}: {failed:,} of {recent.ended:,} payments that ended since {since:%H:%M %Z} have failed."
    step = "Open them: the codes say why. If it is the biller, an administrator pauses it until it has been spoken to."
    today, until = since.date(), time(0)
    asked = Asked(
        billers=(biller.code,), statuses=(Status.FAILED.value,), types=PAYMENT_TYPES, first_day=today, last_day=today, time_of_day=(since.time(), until)
    )
    return Said(":material/trending_down:", what, step, asked.address())


def _not_sent(_one: Finding, seen: Attention, _failing: Failing) -> Said:
    what = f"{counted(seen.queued_long, 'payment')} not sent after {_length(LONG_QUEUED)}."
    step = "Nothing was sent of them: each can be cancelled. They go out by themselves as soon as their biller may be sent to."
    return Said(":material/hourglass_top:", what, step, _list(Status.PENDING), references=seen.queued.references)


def _broken_acts(_one: Finding, seen: Attention, _failing: Failing) -> Said:
    rows = sum(one.rows for one in seen.broken_acts)
    acts = "" if len(seen.broken_acts) == 1 else f" in {len(seen.broken_acts)} acts"
    step = "Nothing was done to those rows by that act. Open it: the log knows why, under the incident it names. Then ask for it again."
    return Said(":material/playlist_remove:", f"{counted(rows, 'row')} of bulk work broke off{acts}.", step, {"bulk": str(seen.broken_acts[0].id)})


def _sums(_one: Finding, seen: Attention, _failing: Failing) -> Said:
    one = seen.rollups_differ == 1
    what = f"{counted(seen.rollups_differ, 'sum')} of the figures {'was' if one else 'were'} not what the transactions come to when they were compared."
    step = (
        f"{'It was' if one else 'They were'} made anew, and figures are right again. The log names {'it' if one else 'them'}: something wrote past the console."
    )
    return Said(":material/query_stats:", what, step, page=ANALYTICS)


def _differences(one: Finding, seen: Attention, _failing: Failing) -> Said:
    are = "difference is" if one.count == 1 else "differences are"
    what = f"{one.count:,} {are} open between billers' statements and our days, the oldest {_day(one, seen)}."
    return Said(":material/balance:", what, "Settle or explain each of them: then the day can be signed off.", _days_address(one), RECONCILIATION)


def _no_statement(one: Finding, seen: Attention, _failing: Failing) -> Said:
    what = f"{counted(one.count, 'day')} of billers with payments {'has' if one.count == 1 else 'have'} no statement yet, the oldest {_day(one, seen)}."
    step = "Ask the biller for it, and import it: until then nobody knows whether the biller has what we have."
    return Said(":material/upload_file:", what, step, _days_address(one), RECONCILIATION)


def _not_signed_off(one: Finding, seen: Attention, _failing: Failing) -> Said:
    what = f"{counted(one.count, 'day')} of billers without open differences {_wait(one.count)} to be signed off,"
    step = "A manager who imported nothing of it signs it off."
    return Said(":material/signature:", f"{what} the oldest {_day(one, seen)}.", step, _days_address(one), RECONCILIATION)


def _proposed_acts(one: Finding, _seen: Attention, _failing: Failing) -> Said:
    what = f"{counted(one.count, 'act')} on many payments {_wait(one.count)} for a second person."
    step = "A manager who did not ask for it decides about the whole of it on Approvals. What nobody decides in time is not done."
    return Said(":material/checklist:", what, step, page=APPROVALS)


def _proposed_rules(one: Finding, _seen: Attention, _failing: Failing) -> Said:
    what = f"{counted(one.count, 'rule')} of who decides alone {_wait(one.count)} for a second administrator."
    step = "Somebody who did not propose it decides on Approvals. Until then the rules are what they were."
    return Said(":material/rule:", what, step, page=APPROVALS)


def _proposed_changes(one: Finding, _seen: Attention, _failing: Failing) -> Said:
    what = f"{counted(one.count, 'change')} of billers' configurations {_wait(one.count)} for a second administrator."
    return Said(":material/tune:", what, "Somebody who did not propose it decides. What nobody decides in time is not done.", page=CONFIGURATIONS)


def _no_credentials(one: Finding, seen: Attention, _failing: Failing) -> Said:
    what = f"{plain(_title(seen, one.about))} has no credentials: its host changed, and the old ones are not given to another."
    step = "Enter those of the new host; until then it refuses whatever asks for them."
    return Said(":material/key_off:", what, step, {"id": one.told or ""}, CONFIGURATIONS)


def _channel_down(one: Finding, _seen: Attention, _failing: Failing) -> Said:
    waits = f" {counted(one.count, 'notice')} {_wait(one.count)}." if one.count else ""
    what = f"Nobody is told by “{plain(one.told or '')}”: it does not take what it is given.{waits}"
    step = "Send a test by it: the answer says why. What waits goes out by itself, and payments go on meanwhile."
    return Said(":material/notifications_off:", what, step, page=NOTIFICATIONS)


def _given_up(one: Finding, _seen: Attention, _failing: Failing) -> Said:
    what = f"{counted(one.count, 'notice')} {'was' if one.count == 1 else 'were'} given up within a day: nobody was told."
    step = "Open the log: it has the answer to each try. Mend the address or the channel, then tell it again."
    return Said(":material/unsubscribe:", what, step, page=NOTIFICATIONS)


def _reports_failed(one: Finding, _seen: Attention, _failing: Failing) -> Said:
    what = f"{counted(one.count, 'report')} could not be made, however often it was tried. {plain(one.told or '')}".rstrip()
    return Said(":material/summarize:", what, "It is tried again by itself. Make it by hand meanwhile: then it says why it cannot be made.", page=REPORTS)


def _dead_jobs(one: Finding, _seen: Attention, _failing: Failing) -> Said:
    what = f"{counted(one.count, 'job')} in the background {'is' if one.count == 1 else 'are'} dead: nothing tries again."
    return Said(":material/manufacturing:", what, "Open it: its last run says why. Mend that, and have it tried again.", {"state": "dead"}, JOBS)


def _not_verified(_one: Finding, _seen: Attention, _failing: Failing) -> Said:
    what = "Nobody verified the audit chain for more than a week."
    return Said(":material/policy:", what, "Verify it: what was changed past the console shows, and when it was still whole is on the record.", page=AUDIT)


def _retired_key(one: Finding, _seen: Attention, _failing: Failing) -> Said:
    what = f"{plain(one.told or '')} would seal with the retired key {plain(one.about)}: the database refuses whatever it seals."
    step = "Give that worker the key ring that the console has, and start it again. Tokens it is told are not kept until then."
    return Said(":material/key:", what, step)


WORDS: Mapping[Kind, Callable[[Finding, Attention, Failing], Said]] = {
    Kind.NO_WORKER: _no_worker,
    Kind.GATE_CLOSED: _gate,
    Kind.AUDIT_BROKEN: _audit_broken,
    Kind.ALERT: _alert,
    Kind.CONTRADICTED: _contradicted,
    Kind.APPROVALS: _approvals,
    Kind.UNDER_REVIEW: _review,
    Kind.BANK_LEGS: _bank_legs,
    Kind.IN_DOUBT: _doubt,
    Kind.BANK_TROUBLE: _bank,
    Kind.PAUSED: _paused,
    Kind.NOT_ANSWERING: _not_answering,
    Kind.FAILING: _failing,
    Kind.NOT_SENT: _not_sent,
    Kind.BROKEN_ACTS: _broken_acts,
    Kind.SUMS_DIFFERED: _sums,
    Kind.DIFFERENCES: _differences,
    Kind.NO_STATEMENT: _no_statement,
    Kind.NOT_SIGNED_OFF: _not_signed_off,
    Kind.PROPOSED_ACTS: _proposed_acts,
    Kind.PROPOSED_RULES: _proposed_rules,
    Kind.PROPOSED_CHANGES: _proposed_changes,
    Kind.NO_CREDENTIALS: _no_credentials,
    Kind.CHANNEL_DOWN: _channel_down,
    Kind.GIVEN_UP: _given_up,
    Kind.REPORTS_FAILED: _reports_failed,
    Kind.DEAD_JOBS: _dead_jobs,
    Kind.NOT_VERIFIED: _not_verified,
    Kind.RETIRED_KEY: _retired_key,
}


# ---- Small


def _biller(seen: Attention, code: str) -> BillerState:
    return next(biller for biller in seen.billers if biller.code == code)


def _title(seen: Attention, code: str) -> str:
    return next((biller.title for biller in seen.billers if biller.code == code), code)


def _day(one: Finding, seen: Attention) -> str:
    """Which day is the oldest, of which biller: `24 Nov 2026 of LWB postpaid`."""
    code, _, day = (one.told or "").partition(" ")
    told = date.fromisoformat(day)
    return f"{told.day} {told:%b %Y} of {plain(_title(seen, code))}"


def _days_address(one: Finding) -> Mapping[str, str]:
    """The oldest day itself."""
    code, _, day = (one.told or "").partition(" ")
    return {"biller": code, "day": day}


def _story(waiting: Waiting) -> Mapping[str, str]:
    return {"id": waiting.references[0]} if waiting.references else {}


def _list(status: Status, *billers: str) -> Mapping[str, Any]:
    return Asked(billers=billers, statuses=(status.value,), types=PAYMENT_TYPES).address()


def _length(age: timedelta) -> str:
    minutes = int(age.total_seconds()) // 60
    if minutes < 60:
        return counted(minutes, "minute")
    return "an hour" if minutes < 1440 else "a day"
