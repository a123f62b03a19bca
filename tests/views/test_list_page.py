"""The list as it is narrowed by words, ordered, cut into columns, kept as views and opened by other people."""

import uuid
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.access import Actor
from core.repositories.transactions import Sort
from core.services import views
from core.services.asked import Asked
from core.services.views import Saved, Shelf
from core.ui import filters, tables, transaction_list, view_strip
from core.ui.list_address import Opened, opened_at
from core.wire.contract import Outcome
from tests.pages.conftest import LWB, Till, button, labels, said, sit_down, switch_on, till  # noqa: F401 - fixtures
from tests.pages.test_transactions_page import failed, reference, rows_of

SitDown = Callable[..., Till]
FAILED = Asked(statuses=("FAILED",))
BOX = "Search"


def field(window: AppTest, label: str) -> Any:
    return next(one for one in window.text_input if one.label == label)


def type_in(window: AppTest, line: str) -> AppTest:
    field(window, BOX).set_value(line).run()
    assert not window.exception
    return window


def opened(window: AppTest, popover: str) -> AppTest:
    """What a click on it leaves behind: AppTest cannot click on a popover."""
    window.session_state[popover] = True
    window.run()
    assert not window.exception
    return window


def accounts(window: AppTest) -> list[str]:
    return list(window.dataframe[0].value["Account"])


# ---- Words


def test_typed_words_become_the_filter_its_address_its_chips_and_its_fields(till: Till) -> None:  # noqa: F811
    one = failed(till)
    window = type_in(till.open("transactions"), "status:failed biller:lwb amount:>5000 since:yesterday 7000")
    assert dict(window.query_params) == {"status": "FAILED", "biller": LWB, "min": "5000.01", "since": "yesterday", "q": "7000"}
    assert list(window.dataframe[0].value["ID"]) == [reference(till, one)]
    assert {"Failed", "Lilongwe Water Board", "More than 5,000.00", "“7000”"} <= {label.replace("\\", "") for label in labels(window)}
    assert next(one for one in window.multiselect if one.label == "Status").value == ["FAILED"]
    assert field(window, "Amount from").value == "5,000.01"
    assert field(window, BOX).value == "status:failed biller:lwb amount:>5000 since:yesterday 7000"


def test_what_fields_choose_stands_in_the_box(till: Till) -> None:  # noqa: F811
    failed(till)
    window = till.open("transactions", q="7000")
    next(one for one in window.multiselect if one.label == "Type").select("POST_TRANSACTION").run()
    assert field(window, BOX).value == "type:payment 7000"
    assert dict(window.query_params) == {"q": "7000", "type": "POST_TRANSACTION"}


def test_what_is_half_understood_is_told_and_neither_list_nor_typing_is_lost(till: Till) -> None:  # noqa: F811
    failed(till)
    window = type_in(till.open("transactions", type="POST_TRANSACTION"), "stauts:failed since:someday 7000")
    told = said(window)
    assert "“stauts:” is no word of this box. Did you mean “status:”?" in told
    assert "“since:someday”: This is no day." in told
    assert field(window, BOX).value == "stauts:failed since:someday 7000"
    assert dict(window.query_params) == {"type": "POST_TRANSACTION"}
    assert rows_of(window) == 1
    type_in(window, "status:failed 7000")
    assert "Did you mean" not in said(window)
    assert dict(window.query_params) == {"status": "FAILED", "q": "7000"}


def test_a_day_with_a_name_keeps_it_while_other_fields_change(till: Till) -> None:  # noqa: F811
    failed(till)
    window = till.open("transactions", since="yesterday")
    next(one for one in window.multiselect if one.label == "Status").select("FAILED").run()
    assert dict(window.query_params) == {"since": "yesterday", "status": "FAILED"}
    assert "(yesterday)" in " ".join(labels(window))


def test_a_word_that_is_clicked_is_added_to_the_filter(till: Till) -> None:  # noqa: F811
    failed(till)
    window = opened(till.open("transactions", q="7000"), filters.WORDS_OPEN)
    next(one for one in window.button_group if "status" in one.label).set_value("status:failed").run()
    assert dict(window.query_params) == {"status": "FAILED", "q": "7000"}
    assert rows_of(window) == 1


def test_people_are_found_by_name_and_called_by_it(sit_down: SitDown, till: Till) -> None:  # noqa: F811
    failed(till)
    other = sit_down("operator", name="Peter Phiri")
    other.look_up("70000009")
    window = type_in(other.open("transactions"), "by:phiri")
    assert window.query_params["by"] == str(other.actor.id)
    assert accounts(window) == ["70000009"]
    assert "By Peter Phiri" in labels(window)
    assert field(window, BOX).value == f"by:{other.actor.username}"


# ---- Order, columns, places


@pytest.fixture
def three(till: Till) -> Till:  # noqa: F811
    """Payments of 200, 900 and 500, in this order."""
    for number, amount in enumerate(("200", "900", "500")):
        till.pay(amount=f"{amount}.00", account=f"7000000{number}")
        till.answer(Outcome.CONFIRMED)
    return till


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        (Sort.NEWEST, ["500.00", "900.00", "200.00"]),
        (Sort.OLDEST, ["200.00", "900.00", "500.00"]),
        (Sort.LARGEST, ["900.00", "500.00", "200.00"]),
        (Sort.SMALLEST, ["200.00", "500.00", "900.00"]),
    ],
)
def test_the_list_stands_in_the_order_that_is_chosen(three: Till, sort: Sort, order: list[str]) -> None:
    window = three.open("transactions", type="POST_TRANSACTION")
    next(one for one in window.selectbox if one.label == "Order").select(sort).run()
    assert [text.removeprefix("MWK ") for text in window.dataframe[0].value["Amount"]] == order
    assert window.query_params == {"type": "POST_TRANSACTION", **({} if sort is Sort.NEWEST else {"sort": sort.value})}
    assert field(window, BOX).value == ("type:payment" if sort is Sort.NEWEST else f"type:payment sort:{sort.value}")


def test_columns_are_chosen_put_in_order_and_remembered_in_the_address(till: Till) -> None:  # noqa: F811
    failed(till)
    window = till.open("transactions", columns="amount,error_code,submitted_by,reference")
    assert list(window.dataframe[0].value.columns) == ["Amount", "Code", "Submitted by", "ID"]
    assert list(window.dataframe[0].value.iloc[0])[:3] == ["MWK 5,475.50", "ACCOUNT_BLOCKED", "Grace"]
    opened(window, transaction_list.COLUMNS_OPEN)
    button(window, "Back to the usual ones").click().run()
    assert "columns" not in window.query_params
    assert next(iter(window.dataframe[0].value.columns)) == "ID"
    button(window, "Begin with the usual ones").click().run()
    next(one for one in window.multiselect if one.label == "Columns").unselect("type").run()
    assert "type" not in window.query_params["columns"].split(",")
    assert "Type" not in window.dataframe[0].value.columns


def test_every_column_of_an_address_has_its_look() -> None:
    from core.services.asked import COLUMNS

    assert set(tables.COLUMNS) == set(COLUMNS)
    assert len({column.label for column in tables.COLUMNS.values()}) == len(COLUMNS)


def test_pages_are_counted_and_a_day_is_gone_to(till: Till) -> None:  # noqa: F811
    for number in range(27):
        till.look_up(f"7000{number:04}")
    window = till.open("transactions")
    popover = {one.proto.popover.label for one in window.get("popover")}
    assert "Page 1 of 2" in popover
    button(window, "Older").click().run()
    assert window.query_params["page"] == "2"
    assert "Page 2 of ~2" in {one.proto.popover.label for one in window.get("popover")}
    opened(window, transaction_list.PLACE_OPEN)
    window.date_input(transaction_list.TO_DAY).set_value(date(2020, 1, 31))
    button(window, "Go to this day").click().run()
    assert "Nothing more on this side" in said(window)
    button(window, "To the newest").click().run()
    assert not {"older", "page"} & set(window.query_params)


def test_a_page_is_gone_to_by_its_number(till: Till) -> None:  # noqa: F811
    for number in range(53):
        till.look_up(f"7000{number:04}")
    window = opened(till.open("transactions"), transaction_list.PLACE_OPEN)
    window.number_input(transaction_list.TO_PAGE).set_value(3).run()
    assert accounts(window) == ["70000002", "70000001", "70000000"]
    assert window.query_params["page"] == "3"
    assert accounts(till.open("transactions", page_="3")) == ["70000002", "70000001", "70000000"]


# ---- How many


def test_what_sums_cannot_tell_is_added_up_when_it_is_asked_for(till: Till) -> None:  # noqa: F811
    till.pay(amount="1000", account="70009999")
    till.answer(Outcome.CONFIRMED)
    window = till.open("transactions", q="70009999")
    assert "2 transactions" in said(window)
    assert "paid" not in said(window)
    button(window, "Add up").click().run()
    assert "1 payment, MWK 1,000.00 paid" in said(window)
    type_in(window, "7000999")
    assert "Add up" in labels(window)


def test_the_same_list_is_read_once_until_something_moves(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    failed(till)
    window = till.open("transactions", status=["FAILED"])
    whole = len(accounts(window))
    monkeypatch.setattr(transaction_list.transactions, "list_page", lambda *_, **__: pytest.fail("read again, though nothing moved"))
    window.run()
    assert len(accounts(window)) == whole
    monkeypatch.undo()
    failed(till)
    assert len(accounts(till.open("transactions", status=["FAILED"]))) == whole + 1


def test_an_empty_list_says_what_would_hold_something_and_how_much(till: Till) -> None:  # noqa: F811
    failed(till)
    window = till.open("transactions", status="REVERSED", type="POST_TRANSACTION", to="2020-01-31")
    assert "No transaction fits reversed, payments, until 31 Jan 2020." in said(window)
    button(window, "1 transaction without reversed · show").click().run()
    assert dict(window.query_params) == {"type": "POST_TRANSACTION"}
    assert rows_of(window) == 1


def test_what_a_search_may_mean_is_offered_and_narrows_the_list(till: Till) -> None:  # noqa: F811
    till.look_up("70000001")
    till.look_up("70000002", name="Peter Phiri")
    window = till.open("transactions", q="7000000")
    offered = next(one for one in window.button_group if one.label == "Or only")
    offered.set_value("account 70000002").run()
    assert dict(window.query_params) == {"account": "70000002"}
    assert accounts(window) == ["70000002"]


# ---- Views


def strip(window: AppTest) -> Any:
    return next(one for one in window.button_group if one.label == "Views")


def shown(window: AppTest) -> list[str]:
    return [option.content for option in strip(window).proto.options]


def keep(window: AppTest, name: str, *, shared: bool = False) -> AppTest:
    opened(window, view_strip.KEEPING)
    window.text_input(view_strip.NAME).set_value(name)
    window.toggle(view_strip.SHARED).set_value(shared)
    button(window, "Save as a new view").click().run()
    assert not window.exception
    return window


def test_a_filter_is_kept_under_a_name_and_is_one_click_away(sit_down: SitDown, till: Till) -> None:  # noqa: F811
    failed(till)
    window = keep(type_in(sit_down("analyst", name="Ann").open("transactions"), "status:failed sort:largest"), "Failed")
    (view_id,) = window.query_params.values()
    assert strip(window).value == view_id
    assert any("Failed" in label and "1" in label for label in shown(window))
    assert rows_of(window) == 1
    strip(window).set_value("all").run()
    assert (dict(window.query_params), rows_of(window)) == ({}, 2)
    strip(window).set_value(view_id).run()
    assert (dict(window.query_params), rows_of(window)) == ({"view": view_id}, 1)
    assert field(window, BOX).value == "status:failed sort:largest"


def test_a_name_that_cannot_be_is_told_beside_its_field(sit_down: SitDown) -> None:  # noqa: F811
    ann = sit_down("analyst", name="Ann")
    window = keep(ann.open("transactions", status="FAILED"), "   ")
    assert "1 to 40 characters" in said(window)
    assert views.shelf(ann.actor).views == []


def test_a_shared_view_is_opened_by_its_link_and_a_private_one_is_not(sit_down: SitDown, till: Till) -> None:  # noqa: F811
    failed(till)
    ann = sit_down("analyst", name="Ann")
    shared, private = views.save(ann.actor, "Failed", FAILED, shared=True), views.save(ann.actor, "Mine", FAILED)
    window = till.open("transactions", view=str(shared))
    assert (rows_of(window), field(window, BOX).value) == (1, "status:failed")
    assert not [label for label in shown(window) if "Mine" in label]
    # An operator uses what others share, and keeps none.
    assert not [one for one in window.get("popover") if "iew" in one.proto.popover.label]
    window = till.open("transactions", view=str(private))
    assert rows_of(window) == 2
    assert "there no more, or is somebody's own" in said(window)


def test_a_changed_view_says_so_and_is_updated_or_left_as_it_was(sit_down: SitDown, till: Till) -> None:  # noqa: F811
    failed(till)
    ann = sit_down("analyst", name="Ann")
    view = str(views.save(ann.actor, "Failed", FAILED))
    window = type_in(ann.open("transactions", view=view), "status:failed type:payment")
    assert dict(window.query_params) == {"view": view, "status": "FAILED", "type": "POST_TRANSACTION"}
    assert "Changed · keep" in {one.proto.popover.label for one in window.get("popover")}
    opened(window, view_strip.KEEPING)
    button(window, "Update it to this").click().run()
    assert dict(window.query_params) == {"view": view}
    assert dict(views.shelf(ann.actor).views[0].address) == {"status": ["FAILED"], "type": ["POST_TRANSACTION"]}


def test_a_view_is_renamed_shared_and_deleted_where_it_is_open(sit_down: SitDown) -> None:  # noqa: F811
    ann = sit_down("analyst", name="Ann")
    view = views.save(ann.actor, "Failed", FAILED)
    window = opened(ann.open("transactions", view=str(view)), view_strip.KEEPING)
    field(window, "Name").set_value("Did not go through").run()
    next(one for one in window.toggle if one.label == "Shared with the team").set_value(True).run()
    (kept,) = views.shelf(ann.actor).views
    assert (kept.name, kept.is_shared) == ("Did not go through", True)
    button(window, "Delete this view").click().run()
    assert views.shelf(ann.actor).views == []
    assert dict(window.query_params) == {}


def test_a_role_opens_with_its_view_only_where_no_address_says_otherwise(sit_down: SitDown, till: Till) -> None:  # noqa: F811
    failed(till)
    mary = sit_down("manager", name="Mary")
    view = views.save(mary.actor, "Failed", FAILED, shared=True)
    window = opened(mary.open("transactions", view=str(view)), view_strip.KEEPING)
    next(one for one in window.multiselect if one.label == "The list opens with it for").select("operator").run()
    assert views.shelf(till.actor).opens_with == view
    window = till.open("transactions")
    assert (dict(window.query_params), rows_of(window)) == ({"view": str(view)}, 1)
    button(window, "Clear all").click().run()
    assert (dict(window.query_params), rows_of(window)) == ({"view": "all"}, 2)
    assert rows_of(till.open("transactions", type="ACCOUNT_DETAILS")) == 1
    assert rows_of(mary.open("transactions")) == 2


def test_mine_only_in_a_shared_view_is_whoever_looks(sit_down: SitDown, till: Till) -> None:  # noqa: F811
    failed(till)
    ann = sit_down("analyst", name="Ann")
    view = str(views.save(ann.actor, "My own", Asked(mine=True), shared=True))
    assert rows_of(ann.open("transactions", view=view)) == 0
    assert rows_of(till.open("transactions", view=view)) == 2


# ---- The address of a view

SOMEBODY = Actor(uuid.UUID(int=1), "ann", "Ann", "analyst", frozenset())
VIEW = Saved(uuid.UUID(int=2), "Failed", "Ann", is_mine=True, is_shared=True, address={"status": ["FAILED"], "sort": ["largest"]})
HELD = Asked(statuses=("FAILED",), sort=Sort.LARGEST)
SHELF, OPENING = Shelf([VIEW], None), Shelf([VIEW], VIEW.id)


@pytest.mark.parametrize(
    ("query", "asked", "is_changed"),
    [
        ({"view": [str(VIEW.id)]}, HELD, False),
        ({"view": [str(VIEW.id)], "size": ["50"], "page": ["3"]}, Asked(statuses=("FAILED",), sort=Sort.LARGEST, size=50, page=3), False),
        ({"view": [str(VIEW.id)], "type": ["GET_INVOICE"]}, Asked(types=("GET_INVOICE",)), True),
        ({"view": ["all"]}, Asked(), False),
        ({}, Asked(), False),
    ],
)
def test_an_address_opens_a_view_as_it_is_or_as_it_was_changed(query: dict[str, list[str]], asked: Asked, is_changed: bool) -> None:
    at = opened_at(query, SHELF, [LWB])
    assert (at.asked, at.is_changed, at.view_is_gone) == (asked, is_changed, False)
    listed = {name: value if isinstance(value, list) else [value] for name, value in at.address(at.asked).items()}
    assert opened_at(listed, SHELF, [LWB]).asked == asked


@pytest.mark.parametrize("name", ["nonsense", str(uuid.UUID(int=3))])
def test_a_view_that_is_not_there_narrows_nothing_and_is_told_of(name: str) -> None:
    at = opened_at({"view": [name], "status": ["FAILED"]}, SHELF, [LWB])
    assert (at.asked, at.view, at.view_is_gone) == (FAILED, None, True)


def test_the_plain_list_has_a_word_where_the_role_opens_with_a_view() -> None:
    plain, opens = opened_at({}, SHELF, [LWB]), opened_at({"view": ["all"]}, OPENING, [LWB])
    assert (plain.address(Asked()), opens.address(Asked())) == ({}, {"view": "all"})
    assert opens.address(Asked(size=50)) == {"size": "50"}
    in_view = opened_at({"view": [str(VIEW.id)]}, OPENING, [LWB])
    assert in_view.address(Asked()) == {"view": "all"}
    assert in_view.at(VIEW, Asked(size=50, page=4)) == {"view": str(VIEW.id), "size": "50"}
    assert isinstance(in_view, Opened)
