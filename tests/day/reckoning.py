"""Whether console, ledgers, closes and letters tell the same of the day; and its figures as a table."""

import hashlib
import hmac
import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from core.money import Money
from core.wire.notice import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, signature
from tests.campaign.evidence import books_in
from tests.campaign.oracle import Report
from tests.day.bank import BY_MAIL, Bank
from tests.day.plan import Plan
from tests.notifications.receivers import Heard
from tests.receipts.reading import drawn

LATE_AND_KEPT = "SELECT t.our_transaction_id FROM breaks b JOIN transactions t ON t.id = b.transaction_id WHERE b.kind = 'LATE_SUCCESS'"
# What happened to payments, told without asking the outbox: each is to have been told of.
HAPPENED = """
    SELECT count(*) FROM events e JOIN transactions t ON t.id = e.transaction_id
    WHERE t.amount IS NOT NULL AND e.to_stage IN ('COMPLETED', 'FAILED', 'REVIEW')
    """
TOLD_OF = "SELECT count(*) FROM notification_events WHERE event IN ('payment.completed', 'payment.failed', 'payment.under_review')"
# Each event is told by the webhook once, and by mail once where mail tells of it.
SPREAD_OTHERWISE = """
    SELECT e.event || ' ' || e.id FROM notification_events e
    LEFT JOIN notification_deliveries d ON d.event_id = e.id LEFT JOIN notification_channels c ON c.id = d.channel_id
    GROUP BY e.id HAVING count(*) FILTER (WHERE c.medium = 'webhook') <> 1 OR count(*) FILTER (WHERE c.medium = 'email') <> (e.event = ANY (%s))::int
    """
DELIVERIES = "SELECT d.id::text, c.medium, d.state FROM notification_deliveries d JOIN notification_channels c ON c.id = d.channel_id"
OPEN_DAYS = """
    SELECT d.biller_type || ' ' || d.day, d.open FROM reconciliation_days d WHERE d.open > 0 OR NOT EXISTS (
        SELECT FROM day_closes c WHERE c.biller_type = d.biller_type AND c.day = d.day AND c.reopened_at IS NULL)
    """

SIGNED = "SELECT biller_type, day, encode(sheet_sha256, 'hex') FROM day_closes WHERE reopened_at IS NULL"

# How a sheet begins its sums: completed payments of ours. Their number and their total follow.
OURS = "Ours: completed payments"

# What a closed day leaves nobody to do, in the words of the dashboard.
OVER = re.compile("under review|wait for a second person|waits for a second person|in doubt|open difference")


@dataclass
class Figures:
    """What happened, and what does not hold."""

    plan: Plan
    time_factor: str
    troubles: Mapping[str, int] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    paid_at_a_browser: int = 0
    workers_killed: int = 0
    mail_before: int = 0
    waited_for_mail: int = 0
    mistakes: Counter[str] = field(default_factory=Counter)
    imported: dict[str, str] = field(default_factory=dict)
    open_at_first: Mapping[str, int] = field(default_factory=dict)
    differences: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    needed_attention: Sequence[str] = ()
    needs_attention: Sequence[str] = ()
    # As they came from the browser, by biller and day.
    sheets: dict[tuple[str, date], bytes] = field(default_factory=dict)
    # Of each biller: completed payments and their total as the sheets say it, and as its own ledger does.
    totals: dict[str, tuple[tuple[int, Decimal], tuple[int, Decimal]]] = field(default_factory=dict)
    closes: int = 0
    open_days: Sequence[str] = ()
    statuses: Mapping[str, int] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    arrived: Counter[str] = field(default_factory=Counter)
    again: Counter[str] = field(default_factory=Counter)
    out_of_reach: int = 0
    report: Report = field(default_factory=Report)
    late: int = 0
    wrong: list[str] = field(default_factory=list)
    paying_seconds: float = 0.0
    settled_seconds: float = 0.0
    closed_seconds: float = 0.0
    seconds: float = 0.0

    def reckon(self, bank: Bank, promised: Mapping[uuid.UUID, uuid.UUID]) -> None:
        self._money(bank, promised)
        self._closes(bank)
        self._sheets(bank)
        self._letters(bank)
        self.wrong += [f"The dashboard still says: {one}" for one in self.needs_attention if OVER.search(one)]

    def _money(self, bank: Bank, promised: Mapping[uuid.UUID, uuid.UUID]) -> None:
        """The campaign's judge; but what a biller paid after the payment had failed is a break that is kept with it, and never a silent change."""
        city = bank.city
        city.promised |= promised
        self.report = report = city.judge()
        late = {reference for (reference,) in city.rows(LATE_AND_KEPT)}
        self.late = len(late)
        unpaid = [sentence for sentence in report.wrong if sentence.split()[0] in late and "is told as unpaid, and the biller has it" in sentence]
        self.wrong += [*report.double, *report.lost, *(one for one in report.wrong if one not in unpaid), *report.unsettled]
        self.statuses = dict(city.rows("SELECT status, count(*) FROM transactions WHERE amount IS NOT NULL GROUP BY status ORDER BY status"))
        if sum(self.statuses.values()) < self.plan.payments + self.paid_at_a_browser:
            self.wrong.append(f"{sum(self.statuses.values())} payments were made, of {self.plan.payments + self.paid_at_a_browser}.")

    def _closes(self, bank: Bank) -> None:
        self.open_days = [f"{name}: {left} open" for name, left in bank.city.rows(OPEN_DAYS)]
        self.closes = bank.city.value("SELECT count(*) FROM day_closes WHERE reopened_at IS NULL")
        self.wrong += [f"{one}, or not signed off." for one in self.open_days]
        if self.closes != len(self.open_at_first) or len(self.sheets) != self.closes or not self.closes:
            self.wrong.append(f"{self.closes} days were signed off with {len(self.sheets)} sheets, of {len(self.open_at_first)}.")

    def _sheets(self, bank: Bank) -> None:
        """Each is the one that was signed, can be read, and has what the biller's own ledger has; what was paid late is with the breaks instead."""
        signed = {(biller, day): digest for biller, day, digest in bank.city.rows(SIGNED)}
        told: defaultdict[str, tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
        for (biller, day), sheet in self.sheets.items():
            if hashlib.sha256(sheet).hexdigest() != signed.get((biller, day)):
                self.wrong.append(f"The sheet of {biller} for {day} is not the one that was signed.")
            words = drawn(sheet)
            count, money = words[words.index(OURS) + 1 : words.index(OURS) + 3]
            before = told[biller]
            told[biller] = before[0] + int(count.replace(",", "")), before[1] + Decimal(money.removeprefix("MWK ").replace(",", ""))
        late = {reference for (reference,) in bank.city.rows(LATE_AND_KEPT)}
        booked: defaultdict[str, tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
        for effect in books_in(bank.city.sandbox.directory).effects:
            if effect.reference not in late:
                way, before = -1 if effect.kind == "REVERSAL" else 1, booked[effect.biller]
                booked[effect.biller] = before[0] + way, before[1] + way * effect.amount
        self.totals = {biller: (told[biller], booked[biller]) for biller in sorted({*told, *booked})}
        for biller, (on_paper, in_the_ledger) in self.totals.items():
            if on_paper != in_the_ledger:
                self.wrong.append(f"{biller} has {_sum(in_the_ledger)} in its ledger, and the sheets say {_sum(on_paper)}.")

    def _letters(self, bank: Bank) -> None:
        """Each delivery that was written arrived, once, at whoever it was for; and each thing that happened to a payment has one."""
        arrived = {
            "email": Counter(bank.mail.ids()),
            "webhook": Counter(heard.headers[ID_HEADER] for heard in bank.hook.heard),
        }
        written = bank.city.rows(DELIVERIES)
        for delivery, medium, state in written:
            self.told[medium] += 1
            times = arrived[medium].pop(delivery, 0)
            self.arrived[medium] += times > 0
            self.again[medium] += max(0, times - 1)
            if (state, times) != ("delivered", 1):
                self.wrong.append(f"The {medium} {delivery} is {state}, and arrived {times} times.")
        self.wrong += [f"A {medium} arrived that nobody wrote: {one}." for medium, left in arrived.items() for one in left]
        self.wrong += [f"The webhook {heard.headers[ID_HEADER]} is not signed by its key." for heard in bank.hook.heard if not _is_signed(heard, bank.key)]
        self.wrong += [f"{name} was not told to each once." for (name,) in bank.city.rows(SPREAD_OTHERWISE, [*BY_MAIL])]
        happened, told_of = bank.city.value(HAPPENED), bank.city.value(TOLD_OF)
        if happened != told_of:
            self.wrong.append(f"{happened} times a payment was completed, failed or put under review, and {told_of} events tell of it.")
        self.out_of_reach = bank.city.value(
            "SELECT count(*) FROM notification_attempts a JOIN notification_deliveries d ON d.id = a.delivery_id WHERE NOT a.delivered AND d.address <> ''"
        )

    def shortfalls(self) -> list[str]:
        """A day on which little happened proves little."""
        floors = {
            "faults": (self.faults.total(), self.plan.payments // 20),
            "workers killed": (self.workers_killed, 1),
            "letters before the mail server went": (self.mail_before, 1),
            "letters that waited for the mail server": (self.waited_for_mail, self.plan.payments // 10),
            "tries while it was away": (self.out_of_reach, 1),
            "approved": (self.done["approved by itself"] + self.done["approved together"], 5 * self.plan.of_a_kind),
            "late successes": (self.late, 1),
            "mistyped lines that were paired": (self.done["paired"], self.mistakes["a mistyped line"]),
            "lines of the dashboard about what is to be closed": (sum(OVER.search(one) is not None for one in self.needed_attention), 3),
        }
        found = [f"{name}: {had} of {least}" for name, (had, least) in floors.items() if had < least]
        wanted = ("OURS_ONLY", "THEIRS_ONLY", "AMOUNT_DIFFERS", "DUPLICATE", "UNDER_REVIEW", "IN_DOUBT", "LATE_SUCCESS")
        return found + [f"no difference of the kind {kind}" for kind in wanted if not self.differences[kind]]

    def table(self) -> str:
        lines = [
            ("payments", f"{sum(self.statuses.values())}, {self.paid_at_a_browser} of them at a browser"),
            *((f"  {status}", str(count)) for status, count in self.statuses.items()),
            ("faults", f"{self.faults.total()} of {len(self.faults)} kinds"),
            *((f"  {what}", str(count)) for what, count in self.troubles.items()),
            ("workers killed", str(self.workers_killed)),
            ("statements imported", str(len(self.imported))),
            *((f"  {what}", str(count)) for what, count in self.mistakes.items()),
            ("differences", f"{self.differences.total()}, {sum(self.open_at_first.values())} of them open at first"),
            *((f"  {kind}", str(count)) for kind, count in sorted(self.differences.items())),
            ("worked through", ""),
            *((f"  {how}", str(count)) for how, count in sorted(self.done.items())),
            ("open at the end, days signed off", f"{len(self.open_days)}, {self.closes} with {len(self.sheets)} sheets"),
            ("on the sheets, and in the billers' ledgers", ""),
            *((f"  {biller}", f"{_sum(told)}; {_sum(booked)}") for biller, (told, booked) in self.totals.items()),
            ("the dashboard before", ""),
            *((f"  {one}", "") for one in self.needed_attention),
            ("the dashboard after", ""),
            *((f"  {one}", "") for one in self.needs_attention),
            ("paid late by a biller, kept as breaks", str(self.late)),
            *((f"{medium} told, arrived, arrived again", f"{count}, {self.arrived[medium]}, {self.again[medium]}") for medium, count in self.told.items()),
            ("mail server away", f"{self.waited_for_mail} letters waited, {self.out_of_reach} tries found it away"),
            ("double, lost, wrong, unsettled", f"{len(self.report.double)}, {len(self.report.lost)}, {len(self.wrong)}, {len(self.report.unsettled)}"),
            ("seconds", f"{self.paying_seconds:.0f} paying, {self.settled_seconds:.0f} settled, {self.closed_seconds:.0f} closed, {self.seconds:.0f} told"),
            ("time factor, seed", f"{self.time_factor}, {self.plan.seed}"),
        ]
        width = max(len(name) for name, value in lines if value)
        return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in lines)


def _sum(one: tuple[int, Decimal]) -> str:
    return f"{one[0]:,} payments, {Money(one[1])}"


def _is_signed(heard: Heard, key: str) -> bool:
    headers, body = heard.headers, heard.body
    return hmac.compare_digest(headers[SIGNATURE_HEADER], f"v1={signature(key, int(headers[TIMESTAMP_HEADER]), body)}")
