"""The look-up page in each of its states."""

from collections.abc import Callable

import pytest

from core.errors import Unavailable
from core.models import Transaction
from core.services import billers, lookups, transactions
from core.wire.contract import Account, Outcome
from tests.pages.conftest import LWB, Till, button, labels, said
from tests.world import Database, SetEnvironment


def field(window):  # type: ignore[no-untyped-def]
    return next(one for one in window.text_input if one.label == "Account number")


def recent(till: Till) -> list[Transaction]:
    return lookups.recent_lookups(till.actor)


def test_a_fresh_page_asks_for_an_account_and_says_that_nothing_was_asked_yet(till: Till) -> None:
    window = till.open("lookup", biller=LWB)
    assert window.selectbox[0].value == LWB
    assert "Nothing yet. Enter an account number above" in said(window)


def test_without_a_biller_it_says_who_can_switch_one_on(till: Till, database: Database) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE biller_configs SET is_active = false")
    assert "No biller is switched on." in said(till.open("lookup"))


def test_a_number_that_cannot_be_one_is_told_beside_the_field_and_stays_there(till: Till) -> None:
    window = till.open("lookup", biller=LWB)
    field(window).set_value("12ab")
    button(window, "Look up").click().run()
    assert "This is not an account number of Lilongwe Water Board." in said(window)
    assert field(window).value == "12ab"
    assert recent(till) == []


def test_enter_asks_through_the_worker_and_the_address_holds_the_question(till: Till) -> None:
    window = till.open("lookup", biller=LWB)
    field(window).set_value("70000001")
    button(window, "Look up").click().run()
    asked = recent(till)[0]
    assert window.query_params["lookup"] == str(asked.id)
    assert "Asking Lilongwe Water Board about account 70000001" in said(window)


def test_an_answer_shows_name_balance_state_and_its_time(till: Till) -> None:
    window = till.open("lookup", lookup=str(till.look_up()))
    assert window.metric[0].value == "MWK 5,475.50"
    for words in ("Grace Banda", "account 70000001", "as of ", " CAT"):
        assert words in said(window)


def test_who_has_paid_ahead_is_in_credit_and_owes_nothing_below_zero(till: Till) -> None:
    window = till.open("lookup", lookup=str(till.look_up(balance="-250.00")))
    assert (window.metric[0].label, window.metric[0].value) == ("In credit by", "MWK 250.00")


def test_a_refusal_is_told_in_words_with_the_billers_code_beside_them(till: Till) -> None:
    asked = lookups.ask(till.actor, LWB, "70000001")
    till.answer_lookups(Account(Outcome.REJECTED, code="ACCOUNT_NOT_FOUND", message="There is no such account."))
    told = said(till.open("lookup", lookup=str(asked)))
    assert "Lilongwe Water Board does not know this account. Check the number on the bill" in told
    assert "`ACCOUNT_NOT_FOUND`" in told


def test_no_answer_is_told_without_a_word_of_money_that_may_have_moved(till: Till) -> None:
    asked = lookups.ask(till.actor, LWB, "70000001")
    till.answer_lookups(Account(Outcome.UNKNOWN), failure="deadline")
    told = said(till.open("lookup", lookup=str(asked)))
    assert "gave no answer that can be used. Wait a moment, and try again." in told
    assert "acted" not in told


@pytest.mark.parametrize(("jobs", "words"), [("true", "Waiting for a worker for"), ("false", "background jobs are off on this machine")])
def test_a_question_nobody_carries_says_what_it_waits_for(till: Till, database: Database, set_environment: SetEnvironment, jobs: str, words: str) -> None:
    set_environment(enable_background_jobs=jobs)
    asked = lookups.ask(till.actor, LWB, "70000001")
    with database.connect() as connection:
        connection.execute("ALTER TABLE transactions DISABLE TRIGGER USER")
        connection.execute("UPDATE transactions SET created_at = created_at - interval '4 seconds'")
    assert words in said(till.open("lookup", lookup=str(asked)))


def test_paying_this_account_carries_everything_over_to_the_amount(till: Till) -> None:
    window = till.open("lookup", lookup=str(till.look_up()))
    button(window, "Pay this account").click().run()
    assert any(one.label == "Amount in MWK" for one in window.text_input)
    assert window.query_params["draft"]


def test_a_recent_answer_is_shown_again_without_asking_anew(till: Till) -> None:
    first = till.look_up("70000001")
    till.look_up("70000002", name="Chikondi Phiri")
    window = till.open("lookup", biller=LWB)
    button(window, "**70000001**").click().run()
    assert window.query_params["lookup"] == str(first)
    assert len(recent(till)) == 2


def test_the_sandbox_lists_its_accounts_and_nothing_else_does(till: Till, set_environment: SetEnvironment) -> None:
    assert not till.open("lookup", biller=LWB).dataframe
    set_environment(billers_sandbox="true")
    shown = till.open("lookup", biller=LWB).dataframe[0].value
    assert len(shown) == len([one for one in billers.sandbox_accounts(till.actor) if one.biller == LWB]) > 0


def test_an_address_of_another_thing_than_a_look_up_says_so(till: Till) -> None:
    assert "This is no look-up." in said(till.open("lookup", lookup=str(till.pay())))
    assert "This address leads nowhere" in said(till.open("lookup", lookup="x"))


def test_the_customers_name_is_text_whatever_stands_in_it(till: Till) -> None:
    window = till.open("lookup", lookup=str(till.look_up(name="**:red[Bank]** <b>[x](http://evil)")))
    heading = next(one.value for one in window.subheader if "Bank" in one.value)
    assert heading.startswith("\\*\\*\\:red\\[Bank\\]")


def test_an_analyst_is_told_that_looking_up_is_not_for_this_role(sit_down: Callable[..., Till]) -> None:
    analyst = sit_down("analyst")
    window = analyst.open("dashboard")
    assert "Look up" not in labels(window)
    with pytest.raises(ValueError, match="lookup"):
        window.switch_page("pages/lookup.py")


def test_a_database_that_is_down_is_a_sentence_and_never_a_trace(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object, **__: object) -> None:
        raise Unavailable

    asked = till.look_up()
    monkeypatch.setattr(transactions, "find", down)
    assert "The database cannot be reached. Nothing was lost" in said(till.open("lookup", lookup=str(asked)))


def test_whom_one_asked_last_stands_first(till: Till) -> None:
    assert till.open("lookup").selectbox[0].value != LWB
    till.look_up()
    assert till.open("lookup").selectbox[0].value == LWB
