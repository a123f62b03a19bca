"""The file as a spreadsheet takes it: nothing runs, nothing is eaten, and what is read back is what was kept."""

import csv
import io
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.models import Transaction
from core.services.asked import Asked
from core.services.exports import BOM, Profile
from tests.exports.conftest import NASTY, ZONE, Crowd, exported

IDENTIFIERS = ("reference", "account_number", "biller_reference", "invoice_number", "bundle_id", "meter_number", "debit_account", "retry_of")

# A literal in a formula: the only formula that the file may have.
LITERAL = re.compile(r'="((?:[^"]|"")*)"', re.DOTALL)

# What opens a formula in one spreadsheet or another, after anything it overlooks.
OPENS_A_FORMULA = re.compile(r"^[\s\ufeff]*[=+\-@＝＋－＠]|^[\t\r\n]")


def sheet(crowd: Crowd) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exported(crowd.analyst, Asked(), Profile.SPREADSHEET).decode("utf-8-sig"), newline="")))


def typed_in(cell: str) -> str:
    """What a spreadsheet shows of a cell of ours that it takes as a literal."""
    found = LITERAL.fullmatch(cell)
    assert found, cell
    return found[1].replace('""', '"')


def test_it_begins_with_the_mark_that_says_utf_8_once(crowd: Crowd) -> None:
    file = exported(crowd.analyst, Asked(), Profile.SPREADSHEET)
    assert file.startswith(BOM + b"reference,submitted_at,")
    assert not exported(crowd.analyst, Asked(), Profile.DATA).startswith(BOM)


def test_identifiers_keep_their_zeros_their_length_and_their_letters(crowd: Crowd) -> None:
    kept = {row["our_transaction_id"]: row for row in crowd.rows}
    for row in sheet(crowd):
        mine = kept[typed_in(row["reference"])]
        for name, column in (("account_number", "account_number"), ("biller_reference", "external_transaction_id"), ("meter_number", "meter_number")):
            assert (typed_in(row[name]) if row[name] else None) == mine[column]


def test_no_cell_is_a_formula_but_the_literals_that_keep_identifiers(crowd: Crowd) -> None:
    seen = set()
    for row in sheet(crowd):
        for name, cell in row.items():
            if name in IDENTIFIERS:
                assert not cell or LITERAL.fullmatch(cell), (name, cell)
            else:
                assert not OPENS_A_FORMULA.match(cell), (name, cell)
                seen.add(cell)
    # The dangerous ones were there, each with an apostrophe before it.
    dangerous = {text for text in NASTY if OPENS_A_FORMULA.match(text)}
    assert len(dangerous) >= 12
    assert {f"'{text}" for text in dangerous} <= seen
    assert "'=mphatso" in seen


def test_harmless_text_is_left_alone(crowd: Crowd) -> None:
    names = {row["customer_name"] for row in sheet(crowd)}
    assert {text for text in NASTY if not OPENS_A_FORMULA.match(text)} <= names


@pytest.mark.parametrize(
    ("account", "cell"),
    [
        ("000123", '="000123"'),
        ("1E5", '="1E5"'),
        ('a"&HYPERLINK("http://evil.example")&"', '="a""&HYPERLINK(""http://evil.example"")&"""'),
        # What cannot stand in a literal is text, and safe as text is.
        ("=1\n2", "'=1\n2"),
        ("7" * 300, f"'{'7' * 300}"),
    ],
)
def test_an_identifier_cannot_break_out_of_its_literal(crowd: Crowd, account: str, cell: str) -> None:
    with crowd.database.connect() as connection:
        connection.execute("ALTER TABLE transactions DISABLE TRIGGER USER")
        connection.execute("UPDATE transactions SET account_number = %s WHERE our_transaction_id = %s", (account, crowd.rows[0]["our_transaction_id"]))
    assert cell in [row["account_number"] for row in sheet(crowd)]


def test_times_are_the_banks_and_say_so(crowd: Crowd) -> None:
    kept = {row["our_transaction_id"]: row for row in crowd.rows}
    for row in sheet(crowd):
        assert row["submitted_at"].endswith("+02:00")
        told = datetime.fromisoformat(row["submitted_at"])
        created = kept[typed_in(row["reference"])]["created_at"].astimezone(ZONE)
        assert timedelta(0) <= created - told < timedelta(seconds=1)


def test_amounts_are_figures_without_grouping(crowd: Crowd) -> None:
    assert {row["amount"] for row in sheet(crowd)} == {"", "0.01", "999.99", "1000.00", "1000.01", "9999999999999999.99"}


def test_nothing_that_is_secret_has_a_column(crowd: Crowd) -> None:
    header = exported(crowd.analyst, Asked(), Profile.DATA).splitlines()[0].decode()
    columns: set[str] = set(header.split(","))
    hidden: Callable[[Any], set[str]] = lambda table: {column.name for column in table.__table__.columns} - columns  # noqa: E731
    assert {"metadata", "lease_owner", "api_endpoint"} <= hidden(Transaction)
