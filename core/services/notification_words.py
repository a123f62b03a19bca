"""What is said of an event, in which words. Templates are text with names in braces; a name stands for one fact, and nothing in a template is ever run.

The console brings words along for every event and medium; a bank may write its own, of the same facts. What is told by a webhook is no template: it is the
facts as JSON.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from core.errors import BadInput
from core.models.notifications import Happening, Medium
from core.money import Money

# What stands for what. Everything else in braces is refused when it is written, so that no customer is ever told "{amuont}".
NAME = re.compile(r"\{([^{}]*)\}")

LONGEST_SUBJECT, LONGEST_BODY = 150, 4_000

# Three text messages, joined: what comes after is cut off.
LONGEST_SMS = 459

COMMON = {"event": "what happened, in words", "at": "when, with the zone", "bank": "the bank's name", "biller": "the biller's name"}
PAYMENT = {
    "reference": "our reference",
    "amount": "the amount with its currency",
    "reason": "what happened, as its story says it",
    "code": "the biller's own code, where it gave one",
    "biller_reference": "the biller's own reference, where it gave one",
    "account": "the account at the biller: with some it is a telephone number",
    "customer": "the name on that account",
}

# A webhook leaves the house: whose payment it was can be asked for by its reference, under a token of one's own.
PERSONAL = frozenset({"account", "customer", "maker"})


@dataclass(frozen=True, slots=True)
class Words:
    """A subject, for a medium that has one, and a text."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Told:
    """An event: its name for people, the facts there are about it with what they mean and an example, and the words it is told in."""

    title: str
    facts: Mapping[str, str]
    example: Mapping[str, str]
    email: Words
    sms: Words


_EXAMPLE = {
    "reference": "BM7Q2X4KD9TA01",
    "amount": "5475.50",
    "currency": "MWK",
    "biller": "Lilongwe Water Board",
    "account": "70000001",
    "customer": "Grace Banda",
}
_PAID = "Reference  {reference}\nBiller     {biller}\nAmount     {amount}"
_SENT = "{at}\n\nYou get this because {bank} has it sent to you. It cannot be answered."


def _payment(title: str, said: str, example: str, **more: str) -> Told:
    return Told(
        title,
        PAYMENT,
        {**_EXAMPLE, "reason": example, **more},
        Words("{reference}: {event}", f"{said}\n\n{_PAID}\n\n{{reason}}\n\n{_SENT}"),
        Words("", f"{{bank}}: {{reference}}, {{amount}} to {{biller}}: {said[0].lower()}{said[1:]}"),
    )


EVENTS: Mapping[Happening, Told] = {
    Happening.PAYMENT_COMPLETED: _payment(
        "Payment completed", "The biller has confirmed it.", "Lilongwe Water Board confirmed the payment.", biller_reference="LWB-77", code="SUCCESS"
    ),
    Happening.PAYMENT_FAILED: _payment(
        "Payment failed", "It did not go through, and no money moved.", "Lilongwe Water Board refused it.", code="ACCOUNT_BLOCKED"
    ),
    Happening.PAYMENT_UNDER_REVIEW: _payment(
        "Payment under review", "Nobody knows what became of it. Do not pay again: somebody has to ask the biller.", "The biller cannot be asked."
    ),
    Happening.BREAK_FOUND: Told(
        "Difference found",
        {"reference": "our reference", "amount": "the amount with its currency", "reason": "what contradicts it, and what to do"},
        {**_EXAMPLE, "reason": "The biller says now that it was paid, and this payment had ended as not paid."},
        Words("{reference}: a difference was found", f"{{reason}}\n\n{_PAID}\n\n{_SENT}"),
        Words("", "{bank}: a difference was found at {reference}, {amount} to {biller}. {reason}"),
    ),
    Happening.APPROVAL_WAITING: Told(
        "Approval waiting",
        {
            "reference": "our reference of the transaction",
            "amount": "the amount with its currency",
            "what": "what was proposed",
            "by": "who proposed it",
            "reason": "the reason that was given",
        },
        {**_EXAMPLE, "what": "a payment above the limit", "by": "Grace", "reason": "The customer pays for the whole year."},
        Words(
            "{reference} waits for a second person",
            f"{{by}} proposed {{what}}. Another person decides, on Approvals.\n\n{_PAID}\n\n{{reason}}\n\n{_SENT}",
        ),
        Words("", "{bank}: {reference} waits for a second person: {what}, {amount} to {biller}, proposed by {by}."),
    ),
    Happening.APPROVAL_DECIDED: Told(
        "Approval decided",
        {
            "reference": "our reference of the transaction",
            "amount": "the amount with its currency",
            "what": "what was proposed",
            "outcome": "what came of it, and who decided",
        },
        {**_EXAMPLE, "what": "a payment that takes a second person", "outcome": "Approved by Thoko."},
        Words("{reference}: what you proposed was decided", f"{{outcome}}\n\nYou proposed {{what}}.\n\n{_PAID}\n\n{_SENT}"),
        Words("", "{bank}: {reference}, {amount}: {outcome} You proposed {what}."),
    ),
    Happening.ALERT_RAISED: Told(
        "Alert raised",
        {"alert": "what is watched", "reason": "what was seen, against which threshold", "owner": "whose it is"},
        {"biller": "Lilongwe Water Board", "alert": "Success rate", "reason": "82.4 % of 51 payments succeeded, below 90 %.", "owner": "Manager"},
        Words("Alert: {alert}, {biller}", f"{{reason}}\n\nIt is the {{owner}}'s to look at: the dashboard says what comes next.\n\n{_SENT}"),
        Words("", "{bank}: alert, {alert}, {biller}. {reason}"),
    ),
    Happening.ALERT_CLEARED: Told(
        "Alert cleared",
        {"alert": "what is watched", "reason": "what is seen now", "owner": "whose it was"},
        {"biller": "Lilongwe Water Board", "alert": "Success rate", "reason": "97.1 % of 68 payments succeeded.", "owner": "Manager"},
        Words("Cleared: {alert}, {biller}", f"{{reason}}\n\n{_SENT}"),
        Words("", "{bank}: cleared, {alert}, {biller}. {reason}"),
    ),
    Happening.REPORT_MADE: Told(
        "Report made",
        {"report": "which report", "reason": "what is in it"},
        {"biller": "all billers", "report": "Daily report of 24 Nov 2026", "reason": "5,012 transactions were counted."},
        Words("{report}", f"It is under Reports. {{reason}}\n\n{_SENT}"),
        Words("", "{bank}: {report} is made. {reason}"),
    ),
    Happening.REPORT_FAILED: Told(
        "Report not made",
        {"report": "which report", "reason": "why it could not be made"},
        {"biller": "all billers", "report": "Daily report of 24 Nov 2026", "reason": "The database was away. It is tried again by itself."},
        Words("{report} could not be made", f"{{reason}}\n\nIt stands under Reports with its next try.\n\n{_SENT}"),
        Words("", "{bank}: {report} could not be made. {reason}"),
    ),
    Happening.CLOSE_SIGNED: Told(
        "Daily close signed",
        {"day": "the business day", "by": "who signed it", "reason": "what it came to"},
        {"biller": "Lilongwe Water Board", "day": "24 Nov 2026", "by": "Chimwemwe", "reason": "No difference is open."},
        Words("The day {day} is closed: {biller}", f"{{by}} signed the close. {{reason}}\n\n{_SENT}"),
        Words("", "{bank}: the day {day} is closed, {biller}, signed by {by}. {reason}"),
    ),
    Happening.CLOSE_REOPENED: Told(
        "Daily close reopened",
        {"day": "the business day", "by": "who reopened it", "reason": "why"},
        {"biller": "Lilongwe Water Board", "day": "24 Nov 2026", "by": "Chimwemwe", "reason": "The biller sent a correction."},
        Words("The day {day} is open again: {biller}", f"{{by}} reopened it after it was signed off. {{reason}}\n\n{_SENT}"),
        Words("", "{bank}: the day {day} is open again, {biller}, reopened by {by}. {reason}"),
    ),
}


def usual(event: Happening, medium: Medium) -> Words:
    """The words that the console brings along."""
    told = EVENTS[event]
    return told.sms if medium is Medium.SMS else told.email


def checked(event: Happening, medium: Medium, words: Words) -> Words:
    """A bank's own words, as they are kept. Raises `BadInput` for a name that stands for nothing, naming those that do."""
    subject, body = " ".join(harmless(words.subject).split()), "\n".join(harmless(line).rstrip() for line in words.body.strip().splitlines())
    if medium is Medium.EMAIL and not 1 <= len(subject) <= LONGEST_SUBJECT:
        raise BadInput(f"A subject is needed, of {LONGEST_SUBJECT} characters at most.")
    if not 1 <= len(body) <= LONGEST_BODY:
        raise BadInput(f"A text is needed, of {LONGEST_BODY:,} characters at most.")
    known = names_of(event)
    for name in NAME.findall(f"{subject}\n{body}"):
        if name not in known:
            raise BadInput(f"{{{name}}} stands for nothing here. There are {', '.join(f'{{{one}}}' for one in known)}.")
    if "{" in (left := NAME.sub("", f"{subject}{body}")) or "}" in left:
        raise BadInput("A brace stands alone. A name stands between two: {reference}.")
    return Words("" if medium is Medium.SMS else subject, body)


def names_of(event: Happening) -> Mapping[str, str]:
    """What may stand in braces, each with what it stands for."""
    return {**COMMON, **EVENTS[event].facts}


def values_of(event: Happening, facts: Mapping[str, Any], at: datetime, zone: ZoneInfo, bank: str) -> dict[str, str]:
    """Every name's value as text. One that is not known of this event is empty."""
    said = dict.fromkeys(names_of(event), "") | {name: str(value) for name, value in facts.items() if value is not None}
    if "amount" in facts and facts["amount"] is not None:
        said["amount"] = f"{Money(Decimal(str(facts['amount'])), str(facts.get('currency') or 'MWK'))}"
    return {
        **said,
        "event": EVENTS[event].title,
        "at": f"{at.astimezone(zone):%d %b %Y %H:%M:%S %Z}",
        "bank": bank,
        "biller": said.get("biller") or "all billers",
    }


def filled(words: Words, values: Mapping[str, str], medium: Medium) -> Words:
    """The words with each name's value, made safe for their medium. Raises `KeyError` for a name that stands for nothing.

    A value is put in once and never looked at again: what a biller calls itself cannot bring a name in braces with it.
    """

    def put(text: str) -> str:
        return NAME.sub(lambda found: " ".join(harmless(values[found[1]]).split()), text)

    if medium is Medium.SMS:
        return Words("", put(words.body)[:LONGEST_SMS])
    # A line's end in a subject would begin a header of its own.
    return Words(" ".join(put(words.subject).split())[: 2 * LONGEST_SUBJECT], put(words.body))


def harmless(text: str) -> str:
    """Without what is no letter to anybody: a control character, a mark that turns the writing round."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def as_data(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a webhook is told: the facts, but not whose they are. Amounts are text: a number would be rounded by somebody."""
    return {name: value for name, value in facts.items() if name not in PERSONAL}
