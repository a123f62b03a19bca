"""How long an answer is waited for. Whoever asks has one within three seconds, whatever a biller does; what is not settled by then is looked at again later."""

import uuid

from core import clock
from core.access import Actor
from core.api.programs.way_in import in_thread
from core.models import Transaction
from core.services import transactions
from core.services.live import CHANGES, Closing, LetGo
from core.states import AT_REST, Stage

# Of the three seconds that rule 11 allows, what is left beside the work around it.
LONGEST_SECONDS = 2.2

# A word of a change may be lost: between two words the row is looked at anyway.
LOOK_SECONDS = 0.4


async def settled(actor: Actor, transaction_id: uuid.UUID, seconds: float = LONGEST_SECONDS) -> Transaction:
    """The transaction once nothing moves it by itself any more, or as it stands when the time is up. Raises `NotFound`."""
    until = clock.monotonic_seconds() + seconds
    with CHANGES.following() as follower:
        while True:
            found = await in_thread(transactions.find, actor, transaction_id)
            left = until - clock.monotonic_seconds()
            if found.stage in AT_REST or found.stage == Stage.AWAITING_APPROVAL or left <= 0:
                return found
            try:
                await follower.next(min(left, LOOK_SECONDS))
            except (Closing, LetGo):
                return found
