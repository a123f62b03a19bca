"""Proving again who one is before an act, and setting up one's sign-in code, as the pages lead through it."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from streamlit.testing.v1 import AppTest

from core import db
from core.access import STEP_UP_LIFE
from core.repositories.proofs import Proofs
from core.security import totp
from core.security.vault import ensure_ring
from core.services import people, proofs
from core.settings import CHECKOUT
from core.ui import session, sign_in
from core.ui.account_codes import OFFER
from tests.pages.conftest import HOME, PATIENCE_SECONDS, Till, button, said
from tests.pages.test_approvals_page import limit  # noqa: F401 - a fixture
from tests.world import PASSWORD, AddPerson, Database


@dataclass
class Seat:
    """Somebody who signed in here, before windows whose session is asked anew at each run."""

    username: str
    token: str
    database: Database

    def sql(self, statement: str, *arguments: object) -> list[tuple[object, ...]]:
        with self.database.connect() as connection:
            cursor = connection.execute(statement, arguments)
            return cursor.fetchall() if cursor.description else []

    def leave_for_a_while(self) -> None:
        self.sql("UPDATE user_sessions SET proved_at = now() - %s", STEP_UP_LIFE)

    def open(self, page: str = "") -> AppTest:
        """The page; without a name, the first one."""
        window = AppTest.from_string(f"import runpy\nrunpy.run_path({str(HOME)!r}, run_name='__main__')", default_timeout=PATIENCE_SECONDS)
        window.run()
        if page:
            window.switch_page(str(CHECKOUT / "pages" / f"{page}.py")).run()
        assert not window.exception
        return window

    def decision(self) -> object:
        return self.sql("SELECT decision FROM proposals")[0][0]


@pytest.fixture
def sit(switch_on: None, database: Database, add_person: AddPerson, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Seat]:
    def down(role: str) -> Seat:
        ensure_ring()
        person = add_person(role, display_name="Thoko")
        token = people.redeem(people.sign_in(person.username, PASSWORD, None), None, None)
        monkeypatch.setattr(session, "token", lambda: token)
        return Seat(person.username, token, database)

    return down


def code_now(secret: bytes, later: int = 0) -> str:
    with db.unit_of_work() as unit:
        return totp.code_of(secret, totp.step_at(Proofs(unit).now()) + later)


def field(window: AppTest, label: str):  # type: ignore[no-untyped-def]
    (found,) = [one for one in window.text_input if one.label == label]
    return found


# ---- Proving again


@pytest.mark.usefixtures("limit")
def test_an_approval_long_after_the_sign_in_asks_who_is_there_and_then_goes_through(
    sit: Callable[[str], Seat], till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    till.pay("5475.50")
    seat = sit("manager")
    seat.leave_for_a_while()
    window = seat.open("approvals")
    button(window, "Approve").click().run()
    assert seat.decision() == "open"
    assert "Nothing you typed is lost" in said(window)
    # A wrong one is refused beside the field, and asked for again.
    field(window, "Your password").set_value("not-the-password")
    button(window, "Prove it").click().run()
    assert "Check your password" in said(window)
    assert field(window, "Your password").value == ""
    field(window, "Your password").set_value(PASSWORD)
    button(window, "Prove it").click().run()
    window.run()
    assert "Your password" not in [one.label for one in window.text_input]
    button(window, "Approve").click().run()
    assert seat.decision() == "approved"


@pytest.mark.usefixtures("limit")
def test_what_was_typed_before_the_proof_is_there_after_it(sit: Callable[[str], Seat], till: Till) -> None:
    till.pay("5475.50")
    seat = sit("manager")
    seat.leave_for_a_while()
    window = seat.open("approvals")
    field(window, "Why not?").set_value("The customer left.")
    button(window, "Reject").click().run()
    assert seat.decision() == "open"
    field(window, "Your password").set_value(PASSWORD)
    button(window, "Prove it").click().run()
    window.run()
    assert field(window, "Why not?").value == "The customer left."
    button(window, "Reject").click().run()
    assert seat.decision() == "rejected"


@pytest.mark.usefixtures("limit")
def test_right_after_the_sign_in_nothing_is_asked(sit: Callable[[str], Seat], till: Till) -> None:
    till.pay("5475.50")
    seat = sit("manager")
    window = seat.open("approvals")
    button(window, "Approve").click().run()
    assert seat.decision() == "approved"


# ---- Setting up one's code


def set_up(seat: Seat, window: AppTest) -> tuple[bytes, list[str]]:
    button(window, "Set up a code").click().run()
    offer = window.session_state[OFFER]
    shown = said(window)
    secret = _secret(offer.secret)
    assert offer.secret[:4] in shown
    field(window, "Code").set_value(code_now(secret))
    button(window, "Switch it on").click().run()
    assert "Keep these recovery codes" in said(window)
    return secret, window.code[0].value.split("\n")


def _secret(text: str) -> bytes:
    import base64

    return base64.b32decode(text)


def test_a_code_is_set_up_by_its_first_code_and_recovery_codes_are_shown_once(sit: Callable[[str], Seat]) -> None:
    seat = sit("operator")
    window = seat.open("account")
    _, recovery = set_up(seat, window)
    assert len(recovery) == 10
    button(window, "I have kept them").click().run()
    window.run()
    shown = said(window)
    assert "10 of your recovery codes still work" in shown
    assert not window.code
    assert people.sign_in(seat.username, PASSWORD, None, recovery[0])


def test_a_wrong_first_code_is_told_and_the_picture_stays(sit: Callable[[str], Seat]) -> None:
    window = sit("operator").open("account")
    button(window, "Set up a code").click().run()
    before = window.session_state[OFFER]
    field(window, "Code").set_value("000000")
    button(window, "Switch it on").click().run()
    assert "not what the app should show" in said(window)
    assert window.session_state[OFFER] == before


def test_setting_it_up_is_an_act_that_asks_for_a_proof(sit: Callable[[str], Seat]) -> None:
    seat = sit("operator")
    seat.leave_for_a_while()
    window = seat.open("account")
    button(window, "Set up a code").click().run()
    assert OFFER not in window.session_state
    field(window, "Your password").set_value(PASSWORD)
    button(window, "Prove it").click().run()
    window.run()
    button(window, "Set up a code").click().run()
    assert OFFER in window.session_state


def test_whoever_has_a_code_is_asked_for_it_in_the_proof(sit: Callable[[str], Seat]) -> None:
    seat = sit("operator")
    window = seat.open("account")
    secret, _ = set_up(seat, window)
    button(window, "I have kept them").click().run()
    window.run()
    seat.leave_for_a_while()
    button(window, "New recovery codes").click().run()
    field(window, "Your password").set_value(PASSWORD)
    button(window, "Prove it").click().run()
    assert "A code works once" in said(window)
    field(window, "Your password").set_value(PASSWORD)
    field(window, "Code").set_value(code_now(secret, 1))
    button(window, "Prove it").click().run()
    window.run()
    button(window, "New recovery codes").click().run()
    assert "Keep these recovery codes" in said(window)


def test_whose_role_asks_for_a_code_is_led_to_it_and_then_to_where_they_wanted(sit: Callable[[str], Seat], add_person: AddPerson) -> None:
    proofs.require_code(add_person("administrator"), "operator", True)
    seat = sit("operator")
    window = seat.open()
    assert "Your role asks for a code beside the password" in said(window)
    assert "Payments today" not in said(window)
    set_up(seat, window)
    # Whatever page it is, the recovery codes come first: nobody can show them again.
    window.run()
    assert "Keep these recovery codes" in said(window)
    button(window, "I have kept them").click().run()
    window.run()
    assert "Set up your sign-in code" not in said(window)
    assert "Payments today" in said(window)


# ---- At the door


def at_the_door(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr(session, "token", lambda: None)
    # The runner has no connection that could have an address.
    made = sign_in.Attempts
    monkeypatch.setattr(sign_in, "Attempts", lambda _address: made(None))
    return AppTest.from_string(f"import runpy\nrunpy.run_path({str(HOME)!r}, run_name='__main__')", default_timeout=PATIENCE_SECONDS).run()


def test_everybody_is_asked_for_a_code_and_told_the_same_whatever_was_wrong(sit: Callable[[str], Seat], monkeypatch: pytest.MonkeyPatch) -> None:
    seat = sit("operator")
    set_up(seat, seat.open("account"))
    said_at_the_door = set()
    for username, password, code in (
        (seat.username, PASSWORD, "000000"),
        (seat.username, PASSWORD, ""),
        (seat.username, "not-the-password", "000000"),
        ("nobody", PASSWORD, ""),
    ):
        window = at_the_door(monkeypatch)
        field(window, "User name").set_value(username)
        field(window, "Password").set_value(password)
        field(window, "Code").set_value(code)
        button(window, "Sign in").click().run()
        said_at_the_door.add(tuple(one.value for one in window.error))
    assert said_at_the_door == {("The user name, the password or the code is not right. Check them and try again.",)}


def test_name_password_and_code_lead_in(sit: Callable[[str], Seat], monkeypatch: pytest.MonkeyPatch) -> None:
    seat = sit("operator")
    secret, _ = set_up(seat, seat.open("account"))
    tickets: list[str] = []
    monkeypatch.setattr(sign_in, "_enter", lambda ticket, _path: tickets.append(ticket))
    window = at_the_door(monkeypatch)
    field(window, "User name").set_value(seat.username)
    field(window, "Password").set_value(PASSWORD)
    field(window, "Code").set_value(code_now(secret, 1))
    button(window, "Sign in").click().run()
    assert not window.error
    actor = people.actor_of(people.redeem(tickets[0], None, None))
    assert actor is not None
    assert actor.username == seat.username
