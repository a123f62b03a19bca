"""Writes a story down as the rows that the console itself would have left, had it happened."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from random import Random
from typing import Any

import orjson

from core.access import SYSTEM
from core.ids import CROCKFORD, REFERENCE_LENGTH
from core.repositories.demo import AnswerRow, AttemptRow, EventRow, LegRow, Row, TokenRow, TransactionRow
from core.security.vault import Ring, seal_secret
from core.services import tokens
from core.services.demo import endings, world
from core.services.demo.endings import Step
from core.services.demo.stories import Call, Person, Tale
from core.services.errands import VERBS
from core.services.policy import Reason
from core.states import LegKind, Stage, Topology, TransactionType
from core.wire.contract import Flow, Outcome, Verb

WORKER = "demonstration"

# STS: 66 bits as 20 digits.
TOKENS, TOKEN_DIGITS = 2**66, 20


@dataclass(frozen=True)
class Scribe:
    """`ring` seals the tokens that were sold. All that is drawn here comes from `random`, so that the same stories get the same names."""

    random: Random
    managers: Sequence[Person]
    ring: Ring

    def rows(self, tale: Tale) -> Iterator[Row]:
        return _Page(self, tale).rows()

    def new_id(self, at: datetime) -> str:
        """A UUIDv7 of its moment, as `core.ids` mints them, but drawn from the seed."""
        drawn = self.random.getrandbits(74)
        return f"{int(at.timestamp() * 1000):012x}7{drawn >> 62:03x}{0b10 << 62 | drawn & (1 << 62) - 1:016x}"

    def new_reference(self) -> str:
        return "".join(self.random.choices(CROCKFORD, k=REFERENCE_LENGTH))


class _Page:
    """One tale, on its way to paper."""

    def __init__(self, scribe: Scribe, tale: Tale) -> None:
        self.scribe, self.random, self.tale, self.ending = scribe, scribe.random, tale, tale.ending
        self.scene, self.market, self.trade, self.snapshot = tale.scene, tale.scene.market, tale.scene.market.trade, tale.scene.market.snapshot
        self.moves_money = tale.kind.moves_money
        self.succeeded = tale.ending.stage is Stage.COMPLETED
        self.sells_token = self.moves_money and self.succeeded and self.trade.sells_token
        self.id, self.reference = scribe.new_id(tale.begun), scribe.new_reference()
        self.attempts = [scribe.new_id(tale.at(call.sent)) for call in tale.calls]
        has_it = self.moves_money and tale.ending.is_with_the_biller
        self.external = f"{self.trade.mark}-{tale.begun:%y%m}-{self.random.randrange(10**7):07}" if has_it else None

    def rows(self) -> Iterator[Row]:
        yield self._transaction()
        if self.moves_money:
            yield from self._legs()
        for number, (attempt, call) in enumerate(zip(self.attempts, self.tale.calls, strict=True), start=1):
            yield self._attempt(number, attempt, call)
            yield self._answer(attempt, call)
        yield from self._events()
        if self.sells_token:
            secret = {"token": f"{self.random.randrange(TOKENS):0{TOKEN_DIGITS}}"}
            envelope = seal_secret(secret, tokens.TABLE, _dashed(self.id), tokens.COLUMN, self.scribe.ring)
            yield TokenRow(self.id, envelope, self.tale.at(self.tale.steps[-1]))

    @cached_property
    def reversal_reference(self) -> str:
        return self.scribe.new_reference()

    @cached_property
    def invoice_number(self) -> str:
        """Beginning with what no invoice of the sandbox begins with: one living payment an invoice is a rule of the database."""
        return f"{self.trade.mark}-D{self.reference[:10]}"

    def _transaction(self) -> TransactionRow:
        tale, snapshot, kind = self.tale, self.snapshot, self.scene.account_type
        number, price = self.scene.customer.number, self.scene.price
        code, message = self._complaint()
        knows_name = self.trade.tells_name and (self.moves_money or self.succeeded)
        return TransactionRow(
            id=self.id,
            biller_config_id=self.market.config_id,
            config_version=self.market.version,
            biller_type=snapshot.biller_type,
            biller_name=snapshot.biller_name,
            our_transaction_id=self.reference,
            transaction_type=str(tale.kind),
            # Over the counter: core banking has no part in it, whatever is configured.
            topology=str(Topology.NONE) if self.moves_money else None,
            account_number=number,
            account_type=kind.code if kind else None,
            amount=_kwacha(price.tambala) if self.moves_money else None,
            currency=snapshot.default_currency,
            bundle_id=price.bundle if tale.kind is TransactionType.CONFIRM_BUNDLE else None,
            invoice_number=self.invoice_number if tale.kind is TransactionType.CONFIRM_INVOICE else None,
            meter_number=snapshot.meter_number(number, kind),
            initiated_by=self.scene.person.id,
            created_at=tale.begun,
            demo=True,
            stage=str(self.ending.stage),
            status=str(self.ending.status),
            version=len(self.ending.steps) + 1,
            lease_epoch=len(tale.calls),
            expires_at=tale.at(snapshot.expires_after_minutes * 60) if self.moves_money else None,
            customer_account_name=self.scene.customer.name if knows_name else None,
            external_transaction_id=self.external,
            api_endpoint=snapshot.base_url if tale.calls else None,
            error_code=code,
            error_message=message,
            metadata=self._told(),
            processed_at=None if self.ending.processed_with is None else tale.at(tale.steps[self.ending.processed_with]),
            completed_at=tale.at(tale.steps[self.ending.completed_with]),
            updated_at=tale.at(tale.steps[-1]),
        )

    def _complaint(self) -> tuple[str | None, str | None]:
        if self.ending is endings.EXPIRED:
            return "expired", self._words(self.ending.steps[-1])
        return self.tale.refusal or (None, None)

    def _told(self) -> str | None:
        """What the biller said beyond yes, as the pages show it."""
        if not self.succeeded:
            return None
        customer, price, currency = self.scene.customer, self.scene.price, self.snapshot.default_currency
        match self.tale.kind:
            case TransactionType.ACCOUNT_DETAILS:
                owed = {"balance": str(_kwacha(customer.owed)), "balance_currency": currency} if self.market.flow is Flow.PLAIN else {}
                told: dict[str, Any] = {"name": customer.name, "state": "ACTIVE", **owed}
            case TransactionType.GET_INVOICE:
                due = {"amount_due": str(_kwacha(price.tambala)), "amount_currency": currency}
                told = {"name": customer.name, "state": "OPEN", "invoice_number": self.invoice_number, **due}
            case _ if self.sells_token:
                charges = price.tambala * world.CHARGES_PERCENT // 100
                units = Decimal(price.tambala - charges) / world.TAMBALA_OF_UNIT
                told = {"units": f"{units:.2f}", "charges": str(_kwacha(charges)), "has_token": True}
            case _:
                return None
        return orjson.dumps(told).decode()

    def _legs(self) -> Iterator[LegRow]:
        """The payment's, and the reversal's where there was one."""
        for kind, reference, verb in ((LegKind.PAY, self.reference, Verb.PAY), (LegKind.PAY_REVERSAL, self.reversal_reference, Verb.REVERSE)):
            sent = [call.sent for call in self.tale.calls if call.step.asks is verb]
            if not sent and kind is not LegKind.PAY:
                continue
            asked = [call.sent for call in self.tale.calls if call.step.asks is Verb.STATUS and kind is LegKind.PAY]
            yield LegRow(
                transaction_id=self.id,
                kind=str(kind),
                reference=reference,
                accepted=self.ending is endings.PAID_LATER,
                sends=len(sent),
                inquiries=len(asked),
                last_sent_at=self.tale.at(sent[-1]) if sent else None,
                last_asked_at=self.tale.at(asked[-1]) if asked else None,
                last_deadline_ms=self.snapshot.timeout_ms if sent else None,
                external_id=self.external if sent else None,
            )

    def _attempt(self, number: int, attempt: str, call: Call) -> AttemptRow:
        asks = call.step.asks
        leg, reference = (LegKind.PAY_REVERSAL, self.reversal_reference) if asks is Verb.REVERSE else (LegKind.PAY, self.reference)
        return AttemptRow(
            id=attempt,
            at=self.tale.at(call.sent),
            transaction_id=self.id,
            leg=str(leg) if self.moves_money else None,
            verb=str(asks if asks in (Verb.STATUS, Verb.REVERSE) else VERBS[self.tale.kind]),
            reference=reference if self.moves_money else self.scene.customer.number,
            config_version=self.market.version,
            lease_epoch=number,
            worker=WORKER,
        )

    def _answer(self, attempt: str, call: Call) -> AnswerRow:
        outcome, at = call.step.outcome, self.tale.at(call.answered)
        came = outcome is not Outcome.UNKNOWN
        code, message = self._said(outcome)
        request, response = self._payloads(code, message) if self.random.random() < world.WITH_PAYLOAD else (None, None)
        return AnswerRow(
            id=self.scribe.new_id(at),
            at=at,
            attempt_id=attempt,
            transaction_id=self.id,
            outcome=str(outcome),
            failure=None if came else "deadline",
            http_status=200 if came else None,
            code=code,
            message=message,
            external_id=self.external if came else None,
            duration_ms=round((call.answered - call.sent) * 1000),
            request=request,
            response=response if came else None,
        )

    def _said(self, outcome: Outcome) -> tuple[str | None, str | None]:
        match outcome:
            case Outcome.REJECTED:
                return self.tale.refusal or (None, None)
            case Outcome.ACCEPTED:
                return self.trade.later
            case Outcome.CONFIRMED if self.moves_money:
                return self.trade.yes
            case _:
                return None, None

    def _payloads(self, code: str | None, message: str | None) -> tuple[str, str]:
        """A conversation as it is kept: readable, and nothing in it that opens a door."""
        amount = str(_kwacha(self.scene.price.tambala)) if self.moves_money else None
        said = {"reference": self.reference, "account": self.scene.customer.number, "amount": amount}
        told = {"status": code or "ACTIVE", "message": message, "transactionId": self.external, "reference": self.reference}
        request = f"POST {self.snapshot.base_url}\ncontent-type: application/json\nauthorization: ***\n\n{_json(said)}"
        return request, f"200 OK\ncontent-type: application/json\n\n{_json(told)}"

    def _events(self) -> Iterator[EventRow]:
        person = self.scene.person
        yield EventRow(self.tale.begun, self.id, 1, None, str(Stage.CREATED), person.id, person.name, str(Reason.CREATED), "{}")
        before, attempts = Stage.CREATED, iter(self.attempts)
        for version, (at, step) in enumerate(zip(self.tale.steps, self.ending.steps, strict=True), start=2):
            facts = f'{{"outcome": "{step.outcome}", "attempt": "{_dashed(next(attempts))}"}}' if step.asks else "{}"
            who = self._who(step)
            actor_id, name = (who.id, who.name) if who else (None, SYSTEM.display_name)
            yield EventRow(self.tale.at(at), self.id, version, str(before), str(step.stage), actor_id, name, self._words(step), facts)
            before = step.stage

    def _who(self, step: Step) -> Person | None:
        """Whose act a step is; None: nobody's, it came by itself."""
        if step.by == "manager":
            return self.random.choice(self.scribe.managers)
        return self.scene.person if step.by == "initiator" else None

    def _words(self, step: Step) -> str:
        return step.reason.format(biller=self.snapshot.biller_name)


def _kwacha(tambala: int) -> Decimal:
    return Decimal(tambala).scaleb(-2)


def _dashed(hexadecimal: str) -> str:
    """As the database writes a UUID, and as a secret is bound to its row."""
    return "-".join(hexadecimal[start:end] for start, end in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))


def _json(value: Mapping[str, Any]) -> str:
    return orjson.dumps({name: one for name, one in value.items() if one is not None}).decode()
