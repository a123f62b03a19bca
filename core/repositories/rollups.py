"""Sums that are kept beside the rows. It knows one thing: what is in them, and what was written since, is together what the rows come to.

Every change of a row leaves an event that names the database transaction which wrote it, so events are the log that sums are brought up to date from:
nothing is written for them where payments are made. A fold takes in what every database transaction below a watermark wrote, and moves the watermark, in
one unit of work; a reader adds what was written from the watermark on. Whoever is still writing, and whoever reads an older snapshot, sees sums, watermark
and events of one moment.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Boolean, CompoundSelect, Select, Text, cast, func, literal_column, select, text
from sqlalchemy.orm import Session

from core import db
from core.models import RollupState
from core.repositories.filters import TransactionFilter
from core.repositories.rollup_questions import (
    UTC_ZONE,
    Moments,
    Question,
    Steps,
    asked,
    buckets_of,
    calls_asked,
    can_add_up,
    cells_of,
    count_of,
    reasons_asked,
    reasons_of,
    steps_of,
    times_of,
    week_asked,
    week_of,
)
from core.repositories.rollup_tables import ANSWERED, KEPT, MOVES, State
from core.repositories.steps import Grain, day_before, day_start, first_day_of, has_whole_hours, hour_from
from core.settings import settings

T = TypeVar("T")

# Of what a statement sees: database transactions below the first have ended, and those from the second on had not begun.
HORIZON, NEXT_XID = (cast(cast(end(func.pg_current_snapshot()), Text), BigInteger) for end in (func.pg_snapshot_xmin, func.pg_snapshot_xmax))

# What is in the sums, and what was written beside them.
_CHANGES = text(
    """
    SELECT rebuilt_at, watermark, pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
        events + (SELECT count(*) FROM events e WHERE e.xid >= watermark AND e.seq > settled_seq),
        answers + (SELECT count(*) FROM answers a WHERE a.xid >= watermark AND a.at > coalesce(settled_at, '-infinity'))
    FROM rollup_state
    """
)


# By the greatest of each month's index. Asked whether there is one above a watermark that it does not know, the planner would read the months.
_IS_LATE = (
    literal_column("coalesce((SELECT max(xid) FROM events) >= watermark, false)", Boolean),
    literal_column("coalesce((SELECT max(xid) FROM answers) >= watermark, false)", Boolean),
)

# Asked wherever sums are read, and so put together once.
_STATE = select(
    *(RollupState.watermark, RollupState.settled_seq, RollupState.settled_at, RollupState.zone, RollupState.events, RollupState.answers),
    *(RollupState.rebuilt_at, *_IS_LATE, RollupState.verified_at, RollupState.differences, RollupState.differed_at, HORIZON, NEXT_XID),
)

# Lines that are not what the days' sums come to, with by how many calls and milliseconds: drawn with those sums, whoever adds them up.
_LINES_DIFFER = text(
    """
    SELECT biller_type, transaction_type, day,
        coalesce(kept.up_tos[cardinality(kept.up_tos)], 0) - coalesce(meant.up_tos[cardinality(meant.up_tos)], 0),
        coalesce(kept.total_ms, 0) - coalesce(meant.total_ms, 0)
    FROM (SELECT * FROM rollup_call_lines WHERE day >= :first) AS kept
    FULL JOIN call_lines((SELECT array_agg(DISTINCT day) FROM rollup_call_days WHERE day >= :first)) AS meant USING (biller_type, transaction_type, day)
    WHERE (kept.buckets, kept.up_tos, kept.total_ms) IS DISTINCT FROM (meant.buckets, meant.up_tos, meant.total_ms)
    """
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A sum that is not what the rows come to."""

    table: str
    cell: tuple[Any, ...]
    # How many too many, and how much too much; negative: missing.
    by: tuple[int | Decimal, ...]


class Rollups:
    """The sums, inside the caller's unit of work. In `db.snapshot` all that is asked is of one moment; elsewhere each question is of its own."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def state(self) -> State:
        """Read once where the session sees one moment."""
        known = self._session.info.get("rollups")
        if known is not None:
            return known  # type: ignore[no-any-return]
        state = self._read_state()
        if self._session.info.get(db.ONE_MOMENT):
            self._session.info["rollups"] = state
        return state

    def _read_state(self) -> State:
        row = self._session.connection().execute(_STATE).one()
        watermark, settled_seq, settled_at, zone, *rest = row
        return State(watermark, settled_seq, settled_at, ZoneInfo(zone), *rest)

    def _steadily(self, ask: Callable[[State], T]) -> T:
        """The answer, from sums that nobody moved meanwhile."""
        while True:
            state = self.state()
            found = ask(state)
            if self._session.info.get(db.ONE_MOMENT) or self._read_state() == state:
                return found

    def _rows(self, query: Select[Any] | CompoundSelect[Any], moments: Moments) -> Sequence[Any]:
        """Of plain columns, as they come from the server: a session would make each row over."""
        return self._session.connection().execute(query, moments.taken).all()

    # ---- Keeping them

    def fold(self) -> int:
        """Takes in what was written since the last time by those who are done; makes the sums anew where they cannot be trusted. Answers how much it was.

        Nothing where somebody else is at it.
        """
        if not self._session.execute(text("SELECT pg_try_advisory_xact_lock(hashtext('billers.rollups'))")).scalar_one():
            return 0
        state, zone = self._read_state(), business_zone()
        if not state.may_be_read or state.zone.key != zone.key:
            return self.rebuild()
        window = {**state.written(state.horizon), "zone": zone.key}
        events, answers = self._count(state, state.horizon)
        if not events and not answers:
            return 0
        self._may_take_long()
        for kept in KEPT:
            if answers if kept.source.written is ANSWERED else events:
                self._session.execute(text(kept.fold), window)
            if events and kept.source is MOVES:
                self._session.execute(text(kept.sweep), window)
        self._session.execute(
            text("UPDATE rollup_state SET watermark = :horizon, events = events + :events, answers = answers + :answers"),
            {"horizon": state.horizon, "events": events, "answers": answers},
        )
        return events + answers

    def rebuild(self) -> int:
        """Makes the sums anew from the rows, whatever runs beside it. Answers how many rows there were.

        What those who have not ended write is not in them: the sums and what is read beside them are the rows again. Whoever loads rows without their events
        does this in the unit of work that loads them.
        """
        self._may_take_long()
        self._session.execute(text("SELECT pg_advisory_xact_lock(hashtext('billers.rollups'))"))
        zone = business_zone()
        state = self._settled(self._read_state())
        window = {**state.written(), "zone": zone.key, "since": "-infinity"}
        for kept in KEPT:
            self._session.execute(text(f"DELETE FROM {kept.table}"))  # noqa: S608 - constants of this module
            self._session.execute(text(kept.rebuild(zone)), window)
            # The planner would take them for empty until autovacuum comes by.
            self._session.execute(text(f"ANALYZE {kept.table}"))
        self._session.execute(
            text(
                "UPDATE rollup_state SET watermark = :floor, settled_seq = :settled_seq, settled_at = :settled_at, zone = :zone, rebuilt_at = clock_timestamp()"
            ),
            {"floor": state.watermark, "settled_seq": state.settled_seq, "settled_at": state.settled_at, "zone": zone.key},
        )
        self._session.info.pop("rollups", None)
        return int(self._session.execute(text("SELECT coalesce(sum(count), 0) FROM rollup_hours")).scalar_one())

    def _settled(self, state: State) -> State:
        """From this moment's horizon on. On a server that has counted less than the one this database comes from, what has a number that nobody can have yet is
        counted among the rows, not beside them."""
        if state.watermark <= state.next_xid:
            return replace(state, watermark=state.horizon)
        row = self._session.execute(
            text(
                """
                WITH now AS MATERIALIZED (
                    SELECT pg_snapshot_xmin(s)::text::bigint AS horizon, pg_snapshot_xmax(s)::text::bigint AS next_xid,
                        coalesce(pg_current_xact_id_if_assigned()::text::bigint, 0) AS own
                    FROM (SELECT pg_current_snapshot() AS s) one
                )
                SELECT horizon,
                    (SELECT coalesce(max(seq), 0) FROM events WHERE xid >= now.next_xid AND xid <> now.own),
                    (SELECT max(at) FROM answers WHERE xid >= now.next_xid AND xid <> now.own)
                FROM now
                """
            )
        ).one()
        return replace(state, watermark=row[0], settled_seq=max(state.settled_seq, row[1]), settled_at=row[2] or state.settled_at)

    def differences(self, since: datetime | None = None) -> Sequence[Difference]:
        """Every sum that is not what the rows come to, from the day on that `since` lies in, or of all there is. To be asked in `db.snapshot`."""
        self._may_take_long()
        state = self.state()
        found, seen_from = [], day_before(since, state.zone) if since else date(1, 1, 1)
        for kept in KEPT:
            first_day = first_day_of(Grain(kept.step), seen_from)
            begin = day_start(first_day, state.zone) if since else None
            first: object = first_day
            if kept.step == "hour":
                # Where days do not begin with hours, the first hour is left to the day.
                begin = hour_from(begin) if begin else None
                first = begin or datetime(1, 1, 1, tzinfo=UTC)
            window = {**state.written(), "zone": state.zone.key, "since": begin.isoformat() if begin else "-infinity", "first": first}
            for row in self._session.execute(text(kept.differences), window):
                found.append(Difference(kept.table, tuple(row[: len(kept.keys)]), tuple(row[len(kept.keys) :][: len(kept.source.sums)])))
        found += [Difference("rollup_call_lines", tuple(row[:3]), tuple(row[3:])) for row in self._session.execute(_LINES_DIFFER, {"first": seen_from})]
        return found

    def note_verified(self, differences: int) -> None:
        """Keeps when the sums were compared with the rows, and how many differed when some did last."""
        query = "UPDATE rollup_state SET verified_at = clock_timestamp()"
        if differences:
            query += ", differences = :count, differed_at = clock_timestamp()"
        self._session.execute(text(query).bindparams(**({"count": differences} if differences else {})))

    def _may_take_long(self) -> None:
        """Adding up a long history is no defect; neither is waiting for whoever does it."""
        for name in ("statement_timeout", "lock_timeout"):
            self._session.execute(text(f"SET LOCAL {name} = '30min'"))
        self._session.execute(text("SET LOCAL work_mem = '256MB'"))
        self._session.execute(text("SET LOCAL max_parallel_workers_per_gather = 2"))

    def _count(self, state: State, ceiling: int) -> tuple[int, int]:
        events = text("SELECT count(*) FROM events WHERE xid >= :floor AND xid < :ceiling AND seq > :settled_seq")
        answers = text("SELECT count(*) FROM answers WHERE xid >= :floor AND xid < :ceiling AND at > CAST(:settled_at AS timestamptz)")
        window = state.written(ceiling)
        return int(self._session.execute(events, window).scalar_one()), int(self._session.execute(answers, window).scalar_one())

    # ---- Reading them

    def changes(self) -> tuple[object, ...]:
        """Something else after every change that a figure may tell of. One statement, as every look at a page asks it."""
        rebuilt_at, watermark, next_xid, events, answers = self._session.execute(_CHANGES).one()
        return (rebuilt_at, events, answers) if rebuilt_at is not None and watermark <= next_xid else (rebuilt_at, next_xid)

    def cells(self, questions: Sequence[Question]) -> Sequence[tuple[Any, ...]]:
        """Number of the question, biller, step (of which `Steps` knows the first moment), status, is it a payment, currency, count, value paid.

        Of all questions in one statement.
        """

        def ask(state: State) -> Sequence[tuple[Any, ...]]:
            moments = Moments(state)
            return self._rows(cells_of(asked(questions, state, moments), is_late=state.has_late_events), moments)

        return self._steadily(ask)

    def count(self, wanted: TransactionFilter) -> int:
        """How many rows there are of a filter that sums can tell."""

        def ask(state: State) -> int:
            moments = Moments(state)
            return int(self._rows(count_of(asked([Question(wanted)], state, moments), is_late=state.has_late_events), moments)[0][0])

        return self._steadily(ask)

    def heat(self, wanted: TransactionFilter, zone: ZoneInfo) -> Sequence[tuple[Any, ...]]:
        """Day of the week (from Monday, 0), hour, status, is it a payment, currency, count, value paid."""

        def ask(state: State) -> Sequence[tuple[Any, ...]]:
            moments = Moments(state)
            return self._rows(week_of(*week_asked(wanted, zone, state, moments), is_late=state.has_late_events), moments)

        return self._steadily(ask)

    def place(self, wanted: TransactionFilter, offset: int, *, oldest: bool = False) -> tuple[datetime, int] | None:
        """The hour of UTC in which the row lies that comes after `offset` newer ones, and how many rows of that hour are newer. `oldest`: after so many older.

        None where it cannot be told from sums, or where there are not so many rows.
        """
        if not can_add_up(wanted):
            return None

        def ask(state: State) -> tuple[datetime, int] | None:
            grain, zone = (Grain.DAY, state.zone) if has_whole_hours(state.zone) else (Grain.HOUR, UTC_ZONE)
            found = self._nth(Question(wanted, grain, zone), offset, state, oldest=oldest)
            if found is None or grain is Grain.HOUR:
                return found
            start, newer = found
            end = day_start(day_before(start, zone) + timedelta(days=1), zone)
            within = replace(wanted, since=max(start, wanted.since or start), until=min(end, wanted.until or end))
            return self._nth(Question(within, Grain.HOUR, UTC_ZONE), newer, state)

        return self._steadily(ask)

    def _nth(self, question: Question, offset: int, state: State, *, oldest: bool = False) -> tuple[datetime, int] | None:
        moments, left, steps = Moments(state), offset, Steps(question)
        rows = self._rows(steps_of(asked([question], state, moments), is_late=state.has_late_events), moments)
        for step, count in reversed(rows) if oldest else rows:
            if left < count:
                return steps[step], count - 1 - left if oldest else left
            left -= count
        return None

    def call_buckets(self, question: Question) -> Sequence[tuple[Any, ...]]:
        """Biller, bucket, calls, milliseconds in all: as they are kept, for whoever makes bounds of their own of them."""

        def ask(state: State) -> Sequence[tuple[Any, ...]]:
            moments = Moments(state)
            return self._rows(buckets_of(*calls_asked(question, state, moments), is_late=state.has_late_answers), moments)

        return self._steadily(ask)

    def calls(self, question: Question) -> Sequence[tuple[Any, ...]]:
        """Which level (as GROUPING says it), biller, step (of which `Steps` knows the first moment), calls, milliseconds in all, and the buckets of the ranks.

        Those are the ones that median and 95th percentile lie between.
        """

        def ask(state: State) -> Sequence[tuple[Any, ...]]:
            moments = Moments(state)
            # No step of time is asked for by biller: a year is read by the week, whatever it is drawn by.
            by_biller = calls_asked(replace(question, grain=None), state, moments)
            by_step = calls_asked(question, state, moments, by_biller=False) if question.grain else None
            return self._rows(times_of(by_biller, by_step, is_late=state.has_late_answers), moments)

        return self._steadily(ask)

    def reasons(self, wanted: TransactionFilter) -> Sequence[tuple[Any, ...]]:
        """Biller, code (none: nothing was said), one of the sentences, count: of payments that failed, the most frequent first."""

        def ask(state: State) -> Sequence[tuple[Any, ...]]:
            moments = Moments(state)
            return self._rows(reasons_of(*reasons_asked(wanted, state, moments), is_late=state.has_late_events), moments)

        return self._steadily(ask)


def business_zone() -> ZoneInfo:
    """Whose days are added up."""
    return ZoneInfo(settings().billers_timezone)
