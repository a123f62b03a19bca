"""What a search looks in: each account once, instead of once with each of its payments."""

from sqlalchemy import Column, Computed, Index, Table, Text, text

from core.models.base import Base

# A name or a meter of less than three letters, or three signs in a row: few accounts, whoever they are.
ODD = "length(meter_number) IN (1, 2) OR length(customer_name) IN (1, 2) OR words ~ '(\\W|_){3}'"

# What an account's words begin with: a mark of its biller that nobody types, by which the index of words tells billers apart.
TAG_LENGTH, TAG_DIGITS, TAG_LETTERS = 6, "0123456789abcdef", "bcdfghjkqvwxzptr"
WORDS = (
    f"translate(left(md5(biller_type), {TAG_LENGTH}), '{TAG_DIGITS}', '{TAG_LETTERS}') || E'\\n'"
    " || account_number || E'\\n' || meter_number || E'\\n' || customer_name"
)

# Noted by triggers in the transaction that writes the row, so that it is never behind. A table without a key: two that meet a new account at once both
# note it, and neither waits for the other.
known_accounts = Table(
    "known_accounts",
    Base.metadata,
    Column("biller_type", Text, nullable=False),
    Column("account_number", Text, nullable=False),
    # Empty where the row has none.
    Column("meter_number", Text, nullable=False),
    Column("customer_name", Text, nullable=False),
    Column("words", Text, Computed(WORDS, persisted=True), nullable=False),
    # Is it noted already?
    Index("ix_known_accounts_account", "account_number", "biller_type"),
    # What the index of words cannot know, which begins at three letters or digits.
    Index("ix_known_accounts_odd", "biller_type", postgresql_where=text(ODD)),
    # Parts of words, from three letters on; only where the server has pg_trgm.
    Index(
        "ix_known_accounts_words", "words", postgresql_using="gin", postgresql_ops={"words": "gin_trgm_ops"}, postgresql_with={"gin_pending_list_limit": 256}
    ),
)
