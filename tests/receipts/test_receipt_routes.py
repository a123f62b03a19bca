"""The routes that print: who is answered, with what, and that nobody else's page can use up an original."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import anyio
import httpx
import pytest
from starlette.applications import Starlette

from core.access import Actor
from core.api.routes import ROUTES
from core.security.sessions import cookie_name
from core.services import my_day, people, receipts
from core.settings import settings
from tests.receipts.conftest import GROUPED, TOKEN, Counter
from tests.receipts.reading import words_of
from tests.world import PASSWORD, PASSWORD_HASH

FROM_US = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Browser:
    """A browser without a screen, before the console's own routes."""

    cookies: Mapping[str, str]

    def ask(self, path: str, method: str = "GET", headers: Mapping[str, str] = FROM_US, **params: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(Starlette(routes=ROUTES))
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver", cookies=dict(self.cookies)) as client:
                return await client.request(method, path, headers=dict(headers), params=params)

        return anyio.run(ask)


@pytest.fixture
def browser(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> Callable[[Actor | None], Browser]:
    """`browser(grace)`: a browser that this person signed in with."""
    monkeypatch.setenv("BILLERS_SECURE_COOKIES", "false")
    settings.cache_clear()

    def sign_in(actor: Actor | None) -> Browser:
        if actor is None:
            return Browser({})
        counter.bench.sql("UPDATE users SET password_hash = %s WHERE id = %s", PASSWORD_HASH, actor.id)
        return Browser({cookie_name(): people.redeem(people.sign_in(actor.username, PASSWORD, None), None, None)})

    return sign_in


def test_a_receipt_comes_as_a_pdf_that_nobody_keeps(counter: Counter, browser: Callable[[Actor | None], Browser]) -> None:
    one = counter.sell()
    answer = browser(counter.grace).ask(f"/receipt/{one}.pdf")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"] == f'inline; filename="receipt-{counter.find(one).our_transaction_id}.pdf"'
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert GROUPED in words_of(answer.content)
    assert [name for name, _ in counter.audited(one, "receipt.printed")] == [counter.grace.username]


def test_a_copy_with_a_reason_on_a_roll(counter: Counter, browser: Callable[[Actor | None], Browser]) -> None:
    one = counter.sell()
    answer = browser(counter.limbani).ask(f"/receipt/{one}.pdf", paper="roll", reason="the customer lost the slip")
    said = words_of(answer.content)
    assert "COPY 1" in said
    ((_, details),) = counter.audited(one, "receipt.printed")
    assert (details["paper"], details["reason"]) == ("roll", "the customer lost the slip")


REFUSED = [
    ({"Sec-Fetch-Site": "cross-site"}, "another site"),
    ({"Sec-Fetch-Site": "same-site"}, "a neighbour of ours"),
    ({"Sec-Fetch-Site": "none"}, "an address that was typed"),
    ({"Referer": "http://elsewhere.example/"}, "another site, over plain HTTP"),
    ({"Sec-Fetch-Site": "same-origin", "Sec-Purpose": "prefetch;prerender"}, "nobody: the browser guesses"),
]


@pytest.mark.parametrize(("headers", "who"), REFUSED, ids=[who for _, who in REFUSED])
def test_only_a_page_of_ours_can_have_a_receipt_printed(
    counter: Counter, browser: Callable[[Actor | None], Browser], headers: dict[str, str], who: str
) -> None:
    one = counter.sell()
    answer = browser(counter.grace).ask(f"/receipt/{one}.pdf", headers=headers)
    refused_in_words(answer, 403, "open it there, and press the button")
    assert counter.audited(one, "receipt.printed") == []


def test_over_plain_http_the_page_it_came_from_counts(counter: Counter, browser: Callable[[Actor | None], Browser]) -> None:
    one, grace = counter.sell(), browser(counter.grace)
    assert grace.ask(f"/receipt/{one}.pdf", headers={}).status_code == 403
    assert grace.ask(f"/receipt/{one}.pdf", headers={"Referer": "http://testserver/transactions"}).status_code == 200


def test_asking_only_for_the_head_prints_nothing(counter: Counter, browser: Callable[[Actor | None], Browser]) -> None:
    one = counter.sell()
    assert browser(counter.grace).ask(f"/receipt/{one}.pdf", "HEAD").status_code == 405
    assert counter.audited(one, "receipt.printed") == []


def test_each_refusal_is_a_sentence(counter: Counter, browser: Callable[[Actor | None], Browser]) -> None:
    one, queued = counter.sell(), counter.bench.pay()
    grace = browser(counter.grace)
    refused_in_words(browser(None).ask(f"/receipt/{one}.pdf"), 401, "You are signed out.")
    refused_in_words(browser(counter.bench.add_person("analyst")).ask(f"/receipt/{one}.pdf"), 403, "does not include the right to print receipts")
    refused_in_words(grace.ask(f"/receipt/{queued}.pdf"), 409, "once the biller has confirmed the payment")
    refused_in_words(grace.ask(f"/receipt/{counter.grace.id}.pdf"), 404, "There is no transaction")
    refused_in_words(grace.ask("/receipt/'; DROP TABLE--.pdf"), 404, "There is no payment under this address.")
    refused_in_words(grace.ask(f"/receipt/{one}.pdf", paper="<script>"), 400, "printed on a5 or roll")
    refused_in_words(grace.ask(f"/receipt/{one}.pdf", reason="x"), 400, "in a few words")
    refused_in_words(grace.ask("/my-day.pdf", day="yesterday"), 400, "written like 2025-11-23")
    refused_in_words(grace.ask("/my-day.pdf", day="9999-12-31"), 400, "between 2000 and 2200")
    refused_in_words(browser(counter.bench.add_person("analyst")).ask("/my-day.pdf"), 403, "pay bills")
    assert counter.audited(one, "receipt.printed") == []


def test_what_nobody_foresaw_is_an_incident_and_shows_nothing(
    counter: Counter, browser: Callable[[Actor | None], Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError(f"at /srv/secret with {TOKEN}")

    monkeypatch.setattr(receipts, "draw_receipt", breaks)
    one = counter.sell()
    answer = browser(counter.grace).ask(f"/receipt/{one}.pdf")
    refused_in_words(answer, 500, "incident ")
    assert TOKEN not in answer.text
    assert "/srv" not in answer.text
    # What was not printed is not counted, nor was its token shown to anybody.
    assert counter.audited(one, "receipt.printed") == counter.audited(one, "token.revealed") == []


def test_the_day_comes_as_a_pdf_of_ones_own_payments(counter: Counter, browser: Callable[[Actor | None], Browser]) -> None:
    one = counter.sell()
    ours = browser(counter.grace).ask("/my-day.pdf", day=my_day.of_day(counter.grace).today.isoformat())
    theirs = browser(counter.chisomo).ask("/my-day.pdf")
    assert ours.headers["content-disposition"] == f'inline; filename="my-day-{my_day.of_day(counter.grace).today}.pdf"'
    assert ours.headers["cache-control"] == "no-store"
    assert counter.find(one).our_transaction_id in words_of(ours.content)
    assert counter.find(one).our_transaction_id not in words_of(theirs.content)
    assert "No payments on this day." in words_of(browser(counter.grace).ask("/my-day.pdf", day=date(2001, 1, 1).isoformat()).content)


def refused_in_words(answer: httpx.Response, status: int, words: str) -> None:
    assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store")
    assert answer.headers["content-type"].startswith("text/plain")
    assert words in answer.text
