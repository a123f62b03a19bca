"""The list and the stories, in each of their states."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from psycopg.types.json import Jsonb
from streamlit.testing.v1 import AppTest

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


# ---- Filters, counts and the way out


def rows_of(window: AppTest) -> int:
    return sum(len(frame.value) for frame in window.dataframe if "ID" in frame.value)


def chip(window: AppTest, words: str) -> Any:
    """The chip of this condition: it is a button with a cross."""
    return next(one for one in window.button if one.label.replace("\\", "") == words)


@pytest.mark.parametrize(
    ("address", "count"),
    [
        ({"account": "0000"}, 2),
        ({"account": "70"}, 0),
        ({"q": "BANDA"}, 2),
        ({"min": "5475.50", "max": "5475.50"}, 1),
        ({"min": "5475.51"}, 0),
        ({"max": "5475.49"}, 0),
        ({"mine": "1"}, 2),
        ({"doubt": "1"}, 0),
        ({"from": "2020-01-01"}, 2),
    ],
)
def test_every_condition_of_the_address_is_kept(till: Till, address: dict[str, str], count: int) -> None:
    failed(till)
    window = till.open("transactions", **address)
    assert rows_of(window) == count
    assert f"{count} transaction{'' if count == 1 else 's'}" in said(window)


def test_a_reference_finds_its_one_row(till: Till) -> None:
    one = failed(till)
    window = till.open("transactions", ref=reference(till, one))
    assert list(window.dataframe[0].value["ID"]) == [reference(till, one)]


def test_mine_only_hides_everybody_elses(sit_down: Callable[..., Till], till: Till) -> None:
    failed(till)
    assert rows_of(sit_down("manager", name="Mphatso").open("transactions", mine="1")) == 0


def test_what_is_in_doubt_is_found_by_that(till: Till, database: Database) -> None:
    failed(till)
    one = doubtful(till, database)
    assert list(till.open("transactions", doubt="1").dataframe[0].value["ID"]) == [reference(till, one)]


def test_all_that_the_filter_holds_is_counted_and_summed_not_only_the_page(till: Till) -> None:
    for number in range(26):
        till.look_up(f"7000{number:04}")
    till.pay(amount="1000", account="70009999")
    till.answer(Outcome.CONFIRMED)
    told = said(till.open("transactions"))
    assert "28 transactions" in told
    assert "1 payment, MWK 1,000.00 paid" in told
    assert "as of" in told


def test_a_chip_takes_its_condition_out_and_leaves_the_others(till: Till) -> None:
    failed(till)
    window = till.open("transactions", status=["FAILED", "COMPLETED"], type="POST_TRANSACTION", min="5,000", every="15")
    chip(window, "Completed").click().run()
    assert dict(window.query_params) == {"status": "FAILED", "type": "POST_TRANSACTION", "min": "5000.00", "every": "15"}
    chip(window, "5,000.00 or more").click().run()
    assert "min" not in window.query_params
    button(window, "Clear all").click().run()
    assert dict(window.query_params) == {"every": "15"}
    assert rows_of(window) == 2
    assert not [one for one in window.button if one.label in ("Failed", "Payments", "Clear all")]


def test_an_amount_that_cannot_be_used_gets_a_sentence_and_changes_nothing(till: Till) -> None:
    failed(till)
    window = till.open("transactions", max="9000")
    least = next(field for field in window.text_input if field.label == "Amount from")
    least.set_value("12.345").run()
    assert "no more than that" in said(window)
    assert "min" not in window.query_params
    assert rows_of(window) == 1
    assert next(field for field in window.text_input if field.label == "Amount from").value == "12.345"
    next(field for field in window.text_input if field.label == "Amount from").set_value("5,000").run()
    assert "no more than that" not in said(window)
    assert window.query_params["min"] == "5000.00"


def test_a_filter_that_contradicts_itself_says_so(till: Till) -> None:
    failed(till)
    assert "first day is after the last" in said(till.open("transactions", **{"from": "2025-11-02", "to": "2025-11-01"}))


def test_a_link_that_is_understood_in_part_says_so(till: Till) -> None:
    failed(till)
    assert "left out: biller, min" in said(till.open("transactions", biller="NOBODY", min="lots"))
    assert "left out" not in said(till.open("transactions", status="FAILED"))


def test_nothing_on_these_days_offers_the_other_days(till: Till) -> None:
    failed(till)
    window = till.open("transactions", status="FAILED", to="2020-01-31")
    button(window, "1 transaction on other days").click().run()
    assert dict(window.query_params) == {"status": "FAILED"}
    assert rows_of(window) == 1


# ---- Beside the list


def test_the_drawer_tells_the_story_in_short_beside_its_list(till: Till) -> None:
    one = failed(till)
    window = till.open("transactions", peek=reference(till, one), status="FAILED")
    told = said(window)
    for words in ("Not paid. No money moved.", "MWK 5,475.50", "Timeline", "The last 4 of", "Refused by the biller"):
        assert words in told
    assert rows_of(window) == 1
    assert not button(window, "Retry").disabled
    # Messages are read on the full page only.
    assert not window.code
    button(window, "Open the full page").click().run()
    assert dict(window.query_params) == {"status": "FAILED", "id": reference(till, one)}


def test_a_drawer_of_nothing_says_so_and_the_list_is_there(till: Till) -> None:
    failed(till)
    window = till.open("transactions", peek="0000000000000000")
    assert "There is no transaction under this reference." in said(window)
    assert rows_of(window) == 2


# ---- What other billers tell


def tell_more(database: Database, one: uuid.UUID, **columns: object) -> None:
    """As a biller of another kind would have left it."""
    assignments = ", ".join(f"{name} = %s" for name in columns)
    with database.connect() as connection:
        connection.execute("ALTER TABLE transactions DISABLE TRIGGER USER")
        connection.execute(
            f"UPDATE transactions SET {assignments} WHERE id = %s", [*(Jsonb(value) if isinstance(value, dict) else value for value in columns.values()), one]
        )


def test_an_invoice_look_up_tells_number_due_and_day(till: Till, database: Database) -> None:
    one = till.look_up()
    invoice = {
        "invoice_number": "INV-7",
        "amount_due": "5475.50",
        "amount_currency": "MWK",
        "due_date": "2025-11-30",
        "charges": "50.00",
        "asked_amount": "5000.00",
    }
    tell_more(database, one, transaction_type="GET_INVOICE", metadata=invoice)
    told = said(till.open("transactions", id=str(one)))
    for words in (
        "Invoice look-up",
        "Invoice `INV-7`",
        "Amount due MWK 5,475.50",
        "Due by 30 Nov 2025",
        "Charges MWK 50.00, part of the amount",
        "Asked for MWK 5,000.00",
    ):
        assert words in told


def test_a_bundle_list_tells_every_bundle_as_text(till: Till, database: Database) -> None:
    one = till.look_up()
    bundles = [{"id": "D30", "name": "*Daily*", "price": "350.00", "currency": "MWK", "data": "30 MB", "validity": "1 day"}, {"id": "W", "name": "Weekly"}]
    tell_more(database, one, transaction_type="BUNDLE_DETAILS", metadata={"bundles": bundles})
    tables = [table.value for table in till.open("transactions", id=str(one)).table]
    table = next(table for table in tables if "Bundle" in table)
    assert table.to_dict("records") == [
        {"Bundle": "\\*Daily\\*", "Data": "30 MB", "Valid for": "1 day", "Price": "MWK 350.00"},
        {"Bundle": "Weekly", "Data": "–", "Valid for": "–", "Price": "–"},
    ]


def test_a_prepaid_purchase_tells_meter_units_and_that_there_is_a_token_but_nothing_of_it(till: Till, database: Database) -> None:
    one = till.pay()
    till.answer(Outcome.CONFIRMED)
    tell_more(
        database,
        one,
        meter_number="04123456789",
        account_type="PREPAID",
        metadata={"charges": "12.50", "units": "31.4 kWh", "has_token": True, "token": "12345678901234567890"},
    )
    window = till.open("transactions", id=str(one))
    told = said(window)
    for words in ("Meter `04123456789`", "Account type Prepaid", "Charges MWK 12.50", "Units 31.4 kWh", "Prepaid token there is one"):
        assert words in told
    assert "7890" not in told.replace("04123456789", "")


def test_a_demonstration_is_marked_and_nothing_can_be_done_to_it(till: Till, database: Database) -> None:
    one = failed(till)
    tell_more(database, one, demo=True)
    listed = till.open("transactions").dataframe[0].value
    assert list(listed["Mark"]) == ["Demo", ""]
    for address in ({"id": str(one)}, {"id": str(one), "retry": "1"}, {"id": str(one), "cancel": "1"}, {"peek": reference(till, one)}):
        window = till.open("transactions", **address)
        assert "Demonstration" in said(window)
        assert "no money moved" in said(window)
        assert not [label for label in labels(window) if label.startswith(("Retry", "Cancel", "Check", "Pay "))]
