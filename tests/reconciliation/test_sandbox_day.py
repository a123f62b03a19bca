"""A day at the sandbox's biller with accidents in it, and the statement it writes of its own ledger: each accident comes out as what it was."""

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from core.documents.statement_lines import find_header, guessed
from core.documents.statement_rows import opened
from core.models.reconciliation import Result
from core.sandbox import statements as sandbox_statements
from core.sandbox.journal import Unusable
from core.services import approvals, reconciliation, statements
from core.services.reconciliation import About
from core.settings import CHECKOUT
from core.states import Stage
from tests.payments.bench import CODE
from tests.payments.conftest import bench, shared_bench  # noqa: F401 - fixtures
from tests.reconciliation.conftest import House, Paid

SIGN_IN = ("billers", "sandbox-lwb")
SECONDS = 20


class Biller:
    """The sandbox's Lilongwe Water Board, as a process of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        command = [sys.executable, "-m", "core.sandbox", "--port", "0", "--control-port", "0", "--dir", str(directory)]
        self.process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        ready = json.loads(self.process.stdout.readline())
        self.url, self._control = f"http://127.0.0.1:{ready['port']}/lwb_postpaid/soap", f"http://127.0.0.1:{ready['control_port']}"
        self.control("PUT", "/settings", {"hang_seconds": 0.2, "late_seconds": 0.2})

    def control(self, method: str, path: str, what: object) -> None:
        httpx.request(method, self._control + path, json=what, trust_env=False, timeout=SECONDS).raise_for_status()

    def pay(self, paid: Paid, amount: str = "", fault: str = "") -> None:
        """As the console would send it; whatever is answered is nobody's business here."""
        if fault:
            self.control("POST", "/faults/next", {"fault": fault, "operation": "PostTransaction", "biller": CODE})
        fields = {"OurTransactionId": paid.reference, "AccountNumber": paid.account, "Amount": amount or paid.amount, "Currency": "MWK"}
        inner = "".join(f"<{name}>{text}</{name}>" for name, text in fields.items())
        envelope = (
            f'<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
            f'<PostTransaction xmlns="http://billers.mw/lwb">{inner}</PostTransaction></s:Body></s:Envelope>'
        )
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '"PostTransaction"'}
        # It may hang up: that is what some of these accidents are.
        with contextlib.suppress(httpx.TransportError):
            httpx.post(self.url, content=envelope, auth=SIGN_IN, headers=headers, trust_env=False, timeout=SECONDS)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def biller(tmp_path: Path) -> Iterator[Biller]:
    made = Biller(tmp_path / "sandbox")
    yield made
    made.stop()


def imported(house: House, text: str) -> statements.Imported:
    """As the page does it: the map is guessed from the names that the biller gave its columns."""
    file = io.BytesIO(text.encode())
    header = find_header(opened(file).rows())
    assert header is not None
    return statements.load(house.analyst, CODE, "lwb.csv", file, guessed(header))


def test_each_accident_of_a_day_comes_out_as_what_it_was(house: House, biller: Biller) -> None:
    house = replace(house, day=reconciliation.today())
    agreed, twice, hung, never, late, wrong = (
        house.paid(),
        house.paid(),
        house.paid(stage=Stage.PAY_UNKNOWN),
        house.paid(stage=Stage.REVIEW),
        house.paid(stage=Stage.FAILED),
        house.paid("500.00"),
    )
    biller.pay(agreed)
    biller.pay(twice)
    biller.pay(twice)
    biller.pay(hung, fault="act_then_hang")
    biller.pay(never, fault="hang_without_acting")
    biller.pay(late, fault="act_then_500")
    biller.pay(wrong, amount="50.00")
    text = sandbox_statements.write(biller.directory, CODE, house.day)
    done = imported(house, text)
    assert (done.lines, done.matched, done.passed_over) == (6, 6, 1)
    told = {(item.our_transaction_id, item.result) for item in house.items()}
    assert told == {
        (twice.reference, Result.DUPLICATE),
        (hung.reference, Result.IN_DOUBT),
        (never.reference, Result.UNDER_REVIEW),
        (late.reference, Result.LATE_SUCCESS),
        (wrong.reference, Result.AMOUNT_DIFFERS),
    }
    assert {item.our_transaction_id for item in house.items(Result.MATCHED)} == {agreed.reference, twice.reference}
    figures = reconciliation.of_day(house.analyst, CODE, house.day).figures
    assert f"{figures.theirs:,.2f}" in text.splitlines()[-1]
    # Two are settled from the statement, by two people.
    for paid, result, ends in ((hung, Result.IN_DOUBT, Stage.COMPLETED), (never, Result.UNDER_REVIEW, Stage.FAILED)):
        (item,) = house.items(result)
        approvals.approve(house.colleague, reconciliation.propose(house.manager, About.of(CODE, item)))
        assert house.bench.stage(paid.id) is ends
    assert {item.result for item in house.items()} == {Result.DUPLICATE, Result.LATE_SUCCESS, Result.AMOUNT_DIFFERS}


def test_a_biller_that_kept_no_ledger_has_no_statement(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="keeps a ledger as LWB_POSTPAID"):
        sandbox_statements.write(tmp_path, CODE, reconciliation.today())
