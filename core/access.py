"""Who may do what. Permissions are named `subject:action`; roles are data in the database, filled from `seeds/roles.toml`."""

import functools
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Concatenate, ParamSpec, TypeVar

from core import clock
from core.errors import NotAllowed, ProveAgain

P = ParamSpec("P")
R = TypeVar("R")

# Every permission, with what it lets a person do: the words a refusal uses.
PERMISSIONS: Mapping[str, str] = {
    "accounts:lookup": "look accounts up",
    "transactions:pay": "pay bills",
    "transactions:retry": "retry a payment that did not go through",
    "transactions:cancel_own": "cancel your own payments",
    "transactions:cancel": "cancel anyone's payments",
    "transactions:check": "ask a biller about a payment",
    "transactions:resolve": "propose how a payment under review is resolved",
    "transactions:reverse": "propose that a completed payment is given back",
    "transactions:waive": "propose that an account may be paid although a payment to it is under review",
    "transactions:approve": "approve or reject what somebody else proposed",
    "approvals:read": "see what waits for a second person",
    "approvals:rules": "propose from which amounts on a second person decides, and decide what somebody else proposed of it",
    "transactions:read": "see transactions",
    "transactions:export": "export transactions",
    "exports:read": "see what others exported",
    "views:save": "save views of the list",
    "views:manage": "say what a role's list opens with, and see to views that others share",
    "reports:read": "make reports and take them away",
    "reports:schedule": "say which reports are made by themselves",
    "receipts:print": "print receipts",
    "tokens:reveal": "see and reprint prepaid tokens",
    "statistics:read": "see dashboard and analytics",
    "attention:put_off": "put off for a while what needs attention",
    "billers:read": "see billers",
    "billers:configure": "configure billers",
    "billers:approve": "approve or reject a change of a biller's configuration that somebody else proposed",
    "people:sign_in": "use the console",
    "people:read": "see who may use the console, and where they are signed in",
    "people:manage": "add people, change what they see, end their sessions and give them new passwords",
    "people:roles": "say what each role may do",
    "api:tokens": "let a program act in your name, by an API token",
    "reconciliation:read": "see billers' statements beside our days",
    "reconciliation:import": "import billers' statements, and work their differences through",
    "reconciliation:close": "sign a biller's day off, and reopen one",
    "audit:read": "see who did what",
    "audit:verify": "verify the audit chain",
    "notifications:read": "see who was told of what, and what became of it",
    "notifications:manage": "say who is told of what, by which way, and from where on an alert is raised",
    "jobs:read": "see what works in the background",
    "jobs:manage": "retry and cancel work in the background, and start it by hand",
    "gate:sign_off": "sign the restore gate off",
    "metrics:read": "read the figures that monitoring watches",
}

# A proof of who one is (the password, and the code where there is one) holds so long for the acts that ask for a fresh one.
STEP_UP_LIFE = timedelta(minutes=10)


# What is over all billers at once. Somebody who is limited to some does not hold these, whatever their role has.
OF_ALL_BILLERS = frozenset(
    {
        *("billers:configure", "billers:approve", "people:read", "people:manage", "people:roles", "audit:read", "audit:verify", "gate:sign_off"),
        *("approvals:rules", "exports:read", "reports:schedule", "notifications:manage", "jobs:read", "jobs:manage", "metrics:read"),
    }
)


@dataclass(frozen=True, slots=True)
class Actor:
    """The person (or the system) that acts, as the session proved it. Whoever is limited to some billers holds no right over all of them."""

    id: uuid.UUID | None
    username: str
    display_name: str
    role: str
    permissions: frozenset[str]
    address: str | None = None
    # The billers (codes of their types) that this person sees and serves; None: all there are.
    billers: frozenset[str] | None = None
    # When this session last proved who it is; None for whoever cannot: a program, or somebody's job in the worker.
    proved_at: datetime | None = None
    # Their role asks for a code beside the password, and they have none yet: until they set it up they may do nothing else.
    must_enrol: bool = False
    # Rights whose proof was given beforehand: a program's, by its owner when its token was made (core.services.api_tokens).
    proved_for: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.billers is not None:
            object.__setattr__(self, "permissions", self.permissions - OF_ALL_BILLERS)

    def may(self, permission: str) -> bool:
        return permission in self.permissions

    def serves(self, biller_type: str) -> bool:
        """Whether this biller exists for this person."""
        return self.billers is None or biller_type in self.billers

    def proved_lately(self) -> bool:
        return self.proved_at is not None and clock.now() - self.proved_at < STEP_UP_LIFE


# What the command line and the worker act as: an operator of the machine, not of the console.
SYSTEM = Actor(id=None, username="system", display_name="Billers", role="system", permissions=frozenset(PERMISSIONS))


Witness = Callable[[Actor, str], None]

# Who is told of each refusal. The record of who did what is (core.services.denials); this module is below whatever could write one.
_witnesses: list[Witness] = []


def tell_of_refusals(witness: Witness) -> None:
    _witnesses.append(witness)


def refusal(actor: Actor, permission: str) -> NotAllowed:
    """What somebody is told who lacks a right. Every refusal comes by here, and so does whoever writes it down."""
    for witness in _witnesses:
        witness(actor, permission)
    if actor.must_enrol:
        return NotAllowed("Your role asks for a code beside the password, and you have none yet. Load the page again: it leads you through setting it up.")
    return NotAllowed(f"Your role ({actor.role}) does not include the right to {PERMISSIONS[permission]}. Ask an administrator if you need it for your work.")


def require(actor: Actor, permission: str) -> None:
    if permission not in PERMISSIONS:
        raise KeyError(permission)
    if not actor.may(permission):
        raise refusal(actor, permission)


# Who is told that an act waits for a proof: whoever can ask the person for one (core.ui.session). Many an act's caller turns the refusal into a sentence.
_askers: list[Callable[[], None]] = []


def when_proof_is_wanted(ask: Callable[[], None]) -> None:
    _askers.append(ask)


def require_proof(actor: Actor, permission: str | None = None) -> None:
    """Goes on for somebody who proved lately who they are, for the machine's operator, who has no session, and for a program whose owner gave the proof for
    this right when they made its token. Raises `ProveAgain`.
    """
    if actor is SYSTEM or actor.proved_lately() or permission in actor.proved_for:
        return
    for ask in _askers:
        ask()
    raise ProveAgain


def needs(permission: str, *, fresh: bool = False) -> Callable[[Callable[Concatenate[Actor, P], R]], Callable[Concatenate[Actor, P], R]]:
    """The service's guard: its first argument is the actor, and the actor holds `permission`, or nothing happens.

    `fresh` is for acts that an open window left alone must not do: the actor must have proved who they are within `STEP_UP_LIFE`, too.
    """
    if permission not in PERMISSIONS:
        raise KeyError(permission)

    def guard(service: Callable[Concatenate[Actor, P], R]) -> Callable[Concatenate[Actor, P], R]:
        @functools.wraps(service)
        def guarded(actor: Actor, /, *args: P.args, **kwargs: P.kwargs) -> R:
            require(actor, permission)
            if fresh:
                require_proof(actor, permission)
            return service(actor, *args, **kwargs)

        guarded.needs = permission  # type: ignore[attr-defined]
        guarded.fresh = fresh  # type: ignore[attr-defined]
        return guarded

    return guard
