"""The list and the stories, in each of their states."""

import uuid
from collections.abc import Callable

import pytest

from core.errors import Unavailable
from core.services import lookups, payments, transactions
from core.states import Stage
from core.wire.contract import Account, Outcome
from tests.pages.conftest import LWB, Till, button, labels, said
from tests.world import Database


def reference(till: Till, one: uuid.UUID) -> str:
    return transactions.find(till.actor, one).our_transaction_id


def failed(till: Till) -> uuid.UUID:
    one = till.pay()
    till.answer(Outcome.REJECTED, "ACCOUNT_BLOCKED", "The account is blocked.")
    return one


def doubtful(till: Till, database: Database) -> uuid.UUID:
    """Sent and asked a while ago, with no clear answer."""
    one = till.pay()
    till.answer(Outcome.UNKNOWN)
    with database.connect() as connection:
        connection.execute("UPDATE legs SET last_asked_at = NULL")
    return one


# ---- The list


def test_an_empty_list_says_what_to_do_next(till: Till) -> None:
    window = till.open("transactions")
    assert "No transactions yet" in said(window)
    assert [link.value for link in window.page_link] == ["Look an account up", "Pay a bill"]


def test_an_analyst_is_not_sent_where_an_analyst_may_not_go(sit_down: Callable[..., Till]) -> None:
    window = sit_down("analyst").open("transactions")
    assert not window.page_link


def test_rows_tell_everything_as_text_newest_first(till: Till) -> None:
    one = failed(till)
    frame = till.open("transactions").dataframe[0].value
    assert list(frame.columns) == ["ID", "Biller", "Account", "Name", "Type", "Amount", "Status", "Date"]
    row = frame.iloc[0]
    assert (row["ID"], row["Amount"], row["Type"]) == (reference(till, one), "MWK 5,475.50", "Payment")
    assert list(row["Status"]) == ["✕ Failed"]
    assert row["Date"].endswith(" CAT")
    assert list(frame["Type"]) == ["Payment", "Look-up"]


@pytest.mark.parametrize(
    ("address", "count"),
    [
        ({"status": "FAILED"}, 1),
        ({"status": ["FAILED", "COMPLETED"]}, 2),
        ({"type": "ACCOUNT_DETAILS"}, 1),
        ({"biller": LWB}, 2),
        ({"q": "70000001"}, 2),
        ({"from_": "2020-01-01", "to": "2020-01-31"}, 0),
        ({"status": "NONSENSE"}, 2),
    ],
)
def test_the_address_is_the_filter(till: Till, address: dict[str, str], count: int) -> None:
    failed(till)
    window = till.open("transactions", **{"from" if name == "from_" else name: value for name, value in address.items()})
    assert sum(len(frame.value) for frame in window.dataframe) == count
    assert ("Nothing matches" in said(window)) == (count == 0)


def test_what_is_chosen_goes_into_the_address(till: Till) -> None:
    failed(till)
    window = till.open("transactions")
    status = next(one for one in window.multiselect if one.label == "Status")
    status.select("FAILED").run()
    assert window.query_params["status"] == "FAILED"
    assert len(window.dataframe[0].value) == 1


def test_a_filter_without_a_match_can_be_cleared(till: Till) -> None:
    failed(till)
    window = till.open("transactions", status="REVERSED", q="nobody")
    assert "No transaction fits “nobody”, reversed." in said(window)
    button(window, "Clear the filter").click().run()
    assert len(window.dataframe[0].value) == 2
    assert "status" not in window.query_params


def test_pages_go_by_key_and_newer_rows_do_not_shift_them(till: Till) -> None:
    for number in range(27):
        till.look_up(f"7000{number:04}")
    window = till.open("transactions")
    first = list(window.dataframe[0].value["Account"])
    button(window, "Older").click().run()
    assert "older" in window.query_params
    till.look_up("79999999")
    window.run()
    assert list(window.dataframe[0].value["Account"]) == ["70000001", "70000000"]
    button(window, "Newer").click().run()
    assert list(window.dataframe[0].value["Account"]) == first


# ---- A story


def test_a_story_is_found_by_our_reference_and_by_its_id(till: Till) -> None:
    one = failed(till)
    for asked in (reference(till, one), str(one), reference(till, one).lower()):
        assert "Payment of MWK 5,475.50" in said(till.open("transactions", id=asked))


def test_a_reference_nobody_has_is_told_so(till: Till) -> None:
    window = till.open("transactions", id="0000000000000000")
    assert "There is no transaction under this reference." in said(window)
    assert "Transactions" in labels(window)


def test_a_story_tells_facts_timeline_and_every_message_masked(till: Till) -> None:
    window = till.open("transactions", id=reference(till, failed(till)))
    told = said(window)
    for words in (
        "Not paid. No money moved.",
        "`ACCOUNT_BLOCKED` The account is blocked.",
        "the customer, over the counter",
        "Refused by the biller",
        "By Grace.",
        "Payment to the biller",
        "The biller does not have it and will not take it.",
        "after 21 ms",
    ):
        assert words in told
    assert [shown.value for shown in window.code] == ["POST /soap\nAuthorization: ***\n\n<a>\n  <b>1</b>\n</a>", "HTTP 200\n\n<a>\n  <c>2</c>\n</a>"]


def test_a_look_up_has_a_story_too_and_nothing_that_could_be_done_to_it(till: Till) -> None:
    window = till.open("transactions", id=str(till.look_up()))
    assert "Lilongwe Water Board answered: account 70000001 of Grace Banda." in said(window)
    assert not [label for label in labels(window) if label.startswith(("Retry", "Cancel", "Check"))]


def test_a_look_up_that_got_lost_never_says_that_somebody_may_have_acted(till: Till) -> None:
    asked = lookups.ask(till.actor, LWB, "70000001")
    till.answer_lookups(Account(Outcome.UNKNOWN), failure="deadline")
    assert "acted" not in said(till.open("transactions", id=str(asked)))


def test_each_action_is_possible_or_off_with_its_reason(till: Till) -> None:
    window = till.open("transactions", id=str(failed(till)))
    assert not button(window, "Retry").disabled
    assert button(window, "Cancel").disabled
    assert button(window, "Check now").disabled
    assert "Cancel: It has ended." in said(window).replace("*", "")


def test_opening_a_payment_in_doubt_asks_the_biller_once(till: Till, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    one, asked = doubtful(till, database), []
    monkeypatch.setattr(payments, "check_now", lambda actor, transaction_id: asked.append(transaction_id))
    window = till.open("transactions", id=str(one))
    window.run()
    assert asked == [one]


def test_who_may_not_ask_billers_asks_none_by_opening(sit_down: Callable[..., Till], till: Till, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    one, asked = doubtful(till, database), []
    monkeypatch.setattr(payments, "check_now", lambda actor, transaction_id: asked.append(transaction_id))
    window = sit_down("administrator", name="Limbani").open("transactions", id=str(one))
    assert asked == []
    assert button(window, "Check now").disabled
    assert "Your role does not include asking billers." in said(window)


def test_a_payment_in_doubt_is_marked_and_says_when_it_is_asked_next(till: Till, database: Database) -> None:
    told = said(till.open("transactions", id=str(doubtful(till, database))))
    for words in ("Do not pay again", "In doubt", "Next check"):
        assert words in told


def test_a_retry_shows_the_original_asks_and_opens_its_child(till: Till) -> None:
    one = failed(till)
    window = till.open("transactions", id=reference(till, one), status="FAILED")
    button(window, "Retry").click().run()
    assert "Pay this again?" in said(window)
    assert "70000001, Lilongwe Water Board" in said(window)
    button(window, "Pay MWK 5,475.50 again").click().run()
    child = transactions.story(till.actor, one).child
    assert child is not None
    assert window.query_params["id"] == child.our_transaction_id
    assert window.query_params["status"] == "FAILED"
    assert f"This payment retries `{reference(till, one)}`" in said(window)


def test_a_retry_of_what_was_retried_opens_the_child_that_is_there(till: Till) -> None:
    one = failed(till)
    child = payments.retry(till.actor, one).transaction_id
    window = till.open("transactions", id=reference(till, one), retry="1")
    assert window.query_params["id"] == reference(till, child)


def test_a_retry_beside_an_equal_payment_wants_a_reason(till: Till) -> None:
    one = failed(till)
    till.pay()
    till.answer(Outcome.CONFIRMED)
    window = till.open("transactions", id=reference(till, one), retry="1")
    button(window, "Pay MWK 5,475.50 again").click().run()
    assert "say why" in said(window)
    next(field for field in window.text_input if field.label == "Why a second payment?").set_value("a second bill")
    button(window, "Pay MWK 5,475.50 again").click().run()
    assert transactions.find(till.actor, uuid.UUID(str(transactions.by_reference(till.actor, window.query_params["id"]).id))).retry_of == one


def test_an_address_that_asks_to_retry_what_cannot_be_is_told_why(till: Till) -> None:
    one = till.pay()
    till.answer(Outcome.CONFIRMED)
    window = till.open("transactions", id=str(one), retry="1")
    assert "It cannot be retried. It is paid." in said(window)
    assert not [label for label in labels(window) if label.startswith("Pay MWK")]


def test_cancelling_asks_first(till: Till) -> None:
    one = till.pay()
    window = till.open("transactions", id=reference(till, one))
    button(window, "Cancel").click().run()
    assert "Stop this payment?" in said(window)
    assert Stage(transactions.find(till.actor, one).stage) is Stage.QUEUED
    button(window, "Cancel the payment").click().run()
    assert Stage(transactions.find(till.actor, one).stage) is Stage.CANCELLED
    assert "Cancelled. No money moved." in said(window)


def test_the_way_back_leads_to_the_same_list(till: Till) -> None:
    window = till.open("transactions", id=str(failed(till)), status="FAILED", every="15")
    button(window, "Transactions").click().run()
    assert dict(window.query_params) == {"status": "FAILED", "every": "15"}
    assert len(window.dataframe[0].value) == 1


def test_a_database_that_is_down_is_a_sentence(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object, **__: object) -> None:
        raise Unavailable

    monkeypatch.setattr(transactions, "list_page", down)
    assert "The database cannot be reached." in said(till.open("transactions"))
