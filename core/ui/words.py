"""How things look to people: labels, icons and colours as tables, times with their zone, amounts with their currency. No sentence about money is made twice."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from core import clock
from core.money import Money
from core.settings import settings
from core.states import Stage, Status, TransactionType

Colour = Literal["green", "blue", "orange", "red", "gray", "violet"]


@dataclass(frozen=True, slots=True)
class Look:
    """Colour, word and icon together: none of them alone reaches everybody."""

    label: str
    icon: str
    colour: Colour
    # What it promises, to be read to a customer.
    meaning: str

    @property
    def badge(self) -> str:
        """Markdown for a coloured chip."""
        return f":{self.colour}-badge[{self.icon} {self.label}]"


STATUS_LOOKS: Mapping[Status, Look] = {
    Status.PENDING: Look("Pending", ":material/schedule:", "gray", "Nothing was sent yet. It can still be cancelled."),
    Status.PROCESSING: Look("Processing", ":material/sync:", "blue", "It is with the bank or the biller, or may be. Do not pay again."),
    Status.COMPLETED: Look("Completed", ":material/check_circle:", "green", "The biller confirmed it."),
    Status.FAILED: Look("Failed", ":material/cancel:", "red", "It did not go through, and no money moved."),
    Status.CANCELLED: Look("Cancelled", ":material/block:", "orange", "It was stopped before anything was sent."),
    Status.REVERSED: Look("Reversed", ":material/undo:", "violet", "What was taken was given back."),
}

# Stages whose status alone does not tell the story; a stage not listed looks like its status.
STAGE_LABELS: Mapping[Stage, str] = {
    Stage.AWAITING_APPROVAL: "Waits for approval",
    Stage.QUEUED: "Queued",
    Stage.ASKING: "Asking the biller",
    Stage.DEBIT_SENDING: "Debiting the account",
    Stage.DEBIT_ACCEPTED: "Debit taken, not posted",
    Stage.DEBIT_RETRY: "Debit not sent, trying again",
    Stage.DEBIT_UNKNOWN: "Debit being confirmed",
    Stage.DEBITED: "Debited, biller is next",
    Stage.PAY_SENDING: "Paying the biller",
    Stage.PAY_ACCEPTED: "Accepted, not yet paid",
    Stage.PAY_UNKNOWN: "Being confirmed",
    Stage.PAY_RETRY: "Not sent, trying again",
    Stage.PAY_REJECTED: "Refused by the biller",
    Stage.REVERSAL_SENDING: "Giving the money back",
    Stage.REVERSAL_UNKNOWN: "Giving back being confirmed",
    Stage.REVIEW: "Under review",
    Stage.REVERSAL_REQUESTED: "Reversal requested",
    Stage.PAY_REVERSAL_SENDING: "Biller is giving it back",
    Stage.PAY_REVERSAL_UNKNOWN: "Biller's giving back being confirmed",
    Stage.REFUND_SENDING: "Crediting the customer",
    Stage.REFUND_UNKNOWN: "Credit being confirmed",
    Stage.REVIEW_REVERSAL: "Reversal under review",
}

TYPE_LABELS: Mapping[TransactionType, str] = {
    TransactionType.ACCOUNT_DETAILS: "Look-up",
    TransactionType.POST_TRANSACTION: "Payment",
    TransactionType.GET_INVOICE: "Invoice look-up",
    TransactionType.CONFIRM_INVOICE: "Invoice payment",
    TransactionType.BUNDLE_DETAILS: "Bundle list",
    TransactionType.CONFIRM_BUNDLE: "Bundle purchase",
}

# Everything that markdown or Streamlit's additions to it read as more than itself.
_MARKED = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&@/])")

# Stands between the signs of what would become an address, a picture or an arrow by itself; takes no room and shows nothing.
_SEAM = "\N{WORD JOINER}"
_SELF_MADE = re.compile(r"(?<=://)|(?<=www)(?=\.)|(?<=\S)(?=@)|(?<=:)(?=[\w+\-]+[:/])|(?<=[-<>~])(?=[-=>])", re.IGNORECASE)


def look(status: str) -> Look:
    return STATUS_LOOKS[Status(status)]


def stage_label(stage: str) -> str:
    """What a stage is called beside its status' colour."""
    known = Stage(stage)
    return STAGE_LABELS.get(known) or known.replace("_", " ").capitalize()


def plain(text: object) -> str:
    """Text from outside (customers, billers) as text in markdown: nothing in it becomes a link, a picture, a colour or a heading."""
    line = " ".join(str(text).split())
    return _MARKED.sub(r"\\\1", _SELF_MADE.sub(_SEAM, line))


def zone() -> ZoneInfo:
    return ZoneInfo(settings().billers_timezone)


def clock_time(moment: datetime) -> str:
    """`10:42:05 CAT`."""
    return f"{moment.astimezone(zone()):%H:%M:%S %Z}"


def day(moment: datetime) -> str:
    """`23 Nov 2025`, the business day."""
    local = moment.astimezone(zone())
    return f"{local.day} {local:%b %Y}"


def date_text(iso: str) -> str:
    """`23 Nov 2025` for a biller's `2025-11-23`; what is no date is shown as it came."""
    try:
        told = date.fromisoformat(iso)
    except ValueError:
        return plain(iso)
    return f"{told.day} {told:%b %Y}"


def moment_text(moment: datetime | None) -> str:
    """`23 Nov 2025, 10:42:05 CAT`; a dash where there is none yet."""
    return "–" if moment is None else f"{day(moment)}, {clock_time(moment)}"


def as_of(moment: datetime | None = None) -> str:
    """`as of 10:42:05 CAT`: beside every figure."""
    return f"as of {clock_time(moment or clock.now())}"


def ago(moment: datetime, now: datetime | None = None) -> str:
    """`3 minutes ago`. For how old something is; never instead of the moment itself."""
    seconds = max(0, int(((now or clock.now()) - moment).total_seconds()))
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {word}{'s' if count > 1 else ''} ago"
    return "just now" if seconds < 5 else f"{seconds} seconds ago"


def amount(value: Decimal | None, currency: str = "MWK") -> str:
    """`MWK 1,250,000.00`; a dash for what moves no money."""
    return "–" if value is None else str(Money(value, currency))
