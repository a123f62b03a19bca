"""The list as a file. It knows how a browser asks for one, what it is told when it may not, and what to do when it goes away in the middle."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import anyio
import anyio.to_thread
import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from core import clock
from core.access import Actor, require
from core.api.hardening import is_same_origin
from core.api.session import actor_of
from core.errors import BadInput, BillersError, NotAllowed, NotSignedIn, Unavailable
from core.repositories.exports import Profile
from core.services import billers, exports
from core.services.asked import Asked, contradiction, read_and_tell
from core.services.exports import Export, TooManyExports
from core.settings import settings

log = structlog.get_logger()

# A reader that takes nothing for so long is gone without having said so.
STALL_SECONDS = 120

# What an address may say here beside the list's own parameters.
PROFILE = "profile"

STATUSES: dict[type[BillersError], int] = {NotSignedIn: 401, NotAllowed: 403, BadInput: 400, TooManyExports: 503, Unavailable: 503}


def transactions(request: Request) -> Response:
    """`GET /export/transactions.csv?<the list's own query>&profile=spreadsheet|data`: the rows of the list, all of them."""
    try:
        actor, asked, profile = _asked_for(request)
        if request.method == "HEAD":
            return Response(headers=_headers())
        return Download(exports.begin(actor, asked, profile))
    except BillersError as error:
        status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 500)
        return PlainTextResponse(error.sentence, status, headers={"Cache-Control": "no-store"})


def _asked_for(request: Request) -> tuple[Actor, Asked, Profile]:
    if not _asked_by_us(request):
        raise NotAllowed("An export is asked for in the console itself. Open Transactions there, and export from the list.")
    actor = actor_of(request)
    if actor is None:
        raise NotSignedIn("You are signed out. Sign in to the console, and export again.")
    require(actor, "transactions:export")
    names = [name for name in request.query_params if name != PROFILE]
    asked, left_out = read_and_tell({name: request.query_params.getlist(name) for name in names}, billers.biller_names(actor))
    if left_out:
        # The list leaves such a thing out and says so; a file that held more than was asked for would be believed.
        raise BadInput(f"This address asks for something that cannot be understood ({', '.join(left_out)}). Export again from the list.")
    if sentence := contradiction(asked):
        raise BadInput(sentence)
    try:
        profile = Profile(request.query_params.get(PROFILE, Profile.SPREADSHEET.value))
    except ValueError:
        raise BadInput(f"There is no such profile. Use one of {', '.join(Profile)}.") from None
    return actor, asked, profile


def _asked_by_us(request: Request) -> bool:
    """A page of ours, or a person who typed the address. Other pages could not read what comes, but could have it thrown at somebody."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    referer = request.headers.get("referer")
    return is_same_origin(request.headers) and (referer is None or urlsplit(referer).netloc == request.headers.get("host"))


def _headers() -> dict[str, str]:
    local = clock.now().astimezone(ZoneInfo(settings().billers_timezone))
    return {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": f'attachment; filename="transactions-{local:%Y-%m-%d-%H%M%S}.csv"',
        "Cache-Control": "no-store",
        # A proxy in front passes on what comes as it comes.
        "X-Accel-Buffering": "no",
    }


class Download(StreamingResponse):
    """The file, as fast as its reader takes it. However it ends, the export is ended, and what left is written down."""

    def __init__(self, export: Export) -> None:
        self._export = export
        super().__init__(self._blocks(), headers=_headers())

    async def _blocks(self) -> AsyncIterator[bytes]:
        # In a thread, one block after the other: the loop that serves every window never waits for the database.
        while block := await anyio.to_thread.run_sync(self._export.next_block):
            yield block
        # Before the last byte is said to be the last: a file that is whole for its reader is whole in the audit, too.
        await anyio.to_thread.run_sync(self._export.end)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_while_read(message: Message) -> None:
            with anyio.fail_after(STALL_SECONDS):
                await send(message)

        try:
            await super().__call__(scope, receive, send_while_read)
        except BillersError as error:
            # The connection is cut without the end of the body: a browser then says that the download failed, instead of keeping half a file.
            log.error("export broke off", export=self._export.id, sentence=error.sentence)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._export.end)
