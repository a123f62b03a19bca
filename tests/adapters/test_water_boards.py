"""What only the water boards' adapters can be asked: one business in two dialects."""

import re
from decimal import Decimal

import pytest

from core.adapters import adapters
from core.errors import Misconfigured
from core.money import Money
from core.wire.contract import Flow, Outcome, Payment, Query, Receipt, Reply, Terms, Verb, flow_of
from core.wire.soap import SOAP_11
from core.wire.water_board import WaterBoard

BOARDS = [biller for biller in adapters().values() if issubclass(biller, WaterBoard)]
PAYMENT = Payment("7K3MZQ9RT2WX5B1C", "37000000010", Money(Decimal("5475.50")), invoice_number="INV-1")
QUERY = Query(PAYMENT.account, amount=PAYMENT.amount)

each_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.code)


def asked(board: type[WaterBoard], verb: Verb, dialect: str, **facts: object) -> object:
    biller = board(Terms("https://biller.test", facts.pop("endpoints", {}), {"username": "console", "password": "geheim"}, dialect=dialect, **facts))  # type: ignore[arg-type]
    return getattr(biller, verb)(QUERY if verb in (Verb.LOOKUP, Verb.GET_INVOICE) else PAYMENT)


def test_there_are_four_of_them() -> None:
    assert {board.code for board in BOARDS} == {"LWB_POSTPAID", "BWB_POSTPAID", "SRWB_POSTPAID", "SRWB_PREPAID"}


def test_they_differ_in_their_namespace_and_name_alone() -> None:
    said: dict[Verb, set[bytes]] = {}
    for board in BOARDS:
        for verb in board.verbs():
            body = asked(board, verb, "soap").request.body  # type: ignore[attr-defined]
            said.setdefault(verb, set()).add(re.sub(rb'xmlns="http://billers.mw/[a-z-]+"', b"", body))
    assert {verb: len(bodies) for verb, bodies in said.items()} == dict.fromkeys(said, 1)
    assert len({board.namespace for board in BOARDS}) == len(BOARDS)


@each_board
def test_a_postpaid_board_can_give_back_and_the_esb_cannot(board: type[WaterBoard]) -> None:
    assert flow_of(board.verbs("esb")) == flow_of(board.verbs("soap")) == (Flow.INVOICE if board.code.endswith("PREPAID") else Flow.PLAIN)
    assert board.verbs("soap") == board.verbs()
    assert Verb.REVERSE not in board.verbs("esb")
    if Verb.REVERSE in board.verbs("soap"):
        with pytest.raises(Misconfigured, match="over the ESB, which takes no reversals"):
            asked(board, Verb.REVERSE, "esb")


@each_board
def test_what_is_vended_cannot_be_taken_back(board: type[WaterBoard]) -> None:
    assert board.vends_tokens == (Verb.REVERSE not in board.verbs())


@each_board
def test_a_dialect_it_does_not_speak_is_refused_in_words(board: type[WaterBoard]) -> None:
    with pytest.raises(Misconfigured, match=r"speaks soap or esb, not 'rest'\. Correct the dialect"):
        asked(board, Verb.LOOKUP, "rest")


@each_board
def test_changing_over_to_the_esb_is_one_word(board: type[WaterBoard]) -> None:
    paths = {verb: asked(board, verb, "esb").request.path for verb in board.verbs("esb")}  # type: ignore[attr-defined]
    known = {
        Verb.LOOKUP: "/v1/accounts/37000000010",
        Verb.GET_INVOICE: "/v1/invoices/37000000010?amount=5475.50",
        Verb.PAY: "/v1/transactions",
        Verb.CONFIRM_INVOICE: "/v1/transactions",
        Verb.STATUS: "/v1/transactions/7K3MZQ9RT2WX5B1C",
    }
    assert paths == {verb: known[verb] for verb in board.verbs("esb")}
    assert {asked(board, verb, "soap").request.path for verb in board.verbs("soap")} == {"/soap"}  # type: ignore[attr-defined]


@each_board
def test_each_verb_may_have_a_path_of_its_own_in_either_dialect(board: type[WaterBoard]) -> None:
    keys = {
        Verb.LOOKUP: "account_details",
        Verb.GET_INVOICE: "invoice",
        Verb.PAY: "payment",
        Verb.CONFIRM_INVOICE: "confirm_invoice",
        Verb.STATUS: "status",
        Verb.REVERSE: "reverse",
    }
    for dialect in board.dialects:
        for verb in board.verbs(dialect):
            request = asked(board, verb, dialect, endpoints={keys[verb]: "/own/{account}"}).request  # type: ignore[attr-defined]
            assert request.path.startswith("/own/"), (dialect, verb)


@each_board
def test_the_same_word_means_what_its_own_dialect_lists(board: type[WaterBoard]) -> None:
    """A SOAP code over the ESB is no code of the ESB's, and the other way round."""
    soap = board(Terms("https://biller.test", {}, dialect="soap"))
    esb = board(Terms("https://biller.test", {}, dialect="esb"))
    assert not set(soap.listed) & set(esb.listed)
    assert [soap.outcome_of("SUCCESS"), esb.outcome_of("success")] == [Outcome.CONFIRMED] * 2
    assert [soap.outcome_of("success"), esb.outcome_of("SUCCESS")] == [Outcome.UNKNOWN] * 2


def _soap_answer(code: str) -> bytes:
    inner = f"<Status>{code}</Status><OurTransactionId>{PAYMENT.reference}</OurTransactionId>"
    return f'<s:Envelope xmlns:s="{SOAP_11}"><s:Body><Answer>{inner}</Answer></s:Body></s:Envelope>'.encode()


def _esb_answer(code: str) -> bytes:
    return f"<post-payment-response><status>{code}</status><our-transaction-id>{PAYMENT.reference}</our-transaction-id></post-payment-response>".encode()


# By dialect and HTTP status, what a payment's own status may settle of (confirmed, accepted, rejected, not found). All else: UNKNOWN.
WORDS = {"soap": (("SUCCESS", "PENDING", "INVOICE_PAID", "NOT_FOUND"), _soap_answer), "esb": (("success", "received", "rejected", "not-found"), _esb_answer)}
SAID = (Outcome.CONFIRMED, Outcome.ACCEPTED, Outcome.REJECTED, Outcome.NOT_FOUND)
MAY_SAY = {
    ("soap", 200): {Outcome.CONFIRMED, Outcome.ACCEPTED, Outcome.REJECTED, Outcome.NOT_FOUND},
    ("soap", 202): {Outcome.ACCEPTED},
    ("esb", 200): {Outcome.CONFIRMED, Outcome.ACCEPTED, Outcome.REJECTED},
    ("esb", 202): {Outcome.ACCEPTED},
    ("esb", 404): {Outcome.NOT_FOUND},
}


@each_board
@pytest.mark.parametrize("http", [200, 201, 202, 204, 400, 404, 409, 500, 502, 503])
@pytest.mark.parametrize("dialect", WORDS)
@pytest.mark.parametrize("verb", [Verb.PAY, Verb.CONFIRM_INVOICE, Verb.STATUS])
def test_a_status_is_believed_where_it_may_be_said(board: type[WaterBoard], dialect: str, http: int, verb: Verb) -> None:
    if verb not in board.verbs(dialect):
        return
    words, answer = WORDS[dialect]
    may_say = MAY_SAY.get((dialect, http), set()) - (set() if verb is Verb.STATUS else {Outcome.NOT_FOUND})
    read = asked(board, verb, dialect).read  # type: ignore[attr-defined]
    told = [read(Reply(http, {}, answer(word))).outcome for word in words]
    assert told == [outcome if outcome in may_say else Outcome.UNKNOWN for outcome in SAID]


@each_board
@pytest.mark.parametrize(("dialect", "code"), [("soap", "SUCCESS"), ("esb", "success")])
def test_a_configuration_may_take_a_code_off_either_list(board: type[WaterBoard], dialect: str, code: str) -> None:
    read = asked(board, Verb.STATUS, dialect, removed_codes=frozenset({code})).read  # type: ignore[attr-defined]
    assert read(Reply(200, {}, WORDS[dialect][1](code))).outcome is Outcome.UNKNOWN


def test_a_token_that_was_lost_is_recovered_by_asking() -> None:
    prepaid = next(board for board in BOARDS if board.vends_tokens)
    body = _soap_answer("SUCCESS").replace(b"</Answer>", b"<Token>04912345678901234563</Token></Answer>")
    receipt = asked(prepaid, Verb.STATUS, "soap").read(Reply(200, {}, body))  # type: ignore[attr-defined]
    assert receipt == Receipt(Outcome.CONFIRMED, code="SUCCESS", token="04912345678901234563")
