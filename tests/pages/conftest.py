"""Pages as a signed-in person opens them, against a real database, with the worker's part played by hand."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

import core.db
from core.access import Actor
from core.ids import new_id
from core.money import Money
from core.services import claims, drafts, lookups, payments, settlement
from core.services.errands import Errand, Result
from core.settings import CHECKOUT
from core.ui import session
from core.wire.contract import Account, Outcome, Receipt
from tests.world import AddPerson, Database

LWB = "LWB_POSTPAID"
SLOTS = {LWB: 100}

HOME = CHECKOUT / "Home.py"

# The first run imports the whole console.
PATIENCE_SECONDS = 30


@dataclass
class Till:
    """A person at the console, the biller's side of it, and the pages this person opens."""

    actor: Actor
    patch: pytest.MonkeyPatch
    windows: list[AppTest] = field(default_factory=list)

    def open(self, page: str, **address: Any) -> AppTest:
        """A window on this page. Whoever sits at the till is who the session says: the one thing that is not real here is the cookie."""
        self.patch.setattr(session, "current", lambda *, touch=True: self.actor)
        # By way of a script beside no pages/: AppTest would otherwise run the page without Home around it, which the server's lifespan prevents.
        window = AppTest.from_string(f"import runpy\nrunpy.run_path({str(HOME)!r}, run_name='__main__')", default_timeout=PATIENCE_SECONDS)
        window.run()
        window.switch_page(str(CHECKOUT / "pages" / f"{page}.py"))
        for name, value in address.items():
            window.query_params[name.rstrip("_")] = value
        window.run()
        assert not window.exception
        self.windows.append(window)
        return window

    # ---- The worker's part

    def look_up(self, account: str = "70000001", name: str = "Grace Banda", balance: str = "5475.50", **more: Any) -> uuid.UUID:
        """A look-up that the biller has answered."""
        asked = lookups.ask(self.actor, LWB, account)
        self.answer_lookups(Account(Outcome.CONFIRMED, account, name, Money.from_text(balance), more.get("state", "ACTIVE")))
        return asked

    def answer_lookups(self, account: Account, failure: str | None = None) -> None:
        errands = claims.claim_lookups("test", SLOTS)
        told = account if failure is None else None
        settlement.conclude([_result(errand, account.outcome, told=told, failure=failure) for errand in errands])

    def ready_draft(self, amount: str = "5475.50", account: str = "70000001", **more: Any) -> uuid.UUID:
        """A draft at its review."""
        asked = self.look_up(account, **more)
        form = {"biller": LWB, "account": account, "lookup": str(asked), "amount": amount, "step": "review"}
        return drafts.begin(self.actor, form).id

    def pay(self, amount: str = "5475.50", account: str = "70000001", reason: str | None = None) -> uuid.UUID:
        """A payment that waits in the queue."""
        draft = self.ready_draft(amount, account)
        drafts.freeze(self.actor, draft)
        return payments.submit(self.actor, draft, reason).transaction_id

    def send(self) -> list[Errand]:
        """The intent is committed; the call is out."""
        return claims.claim_sends("test", SLOTS)

    def answer(self, outcome: Outcome, code: str | None = None, message: str | None = None, *, errands: list[Errand] | None = None) -> None:
        """What the biller says of every payment that is out."""
        external = "LWB-77" if outcome is Outcome.CONFIRMED else None
        receipt = Receipt(outcome, code, message, external)
        settlement.conclude([_result(errand, outcome, receipt=receipt) for errand in (self.send() if errands is None else errands)])


def _result(errand: Errand, outcome: Outcome, **more: Any) -> Result:
    failed = more.get("failure") is not None
    return Result(
        errand=errand,
        answer_id=new_id(),
        outcome=outcome,
        http_status=None if failed else 200,
        duration_ms=21,
        request="POST /soap\nAuthorization: ***\n\n<a><b>1</b></a>",
        response=None if failed else "HTTP 200\n\n<a><c>2</c></a>",
        sentence="The biller did not answer in time. It may have acted." if failed else None,
        **more,
    )


@pytest.fixture
def switch_on(database: Database) -> None:
    with core.db.unit_of_work() as unit:
        unit.execute(text("UPDATE biller_configs SET is_active = true"))


@pytest.fixture
def sit_down(switch_on: None, add_person: AddPerson, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Till]:
    """`sit_down("analyst")`: somebody of this role at the console."""

    def sit(role: str = "operator", name: str = "Grace") -> Till:
        return Till(add_person(role, display_name=name), monkeypatch)

    return sit


@pytest.fixture
def till(sit_down: Callable[..., Till]) -> Till:
    """An operator's till."""
    return sit_down()


def said(window: AppTest) -> str:
    """All that the window says, as a person reads it: without markdown's escapes and the seams that keep text from becoming more than text."""
    parts: list[str] = []
    for kind in ("title", "header", "subheader", "markdown", "caption", "text", "error", "warning", "info", "success", "metric", "badge"):
        for element in window.get(kind):
            parts += [str(getattr(element, name, "") or "") for name in ("label", "value", "title", "body")]
            parts.append(str(getattr(getattr(element, "proto", None), "title", "") or ""))
    for table in window.table:
        parts += [f"{key} {value}" for key, value in table.value.iloc[:, 0].items()]
    return " ".join(parts).replace("\\", "").replace("\N{WORD JOINER}", "")


def button(window: AppTest, label: str) -> Any:
    """The one button whose label begins so."""
    found = [one for one in window.button if one.label.replace("\\", "").startswith(label)]
    assert len(found) == 1, [one.label for one in window.button]
    return found[0]


def labels(window: AppTest) -> list[str]:
    return [one.label for one in window.button]
