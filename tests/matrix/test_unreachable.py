"""W01 to W04, W26, W35, W36: the biller is not reached, is down for long, does not know us, or writes in other letters."""

import statistics
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from core.services import payments
from core.states import Stage
from tests.campaign.harness import until
from tests.matrix.road import Road, with_body
from tests.matrix.town import BWB, LWB, MASM, PREPAID, REGISTRAR, SRWB, Bill, Town, new_account
from tests.wire.conftest import Certificates

FAILED, COMPLETED, WAITING = frozenset({Stage.FAILED}), frozenset({Stage.COMPLETED}), frozenset({Stage.PAY_RETRY})


@pytest.fixture(scope="module", autouse=True)
def worker(shared_town: Town, certificates: Certificates) -> None:
    shared_town.start_worker(BILLERS_CA_BUNDLE=str(certificates.ca), BILLERS_ALLOWED_HOSTS='["nowhere.invalid"]')


@contextmanager
def road(town: Town, **options: object) -> Iterator[Road]:
    made = Road(town.sandbox.port, **options)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.close()


def pay_at(town: Town, biller: str, address: str) -> uuid.UUID:
    """A payment drafted while the biller's configuration names this address. It was looked up while the biller was where it is."""
    (form,) = town.ask_all([Bill(biller, new_account(biller))])
    town.open(biller, base_url=address, retry_attempts=2)
    try:
        return town.submit(town.freeze(form))
    finally:
        town.open(biller)


def was_tried(town: Town, paid: uuid.UUID, times: int = 2) -> None:
    until(lambda: len(town.failures(paid)) >= times, f"{paid} was tried {times} times")


def never_left(town: Town, paid: uuid.UUID, failures: set[str]) -> None:
    """It is never doubtful, waits, and fails once its time is up: nothing was ever seen by the biller."""
    was_tried(town, paid)
    town.expire(paid)
    town.watch(paid, stages=FAILED)
    town.expect(paid, Stage.FAILED, effects=0)
    assert set(town.failures(paid)) == failures
    assert town.arrived(paid) == 0
    assert Stage.PAY_UNKNOWN not in town.stages(paid)
    town.judge().assert_all_well()


def arrives_in_the_end(town: Town, paid: uuid.UUID, failures: set[str]) -> None:
    town.watch(paid, stages=COMPLETED)
    town.expect(paid, Stage.COMPLETED, effects=1)
    assert set(town.failures(paid)) <= failures
    assert len(town.failures(paid)) >= 1
    assert town.arrived(paid) == 1
    assert Stage.PAY_UNKNOWN not in town.stages(paid)
    assert town.answers(paid, "status") == []
    town.judge().assert_all_well()


@pytest.mark.parametrize("biller", [LWB, BWB])
def test_w01_a_refused_connection_is_tried_again_under_the_same_reference(town: Town, biller: str) -> None:
    with road(town) as way:
        way.close()
        paid = pay_at(town, biller, town.address_of(biller, way.port))
        was_tried(town, paid)
        way.open()
        arrives_in_the_end(town, paid, {"connect_refused"})


def test_w01_refused_until_its_time_is_up_it_fails_and_may_be_paid_anew(town: Town) -> None:
    with road(town) as way:
        way.close()
        paid = pay_at(town, LWB, town.address_of(LWB, way.port))
        never_left(town, paid, {"connect_refused"})
    again = payments.retry(town.operator, paid).transaction_id
    town.watch(again)
    town.expect(again, Stage.COMPLETED, effects=1)
    town.judge().assert_all_well()


def test_w02_a_name_that_is_not_found_is_proof_that_nothing_left(town: Town) -> None:
    never_left(town, pay_at(town, SRWB, "https://nowhere.invalid/soap"), {"name_not_resolved"})


def test_w03_a_connection_that_never_comes_about_is_proof_that_nothing_left(town: Town) -> None:
    with road(town) as way:
        way.block()
        paid = pay_at(town, BWB, town.address_of(BWB, way.port))
        was_tried(town, paid, 1)
        way.close()
        way.open()
        arrives_in_the_end(town, paid, {"deadline_connecting", "connect_timeout", "connect_refused"})
        assert town.failures(paid)[0] in ("deadline_connecting", "connect_timeout")


@pytest.mark.parametrize("kind", ["expired", "wrong host", "self-signed"])
def test_w04_a_biller_that_cannot_prove_who_it_is_is_told_nothing(town: Town, certificates: Certificates, kind: str) -> None:
    with road(town, tls=certificates.server(kind)) as way:
        never_left(town, pay_at(town, MASM, f"https://localhost:{way.port}/masm"), {"tls_failed"})


def test_w04_a_biller_that_proves_who_it_is_is_paid(town: Town, certificates: Certificates) -> None:
    with road(town, tls=certificates.server("good")) as way:
        paid = pay_at(town, PREPAID, f"https://localhost:{way.port}/srwb_prepaid")
        town.watch(paid, stages=COMPLETED)
    town.expect(paid, Stage.COMPLETED, effects=1, sends=1)
    town.judge().assert_all_well()


LETTERS: dict[str, Callable[[bytes], bytes]] = {
    "with a BOM": lambda reply: with_body(reply, lambda text: text.encode("utf-8-sig"), "utf-8"),
    "in UTF-16": lambda reply: with_body(reply, lambda text: text.replace("utf-8", "utf-16").replace("UTF-8", "UTF-16").encode("utf-16"), "utf-16"),
    "in UTF-16 that says UTF-8": lambda reply: with_body(reply, lambda text: text.encode("utf-16"), "utf-8"),
}


@pytest.mark.parametrize("letters", LETTERS)
@pytest.mark.parametrize("biller", [SRWB, REGISTRAR])
def test_w26_whatever_the_letters_it_is_paid_once(town: Town, biller: str, letters: str) -> None:
    """Whether such an answer is read or is doubt: the first call's is met by the biller's own word in the end."""
    with road(town, change=LETTERS[letters]) as way:
        paid = pay_at(town, biller, town.address_of(biller, way.port))
        until(lambda: town.answers(paid), "it was answered in other letters")
        way.change = bytes
        town.watch(paid, stages=COMPLETED)
    town.expect(paid, Stage.COMPLETED, effects=1, sends=1)
    town.judge().assert_all_well()


# ---- Credentials


def breaker_of(town: Town, biller: str) -> str | None:
    found = town.rows("SELECT reason FROM breakers WHERE biller_type = %s", biller)
    return found[0][0] if found else None


def forbidden(_: bytes) -> bytes:
    return b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("status", [401, 403])
def test_w36_one_refusal_of_our_credentials_opens_the_circuit_and_what_waits_may_be_cancelled(town: Town, status: int) -> None:
    opened = town.acts("breaker.opened", REGISTRAR)
    with road(town) as way:
        way.change = forbidden if status == 403 else (lambda _: b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
        paid = pay_at(town, REGISTRAR, town.address_of(REGISTRAR, way.port))
        until(lambda: town.acts("breaker.opened", REGISTRAR) > opened, "the circuit opens")
        way.change = bytes
        assert town.failures(paid) == ["refused_credentials"]
        assert town.stage(paid) not in (Stage.FAILED, Stage.PAY_RETRY), "a 401 on the way back proves nothing"
        town.watch(paid, stages=COMPLETED)
    town.expect(paid, Stage.COMPLETED, effects=1, sends=1)
    until(lambda: breaker_of(town, REGISTRAR) is None or town.pay_bill(REGISTRAR), "the circuit closes by a payment that went well")
    town.watch(*(one for (one,) in town.rows("SELECT id FROM transactions WHERE biller_type = %s AND amount IS NOT NULL", REGISTRAR)))
    town.judge().assert_all_well()


# ---- Down for long


def seconds_to_pay(town: Town, biller: str, how_many: int) -> float:
    """From the submit to the end, in the middle of so many."""
    paid = town.pay_all([Bill(biller, new_account(biller)) for _ in range(how_many)])
    town.watch(*paid, stages=COMPLETED)
    took: list[timedelta] = [town.value("SELECT completed_at - created_at FROM transactions WHERE id = %s", one) for one in paid]
    return statistics.median(one.total_seconds() for one in took)


def test_w35_a_biller_that_is_down_holds_up_its_own_queue_and_nobody_elses(own_town: Town) -> None:
    town = own_town
    account = new_account()
    drafted = town.copies_of(town.draft(account, town.look_up_by_hand(account)[0]), 500)
    town.sandbox.set(LWB, down=True)
    for draft in drafted:
        town.submit(draft)
    town.start_worker().wait_ready()
    until(lambda: breaker_of(town, LWB), "the circuit of the biller that is down opens")
    meanwhile = seconds_to_pay(town, MASM, 8)
    # They wait where they were, none has failed for it, and whoever has changed their mind may still cancel.
    assert town.value("SELECT count(*) FROM transactions WHERE biller_type = %s AND stage = 'QUEUED'", LWB) > 400
    assert town.value("SELECT count(*) FROM transactions WHERE biller_type = %s AND status = 'FAILED'", LWB) == 0
    cancelled = uuid.UUID(str(town.value("SELECT id FROM transactions WHERE biller_type = %s AND stage = 'QUEUED' ORDER BY id DESC LIMIT 1", LWB)))
    payments.cancel(town.operator, cancelled)
    town.sandbox.set(LWB, down=False)
    # Hundreds of them: on a busy machine that is minutes, and no fault.
    town.watch(*(one for (one,) in town.rows("SELECT id FROM transactions WHERE biller_type = %s AND amount IS NOT NULL", LWB)), seconds=180)
    assert meanwhile < seconds_to_pay(town, MASM, 8) + 0.5
    report = town.judge()
    report.assert_all_well()
    assert (report.completed, report.cancelled) == (500 - 1 + 16, 1)
