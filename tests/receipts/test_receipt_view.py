"""The buttons beside a payment: what each role finds there, and that a token is on the screen for one run only."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.ids import new_id
from core.services import receipts, settlement
from core.services.errands import Result
from core.services.tokens import HANDED_OVER, REASONS
from core.settings import settings
from core.ui.receipt_view import OWN_WORDS
from core.wire.contract import Outcome, Receipt
from tests.pages.conftest import Till, button, labels, said, sit_down, switch_on, till  # noqa: F401 - fixtures
from tests.receipts.conftest import GROUPED, RING, TOKEN
from tests.world import Database


@pytest.fixture(autouse=True)
def ring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLERS_VAULT_KEYS", RING)
    settings.cache_clear()


def sold(till: Till, token: str | None = TOKEN) -> uuid.UUID:  # noqa: F811
    one = till.pay()
    told = Receipt(Outcome.CONFIRMED, "SUCCESS", external_id="SRWB-77", token=token)
    settlement.conclude([Result(errand, new_id(), Outcome.CONFIRMED, receipt=told) for errand in till.send()])
    return one


def links(window: AppTest) -> dict[str, Any]:
    return {one.proto.label: one.proto for one in window.get("link_button")}


def audited(database: Database) -> list[tuple[str, str | None]]:
    with database.connect() as connection:
        return connection.execute("SELECT actor_name, details->>'reason' FROM audit_entries WHERE action = 'token.revealed' ORDER BY seq").fetchall()


def test_the_receipt_is_one_click_from_the_payment(till: Till) -> None:  # noqa: F811
    one = sold(till, token=None)
    window = till.open("transactions", id=str(one))
    assert links(window)["Receipt (PDF)"].url == f"/receipt/{one}.pdf"
    assert links(window)["Slip, 80 mm"].url == f"/receipt/{one}.pdf?paper=roll"
    assert "Not printed yet; the first print is the original." in said(window)
    assert not [label for label in labels(window) if "token" in label.lower()]
    receipts.print_receipt(till.actor, one)
    window.run()
    assert "Printed once; the next print is marked COPY 1." in said(window)


def test_what_is_not_proven_and_a_look_up_offer_no_paper(till: Till) -> None:  # noqa: F811
    for one in (till.pay(), till.look_up("70000002")):
        assert not links(till.open("transactions", id=str(one)))


@pytest.mark.parametrize("role", ["analyst", "administrator"])
def test_who_may_not_print_is_offered_nothing(sit_down: Callable[..., Till], till: Till, role: str) -> None:  # noqa: F811
    window = sit_down(role, name="Limbani").open("transactions", id=str(sold(till)))
    assert not links(window)
    assert not [label for label in labels(window) if "token" in label.lower()]


def test_whoever_sold_the_token_sees_it_by_one_click_and_the_next_click_hides_it(till: Till, database: Database) -> None:  # noqa: F811
    window = till.open("transactions", id=str(sold(till)))
    assert GROUPED not in said(window)
    button(window, "Show token").click().run()
    assert GROUPED in said(window)
    button(window, "Hide it").click().run()
    assert GROUPED not in said(window)
    for form in (TOKEN, GROUPED):
        assert form not in repr(window.session_state)
    assert audited(database) == [(till.actor.username, HANDED_OVER)]


def test_everybody_else_says_why_and_then_sees_it_once(sit_down: Callable[..., Till], till: Till, database: Database) -> None:  # noqa: F811
    one, manager = sold(till), sit_down("manager", name="Limbani")
    window = manager.open("transactions", id=str(one))
    assert [label for label in labels(window) if label == "Show token"] == []
    assert links(window)["Copy with the token (PDF)"].disabled
    button(window, "Show the token").click().run()
    assert "Say why you need it" in said(window)
    assert GROUPED not in said(window)
    window.selectbox(key=f"token-why-{one}").set_value(OWN_WORDS).run()
    assert links(window)["Copy with the token (PDF)"].disabled
    window.text_input(key=f"token-reason-{one}").set_value("lost & found?").run()
    assert links(window)["Copy with the token (PDF)"].url == f"/receipt/{one}.pdf?reason=lost+%26+found%3F"
    assert not links(window)["Copy with the token (PDF)"].disabled
    button(window, "Show the token").click().run()
    assert GROUPED in said(window)
    window.run()
    assert GROUPED not in said(window)
    assert audited(database) == [(manager.actor.username, "lost & found?")]


def test_the_usual_reasons_are_there_to_choose(sit_down: Callable[..., Till], till: Till, database: Database) -> None:  # noqa: F811
    one, manager = sold(till), sit_down("manager", name="Limbani")
    window = manager.open("transactions", id=str(one))
    why = window.selectbox(key=f"token-why-{one}")
    assert why.options == [*REASONS, OWN_WORDS]
    why.set_value(REASONS[0]).run()
    assert links(window)["Copy with the token (PDF)"].url.endswith("reason=The+customer+lost+the+slip")
    button(window, "Show the token").click().run()
    assert GROUPED in said(window)
    assert audited(database) == [(manager.actor.username, "The customer lost the slip")]


def test_what_the_next_print_carries_is_told(till: Till) -> None:  # noqa: F811
    one = sold(till)
    assert "the first print is the original, with the token on it." in said(till.open("transactions", id=str(one)))
    receipts.print_receipt(till.actor, one)
    assert "marked COPY 1, without the token unless a reason is given." in said(till.open("transactions", id=str(one)))


def test_a_token_that_cannot_be_opened_is_told_in_a_sentence(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    window = till.open("transactions", id=str(sold(till)))
    monkeypatch.delenv("BILLERS_VAULT_KEYS")
    settings.cache_clear()
    button(window, "Show token").click().run()
    assert "it cannot be opened: a key of this console is missing" in said(window)
    assert "vault-keys" not in said(window)
