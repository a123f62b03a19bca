"""Does this take a second person, and by which rule? Asked in the unit of work that pays, with the rules held still: none changes between question and act.

Rules are for a role and a biller, or for any. Of those that say something the most specific counts: a biller's goes before a role's. The limit in a biller's
own configuration holds beside them, and the smaller of the two counts: no rule lets through what the biller's limit would have kept.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from sqlalchemy.orm import Session

from core.models import ApprovalRule
from core.models.approval_rules import ANY, Duplicates
from core.money import Money
from core.repositories.approval_rules import ApprovalRules

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pile:
    """Rows of an act on many, of one biller and currency."""

    biller_type: str
    currency: str
    rows: int
    sum: Decimal


@dataclass(frozen=True, slots=True)
class Paying:
    """What somebody is about to pay. `own_limit` is the biller's own, from its configuration; `is_second`, whether the same was paid a short while ago."""

    role: str
    biller_type: str
    biller_name: str
    amount: Money
    own_limit: Decimal | None
    is_second: bool


def hold_still(session: Session) -> None:
    """From here on no rule changes until this unit of work ends. Whoever pays calls it before they ask."""
    ApprovalRules(session).hold_still()


def why_second_person(session: Session, paying: Paying) -> tuple[str, ...]:
    """Each reason as a sentence that names its rule; none where one person is enough."""
    rules = ApprovalRules(session)
    may_count = rules.that_may_count(paying.role, [paying.biller_type], [paying.amount.currency])
    return tuple(why for why in (_above_the_limit(rules, may_count, paying), _duplicate(rules, may_count, paying)) if why)


def _above_the_limit(rules: ApprovalRules, may_count: Sequence[ApprovalRule], paying: Paying) -> str | None:
    said, currency = most_specific(may_count, lambda rule: rule.pays_alone), paying.amount.currency
    limits = [limit for limit in (paying.own_limit, said[1] if said else None) if limit is not None]
    if not limits or paying.amount.amount <= min(limits):
        return None
    limit = min(limits)
    by = "the limit in its configuration" if limit == paying.own_limit or said is None else title_of(rules, said[0])
    return f"{paying.amount} is above what one person may pay to {paying.biller_name}: up to {Money(limit, currency)}, by {by}."


def _duplicate(rules: ApprovalRules, may_count: Sequence[ApprovalRule], paying: Paying) -> str | None:
    if not paying.is_second:
        return None
    said = most_specific(may_count, lambda rule: rule.duplicates)
    if said is None or said[1] != Duplicates.SECOND_PERSON.value or paying.amount.amount <= (said[0].duplicates_above or 0):
        return None
    above = Money(said[0].duplicates_above or Decimal(0), paying.amount.currency)
    return f"It may be a second payment of the same bill, which above {above} takes a second person, by {title_of(rules, said[0])}."


def why_second_person_for_many(session: Session, role: str, piles: Sequence[Pile]) -> tuple[str, ...]:
    """The same of an act on many: each biller's rows are held to that biller's rule, and all of them together to the rule for any biller."""
    rules = ApprovalRules(session)
    may_count = rules.that_may_count(role, {pile.biller_type for pile in piles}, {pile.currency for pile in piles})
    of_any = [rule for rule in may_count if rule.biller_type == ANY]
    found: list[str] = []
    for biller in sorted({pile.biller_type for pile in piles}):
        own = [rule for rule in may_count if rule.biller_type == biller]
        found += _too_many(rules, own, [pile for pile in piles if pile.biller_type == biller])
    return (*found, *_too_many(rules, of_any, piles))


def _too_many(rules: ApprovalRules, may_count: Sequence[ApprovalRule], piles: Sequence[Pile]) -> list[str]:
    """A rule has a currency, and what it says of rows is said of the rows in that."""
    found = []
    for currency, (rows, total) in _by_currency(piles).items():
        of_currency = [rule for rule in may_count if rule.currency == currency]
        most_rows = most_specific(of_currency, lambda rule: rule.bulk_rows)
        if most_rows and rows > most_rows[1]:
            found.append(f"{_payments(rows)} at once, where one person does up to {most_rows[1]:,}, by {title_of(rules, most_rows[0])}.")
        largest = most_specific(of_currency, lambda rule: rule.bulk_sum)
        if largest and total > largest[1]:
            found.append(f"{Money(total, currency)} at once, where one person does up to {Money(largest[1], currency)}, by {title_of(rules, largest[0])}.")
    return found


def _by_currency(piles: Iterable[Pile]) -> Mapping[str, tuple[int, Decimal]]:
    found: dict[str, tuple[int, Decimal]] = {}
    for pile in piles:
        rows, total = found.get(pile.currency, (0, Decimal(0)))
        found[pile.currency] = (rows + pile.rows, total + pile.sum)
    return found


def _payments(number: int) -> str:
    return f"{number:,} payment{'' if number == 1 else 's'}"


def most_specific(rules: Iterable[ApprovalRule], says: Callable[[ApprovalRule], T | None]) -> tuple[ApprovalRule, T] | None:
    """The rule that counts for one thing, and what it says of it: a biller's before a role's, and both before any."""
    saying = [(rule, said) for rule in rules if (said := says(rule)) is not None]
    return max(saying, key=lambda pair: (pair[0].biller_type != ANY, pair[0].role != ANY), default=None)


def title_of(rules: ApprovalRules, rule: ApprovalRule) -> str:
    """`the rule for Operator, Lilongwe Water Board (version 2)`."""
    return f"{for_whom(rules.roles(), rules.billers(), rule.role, rule.biller_type)} (version {rule.version})"


def for_whom(roles: Mapping[str, str], billers: Mapping[str, str], role: str, biller_type: str) -> str:
    who = roles.get(role, role) if role else "any role"
    return f"the rule for {who}, {billers.get(biller_type, biller_type) if biller_type else 'any biller'}"
