"""How a configuration's state, its tests and its changes look: word, sign and colour together."""

import json
from collections.abc import Mapping
from typing import Any

from core.services.configurations import Act, State
from core.services.connection_tests import Stage, Tried
from core.ui.configuration_fields import label_of
from core.ui.words import Look

STATES: Mapping[State, Look] = {
    "active": Look("Active", ":material/check_circle:", "green", "Operators are offered this biller, and payments go out."),
    "paused": Look("Paused", ":material/pause_circle:", "orange", "Operators read the reason; payments wait, and nothing new is taken."),
    "inactive": Look("Inactive", ":material/do_not_disturb_on:", "gray", "Nobody is offered this biller."),
}

# A grid draws letters, not icons.
STATE_SIGNS: Mapping[State, str] = {"active": "✓ Active", "paused": "‖ Paused", "inactive": "⊘ Inactive"}

STAGES: Mapping[Stage, tuple[str, str]] = {
    Stage.TYPED: ("Not saved", "Values as they were typed in the form."),
    Stage.ADDRESS: ("Address", "May the host be called, and where does its name lead?"),
    Stage.CONNECTION: ("Connection and TLS", "Does it accept a connection, and prove who it is?"),
    Stage.AUTHENTICATION: ("Authentication", "Does the biller accept our credentials?"),
    Stage.LOOKUP: ("Look-up", "Is a test account found, and the answer understood?"),
    Stage.BALANCE: ("Core banking", "Is it there, does it take our key, and does it know the account that is credited?"),
    Stage.DRY_RUN: ("Dry run of a debit", "Would it debit the test account? Nothing moves."),
}

ACTIONS: Mapping[str, str] = {
    "biller.added": "Added from the seeds",
    "biller.created": "Created",
    "biller.changed": "Changed",
    "biller.activated": "Activated",
    "biller.deactivated": "Deactivated",
    "biller.paused": "Paused",
    "biller.resumed": "Resumed",
    "biller.tested": "Connection tested",
    "biller.cloned": "Cloned from another configuration",
    "biller.sandbox_moved": "Followed the sandbox to its new port",
    "biller.change_proposed": "Change {proposal} proposed",
    "biller.change_approved": "Change {proposal} approved",
    "biller.change_rejected": "Change {proposal} rejected",
    "biller.change_withdrawn": "Change {proposal} withdrawn",
    "biller.change_expired": "Change {proposal} ran out of time",
}


def result_text(test: Tried | None, version: int | None = None) -> str:
    """`✓ passed` or where it ended; and of which version, where that is not the present one."""
    if test is None:
        return "never tested"
    failed = test.failed_at
    result = f"✓ passed in {test.milliseconds} ms" if failed is None else f"✕ {STAGES[failed.stage][0].lower()}"
    return result if version in (None, test.version) else f"{result} (version {test.version})"


def what_happened(act: Act) -> str:
    """One line of the history."""
    told = ACTIONS.get(act.action, act.action).format(proposal=act.details.get("proposal"))
    if act.action == "biller.tested":
        ended = act.details.get("failed_at")
        typed = ", with values not saved" if act.details.get("typed_only") else ""
        return f"{told}: {'passed' if act.details.get('passed') else f'failed at {STAGES[Stage(ended)][0].lower()}' if ended else 'failed'}{typed}"
    if (restored := act.details.get("restores")) is not None:
        told += f", restored from version {restored}"
    if act.action in ("biller.changed", "biller.activated") and (number := act.details.get("proposal")) is not None:
        told += f" as change {number} proposed it"
    return f"{told}: {act.reason}" if act.reason else told


def change_rows(changes: Mapping[str, Any]) -> list[dict[str, str]]:
    """Before and after, as text. Of a secret there is only the word that it changed."""
    return [
        {"Field": label_of(path), "Before": value_text(change.get("before")), "After": value_text(change.get("after"))}
        if isinstance(change, Mapping)
        else {"Field": label_of(path), "Before": "", "After": str(change)}
        for path, change in changes.items()
    ]


def value_text(value: Any) -> str:
    if value in (None, "", []):
        return "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
