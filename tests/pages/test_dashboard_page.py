"""The dashboard in each of its states: every tile is the list behind it, and what needs somebody stands first."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

import core.db
from core import clock
from core.access import Actor
from core.repositories.attention import BrokenAct
from core.repositories.heaps import Waiting
from core.repositories.statistics import BillerState, Cell, Figures
from core.services import attention as attention_service
from core.services import billers, health, statistics
from core.services.asked import read
from core.services.statistics import DOUBT_AGES, LONG_QUEUED, Attention
from core.states import Status
from core.ui import attention, session
from core.ui.dashboard_view import _rates, _so_far, field_address
from core.ui.figure_words import change, counted, percent, points, seconds, short_amount
from core.ui.words import zone
from core.wire.contract import Outcome
from tests.pages.conftest import HOME, LWB, PATIENCE_SECONDS, Till, button, labels, said
from tests.world import SetEnvironment


def metric(window: Any, label: str) -> Any:
    return next(one for one in window.metric if one.label == label)


def rows_behind(till: Till, link: Any) -> int:
    """How many rows the list shows that this link leads to."""
    asked = read(parse_qs(link.proto.query_string), billers.biller_names(till.actor))
    return statistics.totals(till.actor, asked.wanted(zone())).rows


def behind(window: Any, label: str) -> Any:
    """The tile's own link: the first one after its figure."""
    drawn = [one for one in window.main if one.type in ("metric", "page_link")]
    return drawn[next(place for place, one in enumerate(drawn) if one.type == "metric" and one.label == label) + 1]


def button_of(window: Any, label: str) -> Any:
    """The one of exactly this label."""
    (found,) = [one for one in window.button if one.label == label]
    return found


def links(window: Any) -> dict[str, Any]:
    return {one.label.replace("\\", ""): one for one in window.page_link}


# ---- States


def test_an_empty_dashboard_says_how_figures_come(till: Till) -> None:
    window = till.open("dashboard")
    assert "No transactions in the last 30 days" in said(window)
    assert {"Look an account up", "Pay a bill"} <= set(links(window))
    assert metric(window, "Payments today").value == "0"
    assert metric(window, "Success rate").value == "–"


@pytest.mark.parametrize(
    ("role", "actions"),
    [
        ("operator", ["New payment", "Look up", "Transactions"]),
        ("manager", ["New payment", "Look up", "Transactions"]),
        ("analyst", ["Transactions"]),
        ("administrator", ["Transactions"]),
    ],
)
def test_quick_actions_are_those_of_the_role(sit_down: Callable[..., Till], role: str, actions: list[str]) -> None:
    assert [label for label in labels(sit_down(role).open("dashboard")) if label not in ("Sign out", "Put off …")] == actions


def test_every_tile_leads_to_as_many_rows_as_it_says(till: Till) -> None:
    for account, outcome in (("70000001", Outcome.CONFIRMED), ("70000002", Outcome.CONFIRMED), ("70000003", Outcome.REJECTED)):
        till.pay(account=account)
        till.answer(outcome, "NO" if outcome is Outcome.REJECTED else None)
    till.pay(account="70000004")
    till.look_up("70000005")
    window = till.open("dashboard", range="today")
    ended, paid = (links(window)[label] for label in ("2 of 3 ended", "MWK 10,951.00"))
    assert (metric(window, "Payments today").value, rows_behind(till, behind(window, "Payments today"))) == ("4", 4)
    assert (metric(window, "Success rate").value, rows_behind(till, ended)) == ("66.6%", 3)
    assert rows_behind(till, links(window)["1 failed"]) == 1
    assert rows_behind(till, links(window)["of 3 calls, 0.02 s on average"]) == 4
    assert (metric(window, "Median answer").value, metric(window, "95% answered within").value) == ("0.02 s", "0.02 s")
    assert (metric(window, "Revenue (value paid)").value, rows_behind(till, paid)) == ("MWK 10,951.00", 2)
    assert rows_behind(till, links(window)["5 look-ups"]) == 5
    everyone = len(statistics.attention(till.actor).billers)
    assert metric(window, "Active billers").value == f"{everyone} of {everyone}"
    assert "as of" in said(window)
    assert "CAT" in said(window)


def test_billers_and_the_last_ten_stand_in_grids(till: Till) -> None:
    till.pay()
    till.answer(Outcome.CONFIRMED)
    for number in range(12):
        till.look_up(f"7100{number:04}")
    window = till.open("dashboard", range="today")
    by_biller, latest = (one.value for one in window.dataframe)
    row = next(row for _, row in by_biller.iterrows() if row["Payments"] == "1")
    assert (row["Value"], row["Ended"], list(row["State"])) == ("MWK 5,475.50", "1 of 1", ["✓ Active"])
    assert row["Success rate"] == 100
    assert len(latest) == 10
    assert latest.iloc[0]["Account"] == "71000011"


def test_a_tile_says_by_which_hour_it_is_compared_and_leaves_out_the_hour_that_is_not_over(till: Till) -> None:
    def came_to(payments: int) -> Figures:
        return Figures([Cell(LWB, None, Status.COMPLETED, True, "MWK", payments, Decimal(payments))])

    told = statistics.overview(till.actor, 1)
    today = replace(told.so_far[0], figures=came_to(130), compared=came_to(120), before=came_to(100))
    hour = datetime.combine(clock.business_day(told.as_of), time(10), zone())
    told = replace(told, hour=hour, so_far=[today, *told.so_far[1:]], chosen=today)
    payments, *_ = _so_far(told)
    _, revenue, *_ = _rates(told, "today")
    assert (payments.value, payments.delta, payments.against) == ("130", "+20.0%", "vs yesterday, until 10:00")
    assert (revenue.value, revenue.delta, revenue.against) == ("MWK 130.00", "+20.0%", "vs yesterday, until 10:00")
    assert [one.against for one in _rates(told, "7d")[:2]] == ["vs the 7 days before"] * 2
    assert all("last whole hour" in one.more["help"] for one in (payments, *_rates(told, "7d")))


def test_each_field_of_the_grid_opens_as_many_payments_as_it_says(till: Till) -> None:
    for account, outcome in (("70000001", Outcome.CONFIRMED), ("70000002", Outcome.REJECTED), ("70000003", Outcome.UNKNOWN)):
        till.pay(account=account)
        till.answer(outcome, "NO" if outcome is Outcome.REJECTED else None)
    window = till.open("dashboard", range="today")
    grid = window.dataframe[0].value
    row = next(row for _, row in grid.iterrows() if row["Payments"] == "3")
    assert (row["Ended"], row["In doubt"], row["Value"]) == ("1 of 2", "1", "MWK 5,475.50")
    assert (sum(row["24 hours"]), max(row["Failed"])) == (3, 50)
    told = statistics.overview(till.actor, 1)
    expected = {"Biller": 3, "Payments": 3, "Success rate": 2, "Ended": 2, "In doubt": 1, "Value": 1, "Last success": 1, "24 hours": 3, "Failed": 1}
    for column, rows in expected.items():
        asked = read(_query(field_address(told, LWB, column)), billers.biller_names(till.actor))
        assert statistics.totals(till.actor, asked.wanted(zone())).rows == rows, column


def test_a_biller_of_which_several_failed_lately_is_degraded_and_a_concern(till: Till) -> None:
    for number in range(3):
        till.pay(account=f"7000001{number}")
        till.answer(Outcome.REJECTED, "BLOCKED")
    told = statistics.overview(till.actor, 1)
    bad = health.failing(told.by_hour, told.as_of, zone())
    assert {code: one.payments_by_status for code, one in bad.items()} == {LWB: {Status.FAILED: 3}}
    window = till.open("dashboard", range="today")
    states = {row["Biller"]: list(row["State"]) for _, row in window.dataframe[0].value.iterrows()}
    title = next(biller.title for biller in told.seen.billers if biller.code == LWB)
    assert states.pop(title) == ["△ Degraded"]
    assert set(map(tuple, states.values())) == {("✓ Active",)}
    concern = next(one for one in attention.concerns(told.seen, bad) if "have failed" in one.what)
    assert f"{title}: 3 of 3 payments that ended since" in said(window)
    assert statistics.totals(till.actor, read(_query(concern.address), [LWB]).wanted(zone())).rows == 3


def test_two_failures_are_customers_slips_and_many_paid_outweigh_three(till: Till) -> None:
    def came_to(failed: int, completed: int) -> Figures:
        cells = [(Status.FAILED, failed), (Status.COMPLETED, completed)]
        return Figures([Cell(LWB, None, status, True, "MWK", number, Decimal(0)) for status, number in cells if number])

    assert [health.is_bad(came_to(*one)) for one in ((2, 0), (3, 0), (3, 56), (3, 57), (60, 940))] == [False, True, True, False, True]


def _query(address: Any) -> dict[str, list[str]]:
    return {name: value if isinstance(value, list) else [value] for name, value in address.items()}


def test_somebody_without_the_right_is_told_so(till: Till) -> None:
    till.actor = replace(till.actor, permissions=till.actor.permissions - {"statistics:read"})
    till.patch.setattr(session, "current", lambda *, touch=True: till.actor)
    # The first page, as one arrives at it.
    window = AppTest.from_string(f"import runpy\nrunpy.run_path({str(HOME)!r}, run_name='__main__')", default_timeout=PATIENCE_SECONDS).run()
    assert "does not include the right to see dashboard and analytics" in said(window)
    assert not window.metric


def test_a_database_that_is_away_is_a_sentence_and_no_figure(till: Till, set_environment: SetEnvironment) -> None:
    window = till.open("dashboard")
    set_environment(database_url="postgresql://nobody@127.0.0.1:1/none")
    window.run()
    assert not window.exception
    assert "The database cannot be reached. Nothing was lost" in said(window)
    assert not window.metric


def test_the_range_is_in_the_address_and_nonsense_in_it_is_the_usual_one(till: Till) -> None:
    window = till.open("dashboard", range="fortnight")
    chosen = next(one for one in window.button_group if one.label == "Range")
    assert chosen.value == "7d"
    chosen.set_value("30d").run()
    assert window.query_params["range"] == "30d"


# ---- What needs somebody


def test_trouble_stands_first_with_its_reason_as_text_and_its_next_step(till: Till) -> None:
    with core.db.unit_of_work() as unit:
        reason = {"code": LWB, "why": "Until **Monday** :red[x]."}
        unit.execute(text("UPDATE biller_configs SET paused_at = now(), paused_reason = :why WHERE biller_type = :code"), reason)
        unit.execute(text("INSERT INTO breakers (biller_type, probe_at, reason) VALUES (:code, now(), 'It does not answer.')"), {"code": LWB})
    window = till.open("dashboard")
    told = said(window)
    assert "Nobody sends payments: no worker has been heard of for 15 seconds." in told
    assert "is paused: Until **Monday** :red[x]." in told
    assert any(r"\*\*Monday\*\* \:red\[x\]" in one.value for one in window.markdown), "a reason is text, not markdown"
    assert "It does not answer." in told


def test_each_concern_says_how_old_whose_it_is_and_what_comes_next(till: Till) -> None:
    now = statistics.attention(till.actor).as_of
    doubt = Waiting(3, now - timedelta(hours=2), dict(zip(DOUBT_AGES, (2, 2, 0), strict=True)), ("AAA", "BBB"))
    review, queued = Waiting(1, now - timedelta(days=2)), Waiting(4, now - timedelta(minutes=9), {LONG_QUEUED: 2})
    biller = BillerState(LWB, "LWB", "LWB postpaid", True, None, None, None, None)
    seen = Attention(doubt, review, queued, True, True, [biller], now)
    told = attention.concerns(seen)
    assert [one.what for one in told] == [
        "1 payment under review.",
        "3 payments in doubt (2 for more than an hour).",
        "2 payments not sent after 2 minutes.",
    ]
    assert [one.age for one in told] == ["Oldest submitted 2 days ago", "Oldest submitted 2 hours ago", "Oldest submitted 9 minutes ago"]
    assert [one.finding.since for one in told] == [review.oldest_at, doubt.oldest_at, queued.oldest_at]
    assert [one.owner for one in told] == ["Manager", "Operator", "Operator"]
    assert told[1].references == ("AAA", "BBB")
    assert all(one.next_step and one.address for one in told)
    nothing = replace(seen, in_doubt=Waiting(), under_review=Waiting(), queued=Waiting())
    assert attention.concerns(nothing) == []


def test_open_legs_of_core_banking_and_work_that_broke_off_are_told_with_the_way_to_them(till: Till) -> None:
    now = statistics.attention(till.actor).as_of
    act = BrokenAct(uuid.uuid4(), "RETRY", 2, now - timedelta(hours=1))
    seen = Attention(Waiting(), Waiting(), Waiting(), True, True, [], now, bank_open=Waiting(2, now - timedelta(hours=3)), broken_acts=[act], rollups_differ=1)
    told = attention.concerns(seen)
    assert [one.what for one in told] == [
        "2 payments with an open core-banking leg for more than 2 minutes.",
        "2 rows of bulk work broke off.",
        "1 sum of the figures was not what the transactions come to when they were compared.",
    ]
    assert [one.owner for one in told] == ["Manager", "Administrator", "Administrator"]
    assert read(_query(told[0].address), []).bank_open
    assert told[1].address == {"bulk": str(act.id)}


def test_something_is_put_off_in_the_card_stands_there_with_its_reason_and_is_taken_up_again(sit_down: Callable[..., Till]) -> None:
    till = sit_down("manager")
    till.pay()
    till.answer(Outcome.UNKNOWN)
    window = till.open("dashboard")
    assert "1 payment in doubt." in said(window)
    window.button("put-off-in_doubt/").click().run()
    assert not window.exception
    window.text_area("attention-reason").input("The biller is telephoned.")
    button_of(window, "Put off").click().run()
    assert not window.exception
    (away,) = window.expander
    assert away.label == "1 put off"
    assert "by Grace at" in said(window)
    assert "The biller is telephoned." in said(window)
    assert labels(window).count("Put off …") == 1, "of the worker, which is still to be seen to"
    button(window, "Take up again").click().run()
    assert not window.expander
    assert labels(window).count("Put off …") == 2


def test_putting_off_without_a_reason_is_refused_beside_the_form_and_nothing_typed_is_lost(sit_down: Callable[..., Till]) -> None:
    till = sit_down("manager")
    window = till.open("dashboard")
    window.button("put-off-no_worker/").click().run()
    assert "an hour at most" in said(window)
    button_of(window, "Put off").click().run()
    assert "A reason is needed" in said(window)
    assert not window.expander


def test_whoever_comes_next_sees_how_much_is_put_off_though_they_may_put_nothing_off(sit_down: Callable[..., Till]) -> None:
    manager, operator = sit_down("manager", "Grace"), sit_down("operator", "Thoko")
    seen = statistics.attention(manager.actor)
    (only,) = attention_service.findings(seen)
    attention_service.put_off(manager.actor, only, timedelta(minutes=15), "It is being started anew.")
    window = operator.open("dashboard")
    assert [one.label for one in window.expander] == ["1 put off"]
    assert "All is well" not in said(window)
    assert "Nothing else needs attention." in said(window)
    assert not [label for label in labels(window) if label in ("Put off …", "Take up again")]


def test_a_role_can_look_at_its_own_and_is_told_that_there_is_more(sit_down: Callable[..., Till]) -> None:
    till = sit_down("operator")
    till.pay()
    till.answer(Outcome.UNKNOWN)
    window = till.open("dashboard")
    whose = next(one for one in window.button_group if one.label == "Whose")
    whose.set_value("Mine").run()
    assert "in doubt" in said(window)
    assert "Nobody sends payments: no worker" not in " ".join(one.value for one in window.markdown)
    assert "1 more needs somebody else." in said(window)


def test_a_biller_that_is_switched_off_is_nobodys_concern(till: Till) -> None:
    off = BillerState(LWB, "LWB", "LWB postpaid", False, "Paused.", "Broken.", None, None)
    seen = Attention(Waiting(), Waiting(), Waiting(), True, True, [off], statistics.attention(till.actor).as_of)
    assert attention.concerns(seen) == []


def test_the_list_of_doubt_has_as_many_rows_as_the_concern_says(till: Till) -> None:
    till.pay()
    till.answer(Outcome.UNKNOWN)
    assert statistics.attention(till.actor).in_doubt.count == 1
    asked = read({name: [str(value)] for name, value in attention.IN_DOUBT.items()}, [])
    assert statistics.totals(till.actor, asked.wanted(zone())).rows == 1


# ---- Words


def test_a_rate_is_never_shown_better_than_it_is() -> None:
    assert [percent(rate) for rate in (0.94999, 0.95, 0.99999, 1.0, 0.29, 0.0, None)] == ["94.9%", "95.0%", "99.9%", "100.0%", "29.0%", "0.0%", "–"]
    assert points(0.9512, 0.9499) == 0.2
    assert points(None, 0.5) is None


def test_a_change_is_told_against_something_or_not_at_all() -> None:
    assert [change(*pair) for pair in ((12, 10), (5, 10), (7, 7), (3, 0), (0, 0))] == ["+20.0%", "-50.0%", 0, "+3", None]


def test_short_forms_are_cut_and_not_rounded_up() -> None:
    assert short_amount(Decimal("1999999.99")) == "MWK 1.9 M"
    assert short_amount(Decimal("999999.99")) == "MWK 999,999.99"
    assert short_amount(Decimal("2500000000.00")) == "MWK 2.5 B"
    assert [seconds(one) for one in (380, 1500, None)] == ["0.38 s", "1.5 s", "–"]
    assert (counted(1, "payment"), counted(1204, "payment")) == ("1 payment", "1,204 payments")


def test_figures_are_counted_once_for_all_who_look_and_anew_when_something_moved(till: Till) -> None:
    window = till.open("dashboard", range="today")
    assert metric(window, "Payments today").value == "0"
    till.pay()
    window.run()
    assert metric(window, "Payments today").value == "1"


def test_nobody_is_shown_figures_that_were_counted_for_somebody_else(till: Till) -> None:
    window = till.open("dashboard")
    assert window.metric
    till.actor = Actor(None, "x", "X", "guest", frozenset({"people:sign_in"}))
    window.run()
    assert not window.metric
