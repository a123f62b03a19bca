"""What works by the clock, as a table: each kind of job with its rhythm, its name in words and what it does. The program, the page and the tests read it.

What moves money, and what comes round every few seconds, is not here: the worker does that itself (core.worker).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.services import audit_heads, deliveries, idempotency, job_runs, people, reports, retention, rollups, workers


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Every minute, or at one minute of each hour: of UTC, so that it is the same hour everywhere and no clock change brings one twice."""

    minute: int | None = None

    @property
    def cron(self) -> str:
        return f"{'*' if self.minute is None else self.minute} * * * *"

    @property
    def words(self) -> str:
        return "every minute" if self.minute is None else "every hour"

    def next_after(self, moment: datetime) -> datetime:
        whole = moment.replace(second=0, microsecond=0)
        if self.minute is None:
            return whole + timedelta(minutes=1)
        at = whole.replace(minute=self.minute)
        return at if at > moment else at + timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job. `act` does it and answers in a sentence what was done; at each time it may have been done before, or be done again."""

    title: str
    does: str
    rhythm: Rhythm
    act: Callable[[], str]


def _make_reports() -> str:
    made = 0
    while taken := reports.make_due():
        made += taken
    return f"{_counted(made, 'report')} taken up." if made else "No report was due."


def _publish_head() -> str:
    head = audit_heads.publish_due()
    return f"Head {head.number:,} was published." if head else "Nothing was to be published."


def _look_ahead() -> str:
    workers.look_ahead()
    return "The coming months have their place."


def _forget_sign_ins() -> str:
    return _forgotten(people.forget_old(), "row")


def _put_old_away() -> str:
    gone = retention.put_old_away()
    return f"Put away: {', '.join(gone)}." if gone else "No month was to be put away."


def _forget_notices() -> str:
    return _forgotten(deliveries.forget_old(), "row")


def _forget_keys() -> str:
    return _forgotten(idempotency.forget_old(), "key")


def _verify_sums() -> str:
    return rollups.verify_lately().sentence


def _forget_jobs() -> str:
    return _forgotten(job_runs.forget_old(), "job")


def _forgotten(count: int, what: str) -> str:
    return f"{_counted(count, what)} forgotten." if count else "Nothing is old enough to be forgotten."


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


# Each at a minute of its own, so that they seldom meet.
KINDS: Mapping[str, Kind] = {
    "reports.make_due": Kind("Due reports", "Makes the reports that the schedules on Reports owe.", Rhythm(), _make_reports),
    "audit.publish_head": Kind("Audit chain's head", "Writes the chain's newest head down outside the database, when it is due.", Rhythm(), _publish_head),
    "months.look_ahead": Kind("Coming months", "Makes the tables that the stories of the coming months are written into.", Rhythm(7), _look_ahead),
    "sign_ins.forget": Kind("Old sign-ins", "Forgets tries to sign in after thirty days, and tickets that are past their use.", Rhythm(17), _forget_sign_ins),
    "months.put_away": Kind("Old months", "Puts months away that are older than BILLERS_KEEP_MONTHS says.", Rhythm(27), _put_old_away),
    "notifications.forget": Kind("Old notifications", "Forgets who was told of what after a quarter of a year.", Rhythm(37), _forget_notices),
    "sums.verify": Kind("Sums of figures", "Compares the sums that figures are read from with yesterday's and today's transactions.", Rhythm(47), _verify_sums),
    "idempotency.forget": Kind("Old request keys", "Forgets the Idempotency-Keys of programs after thirty days.", Rhythm(52), _forget_keys),
    "jobs.forget": Kind("Old jobs", "Forgets jobs that are over: what was done after two days, what failed after ninety.", Rhythm(57), _forget_jobs),
}
