"""A town of billers: the campaign's world with every biller of the sandbox open, and payments made in each one's own way."""

import tomllib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from psycopg.types.json import Jsonb
from sqlalchemy.engine import URL

from core import db
from core.access import Actor
from core.ids import new_id
from core.models import BillerConfigVersion
from core.models.snapshot import Snapshot
from core.repositories.billers import Billers
from core.security import vault
from core.services import claims, drafts, lookups, payments, settlement
from core.services.errands import Result
from core.settings import CHECKOUT
from core.states import Stage
from core.wire.contract import Outcome
from tests.campaign.harness import PATIENCE_SECONDS, QUICK_BILLER, WorkerProcess, World, until
from tests.world import create_database, drop_database

LWB, BWB, SRWB = "LWB_POSTPAID", "BWB_POSTPAID", "SRWB_POSTPAID"
PREPAID, MASM, REGISTRAR, TNM = "SRWB_PREPAID", "MASM", "REGISTER_GENERAL", "TNM_BUNDLES"

# Each biller as it is open here. Blantyre is reached over the bank's ESB, so that one board is met in either dialect.
OPEN: Mapping[str, Mapping[str, Any]] = {LWB: {}, SRWB: {}, BWB: {"dialect": "esb"}, PREPAID: {}, MASM: {}, REGISTRAR: {}, TNM: {"inquiry_certified": False}}

# More time for each call than the campaign has, so that a busy machine is no fault of its own, and fewer at once. The quiet window is
# (0 s + 60 s) × 0.01 + 2 s = 2.6 s. Whoever has a biller act late gives it a longer one.
PATIENT_BILLER: Mapping[str, Any] = {**QUICK_BILLER, "timeout_ms": 2_000, "max_processing_seconds": 0, "concurrency": 6}

SOAP_PAYMENT, ESB_PAYMENT = "PostTransaction", "post-payment"
PAYING = {LWB: SOAP_PAYMENT, SRWB: SOAP_PAYMENT, BWB: ESB_PAYMENT, PREPAID: "ConfirmInvoice", MASM: ESB_PAYMENT, REGISTRAR: ESB_PAYMENT, TNM: "recharge"}
ASKING = {
    **dict.fromkeys((LWB, SRWB, PREPAID), "GetTransactionStatus"),
    **dict.fromkeys((BWB, MASM, REGISTRAR), "GET transactions"),
}

# Each in the shape of its biller's numbers, and none that the sandbox gave a behaviour of its own.
_numbers = count(1)

IN_DOUBT = frozenset({Stage.DEBIT_UNKNOWN, Stage.DEBIT_ACCEPTED, Stage.PAY_UNKNOWN, Stage.PAY_ACCEPTED})
SETTLED = frozenset({Stage.COMPLETED, Stage.FAILED, Stage.CANCELLED, Stage.REVIEW})


def new_account(biller: str = LWB) -> str:
    number = next(_numbers)
    if biller == TNM:
        return f"0882{number:06d}"
    if biller == PREPAID:
        stem = f"37{number:08d}"
        return next(f"{stem}{digit}" for digit in range(10) if _is_meter(f"{stem}{digit}"))
    # The Registrar's fee follows from the last digit: one that is within its limits without a second person.
    return f"7{number:06d}1" if biller == REGISTRAR else f"7{number:07d}"


def _is_meter(number: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number))]
    return sum(value // 10 + value % 10 for value in doubled) % 10 == 0


@dataclass(frozen=True)
class Bill:
    """What an operator is about to pay."""

    biller: str = LWB
    account: str = ""
    amount: str = "5475.50"


class Town(World):
    """The world, and its other billers."""

    def begin(self, **biller: Any) -> None:
        super().begin(**biller)
        known = tomllib.loads((CHECKOUT / "seeds" / "sandbox.toml").read_text())["biller"]
        self._credentials = {row["code"]: {name: text for name, text in row.items() if name != "code"} for row in known}
        for code, facts in OPEN.items():
            self.open(code, **facts)

    def open(self, code: str, credentials: Mapping[str, str] | None = None, **changes: Any) -> int:
        """A new version of this biller's configuration, as an administrator would write it; answers its number."""
        facts = {**PATIENT_BILLER, **OPEN[code], "base_url": self.address_of(code), "is_active": True, **changes}
        with db.unit_of_work() as session:
            config = Billers(session).any_of(code)
            assert config is not None
            for name, value in facts.items():
                setattr(config, name, value)
            given = credentials or self._credentials[code]
            config.authentication = vault.seal_secret(given, "biller_configs", config.id, "authentication")
            config.version += 1
            session.flush()
            snapshot = Snapshot.of(config).model_dump(mode="json")
            session.add(BillerConfigVersion(config_id=config.id, version=config.version, snapshot=snapshot, authentication=config.authentication))
            return config.version

    def set_row(self, code: str, **columns: Any) -> None:
        """Changes the configuration's row and makes no version: switched off, paused."""
        with db.unit_of_work() as session:
            config = Billers(session).any_of(code)
            assert config is not None
            for name, value in columns.items():
                setattr(config, name, value)

    def address_of(self, code: str, port: int | None = None) -> str:
        return f"http://127.0.0.1:{port or self.sandbox.port}/{code.lower()}"

    # ---- Operators. A worker is at work.

    def ask_all(self, bills: Sequence[Bill], actor: Actor | None = None) -> list[dict[str, str]]:
        """The wizard up to the step before the review for each bill, all questions asked at once. Answers the forms."""
        answered: dict[int, dict[str, str]] = {}

        def all_answered() -> bool:
            # What was not answered is asked again, as an operator would.
            asked = {number: self._asked(bill, actor or self.operator) for number, bill in enumerate(bills) if number not in answered}
            answered.update({number: form for number, form in asked.items() if self._is_answered(form)})
            return len(answered) == len(bills)

        until(all_answered, f"the questions about {len(bills)} accounts are answered")
        return [answered[number] for number in range(len(bills))]

    def freeze(self, form: Mapping[str, str], actor: Actor | None = None) -> uuid.UUID:
        """The review step, under the configuration as it is now."""
        actor = actor or self.operator
        return drafts.freeze(actor, drafts.begin(actor, form).id).draft.id

    def draft_all(self, bills: Sequence[Bill], actor: Actor | None = None) -> list[uuid.UUID]:
        return [self.freeze(form, actor) for form in self.ask_all(bills, actor)]

    def copies_of(self, draft: uuid.UUID, how_many: int) -> list[uuid.UUID]:
        """Drafts like one that was looked through, each for an account of its own: a queue without five hundred wizards."""
        shown = drafts.find(self.operator, draft).payload
        assert shown is not None
        made = {new_id(): {**shown, "account_number": new_account(shown["biller_type"])} for _ in range(how_many)}
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO drafts (id, owner_id, form, payload, payload_hash, frozen_at) VALUES (%s, %s, '{}', %s, %s, now())",
                [(copy, self.operator.id, Jsonb(payload), drafts.hash_of(payload)) for copy, payload in made.items()],
            )
        return list(made)

    def pay_all(self, bills: Sequence[Bill], actor: Actor | None = None) -> list[uuid.UUID]:
        return [self.submit(draft, actor) for draft in self.draft_all(bills, actor)]

    def pay_bill(self, biller: str = LWB, account: str = "", amount: str = "5475.50", actor: Actor | None = None) -> uuid.UUID:
        return self.pay_all([Bill(biller, account or new_account(biller), amount)], actor)[0]

    def _asked(self, bill: Bill, actor: Actor) -> dict[str, str]:
        """The form as the operator leaves it, its questions on the way."""
        kind = {"account_type": "MEMBER"} if bill.biller == MASM else {}
        form = {"biller": bill.biller, "account": bill.account, "amount": bill.amount, **kind}
        form["lookup"] = str(lookups.ask(actor, bill.biller, bill.account, kind.get("account_type")))
        if bill.biller in (REGISTRAR, PREPAID):
            form["invoice"] = str(lookups.ask_invoice(actor, bill.biller, bill.account, bill.amount))
        if bill.biller == TNM:
            form |= {"bundles": str(lookups.ask_bundles(actor, bill.biller, bill.account)), "bundle": "D7"}
        return form

    def _is_answered(self, form: Mapping[str, str]) -> bool:
        asked = [uuid.UUID(form[name]) for name in ("lookup", "invoice", "bundles") if name in form]
        ends = [self.wait_for(one, Stage.COMPLETED, Stage.FAILED).stage for one in asked]
        return set(ends) == {Stage.COMPLETED.value}

    # ---- Accidents

    def hold_back(self, biller: str) -> None:
        """Payments to this biller wait in the queue, as while its circuit is open."""
        self.rows("INSERT INTO breakers (biller_type, probe_at, reason) VALUES (%s, now() + interval '1 day', 'Held back by a test.') RETURNING 1", biller)

    def let_go(self, biller: str) -> None:
        self.rows("DELETE FROM breakers WHERE biller_type = %s RETURNING 1", biller)
        self.rows("SELECT pg_notify('billers_work', '')")

    @contextmanager
    def held_back(self, biller: str) -> Iterator[None]:
        """The same for as long as the block lasts."""
        self.hold_back(biller)
        try:
            yield
        finally:
            self.let_go(biller)

    def freeze_with_the_answer_in_hand(self, worker: WorkerProcess, transaction_id: uuid.UUID) -> None:
        """Stops a worker between the biller's answer and its own conclusion, and has its lease run out. Its answer travels slowly enough."""
        self.watch(transaction_id, stages=frozenset({Stage.PAY_SENDING}))
        waits = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'billers'"
        with self.connect() as connection, connection.transaction():
            connection.execute("SELECT FROM transactions WHERE id = %s FOR UPDATE", [transaction_id])
            until(lambda: self.rows(waits), "the worker has the answer, and waits for its row")
            worker.freeze()
            # What it had begun in the database ends with the connection, as when a machine is asleep for long.
            for (pid,) in self.rows(waits):
                self.rows("SELECT pg_terminate_backend(%s)", pid)
            until(lambda: not self.rows(waits), "its connection is gone")
            past = "now() - interval '1 s'"
            connection.execute(f"UPDATE transactions SET lease_until = {past}, next_action_at = {past} WHERE id = %s", [transaction_id])

    # ---- Watching

    def watch(self, *transaction_ids: uuid.UUID, stages: frozenset[Stage] = SETTLED, seconds: float = PATIENCE_SECONDS) -> None:
        """Until all of them stand in one of `stages`, with somebody who keeps them open on the screen: each look has the biller asked where that is due."""

        def waiting() -> list[uuid.UUID]:
            rows = self.rows("SELECT id, stage FROM transactions WHERE id = ANY (%s)", list(transaction_ids))
            for one in (one for one, stage in rows if stage in IN_DOUBT and stage not in stages):
                payments.check_now(self.manager, one)
            return [one for one, stage in rows if stage not in stages]

        try:
            until(lambda: not waiting(), f"{len(transaction_ids)} payments come to {', '.join(sorted(stages))}", seconds)
        except AssertionError as error:
            raise AssertionError("\n\n".join([str(error), *map(self.tell, waiting())])) from None

    def expect(self, transaction_id: uuid.UUID, stage: Stage, *, effects: int, sends: int | None = None) -> None:
        """Where it stands, how often the biller's own book has it, and how often it was sent."""
        found = self.find(transaction_id)
        assert found.stage == stage.value, self.tell(transaction_id)
        assert [line["kind"] for line in self.booked(transaction_id)] == ["PAY"] * effects, self.tell(transaction_id)
        if sends is not None:
            assert self.leg(transaction_id)["sends"] == sends, self.tell(transaction_id)

    def booked(self, transaction_id: uuid.UUID) -> list[dict[str, Any]]:
        """The lines of the biller's own ledger under our reference."""
        found = self.find(transaction_id)
        return self.sandbox.ledger(found.our_transaction_id, found.biller_type)

    def arrived(self, transaction_id: uuid.UUID) -> int:
        """How many requests to pay reached the biller."""
        found = self.find(transaction_id)
        return len(self.sandbox.requests(found.biller_type, operation=PAYING[found.biller_type], reference=found.our_transaction_id))

    def leg(self, transaction_id: uuid.UUID, kind: str = "PAY") -> dict[str, Any]:
        names = ("reference", "tainted", "accepted", "sends", "inquiries", "not_found_in_a_row")
        (row,) = self.rows(f"SELECT {', '.join(names)} FROM legs WHERE transaction_id = %s AND kind = %s", transaction_id, kind)
        return dict(zip(names, row, strict=True))

    def answers(self, transaction_id: uuid.UUID, verb: str | None = None) -> list[str]:
        """What the calls about it were answered, in order. A verb narrows it: `status` is an inquiry."""
        asked = self.rows(
            "SELECT n.outcome FROM answers n JOIN attempts a ON a.id = n.attempt_id WHERE n.transaction_id = %s AND (%s::text IS NULL OR a.verb = %s)"
            " ORDER BY n.at, n.id",
            *(transaction_id, verb, verb),
        )
        return [outcome for (outcome,) in asked]

    def failures(self, transaction_id: uuid.UUID) -> list[str]:
        """The line's names for what went wrong in the calls that were to pay it."""
        found = self.rows(
            "SELECT n.failure FROM answers n JOIN attempts a ON a.id = n.attempt_id WHERE n.transaction_id = %s AND a.verb <> 'status'"
            " AND n.failure IS NOT NULL ORDER BY n.at, n.id",
            transaction_id,
        )
        return [failure for (failure,) in found]

    def stages(self, transaction_id: uuid.UUID) -> list[Stage]:
        """Every stage it has been in."""
        return [Stage(stage) for (stage,) in self.rows("SELECT to_stage FROM events WHERE transaction_id = %s ORDER BY version", transaction_id)]

    def age(self, transaction_id: uuid.UUID, seconds: float) -> None:
        """Everything about it was so long ago; it is looked at now."""
        moved = "UPDATE legs SET last_sent_at = last_sent_at - %s * interval '1 s', last_asked_at = last_asked_at - %s * interval '1 s'"
        self.rows(f"{moved} WHERE transaction_id = %s RETURNING 1", seconds, seconds, transaction_id)
        self.rows("UPDATE transactions SET next_action_at = now() WHERE id = %s RETURNING 1", transaction_id)

    def wait_to_be_retried(self, transaction_id: uuid.UUID) -> None:
        """The only one of Lilongwe's that is due was tried, and the door was shut."""
        [errand] = claims.claim_sends("by hand", {LWB: 1})
        assert errand.stand.id == transaction_id
        settlement.conclude([Result(errand, new_id(), Outcome.NOT_SENT, failure="connect_refused")])

    def expire(self, transaction_id: uuid.UUID) -> None:
        self.rows("UPDATE transactions SET expires_at = now() - interval '1 s' WHERE id = %s RETURNING 1", transaction_id)

    def acts(self, action: str, subject: object) -> int:
        """How often this was written into the audit trail about that."""
        return int(self.value("SELECT count(*) FROM audit_entries WHERE action = %s AND subject_id = %s", action, str(subject)))


@contextmanager
def new_town(server: URL, template: URL, directory: Path, patch: pytest.MonkeyPatch) -> Iterator[Town]:
    """A town in a database of its own, until the block ends."""
    url = create_database(server, f"town_{uuid.uuid4().hex[:12]}", template=template.database)
    town = Town(url, directory)
    town.enter(patch)
    try:
        town.begin()
        yield town
    finally:
        # Whatever the test did to the environment: the town's end is in its own.
        town.enter(patch)
        town.end()
        drop_database(server, url)
