"""The settings of a biller, and what the control port refuses."""

import pytest
from running_sandbox import CODE, Sandbox, new_account, new_reference, wait_until


def test_by_default_the_same_reference_acts_again(sandbox: Sandbox) -> None:
    account, reference = new_account(), new_reference()
    assert [sandbox.pay(account, reference).said["Status"] for _ in range(2)] == ["SUCCESS", "SUCCESS"]
    assert len(sandbox.ledger(reference)) == 2


def test_a_biller_may_answer_that_a_reference_was_used(sandbox: Sandbox) -> None:
    sandbox.set(deduplicates="answers_duplicate")
    account, reference = new_account(), new_reference()
    sandbox.pay(account, reference)
    assert sandbox.pay(account, reference).said["Code"] == "DUPLICATE"
    assert len(sandbox.ledger(reference)) == 1


def test_a_biller_may_answer_as_it_did_the_first_time(sandbox: Sandbox) -> None:
    sandbox.set(deduplicates="answers_original")
    account, reference = new_account(), new_reference()
    first = sandbox.pay(account, reference, "10.00").said
    assert sandbox.pay(account, reference, "99.00").said == first
    assert len(sandbox.ledger(reference)) == 1


def test_a_biller_that_deduplicates_knows_what_is_still_pending(sandbox: Sandbox) -> None:
    sandbox.set(deduplicates="answers_original")
    account, reference = new_account(), new_reference()
    sandbox.next("accepted_then_done")
    assert [sandbox.pay(account, reference).said["Status"] for _ in range(2)] == ["PENDING", "PENDING"]
    for _ in range(3):
        sandbox.ask(reference)
    assert len(sandbox.ledger(reference)) == 1


def test_a_biller_that_does_not_deduplicate_does_both_of_what_it_accepted(sandbox: Sandbox) -> None:
    account, reference = new_account(), new_reference()
    sandbox.next("accepted_then_done", count=2)
    for _ in range(2):
        sandbox.pay(account, reference)
    for _ in range(3):
        sandbox.ask(reference)
    assert len(sandbox.ledger(reference)) == 2


def test_an_inquiry_may_lag_behind_the_effect(sandbox: Sandbox) -> None:
    sandbox.set(inquiry_lag_seconds=3600)
    reference = new_reference()
    sandbox.pay(new_account(), reference)
    assert sandbox.ask(reference).said["Code"] == "NOT_FOUND"
    sandbox.set(inquiry_lag_seconds=0.2)
    wait_until(lambda: sandbox.ask(reference).said.get("Status") == "SUCCESS")


def test_an_inquiry_may_lie(sandbox: Sandbox) -> None:
    paid, refused = new_reference(), new_reference()
    sandbox.pay(new_account(), paid)
    sandbox.pay("10020004", refused)
    sandbox.set(inquiry_lies=True)
    assert [sandbox.ask(reference).said["Code"] for reference in (paid, refused)] == ["NOT_FOUND", "NOT_FOUND"]


def test_a_biller_that_is_down_closes_every_connection_and_moves_nothing(sandbox: Sandbox) -> None:
    sandbox.set(down=True)
    reference = new_reference()
    assert sandbox.pay(new_account(), reference).data == b""
    assert sandbox.lines("requests")[-1]["fault"] == "down"
    sandbox.set(down=False)
    assert sandbox.ledger(reference) == []
    assert sandbox.look_up("100001").status == 200


def test_settings_are_shown_as_they_were_set(sandbox: Sandbox) -> None:
    sandbox.set(deduplicates="answers_original", inquiry_lag_seconds=1.5)
    shown = {"deduplicates": "answers_original", "inquiry_lag_seconds": 1.5, "inquiry_lies": False, "down": False, "fault_status": 500}
    assert sandbox.control("GET", f"/billers/{CODE}") == (200, shown)
    sandbox.pace(hang_seconds=7)
    assert sandbox.control("GET", "/settings")[1]["hang_seconds"] == 7


def test_the_ledger_is_shown_as_the_file_has_it(sandbox: Sandbox) -> None:
    sandbox.pay(new_account(), new_reference())
    assert sandbox.control("GET", f"/ledger/{CODE}") == (200, {"biller": CODE, "entries": sandbox.lines("ledger")})


def test_orders_are_shown_until_they_are_carried_out_or_deleted(sandbox: Sandbox) -> None:
    sandbox.next("drip", seconds=0.5)
    [order] = sandbox.control("GET", "/faults")[1]["next"]
    assert (order["fault"], order["seconds"], order["count"]) == ("drip", 0.5, 1)
    assert sandbox.control("DELETE", "/faults")[1]["next"] == []


ORDER = {"biller": CODE, "operation": "PostTransaction", "fault": "drip"}

REFUSED = [
    ("PUT", "/faults", {"rate": 2}),
    ("PUT", "/faults", {"rate": True}),
    ("PUT", "/faults", {"rate": 0.1, "kinds": ["explode"]}),
    ("PUT", "/faults", {"rate": 0.1, "kinds": []}),
    ("PUT", "/faults", {"rate": 0.1, "operations": ["PayTwice"]}),
    ("PUT", "/faults", {"rate": 0.1, "billers": ["NOBODY"]}),
    ("PUT", "/faults", {"odds": 0.1}),
    ("PUT", "/faults", [0.1]),
    ("PUT", "/faults", None),
    ("POST", "/faults/next", {**ORDER, "biller": "NOBODY"}),
    ("POST", "/faults/next", {**ORDER, "operation": "PayTwice"}),
    ("POST", "/faults/next", {**ORDER, "fault": "explode"}),
    ("POST", "/faults/next", {**ORDER, "count": 0}),
    ("POST", "/faults/next", {**ORDER, "seconds": -1}),
    ("POST", "/faults/next", {"fault": "drip"}),
    ("PUT", "/billers/NOBODY", {"down": True}),
    ("PUT", f"/billers/{CODE}", {"down": 1}),
    ("PUT", f"/billers/{CODE}", {"deduplicates": "sometimes"}),
    ("PUT", f"/billers/{CODE}", {"inquiry_lag_seconds": float("nan")}),
    ("PUT", f"/billers/{CODE}", {"colour": "blue"}),
    ("GET", "/ledger/NOBODY", None),
    ("PUT", "/settings", {"hang_seconds": "long"}),
    ("PUT", "/settings", {"asks_until_done": 0}),
]


@pytest.mark.parametrize(("method", "path", "body"), REFUSED, ids=[f"{method} {path} {body}" for method, path, body in REFUSED])
def test_what_the_control_port_does_not_know_is_400_in_a_sentence(sandbox: Sandbox, method: str, path: str, body: object) -> None:
    before = sandbox.control("GET", "/faults"), sandbox.control("GET", f"/billers/{CODE}")
    status, sentence = sandbox.control(method, path, body)
    assert status == 400
    assert sentence.endswith(".")
    assert (sandbox.control("GET", "/faults"), sandbox.control("GET", f"/billers/{CODE}")) == before


def test_a_path_that_is_none_is_404(sandbox: Sandbox) -> None:
    assert sandbox.control("GET", "/nowhere")[0] == 404
    assert sandbox.control("POST", "/health")[0] == 404
