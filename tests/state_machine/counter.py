"""The counter the machine plays at: a database, the sandbox, hands for the workers, and a clock that goes only when it is told to.

Nothing sleeps. Time passes by making older whatever was written down: the database's moments, and those the workers remember.
"""

import asyncio
import json
import uuid
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg.types.json import Jsonb
from sqlalchemy.engine import URL

from core import clock
from core.ids import new_id
from core.services import drafts, settlement, sweeps
from core.services.errands import Errand, Result
from core.settings import settings
from core.worker import Lane, Worker
from tests.campaign.harness import until
from tests.matrix.town import BWB, LWB, SRWB, TNM, Bill, Town, new_account
from tests.state_machine.promises import RESTS, Seen
from tests.world import create_database, drop_database

DEADLINE_MS = 400
# Acts that come late come after our deadline, and within what the biller calls its longest.
LATE_SECONDS = 0.5
LONGEST_SECONDS = 60


@dataclass(frozen=True)
class Biller:
    """One biller as it is open here, and its operations in the sandbox by the verb that calls them."""

    code: str
    operations: Mapping[str, str]
    facts: Mapping[str, Any]

    @property
    def is_debited(self) -> bool:
        """Core banking takes the customer's money first."""
        return bool(self.facts.get("topology") == "SEPARATE")


SOAP = {"pay": "PostTransaction", "status": "GetTransactionStatus", "reverse": "ReverseTransaction"}
ESB = {"pay": "post-payment", "status": "GET transactions"}
BANK = {"debit": "POST transfers", "inquire": "GET transfers", "reverse": "DELETE transfers"}

ACCOUNT_AT_THE_BANK = "MWK1280600000001"

# One of each kind: certified, with and without a stated longest, before core banking and not; not certified; and one that cannot be asked at all.
BILLERS = (
    Biller(LWB, SOAP, {"inquiry_certified": True, "max_processing_seconds": LONGEST_SECONDS}),
    Biller(SRWB, SOAP, {"inquiry_certified": True, "max_processing_seconds": None, "topology": "SEPARATE", "credit_account": ACCOUNT_AT_THE_BANK}),
    Biller(BWB, ESB, {"dialect": "esb", "inquiry_certified": False, "topology": "COMPOSITE", "credit_account": ACCOUNT_AT_THE_BANK}),
    Biller(TNM, {"recharge": "recharge", "purchase_bundle": "recharge"}, {"inquiry_certified": False, "max_processing_seconds": None}),
)
BY_CODE = {biller.code: biller for biller in BILLERS}

# Accounts with a way of their own to be paid, beside those that simply pay; and at the bank, to be debited.
OWN_WAYS = ("10020003", "10020004", "10040001", "10040002", "10040003", "10050001", "10050003")
OWN_WAYS_AT_THE_BANK = (
    *("2020000002", "2020000003", "2020000006", "2020000007", "2030000001"),
    *("2030000002", "2040000001", "2040000002", "2040000003", "2050000001"),
)


# Enough for what is resent before its time is up, for a window that closes and is asked about three times, and for every schedule to end.
STEPS_WHILE_SETTLING = (1.0, 30.0, 130.0, *[60.0] * 3, 300.0, 900.0, 900.0, *[3_600.0] * 3, *[25 * 3_600.0] * 40)


@dataclass
class Claim:
    """What a worker holds and has not sent, and since when by the clock that its machine goes by."""

    errand: Errand
    since: float


class Counter(Town):
    """One database and one sandbox, for many lives of the machine one after the other."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.lives = 0
        # A life that broke off, or was found broken: what it left behind would be held against the next.
        self.is_spoilt = False
        self.database = self.connect()
        self._loop = asyncio.new_event_loop()

    def enter(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        super().enter(patch)

    def begin(self, **biller: Any) -> None:
        super().begin(**biller)
        self._connect_the_bank()
        self._worker = Worker()
        self._books: dict[str, tuple[int, dict[str, list[dict[str, Any]]]]] = {}
        self.other_manager = self.add_person("manager")
        self._forms = {one.code: {**self._look_through(one.code), **self._opened(one)} for one in BILLERS}

    def _connect_the_bank(self) -> None:
        bank = {
            "T24_API_URL": self.address_of("t24"),
            "T24_API_KEY": "sandbox-t24-key",
            "T24_COMPANY_ID": "MW0010001",
            "T24_TIMEOUT_MS": str(DEADLINE_MS),
            "T24_INQUIRY_CERTIFIED": "true",
            "T24_MAX_PROCESSING_SECONDS": str(LONGEST_SECONDS),
        }
        for name, value in bank.items():
            self._patch.setenv(name, value)
        settings.cache_clear()

    def end(self) -> None:
        self._loop.close()
        self.database.close()
        super().end()

    def _opened(self, biller: Biller) -> Mapping[str, Any]:
        """The biller as it is for the machine, and what a payload says of that."""
        usual = {"timeout_ms": DEADLINE_MS, "expires_after_minutes": 60, "concurrency": 64, "retry_attempts": 2}
        version = self.open(biller.code, **{**usual, **biller.facts})
        return {"config_version": version, "topology": biller.facts.get("topology", "NONE")}

    def _look_through(self, biller: str) -> Mapping[str, Any]:
        """The payload of a payment that went through the wizard: what the others are copies of."""
        form = self._asked(Bill(biller, new_account(biller)), self.operator)
        asked = [form[name] for name in ("lookup", "bundles") if name in form]
        while self.database.execute("SELECT 1 FROM transactions WHERE id = ANY (%s::uuid[]) AND stage IN ('CREATED', 'ASKING')", [asked]).fetchone():
            self.conclude([self.send(claim) for claim in self.claim("look up", "by hand")])
        shown = drafts.find(self.operator, self.freeze(form)).payload
        assert shown is not None
        return shown

    def draft_of(self, biller: Biller, account: str, amount: str, debited: str) -> uuid.UUID:
        """A draft as the review step leaves it, without the wizard before it."""
        payload = {**self._forms[biller.code], "account_number": account, "amount": amount}
        if biller.facts.get("topology"):
            payload |= {"debit_account": debited, "credit_account": ACCOUNT_AT_THE_BANK}
        made = new_id()
        self.database.execute(
            "INSERT INTO drafts (id, owner_id, form, payload, payload_hash, frozen_at) VALUES (%s, %s, '{}', %s, %s, now())",
            [made, self.operator.id, Jsonb(payload), drafts.hash_of(payload)],
        )
        return made

    def price_of(self, biller: Biller) -> str:
        return str(self._forms[biller.code]["amount"])

    # ---- Workers

    def claim(self, lane: str, holder: str, most: int = 64) -> list[Claim]:
        """One claim of the worker's own lane: up to so many of each biller."""
        (chosen,) = (one for one in self._lanes() if one.name == lane)
        slots, since = chosen.slots(), clock.boot_seconds()
        by_biller = {code: min(free, most) for code, free in slots.by_biller.items()}
        return [Claim(errand, since) for errand in chosen.claim(holder, by_biller, min(slots.most, most))]

    def _lanes(self) -> Sequence[Lane]:
        return self._worker._lanes

    def send(self, claim: Claim) -> Result:
        """The worker's own way over its own line; it refuses what it held for too long."""
        return self._loop.run_until_complete(self._worker._send(claim.errand, claim.since))

    def conclude(self, results: Sequence[Result]) -> None:
        if results:
            settlement.conclude(results)
            self._worker._breakers.note(results)

    def sweep(self) -> None:
        sweeps.settle_lost_leases()
        sweeps.give_up_overdue()

    # ---- Time

    def pass_time(self, seconds: float, ours: Sequence[uuid.UUID], claims: Sequence[Claim]) -> None:
        """Everything that is remembered of these payments was so much longer ago."""
        older = "- %(seconds)s * interval '1 s'"
        values = {"seconds": seconds, "ours": list(ours)}
        self.database.execute(
            f"UPDATE transactions SET next_action_at = next_action_at {older}, lease_until = lease_until {older}, expires_at = expires_at {older}"
            " WHERE id = ANY (%(ours)s)",
            values,
        )
        self.database.execute(
            f"UPDATE legs SET last_sent_at = last_sent_at {older}, last_asked_at = last_asked_at {older} WHERE transaction_id = ANY (%(ours)s)", values
        )
        self.database.execute(f"UPDATE breakers SET probe_at = probe_at {older}", values)
        for claim in claims:
            claim.since -= seconds

    def wait_for_late_acts(self) -> None:
        until(lambda: self.sandbox.control("GET", "/health")[1]["acts_to_come"] == 0, "the sandbox has acted on everything")

    def seconds_until_due(self, ours: Sequence[uuid.UUID]) -> float | None:
        """How long until somebody looks at one of these payments next; None when nobody ever will."""
        found = self.database.execute(
            "SELECT extract(epoch FROM min(next_action_at) - clock_timestamp())::float FROM transactions WHERE id = ANY (%s)", [list(ours)]
        ).fetchone()
        return found[0] if found else None

    # ---- Looking

    def look(self, ours: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, Seen]:
        """These payments as the database and the books have them."""
        rows = self.database.execute(
            "SELECT t.id, t.biller_type, t.our_transaction_id, t.topology, t.stage, t.status, t.version,"
            " t.next_action_at IS NOT NULL, t.lease_until IS NOT NULL, count(a.id), count(a.id) FILTER (WHERE a.leg = 'PAY'),"
            " (SELECT jsonb_object_agg(kind, reference) FROM legs WHERE transaction_id = t.id)"
            " FROM transactions t LEFT JOIN attempts a ON a.transaction_id = t.id AND a.verb NOT IN ('status', 'inquire') WHERE t.id = ANY (%s) GROUP BY t.id",
            [list(ours)],
        ).fetchall()
        return {row[0]: self._seen(*row[1:]) for row in rows}

    def _seen(self, biller: str, reference: str, *facts: Any) -> Seen:
        *told, legs = facts
        lines, bank = self._book(biller).get(reference, []), self._book("T24")
        debit = bank.get(legs.get("DEBIT", ""), [])
        return Seen(
            reference,
            *told,
            paid=_count(lines, "PAY"),
            paid_back=_count(lines, "REVERSAL"),
            debited=_count(debit, "DEBIT"),
            debited_back=_count(debit, "REVERSAL"),
            refunded=_count(bank.get(legs.get("REFUND", ""), []), "DEBIT"),
            number_at_the_biller=next((line["external_id"] for line in lines), None),
            number_at_the_bank=next((line["id"] for line in debit), None),
        )

    def _book(self, biller: str) -> Mapping[str, list[dict[str, Any]]]:
        """What a ledger has by reference. Only what was added since the last look is read."""
        path = self.sandbox.directory / f"{biller}.ledger.jsonl"
        read, known = self._books.setdefault(biller, (0, defaultdict(list)))
        if path.exists() and path.stat().st_size > read:
            with path.open("rb") as file:
                file.seek(read)
                whole = file.read().rpartition(b"\n")[0]
            for line in whole.splitlines():
                entry = json.loads(line)
                known[entry["reference"]].append(entry)
            self._books[biller] = (read + len(whole) + bool(whole), known)
        return known

    # ---- Between two lives

    def tidy(self) -> None:
        """Nothing of a life before this one happens in it: no fault, no pause, no open circuit."""
        self.sandbox.control("DELETE", "/faults")
        self.database.execute("UPDATE biller_configs SET is_active = true, paused_at = NULL, paused_reason = NULL WHERE version > 1")
        self.database.execute("DELETE FROM breakers")
        self._worker._breakers._recent.clear()

    def settle(self, ours: Sequence[uuid.UUID]) -> None:
        """Faults have stopped; the clock is set forward, by longer and longer steps, until nobody has anything to do any more."""
        self.tidy()
        self.wait_for_late_acts()
        for step in STEPS_WHILE_SETTLING:
            wait = self.seconds_until_due(ours)
            if wait is None:
                break
            self.pass_time(max(wait + 0.001, step), ours, [])
            self._one_round(ours)
        left = [seen for seen in self.look(ours).values() if seen.stage not in RESTS]
        assert not left, f"They never come to an end: {left}"

    def _one_round(self, ours: Sequence[uuid.UUID]) -> None:
        """What there is to do, and not six kinds of nothing."""
        due = self.database.execute("SELECT DISTINCT stage FROM transactions WHERE id = ANY (%s) AND next_action_at <= now()", [list(ours)]).fetchall()
        if any(stage.endswith("_SENDING") or stage in MAY_BE_OVERDUE for (stage,) in due):
            self.sweep()
        for lane in sorted({lane for (stage,) in due for lane in LANES_OF.get(stage, ())}):
            self.conclude([self.send(claim) for claim in self.claim(lane, "the one that tidies up")])


MAY_BE_OVERDUE = ("QUEUED", "DEBIT_RETRY", "DEBITED", "PAY_RETRY")

# Which lanes may have something to do for a row that stands there.
LANES_OF: Mapping[str, tuple[str, ...]] = {
    "QUEUED": ("debit", "send"),
    "DEBIT_RETRY": ("debit",),
    **dict.fromkeys(("DEBITED", "PAY_RETRY"), ("send",)),
    **dict.fromkeys(("DEBIT_UNKNOWN", "DEBIT_ACCEPTED", "REFUND_UNKNOWN"), ("inquire of the bank",)),
    **dict.fromkeys(("PAY_UNKNOWN", "PAY_ACCEPTED", "FAILED", "REVERSED"), ("inquire",)),
    **dict.fromkeys(("PAY_REJECTED", "REVERSAL_SENDING", "REVERSAL_UNKNOWN", "REFUND_SENDING"), ("return",)),
    **dict.fromkeys(("REVERSAL_REQUESTED", "PAY_REVERSAL_SENDING", "PAY_REVERSAL_UNKNOWN"), ("take back",)),
}


def _count(lines: Sequence[Mapping[str, Any]], kind: str) -> int:
    return sum(line["kind"] == kind for line in lines)


class Counters:
    """A counter for each life: the same one until it is spoilt, or has so many rows that judging them takes longer than living."""

    LIVES = 100

    def __init__(self, server: URL, template: URL, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self._server, self._template, self._directory, self._patch = server, template, directory, patch
        self._number = 0
        self._open: Counter | None = None
        self.tally: Tally[str] = Tally()

    def next(self) -> Counter:
        if self._open is not None and (self._open.is_spoilt or self._open.lives >= self.LIVES):
            self.close()
        if self._open is None:
            self._number += 1
            url = create_database(self._server, f"machine_{uuid.uuid4().hex[:12]}", template=self._template.database)
            # A factor of one: none of the waits is waited for.
            directory = self._directory / str(self._number)
            directory.mkdir()
            made = Counter(url, directory, "1")
            made.enter(self._patch)
            made.begin()
            self._open = made
        self._open.lives += 1
        return self._open

    def close(self) -> None:
        if self._open is not None:
            counter, self._open = self._open, None
            counter.end()
            drop_database(self._server, counter.url)


@contextmanager
def counters(server: URL, template: URL, directory: Path, patch: pytest.MonkeyPatch) -> Iterator[Counters]:
    made = Counters(server, template, directory, patch)
    try:
        yield made
    finally:
        made.close()
