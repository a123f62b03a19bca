"""A search finds what plain SQL finds, whatever is typed; what it may mean is offered while it is typed."""

from datetime import timedelta
from decimal import Decimal

import pytest

import core.db
from core.access import Actor
from core.repositories import sources, walks, words
from core.repositories.filters import TransactionFilter
from core.repositories.transactions import Cursor, Sort, Transactions
from core.services import statistics, transactions
from core.states import TransactionType
from tests.lists.conftest import FIRST, Ledger

TERMS = (
    *("banda", "BANDA", "Grace Ba", "4000", "400012", "0412", "EXT", "EXT0", "ext", "INV-", "no such thing", "zzz"),
    *("50%", "%%%", "%", "o'b", "' &", "& s", "Al", "al", "---", "a b", "e B", "Ŵanthu", "\u0301\u0301\u0301"),
)

# The same rows, said a second time.
MEANT = """
    WHERE our_transaction_id = upper(%(term)s) OR external_transaction_id = %(term)s OR invoice_number = %(term)s
       OR length(%(term)s) < 3 AND %(term)s IN (account_number, meter_number, customer_account_name)
       OR length(%(term)s) >= 3 AND (
           starts_with(our_transaction_id, upper(%(term)s)) OR starts_with(external_transaction_id, %(term)s) OR starts_with(invoice_number, %(term)s)
           OR strpos(lower(account_number), lower(%(term)s)) > 0 OR strpos(lower(meter_number), lower(%(term)s)) > 0
           OR strpos(lower(customer_account_name), lower(%(term)s)) > 0
       )
    ORDER BY created_at DESC, id DESC LIMIT 25
"""


@pytest.fixture
def by_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a list of ten million: what is searched for is not among the first rows, and is looked up."""
    monkeypatch.setattr(walks, "DEPTHS_FOR_WORDS", (1, 2))
    monkeypatch.setattr(walks, "DEPTHS_FOR_SYLLABLES", (1, 2))


@pytest.mark.usefixtures("by_index")
def test_a_search_finds_what_sql_finds(ledger: Ledger) -> None:
    rows = ledger.add(200)
    ledger.add(3, customer_account_name="Ŵanthu \u0301\u0301\u0301", account_number="---")
    ledger.add(2, customer_account_name="x", meter_number="7")
    reference = rows[0]["our_transaction_id"]
    found_something = 0
    with core.db.unit_of_work() as session:
        for term in (*TERMS, "x", "7", reference, reference[:3], reference[:10].lower(), str(rows[0]["invoice_number"])):
            expected = [row[0] for row in ledger.connection.execute(f"SELECT id FROM transactions {MEANT}", {"term": term})]
            assert [row.id for row in Transactions(session).page(TransactionFilter(search=term), 25).rows] == expected, term
            found_something += bool(expected)
    assert found_something > len(TERMS) // 2


@pytest.mark.usefixtures("by_index")
@pytest.mark.parametrize("sort", Sort)
def test_a_page_and_its_count_together_are_what_they_are_one_by_one(ledger: Ledger, reader: Actor, sort: Sort) -> None:
    rows = ledger.add(200)
    whole = 0
    for term in (*TERMS, rows[0]["our_transaction_id"], str(rows[0]["invoice_number"])):
        wanted = TransactionFilter(search=term)
        page, known = transactions.list_counted(reader, wanted, sort=sort)
        alone = transactions.list_page(reader, wanted, sort=sort)
        assert ([row.id for row in page.rows], page.older, page.newer) == ([row.id for row in alone.rows], alone.older, alone.newer), term
        assert known == statistics.counted(reader, wanted), term
        whole += known.rows == len(page.rows) > 0
        if page.older:
            behind, again = transactions.list_counted(reader, wanted, older_than=page.older, sort=sort)
            assert behind.rows
            assert again == known, "a later page is of the same list"
        elif page.rows:
            last = page.rows[-1]
            behind, again = transactions.list_counted(reader, wanted, older_than=Cursor(last.created_at, last.id, last.amount), sort=sort)
            assert not behind.rows
            assert again == known, "nor is it empty where nothing comes any more"
    assert whole


@pytest.mark.usefixtures("by_index")
def test_a_name_that_the_biller_tells_later_is_searched_for_from_then_on(ledger: Ledger) -> None:
    (row,) = ledger.add(1, customer_account_name=None, transaction_type=TransactionType.ACCOUNT_DETAILS)
    ledger.add(5)
    with core.db.unit_of_work() as session:
        assert not Transactions(session).page(TransactionFilter(search="Chisomo"), 25).rows
    ledger.connection.execute("UPDATE transactions SET customer_account_name = 'Chisomo Tembo' WHERE id = %s", (row["id"],))
    with core.db.unit_of_work() as session:
        assert [one.id for one in Transactions(session).page(TransactionFilter(search="Chisomo"), 25).rows] == [row["id"]]


def test_an_account_is_noted_once_however_often_it_is_paid(ledger: Ledger) -> None:
    ledger.add(50, account_number="4711", biller_type="MASM", meter_number=None, customer_account_name="Grace Banda")
    ledger.add(2, account_number="4711", biller_type="MASM", meter_number=None, customer_account_name=None)
    assert ledger.connection.execute("SELECT count(*), min(customer_name) FROM known_accounts").fetchone() == (1, "Grace Banda")


def test_a_name_is_noted_once_however_many_have_it(ledger: Ledger) -> None:
    for number in range(5):
        ledger.add(2, account_number=f"471{number}", customer_account_name="Chisomo Tembo")
    ledger.add(2, account_number="4800", customer_account_name=None)
    (row,) = ledger.add(1, account_number="4900", customer_account_name=None)
    ledger.connection.execute("UPDATE transactions SET customer_account_name = 'Mphatso Phiri' WHERE id = %s", (row["id"],))
    assert ledger.connection.execute("SELECT customer_name FROM known_names ORDER BY 1").fetchall() == [("Chisomo Tembo",), ("Mphatso Phiri",)]


@pytest.mark.usefixtures("by_index")
@pytest.mark.parametrize("sort", Sort)
def test_names_without_an_end_are_found_and_told_apart(ledger: Ledger, sort: Sort) -> None:
    """No index holds such a name whole: two of them begin alike for longer than is looked at."""
    long = "".join(chr(0x4E00 + number % 20_000) for number in range(12_000))
    (first,) = ledger.add(1, customer_account_name=long + "Chisomo", account_number="1001")
    (second,) = ledger.add(1, customer_account_name=long + "Mphatso", account_number="1002")
    ledger.add(20)
    with core.db.unit_of_work() as session:
        for term, meant in (("Chisomo", {first["id"]}), ("Mphatso", {second["id"]}), (long[100:200], {first["id"], second["id"]})):
            assert {row.id for row in Transactions(session).page(TransactionFilter(search=term), 25, sort=sort).rows} >= meant
            named = TransactionFilter(search=term, account="100")
            assert {row.id for row in Transactions(session).page(named, 25, sort=sort).rows} == meant
            assert Transactions(session).count_up_to(named, 1000).rows == len(meant)


def test_accounts_of_rows_that_went_past_the_triggers_can_be_gathered(ledger: Ledger) -> None:
    ledger.connection.execute("ALTER TABLE transactions DISABLE TRIGGER note_accounts")
    ledger.add(1, account_number="4711", biller_type="MASM", customer_account_name="Chisomo Tembo")
    assert ledger.connection.execute("SELECT gather_accounts(), gather_accounts()").fetchone() == (1, 0)
    assert ledger.connection.execute("SELECT customer_name FROM known_names").fetchall() == [("Chisomo Tembo",)]


def test_what_is_typed_is_completed_by_accounts_names_and_references(ledger: Ledger) -> None:
    (old,) = ledger.add(1, account_number="7700123", biller_type="MASM", customer_account_name="Grace Banda", meter_number=None)
    ledger.add(30, account_number="400099", customer_account_name="Mphatso Phiri", meter_number=None, external_transaction_id=None)
    with core.db.unit_of_work() as session:
        found = Transactions(session)
        (account,) = found.suggest("00123")
        assert (account.kind, account.value, account.biller_type, account.note) == ("account", "7700123", "MASM", "Grace Banda")
        (name,) = found.suggest("grace")
        assert (name.kind, name.value, name.note, name.last_at) == ("name", "Grace Banda", "7700123", old["created_at"])
        (reference,) = found.suggest(old["our_transaction_id"][:12].lower())
        assert (reference.kind, reference.value) == ("reference", old["our_transaction_id"])
        # Thirty payments of one account are one suggestion, and two letters are none.
        assert [one.value for one in found.suggest("phiri")] == ["Mphatso Phiri"]
        assert not found.suggest("gr")


@pytest.mark.parametrize("billers", [(), ("MASM",), ("MASM", "TNM_BUNDLES")])
def test_whatever_is_typed_is_completed_by_what_holds_it(ledger: Ledger, billers: tuple[str, ...]) -> None:
    ledger.add(100)
    for biller in ("MASM", "TNM_BUNDLES", "BWB_POSTPAID"):
        ledger.add(1, customer_account_name="Ŵanthu \u0301\u0301\u0301 50%%%", account_number="---", biller_type=biller)
    with core.db.unit_of_work() as session:
        for term in filter(lambda term: len(term) >= 3, TERMS):
            found = Transactions(session).suggest(term, 100, billers)
            assert all(term.casefold() in one.value.casefold() for one in found), term
            assert not billers or {one.biller_type for one in found} <= set(billers)
        assert {(one.kind, one.value) for one in Transactions(session).suggest("---", 100, billers)} == {("account", "---")}


def test_searches_alike_but_for_what_is_typed_have_rows_of_their_own_from_one_statement(ledger: Ledger) -> None:
    ledger.add(300)
    for name in ("Mphatso Phiri", "Chisomo Tembo"):
        ledger.add(30, customer_account_name=name, account_number=f"4{len(name)}99")

    def ask(search: str, biller: str, days: int) -> set[str | None]:
        wanted = TransactionFilter(search=search, billers=(biller,), since=FIRST - timedelta(days=days))
        names = set()
        for sort in Sort:
            with core.db.snapshot() as session:
                page = Transactions(session).page(wanted, 25, sort=sort)
                behind = Transactions(session).page(wanted, 25, page.older, sort=sort)
                Transactions(session).suggest(search, billers=(biller,))
            names |= {row.customer_account_name for row in (*page.rows, *behind.rows) if row.biller_type == biller}
        return names

    def put_together() -> list[int]:
        statements = (sources.page_of, sources.count_of, sources.edge_of, sources.likely_page_of, words.found_of, words.sampled_of, words.meant_of)
        return [one.cache_info().misses for one in statements]

    assert ask("Phiri", "MASM", 3) >= {"Mphatso Phiri"}
    before = put_together()
    assert ask("Tembo", "TNM_BUNDLES", 4) >= {"Chisomo Tembo"}
    assert put_together() == before


def test_no_search_and_no_order_reads_the_whole_table(ledger: Ledger) -> None:
    ledger.add(6_000, error_code=None)
    ledger.connection.execute("VACUUM ANALYZE transactions, known_accounts")
    shapes = [
        *(TransactionFilter(search=term) for term in ("banda", "400012", "zzz", "EXT00", "%%%", "x")),
        *(TransactionFilter(), TransactionFilter(billers=("MASM",)), TransactionFilter(statuses=("FAILED",)), TransactionFilter(types=("GET_INVOICE",))),
        *(TransactionFilter(reasons=("13",)), TransactionFilter(initiated_by=ledger.people[0].id), TransactionFilter(amount_min=Decimal(999))),
        *(TransactionFilter(in_doubt=True), TransactionFilter(under_review=True), TransactionFilter(bank_open=True), TransactionFilter(reference="EXT1")),
    ]
    with core.db.unit_of_work() as session:
        connection = session.connection()
        for wanted in shapes:
            for sort in Sort:
                before = connection.exec_driver_sql("SELECT pg_stat_get_xact_numscans('transactions'::regclass)").scalar_one()
                Transactions(session).page(wanted, 25, sort=sort)
                after = connection.exec_driver_sql("SELECT pg_stat_get_xact_numscans('transactions'::regclass)").scalar_one()
                assert before == after, (wanted, sort)
