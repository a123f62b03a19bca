"""Administrators, and people to look after. A proof of who somebody is is as old as their actor."""

from dataclasses import replace

import pytest

from core import clock
from core.access import Actor
from core.security import passwords
from tests.world import AddPerson


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """bcrypt at the least cost: these tests are not attacked."""
    monkeypatch.setattr(passwords, "COST", 4)


@pytest.fixture
def limbani(add_person: AddPerson, quick_passwords: None) -> Actor:
    """An administrator who has just signed in."""
    return replace(add_person("administrator", username="limbani", display_name="Limbani Chirwa"), proved_at=clock.now())


@pytest.fixture
def thokozani(add_person: AddPerson) -> Actor:
    """Another one."""
    return replace(add_person("administrator", username="thokozani", display_name="Thokozani Nyirenda"), proved_at=clock.now())
