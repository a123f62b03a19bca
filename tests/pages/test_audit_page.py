"""The audit on the screen: what was done is found, shown with before and after, and the chain over it is verified."""

import pytest

import core.db
from core.access import SYSTEM, Actor
from core.security import audit
from core.services import audit_checks
from core.services.audit import seal_all
from tests.pages.conftest import Till, button, said
from tests.world import AddPerson, Database


@pytest.fixture
def manager(database: Database, add_person: AddPerson, monkeypatch: pytest.MonkeyPatch) -> Till:
    return Till(add_person("manager", username="mphatso"), monkeypatch)


def write(actor: Actor, action: str, kind: str, which: object, **details: object) -> int:
    with core.db.unit_of_work() as session:
        audit.record(session, actor, action, kind, which, **details)
    with core.db.unit_of_work() as session:
        return session.execute(core.db.text("SELECT max(seq) FROM audit_entries")).scalar_one()


def listed(till: Till, **address: object) -> list[tuple[str, ...]]:
    """Who, what and about of each row that the list shows."""
    frame = till.open("audit", **address).dataframe[0].value
    return list(zip(frame["Who"], frame["What"], frame["About"], strict=True))


def test_the_newest_stands_first_and_names_are_those_that_people_use(manager: Till, add_person: AddPerson) -> None:
    grace = add_person("operator", username="grace")
    write(SYSTEM, "user.disabled", "user", grace.id)
    write(grace, "thing.done", "thing", "7")
    assert listed(manager)[:2] == [("grace", "Thing: done", "thing 7"), ("system", "Disabled a person", "user grace")]


def test_the_box_finds_by_person_act_object_address_day_and_word(manager: Till, add_person: AddPerson) -> None:
    grace = add_person("operator", username="Grace")
    write(grace, "token.revealed", "transaction", "T1", reason="the customer lost the slip")
    write(manager.actor, "token.revealed", "transaction", "T2", reason="100% sure")
    write(SYSTEM, "breaker.opened", "biller_type", "LWB_POSTPAID")
    for line, found in {
        "who:grace": ["T1"],
        "action:token": ["T2", "T1"],
        "action:token.revealed who:mphatso": ["T2"],
        "about:transaction:T1": ["T1"],
        "from:127.0.0.1 action:token since:today": ["T2", "T1"],
        "action:token slip": ["T1"],
        'action:token "lost the"': ["T1"],
        "100%": ["T2"],
        "about:biller_type": ["LWB_POSTPAID"],
    }.items():
        assert [about.split()[-1] for _, _, about in listed(manager, q=line)] == found, line


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("wo:grace", "Did you mean “who:”?"),
        ("action:tokens.reveald", "Nothing on the record is called so."),
        ("since:soon", "“since:soon”"),
        ('"open', "the quotation mark is opened and not closed"),
        ("about:user:a about:user:b", "asked for twice"),
    ],
)
def test_what_is_not_understood_is_told_and_nothing_is_shown_by_half_a_filter(manager: Till, line: str, answer: str) -> None:
    write(SYSTEM, "token.revealed", "transaction", "T1")
    window = manager.open("audit", q=line)
    assert answer in said(window)
    assert not window.dataframe


def test_nothing_found_says_what_to_do(manager: Till) -> None:
    window = manager.open("audit", q="who:nobody")
    assert "Nothing on the record is like that." in said(window)


def test_pages_lead_to_older_entries_and_back(manager: Till) -> None:
    for number in range(120):
        write(SYSTEM, "thing.done", "thing", number)
    window = manager.open("audit", q="action:thing")
    shown = [list(window.dataframe[0].value["About"])]
    for step in ("Older", "Older", "Newer", "Newer"):
        button(window, step).click().run()
        shown.append(list(window.dataframe[0].value["About"]))
    expected = [f"thing {number}" for number in range(119, -1, -1)]
    assert shown == [expected[:50], expected[50:100], expected[100:], expected[50:100], expected[:50]]


def test_an_object_shows_what_was_done_to_it(manager: Till, add_person: AddPerson) -> None:
    grace = add_person("operator", username="grace")
    write(SYSTEM, "user.disabled", "user", grace.id)
    write(SYSTEM, "thing.done", "thing", grace.id)
    window = manager.open("audit", subject=f"user:{grace.id}")
    assert window.title[0].value == "User grace"
    assert list(window.dataframe[0].value["What"]) == ["Disabled a person"]


def test_an_entry_shows_before_and_after_and_a_secret_only_as_changed(manager: Till) -> None:
    seq = write(
        SYSTEM,
        "biller.changed",
        "biller",
        "11111111-0000-7000-8000-000000000001",
        version=4,
        changes={
            "base_url": {"before": "https://old.example", "after": "https://new.example"},
            "authentication.password": {"before": "kachasu", "after": "zikomo"},
        },
    )
    window = manager.open("audit", entry=str(seq))
    shown = " ".join(str(table.value.to_dict()) for table in window.table).replace("\\", "").replace("\N{WORD JOINER}", "")
    assert "old.example" in shown
    assert "new.example" in shown
    assert "changed" in shown
    assert "kachasu" not in shown
    assert "zikomo" not in shown
    assert "Version" in shown


def test_an_entry_that_is_not_there_is_told_so(manager: Till) -> None:
    assert "There is no entry 999,999" in said(manager.open("audit", entry="999999"))


def test_what_others_wrote_stays_text(manager: Till) -> None:
    seq = write(SYSTEM, "thing.done", "thing", "1", reason="**bold** [a](javascript:alert(1)) <b>x</b>")
    window = manager.open("audit", entry=str(seq))
    assert r"\*\*bold\*\*" in str(window.table[-1].value.to_dict()).replace("\\\\", "\\")


def test_verify_tells_that_the_record_is_whole_and_then_that_it_is_not(manager: Till, database: Database) -> None:
    seqs = [write(SYSTEM, "thing.done", "thing", number) for number in range(5)]
    seal_all()
    told = verified(manager)
    assert "The record is whole" in told
    with database.connect() as connection:
        connection.execute("ALTER TABLE audit_entries DISABLE TRIGGER USER")
        connection.execute("UPDATE audit_entries SET actor_name = 'nobody' WHERE seq = %s", (seqs[2],))
        connection.execute("ALTER TABLE audit_entries ENABLE TRIGGER USER")
    told = verified(manager)
    assert "The record was tampered with" in told
    assert f"audit_entries row {seqs[2]:,}" in told
    with database.connect() as connection:
        entries = connection.execute("SELECT actor_name, details->>'whole' FROM audit_entries WHERE action = 'audit.verified' ORDER BY seq").fetchall()
    assert entries == [("mphatso", "true"), ("mphatso", "false")]


def verified(till: Till) -> str:
    """What the page says once the verification that it began is over."""
    window = till.open("audit")
    button(window, "Verify").click().run()
    check = audit_checks.standing(till.actor)
    assert check is not None
    check.wait(60)
    return said(window.run())
