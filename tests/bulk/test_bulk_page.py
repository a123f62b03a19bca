"""Many at once on the list: what is chosen, the dry run, its start, and what came of each row."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.models.bulk import BulkKind
from core.repositories.approval_rules import Scope
from core.repositories.filters import TransactionFilter
from core.services import approval_rules, bulk, payments, transactions, wider_approvals
from core.services.approval_rules import Change
from core.services.bulk import Selection
from core.ui.bulk_acts import CHOSEN
from core.wire.contract import Outcome
from tests.pages.conftest import Till, button, labels, said, sit_down, switch_on, till  # noqa: F401 - fixtures


def failed(till: Till, count: int = 1) -> list[uuid.UUID]:  # noqa: F811 - not the fixture
    made = [till.pay(account=f"7000000{number}") for number in range(count)]
    till.answer(Outcome.REJECTED, "ACCOUNT_BLOCKED", "The account is blocked.")
    return made


def menu(window: AppTest) -> Any:
    (found,) = window.menu_button
    return found


def pick(window: AppTest, kind: str) -> AppTest:
    window.menu_button[0].set_value(kind).run()
    assert not window.exception
    return window


def tick(window: AppTest, ids: list[uuid.UUID]) -> AppTest:
    """What the grid's own tick boxes leave behind: AppTest cannot click on a canvas."""
    window.session_state[CHOSEN] = frozenset(ids)
    return window.run()


def carry_on() -> None:
    while bulk.carry_on():
        pass


def test_all_that_match_are_offered_where_none_is_ticked_and_the_ticked_ones_otherwise(till: Till) -> None:  # noqa: F811
    ids = failed(till, 3)
    window = till.open("transactions", status="FAILED")
    assert menu(window).label == "All 3 that match"
    assert menu(tick(window, ids[:2])).label == "2 chosen"


def test_what_is_ticked_and_not_on_the_screen_is_not_meant(till: Till) -> None:  # noqa: F811
    _, other = failed(till, 2)
    window = tick(till.open("transactions", status="FAILED", q="70000000"), [other])
    assert menu(window).label == "All 1 that match"


def test_where_nothing_matches_nothing_is_offered(till: Till) -> None:  # noqa: F811
    assert not till.open("transactions", status="REVERSED").menu_button


@pytest.mark.parametrize(
    ("role", "acts"),
    [("operator", ["Retry", "Cancel"]), ("manager", ["Retry", "Cancel", "Reverse"]), ("analyst", []), ("administrator", [])],
)
def test_only_what_ones_role_includes_is_offered(sit_down: Callable[..., Till], role: str, acts: list[str]) -> None:  # noqa: F811
    failed(sit_down())
    window = sit_down(role).open("transactions")
    offered = [option for shown in window.menu_button for option in shown.options]
    assert [act for act in ("Retry", "Cancel", "Reverse") if any(act in option for option in offered)] == acts


def test_the_question_shows_what_can_be_done_what_not_and_why(till: Till) -> None:  # noqa: F811
    failed(till, 2)
    till.pay(account="70000009", amount="1000.00")
    window = pick(till.open("transactions", type="POST_TRANSACTION"), "RETRY")
    told = said(window)
    assert "Each is paid again as a new payment" in told
    assert "**2 payments**, **MWK 10,951.00**" in told
    assert "It has not been sent yet." in told
    assert "Retry 2 payments" in labels(window)


def test_it_is_started_followed_and_every_row_tells_what_came_of_it(till: Till) -> None:  # noqa: F811
    ids = failed(till, 2)
    window = pick(till.open("transactions", status="FAILED"), "RETRY")
    button(window, "Retry 2 payments").click().run()
    assert not window.exception
    ((act, _),) = bulk.lately(till.actor)
    assert window.query_params["bulk"] == str(act.id)
    assert "0 of 2 dealt with" in " ".join([said(window), *(str(one.proto.text) for one in window.get("progress"))])
    assert "Stop" in labels(window)
    carry_on()
    after = till.open("transactions", bulk=str(act.id))
    assert "All 2 that could be done are done." in said(after)
    frame = after.dataframe[0].value
    assert [list(result) for result in frame["Result"]] == [["✓ Done"]] * 2
    assert set(frame["ID"]) == {transactions.find(till.actor, one).our_transaction_id for one in ids}
    children = [transactions.story(till.actor, one).child for one in ids]
    assert set(frame["New payment"]) == {child.our_transaction_id for child in children if child}


def test_nothing_is_started_by_looking_or_by_leaving(till: Till) -> None:  # noqa: F811
    failed(till)
    window = pick(till.open("transactions", status="FAILED"), "RETRY")
    button(window, "Leave them as they are").click().run()
    assert "Retry 1 payment" not in labels(window)
    assert bulk.lately(till.actor) == []


def test_what_has_changed_since_it_was_shown_is_looked_through_again(till: Till) -> None:  # noqa: F811
    ids = [till.pay(account=f"7000000{number}") for number in range(2)]
    window = pick(till.open("transactions", status="PENDING"), "CANCEL")
    payments.cancel(till.actor, ids[0])
    button(window, "Cancel 2 payments").click().run()
    assert "this is no longer what you were shown" in said(window)
    assert "Cancel 1 payment" in labels(window)
    assert bulk.lately(till.actor) == []


def test_a_reversal_asks_for_its_reason(sit_down: Callable[..., Till]) -> None:  # noqa: F811
    manager = sit_down("manager", "Thoko")
    manager.pay()
    manager.answer(Outcome.CONFIRMED)
    window = pick(manager.open("transactions", status="COMPLETED", type="POST_TRANSACTION"), "REVERSE")
    button(window, "Reverse 1 payment").click().run()
    assert "A reason is needed" in said(window)
    next(one for one in window.text_input if one.label == "Reason").set_value("Paid twice").run()
    button(window, "Reverse 1 payment").click().run()
    ((act, _),) = bulk.lately(manager.actor)
    assert act.reason == "Paid twice"


def test_it_can_be_stopped(till: Till) -> None:  # noqa: F811
    till.pay()
    window = pick(till.open("transactions", status="PENDING"), "CANCEL")
    button(window, "Cancel 1 payment").click().run()
    button(window, "Stop").click().run()
    assert "stopped the rest" in said(till.open("transactions", bulk=str(bulk.lately(till.actor)[0][0].id)))
    carry_on()
    assert transactions.list_page(till.actor, TransactionFilter()).rows[0].status == "PENDING"


def test_an_act_is_closed_to_others_but_open_to_managers(till: Till, sit_down: Callable[..., Till]) -> None:  # noqa: F811
    ids = failed(till)
    seen = bulk.dry_run(till.actor, BulkKind.RETRY, Selection(tuple(ids))).eligible
    act_id = bulk.start(till.actor, BulkKind.RETRY, Selection(tuple(ids)), None, seen)
    assert "somebody else's" in said(sit_down("operator", "Peter").open("transactions", bulk=str(act_id)))
    assert "Asked for by Grace" in said(sit_down("manager").open("transactions", bulk=str(act_id)))
    assert "leads nowhere" in said(till.open("transactions", bulk="nonsense"))


def test_what_was_done_so_far_is_listed(till: Till) -> None:  # noqa: F811
    ids = failed(till)
    assert "None yet." in said(till.open("transactions", bulk="all"))
    seen = bulk.dry_run(till.actor, BulkKind.RETRY, Selection(tuple(ids))).eligible
    bulk.start(till.actor, BulkKind.RETRY, Selection(tuple(ids)), None, seen)
    row = till.open("transactions", bulk="all").dataframe[0].value.iloc[0]
    assert (row["Act"], row["Which"], row["Total"], row["State"]) == ("Retry 1 payment", "1 chosen transaction", "MWK 5,475.50", "Under way")
    carry_on()
    assert till.open("transactions", bulk="all").dataframe[0].value.iloc[0]["State"] == "Over"


def test_above_a_rule_the_whole_waits_says_so_beforehand_and_is_approved_in_the_inbox(
    till: Till,  # noqa: F811
    sit_down: Callable[..., Till],  # noqa: F811
) -> None:
    one, other = sit_down("administrator").actor, sit_down("administrator").actor
    rule = approval_rules.propose(one, Scope("", "", "MWK"), Change(bulk_rows="1"), "The board asked for it.")
    wider_approvals.approve(other, rule.id)
    ids = failed(till, 2)
    window = pick(tick(till.open("transactions"), ids), "RETRY")
    assert "2 payments at once, where one person does up to 1, by the rule for any role, any biller (version 1)." in said(window)
    assert "All of it waits until another person approves it." in said(window)
    button(window, "Retry 2 payments").click().run()
    assert "A reason is needed" in said(window)
    window.text_input(key="bulk-reason").set_value("The line was down.")
    button(window, "Retry 2 payments").click().run()
    assert "A second person decides" in said(window)
    bulk.carry_on()
    assert all(transactions.find(till.actor, one).status == "FAILED" for one in ids)
    story = said(till.open("transactions", id=str(ids[0])))
    assert "Pay it again, together with others: a second person decides" in story
    assert "it waits until" in story
    inbox = sit_down("manager", name="Thoko").open("approvals")
    for words in ("Retry 2 payments", "Payments 2, MWK 10,951.00", "Reason The line was down.", "Takes two because 2 payments at once"):
        assert words in said(inbox).replace("**", ""), words
    button(inbox, "Approve").click().run()
    while bulk.carry_on():
        pass
    (act, _), *_ = bulk.lately(till.actor)
    window = till.open("transactions", bulk=str(act.id))
    assert "All 2 that could be done are done." in said(window)
    assert "Approved by Thoko" in said(window)
    story = said(till.open("transactions", id=str(ids[0])))
    assert "Pay it again, together with others: proposed by Grace" in story
    assert "approved by Thoko" in story
