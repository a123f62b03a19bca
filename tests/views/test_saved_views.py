"""Saved views: whose they are, who sees and changes them, what each role's list opens with, and that all of it is written down."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest

from core.access import SYSTEM, Actor
from core.errors import BadInput, NotAllowed, NotFound
from core.repositories.transactions import Cursor, Sort
from core.services import lookups, views
from core.services.asked import Asked, read
from core.services.search_words import Known, Person
from core.services.views import MOST_VIEWS, NoSuchView, Saved, TooManyViews
from tests.world import AddPerson, Database

FAILED = Asked(statuses=("FAILED",), since="yesterday")
LARGE = Asked(amount_min=Decimal("50000.01"), sort=Sort.LARGEST, columns=("amount", "reference"))
BILLERS = ("LWB_POSTPAID",)


@pytest.fixture
def ann(add_person: AddPerson) -> Actor:
    return add_person("analyst", username="ann", display_name="Ann")


@pytest.fixture
def ben(add_person: AddPerson) -> Actor:
    return add_person("analyst", username="ben", display_name="Ben")


@pytest.fixture
def mary(add_person: AddPerson) -> Actor:
    return add_person("manager", username="mary", display_name="Mary")


@pytest.fixture
def olive(add_person: AddPerson) -> Actor:
    return add_person("operator", username="olive", display_name="Olive")


def named(actor: Actor) -> dict[str, Saved]:
    return {view.name: view for view in views.shelf(actor).views}


def audited(database: Database, view_id: uuid.UUID) -> list[str]:
    with database.connect() as connection:
        found = connection.execute("SELECT action FROM audit_entries WHERE subject_id = %s ORDER BY seq", (str(view_id),))
        return [action for (action,) in found]


# ---- Saving and reading


@pytest.mark.parametrize("asked", [FAILED, LARGE])
def test_a_view_holds_the_filter_its_order_and_its_columns(ann: Actor, asked: Asked) -> None:
    views.save(ann, "Mine", asked)
    assert read(named(ann)["Mine"].address, BILLERS) == asked


def test_a_view_keeps_no_place_and_no_pace(ann: Actor) -> None:
    here = Cursor(datetime(2026, 1, 1, tzinfo=UTC), uuid.UUID(int=1))
    views.save(ann, "Mine", replace(FAILED, older=here, page=7, size=100, pace=15))
    assert read(named(ann)["Mine"].address, BILLERS) == FAILED


def test_a_private_view_exists_for_its_owner_only(ann: Actor, ben: Actor, mary: Actor) -> None:
    view = views.save(ann, "Failed", FAILED)
    assert named(ann)["Failed"].is_mine
    for other in (ben, mary):
        assert named(other) == {}
        with pytest.raises(NoSuchView):
            views.rename(other, view, "Taken")
        with pytest.raises(NoSuchView):
            views.update(other, view, LARGE)
        with pytest.raises(NoSuchView):
            views.share(other, view, shared=True)
        with pytest.raises(NoSuchView):
            views.delete(other, view)
    assert named(ann)["Failed"].name == "Failed"


def test_a_shared_view_is_seen_by_everybody_who_reads_transactions(ann: Actor, ben: Actor, olive: Actor) -> None:
    views.save(ann, "Failed", FAILED, shared=True)
    for other in (ben, olive):
        seen = named(other)["Failed"]
        assert (seen.owner, seen.is_mine, seen.is_shared) == ("Ann", False, True)


def test_views_stand_by_name_whatever_the_letters(ann: Actor) -> None:
    for name in ("beta", "Alpha", "Gamma"):
        views.save(ann, name, FAILED)
    assert list(named(ann)) == ["Alpha", "beta", "Gamma"]


def test_who_may_not_save_may_not(olive: Actor, ann: Actor) -> None:
    view = views.save(ann, "Failed", FAILED, shared=True)
    for change in (
        lambda: views.save(olive, "Mine", FAILED),
        lambda: views.rename(olive, view, "Mine"),
        lambda: views.update(olive, view, LARGE),
        lambda: views.share(olive, view, shared=False),
        lambda: views.delete(olive, view),
        lambda: views.open_with(olive, "operator", view),
        lambda: views.openings(olive),
    ):
        with pytest.raises(NotAllowed):
            change()


def test_nobody_in_particular_has_views() -> None:
    with pytest.raises(NotAllowed, match="Sign in as one"):
        views.shelf(SYSTEM)


# ---- Changing


def test_the_owner_renames_updates_shares_and_deletes(ann: Actor, ben: Actor, database: Database) -> None:
    view = views.save(ann, "Failed", FAILED)
    views.rename(ann, view, " Large  ones ")
    views.update(ann, view, LARGE)
    views.share(ann, view, shared=True)
    assert read(named(ben)["Large ones"].address, BILLERS) == LARGE
    views.share(ann, view, shared=False)
    assert named(ben) == {}
    views.delete(ann, view)
    assert named(ann) == {}
    assert audited(database, view) == ["view.saved", "view.renamed", "view.updated", "view.shared", "view.unshared", "view.deleted"]
    with pytest.raises(NoSuchView):
        views.rename(ann, view, "Again")


def test_a_colleague_leaves_a_shared_view_alone_and_a_manager_sees_to_it(ann: Actor, ben: Actor, mary: Actor) -> None:
    view = views.save(ann, "Failed", FAILED, shared=True)
    with pytest.raises(NotAllowed, match="somebody else's"):
        views.delete(ben, view)
    views.rename(mary, view, "Failed since yesterday")
    assert list(named(ann)) == ["Failed since yesterday"]
    views.share(mary, view, shared=False)
    with pytest.raises(NoSuchView):
        views.delete(mary, view)
    assert list(named(ann)) == ["Failed since yesterday"]


# ---- Limits


@pytest.mark.parametrize("name", ["", "   ", "x" * 41, "a\0b"])
def test_a_name_that_cannot_be_is_told_so(ann: Actor, name: str) -> None:
    with pytest.raises(BadInput, match="1 to 40 characters"):
        views.save(ann, name, FAILED)
    view = views.save(ann, "Failed", FAILED)
    with pytest.raises(BadInput, match="1 to 40 characters"):
        views.rename(ann, view, name)


def test_one_person_has_no_two_views_of_one_name_and_two_people_may(ann: Actor, ben: Actor) -> None:
    view = views.save(ann, "Failed", FAILED)
    with pytest.raises(BadInput, match="“failed” already"):
        views.save(ann, "failed", LARGE)
    views.rename(ann, view, "FAILED")
    views.save(ben, "Failed", LARGE)
    other = views.save(ann, "Large", LARGE)
    with pytest.raises(BadInput, match="already"):
        views.rename(ann, other, "failed")


def test_the_plain_list_is_no_view(ann: Actor) -> None:
    with pytest.raises(BadInput, match="plain list"):
        views.save(ann, "Everything", Asked(size=100, pace=15))
    view = views.save(ann, "Failed", FAILED)
    with pytest.raises(BadInput, match="plain list"):
        views.update(ann, view, Asked())


def test_a_person_has_fifty_views_and_no_more_even_by_two_clicks_at_once(ann: Actor, ben: Actor) -> None:
    for number in range(MOST_VIEWS - 1):
        views.save(ann, f"View {number}", FAILED)

    def one_more(name: str) -> bool:
        try:
            views.save(ann, name, FAILED)
        except TooManyViews:
            return False
        return True

    with ThreadPoolExecutor(4) as at_once:
        saved = list(at_once.map(one_more, [f"Last {number}" for number in range(4)]))
    assert sum(saved) == 1
    assert len(named(ann)) == MOST_VIEWS
    views.save(ben, "Mine", FAILED)


def test_the_database_itself_holds_the_limits(ann: Actor, database: Database) -> None:
    views.save(ann, "Failed", FAILED)
    insert = "INSERT INTO saved_views (id, owner_id, name, address) VALUES (gen_random_uuid(), %s, %s, %s)"
    for name, address in (("FAILED", "{}"), ("", "{}"), ("x" * 41, "{}"), ("List", "[]")):
        with database.connect() as connection, pytest.raises(psycopg.IntegrityError):
            connection.execute(insert, (ann.id, name, address))


# ---- What a role's list opens with


def test_a_manager_sets_what_a_role_opens_with_and_takes_it_back(ann: Actor, mary: Actor, olive: Actor, database: Database) -> None:
    view, other = views.save(ann, "Failed", FAILED, shared=True), views.save(ann, "Large", LARGE, shared=True)
    assert views.shelf(olive).opens_with is None
    views.open_with(mary, "operator", other)
    views.open_with(mary, "operator", view)
    assert views.shelf(olive).opens_with == view
    assert views.shelf(ann).opens_with is None
    assert {code: chosen for code, _, chosen in views.openings(mary)} == {"administrator": None, "analyst": None, "manager": None, "operator": view}
    views.open_with(mary, "operator", None)
    assert views.shelf(olive).opens_with is None
    with database.connect() as connection:
        rows = connection.execute("SELECT subject_id, details ->> 'view' FROM audit_entries WHERE action = 'view.opens_role' ORDER BY seq").fetchall()
    assert rows == [("operator", str(other)), ("operator", str(view)), ("operator", None)]


def test_only_what_everybody_sees_can_open_a_list(ann: Actor, mary: Actor) -> None:
    with pytest.raises(BadInput, match="Share it with the team first"):
        views.open_with(mary, "operator", views.save(mary, "Mine", FAILED))
    with pytest.raises(NoSuchView):
        views.open_with(mary, "operator", views.save(ann, "Hers", FAILED))
    with pytest.raises(NotFound, match="no such role"):
        views.open_with(mary, "king", views.save(ann, "Everybody's", FAILED, shared=True))


@pytest.mark.parametrize("end", [views.delete, lambda actor, view: views.share(actor, view, shared=False)])
def test_a_view_that_is_gone_opens_no_list(ann: Actor, mary: Actor, olive: Actor, end: Callable[[Actor, uuid.UUID], None]) -> None:
    view = views.save(ann, "Failed", FAILED, shared=True)
    views.open_with(mary, "operator", view)
    end(ann, view)
    assert views.shelf(olive).opens_with is None
    assert {chosen for _, _, chosen in views.openings(mary)} == {None}


# ---- Whom the box can name


def test_people_who_have_submitted_are_known_by_names_and_nobody_else_is(ann: Actor, olive: Actor, database: Database) -> None:
    assert views.people(ann) == {}
    with database.connect() as connection:
        connection.execute("UPDATE biller_configs SET is_active = true")
    lookups.ask(olive, "LWB_POSTPAID", "70000001")
    assert views.people(ann) == {olive.id: Person("olive", "Olive")}
    assert views.named({"LWB_POSTPAID": "Lilongwe Water Board"}, Known({}, views.people(ann))) == {
        "LWB_POSTPAID": "Lilongwe Water Board",
        str(olive.id): "Olive",
    }
