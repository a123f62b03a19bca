"""`billers lookup` and `billers pay`: a person's act by their token, once for each key, whose exit code a script can decide by."""

from pathlib import Path

import pytest

from core.commands import paying
from core.commands.endings import MEANINGS, Ending
from core.errors import Unavailable
from core.services import api_tokens, payments
from tests.campaign.harness import CODE
from tests.cli.conftest import Script
from tests.matrix.town import new_account

# The sandbox's account whose payments its biller turns down.
REFUSED = "10020004"


def effects(script: Script, account: str) -> int:
    return sum(line["account"] == account and line["kind"] == "PAY" for line in script.world.sandbox.lines("ledger"))


def test_whose_account_it_is_and_what_is_owed(script: Script) -> None:
    told = script("lookup", CODE, "100001")
    assert (told.exit_code, told.stdout) == (0, "100001: Grace Banda, MWK 5475.50\n")
    code, answer = script.json("lookup", CODE, "100001")
    assert (code, answer["account"]["name"], answer["account"]["balance"]["amount"]) == (0, "Grace Banda", "5475.50")
    assert answer["transaction"]["status"] == "COMPLETED"


def test_an_account_that_is_not_there_is_not_done(script: Script) -> None:
    told = script("lookup", CODE, "99999999")
    assert (told.exit_code, told.stdout) == (Ending.NOT_DONE, "")
    assert told.stderr.strip()


def test_a_bill_is_paid_once_however_often_its_key_is_used(script: Script) -> None:
    account = new_account()
    code, first = script.json("pay", CODE, account, "5475.50", "--key", f"bill-{account}", "--wait")
    assert (code, first["status"], first["amount"], first["account"]) == (Ending.DONE, "COMPLETED", "5475.50", account)
    again = [script.json("pay", CODE, account, "5475.50", "--key", f"bill-{account}", "--wait") for _ in range(2)]
    assert [(code, told["id"]) for code, told in again] == [(Ending.DONE, first["id"])] * 2
    assert effects(script, account) == 1
    (who,) = script.world.rows("SELECT actor_name FROM audit_entries WHERE action = 'transaction.submitted' AND subject_id = %s", first["id"])
    assert who == (f"{script.person.username} by Script 0",)


def test_a_key_stands_for_one_bill(script: Script) -> None:
    account = new_account()
    assert script("pay", CODE, account, "5475.50", "--key", f"bill-{account}", "--wait").exit_code == Ending.DONE
    told = script("pay", CODE, account, "5475.60", "--key", f"bill-{account}")
    assert told.exit_code == Ending.NOT_DONE
    assert "This key was used for something else" in told.stderr
    assert effects(script, account) == 1


def test_another_key_for_the_same_bill_is_asked_for_a_reason(script: Script) -> None:
    account = new_account()
    assert script("pay", CODE, account, "5475.50", "--key", f"bill-{account}", "--wait").exit_code == Ending.DONE
    told = script("pay", CODE, account, "5475.50", "--key", f"more-{account}")
    assert told.exit_code == Ending.NOT_DONE
    assert "was paid to this account a short while ago" in told.stderr
    # The key stands for the draft that was looked through: with a reason it is submitted.
    told = script("pay", CODE, account, "5475.50", "--key", f"more-{account}", "--reason", "A second meter reading", "--wait")
    assert (told.exit_code, effects(script, account)) == (Ending.DONE, 2)


def test_a_refusal_ends_unpaid(script: Script) -> None:
    code, told = script.json("pay", CODE, REFUSED, "5475.50", "--key", "bill-refused", "--wait")
    assert (code, told["status"]) == (Ending.UNPAID, "FAILED")


def test_what_is_not_settled_is_in_doubt_and_the_same_key_tells_later(script: Script) -> None:
    account = new_account()
    script.world.sandbox.next("accepted_then_done", account=account)
    told = script("pay", CODE, account, "5475.50", "--key", f"bill-{account}")
    assert told.exit_code == Ending.IN_DOUBT
    assert "Do not pay again" in told.stdout
    later = script("pay", CODE, account, "5475.50", "--key", f"bill-{account}", "--wait")
    assert (later.exit_code, effects(script, account)) == (Ending.DONE, 1), later.output
    assert effects(script, account) == 1


def test_above_the_limit_it_waits_for_a_second_person(script: Script) -> None:
    rules = script.world.value("SELECT validation_rules FROM biller_configs WHERE biller_type = %s", CODE)
    script.world.configure(validation_rules={**rules, "second_person_above": "1000.00"})
    try:
        account = new_account()
        code, told = script.json("pay", CODE, account, "5475.50", "--key", f"bill-{account}", "--wait")
        assert (code, told["stage"], effects(script, account)) == (Ending.WAITS, "AWAITING_APPROVAL", 0)
    finally:
        script.world.configure(validation_rules=rules)


def test_a_script_that_dies_between_draft_and_payment_goes_on_under_its_key(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    account = new_account()
    with monkeypatch.context() as patch:
        patch.setattr(payments, "submit", _loses_the_database)
        told = script("pay", CODE, account, "5475.50", "--key", f"bill-{account}")
    # Whether it was made nobody knows at that moment: a script must not take it for unpaid.
    assert told.exit_code == Ending.IN_DOUBT
    assert "Do not pay again" in told.stderr
    assert script("pay", CODE, account, "5475.50", "--key", f"bill-{account}", "--wait").exit_code == Ending.DONE
    assert effects(script, account) == 1


def _loses_the_database(*_arguments: object) -> None:
    raise Unavailable


def test_something_unforeseen_is_in_doubt_too(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paying, "pay", lambda *_arguments: {}["nothing"])
    told = script("pay", CODE, new_account(), "5475.50", "--key", "bill-unforeseen")
    assert told.exit_code == Ending.IN_DOUBT
    assert "KeyError" in told.stderr
    assert "Traceback" not in told.output


@pytest.mark.parametrize("key", ["short", "with blanks in it", "x" * 65, "clé-de-la-facture"])
def test_a_key_that_is_none_is_refused_before_anything_is_asked(script: Script, key: str) -> None:
    told = script("pay", CODE, new_account(), "5475.50", "--key", key)
    assert told.exit_code == Ending.NOT_DONE
    assert "A key has 8 to 64" in told.stderr


def test_a_key_has_to_be_named(script: Script) -> None:
    assert script("pay", CODE, new_account(), "5475.50").exit_code == Ending.WRONG_WORDS


def test_a_biller_that_is_not_there_is_told_with_those_that_are(script: Script) -> None:
    told = script("pay", "NOBODY", "70000001", "5475.50", "--key", "bill-nobody")
    assert told.exit_code == Ending.NOT_DONE
    assert f"There are: {CODE}" in told.stderr


def test_without_a_token_nothing_is_done(script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    token = script.tokens[-1]
    monkeypatch.delenv("BILLERS_TOKEN")
    told = script("lookup", CODE, "100001")
    assert told.exit_code == Ending.NOT_DONE
    assert "BILLERS_TOKEN" in told.stderr
    file = tmp_path / "token"
    file.write_text(f"{token}\n")
    assert script("lookup", CODE, "100001", "--token-file", file).exit_code == Ending.DONE
    assert "cannot be read" in script("lookup", CODE, "100001", "--token-file", tmp_path / "none").stderr
    (mine,) = [one for one in api_tokens.own(script.person) if one.is_alive]
    api_tokens.revoke(script.person, mine.id)
    told = script("lookup", CODE, "100001", "--token-file", file)
    assert (told.exit_code, "This token opens nothing" in told.stderr) == (Ending.NOT_DONE, True)


def test_a_token_is_held_to_its_scopes(script: Script) -> None:
    script.may("transactions:read")
    told = script("pay", CODE, new_account(), "5475.50", "--key", "bill-not-mine")
    assert told.exit_code == Ending.NOT_DONE
    assert "does not include" in told.stderr


def test_every_ending_has_its_meaning() -> None:
    assert set(MEANINGS) == set(Ending)
    assert [ending.value for ending in Ending] == [0, 1, 2, 3, 4, 5, 6]
