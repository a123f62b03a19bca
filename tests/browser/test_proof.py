"""Proving again who one is, in a real browser: what was typed is there afterwards, and the act goes through when it is pressed again."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Console, SignIn
from tests.browser.test_live import pay, window  # noqa: F401 - a fixture

ACCOUNT = "70000606"
WHY = "Paid to the wrong account, the customer was here."


def test_an_act_long_after_the_sign_in_asks_for_the_password_and_loses_nothing(console: Console, sign_in: SignIn, window: Callable[[str], Page]) -> None:  # noqa: F811
    operator, manager = sign_in("operator"), window("manager")
    pay(operator, console, ACCOUNT)
    [(reference,)] = console.query("SELECT our_transaction_id FROM transactions WHERE account_number = %s AND status = 'COMPLETED' AND amount > 0", ACCOUNT)
    manager.goto(f"{console.url}/transactions?id={reference}&reverse=1")
    manager.get_by_role("textbox", name="Why?").fill(WHY)
    console.query("UPDATE user_sessions SET proved_at = now() - interval '10 minutes'")
    propose = manager.get_by_role("button", name="Propose to give it back")
    propose.click()

    asked = manager.get_by_role("dialog")
    expect(asked.get_by_text("Prove that it is you")).to_be_visible()
    assert console.query("SELECT count(*) FROM proposals WHERE kind = 'REVERSE'") == [(0,)]
    asked.get_by_label("Your password").fill("not-the-password")
    asked.get_by_role("button", name="Prove it").click()
    expect(asked.get_by_text("That is not right.")).to_be_visible()
    asked.get_by_label("Your password").fill(console.person("manager")["password"])
    asked.get_by_label("Your password").press("Enter")
    expect(asked).to_have_count(0)

    expect(manager.get_by_role("textbox", name="Why?")).to_have_value(WHY)
    propose.click()
    expect(manager.get_by_text("a second person decides")).to_be_visible()
    assert console.query("SELECT reason FROM proposals WHERE kind = 'REVERSE'") == [(WHY,)]
