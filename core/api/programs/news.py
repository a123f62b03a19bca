"""What happens, as it happens (Server-Sent Events): that something changed; or the steps of one transaction, to its end.

A program that lost its stream says the last number it heard (`Last-Event-ID`). Of one transaction it is told every step behind that; of everything, whether
there was any: what is on a list, whoever reads it asks for.
"""

import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Header, Query
from pydantic import StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from core import clock
from core.access import Actor
from core.api import problems
from core.api.problems import Problem
from core.api.programs.shapes import Step
from core.api.programs.transactions import READ, steps_in
from core.api.programs.way_in import ProgramRoute, Who, in_thread, needing
from core.api.stream import BEAT_SECONDS, OVER, REOPEN_MS, Stream
from core.models import Transaction
from core.services import transactions
from core.services.live import CHANGES, Closing, LetGo, Word
from core.states import AT_REST

router = APIRouter(route_class=ProgramRoute)

EVENTS = "text/event-stream"

# A word of a change may be lost: the transaction is looked at anyway.
LOOK_SECONDS = 1.0

# Without news, a sign that the stream is alive; a reader of events passes over it.
STILL_HERE = b": still here\n\n"

TOO_MANY = "Too many streams of the token's owner, or of everybody, are open at once. Close some that are not needed."

LastHeard = Annotated[
    str | None,
    StringConstraints(pattern=r"^[0-9]{1,18}$"),
    Header(alias="Last-Event-ID", description="The `id` of the last event that was heard: it goes on behind that."),
]


@router.get(
    "/stream",
    summary="What happens, as it happens",
    response_class=Response,
    responses={
        200: {"description": "Server-Sent Events until whoever listens leaves, the token is over, or the transaction has ended.", "content": {EVENTS: {}}}
    },
    openapi_extra=needing(READ, forms=(EVENTS,)),
)
async def follow(request: Request, actor: Who, transaction: Annotated[uuid.UUID | None, Query()] = None, last_heard: LastHeard = None) -> Response:
    """With `transaction`: each step of it, and the end of the stream once nothing moves it any more. Without: that something changed, and nothing of what."""
    heard = int(last_heard) if last_heard else None
    if transaction is None:
        return News(request, actor, heard)
    # That it is there, and this person's, is found out before anything is promised.
    await in_thread(transactions.find, actor, transaction)
    return Steps(request, actor, transaction, heard or 0)


class Heard(Stream):
    """A stream of a program: whoever has too many open is told so in a program's words."""

    def _refused(self) -> Response:
        return problems.answer(Problem("too-often", TOO_MANY, headers={"Retry-After": "5"}))


class News(Heard):
    """The console's own stream, with a number on each word. The first says whether anything happened since the last one that was heard."""

    def __init__(self, request: Request, actor: Actor, heard: int | None) -> None:
        self._heard = heard
        super().__init__(request, actor.id)

    def _as_event(self, word: Word) -> bytes:
        missed, self._heard = self._heard is not None and self._heard != word.cursor, None
        return f"id: {word.cursor}\n".encode() + (b"event: missed\n" if missed else b"") + super()._as_event(word)


class Steps(Heard):
    """One transaction's: each step once, in its order."""

    def __init__(self, request: Request, actor: Actor, transaction_id: uuid.UUID, heard: int) -> None:
        self._actor, self._transaction_id, self._heard = actor, transaction_id, heard
        super().__init__(request, actor.id)

    async def _words(self) -> AsyncIterator[bytes]:
        yield f"retry: {REOPEN_MS}\n\n".encode()
        checked = clock.monotonic_seconds()
        with CHANGES.following() as follower, suppress(Closing, LetGo):
            while True:
                found = await in_thread(transactions.find, self._actor, self._transaction_id)
                for step in await self._steps(found):
                    yield _as_event(step)
                if found.stage in AT_REST:
                    break
                await follower.next(LOOK_SECONDS)
                if clock.monotonic_seconds() - checked >= BEAT_SECONDS:
                    checked = clock.monotonic_seconds()
                    if not await self._may_listen():
                        break
                    yield STILL_HERE
        yield OVER

    async def _steps(self, found: Transaction) -> list[Step]:
        """Those that were not told yet. The whole story is read where there are some, and not at each change of something else."""
        if found.version <= self._heard:
            return []
        steps = steps_in(await in_thread(transactions.story, self._actor, self._transaction_id), self._heard)
        self._heard = max((step.number for step in steps), default=self._heard)
        return steps


def _as_event(step: Step) -> bytes:
    return f"id: {step.number}\nevent: step\ndata: {step.model_dump_json()}\n\n".encode()
