"""How long a statement of a hundred thousand lines takes to come in and to be matched, beside a bare COPY and join; and whether memory stays flat.

`python -m bench.statements`: a server and a database of its own, with as many payments as the statement has lines, and one line in a hundred that differs.
"""

import argparse
import csv
import io
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, BinaryIO

import psycopg
from xlsxwriter import Workbook

from bench.alone import measure

# What the issue promises of a hundred thousand lines, and of memory beside ten thousand.
MOST_SECONDS = 10.0
MOST_GROWTH_MB = 32.0

FEW = 10_000
FIRST_DAY = date(2026, 3, 2)
HEADER = ("Date", "Time", "Our ref", "Receipt", "Account", "Amount (MWK)", "Type")

# As many completed payments as lines, spread over one business day. References are as long as ours.
PAYMENTS = """
    INSERT INTO transactions (id, biller_type, biller_name, our_transaction_id, external_transaction_id, transaction_type, topology, account_number, amount,
        created_at, stage, status, completed_at)
    SELECT uuidv7(), b.code, b.name, %(mark)s || lpad(n::text, 14, '0'), 'R' || %(mark)s || n, 'POST_TRANSACTION', 'NONE', (70000000 + n)::text,
        100 + n %% 9000, %(day)s::date + interval '6 hours' + n * interval '0.1 s', 'COMPLETED', 'COMPLETED', now()
    FROM biller_types b, generate_series(1, %(count)s) n WHERE b.code = 'LWB_POSTPAID'
"""

RAW_TABLE = "CREATE TEMPORARY TABLE raw (day text, at text, our_reference text, their_reference text, account text, amount text, kind text)"
RAW_COPY = "COPY raw FROM STDIN (FORMAT csv, HEADER)"
RAW_JOIN = "SELECT count(*) FROM raw JOIN transactions t ON t.our_transaction_id = raw.our_reference WHERE t.amount = replace(raw.amount, ',', '')::numeric"


def main() -> int:
    told = argparse.ArgumentParser(prog="bench.statements", description="How long a statement takes, beside a bare COPY and join, and what memory it needs.")
    told.add_argument("--lines", type=int, default=100_000)
    return measure(told, lambda asked, data_dir: _run(asked.lines, data_dir), _text_of)


def _run(lines: int, data_dir: Path) -> dict[str, Any]:
    from core import db
    from core.launch.embedded import EmbeddedPostgres
    from core.services import seeds
    from core.settings import settings

    with EmbeddedPostgres(data_dir, settings().socket_dir):
        db.migrate()
        seeds.load()
        # The first ones so that everything is imported and every plan is made; and few, for what memory many need beside them.
        _import(FEW, FIRST_DAY, data_dir, _as_csv)
        few = _import(FEW, FIRST_DAY + timedelta(days=1), data_dir, _as_csv)
        many = _import(lines, FIRST_DAY + timedelta(days=2), data_dir, _as_csv)
        again, _ = _timed(lambda: _load(many["path"]))
        raw, joined = _timed(lambda: _raw(many["path"]))
        looking, _ = _timed(lambda: _look(FIRST_DAY + timedelta(days=2)))
        few_cells = _import(FEW, FIRST_DAY + timedelta(days=3), data_dir, _as_xlsx)
        cells = _import(lines, FIRST_DAY + timedelta(days=4), data_dir, _as_xlsx)
        few_words = _import(FEW, FIRST_DAY + timedelta(days=5), data_dir, _as_excel)
        words = _import(lines, FIRST_DAY + timedelta(days=6), data_dir, _as_excel)
    found = {
        "lines": lines,
        "csv_seconds": many["seconds"],
        "csv_again_seconds": again,
        "raw_seconds": raw,
        "raw_joined": joined,
        "ratio": many["seconds"] / raw,
        "day_seconds": looking,
        "matched": many["matched"],
        "csv_growth_mb": many["peak_mb"] - few["peak_mb"],
        "xlsx_seconds": cells["seconds"],
        "xlsx_growth_mb": cells["peak_mb"] - few_cells["peak_mb"],
        "excel_seconds": words["seconds"],
        "excel_growth_mb": words["peak_mb"] - few_words["peak_mb"],
    }
    forms = ("csv", "xlsx", "excel")
    targets = {**{f"{form}_seconds": MOST_SECONDS for form in forms}, **{f"{form}_growth_mb": MOST_GROWTH_MB for form in forms}}
    return {**found, "missed": [f"{name} is {found[name]:.1f}, and at most {most:g} is meant" for name, most in targets.items() if found[name] > most]}


# ---- A statement


def _rows(count: int, day: date) -> Iterator[Sequence[str]]:
    """As the biller of these payments would write them; one in a hundred is not as we have it."""
    mark = _mark(day)
    yield HEADER
    for n in range(1, count + 1):
        seconds = int(n * 0.1)
        at = f"{8 + seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        amount = 100 + n % 9000 + (1 if n % 100 == 0 else 0)
        yield (f"{day:%d/%m/%Y}", at, f"{mark}{n:014d}", f"R{mark}{n}", f"{70000000 + n}", f"{amount:,}.00", "Payment")


def _mark(day: date) -> str:
    return f"{day:%d}"


def _as_csv(count: int, day: date, directory: Path) -> Path:
    path = directory / f"{day}.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(_rows(count, day))
    return path


def _as_xlsx(count: int, day: date, directory: Path) -> Path:
    """As programs write it: each word in its cell."""
    return _workbook(count, day, directory, in_place=True)


def _as_excel(count: int, day: date, directory: Path) -> Path:
    """As Excel saves it: the words in one place, and cells that name them. By a program of its own, whose memory is not ours."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
        return other.submit(_workbook, count, day, directory, in_place=False).result()


def _workbook(count: int, day: date, directory: Path, *, in_place: bool) -> Path:
    path = directory / f"{day}.xlsx"
    with Workbook(path, {"constant_memory": in_place}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(_rows(count, day)):
            sheet.write_row(number, 0, row)
    return path


# ---- Measuring


def _import(count: int, day: date, directory: Path, write: Callable[[int, date, Path], Path]) -> dict[str, Any]:
    with _connected() as connection:
        connection.execute("SET timezone = 'UTC'")
        # A payment begins as CREATED: these were completed long ago.
        connection.execute("ALTER TABLE transactions DISABLE TRIGGER USER")
        connection.execute(PAYMENTS, {"mark": _mark(day), "day": day, "count": count})
        connection.execute("ALTER TABLE transactions ENABLE TRIGGER USER")
        connection.execute("VACUUM (ANALYZE) transactions")
    path = write(count, day, directory)
    # From here on the highest is counted anew.
    Path("/proc/self/clear_refs").write_text("5")
    seconds, done = _timed(lambda: _load(path))
    if done.new_lines != count:
        raise SystemExit(f"{done.new_lines:,} of {count:,} lines came in.")
    return {"path": path, "seconds": seconds, "matched": done.matched, "peak_mb": _peak_mb()}


def _load(path: Path) -> Any:
    from core.documents.statement_lines import find_header, guessed
    from core.documents.statement_rows import opened
    from core.services import statements

    with path.open("rb") as file:
        header = find_header(opened(_held(file)).rows())
        assert header is not None  # noqa: S101 - this file is ours
        return statements.load(_analyst(), "LWB_POSTPAID", path.name, file, guessed(header))


def _held(file: BinaryIO) -> BinaryIO:
    """The first rows, in a file of their own where it is text: the other stays as it is."""
    return file if file.name.endswith(".xlsx") else io.BytesIO(file.readline() * 2)


def _look(day: date) -> Any:
    from core.services import reconciliation

    return reconciliation.of_day(_analyst(), "LWB_POSTPAID", day)


def _analyst() -> Any:
    from core import clock, db
    from core.access import SYSTEM, Actor
    from core.ids import new_id
    from core.models import User

    with db.unit_of_work() as session:
        person = session.query(User).first()
        if person is None:
            person = User(id=new_id(), username="bench", display_name="Bench", role="analyst", password_hash="!")  # noqa: S106 - nobody signs in
            session.add(person)
    return Actor(person.id, "bench", "Bench", "analyst", SYSTEM.permissions, proved_at=clock.now())


def _raw(path: Path) -> int:
    """What the database needs for the same without us: the file as it is into a bare table, and one join."""
    with _connected() as connection, connection.transaction():
        connection.execute(RAW_TABLE)
        with connection.cursor() as cursor, path.open("rb") as file, cursor.copy(RAW_COPY) as copy:
            while block := file.read(1 << 20):
                copy.write(block)
        ((joined,),) = connection.execute(RAW_JOIN).fetchall()
    return int(joined)


def _peak_mb() -> float:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def _connected() -> psycopg.Connection:
    from bench.stage import connect

    return connect()


def _timed(act: Callable[[], Any]) -> tuple[float, Any]:
    began = time.monotonic()
    found = act()
    return time.monotonic() - began, found


def _text_of(found: Mapping[str, Any]) -> str:
    lines = found["lines"]
    return "\n".join(
        [
            f"A statement of {lines:,} lines",
            f"  CSV read, loaded, matched    {found['csv_seconds']:>7.1f} s   {lines / found['csv_seconds']:>9,.0f}/s   {found['matched']:,} matched",
            f"  the same file again          {found['csv_again_seconds']:>7.1f} s   and nothing changes",
            f"  a bare COPY and join         {found['raw_seconds']:>7.1f} s   ours takes {found['ratio']:.1f} times that",
            f"  the day opened               {found['day_seconds']:>7.1f} s",
            f"  XLSX, words in their cells   {found['xlsx_seconds']:>7.1f} s   {lines / found['xlsx_seconds']:>9,.0f}/s",
            f"  XLSX, words in one place     {found['excel_seconds']:>7.1f} s   {lines / found['excel_seconds']:>9,.0f}/s",
            f"  memory beside {FEW:,} lines: " + ", ".join(f"{name} {found[f'{name.lower()}_growth_mb']:+.1f} MB" for name in ("CSV", "XLSX", "Excel")),
            *(f"MISSED: {what}" for what in found["missed"]),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
