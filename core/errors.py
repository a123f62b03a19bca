"""What can go wrong, in words. An error's text is its message to the person: what happened, and what to do next."""

from collections.abc import Mapping


class BillersError(Exception):
    """Something went wrong. Try again, and tell an administrator if it stays so."""

    def __init__(self, sentence: str = "", **facts: object) -> None:
        self.facts: Mapping[str, object] = facts
        super().__init__(sentence or (type(self).__doc__ or "").strip().format(**facts))

    @property
    def sentence(self) -> str:
        return str(self.args[0])


class BadInput(BillersError):
    """This value cannot be used. Correct it and try again."""


class NotAllowed(BillersError):
    """Your role does not include this. Ask an administrator if you need it for your work."""


class NotFound(BillersError):
    """There is nothing under this reference. Check it and search again."""


class NotSignedIn(BillersError):
    """You are signed out. Sign in again; nothing you submitted is lost."""


class ProveAgain(BillersError):
    """This asks for a fresh proof that it is you. Enter your password, then press the button again; nothing you typed is lost."""


class NotLegalNow(BillersError):
    """This is not possible in the transaction's present state. Open it again to see where it stands."""


class Conflict(BillersError):
    """Somebody else changed this at the same time. Look at it again before you decide."""


class Busy(BillersError):
    """Somebody else is changing this at the moment. Wait a moment and try again; nothing was changed."""


class Misconfigured(BillersError):
    """The set-up is incomplete. An administrator can mend it; `billers doctor` says what is missing."""


class Unavailable(BillersError):
    """The database cannot be reached. Nothing was lost: wait a moment and open the page again."""
