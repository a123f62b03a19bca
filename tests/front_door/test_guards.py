"""The guard and its relatives, in Streamlit's own test runner."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.access import Actor
from core.services import people
from core.ui import session
from tests.world import PASSWORD, AddPerson, Database


@pytest.fixture
def be(monkeypatch: pytest.MonkeyPatch, database: Database, add_person: AddPerson) -> Callable[[str], str]:
    """`be("analyst")`: this window's cookie is that of somebody in this role."""

    def become(role: str) -> str:
        person = add_person(role, display_name="Grace Banda")
        token = people.redeem(people.sign_in(person.username, PASSWORD, None), None, None)
        monkeypatch.setattr(session, "token", lambda: token)
        return token

    return become


def said(app: AppTest) -> str:
    assert not app.exception
    return " ".join(str(element.value) for element in (*app.title, *app.markdown, *app.error, *app.warning, *app.info, *app.subheader))


def guarded_page() -> None:
    import streamlit as st

    from core.ui.session import guard

    actor = guard("transactions:pay")
    st.markdown(f"the secret of {actor.username}")


def test_a_stranger_sees_the_sign_in_and_the_page_does_not_run(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "token", lambda: None)
    shown = said(AppTest.from_function(guarded_page).run())
    assert "Sign in" in shown
    assert "secret" not in shown


def test_somebody_without_the_right_is_told_why_and_the_page_does_not_run(be: Callable[[str], str]) -> None:
    be("analyst")
    shown = said(AppTest.from_function(guarded_page).run())
    assert "does not include the right to pay bills" in shown
    assert "secret" not in shown


def test_somebody_with_the_right_sees_the_page(be: Callable[[str], str]) -> None:
    be("operator")
    assert "the secret of operator" in said(AppTest.from_function(guarded_page).run())


def test_within_one_run_nobody_is_asked_for_twice_and_after_it_anew(be: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    token = be("operator")
    found = session.current()
    with session.whole_run(found):
        assert session.is_whole_run()
        monkeypatch.setattr(people, "actor_of", lambda *_, **__: pytest.fail("asked again within the run"))
        assert session.current() is found
        monkeypatch.undo()
    assert not session.is_whole_run()
    monkeypatch.setattr(session, "token", lambda: token)
    people.sign_out(token)
    assert session.current() is None


def page_with_a_callback() -> None:
    import streamlit as st

    from core.ui.session import guarded

    @guarded("transactions:pay")
    def pay(actor, amount):  # type: ignore[no-untyped-def]
        st.session_state["paid"] = (actor.username, amount)

    st.button("Pay", on_click=pay, args=(7,))
    st.markdown(f"paid: {st.session_state.get('paid')}")


def test_a_callback_is_handed_who_asks(be: Callable[[str], str]) -> None:
    be("operator")
    app = AppTest.from_function(page_with_a_callback).run()
    app.button[0].click().run()
    assert "paid: ('operator-" in said(app)


def test_a_callback_of_somebody_signed_out_meanwhile_does_nothing(be: Callable[[str], str]) -> None:
    token = be("operator")
    app = AppTest.from_function(page_with_a_callback).run()
    people.sign_out(token)
    app.button[0].click().run()
    assert "paid: None" in said(app)


def test_a_callback_of_somebody_without_the_right_does_nothing(be: Callable[[str], str]) -> None:
    be("analyst")
    app = AppTest.from_function(page_with_a_callback).run()
    app.button[0].click().run()
    shown = said(app)
    assert "paid: None" in shown
    assert "does not include the right" in shown


def page_with_a_fragment() -> None:
    import streamlit as st

    from core.ui.session import guarded_fragment

    @guarded_fragment("transactions:read", run_every=60)
    def figures(actor, more):  # type: ignore[no-untyped-def]
        st.markdown(f"figures for {actor.role}, {more}")

    figures("and more")


def test_a_fragment_is_handed_who_asks_and_shows_strangers_nothing(be: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    be("analyst")
    assert "figures for analyst, and more" in said(AppTest.from_function(page_with_a_fragment).run())
    monkeypatch.setattr(session, "token", lambda: None)
    assert "figures" not in said(AppTest.from_function(page_with_a_fragment).run())


def test_a_fragment_that_runs_by_itself_does_not_count_as_being_at_work(be: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    be("analyst")
    touches: list[bool] = []

    def watched(token: str | None, *, touch: bool = True) -> Actor | None:
        touches.append(touch)
        return None

    monkeypatch.setattr(people, "actor_of", watched)
    AppTest.from_function(page_with_a_fragment).run()
    assert touches == [False]


def page_with_errors() -> None:
    import streamlit as st

    from core.errors import Unavailable
    from core.ui.session import plain_errors

    with plain_errors():
        raise Unavailable
    with plain_errors():
        password = "zikomo"
        raise ZeroDivisionError(f"kachasu {len(password)}")
    st.markdown("the rest")


def test_a_foreseen_error_is_its_sentence_and_an_unforeseen_one_an_incident(capsys: pytest.CaptureFixture[str]) -> None:
    app = AppTest.from_function(page_with_errors).run()
    foreseen, unforeseen = (error.value for error in app.error)
    assert foreseen.startswith("The database cannot be reached.")
    assert "kachasu" not in unforeseen
    incident = unforeseen.rstrip(".").rsplit(" ", 1)[1]
    assert len(incident) == 8
    logged = capsys.readouterr().out
    assert incident in logged
    assert "kachasu" in logged
    assert "zikomo" not in logged.replace('password = "zikomo"', ""), "a trace with its variables is a trace with somebody's password"
    assert "the rest" in said(app)
