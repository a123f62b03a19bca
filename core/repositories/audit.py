"""Asks the chain and the rows it covers. It knows one thing: the canonical text of a row, in which every column has a say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

EVENTS = 1
ENTRIES = 2

# Places in a source's numbers.
BEFORE_ALL = -1
AFTER_ALL = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Source:
    """A sealed table. `columns` are all of its columns, in the order in which the seal reads them; a test holds them to the database."""

    number: int
    table: str
    columns: tuple[str, ...]

    @property
    def canonical(self) -> str:
        """SQL for the row as one JSON array: unambiguous, keys and numbers as jsonb keeps them, moments as microseconds of UTC."""
        values = ", ".join("trunc(extract(epoch FROM r.at) * 1000000)" if column == "at" else f"r.{column}" for column in self.columns)
        return f"jsonb_build_array({self.number}, {values})::text"


SOURCES: Mapping[int, Source] = {
    EVENTS: Source(
        EVENTS,
        "events",
        ("seq", "at", "transaction_id", "version", "from_stage", "to_stage", "actor_id", "actor_name", "reason", "facts", "xid"),
    ),
    ENTRIES: Source(
        ENTRIES,
        "audit_entries",
        ("seq", "at", "actor_id", "actor_name", "address", "action", "subject_type", "subject_id", "details", "xid"),
    ),
}


# Months of stories that were put away (core.repositories.months).
PUT_AWAY = text(
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND NOT relispartition AND relnamespace = current_schema()::regnamespace"
    " AND relname ~ '^events_[0-9]{4}_[0-9]{2}$' ORDER BY relname"
)


class Row(NamedTuple):
    """A row of a source as the seal sees it. A tuple: a million of them are made by each verification."""

    xid: int
    source: int
    seq: int
    canonical: str


class Link(NamedTuple):
    """One seal."""

    number: int
    source: int
    seq: int
    xid: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some seals one after the other, and which rows they name: from the first to the last of each source."""

    number: int
    count: int
    hash: bytes
    rows: Mapping[int, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Horizon:
    """Transactions below `lowest_running` have all ended; `next_xid` was not given to any yet."""

    lowest_running: int
    next_xid: int


@dataclass(frozen=True, slots=True)
class Loose:
    """A row that no seal covers, and whether it may still wait for one."""

    source: int
    seq: int
    waits: bool


class Audit:
    """The chain, inside the caller's unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def may_seal(self) -> bool:
        """Whether this transaction is the only sealer, until it ends."""
        return bool(self._session.execute(text("SELECT pg_try_advisory_xact_lock(hashtext('billers.seal'))")).scalar_one())

    def may_take_long(self) -> None:
        """Reading a long history is no defect; the time-out for defects does not apply to it."""
        self._session.execute(text("SET LOCAL statement_timeout = '30min'"))

    def horizon(self) -> Horizon:
        row = self._session.execute(
            text("SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint FROM (SELECT pg_current_snapshot() AS s) now")
        ).one()
        return Horizon(*row)

    def head(self) -> Link | None:
        """The newest seal."""
        return next(iter(self._links("ORDER BY number DESC LIMIT 1", {})), None)

    def links_after(self, number: int, limit: int) -> Sequence[Link]:
        return self._links("WHERE number > :number ORDER BY number LIMIT :limit", {"number": number, "limit": limit})

    def stretch_after(self, number: int, limit: int) -> Stretch | None:
        """The seals numbered up to `limit` more than this. None where there are none."""
        bounds = ", ".join(f"min(source_seq) FILTER (WHERE source = {source}), max(source_seq) FILTER (WHERE source = {source})" for source in SOURCES)
        query = f"""
            SELECT max(number), count(*), (array_agg(hash ORDER BY number DESC))[1], {bounds}
            FROM seals WHERE number > :number AND number <= :last
        """  # noqa: S608 - constants of this module
        last, count, digest, *ends = self._session.execute(text(query), {"number": number, "last": number + limit}).one()
        if not count:
            return None
        pairs = zip(SOURCES, zip(ends[::2], ends[1::2], strict=True), strict=True)
        return Stretch(last, count, bytes(digest), {source: (first, end) for source, (first, end) in pairs if first is not None})

    def holds(self, stretch: Stretch, previous: bytes) -> bool:
        """Does each of these seals follow from the one before it and from its row, and is each row there once? By the server's own hash: whoever could make the
        server lie about that could make it lie about the rows.
        """
        begins = stretch.number - stretch.count
        parts = " UNION ALL ".join(
            f"""
            SELECT l.xid = r.xid AND l.hash = pg_catalog.sha256(l.previous || pg_catalog.convert_to({source.canonical}, 'UTF8')) AS holds
            FROM links l JOIN {self._whole(source)} r ON r.seq = l.source_seq
            WHERE l.source = {source.number} AND r.seq BETWEEN :first_{source.number} AND :last_{source.number}
            """  # noqa: S608 - constants of this module
            for source in SOURCES.values()
            if source.number in stretch.rows
        )
        query = f"""
            WITH links AS MATERIALIZED (
                SELECT source, source_seq, xid, hash, lag(hash, 1, CAST(:previous AS bytea)) OVER (ORDER BY number) AS previous
                FROM seals WHERE number > :begins AND number <= :number
            )
            SELECT count(*), count(*) FILTER (WHERE holds) FROM ({parts}) AS each
        """  # noqa: S608 - constants of this module
        ends = {f"{name}_{source}": seq for source, pair in stretch.rows.items() for name, seq in zip(("first", "last"), pair, strict=True)}
        rows, good = self._session.execute(text(query), {"previous": previous, "begins": begins, "number": stretch.number, **ends}).one()
        return bool(rows == good == stretch.count)

    def _links(self, where: str, values: Mapping[str, int]) -> Sequence[Link]:
        rows = self._session.execute(text(f"SELECT number, source, source_seq, xid, hash FROM seals {where}"), values)  # noqa: S608 - constants of this class
        return [Link(number, source, seq, xid, bytes(link_hash)) for number, source, seq, xid, link_hash in rows.all()]

    def hashes(self, numbers: Sequence[int]) -> Mapping[int, bytes]:
        """Of those of these seals that are there."""
        rows = self._session.execute(text("SELECT number, hash FROM seals WHERE number = ANY(:numbers)"), {"numbers": list(numbers)})
        return {number: bytes(digest) for number, digest in rows}

    def unsealed(self, floor: int, ceiling: int, after: Mapping[int, int], limit: int) -> Sequence[Row]:
        """Rows without a seal with `floor <= xid < ceiling`, in the chain's order; of those at the floor itself only what comes `after` (by source)."""
        return self._unsealed("r.xid < :ceiling", floor, after, limit, ceiling=ceiling)

    def unsealed_from_another_counter(self, floor: int, after: Mapping[int, int], limit: int) -> Sequence[Row]:
        """The same for rows whose transaction this server has not reached: a dump brought them.

        The counter is read in the snapshot that finds the rows: one read a moment earlier would take the newest rows for old ones.
        """
        return self._unsealed("r.xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint", floor, after, limit)

    def _unsealed(self, which: str, floor: int, after: Mapping[int, int], limit: int, **values: int) -> Sequence[Row]:
        branches = " UNION ALL ".join(self._unsealed_of(source, which) for source in SOURCES.values())
        places = {f"after_{source}": seq for source, seq in after.items()}
        found = self._session.execute(text(f"{branches} ORDER BY xid, source, seq LIMIT :limit"), {"floor": floor, "limit": limit} | places | values)
        return [Row(*row) for row in found]

    @staticmethod
    def _unsealed_of(source: Source, which: str) -> str:
        # LATERAL … LIMIT 1 keeps the planner at one index probe per candidate: it would rather read the whole chain, each second.
        return f"""(
            SELECT r.xid, {source.number} AS source, r.seq, {source.canonical} AS canonical
            FROM {source.table} r
            LEFT JOIN LATERAL (SELECT 1 AS there FROM seals s WHERE s.source = {source.number} AND s.source_seq = r.seq LIMIT 1) seal ON true
            WHERE {which} AND r.xid >= :floor AND (r.xid > :floor OR r.seq > :after_{source.number}) AND seal.there IS NULL
            ORDER BY r.xid, r.seq LIMIT :limit
        )"""  # noqa: S608 - constants of this module

    def _whole(self, source: Source) -> str:
        """SQL for all rows of a source: months that were put away are tables of their own, and as much part of the chain as before."""
        if source.number != EVENTS:
            return source.table
        put_away = self._session.execute(PUT_AWAY).scalars().all()
        columns = ", ".join(source.columns)
        return "(" + " UNION ALL ".join(f"SELECT {columns} FROM {table}" for table in (source.table, *put_away)) + ")"  # noqa: S608 - names of ours

    def rows_of(self, links: Sequence[Link]) -> Iterator[Row]:
        """The rows that these seals cover: one each, unless somebody took one away or slipped one in under its number."""
        for source in SOURCES.values():
            seqs = [link.seq for link in links if link.source == source.number]
            if seqs:
                query = f"SELECT r.xid, {source.number}, r.seq, {source.canonical} FROM {self._whole(source)} r WHERE r.seq = ANY(:seqs)"  # noqa: S608 - constants
                yield from map(Row._make, self._session.execute(text(query), {"seqs": seqs}).all())

    def keep(self, links: Sequence[Link]) -> None:
        self._session.execute(
            text(
                "INSERT INTO seals (number, source, source_seq, xid, hash)"
                " SELECT * FROM unnest(CAST(:numbers AS bigint[]), CAST(:sources AS smallint[]), CAST(:seqs AS bigint[]),"
                " CAST(:xids AS bigint[]), CAST(:hashes AS bytea[]))"
            ),
            {
                "numbers": [link.number for link in links],
                "sources": [link.source for link in links],
                "seqs": [link.seq for link in links],
                "xids": [link.xid for link in links],
                "hashes": [link.hash for link in links],
            },
        )

    def loose(self) -> tuple[int, Loose | None]:
        """How many rows have no seal, and the first of them that no sealer will come back for.

        A sealer takes rows in the order of their transactions. So a row from before the newest seal, or from a transaction that never was,
        did not come in by an insert of ours. Where the chain itself is ahead of the counter, a dump was restored, and every row waits.
        """
        branches = " UNION ALL ".join(
            f"SELECT {source.number} AS source, r.seq, r.xid FROM {self._whole(source)} r"  # noqa: S608 - constants of this module
            f" WHERE NOT EXISTS (SELECT FROM seals s WHERE s.source = {source.number} AND s.source_seq = r.seq)"
            for source in SOURCES.values()
        )
        query = f"""
            WITH newest AS (SELECT xid FROM seals ORDER BY number DESC LIMIT 1),
                 bounds AS (SELECT (SELECT xid FROM newest) AS sealed_to, pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid),
                 loose AS (
                     SELECT source, seq, sealed_to IS NULL OR sealed_to >= next_xid OR (xid >= sealed_to AND xid < next_xid) AS waits
                     FROM ({branches}) r, bounds
                 )
            SELECT count(*) OVER (), source, seq, waits FROM loose ORDER BY waits, source, seq LIMIT 1
        """  # noqa: S608 - constants of this module
        row = self._session.execute(text(query)).one_or_none()
        if row is None:
            return 0, None
        count, source, seq, waits = row
        return count, None if waits else Loose(source, seq, waits)
