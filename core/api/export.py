"""The list as a file. It knows how a browser asks for one, what it is told when it may not, and what to do when it goes away in the middle."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Protocol

import anyio
import anyio.to_thread
import orjson
import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from core.access import Actor, require
from core.api.session import actor_of, asked_by_us
from core.errors import BadInput, BillersError, NotAllowed, NotFound, NotSignedIn, Unavailable
from core.repositories.exports import Profile
from core.services import audit, audit_exports, billers, exports
from core.services.asked import Asked, contradiction, read_and_tell
from core.services.exports import Cancelled, TooManyExports

log = structlog.get_logger()

# A reader that takes nothing for so long is gone without having said so.
STALL_SECONDS = 120

# How often it is looked whether the file is still wanted, while its reader or the workbook takes long.
LOOK_SECONDS = 1

# What an address may say here beside the list's own parameters. A file has columns that no list has, so those are read here, too.
PROFILE, ZONE, CHOSEN = "profile", "zone", "columns"

MEDIA_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".json": "application/json",
}

STATUSES: dict[type[BillersError], int] = {
    NotSignedIn: 401,
    NotAllowed: 403,
    NotFound: 404,
    BadInput: 400,
    TooManyExports: 503,
    Unavailable: 503,
}


def transactions(request: Request) -> Response:
    """`GET /export/transactions.csv?<the list's own query>&profile=spreadsheet|data&columns=…&zone=…`: the rows of the list, all of them."""
    return _answered(lambda: _file(request, lambda: _csv_profile(request)))


def workbook(request: Request) -> Response:
    """`GET /export/transactions.xlsx?<the list's own query>&columns=…&zone=…`: the same as a workbook, up to what one holds."""
    return _answered(lambda: _file(request, lambda: Profile.WORKBOOK))


def audit_record(request: Request) -> Response:
    """`GET /export/audit.csv?<the audit page's own query>`: every entry that is found, newest first."""

    def file() -> Response:
        actor = _actor(request)
        require(actor, "audit:read")
        if request.method == "HEAD":
            return Response(headers=_headers("audit.csv"))
        asked = request.query_params
        return Download(audit_exports.begin(actor, audit.Asked(asked.get("q", ""), asked.get("subject", ""))))

    return _answered(file)


def manifest(request: Request) -> Response:
    """`GET /export/<id>.json`: what goes along with a file that was taken."""

    def found() -> Response:
        actor = _actor(request)
        try:
            export_id = uuid.UUID(request.path_params["export_id"])
        except ValueError:
            raise NotFound("There is no such export. Check the address.") from None
        kept = exports.kept(actor, export_id)
        name = f"{kept.export.file_name}.manifest.json"
        return Response(orjson.dumps(exports.manifest(kept), option=orjson.OPT_INDENT_2), headers=_headers(name))

    return _answered(found)


def _answered(answer: Callable[[], Response]) -> Response:
    try:
        return answer()
    except BillersError as error:
        status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 500)
        return PlainTextResponse(error.sentence, status, headers={"Cache-Control": "no-store"})


def _file(request: Request, profile_of: Callable[[], Profile]) -> Response:
    actor = _actor(request)
    require(actor, "transactions:export")
    asked, profile = _asked_for(request, actor), profile_of()
    if request.method == "HEAD":
        return Response(headers=_headers(exports.file_name(profile)))
    return Download(exports.begin(actor, asked, profile, request.query_params.get(ZONE)))


def _actor(request: Request) -> Actor:
    if not asked_by_us(request):
        raise NotAllowed("An export is asked for in the console itself. Open Transactions there, and export from the list.")
    actor = actor_of(request)
    if actor is None:
        raise NotSignedIn("You are signed out. Sign in to the console, and export again.")
    return actor


def _asked_for(request: Request, actor: Actor) -> Asked:
    names = [name for name in request.query_params if name not in (PROFILE, ZONE, CHOSEN)]
    asked, left_out = read_and_tell({name: request.query_params.getlist(name) for name in names}, billers.biller_names(actor))
    if left_out:
        # The list leaves such a thing out and says so; a file that held more than was asked for would be believed.
        raise BadInput(f"This address asks for something that cannot be understood ({', '.join(left_out)}). Export again from the list.")
    if sentence := contradiction(asked):
        raise BadInput(sentence)
    chosen = request.query_params.get(CHOSEN)
    return replace(asked, columns=tuple(dict.fromkeys(chosen.split(",")))) if chosen else asked


def _csv_profile(request: Request) -> Profile:
    known = [profile.value for profile in Profile if profile is not Profile.WORKBOOK]
    said = request.query_params.get(PROFILE, Profile.SPREADSHEET.value)
    if said not in known:
        raise BadInput(f"There is no such profile. Use one of {', '.join(known)}.")
    return Profile(said)


def _headers(file_name: str) -> dict[str, str]:
    return {
        "Content-Type": MEDIA_TYPES[file_name[file_name.rindex(".") :]],
        "Content-Disposition": f'attachment; filename="{file_name}"',
        "Cache-Control": "no-store",
        # A proxy in front passes on what comes as it comes.
        "X-Accel-Buffering": "no",
    }


class Taken(Protocol):
    """What is taken away: transactions, or the record."""

    id: uuid.UUID
    file_name: str

    def next_block(self) -> bytes: ...

    def look(self) -> bool: ...

    def end(self) -> None: ...


class Download(StreamingResponse):
    """The file, as fast as its reader takes it. However it ends, the export is ended, and what left is written down."""

    def __init__(self, export: Taken) -> None:
        self._export = export
        super().__init__(self._blocks(), headers=_headers(export.file_name))

    async def _blocks(self) -> AsyncIterator[bytes]:
        # In a thread: the loop that serves every window never waits for the database. And one ahead: the database goes on while the reader takes.
        ahead = self._read_ahead()
        while block := await ahead:
            ahead = self._read_ahead()
            yield block
        # Before the last byte is said to be the last: a file that is whole for its reader is whole in the audit, too.
        await anyio.to_thread.run_sync(self._export.end)

    def _read_ahead(self) -> asyncio.Task[bytes]:
        # A reader who goes away does not wait for the block, or the whole workbook, that is being made: the end stops it, and says why.
        ahead = asyncio.create_task(anyio.to_thread.run_sync(self._export.next_block, abandon_on_cancel=True))
        ahead.add_done_callback(lambda task: task.cancelled() or task.exception())
        return ahead

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_while_read(message: Message) -> None:
            with anyio.fail_after(STALL_SECONDS):
                await send(message)

        sending, over = anyio.CancelScope(), asyncio.Event()
        watch = asyncio.create_task(self._watch(sending, over))
        try:
            with sending:
                await super().__call__(scope, receive, send_while_read)
            if sending.cancelled_caught:
                raise Cancelled
        except BillersError as error:
            # The connection is cut without the end of the body: a browser then says that the download failed, instead of keeping half a file.
            log.error("export broke off", export=str(self._export.id), sentence=error.sentence)
            raise
        finally:
            over.set()
            with anyio.CancelScope(shield=True):
                await watch
                await anyio.to_thread.run_sync(self._export.end)

    async def _watch(self, sending: anyio.CancelScope, over: asyncio.Event) -> None:
        """Somebody may cancel it in another window while nothing can be sent, or nothing is there yet."""
        while not over.is_set():
            if not await anyio.to_thread.run_sync(self._export.look):
                sending.cancel()
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), LOOK_SECONDS)
