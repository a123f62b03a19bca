"""What stands still and should not, what is out of order beside payments, and what of it was put off. Each question is answered from a small index."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from core.models import PutOff, Transaction, User
from core.models.attention import Kind
from core.models.bulk import BulkAct, BulkItem, ItemState
from core.models.wider_proposals import WiderKind
from core.repositories.alerts import DEAD_FOR, REPORT_TRIES
from core.repositories.filters import TransactionFilter
from core.repositories.sealed import HEARD_OF_WITHIN
from core.states import MONEY_TYPES

# What broke off is somebody's concern for so long; afterwards it is history, and stands in the act's own account.
BROKEN_FOR = timedelta(days=1)

# The record is walked this often at least.
VERIFIED_WITHIN = timedelta(days=7)

# A biller's days that are over and stand under no signature, oldest first: those with payments of ours, and those that a statement tells of. That a day's
# payments are a demonstration's is seen by one of them: a year of those would otherwise be looked through for one that is not.
_DAYS = """
    WITH days AS (
        SELECT * FROM unnest(CAST(:days AS date[]), CAST(:sinces AS timestamptz[]), CAST(:untils AS timestamptz[])) AS d (day, since, until)
    ), due AS (
        SELECT b.code, d.day, d.until, told.lines, coalesce(k.open, 0) AS open
        FROM biller_types b CROSS JOIN days d
        CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM statement_lines l WHERE l.biller_type = b.code AND l.day = d.day) AS lines) AS told
        LEFT JOIN reconciliation_days k ON k.biller_type = b.code AND k.day = d.day
        WHERE (CAST(:billers AS text[]) IS NULL OR b.code = ANY(CAST(:billers AS text[])))
            AND NOT EXISTS (SELECT FROM day_closes c WHERE c.biller_type = b.code AND c.day = d.day AND c.reopened_at IS NULL)
            AND (told.lines OR (
                SELECT NOT t.demo FROM transactions t
                WHERE t.biller_type = b.code AND t.status = 'COMPLETED' AND t.transaction_type = ANY(CAST(:money AS text[]))
                    AND t.created_at >= d.since AND t.created_at < d.until LIMIT 1
            ))
    )
    """

# Each branch is one way in which something is out of order: which kind, which of them, how many, since when, and what is told of it. What is of no biller
# is for whoever sees them all, but for what stops everybody's payments.
_OUT_OF_ORDER = text(f"""{_DAYS}
    SELECT '{Kind.NO_STATEMENT}' AS kind, '' AS about, count(*) AS count, min(until) AS since, (array_agg(code || ' ' || day ORDER BY day, code))[1] AS told
        FROM due WHERE NOT lines HAVING count(*) > 0
    UNION ALL
    SELECT '{Kind.DIFFERENCES}', '', sum(open), min(until), (array_agg(code || ' ' || day ORDER BY day, code))[1]
        FROM due WHERE lines AND open > 0 HAVING count(*) > 0
    UNION ALL
    SELECT '{Kind.NOT_SIGNED_OFF}', '', count(*), min(until), (array_agg(code || ' ' || day ORDER BY day, code))[1]
        FROM due WHERE lines AND open = 0 HAVING count(*) > 0
    UNION ALL
    SELECT '{Kind.NO_WORKER}', '', count(*) FILTER (WHERE stopped_at IS NULL AND seen_at > clock_timestamp() - :silence), max(seen_at), NULL FROM workers
    UNION ALL
    SELECT '{Kind.GATE_CLOSED}', '', 1, closed_at, because FROM gates WHERE reopened_at IS NULL
    UNION ALL
    SELECT '{Kind.BANK_TROUBLE}', '', 1, opened_at, reason FROM breakers WHERE biller_type = :bank
    UNION ALL
    SELECT '{Kind.PROPOSED_ACTS}', '', count(*), min(created_at), NULL FROM wider_proposals
        WHERE decision = 'open' AND kind = '{WiderKind.BULK}' AND (
            CAST(:billers AS text[]) IS NULL OR ARRAY(SELECT jsonb_array_elements_text(shown -> 'billers')) <@ CAST(:billers AS text[])
        ) HAVING count(*) > 0
    UNION ALL
    SELECT '{Kind.PROPOSED_RULES}', '', count(*), min(created_at), NULL FROM wider_proposals
        WHERE decision = 'open' AND kind = '{WiderKind.RULE}' AND (
            CAST(:billers AS text[]) IS NULL OR shown #>> '{{rule,biller_type}}' = ANY(array_append(CAST(:billers AS text[]), ''))
        ) HAVING count(*) > 0
    UNION ALL
    SELECT '{Kind.PROPOSED_CHANGES}', '', count(*), min(p.created_at), NULL
        FROM configuration_proposals p JOIN biller_configs c ON c.id = p.config_id
        WHERE p.decision = 'open' AND (CAST(:billers AS text[]) IS NULL OR c.biller_type = ANY(CAST(:billers AS text[]))) HAVING count(*) > 0
    UNION ALL
    SELECT '{Kind.NO_CREDENTIALS}', c.biller_type, 1, p.decided_at, c.id::text FROM biller_configs c
        JOIN LATERAL (
            SELECT fate, decided_at FROM configuration_proposals
            WHERE config_id = c.id AND decision = 'approved' AND fate <> 'kept' ORDER BY number DESC LIMIT 1
        ) p ON p.fate = 'voided'
        WHERE c.is_active AND c.authentication IS NULL AND (CAST(:billers AS text[]) IS NULL OR c.biller_type = ANY(CAST(:billers AS text[])))
    UNION ALL
    SELECT '{Kind.GIVEN_UP}', '', count(*), min(d.ended_at), NULL
        FROM notification_deliveries d JOIN notification_events e ON e.id = d.event_id
        WHERE d.state = 'dead' AND d.ended_at > now() - :dead_for
            AND (CAST(:billers AS text[]) IS NULL OR e.biller_type = ANY(CAST(:billers AS text[]))) HAVING count(*) > 0
    UNION ALL
    SELECT '{Kind.CHANNEL_DOWN}', c.id::text,
            (SELECT count(*) FROM notification_deliveries d WHERE d.channel_id = c.id AND d.state = 'waiting'), c.down_since, c.name
        FROM notification_channels c WHERE c.is_on AND c.down_since IS NOT NULL AND CAST(:billers AS text[]) IS NULL
    UNION ALL
    SELECT '{Kind.REPORTS_FAILED}', '', count(*), min(created_at), (array_agg(told ORDER BY created_at DESC))[1]
        FROM reports WHERE made_at IS NULL AND tries >= :report_tries AND CAST(:billers AS text[]) IS NULL HAVING count(*) > 0
    UNION ALL
    SELECT '{Kind.DEAD_JOBS}', '', count(*), min(run.ended_at), NULL
        FROM jobs.standing s
        LEFT JOIN LATERAL (SELECT ended_at FROM job_runs r WHERE r.job = s.id ORDER BY r.started_at DESC LIMIT 1) run ON true
        WHERE s.state = 'dead' AND CAST(:billers AS text[]) IS NULL HAVING count(*) > 0
    UNION ALL
    SELECT '{Kind.AUDIT_BROKEN}', '', 1, v.at, v.details ->> 'sentence'
        FROM (SELECT at, details FROM audit_entries WHERE action = 'audit.verified' ORDER BY seq DESC LIMIT 1) v
        WHERE v.details ->> 'whole' = 'false' AND CAST(:billers AS text[]) IS NULL
    UNION ALL
    SELECT '{Kind.NOT_VERIFIED}', '', 1, coalesce(v.at, f.at), NULL
        FROM (SELECT at FROM audit_entries ORDER BY seq LIMIT 1) f
        LEFT JOIN (SELECT at FROM audit_entries WHERE action = 'audit.verified' ORDER BY seq DESC LIMIT 1) v ON true
        WHERE coalesce(v.at, f.at) < now() - :verified_within AND CAST(:billers AS text[]) IS NULL
    UNION ALL
    SELECT '{Kind.RETIRED_KEY}', r.key_id, count(*), max(greatest(r.retired_at, w.started_at)), string_agg(w.name, ', ' ORDER BY w.name)
        FROM workers w JOIN retired_keys r ON r.key_id = split_part(split_part(w.vault_keys, ', ', -1), ':', 1)
        WHERE w.stopped_at IS NULL AND w.seen_at > clock_timestamp() - :heard_of_within AND CAST(:billers AS text[]) IS NULL GROUP BY r.key_id
    """)  # noqa: S608 - constants of this module


@dataclass(frozen=True, slots=True)
class OutOfOrder:
    """One thing that is not as it should be. Of workers how many are at work, and when one was heard of last."""

    kind: Kind
    # Which of its kind: a biller, a channel, a key; nothing where there is only one.
    about: str
    count: int
    since: datetime | None
    told: str | None


@dataclass(frozen=True, slots=True)
class Day:
    """A business day and its bounds."""

    day: date
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Away:
    """What was put off and is not over yet."""

    id: uuid.UUID
    concern: str
    weight: int
    grade: int
    reason: str
    by: str
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class BrokenAct:
    """An act on many payments of which some rows failed for a reason that nobody foresaw."""

    id: uuid.UUID
    act: str
    rows: int
    oldest_at: datetime


# For whoever sees all billers: put together once.
_BROKEN_ACTS = (
    select(BulkAct.id, BulkAct.act, func.count(), func.min(func.coalesce(BulkItem.at, BulkAct.created_at)))
    .join(BulkItem, BulkItem.act_id == BulkAct.id)
    .join(Transaction, Transaction.id == BulkItem.transaction_id)
    .where(BulkAct.created_at > func.now() - BROKEN_FOR, BulkItem.state == ItemState.FAILED.value)
    .group_by(BulkAct.id)
    .order_by(BulkAct.created_at.desc())
)


class StandingStill:
    def __init__(self, session: Session) -> None:
        self._session = session

    def broken_acts(self, billers: tuple[str, ...] = ()) -> list[BrokenAct]:
        """The latest first; of some billers, those with such a row of theirs."""
        found = _BROKEN_ACTS.where(*TransactionFilter(billers=billers).conditions()) if billers else _BROKEN_ACTS
        return [BrokenAct(*row) for row in self._session.connection().execute(found)]

    def out_of_order(self, days: Sequence[Day], bank: str, silence: timedelta, billers: tuple[str, ...] = ()) -> list[OutOfOrder]:
        """Everything that is out of order beside the payments themselves, in one statement. `days` are those that should be signed off by now;
        core banking's breaker is under `bank`; a worker that was not heard of for `silence` is not at work.
        """
        asked = {
            "days": [one.day for one in days],
            "sinces": [one.since for one in days],
            "untils": [one.until for one in days],
            "money": sorted(MONEY_TYPES),
            "billers": list(billers) or None,
            "bank": bank,
            "silence": silence,
            "dead_for": DEAD_FOR,
            "report_tries": REPORT_TRIES,
            "verified_within": VERIFIED_WITHIN,
            "heard_of_within": HEARD_OF_WITHIN,
        }
        rows = self._session.execute(_OUT_OF_ORDER, asked)
        return [OutOfOrder(Kind(kind), about, int(count), since, told) for kind, about, count, since, told in rows]


class PutOffs:
    def __init__(self, session: Session) -> None:
        self._session = session

    def standing(self) -> list[Away]:
        """What is put off just now, by whom."""
        one = PutOff
        found = (
            select(one.id, one.concern, one.weight, one.grade, one.reason, User.display_name, one.put_off_at, one.until)
            .join(User, User.id == one.put_off_by)
            .where(one.ended_at.is_(None), one.until > func.clock_timestamp())
            .order_by(one.until)
        )
        return [Away(*row) for row in self._session.execute(found)]

    def hold(self, concern: str) -> None:
        """One at a time for each concern, until the unit of work ends."""
        self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"put off {concern}", 0))))

    def now(self) -> datetime:
        moment: datetime = self._session.execute(select(func.clock_timestamp())).scalar_one()
        return moment

    def held(self, concern: str) -> PutOff | None:
        """The one that was not ended, whether its time is over or not."""
        found = select(PutOff).where(PutOff.concern == concern, PutOff.ended_at.is_(None)).with_for_update()
        return self._session.scalar(found.execution_options(populate_existing=True))

    def with_id(self, put_off_id: uuid.UUID) -> PutOff | None:
        return self._session.get(PutOff, put_off_id, populate_existing=True)

    def add(self, row: PutOff) -> None:
        self._session.add(row)
        self._session.flush()
