"""Getting in: the throttle, the ticket, the session, and every way in which one ends."""

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from core.access import SYSTEM
from core.security import passwords
from core.services import people, staff
from core.services.people import NotThisTicket, SignInRefused, TooManyTries
from tests.world import PASSWORD, AddPerson, Database, SetEnvironment

ADDRESS = "192.0.2.1"


@pytest.fixture(autouse=True)
def quick_dummy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of a second for each unknown name would be most of these tests' time."""
    monkeypatch.setattr(passwords, "DUMMY_HASH", "$2b$04$FyXwfb9RaJwC9gAw75Fze..thvWJC8.vVCbqWldBPRAPRn.SGT0EO")


def sign_in(username: str = "grace", password: str = PASSWORD, address: str | None = ADDRESS) -> str:
    """All the way in; returns the token."""
    return people.redeem(people.sign_in(username, password, address), address, "a browser")


def later(database: Database, minutes: float) -> None:
    """As if everything so far had happened that much earlier."""
    with database.connect() as connection:
        for table, columns in {
            "user_sessions": ("created_at", "last_seen_at", "expires_at"),
            "sign_in_tickets": ("expires_at",),
            "sign_in_attempts": ("at",),
        }.items():
            changes = ", ".join(f"{column} = {column} - make_interval(secs => {minutes * 60})" for column in columns)
            connection.execute(f"UPDATE {table} SET {changes}")


def audited(database: Database) -> list[str]:
    with database.connect() as connection:
        return [action for (action,) in connection.execute("SELECT action FROM audit_entries WHERE action NOT LIKE 'biller%' ORDER BY seq")]


def test_the_right_password_leads_to_a_session_that_knows_who_it_is(database: Database, add_person: AddPerson) -> None:
    grace = add_person("operator", username="grace", display_name="Grace Banda")
    actor = people.actor_of(sign_in())
    assert actor is not None
    assert (actor.id, actor.username, actor.display_name, actor.role, actor.address) == (grace.id, "grace", "Grace Banda", "operator", ADDRESS)
    assert actor.may("transactions:pay")
    assert not actor.may("transactions:cancel")
    assert audited(database) == ["session.opened"]


def test_the_name_is_the_same_whatever_its_case(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="Grace")
    assert people.actor_of(sign_in(" gRACE ")) is not None


@pytest.mark.parametrize(
    ("username", "password"), [("grace", "wrong"), ("grace", ""), ("nobody", PASSWORD), ("", ""), ("x" * 5000, "y" * 5000), ("a\0b", "c\0d")]
)
def test_a_refusal_says_the_same_whatever_was_wrong(database: Database, add_person: AddPerson, username: str, password: str) -> None:
    add_person("operator", username="grace")
    with pytest.raises(SignInRefused) as refused:
        people.sign_in(username, password, ADDRESS)
    assert refused.value.sentence == "The user name, the password or the code is not right. Check them and try again."
    assert audited(database) == ["sign_in.refused"]


def test_nothing_of_a_secret_is_stored(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    ticket = people.sign_in("grace", PASSWORD, ADDRESS)
    token = people.redeem(ticket, ADDRESS, None)
    with database.connect() as connection:
        tables = [name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        for table in tables:
            for (row,) in connection.execute(f'SELECT t::text FROM "{table}" t'):
                for secret in (ticket, token, PASSWORD):
                    assert secret not in row
                    assert secret.encode().hex() not in row


# Tickets.


def test_a_ticket_works_once(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    ticket = people.sign_in("grace", PASSWORD, ADDRESS)
    people.redeem(ticket, ADDRESS, None)
    with pytest.raises(NotThisTicket):
        people.redeem(ticket, ADDRESS, None)


def test_of_many_who_hold_the_ticket_one_gets_in(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    ticket = people.sign_in("grace", PASSWORD, ADDRESS)
    tokens: list[str] = []

    def try_it() -> None:
        with suppress(NotThisTicket):
            tokens.append(people.redeem(ticket, ADDRESS, None))

    at_once(try_it, 8)
    assert len(tokens) == 1


def test_a_ticket_lasts_a_minute(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    ticket = people.sign_in("grace", PASSWORD, ADDRESS)
    later(database, 1.1)
    with pytest.raises(NotThisTicket):
        people.redeem(ticket, ADDRESS, None)


def test_a_made_up_ticket_is_none(database: Database) -> None:
    for ticket in ("", "x", "a" * 10_000):
        with pytest.raises(NotThisTicket):
            people.redeem(ticket, ADDRESS, None)


def test_a_try_is_one_way_in(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    attempt = people.begin_try("grace", ADDRESS)
    people.conclude_try(attempt, matched=True)
    with pytest.raises(SignInRefused):
        people.conclude_try(attempt, matched=True)


def test_an_unknown_name_gets_in_nowhere_even_if_its_check_said_yes(database: Database) -> None:
    with pytest.raises(SignInRefused):
        people.conclude_try(people.begin_try("nobody", ADDRESS), matched=True)


# The throttle.


def at_once(act: Callable[[], None], count: int) -> None:
    threads = [threading.Thread(target=act) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def fail(username: str = "grace", times: int = 1, address: str | None = ADDRESS) -> None:
    for _ in range(times):
        with pytest.raises(SignInRefused):
            people.sign_in(username, "wrong", address)


def test_after_five_failures_a_name_waits_a_quarter_of_an_hour_and_no_longer(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    fail(times=5)
    for address in (ADDRESS, "198.51.100.7", None):
        with pytest.raises(TooManyTries, match="Wait 15 minutes"):
            people.sign_in("Grace", PASSWORD, address)
    later(database, 14)
    with pytest.raises(TooManyTries, match="Wait 1 minute,"):
        sign_in()
    later(database, 1.1)
    assert people.actor_of(sign_in()) is not None


def test_an_unknown_name_waits_just_the_same(database: Database) -> None:
    fail("nobody", times=5)
    with pytest.raises(TooManyTries):
        people.sign_in("nobody", PASSWORD, ADDRESS)


def test_getting_in_starts_the_count_anew(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    for _ in range(3):
        fail(times=4)
        sign_in()


def test_an_address_that_tries_many_names_waits(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    for number in range(30):
        fail(f"name-{number}")
    with pytest.raises(TooManyTries):
        sign_in()
    assert people.actor_of(sign_in(address="198.51.100.7")) is not None


def test_many_guesses_at_once_are_many_guesses(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    outcomes: list[type[Exception]] = []

    def guess() -> None:
        try:
            people.sign_in("grace", "wrong", ADDRESS)
        except (SignInRefused, TooManyTries) as error:
            outcomes.append(type(error))

    at_once(guess, 20)
    assert (outcomes.count(SignInRefused), outcomes.count(TooManyTries)) == (5, 15)


def test_waiting_is_not_made_longer_by_trying(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    fail(times=5)
    for _ in range(3):
        later(database, 4)
        with pytest.raises(TooManyTries):
            sign_in()
    later(database, 3.1)
    assert people.actor_of(sign_in()) is not None
    assert audited(database).count("sign_in.throttled") == 3


def test_a_new_password_ends_the_waiting(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="Grace")
    fail(times=5)
    staff.give_password(SYSTEM, staff.find(SYSTEM, "grace").id, "another-lantern-violet")
    assert people.actor_of(sign_in(password="another-lantern-violet")) is not None


# Sessions.


def test_a_session_left_alone_for_half_an_hour_is_over(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    token = sign_in()
    later(database, 29)
    assert people.actor_of(token) is not None
    later(database, 29)
    assert people.actor_of(token) is not None
    later(database, 31)
    assert people.actor_of(token) is None


def test_a_page_that_asks_by_itself_keeps_nobody_signed_in(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    token = sign_in()
    later(database, 29)
    assert people.actor_of(token, touch=False) is not None
    later(database, 2)
    assert people.actor_of(token) is None


def test_a_session_ends_after_twelve_hours_however_busy(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    token = sign_in()
    for _ in range(28):
        later(database, 25)
        assert people.actor_of(token) is not None
    later(database, 21)
    assert people.actor_of(token) is None


def test_being_seen_is_written_at_most_once_a_minute(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    token = sign_in()

    def seen() -> object:
        with database.connect() as connection:
            return connection.execute("SELECT last_seen_at FROM user_sessions").fetchone()

    first = seen()
    people.actor_of(token)
    assert seen() == first
    later(database, 1.1)
    people.actor_of(token)
    assert seen() != first


def test_signing_out_ends_the_session_everywhere_at_once(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    token, other = sign_in(), sign_in()
    people.sign_out(token)
    assert people.actor_of(token) is None
    assert people.actor_of(other) is not None
    people.sign_out(token)
    assert audited(database).count("session.ended") == 1


def test_no_token_and_a_made_up_one_are_nobody(database: Database) -> None:
    for token in (None, "", "x", "a" * 10_000, "\0"):
        assert people.actor_of(token) is None


def test_disabling_somebody_ends_their_sessions_and_tickets_at_once(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    token, ticket = sign_in(), people.sign_in("grace", PASSWORD, ADDRESS)
    staff.disable(SYSTEM, staff.find(SYSTEM, "Grace").id)
    assert people.actor_of(token) is None
    with pytest.raises(NotThisTicket):
        people.redeem(ticket, ADDRESS, None)
    with pytest.raises(SignInRefused):
        people.sign_in("grace", PASSWORD, ADDRESS)


def test_somebody_disabled_while_their_password_was_checked_does_not_get_in(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    attempt = people.begin_try("grace", ADDRESS)
    staff.disable(SYSTEM, staff.find(SYSTEM, "grace").id)
    with pytest.raises(SignInRefused):
        people.conclude_try(attempt, matched=True)


def test_a_new_password_ends_the_sessions_of_the_old_one(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    token = sign_in()
    staff.give_password(SYSTEM, staff.find(SYSTEM, "grace").id, "another-lantern-violet")
    assert people.actor_of(token) is None
    fail()


def test_a_changed_role_counts_at_once(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    token = sign_in()
    with database.connect() as connection:
        connection.execute("UPDATE users SET role = 'analyst' WHERE username = 'grace'")
    actor = people.actor_of(token)
    assert actor is not None
    assert not actor.may("transactions:pay")


# The sandbox's people.


def test_the_sandboxs_people_are_nobody_outside_sandbox_mode(database: Database, add_person: AddPerson, set_environment: SetEnvironment) -> None:
    set_environment(billers_sandbox="true")
    add_person("manager", username="mphatso", sandbox=True)
    token, ticket = sign_in("mphatso"), people.sign_in("mphatso", PASSWORD, ADDRESS)
    assert people.actor_of(token) is not None
    set_environment(billers_sandbox="false")
    assert people.actor_of(token) is None
    with pytest.raises(NotThisTicket):
        people.redeem(ticket, ADDRESS, None)
    with pytest.raises(SignInRefused):
        people.sign_in("mphatso", PASSWORD, ADDRESS)
    with pytest.raises(SignInRefused):
        people.ticket_for_sandbox_person("mphatso", ADDRESS)


def test_one_click_is_for_the_sandboxs_own_people_only(database: Database, add_person: AddPerson, set_environment: SetEnvironment) -> None:
    set_environment(billers_sandbox="true")
    add_person("manager", username="mphatso", sandbox=True)
    add_person("manager", username="real")
    assert people.actor_of(people.redeem(people.ticket_for_sandbox_person("mphatso", ADDRESS), ADDRESS, None)) is not None
    for username in ("real", "nobody"):
        with pytest.raises(SignInRefused):
            people.ticket_for_sandbox_person(username, ADDRESS)


def test_old_tries_and_tickets_are_forgotten(database: Database, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    sign_in()
    assert people.forget_old() == 0
    later(database, 31 * 24 * 60)
    assert people.forget_old() == 2
