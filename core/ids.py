"""The names we give things. Internal ids sort by time; references are what a biller sees."""

import secrets
import uuid

import uuid_utils.compat

# Crockford's base32: no I, L, O or U, so that a reference survives being read out on the phone.
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

# 16 characters of 5 bits are 80 random bits; T24's `debitReference` has room for no more.
REFERENCE_LENGTH = 16


def new_id() -> uuid.UUID:
    """A UUIDv7: unique everywhere, and close to its neighbours in time inside an index."""
    return uuid_utils.compat.uuid7()


def new_reference() -> str:
    """A wire reference. Minted once per transaction and leg, and never again."""
    return "".join(secrets.choice(CROCKFORD) for _ in range(REFERENCE_LENGTH))


def new_secret() -> str:
    """256 random bits for a cookie or a ticket. Only its hash is ever stored."""
    return secrets.token_urlsafe(32)


def incident_id() -> str:
    """What a person reads out when something unexpected happened; the log carries the same one."""
    return "".join(secrets.choice(CROCKFORD) for _ in range(8))
