"""Each fault of the wire, as the bytes that a client sees, and whether the money moved."""

import contextlib
import gzip
import zlib
from collections.abc import Callable

import pytest
from lxml import etree
from running_sandbox import CODE, Answered, Sandbox, new_account, new_reference, payment, wait_until

from core.sandbox.faults import BY_NAME_ONLY, DRAWN, FAULTS

MIB = 1024 * 1024


def nothing(answered: Answered) -> bool:
    return answered.data == b"" and not answered.reset


def is_page(status: int) -> Callable[[Answered], bool]:
    return lambda answered: answered.status == status and answered.header("Content-Type") == "text/html" and b"<html>" in answered.body


def is_unreadable(answered: Answered) -> bool:
    try:
        etree.fromstring(answered.body)
    except etree.XMLSyntaxError:
        return answered.status == 200 and len(answered.body) == answered.announced
    return False


def is_corrupt_gzip(answered: Answered) -> bool:
    try:
        gzip.decompress(answered.body)
    except (zlib.error, OSError, EOFError):
        return answered.header("Content-Encoding") == "gzip" and len(answered.body) == answered.announced
    return False


def is_bomb(answered: Answered) -> bool:
    return len(answered.body) < MIB and len(gzip.decompress(answered.body)) == 200 * MIB


def is_valid(answered: Answered) -> bool:
    return answered.said["Status"] == "SUCCESS" and len(answered.body) == answered.announced


def is_endless(answered: Answered) -> bool:
    return answered.header("Transfer-Encoding") == "chunked" and 64 * MIB < len(answered.data) < 66 * MIB and not answered.data.endswith(b"0\r\n\r\n")


# fault → does it act, and what comes back. Walked against the sandbox's own table.
SEEN: dict[str, tuple[bool, Callable[[Answered], bool]]] = {
    "close_on_accept": (False, nothing),
    "act_then_reset": (True, lambda answered: answered.data == b"" and answered.reset),
    "act_then_close": (True, nothing),
    "act_then_hang": (True, nothing),
    "hang_without_acting": (False, nothing),
    "act_late": (True, nothing),
    "drip": (True, is_valid),
    "truncated_status_line": (True, lambda answered: answered.data == b"HTTP/1.1 2"),
    "short_body": (True, lambda answered: answered.status == 200 and 0 < len(answered.body) < answered.announced),
    "endless_chunks": (True, is_endless),
    "oversized": (True, lambda answered: 50 * MIB < len(answered.body) == answered.announced),
    "act_then_500": (True, is_page(500)),
    "502_after": (True, is_page(502)),
    "503_after": (True, is_page(503)),
    "504_after": (True, is_page(504)),
    "500_without_acting": (False, is_page(500)),
    "html_page_200": (False, is_page(200)),
    "duplicate_409": (False, is_page(409)),
    "status_429": (False, is_page(429)),
    "status_401": (False, lambda answered: answered.status == 401),
    "redirect": (False, lambda answered: answered.status == 302 and answered.header("Location") == "http://127.0.0.2:1/"),
    "fault_unknown_code": (False, lambda answered: answered.said["Code"] == "E-9047"),
    "wrong_reference": (True, is_valid),
    "wrong_amount": (True, lambda answered: answered.said["Amount"] == "5476.50"),
    "success_twice": (True, lambda answered: answered.body.count(b"<PostTransactionResponse") == 2),
    "accepted_then_done": (False, lambda answered: answered.said["Status"] == "PENDING"),
    "gzip_valid": (True, lambda answered: b"<Status>SUCCESS</Status>" in gzip.decompress(answered.body)),
    "gzip_corrupt": (True, is_corrupt_gzip),
    "gzip_bomb": (True, is_bomb),
    "wrong_charset": (True, lambda answered: is_unreadable(answered) and "us-ascii" in answered.header("Content-Type")),
    "nul_bytes": (True, lambda answered: is_unreadable(answered) and b"\0" in answered.body),
    "slow": (True, is_valid),
    "accepted_forever": (False, lambda answered: answered.said["Status"] == "PENDING"),
    "act_then_duplicate": (True, lambda answered: answered.said["Code"] == "DUPLICATE"),
}


def test_every_fault_is_looked_at_here() -> None:
    assert set(SEEN) == set(FAULTS)


@pytest.mark.parametrize("fault", SEEN)
def test_a_fault_is_what_its_name_says(sandbox: Sandbox, fault: str) -> None:
    acts, looks_right = SEEN[fault]
    account, reference = new_account(), new_reference()
    # Later than the hang ends, so that the client has left by then.
    sandbox.pace(late_seconds=0.5)
    sandbox.next(fault)
    answered = sandbox.pay(account, reference)
    assert looks_right(answered), answered.data[:500]
    if fault == "act_late":
        wait_until(lambda: sandbox.ledger(reference))
    assert [entry["amount"] for entry in sandbox.ledger(reference)] == ["5475.50"] * acts
    [line] = sandbox.requests(reference=reference)
    assert line["fault"] == fault
    assert line["status"] == (None if FAULTS[fault].silent else answered.status)
    # It was for one call only.
    assert sandbox.pay(account, new_reference()).said["Status"] == "SUCCESS"


@pytest.mark.parametrize("fault", SEEN)
def test_a_fault_leaves_an_inquiry_without_effect(sandbox: Sandbox, fault: str) -> None:
    account, reference = new_account(), new_reference()
    sandbox.pay(account, reference)
    sandbox.pace(hang_seconds=0.05, slow_seconds=0.05, late_seconds=0)
    sandbox.next(fault, "GetTransactionStatus", account=account)
    sandbox.ask(reference)
    assert sandbox.requests(reference=reference, operation="GetTransactionStatus", fault=fault)
    assert len(sandbox.ledger(reference)) == 1
    assert sandbox.ask(reference).said["Status"] == "SUCCESS"


def test_a_drip_is_one_byte_at_a_time(sandbox: Sandbox) -> None:
    sandbox.next("drip", seconds=60)
    with sandbox.connected(payment(new_account(), new_reference())) as connection:
        assert connection.recv(100) == b"H"
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(100)


@pytest.mark.parametrize(("fault", "acts"), [("act_then_hang", True), ("hang_without_acting", False), ("act_late", False)])
def test_a_hang_holds_the_connection_open(sandbox: Sandbox, fault: str, acts: bool) -> None:
    reference = new_reference()
    sandbox.pace(hang_seconds=60, late_seconds=60)
    sandbox.next(fault)
    with sandbox.connected(payment(new_account(), reference)) as connection:
        wait_until(lambda: sandbox.requests(reference=reference))
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert len(sandbox.ledger(reference)) == acts


def test_a_wrong_reference_is_another_one_and_the_rest_is_right(sandbox: Sandbox) -> None:
    account, reference = new_account(), new_reference()
    sandbox.next("wrong_reference")
    said = sandbox.pay(account, reference).said
    assert said["OurTransactionId"] != reference
    assert (said["AccountNumber"], said["Amount"]) == (account, "5475.50")


def test_a_look_up_has_an_account_and_a_balance_to_get_wrong(sandbox: Sandbox) -> None:
    right = sandbox.look_up("100001").said
    sandbox.next("wrong_reference", "GetAccountDetails")
    sandbox.next("wrong_amount", "GetAccountDetails")
    assert sandbox.look_up("100001").said["AccountNumber"] != right["AccountNumber"]
    assert sandbox.look_up("100001").said["Balance"] != right["Balance"]


def test_an_inquiry_never_invents_a_pending_payment(sandbox: Sandbox) -> None:
    sandbox.next("accepted_then_done", "GetTransactionStatus")
    assert sandbox.ask(new_reference()).said["Code"] == "NOT_FOUND"


def test_a_fault_on_a_refused_payment_moves_nothing(sandbox: Sandbox) -> None:
    reference = new_reference()
    sandbox.next("act_then_reset")
    assert sandbox.pay("10020002", reference).reset
    assert sandbox.ledger(reference) == []


def test_a_reversal_can_act_and_lose_its_answer(sandbox: Sandbox) -> None:
    reference = new_reference()
    sandbox.pay(new_account(), reference)
    sandbox.next("act_then_reset", "ReverseTransaction")
    assert sandbox.reverse(reference).reset
    assert [entry["kind"] for entry in sandbox.ledger(reference)] == ["PAY", "REVERSAL"]


def acts_to_come(sandbox: Sandbox) -> int:
    return int(sandbox.control("GET", "/health")[1]["acts_to_come"])


def test_a_late_biller_acts_after_the_client_left_and_is_not_found_until_then(sandbox: Sandbox) -> None:
    reference = new_reference()
    before = acts_to_come(sandbox)
    sandbox.pace(hang_seconds=60)
    sandbox.next("act_late", seconds=0.5)
    with sandbox.connected(payment(new_account(), reference)):
        wait_until(lambda: sandbox.requests(reference=reference))
    assert sandbox.ask(reference).said["Code"] == "NOT_FOUND"
    assert acts_to_come(sandbox) == before + 1
    wait_until(lambda: sandbox.ledger(reference))
    assert sandbox.ask(reference).said["Status"] == "SUCCESS"
    wait_until(lambda: acts_to_come(sandbox) == before)


def test_a_client_that_leaves_at_once_has_paid_all_the_same(sandbox: Sandbox) -> None:
    reference = new_reference()
    with sandbox.connected(payment(new_account(), reference)):
        pass
    wait_until(lambda: sandbox.ledger(reference))


def test_half_a_request_moves_nothing(sandbox: Sandbox) -> None:
    reference, later = new_reference(), new_reference()
    with sandbox.connected(payment(new_account(), reference)[:-20]):
        pass
    sandbox.pay(new_account(), later)
    assert sandbox.ledger(reference) == []


def test_a_fault_can_be_for_one_account_or_one_reference_or_some_calls(sandbox: Sandbox) -> None:
    mine, other, reference = new_account(), new_account(), new_reference()
    sandbox.next("act_then_close", account=mine, count=2)
    sandbox.next("502_after", reference=reference)
    assert sandbox.pay(other, new_reference()).status == 200
    assert [sandbox.pay(mine, new_reference()).data[:12] for _ in range(3)] == [b"", b"", b"HTTP/1.1 200"]
    assert sandbox.pay(other, reference).status == 502


def test_at_a_rate_every_kind_comes_as_often_as_every_other(sandbox: Sandbox) -> None:
    kinds = ["act_then_500", "502_after", "wrong_amount", "act_then_close", "gzip_valid"]
    status, said = sandbox.control("PUT", "/faults", {"rate": 0.5, "kinds": kinds, "seed": 7, "operations": ["PostTransaction", "GetTransactionStatus"]})
    assert (status, said["rate"]) == (200, 0.5)
    account = new_account()
    for _ in range(200):
        reference = new_reference()
        sandbox.pay(account, reference)
        sandbox.ask(reference)
        sandbox.look_up(account)
    counts = sandbox.control("GET", "/faults")[1]["counts"][CODE]
    assert set(counts) == {"PostTransaction", "GetTransactionStatus"}
    for by_fault in counts.values():
        assert set(by_fault) == set(kinds)
        assert max(by_fault.values()) - min(by_fault.values()) <= 1
        assert 60 <= sum(by_fault.values()) <= 140


def test_at_rate_one_chance_draws_all_kinds_but_those_had_by_name_only(sandbox: Sandbox) -> None:
    sandbox.pace(hang_seconds=0, late_seconds=0, drip_seconds=0)
    sandbox.control("PUT", "/faults", {"rate": 1, "seed": 3})
    for _ in DRAWN:
        with sandbox.connected(payment(new_account(), new_reference())) as connection, contextlib.suppress(ConnectionResetError):
            connection.recv(100)
    said = sandbox.control("DELETE", "/faults")[1]
    assert said["counts"][CODE]["PostTransaction"] == dict.fromkeys(sorted(DRAWN), 1)
    assert said["kinds"] == list(DRAWN)
    assert said["by_name_only"] == list(BY_NAME_ONLY)
    assert sandbox.pay(new_account(), new_reference()).said["Status"] == "SUCCESS"


def test_the_same_seed_gives_the_same_faults(sandbox: Sandbox) -> None:
    def play() -> list[str]:
        sandbox.control("PUT", "/faults", {"rate": 0.5, "kinds": ["502_after", "503_after", "504_after"], "seed": 11})
        return [sandbox.look_up("100001").head.split("\r\n")[0] for _ in range(20)]

    assert play() == play()
