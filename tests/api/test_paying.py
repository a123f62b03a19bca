"""A program asks and pays: the answers, and that a bill is paid once, whatever is sent twice and whatever dies in between."""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy.engine import URL

from core.api.programs import once, shapes
from core.services import drafts, idempotency, payments
from core.services.idempotency import Claim
from tests.api.accounts import new_account
from tests.api.conftest import API, Bank, Program, bank_at
from tests.front_door.conftest import Served

NewKey = Callable[[], str]


def test_a_bill_is_looked_up_and_paid(bank: Bank, program: Program, new_key: NewKey) -> None:
    account = new_account()
    told = program.post("/account-lookup", {"biller": "LWB_POSTPAID", "account": account})
    assert (told.status_code, bool(told.json()["account"])) in ((200, True), (202, False)), told.text
    lookup = program.until_settled(told.headers["location"])["id"]
    paid = program.pay({"biller": "LWB_POSTPAID", "account": account, "amount": "5475.50", "lookup": lookup}, new_key())
    assert paid.status_code == 201, paid.text
    assert (paid.json()["status"], paid.json()["amount"], paid.json()["currency"]) == ("COMPLETED", "5475.50", "MWK")
    assert paid.headers["location"] == f"{API}/transactions/{paid.json()['id']}"
    assert paid.json()["created_at"].endswith("Z")
    assert [entry["amount"] for entry in bank.ledger(account)] == ["5475.50"]


def test_an_invoice_is_fetched_and_paid_exactly(bank: Bank, program: Program, new_key: NewKey) -> None:
    account = new_account()[:-1] + "1"
    fetched = program.answered("/invoice", biller="REGISTER_GENERAL", account=account)
    body = {"invoice": fetched["transaction"]["id"], "lookup": program.look_up(account, "REGISTER_GENERAL")}
    paid = program.pay(body, new_key(), "/invoice/confirm")
    assert paid.status_code == 201, paid.text
    assert (paid.json()["amount"], paid.json()["invoice_number"]) == (fetched["invoice"]["due"]["amount"], fetched["invoice"]["number"])
    again = program.post("/invoice/confirm", body, key=new_key())
    assert again.status_code == 409
    assert again.json()["type"] == f"{API}/docs#invoice-taken"
    assert again.json()["earlier"] == f"{API}/transactions/{paid.json()['id']}"


def test_a_bundle_is_chosen_and_bought_at_its_price(bank: Bank, program: Program, new_key: NewKey) -> None:
    account = "0883" + new_account()[-6:]
    listed = program.answered("/bundles", biller="TNM_BUNDLES", account=account)
    bundle = listed["bundles"][0]
    body = {"bundles": listed["transaction"]["id"], "bundle": bundle["id"], "lookup": program.look_up(account, "TNM_BUNDLES")}
    bought = program.pay(body, new_key(), "/bundles/purchase")
    assert bought.status_code == 201, bought.text
    assert (bought.json()["status"], bought.json()["amount"]) == ("COMPLETED", bundle["price"])


def test_what_a_biller_refuses_to_tell_is_a_problem_in_its_own_words(program: Program) -> None:
    while (refused := program.post("/account-lookup", {"biller": "LWB_POSTPAID", "account": "99999999"})).status_code == 202:
        program.until_settled(refused.headers["location"])
    assert refused.status_code == 422
    assert refused.json()["type"] == f"{API}/docs#not-answered"
    assert refused.json()["transaction"] == refused.headers["location"]


def test_a_biller_that_hangs_keeps_nobody_waiting(bank: Bank, program: Program, new_key: NewKey) -> None:
    bill = program.bill("10030003")
    made = program.post("/payment", bill, key=new_key())
    assert made.status_code == 202, made.text
    assert made.elapsed.total_seconds() < 10
    assert made.json()["status"] == "PROCESSING"
    assert "Do not pay again" in made.json()["means"]
    told = program.http.get(made.headers["location"]).json()
    assert told["id"] == made.json()["id"]


def test_above_the_limit_it_says_where_a_second_person_decides(program: Program, new_key: NewKey) -> None:
    made = program.post("/payment", program.bill(amount="600000.00"), key=new_key())
    assert made.status_code == 202
    assert (made.json()["stage"], made.json()["approval"]) == ("AWAITING_APPROVAL", f"/approvals?id={made.json()['id']}")


def test_any_type_is_made_by_its_name(program: Program, new_key: NewKey) -> None:
    made = program.pay({"type": "ACCOUNT_DETAILS", "biller": "LWB_POSTPAID", "account": new_account()}, new_key(), "/transactions")
    assert (made.status_code, made.json()["type"], made.json()["amount"]) == (201, "ACCOUNT_DETAILS", None)
    paid = program.pay({"type": "POST_TRANSACTION", **program.bill()}, new_key(), "/transactions")
    assert (paid.status_code, paid.json()["status"]) == (201, "COMPLETED"), paid.text


def test_a_payment_that_failed_is_retried_as_another_and_two_who_retry_get_one(program: Program, new_key: NewKey) -> None:
    failed = program.pay(program.bill("10020004"), new_key()).json()
    assert failed["status"] == "FAILED"
    retried = [program.pay({"reason": "The limit was raised."}, new_key(), f"/transactions/{failed['id']}/retry") for _ in range(2)]
    assert [one.status_code for one in retried] == [201, 201]
    assert {(one.json()["id"], one.json()["retry_of"]) for one in retried} == {(retried[0].json()["id"], failed["id"])}
    paid = program.pay(program.bill(), new_key()).json()
    refused = program.post(f"/transactions/{paid['id']}/retry", key=new_key())
    assert (refused.status_code, refused.json()["type"]) == (409, f"{API}/docs#not-now")


# ---- A key and its one payment


def test_what_moves_money_wants_a_key(program: Program) -> None:
    for path in ("/payment", "/invoice/confirm", "/bundles/purchase", "/transactions", f"/transactions/{uuid.uuid4()}/retry"):
        refused = program.post(path, {})
        assert refused.status_code == 400, path
        assert any(error.get("header") == "Idempotency-Key" for error in refused.json()["errors"]), refused.text
    bare = program.post("/payment", program.bill())
    assert bare.json()["type"] == f"{API}/docs#no-key"


def test_the_same_key_gives_the_same_answer_and_pays_nothing_again(bank: Bank, program: Program, new_key: NewKey) -> None:
    bill, key = program.bill(), new_key()
    first, second = (program.pay(bill, key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert first.headers["location"] == second.headers["location"]
    assert ("idempotent-replayed" in first.headers, second.headers["idempotent-replayed"]) == (False, "true")
    assert len(bank.ledger(bill["account"])) == 1


def test_a_key_stands_for_one_payment_of_one_owner_on_one_route(bank: Bank, program: Program, new_key: NewKey) -> None:
    bill, key = program.bill(), new_key()
    assert program.pay(bill, key).status_code == 201
    other = program.post("/payment", {**bill, "amount": "100.00"}, key=key)
    assert (other.status_code, other.json()["type"]) == (422, f"{API}/docs#key-used")
    stranger = bank.program()
    assert stranger.pay(stranger.bill(), key).status_code == 201
    elsewhere = program.pay({"type": "ACCOUNT_DETAILS", "biller": "LWB_POSTPAID", "account": new_account()}, key, "/transactions")
    assert elsewhere.status_code == 201


def test_an_answer_is_given_again_only_where_its_biller_is_still_served(bank: Bank, new_key: NewKey) -> None:
    program = bank.program()
    bill, key = program.bill(), new_key()
    assert program.pay(bill, key).status_code == 201
    with bank.connect() as connection:
        connection.execute("INSERT INTO user_billers (user_id, biller_type) VALUES (%s, 'MASM')", (program.owner.id,))
    assert program.post("/payment", bill, key=key).status_code == 404


def test_ten_at_once_under_one_key_are_one_payment(bank: Bank, program: Program, new_key: NewKey) -> None:
    bill, key = program.bill(), new_key()
    together = threading.Barrier(10)

    def pay(_number: int) -> httpx.Response:
        together.wait(30)
        return program.post("/payment", bill, key=key)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(pay, range(10)))
    told = {one.status_code for one in answers}
    assert told <= {201, 202, 409}
    assert 201 in told or 202 in told
    for one in answers:
        if one.status_code == 409:
            assert (one.json()["type"], one.headers["retry-after"]) == (f"{API}/docs#still-running", "1")
    assert program.pay(bill, key).json()["status"] == "COMPLETED"
    assert len(bank.ledger(bill["account"])) == 1


def test_what_is_not_settled_is_told_anew_and_its_end_for_good(bank: Bank, program: Program, new_key: NewKey) -> None:
    bill, key = program.bill(amount="700000.00"), new_key()
    waiting = program.post("/payment", bill, key=key)
    assert waiting.status_code == 202
    payments.cancel(program.owner, uuid.UUID(waiting.json()["id"]))
    ended = program.post("/payment", bill, key=key)
    assert (ended.status_code, ended.json()["id"], ended.json()["status"]) == (201, waiting.json()["id"], "CANCELLED")
    assert program.post("/payment", bill, key=key).content == ended.content


def test_a_second_bill_of_the_same_amount_is_meant_by_saying_why_under_the_same_key(bank: Bank, program: Program, new_key: NewKey) -> None:
    bill = program.bill()
    first = program.pay(bill, new_key()).json()
    key = new_key()
    suspected = program.post("/payment", bill, key=key)
    assert suspected.status_code == 409
    assert (suspected.json()["type"], suspected.json()["earlier"]) == (f"{API}/docs#paid-lately", f"{API}/transactions/{first['id']}")
    meant = program.pay({**bill, "reason": "Two houses, one account."}, key)
    assert (meant.status_code, meant.json()["status"]) == (201, "COMPLETED")
    assert len(bank.ledger(bill["account"])) == 2


def test_a_refusal_that_made_nothing_leaves_the_key_free(program: Program, new_key: NewKey) -> None:
    bill, key = program.bill(), new_key()
    assert program.post("/payment", {**bill, "amount": "1.00"}, key=key).status_code == 422
    assert program.pay(bill, key).status_code == 201


# ---- What dies in between


def claimed(program: Program, bill: dict[str, str], key: str) -> Claim:
    """As a process has it that begins with this payment."""
    assert program.owner.id is not None
    turn = idempotency.claim(program.owner.id, "payment", key, once.hash_of(shapes.PaymentAsked(**bill)))
    assert isinstance(turn, Claim)
    return turn


def died(bank: Bank, key: str) -> None:
    """Its time is up, and it said nothing."""
    with bank.connect() as connection:
        connection.execute("UPDATE idempotency_keys SET claimed_until = now() - interval '1 second' WHERE key = %s", (key,))


def frozen(program: Program, bill: dict[str, str]) -> uuid.UUID:
    form = {name: bill[name] for name in ("biller", "account", "amount", "lookup")}
    return drafts.freeze(program.owner, drafts.begin(program.owner, form).id).draft.id


def test_while_the_first_is_at_it_the_second_is_told_so(bank: Bank, program: Program, new_key: NewKey) -> None:
    bill, key = program.bill(), new_key()
    claimed(program, bill, key)
    refused = program.post("/payment", bill, key=key)
    assert (refused.status_code, refused.json()["type"], refused.headers["retry-after"]) == (409, f"{API}/docs#still-running", "1")
    assert bank.ledger(bill["account"]) == []


def test_a_process_that_died_before_it_did_anything_is_taken_over(bank: Bank, program: Program, new_key: NewKey) -> None:
    bill, key = program.bill(), new_key()
    claimed(program, bill, key)
    died(bank, key)
    assert program.pay(bill, key).status_code == 201
    assert len(bank.ledger(bill["account"])) == 1


def test_a_process_that_died_before_it_submitted_leaves_its_draft_to_the_next(bank: Bank, program: Program, new_key: NewKey) -> None:
    bill, key = program.bill(), new_key()
    draft = frozen(program, bill)
    idempotency.note_draft(claimed(program, bill, key), draft)
    died(bank, key)
    paid = program.pay(bill, key)
    assert paid.status_code == 201
    assert drafts.find(program.owner, draft).transaction_id == uuid.UUID(paid.json()["id"])


def test_a_process_that_died_after_it_submitted_has_paid_and_nobody_pays_again(bank: Bank, program: Program, new_key: NewKey) -> None:
    bill, key = program.bill(), new_key()
    draft = frozen(program, bill)
    idempotency.note_draft(claimed(program, bill, key), draft)
    submitted = payments.submit(program.owner, draft)
    died(bank, key)
    paid = program.pay(bill, key)
    assert (paid.status_code, paid.json()["id"]) == (201, str(submitted.transaction_id))
    assert len(bank.ledger(bill["account"])) == 1


def test_whoever_was_thought_dead_finds_that_it_is_no_longer_their_turn(bank: Bank, program: Program, new_key: NewKey) -> None:
    bill, key = program.bill(), new_key()
    slow = claimed(program, bill, key)
    died(bank, key)
    paid = program.pay(bill, key)
    assert paid.status_code == 201
    with pytest.raises(idempotency.TakenOver):
        idempotency.note_draft(slow, frozen(program, bill))
    idempotency.rest(slow)
    assert program.post("/payment", bill, key=key).content == paid.content


def test_old_keys_are_forgotten_and_young_ones_are_not(bank: Bank, program: Program, new_key: NewKey) -> None:
    bill, old, young = program.bill(), new_key(), new_key()
    assert program.pay(bill, old).status_code == 201
    assert program.pay(program.bill(), young).status_code == 201
    with bank.connect() as connection:
        connection.execute("UPDATE idempotency_keys SET created_at = now() - interval '31 days' WHERE key = %s", (old,))
    assert idempotency.forget_old() >= 1
    with bank.connect() as connection:
        kept = {key for (key,) in connection.execute("SELECT key FROM idempotency_keys")}
    assert young in kept
    assert old not in kept


class Mortal(Served):
    """A console that may be killed before its block ends."""

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(30)

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is None:
            super().__exit__(*error)


def test_a_console_killed_while_a_program_waits_has_paid_once_and_the_next_one_says_so(server_url: URL, tmp_path: Path) -> None:
    """A process that really dies: after the payment was submitted to a biller that hangs, and before its program was told anything."""
    key, told = uuid.uuid4().hex, []
    with bank_at(server_url, tmp_path / "bank") as bank:
        mortal = Mortal(bank.port, tmp_path / "first.log")
        with mortal, bank.connect() as connection:
            program = bank.program()
            bill = program.bill("10030003")

            def ask() -> None:
                try:
                    told.append(program.post("/payment", bill, key=key))
                except httpx.TransportError as error:
                    told.append(error)

            asking = threading.Thread(target=ask)
            asking.start()
            while not connection.execute("SELECT 1 FROM transactions WHERE amount IS NOT NULL").fetchone():
                asking.join(0.05)
            mortal.kill()
            asking.join(30)
            connection.execute("UPDATE idempotency_keys SET claimed_until = now() - interval '1 second'")
        assert isinstance(told[0], httpx.TransportError), "it was told before it was killed"
        with bank.served():
            again = bank.program(owner=program.owner).post("/payment", bill, key=key)
        assert again.status_code in (201, 202), again.text
        with bank.connect() as connection:
            assert connection.execute("SELECT id::text FROM transactions WHERE amount IS NOT NULL").fetchall() == [(again.json()["id"],)]
        assert len(bank.ledger(bill["account"])) <= 1
