"""Writes a story down as the rows that the console itself would have left, had it happened; of most in a large demonstration, the first row only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from random import Random
from typing import Any, NamedTuple

import orjson

from core.access import SYSTEM
from core.ids import CROCKFORD, REFERENCE_LENGTH
from core.repositories.demo import AnswerRow, AttemptRow, EventRow, LegRow, Row, TokenRow, TransactionRow, mould_of
from core.security.vault import Ring, seal_secret
from core.services import tokens
from core.services.demo import endings, world
from core.services.demo.endings import Step
from core.services.demo.stories import Call, Person, Tale
from core.services.errands import VERBS
from core.services.policy import Reason
from core.states import MONEY_TYPES, LegKind, Stage, Topology, TransactionType
from core.wire.contract import Flow, Outcome, Verb

WORKER = "demonstration"

# STS: 66 bits as 20 digits.
TOKENS, TOKEN_DIGITS = 2**66, 20

# A reference of the demonstration begins with its moment, in milliseconds: references drawn at random would each go to a place of its own
# in a unique index of millions, and that would be most of the work of a large load. So many bits are left to chance.
CHANCE_BITS = 35
PAIRS = tuple(high + low for high in CROCKFORD for low in CROCKFORD)
BITS_OF_A_PAIR = tuple(range(REFERENCE_LENGTH * 5 - 10, -1, -10))


class Own(NamedTuple):
    """What of a transaction's row is its own: those columns of `TransactionRow`, in their order. All others it has in common with thousands."""

    id: str
    our_transaction_id: str
    account_number: str
    amount: str | None
    bundle_id: str | None
    invoice_number: str | None
    meter_number: str | None
    created_at: datetime
    expires_at: datetime | None
    customer_account_name: str | None
    external_transaction_id: str | None
    metadata: str | None
    processed_at: datetime | None
    completed_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Scribe:
    """`ring` seals the tokens that were sold. All that is drawn here comes from `random`, so that the same stories get the same names.

    One story `in_so_many` is written down whole; of the others there is the transaction alone, as it stands in lists, figures and files.
    `payloads`: of so many answers what was said is kept, word by word.
    """

    random: Random
    managers: Sequence[Person]
    ring: Ring
    in_so_many: int
    payloads: float
    # Rows without what is their own, by what they have in common.
    _moulds: dict[tuple[object, ...], str] = field(default_factory=dict)

    def is_told_whole(self) -> bool:
        """Whether the next story is. Drawn, so that no biller and no hour has more of them than another."""
        return self.random.randrange(self.in_so_many) == 0

    def rows(self, tale: Tale) -> Iterator[Row]:
        """The transaction and everything that is told of it."""
        return _Page(self, tale).rows()

    def line(self, tale: Tale) -> str:
        """The transaction alone, as COPY reads it. Of ten million rows all but their own columns is found ready."""
        scene, refusal = tale.scene, tale.refusal
        alike = (scene.market.snapshot.biller_type, tale.kind, tale.ending, scene.account_type and scene.account_type.code, refusal, scene.person.name)
        mould = self._moulds.get(alike)
        if mould is None:
            mould = self._moulds[alike] = mould_of(_row(tale, self.own(tale)), Own._fields)
        return mould % tuple([r"\N" if value is None else value if type(value) is str else str(value) for value in self.own(tale)])

    def own(self, tale: Tale, *, sells_token: bool = False) -> Own:
        """`sells_token`: one is sealed beside the row; only then the row says so."""
        scene, kind, ending, at = tale.scene, tale.kind, tale.ending, tale.at
        market, customer, price = scene.market, scene.customer, scene.price
        snapshot, trade = market.snapshot, market.trade
        moves_money, succeeded = kind in MONEY_TYPES, ending.stage is Stage.COMPLETED
        begun, reference = tale.begun, self.new_reference(tale.begun)
        invoice, external = None, None
        if market.flow is Flow.INVOICE:
            # Beginning with what no invoice of the sandbox begins with: one living payment an invoice is a rule of the database.
            invoice = f"{trade.mark}-D{reference[1:]}"
        if moves_money and ending.is_with_the_biller:
            external = f"{trade.mark}-{begun.year % 100:02}{begun.month:02}-{int(self.random.random() * 10**7):07}"
        ended = at(tale.steps[-1])
        last = len(tale.steps) - 1
        return Own(
            self.new_id(begun),
            reference,
            customer.number,
            _kwacha(price.tambala) if moves_money else None,
            price.bundle if kind is TransactionType.CONFIRM_BUNDLE else None,
            invoice if kind is TransactionType.CONFIRM_INVOICE else None,
            snapshot.meter_number(customer.number, scene.account_type),
            begun,
            at(snapshot.expires_after_minutes * 60) if moves_money else None,
            customer.name if trade.tells_name and (moves_money or succeeded) else None,
            external,
            _told(tale, invoice, sells_token) if succeeded else None,
            None if ending.processed_with is None else at(tale.steps[ending.processed_with]),
            ended if ending.completed_with == last else at(tale.steps[ending.completed_with]),
            ended,
        )

    def new_id(self, at: datetime) -> str:
        """A UUIDv7 of its moment, as `core.ids` mints them, but drawn from the seed."""
        drawn = self.random.getrandbits(74)
        return f"{int(at.timestamp() * 1000):012x}7{drawn >> 62:03x}{0b10 << 62 | drawn & (1 << 62) - 1:016x}"

    def new_reference(self, at: datetime) -> str:
        number = int(at.timestamp() * 1000) << CHANCE_BITS | self.random.getrandbits(CHANCE_BITS)
        return "".join([PAIRS[number >> bits & 1023] for bits in BITS_OF_A_PAIR])


def _row(tale: Tale, own: Own) -> TransactionRow:
    """The whole row. What is not `own` follows from what `Scribe.line` calls alike."""
    snapshot, ending, moves_money = tale.scene.market.snapshot, tale.ending, tale.kind in MONEY_TYPES
    code, message = ("expired", ending.steps[-1].reason) if ending is endings.EXPIRED else tale.refusal or (None, None)
    return TransactionRow(
        **own._asdict(),
        biller_config_id=tale.scene.market.config_id,
        config_version=tale.scene.market.version,
        biller_type=snapshot.biller_type,
        biller_name=snapshot.biller_name,
        transaction_type=str(tale.kind),
        # Over the counter: core banking has no part in it, whatever is configured.
        topology=str(Topology.NONE) if moves_money else None,
        account_type=tale.scene.account_type.code if tale.scene.account_type else None,
        currency=snapshot.default_currency,
        initiated_by=tale.scene.person.id,
        demo=True,
        stage=str(ending.stage),
        status=str(ending.status),
        version=len(ending.steps) + 1,
        lease_epoch=len(tale.calls),
        api_endpoint=snapshot.base_url if tale.calls else None,
        error_code=code,
        error_message=message and message.format(biller=snapshot.biller_name),
    )


def _told(tale: Tale, invoice: str | None, has_token: bool) -> str | None:
    """What the biller said beyond yes, as the pages show it."""
    market, customer, price = tale.scene.market, tale.scene.customer, tale.scene.price
    currency = market.snapshot.default_currency
    match tale.kind:
        case TransactionType.ACCOUNT_DETAILS:
            owed = {"balance": _kwacha(customer.owed), "balance_currency": currency} if market.flow is Flow.PLAIN else {}
            told: dict[str, Any] = {"name": customer.name, "state": "ACTIVE", **owed}
        case TransactionType.GET_INVOICE:
            due = {"amount_due": _kwacha(price.tambala), "amount_currency": currency}
            told = {"name": customer.name, "state": "OPEN", "invoice_number": invoice, **due}
        case _ if market.trade.sells_token and tale.kind in MONEY_TYPES:
            charges = price.tambala * world.CHARGES_PERCENT // 100
            units = Decimal(price.tambala - charges) / world.TAMBALA_OF_UNIT
            told = {"units": f"{units:.2f}", "charges": _kwacha(charges), **({"has_token": True} if has_token else {})}
        case _:
            return None
    return orjson.dumps(told).decode()


class _Page:
    """One tale, on its way to paper."""

    def __init__(self, scribe: Scribe, tale: Tale) -> None:
        self.scribe, self.random, self.tale, self.ending = scribe, scribe.random, tale, tale.ending
        self.scene, self.market, self.trade, self.snapshot = tale.scene, tale.scene.market, tale.scene.market.trade, tale.scene.market.snapshot
        self.moves_money = tale.kind.moves_money
        self.sells_token = self.moves_money and tale.ending.stage is Stage.COMPLETED and self.trade.sells_token
        self.own = scribe.own(tale, sells_token=self.sells_token)
        self.id, self.reference, self.external = self.own.id, self.own.our_transaction_id, self.own.external_transaction_id
        self.attempts = [scribe.new_id(tale.at(call.sent)) for call in tale.calls]

    def rows(self) -> Iterator[Row]:
        yield _row(self.tale, self.own)
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
        return self.scribe.new_reference(self.tale.begun)

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
        request, response = self._payloads(code, message) if self.random.random() < self.scribe.payloads else (None, None)
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
        amount = _kwacha(self.scene.price.tambala) if self.moves_money else None
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


def _kwacha(tambala: int) -> str:
    return f"{tambala // 100}.{tambala % 100:02}"


def _dashed(hexadecimal: str) -> str:
    """As the database writes a UUID, and as a secret is bound to its row."""
    return "-".join(hexadecimal[start:end] for start, end in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))


def _json(value: Mapping[str, Any]) -> str:
    return orjson.dumps({name: one for name, one in value.items() if one is not None}).decode()
