"""Guessing a password, guessing who exists, and asking for what is somebody else's by its address."""

import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import bcrypt
import pytest

from core.access import Actor
from core.errors import BillersError, NotFound
from core.security import passwords
from core.services import bulk, drafts, exports, payments, people, receipts, scope, transactions, views
from core.services.asked import Asked
from core.services.denials import DENIALS
from core.services.exports import Profile
from core.services.people import SignInRefused, TooManyTries
from core.ui.sign_in import Attempts, SignInForm
from tests.attacks.report import ControlFired, Refused
from tests.pages.conftest import LWB, Till, said, sit_down, switch_on  # noqa: F401 - fixtures
from tests.people.test_staff import written
from tests.world import PASSWORD, AddPerson, Database

SitDown = Callable[..., Till]

# A list of guesses as a guesser brings one, the right word far down in it.
GUESSES = [f"guess-number-{number}" for number in range(40)] + [PASSWORD]

ELSEWHERE = "203.0.113.9"


def guess(username: str, words: list[str], address: str | None = ELSEWHERE) -> str | None:
    """The first word that opens the door, or None."""
    for word in words:
        with suppress(SignInRefused, TooManyTries):
            people.sign_in(username, word, address)
            return word
    return None


@pytest.mark.attack("brute-force")
def test_a_list_of_passwords_finds_none_however_it_is_sent(
    database: Database, add_person: AddPerson, monkeypatch: pytest.MonkeyPatch, control_fired: ControlFired, refused: Refused
) -> None:
    add_person("operator", username="grace")
    with monkeypatch.context() as off:
        off.setattr(people, "THROTTLES", ())
        assert guess("grace", GUESSES) == PASSWORD
    control_fired("without the throttle the forty-first guess is the password")

    with database.connect() as connection:
        connection.execute("DELETE FROM sign_in_attempts")
    assert guess("grace", GUESSES) is None
    refused("after five wrong guesses the right one opens nothing either", record="sign_in.throttled in the record")
    # From another address, under another spelling of the name.
    assert guess("GRACE ", [PASSWORD], "198.51.100.1") is None
    refused("another address and another spelling of the name do not help")
    assert {entry["because"] for entry in written(database, "sign_in.refused")} == {"password"}
    assert written(database, "sign_in.throttled")


@pytest.mark.attack("brute-force")
def test_guesses_that_are_sent_at_once_are_counted_as_many(
    database: Database, add_person: AddPerson, monkeypatch: pytest.MonkeyPatch, control_fired: ControlFired, refused: Refused
) -> None:
    add_person("operator", username="grace")
    looked_at: list[str] = []
    matches = passwords.matches

    def counted(password: str, password_hash: str) -> bool:
        looked_at.append(password)
        return matches(password, password_hash)

    monkeypatch.setattr(passwords, "matches", counted)

    def all_at_once() -> int:
        looked_at.clear()
        together = threading.Barrier(12)

        def one(number: int) -> None:
            together.wait()
            with suppress(BillersError):
                people.sign_in("grace", f"guess-number-{number}", ELSEWHERE)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(looked_at)

    with monkeypatch.context() as off:
        # A throttle that counts a try once it has failed: whoever looks at the same moment sees the same count.
        off.setattr(people.People, "wait_in_line", lambda *_: None)
        off.setattr(people, "THROTTLES", ())
        assert all_at_once() == 12
    control_fired("where tries are not counted before they are looked at, twelve at once are twelve looks")

    with database.connect() as connection:
        connection.execute("DELETE FROM sign_in_attempts")
    assert all_at_once() == 5
    refused("of twelve at once five are looked at, as one after the other")


@pytest.mark.attack("brute-force")
def test_many_names_from_one_address_are_one_guesser(
    database: Database, add_person: AddPerson, monkeypatch: pytest.MonkeyPatch, control_fired: ControlFired, refused: Refused
) -> None:
    add_person("operator", username="grace")
    monkeypatch.setattr(passwords, "DUMMY_HASH", bcrypt.hashpw(b"nobody", bcrypt.gensalt(4)).decode())

    def spray() -> str | None:
        for number in range(30):
            guess(f"somebody-{number}", [PASSWORD])
        return guess("grace", [PASSWORD])

    with monkeypatch.context() as off:
        off.setattr(people, "THROTTLES", people.THROTTLES[:1])
        assert spray() == PASSWORD
    control_fired("where only names are counted, one password is tried on everybody")

    with database.connect() as connection:
        connection.execute("DELETE FROM sign_in_attempts")
    assert spray() is None
    refused("the address waits after thirty names", record="sign_in.throttled in the record")
    assert written(database, "sign_in.throttled")


# ---- Who exists, told by time


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The cost of each bcrypt check that is made: what the time of an answer is made of."""
    made: list[int] = []
    check = bcrypt.checkpw

    def counted(password: bytes, password_hash: bytes) -> bool:
        made.append(int(password_hash.split(b"$")[2]))
        return check(password, password_hash)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    return made


def at_full_cost(database: Database, username: str) -> None:
    """As a password that somebody set: tests' own are cheap."""
    with database.connect() as connection:
        connection.execute("UPDATE users SET password_hash = %s WHERE username = %s", (passwords.hash_of(PASSWORD), username))


@pytest.mark.attack("time-enumeration")
def test_an_unknown_name_a_disabled_one_and_a_wrong_password_cost_the_same_check(
    database: Database, add_person: AddPerson, checks: list[int], monkeypatch: pytest.MonkeyPatch, control_fired: ControlFired, refused: Refused
) -> None:
    add_person("operator", username="grace")
    add_person("operator", username="chisomo")
    at_full_cost(database, "grace")
    with database.connect() as connection:
        connection.execute("UPDATE users SET disabled_at = now() WHERE username = 'chisomo'")

    def told(username: str) -> tuple[list[int], str]:
        checks.clear()
        with pytest.raises(SignInRefused) as caught:
            people.sign_in(username, "not the word", None)
        return list(checks), caught.value.sentence

    with monkeypatch.context() as off:
        # What most do first: look the name up, and say no at once where there is none.
        off.setattr(passwords, "matches", lambda word, kept: kept != passwords.DUMMY_HASH and bcrypt.checkpw(word.encode(), kept.encode()))
        assert (told("grace")[0], told("nobody")[0]) == ([12], [])
    control_fired("where an unknown name is turned away without a check, a known one is told by a quarter of a second")

    assert told("grace") == told("nobody") == told("chisomo") == ([12], told("grace")[1])
    refused("each costs one bcrypt check at cost 12, and says the same sentence")


@pytest.mark.attack("time-enumeration")
def test_the_form_on_the_page_makes_the_same_checks(
    database: Database, add_person: AddPerson, checks: list[int], control_fired: ControlFired, refused: Refused
) -> None:
    add_person("operator", username="grace")
    at_full_cost(database, "grace")

    def asked(username: str, table: Any) -> list[int]:
        checks.clear()
        form = SignInForm(table)
        form.authentication_controller.authentication_model.check_credentials(username, "not the word")
        return list(checks)

    known = {"grace": {"password": passwords.hash_of(PASSWORD), "name": "", "failed_login_attempts": 0}}
    assert (asked("grace", known), asked("nobody", known)) == ([12], [])
    control_fired("the library's own table of users makes no check for a name that is not in it")

    assert asked("grace", Attempts(None)) == asked("nobody", Attempts(None)) == [12]
    refused("ours has every name in it, and each costs the same check")


# ---- What is somebody else's, by its address


@pytest.fixture
def others(sit_down: SitDown) -> tuple[Till, uuid.UUID]:  # noqa: F811
    """A payment of Grace's to the water board, and a till of somebody who is there for the medical aid society only."""
    grace = sit_down("operator", "Grace Banda")
    paid = grace.pay()
    other = sit_down("operator", "Chisomo Moyo")
    other.actor = replace(other.actor, billers=frozenset({"MASM"}))
    return other, paid


@pytest.mark.attack("idor")
def test_a_payment_of_another_biller_is_not_there_by_its_address(
    others: tuple[Till, uuid.UUID], database: Database, control_fired: ControlFired, refused: Refused
) -> None:
    other, paid = others
    limited, other.actor = other.actor, replace(other.actor, billers=None)
    assert "70000001" in said(other.open("transactions", id=str(paid)))
    control_fired("somebody who is limited to nothing reads the payment by its id")

    other.actor = limited
    DENIALS.forget()
    told = said(other.open("transactions", id=str(paid)))
    assert "There is no transaction under this reference" in told
    assert "70000001" not in told
    nowhere = said(other.open("transactions", id=str(uuid.uuid4())))
    assert "There is no transaction under this reference" in nowhere
    refused("its page says what that of an id says that never was", record="access.denied in the record")
    assert [entry["biller"] for entry in written(database, "access.denied")] == [LWB]


@pytest.mark.attack("idor")
def test_no_act_on_a_payment_of_another_biller_is_done_by_its_id(
    others: tuple[Till, uuid.UUID], monkeypatch: pytest.MonkeyPatch, control_fired: ControlFired, refused: Refused
) -> None:
    other, paid = others
    manager = replace(other.actor, permissions=other.actor.permissions | {"transactions:cancel"})
    reached: list[str] = []
    acts: dict[str, Callable[[Actor], object]] = {
        "read": lambda actor: transactions.find(actor, paid),
        "story": lambda actor: transactions.story(actor, paid),
        "receipt": lambda actor: receipts.print_receipt(actor, paid),
        "check": lambda actor: payments.check_now(actor, paid),
        "retry": lambda actor: payments.retry(actor, paid),
        "bulk": lambda actor: bulk.dry_run(actor, bulk.BulkKind.CANCEL, bulk.Selection((paid,))),
        "cancel": lambda actor: payments.cancel(actor, paid),
    }

    def try_all() -> list[str]:
        reached.clear()
        for name, act in acts.items():
            try:
                act(manager)
            except NotFound:
                continue
            except BillersError:
                pass
            reached.append(name)
        return list(reached)

    assert try_all() == []
    refused("reading, printing, asking, retrying and cancelling find nothing", record="access.denied in the record")

    with monkeypatch.context() as off:
        off.setattr(Actor, "serves", lambda _self, _biller: True)
        off.setattr(scope, "theirs", lambda _actor, rows, _of="": list(rows))
        off.setattr(bulk, "theirs", lambda _actor, rows, _of="": list(rows))
        assert try_all() == list(acts)
    control_fired("where nobody asks whose biller it is, each act reaches the payment by its id, and it is cancelled")


@pytest.mark.attack("idor")
def test_what_is_one_persons_own_is_nobody_elses_by_its_id(
    sit_down: SitDown,  # noqa: F811
    database: Database,
    control_fired: ControlFired,
    refused: Refused,
) -> None:
    grace, mallory = sit_down("manager", "Grace Banda").actor, sit_down("analyst", "Mallory").actor
    operator = sit_down("operator", "Chisomo").actor
    taken = exports.begin(grace, Asked(), Profile.DATA)
    taken.end()
    draft = drafts.begin(grace, {"biller": LWB}).id
    view = views.save(grace, "Mine", Asked(search="70000001"))
    assert exports.kept(grace, taken.id)
    assert drafts.find(grace, draft)
    views.rename(grace, view, "Mine still")
    control_fired("its owner opens each by the very id that somebody else tries")

    for act in (
        lambda: exports.kept(mallory, taken.id),
        lambda: exports.cancel(mallory, taken.id),
        lambda: drafts.find(operator, draft),
        lambda: drafts.save(operator, draft, {"amount": "1"}),
        lambda: payments.submit(operator, draft),
        lambda: views.rename(mallory, view, "Theirs"),
        lambda: views.delete(mallory, view),
    ):
        with pytest.raises(NotFound):
            act()
    refused("export, draft and view of somebody else are not there, by whatever act")
