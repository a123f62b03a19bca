"""Starting, stopping, and what outlives a kill."""

import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from running_sandbox import CHECKOUT, CODE, SECONDS, Sandbox, new_account, new_reference, payment, wait_until

from core.sandbox.__main__ import main


def refused_start(*more: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "core.sandbox", "--port", "0", "--control-port", "0", *more],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_everything_outlives_a_kill(own_sandbox: Sandbox) -> None:
    paid, reversed_, accepted, half_asked, refused = (new_reference() for _ in range(5))
    first = own_sandbox.pay("100001", paid).said
    own_sandbox.pay("100001", reversed_)
    own_sandbox.reverse(reversed_)
    own_sandbox.pay("10050001", accepted)
    own_sandbox.pay("10050001", half_asked)
    own_sandbox.ask(half_asked)
    own_sandbox.pay("10020004", refused)
    before = own_sandbox.lines("ledger")
    assert own_sandbox.stop(signal.SIGKILL) == -signal.SIGKILL

    own_sandbox.start()
    assert own_sandbox.lines("ledger") == before
    assert own_sandbox.ask(paid).said["TransactionId"] == first["TransactionId"]
    assert own_sandbox.ask(reversed_).said["Status"] == "REVERSED"
    own_sandbox.reverse(reversed_)
    assert own_sandbox.lines("ledger") == before
    assert [own_sandbox.ask(accepted).said["Status"] for _ in range(3)] == ["PENDING", "PENDING", "SUCCESS"]
    assert [own_sandbox.ask(half_asked).said["Status"] for _ in range(2)] == ["PENDING", "SUCCESS"]
    assert own_sandbox.ask(refused).said["Status"] == "INVALID_AMOUNT"
    own_sandbox.pay("100001", new_reference())
    ids = [entry["external_id"] for entry in own_sandbox.lines("ledger")]
    assert len(set(ids)) == len(ids)


def test_what_was_done_after_an_inquiry_is_not_done_again_after_a_kill(own_sandbox: Sandbox) -> None:
    reference = new_reference()
    own_sandbox.pay("10050001", reference)
    for _ in range(2):
        own_sandbox.ask(reference)
    own_sandbox.stop(signal.SIGKILL)
    own_sandbox.start()
    assert [own_sandbox.ask(reference).said["Status"] for _ in range(3)] == ["SUCCESS"] * 3
    assert len(own_sandbox.ledger(reference)) == 1


@pytest.mark.parametrize("file", ["ledger", "pending"])
def test_an_unfinished_last_line_is_cut_off(own_sandbox: Sandbox, file: str) -> None:
    reference = new_reference()
    own_sandbox.pay("100001", reference)
    own_sandbox.stop(signal.SIGKILL)
    with (own_sandbox.directory / f"{CODE}.{file}.jsonl").open("ab") as torn:
        torn.write(b'{"at":"2026-01-01T00:00:00+00:00","kind":"PAY","refer')
    own_sandbox.start()
    assert own_sandbox.ask(reference).said["Status"] == "SUCCESS"
    other = new_reference()
    own_sandbox.pay("100001", other)
    assert [len(own_sandbox.ledger(each)) for each in (reference, other)] == [1, 1]


def test_no_answered_payment_is_lost_by_a_kill_in_the_middle_of_many(own_sandbox: Sandbox) -> None:
    answered: list[str] = []

    def pay_on_and_on(worker: int) -> None:
        for _ in range(10_000):
            reference = new_reference()
            try:
                if own_sandbox.pay(f"7000000{worker}", reference).data.startswith(b"HTTP/1.1 200"):
                    answered.append(reference)
            except OSError:
                return

    with ThreadPoolExecutor(8) as pool:
        for worker in range(8):
            pool.submit(pay_on_and_on, worker)
        wait_until(lambda: len(answered) >= 200)
        own_sandbox.stop(signal.SIGKILL)
    own_sandbox.start()
    paid = {entry["reference"] for entry in own_sandbox.lines("ledger")}
    assert set(answered) <= paid


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_even_while_a_client_is_kept_waiting(own_sandbox: Sandbox, with_signal: int) -> None:
    reference = new_reference()
    with own_sandbox.connected(payment("10030002", reference)):
        wait_until(lambda: own_sandbox.requests(reference=reference))
        assert own_sandbox.stop(with_signal) == 0


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="Reads Linux's own table of sockets.")
def test_it_listens_on_loopback_only(sandbox: Sandbox) -> None:
    listening = Path(f"/proc/{sandbox.process.pid}/net/tcp").read_text()
    for port in (sandbox.port, sandbox.control_port):
        assert f" 0100007F:{port:04X} 00000000:0000 0A" in listening
        assert f" 00000000:{port:04X} 00000000:0000 0A" not in listening


@pytest.mark.parametrize("which", ["--port", "--control-port"])
def test_a_port_in_use_is_said_in_a_sentence(tmp_path: Path, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refused_start("--dir", str(tmp_path), which, str(port)) == (2, f"Port {port} is in use. Stop what uses it, or choose another.\n")


def test_two_sandboxes_never_share_a_ledger(sandbox: Sandbox) -> None:
    code, said = refused_start("--dir", str(sandbox.directory))
    assert (code, said.count("\n")) == (2, 1)
    assert "in use by another sandbox" in said


BAD_ACCOUNTS = {
    "no behaviour": ('number = "123456"\nname = "x"\nbalance = "1"\ncurrency = "MWK"\nbehaviour = "dances"', "there is no behaviour 'dances'"),
    "short number": ('number = "123"\nname = "x"\nbalance = "1"\ncurrency = "MWK"\nbehaviour = "pays"', "6 to 13 digits"),
    "float balance": ('number = "123456"\nname = "x"\nbalance = 1.5\ncurrency = "MWK"\nbehaviour = "pays"', "is not a text"),
    "no name": ('number = "123456"\nbalance = "1"\ncurrency = "MWK"\nbehaviour = "pays"', "lacks 'name'"),
    "not TOML": ("number =", "is not TOML"),
}


@pytest.mark.parametrize(("row", "sentence"), BAD_ACCOUNTS.values(), ids=BAD_ACCOUNTS)
def test_a_bad_accounts_file_is_said_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, sentence: str) -> None:
    accounts = tmp_path / "accounts.toml"
    accounts.write_text(f'[[biller]]\ncode = "{CODE}"\nusername = "u"\npassword = "p"\n[[account]]\nbiller = "{CODE}"\n{row}\n')
    assert main(["--port", "0", "--control-port", "0", "--dir", str(tmp_path / "d"), "--accounts", str(accounts)]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_a_damaged_ledger_is_said_and_not_repaired(own_sandbox: Sandbox) -> None:
    own_sandbox.stop()
    ledger = own_sandbox.directory / f"{CODE}.ledger.jsonl"
    ledger.write_bytes(b"not json\n")
    code, said = refused_start("--dir", str(own_sandbox.directory))
    assert (code, said.count("\n")) == (2, 1)
    assert "line 1 is not JSON" in said
    assert ledger.read_bytes() == b"not json\n"


def test_concurrent_payments_are_all_in_the_ledger(sandbox: Sandbox) -> None:
    payments = [(new_account(), new_reference()) for _ in range(100)]
    with ThreadPoolExecutor(20) as pool:
        assert {answered.said["Status"] for answered in pool.map(lambda each: sandbox.pay(*each), payments)} == {"SUCCESS"}
    assert {reference for _, reference in payments} <= {entry["reference"] for entry in sandbox.lines("ledger")}


def test_the_map_names_every_module() -> None:
    folder = CHECKOUT / "core" / "sandbox"
    said = (folder / "__init__.py").read_text(encoding="utf-8")
    for module in folder.glob("[a-z]*.py"):
        assert module.stem in said


def test_it_imports_nothing_of_the_console() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, core.sandbox.__main__; print(*[name for name in sys.modules if name.startswith('core.')])"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert loaded
    assert all(name.startswith("core.sandbox") for name in loaded)
    foreign = {"httpx", "pydantic", "sqlalchemy", "orjson", "structlog", "streamlit"}
    assert not foreign & set(loaded)
