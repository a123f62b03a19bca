"""Proving again who one is, and the code beside the password."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from core import clock
from core.access import STEP_UP_LIFE, SYSTEM, Actor, needs
from core.cli import app
from core.db import unit_of_work
from core.errors import Misconfigured, NotAllowed, NotFound, ProveAgain
from core.repositories.proofs import Proofs
from core.security import totp
from core.security.vault import CannotOpen, ensure_ring
from core.services import approvals, configurations, people, proofs, reopening, second_factor, transactions
from core.services.people import SignInRefused, TooManyTries
from core.services.proofs import CannotBeSetUp, EnrolledAlready, NotEnrolled, ProofRefused, WrongFirstCode
from tests.world import PASSWORD, AddPerson, Database, statements

WRONG = "not-the-password-at-all"


@dataclass
class Person:
    """Somebody at a browser, with the app on their phone."""

    actor: Actor
    database: Database
    secret: bytes = b""
    recovery: tuple[str, ...] = ()

    def sql(self, statement: str, *arguments: object) -> list[tuple[object, ...]]:
        with self.database.connect() as connection:
            cursor = connection.execute(statement, arguments)
            return cursor.fetchall() if cursor.description else []

    def enrol(self) -> None:
        offered = proofs.offer(self.actor)
        self.secret = bytes(second_factor.secret_of(self._held()))
        assert totp.as_text(self.secret) == offered.secret
        self.recovery = tuple(proofs.confirm(self.actor, self.code()))

    def _held(self):  # type: ignore[no-untyped-def]
        with unit_of_work() as session:
            held = Proofs(session).held(self.actor.id)  # type: ignore[arg-type]
            session.expunge_all()
        assert held is not None
        return held

    def code(self, later: int = 0) -> str:
        """What the app shows; `later` half-minutes from now."""
        with unit_of_work() as session:
            return totp.code_of(self.secret, totp.step_at(Proofs(session).now()) + later)

    def forget_the_step(self) -> None:
        """As if the last code had been used a minute ago."""
        self.sql("UPDATE authenticators SET last_step = last_step - 2 WHERE user_id = %s", self.actor.id)

    def sign_in(self, password: str = PASSWORD, code: str | None = None) -> str:
        return people.redeem(people.sign_in(self.actor.username, password, "192.0.2.7", code), "192.0.2.7", None)

    def recorded(self, begins: str) -> list[tuple[object, ...]]:
        return self.sql("SELECT action, details FROM audit_entries WHERE action LIKE %s ORDER BY seq", f"{begins}%")


@pytest.fixture
def grace(add_person: AddPerson, database: Database) -> Person:
    ensure_ring()
    return Person(add_person("manager", username="grace"), database)


# ---- Proving again


def test_a_sign_in_is_a_proof_and_it_grows_old(grace: Person) -> None:
    token = grace.sign_in()
    actor = people.actor_of(token)
    assert actor is not None
    assert actor.proved_lately()
    grace.sql("UPDATE user_sessions SET proved_at = now() - %s", STEP_UP_LIFE)
    stale = people.actor_of(token)
    assert stale is not None
    assert not stale.proved_lately()
    proofs.prove(token, PASSWORD)
    again = people.actor_of(token)
    assert again is not None
    assert again.proved_lately()
    assert grace.recorded("proof.") == [("proof.given", {})]


def test_a_proof_is_of_one_session_and_not_of_another_browser(grace: Person) -> None:
    here, there = grace.sign_in(), grace.sign_in()
    grace.sql("UPDATE user_sessions SET proved_at = now() - %s", STEP_UP_LIFE)
    proofs.prove(here, PASSWORD)
    assert [actor.proved_lately() for actor in (people.actor_of(here), people.actor_of(there)) if actor] == [True, False]


def test_a_wrong_password_proves_nothing_and_counts_at_the_door(grace: Person) -> None:
    token = grace.sign_in()
    grace.sql("UPDATE user_sessions SET proved_at = now() - %s", STEP_UP_LIFE)
    for _ in range(5):
        with pytest.raises(ProofRefused):
            proofs.prove(token, WRONG)
    with pytest.raises(TooManyTries):
        proofs.prove(token, PASSWORD)
    with pytest.raises(TooManyTries):
        grace.sign_in()
    stale = people.actor_of(token)
    assert stale is not None
    assert not stale.proved_lately()
    assert grace.recorded("proof.") == [("proof.refused", {"because": "password"})] * 5


# What an open window left alone must not do. Whoever adds such an act adds it here.
FRESH = {
    approvals.approve,
    approvals.reject,
    approvals.propose_resolution,
    approvals.propose_reversal,
    approvals.propose_waiver,
    transactions.see_to,
    configurations.create,
    configurations.edit,
    configurations.activate,
    configurations.deactivate,
    configurations.pause,
    configurations.resume,
    configurations.forget_credentials,
    proofs.offer,
    proofs.confirm,
    proofs.remove,
    proofs.renew_recovery_codes,
    proofs.require_code,
    proofs.reset,
    reopening.sign_off,
}


@pytest.mark.parametrize("service", sorted(FRESH, key=lambda service: f"{service.__module__}.{service.__name__}"), ids=lambda service: service.__name__)
def test_an_act_with_weight_asks_for_a_fresh_proof_before_anything_else(service: Callable[..., object], grace: Person) -> None:
    allowed = replace(grace.actor, permissions=frozenset({service.needs}))  # type: ignore[attr-defined]
    for stale in (None, clock.now() - STEP_UP_LIFE - timedelta(seconds=1)):
        with pytest.raises(ProveAgain):
            service(replace(allowed, proved_at=stale))
    # A fresh one is let through to the act itself, which misses its arguments or finds nothing; the right is asked for first.
    with pytest.raises(NotAllowed):
        service(replace(allowed, permissions=frozenset(), proved_at=None))


def test_the_machines_operator_has_no_session_to_prove() -> None:
    @needs("billers:configure", fresh=True)
    def act(actor: Actor, /) -> str:
        return actor.username

    assert act(SYSTEM) == "system"
    with pytest.raises(ProveAgain):
        act(replace(SYSTEM, username="somebody"))


# ---- The code


def test_whoever_has_a_code_signs_in_with_it_and_not_without(grace: Person) -> None:
    grace.enrol()
    for code in (None, "", "000000", grace.code(5)):
        with pytest.raises(SignInRefused):
            grace.sign_in(code=code)
    assert people.actor_of(grace.sign_in(code=grace.code(1))) is not None


def test_a_code_is_typed_as_the_app_shows_it(grace: Person) -> None:
    grace.enrol()
    code = grace.code(1)
    assert people.actor_of(grace.sign_in(code=f" {code[:3]} {code[3:]} ")) is not None


def test_a_code_works_once_at_the_door_and_at_a_proof_alike(grace: Person) -> None:
    grace.enrol()
    # What confirmed it is used up, too.
    with pytest.raises(SignInRefused):
        grace.sign_in(code=grace.code())
    code = grace.code(1)
    token = grace.sign_in(code=code)
    with pytest.raises(SignInRefused):
        grace.sign_in(code=code)
    with pytest.raises(ProofRefused):
        proofs.prove(token, PASSWORD, code)
    grace.forget_the_step()
    proofs.prove(token, PASSWORD, code)


def test_of_many_who_use_one_code_at_once_one_gets_in(grace: Person) -> None:
    grace.enrol()
    code, together, tokens = grace.code(1), threading.Barrier(4), []

    def enter() -> None:
        attempt = people.begin_try("grace", None)
        together.wait()
        with suppress(SignInRefused):
            tokens.append(people.conclude_try(attempt, matched=True, code=code))

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == 1


def test_a_proof_wants_the_code_too(grace: Person) -> None:
    grace.enrol()
    token = grace.sign_in(code=grace.code(1))
    grace.forget_the_step()
    with pytest.raises(ProofRefused):
        proofs.prove(token, PASSWORD)
    proofs.prove(token, PASSWORD, grace.code(1))


def test_a_wrong_password_does_not_use_up_a_right_code(grace: Person) -> None:
    grace.enrol()
    code = grace.code(1)
    with pytest.raises(SignInRefused):
        grace.sign_in(WRONG, code)
    assert people.actor_of(grace.sign_in(code=code)) is not None


def test_wrong_codes_are_counted_like_wrong_passwords_and_told_like_them(grace: Person) -> None:
    grace.enrol()
    said = set()
    for password, code in ((PASSWORD, "000000"), (WRONG, "000000"), (PASSWORD, None), (WRONG, grace.code(1)), (PASSWORD, "123")):
        with pytest.raises(SignInRefused) as refused:
            grace.sign_in(password, code)
        said.add(refused.value.sentence)
    assert len(said) == 1
    with pytest.raises(TooManyTries):
        grace.sign_in(code=grace.code(1))
    # The record tells them apart: whoever gets the code wrong knows the password.
    assert [details["because"] for _, details in grace.recorded("sign_in.refused")] == ["code", "password", "code", "password", "code"]  # type: ignore[index]


def test_a_try_asks_as_many_questions_whichever_was_wrong_and_whoever_it_was(grace: Person, add_person: AddPerson, monkeypatch: pytest.MonkeyPatch) -> None:
    grace.enrol()
    asked: list[str] = []
    for name in ("held", "now", "has", "use"):
        plain = getattr(Proofs, name)
        monkeypatch.setattr(Proofs, name, lambda self, *given, _plain=plain, _name=name: (asked.append(_name), _plain(self, *given))[1])
    counts = []
    add_person("operator", username="without-a-code")
    for username, password in (("grace", PASSWORD), ("grace", WRONG), ("without-a-code", WRONG), ("nobody", WRONG)):
        asked.clear()
        with pytest.raises(SignInRefused):
            people.sign_in(username, password, None, "000000")
        counts.append(len(asked))
    assert counts == [3, 3, 3, 3]


def test_nothing_is_asked_of_somebody_without_a_code_whatever_they_type(grace: Person) -> None:
    assert people.actor_of(grace.sign_in(code="123456")) is not None


def test_what_was_only_offered_is_asked_of_nobody(grace: Person) -> None:
    proofs.offer(grace.actor)
    assert people.actor_of(grace.sign_in()) is not None
    assert proofs.is_enrolled([grace.actor.id]) == frozenset()  # type: ignore[list-item]


def test_a_wrong_first_code_switches_nothing_on(grace: Person) -> None:
    proofs.offer(grace.actor)
    with pytest.raises(WrongFirstCode):
        proofs.confirm(grace.actor, "000000")
    assert people.actor_of(grace.sign_in()) is not None


def test_a_second_offer_voids_the_first(grace: Person) -> None:
    first = proofs.offer(grace.actor)
    second = proofs.offer(grace.actor)
    assert first.secret != second.secret
    grace.secret = bytes(second_factor.secret_of(grace._held()))
    assert totp.as_text(grace.secret) == second.secret
    proofs.confirm(grace.actor, grace.code())
    for again in (lambda: proofs.offer(grace.actor), lambda: proofs.confirm(grace.actor, grace.code(1))):
        with pytest.raises(EnrolledAlready):
            again()


def test_the_secret_is_sealed_for_its_own_row_and_no_code_is_kept(grace: Person, add_person: AddPerson) -> None:
    grace.enrol()
    mallory = Person(add_person("operator", username="mallory"), grace.database)
    mallory.enrol()
    grace.sql("UPDATE authenticators SET secret = (SELECT secret FROM authenticators WHERE user_id = %s) WHERE user_id = %s", mallory.actor.id, grace.actor.id)
    with pytest.raises(CannotOpen):
        second_factor.secret_of(grace._held())
    # Mallory's app is not Grace's, whatever the database says; a recovery code still is.
    with pytest.raises(SignInRefused):
        grace.sign_in(code=mallory.code(1))
    assert people.actor_of(grace.sign_in(code=grace.recovery[0])) is not None
    kept = str(grace.sql("SELECT * FROM authenticators")) + str(grace.sql("SELECT * FROM recovery_codes")) + str(grace.sql("SELECT * FROM audit_entries"))
    for secret in (totp.as_text(grace.secret), grace.secret.hex(), *grace.recovery):
        assert secret not in kept


def test_ten_recovery_codes_work_once_each(grace: Person) -> None:
    grace.enrol()
    assert len(set(grace.recovery)) == 10
    token = grace.sign_in(code=grace.recovery[0].upper().replace("-", " "))
    with pytest.raises(SignInRefused):
        grace.sign_in(code=grace.recovery[0])
    proofs.prove(token, PASSWORD, grace.recovery[1])
    assert proofs.standing(grace.actor).recovery_codes == 8
    assert [details["left"] for _, details in grace.recorded("proof.recovery_code_used")] == [9, 8]  # type: ignore[index]


def test_new_recovery_codes_void_those_before(grace: Person) -> None:
    grace.enrol()
    fresh = proofs.renew_recovery_codes(grace.actor)
    with pytest.raises(SignInRefused):
        grace.sign_in(code=grace.recovery[0])
    assert people.actor_of(grace.sign_in(code=fresh[0])) is not None


def test_a_recovery_code_is_of_one_person(grace: Person, add_person: AddPerson) -> None:
    grace.enrol()
    other = Person(add_person("operator"), grace.database)
    other.enrol()
    with pytest.raises(SignInRefused):
        other.sign_in(code=grace.recovery[0])


def test_without_the_vaults_key_a_code_is_refused_and_a_recovery_code_is_not(grace: Person, set_environment: Callable[..., None]) -> None:
    grace.enrol()
    set_environment(billers_vault_keys='{"other": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}')
    with pytest.raises(Misconfigured):
        second_factor.secret_of(grace._held())
    with pytest.raises(SignInRefused):
        grace.sign_in(code=grace.code(1))
    assert people.actor_of(grace.sign_in(code=grace.recovery[0])) is not None


def test_without_a_key_ring_a_code_is_not_set_up_and_no_file_is_named(grace: Person, set_environment: Callable[..., None], tmp_path: Path) -> None:
    set_environment(billers_data_dir=tmp_path / "elsewhere")
    with pytest.raises(CannotBeSetUp) as refused:
        proofs.offer(grace.actor)
    assert str(tmp_path) not in refused.value.sentence


def test_one_removes_ones_own_code_and_can_set_up_another(grace: Person) -> None:
    grace.enrol()
    proofs.remove(grace.actor)
    assert people.actor_of(grace.sign_in()) is not None
    with pytest.raises(NotEnrolled):
        proofs.remove(grace.actor)
    with pytest.raises(NotEnrolled):
        proofs.renew_recovery_codes(grace.actor)
    grace.enrol()
    assert [action for action, _ in grace.recorded("proof.")] == ["proof.enrolled", "proof.removed", "proof.enrolled"]


def test_an_administrator_takes_a_lost_phones_code_away_and_the_record_says_so(grace: Person, add_person: AddPerson) -> None:
    grace.enrol()
    with pytest.raises(NotAllowed):
        proofs.reset(grace.actor, "grace")
    administrator = add_person("administrator")
    with pytest.raises(ProveAgain):
        proofs.reset(replace(administrator, proved_at=None), "grace")
    assert proofs.reset(administrator, " GRACE ")
    assert not proofs.reset(administrator, "grace")
    with pytest.raises(NotFound):
        proofs.reset(administrator, "nobody")
    assert people.actor_of(grace.sign_in()) is not None
    assert grace.recorded("proof.reset") == [("proof.reset", {"username": "grace"})]


def test_the_command_line_resets_it(grace: Person) -> None:
    from typer.testing import CliRunner

    grace.enrol()
    done = CliRunner().invoke(app, ["user", "reset-totp", "grace"])
    assert (done.exit_code, done.stdout.strip()) == (0, "grace signs in without a code until they set up another.")
    assert proofs.is_enrolled([grace.actor.id]) == frozenset()  # type: ignore[list-item]
    assert "has no code" in CliRunner().invoke(app, ["user", "reset-totp", "grace"]).stdout


def test_a_list_of_people_knows_in_one_question_who_has_a_code(grace: Person, add_person: AddPerson) -> None:
    grace.enrol()
    other = add_person("operator")
    assert proofs.is_enrolled([grace.actor.id, other.id]) == {grace.actor.id}  # type: ignore[list-item]
    assert proofs.is_enrolled([]) == frozenset()


# ---- Roles that may not do without


def test_whose_role_asks_for_a_code_can_do_nothing_before_they_have_one(grace: Person, add_person: AddPerson) -> None:
    token = grace.sign_in()
    administrator = add_person("administrator")
    proofs.require_code(administrator, "manager", True)
    held = people.actor_of(token)
    assert held is not None
    assert held.must_enrol
    assert held.permissions == {"people:sign_in"}
    with pytest.raises(NotAllowed, match="code beside the password"):
        transactions.by_reference(held, "X")
    assert people.actor_of(people.redeem(people.sign_in(add_person("operator").username, PASSWORD, None), None, None)).must_enrol is False  # type: ignore[union-attr]
    grace.actor = held
    grace.enrol()
    whole = people.actor_of(token)
    assert whole is not None
    assert not whole.must_enrol
    assert whole.may("transactions:approve")
    assert grace.recorded("role.code") == [("role.code_required", {})]


def test_only_whoever_says_what_roles_may_do_says_who_needs_a_code(grace: Person, add_person: AddPerson) -> None:
    with pytest.raises(NotAllowed):
        proofs.require_code(grace.actor, "manager", True)
    administrator = add_person("administrator")
    with pytest.raises(NotFound):
        proofs.require_code(administrator, "nobody", True)
    proofs.require_code(administrator, "manager", True)
    proofs.require_code(administrator, "manager", True)
    proofs.require_code(administrator, "manager", False)
    assert [action for action, _ in grace.recorded("role.code")] == ["role.code_required", "role.code_not_required"]
    assert people.actor_of(grace.sign_in()).must_enrol is False  # type: ignore[union-attr]


def test_who_is_there_is_still_asked_in_one_statement(grace: Person) -> None:
    token = grace.sign_in()
    with statements() as asked:
        assert people.actor_of(token, touch=False) is not None
    assert len(asked) == 1
