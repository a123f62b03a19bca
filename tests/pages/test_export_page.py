"""The way out of the list and what was taken: told before, chosen, followed while it runs, and kept with its hash."""

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

import core.db
from core import clock
from core.documents import workbook
from core.repositories import statistics
from core.repositories.exports import COLUMNS
from core.services import exports
from core.services.asked import Asked
from core.services.exports import Announced, Profile
from core.ui import export_popover
from core.wire.contract import Outcome
from tests.pages.conftest import Till, button, labels, said
from tests.pages.test_transactions_page import failed

SitDown = Callable[..., Till]


def open_popover(till: Till, **address: Any) -> AppTest:
    """The list with the popover open: Streamlit's testing has no button to click for it."""
    window = till.open("transactions", **address)
    window.session_state[export_popover.OPEN] = True
    window.run()
    assert not window.exception
    return window


def links(window: AppTest) -> dict[str, tuple[str, dict[str, list[str]]]]:
    found = {one.proto.label: urlsplit(one.proto.url) for one in window.get("link_button")}
    return {label: (parts.path, parse_qs(parts.query)) for label, parts in found.items()}


def taken(till: Till, profile: Profile = Profile.DATA, asked: Asked | None = None) -> exports.Running:
    """A whole file that has left."""
    export = exports.begin(till.actor, asked or Asked(), profile)
    while export.next_block():
        pass
    export.end()
    return export


# ---- Before


def test_the_way_out_takes_the_filter_along_and_says_what_it_will_hold(sit_down: SitDown, till: Till) -> None:
    failed(till)
    window = open_popover(sit_down("analyst"), status=["FAILED", "COMPLETED"], size="50", every="15", type="POST_TRANSACTION")
    assert "1 row, MWK 0.00 paid" in said(window).replace("*", "")
    assert "Holds: failed or completed, payments." in said(window)
    filtered = {"status": ["FAILED", "COMPLETED"], "type": ["POST_TRANSACTION"], "zone": ["Africa/Blantyre"]}
    assert links(window) == {
        "For a spreadsheet": ("/export/transactions.csv", {**filtered, "profile": ["spreadsheet"]}),
        "As an Excel workbook": ("/export/transactions.xlsx", filtered),
        "For a program": ("/export/transactions.csv", {**filtered, "profile": ["data"]}),
    }


def test_the_file_has_the_columns_the_order_and_the_zone_that_were_chosen(sit_down: SitDown, till: Till) -> None:
    failed(till)
    window = open_popover(sit_down("analyst"), sort="largest", columns="amount,reference")
    assert {query["columns"][0] for _, query in links(window).values()} == {"amount,reference"}
    chosen = next(one for one in window.multiselect if one.label == "Columns")
    chosen.set_value(["reference", "currency"]).run()
    next(one for one in window.get("button_group") if one.proto.label == "Times").set_value("UTC").run()
    for _, query in links(window).values():
        assert (query["columns"], query["sort"], query["zone"]) == (["reference,currency"], ["largest"], ["UTC"])
    assert list(chosen.options) == [export_popover.column_title(name) for name in COLUMNS]


def test_it_asks_nothing_while_it_is_closed(sit_down: SitDown, till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    failed(till)
    asked: list[object] = []
    monkeypatch.setattr(exports, "announced", lambda *wanted: asked.append(wanted))
    assert links(sit_down("analyst").open("transactions")) == {}
    assert asked == []


def test_many_rows_are_counted_only_when_somebody_asks(sit_down: SitDown, till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    failed(till)
    # As if two rows were more than a page may count; a search is in no roll-up.
    monkeypatch.setattr(statistics.Statistics.count, "__defaults__", (1,))
    window = open_popover(sit_down("analyst"), q="70000001")
    assert "At least 1 row" in said(window)
    button(window, "Count exactly").click().run()
    assert "2 rows, MWK 0.00 paid" in said(window).replace("*", "")
    assert "Count exactly" not in labels(window)


def test_a_workbook_that_could_not_hold_them_is_not_offered(sit_down: SitDown, till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    failed(till)
    many = Announced(workbook.MOST_ROWS + 1, True, {"MWK": Decimal("1.00")}, clock.now())
    monkeypatch.setattr(exports, "announced", lambda *_: many)
    window = open_popover(sit_down("analyst"))
    offered = {one.proto.label: one.proto for one in window.get("link_button")}
    assert offered["As an Excel workbook"].disabled
    assert "Take them as CSV, or narrow the filter" in offered["As an Excel workbook"].help
    assert not offered["For a spreadsheet"].disabled


def test_who_may_not_export_is_not_offered_it_and_neither_is_nothing(sit_down: SitDown, till: Till) -> None:
    failed(till)
    assert links(open_popover(till)) == {}
    assert links(open_popover(sit_down("analyst"), status="REVERSED")) == {}


# ---- After


def test_what_was_just_taken_is_told_beside_the_list(sit_down: SitDown, till: Till) -> None:
    failed(till)
    analyst = sit_down("analyst")
    export = taken(analyst)
    window = open_popover(analyst)
    assert export.file_name in said(window)
    assert f"{export.rows} rows" in said(window)
    button(window, "Manifest").click().run()
    assert dict(window.query_params) == {"exports": str(export.id)}


def test_the_history_tells_ones_own_and_a_manager_everybodys(sit_down: SitDown, till: Till) -> None:
    failed(till)
    analyst, colleague, manager = sit_down("analyst", "Chikondi"), sit_down("analyst", "Thoko"), sit_down("manager", "Mphatso")
    taken(analyst, asked=Asked(statuses=("FAILED",)))
    for who, files in ((analyst, 1), (colleague, 0), (manager, 1)):
        window = who.open("transactions", exports="all")
        assert sum(len(frame.value) for frame in window.dataframe) == files
    frame = manager.open("transactions", exports="all").dataframe[0].value
    assert (frame["Which"][0], frame["Taken by"][0], frame["State"][0]) == ("failed", "Chikondi", ["✓ Complete"])


def test_the_manifest_has_the_filter_the_sums_and_the_hash(sit_down: SitDown, till: Till) -> None:
    till.pay("5475.50")
    till.answer(Outcome.CONFIRMED)
    analyst = sit_down("analyst", "Chikondi")
    export = taken(analyst, Profile.SPREADSHEET, Asked(columns=("reference", "amount")))
    window = analyst.open("transactions", exports=str(export.id))
    told = said(window)
    kept = exports.kept(analyst.actor, export.id).export
    for words in ("Complete", "MWK 5,475.50", "reference, amount", "Africa/Blantyre", str(kept.sha256), "Chikondi", "CSV for a spreadsheet", "Newest first"):
        assert words in told, words
    assert links(window)["Manifest"][0] == f"/export/{export.id}.json"
    button(window, "The list as it is now").click().run()
    assert dict(window.query_params) == {"columns": "reference,amount"}


def test_somebody_elses_export_is_not_there(sit_down: SitDown, till: Till) -> None:
    failed(till)
    export = taken(sit_down("analyst"))
    assert "no such export" in said(sit_down("analyst").open("transactions", exports=str(export.id)))
    assert "no such export" in said(sit_down("analyst").open("transactions", exports=str(uuid.uuid4())))


def test_one_that_runs_is_cancelled_from_its_page_and_only_by_its_owner(sit_down: SitDown, till: Till) -> None:
    failed(till)
    analyst = sit_down("analyst")
    export = exports.begin(analyst.actor, Asked(), Profile.DATA)
    try:
        assert "Cancel" not in labels(sit_down("manager").open("transactions", exports=str(export.id)))
        window = analyst.open("transactions", exports=str(export.id))
        button(window, "Cancel").click().run()
        assert "Ending …" in labels(window)
        assert exports.kept(analyst.actor, export.id).export.cancelled_at is not None
    finally:
        export.end()


def test_one_whose_process_died_is_told_as_broken_off(sit_down: SitDown, till: Till) -> None:
    failed(till)
    analyst = sit_down("analyst")
    export = exports.begin(analyst.actor, Asked(), Profile.DATA)
    try:
        with core.db.unit_of_work() as unit:
            unit.execute(text("UPDATE exports SET seen_at = seen_at - interval '1 minute'"))
        told = said(analyst.open("transactions", exports=str(export.id)))
        assert "Broken off" in told
        assert "its process ended under it" in told
    finally:
        export.end()
