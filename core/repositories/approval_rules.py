"""What is known of the rules of who decides alone: those that stand, what they said before, and who said so."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from core.models import ApprovalRule, Role, User, WiderProposal
from core.models.approval_rules import ANY
from core.repositories.billers import Billers


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom a rule is: a role or any, a biller or any, and in which currency its amounts are."""

    role: str
    biller_type: str
    currency: str

    @property
    def subject(self) -> str:
        """As a proposal about it is called."""
        return f"{self.role}|{self.biller_type}|{self.currency}"


@dataclass(frozen=True, slots=True)
class Said:
    """One version, with who proposed and who approved it."""

    rule: ApprovalRule
    by: str
    approved_by: str
    reason: str


class ApprovalRules:
    def __init__(self, session: Session) -> None:
        self._session = session

    # ---- One at a time with whoever goes by them

    def hold_still(self) -> None:
        """No rule changes until this unit of work ends: whoever goes by the rules holds them so. Any number may at once."""
        self._session.execute(text("SELECT pg_advisory_xact_lock_shared(hashtext('billers.approval_rules'))"))

    def hold(self) -> None:
        """Nobody goes by the rules until this unit of work ends, and whoever does already is waited for."""
        self._session.execute(text("SELECT pg_advisory_xact_lock(hashtext('billers.approval_rules'))"))

    # ---- Reading

    def standing(self) -> list[ApprovalRule]:
        """The last version of each, the most general first."""
        return self._last()

    def that_may_count(self, role: str, billers: Collection[str], currencies: Collection[str]) -> list[ApprovalRule]:
        """The last versions of those that one of this role may go by, at these billers."""
        return self._last(ApprovalRule.role.in_([ANY, role]), ApprovalRule.biller_type.in_([ANY, *billers]), ApprovalRule.currency.in_(list(currencies)))

    def last(self, scope: Scope) -> ApprovalRule | None:
        return next(iter(self._last(*_of(scope))), None)

    def _last(self, *conditions: ColumnElement[bool]) -> list[ApprovalRule]:
        key = (ApprovalRule.biller_type, ApprovalRule.role, ApprovalRule.currency)
        found = select(ApprovalRule).where(*conditions).ext(distinct_on(*key)).order_by(*key, ApprovalRule.version.desc())
        return list(self._session.scalars(found))

    def history(self, scope: Scope) -> list[Said]:
        """All its versions, the newest first."""
        by, approver = aliased(User), aliased(User)
        found = (
            select(ApprovalRule, by.display_name, approver.display_name, WiderProposal.reason)
            .join(WiderProposal, WiderProposal.id == ApprovalRule.proposal_id)
            .join(by, by.id == WiderProposal.proposed_by)
            .join(approver, approver.id == WiderProposal.decided_by)
            .where(*_of(scope))
            .order_by(ApprovalRule.version.desc())
        )
        return [Said(*row) for row in self._session.execute(found)]

    def roles(self) -> Mapping[str, str]:
        """Their titles by their codes."""
        return dict(self._session.execute(select(Role.code, Role.title).order_by(Role.title)).all())

    def billers(self) -> Mapping[str, str]:
        """Their names by their codes, two kinds of bills of one company told apart."""
        return Billers(self._session).names()

    def add(self, rule: ApprovalRule) -> None:
        self._session.add(rule)
        self._session.flush()


def _of(scope: Scope) -> tuple[ColumnElement[bool], ...]:
    return (ApprovalRule.role == scope.role, ApprovalRule.biller_type == scope.biller_type, ApprovalRule.currency == scope.currency)
