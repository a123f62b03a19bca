"""The rules of who decides alone: what stands, what stood before, and how a change of one is proposed. Another administrator decides (`wider_approvals`).

Whoever pays holds the rules still while they go by them, and a change waits for them: of a payment and a rule that changes one comes first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from core import db
from core.access import Actor, needs
from core.errors import BadInput
from core.ids import new_id
from core.models import ApprovalRule, WiderProposal
from core.models.approval_rules import ANY, Duplicates
from core.models.wider_proposals import WiderKind
from core.money import MINOR_UNITS, Money
from core.repositories.approval_rules import ApprovalRules, Said, Scope
from core.repositories.wider_proposals import WiderProposals
from core.security import audit
from core.services import wider_proposals
from core.services.approval_limits import for_whom
from core.services.wider_proposals import is_as_shown

# As long as a change of a configuration waits: a weekend lies between.
LASTS = timedelta(days=4)

MOST_ROWS = 10_000

Content = Mapping[str, Any]

# What a rule may say, in the order in which it is read.
SAYS = ("pays_alone", "duplicates", "duplicates_above", "bulk_rows", "bulk_sum")

NOTHING: Content = dict.fromkeys(SAYS)


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody typed. Amounts are text; what is empty is left to the rule that is more general."""

    pays_alone: str = ""
    duplicates: Duplicates | None = None
    duplicates_above: str = ""
    bulk_rows: str = ""
    bulk_sum: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """A rule as it stands, and whether a change of it waits."""

    scope: Scope
    version: int
    content: Content
    waits: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """What the page shows: the rules, the most general first, and what a new one can be for."""

    standing: Sequence[Standing]
    roles: Mapping[str, str]
    billers: Mapping[str, str]

    def title_of(self, scope: Scope) -> str:
        return for_whom(self.roles, self.billers, scope.role, scope.biller_type)


def content_of(rule: ApprovalRule | None) -> Content:
    """What a version says, as JSON."""
    if rule is None:
        return NOTHING
    values = ((name, getattr(rule, name)) for name in SAYS)
    return {name: f"{value:f}" if isinstance(value, Decimal) else value for name, value in values}


def scope_of(subject: str) -> Scope:
    role, biller_type, currency = subject.split("|")
    return Scope(role, biller_type, currency)


# ---- Reading


@needs("approvals:read")
def standing(actor: Actor, /) -> Rules:
    """The rules that stand, of the billers that this person serves and of any."""
    with db.unit_of_work() as session:
        rules, proposals = ApprovalRules(session), WiderProposals(session)
        waiting = {one.subject for one in proposals.waiting() if one.kind == WiderKind.RULE.value}
        found = [
            Standing(scope, rule.version, content_of(rule), scope.subject in waiting)
            for rule in rules.standing()
            if (scope := Scope(rule.role, rule.biller_type, rule.currency)) and _concerns(actor, rule.biller_type) and content_of(rule) != NOTHING
        ]
        billers = {code: name for code, name in rules.billers().items() if actor.serves(code)}
        return Rules(found, rules.roles(), billers)


@needs("approvals:read")
def history(actor: Actor, /, scope: Scope) -> list[Said]:
    """All versions of one rule, the newest first, with who proposed and who approved each."""
    if not _concerns(actor, scope.biller_type):
        return []
    with db.unit_of_work() as session:
        return ApprovalRules(session).history(scope)


def _concerns(actor: Actor, biller_type: str) -> bool:
    return biller_type == ANY or actor.serves(biller_type)


# ---- Proposing


@needs("approvals:rules", fresh=True)
def propose(actor: Actor, /, scope: Scope, change: Change, reason: str | None) -> WiderProposal:
    """Asks that a rule says this from now on. Raises `BadInput` with what to correct, `NotLegalNow` where a change of it waits already."""
    with db.unit_of_work() as session:
        rules = ApprovalRules(session)
        _check_scope(rules, scope)
        after = _checked(change, scope.currency)
        shown = what_is_shown(rules, scope, after)
        if shown["before"] == after:
            raise BadInput("That is what the rule says already: nothing would change.")
        return wider_proposals.propose(session, actor, WiderKind.RULE, scope.subject, shown, reason, LASTS)


def what_is_shown(rules: ApprovalRules, scope: Scope, after: Content) -> dict[str, Any]:
    """The rule as JSON: for whom it is, at which version it stands, what it says and what it would say."""
    last = rules.last(scope)
    title = for_whom(rules.roles(), rules.billers(), scope.role, scope.biller_type)
    return {
        "title": title[:1].upper() + title[1:],
        "rule": {"role": scope.role, "biller_type": scope.biller_type, "currency": scope.currency, "version": last.version if last else 0},
        "before": dict(content_of(last)),
        "after": dict(after),
    }


def _check_scope(rules: ApprovalRules, scope: Scope) -> None:
    if scope.role != ANY and scope.role not in rules.roles():
        raise BadInput("There is no such role any more. Choose one of the list.")
    if scope.biller_type != ANY and scope.biller_type not in rules.billers():
        raise BadInput("There is no such biller. Choose one of the list.")
    if scope.currency not in MINOR_UNITS:
        raise BadInput(f"This currency is not known. Choose one of {', '.join(MINOR_UNITS)}.")


def _checked(change: Change, currency: str) -> Content:
    takes_two = change.duplicates is Duplicates.SECOND_PERSON
    above = _amount(change.duplicates_above, currency, "The amount above which a second payment takes a second person")
    return {
        "pays_alone": _amount(change.pays_alone, currency, "The amount that one person pays alone"),
        "duplicates": change.duplicates.value if change.duplicates else None,
        # Nothing typed: every second payment of the same bill takes a second person.
        "duplicates_above": (above or Money(Decimal(0), currency).text) if takes_two else None,
        "bulk_rows": _rows(change.bulk_rows),
        "bulk_sum": _amount(change.bulk_sum, currency, "The sum of an act on many"),
    }


def _amount(typed: str, currency: str, what: str) -> str | None:
    """Nothing, nought or an amount. Raises `BadInput`."""
    text = typed.strip()
    if not text:
        return None
    if not text.strip("0., "):
        return Money(Decimal(0), currency).text
    try:
        return Money.parse(text, currency).text
    except BadInput as error:
        raise BadInput(f"{what}: {error.sentence}") from error


def _rows(typed: str) -> int | None:
    text = typed.strip().replace(",", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text) <= MOST_ROWS):
        raise BadInput(f"The number of payments at once is a whole number from 0 to {MOST_ROWS:,}. Leave it empty to say nothing about it.")
    return int(text)


# ---- Deciding: what `wider_approvals` has done


def has_changed(session: Session, proposal: WiderProposal) -> bool:
    """Whether the rule says something else by now than what was in front of whoever proposed this."""
    return not is_as_shown(proposal, what_is_shown(ApprovalRules(session), scope_of(proposal.subject), proposal.shown["after"]))


def adopt(session: Session, by: Actor, proposal: WiderProposal) -> None:
    """Makes the next version. The caller holds the rules, and has written the approval down."""
    scope, after = scope_of(proposal.subject), proposal.shown["after"]
    rules = ApprovalRules(session)
    _check_scope(rules, scope)
    version = proposal.shown["rule"]["version"] + 1
    amounts = {name: Decimal(after[name]) if after[name] is not None else None for name in ("pays_alone", "duplicates_above", "bulk_sum")}
    said = {"duplicates": after["duplicates"], "bulk_rows": after["bulk_rows"], **amounts}
    of = {"role": scope.role, "biller_type": scope.biller_type, "currency": scope.currency}
    rules.add(ApprovalRule(id=new_id(), version=version, proposal_id=proposal.id, **of, **said))
    before = proposal.shown["before"]
    details = {"proposal": proposal.id, "version": version, "before": before, "after": after}
    audit.record(session, by, "approval_rule.changed", "approval_rule", scope.subject, **details)
