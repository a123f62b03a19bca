"""The words of the audit's search box, `who:grace action:session since:yesterday lost slip`: read in the manner of the list of transactions'.

What is not understood is told word by word, with what would be. Days are the list's own, so that `since:7d` means the same on both pages.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from core.errors import BadInput
from core.repositories.audit_entries import EntryFilter
from core.services import search_words
from core.services.asked import LONGEST_SEARCH, Asked, searchable
from core.services.search_words import LONGEST_LINE, quoted

WHO, ACTION, ABOUT, FROM, SINCE, UNTIL = "who", "action", "about", "from", "since", "until"

# Each word with a colon, what it is for, and how it may look.
QUALIFIERS: Mapping[str, tuple[str, Sequence[str]]] = {
    WHO: ("Who did it, by the name they sign in with.", ("grace", "system")),
    ACTION: ("What was done: an action, or how several begin.", ("session.opened", "access", "configuration")),
    ABOUT: ("What it was done to: a kind, or a kind and which.", ("user:grace", "transaction:7K3MZQ9RT2WX5B1C", "biller")),
    FROM: ("The address it was asked from.", ("10.1.2.3",)),
    SINCE: ("From this day on.", ("yesterday", "7d", "2026-11-01")),
    UNTIL: ("Up to this day, which is one of them.", ("yesterday", "2026-11-24")),
}

# What was done, as people say it. What is not here reads as it is named, and is found once it is on the record.
ACTIONS: Mapping[str, str] = {
    "access.denied": "Was refused",
    "api_key.made": "Made an API token",
    "api_key.revoked": "Ended an API token",
    "approval_rule.changed": "Changed who decides alone",
    "attention.put_off": "Put off what needs attention",
    "attention.taken_up": "Took up again what was put off",
    "audit.export_begun": "Began to export the audit",
    "audit.exported": "Exported the audit",
    "audit.verified": "Verified the audit chain",
    "balance.asked": "Asked for a balance",
    "biller.activated": "Activated a biller",
    "biller.added": "Added a biller",
    "biller.changed": "Changed a biller",
    "biller.created": "Created a configuration",
    "biller.deactivated": "Deactivated a biller",
    "biller.paused": "Paused a biller",
    "biller.resumed": "Resumed a biller",
    "biller.tested": "Tested a biller's connection",
    "break.closed": "Closed a break",
    "breaker.closed": "Calls to a biller go on",
    "breaker.opened": "Calls to a biller were stopped",
    "bulk.started": "Began an act on many",
    "bulk.stopped": "Stopped an act on many",
    "day.reopened": "Reopened a biller's day",
    "day.signed_off": "Signed a biller's day off",
    "debit.tried": "Tried a debit",
    "demo.loaded": "Loaded demonstration data",
    "difference.break": "Kept a difference as a break",
    "difference.explained": "Explained a difference",
    "difference.handed_on": "Handed a difference on",
    "differences.explained": "Explained many differences",
    "differences.kept": "Kept many differences as breaks",
    "differences.exported": "Took a day's differences away",
    "gate.closed": "The restore gate closed",
    "gate.signed_off": "Signed the restore gate off",
    "job.cancelled": "Cancelled a job",
    "job.retried": "Had a job tried again",
    "job.started": "Had a job run by hand",
    "month.put_away": "Put a month away",
    "proof.enrolled": "Enrolled a second factor",
    "proof.given": "Proved who they are",
    "proof.recovery_code_used": "Used a recovery code",
    "proof.recovery_codes_renewed": "Renewed recovery codes",
    "proof.refused": "Did not prove who they are",
    "proof.removed": "Removed a second factor",
    "proof.reset": "Reset a second factor",
    "proposal.approved": "Approved a proposal",
    "proposal.expired": "Let a proposal expire",
    "proposal.made": "Made a proposal",
    "proposal.rejected": "Rejected a proposal",
    "proposal.withdrawn": "Withdrew a proposal",
    "report.made": "Made a report",
    "report.taken": "Took a report away",
    "report_schedule.changed": "Changed when reports are made",
    "role.as_delivered": "Made a role as delivered",
    "role.changed": "Changed a role",
    "role.code_not_required": "Asked a role for a code no longer",
    "role.code_required": "Asked a role for a code",
    "role.created": "Created a role",
    "role.deleted": "Deleted a role",
    "session.all_ended": "Ended all sessions",
    "session.ended": "Signed out",
    "session.opened": "Signed in",
    "sign_in.refused": "Was not signed in",
    "sign_in.throttled": "Was throttled at the door",
    "statement.columns_changed": "Said anew which column of a biller's file has what",
    "statement.imported": "Imported a biller's statement",
    "statement.line_paired": "Paired a statement's line with a payment",
    "token.revealed": "Saw a prepaid token",
    "transaction.cancelled": "Cancelled a payment",
    "transaction.contradicted": "A payment was contradicted",
    "transaction.retried": "Retried a payment",
    "transaction.submitted": "Submitted a payment",
    "transactions.export_begun": "Began to export transactions",
    "transactions.export_cancelled": "Cancelled an export",
    "transactions.exported": "Exported transactions",
    "user.added": "Added a person",
    "user.changed": "Changed a person",
    "user.disabled": "Disabled a person",
    "user.enabled": "Enabled a person",
    "user.password_changed": "Changed their password",
    "user.password_refused": "A new password was refused",
    "user.password_set": "Gave a new password",
    "vault.key_added": "Added a key",
    "vault.key_retired": "Retired a key",
    "vault.rotated": "Sealed everything anew",
    "vault.rotation_began": "Began to seal everything anew",
    "view.deleted": "Deleted a view",
    "view.opens_role": "Said what a role's list opens with",
    "view.saved": "Saved a view",
}

_WORD = re.compile(r'(?:(?P<name>-?[A-Za-z][A-Za-z_-]*):)?(?:"(?P<quoted>(?:[^"\\]|\\.)*)(?P<closed>"?)|(?P<bare>\S*))')
_ESCAPED = re.compile(r"\\(.)")

# What is looked for in the details: more words than that is a paste that went wrong.
MOST_WORDS = 8


@dataclass(frozen=True, slots=True)
class Line:
    """What a line says, before anything of it was looked up: names as they were typed, days as moments."""

    people: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    subject_type: str = ""
    subject_id: str = ""
    address: str = ""
    since: str = ""
    until: str = ""
    words: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()


def read(line: str, zone: ZoneInfo) -> Line:
    """With complaints, only what was understood of it; nothing should be looked for by half a filter."""
    if len(line) > LONGEST_LINE:
        return Line(complaints=(f"This is longer than {LONGEST_LINE:,} characters. Search for less of it.",))
    said, complaints = Line(), []
    for found in _WORD.finditer(line):
        if not found[0]:
            continue
        try:
            said = _with(said, found, zone)
        except BadInput as error:
            complaints.append(f"“{found[0]}”: {error.sentence}")
    if len(said.words) > MOST_WORDS:
        complaints.append(f"Up to {MOST_WORDS} words can be looked for at once. Take some out.")
    return replace(said, complaints=tuple(complaints))


def _with(said: Line, found: re.Match[str], zone: ZoneInfo) -> Line:
    name, is_quoted = (found["name"] or "").lower(), found["quoted"] is not None
    value = _ESCAPED.sub(r"\1", found["quoted"]) if is_quoted else found["bare"]
    if is_quoted and not found["closed"]:
        raise BadInput("the quotation mark is opened and not closed. Close it, or take it out.")
    if not name:
        return replace(said, words=(*said.words, _word(value))) if value.strip() else said
    if name not in QUALIFIERS:
        raise BadInput(_unknown(name))
    if not value.strip():
        raise BadInput(f"It wants a value: {' or '.join(QUALIFIERS[name][1])}.")
    return replace(said, **_READ[name](said, value.strip(), zone))


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, QUALIFIERS, 1)
    hint = f"Did you mean “{near[0]}:”?" if near else f"Possible are {', '.join(f'{one}:' for one in QUALIFIERS)}."
    return f"“{name}:” is no word of this box. {hint} In quotation marks it is searched for as it stands."


def _word(value: str) -> str:
    word = " ".join(value.split())
    if searchable(word) != word:
        raise BadInput(f"A word has up to {LONGEST_SEARCH} characters, all of which can be seen. Search for part of it.")
    return word


def _several(field: str) -> Callable[[Line, str, ZoneInfo], Mapping[str, Any]]:
    """Any of them, apart by commas; what stands twice counts once."""

    def change(said: Line, value: str, _zone: ZoneInfo) -> Mapping[str, Any]:
        found = tuple(dict.fromkeys((*getattr(said, field), *(_word(one) for one in value.split(",") if one.strip()))))
        if not found:
            raise BadInput("There is nothing between the commas. Write a name, or take it out.")
        return {field: found}

    return change


def _about(said: Line, value: str, _zone: ZoneInfo) -> Mapping[str, Any]:
    kind, _, which = _once(said.subject_type, _subject(value)).partition(":")
    if not kind:
        raise BadInput("It wants a kind before the second colon: user:grace.")
    return {"subject_type": kind.lower(), "subject_id": which}


def _subject(value: str) -> str:
    """As it is, and not cut off: an id that was cut would be another one's."""
    if len(value) > LONGEST_LINE or not value.isprintable():
        raise BadInput("It has a character that cannot be seen. Type it again.")
    return value


def _from(said: Line, value: str, _zone: ZoneInfo) -> Mapping[str, Any]:
    return {"address": _once(said.address, _word(value))}


def _day(name: str) -> Callable[[Line, str, ZoneInfo], Mapping[str, Any]]:
    def change(said: Line, value: str, zone: ZoneInfo) -> Mapping[str, Any]:
        _moments(name, _once(getattr(said, name), value), zone)
        return {name: value}

    return change


def _once(before: str, value: str) -> str:
    if before:
        raise BadInput("The same is asked for twice. Take one of them out.")
    return value


_READ: Mapping[str, Callable[[Line, str, ZoneInfo], Mapping[str, Any]]] = {
    WHO: _several("people"),
    ACTION: _several("actions"),
    ABOUT: _about,
    FROM: _from,
    SINCE: _day(SINCE),
    UNTIL: _day(UNTIL),
}


def _moments(name: str, value: str, zone: ZoneInfo) -> EntryFilter:
    change = search_words.QUALIFIERS[name].read(search_words.Value(value), search_words.Known())
    days = replace(Asked(), **change).wanted(zone)
    return EntryFilter(since=days.since, until=days.until)


def days_of(said: Line, zone: ZoneInfo) -> EntryFilter:
    """The days of a line as moments of today's calendar, and nothing else of it."""
    found = EntryFilter()
    if said.since:
        found = replace(found, since=_moments(SINCE, said.since, zone).since)
    if said.until:
        found = replace(found, until=_moments(UNTIL, said.until, zone).until)
    return found


def begins(on_the_record: Sequence[str], typed: str) -> list[str]:
    """The actions that are called so, or begin so up to a full stop. Raises `BadInput` with those that are near."""
    said, known = typed.lower().rstrip(".*"), dict.fromkeys((*on_the_record, *ACTIONS))
    found = [action for action in known if action == said or action.startswith(f"{said}.")]
    if not found:
        near = difflib.get_close_matches(said, {*known, *(action.partition(".")[0] for action in known)}, 3, cutoff=0.4)
        raise BadInput(f"“action:{typed}”: Nothing on the record is called so. " + (f"Did you mean {' or '.join(near)}?" if near else "Leave it out."))
    return found


_PLAIN = re.compile(r'[^\s"]+')


def written(name: str, value: str) -> str:
    """A qualifier as it is typed."""
    return f"{name}:{value if _PLAIN.fullmatch(value) else quoted(value)}"
