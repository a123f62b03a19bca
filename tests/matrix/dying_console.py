"""A web server that is killed right after the click: it submits the draft DRAFT as USERNAME, and dies DIES the commit (`before`, `after`)."""

import os
import uuid

from sqlalchemy import event, select, text

from core import db
from core.access import Actor
from core.models import User
from core.services import payments
from tests.campaign.harness import die

DRAFT, USERNAME, DIES = (os.environ[name] for name in ("DRAFT", "USERNAME", "DIES"))  # noqa: TID251 - a program of the tests, told by its test


def somebody(username: str) -> Actor:
    with db.unit_of_work() as session:
        person = session.scalars(select(User).where(User.username == username)).one()
        permissions = session.execute(text("SELECT permission FROM role_permissions WHERE role = :role"), {"role": person.role}).scalars().all()
    return Actor(person.id, person.username, person.display_name, person.role, frozenset(permissions), "127.0.0.1")


if __name__ == "__main__":
    actor = somebody(USERNAME)
    if DIES == "before":
        event.listen(db.engine(), "commit", lambda _: die())
    payments.submit(actor, uuid.UUID(DRAFT))
    die()
