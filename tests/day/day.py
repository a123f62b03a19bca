"""The day, from the first payment to the last signature."""

import random
import signal
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from core import clock
from core.sandbox.faults import DRAWN
from core.services import billers
from core.services.reconciliation import today
from tests.browser.conftest import chromium
from tests.campaign.city import BY_BILLER, LAG_SECONDS, LATE_SECONDS, SHORT_EXPIRY_MINUTES, Job, job_of
from tests.campaign.crowd import Told, notes_in, review
from tests.campaign.evidence import BANK
from tests.campaign.harness import WorkerProcess, until
from tests.campaign.nursery import Nursery
from tests.day import office
from tests.day.bank import Bank
from tests.day.people import Person
from tests.day.plan import Plan, troubles
from tests.day.reckoning import Figures

WORKERS = 2
COUNTERS = ("teller", "second-teller")
OPERATORS_AT_A_COUNTER = 8

# Ordered for payments one by one: an inquiry that is answered so goes to two people.
ORDERED = "wrong_amount"

LOOK_SECONDS = 0.1
TELL_SECONDS = 30.0

# From the last payment until everything is settled that settles by itself, on a busy machine.
SETTLES_SECONDS = 600.0
# A mail server that was away is asked again after two minutes at most.
TOLD_SECONDS = 400.0

# A statement's title, an empty line, the names of its columns and its total.
WITHOUT_A_PAYMENT = 4

UNSETTLED = """
    SELECT count(*) FROM transactions WHERE amount IS NOT NULL AND stage NOT IN
        ('COMPLETED', 'FAILED', 'CANCELLED', 'REVERSED', 'REVIEW', 'REVIEW_REVERSAL', 'AWAITING_APPROVAL') AND account_number <> ALL (%s)
    """
# Those about which somebody is asked within the next minute; of the day's clock, within twenty.
SOON = " AND coalesce(next_action_at, now()) < now() + interval '1 min'"
UNTOLD = """
    SELECT (SELECT count(*) FROM notification_events WHERE spread_at IS NULL) + (SELECT count(*) FROM notification_deliveries WHERE state = 'waiting')
    """
IN_HAND = "SELECT count(*) FROM notification_deliveries WHERE state = 'waiting' AND claim > 0 AND next_try_at > now() + interval '2 min'"


class Day:
    def __init__(self, bank: Bank, plan: Plan, directory: Path) -> None:
        self._bank = bank
        self._city = bank.city
        self._plan = plan
        self._directory = directory
        self._troubles = troubles(plan)
        self._figures = Figures(plan, bank.city.time_factor)
        self._chance = random.Random(plan.seed)
        self._told: dict[int, Told] = {}
        self._workers: list[WorkerProcess] = []
        self._first_day = today()

    def run(self) -> Figures:
        began, figures, city = clock.monotonic_seconds(), self._figures, self._city
        figures.troubles = self._troubles.counts
        self._workers = [self._new_worker() for _ in range(WORKERS)]
        city.reset_sandbox(late_seconds=LATE_SECONDS)
        for code in [*BY_BILLER, BANK]:
            city.sandbox.set(code, inquiry_lag_seconds=LAG_SECONDS)
        city.open_ways()
        with self._a_browser() as browser:
            self._pay_at_a_browser(browser)
        drafted = self._review_the_short_lived()
        self._switch_faults_on()
        self._pay_everything(drafted)
        figures.paying_seconds = clock.monotonic_seconds() - began
        self._stop_chance()
        until(lambda: city.sandbox.control("GET", "/health")[1]["acts_to_come"] == 0, "what billers do late is done", SETTLES_SECONDS)
        self._wait_until_settled_soon()
        figures.settled_seconds = clock.monotonic_seconds() - began
        with self._a_browser() as browser:
            self._close_the_day(browser)
        figures.closed_seconds = clock.monotonic_seconds() - began
        until(lambda: city.value(UNTOLD) == 0, "everybody was told", TOLD_SECONDS)
        figures.seconds = clock.monotonic_seconds() - began
        for worker in self._workers:
            worker.stop()
        figures.reckon(self._bank, {uuid.UUID(one.draft): uuid.UUID(one.transaction) for one in self._told.values() if one.draft})
        return figures

    def _new_worker(self) -> WorkerProcess:
        worker = self._city.start_worker()
        until(lambda: "ready" in worker.lines, "a worker is ready", SETTLES_SECONDS)
        return worker

    # ---- The payments

    def _pay_at_a_browser(self, browser: Browser) -> None:
        """Some of them, while nothing goes wrong yet."""
        teller = self._person(browser, "teller")
        for number in range(3):
            teller.pay(f"7900000{number}", f"{1_500 + number}")
        self._figures.paid_at_a_browser = 3
        teller.close()

    def _job(self, number: int) -> Job:
        return Job(**{**asdict(job_of(number, self._plan.seed)), **self._troubles.changed.get(number, {})})

    def _review_the_short_lived(self) -> Mapping[str, Mapping[str, str]]:
        """What is drafted keeps the configuration that it was drafted under: these end early, whatever becomes of them."""
        changed: dict[str, dict[str, str]] = {str(number): dict(change) for number, change in self._troubles.changed.items()}
        self._city.open_ways(SHORT_EXPIRY_MINUTES)
        for number in sorted(self._troubles.short_lived):
            job = self._job(number)
            form = {"biller": job.biller, "account": job.account, "amount": job.amount}
            changed[str(number)]["drafted"] = str(review(self._bank.people[COUNTERS[number % len(COUNTERS)]], job, form))
        self._city.open_ways()
        return changed

    def _switch_faults_on(self) -> None:
        for order in self._troubles.orders:
            status, said = self._city.sandbox.control("POST", "/faults/next", order.as_json())
            assert status == 200, said
        self._deal(self._plan.rate)

    def _deal(self, rate: float) -> None:
        """Chance deals so many faults; what was ordered stays ordered."""
        kinds = [kind for kind in DRAWN if kind != ORDERED]
        status, said = self._city.sandbox.control("PUT", "/faults", {"rate": rate, "kinds": kinds, "seed": self._plan.seed})
        assert status == 200, said

    def _stop_chance(self) -> None:
        counts = self._city.sandbox.control("GET", "/faults")[1]["counts"]
        for operations in counts.values():
            for kinds in operations.values():
                self._figures.faults.update(kinds)
        self._deal(0.0)

    def _pay_everything(self, changed: Mapping[str, Mapping[str, str]]) -> None:
        """Two counters pay; the mail server goes and comes back; a worker dies, and another takes its place."""
        nursery = Nursery(self._city.directory)
        began, plan = clock.monotonic_seconds(), self._plan
        notes = {number: self._city.directory / f"counter-{number}.jsonl" for number in range(len(COUNTERS))}
        try:
            counters = {number: self._open_counter(nursery, number, notes[number], began, changed) for number in notes}
            read, next_telling, mail_is, worker_lives = dict.fromkeys(notes, 0), began + TELL_SECONDS, "here", True
            while len(self._told) < plan.payments:
                for number, path in notes.items():
                    told, read[number] = notes_in(path, read[number])
                    self._told.update((one.job, one) for one in told)
                    if nursery.has_ended(counters[number]) and not self._has_all(number):
                        raise AssertionError(f"A counter gave up:\n{nursery.log.read_text(errors='replace')[-2_000:]}")
                share = len(self._told) / plan.payments
                if mail_is == "here" and share >= plan.mail_away[0]:
                    self._bank.mail.stop()
                    mail_is, self._figures.mail_before = "away", len(self._bank.mail.letters)
                elif mail_is == "away" and share >= plan.mail_away[1]:
                    self._figures.waited_for_mail = self._city.value("SELECT count(*) FROM notification_deliveries d WHERE state = 'waiting' AND address <> ''")
                    self._bank.mail.start()
                    mail_is = "back"
                if worker_lives and share >= plan.worker_dies_at:
                    worker_lives = not self._kill_a_worker()
                if plan.is_large and clock.monotonic_seconds() >= next_telling:
                    next_telling += TELL_SECONDS
                    print(f"  {(clock.monotonic_seconds() - began) / 60:5.1f} min: {len(self._told)} of {plan.payments} paid", flush=True)
                threading.Event().wait(LOOK_SECONDS)
            until(lambda: not worker_lives or self._kill_a_worker(), "a worker died")
        finally:
            nursery.close()

    def _open_counter(self, nursery: Nursery, number: int, notes: Path, began: float, changed: Mapping[str, Mapping[str, str]]) -> int:
        teller = self._bank.people[COUNTERS[number]]
        who: dict[str, Any] = {"id": str(teller.id), "username": teller.username, "display_name": teller.display_name, "role": teller.role}
        return nursery.bear(
            "operators",
            first=number,
            step=len(COUNTERS),
            payments=self._plan.payments,
            seed=self._plan.seed,
            rate=self._plan.pace,
            began=began,
            operators=OPERATORS_AT_A_COUNTER,
            changed=changed,
            notes=str(notes),
            actor={**who, "permissions": sorted(teller.permissions)},
        )

    def _has_all(self, counter: int) -> bool:
        return all(number in self._told for number in range(counter, self._plan.payments, len(COUNTERS)))

    def _kill_a_worker(self) -> bool:
        """`kill -9` with calls to billers out, and between two letters: what it had handed over and could not write down would rightly come again."""
        doomed = self._workers[0]
        doomed.freeze()
        if self._city.value(IN_HAND):
            doomed.thaw()
            return False
        doomed.signal(signal.SIGKILL)
        doomed.wait()
        self._workers[0] = self._new_worker()
        self._figures.workers_killed += 1
        return True

    # ---- The people

    @contextmanager
    def _a_browser(self) -> Iterator[Browser]:
        """Where it came to grief there is a picture of it."""
        with chromium() as browser:
            try:
                yield browser
            except BaseException:
                for number, context in enumerate(browser.contexts):
                    for page in context.pages:
                        page.screenshot(path=self._directory / f"grief-{number}.png")
                raise

    def _person(self, browser: Browser, name: str) -> Person:
        return Person(browser, self._bank.url, name, self._directory)

    def _close_the_day(self, browser: Browser) -> None:
        """Approvals, then statement by statement, difference by difference, signature by signature."""
        figures = self._figures
        analyst, manager, second = (self._person(browser, name) for name in ("analyst", "manager", "second-manager"))
        figures.needed_attention = manager.concerns()
        manager.picture("needs-attention")
        second.approve_everything()
        second.picture("approved-at-first")
        self._wait_until_settled_soon()
        names = billers.biller_names(self._bank.people["analyst"])
        days = [(code, day) for code in BY_BILLER for day in sorted({self._first_day, today()})]
        for code, day in days:
            if file := self._statement_of(code, day):
                figures.imported[code] = analyst.import_statement(names[code], file)
        analyst.picture("imported")
        stand = {(code, day): manager.open_day(code, day) for code, day in days}
        open_days = [one for one, left in stand.items() if left is not None]
        figures.open_at_first = {f"{code} {day}": stand[code, day] or 0 for code, day in open_days}
        figures.differences = Counter(self._differences(open_days))
        for code, day in open_days:
            manager.propose_what_the_statement_says(code, day)
        second.picture("reconciliation")
        second.approve_everything()
        second.picture("approved")
        self._wait_until_settled()
        for number, (code, day) in enumerate(open_days):
            analyst.work_through(code, day, pictures=number == 1)
        for code, day in open_days:
            figures.sheets[code, day] = second.sign_off(code, day, self._directory)
        second.picture("signed-off")
        figures.needs_attention = manager.concerns()
        manager.picture("needs-attention-afterwards")
        for person in (analyst, manager, second):
            figures.done.update(person.done)
            person.close()

    def _wait_until_settled_soon(self) -> None:
        """But for what people settle from the statement, and what would be asked about long after they have gone home: they look into it themselves."""
        confused = sorted(self._troubles.confused)
        until(lambda: self._city.value(UNSETTLED + SOON, confused) == 0, "what settles soon by itself has settled", SETTLES_SECONDS)

    def _wait_until_settled(self) -> None:
        until(lambda: self._city.value(UNSETTLED, []) == 0, "every payment has settled", SETTLES_SECONDS)

    def _statement_of(self, code: str, day: date) -> Path | None:
        text = office.written_by_the_sandbox(code, day)
        if len(text.splitlines()) <= WITHOUT_A_PAYMENT:
            return None
        # Two people settle from the statement what is in doubt: a statement that lies about that would have them do wrong, and rightly.
        doubtful = {account for (account,) in self._city.rows("SELECT account_number FROM transactions WHERE biller_type = %s AND status <> 'COMPLETED'", code)}
        text, mistakes = office.with_mistakes(text, self._plan.mistakes_at(code), self._troubles.accounts | doubtful, self._chance)
        self._figures.mistakes += mistakes
        return office.send(self._directory, code, day, text)

    def _differences(self, days: list[tuple[str, date]]) -> Counter[str]:
        found: Counter[str] = Counter()
        for code, day in days:
            for (figures,) in self._city.rows("SELECT figures FROM reconciliation_days WHERE biller_type = %s AND day = %s", code, day):
                found.update({kind: one["count"] for kind, one in figures.items() if kind not in ("MATCHED", "OTHER_DAY")})
        return found
