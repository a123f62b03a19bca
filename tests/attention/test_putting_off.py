"""Putting off: for a while, with a reason, on the record; it hides nothing, ends by itself, and ends earlier where it has become worse."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core import clock
from core.access import SYSTEM, Actor
from core.errors import BadInput, NotAllowed, NotFound, NotLegalNow
from core.ids import new_id
from core.models.attention import Grade, Kind
from core.services import attention, statistics
from core.services.attention import LENGTHS, Worse
from core.services.statistics import DOUBT_AGES
from core.ui.attention import concerns
from tests.attention.conftest import LWB, found, sql
from tests.statistics.conftest import Book
from tests.world import AddPerson

QUARTER, HOUR, FOUR_HOURS, DAY, THREE_DAYS = LENGTHS
REASON = "The biller is telephoned, and calls back."
YOUNG = timedelta(minutes=1)


def in_doubt(book: Book, count: int = 1, age: timedelta = YOUNG, biller: str = LWB) -> None:
    for _ in range(count):
        book.unsettled(clock.now() - age, "PAY_UNKNOWN", "PROCESSING", biller=biller)


def pause(book: Book, biller: str = LWB) -> None:
    sql(book.connection, "UPDATE biller_configs SET is_active = true, paused_at = clock_timestamp(), paused_reason = 'x' WHERE biller_type = %s", biller)


def resume(book: Book) -> None:
    sql(book.connection, "UPDATE biller_configs SET paused_at = NULL, paused_reason = NULL")


def age_put_offs(book: Book, by: timedelta) -> None:
    """So long ago was it put off: what was to last less is over."""
    sql(book.connection, "UPDATE put_offs SET put_off_at = put_off_at - %s, until = until - %s", by, by)


def test_what_is_put_off_says_by_whom_until_when_and_why_and_is_still_there(book: Book, manager: Actor, colleague: Actor) -> None:
    in_doubt(book, 2)
    attention.put_off(manager, found(manager)[Kind.IN_DOUBT], FOUR_HOURS, REASON)
    told = found(colleague)[Kind.IN_DOUBT]
    assert told.is_away
    assert told.put_off is not None
    assert (told.put_off.by, told.put_off.reason, told.put_off.until - told.put_off.at) == ("Grace Banda", REASON, FOUR_HOURS)
    seen = statistics.attention(colleague)
    (line,) = [one for one in concerns(seen, put_off=attention.away(colleague, seen)) if one.finding.kind is Kind.IN_DOUBT]
    assert (line.what, line.came_back) == ("2 payments in doubt.", "")


def test_it_comes_back_when_its_time_is_over_and_can_be_put_off_again(book: Book, manager: Actor) -> None:
    in_doubt(book, age=DAY)
    attention.put_off(manager, found(manager)[Kind.IN_DOUBT], QUARTER, REASON)
    age_put_offs(book, timedelta(minutes=14))
    assert found(manager)[Kind.IN_DOUBT].is_away
    age_put_offs(book, timedelta(minutes=1))
    again = found(manager)[Kind.IN_DOUBT]
    assert (again.put_off, again.worse) == (None, None)
    attention.put_off(manager, again, HOUR, REASON)
    assert found(manager)[Kind.IN_DOUBT].is_away
    assert sql(book.connection, "SELECT count(*), count(ended_at), count(ended_by) FROM put_offs") == [(2, 1, 0)]


def test_it_comes_back_earlier_where_there_are_more_and_says_so(book: Book, manager: Actor) -> None:
    in_doubt(book, 2)
    attention.put_off(manager, found(manager)[Kind.IN_DOUBT], FOUR_HOURS, REASON)
    in_doubt(book)
    back = found(manager)[Kind.IN_DOUBT]
    assert (back.is_away, back.worse) == (False, Worse.MORE)
    seen = statistics.attention(manager)
    (line,) = [one for one in concerns(seen, put_off=attention.away(manager, seen)) if one.finding.kind is Kind.IN_DOUBT]
    assert line.came_back.startswith("Grace Banda had put it off until ")
    assert line.came_back.endswith("there are more of them: 2 then, 3 now.")
    attention.put_off(manager, back, FOUR_HOURS, REASON)
    assert found(manager)[Kind.IN_DOUBT].is_away


def test_fewer_are_no_reason_to_come_back(book: Book, manager: Actor) -> None:
    in_doubt(book, 2)
    attention.put_off(manager, found(manager)[Kind.IN_DOUBT], FOUR_HOURS, REASON)
    sql(book.connection, "ALTER TABLE transactions DISABLE TRIGGER USER")
    sql(book.connection, "DELETE FROM transactions WHERE id = (SELECT id FROM transactions LIMIT 1)")
    assert found(manager)[Kind.IN_DOUBT].is_away


def test_it_comes_back_earlier_where_it_became_more_serious(book: Book, manager: Actor) -> None:
    in_doubt(book)
    young = found(manager)[Kind.IN_DOUBT]
    assert young.grade is Grade.NOTE
    attention.put_off(manager, young, FOUR_HOURS, REASON)
    sql(book.connection, "ALTER TABLE transactions DISABLE TRIGGER USER")
    sql(book.connection, "UPDATE transactions SET created_at = created_at - %s", DOUBT_AGES[0])
    assert found(manager)[Kind.IN_DOUBT].worse is Worse.GRAVER


def test_it_comes_back_where_all_of_it_began_anew(book: Book, manager: Actor) -> None:
    pause(book)
    attention.put_off(manager, found(manager)[Kind.PAUSED], DAY, REASON)
    assert found(manager)[Kind.PAUSED].is_away
    resume(book)
    assert found(manager) == {}
    pause(book)
    assert found(manager)[Kind.PAUSED].worse is Worse.NEWER


@pytest.mark.parametrize("stage", [Kind.UNDER_REVIEW, Kind.NO_WORKER])
def test_where_money_may_be_lost_an_hour_is_the_longest(book: Book, manager: Actor, stage: Kind) -> None:
    book.unsettled(clock.now(), "REVIEW", "PROCESSING")
    shown = next(one for one in attention.findings(statistics.attention(manager)) if one.kind is stage)
    assert shown.lengths == (QUARTER, HOUR)
    with pytest.raises(BadInput, match="an hour at most"):
        attention.put_off(manager, shown, FOUR_HOURS, REASON)
    attention.put_off(manager, shown, HOUR, REASON)


def test_for_how_long_is_chosen_and_a_reason_is_given(book: Book, manager: Actor) -> None:
    in_doubt(book)
    shown = found(manager)[Kind.IN_DOUBT]
    for length in (timedelta(days=4), timedelta(0), timedelta(days=-1)):
        with pytest.raises(BadInput, match="from 15 minutes to 3 days"):
            attention.put_off(manager, shown, length, REASON)
    for reason in (None, "", "  x "):
        with pytest.raises(BadInput, match="A reason is needed"):
            attention.put_off(manager, shown, DAY, reason)
    attention.put_off(manager, shown, THREE_DAYS, REASON)


def test_it_is_taken_up_again_and_both_are_on_the_record(book: Book, manager: Actor, colleague: Actor) -> None:
    in_doubt(book)
    made = attention.put_off(manager, found(manager)[Kind.IN_DOUBT], DAY, REASON)
    attention.take_up(colleague, made)
    assert not found(manager)[Kind.IN_DOUBT].is_away
    acts = sql(book.connection, "SELECT actor_name, action, subject_id, details ->> 'reason' FROM audit_entries WHERE subject_type = 'concern' ORDER BY seq")
    assert acts == [(manager.username, "attention.put_off", "in_doubt/", REASON), (colleague.username, "attention.taken_up", "in_doubt/", None)]
    assert sql(book.connection, "SELECT ended_by FROM put_offs") == [(colleague.id,)]
    with pytest.raises(NotFound, match="somebody took it up"):
        attention.take_up(manager, made)
    with pytest.raises(NotFound):
        attention.take_up(manager, new_id())


def test_what_became_worse_since_it_was_shown_is_looked_at_first(book: Book, manager: Actor) -> None:
    in_doubt(book)
    shown = found(manager)[Kind.IN_DOUBT]
    in_doubt(book)
    with pytest.raises(NotLegalNow, match="become worse since you looked"):
        attention.put_off(manager, shown, DAY, REASON)
    assert not found(manager)[Kind.IN_DOUBT].is_away


def test_of_two_who_put_it_off_at_once_the_second_is_told_of_the_first(book: Book, manager: Actor, colleague: Actor) -> None:
    in_doubt(book)
    shown = found(manager)[Kind.IN_DOUBT]
    attention.put_off(manager, shown, DAY, REASON)
    with pytest.raises(NotLegalNow, match="Grace Banda put it off meanwhile"):
        attention.put_off(colleague, shown, THREE_DAYS, REASON)


def test_what_is_over_is_put_off_by_nobody(book: Book, manager: Actor) -> None:
    pause(book)
    shown = found(manager)[Kind.PAUSED]
    resume(book)
    with pytest.raises(NotFound, match="it is over"):
        attention.put_off(manager, shown, DAY, REASON)


@pytest.mark.parametrize(("role", "may"), [("manager", True), ("administrator", True), ("operator", False), ("analyst", False)])
def test_it_takes_a_manager_or_an_administrator(book: Book, add_person: AddPerson, role: str, may: bool) -> None:
    in_doubt(book)
    somebody = add_person(role)
    shown = found(somebody)[Kind.IN_DOUBT]
    if may:
        attention.take_up(somebody, attention.put_off(somebody, shown, DAY, REASON))
    else:
        for act in (lambda: attention.put_off(somebody, shown, DAY, REASON), lambda: attention.take_up(somebody, new_id())):
            with pytest.raises(NotAllowed, match="put off for a while"):
                act()


def test_a_person_puts_something_off_and_no_machine(book: Book) -> None:
    in_doubt(book)
    with pytest.raises(NotAllowed, match="not a machine"):
        attention.put_off(SYSTEM, found(SYSTEM)[Kind.IN_DOUBT], DAY, REASON)


# ---- Whose billers


def test_what_somebody_who_sees_one_biller_puts_off_is_put_off_for_whoever_sees_the_same(book: Book, manager: Actor, colleague: Actor) -> None:
    in_doubt(book)
    in_doubt(book, biller="MASM")
    own, other = replace(manager, billers=frozenset({LWB})), replace(colleague, billers=frozenset({"MASM"}))
    attention.put_off(own, found(own)[Kind.IN_DOUBT], DAY, REASON)
    assert found(replace(colleague, billers=frozenset({LWB})))[Kind.IN_DOUBT].is_away
    for somebody in (other, manager):
        assert not found(somebody)[Kind.IN_DOUBT].is_away
    assert attention.away(other, statistics.attention(other)) == []


def test_a_biller_that_is_not_ones_own_is_not_put_off_nor_taken_up(book: Book, manager: Actor, colleague: Actor) -> None:
    pause(book)
    other = replace(colleague, billers=frozenset({"MASM"}))
    shown = found(manager)[Kind.PAUSED]
    with pytest.raises(NotFound):
        attention.put_off(other, shown, DAY, REASON)
    made = attention.put_off(manager, shown, DAY, REASON)
    with pytest.raises(NotFound):
        attention.take_up(other, made)
    assert found(manager)[Kind.PAUSED].is_away


def test_what_is_about_all_billers_is_put_off_and_taken_up_by_somebody_who_sees_them_all(book: Book, manager: Actor, colleague: Actor) -> None:
    limited = replace(colleague, billers=frozenset({LWB}))

    def silent(actor: Actor) -> attention.Finding:
        return next(one for one in attention.findings(statistics.attention(actor)) if one.kind is Kind.NO_WORKER)

    with pytest.raises(NotAllowed, match="all billers"):
        attention.put_off(limited, silent(limited), HOUR, REASON)
    made = attention.put_off(manager, silent(manager), HOUR, REASON)
    with pytest.raises(NotAllowed, match="all billers"):
        attention.take_up(limited, made)
    assert [one.id for one in attention.away(limited, statistics.attention(limited))] == [made], "that it is put off stands before whoever it concerns"
