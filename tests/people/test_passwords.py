"""Passwords: what is accepted, and what the sandbox makes."""

import re

import pytest

from core.security import passwords
from core.security.passwords import WeakPassword
from tests.world import SetEnvironment


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "at least 12"),
        ("é" * 40, "at most 72"),
        (" granite lantern violet", "space"),
        ("granite lantern violet ", "space"),
        ("gracegrace12", "user name"),
        ("aaaaaaaaaaaaaa", "same few"),
        ("granite\0lantern violet", "cannot be typed"),
        # Common ones, dressed up.
        ("Password2026!", "many people have"),
        ("iloveyou123456", "many people have"),
        ("P@ssw0rd!2026", "many people have"),
        ("2026LIVERPOOL!!", "many people have"),
        ("sunshinesunshine", "many people have"),
        ("135792468013", "many people have"),
        ("leavemealone", "many people have"),
        # What this console and this bank are called.
        ("Billers-2026!", "Billers"),
        ("National-2026", "National"),
        ("nationalBankOfTheLake9", "National Bank of the Lake"),
    ],
)
def test_a_weak_password_is_refused_with_what_to_change(password: str, why: str, set_environment: SetEnvironment) -> None:
    set_environment(billers_bank_name="National Bank of the Lake")
    with pytest.raises(WeakPassword, match=why):
        passwords.check_policy(password, "grace")


def test_the_list_of_common_passwords_says_where_it_comes_from() -> None:
    lines = passwords.COMMON.read_text().splitlines()
    head, words = [line for line in lines if line.startswith("#")], [line for line in lines if not line.startswith("#")]
    assert "licence" in " ".join(head)
    assert len(words) == len(set(words)) >= 5_000
    # As they are compared: a word that is written otherwise would be found by nobody.
    assert all(word == word.casefold().strip(passwords.AT_THE_ENDS) for word in words)


@pytest.mark.parametrize(
    "password",
    ["granite-lantern-violet-42", "liverpool rain on billers", "the national bank closes at four", "zikomo kwambiri bwana", "nsima ndi ndiwo 🍲 lero"],
)
def test_a_long_password_is_accepted_whatever_its_signs(password: str) -> None:
    passwords.check_policy(password, "grace")


def test_a_password_is_kept_as_bcrypt_at_cost_12() -> None:
    kept = passwords.hash_of("granite-lantern-violet-42")
    assert kept.startswith("$2b$12$")
    assert passwords.matches("granite-lantern-violet-42", kept)
    assert not passwords.matches("granite-lantern-violet-43", kept)


def test_what_bcrypt_would_cut_off_matches_nothing() -> None:
    kept = passwords.hash_of("a" * 72)
    assert passwords.matches("a" * 72, kept)
    assert not passwords.matches("a" * 73, kept)


def test_the_dummy_costs_as_much_as_a_real_one() -> None:
    assert passwords.DUMMY_HASH.startswith(f"$2b${passwords.COST}$")


def test_a_generated_password_can_be_read_out_and_passes_the_policy() -> None:
    made = {passwords.generate() for _ in range(200)}
    assert len(made) == 200
    for password in made:
        assert re.fullmatch(r"[a-hjkmnp-z2-9]{4}(-[a-hjkmnp-z2-9]{4}){3}", password)
        passwords.check_policy(password, "grace")
