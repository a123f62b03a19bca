"""The control port: sets faults, paces and settings while billers are served, and shows their ledgers. An unknown name is answered 400, in a sentence."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any, get_args

from core.sandbox.chance import Chance, Odds, Order
from core.sandbox.delivery import Pace
from core.sandbox.desk import Desk
from core.sandbox.faults import BY_NAME_ONLY, DRAWN, FAULTS
from core.sandbox.messages import Refused, Reply, Request, plain
from core.sandbox.t24_book import CODE as CORE_BANKING
from core.sandbox.teller import Deduplicates

# A day: nobody waits longer for a test.
MOST_SECONDS = 86_400

Check = Callable[[Any, str], Any]


def _refuse(sentence: str) -> Refused:
    return Refused(plain(400, sentence))


def number(low: float, high: float) -> Check:
    def check(value: Any, name: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise _refuse(f"{name} is a number from {low} to {high}.")
        return value

    return check


def whole_number(low: int, high: int) -> Check:
    def check(value: Any, name: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _refuse(f"{name} is a whole number from {low} to {high}.")
        return value

    return check


def yes_or_no(value: Any, name: str) -> Any:
    if not isinstance(value, bool):
        raise _refuse(f"{name} is true or false.")
    return value


def text(value: Any, name: str) -> Any:
    if not isinstance(value, str):
        raise _refuse(f"{name} is a text.")
    return value


def one_of(known: Iterable[object]) -> Check:
    known = tuple(known)

    def check(value: Any, name: str) -> Any:
        # 1 == True in Python, so the type is compared too.
        if not any(value == one and type(value) is type(one) for one in known):
            raise _refuse(f"{name} cannot be {json.dumps(value)}. Known: {', '.join(map(str, known))}.")
        return value

    return check


def some_of(known: Iterable[str]) -> Check:
    one = one_of(known)

    def check(value: Any, name: str) -> Any:
        if not isinstance(value, list) or not value:
            raise _refuse(f"{name} is a list of at least one, or null for all.")
        return tuple(one(each, name) for each in value)

    return check


def or_null(check: Check) -> Check:
    return lambda value, name: None if value is None else check(value, name)


SECONDS = number(0, MOST_SECONDS)

PACE: Mapping[str, Check] = {
    "hang_seconds": SECONDS,
    "slow_seconds": SECONDS,
    "drip_seconds": SECONDS,
    "late_seconds": SECONDS,
    "asks_until_done": whole_number(1, 1000),
}

BILLER_SETTINGS: Mapping[str, Check] = {
    "deduplicates": one_of(get_args(Deduplicates)),
    "inquiry_lag_seconds": SECONDS,
    "inquiry_lies": yes_or_no,
    "down": yes_or_no,
    "fault_status": one_of((500, 200)),
}


class Control:
    def __init__(self, desks: Mapping[str, Desk], chance: Chance, pace: Pace) -> None:
        self._desks = desks
        self._chance = chance
        self._pace = pace
        self._routes: Mapping[tuple[str, str], Callable[[Request], Any]] = {
            ("GET", "/health"): self._health,
            ("GET", "/faults"): self._faults,
            ("PUT", "/faults"): self._play,
            ("POST", "/faults/next"): self._order,
            ("DELETE", "/faults"): self._stop,
            ("DELETE", "/faults/counts"): self._forget_counts,
            ("GET", "/settings"): self._paces,
            ("PUT", "/settings"): self._set_pace,
        }
        self._biller_routes: Mapping[tuple[str, str], Callable[[Request, Desk], Any | Awaitable[Any]]] = {
            ("GET", "billers"): self._settings,
            ("PUT", "billers"): self._set_biller,
            ("GET", "ledger"): self._ledger,
        }

    async def answer(self, request: Request) -> Reply:
        try:
            answer = self._route(request)
            said = await answer if isinstance(answer, Awaitable) else answer
        except Refused as refused:
            return refused.reply
        return Reply(200, json.dumps(said).encode() + b"\n", "application/json")

    def _route(self, request: Request) -> Any:
        handle = self._routes.get((request.method, request.path))
        if handle is not None:
            return handle(request)
        what, _, code = request.path.removeprefix("/").partition("/")
        handle_biller = self._biller_routes.get((request.method, what))
        if handle_biller is None or not code:
            raise Refused(plain(404, f"There is no {request.method} {request.path} here."))
        desk = self._desks.get(code)
        if desk is None:
            raise _refuse(f"There is no biller {code}. Known: {', '.join(self._desks)}.")
        return handle_biller(request, desk)

    def _health(self, _: Request) -> Any:
        billers = [code for code in self._desks if code != CORE_BANKING]
        return {
            "status": "ok",
            "billers": billers,
            "core_banking": CORE_BANKING in self._desks,
            "acts_to_come": sum(len(desk.late) for desk in self._desks.values()),
        }

    def _faults(self, _: Request) -> Any:
        counts: dict[str, dict[str, dict[str, int]]] = {}
        for (biller, operation, fault), count in sorted(self._chance.counts.items()):
            counts.setdefault(biller, {}).setdefault(operation, {})[fault] = count
        odds = self._chance.odds
        return {
            "kinds": DRAWN,
            "by_name_only": BY_NAME_ONLY,
            "counts": counts,
            "rate": odds.rate,
            "drawn_kinds": odds.kinds,
            "seed": odds.seed,
            "operations": None if odds.operations is None else sorted(odds.operations),
            "billers": None if odds.billers is None else sorted(odds.billers),
            "next": [asdict(order) for order in self._chance.orders],
        }

    def _play(self, request: Request) -> Any:
        operations = {name for desk in self._desks.values() for name in desk.biller.operations}
        asked = _read(
            request,
            {
                "rate": number(0, 1),
                "kinds": or_null(some_of(FAULTS)),
                "seed": whole_number(0, 2**63),
                "operations": or_null(some_of(operations)),
                "billers": or_null(some_of(self._desks)),
            },
        )
        for name in ("operations", "billers"):
            if asked.get(name) is not None:
                asked[name] = frozenset(asked[name])
        self._chance.play(Odds(**asked))
        return self._faults(request)

    def _order(self, request: Request) -> Any:
        asked = _read(
            request,
            {
                "biller": one_of(self._desks),
                "operation": text,
                "fault": one_of(FAULTS),
                "count": whole_number(1, 1_000_000),
                "account": or_null(text),
                "reference": or_null(text),
                "seconds": or_null(SECONDS),
            },
            required=("biller", "operation", "fault"),
        )
        one_of(self._desks[asked["biller"]].biller.operations)(asked["operation"], "operation")
        self._chance.orders.append(Order(**asked))
        return self._faults(request)

    def _stop(self, request: Request) -> Any:
        self._chance.stop()
        return self._faults(request)

    def _forget_counts(self, request: Request) -> Any:
        self._chance.counts.clear()
        return self._faults(request)

    def _paces(self, _: Request) -> Any:
        return asdict(self._pace)

    def _set_pace(self, request: Request) -> Any:
        _set(self._pace, _read(request, PACE))
        return asdict(self._pace)

    def _settings(self, _: Request, desk: Desk) -> Any:
        return asdict(desk.settings)

    def _set_biller(self, request: Request, desk: Desk) -> Any:
        _set(desk.settings, _read(request, BILLER_SETTINGS))
        return asdict(desk.settings)

    async def _ledger(self, _: Request, desk: Desk) -> Any:
        await desk.book.settled()
        data = await asyncio.to_thread(desk.book.ledger_path.read_bytes)
        return {"biller": desk.biller.code, "entries": [json.loads(line) for line in data.splitlines(keepends=True) if line.endswith(b"\n")]}


def _set(target: object, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(target, name, value)


def _read(request: Request, fields: Mapping[str, Check], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The request's JSON object, every value checked by its row of `fields`."""
    try:
        given = json.loads(request.body)
    except ValueError:
        raise _refuse("The body is not JSON.") from None
    if not isinstance(given, dict):
        raise _refuse("The body is not a JSON object.")
    for name in required:
        if name not in given:
            raise _refuse(f"{name} is missing.")
    for name in given:
        if name not in fields:
            raise _refuse(f"There is no field {name}. Known: {', '.join(fields)}.")
    return {name: fields[name](value, name) for name, value in given.items()}
