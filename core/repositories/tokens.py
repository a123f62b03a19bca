"""What is known of vended tokens: the sealed envelope of a payment's token, and nothing of what is in it."""

import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.models import VendedToken


class Tokens:
    def __init__(self, session: Session) -> None:
        self._session = session

    def envelope_of(self, transaction_id: uuid.UUID) -> str | None:
        return self._session.scalar(select(VendedToken.envelope).where(VendedToken.transaction_id == transaction_id))
