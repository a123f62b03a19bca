"""Loading the demonstration: as much as is asked for, in sandbox mode only, whole or not at all."""

import shutil
from datetime import UTC, datetime
from random import Random

import pytest

from core.db import unit_of_work
from core.errors import Misconfigured
from core.repositories.billers import Billers
from core.repositories.demo import Demo
from core.repositories.rollups import Rollups
from core.services import demo
from core.settings import settings
from tests.demo.conftest import Sandbox, counts


def test_more_is_loaded_beside_it_only_when_asked_for(fresh: Sandbox) -> None:
    demo.load(300)
    demo.load(200, more=True)
    assert fresh.one("SELECT count(*) FROM transactions WHERE demo") == 500
    assert demo.load(100) == ["Demonstration data is there: 500 transactions."]


def test_what_was_loaded_is_in_the_sums_and_no_reader_looks_through_its_events(fresh: Sandbox) -> None:
    demo.load(300)
    assert fresh.one("SELECT count(*) FROM events") > 0
    assert fresh.one("SELECT count(*) FROM events, rollup_state WHERE xid >= watermark") == 0
    assert fresh.one("SELECT sum(count) FROM rollup_hours") == 300


def test_the_same_seed_tells_the_same_stories(fresh: Sandbox) -> None:
    now, told = datetime(2026, 3, 1, 12, tzinfo=UTC), []
    for _ in range(2):
        with unit_of_work() as session:
            random = Random(7)
            teller, scribe = demo._storyteller(Demo(session), Billers(session), random, now, 200), demo._scribe(Demo(session), random, 200)
            told.append([row for tale in teller.tell(200) for row in scribe.rows(tale) if not hasattr(row, "envelope")])
    assert told[0] == told[1]
    assert len(told[0]) > 1_000


def test_outside_sandbox_mode_nothing_is_loaded(fresh: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLERS_SANDBOX", "false")
    settings.cache_clear()
    with pytest.raises(Misconfigured, match="sandbox mode only"):
        demo.load(10)
    assert fresh.one("SELECT count(*) FROM transactions") == 0


def test_a_load_that_breaks_off_leaves_nothing_behind(fresh: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    before = counts(fresh)

    def break_off(_self: object) -> None:
        raise RuntimeError("the lights went out")

    monkeypatch.setattr("core.repositories.demo.Demo.analyze", break_off)
    with pytest.raises(RuntimeError, match="lights"):
        demo.load(300)
    assert counts(fresh) == before


# ---- More than can be told


INDEXES = "SELECT indexdef FROM pg_indexes WHERE tablename IN ('transactions', 'known_accounts', 'known_names') ORDER BY indexname"
TRIGGERS = "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'transactions'::regclass ORDER BY tgname"


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> int:
    """A number that counts as large."""
    monkeypatch.setattr(demo, "ALL_TOLD", 1_999)
    monkeypatch.setattr(demo, "ONE_IN", 10)
    return 6_000


def test_of_a_large_number_some_are_told_whole_and_the_others_stand_in_the_list(fresh: Sandbox, many: int) -> None:
    demo.load(many)
    told, all_said, rows = fresh.rows(
        "SELECT count(*) FILTER (WHERE story), count(*) FILTER (WHERE story AND said = asked), count(*) FROM (SELECT"
        " EXISTS (SELECT FROM events e WHERE e.transaction_id = t.id) AS story,"
        " (SELECT count(*) FROM answers a WHERE a.transaction_id = t.id AND a.request IS NOT NULL) AS said,"
        " (SELECT count(*) FROM attempts a WHERE a.transaction_id = t.id) AS asked FROM transactions t) AS told"
    )[0]
    assert rows == many
    assert 0.07 < told / rows < 0.13
    assert 0.05 < fresh.one("SELECT count(request) FROM answers") / fresh.one("SELECT count(*) FROM answers") < 0.15
    assert all_said < told
    ends = dict(fresh.rows("SELECT status, count(*)::float / sum(count(*)) OVER () FROM transactions GROUP BY status"))
    assert 0.945 < ends["COMPLETED"] < 0.975
    assert 0.02 < ends["FAILED"] < 0.045


def test_a_row_without_a_story_has_the_same_columns_as_one_with_it(fresh: Sandbox, many: int) -> None:
    demo.load(many)
    story = "EXISTS (SELECT FROM events e WHERE e.transaction_id = t.id)"
    columns = [name for (name,) in fresh.rows("SELECT attname FROM pg_attribute WHERE attrelid = 'transactions'::regclass AND attnum > 0 AND NOT attisdropped")]
    filled = ", ".join(f"count({name})::float / count(*)" for name in columns)
    told, untold = (fresh.rows(f"SELECT {filled} FROM transactions t WHERE {which}")[0] for which in (story, f"NOT {story}"))
    for name, one, other in zip(columns, told, untold, strict=True):
        assert abs(one - other) < 0.12, name
        assert bool(one) == bool(other), name


def test_one_account_is_a_city_councils_in_a_large_load(fresh: Sandbox, many: int) -> None:
    demo.load(many)
    [(biller, rows), (_, next_rows)] = fresh.rows("SELECT biller_type, count(*) FROM transactions GROUP BY biller_type, account_number ORDER BY 2 DESC LIMIT 2")
    assert biller == "LWB_POSTPAID"
    assert 0.04 * many < rows < 0.08 * many
    assert next_rows < rows / 3


def test_indexes_and_triggers_are_what_they_were_after_a_large_load(fresh: Sandbox, many: int) -> None:
    before = fresh.rows(INDEXES), fresh.rows(TRIGGERS)
    demo.load(many)
    assert (fresh.rows(INDEXES), fresh.rows(TRIGGERS)) == before
    demo.load(many, more=True)
    assert (fresh.rows(INDEXES), fresh.rows(TRIGGERS)) == before
    assert fresh.one("SELECT count(*) FROM transactions") == 2 * many
    unknown = "NOT EXISTS (SELECT FROM known_accounts k WHERE (k.biller_type, k.account_number) = (t.biller_type, t.account_number))"
    assert fresh.one(f"SELECT count(*) FROM transactions t WHERE {unknown}") == 0


def test_a_large_load_that_breaks_off_leaves_the_indexes_where_they_were(fresh: Sandbox, many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = counts(fresh), fresh.rows(INDEXES), fresh.rows(TRIGGERS)

    def break_off(_self: object) -> None:
        raise RuntimeError("the lights went out")

    monkeypatch.setattr("core.repositories.demo.Demo.gather_accounts", break_off)
    with pytest.raises(RuntimeError, match="lights"):
        demo.load(many)
    assert (counts(fresh), fresh.rows(INDEXES), fresh.rows(TRIGGERS)) == before


def test_the_sums_beside_the_rows_know_them_from_the_first_moment(fresh: Sandbox, many: int) -> None:
    demo.load(many)
    with unit_of_work() as session:
        assert list(Rollups(session).differences()) == []
    assert fresh.one("SELECT sum(count) FROM rollup_hours") == many


def test_after_a_load_an_index_alone_answers(fresh: Sandbox, many: int) -> None:
    demo.load(many)
    pages, all_visible = fresh.rows("SELECT relpages, relallvisible FROM pg_class WHERE relname = 'transactions'")[0]
    # But for a page that somebody else looked at just then.
    assert pages >= all_visible > 0.98 * pages


# ---- How large it is, and how far


def test_its_size_is_told_before_anything_is_written(fresh: Sandbox) -> None:
    heard: list[str] = []
    demo.load(300, tell=lambda line: heard.append(f"{line} {fresh.one('SELECT count(*) FROM transactions')}"))
    assert heard[0].startswith("300 demonstration transactions take about ")
    assert heard[0].endswith(" 0")


def test_what_was_told_of_its_size_is_about_what_it_takes(fresh: Sandbox, many: int) -> None:
    before = fresh.one("SELECT pg_database_size(current_database())")
    demo.load(many)
    took = fresh.one("SELECT pg_database_size(current_database())") - before
    # Of so few, the first pages of each month and index are a good part.
    assert 0.5 * demo.bytes_of(many) < took < 2 * demo.bytes_of(many)


def test_a_disk_that_is_too_small_refuses_it_and_says_how_much_is_needed(fresh: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=3_200_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    settings.cache_clear()
    with pytest.raises(Misconfigured, match=r"10,000,000 demonstration transactions take about 1\d\.\d GB on disk, \d\d\.\d GB .* 3\.2 GB are free"):
        demo.size(10_000_000)


def test_progress_is_told_with_how_long_it_still_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, heard = iter([4.0, 4.0, 20.0, 20.0]), list[str]()
    monkeypatch.setattr("core.clock.monotonic_seconds", lambda: next(seconds))
    teller = demo._Teller(1_000, heard.append, began=0.0, last=0.0)
    teller.went_on(100)
    teller.went_on(300)
    assert heard == ["400 of 1,000 (40 %), 20 a second; 30 s to go."]
