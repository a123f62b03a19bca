"""What the database has of the vault: where envelopes are, and the names of keys that are no more. Never a key."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


@dataclass(frozen=True, slots=True)
class Place:
    """A column that holds envelopes. `row` is its table's primary key; `bound_to` says what its envelopes are bound to: a table, the column that has
    its row's id here, and a column. A copy that history keeps opens where the original does.
    """

    table: str
    column: str
    row: tuple[str, ...]
    bound_to: tuple[str, str, str]

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


# Every column in which something is sealed: what a rotation walks. Nothing can be sealed for a place that is not on the list; and a place on the list has
# the trigger `hold_the_keys`, so that no envelope gets past the retiring of its key (tests/security/test_rotation.py).
PLACES: tuple[Place, ...] = (
    Place("biller_configs", "authentication", ("id",), ("biller_configs", "id", "authentication")),
    Place("biller_config_versions", "authentication", ("config_id", "version"), ("biller_configs", "config_id", "authentication")),
    Place("configuration_proposals", "authentication", ("id",), ("configuration_proposals", "id", "authentication")),
    Place("authenticators", "secret", ("user_id",), ("authenticators", "user_id", "secret")),
    Place("notification_channels", "destination", ("id",), ("notification_channels", "id", "destination")),
    Place("vended_tokens", "envelope", ("transaction_id",), ("vended_tokens", "transaction_id", "token")),
)


class RetiredKey(Base):
    """A key with which nothing is sealed any more. The database refuses an envelope that says it is, and no later key gets its name."""

    __tablename__ = "retired_keys"

    key_id: Mapped[str] = mapped_column(primary_key=True)
    retired_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
