"""What people ask for: filters by every field the list has, each time with other values, taken from rows that are there."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

from sqlalchemy import text

from core import db
from core.access import Actor
from core.services import people
from core.services.asked import Asked
from core.services.seeds import SANDBOX_PEOPLE

# Rows looked at beforehand: enough for no two runs to be alike.
LOOKED_AT = 400

Make = Callable[[Random], Asked]


@dataclass(frozen=True, slots=True)
class Seen:
    """A transaction that is there."""

    id: str
    reference: str
    biller: str
    status: str
    kind: str
    account: str
    name: str | None
    external: str | None
    invoice: str | None
    meter: str | None
    amount: Decimal | None
    code: str | None
    person: uuid.UUID
    created_at: datetime


@dataclass(frozen=True)
class Samples:
    """Rows from all over the year, and the account that has most of all."""

    rows: Sequence[Seen]
    busiest: str
    zone: ZoneInfo
    today: date

    def having(self, random: Random, field: str) -> Seen:
        return random.choice([row for row in self.rows if getattr(row, field) is not None])

    def day(self, random: Random, newest: int = 360) -> date:
        return self.today - timedelta(days=random.randrange(1, newest))


def look(zone: ZoneInfo, today: date, random: Random) -> Samples:
    columns = (
        "id::text, our_transaction_id, biller_type, status, transaction_type, account_number, customer_account_name, external_transaction_id, invoice_number,"
        " meter_number, amount, error_code, initiated_by, created_at"
    )
    found = []
    with db.unit_of_work() as session:
        first, last = session.execute(text("SELECT min(created_at), max(created_at) FROM transactions")).one()
        for which in ("true", "status = 'FAILED'", "invoice_number IS NOT NULL"):
            query = text(f"SELECT {columns} FROM transactions WHERE created_at >= :moment AND {which} ORDER BY created_at, id LIMIT 1")  # noqa: S608
            for _ in range(LOOKED_AT // 3):
                row = session.execute(query, {"moment": first + (last - first) * random.random()}).one_or_none()
                if row is not None:
                    found.append(Seen(*row))
        busiest = session.execute(
            text("SELECT account_number FROM transactions WHERE created_at > :since GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"),
            {"since": last - timedelta(days=7)},
        ).scalar_one()
    return Samples(found, busiest, zone, today)


def _within(samples: Samples, random: Random, days: int, asked: Asked | None = None) -> Asked:
    """On so many days, one after the other, of the last year."""
    first = samples.day(random, 360)
    return replace(asked or Asked(), first_day=first, last_day=min(first + timedelta(days=days - 1), samples.today))


def _between(least: Decimal | None, most: Decimal | None) -> Asked:
    return Asked(amount_min=least, amount_max=most)


def _first_name(samples: Samples, random: Random) -> str:
    return (samples.having(random, "name").name or "").split()[0]


def _dear(random: Random) -> Asked:
    least = Decimal(random.randrange(1_000, 30_000))
    return _between(least, least + 500)


def _exactly(samples: Samples, random: Random) -> Asked:
    amount = samples.having(random, "amount").amount
    return _between(amount, amount)


def filters(samples: Samples) -> Mapping[str, Make]:
    """By every field of the list's filter, alone and together."""
    s = samples
    return {
        "nothing": lambda random: Asked(),
        "a biller": lambda random: Asked(billers=(random.choice(s.rows).biller,)),
        "two billers": lambda random: Asked(billers=tuple({random.choice(s.rows).biller, random.choice(s.rows).biller})),
        "failed": lambda random: Asked(statuses=("FAILED",)),
        "reversed": lambda random: Asked(statuses=("REVERSED",)),
        "a status": lambda random: Asked(statuses=(random.choice(s.rows).status,)),
        "a type": lambda random: Asked(types=(random.choice(s.rows).kind,)),
        "one day": lambda random: _within(s, random, 1),
        "30 days": lambda random: _within(s, random, 30),
        "a biller, failed, 30 days": lambda random: _within(s, random, 30, Asked(billers=(random.choice(s.rows).biller,), statuses=("FAILED",))),
        "a least amount": lambda random: Asked(amount_min=Decimal(random.choice((20_000, 50_000, 90_000, 150_000)))),
        "amounts between": _dear,
        "one exact amount": lambda random: _exactly(s, random),
        "a biller, amount, 30 days": lambda random: _within(
            s, random, 30, Asked(billers=(random.choice(s.rows).biller,), amount_min=Decimal(random.randrange(5_000, 20_000)))
        ),
        "an account": lambda random: Asked(account=random.choice(s.rows).account),
        "the busiest account": lambda random: Asked(account=s.busiest),
        "part of an account": lambda random: Asked(account=random.choice(s.rows).account[2:7]),
        "a reference": lambda random: Asked(reference=random.choice(s.rows).reference),
        "a reason": lambda random: Asked(reasons=(s.having(random, "code").code or "",)),
        "mine": lambda random: Asked(mine=True),
        "an operator": lambda random: Asked(operators=(random.choice(s.rows).person,)),
        "in doubt": lambda random: Asked(in_doubt=True),
        "under review": lambda random: Asked(under_review=True),
        "debit open": lambda random: Asked(bank_open=True),
        "Fridays, 30 days": lambda random: _within(s, random, 30, Asked(weekdays=(4,))),
    }


def searches(samples: Samples) -> Mapping[str, Make]:
    """By whatever a person may have in hand, whole and in part, common and rare, and nobody's."""
    s = samples
    return {
        "our reference": lambda random: Asked(search=random.choice(s.rows).reference),
        "how a reference begins": lambda random: Asked(search=random.choice(s.rows).reference[:11]),
        "the biller's reference": lambda random: Asked(search=s.having(random, "external").external or ""),
        "an invoice": lambda random: Asked(search=s.having(random, "invoice").invoice or ""),
        "an account number": lambda random: Asked(search=random.choice(s.rows).account),
        "the busiest account's number": lambda random: Asked(search=s.busiest),
        "five digits of an account": lambda random: Asked(search=random.choice(s.rows).account[2:7]),
        "three digits": lambda random: Asked(search=random.choice(s.rows).account[3:6]),
        "a meter": lambda random: Asked(search=s.having(random, "meter").meter or ""),
        "a whole name": lambda random: Asked(search=s.having(random, "name").name or ""),
        "a first name": lambda random: Asked(search=_first_name(s, random)),
        "part of a name": lambda random: Asked(search=_first_name(s, random)[1:5]),
        "nobody's number": lambda random: Asked(search=f"9{random.randrange(10**9):09}"),
        "nobody's name": lambda random: Asked(search=random.choice(("Qwertz", "Xylophone", "Zzyzx", "Wolfeschlegel"))),
        "a name, failed, 30 days": lambda random: Asked(search=_first_name(s, random), statuses=("FAILED",), first_day=s.day(random, 300), last_day=s.today),
    }


def sign_in(role: str = "manager") -> tuple[Actor, str]:
    """One of the sandbox's own people, and the token that their cookie holds."""
    username = next(username for username, _, has in SANDBOX_PEOPLE if has == role)
    token = people.redeem(people.ticket_for_sandbox_person(username, "127.0.0.1"), "127.0.0.1", "bench")
    actor = people.actor_of(token)
    if actor is None:
        raise SystemExit(f"{username} could not be signed in.")
    return actor, token
