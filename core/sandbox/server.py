"""The two listening sockets, on loopback and nowhere else: billers on one, control on the other. One request per connection."""

import asyncio
import errno
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from core.sandbox import accounts, t24, t24_accounts
from core.sandbox.billers import BILLERS
from core.sandbox.book import Book
from core.sandbox.chance import Chance
from core.sandbox.control import Control
from core.sandbox.delivery import Pace, Wire
from core.sandbox.desk import Desk
from core.sandbox.journal import Unusable
from core.sandbox.messages import MOST_HEAD_BYTES, Refused, Request, plain, read_request
from core.sandbox.recordings import read_all
from core.sandbox.replay import Replay, Replayer
from core.sandbox.serving import Biller
from core.sandbox.t24_book import T24Book
from core.sandbox.t24_teller import T24Teller
from core.sandbox.teller import Settings, Teller

HOST = "127.0.0.1"

# A campaign opens hundreds of connections in one moment; the default of 100 would drop some.
BACKLOG = 4096

Serve = Callable[[Request, Wire], Awaitable[None]]


class Stop:
    """Why the server stops: told to, or a ledger that cannot be written."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.failure: OSError | None = None

    def told(self) -> None:
        self.event.set()

    def failed(self, error: OSError) -> None:
        self.failure = error
        self.event.set()


async def run(*, port: int, control_port: int, directory: Path, accounts_file: Path, recordings: Path) -> None:
    """Serves until SIGTERM or SIGINT. Raises Unusable or BadAccounts, with a sentence for the operator."""
    stop = Stop()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.told)
    chance, pace = Chance(), Pace()
    customers = _customers(accounts_file)
    _make(directory)
    desks = {**_open_desks(directory, customers, chance, pace, stop), **_open_replays(directory, recordings, chance, pace, stop)}
    desks |= _open_bank(directory, accounts_file, chance, pace, stop)
    control = Control(desks, chance, pace)

    async def serve_control(request: Request, wire: Wire) -> None:
        await wire.send((await control.answer(request)).encoded())

    billers = await _listen(port, _to_billers({desk.biller.base_path: desk for desk in desks.values()}))
    controls = await _listen(control_port, serve_control)
    print(json.dumps({"port": _port(billers), "control_port": _port(controls)}), flush=True)
    await stop.event.wait()
    billers.close()
    controls.close()
    if stop.failure is not None:
        raise Unusable(f"The ledger cannot be written: {stop.failure.strerror}. Nothing more is answered; make room and start again.")


def _customers(accounts_file: Path) -> Mapping[str, accounts.Customers]:
    """The customers of every biller, whose entry says all that its dialects ask for."""
    customers = accounts.read(accounts_file)
    missing = [code for code in BILLERS if code not in customers]
    if missing:
        raise accounts.BadAccounts(f"{accounts_file} has no entry for {', '.join(missing)}.")
    for code, biller in BILLERS.items():
        unsaid = [name for name in biller.credentials if name not in customers[code].credentials]
        if unsaid:
            raise accounts.BadAccounts(f"{accounts_file}: the entry of {code} lacks {', '.join(unsaid)}.")
    return customers


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unusable(f"{directory} cannot be used: {error.strerror}.") from None


def _open_book(directory: Path, code: str, stop: Stop) -> Book:
    try:
        return Book(directory, code, stop.failed)
    except OSError as error:
        raise Unusable(f"{directory} cannot be used: {error.strerror}.") from None


def _open_desks(directory: Path, customers: Mapping[str, accounts.Customers], chance: Chance, pace: Pace, stop: Stop) -> dict[str, Desk]:
    desks: dict[str, Desk] = {}
    for code, biller in BILLERS.items():
        book, settings = _open_book(directory, code, stop), Settings()
        teller = Teller(customers[code], biller.trade, book, settings, pace)
        desks[code] = Desk(biller, customers[code].credentials, teller, book, settings, chance, pace)
    return desks


def _open_replays(directory: Path, recordings: Path, chance: Chance, pace: Pace, stop: Stop) -> dict[str, Desk]:
    found, complaints = read_all(recordings, BILLERS)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    desks: dict[str, Desk] = {}
    for code, recorded in found.items():
        book, settings, dialect = _open_book(directory, code, stop), Settings(), Replay(recorded)
        desks[code] = Desk(Biller(code, (), (dialect,)), {}, Replayer(dialect, book, settings, pace), book, settings, chance, pace)
    return desks


def _open_bank(directory: Path, accounts_file: Path, chance: Chance, pace: Pace, stop: Stop) -> dict[str, Desk]:
    """The bank's core banking, where the accounts file has one."""
    bank = t24_accounts.read(accounts_file)
    if bank is None:
        return {}
    try:
        book = T24Book(directory, stop.failed)
    except OSError as error:
        raise Unusable(f"{directory} cannot be used: {error.strerror}.") from None
    settings = Settings()
    return {t24.BILLER.code: Desk(t24.BILLER, bank.credentials, T24Teller(bank, book, settings, pace), book, settings, chance, pace)}


def _to_billers(desks: Mapping[str, Desk]) -> Serve:
    async def serve(request: Request, wire: Wire) -> None:
        base, slash, rest = request.path.removeprefix("/").partition("/")
        desk = desks.get(base)
        if desk is None:
            await wire.send(plain(404, f"There is no biller at /{base}.").encoded())
        else:
            await desk.serve(request, slash + rest, wire)

    return serve


async def _listen(port: int, serve: Serve) -> asyncio.Server:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        try:
            request = await read_request(reader)
            if request is not None:
                await serve(request, wire)
        except Refused as refused:
            writer.write(refused.reply.encoded())
        except (ConnectionError, asyncio.CancelledError):
            # The client left, or the sandbox stops. What was asked for was carried out before it was answered.
            pass
        finally:
            writer.close()

    try:
        return await asyncio.start_server(connected, HOST, port, limit=MOST_HEAD_BYTES, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Unusable(f"Port {port} is in use. Stop what uses it, or choose another.") from None
        raise Unusable(f"Port {port} cannot be opened: {error.strerror}.") from None


def _port(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])
