"""How an entry of the record reads: what was done in words, what it was done to, what changed. A secret is never more than the word that it changed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.models import AuditEntry

# What was done, as people say it. What is not here reads as it is named.
ACTIONS: Mapping[str, str] = {
    "access.denied": "Was refused",
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
    "gate.closed": "The restore gate closed",
    "gate.signed_off": "Signed the restore gate off",
    "month.put_away": "Put a month away",
    "proposal.approved": "Approved a proposal",
    "proposal.expired": "Let a proposal expire",
    "proposal.made": "Made a proposal",
    "proposal.rejected": "Rejected a proposal",
    "proposal.withdrawn": "Withdrew a proposal",
    "report.made": "Made a report",
    "report.taken": "Took a report away",
    "session.ended": "Signed out",
    "session.opened": "Signed in",
    "sign_in.refused": "Was not signed in",
    "sign_in.throttled": "Was throttled at the door",
    "token.revealed": "Saw a prepaid token",
    "transaction.cancelled": "Cancelled a payment",
    "transaction.retried": "Retried a payment",
    "transaction.submitted": "Submitted a payment",
    "transactions.export_begun": "Began to export transactions",
    "transactions.export_cancelled": "Cancelled an export",
    "transactions.exported": "Exported transactions",
    "user.added": "Added a person",
    "user.disabled": "Disabled a person",
    "user.password_set": "Gave a new password",
}

# What the pills above the list stand for: the beginnings of actions.
GROUPS: Mapping[str, str] = {
    "Sign-ins": "session,sign_in",
    "Refusals": "access",
    "Approvals": "proposal",
    "Billers": "biller",
    "People": "user",
    "Reveals": "token",
    "Exports": "transactions,report,audit",
}

# A name in the details that stands for a secret: whatever is beside it, here it reads as changed. What may be read anyway is told as it is.
SECRET_WORDS = frozenset({"authentication", "authorization", "cookie", "credential", "credentials", "password", "pin", "secret", "token", "ticket"})
CHANGED, TELLABLE = "changed", frozenset({"changed", "stored", "removed", "removed, since the host changed"})

# Details that are a change as a whole.
BEFORE, AFTER, CHANGES = "before", "after", "changes"

# In the list, of what stands in the details.
LONGEST_SUMMARY = 90


def action_text(action: str) -> str:
    return ACTIONS.get(action) or action.replace("_", " ").replace(".", ": ").capitalize()


def subject_text(entry: AuditEntry, names: Mapping[tuple[str, str], str]) -> str:
    """`transaction 7K3MZQ9RT2WX5B1C`: by what people call it, where that is known."""
    return f"{entry.subject_type.replace('_', ' ')} {names.get((entry.subject_type, entry.subject_id), entry.subject_id)}"


def changes_of(details: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What changed, field by field: before, after."""
    rows = [_change(name, change) for name, change in _mapping(details.get(CHANGES)).items()]
    if BEFORE in details or AFTER in details:
        before, after = details.get(BEFORE), details.get(AFTER)
        if isinstance(before, Mapping) or isinstance(after, Mapping):
            left, right = dict(_flat("", _mapping(before))), dict(_flat("", _mapping(after)))
            rows += [(name, left.get(name, "–"), right.get(name, "–")) for name in dict.fromkeys((*left, *right)) if left.get(name) != right.get(name)]
        else:
            rows.append(("", value_text(before), value_text(after)))
    return [(name.replace("_", " "), before, after) for name, before, after in rows]


def _change(name: str, change: Any) -> tuple[str, str, str]:
    if isinstance(change, Mapping) and set(change) <= {BEFORE, AFTER}:
        return name, _told(name, change.get(BEFORE)), _told(name, change.get(AFTER))
    return name, "", _told(name, change)


def facts_of(details: Mapping[str, Any]) -> dict[str, str]:
    """Everything else that the entry says, each with a name of its own."""
    rest = {name: value for name, value in details.items() if name not in (BEFORE, AFTER, CHANGES)}
    return {name.replace("_", " ").capitalize(): value for name, value in _flat("", rest) if value != "–"}


def summary_of(details: Mapping[str, Any]) -> str:
    """One line of it for the list."""
    changed = [f"{name}: {before} → {after}" if before else f"{name}: {after}" for name, before, after in changes_of(details)]
    told = "; ".join([*changed, *(f"{name.lower()}: {value}" for name, value in facts_of(details).items())])
    return told if len(told) <= LONGEST_SUMMARY else told[: LONGEST_SUMMARY - 1].rstrip() + "…"


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value and not _is_secret(name):
            yield from _flat(f"{prefix}{name} · ", value)
        else:
            yield f"{prefix}{name}", _told(name, value)


def _told(name: str, value: Any) -> str:
    told = value_text(value)
    return CHANGED if _is_secret(name) and told not in TELLABLE and not isinstance(value, bool) and told != "–" else told


def _is_secret(name: str) -> bool:
    return not SECRET_WORDS.isdisjoint(name.lower().replace(".", "_").split("_"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def value_text(value: Any) -> str:
    match value:
        case None | "":
            return "–"
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case int():
            return f"{value:,}"
        case list() if all(isinstance(one, str) for one in value):
            return ", ".join(value) or "–"
        case _:
            return json.dumps(value, ensure_ascii=False)


def columns(entries: Sequence[AuditEntry], names: Mapping[tuple[str, str], str]) -> dict[str, list[str]]:
    """The list's columns beside its moments."""
    return {
        "Who": [entry.actor_name for entry in entries],
        "What": [action_text(entry.action) for entry in entries],
        "About": [subject_text(entry, names) for entry in entries],
        "Details": [summary_of(entry.details) for entry in entries],
        "From": [entry.address or "–" for entry in entries],
    }
