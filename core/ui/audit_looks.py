"""How an entry of the record reads: what was done in words, what it was done to, what changed. A secret is never more than the word that it changed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.models import AuditEntry
from core.services.audit_words import ACTIONS

# What the pills above the list stand for: the beginnings of actions.
GROUPS: Mapping[str, str] = {
    "Sign-ins": "session,sign_in,proof",
    "Refusals": "access",
    "Approvals": "proposal",
    "Billers": "biller",
    "People": "user,role,api_key",
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
