"""The tables of sums: what each is made from, as SQL, and up to where they have come. Nothing of it is asked of a filter."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import inf
from typing import Any
from zoneinfo import ZoneInfo

from core.repositories.filters import NO_REASON
from core.repositories.steps import has_whole_hours
from core.states import Stage, Status, status_of
from core.wire.contract import Outcome, Verb

# Calls that pay. An inquiry about a payment is none, nor is a reversal.
PAYING_VERBS = (Verb.PAY, Verb.CONFIRM_INVOICE, Verb.PURCHASE_BUNDLE)

# Each bucket of answer times is so much wider than the one before: the middle of one is at most 2.5 % from anything in it. The last takes all that is longer.
WIDER = 1.05
LAST_BUCKET = 400

# No database transaction has this number.
NEVER = 2**63 - 1


def bucket_middle_ms(bucket: int) -> float:
    """How long a call of this bucket took, give or take 2.5 %."""
    return WIDER ** (bucket - 0.5) if bucket else 0.0


def bucket_ceiling_ms(bucket: int) -> float:
    """No call of this bucket took longer; of the last there is no such bound."""
    return WIDER**bucket if 0 < bucket < LAST_BUCKET else 0.0 if bucket <= 0 else inf


def bucket_of(duration: str) -> str:
    """SQL for the bucket of so many milliseconds."""
    return f"CASE WHEN {duration} <= 0 THEN 0 ELSE least(1 + floor(ln({duration}::float8) / ln({WIDER}::float8)), {LAST_BUCKET}) END::smallint"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in sorted(words))


_STATUS = "CASE {stage} " + " ".join(f"WHEN '{stage}' THEN '{status_of(stage)}'" for stage in Stage) + " END"

# Of one event two lines: what was so before it, taken away, and what is so since. A demonstration row never moves, and is taken in with the rows themselves.
MOVED = f"""
    SELECT t.created_at, t.biller_type, t.transaction_type, {_STATUS.format(stage="side.stage")} AS status, side.stage = '{Stage.REVIEW}' AS under_review,
        t.currency, side.sign AS count, side.sign * coalesce(t.amount, 0) AS amount
    FROM events e
    JOIN transactions t ON t.id = e.transaction_id
    CROSS JOIN LATERAL (VALUES (e.from_stage, -1::bigint), (e.to_stage, 1::bigint)) AS side (stage, sign)
    WHERE e.xid >= :floor AND e.xid < :ceiling AND e.seq > :settled_seq AND side.stage IS NOT NULL AND NOT t.demo
"""  # noqa: S608 - constants of this module
_ROWS = f"""
    SELECT created_at, biller_type, transaction_type, status, stage = '{Stage.REVIEW}' AS under_review, currency,
        1::bigint AS count, coalesce(amount, 0) AS amount
    FROM transactions
    WHERE created_at >= CAST(:since AS timestamptz)
"""  # noqa: S608 - constants of this module
_CALL = f"""
    SELECT t.created_at, t.biller_type, t.transaction_type, {bucket_of("a.duration_ms")} AS bucket, 1::bigint AS count, a.duration_ms::bigint AS total_ms
    FROM answers a
    JOIN attempts p ON p.id = a.attempt_id
    JOIN transactions t ON t.id = a.transaction_id
    WHERE p.verb IN ({_listed(PAYING_VERBS)}) AND a.outcome <> '{Outcome.NOT_SENT}' AND a.duration_ms IS NOT NULL
"""  # noqa: S608 - constants of this module
ANSWERED = f"{_CALL} AND a.xid >= :floor AND a.xid < :ceiling AND a.at > CAST(:settled_at AS timestamptz) AND NOT t.demo"
# Neither is older than its transaction: months before it need not be read.
_CALLS = f"{_CALL} AND t.created_at >= CAST(:since AS timestamptz) AND a.at >= CAST(:since AS timestamptz) AND p.at >= CAST(:since AS timestamptz)"

# Nothing comes after FAILED, so what was said of it then stays.
FAILED = f"""
    SELECT t.created_at, t.biller_type, t.transaction_type, coalesce(t.error_code, '{NO_REASON}') AS code, 1::bigint AS count, t.error_message AS message
    FROM events e
    JOIN transactions t ON t.id = e.transaction_id
    WHERE e.xid >= :floor AND e.xid < :ceiling AND e.seq > :settled_seq AND e.to_stage = '{Stage.FAILED}' AND t.amount IS NOT NULL AND NOT t.demo
"""  # noqa: S608 - constants of this module
_FAILURES = f"""
    SELECT created_at, biller_type, transaction_type, coalesce(error_code, '{NO_REASON}') AS code, 1::bigint AS count, error_message AS message
    FROM transactions
    WHERE status = '{Status.FAILED}' AND amount IS NOT NULL AND created_at >= CAST(:since AS timestamptz)
"""  # noqa: S608 - constants of this module


@dataclass(frozen=True, slots=True)
class Source:
    """What a table of sums is made from: the rows themselves, or what was written to them by the database transactions `floor` to `ceiling`."""

    keys: tuple[str, ...]
    sums: tuple[str, ...]
    rows: str
    written: str
    # The smallest of which is kept.
    least: tuple[str, ...] = ()


MOVES = Source(("biller_type", "transaction_type", "status", "under_review", "currency"), ("count", "amount"), _ROWS, MOVED)
CALLS = Source(("biller_type", "transaction_type", "bucket"), ("count", "total_ms"), _CALLS, ANSWERED)
ALL_CALLS = replace(CALLS, keys=("bucket",))
FAILURES = Source(("biller_type", "transaction_type", "code"), ("count",), _FAILURES, FAILED, ("message",))

# Each key of time, told from the moment of submission.
_STEPS = {
    "hour": "date_trunc('hour', created_at, 'UTC')",
    "day": "(created_at AT TIME ZONE :zone)::date",
    "week": "date_trunc('week', created_at AT TIME ZONE :zone)::date",
    "month": "date_trunc('month', created_at AT TIME ZONE :zone)::date",
    "weekday": "extract(isodow FROM created_at AT TIME ZONE :zone)::smallint - 1",
    "hour_of_day": "extract(hour FROM created_at AT TIME ZONE :zone)::smallint",
}


@dataclass(frozen=True, slots=True)
class Kept:
    """A table of sums by steps of time, the first of which is what is read a stretch of. `finer` is one of the same by hour: where hours make up days, it is
    added up from that."""

    table: str
    steps: tuple[str, ...]
    source: Source
    finer: str | None = None

    @property
    def step(self) -> str:
        return self.steps[0]

    @property
    def keys(self) -> tuple[str, ...]:
        return (*self.steps, *self.source.keys)

    @property
    def _columns(self) -> str:
        return ", ".join((*self.keys, *self.source.sums, *self.source.least))

    def _grouped(self, of: str) -> str:
        sums = [f"sum({name}) AS {name}" for name in self.source.sums] + [f"min({name}) AS {name}" for name in self.source.least]
        differs, keys = " OR ".join(f"sum({name}) <> 0" for name in self.source.sums), ", ".join(self.keys)
        return f"SELECT {', '.join((keys, *sums))} FROM ({of}) AS one GROUP BY {keys} HAVING {differs}"  # noqa: S608 - constants of this module

    def _signed(self, sign: str, of: str) -> str:
        """Rows with a moment, as rows of this table."""
        steps = [f"{_STEPS[step]} AS {step}" for step in self.steps]
        sums = [f"{sign}{name} AS {name}" for name in self.source.sums]
        return f"SELECT {', '.join((*steps, *self.source.keys, *sums, *self.source.least))} FROM ({of}) AS one"  # noqa: S608 - constants of this module

    @property
    def fold(self) -> str:
        add = [f"{name} = kept.{name} + excluded.{name}" for name in self.source.sums]
        add += [f"{name} = least(kept.{name}, excluded.{name})" for name in self.source.least]
        written = self._grouped(self._signed("", self.source.written))
        return f"INSERT INTO {self.table} AS kept ({self._columns}) {written} ON CONFLICT ({', '.join(self.keys)}) DO UPDATE SET {', '.join(add)}"

    @property
    def sweep(self) -> str:
        """What came to nothing: each payment leaves such a cell behind wherever it only passed through."""
        steps = self._signed("", self.source.written)
        return f"DELETE FROM {self.table} WHERE count = 0 AND {self.step} IN (SELECT {self.step} FROM ({steps}) AS one)"  # noqa: S608 - constants

    def rebuild(self, zone: ZoneInfo) -> str:
        if self.finer and has_whole_hours(zone):
            rows = self._signed("", f"SELECT hour AS created_at, * FROM {self.finer}")  # noqa: S608 - constants of this module
        else:
            rows = f"{self._signed('', self.source.rows)} UNION ALL {self._signed('-', self.source.written)}"
        # In order, so that what is asked for together lies together.
        return f"INSERT INTO {self.table} ({self._columns}) {self._grouped(rows)} ORDER BY {self.step}"

    @property
    def differences(self) -> str:
        """Sums that are not what the rows come to, each with by how much; nothing where all is well."""
        kept = f"SELECT {self._columns} FROM {self.table} WHERE {self.step} >= :first"  # noqa: S608 - constants of this module
        late = f"SELECT * FROM ({self.source.written}) AS late WHERE created_at >= CAST(:since AS timestamptz)"  # noqa: S608 - constants of this module
        return self._grouped(f"{kept} UNION ALL {self._signed('', late)} UNION ALL {self._signed('-', self.source.rows)}")


# What is finer stands before what is added up from it.
KEPT = (
    Kept("rollup_hours", ("hour",), MOVES),
    Kept("rollup_days", ("day",), MOVES, "rollup_hours"),
    Kept("rollup_weekdays", ("month", "weekday", "hour_of_day"), MOVES, "rollup_hours"),
    Kept("rollup_call_hours", ("hour",), CALLS),
    Kept("rollup_call_days", ("day",), CALLS, "rollup_call_hours"),
    Kept("rollup_call_weeks", ("week",), CALLS, "rollup_call_hours"),
    Kept("rollup_call_totals", ("day",), ALL_CALLS, "rollup_call_hours"),
    Kept("rollup_reasons", ("day",), FAILURES),
)


@dataclass(frozen=True, slots=True)
class State:
    """Up to where the sums have come, as one moment saw it."""

    watermark: int
    settled_seq: int
    settled_at: datetime | None
    zone: ZoneInfo
    events: int
    answers: int
    rebuilt_at: datetime | None
    # Is there any event, any answer that is not in the sums? Where there is none, nobody looks for them in each month's part.
    has_late_events: bool
    has_late_answers: bool
    verified_at: datetime | None = field(compare=False)
    differences: int = field(compare=False)
    differed_at: datetime | None = field(compare=False)
    # Database transactions below this have ended; those from `next_xid` on had not begun.
    horizon: int = field(compare=False)
    next_xid: int = field(compare=False)

    @property
    def may_be_read(self) -> bool:
        """False where the sums were never made, or came with a dump from a server that had counted further than this one."""
        return self.rebuilt_at is not None and self.watermark <= self.next_xid

    def written(self, ceiling: int = NEVER) -> dict[str, Any]:
        """Which events and answers are not in the sums."""
        settled_at = self.settled_at.isoformat() if self.settled_at else "-infinity"
        return {"floor": self.watermark, "ceiling": ceiling, "settled_seq": self.settled_seq, "settled_at": settled_at}
