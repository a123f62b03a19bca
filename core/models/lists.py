"""What a search looks in: each account once, instead of once with each of its payments, and each name once, instead of once with each of its accounts."""

from sqlalchemy import Column, Computed, Index, Table, Text, text

from core.models.base import Base

SIGNS_IN_A_ROW = r"(\W|_){3}"

# A name or a meter of less than three letters, or three signs in a row: few accounts, whoever they are.
ODD = f"length(meter_number) IN (1, 2) OR length(customer_name) IN (1, 2) OR words ~ '{SIGNS_IN_A_ROW}'"
ODD_NAME = f"customer_name ~ '{SIGNS_IN_A_ROW}'"

# What an account's numbers begin with: a mark of its biller that nobody types, by which the index of numbers tells billers apart.
TAG_LENGTH, TAG_DIGITS, TAG_LETTERS = 6, "0123456789abcdef", "bcdfghjkqvwxzptr"
NUMBERS = f"translate(left(md5(biller_type), {TAG_LENGTH}), '{TAG_DIGITS}', '{TAG_LETTERS}') || E'\\n' || account_number || E'\\n' || meter_number"
WORDS = f"{NUMBERS} || E'\\n' || customer_name"

# As much of a name as an index holds: a biller may answer with one that has no end.
NAME_KEY = "left(customer_name, 200)"


def _parts(name: str, column: str) -> Index:
    """Parts of words, from three letters on; only where the server has pg_trgm."""
    return Index(name, column, postgresql_using="gin", postgresql_ops={column: "gin_trgm_ops"}, postgresql_with={"gin_pending_list_limit": 256})


# Noted by triggers in the transaction that writes the row, so that they are never behind. Tables without a key: two that meet a new account at once both
# note it, and neither waits for the other.
known_accounts = Table(
    "known_accounts",
    Base.metadata,
    Column("biller_type", Text, nullable=False),
    Column("account_number", Text, nullable=False),
    # Empty where the row has none.
    Column("meter_number", Text, nullable=False),
    Column("customer_name", Text, nullable=False),
    Column("name_key", Text, Computed(NAME_KEY, persisted=True), nullable=False),
    Column("numbers", Text, Computed(NUMBERS, persisted=True), nullable=False),
    # With the name: what the version before 0011 searches in. A later migration takes it away.
    Column("words", Text, Computed(WORDS, persisted=True), nullable=False),
    # Is it noted already?
    Index("ix_known_accounts_account", "account_number", "biller_type"),
    # Whose name is that?
    Index("ix_known_accounts_name", "name_key", "biller_type", "account_number", postgresql_where=text("name_key <> ''")),
    # What the index of numbers cannot know, which begins at three letters or digits.
    Index("ix_known_accounts_odd", "biller_type", postgresql_where=text(ODD)),
    _parts("ix_known_accounts_numbers", "numbers"),
    _parts("ix_known_accounts_words", "words"),
)

known_names = Table(
    "known_names",
    Base.metadata,
    Column("customer_name", Text, nullable=False),
    Column("name_key", Text, Computed(NAME_KEY, persisted=True), nullable=False),
    Index("ix_known_names_key", "name_key"),
    Index("ix_known_names_odd", "name_key", postgresql_where=text(ODD_NAME)),
    _parts("ix_known_names_words", "customer_name"),
)
