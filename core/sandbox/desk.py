"""One request to one biller, from bytes to bytes. What was read in full is carried out, whether or not the client is still there."""

import asyncio

from core.sandbox.accounts import Customers
from core.sandbox.behaviours import Behaviour
from core.sandbox.billers import DIALECTS
from core.sandbox.book import Book
from core.sandbox.chance import Chance
from core.sandbox.delivery import Pace, Wire
from core.sandbox.faults import FAITHFUL, FAULTS, Fault
from core.sandbox.messages import SIGN_IN, Refused, Reply, Request, is_signed_in
from core.sandbox.teller import Settings, Teller
from core.sandbox.words import MOVES_MONEY, Acts, Answer, Ask, Verb


class Desk:
    def __init__(self, code: str, customers: Customers, book: Book, chance: Chance, pace: Pace) -> None:
        self.code = code
        self.dialect = DIALECTS[code]
        self.book = book
        self.settings = Settings()
        self.late: set[asyncio.Task[None]] = set()
        self._customers = customers
        self._chance = chance
        self._pace = pace
        self._teller = Teller(customers, book, self.settings, pace)

    async def serve(self, request: Request, path: str, wire: Wire) -> None:
        if self.settings.down:
            self.book.note(None, fault="down", behaviour=None, status=None)
            return
        try:
            ask = self._understand(request, path)
        except Refused as refused:
            self.book.note(None, fault=None, behaviour=None, status=refused.reply.status)
            await wire.send(refused.reply.encoded())
            return
        fault_name, behaviour_name, seconds = self._fate(ask)
        fault = FAULTS[fault_name] if fault_name else FAITHFUL
        pace = self._pace if fault.timed_by is None or seconds is None else self._pace.with_seconds(fault.timed_by, seconds)
        reply = await self._reply(ask, fault, pace)
        self.book.note(ask, fault=fault_name, behaviour=behaviour_name, status=None if fault.silent else reply.status)
        await fault.travels(wire, reply, pace)

    def _understand(self, request: Request, path: str) -> Ask:
        if not is_signed_in(request, self._customers.user, self._customers.password):
            raise Refused(SIGN_IN)
        return self.dialect.understand(request, path)

    def _fate(self, ask: Ask) -> tuple[str | None, str | None, float | None]:
        """The call's fault, its account's behaviour, and seconds ordered with the fault. A fault that was ordered or drawn goes before the account's own."""
        behaviour = self._teller.behaviour(ask)
        name = behaviour[0] if behaviour else None
        drawn = self._chance.draw(self.code, ask.operation, self.book.account_of(ask), ask.reference)
        if drawn is not None:
            return drawn[0], name, drawn[1]
        return _own_fault(ask, behaviour[1]) if behaviour else None, name, None

    async def _reply(self, ask: Ask, fault: Fault, pace: Pace) -> Reply:
        answer = await self._carry_out(ask, fault.acts, pace)
        return fault.writes(self.dialect.say(fault.says(answer), self.settings.fault_status))

    async def _carry_out(self, ask: Ask, acts: Acts, pace: Pace) -> Answer:
        if acts is Acts.NEVER:
            return Answer(ask)
        if acts is Acts.LATER:
            self._carry_out_later(ask, pace.late_seconds)
            return Answer(ask)
        answer = self._teller.answer(ask, acts)
        if ask.verb is not Verb.LOOKUP:
            # Nothing is told, about this call's effect or another's, that a crash could take back.
            await self.book.settled()
        return answer

    def _carry_out_later(self, ask: Ask, seconds: float) -> None:
        async def act() -> None:
            await asyncio.sleep(seconds)
            self._teller.answer(ask, Acts.AT_ONCE)
            await self.book.settled()

        if ask.verb in MOVES_MONEY:
            task = asyncio.create_task(act())
            self.late.add(task)
            task.add_done_callback(self.late.discard)


def _own_fault(ask: Ask, behaviour: Behaviour) -> str | None:
    return {Verb.PAY: behaviour.paying, Verb.LOOKUP: behaviour.looking_up}.get(ask.verb)
