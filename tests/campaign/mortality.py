"""Where a worker may die: eight points between a claim and what comes of it, found from outside. The product knows nothing of dying.

What is committed is seen at the database's door, what is sent at the wire's: so the points stay where they are, however the worker is built.
"""

import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from sqlalchemy import event

from core import db
from core.wire import line
from core.wire.contract import Request
from tests.campaign.evidence import ASKING_VERBS
from tests.campaign.harness import die

POINTS: Mapping[str, str] = {
    "P01": "after the claim, before its commit",
    "P02": "after the intent was committed",
    "P03": "before the request is sent",
    "P04": "after the request is sent",
    "P05": "after the reply",
    "P06": "before the outcome's commit",
    "P07": "after the outcome's commit",
    "P08": "during the inquiry",
}

# A worker that dies there has committed what it meant to do, and not what came of it.
BETWEEN_INTENT_AND_OUTCOME = frozenset({"P02", "P03", "P04", "P05", "P06"})
BETWEEN_CLAIM_AND_OUTCOME = BETWEEN_INTENT_AND_OUTCOME | {"P01", "P08"}

# Asked at each point: does the worker die here, over what this text tells of (references, or the request)?
Dies = Callable[[str, str], bool]

# httpcore says this once the last byte of the request was handed to the system.
ALL_SENT = "http11.send_request_body.complete"

QUESTIONS = frozenset({"GetAccountDetails", "GetInvoice"})
INQUIRY = "GetTransactionStatus"
INQUIRY_PATHS = ("/transactions/", "/transfers/")

# What the request on the wire in this task is for, and what it says.
on_the_wire: ContextVar[tuple[str, str]] = ContextVar("on_the_wire", default=("", ""))


def watch(dies: Dies) -> None:
    """From now on this process dies where `dies` says so."""
    _watch_the_database(dies)
    _watch_the_wire(dies)


def _watch_the_database(dies: Dies) -> None:
    engine = db.engine()
    # Intents of this process that move money, with their references: an answer is known by its attempt.
    intents: dict[str, str] = {}

    @event.listens_for(engine, "before_cursor_execute")
    def _note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        rows = json.loads(parameters["rows"]) if "rows" in parameters else []
        if statement.startswith("INSERT INTO attempts"):
            money = {row["id"]: row["reference"] for row in rows if row["leg"] is not None and row["verb"] not in ASKING_VERBS}
            intents.update(money)
            connection.info.setdefault("intents", []).extend(money.values())
        elif statement.startswith("INSERT INTO answers"):
            told = [intents[row["attempt_id"]] for row in rows if row["attempt_id"] in intents]
            connection.info.setdefault("outcomes", []).extend(told)

    @event.listens_for(engine, "commit")
    def _before_the_commit(connection: Any) -> None:
        for name, point in (("intents", "P01"), ("outcomes", "P06")):
            about = connection.info.pop(name, [])
            if about and dies(point, " ".join(about)):
                die()
            connection.info[f"{name} kept"] = about

    @event.listens_for(engine, "rollback")
    def _forget(connection: Any) -> None:
        if connection.invalidated:
            # The database is gone, and with it what was noted here.
            return
        for name in ("intents", "outcomes", "intents kept", "outcomes kept"):
            connection.info.pop(name, None)

    @event.listens_for(engine, "checkin")
    def _after_the_commit(connection: Any, record: Any) -> None:
        for name, point in (("intents", "P02"), ("outcomes", "P07")):
            about = record.info.pop(f"{name} kept", [])
            if about and dies(point, " ".join(about)):
                die()


def _watch_the_wire(dies: Dies) -> None:
    perform, notice = line.Line.perform, line._Trip.notice

    async def mortal_perform(self: line.Line, terms: Any, exchange: Any, *more: Any, **named: Any) -> Any:
        kind, said = what_for(exchange.request), f"{exchange.request.path} {exchange.request.body.decode(errors='replace')}"
        on_the_wire.set((kind, said))
        if kind == "money" and dies("P03", said):
            die()
        answer = await perform(self, terms, exchange, *more, **named)
        if kind == "money" and dies("P05", said):
            die()
        return answer

    async def mortal_notice(self: Any, happened: str, details: Any) -> None:
        await notice(self, happened, details)
        kind, said = on_the_wire.get()
        if happened == ALL_SENT and kind and dies("P04" if kind == "money" else "P08", said):
            die()

    line.Line.perform = mortal_perform  # type: ignore[method-assign]
    line._Trip.notice = mortal_notice  # type: ignore[method-assign]


def what_for(request: Request) -> str:
    """`money` moves it or takes it back, `inquiry` asks what became of it; anything else is neither."""
    action = request.headers.get("SOAPAction", "").strip('"')
    if action == INQUIRY or (request.method == "GET" and any(path in request.path for path in INQUIRY_PATHS)):
        return "inquiry"
    return "money" if request.method in ("POST", "DELETE") and action not in QUESTIONS else ""
