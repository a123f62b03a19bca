"""The list by cursor, the figures and the file: the same rows as on the page, whatever is added meanwhile."""

import csv
import hashlib
import io
import uuid
from typing import Any

import pytest

from tests.api.accounts import new_account
from tests.api.conftest import API, Bank, Program

ADDED = (
    "INSERT INTO transactions"
    " (id, biller_type, biller_name, our_transaction_id, transaction_type, account_number, stage, status, next_action_at, created_at)"
    " SELECT gen_random_uuid(), 'LWB_POSTPAID', 'Lilongwe Water Board', upper(substr(md5(random()::text), 1, 16)), 'ACCOUNT_DETAILS', %(account)s,"
    "  'CREATED', 'PENDING', now() + interval '1 day', now() - n * %(ago)s * interval '1 second' FROM generate_series(1, %(count)s) n"
)


def many(bank: Bank, count: int) -> str:
    """So many look-ups of one account that nobody asks yet, a second apart in the past; answers the account."""
    account = new_account()
    with bank.connect() as connection:
        connection.execute(ADDED, {"account": account, "count": count, "ago": 1})
    return account


def ids(page: dict[str, Any]) -> list[str]:
    return [one["id"] for one in page["items"]]


@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_pages_hold_each_row_once_whatever_is_added_meanwhile(bank: Bank, program: Program, sort: str) -> None:
    account = many(bank, 120)
    everything = set()
    page = program.get("/transactions", account=account, sort=sort, limit="50").json()
    pages = [page]
    while page["next"]:
        # At the head of the list by time, and at its end in the other order.
        many_more(bank, account, 7)
        page = program.get("/transactions", account=account, sort=sort, limit="50", cursor=page["next"]).json()
        pages.append(page)
    listed = [one for page in pages for one in ids(page)]
    everything = set(listed)
    assert len(listed) == len(everything)
    assert len(everything) >= 120
    back = program.get("/transactions", account=account, sort=sort, limit="50", cursor=pages[1]["previous"]).json()
    assert ids(back) == ids(pages[0])


def many_more(bank: Bank, account: str, count: int) -> None:
    """So many more, made now."""
    with bank.connect() as connection:
        connection.execute(ADDED, {"account": account, "count": count, "ago": 0})


def test_link_leads_where_next_and_previous_lead(bank: Bank, program: Program) -> None:
    account = many(bank, 60)
    first = program.get("/transactions", account=account)
    following = first.links["next"]["url"]
    assert following.startswith(f"{API}/transactions?")
    second = program.http.get(following)
    assert set(ids(second.json())).isdisjoint(ids(first.json()))
    assert ids(program.http.get(second.links["prev"]["url"]).json()) == ids(first.json())
    assert "prev" not in first.links


def test_a_cursor_is_of_one_list(bank: Bank, program: Program) -> None:
    account = many(bank, 60)
    cursor = program.get("/transactions", account=account).json()["next"]
    for other in ({"account": account, "sort": "oldest"}, {"account": account, "status": "FAILED"}, {}):
        refused = program.get("/transactions", cursor=cursor, **other)
        assert (refused.status_code, refused.json()["type"]) == (422, f"{API}/docs#cannot-be-done")
    for made_up in ("abc", "e30", "bnVsbA", cursor[:-4]):
        assert program.get("/transactions", account=account, cursor=made_up).status_code == 422


def test_what_nothing_can_match_is_refused(program: Program) -> None:
    for contradiction in ({"min": "2.00", "max": "1.00"}, {"from": "2026-02-30"}, {"from": "2026-03-02", "to": "2026-03-01"}):
        assert program.get("/transactions", **contradiction).status_code == 422


def test_list_figures_and_file_hold_the_same_rows(bank: Bank, program: Program) -> None:
    bill = program.bill()
    paid = program.pay(bill, uuid.uuid4().hex).json()
    asked = {"account": bill["account"], "type": "POST_TRANSACTION"}
    listed = program.get("/transactions", **asked).json()["items"]
    assert [one["id"] for one in listed] == [paid["id"]]
    file = program.get("/transactions/export", **asked)
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert [(row["reference"], row["amount"]) for row in rows] == [(paid["reference"], "5475.50")]
    manifest = program.http.get(file.links["describedby"]["url"]).json()
    assert (manifest["rows"], manifest["sha256"]) == (1, hashlib.sha256(file.content).hexdigest())
    workbook = program.get("/transactions/export", format="xlsx", **asked)
    assert workbook.content[:2] == b"PK"
    figures = program.get("/transactions/stats", biller="LWB_POSTPAID").json()
    everything = program.get("/transactions/stats").json()
    assert figures["by_biller"].keys() == {"LWB_POSTPAID"}
    assert figures["payments"] <= everything["payments"]
    assert figures["value"]["MWK"].endswith(".00") or "." in figures["value"]["MWK"]


def test_a_story_tells_each_step_and_movement(program: Program) -> None:
    paid = program.pay(program.bill(), uuid.uuid4().hex).json()
    story = program.get(f"/transactions/{paid['id']}").json()
    assert [step["stage"] for step in story["steps"]] == ["CREATED", "QUEUED", "PAY_SENDING", "COMPLETED"]
    assert story["steps"][0]["at"] <= story["steps"][-1]["at"]
    assert {one["kind"]: one["sends"] for one in story["movements"] if one["sends"]} == {"PAY": 1}
    assert story["movements"][0]["reference"]
