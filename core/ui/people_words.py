"""How people, roles and their browsers are told of: word, sign and colour together."""

from collections.abc import Collection, Mapping, Sequence

from core.access import PERMISSIONS
from core.services.staff import Member
from core.ui.words import Look, plain

MAY = Look("May sign in", ":material/check_circle:", "green", "Signs in with user name and password.")
DISABLED = Look("Disabled", ":material/block:", "gray", "Signs in nowhere, and every session is over.")

# A grid draws letters, not icons.
SIGNS = {False: "✓ May sign in", True: "⊘ Disabled"}

ALL_BILLERS = "All billers"

# How a browser calls itself, and what people call it: the first that fits, for each claims to be the ones before it, too.
BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "macOS"), ("Linux", "Linux"))

# Subjects of permissions as a person looks for them, in the order of the day's work.
SUBJECTS: Mapping[str, str] = {
    "accounts": "Looking up",
    "transactions": "Transactions",
    "approvals": "Transactions",
    "exports": "Exports and views",
    "views": "Exports and views",
    "reports": "Figures and reports",
    "statistics": "Figures and reports",
    "receipts": "Receipts and tokens",
    "tokens": "Receipts and tokens",
    "billers": "Billers",
    "people": "People and programs",
    "api": "People and programs",
    "audit": "The record",
    "gate": "The record",
    "metrics": "Figures and reports",
}


def state(member: Member) -> Look:
    return DISABLED if member.disabled else MAY


def scope(billers: Sequence[str], names: Mapping[str, str]) -> str:
    """`All billers`, or the names of those that somebody is limited to."""
    return ", ".join(names.get(code, code) for code in billers) or ALL_BILLERS


def browser(user_agent: str | None) -> str:
    """`Firefox on Windows`, as far as it says so itself; it may say anything."""
    said = user_agent or ""
    name = next((name for sign, name in BROWSERS if sign in said), plain(said[:40]) or "A program")
    system = next((name for sign, name in SYSTEMS if sign in said), "")
    return f"{name} on {system}" if system else name


def by_subject(permissions: Collection[str]) -> Mapping[str, list[str]]:
    """Permissions under the words that people look for them by."""
    groups: dict[str, list[str]] = {heading: [] for heading in SUBJECTS.values()}
    for permission in PERMISSIONS:
        if permission in permissions:
            groups.setdefault(SUBJECTS.get(permission.partition(":")[0], "Everything else"), []).append(permission)
    return {heading: held for heading, held in groups.items() if held}


def what(permission: str) -> str:
    """`Pay bills`."""
    words = PERMISSIONS.get(permission, permission)
    return words[:1].upper() + words[1:]


def rights(permissions: Collection[str]) -> str:
    """`pay bills; see transactions`."""
    return "; ".join(words for name, words in PERMISSIONS.items() if name in permissions)
