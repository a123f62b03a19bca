"""The daily close: a manager who imported nothing of it signs a biller's day off, once no difference is open. From then on it is frozen, sheet and all."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import func
from sqlalchemy.orm import Session

from core import db
from core.access import Actor, needs
from core.documents.close_sheet import CloseSheet, draw_close
from core.documents.differences_csv import write_differences
from core.errors import NotAllowed, NotFound, NotLegalNow
from core.ids import new_id
from core.models import DayClose
from core.models.notifications import Happening
from core.models.reconciliation import LineKind, Result
from core.money import Money
from core.repositories.reconciliation import Item, Reconciliation
from core.repositories.transactions import Transactions
from core.security import audit
from core.services import outbox
from core.services.day_figures import AGREES, Figures
from core.services.proposals import words_of
from core.services.reconciliation import ACTS, RESULTS, DayView, standing_now
from core.services.statements import served
from core.settings import settings

LONGEST_NOTE = 500

# On paper; beyond them their number is told, and the file of differences has them all.
MOST_ON_PAPER = 400
MOST_IN_A_FILE = 100_000

# How the sums between ours and theirs are called, in the order of the sheet.
BRIDGE = (
    *(Result.OURS_ONLY, Result.THEIRS_ONLY, Result.AMOUNT_DIFFERS, Result.DUPLICATE, Result.UNDER_REVIEW, Result.IN_DOUBT),
    *(Result.LATE_SUCCESS, Result.GIVEN_BACK, Result.OTHER_DAY, Result.MATCHED),
)
BRIDGE_LABELS = {Result.MATCHED: "Matched with another day of ours, or given back on both sides"}


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    name: str


def why_not(seen: DayView, by: Actor) -> str | None:
    """Why this person cannot sign this day off as it stands; None where they can."""
    if seen.close is not None:
        return f"It was signed off by {seen.close.by}."
    if not seen.files:
        return "There is no statement of this day yet. Import it first."
    if any(statement.imported_by == by.id for statement, _ in seen.files):
        return "You imported a statement of this day: another manager signs it off."
    if seen.figures.open:
        are = "difference is" if seen.figures.open == 1 else "differences are"
        return f"{seen.figures.open:,} {are} open. Settle or explain each of them first."
    return None


@needs("reconciliation:close", fresh=True)
def sign_off(actor: Actor, /, biller_type: str, day: date, note: str | None = None) -> uuid.UUID:
    """Freezes the day with its sheet. Raises `NotLegalNow` while a difference is open, `NotAllowed` for whoever imported a statement of it."""
    said = words_of(note, "A note", LONGEST_NOTE) if (note or "").strip() else None
    if actor.id is None:
        raise NotAllowed("A person signs a day off, not a machine.")
    with db.unit_of_work() as session:
        seen = standing_now(session, served(actor, session, biller_type), day)
        if why := why_not(seen, actor):
            raise NotLegalNow(why) if not any(statement.imported_by == actor.id for statement, _ in seen.files) else NotAllowed(why)
        now = Transactions(session).now()
        sheet = draw_close(_sheet(session, seen, actor, said, now))
        close = DayClose(
            id=new_id(),
            biller_type=biller_type,
            day=day,
            figures=_figures(seen),
            sheet=sheet,
            sheet_sha256=hashlib.sha256(sheet).digest(),
            note=said,
            closed_by=actor.id,
            closed_at=now,
        )
        session.add(close)
        session.flush()
        figures = seen.figures
        sums = {"ours": figures.ours, "theirs": figures.theirs, "differences": figures.differences, "sheet": close.sheet_sha256.hex()}
        audit.record(session, actor, "day.signed_off", "biller_day", _name(biller_type, day), close=close.id, note=said, **sums)
        _tell(session, Happening.CLOSE_SIGNED, actor, biller_type, day, seen.biller, said or "")
        return close.id


@needs("reconciliation:close", fresh=True)
def reopen(actor: Actor, /, biller_type: str, day: date, because: str | None) -> None:
    """Lets a signed-off day be worked on again. The sign-off is kept as it was, with who reopened it and why; a new one is a new one."""
    said = words_of(because, "A reason", LONGEST_NOTE)
    with db.unit_of_work() as session:
        biller, found = served(actor, session, biller_type), Reconciliation(session)
        found.hold(biller_type)
        close = found.standing(biller_type, day, held=True)
        if close is None:
            raise NotLegalNow("This day is not signed off. Open it again to see how it stands.")
        close.reopened_at, close.reopened_by, close.reopened_because = func.clock_timestamp(), actor.id, said
        session.flush()
        audit.record(session, actor, "day.reopened", "biller_day", _name(biller_type, day), close=close.id, reason=said)
        _tell(session, Happening.CLOSE_REOPENED, actor, biller_type, day, biller.display_name, said)


@needs("reconciliation:read")
def sheet(actor: Actor, /, close_id: uuid.UUID) -> File:
    """The PDF as it was signed, also of a day that was reopened since."""
    with db.unit_of_work() as session:
        close = Reconciliation(session).close_with_id(close_id)
        if close is None or not actor.serves(close.biller_type):
            raise NotFound("There is no sheet under this address. Open the day in Reconciliation, and take it from there.")
        return File(close.sheet, f"close-{close.biller_type.lower().replace('_', '-')}-{close.day}.pdf")


@needs("reconciliation:read")
def differences(actor: Actor, /, biller_type: str, day: date) -> File:
    """Every difference of the day as CSV, what was made of it included. Written down: it has customers' accounts in it."""
    with db.unit_of_work() as session:
        biller = served(actor, session, biller_type)
        found = Reconciliation(session).items(biller_type, day, most=MOST_IN_A_FILE)
        content = write_differences(_row(item, biller.default_currency) for item in found)
        digest = hashlib.sha256(content).hexdigest()
        audit.record(session, actor, "differences.exported", "biller_day", _name(biller_type, day), rows=len(found), sha256=digest)
    return File(content, f"differences-{biller_type.lower().replace('_', '-')}-{day}.csv")


def bridge(figures: Figures) -> list[tuple[Result, int, Decimal]]:
    """From ours to theirs: what lies between, with how many and how much. It always comes out."""
    found = ((result, figures.tallies[result]) for result in BRIDGE if result in figures.tallies)
    return [(result, one.count, one.gap) for result, one in found if one.gap or result not in AGREES]


def suspense_lines(seen: DayView) -> list[tuple[str, str]]:
    """What the bank should still hold for this biller, and of what it is made. The page and the sheet say the same."""
    held = seen.suspense
    rows = [
        ("Of this day", held.today, "debited for payments that are completed"),
        ("Of earlier days", held.before, f"the same of days from {held.since:%d %b %Y} on that were not signed off"),
        ("Should hold", held.should_hold, "both together: what the bank still owes the biller of what it debited"),
        ("Perhaps beside it", held.in_doubt, "payments of all these days that are not settled: the biller's, or the customers' again"),
    ]
    return [(name, f"{Money(value, seen.currency)}: {means}") for name, value, means in rows]


# ---- The sheet


def _figures(seen: DayView) -> dict[str, object]:
    suspense = {"should_hold": f"{seen.suspense.should_hold:.2f}", "today": f"{seen.suspense.today:.2f}", "in_doubt": f"{seen.suspense.in_doubt:.2f}"}
    return {"results": seen.figures.as_json(), "suspense": suspense, "files": [file.sha256.hex() for file, _ in seen.files]}


def _sheet(session: Session, seen: DayView, by: Actor, note: str | None, now: datetime) -> CloseSheet:
    zone = ZoneInfo(settings().billers_timezone)
    listed = Reconciliation(session).items(seen.biller_type, seen.day, most=MOST_ON_PAPER)
    left = seen.figures.differences - len(listed)

    def money(value: Decimal) -> str:
        return str(Money(value, seen.currency))

    def at(moment: datetime) -> str:
        return f"{moment.astimezone(zone):%d/%m/%Y %H:%M:%S %Z}"

    return CloseSheet(
        bank=settings().billers_bank_name,
        biller=seen.biller,
        day=f"{seen.day:%A} {seen.day.day} {seen.day:%B %Y}",
        zone=f"{now.astimezone(zone):%Z}",
        bridge=[
            ("Ours: completed payments", f"{seen.figures.ours_count:,}", money(seen.figures.ours)),
            *((BRIDGE_LABELS.get(result, RESULTS[result].label), f"{count:,}", money(gap)) for result, count, gap in bridge(seen.figures)),
            ("Theirs: paid less given back", f"{seen.figures.theirs_count:,}", money(seen.figures.theirs)),
        ],
        suspense=suspense_lines(seen),
        files=[(file.file_name, f"{file.lines:,}", f"{at(file.imported_at)}, {who}", file.sha256.hex()) for file, who in seen.files],
        differences=[_line(item, seen.currency) for item in listed],
        more=f"{left:,} more differences stand in the file of differences." if left > 0 else "",
        note=note or "",
        signed_by=by.display_name,
        signed_at=at(now),
    )


def _line(item: Item, currency: str) -> Sequence[str]:
    return (
        RESULTS[item.result].label,
        item.our_transaction_id or item.our_reference or "",
        item.their_reference or "",
        item.account_number or item.account or "",
        str(Money(item.our_amount, currency)) if item.our_amount is not None else "",
        _theirs(item, currency),
        " ".join(part for part in (f"{ACTS[item.act]} by {item.noted_by}:" if item.act else "", item.told or "") if part),
    )


def _theirs(item: Item, currency: str) -> str:
    if item.their_amount is None:
        return ""
    return str(Money(-item.their_amount if item.kind is LineKind.REVERSAL else item.their_amount, currency))


def _row(item: Item, currency: str) -> Sequence[str]:
    zone = ZoneInfo(settings().billers_timezone)
    return [
        RESULTS[item.result].label,
        "yes" if item.is_open else "no",
        item.our_transaction_id or "",
        item.account_number or "",
        "" if item.our_amount is None else f"{item.our_amount:.2f}",
        item.status or "",
        "" if item.row is None else str(item.row),
        item.kind.value.lower() if item.kind else "",
        item.our_reference or "",
        item.their_reference or "",
        item.account or "",
        "" if item.their_amount is None else f"{item.their_amount:.2f}",
        currency,
        ACTS[item.act] if item.act else "",
        item.told or "",
        item.noted_by or "",
        item.noted_at.astimezone(zone).isoformat(timespec="seconds") if item.noted_at else "",
    ]


def _tell(session: Session, event: Happening, by: Actor, biller_type: str, day: date, biller: str, reason: str) -> None:
    told = {"day": f"{day:%d %b %Y}", "by": by.display_name, "biller": biller, "reason": reason}
    outbox.note(session, event, "biller_day", _name(biller_type, day), told, biller=biller_type)


def _name(biller_type: str, day: date) -> str:
    return f"{biller_type} {day}"
