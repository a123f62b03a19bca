"""One request to one biller, from bytes to bytes. What was read in full is carried out, whether or not the client is still there."""

import asyncio

from core.sandbox.behaviours import Behaviour
from core.sandbox.chance import Chance
from core.sandbox.delivery import Pace, Wire
from core.sandbox.faults import FAITHFUL, FAULTS, Fault
from core.sandbox.messages import Refused, Reply, Request, plain
from core.sandbox.serving import Biller, Decides, Dialect, Keeps
from core.sandbox.sign_in import Credentials
from core.sandbox.teller import Settings
from core.sandbox.words import LEAVES_NO_TRACE, MOVES_MONEY, PAYS, Acts, Answer, Ask, Verb


class Desk:
    def __init__(self, biller: Biller, credentials: Credentials, teller: Decides, book: Keeps, settings: Settings, chance: Chance, pace: Pace) -> None:
        self.biller = biller
        self.book = book
        self.settings = settings
        self.late: set[asyncio.Task[None]] = set()
        self._credentials = credentials
        self._teller = teller
        self._chance = chance
        self._pace = pace

    async def serve(self, request: Request, path: str, wire: Wire) -> None:
        if self.settings.down:
            self.book.note(None, fault="down", behaviour=None, status=None)
            return
        try:
            dialect = self._dialect(path)
            ask = dialect.understand(request, path, self._credentials)
        except Refused as refused:
            self.book.note(None, fault=None, behaviour=None, status=refused.reply.status)
            await wire.send(refused.reply.encoded())
            return
        fault_name, behaviour_name, seconds = self._fate(ask)
        fault = FAULTS[fault_name] if fault_name else FAITHFUL
        pace = self._pace if fault.timed_by is None or seconds is None else self._pace.with_seconds(fault.timed_by, seconds)
        reply = await self._reply(dialect, ask, fault, pace)
        self.book.note(ask, fault=fault_name, behaviour=behaviour_name, status=None if fault.silent else reply.status)
        await fault.travels(wire, reply, pace)

    def _dialect(self, path: str) -> Dialect:
        for dialect in self.biller.dialects:
            if dialect.serves(path):
                return dialect
        raise Refused(plain(404, f"{self.biller.code} has nothing at {path}."))

    def _fate(self, ask: Ask) -> tuple[str | None, str | None, float | None]:
        """The call's fault, its account's behaviour, and seconds ordered with the fault. A fault that was ordered or drawn goes before the account's own."""
        behaviour = self._teller.behaviour(ask)
        name = behaviour[0] if behaviour else None
        drawn = self._chance.draw(self.biller.code, ask.operation, self.book.account_of(ask), ask.reference)
        if drawn is not None:
            return drawn[0], name, drawn[1]
        return _own_fault(ask, behaviour[1]) if behaviour else None, name, None

    async def _reply(self, dialect: Dialect, ask: Ask, fault: Fault, pace: Pace) -> Reply:
        answer = await self._carry_out(ask, fault.acts, pace)
        return fault.writes(dialect.say(fault.says(answer), self.settings.fault_status))

    async def _carry_out(self, ask: Ask, acts: Acts, pace: Pace) -> Answer:
        if acts is Acts.NEVER:
            return Answer(ask)
        if acts is Acts.LATER:
            self._carry_out_later(ask, pace.late_seconds)
            return Answer(ask)
        answer = self._teller.answer(ask, acts)
        if ask.verb not in LEAVES_NO_TRACE:
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
    if ask.verb in PAYS:
        return behaviour.paying
    return behaviour.looking_up if ask.verb in (Verb.LOOKUP, Verb.GET_INVOICE) else None
