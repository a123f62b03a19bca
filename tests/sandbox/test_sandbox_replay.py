"""A biller the sandbox has no module for: its recordings are replayed, and what they say was paid is in a ledger."""

import json
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree
from running_sandbox import CHECKOUT, Answered, Sandbox, new_reference, request
from speaking import http

from core.sandbox.recordings import read_all

# Lilongwe's recordings under a name that nobody serves, and a biller that speaks JSON and counts in tambala.
WATER, POWER = "NORTHERN_WATER", "COUNTY_POWER"

ASK = 'reference = "7K3MZQ9RT2WX5B1C"\naccount = "5100001"\namount = "5475.50"\ncurrency = "MWK"'
PAID = {"result": "ok", "ref": "7K3MZQ9RT2WX5B1C", "meter": "5100001", "paid": 547550, "receipt": "P-77", "text": "5475.50 for 5100001"}
SENT = {"op": "pay", "ref": "7K3MZQ9RT2WX5B1C", "meter": "5100001", "amount": 547550, "secret": "recorded"}

# stem → verb, outcome, request's method and path, its JSON, the reply's JSON, its status, the account if it is another one.
POWER_RECORDINGS = {
    "lookup-found": ("lookup", "CONFIRMED", "GET", "/meters/5100001?key=recorded", None, {"meter": "5100001", "owner": "Ruth Nyirenda"}, 200, ""),
    "lookup-gone": ("lookup", "REJECTED", "GET", "/meters/5100009?key=recorded", None, {"meter": "5100009", "error": "gone"}, 404, "5100009"),
    "pay-confirmed": ("pay", "CONFIRMED", "POST", "/payments", SENT, PAID, 200, ""),
    "pay-accepted": ("pay", "ACCEPTED", "POST", "/payments", {**SENT, "meter": "5100008"}, {**PAID, "result": "wait", "meter": "5100008"}, 202, "5100008"),
    "pay-rejected": ("pay", "REJECTED", "POST", "/payments", {**SENT, "meter": "5100007"}, {**PAID, "result": "no", "meter": "5100007"}, 200, "5100007"),
    "pay-unknown": ("pay", "UNKNOWN", "POST", "/payments", SENT, {"result": "?"}, 500, ""),
    "status-confirmed": ("status", "CONFIRMED", "GET", "/payments/7K3MZQ9RT2WX5B1C", None, {**PAID, "receipt": "P-99"}, 200, ""),
    "status-accepted": ("status", "ACCEPTED", "GET", "/payments/7K3MZQ9RT2WX5B1C", None, {**PAID, "result": "wait"}, 200, ""),
    "status-not-found": ("status", "NOT_FOUND", "GET", "/payments/7K3MZQ9RT2WX5B1C", None, {"result": "none", "ref": "7K3MZQ9RT2WX5B1C"}, 404, ""),
}


def record_power(folder: Path) -> None:
    folder.mkdir()
    for stem, (verb, outcome, method, path, sent, answered, status, account) in POWER_RECORDINGS.items():
        ask = ASK.replace("5100001", account) if account else ASK
        external_id = f'external_id = "{answered["receipt"]}"\n' if "receipt" in answered else ""
        (folder / f"{stem}.toml").write_text(
            f'verb = "{verb}"\n[ask]\n{ask}\n[understand]\noutcome = "{outcome}"\n{external_id}'
            f'[request]\nmethod = "{method}"\npath = "{path}"\n[reply]\nstatus = {status}\n'
        )
        if sent is not None:
            (folder / f"{stem}.request.json").write_text(json.dumps(sent))
        (folder / f"{stem}.response.json").write_text(json.dumps(answered))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("fixtures")
    shutil.copytree(CHECKOUT / "tests" / "fixtures" / "lwb_postpaid", directory / "northern_water")
    # A folder of the same name as a biller that is served changes nothing about it.
    shutil.copytree(CHECKOUT / "tests" / "fixtures" / "lwb_postpaid", directory / "masm")
    record_power(directory / "county_power")
    (directory / "README.md").write_text("Not a biller.")
    (directory / "empty").mkdir()
    return directory


@pytest.fixture(scope="module")
def replaying_all(tmp_path_factory: pytest.TempPathFactory, recordings: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("replaying"), "--recordings", str(recordings))
    sandbox.start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def replaying(replaying_all: Sandbox) -> Sandbox:
    replaying_all.control("DELETE", "/faults")
    for code in (WATER, POWER):
        replaying_all.set(code, deduplicates="no", inquiry_lies=False, inquiry_lag_seconds=0)
    return replaying_all


def water(operation: str, **fields: str) -> bytes:
    """Not as it was recorded byte for byte: another prefix, and blanks between elements."""
    inner = "".join(f"\n  <b:{name}>{text}</b:{name}>" for name, text in fields.items())
    envelope = "http://schemas.xmlsoap.org/soap/envelope/"
    document = f'<e:Envelope xmlns:e="{envelope}"><e:Body><b:{operation} xmlns:b="http://billers.mw/lwb">{inner}\n</b:{operation}></e:Body></e:Envelope>'
    return request(document.encode(), operation=operation, path="/northern_water/soap")


def pay_water(reference: str, account: str = "6200002", amount: str = "120.25", **more: str) -> bytes:
    return water("PostTransaction", OurTransactionId=reference, AccountNumber=account, Amount=amount, Currency="MWK", **more)


def power(method: str, path: str, sent: object = None) -> bytes:
    return http(method, f"/county_power{path}", b"" if sent is None else json.dumps(sent).encode())


def pay_power(reference: str, meter: str = "6200002", tambala: int = 12025) -> bytes:
    # In another order, with another secret, and a number where a number was.
    return power("POST", "/payments", {"secret": "ours", "amount": tambala, "meter": meter, "ref": reference, "op": "pay"})


def told(answered: Answered) -> dict[str, object]:
    return dict(json.loads(answered.body))


def test_a_folder_of_recordings_is_a_biller_beside_the_eight(replaying: Sandbox) -> None:
    billers = replaying.control("GET", "/health")[1]["billers"]
    assert billers[8:] == [POWER, WATER]
    assert replaying.exchange(http("GET", "/empty/x")).status == 404
    # The one that is served is not replayed.
    assert replaying.exchange(http("POST", "/masm/soap", b"<x/>")).status == 404


def test_a_look_up_is_answered_about_the_account_that_was_asked_for(replaying: Sandbox) -> None:
    assert told(replaying.exchange(power("GET", "/meters/6200002?key=ours"))) == {"meter": "6200002", "owner": "Ruth Nyirenda"}
    answered = replaying.exchange(water("GetAccountDetails", AccountNumber="6200002"))
    assert (answered.status, answered.said["AccountNumber"]) == (200, "6200002")


def test_an_account_that_was_recorded_gets_its_own_answer(replaying: Sandbox) -> None:
    answered = replaying.exchange(power("GET", "/meters/5100009?key=ours"))
    assert (answered.status, told(answered)) == (404, {"meter": "5100009", "error": "gone"})
    reference = new_reference()
    assert told(replaying.exchange(pay_power(reference, "5100007")))["result"] == "no"
    assert replaying.ledger(reference, POWER) == []


def test_a_payment_is_an_effect_with_our_values_in_it(replaying: Sandbox) -> None:
    reference = new_reference()
    said = replaying.exchange(pay_water(reference)).said
    assert (said["Status"], said["OurTransactionId"], said["AccountNumber"], said["Amount"]) == ("SUCCESS", reference, "6200002", "120.25")
    [entry] = replaying.ledger(reference, WATER)
    expected = {"kind": "PAY", "account": "6200002", "amount": "120.25", "currency": "MWK", "external_id": said["TransactionId"]}
    assert {name: entry[name] for name in expected} == expected


def test_an_amount_is_read_and_written_as_the_biller_does(replaying: Sandbox) -> None:
    reference = new_reference()
    said = told(replaying.exchange(pay_power(reference)))
    assert said == {"result": "ok", "ref": reference, "meter": "6200002", "paid": 12025, "receipt": "P-77", "text": "120.25 for 6200002"}
    [entry] = replaying.ledger(reference, POWER)
    assert (entry["amount"], entry["account"], entry["external_id"]) == ("120.25", "6200002", "P-77")


def test_a_payment_that_says_more_than_the_recording_is_paid_all_the_same(replaying: Sandbox) -> None:
    reference = new_reference()
    said = replaying.exchange(pay_water(reference, CustomerName="Somebody Else", DebitAccount="1001")).said
    assert (said["Status"], said["OurTransactionId"]) == ("SUCCESS", reference)
    assert len(replaying.ledger(reference, WATER)) == 1


def test_a_reference_is_told_as_what_became_of_it(replaying: Sandbox) -> None:
    reference = new_reference()
    answered = replaying.exchange(power("GET", f"/payments/{reference}"))
    assert (answered.status, told(answered)) == (404, {"result": "none", "ref": reference})
    replaying.exchange(pay_power(reference))
    said = told(replaying.exchange(power("GET", f"/payments/{reference}")))
    # The biller's own number too is the one it gave when it was paid.
    assert said == {"result": "ok", "ref": reference, "meter": "6200002", "paid": 12025, "receipt": "P-77", "text": "120.25 for 6200002"}
    assert replaying.exchange(water("GetTransactionStatus", OurTransactionId=reference)).said["Code"] == "NOT_FOUND"
    replaying.exchange(pay_water(reference))
    assert replaying.exchange(water("GetTransactionStatus", OurTransactionId=reference)).said["Amount"] == "120.25"


def test_an_accepted_payment_is_done_once_it_was_asked_about(replaying: Sandbox) -> None:
    reference = new_reference()
    replaying.pace(asks_until_done=2)
    answered = replaying.exchange(pay_power(reference, "5100008"))
    assert (answered.status, told(answered)["result"]) == (202, "wait")
    results = [told(replaying.exchange(power("GET", f"/payments/{reference}")))["result"] for _ in range(3)]
    assert results == ["wait", "wait", "ok"]
    assert [entry["account"] for entry in replaying.ledger(reference, POWER)] == ["5100008"]


def test_a_reversal_is_an_effect_too(replaying: Sandbox) -> None:
    paid, never = new_reference(), new_reference()
    replaying.exchange(pay_water(paid))
    for reference in (paid, never, paid):
        replaying.exchange(water("ReverseTransaction", OurTransactionId=reference))
    assert [entry["kind"] for entry in replaying.ledger(paid, WATER)] == ["PAY", "REVERSAL"]
    assert replaying.ledger(never, WATER) == []


@pytest.mark.parametrize(("setting", "effects"), [("no", 2), ("answers_original", 1)])
def test_a_replayed_biller_has_the_settings_of_every_biller(replaying: Sandbox, setting: str, effects: int) -> None:
    replaying.set(POWER, deduplicates=setting)
    reference = new_reference()
    first, second = (told(replaying.exchange(pay_power(reference))) for _ in range(2))
    assert first == second
    assert len(replaying.ledger(reference, POWER)) == effects
    replaying.set(POWER, inquiry_lies=True)
    assert replaying.exchange(power("GET", f"/payments/{reference}")).status == 404


# fault → does it act, and what is seen in the answer.
FAULTS = [
    ("wrong_reference", True, lambda answered, reference: told(answered)["ref"] not in ("7K3MZQ9RT2WX5B1C", reference)),
    ("wrong_amount", True, lambda answered, _: told(answered)["paid"] == 12125),
    ("success_twice", True, lambda answered, _: answered.body.count(b'"result"') == 2),
    ("accepted_then_done", False, lambda answered, _: (answered.status, told(answered)["result"]) == (202, "wait")),
    ("fault_unknown_code", False, lambda answered, _: (answered.status, told(answered)["result"]) == (500, "?")),
    ("act_then_duplicate", True, lambda answered, _: (answered.status, told(answered)["result"]) == (500, "?")),
    ("act_then_500", True, lambda answered, _: b"<html>" in answered.body),
    ("act_then_reset", True, lambda answered, _: answered.reset),
    ("close_on_accept", False, lambda answered, _: answered.data == b""),
    ("wrong_charset", True, lambda answered, _: "us-ascii" in answered.header("Content-Type")),
]


@pytest.mark.parametrize(("fault", "acts", "looks_right"), FAULTS, ids=[fault for fault, _, _ in FAULTS])
def test_a_replayed_biller_has_faults_by_verb(replaying: Sandbox, fault: str, acts: bool, looks_right: object) -> None:
    reference = new_reference()
    replaying.next(fault, "pay", biller=POWER)
    answered = replaying.exchange(pay_power(reference))
    assert callable(looks_right)
    assert looks_right(answered, reference), answered.data
    assert len(replaying.ledger(reference, POWER)) == acts


NOT_LIKE_ANY = {
    "another path": power("GET", "/bills/6200002"),
    "another method": power("PUT", "/payments", SENT),
    "another message": power("POST", "/payments", {"hello": "there"}),
    "no message": power("POST", "/payments"),
    "another operation": water("PayTwice", OurTransactionId="REF1", AccountNumber="6200002"),
}


@pytest.mark.parametrize("sent", NOT_LIKE_ANY.values(), ids=NOT_LIKE_ANY)
def test_a_request_that_is_like_no_recording_is_404_and_moves_nothing(replaying: Sandbox, sent: bytes) -> None:
    before = replaying.lines("ledger", WATER), replaying.lines("ledger", POWER)
    assert replaying.exchange(sent).status == 404
    assert (replaying.lines("ledger", WATER), replaying.lines("ledger", POWER)) == before


def test_replayed_payments_outlive_a_kill(tmp_path: Path, recordings: Path) -> None:
    sandbox = Sandbox(tmp_path / "ledgers", "--recordings", str(recordings))
    sandbox.start()
    paid, first, second = (new_reference() for _ in range(3))
    sandbox.exchange(pay_power(paid))
    for reference in (first, second):
        sandbox.exchange(pay_power(reference, "5100008"))
    for _ in range(2):
        sandbox.exchange(power("GET", f"/payments/{first}"))
    sandbox.stop(signal.SIGKILL)
    sandbox.start()
    assert told(sandbox.exchange(power("GET", f"/payments/{paid}")))["result"] == "ok"
    assert told(sandbox.exchange(power("GET", f"/payments/{first}")))["result"] == "ok"
    # One id was recorded for all, and still each waits for its own inquiries.
    assert [told(sandbox.exchange(power("GET", f"/payments/{second}")))["result"] for _ in range(3)] == ["wait", "wait", "ok"]
    assert [len(sandbox.ledger(reference, POWER)) for reference in (paid, first, second)] == [1, 1, 1]
    assert sandbox.stop() == 0


def test_what_is_no_recording_is_said_and_the_rest_is_replayed(tmp_path: Path, recordings: Path) -> None:
    shutil.copytree(recordings / "county_power", tmp_path / "county_power")
    (tmp_path / "county_power" / "pay-broken.toml").write_text('verb = "pay"\n')
    (tmp_path / "county_power" / "pay-torn.toml").write_text("verb =")
    found, complaints = read_all(tmp_path, [])
    assert len(found[POWER]) == len(POWER_RECORDINGS)
    assert [re.search(r"pay-\w+\.toml", complaint).group() for complaint in complaints if complaint.endswith("It is not replayed.")] == [
        "pay-torn.toml",
        "pay-broken.toml",
    ]


def test_no_folder_of_recordings_is_no_error(tmp_path: Path) -> None:
    assert read_all(tmp_path / "nowhere", []) == ({}, [])


@pytest.mark.parametrize("folder", sorted(path.name for path in (CHECKOUT / "tests" / "fixtures").iterdir() if path.is_dir()))
def test_every_recording_of_this_checkout_could_be_replayed(folder: str) -> None:
    from core.sandbox.messages import Request
    from core.sandbox.recordings import most_like

    found, complaints = read_all(CHECKOUT / "tests" / "fixtures", [])
    assert complaints == []
    recordings = found[folder.upper()]
    for recording in recordings:
        path, _, query = (recording.path or "").partition("?")
        asked = Request(
            recording.method,
            path,
            {name.lower(): value for name, value in recording.headers.items()},
            recording.body,
            dict(re.findall(r"(\w+)=([^&]*)", query)),
        )
        like = most_like(recordings, asked, path)
        assert like is not None, recording.stem
        assert like[0].verb is recording.verb
        # With its own values put in place of its own values a reply is what it was.
        assert recording.reply_with({**recording.ask, "external_id": recording.external_id}).body == recording.reply.body


def test_a_reply_keeps_its_encoding(recordings: Path) -> None:
    [utf16] = [recording for recording in read_all(recordings, [])[0][WATER] if recording.stem == "pay-confirmed-utf16"]
    body = utf16.reply_with({"reference": "REF1", "account": "6200002", "amount": "120.25"}).body
    assert body[:2] in (b"\xff\xfe", b"\xfe\xff")
    texts = [element.text for element in etree.fromstring(body).iter() if element.text]
    assert {"REF1", "6200002", "120.25"} <= set(texts)
    assert not {"7K3MZQ9RT2WX5B1C", "1020304050", "5475.50"} & set(texts)
