"""The bank of the day: the campaign's city, the console before it as a program of its own, its people, and whoever is told of what happens."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from core import db
from core.access import Actor
from core.models import User
from core.models.notifications import Happening
from core.services import notifications
from core.services.notifications import MailServer
from core.settings import child_environment
from tests.browser.conftest import free_ports, serving
from tests.campaign.city import City, new_city
from tests.notifications.receivers import LOOPBACK, MailHost, Receiver
from tests.world import PASSWORD_HASH

# Who works at the bank: their role, the name they sign in with, and the name that the console tells.
STAFF = {
    "teller": ("operator", "Alinafe Phiri"),
    "second-teller": ("operator", "Chisomo Jere"),
    "analyst": ("analyst", "Tadala Mbewe"),
    "manager": ("manager", "Thoko Maseko"),
    "second-manager": ("manager", "Limbani Soko"),
    "administrator": ("administrator", "Wezi Gondwe"),
}

# What is told by mail. The webhook is told of everything.
BY_MAIL = (
    *(Happening.PAYMENT_COMPLETED, Happening.PAYMENT_FAILED, Happening.PAYMENT_UNDER_REVIEW, Happening.BREAK_FOUND),
    *(Happening.APPROVAL_WAITING, Happening.APPROVAL_DECIDED, Happening.CLOSE_SIGNED),
)
OPERATIONS = "operations@bank.example.mw"


@dataclass
class Bank:
    city: City
    url: str
    mail: MailHost
    hook: Receiver
    people: dict[str, Actor] = field(default_factory=dict)
    key: str = ""

    def hire(self) -> None:
        for name, (role, called) in STAFF.items():
            actor = self.city.add_person(role)
            with db.unit_of_work() as session:
                person = session.get_one(User, actor.id)
                person.username, person.display_name, person.password_hash, person.sandbox = name, called, PASSWORD_HASH, True
            self.people[name] = Actor(actor.id, name, called, role, actor.permissions, actor.address, proved_at=actor.proved_at)
        self.city.operator, self.city.manager = self.people["teller"], self.people["manager"]

    def say_who_is_told(self) -> None:
        administrator = self.people["administrator"]
        by_mail = notifications.keep_mail_server(administrator, "Mail", MailServer(LOOPBACK, self.mail.port, "insecure", "billers@bank.example.mw"))
        by_hook, self.key = notifications.add_webhook(administrator, "Ledger", self.hook.url)
        for event in BY_MAIL:
            notifications.subscribe(administrator, event, by_mail, address=OPERATIONS)
        for event in Happening:
            notifications.subscribe(administrator, event, by_hook)


@contextmanager
def new_bank(server: URL, template: URL, directory: Path, patch: pytest.MonkeyPatch) -> Iterator[Bank]:
    """A bank that is open, until the block ends."""
    (port,) = free_ports(1)
    mail, hook = MailHost(), Receiver()
    mail.start()
    hook.start()
    try:
        with new_city(server, template, directory, patch) as city:
            bank = Bank(city, f"http://127.0.0.1:{port}", mail, hook)
            bank.hire()
            bank.say_who_is_told()
            command = [sys.executable, "-m", "streamlit", "run", "Home.py", "--server.port", str(port), "--server.headless", "true"]
            with serving(command, child_environment(), port):
                yield bank
    finally:
        hook.stop()
        mail.stop()
